"""Scores of many entities: in one statement against the same in Python, and made anew when nothing has changed."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import psycopg
from django.db import connection, transaction

from economics import scores, scoring, worth_policy
from tests import cluster
from tests.benchmarks import books
from tests.benchmarks.report import Report, middle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from decimal import Decimal

RUNS: Final = 3
ONE_IN: Final = 3  # entities have a judgement of novelty
_WORLD: Final = """
INSERT INTO resource_budgets (entity_type, entity_id, window_kind, token_budget)
SELECT 'hypothesis', 'h' || n, 'day', 1000 FROM generate_series(1, %(entities)s) n;
INSERT INTO economics_observations (entity_type, entity_id, kind, reference, principal, source, event_id, at)
SELECT 'hypothesis', 'h' || n,
       (ARRAY['paper', 'debate', 'kg_link', 'vote', 'comment', 'bounty', 'replication'])[1 + k %% 7],
       'pmid:' || (n * 31 + k), 'agent-' || (n + k) %% 997, 'bench', n || '-' || k,
       %(now)s::timestamptz - interval '1 day'
  FROM generate_series(1, %(entities)s) n, LATERAL generate_series(1, 3 + n %% 8) k;
INSERT INTO economics_assessments (entity_type, entity_id, component, value, assessed_by, reason, at)
SELECT 'hypothesis', 'h' || n, 'novelty', (n %% 1000) / 1000.0, 'ada', 'bench', %(now)s::timestamptz - interval '1 day'
  FROM generate_series(1, %(entities)s, %(one_in)s) n;
VACUUM ANALYZE economics_observations, economics_assessments, resource_budgets;
"""
_SEEN: Final = """
SELECT entity_type, entity_id, kind, reference, principal FROM economics_observations
 WHERE at <= %(now)s AND (withdrawn_at IS NULL OR withdrawn_at > %(now)s)
"""
_JUDGED: Final = """
SELECT entity_type, entity_id, component, value FROM economics_assessments WHERE at <= %(now)s ORDER BY id
"""


@contextlib.contextmanager
def _built(server: str, entities: int) -> Iterator[str]:
    """Give a database with so many entities, each with an envelope and 3 to 10 observations."""
    with cluster.clone(server) as url:
        with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as session:
            terms = {"entities": entities, "now": books.NOW, "one_in": ONE_IN}
            for statement in filter(str.strip, _WORLD.split(";")):
                session.execute(statement, terms)
        yield url


def fleet(report: Report, server: str, *, entities: int) -> None:
    """Time the statement and Python on the same rows, then recomputing: all at first, then nothing."""
    with _built(server, entities) as url, cluster.pointed_at(url):
        found: dict[str, Any] = {}
        in_sql, in_python = (
            middle([_timed(lambda: found.update({name: deed()})) for _ in range(RUNS)])  # noqa: B023 - called at once
            for name, deed in (("sql", _in_sql), ("python", _in_python))
        )
        if found["sql"] != found["python"] or len(found["sql"]) != entities:
            message = "the scores of SQL and of Python differ"
            raise AssertionError(message)
        first = _timed(lambda: scores.recompute(now=books.NOW))
        again = middle([_timed(lambda: scores.recompute(now=books.NOW)) for _ in range(RUNS)])
        report.say(f"scores of {entities:,} entities: in SQL {in_sql:.2f} s, in Python {in_python:.2f} s")
        report.bound("scored in SQL / in Python", in_sql / in_python, most=0.5)
        report.say(f"  made anew at first {first:.2f} s, with envelopes; without a change {again:.2f} s")
        report.bound("made anew when nothing changed / scored in Python", again / in_python, most=0.8)


def _timed(deed: Callable[[], object]) -> float:
    begun = time.perf_counter()
    deed()
    return time.perf_counter() - begun


def _terms() -> dict[str, Any]:
    return {"now": books.NOW, **worth_policy.terms(worth_policy.get())}


def _in_sql() -> dict[tuple[str, str], Decimal]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT entity_type, entity_id, score FROM ({scores.SCORED}) AS s", _terms())
        return {(kind, name): score for kind, name, score in cursor.fetchall()}


def _in_python() -> dict[tuple[str, str], Decimal]:
    """Read the rows and work out each score by the arithmetic."""
    terms = _terms()
    seen: dict[tuple[str, str], list[tuple[str, str, str]]] = defaultdict(list)
    given: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(dict)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_SEEN, terms)
        for kind, name, *what in cursor.fetchall():
            seen[kind, name].append(tuple(what))
        cursor.execute(_JUDGED, terms)
        for kind, name, component, value in cursor.fetchall():
            given[kind, name][component] = value
    made = {}
    for entity in seen.keys() | given.keys():
        parts = scoring.components(given[entity], scoring.counts(seen[entity]), terms)
        made[entity] = scoring.score(parts, terms)
    return made
