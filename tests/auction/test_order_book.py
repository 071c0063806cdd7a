"""The order book: what is taken, what is refused by which name, and that a refusal writes nothing."""

from __future__ import annotations

from datetime import timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from auction import backlog, batches, clearing, errors, order_book, pools, settlement
from auction.models import Bid, Pool, Task
from economics.models import Account
from tests import factories
from tests.factories import NOON, after

if TYPE_CHECKING:
    from config.errors import RefusedError

pytestmark = pytest.mark.usefixtures("balanced_books")


@pytest.fixture
def pool() -> Pool:
    return factories.pool("market", min_bid_tokens=5, max_bid_tokens=500, max_ttl_seconds=3600)


@pytest.fixture
def owner() -> Account:
    return factories.wallet(1000)


def _terms(book: Pool, owner: Account, **other: Any) -> dict[str, Any]:
    task_id = other.pop("task_id", None) or factories.task(owner).pk
    terms = {"wallet": owner.pk, "task_id": task_id, "max_price_tokens": 50, "ttl_at": after(60), "now": NOON}
    return {**terms, "pool": book.name, **other}


def _held(owner: Account) -> int:
    return Account.objects.get(pk=owner.pk).held


def test_a_placed_bid_is_returned_as_it_is_stored(pool: Pool, owner: Account) -> None:
    terms = _terms(pool, owner, expected_value_usd=Decimal("1.5"), time_in_force="gtd")
    placed = order_book.place_bid(**terms)

    stored = Bid.objects.get(pk=placed.pk)
    for field in Bid._meta.concrete_fields:  # noqa: SLF001 - Django's documented API
        assert getattr(placed, field.attname) == getattr(stored, field.attname), field.attname
    assert (stored.bidder_id, stored.placed_at, _held(owner)) == (owner.owner_id, NOON, 50)


REFUSED: dict[str, tuple[dict[str, Any], type[RefusedError]]] = {
    "unknown pool": ({"pool": "nowhere"}, errors.UnknownPoolError),
    "unknown task": ({"task_id": "nothing"}, errors.UnknownTaskError),
    "price of 0": ({"max_price_tokens": 0}, errors.PriceOutOfBoundsError),
    "negative price": ({"max_price_tokens": -1}, errors.PriceOutOfBoundsError),
    "price below the pool's least": ({"max_price_tokens": 4}, errors.PriceOutOfBoundsError),
    "price above the pool's most": ({"max_price_tokens": 501}, errors.PriceOutOfBoundsError),
    "price beyond a bigint": ({"max_price_tokens": 2**63}, errors.PriceOutOfBoundsError),
    "price far beyond a bigint": ({"max_price_tokens": 10**40}, errors.PriceOutOfBoundsError),
    "ttl_at now": ({"ttl_at": NOON}, errors.TtlOutOfBoundsError),
    "ttl_at past": ({"ttl_at": after(-1)}, errors.TtlOutOfBoundsError),
    "ttl_at too far": ({"ttl_at": after(3600.001)}, errors.TtlOutOfBoundsError),
    "ttl_at at the end of time": ({"ttl_at": NOON.replace(year=9999)}, errors.TtlOutOfBoundsError),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_out_of_bounds_is_refused_and_writes_nothing(pool: Pool, owner: Account, what: str) -> None:
    change, refusal = REFUSED[what]
    with factories.refused(refusal):
        order_book.place_bid(**_terms(pool, owner, **change))
    assert (Bid.objects.count(), _held(owner)) == (0, 0)


@pytest.mark.parametrize("value", ["-0.01", "NaN", "sNaN", "Infinity", "1e15"])
def test_a_value_that_is_no_amount_of_usd_is_refused(pool: Pool, owner: Account, value: str) -> None:
    with factories.refused(errors.InvalidValueError):
        order_book.place_bid(**_terms(pool, owner, expected_value_usd=Decimal(value)))
    offer = batches.Offer(factories.task(owner).pk, 50, after(60), Decimal(value))
    assert _refusals([offer], pool, owner) == [errors.InvalidValueError]
    assert (Bid.objects.count(), _held(owner)) == (0, 0)


@pytest.mark.parametrize(("price", "ttl_at"), [(5, after(3600)), (500, after(0.000001))])
def test_the_bounds_themselves_are_allowed(pool: Pool, owner: Account, price: int, ttl_at: Any) -> None:
    order_book.place_bid(**_terms(pool, owner, max_price_tokens=price, ttl_at=ttl_at))
    assert _held(owner) == price


def test_only_its_own_wallet_bids_for_a_task(pool: Pool, owner: Account) -> None:
    other = factories.wallet(1000)
    with factories.refused(errors.NotYourTaskError):
        order_book.place_bid(**_terms(pool, owner, wallet=other.pk))
    assert (_held(owner), _held(other)) == (0, 0)


def test_a_task_has_one_open_bid(pool: Pool, owner: Account) -> None:
    task = factories.task(owner)
    first = factories.bid(owner, 50, pool, work=task)
    with factories.refused(errors.TaskHasOpenBidError):
        factories.bid(owner, 60, factories.pool(), work=task)  # in whatever pool
    order_book.cancel_bid(first.pk, wallet=owner.pk, now=NOON)
    factories.bid(owner, 60, pool, work=task)
    assert _held(owner) == 60


def test_a_task_that_is_taken_done_or_cancelled_takes_no_bid(pool: Pool, owner: Account) -> None:
    clear = factories.sale(into=pool, owner=owner)
    cancelled = factories.task(owner)
    backlog.cancel_task(cancelled.pk, wallet=owner.pk, now=NOON)
    for task in (clear.winning_task, cancelled):
        _refuse(task, pool, owner)
    factories.run(clear, 10, at=after(1))
    _refuse(clear.winning_task, pool, owner)


def _refuse(task: Task, pool: Pool, owner: Account) -> None:
    with factories.refused(errors.TaskNotOpenError):
        factories.bid(owner, 50, pool, work=task)
    assert _refusals([_offer(task)], pool, owner) == [errors.TaskNotOpenError]


def test_a_stopped_pool_takes_no_bid(pool: Pool, owner: Account) -> None:
    settlement.stop_pool(pool.name, now=NOON)
    with factories.refused(errors.PoolStoppedError):
        factories.bid(owner, 50, pool)
    with factories.refused(errors.PoolStoppedError):
        _refusals([_offer(factories.task(owner))], pool, owner)


def test_cancelling_gives_the_hold_back_once(pool: Pool, owner: Account) -> None:
    bid = factories.bid(owner, 50, pool)
    for _ in range(2):
        assert order_book.cancel_bid(bid.pk, wallet=owner.pk, now=after(1)).closed_at == after(1)
        assert _held(owner) == 0


def test_a_bid_of_another_wallet_or_of_none_cannot_be_cancelled(pool: Pool, owner: Account) -> None:
    bid = factories.bid(owner, 50, pool)
    for number, wallet in ((bid.pk, factories.wallet().pk), (bid.pk + 1, owner.pk)):
        with factories.refused(errors.UnknownBidError):
            order_book.cancel_bid(number, wallet=wallet, now=after(1))
    assert _held(owner) == 50


def test_a_bid_that_won_lost_or_expired_cannot_be_cancelled(pool: Pool, owner: Account) -> None:
    factories.slot(pool)
    won, lost = factories.bid(owner, 60, pool), factories.bid(owner, 50, pool)
    expired = factories.bid(owner, 40, pool, lives=1, gtd=True)
    clearing.clear_round(after(1), pool.name)
    order_book.refund_unfilled(now=after(1))
    for bid in (won, lost, expired):
        with factories.refused(errors.BidNotOpenError):
            order_book.cancel_bid(bid.pk, wallet=owner.pk, now=after(2))
    assert _held(owner) == 50  # the price of the slot is the losing bid


def _offer(task: Task, price: int = 50, **terms: Any) -> batches.Offer:
    return batches.Offer(task.pk, price, terms.pop("ttl_at", after(60)), **terms)


def _refusals(offers: list[batches.Offer], pool: Pool, owner: Account | None) -> list[type[RefusedError] | None]:
    placed = batches.place_bids(offers, now=NOON, wallet=owner.pk if owner else None, pool=pool.name)
    assert [one.task_id for one in placed] == [offer.task_id for offer in offers]
    assert [one.bid_id is None for one in placed] == [one.refusal is not None for one in placed]
    return [one.refusal for one in placed]


def test_a_batch_says_of_each_bid_what_became_of_it(pool: Pool, owner: Account) -> None:
    stranger = factories.wallet(1000)
    bidden = factories.bid(owner, 50, pool).task
    free, twice = factories.task(owner), factories.task(owner)

    refusals = _refusals(
        [
            _offer(free, 60, time_in_force="gtd", expected_value_usd=Decimal("2.5")),
            _offer(factories.task(stranger)),
            _offer(bidden),
            _offer(twice, 4),
            _offer(twice),
            _offer(factories.task(owner), ttl_at=NOON),
            batches.Offer("nothing", 50, after(60)),
        ],
        pool,
        owner,
    )

    assert refusals == [
        None,
        errors.NotYourTaskError,
        errors.TaskHasOpenBidError,
        errors.PriceOutOfBoundsError,
        errors.TaskRepeatedError,
        errors.TtlOutOfBoundsError,
        errors.UnknownTaskError,
    ]
    bid = Bid.objects.get(task=free)
    assert (bid.max_price_tokens, bid.time_in_force, bid.expected_value_usd) == (60, "gtd", Decimal("2.5"))
    assert (bid.placed_at, bid.account_id, bid.bidder_id, _held(owner)) == (NOON, owner.pk, owner.owner_id, 50 + 60)


def test_a_batch_takes_in_order_what_the_wallet_can_cover(pool: Pool) -> None:
    owner = factories.wallet(100)
    offers = [_offer(factories.task(owner), price) for price in (60, 50, 30, 20, 10)]
    assert _refusals(offers, pool, owner) == [
        None,
        errors.InsufficientTokensError,  # 50 of 40
        None,
        errors.InsufficientTokensError,  # 20 of 10
        None,
    ]
    assert _held(owner) == 100


def test_a_batch_of_the_house_bids_for_several_wallets(pool: Pool) -> None:
    one, other = factories.wallet(100), factories.wallet(100, quest="longevity")
    assert _refusals([_offer(factories.task(one), 70), _offer(factories.task(other), 80)], pool, None) == [None, None]
    assert (_held(one), _held(other)) == (70, 80)


@pytest.mark.parametrize("size", [0, 1001])
def test_a_batch_of_the_wrong_size_is_refused_whole(pool: Pool, owner: Account, size: int) -> None:
    with factories.refused(errors.BatchTooLargeError):
        _refusals([batches.Offer("nothing", 50, after(60))] * size, pool, owner)


def test_a_batch_of_a_thousand_is_taken(pool: Pool) -> None:
    owner = factories.wallet(10_000)
    offers = [_offer(task, 5) for task in factories.tasks(owner, 1000)]
    assert _refusals(offers, pool, owner) == [None] * 1000
    assert _held(owner) == 5000


def test_a_batch_comes_after_the_last_round_whatever_its_clock_says(pool: Pool, owner: Account) -> None:
    clearing.clear_round(after(30), pool.name)
    _refusals([_offer(factories.task(owner))], pool, owner)
    assert Bid.objects.get(account=owner).placed_at == after(30.000001)


def test_expiry_goes_by_pool_and_in_batches(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_book, "_EXPIRE_AT_ONCE", 2)
    owners = [factories.wallet(1000) for _ in range(3)]
    for owner in owners:
        factories.bid(owner, 50, pool, lives=10)
        factories.bid(owner, 50, pool, lives=10, gtd=True)
    elsewhere = factories.bid(owners[0], 50, factories.pool(), lives=10)

    assert order_book.refund_unfilled(now=after(9), pool=pool.name) == 0
    assert order_book.refund_unfilled(now=after(10), pool=pool.name) == 6
    assert [_held(owner) for owner in owners] == [50, 0, 0]
    assert order_book.refund_unfilled(now=after(10)) == 1
    assert Bid.objects.get(pk=elsewhere.pk).status == "expired"


def test_a_bid_at_its_end_never_wins_and_is_never_lost(pool: Pool, owner: Account) -> None:
    factories.slots(pool, 2)
    over = factories.bid(owner, 99, pool, lives=1)
    factories.bid(factories.wallet(1000), 50, pool)
    clearing.clear_round(after(1), pool.name)
    assert Bid.objects.get(pk=over.pk).status == "open"
    assert order_book.refund_unfilled(now=after(1)) == 1


def test_the_book_shows_depth_and_asks_and_nobodys_name(pool: Pool) -> None:
    pools.configure(pool.name, reserve_tokens=15)
    for price in (30, 50, 30, 20, 30):
        factories.bid(factories.wallet(1000), price, pool)
    factories.bid(factories.wallet(1000), 99, pool, at=after(10))  # not yet placed
    factories.bid(factories.wallet(1000), 98, pool, lives=1)  # no longer alive
    cheap = factories.slot(pool, available_at=after(600))
    dear = factories.slot(pool, reserve=40)

    book = order_book.get_order_book(now=after(1), pool=pool.name)

    assert book == {
        "bids": [
            {"price_tokens": 50, "count": 1, "cumulative": 1},
            {"price_tokens": 30, "count": 3, "cumulative": 4},
            {"price_tokens": 20, "count": 1, "cumulative": 5},
        ],
        "asks": [
            {"slot_id": cheap.pk, "available_at": after(600), "ask_tokens": 15},
            {"slot_id": dear.pk, "available_at": NOON, "ask_tokens": 40},
        ],
    }
    short = order_book.get_order_book(now=after(1), pool=pool.name, limit=1)
    assert (short["bids"], short["asks"]) == (book["bids"][:1], book["asks"][:1])


def test_a_time_in_another_zone_is_the_same_time(pool: Pool, owner: Account) -> None:
    tokyo = timezone(timedelta(hours=9))
    bid = order_book.place_bid(**_terms(pool, owner, now=NOON.astimezone(tokyo), ttl_at=after(60).astimezone(tokyo)))
    bid.refresh_from_db()
    assert (bid.placed_at, bid.ttl_at) == (NOON, after(60))
