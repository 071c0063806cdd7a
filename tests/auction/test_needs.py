"""What waits for what: circles are found in one walk, and a backlog's size makes no write of another slow."""

from __future__ import annotations

import time
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from auction import needs, pools
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Mapping

_TASKS = [f"t{number}" for number in range(8)]
_graphs = st.dictionaries(
    st.sampled_from(_TASKS), st.lists(st.sampled_from(_TASKS), unique=True, max_size=4).map(tuple), max_size=8
).map(lambda told: {task: tuple(one for one in needed if one != task) for task, needed in told.items()})


def _reaches(graph: Mapping[str, tuple[str, ...]], task: str) -> set[str]:
    """Return all that a task waits for, at any remove."""
    found: set[str] = set()
    new = set(graph.get(task, ()))
    while new:
        found |= new
        new = {needed for one in new for needed in graph.get(one, ())} - found
    return found


@given(_graphs)
def test_what_is_refused_lay_on_a_circle_and_what_is_left_has_none(told: Mapping[str, tuple[str, ...]]) -> None:
    wrong = needs.circles(told)
    for task, fault in wrong.items():
        assert task in _reaches(told, task)
        needed = told[task][int(fault.pointer.removeprefix("/needs/"))]
        assert fault.detail.startswith(f"It would wait for itself: {task} needs {needed}")
    TopologicalSorter({task: needed for task, needed in told.items() if task not in wrong}).prepare()


def test_thousands_of_circles_are_found_in_one_walk() -> None:
    told = {f"t{number}": (f"t{number ^ 1}",) for number in range(10_000)}
    begun = time.monotonic()
    assert needs.circles(told).keys() == told.keys()
    assert time.monotonic() - begun < 5  # one circle after the other took ten minutes


@pytest.mark.django_db
def test_needs_are_written_as_fast_where_the_table_is_known_to_be_large() -> None:
    """The planner knows the second time how much each task needs; it took twenty times as long then."""
    pools.create(pools.DEFAULT)
    first, second = _seconds_to_write(), _seconds_to_write()
    assert second < 5 * first


def _seconds_to_write() -> float:
    """Write two hundred tasks that need the hundred before them each; return how long their needs took."""
    tasks = factories.tasks(factories.quest().account, 200)
    told = {
        task.pk: tuple(before.pk for before in tasks[max(0, place - 98) : place]) for place, task in enumerate(tasks)
    }
    begun = time.monotonic()
    needs.write(told, before={})
    taken = time.monotonic() - begun
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE auction_task_needs")
    return taken
