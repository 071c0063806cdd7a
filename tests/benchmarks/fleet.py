"""A fleet to review: entities with envelopes and tier lines, two months of usage, and what came of it."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import psycopg

from tests import cluster
from tests.benchmarks import books

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
EACH: Final = 50  # rows of usage of an entity
CHUNK: Final = 500_000

# Every entity is at work again and again through 60 days up to now, on days of its own; rows come in the order of time.
# They come before the envelopes, as where usage was imported first: counters are then made of days, a line at once.
_USAGE: Final = """
INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount, input_tokens, output_tokens, cost, price_id,
                            rate, output_rate, model, tier, agent_id, source, created_at, recorded_at)
SELECT (ARRAY['hypothesis', 'knowledge_gap', 'analysis'])[1 + e %% 3], 'e' || e, 'llm_tokens', tokens, tokens - 100,
       100, tokens * 1e-7, 1, 1e-7, 4e-7, 'model-' || 1 + e %% 6, (%(tiers)s::text[])[1 + (e + n) %% 3],
       'agent-' || 1 + e %% 8, 'load', at, at
  FROM (SELECT n, 1 + abs(hashint8(n)::bigint) %% %(entities)s AS e, 2000 + n * 7919 %% 16000 AS tokens,
               %(now)s::timestamptz - interval '60 days' + n * interval '60 days' / %(rows)s AS at
          FROM generate_series(%(from)s::bigint, %(to)s::bigint) n) AS used
"""
_ENVELOPES: Final = """
INSERT INTO resource_budgets (entity_type, entity_id, window_kind, token_budget, priority_score, market_weight,
                              granted_at, granted_by, created_at)
SELECT (ARRAY['hypothesis', 'knowledge_gap', 'analysis'])[1 + e %% 3], 'e' || e, kind,
       (8000 + h %% 24000) * (ARRAY[1, 7, 30])[1 + e %% 7 %% 3], score,
       CASE WHEN score >= 0.5 THEN (h %% 1500 - 500) / 1000.0 ELSE least(0, (h %% 1500 - 500) / 1000.0) END,
       %(now)s::timestamptz - interval '90 days', 'the Senate', %(now)s::timestamptz - interval '90 days'
  FROM (SELECT e, (ARRAY['day', 'week', 'month'])[1 + e %% 7 %% 3] AS kind, abs(hashint8(-e)::bigint) AS h,
               abs(hashint8(e * 31)::bigint) %% 1001 / 1000.0 AS score
          FROM generate_series(1, %(entities)s::bigint) e) AS entities
"""
_TIERS: Final = """
INSERT INTO economics_lines (envelope_id, resource_type, qualifier, window_kind, base)
SELECT id, 'llm_tokens', tier, window_kind, token_budget / 2
  FROM resource_budgets, unnest(%(tiers)s::text[]) tier WHERE id %% 2 = 0 AND tier <> 'standard'
"""
_OUTCOMES: Final = """
INSERT INTO economics_outcomes (entity_type, entity_id, kind, amount, source, event_id, at)
SELECT (ARRAY['hypothesis', 'knowledge_gap', 'analysis'])[1 + e %% 3], 'e' || e,
       CASE part WHEN 3 THEN 'edges_removed' ELSE 'edges_gained' END,
       1 + abs(hashint8(e * 4 + part)::bigint) %% (CASE part WHEN 3 THEN 10 ELSE 40 END), 'load', e || '-' || part,
       %(now)s::timestamptz - (1 + (e + part * 9) %% 40) * interval '1 day'
  FROM generate_series(1, %(entities)s::bigint) e, generate_series(1, 3) part
"""


@contextlib.contextmanager
def built(server: str, *, entities: int) -> Iterator[str]:
    """Give a database with so many entities, 50 rows of usage each, all envelopes granted, half of them with tiers."""
    with cluster.clone(server) as url:
        with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as session:
            books.catalogue(session)
            fill(session, entities=entities, rows=entities * EACH)
        yield url


def fill(session: psycopg.Connection[Any], *, entities: int, rows: int) -> None:
    """Enter so many entities of the fleet, with so many rows of usage between them, after the catalogue."""
    terms = {"tiers": list(books.TIERS), "entities": entities, "rows": rows, "now": NOW}
    for begin in range(0, rows, CHUNK):
        session.execute(_USAGE, {**terms, "from": begin, "to": min(begin + CHUNK, rows) - 1})
    session.execute("VACUUM ANALYZE")
    for step in (_ENVELOPES, _TIERS, _OUTCOMES, "VACUUM ANALYZE"):
        session.execute(step, terms)
