"""A session that began on an empty market places its thousandth bid as fast as its first."""

from __future__ import annotations

import pytest
from django.db import connection

from auction import order_book
from tests import factories

pytestmark = pytest.mark.usefixtures("committed_db")


def _scans_of_the_whole_book() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'compute_auction_bids'")
        scans: int = cursor.fetchone()[0]
        return scans


def test_a_plan_made_for_an_empty_book_still_goes_by_its_indexes() -> None:
    wallet, pool = factories.wallet(1_000), factories.pool()
    tasks = [factories.task(wallet) for _ in range(40)]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # the book is known to be empty: reading it whole costs nothing
    before = _scans_of_the_whole_book()
    for task in tasks:
        order_book.place_bid(
            wallet=wallet.pk,
            task_id=task.pk,
            max_price_tokens=1,
            ttl_at=factories.after(60),
            now=factories.NOON,
            pool=pool.name,
        )
    assert _scans_of_the_whole_book() == before
