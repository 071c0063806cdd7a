"""Lists of the books: what narrows them, what they say at a glance, where they lead, and what they cost to show."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from economics import admission, envelopes, revisions, safety, stops
from economics.models import (
    Alert,
    Assessment,
    Counter,
    Envelope,
    Grant,
    Line,
    Observation,
    Outcome,
    Refusal,
    Reservation,
    Revision,
    Score,
    Signal,
    Usage,
    UsageDay,
)
from tests import factories, reviewers
from tests.reviewers import column, page

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import Model
    from django.test import Client

pytestmark = pytest.mark.django_db
ADA = revisions.Author("ada", "because")


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


@pytest.fixture
def now() -> datetime:
    """Return the time that pages go by."""
    return timezone.now()


def _opened(name: str, now: datetime, **terms: Any) -> Envelope:
    ceilings = {"token_budget": 1_000, "window_kind": "day", **terms}
    return envelopes.open_envelope("hypothesis", name, author=ADA, now=now, **ceilings)


def _names(response: Any) -> list[str]:
    return sorted(row.entity_id for row in response.context["cl"].result_list)


# Envelopes


def test_envelopes_are_narrowed_by_ranges_states_and_what_is_used(root: Client, now: datetime) -> None:
    small, near, full, frozen = (
        _opened(name, now, token_budget=tokens)
        for name, tokens in (("small", 10), ("near", 1_000), ("full", 1_000), ("frozen", 5_000))
    )
    factories.record(near, 800, at=now)
    factories.record(full, 1_000, at=now)
    safety.check(now=now)
    stops.freeze([frozen.pk], author=ADA, now=now)
    Envelope.objects.filter(pk=small.pk).update(priority_score=Decimal("0.9"))
    for query, found in (
        ({"token_budget_from": "1000"}, ["frozen", "full", "near"]),
        ({"token_budget_from": "1000", "token_budget_to": "1000"}, ["full", "near"]),
        ({"priority_score_from": "0.5"}, ["small"]),
        ({"market_weight_to": "-0.1"}, []),
        ({"used": "most"}, ["full", "near"]),
        ({"used": "all"}, ["full"]),
        ({"window_kind__exact": ["week", "day"], "token_budget_to": "10"}, ["small"]),
        ({"granted": "no", "type": "hypothesis", "q": "ne"}, ["near"]),
    ):
        assert (query, _names(root.get(page(Envelope), query))) == (query, found)
    states = Envelope.objects.exclude(state="active").values_list("entity_id", flat=True)
    assert "frozen" in _names(root.get(page(Envelope), {"state__exact": ["frozen", "capped"]})) == sorted(states)


def test_what_is_frozen_or_used_up_says_so_at_a_glance(root: Client, now: datetime) -> None:
    _opened("fine", now)
    full = _opened("full", now)
    frozen = _opened("frozen", now)
    factories.record(full, 1_000, at=now)
    stops.freeze([frozen.pk], author=revisions.Author("ada", "It loops"), now=now)
    shown = root.get(page(Envelope))
    assert list(zip(column(shown, "entity"), column(shown, "stands"), column(shown, "room"), strict=True)) == [
        ("hypothesis:frozen", "frozen", "0 %"),
        ("hypothesis:full", "exhausted", "100 %"),
        ("hypothesis:fine", "active", "0 %"),
    ]
    for envelope, banner in ((frozen, "Frozen: It loops. Nothing can be"), (full, "Exhausted: llm_tokens per day has")):
        assert banner in root.get(page(Envelope, envelope.pk)).content.decode()


def test_a_file_of_envelopes_tells_where_they_stand(root: Client, now: datetime) -> None:
    factories.record(_opened("near", now), 800, at=now)
    _opened("fine", now, window_kind="week")
    response: Any = root.get(f"{page(Envelope)}export/", {"window_kind__exact": "day"})
    text = b"".join(response.streaming_content).decode().removeprefix("\ufeff")
    (row,) = csv.DictReader(text.splitlines())
    asked = ("entity_id", "tokens_limit", "tokens_settled", "tokens_held", "tokens_remaining", "fullest_line")
    assert [row[name] for name in asked] == ["near", "1000", "800", "0", "200", "llm_tokens per day"]


# Where lists lead


def test_every_list_that_names_an_entity_leads_to_the_whole_story_of_it(root: Client, now: datetime) -> None:
    envelope = _opened("h1", now)
    factories.model()
    factories.record(envelope, 10, at=now)
    factories.reserve(envelope, 10, at=now)
    line = envelope.lines.order_by("pk")[0]
    envelopes.grant(line.pk, amount=Decimal(5), author=ADA, now=now)
    factories.outcome(envelope, 3, at=now)
    factories.observation("h1")
    factories.assessment("h1")
    story = "/admin/governance/proposal/entity/hypothesis/h1/"
    for model in (
        Usage,
        UsageDay,
        Envelope,
        Reservation,
        Line,
        Counter,
        Grant,
        Revision,
        Outcome,
        Observation,
        Assessment,
    ):
        assert (model, f'href="{story}"' in root.get(page(model)).content.decode()) == (model, True)


def test_every_way_on_from_an_envelope_is_open(root: Client, now: datetime) -> None:
    envelope = _opened("h1", now)
    shown = root.get(page(Envelope, envelope.pk)).content.decode()
    ways = re.findall(r'href="(/admin/economics/[a-z]+/\?[^"]+)"', shown)
    assert len(ways) == 11
    assert [(way, root.get(way.replace("&amp;", "&")).status_code) for way in ways] == [(way, 200) for way in ways]


@pytest.mark.parametrize("model", [Usage, UsageDay, Refusal, Signal, Outcome, Score, Observation, Assessment])
def test_an_entity_is_found_by_its_name(root: Client, model: type[Model]) -> None:
    for term in ("hypothesis:h1", "h1", " hypothesis:h1 ", "a:b:c"):
        assert root.get(page(model), {"q": term}).status_code == 200


def test_usage_is_found_by_entity_slot_and_agent(root: Client, now: datetime) -> None:
    one, other = _opened("h1", now), _opened("h2", now)
    factories.record(one, 10, at=now)
    factories.record(one, 11, at=now, slot_id="slot-7")
    factories.record(other, 12, at=now)
    for query, amounts in (
        ({"q": "hypothesis:h1"}, [10, 11]),
        ({"q": "h2"}, [12]),
        ({"q": "slot-7"}, [11]),
        ({"q": "h"}, []),
        ({"agent_id__exact": "nobody"}, []),
        ({"price_state__exact": "unpriced"}, [10, 11, 12]),
    ):
        shown = root.get(page(Usage), query).context["cl"].result_list
        assert (query, sorted(int(row.amount) for row in shown)) == (query, amounts)


# Costs


@pytest.mark.parametrize(
    "model",
    [Envelope, Usage, UsageDay, Reservation, Line, Counter, Grant, Revision, Alert, Outcome, Refusal, Score, Signal],
)
def test_a_list_takes_as_many_queries_for_many_rows_as_for_one(
    root: Client, now: datetime, model: type[Model], django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.site.HouseAdmin.list_per_page", 500)
    factories.model()

    holder = factories.agent()

    def grow(first: int, last: int) -> None:
        made = [_opened(f"e{number}", now) for number in range(first, last)]
        for envelope in made:
            factories.record(envelope, 990, at=now)
            factories.reserve(envelope, 1, by=holder, at=now)
            admission.reserve(factories.ask(envelope, 10**9), agent_id=holder.pk, now=now)
            envelopes.grant(envelope.lines.order_by("pk")[0].pk, amount=Decimal(5), author=ADA, now=now)
            factories.outcome(envelope, 3, at=now)
        safety.check(now=now)

    grow(0, 1)
    address = page(model)
    root.get(address)
    with CaptureQueriesContext(connection) as few:
        root.get(address)
    grow(1, 30)
    with django_assert_num_queries(len(few)):
        shown = root.get(address)
    if model not in {Score, Signal}:
        assert len(shown.context["cl"].result_list) >= 30
    assert len(few) <= 15


@pytest.mark.parametrize(
    ("model", "field"),
    [
        *[("reservation", "agent"), ("refusal", "agent"), ("revision", "envelope"), ("line", "envelope")],
        *[("reviewline", "envelope"), ("signal", "source")],
    ],
)
def test_what_is_found_by_typing_is_found(root: Client, now: datetime, model: str, field: str) -> None:
    factories.agent("h1-runner")
    _opened("h1", now)
    asked = {"app_label": "economics", "model_name": model, "field_name": field, "term": "h1"}
    found = root.get("/admin/autocomplete/", asked)
    assert found.status_code == 200
    named = {"agent": ["h1-runner"], "envelope": ["hypothesis:h1"], "source": []}[field]
    assert [row["text"] for row in found.json()["results"]] == named
