"""What dashboards show of the books: lines near their limits, spend by day, kind and entity, the latest alerts."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from economics import budget_policy, envelopes, overview, safety, stops
from tests import factories
from tests.factories import NOON, REVIEWER, after

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
TODAY = date(2026, 3, 2)


def _near(at: Any = NOON, **terms: Any) -> list[tuple[str, str, str]]:
    """Return the entities near a limit, with the line and the percent of it."""
    found = overview.near_limits(now=at, **terms).lines
    return [(line.entity_id, line.standing.title, _percent(line.share)) for line in found]


def _percent(share: Decimal | None) -> str:
    return "over nothing" if share is None else f"{share * 100:.0f} %"


def _queries(ask: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        ask()
    return len(captured)


# Near the limits


def test_lines_near_their_limits_come_the_fullest_first_with_what_stands_now() -> None:
    factories.model()
    own = {name: factories.envelope(name, tokens=1_000) for name in ("half", "near", "over", "nothing", "full")}
    for name, tokens in (("half", 500), ("near", 800), ("over", 1_100), ("full", 1_000)):
        factories.record(own[name], tokens)
    factories.record(own["nothing"], 1)
    envelopes.change(own["nothing"].pk, author=REVIEWER, now=NOON, token_budget=0)
    safety.check(now=NOON)
    factories.reserve(own["near"], 100)
    assert _near() == [
        ("nothing", "llm_tokens per day", "over nothing"),
        ("over", "llm_tokens per day", "110 %"),
        ("full", "llm_tokens per day", "100 %"),
        ("near", "llm_tokens per day", "90 %"),
    ]
    found = overview.near_limits(now=NOON)
    assert (found.near, found.full) == (4, 3)
    assert [line.state for line in found.lines] == ["frozen", "frozen", "active", "active"]


def test_the_few_that_are_shown_are_those_at_their_limit_and_all_are_counted() -> None:
    for name, tokens in (("a", 800), ("b", 1_000), ("c", 900)):
        factories.record(factories.envelope(name, tokens=1_000), tokens)
    safety.check(now=NOON)
    found = overview.near_limits(now=NOON, most=1)
    assert [(line.entity_id, found.near, found.full) for line in found.lines] == [("b", 3, 1)]


def test_a_line_counts_in_its_own_window_only() -> None:
    monday = NOON.replace(hour=1)  # a day and a week begin at the same moment
    own = factories.envelope("both", tokens=1_000, at=monday)
    factories.line(own, 10_000, tier="", window="week", at=monday)
    factories.record(own, 900, at=monday)
    safety.check(now=monday)
    assert _near(monday) == [("both", "llm_tokens per day", "90 %")]
    assert _near(monday + DAY) == []
    factories.record(own, 9_000, at=monday + DAY)
    safety.check(now=monday + DAY)
    assert _near(monday + DAY, most=1) == [("both", "llm_tokens per day", "900 %")]
    assert _near(monday + 2 * DAY) == [("both", "llm_tokens per week", "99 %")]


def test_a_raised_limit_and_the_line_of_the_fleet_are_not_near() -> None:
    budget_policy.change(author=REVIEWER, now=NOON, fleet_daily_usd=Decimal("0.1"))
    factories.model()
    own = factories.envelope(tokens=1_000)
    factories.record(own, 900)
    safety.check(now=NOON)
    envelopes.change(own.pk, author=REVIEWER, now=NOON, token_budget=100_000)
    safety.check(now=after(1))
    assert [(alert.entity_id, alert.threshold) for alert in overview.latest_alerts()] == [
        (own.entity_id, 80),
        ("", 100),
    ]
    assert overview.near_limits(now=after(1)) == overview.NearLimits(0, 0, [])


# Spend


def test_spend_is_told_by_day_and_kind_with_days_of_nothing() -> None:
    factories.model()
    factories.model("small-1", tier="economy", rate="0.0001", output_rate="0.0001")
    factories.price("acme", resource_type="api_calls", rate="0.5")
    own = factories.envelope(tokens=10_000, api_call_budget=100)
    factories.record(own, 1_000, at=NOON - 2 * DAY, model="small-1")
    factories.record(own, 2, at=NOON, resource_type="api_calls", provider="acme")
    factories.record(own, 1_000, at=NOON)
    factories.record(own, 1_000, at=NOON - 3 * DAY)
    factories.record(own, 1_000, at=NOON, model="unheard-of")
    spent = overview.spending(last=TODAY, days=3)
    assert spent.days == [date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)]
    assert [(kind.resource_type, kind.tier, [float(cost) for cost in kind.costs]) for kind in spent.kinds] == [
        ("llm_tokens", "frontier", [0, 0, 1.3]),
        ("api_calls", "", [0, 0, 1]),
        ("llm_tokens", "economy", [0.1, 0, 0]),
    ]
    assert [float(total) for total in spent.totals] == [0.1, 0, 2.3]
    assert overview.upkeep() == (1, None)
    safety.check(now=NOON)
    assert overview.upkeep() == (1, NOON)


def test_days_are_those_of_the_policys_zone() -> None:
    budget_policy.change(author=REVIEWER, now=NOON, zone="Asia/Tokyo")
    factories.model()
    late = NOON.replace(hour=16)  # the next day in Tokyo
    factories.record(factories.envelope(), 1_000, at=late)
    assert overview.today(now=NOON) == TODAY
    assert overview.today(now=late) == TODAY + DAY
    assert overview.spenders(last=TODAY) == []
    assert len(overview.spenders(last=TODAY + DAY)) == 1
    assert [float(total) for total in overview.spending(last=TODAY + DAY, days=2).totals] == [0, 1.3]


def test_days_before_are_joined_to_the_last_ones() -> None:
    factories.model()
    factories.model("small-1", tier="economy", rate="0.0001", output_rate="0.0001")
    own = factories.envelope(tokens=10_000)
    for ago, model in ((0, "deep-1"), (1, "small-1"), (3, "deep-1"), (4, "small-1"), (4, "deep-1")):
        factories.record(own, 1_000, at=NOON - ago * DAY, model=model)
    whole = overview.spending(last=TODAY, days=5)
    before, lately = overview.spending(last=TODAY - 2 * DAY, days=3), overview.spending(last=TODAY, days=2)
    assert overview.joined(before, lately) == whole
    assert [float(total) for total in whole.totals] == [1.4, 1.3, 0, 0.1, 1.3]


def test_of_nothing_spent_there_are_days() -> None:
    assert overview.spending(last=TODAY, days=2) == ([date(2026, 3, 1), date(2026, 3, 2)], [])
    assert overview.spending(last=TODAY, days=2).totals == [0, 0]
    assert overview.spenders(last=TODAY) == []


def test_the_dearest_entities_come_first() -> None:
    factories.model()
    own = {name: factories.envelope(name) for name in ("a", "b", "c")}
    for name, tokens, ago in (("a", 100, 0), ("b", 300, 0), ("c", 200, 0), ("c", 200, 1)):
        factories.record(own[name], tokens, at=NOON - ago * DAY)
    found = overview.spenders(last=TODAY, most=2)
    assert [(row.entity_id, row.envelope_id, float(row.cost)) for row in found] == [
        ("b", own["b"].pk, 0.39),
        ("c", own["c"].pk, 0.26),
    ]
    assert [row.entity_id for row in overview.spenders(last=TODAY, days=2)] == ["c", "b", "a"]


# Alerts, a pause, and what a new house has


def test_the_latest_alerts_come_with_whose_line_it_is_and_the_highest_of_those_raised_at_once() -> None:
    budget_policy.change(author=REVIEWER, now=NOON, fleet_daily_usd=Decimal(2))
    factories.model()
    own = factories.envelope("h1", tokens=1_500)
    factories.record(own, 1_000)
    safety.check(now=NOON)
    factories.record(own, 400, at=after(1))
    safety.check(now=after(2))
    shown = [(alert.entity_id, alert.envelope_id, alert.line, alert.threshold) for alert in overview.latest_alerts()]
    assert shown == [
        ("h1", own.pk, "llm_tokens per day", 80),
        ("", None, "usd per day", 80),
        ("h1", own.pk, "llm_tokens per day", 50),
        ("", None, "usd per day", 50),
    ]
    assert overview.latest_alerts(most=1)[0].settled == 1_400


def test_a_pause_of_the_fleet_is_told_and_that_of_an_agent_is_not() -> None:
    stops.pause(author=REVIEWER, now=NOON, agent=factories.agent())
    assert overview.fleet_pause() is None
    stops.pause(author=REVIEWER._replace(why="a runaway"), now=NOON)
    pause = overview.fleet_pause()
    assert pause is not None
    assert pause.reason == "a runaway"
    stops.resume(author=REVIEWER, now=after(1))
    assert overview.fleet_pause() is None


def test_a_new_house_has_nothing_and_then_one_thing_after_the_other() -> None:
    assert overview.begun() == (False, False, False, False)
    factories.model()
    budget_policy.change(author=REVIEWER, now=NOON, fleet_daily_usd=Decimal(2))
    assert overview.begun() == (True, True, False, False)
    factories.record(factories.envelope())
    assert overview.begun() == (True, True, True, True)


def test_the_number_of_queries_is_the_same_for_few_and_for_many() -> None:
    counts = []
    for number in (1, 30):
        for _each in range(number):
            factories.record(factories.envelope(tokens=100), 100)
        safety.check(now=after(number))
        counts.append(
            [
                _queries(lambda: overview.near_limits(now=after(60), most=50)),
                _queries(lambda: overview.spending(last=TODAY)),
                _queries(lambda: overview.spenders(last=TODAY, most=50)),
                _queries(lambda: overview.latest_alerts(most=50)),
            ]
        )
    assert counts == [[1, 1, 1, 1]] * 2
