"""What each deed of the market and of the books tells, and whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction

from auction import clearing, order_book, runs, settlement
from auction.models import Bid, Clear
from config import feed
from config.models import FeedEntry
from economics import admission
from tests import factories
from tests.factories import NOON, after

if TYPE_CHECKING:
    from economics.models import Account

pytestmark = pytest.mark.django_db


def _told(*kinds: str) -> list[tuple[str, str, str, str, dict[str, Any]]]:
    """Return what was told: kind, owner, pool and data, in the order of the feed."""
    return [
        (entry.kind, entry.owner_type, entry.owner_id, entry.pool, entry.data)
        for entry in feed.read(None, 1000, owners=None, kinds=kinds).entries
    ]


def _owner(of: Account) -> tuple[str, str]:
    return of.owner_type, of.owner_id


def test_a_round_tells_everybody_its_price_and_each_owner_what_it_won_and_lost() -> None:
    market = factories.pool("market")
    rich, deep, poor = factories.wallet(1_000), factories.wallet(1_000, quest="deep"), factories.wallet(1_000)
    sold = factories.slot(market)
    works = [factories.task(owner) for owner in (rich, deep, deep, poor)]
    bids = [
        factories.bid(owner, price, market, work=work)
        for owner, price, work in zip((rich, deep, deep, poor), (50, 40, 30, 20), works, strict=True)
    ]

    round_ = clearing.clear_round(NOON, "market")

    told = sorted(_told())
    assert told == sorted(
        [
            (
                "won",
                *_owner(rich),
                "market",
                {
                    "slot_id": sold.pk,
                    "task_id": works[0].pk,
                    "bid_id": bids[0].pk,
                    "round_id": round_.pk,
                    "charge_tokens": 40,
                    "price_tokens": 40,
                    "start_by": after(300).isoformat(),
                },
            ),
            ("lost", *_owner(poor), "market", {**_lost(round_.pk), "bids": 1, "task_ids": [works[3].pk]}),
            (
                "lost",
                *_owner(deep),
                "market",
                {**_lost(round_.pk), "bids": 2, "task_ids": _tasks_lost(deep)},
            ),
            (
                "round_cleared",
                "",
                "",
                "market",
                {
                    "round_id": round_.pk,
                    "cycle_at": "2026-03-02T12:00:00Z",
                    "price_tokens": 40,
                    "slots_offered": 1,
                    "slots_sold": 1,
                    "bids_lost": 3,
                },
            ),
        ]
    )
    assert set(FeedEntry.objects.values_list("at", flat=True)) == {NOON}


def _lost(round_id: int) -> dict[str, Any]:
    return {"round_id": round_id, "price_tokens": 40}


def _tasks_lost(owner: Account) -> list[str]:
    """Return the tasks named to who lost with several bids; in which order is left open."""
    (named,) = (data["task_ids"] for _k, _t, name, _p, data in _told("lost") if name == owner.owner_id)
    assert sorted(named) == sorted(Bid.objects.filter(account=owner, status="lost").values_list("task", flat=True))
    return list(named)


def test_a_round_that_sells_nothing_tells_so_and_nobody_lost() -> None:
    market = factories.pool("market")
    factories.bid(factories.wallet(100), 10, market)
    clearing.clear_round(NOON, "market")
    ((kind, *_public, data),) = _told()
    assert (kind, data["slots_sold"], data["price_tokens"], data["bids_lost"]) == ("round_cleared", 0, None, 0)


def test_at_most_a_hundred_lost_tasks_are_named() -> None:
    market, rich, many = factories.pool("market"), factories.wallet(100), factories.wallet(1_000)
    factories.slot(market)
    factories.bid(rich, 50, market)
    for work in factories.tasks(many, 101):
        factories.bid(many, 1, market, work=work)
    clearing.clear_round(NOON, "market")
    ((*_kind_and_owner, data),) = _told("lost")
    assert (data["bids"], len(data["task_ids"]), len(set(data["task_ids"]))) == (101, 100, 100)


def test_a_cycle_cleared_again_tells_nothing_more() -> None:
    factories.pool("market")
    for _again in range(2):
        clearing.clear_round(NOON, "market")
    assert len(_told()) == 1


def test_what_is_taken_back_was_never_told() -> None:
    factories.pool("market")
    with transaction.atomic():
        clearing.clear_round(NOON, "market")
        transaction.set_rollback(True)
    assert _told() == []


def test_expired_bids_are_told_to_their_owner_at_once() -> None:
    market, ann = factories.pool("market"), factories.wallet(100)
    works = [factories.task(ann) for _ in range(2)]
    for work in works:
        factories.bid(ann, 10, market, work=work, lives=60)

    order_book.refund_unfilled(now=after(61))

    ((*told, data),) = _told()
    assert told == ["expired", *_owner(ann), "market"]
    assert data == {"bids": 2, "task_ids": data["task_ids"]}
    assert sorted(data["task_ids"]) == sorted(work.pk for work in works)


@pytest.mark.parametrize(("quest", "kind", "charge"), [("", "forfeited", 1), ("deep", "withdrawn", 0)])
def test_a_win_that_nobody_starts_is_told_to_its_owner(quest: str, kind: str, charge: int) -> None:
    owner = factories.wallet(100, quest=quest)
    sold = factories.sale(into=factories.pool("market"), owner=owner, price=50)
    settlement.sweep(now=sold.start_by)
    assert _told("forfeited", "withdrawn", "lapsed") == [(kind, *_owner(owner), "market", _ended(sold, charge))]


def test_a_lease_that_ended_is_told_to_its_owner() -> None:
    sold = factories.sale(into=factories.pool("market"), price=50)
    running = runs.start(sold.slot_id, runner=factories.runner(sold), now=NOON)
    assert isinstance(running, Clear)
    settlement.sweep(now=after(900))
    assert _told("lapsed") == [("lapsed", *_owner(sold.account), "market", _ended(sold, 1))]


def test_wins_of_a_pool_that_is_stopped_are_told_as_withdrawn() -> None:
    sold = factories.sale(into=factories.pool("market"), price=50)
    settlement.stop_pool("market", now=NOON)
    assert _told("withdrawn") == [("withdrawn", *_owner(sold.account), "market", _ended(sold, 0))]


def _ended(sold: Clear, charge: int) -> dict[str, Any]:
    return {"slot_id": sold.slot_id, "task_id": sold.winning_task_id, "charge_tokens": charge}


def test_a_refusal_is_told_to_its_agent_once_a_minute() -> None:
    factories.model()
    of, ann = factories.envelope("h1", tokens=10), factories.agent("ann")
    for seconds in (0, 1, 61):
        admission.reserve(factories.ask(of, 200), agent_id="ann", now=after(seconds))

    told = _told("refused")
    assert [(*rest, data["code"], data["asked"]) for *rest, data in told] == [
        ("refused", "agent", ann.pk, "", "budget_exhausted", "200")
    ] * 2
    assert told[0][-1] == {
        "refusal_id": told[0][-1]["refusal_id"],
        "code": "budget_exhausted",
        "entity_type": "hypothesis",
        "entity_id": "h1",
        "resource_type": "llm_tokens",
        "model": "deep-1",
        "asked": "200",
        "resets_at": "2026-03-03T00:00:00+00:00",
    }


def test_asking_without_holding_tells_nothing() -> None:
    factories.model()
    of = factories.envelope(tokens=10)
    factories.agent("ann")
    admission.reserve(factories.ask(of, 200), agent_id="ann", now=NOON, dry_run=True)
    assert _told() == []
