"""Books to measure in: a catalogue with prices, envelopes with a line per tier, and usage events, made quickly."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import psycopg

from economics.events import Event
from tests import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY: Final = datetime(2026, 3, 2, tzinfo=UTC)
NOW: Final = DAY + timedelta(days=1)
TIERS: Final = ("small", "standard", "frontier")
MODELS: Final = 6
AGENTS: Final = 8

_CATALOGUE = """
INSERT INTO economics_tiers (name, rank) SELECT tier, n FROM unnest(%(tiers)s::text[]) WITH ORDINALITY AS t(tier, n)
    ON CONFLICT DO NOTHING;
INSERT INTO economics_models (name, provider, tier_id)
SELECT 'model-' || n, 'lab', (%(tiers)s::text[])[1 + n %% 3] FROM generate_series(1, %(models)s) n;
INSERT INTO economics_prices (resource_type, name, effective_from, rate, output_rate)
SELECT 'llm_tokens', 'model-' || n, timestamptz '2026-01-01+00' + month * interval '1 month', n * 1e-7, n * 4e-7
  FROM generate_series(1, %(models)s) n, generate_series(0, 2) month;
INSERT INTO config_agent (id, kind) SELECT 'agent-' || n, 'worker' FROM generate_series(1, %(agents)s) n
    ON CONFLICT DO NOTHING;
UPDATE economics_policy SET fleet_daily_usd = 1e9;
"""
_ENVELOPES = """
INSERT INTO resource_budgets (entity_type, entity_id, window_kind, token_budget)
SELECT 'hypothesis', 'h' || n, 'day', 1e14 FROM generate_series(1, %(envelopes)s) n;
INSERT INTO economics_lines (envelope_id, resource_type, qualifier, window_kind, base)
SELECT b.id, 'llm_tokens', tier, 'day', 1e14 FROM resource_budgets b, unnest(%(tiers)s::text[]) tier;
"""


@contextlib.contextmanager
def built(server: str, *, envelopes: int) -> Iterator[str]:
    """Give a database with so many envelopes (total and a line per tier, all by the day) and a cap on the fleet."""
    with cluster.clone(server) as url:
        with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as session:
            catalogue(session)
            session.execute(_ENVELOPES, {"tiers": list(TIERS), "envelopes": envelopes})
            session.execute("VACUUM ANALYZE")
        yield url


def catalogue(session: psycopg.Connection[Any]) -> None:
    """Enter tiers, models, prices and agents, and put a cap on the fleet."""
    session.execute(_CATALOGUE, {"tiers": list(TIERS), "models": MODELS, "agents": AGENTS})


def events(first: int, count: int, *, envelopes: int) -> list[Event]:
    """Return so many calls from all envelopes and models, in the order of time, all on one day."""
    return [_event(number, envelopes) for number in range(first, first + count)]


def _event(number: int, envelopes: int) -> Event:
    tokens = 200 + number % 1_000
    return Event(
        entity_type="hypothesis",
        entity_id=f"h{1 + number * 7919 % envelopes}",
        resource_type="llm_tokens",
        amount=Decimal(tokens + 100),
        input_tokens=tokens,
        output_tokens=100,
        model=f"model-{1 + number % MODELS}",
        source="bench",
        event_id=f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}",  # scattered, as ids of gateways are
        created_at=DAY + timedelta(milliseconds=number * 10 % 86_400_000),
    )
