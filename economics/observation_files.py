"""Files of observations: lines of JSON, and CSV whose columns have anybody's names.

They are recorded chunk by chunk, each whole or not at all; what was recorded before is left alone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO, Final

from django.db import transaction

from economics import errors, observations, row_files
from economics.faults import Fault, Faults, fault
from economics.observations import Observed

FIELDS: Final = observations.FIELDS
_NEEDED: Final = (*row_files.ENTITY, "kind", "source", "event_id")


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


def contents(stream: BinaryIO, how: row_files.Reading, *, now: datetime) -> row_files.Contents[Observed]:
    """Return what a file holds, read row by row.

    A row needs a source, else its event ids would be anybody's. Refuses a file that is not of its form and a CSV file
    without the columns that an observation takes.
    """
    return row_files.contents(stream, how, known=FIELDS, needed=_NEEDED, found=lambda values: _found(values, now))


def _found(values: dict[str, Any], now: datetime) -> Observed | Faults:
    found = observations.native(values, now=now)
    return [fault("required", "/source")] if isinstance(found, Observed) and not found.source else found


def record(
    rows: Iterable[row_files.Row[Observed]], *, tally: Tally, now: datetime, size: int, dry_run: bool = False
) -> Iterator[list[row_files.Rejected[Observed]]]:
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
        rejected = [row_files.Rejected(row, row.found) for row in chunk if isinstance(row.found, list)]
        tally.read += len(chunk)
        tally.refused += len(rejected)
        for (row, one), result in zip(fit, results, strict=True):
            _count(tally, one, result)
            if result.status == observations.CONFLICT:
                conflict = errors.EventConflictError()
                rejected.append(row_files.Rejected(row, [Fault(conflict.code, conflict.detail, "")]))
        yield sorted(rejected, key=lambda one: one.row.place)


def _count(tally: Tally, one: Observed, result: observations.Recorded) -> None:
    tally.duplicates += result.status == observations.DUPLICATE
    tally.conflicts += result.status == observations.CONFLICT
    if result.status == observations.RECORDED:
        tally.recorded += 1
        tally.kinds[one.kind] += 1
        tally.entities.add((one.entity_type, one.entity_id))
