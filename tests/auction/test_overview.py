"""The figures of the market's pages, on days one can add up by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from auction import clearing, errors, overview
from auction.models import Clear, Slot
from tests import factories
from tests.factories import NOON, after, refused

if TYPE_CHECKING:
    from auction.models import Pool

pytestmark = pytest.mark.django_db
MINUTE = 60
QUARTER = 15 * MINUTE


def _round(pool: Pool, prices: list[int], *, slots: int, at: float) -> list[Clear]:
    for _ in range(slots):
        factories.slot(pool, available_at=after(at))
    for price in prices:
        factories.bid(factories.wallet(10_000), price, pool, at=after(at))
    stored = clearing.clear_round(after(at), pool.name)
    return list(stored.clears.order_by("-max_price_tokens"))


# Pools and rounds


def test_pools_tell_their_last_price_and_their_day() -> None:
    pool = factories.pool("gpu", reserve_tokens=10)
    factories.pool("cpu", mode="stopped")
    _round(pool, [90, 70, 40], slots=2, at=0)  # 40 each
    _round(pool, [5], slots=1, at=MINUTE)  # below the reserve
    figures = {one.name: one for one in overview.pool_figures(now=after(2 * MINUTE))}
    gpu, cpu = figures["gpu"], figures["cpu"]
    assert (gpu.rounds, gpu.offered, gpu.sold, gpu.fill_rate) == (2, 3, 2, 2 / 3)
    assert [gpu.charged_tokens, gpu.lowest, gpu.mean, gpu.highest] == [80, 40, 40, 40]
    assert (gpu.last_price, gpu.last_round_at) == (None, after(MINUTE))
    assert (cpu.mode, cpu.rounds, cpu.fill_rate, cpu.mean, cpu.last_price) == ("stopped", 0, None, None, None)


def test_the_mean_price_is_that_of_a_slot() -> None:
    pool = factories.pool()
    _round(pool, [100, 90, 80, 20], slots=3, at=0)  # three slots at 20
    _round(pool, [60, 60], slots=1, at=MINUTE)  # one at 60
    (gpu,) = [one for one in overview.pool_figures(now=after(2 * MINUTE)) if one.name == pool.name]
    assert [gpu.lowest, gpu.mean, gpu.highest] == [20, 30, 60]


def test_last_rounds_are_the_newest_of_all_pools_or_of_one() -> None:
    one, other = factories.pool("one"), factories.pool("other")
    for minute in range(3):
        _round(one, [10], slots=1, at=minute * MINUTE)
        _round(other, [10], slots=2, at=minute * MINUTE + 1)
    found = overview.last_rounds(now=after(150), most=4)
    assert [(line.pool, line.offered, line.sold) for line in found] == [
        ("other", 4, 1),
        ("one", 1, 1),
        ("other", 3, 1),
        ("one", 1, 1),
    ]
    assert [line.fill_rate for line in found[:2]] == [1 / 4, 1]
    assert [line.cleared_at for line in overview.last_rounds(now=after(150), pool="one")] == [
        after(120),
        after(60),
        NOON,
    ]
    assert [line.price for line in overview.last_rounds(now=NOON, pool="one")] == [1]


# Prices


def test_prices_stand_in_steps_of_a_quarter_of_an_hour_with_gaps() -> None:
    pool = factories.pool()
    _round(pool, [50, 30], slots=1, at=0)
    _round(pool, [50, 40, 35], slots=2, at=MINUTE)
    _round(pool, [], slots=0, at=2 * QUARTER)
    steps = overview.prices(now=after(2 * QUARTER + 1), pool=pool.name)
    assert len(steps) == 96
    assert [step.begins for step in steps[-3:]] == [NOON, after(QUARTER), after(2 * QUARTER)]
    first, empty, unsold = steps[-3:]
    assert (first.rounds, first.offered, first.sold, first.fill_rate) == (2, 3, 3, 1)
    assert (first.lowest, first.mean, first.highest) == (30, Decimal("33.33"), 35)
    assert empty == overview.PriceStep(after(QUARTER))
    assert (unsold.rounds, unsold.lowest, unsold.fill_rate) == (1, None, None)
    assert {step.rounds for step in steps[:-3]} == {0}


def test_prices_of_an_hour_come_in_as_many_steps() -> None:
    pool = factories.pool()
    _round(pool, [50, 30], slots=1, at=0)
    steps = overview.prices(now=after(10), pool=pool.name, hours=1)
    assert [len(steps), steps[-1].begins, steps[-1].mean] == [96, NOON, 30]


# Depth


def test_depth_counts_who_would_trade_at_each_price() -> None:
    pool = factories.pool(reserve_tokens=20)
    factories.slots(pool, 2)
    factories.slot(pool, reserve=60)
    for price in (100, 60, 60, 10):
        factories.bid(factories.wallet(1_000), price, pool)
    found = overview.depth(now=after(1), pool=pool.name)
    assert found.levels == [
        overview.Level(price=10, bids=1, asks=0, demand=4, supply=0),
        overview.Level(price=20, bids=0, asks=2, demand=3, supply=2),
        overview.Level(price=60, bids=2, asks=1, demand=3, supply=3),
        overview.Level(price=100, bids=1, asks=0, demand=1, supply=3),
    ]
    assert (found.best_bid, found.lowest_ask, found.is_cut) == (100, 20, False)
    assert found.crossing == 3 == clearing.clear_round(after(2), pool.name).slots_sold


def test_a_deep_book_is_cut_to_its_best() -> None:
    pool = factories.pool()
    factories.slots(pool, 1)
    for price in (10, 20, 30):
        factories.bid(factories.wallet(1_000), price, pool)
    found = overview.depth(now=after(1), pool=pool.name, most=2)
    assert [level.price for level in found.levels] == [1, 20, 30]
    assert found.is_cut
    assert overview.depth(now=after(1), pool=factories.pool().name).levels == []


# Slots


def test_slots_are_counted_by_state() -> None:
    pool = factories.pool("gpu")
    factories.pool("idle")
    one, other = _round(pool, [90, 70], slots=2, at=0)
    factories.slots(pool, 3)
    factories.started(one, at=after(1))
    assert overview.slots_by_state(now=after(2)) == {"gpu": {"open": 3, "sold": 1, "running": 1}}
    factories.run(other, 10, at=after(3))
    assert overview.slots_by_state(now=after(4)) == {"gpu": {"open": 3, "running": 1, "finished": 1}}
    later = after(3 * 24 * 3600)
    assert overview.slots_by_state(now=later) == {"gpu": {"open": 3, "running": 1}}


# All


def test_unknown_pools_are_refused() -> None:
    for ask in (overview.prices, overview.depth):
        with refused(errors.UnknownPoolError):
            ask(now=NOON, pool="nowhere")


def test_figures_take_as_many_queries_for_many_rows_as_for_one() -> None:
    def count() -> list[int]:
        counts = []
        for ask in (
            lambda: overview.pool_figures(now=after(9_000)),
            lambda: overview.last_rounds(now=after(9_000)),
            lambda: overview.prices(now=after(9_000), pool="gpu"),
            lambda: overview.depth(now=after(9_000), pool="gpu"),
            lambda: overview.slots_by_state(now=after(9_000)),
        ):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                ask()
            counts.append(len(queries))
        return counts

    pool = factories.pool("gpu")
    _round(pool, [50], slots=1, at=0)
    before = count()
    for number in range(1, 5):
        _round(factories.pool(), [40], slots=1, at=number * MINUTE)
        _round(pool, [50, 40, 30], slots=2, at=number * MINUTE)
    Slot.objects.bulk_create([Slot(pool=pool, available_at=NOON, created_at=NOON) for _ in range(500)])
    assert count() == before == [1, 1, 2, 3, 1]
