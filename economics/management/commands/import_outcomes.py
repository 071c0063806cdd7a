"""Record outcomes from a file."""

from datetime import datetime
from typing import Any, BinaryIO

from django.core.management.base import CommandError, CommandParser

from economics import outcome_files, outcomes, row_files
from economics.management import files


class Command(files.ImportCommand):
    """Rows one by one: what is wrong with one keeps none of the others out."""

    help = (
        "Record outcomes from a file: lines of JSON in our own names (.ndjson, .jsonl) or CSV with a header (.csv). "
        "Every outcome carries an event id of its own, so a file may be imported again. A CSV file may count edges "
        "both ways in each row (--gained, --removed): a row is then up to two outcomes. "
        f"Fields: {', '.join(outcome_files.FIELDS)}. Exit 1 when an outcome was refused."
    )
    fields = outcome_files.FIELDS
    forms = row_files.FORMS
    suffixes = row_files.SUFFIXES
    most = outcomes.MOST_AT_ONCE
    rows = "Outcomes"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take also who reports it, and what the columns of a wide file are."""
        super().add_arguments(parser)
        parser.add_argument("--agent", metavar="NAME", default="", help="Who reports it.")
        parser.add_argument("--gained", metavar="COLUMN", default="", help="The column that counts edges gained.")
        parser.add_argument("--removed", metavar="COLUMN", default="", help="The column that counts edges removed.")
        parser.add_argument(
            "--identity",
            metavar="COLUMN",
            action="append",
            default=[],
            help="A column of a CSV file that is part of the event id; repeated: they make it up together.",
        )

    def tally(self) -> outcome_files.Tally:
        """Return a tally of nothing."""
        return outcome_files.Tally()

    def job(
        self, stream: BinaryIO, form: str, tally: outcome_files.Tally, options: dict[str, Any], now: datetime
    ) -> files.Job:
        """Record the file's outcomes."""
        if form != "csv" and (options["gained"] or options["removed"] or options["identity"]):
            msg = "--gained, --removed and --identity are about the columns of a CSV file."
            raise CommandError(msg)
        how = outcome_files.Reading(
            form=form,
            columns=dict(options["map"]),
            identity=tuple(options["identity"]),
            gained=options["gained"],
            removed=options["removed"],
            constants=dict(options["set"]),
            defaults=files.defaults(options),
        )
        found = outcome_files.contents(stream, how, now=now)
        chunks = outcome_files.record(
            found.rows,
            tally=tally,
            agent_id=options["agent"],
            now=now,
            size=options["batch"],
            dry_run=options["dry_run"],
        )
        return files.Job(chunks, unread=found.unread)

    def sums(self, tally: outcome_files.Tally) -> str:
        """Say how many of each kind."""
        said = [f"{amount.normalize():,f} {kind.replace('_', ' ')}" for kind, amount in sorted(tally.amounts.items())]
        return f"{', '.join(said) or 'nothing'}."
