"""What can become of a sold slot: finished, lapsed, forfeited or withdrawn, and who pays for it."""

from __future__ import annotations

import pytest

from auction import clearing, errors, order_book, pools, runs, settlement
from auction.models import Bid, Clear, Pool, Slot, Task
from economics.models import Account, Transfer
from tests import factories
from tests.factories import NOON, after

RESERVE = 10  # every slot here is sold to an only bid of 50, so the reserve is its price


@pytest.fixture
def pool() -> Pool:
    return factories.pool(
        "market", reserve_tokens=RESERVE, cycle_seconds=60, start_deadline_seconds=300, lease_seconds=900
    )


def _state(clear: Clear) -> tuple[str, str]:
    """Return where a clear and its task are now."""
    return Clear.objects.get(pk=clear.pk).state, Task.objects.get(pk=clear.winning_task_id).state


def _money(clear: Clear) -> tuple[int, int]:
    """Return what the winner has been charged and what is still held from it."""
    charged = Transfer.objects.filter(debit_account=clear.account_id, reason="capture").values_list("amount", flat=True)
    return sum(charged), Account.objects.get(pk=clear.account_id).held


def test_a_slot_not_started_in_time_is_forfeited_and_offered_again(pool: Pool) -> None:
    clear = factories.sale(50, into=pool)
    assert (clear.start_by, _money(clear)) == (after(300), (0, RESERVE))

    # 12:04:59: there is time. 12:05: there is none, and what was won is paid.
    assert settlement.sweep(now=after(299))["forfeited"] == 0
    with factories.refused(errors.StartDeadlinePassedError):
        runs.start(clear.slot_id, runner=factories.runner(clear), now=after(300))
    assert settlement.sweep(now=after(300))["forfeited"] == 1
    assert (_state(clear), _money(clear)) == (("forfeited", "open"), (RESERVE, 0))

    # The slot is offered again as a new row that names the old one, and the task may bid for it again.
    again = Slot.objects.get(offers_again=clear.slot_id)
    assert (again.state, again.available_at) == ("open", after(300))
    bid = factories.bid(clear.account, 50, pool, work=clear.winning_task, at=after(301))
    clearing.clear_round(after(301), pool.name)
    second = Clear.objects.get(bid=bid.pk)
    assert (second.slot_id, second.winning_task_id) == (again.pk, clear.winning_task_id)
    factories.run(second, 100, at=after(302))
    assert (_state(second), _money(second)) == (("finished", "done"), (2 * RESERVE, 0))


def test_a_running_slot_without_a_heartbeat_lapses_and_is_paid(pool: Pool) -> None:
    clear = factories.sale(50, into=pool)
    runner = factories.runner(clear)

    # Started at 12:00:10, the lease ends at 12:15:10; a heartbeat at 12:10:10 moves that to 12:25:10.
    assert factories.started(clear, at=after(10)).lease_until == after(910)
    assert runs.heartbeat(clear.slot_id, runner=runner, now=after(610)).lease_until == after(1510)
    assert settlement.sweep(now=after(1509))["lapsed"] == 0
    assert settlement.sweep(now=after(1510))["lapsed"] == 1

    # The time is used up: nothing is offered again, the charge is captured, the task is open for another try.
    assert (_state(clear), _money(clear)) == (("lapsed", "open"), (RESERVE, 0))
    assert not Slot.objects.filter(offers_again=clear.slot_id).exists()
    with factories.refused(errors.LeaseEndedError):
        runs.heartbeat(clear.slot_id, runner=runner, now=after(1511))
    with factories.refused(errors.LeaseEndedError):
        settlement.settle(clear.slot_id, 100, now=after(1511), runner=runner)


def test_a_provider_takes_a_sold_slot_back_and_the_winner_pays_nothing(pool: Pool) -> None:
    provider = factories.agent(kind="provider")
    offered = factories.slot(pool, provider=provider, reserve=20, offer_until=after(600))
    bid = factories.bid(factories.wallet(100), 50, pool)
    clearing.clear_round(NOON, pool.name)
    clear = Clear.objects.get(bid=bid.pk)
    # The slot's own reserve of 20 is above the pool's 10.
    assert (clear.charge_tokens, _money(clear)) == (20, (0, 20))

    settlement.withdraw_slot(offered.pk, provider=provider, now=after(60))

    assert (_state(clear), _money(clear)) == (("withdrawn", "open"), (0, 0))
    assert Slot.objects.filter(pool=pool, state="open").count() == 0
    # Taken back twice is taken back once.
    settlement.withdraw_slot(offered.pk, provider=provider, now=after(61))


def test_a_provider_takes_an_unsold_slot_back_but_not_a_running_one(pool: Pool) -> None:
    provider = factories.agent(kind="provider")
    idle, sold = factories.slot(pool, provider=provider, reserve=99), factories.slot(pool, provider=provider)
    bid = factories.bid(factories.wallet(100), 50, pool)
    clearing.clear_round(NOON, pool.name)
    clear = Clear.objects.select_related("account").get(bid=bid.pk)
    runs.start(clear.slot_id, runner=factories.runner(clear), now=after(1))

    assert settlement.withdraw_slot(idle.pk, provider=provider, now=after(2)).state == "withdrawn"
    with factories.refused(errors.SlotNotSoldError):
        settlement.withdraw_slot(sold.pk, provider=provider, now=after(2))
    with factories.refused(errors.UnknownSlotError):
        settlement.withdraw_slot(sold.pk, provider=factories.agent(kind="provider"), now=after(2))


def test_an_offer_nobody_bought_in_its_time_expires(pool: Pool) -> None:
    provider = factories.agent(kind="provider")
    offered = factories.slot(pool, provider=provider, offer_until=after(60))
    factories.bid(factories.wallet(100), 50, pool, at=after(30))

    assert pools.expire_offers(now=after(59)) == 0
    # At 12:01 the offer has ended: no round sells it any more, swept or not.
    assert clearing.clear_round(after(60), pool.name).slots_offered == 0
    assert pools.expire_offers(now=after(60)) == 1
    assert Slot.objects.get(pk=offered.pk).state == "expired"


def test_a_stopped_pool_withdraws_what_is_not_running_and_sells_nothing(pool: Pool) -> None:
    factories.slots(pool, 2)
    first, second = (factories.bid(factories.wallet(100), 50, pool) for _ in range(2))
    clearing.clear_round(NOON, pool.name)
    running, waiting = (Clear.objects.select_related("account").get(bid=bid.pk) for bid in (first, second))
    runs.start(running.slot_id, runner=factories.runner(running), now=after(1))
    resting = factories.bid(factories.wallet(100), 50, pool, at=after(2))

    assert settlement.stop_pool(pool.name, now=after(60)) == 1

    # What waits to be started is withdrawn and its hold released; what runs goes on to its end and is paid.
    assert (_state(waiting), _money(waiting)) == (("withdrawn", "open"), (0, 0))
    settlement.settle(running.slot_id, 100, now=after(90), runner=factories.runner(running))
    assert (_state(running), _money(running)) == (("finished", "done"), (RESERVE, 0))
    # It takes no bids, clears no round, offers no slot; a bid that rests can be taken back.
    with factories.refused(errors.PoolStoppedError):
        factories.bid(factories.wallet(100), 50, pool, at=after(91))
    with factories.refused(errors.PoolStoppedError):
        clearing.clear_round(after(91), pool.name)
    assert pools.top_up(pool.name, now=after(91)) == 0
    order_book.cancel_bid(resting.pk, wallet=resting.account_id, now=after(92))
    assert Bid.objects.get(pk=resting.pk).status == "cancelled"

    # Resumed, it offers its capacity and sells again.
    assert pools.resume(pool.name, now=after(120)) == pool.capacity
    factories.bid(factories.wallet(100), 50, pool, at=after(120))
    assert clearing.clear_round(after(121), pool.name).slots_sold == 1


def test_a_quests_win_that_nobody_came_to_run_costs_it_nothing(pool: Pool) -> None:
    quest = factories.wallet(100, quest="longevity")
    clear = factories.sale(50, into=pool, owner=quest)

    swept = settlement.sweep(now=after(300))

    assert (swept["withdrawn"], swept["forfeited"]) == (1, 0)
    assert (_state(clear), _money(clear)) == (("withdrawn", "open"), (0, 0))
    assert Slot.objects.filter(offers_again=clear.slot_id, state="open").count() == 1


def test_the_house_keeps_its_capacity_in_being(pool: Pool) -> None:
    # Capacity 4: four slots are offered, one is sold, and only what has ended is offered anew.
    assert pools.top_up(pool.name, now=NOON) == 4
    bid = factories.bid(factories.wallet(100), 50, pool)
    clearing.clear_round(NOON, pool.name)
    assert pools.top_up(pool.name, now=after(60)) == 0
    clear = Clear.objects.select_related("account").get(bid=bid.pk)
    factories.run(clear, 100, at=after(61))
    assert pools.top_up(pool.name, now=after(62)) == 1
    # Less is wanted: what is open is withdrawn, the youngest first.
    pools.configure(pool.name, capacity=1)
    assert pools.top_up(pool.name, now=after(63)) == -3
    assert [slot.available_at for slot in Slot.objects.filter(pool=pool, state="open")] == [NOON]
