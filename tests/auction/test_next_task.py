"""What an idle agent gets when it asks: what it won, what its quests won, what fallback gives, or when to ask again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auction import clearing, errors, fallback, next_task, pools, runs, settlement
from auction.models import Clear, Fallback, Member, Pool, Slot, Task
from auction.next_task import Source
from tests import factories
from tests.factories import NOON, after, refused

if TYPE_CHECKING:
    from datetime import datetime

    from auction.models import Quest
    from config.models import Agent

pytestmark = pytest.mark.usefixtures("balanced_books")


@pytest.fixture
def pool() -> Pool:
    """Return a pool with a cycle of a minute, made at noon."""
    made = factories.pool("market")
    Pool.objects.filter(pk=made.pk).update(created_at=NOON)
    return pools.get("market")


@pytest.fixture
def worker() -> Agent:
    return factories.agent("worker")


@pytest.fixture
def quest(pool: Pool) -> Quest:
    return factories.quest("q", 10_000, into=pool)


def _win(quest: Quest, value: int, name: str, *, at: datetime = NOON) -> Clear:
    """Sell a slot to the quest's only bid, for a task worth so many USD."""
    work = factories.quest_task(quest, value, name=name)
    factories.slot(quest.pool, available_at=at)
    bid = factories.bid(quest.account, 10, quest.pool, work=work, at=at)
    clearing.clear_round(at, quest.pool.name)
    return Clear.objects.get(bid=bid.pk)


def _wins(quest: Quest, *values: tuple[int, str]) -> None:
    """Sell a slot for each of these tasks in one round."""
    for value, name in values:
        work = factories.quest_task(quest, value, name=name)
        factories.slot(quest.pool)
        factories.bid(quest.account, 10, quest.pool, work=work)
    clearing.clear_round(NOON, quest.pool.name)


def _ask(agent: Agent, second: float, pool: str = "market") -> tuple[str, str]:
    got = next_task.next_task(agent, now=after(second), pool=pool)
    return got.source.value, got.clear.winning_task_id if got.clear else ""


def test_an_agent_gets_its_own_win_before_a_better_one_of_a_quest(pool: Pool, quest: Quest, worker: Agent) -> None:
    wallet = factories.wallet(100, owner=worker)
    own = factories.task(wallet, "own")
    factories.slot(pool)
    factories.bid(wallet, 10, pool, work=own)
    _wins(quest, (1000, "of the quest"))
    assert _ask(worker, 1) == ("own", "own")


def test_a_claim_is_written_on_the_clear_and_lasts_its_time(quest: Quest, worker: Agent) -> None:
    win = _win(quest, 5, "t")
    got = next_task.next_task(worker, now=after(1), pool="market")
    assert (got.clear, got.source) == (win, Source.QUEST)
    win.refresh_from_db()
    assert (win.runner, win.runner_kind, win.state) == (worker, "worker", "sold")
    assert (win.claimed_at, win.claim_until) == (after(1), after(61))
    assert (win.account_id, win.charge_tokens) == (quest.account_id, 1)


def test_a_claim_lasts_no_longer_than_the_time_to_start(quest: Quest, worker: Agent) -> None:
    _win(quest, 5, "t")
    got = next_task.next_task(worker, now=after(270), pool="market")
    assert got.clear is not None
    assert got.clear.claim_until == got.clear.start_by == after(300)


def test_the_best_win_comes_first_then_what_must_start_first_then_the_older(pool: Pool, quest: Quest) -> None:
    _wins(quest, (5, "b"), (9, "best"), (5, "a"))
    _win(quest, 5, "later", at=after(60))
    asked = [_ask(factories.agent(), 61)[1] for _ in range(5)]
    first = list(
        Clear.objects.filter(winning_task_id__in="ab").order_by("pk").values_list("winning_task_id", flat=True)
    )
    assert asked == ["best", *first, "later", ""]


def test_asking_again_returns_the_same_claim(quest: Quest, worker: Agent) -> None:
    _wins(quest, (5, "worse"), (9, "best"))
    assert [_ask(worker, second) for second in (1, 2, 60)] == [("quest", "best")] * 3
    assert Clear.objects.exclude(claimed_at=None).get().claimed_at == after(1)


def test_a_claim_that_was_not_started_goes_to_another(quest: Quest, worker: Agent) -> None:
    win = _win(quest, 5, "t")
    other = factories.agent()
    assert _ask(worker, 1) == ("quest", "t")
    assert _ask(other, 60) == ("", "")
    assert _ask(other, 61) == ("quest", "t")
    assert _ask(worker, 62) == ("", "")
    win.refresh_from_db()
    assert (win.runner, win.claimed_at) == (other, after(61))


def test_what_was_started_is_nobody_elses_and_its_runner_gets_another(quest: Quest, worker: Agent) -> None:
    _wins(quest, (5, "second"), (9, "first"))
    got = next_task.next_task(worker, now=after(1), pool="market")
    assert got.clear is not None
    runs.start(got.clear.slot_id, runner=worker, now=after(2))
    assert _ask(worker, 3) == ("quest", "second")
    assert _ask(factories.agent(), 4) == ("", "")


def test_a_quest_for_members_lets_only_them_run(pool: Pool, worker: Agent) -> None:
    closed = factories.quest("closed", 1000, into=pool, members_only=True)
    _win(closed, 5, "t")
    member = factories.agent("member")
    Member.objects.create(quest=closed, agent=member)
    assert _ask(worker, 1) == ("", "")
    assert _ask(member, 2) == ("quest", "t")


def test_another_agents_own_win_is_for_itself_only(pool: Pool, worker: Agent) -> None:
    clear = factories.sale(10, into=pool)
    assert _ask(worker, 1) == ("", "")
    assert _ask(factories.runner(clear), 1) == ("own", clear.winning_task_id)


def test_what_can_no_longer_be_started_is_not_handed_out(pool: Pool, quest: Quest, worker: Agent) -> None:
    pools.configure(pool.name, stale_cycles=10)
    _win(quest, 5, "t")
    assert _ask(worker, 300) == ("", "")


def test_only_wins_of_the_pool_asked_for_are_handed_out(quest: Quest, worker: Agent) -> None:
    _win(quest, 5, "t")
    factories.pool("other")
    assert _ask(worker, 1, "other") == ("", "")
    with refused(errors.UnknownPoolError):
        _ask(worker, 1, "nowhere")


def test_without_a_slot_the_answer_is_when_the_next_round_will_have_been(pool: Pool, worker: Agent) -> None:
    # The round of this cycle is still to come: a second after its beginning, while that lies ahead.
    assert next_task.next_task(worker, now=after(0.2), pool="market").next_poll_after == after(1)
    assert next_task.next_task(worker, now=after(1), pool="market").next_poll_after == after(61)
    clearing.clear_round(after(60.1), pool.name)
    assert next_task.next_task(worker, now=after(60.2), pool="market").next_poll_after == after(121)


def test_a_stale_pool_falls_back_when_it_is_asked(pool: Pool, quest: Quest, worker: Agent) -> None:
    factories.quest_task(quest, 5, name="t")
    assert _ask(worker, 180) == ("", "")
    assert _ask(worker, 181) == ("fallback", "t")
    assert pools.get(pool.name).mode == Pool.Mode.FALLBACK
    assert Fallback.objects.get().why == Fallback.Why.STALE
    assert _ask(worker, 182) == ("fallback", "t")  # the same claim
    assert Clear.objects.count() == 1


def test_in_fallback_what_was_won_before_comes_first(pool: Pool, quest: Quest, worker: Agent) -> None:
    _win(quest, 1, "won")
    factories.quest_task(quest, 9, name="better")
    fallback.begin(pool.name, why=Fallback.Why.HAND, now=after(1))
    assert _ask(worker, 2) == ("quest", "won")
    assert _ask(factories.agent(), 3) == ("fallback", "better")


def test_a_gift_that_was_not_started_goes_to_another(pool: Pool, quest: Quest, worker: Agent) -> None:
    factories.quest_task(quest, 5, name="t")
    fallback.begin(pool.name, why=Fallback.Why.HAND, now=NOON)
    assert _ask(worker, 1) == ("fallback", "t")
    other = factories.agent()
    assert _ask(other, 60) == ("", "")
    assert _ask(other, 61) == ("fallback", "t")
    assert Clear.objects.get().runner == other


def test_in_fallback_what_ended_comes_back_without_a_worker(pool: Pool, quest: Quest, worker: Agent) -> None:
    pools.configure(pool.name, capacity=1)
    factories.quest_task(quest, 5, name="t")
    fallback.begin(pool.name, why=Fallback.Why.HAND, now=NOON)
    got = next_task.next_task(worker, now=after(1), pool="market")
    assert got.clear is not None
    runs.start(got.clear.slot_id, runner=worker, now=after(2))
    other = factories.agent()
    assert _ask(other, 901) == ("", "")
    assert _ask(other, 902) == ("fallback", "t")  # its lease has ended: the task is open again, and so is the room
    assert [clear.state for clear in Clear.objects.order_by("pk")] == ["lapsed", "sold"]


def test_in_fallback_what_was_held_on_an_envelope_comes_back_without_a_worker(
    pool: Pool, quest: Quest, worker: Agent
) -> None:
    factories.model("deep-1")
    own = factories.envelope("h1", tokens=1_000)
    factories.reserve(own, 950, lives=60)
    factories.quest_task(
        quest, 5, name="t", entity=(own.entity_type, own.entity_id), expected_cost_tokens=500, model="deep-1"
    )
    fallback.begin("market", why=Fallback.Why.FAILURES, now=NOON)
    assert _ask(worker, 59) == ("", "")
    assert _ask(worker, 60) == ("fallback", "t")


def test_a_stopped_pool_hands_out_nothing(pool: Pool, quest: Quest, worker: Agent) -> None:
    _win(quest, 5, "t")
    settlement.stop_pool(pool.name, now=after(1))
    assert _ask(worker, 2) == ("", "")
    assert _ask(worker, 9999) == ("", "")
    assert not Fallback.objects.exists()
    assert Task.objects.get(pk="t").state == "open"
    assert not Slot.objects.filter(state="given").exists()
