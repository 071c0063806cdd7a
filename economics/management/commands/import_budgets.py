"""Open or change many envelopes from a CSV file."""

import argparse
import csv
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from config.errors import RefusedError
from economics import envelopes, revisions

_WHOLE = ("token_budget", "api_call_budget", "request_token_cap")
_TERMS = ("window_kind", *envelopes.CEILINGS, "request_token_cap")
_NAMED = ("entity_type", "entity_id")
_NUMBER = re.compile(r"-?[0-9]{1,24}(\.[0-9]{1,6})?")


class Command(BaseCommand):
    """All rows or none: a file with a fault changes nothing."""

    help = (
        "Open envelopes, or change those that exist, from a CSV file with a header: entity_type, entity_id and any of "
        f"{', '.join(_TERMS)} (LLM tokens, CPU seconds, GB and calls in a window: day, week, month or lifetime). An "
        "empty cell is no ceiling (0 for tokens and CPU); a column that is not there leaves what an envelope has, and "
        "gives a new one a month, 0 tokens, 0 CPU seconds and no other ceiling. All rows or none."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file, the reason and how to go about it."""
        parser.add_argument(
            "file",
            metavar="FILE",
            type=argparse.FileType("r", encoding="utf-8-sig"),
            help="A CSV file; - reads standard input.",
        )
        parser.add_argument("--reason", required=True, metavar="TEXT", help="Why; it stands in every revision.")
        parser.add_argument("--author", default="import_budgets", metavar="NAME", help="Who; stands there as well.")
        parser.add_argument(
            "--granted",
            action="store_true",
            help="The Senate granted the new envelopes, by the author's word: only such may be lifted by the market.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Check and count; write nothing.")

    def handle(self, **options: Any) -> None:
        """Read the file, then open and change in one transaction."""
        rows = list(_rows(options["file"]))
        author = revisions.Author(options["author"], options["reason"], "import", Path(options["file"].name).name)
        with transaction.atomic():
            try:
                done = envelopes.put_many(rows, author=author, now=timezone.now(), granted=options["granted"])
            except RefusedError as refusal:
                figures = "".join(f" {name} {value}." for name, value in refusal.figures.items())
                message = f"{refusal.code}: {refusal.detail}{figures}"
                raise CommandError(message) from refusal
            if options["dry_run"]:
                transaction.set_rollback(True)
        said = f"opened {done.opened:,}, changed {done.changed:,}, left as they were {done.untouched:,}"
        self.stdout.write(f"{'Dry run: nothing is changed. ' if options['dry_run'] else ''}Envelopes {said}.")


def _refuse(sentence: str) -> NoReturn:
    raise CommandError(sentence)


def _rows(file: Any) -> Iterator[dict[str, Any]]:
    """Return the file's rows with their values, or say in which line one does not fit."""
    reader = csv.DictReader(file)
    try:
        columns = reader.fieldnames or []
        wrong = [f"lacks {name}" for name in _NAMED if name not in columns]
        wrong += [f"has the unknown column {name}" for name in sorted(set(columns) - {*_NAMED, *_TERMS})]
        if wrong:
            _refuse(f"The header {', '.join(wrong)}. Known: {', '.join((*_NAMED, *_TERMS))}.")
        for row in reader:
            if None in row or None in row.values():
                _refuse(f"Line {reader.line_num} has not as many cells as the header.")
            yield {name: _value(name, text.strip(), reader.line_num) for name, text in row.items()}
    except (UnicodeDecodeError, csv.Error) as error:
        _refuse(f"The file is not CSV in UTF-8: {error}.")


def _value(name: str, text: str, line: int) -> Any:
    if name in _NAMED or name == "window_kind":
        return text or _refuse(f"Line {line}: {name} is empty.")
    if not text:
        return 0 if name in {"token_budget", "cpu_budget"} else None
    if not _NUMBER.fullmatch(text) or (name in _WHOLE and "." in text):
        _refuse(f"Line {line}: {name} is not {'a whole' if name in _WHOLE else 'a plain'} number: {text[:40]}.")
    return int(text) if name in _WHOLE else Decimal(text)
