"""Automatic bids of a whole pool in one cycle, against the same in plain SQL; then a cycle in which nothing changed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import psycopg
from django.db import connection

from auction import bidder
from tests import cluster
from tests.benchmarks import world
from tests.benchmarks.report import Report, middle

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTS: Final = 200
RUNS: Final = 3

_WORLD: Final = """
INSERT INTO token_accounts (owner_type, owner_id) SELECT 'quest', 'quest-' || n FROM generate_series(1, %(quests)s) n;
INSERT INTO token_ledger (debit_account_id, credit_account_id, amount, reason, key)
SELECT m.id, a.id, 1000000000, 'grant', 'grant:' || a.id
  FROM token_accounts a, token_accounts m WHERE a.owner_type = 'quest' AND m.owner_id = 'mint';
INSERT INTO auction_quests (id, account_id, pool_id)
SELECT a.owner_id, a.id, p.id FROM token_accounts a, auction_pools p
 WHERE a.owner_type = 'quest' AND p.name = 'scidex-agent';
INSERT INTO resource_budgets (entity_type, entity_id, window_kind, token_budget)
SELECT 'hypothesis', 'h' || n, 'day', 1000 FROM generate_series(1, %(entities)s) n;
INSERT INTO auction_tasks (id, wallet_id, quest_id, expected_value_usd, entity_type, entity_id)
SELECT 'task-' || n, q.account_id, q.id, 0.1 + (hashtext(n::text) & 1023) / 100.0, 'hypothesis',
       'h' || (1 + n %% %(entities)s)
  FROM generate_series(1, %(tasks)s) n JOIN auction_quests q ON q.id = 'quest-' || (1 + n %% %(quests)s);
VACUUM ANALYZE;
"""

# What it takes at least: read tasks, what blocks them and whose envelope is frozen, clamp, hold, insert.
_PLAIN: Final = """
WITH task AS (
    SELECT t.id, q.id AS quest_id, q.account_id, t.expected_value_usd AS value, p.id AS pool_id, a.available,
           count(*) OVER (PARTITION BY q.id) AS unblocked, q.bid_factor, p.usd_per_token
      FROM auction_tasks t JOIN auction_quests q ON q.id = t.quest_id JOIN auction_pools p ON p.id = q.pool_id
      JOIN token_accounts a ON a.id = q.account_id
      LEFT JOIN resource_budgets b ON (b.entity_type, b.entity_id) = (t.entity_type, t.entity_id)
     WHERE t.state = 'open' AND b.state IS DISTINCT FROM 'frozen'
       AND NOT EXISTS (SELECT FROM auction_task_needs n JOIN auction_tasks o ON o.id = n.needs_id
                        WHERE n.task_id = t.id AND o.state <> 'done')
       AND NOT EXISTS (SELECT FROM compute_auction_bids c WHERE c.task_id = t.id AND c.status = 'open')
), target AS (
    SELECT *, floor(least(bid_factor * value / usd_per_token, available / unblocked))::bigint AS price FROM task
), fits AS (
    SELECT *, sum(price) OVER (PARTITION BY account_id ORDER BY value DESC, id) AS running FROM target WHERE price >= 1
), hold AS (
    UPDATE token_accounts a SET held = a.held + due.total
      FROM (SELECT account_id, sum(price)::bigint AS total FROM fits WHERE running <= available GROUP BY 1) due
     WHERE a.id = due.account_id
)
INSERT INTO compute_auction_bids (pool_id, task_id, account_id, bidder_id, max_price_tokens, expected_value_usd,
                                  time_in_force, placed_at, ttl_at, is_automatic)
SELECT pool_id, id, account_id, quest_id, price, value, 'gtd', %(now)s, %(ttl)s, true FROM fits
 WHERE running <= available
"""


def automatic(report: Report, server: str, *, tasks: int) -> None:
    """Let 200 quests bid for all their tasks at once: by the rule and by one statement, each on a copy of one world."""
    now = datetime.now(UTC)
    with cluster.clone(server) as url:
        with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as session:
            for statement in filter(str.strip, _WORLD.split(";")):
                session.execute(statement, {"tasks": tasks, "quests": QUESTS, "entities": tasks // 10})
        plain, ours, again = [], [], []
        for _run in range(RUNS):
            with world.copied(server, url) as copy:
                plain.append(_plainly(copy, now, tasks))
            with world.copied(server, url) as copy, cluster.pointed_at(copy):
                first, second = _cycles(now, tasks)
                ours.append(first)
                again.append(second)
    report.say(f"automatic bids for {tasks:,} tasks of {QUESTS} quests in one cycle, {RUNS} runs of each kind")
    report.say(f"  plain SQL {middle(plain):.2f} s, submit_bids_for_tasks {middle(ours):.2f} s")
    report.bound("automatic bids / plain SQL", middle(ours) / middle(plain), most=2)
    report.say(f"  a cycle in which nothing changed {middle(again):.2f} s")


def _plainly(url: str, now: datetime, tasks: int) -> float:
    with psycopg.connect(url) as session:
        begun = time.perf_counter()
        placed = session.execute(_PLAIN, {"now": now, "ttl": now + timedelta(days=7)}).rowcount
        session.commit()
        taken = time.perf_counter() - begun
    _all_placed(placed, tasks)
    return taken


def _cycles(now: datetime, tasks: int) -> Iterator[float]:
    for number, what in enumerate(("placed", "kept")):
        connection.ensure_connection()
        begun = time.perf_counter()
        done = bidder.submit_bids_for_tasks(now=now + timedelta(minutes=number))
        yield time.perf_counter() - begun
        _all_placed(getattr(done, what), tasks)


def _all_placed(found: int, tasks: int) -> None:
    if found != tasks:
        message = f"{found} of {tasks} tasks bid"
        raise AssertionError(message)
