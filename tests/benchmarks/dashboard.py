"""What dashboards ask, over few and over many rows of usage: they read days and counters, so it should not matter."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg
from django.db import connection

from economics import standings
from economics.models import Envelope
from tests import cluster
from tests.benchmarks import books
from tests.benchmarks.report import Report, middle

if TYPE_CHECKING:
    from collections.abc import Callable

ENVELOPES: Final = 1_000
DAYS: Final = 30
CHUNK: Final = 100_000
RUNS: Final = 15
NOW: Final = books.DAY + timedelta(days=DAYS - 1, hours=12)

# Rows in the order of time over the 30 days, each entity worked on by two agents; their ids are scattered.
ROWS: Final = """
COPY (
    SELECT 'hypothesis', 'h' || 1 + n * 7919 %% 1000, 'llm_tokens', 300 + n %% 1000, 200 + n %% 1000, 100, 0.00012, 1,
           1e-7, 4e-7, 'model-' || 1 + n * 7919 %% 6, (%(tiers)s::text[])[1 + n * 7919 %% 1000 %% 3],
           'agent-' || 1 + (n * 7919 %% 1000 + n / 1000 %% 2) %% 8, 'load', to_hex(n # (n * 2654435761)) || n,
           %(first)s::timestamptz + (n - %(least)s) * interval '30 days' / %(spread)s, %(now)s::timestamptz
      FROM generate_series(%(from)s::bigint, %(to)s::bigint) n
) TO STDOUT
"""
INTO: Final = """
COPY resource_usage (entity_type, entity_id, resource_type, amount, input_tokens, output_tokens, cost, price_id, rate,
                     output_rate, model, tier, agent_id, source, event_id, created_at, recorded_at) FROM STDIN
"""
OF_AN_ENTITY: Final = """
SELECT day, tier, agent_id, sum(amount), sum(cost), sum(events) FROM economics_usage_days
 WHERE entity_type = 'hypothesis' AND entity_id = %(entity)s AND day BETWEEN %(first)s AND %(last)s
 GROUP BY day, tier, agent_id ORDER BY day DESC
"""
OF_THE_FLEET: Final = """
SELECT day, tier, sum(amount), sum(cost), sum(unpriced_amount), sum(events) FROM economics_usage_days
 WHERE day BETWEEN %(first)s AND %(last)s GROUP BY day, tier ORDER BY day DESC, tier
"""
LATEST: Final = "SELECT * FROM economics_usage_days ORDER BY day DESC, id DESC LIMIT 50"
BY_ROWS: Final = """
SELECT date_trunc('day', created_at), tier, agent_id, sum(amount), sum(cost), count(*) FROM resource_usage
 WHERE entity_type = 'hypothesis' AND entity_id = %(entity)s GROUP BY 1, 2, 3 ORDER BY 1 DESC
"""


def queries(report: Report, server: str, *, few: int, many: int) -> None:
    """Load `few` rows, ask everything, load the rest up to `many`, ask again."""
    with (
        books.built(server, envelopes=ENVELOPES) as url,
        cluster.pointed_at(url),
        psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as session,
    ):
        _load(report, session, 0, few)
        before = _asked()
        _load(report, session, few, many)
        _say_sizes(report, session)
        after = _asked()
    report.say(
        f"dashboards over {few:,} and {many:,} rows of usage, {ENVELOPES:,} entities, {DAYS} days (best of {RUNS} runs)"
    )
    for name, seconds in after.items():
        if name == "entity by rows":
            continue
        report.say(f"  {name}: {before[name] * 1000:.1f} ms and {seconds * 1000:.1f} ms")
        report.bound(f"{name}, {many:,} / {few:,} rows", seconds / before[name], most=2)
    rows = "entity by rows"
    report.say(f"  for comparison, {rows}: {before[rows] * 1000:.1f} ms and {after[rows] * 1000:.1f} ms")


def _asked() -> dict[str, float]:
    """Return the least seconds each question took, about another entity every time: what else runs adds to it."""
    terms = {"first": books.DAY.date(), "last": NOW.date()}
    envelope_ids = list(Envelope.objects.order_by("pk").values_list("pk", flat=True))
    kinds: dict[str, Callable[[int], object]] = {
        "an entity's days by tier and agent": lambda run: _fetched(
            OF_AN_ENTITY, {**terms, "entity": f"h{1 + 7 * run}"}
        ),
        "the fleet's days by tier": lambda _run: _fetched(OF_THE_FLEET, terms),
        "the latest 50 days of usage": lambda _run: _fetched(LATEST, terms),
        "where 50 envelopes stand": lambda run: standings.of_envelopes(envelope_ids[50 * run :][:50], at=NOW),
        "entity by rows": lambda run: _fetched(BY_ROWS, {"entity": f"h{1 + 7 * run}"}),
    }
    return {name: min(_seconds(ask, run) for run in range(RUNS)) for name, ask in kinds.items()}


def _fetched(statement: str, terms: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, terms)
        rows: list[Any] = cursor.fetchall()
    return rows


def _seconds(ask: Callable[[int], object], run: int) -> float:
    begun = time.perf_counter()
    if not ask(run):
        message = "a dashboard shows nothing"
        raise AssertionError(message)
    return time.perf_counter() - begun


def _load(report: Report, session: psycopg.Connection[Any], least: int, most: int) -> None:
    """Copy rows in with every trigger and law as it is, and say how fast the first and the last went in."""
    terms = {"tiers": list(books.TIERS), "first": books.DAY, "now": NOW, "least": least, "spread": most - least}
    rates = []
    for begin in range(least, most, CHUNK):
        with session.cursor() as cursor:
            with cursor.copy(ROWS, {**terms, "from": begin, "to": min(begin + CHUNK, most) - 1}) as copy:
                block = b"".join(copy)
            begun = time.perf_counter()
            with cursor.copy(INTO) as copy:
                copy.write(block)
        rates.append((min(begin + CHUNK, most) - begin) / (time.perf_counter() - begun))
    session.execute("VACUUM ANALYZE")
    first, last = middle(rates[:5]), middle(rates[-5:])
    report.say(
        f"COPY into resource_usage, row {least:,} to {most:,}: {first:,.0f} rows/s at first, {last:,.0f} at last"
    )


def _say_sizes(report: Report, session: psycopg.Connection[Any]) -> None:
    rows = session.execute(
        """
        SELECT relname, pg_relation_size(oid) FROM pg_class
         WHERE oid = 'resource_usage'::regclass
            OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'resource_usage'::regclass)
         ORDER BY 2 DESC
        """
    ).fetchall()
    days = session.execute("SELECT count(*) FROM economics_usage_days").fetchone() or (0,)
    sizes = ", ".join(f"{name} {size / 2**20:,.1f} MB" for name, size in rows)
    report.say(f"  {sizes}; {days[0]:,} days of usage")
