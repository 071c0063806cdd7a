"""Scoring waits for nobody: what somebody else is just changing is scored the next time."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import psycopg

from auction import batches, pools, valuation
from auction.models import Bid, Task
from economics.models import Envelope
from tests import factories
from tests.factories import NOON, after
from tests.races.crew import race

ROUNDS = 20


def test_a_task_that_is_just_changed_is_passed_over(committed_db: str) -> None:
    quest = factories.quest()
    held, free = (factories.quest_task(quest, value_if_works_usd=Decimal(7)) for _ in range(2))

    with psycopg.connect(committed_db) as somebody:
        somebody.execute("SELECT FROM auction_tasks WHERE id = %s FOR NO KEY UPDATE", [held.pk])
        assert valuation.score_all(now=NOON) == 1
    assert list(Task.objects.exclude(scored_at=None).values_list("pk", flat=True)) == [free.pk]

    assert valuation.score_all(now=after(60)) == 1
    assert set(Task.objects.values_list("expected_value_usd", flat=True)) == {Decimal(7)}


def test_scoring_and_bidding_for_the_same_tasks_never_meet_in_a_deadlock() -> None:
    wallet = factories.wallet(10**6)
    of = factories.envelope("h1")
    work = factories.tasks(wallet, 200)
    Task.objects.update(value_if_works_usd=Decimal(10), entity_type=of.entity_type, entity_id=of.entity_id)

    def scorer(number: int) -> int:
        Envelope.objects.filter(pk=of.pk).update(priority_score=Decimal(number + 1) / 100)
        return valuation.score_all(now=after(number))

    def bidder(number: int) -> int:
        now = NOON + timedelta(minutes=2 * number)
        offers = [batches.Offer(task.pk, 1, now + timedelta(seconds=30)) for task in reversed(work[number::ROUNDS])]
        return sum(
            bool(one.bid_id) for one in batches.place_bids(offers, now=now, wallet=wallet.pk, pool=pools.DEFAULT)
        )

    race(scorer, bidder, scorer, rounds=ROUNDS)

    assert Bid.objects.count() == 200
    valuation.score_all(now=after(3600))
    priority = Envelope.objects.get().priority_score
    assert set(Task.objects.values_list("priority_used", "expected_value_usd")) == {
        (priority, 10 * (Decimal("0.5") + priority))
    }
