"""Make the day's step of the market weights now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from economics import market


class Command(BaseCommand):
    """The same step that the beat makes; whoever comes first makes it."""

    help = (
        "Move every market weight a step towards its signal, as the beat does once a day. The day's step is made "
        "once: a second call on the same day says so and moves nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether anything is to be written."""
        parser.add_argument("--dry-run", action="store_true", help="Say what would move; move nothing.")

    def handle(self, **options: Any) -> None:
        """Weigh, then say what moved."""
        dry_run: bool = options["dry_run"]
        weighed = market.weigh(now=timezone.now(), dry_run=dry_run)
        if weighed is None:
            self.stdout.write("The step of this day was made before; the next one is due tomorrow.")
            return
        moved = weighed.raised + weighed.lowered
        self.stdout.write(
            f"{'Dry run: nothing is moved. ' if dry_run else ''}{weighed.day}: {moved:,} weights moved, "
            f"{weighed.raised:,} up and {weighed.lowered:,} down; {weighed.stayed:,} unmoved under a changed "
            f"signal; {weighed.held_back:,} held back by a closed gate."
        )
        for one in weighed.largest:
            said = "no signal" if one.signal is None else f"signal {one.signal.normalize():f}"
            gate = "" if one.is_free else ", gate closed"
            self.stdout.write(
                f"  {one.entity_type}:{one.entity_id} {one.before.normalize():f} to {one.after.normalize():f} "
                f"({said}{gate})"
            )
        if (more := moved - len(weighed.largest)) > 0:
            self.stdout.write(f"  … and {more:,} more.")
