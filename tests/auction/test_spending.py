"""What quests spend and what comes of it, and the highest winning bids."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from auction import clearing, next_task, order_book, spending, stipends
from auction.models import Clear
from economics import mint
from tests import factories
from tests.auction import wins
from tests.factories import NOON, after

if TYPE_CHECKING:
    from datetime import datetime

    from auction.models import Quest

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def test_without_quests_nothing_is_spent() -> None:
    assert spending.of_quests(now=NOON) == spending.Spending([])
    assert spending.top_wins(pool="scidex-agent", now=NOON) == []


def _won(quest: Quest, price: int, promised: str, *, at: datetime = NOON) -> Clear:
    """Return a slot of a pool of its own that a quest has won alone, and so for the reserve of 1, and claimed."""
    market = factories.pool()
    factories.slot(market, available_at=at)
    work = factories.quest_task(quest, promised)
    placed = order_book.place_bid(
        wallet=quest.account_id,
        task_id=work.pk,
        max_price_tokens=price,
        expected_value_usd=Decimal(promised),
        ttl_at=at + DAY,
        now=at,
        pool=market.name,
    )
    clearing.clear_round(at, market.name)
    worker = factories.agent()
    factories.wallet(owner=worker)
    assert next_task.next_task(worker, now=at, pool=market.name).clear
    return Clear.objects.get(bid=placed.pk)


def test_what_a_quest_spent_stands_beside_what_came_of_it() -> None:
    good = factories.quest("good", 1_000, title="The good one")
    factories.quest("idle", 50)
    factories.run(_won(good, 400, "3"), 1_000, Decimal("1.5"), at=after(1))
    factories.run(_won(good, 300, "2"), 1_000, at=after(1))  # nobody graded it: no promise is held against it
    _won(good, 200, "9")  # not finished: nothing is charged yet
    found = spending.of_quests(now=after(60))
    assert [(one.quest_id, one.spent, one.wins, one.graded) for one in found.rows] == [
        ("good", 2, 3, 1),
        ("idle", 0, 0, 0),
    ]
    row = found.rows[0]
    assert (row.title, row.promised, row.impact, row.given, row.held) == (
        "The good one",
        Decimal(3),
        Decimal("1.5"),
        0,
        1,
    )
    assert (found.number, found.spent, found.wins, found.promised, found.impact) == (
        2,
        2,
        3,
        Decimal(3),
        Decimal("1.5"),
    )


def test_what_was_given_costs_nothing_and_promised_what_its_task_says() -> None:
    quest = factories.quest("lucky")
    wins.graded(quest.account, 10, 4, into=factories.pool(), number=2)
    (row,) = spending.of_quests(now=after(1)).rows
    assert (row.spent, row.wins, row.given, row.promised, row.impact) == (0, 0, 2, Decimal(20), Decimal(8))


def test_only_the_days_asked_for_count() -> None:
    quest = factories.quest("old", 1_000)
    factories.run(_won(quest, 100, "1", at=NOON - 3 * DAY), 10, at=NOON - 3 * DAY)
    assert [spending.of_quests(now=NOON, days=days).spent for days in (1, 7)] == [0, 1]


def test_stipends_are_those_of_the_same_days() -> None:
    factories.quest_task(factories.quest("paid"), 10)
    mint.issue_daily(now=NOON)
    (day,) = stipends.pay_due(now=NOON)
    (row,) = spending.of_quests(now=NOON, days=1).rows
    assert (row.stipends, row.available) == (day.paid_tokens, day.paid_tokens)
    assert spending.of_quests(now=NOON + DAY, days=1).stipends == 0


def test_quests_beyond_the_most_are_in_the_sums() -> None:
    for number in range(3):
        wins.graded(factories.quest(f"q{number}").account, 1, 1, into=factories.pool())
    found = spending.of_quests(now=after(1), most=1)
    assert (len(found.rows), found.number, found.given) == (1, 3, 3)


def test_the_highest_bids_come_first_with_what_they_brought() -> None:
    market = factories.pool(usd_per_token=Decimal("0.01"))
    for number, price in enumerate((100, 300, 200), 1):
        factories.sale(price, into=market, at=after(number * 60))
    best = Clear.objects.get(max_price_tokens=300)
    factories.run(best, 2_000, Decimal("4.5"), at=after(181))
    wins.graded(factories.quest("given").account, 1, 1, into=market, at=after(1))
    found = spending.top_wins(pool=market.name, now=after(600), most=2)
    assert [(win.max_price, win.bid_usd, win.state, win.impact) for win in found] == [
        (300, Decimal(3), "finished", Decimal("4.5")),
        (200, Decimal(2), "sold", None),
    ]
    assert found[0].owner == str(best.account)
    assert found[0].impact_roi == Decimal("0.00225")
    assert spending.top_wins(pool=market.name, now=NOON + 3 * DAY) == []


def test_the_number_of_queries_is_the_same_for_few_and_for_many() -> None:
    counts = []
    market = factories.pool()
    for number in (1, 30):
        for _each in range(number):
            wins.graded(factories.quest().account, 1, 1, into=market)
        with CaptureQueriesContext(connection) as captured:
            spending.of_quests(now=after(1))
            spending.top_wins(pool=market.name, now=after(1))
        counts.append(len(captured))
    assert counts == [2, 2]
