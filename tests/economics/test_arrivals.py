"""What was written by those who do not wait is counted when its turn comes, once, wherever it belongs."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Never

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from economics import arrivals, budget_policy, cycle, overview, recount, standings, unpriced
from economics.models import Arrival, Counter, Usage, UsageDay
from tests import cluster, factories, old_writers
from tests.factories import NOON, REVIEWER

pytestmark = pytest.mark.django_db

TODAY: Final = NOON.date()


def _days() -> list[tuple[object, ...]]:
    columns = ("day", "entity_id", "tier", "provider", "agent_id", "amount", "cost", "unpriced_amount", "events")
    return list(UsageDay.objects.order_by(*columns[:5]).values_list(*columns))


def _day(*figures: str | int, tier: str = "frontier", day: date = TODAY) -> tuple[object, ...]:
    return (day, "h1", tier, "", "old", *map(Decimal, figures[:3]), figures[3])


def _clean() -> bool:
    return recount.differences(since=None) == [] == recount.differences(since=NOON - timedelta(days=2))


# Counting


def test_an_arrival_is_counted_on_every_line_and_in_its_day_when_it_goes() -> None:
    own = factories.envelope("h1")
    factories.line(own, 600)
    factories.line(own, None, tier="", window="month")
    factories.line(own, 600, tier="small")
    old_writers.write(own, 100)
    old_writers.write(own, "20.5", cost="1.25")
    old_writers.write(own, 7, tier="")
    assert (arrivals.waiting(), factories.figures(own).settled, _days(), _clean()) == (3, 0, [], True)

    assert (arrivals.drain(), arrivals.waiting()) == (3, 0)

    assert factories.figures(own).settled == factories.figures(own, window="month").settled == Decimal("127.5")
    assert factories.figures(own, tier="frontier").settled == Decimal("120.5")
    assert factories.figures(own, tier="small").settled == 0
    assert standings.of_fleet(at=NOON).settled == Decimal("1.25")
    assert _days() == [_day(7, 0, 7, 1, tier=""), _day("120.5", "1.25", 100, 2)]
    assert _clean()


def test_calls_are_counted_on_the_line_of_their_provider() -> None:
    own = factories.envelope("h1", api_call_budget=50)
    factories.line(own, 5, tier="acme", resource_type="api_calls")
    old_writers.write(own, 3, resource_type="api_calls", tier="", provider="acme")
    old_writers.write(own, 4, resource_type="api_calls", tier="", provider="other")
    arrivals.drain()
    assert factories.figures(own, tier="acme", kind="api_calls").settled == 3
    assert factories.figures(own, kind="api_calls").settled == 7
    assert _clean()


def test_a_price_that_is_found_later_counts_for_the_fleet_and_in_the_day() -> None:
    own = factories.envelope("h1")
    row = old_writers.write(own, 100)
    arrivals.drain()
    old_writers.price(row)
    assert _clean()
    arrivals.drain()
    assert _days() == [_day(100, 50, 0, 1)]
    assert factories.figures(own).settled == 100
    assert standings.of_fleet(at=NOON).settled == 50
    assert _clean()


def test_what_comes_to_nothing_on_a_line_opens_no_window() -> None:
    own = factories.envelope("h1")
    old_writers.write(own, 0)
    row = old_writers.write(own, 9)
    old_writers.write(own, -9, corrects_id=row)
    arrivals.drain()
    assert (Counter.objects.count(), _days()) == (0, [_day(0, 0, 0, 3)])
    assert _clean()


def test_numbers_are_rounded_row_by_row_as_usage_is() -> None:
    own = factories.envelope("h1")
    for size in (4, 4, 6):
        small = {"amount": Decimal(size) / 10**7, "cost": Decimal(size) / 10**13}
        Arrival.objects.create(**_arrival(**small, unpriced_amount=small["amount"]))
    arrivals.drain()
    assert UsageDay.objects.values_list("amount", "cost", "unpriced_amount").get() == (
        *(Decimal("0.000001"), Decimal("0.000000000001"), Decimal("0.000001")),
    )
    assert factories.figures(own).settled == Decimal("0.000001")


def test_the_oldest_go_first_and_as_many_as_asked_for() -> None:
    own = factories.envelope("h1")
    for amount in (1, 20, 300):
        old_writers.write(own, amount)
    assert (arrivals.drain(2), factories.figures(own).settled, _clean()) == (2, 21, True)
    assert (arrivals.drain_all(), factories.figures(own).settled, _clean()) == (1, 321, True)
    assert (arrivals.drain(), arrivals.drain_all()) == (0, 0)


def test_waiting_counts_no_further_than_asked() -> None:
    own = factories.envelope("h1")
    for _ in range(3):
        old_writers.write(own)
    assert (arrivals.waiting(), arrivals.waiting(most=2)) == (3, 2)


# With lines that open and calendars that change


def test_a_line_that_opens_meanwhile_is_told_of_each_arrival_once() -> None:
    own = factories.envelope("h1")
    old_writers.write(own, 100)
    arrivals.drain()
    old_writers.write(own, 20)
    late = factories.line(own, 600, window="week")
    assert late.counters.get().settled == 100
    assert _clean()
    arrivals.drain()
    assert late.counters.get().settled == 120
    assert _clean()


def test_an_entity_whose_envelope_opens_meanwhile_is_told_of_each_arrival_once() -> None:
    own = factories.envelope("h1")
    old_writers.write(own, 100, entity_id="h2")
    arrivals.drain()
    old_writers.write(own, 20, entity_id="h2")
    other = factories.envelope("h2")
    assert factories.figures(other).settled == 100
    arrivals.drain()
    assert factories.figures(other).settled == 120
    assert _clean()


def test_a_calendar_that_changes_leaves_what_waits_to_its_turn() -> None:
    own = factories.envelope("h1")
    early = NOON - timedelta(hours=9)  # the day before, in New York
    row = old_writers.write(own, 100, created_at=early)
    arrivals.drain()
    old_writers.write(own, 20, created_at=early)
    old_writers.write(own, 3)
    old_writers.price(row)
    budget_policy.change(author=REVIEWER, now=NOON, zone="America/New_York", week_starts_on=1)
    before = TODAY - timedelta(days=1)
    assert (_days(), _clean()) == ([_day(100, 0, 100, 1, day=before)], True)
    arrivals.drain()
    assert (_days(), _clean()) == ([_day(120, 50, 20, 2, day=before), _day(3, 0, 3, 1)], True)
    assert [factories.figures(own, at=at).settled for at in (early, NOON)] == [120, 3]


def test_the_audit_finds_what_did_not_arrive_while_others_wait() -> None:
    own = factories.envelope("h1")
    old_writers.write(own, 100)
    old_writers.write(own, 20)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM economics_arrivals WHERE amount = 20")
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    found = [(one.stored, one.rebuilt) for one in recount.differences(since=None)]
    assert found == [("0", "20"), ("0", "1"), ("0", "20"), ("0", "20")]


# Rows that cannot be counted


def _arrival(**figures: object) -> dict[str, Any]:
    named = {"entity_type": "hypothesis", "entity_id": "h1", "resource_type": "llm_tokens"}
    return {"created_at": NOON, **named, **figures}


def test_a_row_that_cannot_be_counted_waits_and_keeps_none_beside_it_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = factories.envelope("h1")
    poison = [
        Arrival.objects.create(**_arrival(**figures)).pk
        for figures in ({"amount": Decimal("NaN")}, {"cost": Decimal("1e30")}, {"amount": Decimal("Infinity")})
    ]
    for _ in range(5):
        old_writers.write(own, 10)
    assert (arrivals.drain(2), arrivals.drain(4), arrivals.drain_all()) == (1, 1, 3)
    assert factories.figures(own).settled == 50
    assert list(Arrival.objects.order_by("pk").values_list("pk", flat=True)) == poison
    told = {f"arrival {pk} of usage cannot be counted and goes on waiting" for pk in poison}
    assert {message.partition(":")[0] for message in caplog.messages} == told


def test_a_correction_that_arrives_before_its_row_is_counted_after_it() -> None:
    own = factories.envelope("h1")
    Arrival.objects.create(**_arrival(amount=-4, unpriced_amount=-4, events=1))
    assert (arrivals.drain(), arrivals.waiting()) == (0, 1)
    Arrival.objects.create(**_arrival(amount=10, unpriced_amount=10, events=1))
    assert (arrivals.drain(1), factories.figures(own).settled) == (1, 10)
    assert (arrivals.drain(1), factories.figures(own).settled) == (1, 6)


def test_a_tick_counts_what_arrived() -> None:
    own = factories.envelope("h1")
    old_writers.write(own)
    cycle.run_due(now=NOON)
    assert (factories.figures(own).settled, arrivals.waiting()) == (10, 0)


def test_a_tick_counts_more_than_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    own = factories.envelope("h1")
    for _ in range(7):
        old_writers.write(own)
    monkeypatch.setattr(arrivals, "_AT_ONCE", 2)
    monkeypatch.setattr(arrivals, "drain", lambda: arrivals._drain(2, arrivals._TRY))  # noqa: SLF001
    assert (arrivals.catch_up(), arrivals.waiting()) == (7, 0)


def test_an_empty_queue_costs_one_question(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert arrivals.catch_up() == 0


def test_counting_that_fails_loses_nothing_and_stops_no_other_deed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_terms: object) -> Never:
        raise OperationalError

    own = factories.envelope("h1")
    old_writers.write(own)
    factories.model()
    held = factories.reserve(own, 100, lives=60)
    with monkeypatch.context() as patched:
        patched.setattr(arrivals, "_count", fail)
        cycle.run_due(now=NOON + timedelta(seconds=60))
    held.refresh_from_db()
    assert (held.state, arrivals.waiting()) == ("expired", 1)
    assert caplog.messages == ["counting of arrivals failed and is tried again at the next tick"]


# Tables that were here before us name nothing by a NULL


_of_tables_of_ours = pytest.mark.skipif(bool(cluster.world()), reason="others declare their columns otherwise")


def _nullable(*columns: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for column in columns:
            cursor.execute(f"ALTER TABLE resource_usage ALTER {column} DROP NOT NULL")


@_of_tables_of_ours
def test_a_null_is_no_name_in_days_and_in_the_audit() -> None:
    _nullable("tier", "provider", "agent_id", "model")
    own = factories.envelope("h1")
    for name in (None, ""):
        old_writers.write(own, 10, tier=name, provider=name, agent_id=name, model=name)
    assert _clean()
    arrivals.drain()
    assert _clean()
    budget_policy.change(author=REVIEWER, now=NOON, zone="America/New_York", week_starts_on=1)
    day = UsageDay.objects.get()
    assert (day.tier, day.provider, day.agent_id, day.amount, day.events) == ("", "", "", Decimal(20), 2)
    assert _clean()


@_of_tables_of_ours
def test_a_null_is_no_name_in_the_queue_of_the_unpriced() -> None:
    _nullable("tier", "provider", "agent_id", "model")
    own = factories.envelope("h1")
    factories.model("deep-1")
    for model in ("deep-1", "deep-2", None, ""):
        for provider in ("acme", None, ""):
            old_writers.write(own, 10, model=model, provider=provider)
    old_writers.write(own, 10, resource_type="cpu_seconds", model=None, provider=None)
    arrivals.drain()
    assert [(one.resource_type, one.model, one.provider, one.events) for one in unpriced.queue()] == [
        ("llm_tokens", "", "", 4),
        ("llm_tokens", "", "acme", 2),
        ("llm_tokens", "deep-2", "", 2),
        ("cpu_seconds", "", "", 1),
        ("llm_tokens", "deep-2", "acme", 1),
        ("llm_tokens", "deep-1", "", 2),
        ("llm_tokens", "deep-1", "acme", 1),
    ]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE resource_usage DISABLE TRIGGER usage_price_is_counted")  # such a table has its own
    assert (unpriced.price_unpriced(now=NOON), unpriced.price_unpriced(now=NOON)) == (3, 0)
    assert overview.upkeep().unpriced == 10


# What keeps a row from being usage of ours

_GOOD: Final[dict[str, Any]] = {
    "entity_type": "hypothesis",
    "entity_id": "h1",
    "resource_type": "llm_tokens",
    "amount": "1",
    "cost": None,
    "created_at": "2026-03-02 12:00+00",
    "corrects_id": None,
}
_CALL: Final = """
SELECT economics_usage_fault(%(entity_type)s, %(entity_id)s, %(resource_type)s, %(amount)s, %(cost)s, %(created_at)s,
                             %(corrects_id)s)
"""
_INSERT: Final = """
INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount, cost, created_at, corrects_id)
VALUES (%(entity_type)s, %(entity_id)s, %(resource_type)s, %(amount)s, %(cost)s, %(created_at)s, %(corrects_id)s)
"""


def _fault(row: dict[str, Any]) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(_CALL, row)
        fault: str | None = cursor.fetchone()[0]
    return fault


def _is_taken(row: dict[str, Any]) -> bool:
    """Return whether the constraints of the table take a row, whatever could be counted of it."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(_INSERT, row)
            transaction.set_rollback(True)
    except DatabaseError:
        return False
    return True


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("no_entity", {"entity_type": None}),
        ("no_entity", {"entity_id": None}),
        ("no_resource_type", {"resource_type": None}),
        ("unknown_resource_type", {"resource_type": "gold"}),
        ("no_amount", {"amount": None}),
        ("amount_out_of_bounds", {"amount": "NaN"}),
        ("amount_out_of_bounds", {"amount": "-1e24"}),
        ("negative_amount", {"amount": "-1"}),
        ("correction_not_negative", {"corrects_id": 1}),
        ("no_time", {"created_at": None}),
        ("time_out_of_bounds", {"created_at": "infinity"}),
        ("time_out_of_bounds", {"created_at": "1899-12-31 23:59:59.999999+00"}),
        ("cost_of_another_sign", {"cost": "-1"}),
        ("cost_out_of_bounds", {"cost": "1e18"}),
        (None, {}),
        (None, {"amount": "-1", "cost": "-1", "corrects_id": 1}),
    ],
)
def test_a_fault_of_a_row_has_a_name(code: str | None, change: dict[str, Any]) -> None:
    assert _fault(_GOOD | change) == code
    assert _is_taken(_GOOD | change) is (code is None)


_NUMBERS: Final = st.one_of(
    st.none(),
    st.decimals(min_value=-10, max_value=10, places=3).map(str),
    st.decimals(min_value=Decimal("-1e26"), max_value=Decimal("1e26"), places=14).map(str),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "0", "1", "-1"]),
    st.builds(
        "{}{}".format,
        st.sampled_from(["", "-"]),
        st.sampled_from([
            *("0.0000004", "0.0000005", "0.0000000000004", "0.0000000000005"),
            *("1e24", "999999999999999999999999.9999994", "999999999999999999999999.9999995"),
            *("1e18", "999999999999999999.9999999999994", "999999999999999999.9999999999995"),
        ]),
    ),
)  # fmt: skip
_TIMES: Final = st.sampled_from([
    *(None, "infinity", "-infinity", "2026-03-02 12:00+00", "2026-03-02 12:00+00"),
    *("1900-01-01 00:00+00", "1900-01-01 00:00+00:01", "1899-12-31 23:59:59.999999+00", "0044-03-15 00:00+00 BC"),
    *("3000-01-01 00:00+00", "2999-12-31 23:59:59.999999+00", "3000-01-01 00:00+14"),
])  # fmt: skip


@_of_tables_of_ours
@settings(max_examples=200)
@given(
    change=st.fixed_dictionaries(
        {"amount": _NUMBERS, "cost": _NUMBERS, "corrects_id": st.sampled_from([None, 1])},
        optional={
            "entity_type": st.sampled_from([None, "", "h"]),
            "entity_id": st.sampled_from([None, "", "h"]),
            "resource_type": st.sampled_from([None, "", "gold", *Usage.Resource.values]),
            "created_at": _TIMES,
        },
    )
)
@example(change={"amount": "-0.0000004"})
@example(change={"amount": "0.0000004", "cost": "-1"})
def test_the_table_takes_a_row_if_and_only_if_it_has_no_fault(change: dict[str, Any]) -> None:
    assert _is_taken(_GOOD | change) is (_fault(_GOOD | change) is None)


def test_a_fault_is_found_without_a_call_of_a_function() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            EXPLAIN SELECT FROM resource_usage WHERE economics_usage_fault(
                entity_type, entity_id, resource_type, amount, cost, created_at, corrects_id) IS NULL
            """
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "CASE WHEN" in plan
    assert "economics_usage_fault" not in plan
