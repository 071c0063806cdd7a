"""The worlds and the tools that prove nothing was harmed, proved themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests import legacy_worlds, old_writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALL = [*legacy_worlds.KEYS, *legacy_worlds.REFUSED]
LAWFUL = {"minimal": 400, "broad": 507, "half": 300, "textkeys": 120}
ROLES = {"broad": "legacy_writer"}


def _asked(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as session:
        return session.execute(query.encode()).fetchall()


@pytest.mark.parametrize("name", ALL)
def test_every_world_is_built_the_same_each_time(name: str, legacy: Callable[[str], str]) -> None:
    url = legacy(name)
    columns = legacy_worlds.old_columns(url)
    first, dump = legacy_worlds.figures(url, columns), legacy_worlds.schema_dump(url)
    with psycopg.connect(url) as session:
        session.execute("DROP SCHEMA public CASCADE")
        session.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
        session.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
        session.execute("COMMENT ON SCHEMA public IS 'standard public schema'")
    legacy_worlds.build(url, name)
    assert legacy_worlds.old_columns(url) == columns
    assert legacy_worlds.figures(url, columns) == first
    assert legacy_worlds.schema_dump(url) == dump


@pytest.mark.parametrize(("name", "key"), legacy_worlds.KEYS.items())
def test_usage_has_the_key_and_the_rows_it_is_said_to_have(name: str, key: str, legacy: Callable[[str], str]) -> None:
    url = legacy(name)
    of_key = "attrelid = 'public.resource_usage'::regclass AND attname = 'id'"
    kind = _asked(url, f"SELECT format_type(atttypid, -1) FROM pg_attribute WHERE {of_key}")
    assert kind == [(key,)]
    odd = [row.key for row in legacy_worlds.odd_rows(name) if row.table == "resource_usage"]
    rows = legacy_worlds.rows(url, "resource_usage", ["id"])
    assert len(rows) == LAWFUL[name] + len(odd)
    assert set(odd) <= {row[0] for row in rows}


def test_every_odd_row_is_there(legacy: Callable[[str], str]) -> None:
    url = legacy("broad")
    there = {(table, row[0]) for table in legacy_worlds.TABLES for row in legacy_worlds.rows(url, table, ["id"])}
    assert {(row.table, row.key) for row in legacy_worlds.odd_rows("broad")} <= there


def test_a_checksum_sees_one_value_that_changed_but_no_order(legacy: Callable[[str], str]) -> None:
    url = legacy("broad")
    columns = legacy_worlds.old_columns(url)["resource_usage"]
    before = legacy_worlds.checksum(url, "resource_usage", columns)
    with psycopg.connect(url) as session:  # each row is written anew, in another place
        session.execute("ALTER TABLE resource_usage DISABLE TRIGGER USER")
        session.execute("UPDATE resource_usage SET amount = amount")
    assert legacy_worlds.checksum(url, "resource_usage", columns) == before
    with psycopg.connect(url) as session:
        session.execute("UPDATE resource_usage SET note = '' WHERE id = md5('usage 1')::uuid")
    assert legacy_worlds.checksum(url, "resource_usage", columns) != before


def test_mirrors_that_somebody_left_behind_are_told(legacy: Callable[[str], str]) -> None:
    assert list(legacy_worlds.strays(legacy("half"))) == [
        "resource_usage.amount_used differs in 101 rows, such as 201",
        "resource_usage.timestamp differs in 101 rows, such as 201",
        "allocation_proposals.requested_amount differs in 10 rows, such as 21",
        "allocation_proposals.proposer differs in 11 rows, such as 21",
        "allocation_proposals.votes differs in 10 rows, such as 11",
    ]


def test_the_roles_may_do_what_they_are_for(legacy: Callable[[str], str]) -> None:
    url = legacy("broad")
    insert = "INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount) VALUES ('a', 'b', 'c', 1)"
    with psycopg.connect(url, options="-c role=legacy_writer", autocommit=True) as session:
        session.execute(insert)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("SELECT * FROM resource_usage")
    with psycopg.connect(url, options="-c role=legacy_reader") as session:
        session.execute("SELECT * FROM usage_of_days")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(insert)
    assert _asked(url, "SELECT count(*) FROM usage_audit AS a JOIN resource_usage AS u ON u.id = a.usage_id") == [
        (526,)
    ]


@pytest.mark.parametrize("name", legacy_worlds.KEYS)
def test_an_old_writer_writes_in_every_world(name: str, legacy: Callable[[str], str], tmp_path: Path) -> None:
    url, out = legacy(name), tmp_path / "told.json"
    columns = {"resource_usage": ("id",), "allocation_proposals": ("id",)}
    before = legacy_worlds.figures(url, columns)
    arguments = ["--out", str(out), "--seconds", "2", "--connections", "3", "--role", ROLES.get(name, "")]
    subprocess.run([sys.executable, "-m", "tests.old_writer", url, *arguments], check=True, timeout=60)
    told = json.loads(out.read_text())
    assert told["failures"] == []
    after = legacy_worlds.figures(url, columns)
    assert told["tried"] == len(told["committed"]) + len(told["odd"])
    assert after["resource_usage"].rows == before["resource_usage"].rows + told["tried"]
    assert after["allocation_proposals"].rows == before["allocation_proposals"].rows + len(told["proposals"]) > 0
    marks = _asked(url, f"SELECT artifact_id FROM public.resource_usage WHERE artifact_type = '{old_writer.MARK}'")
    assert sorted(mark for (mark,) in marks if isinstance(mark, str)) == sorted(told["committed"] + told["odd"])
    assert told["odd"]
    assert told["longest"]["ms"] > 0


def test_an_old_writer_stops_when_it_is_told_to(legacy: Callable[[str], str], tmp_path: Path) -> None:
    url, out = legacy("minimal"), tmp_path / "told.json"
    command = [sys.executable, "-m", "tests.old_writer", url, "--out", str(out), "--seconds", "600"]
    process = subprocess.Popen(command)
    while not _asked(url, f"SELECT FROM resource_usage WHERE artifact_type = '{old_writer.MARK}' LIMIT 1"):
        assert process.poll() is None
    process.terminate()
    assert process.wait(60) == 0
    assert json.loads(out.read_text())["failures"] == []


def test_an_old_writer_tells_what_failed(legacy: Callable[[str], str], tmp_path: Path) -> None:
    url, out = legacy("half"), tmp_path / "told.json"
    law = "ADD CONSTRAINT no_such CHECK (artifact_type <> 'old_writer') NOT VALID"
    with psycopg.connect(url) as session:
        session.execute(f"ALTER TABLE resource_usage {law}".encode())
    command = [sys.executable, "-m", "tests.old_writer", url, "--out", str(out), "--seconds", "0.3"]
    subprocess.run(command, check=True, timeout=60)
    told = json.loads(out.read_text())
    assert told["committed"] == []
    assert "23514 CheckViolation" in told["failures"][0]
