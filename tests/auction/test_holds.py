"""What a wallet's held tokens are promised to, and the release of those that nothing would release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from auction import audit, clearing, errors, holds
from auction.models import Bid, Task
from economics import ledger
from tests import factories
from tests.factories import after, refused

if TYPE_CHECKING:
    from economics.models import Account

pytestmark = pytest.mark.django_db
MINUTE = 60


def _held(wallet: Account) -> tuple[int, int]:
    wallet.refresh_from_db()
    return wallet.held, wallet.available


def _hold_for_nothing(wallet: Account, tokens: int) -> None:
    """Hold tokens as no rule does."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE token_accounts SET held = held + %s WHERE id = %s", [tokens, wallet.pk])
    wallet.refresh_from_db()


def _of(wallet: Account, *, at: float) -> holds.Holds:
    wallet.refresh_from_db()
    return holds.of_wallet(wallet.pk, held=wallet.held, now=after(at))


# What is held


def test_tokens_are_held_for_open_bids_and_for_slots_won() -> None:
    pool = factories.pool("gpu", start_deadline_seconds=600)
    wallet = factories.wallet(1_000)
    factories.slot(pool)
    won = factories.bid(wallet, 80, pool)
    factories.bid(factories.wallet(100), 30, pool)
    (clear,) = clearing.clear_round(after(0), "gpu").clears.all()
    resting = factories.bid(wallet, 50, pool, at=after(1), lives=300, gtd=True)
    found = _of(wallet, at=2)
    assert (found.held, found.promised, found.number, found.for_nothing) == (80, 80, 2, 0)
    assert [(one.kind, one.id, one.tokens, one.until) for one in found.listed] == [
        ("bid", resting.pk, 50, after(301)),
        ("sold", clear.pk, 30, after(600)),
    ]
    assert {one.is_stuck for one in found.listed} == {False}
    assert (won.task_id, clear.slot_id) == (found.listed[1].task_id, found.listed[1].slot_id)
    factories.started(clear, at=after(3))
    assert [one.kind for one in _of(wallet, at=4).listed] == ["bid", "running"]
    factories.run(clear, 10, at=after(5))
    assert _of(wallet, at=6).number == 1


def test_what_is_overdue_stands_first_and_is_called_stuck() -> None:
    pool = factories.pool()
    wallet = factories.wallet(1_000)
    factories.bid(wallet, 90, pool, lives=900)
    short = factories.bid(wallet, 20, pool, lives=60)
    assert [one.is_stuck for one in _of(wallet, at=59).listed] == [False, False]
    first, _other = _of(wallet, at=60).listed
    assert (first.id, first.is_stuck) == (short.pk, True)
    assert len(holds.of_wallet(wallet.pk, held=110, now=after(1), most=1).listed) == 1


def test_an_idle_wallet_holds_nothing() -> None:
    assert _of(factories.wallet(5), at=0) == holds.Holds(0, 0, 0, [])


# Held for nothing


def test_tokens_held_for_nothing_are_released_and_no_others() -> None:
    wallet = factories.wallet(1_000)
    factories.bid(wallet, 100, factories.pool())
    _hold_for_nothing(wallet, 40)
    assert [one.what for one in audit.differences_here()] == [f"held on account {wallet.pk} ({wallet})"]
    assert _of(wallet, at=1).for_nothing == 40
    assert holds.release_for_nothing(wallet.pk) == 40
    assert _held(wallet) == (100, 900)
    assert audit.differences_here() == []


def test_tokens_held_for_something_stay_held() -> None:
    wallet = factories.wallet(1_000)
    factories.bid(wallet, 100, factories.pool())
    with refused(errors.HoldNotStuckError) as refusal:
        holds.release_for_nothing(wallet.pk)
    assert refusal.value.figures == {"held": 100, "promised": 100}
    assert _held(wallet) == (100, 900)


def test_a_wallet_that_holds_too_little_is_left_to_the_audit() -> None:
    wallet = factories.wallet(1_000)
    factories.bid(wallet, 100, factories.pool())
    ledger.release_holds({wallet.pk: 10})
    assert _of(wallet, at=1).for_nothing == -10
    with refused(errors.HoldNotStuckError):
        holds.release_for_nothing(wallet.pk)


def test_of_an_unknown_wallet_nothing_is_released() -> None:
    with refused(errors.UnknownWalletError):
        holds.release_for_nothing(0)


# Bids that cannot win


def test_a_bid_whose_end_has_come_is_expired_and_its_owner_told() -> None:
    wallet = factories.wallet(1_000)
    bid = factories.bid(wallet, 100, factories.pool(), lives=60)
    with refused(errors.HoldNotStuckError) as refusal:
        holds.release_bid(bid.pk, now=after(59))
    assert refusal.value.figures == {"bid_id": bid.pk, "ttl_at": after(60).isoformat()}
    released = holds.release_bid(bid.pk, now=after(60))
    assert (released.status, released.closed_at, _held(wallet)) == ("expired", after(60), (0, 1_000))
    with refused(errors.BidNotOpenError):
        holds.release_bid(bid.pk, now=after(61))
    assert audit.differences_here() == []


def test_a_bid_whose_task_is_no_longer_open_is_cancelled() -> None:
    wallet = factories.wallet(1_000)
    bid = factories.bid(wallet, 100, factories.pool())
    Task.objects.filter(pk=bid.task_id).update(state="cancelled")  # as no rule leaves it
    assert _of(wallet, at=1).listed[0].is_stuck
    assert holds.release_bid(bid.pk, now=after(1)).status == "cancelled"
    assert _held(wallet) == (0, 1_000)


def test_an_unknown_bid_is_refused() -> None:
    with refused(errors.UnknownBidError):
        holds.release_bid(0, now=after(1))


def test_wallets_take_as_many_queries_for_many_bids_as_for_none(django_assert_num_queries: object) -> None:
    pool = factories.pool()
    wallet = factories.wallet(1_000)
    with django_assert_num_queries(2):  # type: ignore[operator] # pytest-django's
        holds.of_wallet(wallet.pk, held=0, now=after(1))
    for _ in range(20):
        factories.bid(wallet, 10, pool)
    with django_assert_num_queries(2):  # type: ignore[operator]
        assert holds.of_wallet(wallet.pk, held=200, now=after(1)).number == 20
    assert Bid.objects.count() == 20
