"""Record signals from a file."""

from datetime import datetime
from typing import Any, BinaryIO

from django.core.management.base import CommandParser

from economics import row_files, signal_files, signals
from economics.management import files


class Command(files.ImportCommand):
    """Rows one by one: what is wrong with one keeps none of the others out."""

    help = (
        "Record signals of a registered source from a file: lines of JSON in our own names (.ndjson, .jsonl) or CSV "
        "with a header (.csv). Every signal carries an event id and a time of its own, so a file may be imported "
        f"again and counts for its own day. Fields: {', '.join(signal_files.FIELDS)}. Exit 1 when a row was refused."
    )
    fields = signal_files.FIELDS
    forms = row_files.FORMS
    suffixes = row_files.SUFFIXES
    most = signals.MOST_AT_ONCE
    rows = "Signals"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take also what stands before the ids of a file's entities."""
        super().add_arguments(parser)
        parser.add_argument(
            "--entity-prefix", metavar="TEXT", default="", help="What stands before every entity_id, as RPP- before 1."
        )

    def tally(self) -> signal_files.Tally:
        """Return a tally of nothing."""
        return signal_files.Tally()

    def job(
        self, stream: BinaryIO, form: str, tally: signal_files.Tally, options: dict[str, Any], now: datetime
    ) -> files.Job:
        """Record the file's signals."""
        how = signal_files.Reading(
            form=form,
            columns=dict(options["map"]),
            prefix=options["entity_prefix"],
            constants=dict(options["set"]),
            defaults=files.defaults(options),
        )
        found = signal_files.contents(stream, how, now=now)
        chunks = signal_files.record(
            found.rows, tally=tally, now=now, size=options["batch"], dry_run=options["dry_run"]
        )
        return files.Job(chunks, unread=found.unread)

    def sums(self, tally: signal_files.Tally) -> str:
        """Say on how many entities, from when to when."""
        if tally.since is None or tally.until is None:
            return "nothing."
        noun = "entity" if len(tally.entities) == 1 else "entities"
        return f"{len(tally.entities):,} {noun}, {tally.since:%Y-%m-%d %H:%M} to {tally.until:%Y-%m-%d %H:%M} UTC."
