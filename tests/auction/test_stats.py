"""The market's statistics, on a day one can add up by hand."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from auction import clearing, errors, stats
from tests import factories
from tests.factories import NOON, after

if TYPE_CHECKING:
    from auction.models import Pool

pytestmark = pytest.mark.django_db
HOUR = 3600
NOTHING: dict[str, object] = {
    "rounds": 0,
    "slots_offered": 0,
    "slots_sold": 0,
    "fill_rate": None,
    "charged_tokens": 0,
    "premium_released_tokens": 0,
    "price_lowest_tokens": None,
    "price_mean_tokens": None,
    "price_highest_tokens": None,
    "clearing_prices": [],
    "top_wins": [],
}


def _round(pool: Pool, prices: list[int], *, slots: int, at: float) -> None:
    for _ in range(slots):
        factories.slot(pool, available_at=after(at))
    for price in prices:
        factories.bid(factories.wallet(10_000), price, pool, at=after(at))
    clearing.clear_round(after(at), pool.name)


def _stats(pool: Pool, *, at: float, hours: int = 24) -> dict[str, object]:
    found = stats.get_recent_stats(now=after(at), pool=pool.name, hours=hours)
    assert (found.pop("pool"), found.pop("until")) == (pool.name, after(at))
    assert found.pop("since") == after(at - hours * HOUR)
    return found


def test_stats_of_a_silent_pool_are_empty() -> None:
    assert _stats(factories.pool(), at=0) == NOTHING


def test_stats_of_rounds_that_sold_nothing_have_no_price() -> None:
    pool = factories.pool(reserve_tokens=100)
    _round(pool, [50], slots=2, at=0)
    assert _stats(pool, at=1) == {**NOTHING, "rounds": 1, "slots_offered": 2, "fill_rate": 0.0}


def test_stats_add_up() -> None:
    """Three rounds: 300, 200 | 100 sells two at 100; 500 | (1) sells one of two at the reserve of 1; then nothing.

    The slot left over in the second round is offered in the third again.
    """
    pool = factories.pool()
    _round(pool, [300, 200, 100], slots=2, at=0)
    _round(pool, [500], slots=2, at=60)
    _round(pool, [], slots=0, at=120)
    found = _stats(pool, at=180)
    best = found.pop("top_wins")
    assert found == {
        "rounds": 3,
        "slots_offered": 5,
        "slots_sold": 3,
        "fill_rate": 0.6,
        "charged_tokens": 201,
        "premium_released_tokens": 200 + 100 + 499,
        "price_lowest_tokens": 1,
        "price_mean_tokens": Decimal("50.5"),
        "price_highest_tokens": 100,
        "clearing_prices": [
            {"cleared_at": NOON, "market_price_tokens": 100, "slots_sold": 2, "slots_offered": 2},
            {"cleared_at": after(60), "market_price_tokens": 1, "slots_sold": 1, "slots_offered": 2},
        ],
    }
    assert isinstance(best, list)
    assert [(win["max_price_tokens"], win["charge_tokens"], win["state"]) for win in best] == [
        (500, 1, "sold"),
        (300, 100, "sold"),
        (200, 100, "sold"),
    ]


def test_top_wins_show_the_impact_that_came_of_them() -> None:
    clear = factories.run(factories.sale(100), 2_000, Decimal("12.5"), at=after(1))
    (best,) = stats.get_recent_stats(now=after(2), pool=clear.pool.name)["top_wins"]
    assert best == {
        "slot_id": clear.slot_id,
        "max_price_tokens": 100,
        "charge_tokens": 1,
        "state": "finished",
        "actual_cost_tokens": 2_000,
        "actual_impact": Decimal("12.5"),
        "impact_roi": Decimal("0.00625"),
    }


def test_top_wins_are_ten() -> None:
    pool = factories.pool()
    _round(pool, list(range(101, 113)), slots=12, at=0)
    best = stats.get_recent_stats(now=after(1), pool=pool.name)["top_wins"]
    assert [win["max_price_tokens"] for win in best] == list(range(112, 102, -1))


def test_stats_look_back_so_many_hours_and_not_ahead() -> None:
    pool = factories.pool()
    for hour in range(3):
        _round(pool, [100], slots=1, at=hour * HOUR)
    seen = [
        (_stats(pool, at=at, hours=hours)["rounds"]) for at, hours in ((7200, 24), (7200, 1), (7199, 24), (10800, 1))
    ]
    assert seen == [3, 1, 2, 0]  # a round exactly `hours` ago is no longer counted


def test_stats_keep_pools_apart_and_refuse_unknown_ones() -> None:
    busy, silent = factories.pool(), factories.pool()
    _round(busy, [100], slots=1, at=0)
    assert (_stats(busy, at=1)["rounds"], _stats(silent, at=1)) == (1, NOTHING)
    with pytest.raises(errors.UnknownPoolError):
        stats.get_recent_stats(now=NOON, pool="nowhere")


def test_stats_name_nobody() -> None:
    owner = factories.wallet(1_000, owner=factories.agent("jane"))
    clear = factories.sale(100, owner=owner)
    shown = json.dumps(stats.get_recent_stats(now=after(1), pool=clear.pool.name), default=str)
    assert ("jane" in shown, clear.winning_task_id in shown) == (False, False)
