"""What arrives while others count, open lines and change the calendar is counted once, and waits for nobody."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import psycopg
from django.db import connection, transaction

from auction import audit
from economics import arrivals, budget_policy, recount
from economics.models import Arrival, Counter, Line, Usage, UsageDay
from tests import factories, old_writers
from tests.factories import NOON, REVIEWER
from tests.races.crew import race, stuck

if TYPE_CHECKING:
    from collections.abc import Callable

    from economics.models import Envelope

ROUNDS: Final = 12
WRITERS: Final = 4
_TURN: Final = timedelta(hours=9)  # before noon: another day in some zones


@transaction.atomic
def _world() -> list[Envelope]:
    own = [factories.envelope(tokens=10**9) for _ in range(4)]
    for envelope in own[::2]:
        factories.line(envelope, 10**8)
        factories.line(envelope, 10**8, tier="", window="month")
    return own


def _write(own: list[Envelope], place: int) -> Callable[[int], None]:
    """Return the deed of an old program: rows of all entities, one of them unknown yet, a price and a correction."""

    @transaction.atomic
    def deed(number: int) -> None:
        for turn, of in enumerate(own[:: (-1) ** place]):
            cost = (None, "0.25")[turn % 2]
            row = old_writers.write(of, 10 + turn, cost=cost, created_at=NOON - turn * _TURN, agent_id=f"old-{place}")
            if (number + turn) % 3 == 0:
                terms = {"corrects_id": row, "created_at": NOON - turn * _TURN, "agent_id": f"old-{place}"}
                old_writers.write(of, -4, cost=cost and "-0.1", **terms)
        old_writers.write(own[0], 5, entity_id=f"new-{number}", agent_id=f"old-{place}")

    return deed


def _price(_number: int) -> None:
    old_writers.price(*Usage.objects.filter(cost=None).order_by("pk").values_list("pk", flat=True)[:6])


def _books() -> tuple[list[object], list[object]]:
    """Return days as they are kept, and as plain sums of the rows say."""
    names = "day, entity_type, entity_id, resource_type, tier, provider, agent_id"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {names}, amount, cost, unpriced_amount, events FROM economics_usage_days ORDER BY {names}"
        )
        kept = cursor.fetchall()
        cursor.execute(
            f"""
            SELECT {names}, sum(amount), coalesce(sum(cost), 0), coalesce(sum(amount) FILTER (WHERE cost IS NULL), 0),
                   count(*)
              FROM (SELECT (u.created_at AT TIME ZONE p.zone)::date AS day, u.*
                      FROM resource_usage u, economics_policy p) AS dated
             GROUP BY {names} ORDER BY {names}
            """
        )
        return kept, cursor.fetchall()


def _is_whole() -> None:
    """Hold everything that was counted against plain sums."""
    arrivals.drain_all()
    assert not Arrival.objects.exists()
    kept, rebuilt = _books()
    assert kept == rebuilt
    assert recount.differences(since=None) == []


def test_arrivals_are_counted_once_whoever_counts_and_whatever_opens_meanwhile() -> None:
    own = _world()

    def open_new(number: int) -> None:
        made = factories.envelope(f"new-{number}")
        factories.line(made, 50)
        factories.line(own[number % 4], 50, window=("week", "month", "lifetime")[number // 4])

    def drain(_number: int) -> None:
        arrivals.drain(7)

    def find(_number: int) -> list[object]:
        return [*audit.differences()]

    outcomes = race(*(_write(own, place) for place in range(WRITERS)), drain, drain, open_new, find, rounds=ROUNDS)

    assert [workers[-1].value for workers in outcomes] == [[]] * ROUNDS
    _is_whole()
    assert Usage.objects.filter(corrects_id=None).count() == ROUNDS * WRITERS * 5
    for number in range(ROUNDS):
        line = Line.objects.get(envelope__entity_id=f"new-{number}", resource_type="llm_tokens", is_named=True)
        assert Counter.objects.get(line=line).settled == 5 * WRITERS


def test_prices_calendars_and_arrivals_leave_days_that_are_plain_sums() -> None:
    own = _world()

    def move(number: int) -> None:
        zone = ("America/Havana", "Asia/Kathmandu", "UTC")[number % 3]
        budget_policy.change(author=REVIEWER, now=NOON, zone=zone, week_starts_on=number % 7 + 1)

    def drain(_number: int) -> None:
        arrivals.drain(7)

    def find(_number: int) -> list[object]:
        return [*audit.differences()]

    outcomes = race(_write(own, 0), _write(own, 1), _price, drain, drain, move, find, rounds=ROUNDS)

    assert [workers[-1].value for workers in outcomes] == [[]] * ROUNDS
    _is_whole()
    days = UsageDay.objects.values_list("amount", flat=True)
    assert sum(days, Decimal()) == sum(Usage.objects.values_list("amount", flat=True), Decimal())


def test_who_writes_usage_waits_for_nobody_who_counts(committed_db: str) -> None:
    """Whoever opens lines or moves the calendar holds the lock that all counting waits for."""
    (own, *_others) = _world()
    old_writers.write(own, 10)
    with psycopg.connect(committed_db) as opener:
        opener.execute("SELECT pg_advisory_xact_lock(7302, 0)")
        with stuck(arrivals.drain, committed_db):
            old_writers.write(own, 20)
            assert arrivals.drain() == 0  # another is at it
            opener.rollback()
    assert (factories.figures(own).settled, arrivals.waiting()) == (10, 1)
    _is_whole()
    assert factories.figures(own).settled == 30
