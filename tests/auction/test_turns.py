"""Turns: backlogs are looked through before anything is locked, and what was seen is confirmed under the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from auction import fallback, gifts, pools, turns
from auction.models import Fallback, Slot, Task
from tests import factories
from tests.factories import NOON, after

if TYPE_CHECKING:
    from datetime import datetime

    from auction.models import Pool, Quest
    from config.models import Agent

pytestmark = pytest.mark.usefixtures("balanced_books")


@pytest.fixture
def pool() -> Pool:
    """Return a pool of four slots that gives them."""
    factories.pool("market")
    fallback.begin("market", why=Fallback.Why.HAND, now=NOON)
    return pools.get("market")


@pytest.fixture
def worker() -> Agent:
    return factories.agent("worker")


def _closed_first(pool: Pool, closed: int, opened: int) -> Quest:
    """Return a quest whose best tasks have an empty envelope; the others are `open-0`, `open-1` and so on."""
    quest = factories.quest(into=pool)
    empty = factories.envelope(tokens=0)
    for _number in range(closed):
        factories.quest_task(quest, 9, entity=(empty.entity_type, empty.entity_id))
    for number in range(opened):
        factories.quest_task(quest, 1, name=f"open-{number}")
    return quest


def _statements(pool: Pool, worker: Agent) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert gifts.give(pool, to=worker, now=after(1)) is None
    return [query["sql"] for query in queries]


def test_where_every_envelope_is_closed_nothing_is_locked(pool: Pool, worker: Agent) -> None:
    _closed_first(pool, 25, 0)
    assert not [sql for sql in _statements(pool, worker) if "advisory" in sql or "FOR NO KEY UPDATE" in sql]


def test_where_there_is_no_slot_no_backlog_is_looked_through(pool: Pool, worker: Agent) -> None:
    _closed_first(pool, 25, 5)
    for _slot in range(pool.capacity):
        assert gifts.give(pool, to=worker, now=after(1))
    assert not Slot.objects.filter(state=Slot.State.OPEN).exists()
    assert not [sql for sql in _statements(pool, worker) if "economics_gate" in sql]


def test_a_task_behind_many_that_are_closed_is_given(pool: Pool, worker: Agent) -> None:
    _closed_first(pool, 25, 2)
    given = [gifts.give(pool, to=worker, now=after(second)) for second in (1, 2, 3)]
    assert [gift and gift.winning_task_id for gift in given] == ["open-0", "open-1", None]


def test_under_the_lock_only_the_best_are_tried_until_a_look_says_where_to_begin(pool: Pool, worker: Agent) -> None:
    _closed_first(pool, 25, 3)
    search = turns.Search(pool, worker)
    assert search.confirm(NOON) is None
    assert search.look(NOON)
    assert search.confirm(NOON) == "open-0"
    # Another agent was faster: what comes next is known without another look, ties by id.
    Task.objects.filter(pk="open-0").update(state="cancelled")
    assert search.confirm(NOON) == "open-1"


def test_an_owner_without_a_task_to_give_is_passed_over_once_it_is_known(pool: Pool, worker: Agent) -> None:
    _closed_first(pool, 25, 0)
    factories.quest_task(factories.quest(into=pool), 1, name="of the other")
    search = turns.Search(pool, worker)
    assert search.confirm(NOON) is None
    assert search.look(NOON)
    assert search.confirm(NOON) == "of the other"
    Task.objects.filter(pk="of the other").update(state="cancelled")
    assert search.confirm(NOON) is None
    assert not search.look(NOON)


def test_a_turn_that_passes_on_before_the_lock_is_looked_at_again(
    pool: Pool, worker: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        factories.quest_task(_closed_first(pool, 25, 0), 1, name=f"one-{number}")
    look = turns.Search.look
    looks: list[datetime] = []

    def outrun(search: turns.Search, now: datetime) -> bool:
        """Let somebody else take what was found, as long as the pool is not locked."""
        found = look(search, now)
        Task.objects.filter(pk=f"one-{len(looks)}").update(state="cancelled" if len(looks) < 3 else "open")
        looks.append(now)
        return found

    monkeypatch.setattr(turns.Search, "look", outrun)
    gift = gifts.give(pool, to=worker, now=after(1))
    # Three times it comes too late; the last look is with the pool's row locked, where nobody is faster.
    assert gift is not None
    assert (gift.winning_task_id, len(looks)) == ("one-3", 4)
