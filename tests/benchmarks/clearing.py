"""Clearing at the function against plain SQL that writes the same rows, each on a fresh copy of the same world."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
from django.db import connections

from auction import clearing, errors, order_book
from auction.models import Task
from config.errors import RetryableError
from tests import cluster
from tests.benchmarks import world
from tests.benchmarks.report import Report, middle

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

RUNS = 3

# The same round in plain SQL: the same rows written, no record of the frontier, nothing checked.
PLAIN = """
CREATE TEMP TABLE award ON COMMIT DROP AS
WITH top AS (
    SELECT b.id, b.account_id, b.task_id, b.max_price_tokens, b.placed_at,
           row_number() OVER (ORDER BY b.max_price_tokens DESC, b.placed_at, b.id) AS place
      FROM compute_auction_bids b
     WHERE b.pool_id = %(pool)s AND b.status = 'open' AND b.placed_at <= now() AND b.ttl_at > now()
     ORDER BY b.max_price_tokens DESC, b.placed_at, b.id LIMIT %(k)s + 1
), won AS (
    SELECT top.*, row_number() OVER (ORDER BY placed_at, id) AS deal FROM top WHERE place <= %(k)s
), ask AS (
    SELECT id AS slot_id, row_number() OVER (ORDER BY available_at, id) AS deal
      FROM auction_slots WHERE pool_id = %(pool)s AND state = 'open' AND available_at <= now()
)
SELECT won.id, account_id, task_id, max_price_tokens, slot_id,
       (SELECT max_price_tokens FROM top WHERE place = %(k)s + 1) AS price,
       (SELECT task_id FROM top WHERE place = %(k)s + 1) AS runner_up
  FROM won JOIN ask USING (deal);
INSERT INTO compute_auction_rounds (pool_id, cycle_at, cleared_at, pricing_rule, market_price_tokens, slots_offered,
       slots_sold, bids_lost, charged_tokens, premium_tokens, parameters, frontier, digest)
SELECT %(pool)s, now(), now(), 'uniform', max(price), count(*), count(*), 0, sum(price), 0, '{}', '{}', '' FROM award;
UPDATE compute_auction_bids b SET status = 'won', closed_at = now() FROM award WHERE b.id = award.id;
UPDATE auction_slots s SET state = 'sold', closed_at = now() FROM award WHERE s.id = award.slot_id;
UPDATE auction_tasks t SET state = 'taken' FROM award WHERE t.id = award.task_id;
INSERT INTO compute_auction_clears (slot_id, pool_id, round_id, bid_id, account_id, winning_task_id, runner_up_task_id,
       clearing_price_tokens, charge_tokens, max_price_tokens, cleared_at, start_by)
SELECT slot_id, %(pool)s, (SELECT max(id) FROM compute_auction_rounds), id, account_id, task_id, runner_up, price,
       price, max_price_tokens, now(), now() + interval '5 minutes' FROM award;
UPDATE token_accounts a SET held = a.held - due.amount
  FROM (SELECT account_id, sum(max_price_tokens - price)::bigint AS amount FROM award GROUP BY 1) due
 WHERE a.id = due.account_id;
"""
PLAIN_LOSERS = """
WITH gone AS (
    UPDATE compute_auction_bids SET status = 'lost', closed_at = now()
     WHERE pool_id = %(pool)s AND status = 'open' AND time_in_force = 'round' RETURNING account_id, max_price_tokens
)
UPDATE token_accounts a SET held = a.held - due.amount
  FROM (SELECT account_id, sum(max_price_tokens)::bigint AS amount FROM gone GROUP BY 1) due
 WHERE a.id = due.account_id;
"""


def winners_of_resting_bids(report: Report, server: str, *, slots: int, bids: int, many: int) -> None:
    """Sell `slots` to a book of `bids` that rest (`gtd`), and again with `many` open bids."""
    report.say(f"clear_round, {slots:,} slots, {bids:,} open gtd bids ({RUNS} runs each)")
    with world.built(server, tasks=bids, bids="gtd", slots=slots) as url:
        ours, plain = _both(server, url, slots)
    _compare(report, ours, plain)
    with world.built(server, tasks=many, bids="gtd", slots=slots) as url:
        larger = middle([_ours(server, url, slots) for _run in range(RUNS)])
    report.say(f"  with {many:,} open bids: {larger * 1000:,.0f} ms")
    report.bound(f"time at {many:,} / at {bids:,} open bids", larger / ours, most=2)


def losers_released(report: Report, server: str, *, slots: int, few: int, many: int) -> None:
    """Sell `slots` while every other bid loses and is released; with ten times the losers; placement waits."""
    report.say(f"clear_round, {slots:,} slots, all losers released ({RUNS} runs each)")
    with world.built(server, tasks=few, bids="round", slots=slots) as url:
        ours, plain = _both(server, url, slots, losers=True)
    report.say(f" {few:,} open round bids:")
    _compare(report, ours, plain)
    with world.built(server, tasks=many, bids="round", slots=slots) as url:
        larger = _ours(server, url, slots)
        report.say(f" {many:,} open round bids: {larger * 1000:,.0f} ms")
        report.bound("ten times the losers, times the time", larger / ours, most=15)
        _placement_meanwhile(report, server, url, slots)


def many_winners(report: Report, server: str, *, slots: int) -> None:
    """Sell `slots` to twice as many bids."""
    report.say(f"clear_round, {slots:,} winners of {2 * slots:,} gtd bids ({RUNS} runs each)")
    with world.built(server, tasks=2 * slots, bids="gtd", slots=slots) as url:
        ours, plain = _both(server, url, slots)
    _compare(report, ours, plain)


def _both(server: str, url: str, slots: int, *, losers: bool = False) -> tuple[float, float]:
    """Measure in turn, so that what else the machine does falls on both; return the medians in seconds."""
    ours, plain = [], []
    for _run in range(RUNS):
        plain.append(_plain(server, url, slots, losers=losers))
        ours.append(_ours(server, url, slots))
    return middle(ours), middle(plain)


def _compare(report: Report, ours: float, plain: float) -> None:
    report.say(f"  plain SQL {plain * 1000:,.0f} ms, clear_round {ours * 1000:,.0f} ms")
    report.bound("clear_round / plain SQL", ours / plain, most=2)


def _plain(server: str, url: str, slots: int, *, losers: bool) -> float:
    with world.copied(server, url) as copy, psycopg.connect(copy, cursor_factory=psycopg.ClientCursor) as session:
        pool = session.execute("SELECT id FROM auction_pools WHERE name = %s", [world.POOL]).fetchone()
        terms = {"pool": pool and pool[0], "k": slots}
        session.commit()
        gc.collect()
        begun = time.perf_counter()
        session.execute(PLAIN + (PLAIN_LOSERS if losers else ""), terms)
        session.commit()
        return time.perf_counter() - begun


def _ours(server: str, url: str, slots: int) -> float:
    with world.copied(server, url) as copy, cluster.pointed_at(copy):
        connections["default"].ensure_connection()
        gc.collect()
        begun = time.perf_counter()
        round_ = clearing.clear_round(datetime.now(UTC))
        seconds = time.perf_counter() - begun
        if round_.slots_sold != slots:
            message = f"sold {round_.slots_sold} of {slots}"
            raise AssertionError(message)
        return seconds


def _placement_meanwhile(report: Report, server: str, url: str, slots: int) -> None:
    """Place bids one after another while the round clears and say how long the slowest waited."""
    fork = multiprocessing.get_context("fork")
    with world.copied(server, url) as copy, cluster.pointed_at(copy):
        task = Task.objects.order_by("pk").first()
        spare = [Task(pk=f"spare-{n}", wallet_id=task.wallet_id if task else 0) for n in range(20_000)]
        Task.objects.bulk_create(spare)
        wallet = spare[0].wallet_id
        connections.close_all()
        ready, stop, slowest = fork.Event(), fork.Event(), fork.Queue()
        placer = fork.Process(target=_place_until, args=(stop, ready, slowest, wallet))
        placer.start()
        ready.wait()
        begun = time.perf_counter()
        clearing.clear_round(datetime.now(UTC) + timedelta(seconds=1))
        seconds = time.perf_counter() - begun
        stop.set()
        waited, placed, middle_wait = slowest.get()
        placer.join()
    report.say(
        f"  a bidder meanwhile: the slowest of {placed:,} placements waited {waited * 1000:,.0f} ms "
        f"(median {middle_wait * 1000:,.1f} ms); the round took {seconds * 1000:,.0f} ms, {slots:,} sold"
    )


def _place_until(
    stop: Event, ready: Event, result: multiprocessing.Queue[tuple[float, int, float]], wallet: int
) -> None:
    waits = []
    for number in range(20_000):
        now = datetime.now(UTC)
        begun = time.perf_counter()
        with contextlib.suppress(errors.InsufficientTokensError, RetryableError):
            order_book.place_bid(
                wallet=wallet,
                task_id=f"spare-{number}",
                max_price_tokens=1,
                ttl_at=now + timedelta(hours=1),
                time_in_force="gtd",
                now=now,
            )
        waits.append(time.perf_counter() - begun)
        ready.set()
        if stop.is_set() and number:
            break
    result.put((max(waits), len(waits), middle(waits)))
