"""Slots taken back from who does not start them, and offered again where their sale came to nothing."""

from __future__ import annotations

import pytest

from auction import clearing, errors, next_task, pools, reoffers, settlement
from auction.models import Clear, Pool, Slot, Task
from tests import factories
from tests.factories import NOON, after, refused

pytestmark = pytest.mark.usefixtures("balanced_books")
HOUR = 3600


def _lapsed(into: Pool) -> Clear:
    """Return a provider's slot that was sold and started at noon, and lapsed a minute later."""
    factories.slot(into, provider=factories.agent(kind="provider"))
    bid = factories.bid(factories.wallet(1_000), 100, into)
    clearing.clear_round(NOON, into.name)
    clear = Clear.objects.get(bid=bid.pk)
    factories.started(clear)
    settlement.sweep(now=after(61))
    clear.refresh_from_db()
    assert clear.state == "lapsed"
    return clear


# Taken back


def test_a_slot_is_taken_back_from_who_does_not_start_it() -> None:
    clear = factories.sale(100, into=factories.pool(start_deadline_seconds=HOUR))
    taken = reoffers.take_back(clear.slot_id, now=after(60))
    assert (taken.state, taken.slot_finished_at) == ("withdrawn", after(60))
    wallet = clear.account
    wallet.refresh_from_db()
    assert (wallet.balance, wallet.held) == (1_000, 0)
    assert Task.objects.get(pk=clear.winning_task_id).state == "open"
    again = Slot.objects.get(offers_again=clear.slot_id)
    assert (again.state, again.available_at) == ("open", after(60))


def test_taken_back_twice_is_taken_back_once() -> None:
    clear = factories.sale(into=factories.pool())
    first = reoffers.take_back(clear.slot_id, now=after(1))
    second = reoffers.take_back(clear.slot_id, now=after(2))
    assert first.slot_finished_at == second.slot_finished_at == after(1)
    assert Slot.objects.filter(offers_again=clear.slot_id).count() == 1


def test_a_slot_taken_back_is_sold_again() -> None:
    pool = factories.pool()
    clear = factories.sale(into=pool)
    reoffers.take_back(clear.slot_id, now=after(1))
    bid = factories.bid(factories.wallet(100), 50, pool, at=after(2))
    clearing.clear_round(after(60), pool.name)
    assert Clear.objects.get(bid=bid.pk).slot.offers_again_id == clear.slot_id


def test_a_claim_stands_until_its_end() -> None:
    pool = factories.pool(claim_seconds=60)
    quest = factories.quest(tokens=1_000, into=pool)
    factories.slot(pool)
    factories.bid(quest.account, 100, pool, work=factories.quest_task(quest, 1))
    clearing.clear_round(NOON, pool.name)
    claimed = next_task.next_task(factories.agent(), now=NOON, pool=pool.name).clear
    assert claimed is not None
    with refused(errors.ClaimStandsError) as refusal:
        reoffers.take_back(claimed.slot_id, now=after(59))
    assert refusal.value.figures["claim_until"] == after(60).isoformat()
    assert reoffers.take_back(claimed.slot_id, now=after(60)).state == "withdrawn"


def test_what_runs_or_has_ended_is_not_taken_back() -> None:
    clear = factories.sale(into=factories.pool())
    factories.started(clear)
    with refused(errors.SlotNotSoldError) as refusal:
        reoffers.take_back(clear.slot_id, now=after(1))
    assert refusal.value.figures["state"] == "running"
    with refused(errors.UnknownSlotError):
        reoffers.take_back("nothing", now=NOON)
    with refused(errors.UnknownSlotError):
        reoffers.take_back(factories.slot(factories.pool()).pk, now=NOON)  # it was never sold


def test_a_provider_whose_offer_is_over_keeps_its_slot() -> None:
    pool = factories.pool(start_deadline_seconds=2 * HOUR)
    factories.slot(pool, provider=factories.agent(kind="provider"), offer_until=after(HOUR))
    factories.bid(factories.wallet(1_000), 100, pool)
    (clear,) = clearing.clear_round(NOON, pool.name).clears.all()
    assert reoffers.take_back(clear.slot_id, now=after(HOUR)).state == "withdrawn"
    assert not Slot.objects.filter(offers_again=clear.slot_id).exists()


# Offered again


def test_a_slot_that_lapsed_is_offered_again_on_its_old_terms() -> None:
    clear = _lapsed(factories.pool(lease_seconds=60))
    again = reoffers.offer_again(clear.slot_id, now=after(120))
    assert (again.state, again.offers_again_id, again.available_at) == ("open", clear.slot_id, after(120))
    assert (again.provider_id, again.offer_until) == (clear.slot.provider_id, clear.slot.offer_until)
    with refused(errors.OfferedAgainError) as refusal:
        reoffers.offer_again(clear.slot_id, now=after(121))
    assert refusal.value.figures["offered_again_as"] == again.pk


def test_an_offer_that_is_over_is_not_renewed() -> None:
    clear = _lapsed(factories.pool(lease_seconds=60))
    with refused(errors.OfferOverError):
        reoffers.offer_again(clear.slot_id, now=after(HOUR))


def test_a_stopped_pool_offers_nothing_again() -> None:
    clear = _lapsed(factories.pool("gpu", lease_seconds=60))
    settlement.stop_pool("gpu", now=after(70))
    with refused(errors.PoolStoppedError):
        reoffers.offer_again(clear.slot_id, now=after(120))


def test_the_house_has_no_more_slots_than_its_capacity() -> None:
    pool = factories.pool("gpu", lease_seconds=60, capacity=1)
    clear = factories.sale(into=pool)
    factories.started(clear)
    settlement.sweep(now=after(61))
    assert pools.top_up("gpu", now=after(61)) == 1
    with refused(errors.CapacityReachedError) as refusal:
        reoffers.offer_again(clear.slot_id, now=after(62))
    assert refusal.value.figures["capacity"] == 1
    pools.configure("gpu", capacity=2)
    reoffers.offer_again(clear.slot_id, now=after(63))
    assert pools.top_up("gpu", now=after(64)) == 0


@pytest.mark.parametrize("end", ["finished", "sold", "withdrawn"])
def test_a_slot_that_was_used_or_is_in_use_is_not_offered_again(end: str) -> None:
    clear = factories.sale(into=factories.pool())
    if end == "finished":
        factories.run(clear, 10, at=after(1))
    if end == "withdrawn":
        settlement.stop_pool(clear.pool.name, now=after(1))
        pools.resume(clear.pool.name, now=after(2))
    with refused(errors.SlotNotSoldError) as refusal:
        reoffers.offer_again(clear.slot_id, now=after(3))
    assert refusal.value.figures["state"] == end


# What the sweep has left


def test_what_is_overdue_is_ended_as_the_sweep_would() -> None:
    pool = factories.pool(start_deadline_seconds=60)
    late = factories.sale(100, into=pool)
    with refused(errors.HoldNotStuckError) as refusal:
        settlement.end_overdue(late.slot_id, now=after(59))
    assert refusal.value.figures["until"] == after(60).isoformat()
    assert settlement.end_overdue(late.slot_id, now=after(60)).state == "forfeited"
    late.account.refresh_from_db()
    assert (late.account.held, late.account.balance) == (0, 999)
    assert Slot.objects.filter(offers_again=late.slot_id).exists()
    with refused(errors.SlotNotSoldError):
        settlement.end_overdue(late.slot_id, now=after(61))


def test_a_run_whose_lease_is_over_lapses_alone() -> None:
    pool = factories.pool(lease_seconds=60)
    one, other = factories.sale(into=pool), factories.sale(into=factories.pool(lease_seconds=60))
    for clear in (one, other):
        factories.started(clear)
    assert settlement.end_overdue(one.slot_id, now=after(60)).state == "lapsed"
    other.refresh_from_db()
    assert other.state == "running"
