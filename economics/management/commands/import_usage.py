"""Record usage from a file."""

from datetime import datetime
from typing import Any, BinaryIO

from django.core.management.base import CommandParser

from economics import importing, metering, usage_files
from economics.management import files


class Command(files.ImportCommand):
    """Rows one by one: what is wrong with one keeps none of the others out."""

    help = (
        "Record usage from a file: lines of JSON in our own names (.ndjson, .jsonl), an array of CloudEvents (.json) "
        "or CSV with a header (.csv). Every row carries an event id of its own, so a file may be imported again. "
        f"Fields: {', '.join(usage_files.FIELDS)}. Exit 1 when a row was refused."
    )
    fields = usage_files.FIELDS
    forms = usage_files.FORMS
    suffixes = usage_files.SUFFIXES
    most = metering.MOST_AT_ONCE

    def add_arguments(self, parser: CommandParser) -> None:
        """Take also who used it."""
        super().add_arguments(parser)
        parser.add_argument("--agent", metavar="NAME", help="Who used it, for rows that name no agent_id.")

    def tally(self) -> importing.Tally:
        """Return a tally of nothing."""
        return importing.Tally()

    def job(
        self, stream: BinaryIO, form: str, tally: importing.Tally, options: dict[str, Any], now: datetime
    ) -> files.Job:
        """Record the file's uses."""
        how = usage_files.Reading(
            form=form,
            columns=dict(options["map"]),
            constants=dict(options["set"]),
            defaults=files.defaults(options, agent_id=options["agent"]),
        )
        found = usage_files.contents(stream, how, now=now)
        chunks = importing.record(found.rows, tally=tally, now=now, size=options["batch"], dry_run=options["dry_run"])
        return files.Job(chunks, found.total, found.unread)

    def sums(self, tally: importing.Tally) -> str:
        """Say how many tokens and what they cost."""
        return (
            f"{tally.tokens:,} LLM tokens; {tally.priced:,} rows priced at {tally.usd:f} USD "
            f"({tally.first_list:,} by a first list that came later), {tally.unpriced:,} unpriced."
        )
