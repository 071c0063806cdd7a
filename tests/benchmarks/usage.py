"""Recording usage in bulk: at the function, from NDJSON, against the same SQL fed from a file, and bare COPY."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from economics import events, intake, metering
from tests import cluster
from tests.benchmarks import books
from tests.benchmarks.report import Report, middle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from economics.events import Event

ENVELOPES: Final = 200
INCOMING, COPY, RECORD = metering._INCOMING, metering._COPY, metering._RECORD  # noqa: SLF001 - what is measured
COLUMNS: Final = (
    *("entity_type", "entity_id", "resource_type", "amount", "input_tokens", "output_tokens", "cost", "price_id"),
    *("rate", "output_rate", "model", "tier", "agent_id", "source", "event_id", "created_at", "recorded_at"),
)
HEAP: Final = "CREATE TABLE heap (LIKE resource_usage INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING GENERATED)"
LAWS: Final = "CREATE TABLE without_triggers (LIKE resource_usage INCLUDING ALL)"


def bulk(report: Report, server: str, *, batches: int) -> None:
    """Measure each kind in turn, batch by batch, on rows that nobody has recorded before."""
    with (
        books.built(server, envelopes=ENVELOPES) as url,
        cluster.pointed_at(url),
        psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as session,
    ):
        session.execute(HEAP)
        session.execute(LAWS)
        session.commit()
        kinds: dict[str, Callable[[int, int], float]] = {
            "plain": lambda first, size: _plain(session, first, size),
            "ours": _ours,
            "ndjson": _from_ndjson,
            "heap": lambda first, size: _bare(session, "heap", first, size),
            "laws": lambda first, size: _bare(session, "without_triggers", first, size),
            "triggers": lambda first, size: _bare(session, "resource_usage", first, size),
        }
        first = 0
        for size, rounds in ((10_000, batches), (1_000, 3 * batches)):
            rates: dict[str, list[float]] = {kind: [] for kind in kinds}
            for turn in range(-2, rounds):  # the first two warm up
                for kind, record in kinds.items():
                    seconds = record(first, size)
                    first += size
                    if turn >= 0:
                        rates[kind].append(size / seconds)
            _say(report, size, rounds, {kind: middle(found) for kind, found in rates.items()})
        _all_counted(session)


def _say(report: Report, size: int, rounds: int, rate: dict[str, float]) -> None:
    report.say(f"record_many, batches of {size:,}, {ENVELOPES} envelopes with 4 lines each, {rounds} of each kind")
    report.say(
        f"  the same SQL fed from a file {rate['plain']:,.0f} events/s, record_many {rate['ours']:,.0f}, "
        f"from NDJSON {rate['ndjson']:,.0f}"
    )
    report.bound("record_many / the same SQL fed from a file", rate["ours"] / rate["plain"], least=0.7)
    if size == metering.MOST_AT_ONCE:
        report.bound("record_many, events/s", rate["ours"], least=20_000)
    for kind, name in (
        ("triggers", "resource_usage, triggers and all"),
        ("laws", "a table like it without triggers"),
        ("heap", "its bare columns"),
    ):
        report.say(f"  record_many / COPY into {name} ({rate[kind]:,.0f}/s): {rate['ours'] / rate[kind]:.2f}")


def _plain(session: psycopg.Connection[Any], first: int, size: int) -> float:
    block = _block(_incoming(place, event) for place, event in enumerate(_events(first, size)))
    begun = time.perf_counter()
    session.execute(INCOMING)
    with session.cursor() as cursor:
        with cursor.copy(COPY) as copy:
            copy.write(block)
        cursor.execute(RECORD, {"now": books.NOW})
        cursor.fetchall()
    session.commit()
    return time.perf_counter() - begun


def _ours(first: int, size: int) -> float:
    batch = _events(first, size)
    begun = time.perf_counter()
    metering.record_many(batch, agent_id="agent-1", now=books.NOW)
    return time.perf_counter() - begun


def _from_ndjson(first: int, size: int) -> float:
    body = b"".join(_line(event) for event in _events(first, size))
    begun = time.perf_counter()
    found = intake.batch(body, intake.NDJSON, now=books.NOW, most=metering.MOST_AT_ONCE)
    batch = [event for event in found if isinstance(event, events.Event)]
    metering.record_many(batch, agent_id="agent-1", now=books.NOW)
    seconds = time.perf_counter() - begun
    if len(batch) != size:
        message = f"{size - len(batch)} lines are no events: {found[0]}"
        raise AssertionError(message)
    return seconds


def _bare(session: psycopg.Connection[Any], table: str, first: int, size: int) -> float:
    block = _block(_finished(event) for event in _events(first, size))
    columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
    begun = time.perf_counter()
    with session.cursor() as cursor, cursor.copy(into) as copy:
        copy.write(block)
    session.commit()
    return time.perf_counter() - begun


def _events(first: int, size: int) -> list[Event]:
    return books.events(first, size, envelopes=ENVELOPES)


def _block(rows: Iterable[Iterable[object]]) -> bytes:
    """Return rows as a prepared file for COPY."""
    return "".join("\t".join("\\N" if v is None else str(v) for v in row) + "\n" for row in rows).encode()


def _incoming(place: int, event: Event) -> tuple[Any, ...]:
    return metering._row(place, event, "agent-1", books.NOW, None)  # noqa: SLF001 - the very columns


def _finished(e: Event) -> tuple[object, ...]:
    """Return the row as it is stored, priced by somebody else."""
    return (
        *(e.entity_type, e.entity_id, e.resource_type, e.amount, e.input_tokens, e.output_tokens, "0.00012", 1),
        *("0.0000001", "0.0000004", e.model, "small", "agent-1", e.source, e.event_id, e.created_at, books.NOW),
    )


def _line(e: Event) -> bytes:
    said = {
        "entity_type": e.entity_type,
        "entity_id": e.entity_id,
        "resource_type": e.resource_type,
        "input_tokens": e.input_tokens,
        "output_tokens": e.output_tokens,
        "model": e.model,
        "source": e.source,
        "event_id": e.event_id,
        "created_at": e.created_at and e.created_at.isoformat(),
    }
    return json.dumps(said).encode() + b"\n"


def _all_counted(session: psycopg.Connection[Any]) -> None:
    """Check that the counters hold what the rows say: nothing was skipped to be quick."""
    rows, used, counted = session.execute(
        """
        SELECT (SELECT count(*) FROM resource_usage), (SELECT sum(amount) FROM resource_usage),
               (SELECT sum(c.settled) FROM economics_counters c JOIN economics_lines l ON l.id = c.line_id
                 WHERE l.envelope_id IS NOT NULL AND l.qualifier = '')
        """
    ).fetchone() or (0, 0, 0)
    if not rows or used != counted:
        message = f"{rows} rows used {used}, of which {counted} are counted"
        raise AssertionError(message)
