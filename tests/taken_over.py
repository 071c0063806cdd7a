"""What must be true of a database that was taken over, whatever happened on the way."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from django.core.management import CommandError, call_command

from auction import audit
from economics import arrivals
from tests import adoptions, legacy_worlds, old_writer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
# Every lawful row by day and kind: what is counted equals what stands there.
_ROWS: Final = """
SELECT (created_at AT TIME ZONE zone)::date, entity_type, entity_id, resource_type, sum(round(amount, 6)),
       sum(round(coalesce(cost, 0), 12)), count(*)
  FROM economy.resource_usage CROSS JOIN economy.economics_policy p WHERE p.id = 1
 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
_COUNTED: Final = """
SELECT day, entity_type, entity_id, resource_type, sum(amount), sum(cost), sum(events)::bigint
  FROM economy.economics_usage_days GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
_PARTS: Final = "SELECT economy_part, count(*) FROM public.{} GROUP BY 1 ORDER BY 1"
_OF_WRITER: Final = "SELECT artifact_id FROM economy.resource_usage WHERE artifact_type = %s"
ROLE: Final = {"broad": "legacy_writer"}  # who may insert, and nothing else


def adopt(*arguments: str) -> str:
    """Adopt the database that Django points at; return what it says, or the code with which it refused."""
    out = io.StringIO()
    try:
        call_command("adopt", *arguments, stdout=out, stderr=out)
    except CommandError as refusal:
        return str(refusal).partition(":")[0]
    return out.getvalue()


def asked(url: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Return the answer of a database to a question."""
    with psycopg.connect(url, options="-c search_path=public") as session:
        return session.execute(query.encode(), values or None).fetchall()


def schemas(url: str) -> str:
    """Return theirs and ours as pg_dump tells them."""
    return legacy_worlds.schema_dump(url) + legacy_worlds.schema_dump(url, "economy")


def parts(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return how many rows of each table are whose."""
    return {table: asked(url, _PARTS.format(table)) for table in legacy_worlds.TABLES}


def is_whole(url: str) -> None:
    """Check that contract, books and counters hold: every lawful row is counted, and once."""
    with adoptions.pointed_at(url):
        arrivals.drain_all()
        assert asked(url, "SELECT count(*) FROM economy.economics_arrivals") == [(0,)]
        assert asked(url, _COUNTED) == asked(url, _ROWS)
        assert list(legacy_worlds.strays(url)) == []
        out = io.StringIO()
        call_command("verify_schema", "--json", stdout=out)
        assert json.loads(out.getvalue())["passed"]
        assert audit.differences() == []


@contextlib.contextmanager
def written(
    url: str, folder: Path, *, role: str = "", connections: int = 2, rest: float = 0
) -> Iterator[dict[str, Any]]:
    """Let an old writer write meanwhile, at full speed or with a rest (seconds) after each deed.

    What it tells is there afterwards, and nothing of it failed.
    """
    out, until = folder / "told.json", folder / "until"
    command = [sys.executable, "-m", "tests.old_writer", url, "--out", str(out), "--until", str(until), "--role", role]
    writer = subprocess.Popen(
        [*command, "--seconds", "600", "--connections", str(connections), "--rest", str(rest)], cwd=ROOT
    )
    told: dict[str, Any] = {}
    try:
        yield told
    finally:
        until.touch()
        writer.wait(60)
    told.update(json.loads(out.read_text()))
    assert told["failures"] == []
    there = {mark for (mark,) in asked(url, _OF_WRITER, old_writer.MARK)}
    assert there == set(told["committed"])
    assert there
