"""Tasks are locked in one order, whoever comes from which side."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from django.db import transaction

from auction import backlog, clearing, order_book, settlement
from tests import factories
from tests.factories import after
from tests.races.crew import race

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from auction.models import Pool, Task

ROUNDS = 20
T = TypeVar("T")


def _scrambled(things: Sequence[T]) -> list[T]:
    """Return things in an order that is neither theirs nor its reverse."""
    return sorted(things, key=lambda thing: things.index(thing) * 7 % 11)


def _batch(tasks: Sequence[Task], into: Pool) -> list[str]:
    """Bid for all of these tasks at once, whoever owns them; return what was said of each."""
    offers = [order_book.Offer(task.pk, 20, after(3600)) for task in tasks]
    placed = order_book.place_bids(offers, now=after(1), pool=into.name)
    return [one.refusal.code if one.refusal else "placed" for one in placed]


def test_cancelling_a_task_and_a_batch_that_names_it_take_turns() -> None:
    market = factories.pool()
    owner = factories.wallet(1_000_000)
    pairs = [(factories.task(owner), factories.task(owner)) for _ in range(ROUNDS)]
    for bidden, _free in pairs:
        factories.bid(owner, 10, market, work=bidden)

    def cancel(number: int) -> str:
        return backlog.cancel_task(pairs[number][0].pk, wallet=owner.pk, now=after(1)).state

    def batch(number: int) -> list[str]:
        return _batch(pairs[number], market)

    for cancelled, *batches in race(cancel, batch, batch, batch, rounds=ROUNDS):
        assert cancelled.value == "cancelled"
        # Whether the task is still bidden, gone, or was never seen free: the other task is bid for once.
        said = [place for outcome in batches if outcome.value for place in outcome.value]
        assert said.count("placed") == 1


@transaction.atomic  # one commit instead of hundreds
def _books(markets: Sequence[Pool]) -> list[list[Task]]:
    """Give each market 20 slots and 30 bids; return the tasks bidden for."""
    owners = [factories.wallet(1_000_000) for _ in range(30)]
    books = []
    for market in markets:
        factories.slots(market, 20)
        tasks = [factories.task(owner) for owner in owners]
        for task, price in zip(tasks, _scrambled(range(100, 130)), strict=True):
            factories.bid(task.wallet, price, market, work=task)
        books.append(tasks)
    return books


def test_clearing_a_pool_and_batches_that_name_its_tasks_elsewhere_take_turns() -> None:
    elsewhere = factories.pool()
    markets = [factories.pool() for _ in range(ROUNDS)]
    books = _books(markets)

    def clear(number: int) -> int:
        return clearing.clear_round(after(1), markets[number].name).slots_sold

    def batch(number: int) -> set[str]:
        return set.union(*(set(_batch(books[number], elsewhere)) for _ in range(8)))

    outcomes = race(clear, batch, batch, batch, rounds=ROUNDS)
    assert [cleared.value for cleared, *_batches in outcomes] == [20] * ROUNDS


@transaction.atomic
def _leases(market: Pool) -> list[list[Task]]:
    """Sell and start 20 slots for each round, the leases of a round ending at one moment; return their tasks."""
    owners = [factories.wallet(1_000_000) for _ in range(20)]
    books = []
    for number in range(ROUNDS):
        for owner in _scrambled(owners):
            factories.slot(market, available_at=_start(number))
            factories.bid(owner, 100, market, at=_start(number))
        cleared = clearing.clear_round(_start(number), market.name)
        clears = list(cleared.clears.select_related("account", "winning_task"))
        for clear in clears:
            settlement.start(clear.slot_id, runner=factories.runner(clear), now=_start(number))
        books.append([clear.winning_task for clear in clears])
    return books


def _start(number: int) -> datetime:
    return after(number * 100 - 100_000)


def test_lapsing_slots_and_batches_that_name_their_tasks_take_turns() -> None:
    market = factories.pool(lease_seconds=10)
    books = _leases(market)

    def lapse(number: int) -> int:
        return settlement.sweep(now=_start(number) + timedelta(seconds=10))["lapsed"]

    def batch(number: int) -> set[str]:
        return set.union(*(set(_batch(books[number], market)) for _ in range(8)))

    outcomes = race(lapse, batch, batch, batch, rounds=ROUNDS)
    assert [lapsed.value for lapsed, *_batches in outcomes] == [20] * ROUNDS
