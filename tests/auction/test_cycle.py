"""A tick of the market: quests bid before the round, failures in a row begin fallback, a round ends it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from auction import clearing, cycle, fallback, pools
from auction.models import Bid, BidCycle, Clear, Fallback, Round, StipendDay
from economics.models import DailyIssue
from tests import factories
from tests.factories import NOON, after

if TYPE_CHECKING:
    from auction.models import Pool

pytestmark = pytest.mark.django_db


@pytest.fixture
def pool() -> Pool:
    """Return a pool with two slots of its own and a cycle of a minute."""
    return factories.pool(capacity=2)


def break_rounds_of(pool: Pool, monkeypatch: pytest.MonkeyPatch, kind: type[Exception] = ZeroDivisionError) -> None:
    """Let every round of this pool fail as by a fault in the code."""
    whole = clearing.clear_round

    def clear_round(now: Any, name: str) -> Round:
        if name == pool.name:
            raise kind
        return whole(now, name)

    monkeypatch.setattr(clearing, "clear_round", clear_round)


def test_a_tick_scores_bids_and_sells(pool: Pool) -> None:
    quest = factories.quest(tokens=10_000, into=pool)
    factories.quest_task(quest, name="a", value_if_works_usd=Decimal("0.2"), chance=Decimal("0.5"))
    cycle.run_due(now=NOON)
    (bid,) = Bid.objects.filter(account=quest.account)
    assert (bid.max_price_tokens, bid.status) == (600, "won")  # 0.1 USD are 1,000 tokens
    assert Clear.objects.get(bid=bid).winning_task_id == "a"


def test_the_days_issue_is_shared_out(pool: Pool) -> None:
    quest = factories.quest(into=pool)
    factories.quest_task(quest, 1)
    cycle.run_due(now=NOON)
    quest.account.refresh_from_db()
    issue, day = DailyIssue.objects.get(), StipendDay.objects.get()
    assert (issue.amount, day.pot_tokens, day.paid_tokens) == (100_000, 50_000, 50_000)
    assert quest.account.balance == 50_000
    cycle.run_due(now=after(1))
    quest.account.refresh_from_db()
    assert quest.account.balance == 50_000


def test_failures_in_a_row_begin_fallback_and_a_round_ends_it(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        break_rounds_of(pool, broken)
        for second in range(2):
            cycle.run_due(now=after(second))
        assert pools.get(pool.name).mode == "auction"
        cycle.run_due(now=after(2))
        begun = Fallback.objects.get(pool=pool)
        assert (pools.get(pool.name).mode, begun.why, begun.began_at) == ("fallback", "failures", after(2))
        cycle.run_due(now=after(3))  # it goes on trying
        assert pools.get(pool.name).failures == 4
    cycle.run_due(now=after(4))
    begun.refresh_from_db()
    assert (pools.get(pool.name).mode, begun.ended_at, begun.ended_by) == ("auction", after(4), "a round")
    assert pools.get(pool.name).failures == 0
    assert Round.objects.filter(pool=pool).count() == 1


def test_a_success_in_between_begins_the_count_anew(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    for minute in range(0, 600, 120):
        with monkeypatch.context() as broken:
            break_rounds_of(pool, broken)
            for second in range(2):
                cycle.run_due(now=after(minute + second))
        cycle.run_due(now=after(minute + 60))
    assert not Fallback.objects.exists()


def test_a_pool_that_fails_stops_no_other(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    other = factories.pool(f"{pool.name}-z")
    break_rounds_of(pool, monkeypatch)
    cycle.run_due(now=NOON)
    assert Round.objects.filter(pool=other).count() == 1
    assert not Round.objects.filter(pool=pool).exists()


def test_in_fallback_by_hand_no_round_is_tried(pool: Pool) -> None:
    fallback.begin(pool.name, why="by hand", note="the mechanism is under review", now=NOON)
    for minute in range(3):
        cycle.run_due(now=after(60 * minute))
    assert pools.get(pool.name).mode == "fallback"
    assert not Round.objects.filter(pool=pool).exists()
    fallback.end(pool.name, by="ada", now=after(200))
    cycle.run_due(now=after(240))
    assert Round.objects.filter(pool=pool).count() == 1


def test_a_stopped_pool_is_left_alone(pool: Pool) -> None:
    factories.quest_task(factories.quest(tokens=1_000, into=pool), 1)
    pools.configure(pool.name, mode="stopped")
    cycle.run_due(now=NOON)
    assert not BidCycle.objects.filter(pool=pool).exists()
    assert not Round.objects.filter(pool=pool).exists()
