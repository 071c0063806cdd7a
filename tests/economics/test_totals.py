"""Sums over the whole house: envelopes by class and window, the largest, the reserve, and what was used of what."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from economics import envelopes, standings, totals
from economics.models import BudgetPolicy, LanguageModel, Reserve
from tests import factories
from tests.factories import NOON, REVIEWER

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def _shown(found: list[totals.Total]) -> list[tuple[str, ...]]:
    return [
        (
            " ".join(part for part in (one.resource_type, one.qualifier, one.window_kind) if part),
            *(f"{figure:.0f}" for figure in (one.lines, one.granted, one.limit, one.settled, one.held, one.remaining)),
        )
        for one in found
    ]


def test_a_new_house_has_no_totals() -> None:
    assert totals.by_class(now=NOON) == []
    assert totals.largest(now=NOON) == []
    assert totals.freed() == []
    assert totals.used(last=NOON.date()) == totals.Usage([], [])


def test_totals_add_up_by_class_window_and_tier() -> None:
    factories.model()
    one, two = factories.envelope("one", tokens=1_000), factories.envelope("two", tokens=500, api_call_budget=7)
    monthly = factories.envelope("slow", tokens=9_000, window_kind="month")
    factories.line(one, 600)
    total = one.lines.get(resource_type="llm_tokens", qualifier="")
    envelopes.grant(total.pk, amount=Decimal(50), author=REVIEWER, now=NOON)
    factories.record(one, 100)
    factories.reserve(two, 30)
    factories.record(monthly, 10, at=NOON)
    assert _shown(totals.by_class(now=NOON)) == [
        ("llm_tokens day", "2", "50", "1550", "100", "30", "1420"),
        ("llm_tokens frontier day", "1", "0", "600", "100", "0", "500"),
        ("llm_tokens month", "1", "0", "9000", "10", "0", "8990"),
        ("api_calls day", "1", "0", "7", "0", "0", "7"),
    ]


def test_an_overspent_line_takes_nothing_from_the_others() -> None:
    factories.model()
    over, other = factories.envelope("over", tokens=100), factories.envelope("other", tokens=100)
    factories.record(over, 250)
    factories.record(other, 10)
    (found,) = totals.by_class(now=NOON)
    assert [int(part) for part in (found.limit, found.settled, found.remaining)] == [200, 260, 90]


def test_the_markets_weight_and_the_hours_of_the_window_count() -> None:
    own = factories.envelope("lifted", tokens=1_000, storage_budget_gb=Decimal(2), api_call_budget=11)
    factories.market(own, "0.5")
    assert _shown(totals.by_class(now=NOON)) == [
        ("llm_tokens day", "1", "0", "1500", "0", "0", "1500"),
        ("storage_gb_hours day", "1", "0", "72", "0", "0", "72"),
        ("api_calls day", "1", "0", "16", "0", "0", "16"),
    ]


def test_only_the_present_window_counts() -> None:
    factories.record(factories.envelope(tokens=1_000), 400)
    assert [one.settled for one in totals.by_class(now=NOON + DAY)] == [0]


def test_totals_are_the_sums_of_where_lines_stand() -> None:
    books = factories.books(factories.agent())
    factories.market(books.envelope, "-0.25")
    at = NOON + timedelta(minutes=2)
    lines = [line for of in standings.of_envelopes([books.envelope.pk, books.frozen.pk], at=at).values() for line in of]
    for total in totals.by_class(now=at):
        kind = (total.resource_type, total.qualifier, total.window_kind)
        own = [line for line in lines if (line.resource_type, line.qualifier, line.window_kind) == kind]
        bounded = [line for line in own if line.limit is not None]
        assert (total.lines, total.open_lines) == (len(bounded), len(own) - len(bounded))
        for name in ("granted", "limit", "remaining"):
            assert getattr(total, name) == sum(getattr(line, name) for line in bounded), (kind, name)
        assert (total.settled, total.held) == (sum(line.settled for line in own), sum(line.held for line in own))


def test_the_largest_envelopes_come_first_with_where_they_stand() -> None:
    factories.model()
    for name, tokens in (("small", 10), ("large", 3_000), ("middle", 200)):
        factories.envelope(name, tokens=tokens)
    found = totals.largest(now=NOON, most=2)
    assert [(one.entity_id, int(one.line.limit or 0)) for one in found] == [("large", 3_000), ("middle", 200)]


def test_only_reserves_that_hold_something_are_told() -> None:
    Reserve.objects.create(window_kind="week", qualifier="")
    assert totals.freed() == []


def test_use_is_told_by_tier_or_provider_and_by_type_of_entity() -> None:
    factories.model()
    factories.price("acme", resource_type="api_calls", rate="0.5")
    own = factories.envelope("h1", tokens=10_000, api_call_budget=100)
    gap = factories.envelope("g1", tokens=10_000, entity_type="knowledge_gap")
    factories.record(own, 1_000)
    factories.record(gap, 100)
    factories.record(own, 2, resource_type="api_calls", provider="acme")
    factories.record(own, 300, model="unheard-of")
    factories.record(own, 100, at=NOON - 9 * DAY)
    found = totals.used(last=NOON.date(), days=7)
    assert [(one.resource_type, one.part, int(one.amount), int(one.unpriced), one.events) for one in found.kinds] == [
        ("llm_tokens", "frontier", 1_100, 0, 2),
        ("api_calls", "acme", 2, 0, 1),
        ("llm_tokens", "", 300, 300, 1),
    ]
    assert [(one.part, one.resource_type, int(one.amount)) for one in found.entity_types] == [
        ("hypothesis", "llm_tokens", 1_300),
        ("hypothesis", "api_calls", 2),
        ("knowledge_gap", "llm_tokens", 100),
    ]
    assert (found.events, float(found.cost)) == (4, 2.43)


def test_use_is_told_by_model_and_the_tier_it_was_in() -> None:
    factories.model()
    factories.price("acme", resource_type="api_calls", rate="0.5")
    own = factories.envelope("h1", tokens=10_000, api_call_budget=100)
    factories.record(own, 300, model="unheard-of")
    factories.record(own, 1_000)
    factories.record(own, 100, at=NOON - 6 * DAY)
    factories.record(own, 2, resource_type="api_calls", provider="acme")
    factories.record(own, 50, at=NOON - 7 * DAY)
    LanguageModel.objects.filter(pk="deep-1").update(tier="small")
    factories.record(own, 7)
    found = totals.by_model(last=NOON.date(), days=7)
    assert [(one.model, one.tier, int(one.amount), int(one.unpriced), one.events) for one in found] == [
        ("deep-1", "frontier", 1_100, 0, 2),
        ("deep-1", "small", 7, 0, 1),
        ("unheard-of", "", 300, 300, 1),
    ]
    assert [one.model for one in totals.by_model(last=NOON.date(), days=7, most=1)] == ["deep-1"]
    everything = totals.used(last=NOON.date(), days=7)
    tokens = [one for one in everything.kinds if one.resource_type == "llm_tokens"]
    for part in ("amount", "cost", "unpriced", "events"):
        assert sum(getattr(one, part) for one in found) == sum(getattr(one, part) for one in tokens)


def test_days_of_models_are_those_of_the_policys_zone() -> None:
    BudgetPolicy.objects.update(zone="Pacific/Auckland")
    factories.model()
    own = factories.envelope("h1", tokens=10_000)
    for hour in (10, 11, 34, 35):  # the second of March there lasts from 11 to 11
        factories.record(own, hour, at=NOON - timedelta(hours=36 - hour))
    (found,) = totals.by_model(last=NOON.date(), days=1)
    assert int(found.amount) == 11 + 34


def _queries(ask: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        ask()
    return len(captured)


def test_the_number_of_queries_is_the_same_for_few_and_for_many() -> None:
    factories.model()
    counts = []
    for number in (1, 30):
        for _each in range(number):
            factories.record(factories.envelope(tokens=100), 100)
        counts.append([
            _queries(lambda: totals.by_class(now=NOON)),
            _queries(lambda: totals.largest(now=NOON)),
            _queries(lambda: totals.used(last=NOON.date())),
            _queries(lambda: totals.by_model(last=NOON.date())),
        ])  # fmt: skip
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 3
