"""The address an idle agent asks: what it answers, to whom, and that asking twice is asking once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from auction import clearing, errors, fallback, next_task, pools
from auction.models import Clear, Fallback
from tests import callers, factories
from tests.callers import MARKET

if TYPE_CHECKING:
    from auction.models import Quest

pytestmark = pytest.mark.django_db
ASK = f"{MARKET}/next-task/"


def _done(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.content
    return json.loads(answer.content)


def _refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, callers.problem(answer)["code"]


@pytest.fixture
def quest() -> Quest:
    pools.create(pools.DEFAULT)
    return factories.quest("atlas", 1000)


def _win(quest: Quest, **parts: Any) -> Clear:
    work = factories.quest_task(quest, "12.5", name="t-1", title="Read", **parts)
    now = callers.now()
    factories.slot(quest.pool, available_at=now)
    bid = factories.bid(quest.account, 10, quest.pool, work=work, at=now)
    clearing.clear_round(now, quest.pool.name)
    return Clear.objects.get(bid=bid.pk)


def _time(text: str | None) -> Any:
    return None if text is None else text.replace("Z", "+00:00")


def test_an_idle_agent_gets_slot_and_task(quest: Quest) -> None:
    factories.model()
    factories.envelope("h 1", at=callers.now())
    win = _win(quest, entity=("hypothesis", "h 1"), expected_cost_tokens=500, model="deep-1")
    worker = callers.caller()
    answer = _done(worker.post(ASK, key=None))
    win.refresh_from_db()
    assert win.claimed_at is not None
    assert win.claim_until is not None
    assert {**answer, "claim_until": None, "next_poll_after": None} == {
        "source": "quest",
        "slot": {
            "id": win.slot_id,
            "pool": "scidex-agent",
            "start_by": win.start_by.isoformat().replace("+00:00", "Z"),
            "lease_seconds": 900,
        },
        "task": {
            "id": "t-1",
            "quest_id": "atlas",
            "title": "Read",
            "entity_type": "hypothesis",
            "entity_id": "h 1",
            "expected_value_usd": "12.5",
            "expected_cost_tokens": 500,
            "model": "deep-1",
        },
        "claim_until": None,
        "next_poll_after": None,
    }
    assert _time(answer["claim_until"]) == win.claim_until.isoformat()
    assert win.claim_until - win.claimed_at == timedelta(seconds=60)
    assert win.runner == worker.agent


def test_asking_twice_is_asking_once(quest: Quest) -> None:
    _win(quest)
    worker = callers.caller()
    first, second = (_done(worker.post(ASK, {"pool": "scidex-agent"}, key=None)) for _ in range(2))
    assert first["slot"] is not None
    assert {**first, "next_poll_after": ""} == {**second, "next_poll_after": ""}


def test_without_a_slot_it_says_when_to_ask_again(quest: Quest) -> None:
    answer = _done(callers.caller().post(ASK, key=None))
    wait = next_task.next_poll(pools.get(quest.pool.name), callers.now())
    assert {**answer, "next_poll_after": ""} == {
        "source": "",
        "slot": None,
        "task": None,
        "claim_until": None,
        "next_poll_after": "",
    }
    assert _time(answer["next_poll_after"]) == wait.isoformat()


def test_in_fallback_the_best_task_is_given(quest: Quest) -> None:
    factories.quest_task(quest, 5, name="t-5")
    factories.quest_task(quest, 7, name="t-7")
    fallback.begin(quest.pool.name, why=Fallback.Why.HAND, now=callers.now())
    answer = _done(callers.caller().post(ASK, key=None))
    assert (answer["source"], answer["task"]["id"]) == ("fallback", "t-7")
    assert Clear.objects.get().is_given


def test_who_may_not_run_may_not_ask(quest: Quest) -> None:
    del quest
    for kind in ("provider", "grader", "exchange"):
        assert callers.caller(kind).post(ASK, key=None).status_code == 403
    assert callers.caller(scopes={"market:read"}).post(ASK, key=None).status_code == 403
    assert callers.caller().get(ASK).status_code == 405


def test_what_is_not_known_is_refused() -> None:
    worker = callers.caller()
    assert _refused(worker.post(ASK, {"pool": "nowhere"}, key=None)) == (404, "unknown_pool")
    assert worker.post(ASK, {"quest": "q"}, key=None).status_code == 400
    assert worker.post(ASK, {"pool": 5}, key=None).status_code == 400


def test_a_step_in_which_somebody_else_moved_is_done_again(quest: Quest) -> None:
    _win(quest)
    worker = callers.caller()
    real = next_task.next_task
    moved = mock.Mock(side_effect=[errors.BookMovedError, None])

    def once_moved(*args: Any, **terms: Any) -> Any:
        moved()
        return real(*args, **terms)

    with mock.patch.object(next_task, "next_task", once_moved):
        assert _done(worker.post(ASK, key=None))["task"]["id"] == "t-1"
    with mock.patch.object(next_task, "next_task", side_effect=errors.BookMovedError):
        assert _refused(worker.post(ASK, key=None)) == (503, "retryable")
    with mock.patch.object(next_task, "next_task", side_effect=OperationalError):
        assert _refused(worker.post(ASK, key=None)) == (503, "unavailable")


def test_asking_takes_as_many_queries_with_many_wins_as_with_few(quest: Quest) -> None:
    counts: list[int] = []
    for number in (1, 12):
        for _ in range(number):
            work = factories.quest_task(quest, 1)
            now = callers.now()
            factories.slot(quest.pool, available_at=now)
            factories.bid(quest.account, 1, quest.pool, work=work, at=now)
        cycle = quest.pool.cycle_seconds * len(counts)
        clearing.clear_round(callers.now() + timedelta(seconds=cycle), quest.pool.name)
        worker = callers.caller()
        with CaptureQueriesContext(connection) as queries:
            assert _done(worker.post(ASK, key=None))["slot"]
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12
