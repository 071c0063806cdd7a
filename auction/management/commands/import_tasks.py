"""File a quest's backlog from a file."""

from datetime import datetime
from typing import Any, BinaryIO

from django.core.management.base import CommandParser

from auction import backlog, backlog_files, quests
from economics import row_files
from economics.management import files


class Command(files.ImportCommand):
    """Rows one by one: what is wrong with one keeps none of the others out, but those that need it."""

    help = (
        "File a quest's backlog from a file: lines of JSON in our own names (.ndjson, .jsonl) or CSV with a header "
        "(.csv). Every row is a task as it is to be, by its own id, so a file may be imported again and only what "
        "differs is changed; tasks it does not name stay. In CSV needs are parted by blanks, commas or semicolons; "
        f"a lone ; clears them. Fields: {', '.join(backlog_files.FIELDS)}. Exit 1 when a row was refused."
    )
    fields = backlog_files.FIELDS
    forms = row_files.FORMS
    suffixes = row_files.SUFFIXES
    most = backlog.MOST_AT_ONCE
    rows = "Tasks"
    has_source = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Take also whose backlog it is."""
        parser.add_argument("quest", metavar="QUEST", help="The id of the quest.")
        super().add_arguments(parser)

    def tally(self) -> backlog_files.Tally:
        """Return a tally of nothing."""
        return backlog_files.Tally()

    def job(
        self, stream: BinaryIO, form: str, tally: backlog_files.Tally, options: dict[str, Any], now: datetime
    ) -> files.Job:
        """File the file's tasks."""
        how = row_files.Reading(
            form=form,
            columns=dict(options["map"]),
            constants=dict(options["set"]),
            defaults=files.defaults(options),
        )
        quest = quests.get(options["quest"])
        found = backlog_files.contents(stream, how)
        chunks = backlog_files.file(
            found.rows, quest, tally=tally, now=now, size=options["batch"], dry_run=options["dry_run"]
        )
        return files.Job(chunks, unread=found.unread)

    def sums(self, tally: backlog_files.Tally) -> str:
        """Say how many are new, how many changed, and how many were closed."""
        return f"{', '.join(f'{number:,} {what}' for what, number in sorted(tally.whats.items())) or 'nothing'}."
