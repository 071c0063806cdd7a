"""What tasks wait for: which needs are unknown, which would close a circle, and how they are written."""

from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Final

from django.db import IntegrityError, connection, transaction

from auction import errors
from auction.given_tasks import GivenTask
from auction.models import Need
from economics.faults import Fault

_MOST_NAMED: Final = 10  # of a circle

# Each task once, however many ways lead to it.
_REACHED: Final = """
WITH RECURSIVE reached(id) AS (
    SELECT unnest(%(ids)s::text[])
    UNION
    SELECT n.needs_id FROM reached r JOIN auction_task_needs n ON n.task_id = r.id
) SELECT n.task_id, n.needs_id FROM reached r JOIN auction_task_needs n ON n.task_id = r.id
"""


def of(tasks: Collection[str]) -> dict[str, dict[str, int]]:
    """Return what each of these tasks needs, with the row that says so."""
    found: dict[str, dict[str, int]] = {}
    for pk, task, needed in Need.objects.filter(task__in=tasks).values_list("pk", "task_id", "needs_id"):
        found.setdefault(task, {})[needed] = pk
    return found


def faults(given: Mapping[str, GivenTask], *, known: Collection[str]) -> dict[str, Fault]:
    """Return what is wrong with the needs of tasks that are to be written together, by task; it writes nothing.

    `known` are the tasks of the backlog that are there already. At fault is a task that needs one which is neither
    there nor, without a fault, among those to be written; and those that would close a circle.
    """
    told = {task: one.needs for task, one in given.items() if one.needs is not None}
    stored = _reached(told) if told else {}
    wrong: dict[str, Fault] = {}
    while found := _unknown(given, told, known, wrong) or _circle(told, stored, wrong):
        wrong |= found
    return wrong


def circles(told: Mapping[str, tuple[str, ...]]) -> dict[str, Fault]:
    """Return which of these tasks would close a circle among themselves, whatever else is on record."""
    wrong: dict[str, Fault] = {}
    while found := _circle(told, {}, wrong):
        wrong |= found
    return wrong


def _unknown(
    given: Mapping[str, GivenTask],
    told: Mapping[str, tuple[str, ...]],
    known: Collection[str],
    wrong: Mapping[str, Fault],
) -> dict[str, Fault]:
    there = {*known, *(task for task in given if task not in wrong)}
    return {
        task: _fault(errors.UnknownNeedError, place, f"There is no task {needed} in this backlog.")
        for task, needed_ones in told.items()
        if task not in wrong
        for place, needed in reversed(list(enumerate(needed_ones)))
        if needed not in there
    }


def _circle(
    told: Mapping[str, tuple[str, ...]], stored: Mapping[str, set[str]], wrong: Mapping[str, Fault]
) -> dict[str, Fault]:
    """Return the tasks of one circle that would close it, if there is one."""
    graph = {**stored, **{task: set(needed) for task, needed in told.items() if task not in wrong}}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        ring = error.args[1][:0:-1]  # given from what is needed to who needs it, and the first again as the last
        return {
            task: _fault(errors.NeedsCircleError, told[task].index(ring[place - len(ring) + 1]), _sentence(ring, place))
            for place, task in enumerate(ring)
            if task in told and task not in wrong
        }
    return {}


def _sentence(ring: list[str], place: int) -> str:
    """Say how the task at this place of a ring, in which each needs the next, would wait for itself."""
    named = [ring[(place + step) % len(ring)] for step in range(min(len(ring), _MOST_NAMED))]
    more = ["…"] if len(ring) > _MOST_NAMED else []
    return f"It would wait for itself: {' needs '.join([*named, *more, ring[place]])}."


def _fault(kind: type[errors.UnknownNeedError | errors.NeedsCircleError], place: int, detail: str) -> Fault:
    return Fault(kind.code, detail, f"/needs/{place}")


def _reached(told: Mapping[str, tuple[str, ...]]) -> dict[str, set[str]]:
    """Return the needs on record of these tasks and of all that they will wait for, at any remove."""
    ids = {*told, *(needed for needed_ones in told.values() for needed in needed_ones)}
    graph: dict[str, set[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_REACHED, {"ids": list(ids)})
        for task, needed in cursor.fetchall():
            graph.setdefault(task, set()).add(needed)
    return graph


def write(wanted: Mapping[str, tuple[str, ...]], *, before: Mapping[str, Mapping[str, int]]) -> None:
    """Let these tasks need exactly what is wanted; `before` is what they needed until now."""
    gone = [row for task, needed in wanted.items() for other, row in _gone(before.get(task, {}), needed)]
    new = [
        Need(task_id=task, needs_id=other)
        for task, needed in sorted(wanted.items())
        for other in needed
        if other not in before.get(task, {})
    ]
    if gone:
        Need.objects.filter(pk__in=gone).delete()
    if not new:
        return
    try:
        with transaction.atomic():
            Need.objects.bulk_create(new)
    except IntegrityError as error:
        if "need_closes_no_circle" not in str(error.__cause__ or error):
            raise
        raise errors.BookMovedError from error  # somebody wrote needs past this rule meanwhile


def _gone(before: Mapping[str, int], wanted: Collection[str]) -> Iterator[tuple[str, int]]:
    return ((other, row) for other, row in before.items() if other not in wanted)
