"""Signals over HTTP: posted by the exchange a source belongs to, once per event, and read by all."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from config.models import User
from economics.models import Signal
from tests import callers, factories
from tests.callers import BOOKS
from tests.economics import exchanges

pytestmark = pytest.mark.django_db

SIGNALS = f"{BOOKS}/signals/"


@pytest.fixture
def ise() -> callers.Caller:
    """Return an exchange with two sources: of prices that are probabilities, and of prices that are none."""
    exchange = callers.caller("exchange", name="ise")
    exchanges.source("futures", agent=exchange.agent)
    exchanges.source("shares", agent=exchange.agent, is_probability=False)
    return exchange


def _item(**changes: Any) -> dict[str, Any]:
    same = {"source": "futures", "entity_type": "hypothesis", "entity_id": "h1", "value": 0.75, "event_id": "e1"}
    return {**same, "at": "2026-03-02T12:00:00Z", **changes}


def test_one_signal_is_posted_and_shown(ise: callers.Caller) -> None:
    answer = ise.post(SIGNALS, _item())
    assert answer.status_code == 201, answer.content
    shown = json.loads(answer.content)
    row = Signal.objects.get()
    assert shown == {
        "id": row.pk,
        "source": "futures",
        "entity_type": "hypothesis",
        "entity_id": "h1",
        "value": "0.75",
        "is_probability": True,
        "event_id": "e1",
        "at": "2026-03-02T12:00:00Z",
        "recorded_at": row.recorded_at.isoformat().replace("+00:00", "Z"),
    }
    again = ise.post(SIGNALS, _item())
    assert (again.status_code, json.loads(again.content)) == (201, shown)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"source": "nobodys"}, 404, "unknown_source"),
        ({"source": "other"}, 404, "unknown_source"),
        ({"value": 1.5}, 422, "invalid_signal"),
        ({"value": 0.5}, 409, "event_conflict"),
        ({"value": -1, "event_id": "e2"}, 400, "negative"),
        ({"at": "2999-01-01T00:00:00Z"}, 400, "from_the_future"),
        ({"event_id": None}, 400, "required"),
        ({"mood": "bullish"}, 400, "unknown_field"),
        ({"entity_type": "agent", "entity_id": "ise"}, 409, "source_has_a_stake"),
    ],
)
def test_a_signal_that_cannot_be_is_refused(
    ise: callers.Caller, change: dict[str, Any], status: int, code: str
) -> None:
    exchanges.source("other", agent=factories.agent(kind="exchange"))
    ise.post(SIGNALS, _item())
    answer = ise.post(SIGNALS, _item(**change))
    said = json.loads(answer.content)
    codes = {said["code"], *(fault["code"] for fault in said["errors"])}
    assert (answer.status_code, code in codes) == (status, True), said
    assert Signal.objects.count() == 1


def test_several_signals_are_answered_one_by_one(ise: callers.Caller) -> None:
    items = [
        _item(),
        _item(),
        _item(value=0.5),
        _item(source="shares", value="1234.5678", at=None),
        _item(event_id="e3", value="much"),
        7,
        _item(event_id="e4", source="nobodys"),
    ]
    answer = ise.post(SIGNALS, {"signals": items}, key="k")
    assert answer.status_code == 200, answer.content
    said = json.loads(answer.content)
    assert said["counts"] == {"recorded": 2, "duplicate": 1, "conflict": 1, "refused": 3}
    assert [(one["index"], one["status"], one["code"]) for one in said["results"]] == [
        (0, "recorded", None),
        (1, "duplicate", None),
        (2, "conflict", "event_conflict"),
        (3, "recorded", None),
        (4, "refused", "not_a_number"),
        (5, "refused", "not_an_object"),
        (6, "refused", "unknown_source"),
    ]
    assert said["results"][6]["errors"] == [
        {
            "code": "unknown_source",
            "detail": "There is no such source of signals, or another posts to it.",
            "pointer": "",
        }
    ]
    assert json.loads(ise.post(SIGNALS, {"signals": items}, key="k").content) == said
    later = json.loads(ise.post(SIGNALS, {"signals": items}).content)
    assert later["counts"] == {"recorded": 0, "duplicate": 3, "conflict": 1, "refused": 3}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"signals": {}}, 400, "not_a_list"),
        ({"signals": [{}] * 1_001}, 422, "batch_too_large"),
        ([], 400, "not_an_object"),
    ],
)
def test_what_is_no_list_of_signals_is_refused(ise: callers.Caller, body: object, status: int, code: str) -> None:
    answer = ise.post(SIGNALS, body)
    said = json.loads(answer.content)
    assert answer.status_code == status
    assert code in {said["code"], *(fault["code"] for fault in said["errors"])}


def test_a_key_is_asked_for_and_the_scope(ise: callers.Caller) -> None:
    assert ise.post(SIGNALS, _item(), key=None).status_code == 400
    for kind in ("worker", "provider", "grader"):
        assert callers.caller(kind).post(SIGNALS, _item()).status_code == 403


def test_a_sponsor_has_no_say_over_his_own_agents(ise: callers.Caller) -> None:
    ada = User.objects.create(username="ada")
    for name in ("ise", "hers"):
        factories.agent(name) if name != "ise" else None
        type(ise.agent).objects.filter(pk=name).update(sponsor=ada)
    answer = ise.post(SIGNALS, _item(entity_type="agent", entity_id="hers"))
    assert (answer.status_code, json.loads(answer.content)["code"]) == (409, "source_has_a_stake")


def test_signals_are_listed_newest_first_and_narrowed(ise: callers.Caller) -> None:
    for place, (source, entity) in enumerate((("futures", "h1"), ("shares", "h1"), ("futures", "h2"))):
        at = factories.NOON + timedelta(days=place)
        item = _item(source=source, entity_id=entity, event_id=f"e{place}", at=at.isoformat())
        assert ise.post(SIGNALS, item).status_code == 201

    def listed(**query: Any) -> list[str]:
        answer = callers.caller().get(SIGNALS, **query)
        assert answer.status_code == 200, answer.content
        return [one["event_id"] for one in json.loads(answer.content)["results"]]

    assert listed() == ["e2", "e1", "e0"]
    assert listed(entity_type="hypothesis", entity_id="h1") == ["e1", "e0"]
    assert listed(source="futures") == ["e2", "e0"]
    assert listed(since="2026-03-03T12:00:00Z", until="2026-03-04T12:00:00Z") == ["e1"]


def test_sources_are_listed_by_name(ise: callers.Caller) -> None:
    exchanges.source("asleep", kind="confidence", title="Survey")
    answer = ise.get(f"{BOOKS}/signal-sources/")
    assert answer.status_code == 200
    shown = json.loads(answer.content)["results"]
    assert [(one["name"], one["kind"], one["is_probability"], one["agent_id"]) for one in shown] == [
        ("asleep", "confidence", True, None),
        ("futures", "price", True, "ise"),
        ("shares", "price", False, "ise"),
    ]
    narrowed = json.loads(ise.get(f"{BOOKS}/signal-sources/", kind="confidence").content)["results"]
    assert narrowed == [shown[0]]
    assert shown[0]["registered_at"] == "2026-03-02T12:00:00Z"


def test_exact_decimals_are_kept(ise: callers.Caller) -> None:
    body = json.dumps(_item()).replace("0.75", "0.45241870901807435").encode()
    assert ise.send(SIGNALS, body).status_code == 201
    assert Signal.objects.get().value == Decimal("0.452418709018")
