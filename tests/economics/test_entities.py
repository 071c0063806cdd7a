"""The whole story of an entity: each part of it, however little there is, and at the same cost however long it is."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from config import requests
from economics import admission, entities, envelopes, returns, reviews, safety, scores, stops, worth_policy
from economics.models import Envelope, Observation, Outcome, Reservation, Signal, SignalSource
from tests import callers, factories, reviewers
from tests.callers import BOOKS, problem
from tests.economics.fleets import MONDAY, gained, member, plain_policy, used
from tests.factories import NOON, REVIEWER, after

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = pytest.mark.django_db


def _story(of: Envelope, *, at: datetime = NOON) -> entities.Story:
    return entities.story(of.entity_type, of.entity_id, at=at)


def _signal(of: Envelope, value: str, *, source: str = "manifold", at: datetime = NOON) -> Signal:
    SignalSource.objects.get_or_create(name=source, defaults={"kind": "price"})
    number = Signal.objects.count()
    return Signal.objects.create(
        source_id=source, is_probability=True, entity_type=of.entity_type, entity_id=of.entity_id,
        value=Decimal(value), event_id=str(number), at=at,
    )  # fmt: skip


def test_an_entity_without_anything_on_record_has_an_empty_story() -> None:
    assert entities.story("hypothesis", "h1", at=NOON).is_empty
    assert not _story(factories.envelope()).is_empty


def test_an_envelope_is_told_by_line_and_window_with_its_live_grants() -> None:
    own = factories.envelope(tokens=1_000)
    line = own.lines.get(resource_type="llm_tokens")
    live = envelopes.grant(line.pk, amount=Decimal(50), author=REVIEWER, now=NOON)
    envelopes.grant(line.pk, amount=Decimal(7), author=REVIEWER, now=NOON - timedelta(days=2))  # lapsed
    ended = envelopes.grant(line.pk, amount=Decimal(9), author=REVIEWER, now=NOON)
    envelopes.end_grant(ended.pk, author=REVIEWER, now=NOON)
    factories.record(own, 100)
    told = _story(own)
    tokens = next(line for line in told.lines if line.resource_type == "llm_tokens")
    assert (tokens.limit, tokens.settled, tokens.remaining) == (Decimal(1_050), Decimal(100), Decimal(950))
    assert told.grants == [live]
    assert [(one.resource_type, one.amount) for one in told.usage] == [("llm_tokens", Decimal(100))]


def test_a_score_comes_with_its_reasons_and_what_it_was_made_of() -> None:
    own = factories.envelope("h1")
    judge = REVIEWER
    for value in ("0.2", "0.8"):
        scores.assess("hypothesis", "h1", "novelty", Decimal(value), author=judge, now=NOON)
    seen = {"entity_type": "hypothesis", "entity_id": "h1", "source": "kg", "at": NOON, "recorded_at": NOON}
    for number in range(3):
        Observation.objects.create(kind="paper", reference=f"PMID{number}", event_id=str(number), **seen)
    Observation.objects.create(
        kind="vote", principal="eve", event_id="v", withdrawn_at=NOON, withdrawn_by="eve", **seen
    )
    scores.recompute(now=NOON)
    told = _story(own)
    assert told.score is not None
    assert told.score.novelty == Decimal("0.8")
    assert any(reason.startswith("Novelty 0.8") for reason in told.score_reasons)
    assert [(one.component, one.value) for one in told.assessments] == [("novelty", Decimal("0.8"))]
    assert told.observations == {"paper": 3}


@pytest.mark.parametrize(
    ("change", "shut"),
    [
        ({}, []),
        ({"granted_at": None, "granted_by": ""}, ["The Senate has not granted it."]),
        ({"priority_score": Decimal("0.49")}, ["Its priority score is below 0.5."]),
        ({"state": "capped"}, ["It is capped."]),
    ],
)
def test_the_market_says_why_the_gate_is_shut(change: dict[str, Any], shut: list[str]) -> None:
    own = member("h1", weight="0", priority="0.5")
    Envelope.objects.filter(pk=own.pk).update(**change)
    market = _story(own).market
    assert market is not None
    assert (market.gate_open, market.shut) == (not shut, shut)


def test_the_market_says_what_it_asks_for_and_what_is_applied() -> None:
    own = member("h1", weight="0.1")
    _signal(own, "1", source="manifold", at=NOON)
    market = _story(own).market
    assert market is not None
    assert (market.weight, market.signals) == (Decimal("0.1"), 1)
    assert (market.confidence, market.signal) == (Decimal("0.75"), Decimal("0.5"))  # (0.5 + 1) / (1 + 1)


def test_of_each_source_the_last_signal_is_told() -> None:
    own = factories.envelope()
    _signal(own, "0.3")
    last = _signal(own, "0.6", at=after(60))
    other = _signal(own, "0.9", source="survey")
    assert _story(own, at=after(60)).signals == [last, other]
    assert [one.value for one in _story(own, at=after(59)).signals] == [Decimal("0.3"), Decimal("0.9")]


def test_roi_comes_with_the_figures_it_is_made_of() -> None:
    worth_policy.change(author=REVIEWER, now=NOON, roi_prior_tokens=1_000, roi_fewest_tokens=1)
    good, other = member("good"), member("other")
    used(good, 1_000)
    gained(good, 30)
    used(other, 3_000)
    gained(other, 10)
    returns.refresh(now=MONDAY)
    told = _story(good, at=MONDAY).returned
    assert (told.edges, told.tokens, told.prior) == (Decimal(30), Decimal(1_000), Decimal("0.01"))
    assert told.roi == (told.edges + 1_000 * told.prior) / (told.tokens + 1_000) == Decimal("0.02")
    assert (told.days, str(told.first_day), str(told.last_day)) == (28, "2026-02-02", "2026-03-01")


def test_what_a_review_did_is_told_by_line_and_by_revision() -> None:
    plain_policy()
    good, idle = member("good"), member("idle")
    used(good, 1_000, 1_000)
    gained(good, 20)
    used(idle, 100, 100)
    review = reviews.draft_weekly(author=REVIEWER, now=MONDAY)
    reviews.apply(review.pk, author=REVIEWER, now=MONDAY)
    envelopes.change(idle.pk, author=REVIEWER, now=after(0), token_budget=900)
    told = _story(idle)
    assert [(line.review, line.rule, line.after) for line in told.review_lines] == [(review, "reclaim", Decimal(800))]
    (by_hand, by_review, *_first) = told.changes
    assert (by_hand.review, by_hand.revision.changes) == (None, {"token_budget": [800, 900]})
    assert (by_review.review, by_review.revision.cause_id) == (review, str(review.pk))


def test_stops_refusals_alerts_and_outcomes_are_told() -> None:
    factories.model("deep-1")
    own = factories.envelope(tokens=100)
    gained(own, 3)
    factories.record(own, 200, model="deep-1")
    factories.reserve(factories.envelope("other", tokens=1_000), 1)
    assert not isinstance(_refuse(own), Reservation)
    safety.check(now=NOON)
    stops.pause(author=REVIEWER, now=NOON)
    told = _story(own)
    assert [pause.reason for pause in told.pauses] == ["as agreed"]
    assert [refusal.code for refusal in told.refusals] == ["budget_exhausted"]
    assert sorted(alert.threshold for alert in told.alerts) == [50, 80, 100]
    assert [outcome.amount for outcome in told.outcomes] == [Decimal(3)]
    assert told.envelope is not None
    assert told.envelope.state == "frozen"


def _refuse(own: Envelope) -> object:
    return admission.reserve(factories.ask(own, 50), agent_id=factories.agent().pk, now=NOON)


@pytest.mark.parametrize("kind", ["score", "outcome", "signal", "observation"])
def test_an_entity_without_an_envelope_has_a_story(kind: str) -> None:
    stranger = Envelope(entity_type="hypothesis", entity_id="h9")
    named = {"entity_type": "hypothesis", "entity_id": "h9"}
    if kind == "score":
        scores.assess("hypothesis", "h9", "novelty", Decimal(1), author=REVIEWER, now=NOON)
    elif kind == "outcome":
        Outcome.objects.create(**named, kind="papers", amount=1, source="s", event_id="e", at=NOON)
    elif kind == "signal":
        _signal(stranger, "0.5")
    else:
        Observation.objects.create(
            **named, kind="paper", reference="PMID1", source="s", event_id="e", at=NOON, recorded_at=NOON
        )
    told = _story(stranger)
    assert (told.envelope, told.market, told.lines, told.changes) == (None, None, [], [])


def _queries(reader: callers.Caller, entity_id: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert reader.get(f"{BOOKS}/entities/hypothesis/{entity_id}/").status_code == 200
    return len(captured)


def _happen(own: Envelope, times: int) -> None:
    """Let so much happen to an entity."""
    for number in range(times):
        factories.line(own, 600, tier=f"tier-{number}")
        envelopes.grant(own.lines.latest("pk").pk, amount=Decimal(1), author=REVIEWER, now=callers.now())
        gained(own, 1 + number)
        _signal(own, "0.5", source=f"source-{number}")
        factories.record(own, 100, model="deep-1")
        assert not isinstance(_refuse(own), Reservation)
        scores.assess("hypothesis", own.entity_id, "novelty", Decimal("0.1") * (number % 9), author=REVIEWER, now=NOON)
        scores.recompute(now=NOON)
        review = reviews.draft_weekly(author=REVIEWER, now=NOON + timedelta(weeks=number))
        if review.state == "draft":
            reviews.apply(review.pk, author=REVIEWER, now=NOON + timedelta(weeks=number))


def test_a_long_story_takes_as_many_queries_as_a_short_one() -> None:
    factories.model("deep-1", rate="0")
    short, long = factories.envelope("short", tokens=10), factories.envelope("long", tokens=10)
    _happen(short, 1)
    _happen(long, 12)
    reader = callers.caller()
    _queries(reader, "short")
    once = _queries(reader, "short")
    assert (_queries(reader, "long"), once <= 34) == (once, True)


def test_agents_and_people_read_the_story() -> None:
    own = factories.envelope("a/b")
    with requests.known_as("r-1"):
        envelopes.change(own.pk, author=REVIEWER, now=NOON, token_budget=7)
    path = f"{BOOKS}/entities/hypothesis/a/b"
    shown = callers.caller().get(path).json()
    assert (shown["envelope"]["token_budget"], shown["envelope"]["lines"][0]["limit"]) == (7, "7")
    assert shown["revisions"][0]["changes"] == {"token_budget": [1_000, 7]}
    assert (shown["revisions"][0]["cause"], shown["score"], shown["fleet_paused"]) == (None, None, None)
    assert (shown["revisions"][0]["who"], shown["revisions"][0]["request_id"]) == ("ada", "r-1")
    person = Client()
    reviewers.staff(person, "economics.view_envelope")
    assert person.get(path).status_code == 200
    stranger = Client()
    assert stranger.get(path).status_code == 401


def test_absurd_outcomes_of_another_hide_no_story() -> None:
    worth_policy.change(author=REVIEWER, now=NOON, paper_edges=Decimal(1_000))
    now = callers.now()
    own = member("own")
    used(own, 1, before=now)
    for number in range(3):
        Outcome.objects.create(
            entity_type="hypothesis", entity_id="absurd", kind="papers", amount=10**12 - 1, source="absurd",
            event_id=str(number), at=now - timedelta(days=3),
        )  # fmt: skip
    answer = callers.caller().get(f"{BOOKS}/entities/hypothesis/own/")
    assert (answer.status_code, answer.json()["returns"]["prior"]) == (200, "2999999999997000")


def test_an_unknown_entity_is_404() -> None:
    answer = callers.caller().get(f"{BOOKS}/entities/hypothesis/nobody/")
    assert (answer.status_code, problem(answer)["code"]) == (404, "unknown_entity")
