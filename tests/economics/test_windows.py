"""Windows begin and end where the calendar of their zone says: SQL against Python's own time zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import example, given, settings
from hypothesis import strategies as st

from economics import admission, budget_policy, envelopes, errors, metering, standings
from economics.models import Counter, Line, Reservation, UsageDay
from tests import factories
from tests.factories import NOON, REVIEWER, after

pytestmark = pytest.mark.django_db

# By what their clocks do: an hour at night; over midnight, forwards and back; half an hour; nothing, 5:45 off; a day
# that was skipped; both hemispheres.
ZONES: Final = [
    "UTC",
    "America/New_York",
    "America/Havana",
    "Asia/Beirut",
    "Atlantic/Azores",
    "Africa/Cairo",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Asia/Gaza",
    "Pacific/Apia",
]
KINDS: Final = ["day", "week", "month"]


def _window(kind: str, at: datetime, zone: str, week: int = 1) -> tuple[datetime, datetime]:
    """Return the window of a moment as PostgreSQL has it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.starts, economics_window_end(%(kind)s, w.starts, %(zone)s)
              FROM (SELECT economics_window_start(%(kind)s, %(at)s, %(zone)s, %(week)s::smallint)) AS w(starts)
            """,
            {"kind": kind, "at": at, "zone": zone, "week": week},
        )
        starts, ends = cursor.fetchone()
    return starts, ends


def _first_moment(day: date, zone: str) -> datetime:
    """Return when a local day begins: of two midnights the first one, and the jump itself when there is none."""
    return datetime(day.year, day.month, day.day, fold=0, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _oracle(kind: str, at: datetime, zone: str, week: int) -> tuple[datetime, datetime]:
    """Return the window of a moment by the calendar."""
    day = at.astimezone(ZoneInfo(zone)).date()
    if kind == "day":
        first, last = day, day + timedelta(days=1)
    elif kind == "week":
        first = day - timedelta(days=(day.isoweekday() - week) % 7)
        last = first + timedelta(days=7)
    else:
        first = day.replace(day=1)
        last = (first + timedelta(days=31)).replace(day=1)
    return _first_moment(first, zone), _first_moment(last, zone)


_MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2035, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@settings(max_examples=400, deadline=None)
@given(kind=st.sampled_from(KINDS), at=_MOMENTS, zone=st.sampled_from(ZONES), week=st.integers(1, 7))
@example(kind="day", at=datetime(2026, 11, 1, 4, 30, tzinfo=UTC), zone="America/Havana", week=1)  # its first midnight
@example(kind="day", at=datetime(2026, 11, 1, 5, 30, tzinfo=UTC), zone="America/Havana", week=1)  # its second
@example(kind="day", at=datetime(2026, 3, 8, 5, 0, tzinfo=UTC), zone="America/Havana", week=1)  # it has none
@example(kind="month", at=datetime(2024, 2, 29, 23, 59, tzinfo=UTC), zone="UTC", week=1)
@example(kind="month", at=datetime(2011, 12, 30, 12, 0, tzinfo=UTC), zone="Pacific/Apia", week=1)
def test_a_window_is_that_of_the_calendar(kind: str, at: datetime, zone: str, week: int) -> None:
    starts, ends = _window(kind, at, zone, week)
    assert (starts, ends) == _oracle(kind, at, zone, week)
    assert starts <= at < ends


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_of_days_leaves_no_moment_out_and_none_twice(zone: str) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    starts, ends = _window("day", at, zone)
    for _ in range(366):
        following = _window("day", ends, zone)
        assert following[0] == ends
        assert _window("day", ends - timedelta(microseconds=1), zone) == (starts, ends)
        starts, ends = following


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", (2026, 3, 8), 23),
        ("America/New_York", (2026, 11, 1), 25),
        ("America/Havana", (2026, 3, 8), 23),
        ("America/Havana", (2026, 10, 31), 24),
        ("America/Havana", (2026, 11, 1), 25),
        ("Asia/Beirut", (2026, 3, 29), 23),
        ("Asia/Beirut", (2026, 10, 24), 25),
        ("Australia/Lord_Howe", (2026, 4, 5), 24.5),
        ("Australia/Lord_Howe", (2026, 10, 4), 23.5),
        ("Asia/Kathmandu", (2026, 3, 8), 24),
    ],
)
def test_a_day_has_its_hours(zone: str, day: tuple[int, int, int], hours: float) -> None:
    starts, ends = _window("day", datetime(*day, 12, tzinfo=ZoneInfo(zone)), zone)
    assert (ends - starts) / timedelta(hours=1) == hours


@pytest.mark.parametrize(
    ("month", "days"), [((2026, 2), 28), ((2024, 2), 29), ((2000, 2), 29), ((2026, 12), 31), ((2026, 4), 30)]
)
def test_a_month_has_its_days(month: tuple[int, int], days: int) -> None:
    starts, ends = _window("month", datetime(*month, 28, 23, 59, tzinfo=UTC), "UTC")
    assert (starts, (ends - starts).days) == (datetime(*month, 1, tzinfo=UTC), days)


def test_a_lifetime_has_one_window() -> None:
    first = _window("lifetime", NOON, "Asia/Kathmandu")
    assert first == _window("lifetime", after(10**9), "America/Havana", 7)
    assert first[1] is None


# What stands against a line


def _midnight(day: int) -> datetime:
    return datetime(2026, 3, day, tzinfo=UTC)


def test_a_window_ends_for_everybody_at_its_last_microsecond() -> None:
    factories.model(rate="0", output_rate="0")
    own = factories.envelope()
    last = _midnight(3) - timedelta(microseconds=1)
    factories.reserve(own, 1_000, at=last)
    refused = admission.reserve(factories.ask(own, 1), agent_id=factories.agent().pk, now=last)
    assert not isinstance(refused, Reservation)
    assert refused.figures["resets_at"] == _midnight(3)
    factories.reserve(own, 1_000, at=_midnight(3))


def test_a_worker_that_holds_the_start_of_the_last_window_cannot_change_this_one() -> None:
    """Settling, releasing and expiring belong to the day of the reservation, late reports to that of their use."""
    factories.model(rate="0", output_rate="0")
    own = factories.envelope()
    yesterday = [factories.reserve(own, 100, at=_midnight(3) - timedelta(seconds=1), lives=60) for _ in range(3)]
    factories.reserve(own, 300, at=_midnight(3))
    today = factories.figures(own, at=_midnight(3))

    admission.settle(yesterday[0].pk, admission.Spent(amount=Decimal(700)), now=_midnight(3) + timedelta(seconds=5))
    admission.release(yesterday[1].pk, now=_midnight(3) + timedelta(seconds=5))
    admission.expire(now=_midnight(3) + timedelta(seconds=100))
    factories.record(own, 40, at=_midnight(3) - timedelta(hours=1))
    metering.record_many([factories.event(own, 60, at=_midnight(2))], agent_id="late", now=_midnight(9))

    assert factories.figures(own, at=_midnight(3)) == today == (1_000, 0, 300, 700)
    assert factories.figures(own) == (1_000, 800, 0, 200)


def test_a_reset_writes_nothing() -> None:
    own = factories.envelope()
    factories.record(own, 600)
    before = list(Counter.objects.order_by("pk").values())
    assert factories.figures(own, at=NOON + timedelta(days=1)) == (1_000, 0, 0, 1_000)
    assert list(Counter.objects.order_by("pk").values()) == before


def test_lines_of_one_envelope_have_windows_of_their_own() -> None:
    own = factories.envelope(window_kind="month", tokens=10_000)
    for window, base in (("day", 100), ("week", 500), ("lifetime", 50_000)):
        factories.line(own, base, tier="", window=window)
    factories.record(own, 70, at=_midnight(1))  # a Sunday
    factories.record(own, 80, at=_midnight(2))
    settled = {one.window_kind: one.settled for one in standings.of_envelopes([own.pk], at=NOON)[own.pk][4:]}
    assert settled == {"day": 80, "week": 80, "lifetime": 150}
    assert factories.figures(own).settled == 150


def test_back_dated_usage_lands_in_the_window_of_its_time() -> None:
    own = factories.envelope()
    factories.record(own, 600, at=NOON)
    events = [factories.event(own, 50 * n, at=NOON - timedelta(days=n)) for n in (1, 2, 400)]
    metering.record_many(events, agent_id="late", now=NOON)
    total = own.lines.get(resource_type="llm_tokens")
    counters = Counter.objects.filter(line=total).order_by("window_start").values_list("window_start", "settled")
    found: list[tuple[Any, ...]] = list(counters)
    assert found == [
        (datetime(2025, 1, 26, tzinfo=UTC), 20_000),
        (datetime(2026, 2, 28, tzinfo=UTC), 100),
        (datetime(2026, 3, 1, tzinfo=UTC), 50),
        (datetime(2026, 3, 2, tzinfo=UTC), 600),
    ]


def test_usage_at_the_edges_of_a_day_of_25_hours_is_of_that_day() -> None:
    budget_policy.change(author=REVIEWER, now=NOON, zone="America/Havana")
    own = factories.envelope()
    first, last = datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 2, 5, tzinfo=UTC)
    for at in (first - timedelta(seconds=1), first, first + timedelta(hours=1), last - timedelta(seconds=1), last):
        factories.record(own, 1, at=at)
    assert [factories.figures(own, at=first + timedelta(hours=h)).settled for h in (-1, 0, 1, 24, 25)] == [
        1,
        3,
        3,
        3,
        1,
    ]
    assert dict(UsageDay.objects.values_list("day", "events")) == {
        date(2026, 10, 31): 1,
        date(2026, 11, 1): 3,
        date(2026, 11, 2): 1,
    }


@pytest.mark.parametrize(("day", "hours"), [(7, 24), (8, 23)])
def test_storage_is_measured_in_the_hours_of_the_window(day: int, hours: int) -> None:
    budget_policy.change(author=REVIEWER, now=NOON, zone="America/New_York")
    own = factories.envelope(storage_budget_gb=Decimal("1.5"))
    at = datetime(2026, 3, day, 12, tzinfo=ZoneInfo("America/New_York"))
    (line,) = (one for one in standings.of_envelopes([own.pk], at=at)[own.pk] if "storage" in one.resource_type)
    assert line.limit == (Decimal("1.5") * hours).to_integral_value(rounding="ROUND_FLOOR")


def test_storage_has_no_ceiling_for_a_lifetime() -> None:
    own = factories.envelope(storage_budget_gb=Decimal(2), window_kind="lifetime")
    (line,) = (one for one in standings.of_envelopes([own.pk], at=NOON)[own.pk] if "storage" in one.resource_type)
    assert (line.base, line.limit, line.remaining, line.window_end) == (Decimal(2), None, None, None)


def test_no_storage_for_a_lifetime_is_none() -> None:
    factories.price(resource_type="storage_gb_hours", rate="0")
    own = factories.envelope(storage_budget_gb=Decimal(0), window_kind="lifetime")
    (line,) = (one for one in standings.of_envelopes([own.pk], at=NOON)[own.pk] if "storage" in one.resource_type)
    assert (line.limit, line.remaining) == (Decimal(0), Decimal(0))
    refusal = admission.reserve(
        factories.ask(own, 1, resource_type="storage_gb_hours"), agent_id=factories.agent().pk, now=NOON
    )
    assert isinstance(refusal, errors.BudgetExhaustedError)


# The calendar changes


def _move(zone: str, at: datetime = NOON, week: int = 1) -> None:
    budget_policy.change(author=REVIEWER, now=at, zone=zone, week_starts_on=week)


def test_a_new_zone_counts_usage_and_holds_anew() -> None:
    """At noon in London it is 7 in the morning in New York: what was used before 5 UTC was used there yesterday."""
    factories.model(rate="0.001", output_rate="0.001")
    own = factories.envelope()
    factories.record(own, 100, at=_midnight(2) + timedelta(hours=4))
    factories.record(own, 200, at=_midnight(2) + timedelta(hours=6))
    early = factories.reserve(own, 30, at=_midnight(2) + timedelta(hours=4), lives=86_400)
    late = factories.reserve(own, 40, at=_midnight(2) + timedelta(hours=6), lives=86_400)
    assert factories.figures(own) == (1_000, 300, 70, 630)

    _move("America/New_York")
    assert factories.figures(own) == (1_000, 200, 40, 760)
    assert factories.figures(own, at=NOON - timedelta(days=1)) == (1_000, 100, 30, 870)
    fleet = standings.of_fleet(at=NOON)
    assert (fleet.settled, fleet.held, fleet.window_start) == (
        Decimal("0.2"),
        Decimal("0.04"),
        datetime(2026, 3, 2, 5, tzinfo=UTC),
    )

    admission.settle(early.pk, admission.Spent(amount=Decimal(35)), now=NOON)
    admission.release(late.pk, now=NOON)
    assert factories.figures(own) == (1_000, 200, 0, 800)
    assert factories.figures(own, at=NOON - timedelta(days=1)) == (1_000, 135, 0, 865)
    _move("UTC")
    assert factories.figures(own) == (1_000, 335, 0, 665)


def test_a_new_zone_moves_the_days_of_usage_with_what_nobody_has_priced() -> None:
    own = factories.envelope()
    waiting = factories.record(own, 100, at=_midnight(2) + timedelta(hours=4), model="deep-2")
    _move("America/New_York")
    factories.model("deep-2")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE resource_usage SET cost = 0.5, price_id = 1, rate = 1 WHERE id = %s", [waiting.pk])
    day = UsageDay.objects.get()
    assert (day.day, day.amount, day.cost, day.unpriced_amount) == (
        date(2026, 3, 1),
        Decimal(100),
        Decimal("0.5"),
        Decimal(0),
    )


def test_the_past_is_whole_under_a_new_zone() -> None:
    """Reviews compare full windows: February's must not be what little of it the change has touched."""
    own = factories.envelope(window_kind="month")
    for at in (datetime(2026, 2, 1, 2, tzinfo=UTC), datetime(2026, 2, 14, tzinfo=UTC), _midnight(1)):
        factories.record(own, 100, at=at)
    _move("America/New_York")
    assert [factories.figures(own, at=datetime(2026, month, 15, tzinfo=UTC)).settled for month in (1, 2, 3)] == [
        100,
        200,
        0,
    ]


def test_a_new_start_of_the_week_counts_weeks_anew() -> None:
    own = factories.envelope(window_kind="week")
    factories.record(own, 100, at=_midnight(1))  # Sunday
    factories.record(own, 200, at=NOON)
    assert factories.figures(own).settled == 200
    _move("UTC", week=7)
    assert factories.figures(own).settled == 300


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu", "America/Havana"])
def test_a_grant_keeps_its_dates_under_a_new_zone(zone: str) -> None:
    own = factories.envelope()
    total = own.lines.get(resource_type="llm_tokens")
    envelopes.grant(total.pk, amount=Decimal(50), author=REVIEWER, now=NOON, last=NOON + timedelta(days=1))
    _move(zone)
    there = ZoneInfo(zone)
    limits = [factories.figures(own, at=datetime(2026, 3, day, 12, tzinfo=there)).limit for day in (1, 2, 3, 4)]
    assert limits == [1_000, 1_050, 1_050, 1_000]
    _move("UTC")
    assert [factories.figures(own, at=datetime(2026, 3, day, 12, tzinfo=UTC)).limit for day in (1, 2, 3, 4)] == limits


def test_a_grant_that_is_over_stays_over_under_a_new_zone() -> None:
    own = factories.envelope()
    total = own.lines.get(resource_type="llm_tokens")
    past = envelopes.grant(total.pk, amount=Decimal(50), author=REVIEWER, now=NOON - timedelta(days=3))
    _move("America/New_York")
    past.refresh_from_db()
    assert (past.ended_at, total.grants.count()) == (None, 1)


def test_a_week_that_begins_on_another_day_keeps_its_grant() -> None:
    own = factories.envelope(window_kind="week")
    total = own.lines.get(resource_type="llm_tokens")
    envelopes.grant(total.pk, amount=Decimal(50), author=REVIEWER, now=NOON)
    _move("UTC", week=7)
    limits = [factories.figures(own, at=NOON + timedelta(days=7 * n)).limit for n in (-1, 0, 1)]
    assert limits == [1_000, 1_050, 1_000]


def test_only_a_change_of_the_calendar_counts_anew() -> None:
    own = factories.envelope()
    factories.record(own, 100)
    counters = set(Counter.objects.values_list("pk", flat=True))
    budget_policy.change(author=REVIEWER, now=NOON, zone="UTC", week_starts_on=1, fleet_daily_usd=Decimal(5))
    assert set(Counter.objects.values_list("pk", flat=True)) == counters
    assert Line.objects.get(envelope=None).base == 5
