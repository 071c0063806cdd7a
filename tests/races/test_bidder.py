"""Quests bid once per cycle and hold what they bid, whatever else happens to their tasks and tokens at that moment."""

from __future__ import annotations

import time
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from auction import backlog, bidder, clearing, order_book, quests
from auction.models import Bid, BidCycle, Clear, Pool, Quest
from tests import factories
from tests.factories import NOON, after
from tests.races.crew import race

ROUNDS = 15
TASKS = 8


@transaction.atomic  # one commit instead of hundreds
def _markets(*, tokens: int = 10_000, slots: int = 2) -> list[tuple[Pool, Quest]]:
    """Return a pool for each round with a quest of eight tasks worth 1,000, 1,001, … tokens."""
    markets = []
    for _ in range(ROUNDS):
        into = factories.pool()
        factories.slots(into, slots)
        quest = factories.quest(tokens=tokens, into=into)
        for number in range(TASKS):
            value = (1_000 + number) * Decimal("0.0001")
            factories.task(quest.account, f"{quest.pk}-{number}", quest=quest, expected_value_usd=value)
        markets.append((into, quest))
    return markets


def _hold(quest: Quest) -> tuple[int, int]:
    """Return what a quest's wallet holds and what its open bids and live clears say it should."""
    quest.account.refresh_from_db()
    bids = Bid.objects.filter(account=quest.account, status="open").aggregate(n=Sum("max_price_tokens"))["n"] or 0
    sold = Clear.objects.filter(account=quest.account, state="sold").aggregate(n=Sum("charge_tokens"))["n"] or 0
    return quest.account.held, bids + sold


def test_three_workers_bid_once() -> None:
    markets = _markets()

    def bid(number: int) -> int:
        return bidder.submit_bids_for_tasks(now=NOON, pool=markets[number][0].name).pk

    outcomes = race(bid, bid, bid, rounds=ROUNDS)

    for (pool, quest), workers in zip(markets, outcomes, strict=True):
        (only,) = BidCycle.objects.filter(pool=pool)
        assert [one.value for one in workers] == [only.pk] * 3
        assert Bid.objects.filter(account=quest.account).count() == TASKS == only.placed
        assert _hold(quest) == (only.placed_tokens, only.placed_tokens)


def test_bids_against_the_round_and_one_who_cancels_tasks() -> None:
    markets = _markets()

    def bid(number: int) -> int:
        return bidder.submit_bids_for_tasks(now=after(1), pool=markets[number][0].name).placed

    def clear(number: int) -> int:
        return clearing.clear_round(after(2), markets[number][0].name).slots_sold

    def cancel(number: int) -> None:
        quest = markets[number][1]
        for place in (0, 7):
            backlog.cancel_task(f"{quest.pk}-{place}", wallet=quest.account.pk, now=after(1))

    race(bid, clear, cancel, rounds=ROUNDS)

    for _pool, quest in markets:
        held, should = _hold(quest)
        assert held == should
        open_bids = Bid.objects.filter(account=quest.account, status="open")
        assert not open_bids.exclude(task__state="open").exists()


def test_a_cycle_against_bids_by_hand_for_the_same_tasks() -> None:
    markets = _markets(tokens=2_000)

    def bid(number: int) -> int:
        return bidder.submit_bids_for_tasks(now=after(1), pool=markets[number][0].name).placed

    def by_hand(number: int) -> None:
        pool, quest = markets[number]
        for place in range(TASKS):
            order_book.place_bid(
                wallet=quest.account.pk,
                task_id=f"{quest.pk}-{place}",
                max_price_tokens=100,
                ttl_at=after(3600),
                now=after(1),
                pool=pool.name,
            )

    race(bid, by_hand, rounds=ROUNDS)

    for _pool, quest in markets:
        held, should = _hold(quest)
        assert held == should <= 2_000


def test_a_cycle_against_the_next_and_an_expiry() -> None:
    markets = _markets()
    for pool, _quest in markets:
        bidder.submit_bids_for_tasks(now=NOON, pool=pool.name)
    Quest.objects.update(bid_factor="0.3")  # every bid is to be replaced
    week = 7 * 86_400

    def bid(number: int) -> int:
        return bidder.submit_bids_for_tasks(now=after(week), pool=markets[number][0].name).placed

    def expire(number: int) -> int:
        return order_book.refund_unfilled(now=after(week), pool=markets[number][0].name)

    race(bid, bid, expire, rounds=ROUNDS)

    for _pool, quest in markets:
        held, should = _hold(quest)
        assert held == should
        assert Bid.objects.filter(account=quest.account, status="open").count() == TASKS


def test_a_quest_that_just_leaves_a_pool_does_not_bid_there() -> None:
    markets = _markets()
    with transaction.atomic():
        others = [factories.pool() for _ in range(ROUNDS)]

    def move(number: int) -> None:
        with transaction.atomic():
            quests.upsert(markets[number][1].pk, by=None, now=after(1), pool=others[number].name)
            time.sleep(0.05)

    def bid(number: int) -> int:
        time.sleep(0.02)
        return bidder.submit_bids_for_tasks(now=after(1), pool=markets[number][0].name).placed

    outcomes = race(bid, move, rounds=ROUNDS)

    for (pool, quest), (placed, moved), other in zip(markets, outcomes, others, strict=True):
        quest.refresh_from_db()
        assert (placed.value, moved.refusal) in {(0, ""), (TASKS, "quest_has_open_bids")}
        assert quest.pool == (pool if moved.refusal else other)
        assert not Bid.objects.filter(account=quest.account, status="open").exclude(pool=quest.pool).exists()
