"""Audit the books."""

from argparse import BooleanOptionalAction
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from auction import audit
from economics.ledger import Difference


class Command(BaseCommand):
    """Rebuild every balance, hold, transfer and state from the rows and print each difference."""

    help = "Rebuild every balance, hold, transfer and state from the rows, in one snapshot. Exit 1 on any difference."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether to store the pass."""
        parser.add_argument("--store", action=BooleanOptionalAction, default=True, help="Store the pass.")

    def handle(self, **options: Any) -> None:
        """Print a line for each difference, or that there is none."""
        if options["store"]:
            found = [Difference(**row) for row in audit.audit(now=timezone.now()).differences]
        else:
            found = audit.differences()
        for difference in found:
            self.stdout.write(str(difference))
        if found:
            message = f"audit_failed: {len(found)} differences in {audit.scope()}."
            raise CommandError(message)
        self.stdout.write(f"clean: {audit.scope()}.")
