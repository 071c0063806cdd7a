"""Whose a row is, the adoption alone says: nobody gets rid of a law, or of being counted, by saying otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.core.management import call_command

from tests import legacy_worlds, taken_over

if TYPE_CHECKING:
    from collections.abc import Callable

    World = Callable[[str], str]

PARTS = "SELECT economy_part, count(*)::int FROM resource_usage WHERE entity_id = 'copied' GROUP BY 1 ORDER BY 1"


def _session(url: str, role: str = "") -> psycopg.Connection[Any]:
    path = "-c search_path=public"
    return psycopg.connect(url, autocommit=True, options=f"{path} -c role={role}" if role else path)


@pytest.mark.parametrize("name", legacy_worlds.KEYS)
@pytest.mark.parametrize("table", legacy_worlds.TABLES)
def test_nobody_says_of_a_row_that_it_is_anothers(table: str, name: str, adopted: World) -> None:
    changed = f"UPDATE {table} SET economy_part = economy_part + 1"
    with _session(adopted(name)) as session, pytest.raises(psycopg.errors.CheckViolation, match="law part_is_fixed"):
        session.execute(changed.encode())


def test_a_program_that_copies_whole_rows_is_counted_once(adopted: World) -> None:
    url = adopted("broad")
    with _session(url) as session:
        session.execute(
            "INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount, economy_part)"
            " SELECT 'hypothesis', 'copied', 'llm_tokens', 1, part FROM unnest('{-1, 0, 1, 7}'::int[]) AS part"
        )
    assert taken_over.asked(url, PARTS) == [(1, 4)]
    taken_over.is_whole(url)


def test_a_row_under_a_new_key_is_counted_once(adopted: World) -> None:
    url = adopted("broad")
    with _session(url, "legacy_owner") as session:
        session.execute(
            "INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount)"
            " VALUES ('hypothesis', 'mended', 'llm_tokens', -4), ('hypothesis', 'priced', 'llm_tokens', 4)"
        )
        session.execute(
            "UPDATE resource_usage SET id = gen_random_uuid(), economy_id = 1000000, amount = 4"
            " WHERE entity_id = 'mended'"
        )
        session.execute("UPDATE resource_usage SET id = gen_random_uuid(), cost = 1 WHERE entity_id = 'priced'")
    taken_over.is_whole(url)


def test_others_write_where_nobody_may_run_a_function_by_default(found: World) -> None:
    url = found("broad")
    with _session(url) as session:
        session.execute("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA economy FROM PUBLIC")
    call_command("adopt", verbosity=0)
    with _session(url, "legacy_writer") as session:
        session.execute(
            "INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount, model)"
            " VALUES ('hypothesis', 'x-001', 'llm_tokens', 3, 'gpt-4o')"
        )
        session.execute("INSERT INTO allocation_proposals (entity_type) VALUES ('hypothesis')")
    with _session(url, "legacy_owner") as session:
        session.execute("UPDATE resource_usage SET note = 'seen' WHERE entity_id = 'x-001'")
        session.execute("UPDATE token_accounts SET currency = 'eur'")
        session.execute("UPDATE quest_budget_allocations SET budget_usd = 1")
    taken_over.is_whole(url)


def test_columns_of_theirs_may_have_any_name(found: World) -> None:
    url = found("minimal")
    columns = ", ".join(f'ADD COLUMN "{name}" text' for name in ("table", "schema", "{0}", 'a ""b"" %s', "it's"))
    with _session(url) as session:
        for table in legacy_worlds.TABLES:
            session.execute(f"ALTER TABLE {table} {columns}".encode())
    call_command("adopt", verbosity=0)
    taken_over.is_whole(url)
    dump = legacy_worlds.schema_dump(url)
    assert "resource_usage: 400 rows, of them 400 ours" in taken_over.adopt("--report")
    taken_over.adopt("--undo", "--drop", "economy")
    assert "economy" not in legacy_worlds.schema_dump(url)
    assert "economy" in dump
