"""Files as rows, whatever they are about: lines of JSON, and CSV with a header."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, Generic, NamedTuple, TypeVar

from config import strict_json
from economics import errors
from economics.faults import Fault, Faults, fault

FORMS: Final = ("ndjson", "csv")
SUFFIXES: Final = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv"}
ENTITY: Final = ("entity_type", "entity_id")
FoundT = TypeVar("FoundT")
MARK: Final = b"\xef\xbb\xbf"  # some programs begin UTF-8 with it


class Raw(NamedTuple):
    """A row: its line, how it stood there, what it says (of CSV: text by column), or why it cannot be read."""

    place: int
    given: Any
    item: Any
    faults: Faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read a file.

    `columns` says which column of a CSV file holds which of our fields; those named like a field need no word.
    `constants` are said for every row, `defaults` for rows that say nothing themselves.
    """

    form: str
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)


class Row(NamedTuple, Generic[FoundT]):
    """A row of a file: its line, as it stood there, and what it is or all its faults."""

    place: int
    given: Any
    found: FoundT | Faults


class Contents(NamedTuple, Generic[FoundT]):
    """The rows of a file, read as they are asked for, and the columns that are not read."""

    rows: Iterator[Row[FoundT]]
    unread: tuple[str, ...] = ()


class Rejected(NamedTuple, Generic[FoundT]):
    """A row that was not recorded, and why; a conflict is one as well."""

    row: Row[FoundT]
    faults: Faults


class Table(NamedTuple):
    """A CSV file: the names of its columns, and its rows, read as they are asked for."""

    header: list[str]
    rows: Iterator[Raw]


def contents(
    stream: BinaryIO,
    how: Reading,
    *,
    known: Sequence[str],
    needed: Sequence[str],
    found: Callable[[dict[str, Any]], FoundT | Faults],
) -> Contents[FoundT]:
    """Return what a file holds, read row by row; `found` makes of what a row says what it is, or names its faults.

    `known` are the fields there are, `needed` those that something must say. Refuses a file that is not of its form,
    and a header in which a column is missing or stands twice.
    """
    if how.form == "ndjson":
        return Contents(_found_in(lines(stream), None, how, found))
    cells = table(stream)
    columns = {name: how.columns.get(name, name) for name in known if how.columns.get(name, name) in cells.header}
    said = {*columns, *how.constants, *how.defaults}
    wrong = [f"there is no column {column}" for name, column in how.columns.items() if name not in columns]
    wrong += doubled(cells.header)
    wrong += [f"nothing says {name}" for name in needed if name not in said]
    refuse_header(cells.header, wrong)
    unread = tuple(name for name in cells.header if name not in columns.values())
    return Contents(_found_in(cells.rows, columns, how, found), unread)


def _found_in(
    raws: Iterable[Raw],
    columns: Mapping[str, str] | None,
    how: Reading,
    found: Callable[[dict[str, Any]], FoundT | Faults],
) -> Iterator[Row[FoundT]]:
    for raw in raws:
        said = raw.item
        if columns is not None and not raw.faults:
            said = {name: text for name, column in columns.items() if (text := raw.item[column])}
        if not raw.faults and not isinstance(said, dict):
            yield Row(raw.place, raw.given, [fault("not_an_object", "")])
        else:
            yield Row(raw.place, raw.given, raw.faults or found(_completed(said, how)))


def _completed(said: Mapping[str, Any], how: Reading) -> dict[str, Any]:
    """Return a row with what is said for all and for rows that say nothing; an entity is taken whole or not at all."""
    given = {name: value for name, value in said.items() if value is not None}
    named = any(name in given for name in ENTITY)
    spoken = {name: value for name, value in how.defaults.items() if not (named and name in ENTITY)}
    return {**spoken, **given, **how.constants}


def lines(stream: BinaryIO) -> Iterator[Raw]:
    """Return what each line of JSON says; blank ones are skipped."""
    for place, line in enumerate(stream, 1):
        if line.isspace():
            continue
        try:
            item = strict_json.parse(line.removeprefix(MARK))
        except strict_json.NotJSONError as error:
            given = line.decode(errors="replace").rstrip("\r\n")
            yield Raw(place, given, None, [fault("malformed_json", "", reason=error)])
        else:
            yield Raw(place, item, item, [])


def table(stream: BinaryIO) -> Table:
    """Return a CSV file's header and rows. Refuses what is not CSV in UTF-8, at the latest when its row is read."""
    reader = csv.DictReader(_text(stream), strict=True)
    try:
        header = list(reader.fieldnames or [])
    except csv.Error as error:
        msg = f"Line 1 is not CSV: {error}."
        raise errors.UnreadableFileError(msg) from error
    return Table(header, _rows(reader))


def doubled(header: list[str]) -> list[str]:
    """Return the columns that stand twice, each as the part of a sentence."""
    return [f"the column {name} stands twice" for name in sorted({name for name in header if header.count(name) > 1})]


def refuse_header(header: list[str], wrong: list[str]) -> None:
    """Refuse a header with which something is wrong, in a sentence that names all of it."""
    if wrong:
        msg = f"In this file {', '.join(wrong)}. Its columns: {', '.join(header) or 'none'}."
        raise errors.UnreadableFileError(msg)


def _text(stream: BinaryIO) -> Iterator[str]:
    for place, line in enumerate(stream, 1):
        try:
            yield line.removeprefix(MARK).decode() if place == 1 else line.decode()
        except UnicodeDecodeError as error:
            msg = f"Line {place} is not UTF-8; save the file as UTF-8."
            raise errors.UnreadableFileError(msg, line=place) from error


def _rows(reader: "csv.DictReader[str]") -> Iterator[Raw]:
    try:
        for given in reader:
            if None in given or None in given.values():
                wrong = Fault("wrong_cells", "The row has not as many cells as the header.", "")
                yield Raw(reader.line_num, given, None, [wrong])
            else:
                yield Raw(reader.line_num, given, given, [])
    except csv.Error as error:
        msg = f"Line {reader.line_num} is not CSV: {error}."
        raise errors.UnreadableFileError(msg, line=reader.line_num) from error
