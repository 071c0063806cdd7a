"""A sold slot comes to one end, is charged once and rewarded once, whoever speaks at the same moment."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import transaction

from auction import clearing, payouts, runs, settlement
from auction.models import Clear, Payout, Slot, Task
from economics import ledger
from economics.models import Account, Transfer, Usage
from tests import factories
from tests.factories import NOON, after
from tests.races.crew import race

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.models import Agent

ROUNDS = 25
CHARGE = 1  # the pool's reserve: each slot is sold to an only bid


@transaction.atomic  # one commit instead of hundreds
def _running() -> list[Clear]:
    """Return a slot running since noon for each round; the lease of the n-th ends n minutes later."""
    clears = []
    for number in range(1, ROUNDS + 1):
        clear = factories.sale(into=factories.pool(lease_seconds=60 * number))
        clears.append(factories.started(clear))
    return clears


def _settle(clears: list[Clear], cost: int, second: float = 1) -> Callable[[int], int | None]:
    return lambda number: (
        settlement.settle(
            clears[number].slot_id, cost, now=after(second), runner=clears[number].runner
        ).actual_cost_tokens
    )


def _captured(clear: Clear) -> list[int]:
    return list(Transfer.objects.filter(debit_account=clear.account_id).values_list("amount", flat=True))


def test_settling_twice_with_one_value_is_settling_once() -> None:
    clears = _running()
    for clear, outcomes in zip(
        clears, race(_settle(clears, 500), _settle(clears, 500), _settle(clears, 500), rounds=ROUNDS), strict=True
    ):
        assert [one.value for one in outcomes] == [500, 500, 500]
        assert _captured(clear) == [CHARGE]
        assert [row.amount for row in Usage.objects.filter(slot_id=clear.slot_id)] == [500]


def test_of_two_costs_the_first_stands_and_the_other_is_a_conflict() -> None:
    clears = _running()
    for clear, outcomes in zip(clears, race(_settle(clears, 500), _settle(clears, 600), rounds=ROUNDS), strict=True):
        stored = Clear.objects.get(pk=clear.pk).actual_cost_tokens
        assert sorted(one.refusal for one in outcomes) == ["", "settled_otherwise"]
        assert [one.value for one in outcomes if not one.refusal] == [stored]
        assert _captured(clear) == [CHARGE]
        assert [row.amount for row in Usage.objects.filter(slot_id=clear.slot_id)] == [stored]


def test_of_two_impacts_the_first_stands_and_the_other_is_a_conflict() -> None:
    clears = _running()
    for number in range(ROUNDS):
        _settle(clears, 500)(number)

    def grade(usd: int) -> Callable[[int], int | None]:
        return lambda number: (
            settlement.record_impact(clears[number].slot_id, actual_impact=Decimal(usd), now=after(2)).reward_due_tokens
        )

    for clear, outcomes in zip(clears, race(grade(1), grade(2), grade(1), rounds=ROUNDS), strict=True):
        usd = Clear.objects.get(pk=clear.pk).actual_impact or 0
        refused = ["", "", "settled_otherwise"] if usd == 1 else ["", "settled_otherwise", "settled_otherwise"]
        assert sorted(one.refusal for one in outcomes) == refused
        assert {one.value for one in outcomes if not one.refusal} == {5000 * usd}


def test_a_slot_finishes_or_lapses_and_is_charged_once() -> None:
    clears = _running()

    def finish(number: int) -> int | None:  # by a clock on which the lease still runs
        return _settle(clears, 500, 60 * (number + 1) - 0.1)(number)

    def lapse(number: int) -> int:
        return settlement.sweep(now=after(60 * (number + 1)))["lapsed"]

    for clear, (finished, *lapsed) in zip(clears, race(finish, lapse, lapse, rounds=ROUNDS), strict=True):
        clear.refresh_from_db()
        task = Task.objects.get(pk=clear.winning_task_id)
        if finished.refusal:
            assert (finished.refusal, clear.state, task.state) == ("lease_ended", "lapsed", "open")
        else:
            assert (clear.state, task.state) == ("finished", "done")
        assert sum(one.value for one in lapsed) == bool(finished.refusal)
        assert _captured(clear) == [CHARGE]


def test_a_heartbeat_renews_a_lease_or_comes_too_late() -> None:
    clears = _running()

    def beat(number: int) -> str:
        clear = clears[number]
        assert clear.runner is not None
        return runs.heartbeat(clear.slot_id, runner=clear.runner, now=after(60 * (number + 1) - 0.1)).state

    def lapse(number: int) -> int:
        return settlement.sweep(now=after(60 * (number + 1)))["lapsed"]

    for number, (beaten, lapsed) in enumerate(race(beat, lapse, rounds=ROUNDS)):
        clear = Clear.objects.get(pk=clears[number].pk)
        if beaten.refusal:
            assert (beaten.refusal, clear.state, lapsed.value >= 1) == ("lease_ended", "lapsed", True)
        else:
            # Renewed for as long again, so a later round's sweep may have found it over.
            assert clear.lease_until == after(2 * 60 * (number + 1) - 0.1)


@transaction.atomic
def _late_sales() -> list[Clear]:
    """Return a slot sold at noon for each round; the n-th is to be started within n minutes."""
    deadlines = [60 * number for number in range(1, ROUNDS + 1)]
    return [factories.sale(into=factories.pool(start_deadline_seconds=n, lease_seconds=86_400)) for n in deadlines]


def test_a_slot_is_started_or_forfeited_and_never_both() -> None:
    clears = _late_sales()
    runners = [factories.runner(clear) for clear in clears]

    def start(number: int) -> str:
        deadline = 60 * (number + 1)
        return factories.started(clears[number], by=runners[number], at=after(deadline - 0.1)).state

    def forfeit(number: int) -> int:
        return settlement.sweep(now=after(60 * (number + 1)))["forfeited"]

    for clear, (started, *forfeited) in zip(clears, race(start, forfeit, forfeit, rounds=ROUNDS), strict=True):
        clear.refresh_from_db()
        again = Slot.objects.filter(offers_again=clear.slot_id).count()
        # A sweeper leaves a slot that is just being started to its runner.
        if started.refusal:
            assert (started.refusal, clear.state, again, _captured(clear)) == ("slot_state", "forfeited", 1, [CHARGE])
            assert sum(one.value for one in forfeited) == 1
        else:
            assert (clear.state, again, _captured(clear)) == ("running", 0, [])
            assert sum(one.value for one in forfeited) == 0


@transaction.atomic
def _sold_by(provider: Agent) -> list[Clear]:
    """Return a slot of this provider sold for each round."""
    clears = []
    for _ in range(ROUNDS):
        into = factories.pool()
        factories.slot(into, provider=provider)
        bid = factories.bid(factories.wallet(1000), 100, into)
        clearing.clear_round(NOON, into.name)
        clears.append(Clear.objects.select_related("account").get(bid=bid.pk))
    return clears


def test_a_slot_is_taken_back_or_started_and_never_both() -> None:
    provider = factories.agent(kind="provider")
    clears = _sold_by(provider)
    runners = [factories.runner(clear) for clear in clears]

    def withdraw(number: int) -> str:
        return settlement.withdraw_slot(clears[number].slot_id, provider=provider, now=after(1)).state

    def start(number: int) -> str:
        return factories.started(clears[number], by=runners[number], at=after(1)).state

    for clear, (withdrawn, started) in zip(clears, race(withdraw, start, rounds=ROUNDS), strict=True):
        clear.refresh_from_db()
        assert (clear.state, withdrawn.refusal, started.refusal) in [
            ("withdrawn", "", "slot_state"),
            ("running", "slot_state", ""),
        ]
        assert Account.objects.get(pk=clear.account_id).held == (CHARGE if clear.state == "running" else 0)


def test_a_cycle_is_paid_out_once() -> None:
    clears = _running()
    for number in range(ROUNDS):
        clear = clears[number]
        settlement.settle(clear.slot_id, 500, Decimal("0.1"), now=after(1), runner=clear.runner)

    def pay(number: int) -> int | None:
        payout = payouts.pay_out(now=after(2), pool=clears[number].pool.name)
        return payout.pk if payout else None

    for clear, outcomes in zip(clears, race(pay, pay, pay, rounds=ROUNDS), strict=True):
        only = Payout.objects.get(pool=clear.pool)
        assert [one.value for one in outcomes] == [only.pk] * 3
        # 0.1 USD are worth 1,000 tokens, half of that is due; the treasury holds no more than the one swept.
        assert (only.swept_tokens, only.due_tokens, only.paid_tokens) == (CHARGE, 500, CHARGE)


def test_two_cycles_paid_out_at_one_moment_pay_a_reward_once() -> None:
    clears = _running()
    for clear in clears:
        settlement.settle(clear.slot_id, 500, Decimal("0.1"), now=after(1), runner=clear.runner)

    def pay(second: float) -> Callable[[int], int]:
        def deed(number: int) -> int:
            payout = payouts.pay_out(now=after(second), pool=clears[number].pool.name)
            return payout.paid_tokens if payout else 0

        return deed

    for clear, (one, other) in zip(clears, race(pay(2), pay(62), rounds=ROUNDS), strict=True):
        clear.refresh_from_db()
        assert (clear.reward_due_tokens, clear.reward_paid_tokens) == (500, CHARGE)
        assert {one.value, other.value} == {0, CHARGE}


def test_an_impact_recorded_during_a_payout_is_paid_in_it_or_in_the_next() -> None:
    clears = _running()
    for number in range(ROUNDS):
        _settle(clears, 500)(number)
    treasury = ledger.house_account(ledger.TREASURY)
    ledger.grant(account=treasury, amount=100_000, key="float", now=NOON, memo="float")

    def grade(number: int) -> int | None:
        return settlement.record_impact(
            clears[number].slot_id, actual_impact=Decimal("0.1"), now=after(2)
        ).reward_due_tokens

    def pay(number: int) -> int:
        payout = payouts.pay_out(now=after(2), pool=clears[number].pool.name)
        return payout.paid_tokens if payout else 0

    for clear, (_graded, paid) in zip(clears, race(grade, pay, rounds=ROUNDS), strict=True):
        later = payouts.pay_out(now=after(62), pool=clear.pool.name)
        assert paid.value + (later.paid_tokens if later else 0) == 500
