"""Record usage from a file."""

import json
import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from config.errors import RefusedError
from economics import importing, metering, usage_files

_SHOWN = 20
_LEFT = "What was recorded before that stays; run it again when it is mended, nothing counts twice."


class Command(BaseCommand):
    """Rows one by one: what is wrong with one keeps none of the others out."""

    help = (
        "Record usage from a file: lines of JSON in our own names (.ndjson, .jsonl), an array of CloudEvents (.json) "
        "or CSV with a header (.csv). Every row carries an event id of its own, so a file may be imported again. "
        f"Fields: {', '.join(usage_files.FIELDS)}. Exit 1 when a row was refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file, how to read it, and what it does not say itself."""
        parser.add_argument("file", metavar="FILE", help="A file; - reads standard input.")
        parser.add_argument("--format", choices=usage_files.FORMS, help="What is in it, when its name does not tell.")
        parser.add_argument(
            "--source",
            metavar="NAME",
            help="Who keeps the event ids, for rows that name no source (AGENT/SOURCE: an agent's own).",
        )
        parser.add_argument("--agent", metavar="NAME", help="Who used it, for rows that name no agent_id.")
        parser.add_argument(
            "--entity", metavar="TYPE/ID", type=_entity, help="Whom it was for, for rows that name no entity."
        )
        for name, pair, said in (
            ("--map", "FIELD=COLUMN", "The column of a CSV file for a field; may be repeated."),
            ("--set", "FIELD=VALUE", "The value of a field in every row; may be repeated."),
        ):
            parser.add_argument(name, metavar=pair, type=_pair, action="append", default=[], help=said)
        parser.add_argument("--batch", metavar="N", type=_size, default=5_000, help="Rows to a transaction (5,000).")
        parser.add_argument("--rejects", metavar="FILE", help="Write every row that is not recorded there, and why.")
        parser.add_argument("--dry-run", action="store_true", help="Check and count; record nothing.")

    def handle(self, **options: Any) -> None:
        """Record the rows, then say what became of them."""
        tally, first, problem = importing.Tally(), list[importing.Rejected](), ""
        try:
            for rejected in self._chunks(options, tally):
                first += rejected[: _SHOWN - len(first)]
        except KeyboardInterrupt:
            problem = f"Stopped by hand. {_LEFT}"
        except RefusedError as refusal:
            problem = f"{refusal.code}: {refusal.detail} {_LEFT if tally.read else ''}".rstrip()
        if tally.read or not problem:
            self._report(tally, first, dry_run=options["dry_run"])
        missed = tally.refused + tally.conflicts
        if problem or missed:
            raise CommandError(problem or f"{missed:,} of {tally.read:,} rows are not recorded.")

    def _chunks(self, options: dict[str, Any], tally: importing.Tally) -> Iterator[list[importing.Rejected]]:
        """Record chunk by chunk; give what was rejected of each, write it down, and move the bar."""
        now, how = timezone.now(), _reading(options)
        with ExitStack() as opened:
            stream = opened.enter_context(_opened(options["file"]))
            rejects = opened.enter_context(_written(options["rejects"]))
            found = usage_files.contents(stream, how, now=now)
            if found.unread:
                self.stdout.write(f"Columns that are not read: {', '.join(found.unread)}.")
            in_bytes = found.total is None and stream.seekable()
            bar = opened.enter_context(_bar(stream, found.total, in_bytes=in_bytes))
            for rejected in importing.record(
                found.rows, tally=tally, now=now, size=options["batch"], dry_run=options["dry_run"]
            ):
                if rejects:
                    rejects.writelines(_as_line(one) for one in rejected)
                bar.set_postfix(recorded=tally.recorded, refresh=False)
                bar.update((stream.tell() if in_bytes else tally.read) - bar.n)
                yield rejected

    def _report(self, tally: importing.Tally, first: list[importing.Rejected], *, dry_run: bool) -> None:
        """Say what became of the rows, and what is wrong with the first that were rejected."""
        for one in first:
            said = "; ".join(
                f"{fault.code}{fault.pointer and f' {fault.pointer}'}: {fault.detail}" for fault in one.faults
            )
            self.stderr.write(f"Row {one.row.place}: {said}")
        if (more := tally.refused + tally.conflicts - len(first)) > 0:
            self.stderr.write(f"… and {more:,} more; --rejects FILE writes them all.")
        self.stdout.write(
            f"{'Dry run: nothing is recorded. ' if dry_run else ''}Rows read {tally.read:,}: recorded "
            f"{tally.recorded:,}, duplicates {tally.duplicates:,}, conflicts {tally.conflicts:,}, refused "
            f"{tally.refused:,}.\nOf those recorded: {tally.tokens:,} LLM tokens; {tally.priced:,} rows priced at "
            f"{tally.usd:f} USD ({tally.first_list:,} by a first list that came later), {tally.unpriced:,} unpriced."
        )


def _pair(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if field not in usage_files.FIELDS or not equals or not value:
        msg = f"{text} is not FIELD=…, where FIELD is one of {', '.join(usage_files.FIELDS)}"
        raise ArgumentTypeError(msg)
    return field, value


def _entity(text: str) -> tuple[str, str]:
    kind, slash, name = text.partition("/")
    if not kind or not slash or not name:
        msg = "an entity is written TYPE/ID, as in hypothesis/h1"
        raise ArgumentTypeError(msg)
    return kind, name


def _size(text: str) -> int:
    size = int(text)
    if not 1 <= size <= metering.MOST_AT_ONCE:
        msg = f"1 to {metering.MOST_AT_ONCE:,} rows"
        raise ArgumentTypeError(msg)
    return size


def _reading(options: dict[str, Any]) -> usage_files.Reading:
    form = options["format"] or usage_files.SUFFIXES.get(Path(options["file"]).suffix.lower())
    if form is None:
        msg = f"--format says what is in {options['file']}: {', '.join(usage_files.FORMS)}."
        raise CommandError(msg)
    if options["map"] and form != "csv":
        msg = "--map is about the columns of a CSV file."
        raise CommandError(msg)
    entity = dict(zip(("entity_type", "entity_id"), options["entity"] or (), strict=False))
    defaults = {"source": options["source"], "agent_id": options["agent"], **entity}
    return usage_files.Reading(
        form=form,
        columns=dict(options["map"]),
        constants=dict(options["set"]),
        defaults={name: value for name, value in defaults.items() if value},
    )


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        msg = f"{name} cannot be read: {error.strerror}."
        raise CommandError(msg) from error
    with stream:
        yield stream


@contextmanager
def _written(name: str | None) -> Iterator[TextIO | None]:
    if name is None:
        yield None
        return
    try:
        stream = Path(name).open("w", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as error:
        msg = f"{name} cannot be written: {error.strerror}."
        raise CommandError(msg) from error
    with stream:
        yield stream


def _as_line(one: importing.Rejected) -> str:
    line = {"line": one.row.place, "faults": [fault._asdict() for fault in one.faults], "row": one.row.given}
    return json.dumps(line, ensure_ascii=False, default=str) + "\n"


def _bar(stream: BinaryIO, rows: int | None, *, in_bytes: bool) -> "tqdm[Any]":
    """Return a bar on stderr, if that is a terminal: of the file's bytes, or of rows, however many that may be."""
    if in_bytes:
        return tqdm(total=os.fstat(stream.fileno()).st_size, unit="B", unit_scale=True, disable=None)
    return tqdm(total=rows, unit=" rows", disable=None)
