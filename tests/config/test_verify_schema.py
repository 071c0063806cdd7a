"""`verify_schema`: our own database keeps the contract, and what the command says when one does not."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from config import conformance
from config.contract import Need
from tests import factories

pytestmark = pytest.mark.usefixtures("committed_db")
TABLES = [
    *("allocation_proposals", "compute_auction_bids", "compute_auction_clears"),
    *("quest_budget_allocations", "resource_budgets", "resource_usage", "token_accounts", "token_ledger"),
]
OF_A_ROUND = "pool_id, account_id, charge_tokens, max_price_tokens, cleared_at, start_by"
LINES = [
    "allocation_proposals: table, {}; checked columns 12, indexes 1, mirrors 2",
    "compute_auction_bids: table, {}; checked columns 7, indexes 2, mirrors 0; writers also give pool_id, account_id",
    f"compute_auction_clears: table, {{}}; checked columns 8, indexes 1, mirrors 0; writers also give {OF_A_ROUND}",
    "quest_budget_allocations: table, {}; checked columns 4, indexes 1, mirrors 0",
    "resource_budgets: table, {}; checked columns 9, indexes 4, mirrors 0",
    "resource_usage: table, {}; checked columns 14, indexes 0, mirrors 2",
    "token_accounts: table, {}; checked columns 5, indexes 2, mirrors 0",
    "token_ledger: table, {}; checked columns 7, indexes 2, mirrors 0",
]


def _run(*words: str) -> tuple[str, str]:
    """Run the command; return what it printed and, where it failed with code 1, why."""
    out = io.StringIO()
    try:
        call_command("verify_schema", *words, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error) if error.returncode == 1 else f"code {error.returncode}"
    return out.getvalue(), ""


def _json(*words: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(_run("--json", *words)[0])
    return answer


def _sql(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements)


def test_our_own_database_keeps_the_contract() -> None:
    factories.world(Decimal("0.02"))
    _sql("INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount) VALUES ('a', 'b', 'api_calls', 2)")
    _sql("ANALYZE")
    out, why = _run()
    usage, accounts = (_count(table) for table in ("resource_usage", "token_accounts"))
    lines = [line.split("; checked")[0] for line in out.splitlines()]
    assert (lines[5], lines[6]) == (
        f"resource_usage: table, {usage} rows",  # every row was read
        f"token_accounts: table, about {accounts} rows",
    )
    assert (out.splitlines()[-1], why) == ("as promised: 8 tables.", "")


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        count: int = cursor.fetchone()[0]
    return count


def test_a_line_for_each_table_says_what_was_checked() -> None:
    unknown = [line.format("rows not estimated yet") for line in LINES]
    unknown[0], unknown[5] = LINES[0].format("0 rows"), LINES[5].format("0 rows")
    assert _run() == ("\n".join([*unknown, "as promised: 8 tables.", ""]), "")


def test_skipped_mirrors_are_not_read() -> None:
    out, why = _run("--skip-mirrors")
    assert [why, *out.splitlines()[5::3]] == [
        "",
        "resource_usage: table, rows not estimated yet; checked columns 14, indexes 0, mirrors 0",
        "as promised: 8 tables, rows of mirrors not read.",
    ]


BREACH = """
    ALTER TABLE resource_usage ALTER amount_used DROP EXPRESSION;
    INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount) VALUES ('a', 'b', 'api_calls', 2);
    DROP INDEX bid_status_price;
"""
FOUND = [
    ("missing_index", "compute_auction_bids (status, max_price_tokens DESC)"),
    ("mirror_unkept", "resource_usage.amount_used"),
    ("mirror_null", "resource_usage.amount_used"),
]


def test_differences_are_printed_below_their_table_and_exit_with_1() -> None:
    _sql(BREACH)
    out, why = _run()
    assert [line.split(": ")[0] for line in out.splitlines() if not line.startswith("    ")] == [
        *TABLES[:2],
        "  compute_auction_bids (status, max_price_tokens DESC)",
        *TABLES[2:6],
        "  resource_usage.amount_used",
        "  resource_usage.amount_used",
        *TABLES[6:],
    ]
    assert why == "schema_differs: 3 differences in 8 tables."


def test_json_has_all_that_was_checked_and_found() -> None:
    passed = _json()
    assert (passed["passed"], passed["rows_read"], [table["table"] for table in passed["tables"]]) == (
        True,
        True,
        TABLES,
    )
    assert passed["tables"][5] == {
        "table": "resource_usage",
        "kind": "table",
        "rows": 0,
        "rows_exact": True,
        "columns": 14,
        "indexes": 0,
        "mirrors": 2,
        "also_given": [],
        "differences": [],
    }
    _sql(BREACH)
    failed = _json()
    differences = [difference for table in failed["tables"] for difference in table["differences"]]
    assert (failed["passed"], [(d["code"], d["subject"]) for d in differences]) == (False, FOUND)
    assert sorted(differences[0]) == ["code", "expected", "found", "remedy", "subject"]
    assert _json("--skip-mirrors")["rows_read"] is False


def test_exit_codes_at_the_shell_and_silence_beside_the_terminal() -> None:
    manage = [sys.executable, "manage.py", "verify_schema", "--json"]
    good = subprocess.run(manage, cwd=settings.BASE_DIR, check=False, capture_output=True, text=True)
    assert (good.returncode, json.loads(good.stdout)["passed"], good.stderr) == (0, True, "")
    _sql(BREACH)
    bad = subprocess.run(manage, cwd=settings.BASE_DIR, check=False, capture_output=True, text=True)
    assert (bad.returncode, json.loads(bad.stdout)["passed"]) == (1, False)
    assert bad.stderr == "CommandError: schema_differs: 3 differences in 8 tables.\n"


def test_an_empty_database_lacks_every_table() -> None:
    _sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    answer = _json()
    assert [(t["table"], t["kind"], t["differences"][0]["code"]) for t in answer["tables"]] == [
        (table, "missing", "missing_table") for table in TABLES
    ]


def _breaches() -> list[tuple[str, tuple[str, str]]]:
    """Return for every promise of ours a statement that breaks it, and what is then found."""
    breaches = []
    for table in conformance.of_all_apps():
        for column in table.columns:
            subject = f"{table.name}.{column.name}"
            alter = f"ALTER TABLE {table.name} ALTER {column.name}"
            breaches.append((f"ALTER TABLE {table.name} DROP {column.name} CASCADE", ("missing_column", subject)))
            if column.of:
                breaches.append((f"{alter} DROP EXPRESSION", ("mirror_unkept", subject)))
            elif column.need is Need.NULLABLE:
                breaches.append((f"{alter} SET NOT NULL", ("null_refused", subject)))
            elif column.need is Need.GIVEN:
                breaches.append((f"{alter} DROP NOT NULL", ("null_allowed", subject)))
            elif column.name != "id":
                breaches.append((f"{alter} DROP DEFAULT", ("no_default", subject)))
    return breaches


def test_every_promise_of_ours_is_proved_one_by_one() -> None:
    for statement, difference in _breaches():
        _sql("BEGIN")
        try:
            _sql(statement)
            tables = conformance.verify_here(conformance.of_all_apps())
        finally:
            _sql("ROLLBACK")
        found = [(d.code, d.subject) for table in tables for d in table.differences]
        assert difference in found, statement
