"""What is called as ours, or fires where ours could not see it, is told before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from django.core.management import CommandError, call_command

from tests import legacy_worlds

if TYPE_CHECKING:
    from collections.abc import Callable

    World = Callable[[str], str]

TRIGGER = (
    "CREATE FUNCTION rounds() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;"
    "CREATE TRIGGER {} BEFORE {} ON resource_usage FOR EACH ROW EXECUTE FUNCTION rounds()"
)
# What stands there, what is told of it, and how they mend it.
FOUND = {
    "an index": (
        "CREATE INDEX economy_usage_by_entity ON resource_usage (model)",
        'name_taken: "public"."resource_usage" economy_usage_by_entity: this index',
        "ALTER INDEX economy_usage_by_entity RENAME TO by_model",
    ),
    "an index of another table": (
        "CREATE TABLE things (id bigint); CREATE INDEX economy_usage_by_time ON things (id)",
        'name_taken: "public"."things" economy_usage_by_time: this index',
        "ALTER INDEX economy_usage_by_time RENAME TO things_by_id",
    ),
    "a check": (
        "ALTER TABLE token_accounts ADD CONSTRAINT economy_check CHECK (owner_id <> '?')",
        'name_taken: "public"."token_accounts" economy_check: this constraint',
        "ALTER TABLE token_accounts RENAME CONSTRAINT economy_check TO owner_is_known",
    ),
    "a column": (
        "ALTER TABLE quest_budget_allocations ADD economy_part text",
        'name_taken: "public"."quest_budget_allocations" economy_part: this column',
        "ALTER TABLE quest_budget_allocations RENAME COLUMN economy_part TO part",
    ),
    "a trigger by a name of ours": (
        TRIGGER.format("economy_rounds", "INSERT"),
        'name_taken: "public"."resource_usage" economy_rounds: this trigger',
        "ALTER TRIGGER economy_rounds ON resource_usage RENAME TO rounds",
    ),
    "a trigger that fires last": (
        TRIGGER.format("zzz_rounds", "UPDATE"),
        'fires_last: "public"."resource_usage" zzz_rounds: fires after ours',
        "ALTER TRIGGER zzz_rounds ON resource_usage RENAME TO rounds",
    ),
    "a house of theirs": (
        (
            "ALTER TABLE token_accounts ADD CONSTRAINT owner_once UNIQUE (owner_type, owner_id);"
            "INSERT INTO token_accounts (owner_type, owner_id, balance) VALUES ('house', 'treasury', 9)"
        ),
        'place_taken: "public"."token_accounts": has rows with owner_type',
        "UPDATE token_accounts SET owner_type = 'home' WHERE owner_type = 'house'",
    ),
    "a subscription": (
        (
            "CREATE SUBSCRIPTION brings CONNECTION 'dbname=none' PUBLICATION none"
            " WITH (connect = false, slot_name = NONE);"
            "INSERT INTO pg_subscription_rel SELECT oid, 'resource_usage'::regclass, 'r' FROM pg_subscription"
            " WHERE subname = 'brings'"
        ),
        'subscribed: "public"."resource_usage": a subscription writes it',
        "DROP SUBSCRIPTION brings",
    ),
}


@pytest.mark.parametrize("what", FOUND)
def test_it_is_told_and_can_be_mended(what: str, found: World, capsys: pytest.CaptureFixture[str]) -> None:
    url = found("minimal")
    there, told, mended = FOUND[what]
    with psycopg.connect(url, autocommit=True, options="-c search_path=public") as session:
        session.execute("SET allow_system_table_mods = on")
        session.execute(there.encode())
    before = legacy_worlds.schema_dump(url)
    with pytest.raises(CommandError, match=r"^cannot_adopt: 1 obstacle; nothing was changed\.$"):
        call_command("adopt")
    assert capsys.readouterr().err.startswith(told)
    assert legacy_worlds.schema_dump(url) == before
    with psycopg.connect(url, autocommit=True, options="-c search_path=public") as session:
        session.execute(mended.encode())
    call_command("adopt", "--plan", verbosity=0)
    assert capsys.readouterr().out.endswith("steps; nothing was changed.\n")
