"""What other services do besides inserting usage: it works as before, and what concerns us is seen."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.core.management import call_command

from auction import audit
from economics import arrivals
from tests import legacy_worlds

if TYPE_CHECKING:
    from collections.abc import Callable

    World = Callable[[str], str]

# Each by its owner's role, with what it must bring about.
DEEDS = {
    "a rule that inserts": (
        "INSERT INTO usage_inbox VALUES ('hypothesis', 'by-rule', 'llm_tokens', 11)",
        "SELECT sum(amount) FROM usage_inbox WHERE entity_id = 'by-rule'",
        Decimal(11),
    ),
    "columns of theirs": (
        "UPDATE resource_usage SET metadata = '{}', note = 'seen', tags = '{new}' WHERE id = md5('usage 10')::uuid",
        "SELECT note FROM resource_usage WHERE id = md5('usage 10')::uuid AND updated_at > '2026-03-01'",
        "seen",
    ),
    "a materialized view": (
        "REFRESH MATERIALIZED VIEW CONCURRENTLY usage_of_models",
        "SELECT sum(calls)::int FROM usage_of_models",
        525,
    ),
    "an invoice": (
        "INSERT INTO invoice_lines (usage_id, eur) VALUES (md5('usage 30')::uuid, 1)",
        "SELECT max(eur)::int FROM invoice_lines WHERE usage_id = md5('usage 30')::uuid",
        1,
    ),
    "a proposal decided": (
        "UPDATE allocation_proposals SET status = 'approved', approval_state = 'signed' WHERE id = 5",
        "SELECT approval_state FROM allocation_proposals WHERE id = 5 AND status = 'approved'",
        "signed",
    ),
    "a proposal without a name": (
        (
            "INSERT INTO allocation_proposals (entity_type, entity_id, requested_tokens, evidence, status)"
            " VALUES ('hypothesis', 'x-1', 5, '\"hearsay\"', 'needs-info')"
        ),
        "SELECT count(*)::int FROM allocation_proposals WHERE entity_id = 'x-1'",
        1,
    ),
    "a proposal dropped": (
        "DELETE FROM allocation_proposals WHERE id = 905",
        "SELECT count(*)::int FROM allocation_proposals WHERE id = 905",
        0,
    ),
    "an account": (
        "INSERT INTO token_accounts (owner_type, owner_id, balance) VALUES ('team', 'red', 50)",
        "SELECT balance::int FROM token_accounts WHERE owner_id = 'red'",
        50,
    ),
    "an account that is not ours": (
        "UPDATE token_accounts SET balance = balance + 1 WHERE id = 'odd-team'",
        "SELECT balance::int FROM token_accounts WHERE id = 'odd-team'",
        701,
    ),
    "an account closed that is not ours": (
        "DELETE FROM token_accounts WHERE id = 'odd-twice-2'",
        "SELECT count(*)::int FROM token_accounts WHERE id LIKE 'odd-twice%'",
        1,
    ),
    "their ledger": (
        "INSERT INTO token_ledger (from_account, to_account, amount) VALUES ('a', 'b', 1.5)",
        "SELECT count(*)::int FROM token_ledger WHERE amount = 1.5",
        1,
    ),
    "a share of a day, twice": (
        (
            "INSERT INTO quest_budget_allocations (quest_id, day, tokens, share) VALUES ('q', '2026-03-01', 1, 9), "
            "('q', '2026-03-01', 1, 9)"
        ),
        "SELECT count(*)::int FROM quest_budget_allocations WHERE quest_id = 'q'",
        2,
    ),
    "usage that nobody understands, taken away": (
        "DELETE FROM resource_usage WHERE id = '00000000-0000-4000-8000-0000000000e1'",
        "SELECT count(*)::int FROM resource_usage WHERE amount = -500",
        0,
    ),
    "a name longer than an index takes": (
        (
            "INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount)"
            " SELECT 'hypothesis', long, 'llm_tokens', 1"
            " FROM (SELECT string_agg(md5(n::text), '') AS long FROM generate_series(1, 300) AS n) AS made"
        ),
        "SELECT count(*)::int FROM resource_usage WHERE length(entity_id) = 9600",
        1,
    ),
}


def _as_owner(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True, options="-c role=legacy_owner -c search_path=public")


def _do(url: str, deed: str) -> None:
    done, seen, expected = DEEDS[deed]
    with _as_owner(url) as session:
        session.execute(done.encode())
        assert session.execute(seen.encode()).fetchone() == (expected,)


def _harmed(url: str) -> list[Any]:
    """Return the mirrors that differ and the books that do not balance, once all that waits is counted."""
    while arrivals.drain(5_000):
        pass
    return [*legacy_worlds.strays(url), *audit.differences()]


@pytest.mark.parametrize("deed", DEEDS)
def test_the_deeds_of_others_are_such_as_they_could_do_before(deed: str, legacy: World) -> None:
    _do(legacy("broad"), deed)


@pytest.mark.parametrize("deed", DEEDS)
def test_others_do_what_they_did(deed: str, adopted: World) -> None:
    url = adopted("broad")
    _do(url, deed)
    assert _harmed(url) == []


def test_a_name_longer_than_an_index_takes_stops_no_adoption(found: World) -> None:
    url = found("broad")
    _do(url, "a name longer than an index takes")
    call_command("adopt", verbosity=0)
    assert _harmed(url) == []


def test_a_price_that_others_find_is_counted(adopted: World) -> None:
    url = adopted("broad")
    total = "SELECT sum(cost), sum(unpriced_amount) FROM economy.economics_usage_days"
    find = "SELECT id, amount FROM resource_usage WHERE cost IS NULL AND model = 'gpt-4o' ORDER BY created_at LIMIT 1"
    with psycopg.connect(url) as session:
        before = session.execute(total).fetchone()
    with _as_owner(url) as session:
        found = session.execute(find).fetchone()
        assert found is not None
        session.execute("UPDATE resource_usage SET cost = 3 WHERE id = %s", [found[0]])
    assert _harmed(url) == []
    with psycopg.connect(url) as session:
        after = session.execute(total).fetchone()
    assert before is not None
    assert after == (before[0] + 3, before[1] - found[1])


def test_readers_see_what_they_saw(legacy: World, adopted: World) -> None:
    def seen(url: str) -> list[list[tuple[Any, ...]]]:
        views = ("usage_of_days", "usage_of_models", "open_proposals", "usage_as_it_was")
        with psycopg.connect(url, options="-c role=legacy_reader -c search_path=public") as session:
            return [sorted(session.execute(f"SELECT v::text FROM {view} AS v".encode()).fetchall()) for view in views]

    before = seen(legacy("broad"))
    assert seen(adopted("broad")) == before
