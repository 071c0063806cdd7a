"""Settlement: who may do what with a sold slot, what is booked, what is due, and what is refused by which name."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from auction import clearing, errors, pools, runs, settlement
from auction.models import Clear, Pool, Task
from economics.models import Account, Usage
from tests import factories
from tests.factories import NOON, after

if TYPE_CHECKING:
    from config.models import Agent

pytestmark = pytest.mark.usefixtures("balanced_books")


@pytest.fixture
def pool() -> Pool:
    return factories.pool("market", usd_per_token=Decimal("0.01"), reward_rate=Decimal("0.5"), reward_cap_tokens=1000)


@pytest.fixture
def sold(pool: Pool) -> Clear:
    return factories.sale(50, into=pool)


@pytest.fixture
def running(sold: Clear) -> Clear:
    return factories.started(sold, at=after(10))


def _runner(clear: Clear) -> Agent:
    return factories.runner(clear)


def _report(clear: Clear, tokens: str, event: str) -> None:
    """Report LLM tokens used while the slot runs."""
    Usage.objects.create(
        entity_type="hypothesis",
        entity_id="h1",
        resource_type="llm_tokens",
        amount=Decimal(tokens),
        slot_id=clear.slot_id,
        source="test",
        event_id=event,
    )


def test_starting_takes_the_lease_and_starting_again_changes_nothing(sold: Clear) -> None:
    first = factories.started(sold, at=after(10))
    again = factories.started(sold, at=after(20))
    assert (first.slot_started_at, first.lease_until) == (after(10), after(910))
    assert (again.slot_started_at, again.lease_until) == (after(10), after(910))


def test_only_its_winner_starts_a_slot(sold: Clear) -> None:
    for stranger in (factories.agent(), factories.agent(kind="provider"), factories.agent(kind="grader")):
        with factories.refused(errors.UnknownSlotError):
            runs.start(sold.slot_id, runner=stranger, now=after(1))
        with factories.refused(errors.UnknownSlotError):
            settlement.settle(sold.slot_id, 10, now=after(1), runner=stranger)
        with factories.refused(errors.UnknownSlotError):
            runs.heartbeat(sold.slot_id, runner=stranger, now=after(1))
    with factories.refused(errors.UnknownSlotError):
        runs.start("nothing", runner=_runner(sold), now=after(1))


def test_a_slot_that_was_not_started_cannot_be_kept_or_settled(sold: Clear) -> None:
    with factories.refused(errors.SlotNotSoldError):
        runs.heartbeat(sold.slot_id, runner=_runner(sold), now=after(1))
    with factories.refused(errors.SlotNotSoldError):
        settlement.settle(sold.slot_id, 10, now=after(1))


def test_a_heartbeat_of_a_clock_that_is_behind_shortens_no_lease(running: Clear) -> None:
    runs.heartbeat(running.slot_id, runner=_runner(running), now=after(100))
    clear = runs.heartbeat(running.slot_id, runner=_runner(running), now=after(50))
    assert clear.lease_until == after(1000)


def test_a_lease_that_has_ended_cannot_be_renewed_even_before_the_sweep(running: Clear) -> None:
    for deed in (runs.heartbeat, settlement.finish):
        extra: dict[str, Any] = {"actual_cost_tokens": 10} if deed is settlement.finish else {}
        with factories.refused(errors.LeaseEndedError):
            deed(running.slot_id, runner=_runner(running), now=after(910), **extra)


def test_settling_books_what_was_not_reported_while_it_ran(running: Clear) -> None:
    _report(running, "300", "call 1")
    _report(running, "200", "call 2")
    clear = settlement.settle(running.slot_id, 1200, now=after(20), runner=_runner(running), model="large-1")

    booked = Usage.objects.get(source="auction")
    assert (int(booked.amount), booked.model, booked.slot_id, booked.created_at) == (
        700,
        "large-1",
        clear.slot_id,
        after(20),
    )
    # A task of no entity is charged to the owner of its wallet.
    assert (booked.entity_type, booked.entity_id) == ("agent", clear.account.owner_id)
    assert (booked.price_state, booked.cost, clear.over_reported_tokens) == ("unpriced", None, 0)


def test_more_reported_than_the_cost_is_flagged_and_not_booked(running: Clear) -> None:
    _report(running, "300", "call 1")
    clear = settlement.settle(running.slot_id, 120, now=after(20))
    assert (clear.actual_cost_tokens, clear.over_reported_tokens) == (120, 180)
    assert not Usage.objects.filter(source="auction").exists()


def test_usage_goes_to_the_tasks_entity(pool: Pool) -> None:
    owner = factories.wallet(100)
    work = factories.task(owner, entity_type="knowledge_gap", entity_id="g7")
    factories.slot(pool)
    bid = factories.bid(owner, 50, pool, work=work)
    clearing.clear_round(NOON, pool.name)
    factories.run(Clear.objects.select_related("account").get(bid=bid.pk), 10, at=after(1))
    booked = Usage.objects.get()
    assert (booked.entity_type, booked.entity_id) == ("knowledge_gap", "g7")


def test_settling_twice_is_settling_once_and_another_cost_is_a_conflict(running: Clear) -> None:
    for second in (20, 5000):  # long after the lease, too
        clear = settlement.settle(running.slot_id, 500, now=after(second), runner=_runner(running))
        assert (clear.state, clear.actual_cost_tokens, clear.slot_finished_at) == ("finished", 500, after(20))
    with factories.refused(errors.SettledOtherwiseError):
        settlement.settle(running.slot_id, 501, now=after(21))
    assert Task.objects.get(pk=running.winning_task_id).state == "done"
    assert Usage.objects.count() == 1


@pytest.mark.parametrize("cost", [-1, 2**63, 10**30])
def test_a_cost_that_is_no_count_of_tokens_is_refused(running: Clear, cost: int) -> None:
    with factories.refused(errors.InvalidSettlementError):
        settlement.settle(running.slot_id, cost, now=after(20))


def test_a_cost_of_nothing_has_no_return_on_it(running: Clear) -> None:
    clear = settlement.settle(running.slot_id, 0, Decimal(5), now=after(20))
    assert (clear.actual_cost_tokens, clear.actual_impact, clear.impact_roi) == (0, Decimal(5), None)
    assert not Usage.objects.exists()


def test_impact_comes_later_once_and_only_to_what_has_finished(running: Clear) -> None:
    grader = factories.agent(kind="grader")
    with factories.refused(errors.SlotNotSoldError):
        settlement.record_impact(running.slot_id, actual_impact=Decimal(1), now=after(20), grader=grader)
    settlement.settle(running.slot_id, 2000, now=after(20))

    for second in (30, 40):
        clear = settlement.record_impact(
            running.slot_id, actual_impact=Decimal("4.50"), now=after(second), grader=grader
        )
    # 4.50 USD are 450 tokens' worth; half of it is due.
    assert (clear.impact_roi, clear.reward_due_tokens) == (Decimal("0.00225"), 225)
    assert (clear.graded_by, clear.graded_at) == (grader, after(30))
    with factories.refused(errors.SettledOtherwiseError):
        settlement.record_impact(running.slot_id, actual_impact=Decimal("4.51"), now=after(50), grader=grader)


def test_an_impact_is_the_same_however_finely_it_is_written(running: Clear) -> None:
    settlement.settle(running.slot_id, 2000, now=after(20))
    fine = Decimal("0.12345678901234567")
    for _ in range(2):
        clear = settlement.record_impact(running.slot_id, actual_impact=fine, now=after(30))
    assert clear.actual_impact == Decimal("0.123456789012")
    with factories.refused(errors.SettledOtherwiseError):
        settlement.record_impact(running.slot_id, actual_impact=Decimal("0.123456789013"), now=after(30))


@pytest.mark.parametrize("impact", ["-0.01", "NaN", "sNaN", "Infinity", "-Infinity", "1e15", "1e400"])
def test_an_impact_that_is_no_amount_of_usd_is_refused(running: Clear, impact: str) -> None:
    settlement.settle(running.slot_id, 2000, now=after(20))
    with factories.refused(errors.InvalidSettlementError):
        settlement.record_impact(running.slot_id, actual_impact=Decimal(impact), now=after(30))


def test_a_cost_with_an_impact_that_is_refused_is_not_booked_either(running: Clear) -> None:
    with factories.refused(errors.InvalidSettlementError):
        settlement.settle(running.slot_id, 2000, Decimal(-1), now=after(20))
    running.refresh_from_db()
    assert (running.state, Usage.objects.count()) == ("running", 0)


def test_impacts_of_nothing_and_of_almost_everything_are_capped_rewards(pool: Pool) -> None:
    due: dict[str, int | None] = {}
    for impact in ("0", "0.0199", "0.04", "999999999999999.999999999999"):
        clear = factories.run(
            factories.sale(into=pool, at=after(len(due) * 60)), 1, Decimal(impact), at=after(len(due) * 60)
        )
        due[impact] = clear.reward_due_tokens
    assert list(due.values()) == [0, 0, 2, 1000]


def test_a_sweep_takes_each_kind_of_end_and_says_how_many(pool: Pool) -> None:
    pools.configure(pool.name, lease_seconds=60, start_deadline_seconds=60)
    quest = factories.wallet(1000, quest="longevity")
    factories.sale(into=pool, owner=quest)
    factories.sale(into=pool, at=after(60))
    lapsing = factories.sale(into=pool, at=after(120))
    runs.start(lapsing.slot_id, runner=_runner(lapsing), now=after(120))

    assert settlement.sweep(now=after(180)) == {"withdrawn": 1, "forfeited": 1, "lapsed": 1}
    assert settlement.sweep(now=after(180)) == {"withdrawn": 0, "forfeited": 0, "lapsed": 0}
    assert Account.objects.get(pk=quest.pk).balance == 1000


def test_a_claimed_win_of_a_quest_is_forfeited_like_an_agents(pool: Pool) -> None:
    quest = factories.wallet(1000, quest="longevity")
    clear = factories.sale(into=pool, owner=quest)
    came = factories.agent()
    Clear.objects.filter(pk=clear.pk).update(
        claimed_at=after(1), claim_until=after(61), runner=came, runner_kind=came.kind
    )
    assert settlement.sweep(now=after(300))["forfeited"] == 1


def test_sweeping_goes_on_until_nothing_is_due(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement, "_SWEEP_AT_ONCE", 2)
    factories.slots(pool, 5)
    for _ in range(5):
        factories.bid(factories.wallet(100), 50, pool)
    clearing.clear_round(NOON, pool.name)
    assert settlement.sweep(now=after(300))["forfeited"] == 5
