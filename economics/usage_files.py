"""Files of usage, row by row: lines of JSON, CloudEvents batches, and CSV whose columns have anybody's names."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, BinaryIO, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from config import strict_json
from economics import errors, events, intake, row_files
from economics.events import Event
from economics.faults import Faults, fault, faults_of

_COUNTS: Final = frozenset({"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"})
_DECIMALS: Final = frozenset({"amount", "reported_cost"})
_ENTITY: Final = ("entity_type", "entity_id")
FIELDS: Final = (*(field.name for field in dataclasses.fields(Event)), "started_at", "ended_at", "agent_id")
_WHOLE: Final = re.compile(r"-?\d{1,40}", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,2})?", re.ASCII)
_USD: Final = Decimal("1e-12")


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
    for raw in row_files.lines(stream):
        yield Row(raw.place, raw.given, raw.faults) if raw.faults else _row(raw.place, raw.item, _native, how, now)


def _cloud_events(stream: BinaryIO, how: Reading, now: datetime) -> Contents:
    try:
        items = strict_json.parse(stream.read().removeprefix(row_files.MARK))
    except strict_json.NotJSONError as error:
        msg = f"The file is not JSON that is taken here: {error}"
        raise errors.UnreadableFileError(msg) from error
    if not isinstance(items, list):
        msg = "A batch of CloudEvents is an array; lines of JSON are another form."
        raise errors.UnreadableFileError(msg)
    return Contents((_row(place, item, _cloud, how, now) for place, item in enumerate(items, 1)), len(items))


def _csv(stream: BinaryIO, how: Reading, now: datetime) -> Contents:
    table = row_files.table(stream)
    header = table.header
    columns = {name: how.columns.get(name, name) for name in FIELDS if how.columns.get(name, name) in header}
    _check_header(header, columns, how)
    unread = tuple(name for name in header if name not in columns.values())
    return Contents(_rows_of_csv(table.rows, columns, how, now), unread=unread)


def _check_header(header: list[str], columns: Mapping[str, str], how: Reading) -> None:
    """Refuse a header in which a column is missing, or stands twice."""
    known = {*columns, *how.constants, *how.defaults}
    needed = {"event_id", "source", "resource_type", *_ENTITY} | (set() if "input_tokens" in known else {"amount"})
    wrong = [f"there is no column {column}" for field, column in how.columns.items() if field not in columns]
    wrong += row_files.doubled(header)
    wrong += [f"nothing says {name}" for name in FIELDS if name in needed - known]
    row_files.refuse_header(header, wrong)


def _rows_of_csv(
    rows: Iterator[row_files.Raw], columns: Mapping[str, str], how: Reading, now: datetime
) -> Iterator[Row]:
    for raw in rows:
        if raw.faults:
            yield Row(raw.place, raw.given, raw.faults)
            continue
        item = {field: _cell(field, text) for field, column in columns.items() if (text := raw.item[column])}
        yield _row(raw.place, item, _native, how, now)._replace(given=raw.given)


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
