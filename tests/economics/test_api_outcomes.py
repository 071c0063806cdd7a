"""Outcomes over HTTP: told by graders one by one or in bulk, each counted once, taken back by who told them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from economics.models import Outcome
from tests import callers, factories
from tests.callers import BOOKS

if TYPE_CHECKING:
    from tests.callers import Caller

pytestmark = pytest.mark.django_db
OUTCOMES = f"{BOOKS}/outcomes"


def _body(event_id: object = "e-1", **terms: object) -> dict[str, object]:
    named = {"entity_type": "hypothesis", "entity_id": "h1", "kind": "edges_gained", "source": "kg"}
    return {**named, "amount": 12, "event_id": event_id, "at": "2026-02-01T12:00:00Z", **terms}


def _done(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.content
    return json.loads(answer.content)


def _refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, callers.problem(answer)["code"]


@pytest.fixture
def grader() -> Caller:
    """Return a grader with a key."""
    return callers.caller("grader", name="ines")


def test_an_outcome_is_recorded_and_shown_as_it_was_told(grader: Caller) -> None:
    told = _done(grader.post(OUTCOMES, _body(artifact_type="document", artifact_id="tau/lee2013.bel")), 201)
    assert told == {
        "id": Outcome.objects.get().pk,
        "entity_type": "hypothesis",
        "entity_id": "h1",
        "kind": "edges_gained",
        "amount": "12",
        "artifact_type": "document",
        "artifact_id": "tau/lee2013.bel",
        "corrects_id": None,
        "source": "kg",
        "event_id": "e-1",
        "note": "",
        "at": "2026-02-01T12:00:00Z",
        "recorded_at": told["recorded_at"],
    }
    assert list(Outcome.objects.values_list("source", "agent_id")) == [("ines/kg", "ines")]
    assert _done(grader.get(f"{OUTCOMES}/{told['id']}")) == told
    assert _refused(grader.get(f"{OUTCOMES}/{told['id'] + 1}")) == (404, "unknown_outcome")


def test_the_same_again_is_the_same_row_and_another_story_a_conflict(grader: Caller) -> None:
    first = _done(grader.post(OUTCOMES, _body(), key="k1"), 201)
    again = grader.post(OUTCOMES, _body(), key="k1")
    assert (again.headers["Idempotency-Replayed"], _done(again, 201)) == ("true", first)
    assert _done(grader.post(OUTCOMES, _body()), 201) == first
    assert _refused(grader.post(OUTCOMES, _body(amount=13))) == (409, "event_conflict")
    assert _refused(grader.post(OUTCOMES, _body(), key=None)) == (400, "idempotency_key_required")
    assert Outcome.objects.count() == 1


def test_a_body_that_is_no_outcome_names_every_fault(grader: Caller) -> None:
    answer = grader.post(OUTCOMES, _body(kind="fame", amount=-1, colour="red"))
    assert answer.status_code == 400
    found = {(fault["code"], fault["pointer"]) for fault in callers.problem(answer)["errors"]}
    assert found == {("unknown_outcome", "/kind"), ("negative", "/amount"), ("unknown_field", "/colour")}
    assert _refused(grader.post(OUTCOMES, [_body()])) == (400, "not_an_object")


def test_several_are_judged_one_by_one(grader: Caller) -> None:
    _done(grader.post(OUTCOMES, _body("e-0")), 201)
    items = [_body("e-0"), _body("e-1"), _body("e-1", amount=1), _body("e-2", amount=0), 7, _body("e-3", kind="papers")]
    answer = grader.post(OUTCOMES, {"outcomes": items}, key="k1")
    told = _done(answer)
    assert told["counts"] == {"recorded": 2, "duplicate": 1, "conflict": 1, "refused": 2}
    assert [(one["index"], one["status"], one["code"]) for one in told["results"]] == [
        (0, "duplicate", None),
        (1, "recorded", None),
        (2, "conflict", "event_conflict"),
        (3, "refused", "not_positive"),
        (4, "refused", "not_an_object"),
        (5, "recorded", None),
    ]
    assert told["results"][3]["errors"][0]["pointer"] == "/amount"
    assert [one["outcome_id"] for one in told["results"]] == [
        *Outcome.objects.filter(event_id="e-0").values_list("pk", flat=True),
        *list(Outcome.objects.filter(event_id="e-1").values_list("pk", flat=True)) * 2,
        *(None, None),
        *Outcome.objects.filter(event_id="e-3").values_list("pk", flat=True),
    ]
    assert _done(grader.post(OUTCOMES, {"outcomes": items}, key="k1")) == told
    assert _done(grader.post(OUTCOMES, {"outcomes": items}))["counts"]["duplicate"] == 3
    assert _done(grader.post(OUTCOMES, {"outcomes": []}))["results"] == []


def test_what_is_no_list_or_too_long_records_nothing(grader: Caller) -> None:
    assert _refused(grader.post(OUTCOMES, {"outcomes": _body()})) == (400, "not_a_list")
    assert _refused(grader.post(OUTCOMES, {"outcomes": [_body(n) for n in range(1_001)]})) == (422, "batch_too_large")
    assert _refused(grader.post(OUTCOMES, {"outcomes": [_body()], "source": "kg"})) == (400, "invalid")
    assert Outcome.objects.count() == 0


def test_graders_tell_and_everybody_reads(grader: Caller) -> None:
    _done(grader.post(OUTCOMES, _body()), 201)
    for kind in ("worker", "provider", "exchange"):
        other = callers.caller(kind)
        assert _refused(other.post(OUTCOMES, _body("e-2"))) == (403, "scope_missing")
        (shown,) = _done(other.get(OUTCOMES))["results"]
        assert (shown["source"], "agent_id" in shown) == ("kg", False)


def test_the_list_is_narrowed(grader: Caller) -> None:
    own = factories.envelope("h1")
    factories.outcome(own, 5)
    other = factories.outcome(factories.envelope("h2"), 6, kind="papers", artifact_id="7")
    mine = _done(grader.post(OUTCOMES, _body()), 201)["id"]

    def listed(**query: object) -> list[int]:
        return [row["id"] for row in _done(grader.get(OUTCOMES, **query))["results"]]

    assert listed()[0] == mine
    assert listed(own="true") == [mine]
    assert len(listed(own="false")) == 3
    assert listed(kind="papers") == listed(entity_id="h2") == listed(artifact_id="7") == [other.pk]
    assert listed(until="2026-02-02T00:00:00Z") == [mine]
    assert listed(since="2026-02-02T00:00:00Z", entity_type="hypothesis", entity_id="h2") == [other.pk]
    assert grader.get(OUTCOMES, kind="fame").status_code == 400


def test_what_was_told_wrong_is_taken_back_by_who_told_it(grader: Caller) -> None:
    first = _done(grader.post(OUTCOMES, _body()), 201)["id"]
    correct = f"{OUTCOMES}/{first}/correct"
    contra = _done(grader.post(correct, {"amount": 5, "note": "merged twice"}, key="k1"), 201)
    assert (contra["amount"], contra["corrects_id"], contra["note"]) == ("-5", first, "agent ines: merged twice")
    assert _done(grader.post(correct, {"amount": 5, "note": "merged twice"}, key="k1"), 201) == contra
    assert _refused(grader.post(correct, {"amount": 8, "note": "more"})) == (409, "correction_too_large")
    assert _refused(grader.post(f"{OUTCOMES}/{contra['id']}/correct", {"note": "no"})) == (409, "not_correctable")
    stranger = callers.caller("grader")
    assert _refused(stranger.post(correct, {"note": "mine"})) == (404, "unknown_outcome")
    assert _refused(grader.post(correct, {"amount": 0, "note": "x"})) == (400, "min_value")
    assert _refused(grader.post(correct, {"amount": 1})) == (400, "required")
    assert _done(grader.get(OUTCOMES, corrects_id=first))["results"] == [contra]
