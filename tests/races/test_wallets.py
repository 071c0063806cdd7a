"""A wallet is never overdrawn, and nobody who has room is refused, however many bid from it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from auction import batches, errors, order_book, pools
from auction.models import Bid
from economics.models import Account
from tests import factories
from tests.factories import after
from tests.races.crew import Outcome, race, stuck

if TYPE_CHECKING:
    from collections.abc import Callable

    from auction.models import Task

ROUNDS = 20
MARKET = pools.DEFAULT


def _single(work: list[Task], prices: list[int], wallet: int) -> list[int]:
    """Bid for one task after the other; return the prices that were taken."""
    return [price for task, price in zip(work, prices, strict=True) if _placed(task, price, wallet)]


def _placed(task: Task, price: int, wallet: int) -> bool:
    try:
        order_book.place_bid(
            wallet=wallet, task_id=task.pk, max_price_tokens=price, ttl_at=after(60), now=after(0), pool=MARKET
        )
    except errors.InsufficientTokensError:
        return False
    return True


def _batch(work: list[Task], prices: list[int], wallet: int) -> list[int]:
    """Bid for all tasks at once; return the prices that were taken."""
    offers = [batches.Offer(task.pk, price, after(60)) for task, price in zip(work, prices, strict=True)]
    placed = batches.place_bids(offers, now=after(0), wallet=wallet, pool=MARKET)
    return [offer.max_price_tokens for offer, one in zip(offers, placed, strict=True) if one.bid_id]


def test_thirty_two_bidders_on_one_wallet_take_all_of_it_and_no_more() -> None:
    prices = [3, 5, 7, 4]
    owners = [factories.wallet(400) for _ in range(ROUNDS)]
    work = [[factories.tasks(owner, len(prices)) for _bidder in range(32)] for owner in owners]

    def bidder(place: int) -> Callable[[int], list[int]]:
        way = _batch if place % 4 == 0 else _single
        return lambda number: way(work[number][place], prices, owners[number].pk)

    outcomes = race(*(bidder(place) for place in range(32)), rounds=ROUNDS)

    for owner, bidders in zip(owners, outcomes, strict=True):
        owner.refresh_from_db()
        taken = [price for one in bidders for price in one.value]
        # 32 times 19 tokens were asked for; what is left is less than the cheapest refused bid.
        assert owner.held == sum(taken) == 400 - owner.available
        assert owner.available < _cheapest_refused(bidders, prices)


def _cheapest_refused(bidders: list[Outcome], prices: list[int]) -> int:
    asked = sorted(prices * len(bidders))
    for outcome in bidders:
        for price in outcome.value:
            asked.remove(price)
    return min(asked)


def test_tokens_released_by_one_bidder_are_there_for_the_next() -> None:
    owners = [factories.wallet(10) for _ in range(ROUNDS)]
    first = [factories.bid(owner, 10, pools.get(MARKET)) for owner in owners]
    work = [factories.tasks(owner, 1) for owner in owners]

    def cancel(number: int) -> str:
        return order_book.cancel_bid(first[number].pk, wallet=owners[number].pk, now=after(1)).status

    def place(number: int) -> list[int]:
        return _single(work[number], [10], owners[number].pk)

    for owner, (cancelled, placed) in zip(owners, race(cancel, place, rounds=ROUNDS), strict=True):
        owner.refresh_from_db()
        assert cancelled.value == "cancelled"
        assert owner.held == sum(placed.value)


def test_nobody_is_refused_while_tokens_are_just_released(committed_db: str) -> None:
    owner = factories.wallet(10)
    first = factories.bid(owner, 10, pools.get(MARKET))
    (task,) = factories.tasks(owner, 1)

    with psycopg.connect(committed_db) as hold:
        # Half of a cancellation, as others see it before its COMMIT.
        hold.execute(
            "UPDATE compute_auction_bids SET status = 'cancelled', closed_at = now() WHERE id = %s", [first.pk]
        )
        hold.execute("UPDATE token_accounts SET held = 0 WHERE id = %s", [owner.pk])
        with stuck(lambda: _single([task], [10], owner.pk), committed_db):
            hold.commit()

    owner.refresh_from_db()
    assert (owner.held, Bid.objects.get(status="open").task_id) == (10, task.pk)


def test_a_task_gets_one_open_bid() -> None:
    owner = factories.wallet(100_000)
    work = [factories.tasks(owner, 1) for _ in range(ROUNDS)]

    def place(number: int) -> list[int]:
        return _single(work[number], [9], owner.pk)

    def place_many(number: int) -> list[int]:
        return _batch(work[number], [9], owner.pk)

    for outcomes in race(place, place, place_many, place_many, rounds=ROUNDS):
        assert sum(len(one.value) for one in outcomes if one.value) == 1
        assert {one.refusal for one in outcomes} <= {"", "task_has_open_bid", "retryable"}
    assert Bid.objects.filter(account=owner).count() == ROUNDS
    assert Account.objects.get(pk=owner.pk).held == 9 * ROUNDS
