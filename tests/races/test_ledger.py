"""Transfers are posted once and in one order of locks, whatever else moves the same accounts."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg

from auction import batches, clearing, order_book, payouts, settlement
from economics import ledger, mint
from economics.models import Account, DailyIssue, Transfer
from tests import factories
from tests.factories import NOON, after
from tests.races.crew import race, stuck

if TYPE_CHECKING:
    from collections.abc import Callable

    from auction.models import Bid

ROUNDS = 25


def test_two_posts_with_one_key_are_one_transfer() -> None:
    one, other = factories.wallet(10_000), factories.wallet()

    def post(amount: int) -> Callable[[int], int]:
        return lambda number: (
            ledger.post(
                debit=one.pk, credit=other.pk, amount=amount, reason="test", key=f"transfer {number}", now=NOON
            ).amount
        )

    for outcomes in race(post(5), post(5), post(7), rounds=ROUNDS):
        winner = 5 if outcomes[0].value else 7
        assert [outcome.refusal for outcome in outcomes] == [
            "" if amount == winner else "transfer_key_reused" for amount in (5, 5, 7)
        ]
    assert Transfer.objects.filter(debit_account=one).count() == ROUNDS


def test_a_key_used_at_one_moment_between_different_accounts_names_one_transfer() -> None:
    wallets = [factories.wallet(10_000) for _ in range(4)]

    def post(debit: int, credit: int) -> Callable[[int], int]:
        return lambda number: (
            ledger.post(
                debit=wallets[debit].pk,
                credit=wallets[credit].pk,
                amount=1,
                reason="test",
                key=f"transfer {number}",
                now=NOON,
            ).pk
        )

    for outcomes in race(post(0, 1), post(2, 3), rounds=ROUNDS):
        assert sorted(outcome.refusal for outcome in outcomes) == ["", "transfer_key_reused"]


def test_transfers_in_opposite_directions_take_turns() -> None:
    one, other = factories.wallet(10_000), factories.wallet(10_000)

    def post(debit: int, credit: int, name: str) -> Callable[[int], int]:
        return lambda number: (
            ledger.post(debit=debit, credit=credit, amount=3, reason="test", key=f"{name} {number}", now=NOON).pk
        )

    forth, back = post(one.pk, other.pk, "forth"), post(other.pk, one.pk, "back")
    race(forth, back, post(one.pk, other.pk, "forth again"), rounds=ROUNDS)

    assert Account.objects.get(pk=one.pk).balance == 10_000 - 3 * ROUNDS


def test_a_transfer_is_reversed_once() -> None:
    one, other = factories.wallet(10_000), factories.wallet()
    posted = [
        ledger.post(debit=one.pk, credit=other.pk, amount=9, reason="test", key=f"n{n}", now=NOON)
        for n in range(ROUNDS)
    ]

    def reverse(number: int) -> int:
        return ledger.reverse(posted[number], now=NOON, memo="by mistake").amount

    race(reverse, reverse, reverse, rounds=ROUNDS)

    assert Account.objects.get(pk=one.pk).balance == 10_000
    assert Transfer.objects.filter(reverses__isnull=False).count() == ROUNDS


def test_a_day_is_issued_for_once_however_many_workers_wake() -> None:
    def issue(number: int) -> list[str]:
        return [row.day.isoformat() for row in mint.issue_daily(now=NOON + timedelta(days=2 * number))]

    outcomes = race(issue, issue, issue, rounds=ROUNDS)

    for number, workers in enumerate(outcomes):
        days = [day for one in workers for day in one.value]
        today = (NOON + timedelta(days=2 * number)).date()
        missed = [] if number == 0 else [(today - timedelta(days=1)).isoformat()]
        assert days == [*missed, today.isoformat()]
    # 49 days of 100,000 tokens, cut at the supply cap of 3,000,000.
    assert sum(DailyIssue.objects.values_list("amount", flat=True)) == ledger.supply() == 3_000_000


def test_pools_that_share_wallets_clear_settle_and_pay_out_without_a_deadlock() -> None:
    owners = [factories.wallet(1_000_000) for _ in range(8)]
    pair = [factories.pool(usd_per_token=Decimal("0.01"), start_deadline_seconds=86_400) for _ in range(2)]
    work = {pool.pk: [factories.tasks(owner, 15) for owner in owners] for pool in pair}
    for pool in pair:
        factories.slots(pool, 8 * 15)

    def trade(place: int) -> Callable[[int], int]:
        pool = pair[place]
        order = owners if place else owners[::-1]  # wallets come up in opposite orders

        def deed(number: int) -> int:
            at = after(60 * number)
            offers = [
                batches.Offer(work[pool.pk][owners.index(owner)][number].pk, 50 + n, at + timedelta(hours=1))
                for n, owner in enumerate(order)
            ]
            batches.place_bids(offers, now=at, pool=pool.name)
            return clearing.clear_round(at, pool.name).slots_sold

        return deed

    def settle(place: int) -> Callable[[int], int]:
        pool = pair[place]

        def deed(number: int) -> int:
            at = after(60 * number + 1)
            sold = list(pool.clears.filter(state="sold").select_related("account")[:6])
            for clear in sold:
                factories.run(clear, 10, Decimal("0.2"), at=at)
            return len(sold)

        return deed

    def pay(number: int) -> None:
        for pool in pair:
            payouts.pay_out(now=after(60 * number + 2), pool=pool.name)
        settlement.sweep(now=after(60 * number + 2))

    outcomes = race(trade(0), trade(1), settle(0), settle(1), pay, rounds=15)

    assert [(one.value, other.value) for one, other, *_rest in outcomes] == [(8, 8)] * 15
    assert sum(one.value for round_ in outcomes for one in round_[2:4]) > 0


def test_holds_are_released_in_turn_while_the_wallet_is_named_and_changed_by_others(committed_db: str) -> None:
    owner, market = factories.wallet(100), factories.pool()
    one, other = (factories.bid(owner, 10, market) for _ in range(2))

    def cancel(bid: Bid) -> Callable[[], object]:
        return lambda: order_book.cancel_bid(bid.pk, wallet=owner.pk, now=NOON).status

    with psycopg.connect(committed_db) as naming, psycopg.connect(committed_db) as changing:
        # As a foreign key does it for the row of a bid that is not committed yet.
        naming.execute("SELECT FROM token_accounts WHERE id = %s FOR KEY SHARE", [owner.pk])
        changing.execute("UPDATE token_accounts SET held = held WHERE id = %s", [owner.pk])
        with stuck(cancel(one), committed_db), stuck(cancel(other), committed_db):
            changing.commit()

    assert Account.objects.get(pk=owner.pk).held == 0
