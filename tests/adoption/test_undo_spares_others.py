"""What others built on what was added is theirs: nothing of it is dropped by the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from django.core.management import CommandError, call_command

from tests import legacy_worlds, taken_over

if TYPE_CHECKING:
    from collections.abc import Callable

    World = Callable[[str], str]

# What they made, how it is called when an undoing is refused, and how they take it back.
BUILT = {
    "a view of a mirror": (
        "CREATE VIEW report AS SELECT entity_id, amount_used FROM resource_usage",
        "view public.report",
        "DROP VIEW report",
    ),
    "a view of a view of ours": (
        "CREATE VIEW report AS SELECT * FROM economy.resource_usage",
        "view public.report",
        "DROP VIEW report",
    ),
    "a view of a table of ours": (
        "CREATE MATERIALIZED VIEW report AS SELECT * FROM economy.resource_budgets",
        "materialized view public.report",
        "DROP MATERIALIZED VIEW report",
    ),
    "a function": (
        "CREATE FUNCTION days() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM economy.economics_usage_days; END",
        "function public.days()",
        "DROP FUNCTION days",
    ),
    "a foreign key": (
        "CREATE TABLE notes (pool_id bigint CONSTRAINT note_of_pool REFERENCES economy.auction_pools)",
        "constraint note_of_pool on table public.notes",
        "ALTER TABLE notes DROP CONSTRAINT note_of_pool",
    ),
    "a default": (
        "CREATE TABLE notes (number bigint DEFAULT nextval('economy.resource_usage_key'))",
        "default value for column number of table public.notes",
        "ALTER TABLE notes ALTER number DROP DEFAULT",
    ),
    "a constraint on a table that was taken over": (
        "ALTER TABLE resource_usage ADD CONSTRAINT tier_known CHECK (tier <> 'no' OR economy_part = 0) NOT VALID",
        "constraint tier_known on table public.resource_usage",
        "ALTER TABLE resource_usage DROP CONSTRAINT tier_known",
    ),
    "a remark on a proposal of ours": (
        (
            "WITH ours AS (INSERT INTO economy.allocation_proposals"
            " (entity_type, entity_id, requested_tokens, proposer_id, justification, evidence, status)"
            " VALUES ('hypothesis', 'x-001', 5, 'ada', '', '[]', 'draft') RETURNING id)"
            " INSERT INTO proposal_comments (proposal_id, said) SELECT id, 'theirs' FROM ours"
        ),
        "public.proposal_comments: by proposal_comments_proposal_id_fkey, 1 row pointing at what was made through us",
        "DELETE FROM proposal_comments WHERE said = 'theirs'",
    ),
}


def _done(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True, options="-c search_path=public") as session:
        for statement in statements:
            session.execute(statement.encode())


@pytest.mark.parametrize("what", BUILT)
def test_what_others_built_is_told_and_not_dropped(
    what: str, adopted: World, capsys: pytest.CaptureFixture[str]
) -> None:
    url = adopted("broad")
    built, called, taken_back = BUILT[what]
    _done(url, built)
    before = taken_over.schemas(url)
    for arguments in ([], ["--drop", "economy"]):
        with pytest.raises(CommandError, match=r"^cannot_undo: 1 obstacle; nothing was changed\.$"):
            call_command("adopt", "--undo", *arguments)
        assert called in capsys.readouterr().err
    assert taken_over.schemas(url) == before
    _done(url, taken_back)
    assert taken_over.adopt("--undo").endswith("--undo --drop economy\n")


def test_tables_are_given_back_only_where_they_were_taken_over(adopted: World) -> None:
    url = adopted("minimal")
    before = taken_over.schemas(url)
    for arguments in (["--undo", "--drop", "economy"], ["--report"], ["--plan"], []):
        assert taken_over.adopt(*arguments, "--from", "gateway") == "other_from"
    assert taken_over.schemas(url) == before
    assert list(legacy_worlds.strays(url)) == []
