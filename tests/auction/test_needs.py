"""What waits for what: circles are found in one walk, and a backlog's size makes no write of another slow."""

from __future__ import annotations

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
    walked = _Counted(told)
    assert needs.circles(walked).keys() == told.keys()
    assert walked.looked_up < 10 * len(told)  # one circle after the other they were looked at all over again


class _Counted(dict[str, tuple[str, ...]]):
    """What tasks need, counting how often that is looked up."""

    looked_up = 0

    def __getitem__(self, task: str) -> tuple[str, ...]:
        """Return what a task needs."""
        self.looked_up += 1
        return super().__getitem__(task)


@pytest.mark.django_db
def test_no_more_is_read_to_write_needs_where_the_table_is_known_to_be_large() -> None:
    """The planner knows the second time how much each task needs; twenty times as much was read then."""
    pools.create(pools.DEFAULT)
    first, second = _read_to_write(), _read_to_write()
    assert 200 < second < 5 * first


def _read_to_write() -> int:
    """Write two hundred tasks that need the hundred before them each; return how many rows of needs were read."""
    tasks = factories.tasks(factories.quest().account, 200)
    told = {
        task.pk: tuple(before.pk for before in tasks[max(0, place - 98) : place]) for place, task in enumerate(tasks)
    }
    before = _rows_read()
    needs.write(told, before={})
    found = _rows_read() - before
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE auction_task_needs")
    return found


def _rows_read() -> int:
    """Return how many rows of needs this transaction has read, which unlike the time it took is always the same."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'auction_task_needs'"
        )
        (found,) = cursor.fetchone()
    return int(found)
