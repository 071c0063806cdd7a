"""A house full of rows to look at: a fleet with usage, a market with bids and rounds, and some of everything else."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from django.contrib.auth.models import Group
from django_celery_beat import models as beat

from auction.models import Pool
from config.models import User
from economics.models import DefaultEnvelope, KeptFigures, Reserve, SignalSource, Tier
from tests import cluster, everything, multiplied
from tests.benchmarks import books, fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW: Final = fleet.NOW + timedelta(minutes=10)  # all that happens once has happened just before
TRADERS: Final = 1_000
SOLD: Final = 2  # slots in a round
# Of these a house has few, however many rows there are of all else.
FEW: Final = frozenset({Pool, User, Group, Tier, SignalSource, DefaultEnvelope, KeptFigures, Reserve}) | {
    *(beat.IntervalSchedule, beat.CrontabSchedule, beat.SolarSchedule, beat.ClockedSchedule, beat.PeriodicTask),
}


class Size(NamedTuple):
    """How much there is: rounds are a minute apart; of all else there are so many copies of one of each."""

    envelopes: int
    usage: int
    bids: int
    rounds: int
    copies: int


_WALLETS: Final = """
INSERT INTO config_agent (id, kind) SELECT 'trader-' || n, 'worker' FROM generate_series(1, %(traders)s) n;
INSERT INTO token_accounts (owner_type, owner_id, agent_id, agent_kind)
SELECT 'agent', 'trader-' || n, 'trader-' || n, 'worker' FROM generate_series(1, %(traders)s) n;
INSERT INTO token_ledger (debit_account_id, credit_account_id, amount, reason, key, created_at)
SELECT m.id, a.id, 1000000000, 'grant', 'opening:' || a.id, %(now)s
  FROM token_accounts a, token_accounts m WHERE a.owner_id LIKE 'trader-%%' AND m.owner_id = 'mint';
INSERT INTO auction_tasks (id, wallet_id, expected_value_usd, created_at)
SELECT 'job-' || n, a.id, 1, %(now)s FROM generate_series(0, %(bids)s / 10) n
  JOIN token_accounts a ON a.owner_id = 'trader-' || (1 + n %% %(traders)s) AND a.owner_type = 'agent';
"""
_ROUNDS: Final = """
INSERT INTO compute_auction_rounds (pool_id, cycle_at, cleared_at, pricing_rule, market_price_tokens, slots_offered,
       slots_sold, bids_lost, charged_tokens, premium_tokens, parameters, frontier, digest, created_at)
SELECT p.id, at, at + interval '1 second', 'uniform', price, %(sold)s, %(sold)s, 20, %(sold)s * price, %(sold)s * 10,
       '{}', '[]', md5(n::text), at
  FROM auction_pools p, generate_series(1, %(rounds)s) n,
       LATERAL (SELECT %(now)s::timestamptz - n * interval '1 minute' AS at, 50 + n * 7919 %% 100 AS price) made
 WHERE p.name = 'scidex-agent';
INSERT INTO auction_slots (id, pool_id, available_at, created_at, state, closed_at)
SELECT 'sold-' || n || '-' || place, p.id, at, at, 'sold', at
  FROM auction_pools p, generate_series(1, %(rounds)s) n, generate_series(1, %(sold)s) place,
       LATERAL (SELECT %(now)s::timestamptz - n * interval '1 minute' AS at) made
 WHERE p.name = 'scidex-agent';
INSERT INTO auction_slots (id, pool_id, available_at, created_at)
SELECT 'open-' || n, p.id, %(now)s, %(now)s FROM auction_pools p, generate_series(1, 20) n
 WHERE p.name = 'scidex-agent';
"""
# The first bids won, two in each round; the last hundredth still stand in the book; all others lost or expired.
_BIDS: Final = """
INSERT INTO compute_auction_bids (id, pool_id, task_id, account_id, bidder_id, max_price_tokens, expected_value_usd,
       time_in_force, placed_at, ttl_at, status, closed_at, round_id)
SELECT 5000000000 + n, p.id, t.id, t.wallet_id, a.owner_id, 160 + abs(hashint8(n)::bigint) %% 400, 1,
       CASE status WHEN 'open' THEN 'gtd' ELSE 'round' END, at - interval '30 seconds', at + interval '3 days', status,
       CASE WHEN status <> 'open' THEN at END, CASE WHEN status IN ('won', 'lost') THEN r.id END
  FROM generate_series(1, %(bids)s) n
 CROSS JOIN LATERAL (SELECT CASE WHEN n <= %(sold)s * %(rounds)s THEN 'won' WHEN n > %(bids)s * 0.99 THEN 'open'
                                 WHEN n %% 10 = 0 THEN 'expired' ELSE 'lost' END AS status,
                            CASE WHEN n <= %(sold)s * %(rounds)s THEN (n + 1) / 2 ELSE 1 + n %% %(rounds)s END AS turn
                    ) AS made
 CROSS JOIN LATERAL (SELECT %(now)s::timestamptz - turn * interval '1 minute' AS at) AS times
  JOIN auction_pools p ON p.name = 'scidex-agent'
  JOIN auction_tasks t ON t.id = 'job-' || n %% (%(bids)s / 10)
  JOIN token_accounts a ON a.id = t.wallet_id
  JOIN compute_auction_rounds r ON r.pool_id = p.id AND r.cycle_at = at;
UPDATE token_accounts a SET held = a.held + b.total
  FROM (SELECT account_id, sum(max_price_tokens)::bigint AS total FROM compute_auction_bids
         WHERE id > 5000000000 AND status = 'open' GROUP BY 1) b
 WHERE a.id = b.account_id;
INSERT INTO compute_auction_clears (slot_id, pool_id, round_id, bid_id, account_id, winning_task_id,
       clearing_price_tokens, charge_tokens, max_price_tokens, state, cleared_at, start_by, runner_id, runner_kind,
       runner_account_id, slot_started_at, slot_finished_at, actual_cost_tokens, cost_model, actual_impact, graded_at,
       reward_due_tokens)
SELECT 'sold-' || (n + 1) / 2 || '-' || 1 + n %% 2, b.pool_id, r.id, b.id, b.account_id, b.task_id,
       r.market_price_tokens, r.market_price_tokens, b.max_price_tokens, 'finished', r.cleared_at,
       r.cleared_at + interval '5 minutes', b.bidder_id, 'worker', b.account_id, r.cleared_at,
       r.cleared_at + interval '30 seconds', 1000 + n %% 5000, 'model-1', n %% 100 / 100.0, r.cleared_at, NULL
  FROM generate_series(1, %(sold)s * %(rounds)s) n
  JOIN compute_auction_bids b ON b.id = 5000000000 + n
  JOIN compute_auction_rounds r ON r.id = b.round_id;
"""


@contextlib.contextmanager
def built(server: str, size: Size) -> Iterator[str]:
    """Give a database of this size, and point Django at it."""
    with cluster.clone(server) as url, cluster.pointed_at(url):
        before = multiplied.known()
        everything.once()
        once = {model: keys for model, keys in multiplied.since(before).items() if model not in FEW}
        with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as session:
            books.catalogue(session)
            fleet.fill(session, entities=size.envelopes, rows=size.usage)
            _trade(session, size)
        multiplied.multiply(once, size.copies)
        with psycopg.connect(url, autocommit=True) as session:
            session.execute("VACUUM ANALYZE")
        yield url


def _trade(session: psycopg.Connection[Any], size: Size) -> None:
    terms = {"traders": TRADERS, "bids": size.bids, "rounds": size.rounds, "sold": SOLD, "now": fleet.NOW}
    for step in (_WALLETS, _ROUNDS, _BIDS, "VACUUM ANALYZE"):
        session.execute(step, terms)
