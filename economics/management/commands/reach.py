"""How much of a budget would have reached what later proved right, split by markets and alike."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from config.errors import RefusedError
from economics import reach


class Command(BaseCommand):
    """A table of splits of the same budget."""

    help = (
        "Split the same LLM tokens over the entities that all named sources spoke of at a moment: alike, by the market "
        "weights applied then, and by each source alone; say how much reached those improved afterwards (outcomes "
        "hypotheses_improved). Nothing is written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the moment and what is compared."""
        parser.add_argument("--source", metavar="NAME", action="append", required=True, help="May be repeated.")
        parser.add_argument("--at", metavar="TIME", type=_moment, required=True, help="When it is split.")
        parser.add_argument("--until", metavar="TIME", type=_moment, help="Up to when outcomes count (now).")
        parser.add_argument("--type", default="hypothesis", help="Type of the entities (hypothesis).")
        parser.add_argument("--only", metavar="TEXT", default="", help="Only ids that begin with this.")

    def handle(self, **options: Any) -> None:
        """Print the table."""
        try:
            found = reach.reach(
                entity_type=options["type"],
                sources=options["source"],
                now=options["at"],
                until=options["until"] or timezone.now(),
                only=options["only"],
            )
        except RefusedError as refusal:
            msg = f"{refusal.code}: {refusal.detail}"
            raise CommandError(msg) from refusal
        self.stdout.write(reach.table({options["type"]: found}), ending="")


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:  # as the 31st of a month of 30 days
        moment = None
    if moment is None:
        msg = f"{text} is no time, as 2026-01-31T12:00:00Z is"
        raise ArgumentTypeError(msg)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
