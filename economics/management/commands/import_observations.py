"""Record observations from a file."""

from datetime import datetime
from typing import Any, BinaryIO

from economics import observation_files, observations, row_files
from economics.management import files


class Command(files.ImportCommand):
    """Rows one by one: what is wrong with one keeps none of the others out."""

    help = (
        "Record what was seen of entities (papers, debates, replications, links; votes, comments, bounties) from a "
        "file: lines of JSON in our own names (.ndjson, .jsonl) or CSV with a header (.csv). Every row carries an "
        f"event id of its own, so a file may be imported again. Fields: {', '.join(observation_files.FIELDS)}. "
        "Exit 1 when a row was refused."
    )
    fields = observation_files.FIELDS
    forms = row_files.FORMS
    suffixes = row_files.SUFFIXES
    most = observations.MOST_AT_ONCE
    rows = "Observations"

    def tally(self) -> observation_files.Tally:
        """Return a tally of nothing."""
        return observation_files.Tally()

    def job(
        self, stream: BinaryIO, form: str, tally: observation_files.Tally, options: dict[str, Any], now: datetime
    ) -> files.Job:
        """Record the file's observations."""
        how = row_files.Reading(
            form=form,
            columns=dict(options["map"]),
            constants=dict(options["set"]),
            defaults=files.defaults(options),
        )
        found = observation_files.contents(stream, how, now=now)
        chunks = observation_files.record(
            found.rows, tally=tally, now=now, size=options["batch"], dry_run=options["dry_run"]
        )
        return files.Job(chunks, unread=found.unread)

    def sums(self, tally: observation_files.Tally) -> str:
        """Say how many of each kind, of how many entities."""
        said = ", ".join(f"{number:,} {kind}" for kind, number in sorted(tally.kinds.items()))
        noun = "entity" if len(tally.entities) == 1 else "entities"
        return f"{said or 'nothing'}; {len(tally.entities):,} {noun}."
