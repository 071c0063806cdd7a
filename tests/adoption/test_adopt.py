"""A deployment taken over: nothing in it was harmed, and what can be understood is ours."""

from __future__ import annotations

import io
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.core.management import CommandError, call_command

from auction import audit
from economics.models import Account, Transfer, Usage
from tests import legacy_worlds

if TYPE_CHECKING:
    from collections.abc import Callable

    World = Callable[[str], str]

NAMES = [*legacy_worlds.KEYS]
# What each refused world is told.
CODES = {
    "composite_key": "key_unusable",
    "float_amount": "wrong_type",
    "narrow_check": "refused_by_theirs",
    "needed_column": "no_default",
    "no_primary_key": "key_unusable",
    "numeric_key": "key_unusable",
    "published": "published",
}


def _said(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


def _asked(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, options="-c search_path=public") as session:
        return session.execute(query.encode()).fetchall()


def _schema(url: str) -> str:
    return legacy_worlds.schema_dump(url) + legacy_worlds.schema_dump(url, "economy")


@pytest.mark.parametrize("name", NAMES)
def test_rows_and_columns_of_others_are_as_they_were(name: str, legacy: World, adopted: World) -> None:
    found = legacy(name)
    columns = legacy_worlds.untouched(legacy_worlds.old_columns(found))
    before = legacy_worlds.figures(found, columns)
    url = adopted(name)
    # The accounts of the house are rows of ours in their table.
    columns_now = legacy_worlds.old_columns(url)
    assert {table: columns_now[table][: len(names)] for table, names in legacy_worlds.old_columns(found).items()} == (
        legacy_worlds.old_columns(found)
    )
    assert legacy_worlds.figures(url, columns, but_ours=True) == before


@pytest.mark.parametrize("name", NAMES)
def test_mirrors_equal_their_sources_in_every_row(name: str, adopted: World) -> None:
    assert list(legacy_worlds.strays(adopted(name))) == []


@pytest.mark.parametrize("name", NAMES)
def test_mirrors_equal_their_sources_in_rows_of_those_who_do_not_know_them(name: str, adopted: World) -> None:
    url = adopted(name)
    with psycopg.connect(url, options="-c search_path=public") as session:
        session.execute(
            "INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount)"
            " VALUES ('hypothesis', 'h-1', 'llm_tokens', 12), (NULL, NULL, 'nothing', NULL)"
        )
        session.execute(
            "UPDATE allocation_proposals SET requested_tokens = 7, proposer_id = NULL WHERE proposer_id <> ''"
        )
        session.execute("INSERT INTO allocation_proposals (entity_type, entity_id) VALUES ('hypothesis', 'h-1')")
    assert list(legacy_worlds.strays(url)) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_contract_and_the_books_hold(name: str, adopted: World) -> None:
    adopted(name)
    assert json.loads(_said("verify_schema", "--json"))["passed"]
    assert audit.differences() == []


@pytest.mark.parametrize("name", NAMES)
def test_adopting_again_changes_nothing(name: str, adopted: World) -> None:
    url = adopted(name)
    columns = legacy_worlds.old_columns(url)
    before, figures = _schema(url), legacy_worlds.figures(url, columns)
    _said("adopt")
    assert _schema(url) == before
    assert legacy_worlds.figures(url, columns) == figures


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_understood_is_told_and_nothing_else(name: str, adopted: World) -> None:
    url = adopted(name)
    expected: dict[tuple[str, str], set[str]] = {}
    for odd in legacy_worlds.odd_rows(name):
        expected.setdefault((odd.table, odd.why), set()).add(odd.key)
    told: dict[tuple[str, str], int] = {}
    table = ""
    for line in _said("adopt", "--report").splitlines():
        if match := re.fullmatch(r"  (\w+): ([\d,]+), such as id (.*)", line):
            told[table, match[1]] = int(match[2].replace(",", ""))
            assert set(match[3].split(", ")) <= expected[table, match[1]]
        else:
            table = line.partition(":")[0]
    assert told == {what: len(keys) for what, keys in expected.items()}
    odd_usage = {odd.key for odd in legacy_worlds.odd_rows(name) if odd.table == "resource_usage"}
    assert Usage.objects.count() == len(legacy_worlds.rows(url, "resource_usage", ["id"])) - len(odd_usage)


@pytest.mark.parametrize("name", NAMES)
def test_all_that_was_used_before_is_counted_once(name: str, adopted: World) -> None:
    url = adopted(name)
    odd = [row.key for row in legacy_worlds.odd_rows(name) if row.table == "resource_usage"]
    with psycopg.connect(url, options="-c search_path=public") as session:
        lawful = session.execute(
            "SELECT resource_type, sum(amount), sum(coalesce(cost, 0)), count(*) FROM resource_usage"
            " WHERE NOT id::text = ANY(%s) GROUP BY 1 ORDER BY 1",
            [odd],
        ).fetchall()
    counted = _asked(
        url,
        "SELECT resource_type, sum(amount), sum(cost), sum(events)::bigint FROM economy.economics_usage_days"
        " GROUP BY 1 ORDER BY 1",
    )
    assert counted == lawful


@pytest.mark.parametrize("name", NAMES)
def test_balances_become_opening_entries(name: str, adopted: World) -> None:
    adopted(name)
    wallets = Account.objects.exclude(owner_type="house")
    openings = Transfer.objects.filter(reason="opening")
    assert {(t.credit_account_id, t.amount) for t in openings} == {(w.pk, w.balance) for w in wallets if w.balance}
    assert {t.debit_account.owner_id for t in openings} <= {"mint"}
    assert sum(Account.objects.values_list("balance", flat=True)) == 0
    assert wallets.exists()


@pytest.mark.parametrize("name", legacy_worlds.REFUSED)
def test_what_cannot_be_adopted_is_refused_with_a_reason_and_left_alone(name: str, legacy: World) -> None:
    url = legacy(name)
    before, error = legacy_worlds.schema_dump(url), io.StringIO()
    with pytest.raises(CommandError, match="nothing was changed"):
        call_command("adopt", stderr=error)
    assert {line.partition(":")[0] for line in error.getvalue().splitlines() if not line.startswith(" ")} == {
        CODES[name]
    }
    assert legacy_worlds.schema_dump(url) == before
    assert _asked(url, "SELECT to_regnamespace('economy') IS NULL") == [(True,)]


@pytest.mark.parametrize("name", NAMES)
def test_after_undo_the_database_is_as_it_was_found(name: str, legacy: World, adopted: World) -> None:
    found = legacy(name)
    columns = legacy_worlds.untouched(legacy_worlds.old_columns(found))
    before, dump = legacy_worlds.figures(found, columns), legacy_worlds.schema_dump(found)
    url = adopted(name)
    _said("adopt", "--undo", "--drop", "economy")
    assert legacy_worlds.schema_dump(url) == dump
    assert legacy_worlds.figures(url, columns) == before
    assert _asked(url, "SELECT to_regnamespace('economy') IS NULL") == [(True,)]


def test_usage_of_ours_stands_in_their_table(adopted: World) -> None:
    url = adopted("broad")
    row = Usage.objects.create(
        entity_type="hypothesis", entity_id="x-001", resource_type="llm_tokens", amount=Decimal(5), note="ours"
    )
    row.refresh_from_db()
    columns = "amount, note, source, economy_note, updated_at IS NULL"
    theirs = _asked(url, f"SELECT {columns} FROM resource_usage WHERE economy_id = {row.pk}")
    assert theirs == [(Decimal(5), None, "gateway", "ours", False)]
