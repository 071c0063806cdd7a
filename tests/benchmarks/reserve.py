"""Reserve and settle from 8 processes: at the function, as bare calls, and as the statements of a careful hand."""

from __future__ import annotations

import random
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import psycopg
from django.db import connection

from economics import admission
from economics.models import Reservation
from tests import cluster
from tests.benchmarks import books, processes
from tests.benchmarks.report import Report, middle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROCESSES: Final = 8
ROUNDS: Final = 3
RESERVE, SETTLE = admission._RESERVE, admission._SETTLE  # noqa: SLF001 - the very calls
TOKENS, INPUT, OUTPUT = 500, 400, 100
USD: Final = Decimal("0.00008")  # of these tokens, by the price list of model-1

# Tables like ours that nothing follows by itself: what moves in them is moved by the statements below.
TABLES: Final = """
CREATE TABLE plain_counters (LIKE economics_counters INCLUDING ALL);
CREATE TABLE plain_reservations (LIKE economics_reservations INCLUDING ALL);
CREATE TABLE plain_usage (LIKE resource_usage INCLUDING ALL);
"""
# What admission must know: may this envelope spend, in which tier, at which price, on which lines.
LOOK: Final = """
SELECT b.id, b.state, m.tier_id, p.id, p.rate, p.output_rate, y.request_token_cap,
       ARRAY(SELECT l.id FROM economics_lines l WHERE l.envelope_id = b.id AND l.resource_type = 'llm_tokens'
                AND l.qualifier IN ('', m.tier_id) ORDER BY l.id)
       || (SELECT l.id FROM economics_lines l WHERE l.envelope_id IS NULL)
  FROM resource_budgets b, economics_policy y, economics_models m
 CROSS JOIN LATERAL (SELECT id, rate, output_rate FROM economics_prices
                      WHERE resource_type = 'llm_tokens' AND name = m.name AND withdrawn_at IS NULL
                        AND effective_from <= %(now)s ORDER BY effective_from DESC LIMIT 1) p
 WHERE b.entity_type = 'hypothesis' AND b.entity_id = %(entity)s AND m.name = 'model-1' AND m.is_enabled
   AND NOT EXISTS (SELECT FROM economics_pauses WHERE ended_at IS NULL
                      AND (agent_id IS NULL OR agent_id = %(agent)s))
"""
OPEN: Final = """
INSERT INTO plain_counters (line_id, window_start) SELECT unnest(%(lines)s::bigint[]), %(day)s ON CONFLICT DO NOTHING
"""
LOCK: Final = """
SELECT line_id, settled, held FROM plain_counters WHERE line_id = ANY(%(lines)s) AND window_start = %(day)s
 ORDER BY line_id FOR NO KEY UPDATE
"""
LIMITS: Final = """
SELECT l.id, CASE WHEN b.id IS NULL THEN l.base ELSE floor(l.base * (1 + b.market_weight)) END
             + coalesce((SELECT sum(amount) FROM economics_grants g WHERE g.line_id = l.id AND g.ended_at IS NULL
                            AND %(day)s BETWEEN g.first_window AND g.last_window), 0)
  FROM economics_lines l LEFT JOIN resource_budgets b ON b.id = l.envelope_id WHERE l.id = ANY(%(lines)s)
"""
HOLD: Final = """
UPDATE plain_counters SET held = held + CASE line_id WHEN %(fleet)s THEN %(usd)s ELSE %(tokens)s END
 WHERE line_id = ANY(%(lines)s) AND window_start = %(day)s
"""
INSERT: Final = """
INSERT INTO plain_reservations (agent_id, envelope_id, resource_type, model, tier, amount, input_tokens, output_tokens,
                                usd, price_id, reserved_at, expires_at)
VALUES (%(agent)s, %(envelope)s, 'llm_tokens', 'model-1', %(tier)s, %(tokens)s, %(input)s, %(output)s, %(usd)s,
        %(price)s, %(now)s, %(now)s + interval '10 minutes') RETURNING id
"""
FIND: Final = "SELECT * FROM plain_reservations WHERE id = %(id)s AND state = 'open' FOR NO KEY UPDATE"
CLOSE: Final = "UPDATE plain_reservations SET state = 'settled', closed_at = %(now)s WHERE id = %(id)s"
USED: Final = """
INSERT INTO plain_usage (entity_type, entity_id, resource_type, amount, input_tokens, output_tokens, cost, price_id,
                         rate, output_rate, model, tier, agent_id, reservation_id, source, event_id, created_at,
                         recorded_at)
VALUES ('hypothesis', %(entity)s, 'llm_tokens', %(tokens)s, %(input)s, %(output)s, %(usd)s, %(price)s, %(rate)s,
        %(output_rate)s, 'model-1', %(tier)s, %(agent)s, %(id)s, 'reservation', 'reservation:' || %(id)s::text, %(now)s,
        %(now)s)
"""
SPEND: Final = """
UPDATE plain_counters SET held = held - CASE line_id WHEN %(fleet)s THEN %(usd)s ELSE %(tokens)s END,
                          settled = settled + CASE line_id WHEN %(fleet)s THEN %(usd)s ELSE %(tokens)s END
 WHERE line_id = ANY(%(lines)s) AND window_start = %(day)s
"""


def pairs(report: Report, server: str, *, each: int) -> None:
    """Measure each kind in turn, on one envelope that everybody wants and on 1,000; the fleet's line is on in both."""
    for envelopes in (1, 1_000):
        with books.built(server, envelopes=envelopes) as url, cluster.pointed_at(url):
            with psycopg.connect(url) as session:
                session.execute(TABLES)
            kinds = {"plain": _plain(url, envelopes, each), "bare": _bare(url, envelopes, each)}
            kinds["ours"] = _ours(envelopes, each)
            rates: dict[str, list[float]] = {kind: [] for kind in kinds}
            for turn in range(-1, ROUNDS):  # the first warms up
                for kind, work in kinds.items():
                    rate = processes.rate(work, processes=PROCESSES)
                    if turn >= 0:
                        rates[kind].append(rate)
            _nothing_held()
        plain, bare, ours = (middle(rates[kind]) for kind in kinds)
        report.say(
            f"reserve + settle, {PROCESSES} processes, {envelopes:,} envelopes and the fleet's line, {each} pairs each"
        )
        report.say(f"  plain SQL {plain:,.0f} pairs/s, the two functions by psycopg {bare:,.0f}, admission {ours:,.0f}")
        report.bound(f"reserve + settle / plain SQL, {envelopes:,} envelopes", ours / plain, least=0.75)
        report.say(f"  reserve + settle / the two functions by psycopg: {ours / bare:.2f}")


def _entities(number: int, envelopes: int, each: int) -> Iterator[str]:
    chance = random.Random(number)  # noqa: S311 - no secret
    return (f"h{chance.randint(1, envelopes)}" for _ in range(each))


def _ours(envelopes: int, each: int) -> Callable[[int], Callable[[], int]]:
    def prepare(number: int) -> Callable[[], int]:
        connection.ensure_connection()
        agent = f"agent-{1 + number}"

        def run() -> int:
            for entity in _entities(number, envelopes, each):
                got = admission.reserve(_ask(entity), agent_id=agent, now=books.NOW)
                if not isinstance(got, Reservation):
                    raise got
                spent = admission.Spent(amount=Decimal(TOKENS), input_tokens=INPUT, output_tokens=OUTPUT)
                admission.settle(got.pk, spent, now=books.NOW, agent_id=agent)
            return each

        return run

    return prepare


def _ask(entity: str) -> admission.Ask:
    return admission.Ask(
        entity_type="hypothesis",
        entity_id=entity,
        resource_type="llm_tokens",
        amount=Decimal(TOKENS),
        input_tokens=INPUT,
        output_tokens=OUTPUT,
        model="model-1",
    )


def _bare(url: str, envelopes: int, each: int) -> Callable[[int], Callable[[], int]]:
    """Call the two functions of the database as they are, each in BEGIN and COMMIT."""

    def prepare(number: int) -> Callable[[], int]:
        session = psycopg.connect(url, cursor_factory=psycopg.ClientCursor)
        terms = {"agent_id": f"agent-{1 + number}", "seconds": None, "now": books.NOW, "sweep": False}
        spent: dict[str, Any] = {
            "amount": TOKENS,
            "input_tokens": INPUT,
            "output_tokens": OUTPUT,
            "reported_cost": None,
        }
        spent |= {"cache_read_tokens": None, "cache_write_tokens": None, **terms}

        def run() -> int:
            for entity in _entities(number, envelopes, each):
                (reserved, *_rest) = _row(session.execute(RESERVE, {**asdict(_ask(entity)), **terms}))
                session.commit()
                _row(session.execute(SETTLE, {**spent, "id": reserved}))
                session.commit()
            return each

        return run

    return prepare


def _plain(url: str, envelopes: int, each: int) -> Callable[[int], Callable[[], int]]:
    """Send the statements one by one, as they are written where no function is to hand."""

    def prepare(number: int) -> Callable[[], int]:
        session = psycopg.connect(url, cursor_factory=psycopg.ClientCursor)
        same = {"agent": f"agent-{1 + number}", "now": books.NOW, "day": books.NOW.replace(hour=0), "usd": USD}
        same |= {"tokens": TOKENS, "input": INPUT, "output": OUTPUT}

        def run() -> int:
            for entity in _entities(number, envelopes, each):
                terms = {**same, "entity": entity}
                _reserve(session, terms)
                session.commit()
                _settle(session, terms)
                session.commit()
            return each

        return run

    return prepare


def _row(cursor: psycopg.Cursor[Any]) -> tuple[Any, ...]:
    return cursor.fetchone() or ()


def _reserve(session: psycopg.Connection[Any], terms: dict[str, Any]) -> None:
    envelope, state, tier, price, rate, output_rate, cap, lines = _row(session.execute(LOOK, terms))
    if state == "frozen" or (cap is not None and cap < TOKENS):
        raise AssertionError
    terms |= {"envelope": envelope, "tier": tier, "price": price, "rate": rate, "output_rate": output_rate}
    terms |= {"lines": lines, "fleet": lines[-1]}
    counters = session.execute(LOCK, terms).fetchall()
    if len(counters) < len(lines):
        session.execute(OPEN, terms)
        counters = session.execute(LOCK, terms).fetchall()
    limits = dict(session.execute(LIMITS, terms).fetchall())
    for line, settled, held in counters:
        asked = USD if line == terms["fleet"] else TOKENS
        if limits[line] is not None and settled + held + asked > limits[line]:
            raise AssertionError
    session.execute(HOLD, terms)
    (terms["id"],) = _row(session.execute(INSERT, terms))


def _settle(session: psycopg.Connection[Any], terms: dict[str, Any]) -> None:
    _row(session.execute(FIND, terms))
    session.execute(CLOSE, terms)
    session.execute(USED, terms)
    session.execute(LOCK, terms).fetchall()
    session.execute(SPEND, terms)


def _nothing_held() -> None:
    """Check that everything was counted: no hold is left, and the lines hold what was used."""
    with connection.cursor() as cursor:
        for counters, usage in (("economics_counters", "resource_usage"), ("plain_counters", "plain_usage")):
            cursor.execute(
                f"""
                SELECT (SELECT sum(held) FROM {counters}), (SELECT sum(amount) FROM {usage}),
                       (SELECT sum(c.settled) FROM {counters} c JOIN economics_lines l ON l.id = c.line_id
                         WHERE l.envelope_id IS NOT NULL AND l.qualifier = '')
                """
            )
            held, used, counted = cursor.fetchone()
            if held or used != counted:
                message = f"{counters}: {held} held, {counted} counted of {used}"
                raise AssertionError(message)
