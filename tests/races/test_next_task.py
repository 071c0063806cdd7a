"""Nobody gets what another has: many agents ask at once, slots are sold and given at once, and holders die."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING, Final

from django.db import connections, transaction

from auction import clearing, fallback, gifts, next_task, order_book, pools, runs, turns
from auction.models import Bid, Clear, Fallback, FallbackShare, Pool, Slot, Task
from config.errors import RefusedError
from economics.models import Account
from tests import factories
from tests.crashes.blows import kill_process, struck
from tests.factories import NOON, after
from tests.races.crew import race

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.models import Agent

AGENTS: Final = 32
SLOTS: Final = 20
ROUNDS: Final = 4
_FORK: Final = multiprocessing.get_context("fork")


def _agents(number: int) -> list[Agent]:
    return [factories.agent() for _ in range(number)]


def _ask(agent: Agent, markets: list[Pool], second: float = 1) -> Callable[[int], str | None]:
    """Ask for a slot of the round's pool; the answer is the slot."""

    def deed(number: int) -> str | None:
        got = next_task.next_task(agent, now=after(second), pool=markets[number].name)
        return got.clear.slot_id if got.clear else None

    return deed


@transaction.atomic
def _won(slots: int, rounds: int = ROUNDS) -> list[Pool]:
    """Return a pool for each round in which a quest has won so many slots, each for a task of its own."""
    made = []
    for _ in range(rounds):
        into = factories.pool(capacity=slots)
        quest = factories.quest("", 1_000_000, into=into)
        factories.slots(into, slots)
        for value in range(slots):
            factories.bid(quest.account, 100, into, work=factories.quest_task(quest, value))
        clearing.clear_round(NOON, into.name)
        made.append(into)
    return made


@transaction.atomic
def _giving(capacity: int, rounds: int = ROUNDS) -> list[Pool]:
    """Return a pool in fallback for each round, with three quests of as many tasks as it has slots each."""
    made = []
    for _ in range(rounds):
        into = factories.pool(capacity=capacity)
        for value in (6, 3, 1):
            quest = factories.quest("", 1_000_000, into=into)
            for _number in range(capacity):
                factories.quest_task(quest, value)
        fallback.begin(into.name, why=Fallback.Why.FAILURES, now=NOON)
        made.append(into)
    return made


def test_of_32_agents_each_slot_goes_to_one() -> None:
    markets, agents = _won(SLOTS), _agents(AGENTS)
    outcomes = race(*(_ask(agent, markets) for agent in agents), rounds=ROUNDS)
    for market, asked in zip(markets, outcomes, strict=True):
        got = [one.value for one in asked if one.value]
        clears = Clear.objects.filter(pool=market)
        # Whom another just kept from a slot is passed over it, not turned away: all slots are gone.
        assert sorted(got) == sorted(clears.values_list("slot_id", flat=True))
        holders = {agent.pk: one.value for agent, one in zip(agents, asked, strict=True) if one.value}
        assert dict(clears.values_list("runner_id", "slot_id")) == holders


def test_of_32_agents_in_fallback_each_slot_and_each_task_goes_to_one() -> None:
    markets, agents = _giving(SLOTS), _agents(AGENTS)
    outcomes = race(*(_ask(agent, markets) for agent in agents), rounds=ROUNDS)
    for market, asked in zip(markets, outcomes, strict=True):
        got = [one.value for one in asked if one.value]
        clears = Clear.objects.filter(pool=market, is_given=True)
        assert sorted(got) == sorted(clears.values_list("slot_id", flat=True))
        assert (len(got), Slot.objects.filter(pool=market).count()) == (SLOTS, SLOTS)
        assert len(set(clears.values_list("winning_task_id", flat=True))) == SLOTS
        # Counted one by one, the turns are as exact as if they had come one after another.
        shares = FallbackShare.objects.filter(pool=market).order_by("-share").values_list("given", flat=True)
        assert list(shares) == [12, 6, 2]


def test_one_agent_that_asks_often_at_once_gets_one_slot() -> None:
    for markets in (_won(4), _giving(4)):
        (agent,) = _agents(1)
        outcomes = race(*(_ask(agent, markets) for _ in range(4)), rounds=ROUNDS)
        for market, asked in zip(markets, outcomes, strict=True):
            (held,) = Clear.objects.filter(pool=market, runner=agent)
            assert [one.value for one in asked] == [held.slot_id] * 4


def test_a_slot_is_sold_or_given_and_never_both() -> None:
    rounds = 10
    markets, agents = _giving(3, rounds), _agents(3)
    with transaction.atomic():
        for market in markets:
            pools.top_up(market.name, now=NOON)
            for task in Task.objects.filter(quest__pool=market).select_related("wallet"):
                factories.bid(task.wallet, 100, market, work=task, gtd=True)

    def clear(number: int) -> int:
        if number % 2:  # a gift looks before it locks: a round that does not would always be first
            turns.Search(markets[number], agents[0]).look(after(1))
        return clearing.clear_round(after(1), markets[number].name).slots_sold

    def give(agent: Agent) -> Callable[[int], str | None]:
        def deed(number: int) -> str | None:
            gift = gifts.give(markets[number], to=agent, now=after(1))
            return gift.slot_id if gift else None

        return deed

    outcomes = race(clear, *(give(agent) for agent in agents), rounds=rounds)
    given = 0
    for market, (sold, *asked) in zip(markets, outcomes, strict=True):
        clears = list(Clear.objects.filter(pool=market))
        states = Counter(Slot.objects.filter(pool=market).values_list("state", flat=True))
        assert len({one.slot_id for one in clears}) == len({one.winning_task_id for one in clears}) == len(clears) == 3
        assert states == Counter(sold=sold.value, given=3 - sold.value) + Counter()
        assert len({one.value for one in asked if one.value}) == states["given"]
        given += states["given"]
        bids = Bid.objects.filter(task__in=[one.winning_task_id for one in clears]).values_list("status", flat=True)
        assert Counter(bids) == Counter(won=sold.value, cancelled=3 - sold.value) + Counter()
    assert 0 < given < 3 * rounds


def test_giving_placing_and_cancelling_wait_for_each_other_in_one_order() -> None:
    rounds = 10
    markets, agents = _giving(4, rounds), _agents(4)
    tasks = [list(Task.objects.filter(quest__pool=market).order_by("-expected_value_usd", "pk")) for market in markets]

    def trade(number: int) -> None:
        """Bid for the tasks that are given first, and take some of the bids back."""
        for place, task in enumerate(tasks[number][:4]):
            try:
                bid = order_book.place_bid(
                    wallet=task.wallet_id,
                    task_id=task.pk,
                    max_price_tokens=100,
                    ttl_at=after(3600),
                    now=after(1),
                    pool=markets[number].name,
                )
                if place % 2:
                    order_book.cancel_bid(bid.pk, wallet=task.wallet_id, now=after(1))
            except RefusedError:
                continue

    outcomes = race(trade, trade, *(_ask(agent, markets) for agent in agents), rounds=rounds)
    for market, (_one, _other, *asked) in zip(markets, outcomes, strict=True):
        # One whose task got a bid in another's hands may have to ask again.
        assert {one.refusal for one in asked} <= {"", "book_moved"}
        assert Clear.objects.filter(pool=market).count() == sum(not one.refusal for one in asked)
        taken = Clear.objects.filter(pool=market).values("winning_task")
        assert not Bid.objects.filter(task__in=taken, status="open").exists()


def test_fallback_begins_once() -> None:
    with transaction.atomic():
        markets = [factories.pool() for _ in range(ROUNDS)]
        Pool.objects.update(created_at=NOON)

    def by_hand(number: int) -> str:
        return fallback.begin(markets[number].name, why=Fallback.Why.HAND, now=after(600)).why

    def stale(number: int) -> bool:
        return fallback.begin_if_stale(markets[number].name, now=after(600))

    race(stale, stale, by_hand, by_hand, rounds=ROUNDS)
    for market in markets:
        assert Fallback.objects.filter(pool=market, ended_at=None, why=Fallback.Why.HAND).count() == 1
        assert Fallback.objects.filter(pool=market, why=Fallback.Why.STALE).count() <= 1
        assert pools.get(market.name).mode == Pool.Mode.FALLBACK


def test_a_round_that_just_ended_keeps_fallback_from_beginning() -> None:
    with transaction.atomic():
        markets = [factories.pool() for _ in range(ROUNDS)]
        Pool.objects.update(created_at=NOON)

    def clear(number: int) -> int:
        return clearing.clear_round(after(600), markets[number].name).pk

    def stale(number: int) -> bool:
        return fallback.begin_if_stale(markets[number].name, now=after(600))

    outcomes = race(clear, stale, stale, rounds=ROUNDS)
    for market, (_round, *begun) in zip(markets, outcomes, strict=True):
        assert {one.value for one in begun} == {Fallback.objects.filter(pool=market).exists()}


def test_a_claim_whose_time_is_over_is_started_or_taken_over_and_never_both() -> None:
    rounds = 10
    markets, (first, second) = _won(1, rounds), _agents(2)
    slots = [_ask(first, markets)(number) or "" for number in range(rounds)]

    def start(number: int) -> str:
        runs.start(slots[number], runner=first, now=after(61))
        return slots[number]

    outcomes = race(start, _ask(second, markets, 61), rounds=rounds)
    for slot, (started, taken) in zip(slots, outcomes, strict=True):
        clear = Clear.objects.get(slot_id=slot)
        if started.refusal:
            assert (clear.runner, clear.state, taken.value) == (second, "sold", slot)
        else:
            assert (clear.runner, clear.state, taken.value) == (first, "running", None)


def test_a_holder_killed_while_asking_has_a_slot_or_none() -> None:
    for made in (_won, _giving):
        step, survived = 0, False
        while not survived:
            (market,) = made(1, 1)
            victim, other = _agents(2)

            def ask(market: Pool = market, victim: Agent = victim) -> None:
                next_task.next_task(victim, now=after(1), pool=market.name)

            survived = not struck(ask, blow=kill_process, step=step)
            held = Clear.objects.filter(pool=market, runner=victim).count()
            assert _ask(other, [market], 2)(0) is not None or held == 1
            assert Clear.objects.filter(pool=market).count() == 1
            step += 3  # every third is often enough: two in a row stand before and after one statement


def test_a_killed_holder_loses_its_claim_and_then_its_lease() -> None:
    (market,) = _giving(1, 1)
    first, second, third = _agents(3)
    slot = _killed(lambda: _ask(first, [market])(0))
    assert _ask(second, [market], 60)(0) is None  # it could still come
    assert _ask(second, [market], 61)(0) == slot
    _killed(lambda: str(runs.start(slot or "", runner=second, now=after(62))))
    assert _ask(third, [market], 961)(0) is None  # it could still be heard of
    again = _ask(third, [market], 962)(0)
    assert again not in (None, slot)
    assert [one.state for one in Clear.objects.order_by("pk")] == ["lapsed", "sold"]
    assert not Account.objects.exclude(held=0).exists()


def _killed(deed: Callable[[], str | None]) -> str | None:
    """Do the deed in a process that is killed as soon as it is done, and return what it returned."""
    connections.close_all()
    receiver, sender = _FORK.Pipe(duplex=False)

    def suffer() -> None:
        sender.send(deed())
        os.kill(os.getpid(), signal.SIGKILL)

    victim = _FORK.Process(target=suffer, daemon=True)
    victim.start()
    victim.join(60)
    assert victim.exitcode == -signal.SIGKILL
    got: str | None = receiver.recv()
    return got
