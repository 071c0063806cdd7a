"""Prove that the database keeps the contract of names."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from config import conformance, pg_catalog


class Command(BaseCommand):
    """Compare the tables other services rely on with PostgreSQL's own catalogue, and mirrors row by row."""

    help = (
        "Prove from PostgreSQL's own catalogue that tables, columns, types, defaults and indexes are as other services "
        "rely on, and that mirror columns equal their sources in every row. Writes nothing. Exit 1 on any difference."
    )
    requires_system_checks = ()  # it is asked when something may be wrong

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the form of the answer and whether rows are read."""
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of lines.")
        parser.add_argument(
            "--skip-mirrors", action="store_true", help="Read the catalogue only, not each row of the mirrors."
        )

    def handle(self, **options: Any) -> None:
        """Print what was checked and each difference."""
        read = not options["skip_mirrors"]
        checked = conformance.verify(conformance.of_all_apps(), rows=read, watched=_watched)
        count = sum(len(table.differences) for table in checked)
        if options["json"]:
            answer = {"passed": not count, "rows_read": read, "tables": [asdict(table) for table in checked]}
            self.stdout.write(json.dumps(answer, indent=2))
        else:
            for table in checked:
                self.stdout.write(_line(table))
                for difference in table.differences:
                    self.stdout.write(f"  {difference}")
        scope = f"{len(checked)} tables{'' if read else ', rows of mirrors not read'}"
        if count:
            message = f"schema_differs: {count} differences in {scope}."
            raise CommandError(message)
        if not options["json"]:
            self.stdout.write(f"as promised: {scope}.")


def _line(table: conformance.Checked) -> str:
    """Return what was checked in one table."""
    about = "" if table.rows_exact else "about "
    rows = "rows not estimated yet" if table.rows is None else f"{about}{table.rows:,} rows"
    also = f"; writers also give {', '.join(table.also_given)}" if table.also_given else ""
    return (
        f"{table.table}: {table.kind}, {rows}; checked columns {table.columns}, indexes {table.indexes}, "
        f"mirrors {table.mirrors}{also}"
    )


def _watched(spans: Sequence[pg_catalog.Span], table: str) -> Iterable[pg_catalog.Span]:
    """Show on a terminal how far a table is read, once that takes longer than a second."""
    return tqdm(spans, desc=table, unit="part", delay=1, leave=False, disable=None)
