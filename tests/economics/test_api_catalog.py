"""Tiers, models, prices, alerts and days of usage over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from economics import metering
from economics.events import Event
from economics.models import Alert, LanguageModel, Line, Price, Tier, UsageDay
from tests import callers, factories
from tests.callers import BOOKS
from tests.factories import NOON

if TYPE_CHECKING:
    from tests.callers import Caller

pytestmark = pytest.mark.django_db

SPRING = datetime(2026, 4, 1, tzinfo=UTC)


def _read(path: str, reader: Caller | None = None, /, **query: object) -> Any:
    answer = (reader or callers.caller("grader")).get(f"{BOOKS}/{path}", **query)
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)


def _refused(path: str, **query: object) -> tuple[int, str]:
    answer = callers.caller().get(f"{BOOKS}/{path}", **query)
    return answer.status_code, callers.problem(answer)["code"]


# The catalogue


def test_a_model_shows_its_tier_and_the_price_admission_goes_by() -> None:
    factories.model("deep-1", provider="acme")
    factories.price("deep-1", rate="0.002", output_rate="0.004", since=SPRING, source="list of april")
    model = _read("models/deep-1")
    assert {name: model[name] for name in ("name", "provider", "tier", "is_enabled")} == {
        "name": "deep-1",
        "provider": "acme",
        "tier": "frontier",
        "is_enabled": True,
    }
    price = Price.objects.get(effective_from=SPRING)
    assert model["price"] == {
        "id": price.pk,
        "resource_type": "llm_tokens",
        "name": "deep-1",
        "effective_from": "2026-04-01T00:00:00Z",
        "rate": "0.002",
        "output_rate": "0.004",
        "cache_read_rate": None,
        "cache_write_rate": None,
        "source": "list of april",
        "created_at": model["price"]["created_at"],
        "withdrawn_at": None,
    }
    assert _read("models")["results"] == [model]
    assert _read(f"prices/{price.pk}") == model["price"]


def test_a_model_without_a_price_shows_none_and_one_before_its_first_list_shows_that() -> None:
    factories.model("new", rate=None)
    ahead = callers.now() + timedelta(days=30)
    factories.model("soon", rate=None)
    factories.price("soon", since=ahead)
    new, soon = _read("models")["results"]
    assert (new["name"], new["price"]) == ("new", None)
    assert datetime.fromisoformat(soon["price"]["effective_from"]) == ahead


@pytest.mark.parametrize("name", ["vendor/large", "a b", "large:free"])
def test_any_name_of_a_model_can_be_written_into_an_address(name: str) -> None:
    factories.model(name)
    assert _read(f"models/{name}/")["name"] == name


def test_models_come_by_name_and_are_narrowed() -> None:
    factories.model("b", provider="acme", is_enabled=False)
    factories.model("a", tier="small")
    factories.model("c", provider="acme")

    def names(**query: object) -> list[str]:
        return [model["name"] for model in _read("models", None, **query)["results"]]

    assert names() == ["a", "b", "c"]
    assert (names(tier="small"), names(provider="acme"), names(enabled="false")) == (["a"], ["b", "c"], ["b"])
    first = _read("models", page_size=2)
    assert [model["name"] for model in json.loads(callers.caller().get(first["next"]).content)["results"]] == ["c"]


def test_prices_are_narrowed_to_those_in_force_at_a_moment() -> None:
    factories.model("a", rate="0.001")
    later = factories.price("a", rate="0.002", since=SPRING)
    wrong = factories.price("a", rate="9", since=SPRING - timedelta(days=1))
    Price.objects.filter(pk=wrong.pk).update(withdrawn_at=callers.now())
    calls = factories.price("pubmed", resource_type="api_calls", rate="0.01", since=SPRING)
    first = Price.objects.get(rate="0.001")

    def ids(**query: object) -> list[int]:
        return [price["id"] for price in _read("prices", None, **query)["results"]]

    assert ids() == [calls.pk, later.pk, first.pk]
    assert ids(resource_type="api_calls") == ids(name="pubmed") == [calls.pk]
    assert ids(at="2026-04-01T00:00:00Z") == [calls.pk, later.pk]
    assert ids(at="2026-03-31T23:59:59Z") == [first.pk]
    assert ids(at="2025-12-31T00:00:00Z") == []
    assert _read(f"prices/{wrong.pk}")["withdrawn_at"] is not None


def test_tiers_come_by_rank() -> None:
    Tier.objects.all().delete()
    Tier.objects.bulk_create([Tier(name="z", rank=1, title="Zed"), Tier(name="a", rank=2), Tier(name="b", rank=2)])
    assert _read("tiers")["results"] == [
        {"name": "z", "title": "Zed", "rank": 1},
        {"name": "a", "title": "", "rank": 2},
        {"name": "b", "title": "", "rank": 2},
    ]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("models/none", 404, "model_not_found"),
        ("prices/1", 404, "unknown_price"),
        ("prices?at=now", 400, "invalid"),
        ("prices?resource_type=usd", 400, "invalid_choice"),
        ("models?enabled=yes", 400, "invalid_choice"),
        ("alerts?threshold=70", 400, "invalid_choice"),
        ("alerts?unseen=0", 400, "invalid_choice"),
        ("alerts?since=2026-01-01", 400, "zone_missing"),
        ("usage-days?day=today", 400, "invalid"),
        ("usage-days?own=me", 400, "invalid_choice"),
        ("usage-days?cursor=WyJ4IiwgMV0", 400, "bad_cursor"),
        ("refusals?resource_type=gold", 400, "invalid_choice"),
    ],
)
def test_what_is_not_there_or_means_nothing_is_said_so(path: str, status: int, code: str) -> None:
    assert _refused(path) == (status, code)


# Alerts


def _alert(line: Line, threshold: int, **terms: Any) -> Alert:
    today = callers.now().replace(hour=0, minute=0, second=0, microsecond=0)
    figures = {"settled": 10 * threshold, "limit": 1000, "raised_at": callers.now(), "window_start": today}
    return Alert.objects.create(line=line, threshold=threshold, **{**figures, **terms})


def test_an_alert_names_its_line_and_is_found_by_it() -> None:
    envelope = factories.envelope("h1", at=callers.now())
    line = envelope.lines.get(resource_type="llm_tokens")
    half = _alert(line, 50, seen_at=callers.now(), seen_by="ada")
    most = _alert(line, 80)
    fleet = _alert(Line.objects.get(envelope=None), 100, raised_at=SPRING)
    shown = _read("alerts")["results"]
    assert [alert["id"] for alert in shown] == [fleet.pk, most.pk, half.pk]
    assert shown[1] == {
        "id": most.pk,
        "entity_type": "hypothesis",
        "entity_id": "h1",
        "resource_type": "llm_tokens",
        "line_id": line.pk,
        "line": "llm_tokens per day",
        "window_start": most.window_start.isoformat().replace("+00:00", "Z"),
        "threshold": 80,
        "settled": "800",
        "limit": "1000",
        "froze": False,
        "raised_at": most.raised_at.isoformat().replace("+00:00", "Z"),
        "rearmed_at": None,
        "seen": False,
    }
    names = ("entity_type", "entity_id", "resource_type", "line")
    assert [shown[0][name] for name in names] == [None, None, "usd", "usd per day"]

    def ids(**query: object) -> list[int]:
        return [alert["id"] for alert in _read("alerts", None, **query)["results"]]

    assert ids(threshold=50) == ids(unseen="false") == [half.pk]
    assert ids(entity_type="hypothesis", entity_id="h1") == ids(resource_type="llm_tokens") == [most.pk, half.pk]
    assert ids(unseen="true") == [fleet.pk, most.pk]
    assert ids(resource_type="usd") == ids(until="2026-05-01T00:00:00Z") == [fleet.pk]
    assert ids(since="2026-05-01T00:00:00Z") == [most.pk, half.pk]


# Days of usage


def test_a_day_sums_over_all_agents_and_ones_own_is_ones_own() -> None:
    factories.model()
    envelope = factories.envelope("h1")
    ann, ben = callers.caller(name="ann"), callers.caller(name="ben")
    day = datetime(2026, 2, 3, 12, tzinfo=UTC)
    body = {"entity_type": "hypothesis", "entity_id": "h1", "resource_type": "llm_tokens", "model": "deep-1"}
    for caller, tokens, at in ((ann, 100, day), (ben, 200, day), (ben, 50, day), (ben, 7, day + timedelta(days=1))):
        told = caller.post(f"{BOOKS}/usage", {**body, "amount": tokens, "created_at": at.isoformat()})
        assert told.status_code == 201
    told = ann.post(f"{BOOKS}/usage", {**body, "amount": 40, "model": "unheard-of", "created_at": day.isoformat()})
    assert told.status_code == 201
    kind = {"entity_type": envelope.entity_type, "entity_id": envelope.entity_id, "resource_type": "llm_tokens"}
    unpriced = {**kind, "day": "2026-02-03", "tier": "", "provider": "", "amount": "40", "cost": "0"}
    summed = {**kind, "day": "2026-02-03", "tier": "frontier", "provider": "", "amount": "350", "cost": "0.455"}
    later, *rest = _read("usage-days")["results"]
    assert (later["day"], later["amount"], later["events"]) == ("2026-02-04", "7", 1)
    assert rest == [
        {**unpriced, "unpriced_amount": "40", "events": 1},
        {**summed, "unpriced_amount": "0", "events": 3},
    ]
    own = _read("usage-days", ann, own="true", tier="frontier")["results"]
    assert own == [{**summed, "amount": "100", "cost": "0.13", "unpriced_amount": "0", "events": 1}]
    assert _read("usage-days", ann, own="false")["results"] == [later, *rest]
    assert UsageDay.objects.count() == 4


def test_days_are_narrowed_and_come_in_pages_at_a_constant_cost() -> None:
    for number in range(1, 8):
        for agent in ("ann", "ben"):
            used = Event(
                entity_type="hypothesis",
                entity_id=f"h{number % 2}",
                resource_type="cpu_seconds",
                amount=Decimal(number),
                source="test",
                event_id=f"{agent}-{number}",
                created_at=datetime(2026, 2, number, 12, tzinfo=UTC),
            )
            metering.record(used, agent_id=agent, now=NOON)
    reader = callers.caller()

    def days(**query: object) -> list[tuple[str, str]]:
        return [(day["day"][-2:], day["amount"]) for day in _read("usage-days", reader, **query)["results"]]

    assert days() == [(f"0{number}", str(2 * number)) for number in range(7, 0, -1)]
    assert days(entity_type="hypothesis", entity_id="h0") == [("06", "12"), ("04", "8"), ("02", "4")]
    assert days(since="2026-02-03", until="2026-02-05") == [("04", "8"), ("03", "6")]
    assert days(day="2026-02-07") == [("07", "14")]
    assert days(resource_type="cpu_seconds", tier="", provider="") == days()
    assert days(resource_type="api_calls") == days(tier="frontier") == days(own="true") == []
    first = _read("usage-days", reader, page_size=4)
    with CaptureQueriesContext(connection) as queries:
        rest = json.loads(reader.get(first["next"]).content)
    assert [day["day"][-2:] for day in first["results"] + rest["results"]] == [f"0{n}" for n in range(7, 0, -1)]
    assert (rest["next"], len(queries)) == (None, 2)


@pytest.mark.parametrize(("path", "number"), [("models", 3), ("prices", 2), ("tiers", 2), ("alerts", 2)])
def test_a_page_costs_the_same_queries_however_many_rows(path: str, number: int) -> None:
    reader = callers.caller()

    def grow(count: int) -> None:
        start = LanguageModel.objects.count()
        for place in range(start, start + count):
            factories.model(f"m{place}", tier=f"t{place}")
            envelope = factories.envelope(f"h{place}", at=callers.now())
            _alert(envelope.lines.get(resource_type="llm_tokens"), 50)

    def queries() -> int:
        _read(path, reader)
        with CaptureQueriesContext(connection) as asked:
            _read(path, reader)
        return len(asked)

    grow(1)
    few = queries()
    grow(6)
    assert (few, queries()) == (number, number)
