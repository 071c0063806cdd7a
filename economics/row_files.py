"""Files as rows, whatever they are about: lines of JSON, and CSV with a header."""

import csv
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple

from config import strict_json
from economics import errors
from economics.faults import Fault, Faults, fault

MARK: Final = b"\xef\xbb\xbf"  # some programs begin UTF-8 with it


class Raw(NamedTuple):
    """A row: its line, how it stood there, what it says (of CSV: text by column), or why it cannot be read."""

    place: int
    given: Any
    item: Any
    faults: Faults


class Table(NamedTuple):
    """A CSV file: the names of its columns, and its rows, read as they are asked for."""

    header: list[str]
    rows: Iterator[Raw]


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
