"""Placement at the function: single bids from 8 processes, batches of 1,000 from one."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
from django.db import connection

from auction import batches, order_book
from tests import cluster
from tests.benchmarks import processes, world
from tests.benchmarks.report import Report, middle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROCESSES = 8
BATCH = 1_000
PLACE = order_book._PLACE  # noqa: SLF001 - the very statement that is measured

# What a batch costs at least: one statement that checks tasks and wallets, holds and inserts, accepting by the
# running sum of each wallet.
BATCHED = """
WITH asked AS (
    SELECT o.*, t.wallet_id, sum(price) OVER (PARTITION BY t.wallet_id ORDER BY place) AS running
      FROM unnest(%(tasks)s::text[], %(prices)s::bigint[], %(ttls)s::timestamptz[]) WITH ORDINALITY
             AS o(task_id, price, ttl_at, place)
      JOIN auction_tasks t ON t.id = o.task_id AND t.state = 'open'
     WHERE NOT EXISTS (SELECT FROM compute_auction_bids b WHERE b.task_id = t.id AND b.status = 'open')
), accepted AS (
    SELECT asked.* FROM asked JOIN token_accounts a ON a.id = asked.wallet_id WHERE running <= a.available
), hold AS (
    UPDATE token_accounts a SET held = a.held + due.total
      FROM (SELECT wallet_id, sum(price)::bigint AS total FROM accepted GROUP BY wallet_id) due
     WHERE a.id = due.wallet_id RETURNING a.id, a.owner_id
)
INSERT INTO compute_auction_bids (pool_id, task_id, account_id, bidder_id, max_price_tokens, placed_at, ttl_at)
SELECT (SELECT id FROM auction_pools WHERE name = 'scidex-agent'), task_id, wallet_id, owner_id, price, now(), ttl_at
  FROM accepted JOIN hold ON hold.id = accepted.wallet_id RETURNING id
"""


def single(report: Report, server: str, *, each: int) -> None:
    """`place_bid` against the same statement sent by psycopg in BEGIN/COMMIT, and by itself, all from 8 processes.

    The statement is a transaction of its own, so `place_bid` sends no BEGIN and no COMMIT; the second ratio says what
    Python costs beyond that.
    """
    rounds = 3
    with world.built(server, tasks=3 * rounds * PROCESSES * each) as url, cluster.pointed_at(url):
        owners = _owners()
        share = itertools.count()
        plain, alone, ours = [], [], []
        for _round in range(rounds):
            plain.append(processes.rate(_plain(url, owners, next(share) * PROCESSES, each), processes=PROCESSES))
            by_itself = _plain(url, owners, next(share) * PROCESSES, each, autocommit=True)
            alone.append(processes.rate(by_itself, processes=PROCESSES))
            ours.append(processes.rate(_ours(owners, next(share) * PROCESSES, each), processes=PROCESSES))
        _nothing_lost(3 * rounds * PROCESSES * each)
    report.say(f"place_bid, {PROCESSES} processes, {each} bids each, {rounds} runs of each kind")
    report.say(f"  plain SQL {middle(plain):,.0f}/s, place_bid {middle(ours):,.0f}/s")
    report.bound("place_bid / plain SQL", middle(ours) / middle(plain), least=0.75)
    report.say(f"  place_bid / the statement by itself ({middle(alone):,.0f}/s): {middle(ours) / middle(alone):.2f}")


def batched(report: Report, server: str, *, count: int) -> None:
    """`place_bids` in batches of 1,000 against one batched statement."""
    with world.built(server, tasks=2 * count * BATCH) as url, cluster.pointed_at(url):
        owners = _owners()
        plain = processes.rate(_plain_batches(url, owners, count), processes=1)
        ours = processes.rate(_our_batches(owners, count), processes=1)
        _nothing_lost(2 * count * BATCH)
    report.say(f"place_bids, {count} batches of {BATCH:,}, one process")
    report.say(f"  plain SQL {plain:,.0f} bids/s, place_bids {ours:,.0f} bids/s")
    report.bound("place_bids / plain SQL", ours / plain, least=0.5)
    report.bound("place_bids, bids/s", ours, least=12_000)


def _owners() -> list[tuple[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, wallet_id FROM auction_tasks ORDER BY id")
        return list(cursor.fetchall())


def _nothing_lost(expected: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), sum(max_price_tokens) FROM compute_auction_bids WHERE status = 'open'")
        bids, promised = cursor.fetchone()
        cursor.execute("SELECT sum(held) FROM token_accounts")
        (held,) = cursor.fetchone()
    if bids != expected or promised != held:
        message = f"{bids} bids of {expected}, {held} held for {promised} promised"
        raise AssertionError(message)


def _mine(owners: list[tuple[str, int]], share: int, each: int) -> Iterator[tuple[str, int]]:
    return iter(owners[share * each : (share + 1) * each])


def _plain(
    url: str, owners: list[tuple[str, int]], first: int, each: int, *, autocommit: bool = False
) -> Callable[[int], Callable[[], int]]:
    def prepare(number: int) -> Callable[[], int]:
        session = psycopg.connect(url, cursor_factory=psycopg.ClientCursor, autocommit=autocommit)
        session.execute("SELECT 1")
        session.commit()

        def run() -> int:
            done = 0
            for task, wallet in _mine(owners, first + number, each):
                session.execute(PLACE, _terms(task, wallet, datetime.now(UTC)))
                if not autocommit:
                    session.commit()
                done += 1
            return done

        return run

    return prepare


def _terms(task: str, wallet: int, now: datetime) -> dict[str, Any]:
    return {
        "pool": world.POOL,
        "wallet": wallet,
        "agent": None,
        "task": task,
        "price": 1000,
        "value": Decimal(1),
        "tif": "round",
        "ttl": now + timedelta(hours=1),
        "now": now,
    }


def _ours(owners: list[tuple[str, int]], first: int, each: int) -> Callable[[int], Callable[[], int]]:
    def prepare(number: int) -> Callable[[], int]:
        connection.ensure_connection()

        def run() -> int:
            done = 0
            for task, wallet in _mine(owners, first + number, each):
                now = datetime.now(UTC)
                order_book.place_bid(
                    wallet=wallet,
                    task_id=task,
                    max_price_tokens=1000,
                    expected_value_usd=Decimal(1),
                    ttl_at=now + timedelta(hours=1),
                    now=now,
                )
                done += 1
            return done

        return run

    return prepare


def _plain_batches(url: str, owners: list[tuple[str, int]], count: int) -> Callable[[int], Callable[[], int]]:
    def prepare(_number: int) -> Callable[[], int]:
        session = psycopg.connect(url, cursor_factory=psycopg.ClientCursor)
        ttl = datetime.now(UTC) + timedelta(hours=1)

        def run() -> int:
            done = 0
            for batch in _batches(owners, 0, count):
                terms = {"tasks": [t for t, _w in batch], "prices": [1000] * len(batch), "ttls": [ttl] * len(batch)}
                done += session.execute(BATCHED, terms).rowcount
                session.commit()
            return done

        return run

    return prepare


def _batches(owners: list[tuple[str, int]], first: int, count: int) -> Iterator[list[tuple[str, int]]]:
    for number in range(first, first + count):
        yield owners[number * BATCH : (number + 1) * BATCH]


def _our_batches(owners: list[tuple[str, int]], count: int) -> Callable[[int], Callable[[], int]]:
    def prepare(_number: int) -> Callable[[], int]:
        connection.ensure_connection()
        ttl = datetime.now(UTC) + timedelta(hours=1)

        def run() -> int:
            done = 0
            for batch in _batches(owners, count, count):
                offers = [batches.Offer(task, 1000, ttl, Decimal(1)) for task, _wallet in batch]
                placed = batches.place_bids(offers, now=datetime.now(UTC))
                done += sum(item.bid_id is not None for item in placed)
            return done

        return run

    return prepare
