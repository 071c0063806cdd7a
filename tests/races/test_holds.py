"""What a person releases or takes back by hand is released once, whatever the market does at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection, transaction

from auction import clearing, holds, order_book, pools, reoffers, settlement
from auction.models import Bid, Clear, Slot
from economics.models import Account
from tests import factories
from tests.factories import NOON, after
from tests.races.crew import race

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 25
FOR_NOTHING = 7


@transaction.atomic
def _wallets() -> list[Account]:
    """Return a wallet for each round: it has a bid of 100 open and holds a little for nothing."""
    wallets = []
    for _ in range(ROUNDS):
        wallet = factories.wallet(1_000)
        factories.bid(wallet, 100, factories.pool(), gtd=True)
        wallets.append(wallet)
    with connection.cursor() as cursor:
        ids = [wallet.pk for wallet in wallets]
        cursor.execute("UPDATE token_accounts SET held = held + %s WHERE id = ANY(%s)", [FOR_NOTHING, ids])
    return wallets


def test_tokens_held_for_nothing_are_released_once_while_the_wallet_trades() -> None:
    wallets = _wallets()
    bids = [Bid.objects.get(account=wallet) for wallet in wallets]
    work = [factories.task(wallet) for wallet in wallets]
    books = [Bid.objects.select_related("pool").get(pk=bid.pk).pool.name for bid in bids]

    def release(number: int) -> int:
        return holds.release_for_nothing(wallets[number].pk)

    def cancel(number: int) -> str:
        return order_book.cancel_bid(bids[number].pk, wallet=wallets[number].pk, now=after(1)).status

    def place(number: int) -> int:
        return order_book.place_bid(
            wallet=wallets[number].pk,
            task_id=work[number].pk,
            max_price_tokens=30,
            ttl_at=after(600),
            now=after(1),
            pool=books[number],
        ).max_price_tokens

    for number, outcomes in enumerate(race(release, release, cancel, place, rounds=ROUNDS)):
        *released, cancelled, placed = outcomes
        assert sorted(one.refusal for one in released) == ["", "hold_not_stuck"]
        assert [one.value for one in released if not one.refusal] == [FOR_NOTHING]
        assert (cancelled.value, placed.value) == ("cancelled", 30)
        assert Account.objects.get(pk=wallets[number].pk).held == 30


def test_a_bid_is_released_expired_or_cancelled_once() -> None:
    with transaction.atomic():
        wallets = [factories.wallet(1_000) for _ in range(ROUNDS)]
        bids = [factories.bid(wallet, 100, factories.pool(), lives=60) for wallet in wallets]
        books = [Bid.objects.select_related("pool").get(pk=bid.pk).pool.name for bid in bids]

    def release(number: int) -> str:
        return holds.release_bid(bids[number].pk, now=after(60)).status

    def sweep(number: int) -> int:
        return order_book.refund_unfilled(now=after(60), pool=books[number])

    def cancel(number: int) -> str:
        return order_book.cancel_bid(bids[number].pk, wallet=wallets[number].pk, now=after(59)).status

    for number, (released, swept, cancelled) in enumerate(race(release, sweep, cancel, rounds=ROUNDS)):
        ends = [not released.refusal, swept.value == 1, not cancelled.refusal]
        assert sum(ends) == 1
        assert {released.refusal, cancelled.refusal} <= {"", "bid_not_open"}
        assert Account.objects.get(pk=wallets[number].pk).held == 0


@transaction.atomic
def _sales() -> list[Clear]:
    sold = []
    for _ in range(ROUNDS):
        pool = factories.pool(capacity=1)
        sold.append(factories.sale(into=pool))
    return sold


def test_a_slot_is_taken_back_by_a_person_or_started_and_never_both() -> None:
    clears = _sales()
    runners = [factories.runner(clear) for clear in clears]

    def take(number: int) -> str:
        return reoffers.take_back(clears[number].slot_id, now=after(1)).state

    def start(number: int) -> str:
        return factories.started(clears[number], by=runners[number], at=after(1)).state

    def top_up(number: int) -> int:
        return pools.top_up(clears[number].pool.name, now=after(1))

    for clear, (*taken, started, _topped) in zip(clears, race(take, take, start, top_up, rounds=ROUNDS), strict=True):
        clear.refresh_from_db()
        again = Slot.objects.filter(offers_again=clear.slot_id).count()
        if started.refusal:
            assert (started.refusal, clear.state, again) == ("slot_state", "withdrawn", 1)
            assert [one.value for one in taken] == ["withdrawn", "withdrawn"]
        else:
            assert (clear.state, again) == ("running", 0)
            assert [one.refusal for one in taken] == ["slot_state", "slot_state"]


@transaction.atomic
def _lapsed() -> list[Clear]:
    """Return for each round a provider's slot whose run lapses after a minute."""
    provider = factories.agent(kind="provider")
    clears = []
    for _ in range(ROUNDS):
        into = factories.pool(lease_seconds=60)
        factories.slot(into, provider=provider)
        bid = factories.bid(factories.wallet(1_000), 100, into)
        clearing.clear_round(NOON, into.name)
        clear = Clear.objects.select_related("account").get(bid=bid.pk)
        clears.append(factories.started(clear))
    return clears


def _offer(clears: list[Clear]) -> Callable[[int], str]:
    return lambda number: reoffers.offer_again(clears[number].slot_id, now=after(61)).pk


def test_a_slot_is_offered_again_once_and_only_after_it_lapsed() -> None:
    clears = _lapsed()

    def end(number: int) -> str:
        return settlement.end_overdue(clears[number].slot_id, now=after(60)).state

    outcomes = race(_offer(clears), _offer(clears), end, end, rounds=ROUNDS)
    for clear, (*offered, one, other) in zip(clears, outcomes, strict=True):
        assert sorted([one.refusal, other.refusal]) == ["", "slot_state"]
        made = [offer.value for offer in offered if not offer.refusal]
        assert made == list(Slot.objects.filter(offers_again=clear.slot_id).values_list("pk", flat=True))
        assert {offer.refusal for offer in offered} <= {"", "slot_state", "offered_again"}
