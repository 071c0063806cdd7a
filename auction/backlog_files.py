"""Files of tasks: a quest's backlog as lines of JSON, or CSV whose columns have anybody's names.

They are filed chunk by chunk, each whole or not at all, and what is needed comes before what needs it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Any, BinaryIO, Final, TypeAlias

from django.db import transaction

from auction import backlog, errors, given_tasks, needs
from auction.given_tasks import GivenTask
from auction.models import Quest
from economics import row_files
from economics.faults import Fault, Faults

FIELDS: Final = given_tasks.FIELDS
_BETWEEN: Final = re.compile(r"[\s;,]+")
_CONFLICTS: Final = frozenset({errors.TaskIdTakenError.code, errors.TaskNotOpenError.code})


@dataclass(slots=True)
class Tally:
    """What became of the rows so far. `recorded` were filed or changed, `duplicates` are as they were.

    `conflicts` are another owner's tasks and such as are taken or closed; `whats` counts the rows recorded.
    """

    read: int = 0
    recorded: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: int = 0
    whats: Counter[str] = field(default_factory=Counter)


def contents(stream: BinaryIO, how: row_files.Reading) -> row_files.Contents[GivenTask]:
    """Return what a file holds, read row by row.

    In CSV needs are parted by blanks, commas or semicolons: an empty cell leaves them as they are, a lone ; clears
    them. Refuses a file that is not of its form, and a CSV file without ids.
    """
    return row_files.contents(stream, how, known=FIELDS, needed=("task_id",), found=_found)


def _found(values: dict[str, Any]) -> GivenTask | Faults:
    told = values.get("needs")
    if isinstance(told, str):
        values = {**values, "needs": [name for name in _BETWEEN.split(told) if name]}
    return given_tasks.native(values)


def file(  # noqa: PLR0913 - a file has this many terms
    rows: Iterable[row_files.Row[GivenTask]],
    quest: Quest,
    *,
    tally: Tally,
    now: datetime,
    size: int,
    dry_run: bool = False,
) -> Iterator[list[row_files.Rejected[GivenTask]]]:
    """File a backlog in transactions of `size` tasks; after each, add it to the tally and give what was rejected.

    All rows are read before the first is filed. A run that breaks off leaves whole chunks behind, and a second one
    finds them filed. `dry_run` takes everything back in the end. Refuses a size above `backlog.MOST_AT_ONCE`.
    """
    with ExitStack() as stack:
        if dry_run:
            stack.enter_context(transaction.atomic())
        rejected, fit = _in_order(rows)
        _count(tally, rejected)
        yield rejected
        for place in range(0, len(fit), size):
            yield _filed(fit[place : place + size], quest, tally, now)
        if dry_run:
            transaction.set_rollback(True)


_Fit: TypeAlias = tuple[row_files.Row[GivenTask], GivenTask]


def _in_order(
    rows: Iterable[row_files.Row[GivenTask]],
) -> tuple[list[row_files.Rejected[GivenTask]], list[_Fit]]:
    """Return the rows that are none or that no order can put right, and the others in the order of their needs."""
    rejected: list[row_files.Rejected[GivenTask]] = []
    fit: dict[str, _Fit] = {}
    for row in rows:
        if isinstance(row.found, list):
            rejected.append(row_files.Rejected(row, row.found))
        elif row.found.task_id in fit:
            twice = errors.TaskRepeatedError
            rejected.append(row_files.Rejected(row, [Fault(twice.code, twice().detail, "/task_id")]))
        else:
            fit[row.found.task_id] = (row, row.found)
    told = {name: one.needs or () for name, (_row, one) in fit.items() if one.state == given_tasks.OPEN}
    for name, fault in needs.circles(told).items():
        row, _one = fit.pop(name)
        rejected.append(row_files.Rejected(row, [fault]))
    order = TopologicalSorter({name: told.get(name, ()) for name in fit}).static_order()
    return sorted(rejected, key=lambda one: one.row.place), [fit[name] for name in order if name in fit]


def _filed(fit: list[_Fit], quest: Quest, tally: Tally, now: datetime) -> list[row_files.Rejected[GivenTask]]:
    results = backlog.upsert_tasks(quest, [one for _row, one in fit], now=now)
    rejected = [
        row_files.Rejected(row, result.faults)
        for (row, _one), result in zip(fit, results, strict=True)
        if result.faults
    ]
    tally.duplicates += sum(result.status == backlog.UNCHANGED for result in results)
    done = [result for result in results if result.status in {backlog.CREATED, backlog.CHANGED}]
    tally.read += len(fit) - len(rejected)
    tally.recorded += len(done)
    tally.whats.update(result.status if result.state == given_tasks.OPEN else result.state for result in done)
    _count(tally, rejected)
    return sorted(rejected, key=lambda one: one.row.place)


def _count(tally: Tally, rejected: list[row_files.Rejected[GivenTask]]) -> None:
    conflicts = sum(bool(_CONFLICTS & {fault.code for fault in one.faults}) for one in rejected)
    tally.read += len(rejected)
    tally.conflicts += conflicts
    tally.refused += len(rejected) - conflicts
