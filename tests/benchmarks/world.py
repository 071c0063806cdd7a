"""Worlds to measure in: wallets, tasks, bids and slots by the hundred thousand, made by SQL alone."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from tests import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

WALLETS = 10_000
POOL = "scidex-agent"
_numbers = itertools.count(1)

_WALLETS = """
INSERT INTO config_agent (id, kind) SELECT 'agent-' || n, 'worker' FROM generate_series(1, %(wallets)s) n;
INSERT INTO token_accounts (owner_type, owner_id, agent_id, agent_kind)
SELECT 'agent', 'agent-' || n, 'agent-' || n, 'worker' FROM generate_series(1, %(wallets)s) n;
INSERT INTO token_ledger (debit_account_id, credit_account_id, amount, reason, key)
SELECT m.id, a.id, 1000000000, 'grant', 'grant:' || a.id
  FROM token_accounts a, token_accounts m WHERE a.owner_type = 'agent' AND m.owner_id = 'mint';
"""
_TASKS = """
INSERT INTO auction_tasks (id, wallet_id, expected_value_usd)
SELECT 'task-' || n, a.id, 1 FROM generate_series(1, %(tasks)s) n
  JOIN token_accounts a ON a.owner_id = 'agent-' || (1 + (n::bigint * 7919) %% %(wallets)s) AND a.owner_type = 'agent';
"""
_BIDS = """
INSERT INTO compute_auction_bids (pool_id, task_id, account_id, bidder_id, max_price_tokens, time_in_force,
                                  placed_at, ttl_at)
SELECT p.id, t.id, t.wallet_id, 'agent', 1 + (hashtext(t.id)::bigint & 1048575), %(tif)s,
       now() - interval '1 hour', now() + interval '1 day'
  FROM auction_tasks t, auction_pools p WHERE p.name = 'scidex-agent';
UPDATE token_accounts a SET held = b.total
  FROM (SELECT account_id, sum(max_price_tokens)::bigint AS total FROM compute_auction_bids GROUP BY 1) b
 WHERE a.id = b.account_id;
"""
_SLOTS = """
INSERT INTO auction_slots (id, pool_id, available_at)
SELECT 'slot-' || n, p.id, now() - interval '1 hour' FROM generate_series(1, %(slots)s) n, auction_pools p
 WHERE p.name = 'scidex-agent';
"""


@contextlib.contextmanager
def built(server: str, *, tasks: int, bids: str = "", slots: int = 0, wallets: int = WALLETS) -> Iterator[str]:
    """Give a database with so many tasks (each with an open bid, `bids` says of which time in force) and slots."""
    with cluster.clone(server) as url:
        with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as session:
            terms = {"wallets": wallets, "tasks": tasks, "tif": bids, "slots": slots}
            session.execute("UPDATE auction_pools SET usd_per_token = 0.001, capacity = 0")
            for step in (_WALLETS, _TASKS, _BIDS if bids else "", _SLOTS if slots else ""):
                if step:
                    session.execute(step, terms)
            session.execute("VACUUM ANALYZE")
        yield url


@contextlib.contextmanager
def copied(server: str, url: str) -> Iterator[str]:
    """Give a copy of a world nobody is connected to, read once into memory, dropped afterwards."""
    name = f"world_{next(_numbers)}"
    source = url.rsplit("/", 1)[1].partition("?")[0]
    with psycopg.connect(cluster.url_of(server, "postgres"), autocommit=True) as session:
        session.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(source)
            )
        )
        copy = cluster.url_of(server, name)
        try:
            with psycopg.connect(copy, autocommit=True) as warm:
                for table in ("compute_auction_bids", "auction_tasks", "auction_slots", "token_accounts"):
                    warm.execute(sql.SQL("SELECT count(*) FROM {} t WHERE t::text <> ''").format(sql.Identifier(table)))
                warm.execute("CHECKPOINT")
            yield copy
        finally:
            session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
