"""Files of observations: lines of JSON, and CSV whose columns have anybody's names.

They are recorded chunk by chunk, each whole or not at all; what was recorded before is left alone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO, Final, NamedTuple

from django.db import transaction

from economics import errors, observations, row_files
from economics.faults import Fault, Faults, fault
from economics.observations import Observed

FIELDS: Final = observations.FIELDS
FORMS: Final = ("ndjson", "csv")
SUFFIXES: Final = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv"}
_ENTITY: Final = ("entity_type", "entity_id")
_NEEDED: Final = (*_ENTITY, "kind", "source", "event_id")


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


class Row(NamedTuple):
    """A row of a file: its line, as it stood there, and the observation it is or all its faults."""

    place: int
    given: Any
    found: Observed | Faults


class Contents(NamedTuple):
    """The rows of a file, read as they are asked for, and the columns that are not read."""

    rows: Iterator[Row]
    unread: tuple[str, ...] = ()


class Rejected(NamedTuple):
    """A row that was not recorded, and why; a conflict is one as well."""

    row: Row
    faults: Faults


@dataclass(slots=True)
class Tally:
    """What became of the rows so far. `kinds` and `entities` are those of the rows recorded."""

    read: int = 0
    recorded: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    entities: set[tuple[str, str]] = field(default_factory=set)


def contents(stream: BinaryIO, how: Reading, *, now: datetime) -> Contents:
    """Return what a file holds, read row by row.

    A row needs a source, else its event ids would be anybody's. Refuses a file that is not of its form and a CSV file
    without the columns that an observation takes.
    """
    if how.form == "ndjson":
        return Contents(_rows(row_files.lines(stream), None, how, now))
    table = row_files.table(stream)
    columns = {name: how.columns.get(name, name) for name in FIELDS if how.columns.get(name, name) in table.header}
    known = {*columns, *how.constants, *how.defaults}
    wrong = [f"there is no column {column}" for name, column in how.columns.items() if name not in columns]
    wrong += row_files.doubled(table.header)
    wrong += [f"nothing says {name}" for name in _NEEDED if name not in known]
    row_files.refuse_header(table.header, wrong)
    unread = tuple(name for name in table.header if name not in columns.values())
    return Contents(_rows(table.rows, columns, how, now), unread)


def _rows(
    raws: Iterable[row_files.Raw], columns: Mapping[str, str] | None, how: Reading, now: datetime
) -> Iterator[Row]:
    for raw in raws:
        said = raw.item
        if columns is not None and not raw.faults:
            said = {name: text for name, column in columns.items() if (text := raw.item[column])}
        yield Row(raw.place, raw.given, raw.faults or _found(said, how, now))


def _found(said: Any, how: Reading, now: datetime) -> Observed | Faults:
    if not isinstance(said, dict):
        return [fault("not_an_object", "")]
    given = {name: value for name, value in said.items() if value is not None}
    named = any(name in given for name in _ENTITY)
    spoken = {name: value for name, value in how.defaults.items() if not (named and name in _ENTITY)}
    found = observations.native({**spoken, **given, **how.constants}, now=now)
    return [fault("required", "/source")] if isinstance(found, Observed) and not found.source else found


def record(
    rows: Iterable[Row], *, tally: Tally, now: datetime, size: int, dry_run: bool = False
) -> Iterator[list[Rejected]]:
    """Record observations in transactions of `size`; after each, add it to the tally and give what was rejected.

    A run that breaks off leaves whole chunks behind, and a second one finds them recorded. `dry_run` takes each chunk
    back: what would be a duplicate of an earlier chunk then counts as recorded. Refuses a size above
    `observations.MOST_AT_ONCE`.
    """
    source = iter(rows)
    while chunk := list(islice(source, size)):
        fit = [(row, row.found) for row in chunk if isinstance(row.found, Observed)]
        with transaction.atomic():
            results = observations.observe_many([one for _row, one in fit], now=now)
            transaction.set_rollback(dry_run)
        rejected = [Rejected(row, row.found) for row in chunk if isinstance(row.found, list)]
        tally.read += len(chunk)
        tally.refused += len(rejected)
        for (row, one), result in zip(fit, results, strict=True):
            _count(tally, one, result)
            if result.status == observations.CONFLICT:
                conflict = errors.EventConflictError()
                rejected.append(Rejected(row, [Fault(conflict.code, conflict.detail, "")]))
        yield sorted(rejected, key=lambda one: one.row.place)


def _count(tally: Tally, one: Observed, result: observations.Recorded) -> None:
    tally.duplicates += result.status == observations.DUPLICATE
    tally.conflicts += result.status == observations.CONFLICT
    if result.status == observations.RECORDED:
        tally.recorded += 1
        tally.kinds[one.kind] += 1
        tally.entities.add((one.entity_type, one.entity_id))
