"""Counting the books again: silent whatever was done by the rules, and naming what somebody broke behind the laws."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from economics import budget_policy, recount, standings
from tests import factories
from tests.factories import NOON, REVIEWER

pytestmark = pytest.mark.django_db

TODAY = "from 2026-03-02 00:00:00+00"


def _break(statement: str, *values: int | datetime) -> None:
    """Run a statement as a superuser who has switched triggers and foreign keys off; it must hit one row."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, values)
        hit = cursor.rowcount
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    assert hit == 1


def _found(*, days: int | None = None) -> list[str]:
    since = None if days is None else NOON - timedelta(days=days)
    return [str(difference) for difference in recount.differences(since=since)]


def _of_tier(books: factories.Books) -> str:
    return f"line {books.tier_line.pk} (hypothesis:h1 llm_tokens frontier per day)"


def _of_total(books: factories.Books) -> str:
    return f"line {books.total.pk} (hypothesis:h1 llm_tokens per day)"


@pytest.fixture
def books() -> factories.Books:
    """Return the small world of the books: 250 tokens settled and 50 held today, 200 and 50 of them of a tier."""
    return factories.books(factories.agent("worker"))


@pytest.mark.parametrize("days", [None, 0, 2])
def test_books_made_by_the_rules_are_clean(books: factories.Books, days: int | None) -> None:
    assert _found(days=days) == []


@pytest.mark.parametrize("days", [None, 2])
def test_a_changed_counter_is_found(books: factories.Books, days: int | None) -> None:
    _break("UPDATE economics_counters SET settled = settled - 7 WHERE line_id = %s", books.tier_line.pk)
    assert _found(days=days) == [f"settled on {_of_tier(books)} {TODAY}: stored 193, rebuilt 200"]


@pytest.mark.parametrize("days", [None, 2])
def test_a_changed_hold_is_found(books: factories.Books, days: int | None) -> None:
    _break("UPDATE economics_counters SET held = 0 WHERE line_id = %s", books.total.pk)
    assert _found(days=days) == [f"held on {_of_total(books)} {TODAY}: stored 0, rebuilt 50"]


def test_a_vanished_counter_of_the_fleet_is_found(books: factories.Books) -> None:
    fleet = standings.of_fleet(at=NOON)
    _break("DELETE FROM economics_counters WHERE line_id = %s", fleet.line_id)
    # 120 of 150 tokens at 250/1,500 cents apiece and 80 at 0.13; 50 are still held.
    assert _found() == [
        f"held on line {fleet.line_id} (fleet usd per day) {TODAY}: stored 0, rebuilt 0.065",
        f"settled on line {fleet.line_id} (fleet usd per day) {TODAY}: stored 0, rebuilt 0.304",
    ]


def test_a_counter_of_no_window_is_found(books: factories.Books) -> None:
    _break(
        "INSERT INTO economics_counters (line_id, window_start, settled, held) VALUES (%s, %s, 5, 0)",
        books.total.pk,
        NOON,
    )
    assert _found() == [f"settled on {_of_total(books)} from 2026-03-02 12:00:00+00: stored 5, rebuilt 0"]


@pytest.mark.parametrize("days", [None, 2])
def test_usage_that_was_not_counted_is_found_in_its_day_and_lines(books: factories.Books, days: int | None) -> None:
    _break(
        """
        INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount, model, tier, agent_id, created_at)
        VALUES ('hypothesis', 'h1', 'llm_tokens', 10, 'deep-1', 'frontier', 'thief', %s)
        """,
        NOON,
    )
    assert _found(days=days) == [
        *(
            f"{what} on 2026-03-02 of hypothesis:h1 llm_tokens frontier, agent thief: stored 0, rebuilt {rebuilt}"
            for what, rebuilt in (("amount", 10), ("events", 1), ("unpriced amount", 10))
        ),
        f"settled on {_of_total(books)} {TODAY}: stored 250, rebuilt 260",
        f"settled on {_of_tier(books)} {TODAY}: stored 200, rebuilt 210",
    ]


def test_vanished_usage_is_found(books: factories.Books) -> None:
    _break("DELETE FROM resource_usage WHERE id = %s", books.unpriced.pk)
    assert _found() == [
        *(
            f"{what} on 2026-03-02 of hypothesis:h1 llm_tokens, agent reporter: stored {stored}, rebuilt 0"
            for what, stored in (("amount", 50), ("events", 1), ("unpriced amount", 50))
        ),
        f"settled on {_of_total(books)} {TODAY}: stored 250, rebuilt 200",
    ]


def test_a_changed_day_is_found_and_lines_are_held_against_the_usage_itself(books: factories.Books) -> None:
    _break("UPDATE economics_usage_days SET cost = cost + 1 WHERE agent_id = 'worker'")
    assert _found() == [
        "cost on 2026-03-02 of hypothesis:h1 llm_tokens frontier, agent worker: stored 1.104, rebuilt 0.104"
    ]


def test_a_ceiling_that_left_its_column_is_found(books: factories.Books) -> None:
    _break("UPDATE economics_lines SET base = 5000 WHERE id = %s", books.total.pk)
    assert _found() == ["ceiling of llm_tokens on hypothesis:h1: stored 5000, rebuilt 1000"]


def test_a_vanished_line_is_found(books: factories.Books) -> None:
    _break("DELETE FROM economics_lines WHERE envelope_id = %s AND resource_type = 'api_calls'", books.envelope.pk)
    assert _found() == ["ceiling of api_calls on hypothesis:h1: stored None, rebuilt 10"]


def test_a_settlement_without_its_usage_is_found(books: factories.Books) -> None:
    _break("UPDATE resource_usage SET reservation_id = NULL WHERE reservation_id = %s", books.settled.pk)
    assert _found() == [f"usage of reservation {books.settled.pk}: stored none, rebuilt settled"]


@pytest.mark.parametrize("days", [None, 2])
def test_usage_of_a_reservation_that_was_not_settled_is_found(books: factories.Books, days: int | None) -> None:
    _break("UPDATE economics_reservations SET state = 'expired' WHERE id = %s", books.settled.pk)
    assert _found(days=days) == [f"state of reservation {books.settled.pk}: stored expired, rebuilt settled"]


def test_a_correction_of_more_than_there_was_is_found(books: factories.Books) -> None:
    factories.record(books.envelope, 1_000)  # so that no counter falls below zero
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount, tier, corrects_id, created_at)
            VALUES ('hypothesis', 'h1', 'llm_tokens', -121, 'frontier', %s, %s)
            """,
            [books.priced.pk, NOON],
        )
    assert _found() == [f"amount left of usage {books.priced.pk}: stored -1, rebuilt 0 or more"]


def test_what_lies_before_is_not_read_again(books: factories.Books) -> None:
    """Usage of last month belongs to the month's line but is read as days; a lifetime is for the whole count only."""
    own = factories.envelope(window_kind="month")
    factories.line(own, 5_000, tier="", window="lifetime")
    factories.record(own, 100, at=NOON - timedelta(days=20))
    factories.record(own, 30, at=NOON - timedelta(days=1))
    factories.record(own, 4, at=NOON)
    assert _found(days=1) == _found(days=0) == _found() == []
    _break(
        "UPDATE economics_counters SET settled = settled + 1 WHERE settled = 100"  # February's
    )
    _break("UPDATE economics_counters SET settled = settled + 1 WHERE settled = 134")  # the lifetime's
    assert _found(days=0) == []
    assert len(_found()) == 2
    _break("UPDATE economics_counters SET settled = settled + 1 WHERE settled = 34")  # March's
    assert [found.split(" from ")[1] for found in _found(days=0)] == ["2026-03-01 00:00:00+00: stored 35, rebuilt 34"]


@pytest.mark.parametrize("zone", ["America/Havana", "Asia/Kathmandu", "Pacific/Apia"])
def test_it_counts_by_the_calendar_of_the_policy(books: factories.Books, zone: str) -> None:
    budget_policy.change(author=REVIEWER, now=NOON, zone=zone, week_starts_on=3)
    for window in ("week", "month", "lifetime"):
        factories.line(books.envelope, Decimal(5_000), window=window)
    for hours in range(-60, 60, 7):
        factories.record(books.envelope, 1, at=NOON + timedelta(hours=hours))
    assert _found() == []
    assert _found(days=1) == []
