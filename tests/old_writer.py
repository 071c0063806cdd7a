"""A program of another service: it inserts usage by its old SQL as fast as it can, and tells how that went.

    python -m tests.old_writer URL --out told.json --seconds 30 [--until FILE] [--role legacy_writer] [--connections 4]

It ends after so many seconds, when the file appears, or on SIGTERM, whichever comes first. Each row carries a mark of
its own in `artifact_id`, by which it can be found again: a writer that may not read cannot ask for keys. What it tells
is JSON: `committed` (the marks of lawful rows), `odd` (those of rows that break laws of ours), `proposals`, `sums`
(what the lawful rows come to, by resource type), `failures`, the `longest` wait for an answer of the server, and all
`slow` ones, with the times at which they began.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COLUMNS: Final = "entity_type, entity_id, resource_type, amount, cost, model, artifact_type, artifact_id"
INSERT: Final = f"INSERT INTO resource_usage ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
COPY: Final = f"COPY resource_usage ({COLUMNS}) FROM STDIN"
PROPOSE: Final = (
    "INSERT INTO allocation_proposals (entity_type, entity_id, requested_tokens, proposer_id, proposer_agent, "
    "justification) VALUES ('hypothesis', %s, %s, %s, %s, 'More, please.')"
)
MARK: Final = "old_writer"  # the artifact_type of every row
BATCH: Final = 20
PAUSE: Final = 0.05  # seconds that a longer transaction stays open between its rows
PERIOD: Final = 20  # turns until a writer has done everything once
SLOW: Final = 200.0  # ms
Row = tuple[str | None, str | None, str, Decimal | None, Decimal | None, str | None, str, str]


@dataclass
class Told:
    """What became of the rows of one writer."""

    tried: int = 0
    committed: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    proposals: list[str] = field(default_factory=list)
    sums: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    longest: float = 0.0  # ms
    longest_at: str = ""
    slow: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Take the time of one answer."""
        begun, at = time.perf_counter(), datetime.now(UTC)
        try:
            yield
        finally:
            taken = (time.perf_counter() - begun) * 1000
            if taken > SLOW:
                self.slow.append({"ms": round(taken, 1), "at": at.isoformat()})
            if taken > self.longest:
                self.longest, self.longest_at = taken, at.isoformat()

    def keep(self, rows: list[Row]) -> None:
        """Note rows that the server has committed."""
        for row in rows:
            if row[0] is None or row[3] is None or row[3] < 0 or row[2] == "gpu_hours":
                self.odd.append(row[7])
            else:
                self.committed.append(row[7])
                self.sums[row[2]] += row[3]  # type: ignore[assignment]  # a Counter of decimals


class Writer:
    """One connection that writes until it is told to stop: alone, in batches, in long or repeatable transactions."""

    def __init__(
        self, connect: Callable[[], psycopg.Connection[Any]], name: str, stop: threading.Event, rest: float = 0
    ) -> None:
        """Take what connects, a name no other writer has, the sign to stop, and the seconds of rest after each deed."""
        self.told, self._connect, self._name, self._stop, self._rest = Told(), connect, name, stop, rest
        self._numbers = count(1)

    def run(self) -> None:
        """Write; whatever fails is noted, and tried no second time: a lost event is a failure."""
        ways = (self._single, self._batch, self._single, self._copy, self._single, self._long, self._repeatable)
        session = None
        for turn in count():
            if self._stop.is_set():
                break
            rows: list[Row] = []
            try:
                session = session or self._connect()
                ways[turn % len(ways)](session, rows)
                self.told.keep(rows)
                if turn % PERIOD == 0:
                    self._propose(session)
                self._stop.wait(self._rest)
            except psycopg.Error as error:
                at = datetime.now(UTC).isoformat()
                self.told.failures.append(f"{at} {error.sqlstate} {type(error).__name__}: {error}")
                if session is not None:
                    session.close()
                session = None
                self._stop.wait(PAUSE)  # do not fill the file with one fault
        if session is not None:
            session.close()

    def _row(self) -> Row:
        """Return the next row: mostly lawful, one in fifty odd, and without a model every third time."""
        number = next(self._numbers)
        mark, entity = f"{self._name}-{number}", f"w-{number % 40}"
        self.told.tried += 1
        if number % 50 == 0:
            odd: tuple[tuple[str | None, str, Decimal | None], ...] = (
                ("hypothesis", "llm_tokens", Decimal(-5)),
                ("hypothesis", "gpu_hours", Decimal(5)),
                (None, "llm_tokens", Decimal(5)),
                ("hypothesis", "llm_tokens", None),
            )
            entity_type, resource, amount = odd[number // 50 % len(odd)]
            return entity_type, entity, resource, amount, None, None, MARK, mark
        kind = ("llm_tokens", "llm_tokens", "cpu_seconds", "storage_gb_hours", "api_calls")[number % 5]
        is_priced = number % 2 == 0
        return (
            *("hypothesis", entity, kind, Decimal(1 + number % 700)),
            *(Decimal("0.25") if is_priced else None, None if number % 3 else "gpt-4o", MARK, mark),
        )  # fmt: skip

    def _single(self, session: psycopg.Connection[Any], rows: list[Row]) -> None:
        """Insert one row, committed by itself."""
        rows.append(self._row())
        with self.told.timed():
            session.execute(INSERT, rows[0])

    def _batch(self, session: psycopg.Connection[Any], rows: list[Row]) -> None:
        """Insert rows in one statement, as a service does that collects them first."""
        rows += [self._row() for _ in range(BATCH)]
        values = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s)"] * BATCH)
        statement = INSERT.partition("VALUES")[0] + "VALUES " + values
        with self.told.timed():
            session.execute(statement.encode(), [value for row in rows for value in row])

    def _copy(self, session: psycopg.Connection[Any], rows: list[Row]) -> None:
        """Send rows by COPY."""
        rows += [self._row() for _ in range(BATCH)]
        with self.told.timed(), session.cursor() as cursor, cursor.copy(COPY) as copy:
            for row in rows:
                copy.write_row(row)

    def _long(self, session: psycopg.Connection[Any], rows: list[Row], isolation: str = "READ COMMITTED") -> None:
        """Insert a few rows in a transaction that stays open between them."""
        with self.told.timed():
            session.execute(f"BEGIN ISOLATION LEVEL {isolation}".encode())
        for _ in range(3):
            rows.append(self._row())
            with self.told.timed():
                session.execute(INSERT, rows[-1])
            self._stop.wait(PAUSE / 3)
        with self.told.timed():
            session.execute("COMMIT")

    def _repeatable(self, session: psycopg.Connection[Any], rows: list[Row]) -> None:
        """Do so with one view of the data from the first statement on."""
        self._long(session, rows, "REPEATABLE READ")

    def _propose(self, session: psycopg.Connection[Any]) -> None:
        """File a proposal, by a person or by an agent."""
        number = next(self._numbers)
        mark = f"{self._name}-{number}"
        by = ("reviewer-1", None) if number % 2 else (None, "agent-01")
        with self.told.timed():
            session.execute(PROPOSE, [mark, number, *by])
        self.told.proposals.append(mark)


def write(  # noqa: PLR0913 - as the command line has it
    url: str, *, connections: int, stop: threading.Event, role: str = "", name: str = "w", rest: float = 0
) -> dict[str, Any]:
    """Write from so many connections until told to stop; return what is told."""
    options = "-c search_path=public" + (f" -c role={role}" if role else "")

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(url, autocommit=True, options=options, application_name="old writer")

    writers = [Writer(connect, f"{name}-{number}", stop, rest) for number in range(connections)]
    threads = [threading.Thread(target=writer.run, daemon=True) for writer in writers]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _together([writer.told for writer in writers], time.monotonic() - begun)


def _end(stop: threading.Event, seconds: float, until: Path | None) -> None:
    """Tell writers to stop when their time is over, or the file is there."""
    end = time.monotonic() + seconds
    while not stop.wait(0.02):
        if time.monotonic() >= end or (until is not None and until.exists()):
            stop.set()


def _together(all_told: list[Told], seconds: float) -> dict[str, Any]:
    slowest = max(all_told, key=lambda told: told.longest)
    sums: Counter[str] = Counter()
    for told in all_told:
        sums.update(told.sums)
    return {
        "seconds": round(seconds, 3),
        "tried": sum(told.tried for told in all_told),
        "committed": [mark for told in all_told for mark in told.committed],
        "odd": [mark for told in all_told for mark in told.odd],
        "proposals": [mark for told in all_told for mark in told.proposals],
        "sums": {kind: str(total) for kind, total in sorted(sums.items())},
        "failures": [failure for told in all_told for failure in told.failures],
        "slow": [wait for told in all_told for wait in told.slow],
        "longest": {"ms": round(slowest.longest, 1), "at": slowest.longest_at},
    }


def main() -> None:
    """Write as the command line says, and leave what happened in the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--until", type=Path)
    parser.add_argument("--role", default="")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--name", default="w", help="begins the marks of all rows")
    parser.add_argument("--rest", type=float, default=0.0, help="seconds between two deeds of a connection")
    given = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_end, args=(stop, given.seconds, given.until), daemon=True).start()
    told = write(given.url, connections=given.connections, stop=stop, role=given.role, name=given.name, rest=given.rest)
    unfinished = given.out.with_name(f"{given.out.name}.new")
    unfinished.write_text(json.dumps(told))
    unfinished.replace(given.out)


if __name__ == "__main__":
    main()
