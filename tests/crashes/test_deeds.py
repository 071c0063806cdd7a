"""Deeds survive a crash at any of their steps: nothing is half done, and trying again does it once."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from django.db import transaction

from auction import audit, backlog, batches, clearing, payouts, pools, replay, runs, settlement
from auction.models import Bid, Clear, Payout, Pool, Round, Slot
from economics import ledger, mint
from economics.models import Account, DailyIssue, MonetaryPolicy, Transfer, Usage
from tests import factories
from tests.crashes import blows
from tests.factories import NOON, after

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

pytestmark = pytest.mark.usefixtures("committed_db")


class Scene(NamedTuple):
    """A market, and a deed about to be done in it."""

    pool: Pool
    wallets: list[Account]
    deed: Callable[[], object]


def _market() -> tuple[Pool, list[Account]]:
    """Open a pool with two slots and four bids: 40, 30 and 20 for the next round, 10 to rest."""
    pool = factories.pool(usd_per_token=Decimal("0.01"), start_deadline_seconds=10, lease_seconds=10, capacity=2)
    factories.slots(pool, 2)
    wallets = [factories.wallet(1000) for _ in range(4)]
    for wallet, price in zip(wallets, (40, 30, 20, 10), strict=True):
        factories.bid(wallet, price, pool, gtd=price == 10)
    return pool, wallets


def _sold() -> tuple[Pool, list[Account], list[Clear]]:
    """Clear that market: two slots are sold at 20."""
    pool, wallets = _market()
    clearing.clear_round(after(1), pool.name)
    return pool, wallets, list(Clear.objects.filter(pool=pool).select_related("account").order_by("pk"))


def clear() -> Scene:
    pool, wallets = _market()
    return Scene(pool, wallets, lambda: clearing.clear_round(after(1), pool.name))


def settle() -> Scene:
    pool, wallets, (first, _second) = _sold()
    runner = factories.runner(first)
    runs.start(first.slot_id, runner=runner, now=after(2))
    return Scene(
        pool,
        wallets,
        lambda: settlement.settle(first.slot_id, 500, Decimal("0.5"), now=after(3), runner=runner, model="large-1"),
    )


def pay_out() -> Scene:
    pool, wallets, clears = _sold()
    for sold in clears:
        factories.run(sold, 500, Decimal("0.5"), at=after(2))
    return Scene(pool, wallets, lambda: payouts.pay_out(now=after(3), pool=pool.name))


def sweep() -> Scene:
    """One slot lapses, one is forfeited, and one that a quest has won is withdrawn."""
    pool, wallets, (first, _second) = _sold()
    runs.start(first.slot_id, runner=factories.runner(first), now=after(2))
    quest = factories.wallet(1000, quest=pool.name)
    factories.sale(50, into=pool, owner=quest, at=after(60))
    return Scene(pool, [*wallets, quest], lambda: settlement.sweep(now=after(70)))


def issue() -> Scene:
    """Issue for the day after the last one."""
    MonetaryPolicy.objects.update(daily_token_bucket=10)
    pool = factories.pool()
    day = NOON + timedelta(days=DailyIssue.objects.count())
    return Scene(pool, [], lambda: mint.issue_daily(now=day))


def batch() -> Scene:
    pool, wallets = _market()
    offers = [batches.Offer(factories.task(wallet).pk, 500, after(60)) for wallet in wallets for _ in range(2)]
    return Scene(pool, wallets, lambda: batches.place_bids(offers, now=after(1), pool=pool.name))


def cancel() -> Scene:
    pool, wallets = _market()
    task_id = Bid.objects.get(pool=pool, account=wallets[0]).task_id
    return Scene(pool, wallets, lambda: backlog.cancel_task(task_id, wallet=wallets[0].pk, now=after(1)))


def stop() -> Scene:
    pool, wallets, _clears = _sold()
    return Scene(pool, wallets, lambda: settlement.stop_pool(pool.name, now=after(2)))


def top_up() -> Scene:
    pool = factories.pool()
    return Scene(pool, [], lambda: pools.top_up(pool.name, now=NOON))


# Each deed, and whether it is one transaction: all of it or nothing.
DEEDS: Final[dict[str, tuple[Callable[[], Scene], bool]]] = {
    "clear": (clear, True),
    "settle": (settle, True),
    "pay out": (pay_out, True),
    "sweep": (sweep, False),
    "issue": (issue, True),
    "batch": (batch, True),
    "cancel": (cancel, True),
    "stop": (stop, True),
    "top up": (top_up, True),
}


def _picture(scene: Scene) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that a deed may change, by what people see of it and not by ids, which differ between scenes."""
    mine = {"pool": scene.pool}
    wallets = [wallet.pk for wallet in scene.wallets]
    return {
        "wallets": list(Account.objects.filter(pk__in=wallets).order_by("pk").values_list("balance", "held")),
        "charges": _sorted(Transfer.objects.filter(debit_account__in=wallets), "amount", "reason"),
        "rewards": _sorted(Transfer.objects.filter(credit_account__in=wallets), "amount", "reason"),
        "bids": _sorted(Bid.objects.filter(**mine), "max_price_tokens", "status", "closed_at", "task__state"),
        "slots": _sorted(Slot.objects.filter(**mine), "state", "available_at", "closed_at", "offers_again__state"),
        "clears": _sorted(
            Clear.objects.filter(**mine),
            *("max_price_tokens", "charge_tokens", "state", "winning_task__state", "slot_finished_at"),
            *("actual_cost_tokens", "actual_impact", "reward_due_tokens", "reward_paid_tokens"),
        ),
        "rounds": _sorted(Round.objects.filter(**mine), "cycle_at", "market_price_tokens", "slots_sold", "bids_lost"),
        "payouts": _sorted(Payout.objects.filter(**mine), "swept_tokens", "due_tokens", "paid_tokens"),
        "usage": _sorted(Usage.objects.filter(agent_id__in=[w.owner_id for w in scene.wallets]), "amount", "model"),
        "mode": [(Pool.objects.get(pk=scene.pool.pk).mode,)],
    }


def _sorted(rows: QuerySet[Any], *columns: str) -> list[tuple[Any, ...]]:
    return sorted(rows.values_list(*columns), key=repr)


@transaction.atomic  # one commit instead of dozens
def _stage(stage: Callable[[], Scene]) -> Scene:
    return stage()


@pytest.mark.parametrize("blow", [blows.kill_process, blows.end_session], ids=["process killed", "session ended"])
@pytest.mark.parametrize("name", DEEDS)
def test_a_deed_struck_down_at_any_step_is_done_once(name: str, blow: Callable[[], None]) -> None:
    stage, is_one = DEEDS[name]
    ledger.grant(account=ledger.house_account("treasury"), amount=100_000, key="float", now=NOON, memo="float")
    scene = _stage(stage)
    before = _picture(scene)
    scene.deed()
    done = _picture(scene)
    days = DailyIssue.objects.count()
    assert audit.differences() == []

    for step in itertools.count():
        scene = _stage(stage)
        struck = blows.struck(scene.deed, blow=blow, step=step)
        assert audit.differences() == [], step
        if is_one:
            assert _picture(scene) in (before, done), step
        scene.deed()  # by another worker, or the same one a second later
        assert _picture(scene) == done, step
        assert audit.differences() == [], step
        if not struck:
            break

    assert step >= 8  # BEGIN is not counted: the shortest deed has three statements and a COMMIT
    assert DailyIssue.objects.count() == days * (step + 2)
    for cleared in Round.objects.all():
        assert replay.replay_round(cleared.pk).differences == []
