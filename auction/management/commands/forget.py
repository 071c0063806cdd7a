"""Forget now what beat forgets once an hour: rows whose time is over and that no money rests on."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from auction import retention
from config import clock


class Command(BaseCommand):
    """Print how many rows of each kind went."""

    help = "Delete rows older than the policy of retention keeps them (admin, House). Money is never among them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the rehearsal."""
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        """Forget, or count."""
        del args, options
        now = clock.now()
        counts = retention.would_forget(now=now) if dry_run else retention.forget(now=now)
        verb = "would go" if dry_run else "gone"
        for what, number in counts.items():
            self.stdout.write(f"{number:>12,} {what} {verb}")
