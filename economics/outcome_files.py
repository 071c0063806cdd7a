"""Files of outcomes: lines of JSON, and CSV whose columns have anybody's names, edges counted both ways.

They are recorded chunk by chunk, each whole or not at all; what was recorded before is left alone.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO, Final

from django.db import transaction

from economics import errors, outcomes, row_files
from economics.faults import Fault, Faults, fault
from economics.outcomes import Achieved

FIELDS: Final = outcomes.FIELDS
_NUMBER: Final = re.compile(r"-?\d{1,40}(\.\d{1,40})?", re.ASCII)
_NOTHING: Final = re.compile(r"(0+(\.0+)?)?", re.ASCII)  # an empty cell counts nothing as well
_EDGES: Final = {"gained": "edges_gained", "removed": "edges_removed"}
_REFUSALS: Final = {
    errors.EventConflictError.code: errors.EventConflictError().detail,
    errors.InvalidOutcomeError.code: "This source is the house's own; name another.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(row_files.Reading):
    """How to read a file.

    `identity` are columns that make up the event id together. In a wide file, `gained` and `removed` are the columns
    that count edges both ways: a row is up to two outcomes.
    """

    identity: tuple[str, ...] = ()
    gained: str = ""
    removed: str = ""

    @property
    def wide(self) -> dict[str, str]:
        """The column of each direction that is counted in one."""
        return {way: column for way, column in (("gained", self.gained), ("removed", self.removed)) if column}


@dataclass(slots=True)
class Tally:
    """What became of the outcomes so far. `amounts` are those recorded, by kind, not of duplicates."""

    read: int = 0
    recorded: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)


def contents(stream: BinaryIO, how: Reading, *, now: datetime) -> row_files.Contents[Achieved]:
    """Return what a file holds, read row by row.

    An outcome needs an event id and a source, else it would count again whenever its file is read again. A row of a
    wide file that counts nothing in either direction is none. Refuses a file that is not of its form and a CSV file
    without the columns that an outcome takes.
    """
    if how.form == "ndjson":
        return row_files.Contents(_rows(row_files.lines(stream), lambda said: [said], how, now))
    table = row_files.table(stream)
    columns = {name: how.columns.get(name, name) for name in FIELDS if how.columns.get(name, name) in table.header}
    _check_header(table.header, columns, how)
    read = {*columns.values(), *how.identity, *how.wide.values()}
    unread = tuple(name for name in table.header if name not in read)
    return row_files.Contents(_rows(table.rows, lambda said: _of_cells(said, columns, how), how, now), unread)


def _check_header(header: list[str], columns: Mapping[str, str], how: Reading) -> None:
    """Refuse a header in which a column is missing, or stands twice."""
    known = {*columns, *how.constants, *how.defaults}
    known |= {"event_id"} if how.identity else set()
    known |= {"kind", "amount"} if how.wide else set()
    asked = [column for name, column in how.columns.items() if name not in columns]
    asked += [column for column in (*how.identity, *how.wide.values()) if column not in header]
    wrong = [f"there is no column {column}" for column in asked]
    wrong += row_files.doubled(header)
    needed = {"event_id", "source", "kind", "amount", *row_files.ENTITY}
    wrong += [f"nothing says {name}" for name in FIELDS if name in needed - known]
    row_files.refuse_header(header, wrong)


def _of_cells(cells: Mapping[str, str], columns: Mapping[str, str], how: Reading) -> list[dict[str, Any]]:
    """Return what a row of CSV says: one outcome, or of a wide file one for each direction that counts something."""
    said = {name: text for name, column in columns.items() if (text := cells[column])}
    if how.identity:
        said["event_id"] = "/".join(cells[column] for column in how.identity)
    if not how.wide:
        return [said]
    event_id = said.get("event_id", "")
    return [
        {**said, "kind": _EDGES[way], "amount": cells[column], "event_id": event_id and f"{event_id}/{way}"}
        for way, column in how.wide.items()
        if not _NOTHING.fullmatch(cells[column])
    ]


def _rows(
    raws: Iterable[row_files.Raw], parts: Callable[[Any], list[Any]], how: Reading, now: datetime
) -> Iterator[row_files.Row[Achieved]]:
    for raw in raws:
        if raw.faults:
            yield row_files.Row(raw.place, raw.given, raw.faults)
            continue
        for said in parts(raw.item):
            yield row_files.Row(raw.place, raw.given, _found(said, how, now))


def _found(said: Any, how: Reading, now: datetime) -> Achieved | Faults:
    if not isinstance(said, dict):
        return [fault("not_an_object", "")]
    given = {name: value for name, value in said.items() if value is not None}
    named = any(name in given or name in how.constants for name in row_files.ENTITY)
    spoken = {name: value for name, value in how.defaults.items() if not (named and name in row_files.ENTITY)}
    values = {**spoken, **given, **how.constants}
    amount = values.get("amount")
    if isinstance(amount, str) and _NUMBER.fullmatch(amount):
        values["amount"] = Decimal(amount)
    found = outcomes.native(values, now=now)
    if isinstance(found, Achieved) and not found.source:
        return [fault("required", "/source")]
    return found


def record(  # noqa: PLR0913 - a file has this many terms
    rows: Iterable[row_files.Row[Achieved]],
    *,
    tally: Tally,
    agent_id: str,
    now: datetime,
    size: int,
    dry_run: bool = False,
) -> Iterator[list[row_files.Rejected[Achieved]]]:
    """Record outcomes in transactions of `size`; after each, add it to the tally and give what was rejected.

    A run that breaks off leaves whole chunks behind, and a second one finds them recorded. `dry_run` takes each chunk
    back: what would be a duplicate of an earlier chunk then counts as recorded. Refuses a size above
    `outcomes.MOST_AT_ONCE`.
    """
    source = iter(rows)
    while chunk := list(islice(source, size)):
        fit = [(row, row.found) for row in chunk if isinstance(row.found, Achieved)]
        with transaction.atomic():
            results = outcomes.record_many([one for _row, one in fit], agent_id=agent_id, now=now)
            transaction.set_rollback(dry_run)
        rejected = [row_files.Rejected(row, row.found) for row in chunk if isinstance(row.found, list)]
        tally.read += len(chunk)
        tally.refused += len(rejected)
        for (row, one), result in zip(fit, results, strict=True):
            _count(tally, one, result)
            if result.code:
                rejected.append(row_files.Rejected(row, [Fault(result.code, _REFUSALS[result.code], "")]))
        yield sorted(rejected, key=lambda one: one.row.place)


def _count(tally: Tally, one: Achieved, result: outcomes.Recorded) -> None:
    tally.recorded += result.status == outcomes.RECORDED
    tally.duplicates += result.status == outcomes.DUPLICATE
    tally.conflicts += result.status == outcomes.CONFLICT
    tally.refused += result.status == outcomes.REFUSED
    if result.status == outcomes.RECORDED:
        tally.amounts[one.kind] = tally.amounts.get(one.kind, Decimal(0)) + one.amount
