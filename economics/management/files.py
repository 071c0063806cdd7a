"""What commands that record the rows of a file have in common: what is wrong with one row keeps none of the others out.

Rows one by one, in transactions of many; a run that broke off is simply run again.
"""

import json
import os
import sys
from abc import abstractmethod
from argparse import ArgumentTypeError
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple, Protocol, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from config.errors import RefusedError
from economics.faults import Faults

_SHOWN = 20
_LEFT = "What was recorded before that stays; run it again when it is mended, nothing counts twice."


class _Row(Protocol):
    @property
    def place(self) -> int:
        """The line."""

    @property
    def given(self) -> Any:
        """How it stood there."""


class Rejected(Protocol):
    """A row that was not recorded, and why."""

    @property
    def row(self) -> _Row:
        """The row."""

    @property
    def faults(self) -> Faults:
        """Why."""


class Tally(Protocol):
    """What became of the rows so far."""

    read: int
    recorded: int
    duplicates: int
    conflicts: int
    refused: int


class Job(NamedTuple):
    """A file being recorded: gives what was rejected, chunk by chunk; how many rows it has, where that is known."""

    chunks: Iterator[list[Any]]
    total: int | None = None
    unread: tuple[str, ...] = ()


class ImportCommand(BaseCommand):
    """A command that records the rows of a file."""

    fields: ClassVar[tuple[str, ...]]
    forms: ClassVar[Collection[str]]
    suffixes: ClassVar[Mapping[str, str]]
    most: ClassVar[int]
    rows: ClassVar[str] = "Rows"
    has_source: ClassVar[bool] = True  # rows are events of a source, with ids that it keeps

    @abstractmethod
    def tally(self) -> Any:
        """Return a tally of nothing."""

    @abstractmethod
    def job(self, stream: BinaryIO, form: str, tally: Any, options: dict[str, Any], now: datetime) -> Job:
        """Return how the file is recorded."""

    @abstractmethod
    def sums(self, tally: Any) -> str:
        """Say in a sentence what the rows recorded add up to."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file, how to read it, and what it does not say itself."""
        parser.add_argument("file", metavar="FILE", help="A file; - reads standard input.")
        parser.add_argument("--format", choices=self.forms, help="What is in it, when its name does not tell.")
        if self.has_source:
            parser.add_argument(
                "--source",
                metavar="NAME",
                help="Who keeps the event ids, for rows that name no source (AGENT/SOURCE: an agent's own).",
            )
        parser.add_argument(
            "--entity", metavar="TYPE/ID", type=_entity, help="Whom it was for, for rows that name no entity."
        )
        for name, pair, said in (
            ("--map", "FIELD=COLUMN", "The column of a CSV file for a field; may be repeated."),
            ("--set", "FIELD=VALUE", "The value of a field in every row; may be repeated."),
        ):
            parser.add_argument(name, metavar=pair, type=_pair(self.fields), action="append", default=[], help=said)
        parser.add_argument(
            "--batch", metavar="N", type=_size(self.most), default=5_000, help="Rows to a transaction (5,000)."
        )
        parser.add_argument("--rejects", metavar="FILE", help="Write every row that is not recorded there, and why.")
        parser.add_argument("--dry-run", action="store_true", help="Check and count; record nothing.")

    def handle(self, **options: Any) -> None:
        """Record the rows, then say what became of them."""
        tally: Tally = self.tally()
        first: list[Rejected] = []
        problem = ""
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
            raise CommandError(problem or f"{missed:,} of {tally.read:,} {self.rows.lower()} are not recorded.")

    def _chunks(self, options: dict[str, Any], tally: Tally) -> Iterator[list[Rejected]]:
        """Record chunk by chunk; give what was rejected of each, write it down, and move the bar."""
        form = self._form(options)
        with ExitStack() as opened:
            stream = opened.enter_context(_opened(options["file"]))
            rejects = opened.enter_context(_written(options["rejects"]))
            job = self.job(stream, form, tally, options, timezone.now())
            if job.unread:
                self.stdout.write(f"Columns that are not read: {', '.join(job.unread)}.")
            in_bytes = job.total is None and stream.seekable()
            bar = opened.enter_context(_bar(stream, job.total, in_bytes=in_bytes))
            for rejected in job.chunks:
                if rejects:
                    rejects.writelines(_as_line(one) for one in rejected)
                bar.set_postfix(recorded=tally.recorded, refresh=False)
                bar.update((stream.tell() if in_bytes else tally.read) - bar.n)
                yield rejected

    def _form(self, options: dict[str, Any]) -> str:
        form: str | None = options["format"] or self.suffixes.get(Path(options["file"]).suffix.lower())
        if form is None:
            msg = f"--format says what is in {options['file']}: {', '.join(self.forms)}."
            raise CommandError(msg)
        if options["map"] and form != "csv":
            msg = "--map is about the columns of a CSV file."
            raise CommandError(msg)
        return form

    def _report(self, tally: Tally, first: list[Rejected], *, dry_run: bool) -> None:
        """Say what became of the rows, and what is wrong with the first that were rejected."""
        for one in first:
            said = "; ".join(
                f"{fault.code}{fault.pointer and f' {fault.pointer}'}: {fault.detail}" for fault in one.faults
            )
            self.stderr.write(f"Row {one.row.place}: {said}")
        if (more := tally.refused + tally.conflicts - len(first)) > 0:
            self.stderr.write(f"… and {more:,} more; --rejects FILE writes them all.")
        self.stdout.write(
            f"{'Dry run: nothing is recorded. ' if dry_run else ''}{self.rows} read {tally.read:,}: recorded "
            f"{tally.recorded:,}, duplicates {tally.duplicates:,}, conflicts {tally.conflicts:,}, refused "
            f"{tally.refused:,}.\nOf those recorded: {self.sums(tally)}"
        )


def defaults(options: dict[str, Any], **more: str | None) -> dict[str, str]:
    """Return what rows that say nothing themselves say by the command's words."""
    entity = dict(zip(("entity_type", "entity_id"), options["entity"] or (), strict=False))
    said = {"source": options.get("source"), **more, **entity}
    return {name: value for name, value in said.items() if value}


def _pair(fields: Collection[str]) -> Callable[[str], tuple[str, str]]:
    def pair(text: str) -> tuple[str, str]:
        field, equals, value = text.partition("=")
        if field not in fields or not equals or not value:
            msg = f"{text} is not FIELD=…, where FIELD is one of {', '.join(fields)}"
            raise ArgumentTypeError(msg)
        return field, value

    return pair


def _entity(text: str) -> tuple[str, str]:
    kind, slash, name = text.partition("/")
    if not kind or not slash or not name:
        msg = "an entity is written TYPE/ID, as in hypothesis/h1"
        raise ArgumentTypeError(msg)
    return kind, name


def _size(most: int) -> Callable[[str], int]:
    def size(text: str) -> int:
        number = int(text)
        if not 1 <= number <= most:
            msg = f"1 to {most:,} rows"
            raise ArgumentTypeError(msg)
        return number

    return size


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


def _as_line(one: Rejected) -> str:
    line = {"line": one.row.place, "faults": [fault._asdict() for fault in one.faults], "row": one.row.given}
    return json.dumps(line, ensure_ascii=False, default=str) + "\n"


def _bar(stream: BinaryIO, rows: int | None, *, in_bytes: bool) -> "tqdm[Any]":
    """Return a bar on stderr, if that is a terminal: of the file's bytes, or of rows, however many that may be."""
    if in_bytes:
        return tqdm(total=os.fstat(stream.fileno()).st_size, unit="B", unit_scale=True, disable=None)
    return tqdm(total=rows, unit=" rows", disable=None)
