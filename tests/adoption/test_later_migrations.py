"""Migrations that come after an adoption change tables of others as they change ours."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, models

from auction import audit
from config.adoption import migrating
from economics import arrivals
from economics.models import Usage
from governance.models import Proposal
from tests import legacy_worlds

if TYPE_CHECKING:
    from collections.abc import Callable

    World = Callable[[str], str]

_WRITTEN = """
INSERT INTO public.resource_usage (entity_type, entity_id, resource_type, amount, cost, model, created_at)
VALUES ('hypothesis', 'written-meanwhile', 'llm_tokens', 7, 0.5, 'gpt-4o', '2026-02-20 12:00+00')
"""


def _asked(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, options="-c search_path=public") as session:
        cursor = session.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def _migrated() -> None:
    """Do what a migration might: a column, an index and a law on usage, and a table that points at proposals."""
    column = models.TextField(db_default="here")
    column.set_attributes_from_name("region")
    column.model = Usage
    with connection.schema_editor() as editor:
        editor.add_field(Usage, column)
        editor.execute("CREATE INDEX usage_by_region ON resource_usage (region, id DESC)")
        editor.execute("ALTER TABLE resource_usage ADD CONSTRAINT usage_region_named CHECK (region <> '')")
        editor.execute("CREATE TABLE notes (proposal_id bigint NOT NULL REFERENCES allocation_proposals (id))")


@pytest.mark.parametrize("name", ["minimal", "broad"])
def test_a_later_migration_reaches_the_tables_of_others(name: str, adopted: World) -> None:
    url = adopted(name)
    before = legacy_worlds.figures(url, columns := legacy_worlds.untouched(legacy_worlds.old_columns(url)))
    rows = Usage.objects.count()
    migrating.make_room([object()])
    _asked(url, _WRITTEN)
    _migrated()
    migrating.follow()

    assert Usage.objects.count() == rows + 1
    assert _asked(url, "SELECT DISTINCT region FROM public.resource_usage") == [("here",)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT region FROM resource_usage")
        assert cursor.fetchall() == [("here",)]
        cursor.execute("SELECT confrelid::regclass::text FROM pg_constraint WHERE conrelid = 'notes'::regclass")
        assert ("public.allocation_proposals",) in cursor.fetchall()
    assert _asked(url, "SELECT 1 FROM pg_constraint WHERE conname = 'economy_usage_region_named'") == [(1,)]
    assert _asked(url, "SELECT 1 FROM pg_class WHERE relname = 'economy_usage_by_region'") == [(1,)]
    after = legacy_worlds.figures(url, columns)
    for table in legacy_worlds.TABLES:
        assert after[table].rows == before[table].rows + (table == "resource_usage"), table

    arrivals.drain_all()
    assert audit.differences() == []
    call_command("verify_schema", stdout=io.StringIO())
    draft = Proposal.objects.create(entity_type="hypothesis", entity_id="h", proposer_id="somebody")
    assert Proposal.objects.filter(pk=draft.pk).exists()


def test_a_migration_that_failed_is_made_good_by_the_next(adopted: World) -> None:
    url = adopted("half")
    rows = Usage.objects.count()
    migrating.make_room([object()])
    assert Usage.objects.count() == 0  # our own table, which is empty: nothing of this application may run
    _asked(url, _WRITTEN)
    call_command("migrate", verbosity=0, interactive=False)
    assert Usage.objects.count() == rows + 1
    arrivals.drain_all()
    assert audit.differences() == []
    call_command("verify_schema", stdout=io.StringIO())
    call_command("adopt", "--undo", "--drop", "economy", stdout=io.StringIO())
