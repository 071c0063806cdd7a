"""A worker outlives the end of its session: what one tick could not do, the next one does."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError, InterfaceError, connection, transaction

from auction import audit, clearing, cycle, order_book, pools, settlement
from auction.models import Clear, Pool, Round
from tests import factories
from tests.crashes import blows
from tests.factories import after

if TYPE_CHECKING:
    from economics.models import Account

pytestmark = pytest.mark.usefixtures("committed_db")


@transaction.atomic
def _sold_at(second: float, pool: Pool, owners: list[Account]) -> None:
    """Clean up, then sell two slots that nobody will start; a third bidder waits."""
    order_book.refund_unfilled(now=after(second))
    settlement.sweep(now=after(second))
    pools.configure(pool.name, capacity=0, start_deadline_seconds=10)
    pools.top_up(pool.name, now=after(second))
    factories.slot(pool, available_at=after(second))
    factories.slot(pool, available_at=after(second))
    for owner, price in zip(owners, (40, 30, 20), strict=True):
        factories.bid(owner, price, pool, at=after(second), lives=200, gtd=True)
    clearing.clear_round(after(second), pool.name)
    pools.configure(pool.name, capacity=2)


def test_a_tick_whose_session_ends_at_any_step_is_made_up_by_the_next() -> None:
    """Two slots are forfeited and offered again, one of them is sold to the bidder who waits, and revenue is swept."""
    pool = pools.get(pools.DEFAULT)
    owners = [factories.wallet(1_000_000) for _ in range(3)]

    for number in itertools.count():
        start, step = number * 1000, number * 5
        _sold_at(start, pool, owners)
        with blows.striking(blows.end_session, step) as countdown:
            _tick(start + 70)
        for second in (start + 71, start + 130):
            _tick(second)

        assert audit.differences() == [], step
        rounds = Round.objects.filter(pool=pool, cleared_at__gte=after(start)).order_by("cycle_at")
        # A round that found nothing to sell is not held again: then the next cycle's sells it.
        assert [one.slots_sold for one in rounds] in ([2, 1, 0], [2, 0, 1]), step
        states = Clear.objects.filter(round__in=rounds).order_by("pk").values_list("state", flat=True)
        assert list(states)[:2] == ["forfeited"] * 2, step
        if not countdown.struck:
            break

    assert step >= 60


def _tick(second: float) -> None:
    """Run what is due as Celery does: a tick that fails is logged, and a broken connection is not used again."""
    with contextlib.suppress(DatabaseError, InterfaceError):
        cycle.run_due(now=after(second))
    connection.close_if_unusable_or_obsolete()
