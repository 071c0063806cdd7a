"""What tasks wait for: which needs are unknown, which would close a circle, and how they are written."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from django.db import IntegrityError, connection, transaction

from auction import errors
from auction.given_tasks import GivenTask
from auction.models import Need
from economics.faults import Fault

_MOST_NAMED: Final = 10  # of a circle

# Each task once, however many ways lead to it. What each needs is looked up for itself: how far it reaches cannot be
# guessed, and who guesses too much reads the whole table.
_REACHED: Final = """
WITH RECURSIVE reached(id) AS (
    SELECT unnest(%(ids)s::text[])
    UNION
    SELECT n.needs_id
      FROM reached r, LATERAL (SELECT needs_id FROM auction_task_needs WHERE task_id = r.id OFFSET 0) n
) SELECT r.id, n.needs_id
    FROM reached r, LATERAL (SELECT needs_id FROM auction_task_needs WHERE task_id = r.id OFFSET 0) n
"""
_WRITE: Final = """
INSERT INTO auction_task_needs (task_id, needs_id) SELECT * FROM unnest(%s::text[], %s::text[])
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
    while found := _unknown(given, told, known, wrong) or _circles(told, stored, wrong):
        wrong |= found
    return wrong


def circles(told: Mapping[str, tuple[str, ...]]) -> dict[str, Fault]:
    """Return which of these tasks would close a circle among themselves, whatever else is on record."""
    return _circles(told, {}, {})


def _unknown(
    given: Mapping[str, GivenTask],
    told: Mapping[str, tuple[str, ...]],
    known: Collection[str],
    wrong: Mapping[str, Fault],
) -> dict[str, Fault]:
    """Return the tasks that need one which is not there, and whatever needs them, at any remove."""
    there = {*known, *(task for task in given if task not in wrong)}
    needed_by: dict[str, list[str]] = {}
    for task, needed_ones in told.items():
        for needed in () if task in wrong else needed_ones:
            needed_by.setdefault(needed, []).append(task)
    missing = [needed for needed in needed_by if needed not in there]
    found: dict[str, Fault] = {}
    while missing:
        for task in needed_by.get(missing.pop(), ()):
            if task in found:
                continue
            place, needed = next((place, one) for place, one in enumerate(told[task]) if one not in there)
            found[task] = _fault(errors.UnknownNeedError, place, f"There is no task {needed} in this backlog.")
            if task not in known:
                there.discard(task)
                missing.append(task)
    return found


def _circles(
    told: Mapping[str, tuple[str, ...]], stored: Mapping[str, Collection[str]], wrong: Mapping[str, Fault]
) -> dict[str, Fault]:
    """Return the tasks that would close circles: of each circle all that are told, which then need what they did.

    A walk down the needs, which meets a circle where it comes to a task that it is on the way from.
    """
    graph = {**dict.fromkeys(told, ()), **stored, **{task: told[task] for task in told.keys() - wrong.keys()}}
    found: dict[str, Fault] = {}
    passed: set[str] = set()  # neither they nor what they need is part of a circle
    for start in told:
        # Each task on the way, with what it needs that was not walked to yet.
        way = {} if start in passed else {start: iter(graph[start])}
        while way:
            task, rest = way.popitem()
            needed = next(rest, None)
            if needed is None:
                passed.add(task)
                continue
            way[task] = rest
            if needed in way:
                names = list(way)
                ring = names[names.index(needed) :]
                closing = {
                    one: _closes(ring, place, told[one])
                    for place, one in enumerate(ring)
                    if one in told and one not in wrong and one not in found
                }
                found |= closing
                graph |= {one: stored.get(one, ()) for one in closing}
                first = next(iter(closing))  # what is on record closes none
                while task != first:
                    task, rest = way.popitem()
                way[first] = iter(graph[first])
            elif needed not in passed:
                way[needed] = iter(graph.get(needed, ()))
    return found


def _closes(ring: list[str], place: int, needed: tuple[str, ...]) -> Fault:
    """Say how the task at this place of a ring, in which each needs the next, would wait for itself."""
    named = [ring[(place + step) % len(ring)] for step in range(min(len(ring), _MOST_NAMED))]
    more = ["…"] if len(ring) > _MOST_NAMED else []
    detail = f"It would wait for itself: {' needs '.join([*named, *more, ring[place]])}."
    return _fault(errors.NeedsCircleError, needed.index(ring[place - len(ring) + 1]), detail)


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
        (task, other)
        for task, needed in sorted(wanted.items())
        for other in needed
        if other not in before.get(task, {})
    ]
    if gone:
        Need.objects.filter(pk__in=gone).delete()
    if not new:
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_WRITE, [list(column) for column in zip(*new, strict=True)])
    except IntegrityError as error:
        if "need_closes_no_circle" not in str(error.__cause__ or error):
            raise
        raise errors.BookMovedError from error  # somebody wrote needs past this rule meanwhile


def _gone(before: Mapping[str, int], wanted: Collection[str]) -> Iterator[tuple[str, int]]:
    return ((other, row) for other, row in before.items() if other not in wanted)
