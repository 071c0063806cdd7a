"""Files of signals: lines of JSON, and CSV whose columns have anybody's names.

They are posted by the house, chunk by chunk, each whole or not at all; what was posted before is left alone.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO, Final

from django.db import transaction

from economics import row_files, signals
from economics.faults import Fault, Faults, fault
from economics.signals import Posted

FIELDS: Final = signals.FIELDS
_NUMBER: Final = re.compile(r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,2})?", re.ASCII)  # a program's float, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(row_files.Reading):
    """How to read a file; `prefix` stands before every entity's id."""

    prefix: str = ""


@dataclass(slots=True)
class Tally:
    """What became of the rows so far. `entities` and `since` to `until` are those of the rows recorded."""

    read: int = 0
    recorded: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: int = 0
    entities: set[tuple[str, str]] = field(default_factory=set)
    since: datetime | None = None
    until: datetime | None = None


def contents(stream: BinaryIO, how: Reading, *, now: datetime) -> row_files.Contents[Posted]:
    """Return what a file holds, read row by row.

    A signal of a file has a time of its own: imported later, it would else count as one of today. Refuses a file that
    is not of its form and a CSV file without the columns that a signal takes.
    """
    return row_files.contents(
        stream, how, known=FIELDS, needed=FIELDS, found=lambda values: _found(values, how.prefix, now)
    )


def _found(values: dict[str, Any], prefix: str, now: datetime) -> Posted | Faults:
    if isinstance(values.get("entity_id"), str):
        values["entity_id"] = prefix + values["entity_id"]
    value = values.get("value")
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        values["value"] = Decimal(value)
    found = signals.native(values, now=now)
    if isinstance(found, Posted) and found.at is None:
        return [fault("required", "/at")]
    return found


def record(
    rows: Iterable[row_files.Row[Posted]], *, tally: Tally, now: datetime, size: int, dry_run: bool = False
) -> Iterator[list[row_files.Rejected[Posted]]]:
    """Post signals in transactions of `size`; after each, add it to the tally and give what was rejected.

    A run that breaks off leaves whole chunks behind, and a second one finds them recorded. `dry_run` takes each chunk
    back: what would be a duplicate of an earlier chunk then counts as recorded. Refuses a size above
    `signals.MOST_AT_ONCE`.
    """
    source = iter(rows)
    while chunk := list(islice(source, size)):
        fit = [(row, row.found) for row in chunk if isinstance(row.found, Posted)]
        with transaction.atomic():
            results = signals.post_many([one for _row, one in fit], agent=None, now=now)
            transaction.set_rollback(dry_run)
        rejected = [row_files.Rejected(row, row.found) for row in chunk if isinstance(row.found, list)]
        tally.read += len(chunk)
        tally.refused += len(rejected)
        for (row, one), result in zip(fit, results, strict=True):
            _count(tally, one, result)
            if result.code:
                rejected.append(row_files.Rejected(row, [Fault(result.code, result.detail, "")]))
        yield sorted(rejected, key=lambda one: one.row.place)


def _count(tally: Tally, one: Posted, result: signals.Recorded) -> None:
    tally.recorded += result.status == signals.RECORDED
    tally.duplicates += result.status == signals.DUPLICATE
    tally.conflicts += result.status == signals.CONFLICT
    tally.refused += result.status == signals.REFUSED
    if result.status == signals.RECORDED and one.at is not None:
        tally.entities.add((one.entity_type, one.entity_id))
        tally.since = min(tally.since or one.at, one.at)
        tally.until = max(tally.until or one.at, one.at)
