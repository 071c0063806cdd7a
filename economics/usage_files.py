"""Files of usage, row by row: lines of JSON, CloudEvents batches, and CSV whose columns have anybody's names."""

import csv
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, BinaryIO, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from config import strict_json
from economics import errors, events, intake
from economics.events import Event
from economics.faults import Fault, Faults, fault, faults_of

_COUNTS: Final = frozenset({"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"})
_DECIMALS: Final = frozenset({"amount", "reported_cost"})
_ENTITY: Final = ("entity_type", "entity_id")
FIELDS: Final = (*(field.name for field in dataclasses.fields(Event)), "started_at", "ended_at", "agent_id")
_WHOLE: Final = re.compile(r"-?\d{1,40}", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,2})?", re.ASCII)
_USD: Final = Decimal("1e-12")
_MARK: Final = b"\xef\xbb\xbf"  # some programs begin UTF-8 with it


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read a file.

    `columns` says which column of a CSV file holds which of our fields; those named like a field need no word.
    `constants` are said for every row, `defaults` for rows that say nothing themselves.
    """

    form: str
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    constants: Mapping[str, str] = dataclasses.field(default_factory=dict)
    defaults: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Row(NamedTuple):
    """A row: its line (its place in an array), as it stood there, the event it is or all its faults, who used it."""

    place: int
    given: Any
    found: Event | Faults
    agent_id: str = ""


class Contents(NamedTuple):
    """The rows of a file, read as they are asked for; how many, where that is known; columns that are not read."""

    rows: Iterator[Row]
    total: int | None = None
    unread: tuple[str, ...] = ()


class _User(BaseModel):
    model_config = ConfigDict(strict=True)

    agent_id: events.Name | None = None


def contents(stream: BinaryIO, how: Reading, *, now: datetime) -> Contents:
    """Return what a file holds. CloudEvents are read at once, the other forms row by row.

    A row needs an event id and a source, else it would count again whenever its file is read again. Refuses a file that
    is not of its form and a CSV file without the columns that an event takes.
    """
    return FORMS[how.form](stream, how, now)


def _lines(stream: BinaryIO, how: Reading, now: datetime) -> Contents:
    return Contents(_rows_of_lines(stream, how, now))


def _rows_of_lines(stream: BinaryIO, how: Reading, now: datetime) -> Iterator[Row]:
    for place, line in enumerate(stream, 1):
        if line.isspace():
            continue
        try:
            item = strict_json.parse(line.removeprefix(_MARK))
        except strict_json.NotJSONError as error:
            given = line.decode(errors="replace").rstrip("\r\n")
            yield Row(place, given, [fault("malformed_json", "", reason=error)])
            continue
        yield _row(place, item, _native, how, now)


def _cloud_events(stream: BinaryIO, how: Reading, now: datetime) -> Contents:
    try:
        items = strict_json.parse(stream.read().removeprefix(_MARK))
    except strict_json.NotJSONError as error:
        msg = f"The file is not JSON that is taken here: {error}"
        raise errors.UnreadableFileError(msg) from error
    if not isinstance(items, list):
        msg = "A batch of CloudEvents is an array; lines of JSON are another form."
        raise errors.UnreadableFileError(msg)
    return Contents((_row(place, item, _cloud, how, now) for place, item in enumerate(items, 1)), len(items))


def _csv(stream: BinaryIO, how: Reading, now: datetime) -> Contents:
    reader = csv.DictReader(_text(stream), strict=True)
    try:
        header = list(reader.fieldnames or [])
    except csv.Error as error:
        msg = f"Line 1 is not CSV: {error}."
        raise errors.UnreadableFileError(msg) from error
    columns = {name: how.columns.get(name, name) for name in FIELDS if how.columns.get(name, name) in header}
    _check_header(header, columns, how)
    unread = tuple(name for name in header if name not in columns.values())
    return Contents(_rows_of_csv(reader, columns, how, now), unread=unread)


def _text(stream: BinaryIO) -> Iterator[str]:
    for place, line in enumerate(stream, 1):
        try:
            yield line.removeprefix(_MARK).decode() if place == 1 else line.decode()
        except UnicodeDecodeError as error:
            msg = f"Line {place} is not UTF-8; save the file as UTF-8."
            raise errors.UnreadableFileError(msg, line=place) from error


def _check_header(header: list[str], columns: Mapping[str, str], how: Reading) -> None:
    """Refuse a header in which a column is missing, or stands twice."""
    known = {*columns, *how.constants, *how.defaults}
    needed = {"event_id", "source", "resource_type", *_ENTITY} | (set() if "input_tokens" in known else {"amount"})
    wrong = [f"there is no column {column}" for field, column in how.columns.items() if field not in columns]
    wrong += [f"the column {name} stands twice" for name in sorted({name for name in header if header.count(name) > 1})]
    wrong += [f"nothing says {name}" for name in FIELDS if name in needed - known]
    if wrong:
        msg = f"In this file {', '.join(wrong)}. Its columns: {', '.join(header) or 'none'}."
        raise errors.UnreadableFileError(msg)


def _rows_of_csv(
    reader: "csv.DictReader[str]", columns: Mapping[str, str], how: Reading, now: datetime
) -> Iterator[Row]:
    try:
        for given in reader:
            if None in given or None in given.values():
                wrong = Fault("wrong_cells", "The row has not as many cells as the header.", "")
                yield Row(reader.line_num, given, [wrong])
                continue
            item = {field: _cell(field, text) for field, column in columns.items() if (text := given[column])}
            yield _row(reader.line_num, item, _native, how, now)._replace(given=given)
    except csv.Error as error:
        msg = f"Line {reader.line_num} is not CSV: {error}."
        raise errors.UnreadableFileError(msg, line=reader.line_num) from error


def _cell(field: str, text: str) -> Any:
    """Return what a cell says; what is no number where one belongs stays text, which the event then refuses."""
    if field in _COUNTS and _WHOLE.fullmatch(text):
        return int(text)
    if field in _COUNTS | _DECIMALS and _NUMBER.fullmatch(text):
        return Decimal(text)
    return text


def _row(place: int, item: Any, read: "_Reader", how: Reading, now: datetime) -> Row:
    if not isinstance(item, dict):
        return Row(place, item, [fault("not_an_object", "")])
    found, agent = read(item, how, now)
    try:
        _User(agent_id=agent)
    except ValidationError as error:
        return Row(place, item, faults_of(error))
    return Row(place, item, _identified(found), agent or "")


def _identified(found: Event | Faults) -> Event | Faults:
    if isinstance(found, list):
        return found
    return [fault("required", f"/{name}") for name in ("source", "event_id") if not getattr(found, name)] or found


def _native(item: dict[str, Any], how: Reading, now: datetime) -> tuple[Event | Faults, Any]:
    values, agent = _completed(item, how, named=any(item.get(name) is not None for name in _ENTITY))
    return events.native(values, now=now), agent


def _cloud(item: dict[str, Any], how: Reading, now: datetime) -> tuple[Event | Faults, Any]:
    data = item.get("data")
    if not isinstance(data, dict):
        return intake.cloud_event(item, now=now), None
    named = "/" in str(item.get("subject") or "") or any(data.get(name) is not None for name in _ENTITY)
    values, agent = _completed(data, how, named=named)
    values.pop("source", None)  # that of the CloudEvent counts
    return intake.cloud_event({**item, "data": values}, now=now), agent


def _completed(item: Mapping[str, Any], how: Reading, *, named: bool) -> tuple[dict[str, Any], Any]:
    """Return a row with what is said for all and for rows that say nothing, and apart from it who used it."""
    defaults = {name: value for name, value in how.defaults.items() if not (named and name in _ENTITY)}
    given = {name: value for name, value in item.items() if value is not None}
    values = {**defaults, **given, **{name: _cell(name, text) for name, text in how.constants.items()}}
    reported = values.get("reported_cost")
    if isinstance(reported, Decimal) and reported.is_finite() and abs(reported) < 10**15:
        values["reported_cost"] = reported.quantize(_USD)  # a program's float: more digits than it means
    return values, values.pop("agent_id", None)


_Reader = Callable[[dict[str, Any], Reading, datetime], tuple[Event | Faults, Any]]
FORMS: Final[Mapping[str, Callable[[BinaryIO, Reading, datetime], Contents]]] = {
    "ndjson": _lines,
    "cloudevents": _cloud_events,
    "csv": _csv,
}
SUFFIXES: Final = {".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "cloudevents", ".csv": "csv"}
