"""Scores, judgements, observations and the policy of worth over HTTP: who may, what counts, what is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from economics import scores, worth_policy
from economics.models import Assessment, Observation, Score
from tests import callers, factories
from tests.callers import BOOKS, problem
from tests.factories import NOON, REVIEWER, after

if TYPE_CHECKING:
    from tests.callers import Caller

pytestmark = pytest.mark.django_db

SCORES, SEEN, BATCH = f"{BOOKS}/scores", f"{BOOKS}/observations", f"{BOOKS}/observations/batch"
NDJSON = "application/x-ndjson"
H1 = {"entity_type": "hypothesis", "entity_id": "h1"}
PAPER = {**H1, "kind": "paper", "reference": "pmid:1", "event_id": "e-1", "at": "2026-03-01T12:00:00Z"}
NOVEL = {**H1, "component": "novelty", "value": "0.8", "reason": "a new mechanism"}


def _done(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.content
    return json.loads(answer.content)


def _fault(answer: Any) -> tuple[int, str, str]:
    document = problem(answer)
    return answer.status_code, document["code"], document["errors"][0]["pointer"] if document["errors"] else ""


@pytest.fixture
def grader() -> Caller:
    """Return a grader."""
    return callers.caller("grader")


@pytest.fixture
def reader() -> Caller:
    """Return a worker, who may read."""
    return callers.caller()


# Scores


def test_a_score_says_what_it_was_made_of(grader: Caller, reader: Caller) -> None:
    _done(grader.post(SCORES, NOVEL), 201)
    _done(grader.post(SEEN, PAPER), 201)
    scores.recompute(now=callers.now())
    (shown,) = _done(reader.get(SCORES))["results"]
    # 0.35 of 1 - exp(-1 / 5), and 0.25 of 0.8
    assert (shown["score"], shown["policy_version"], shown["superseded_at"]) == ("0.263444", 1, None)
    assert (shown["evidence_strength"], shown["strategic_alignment"]) == ("0.181269", None)
    assert shown["inputs"]["evidence_strength"]["paper"] == 1
    assert shown["because"][1].startswith("Novelty 0.8")
    assert shown["because"][1].endswith(": a new mechanism")
    assert grader.agent.pk not in json.dumps(shown)


def test_present_scores_are_listed_and_the_past_when_asked(reader: Caller) -> None:
    for second in (1, 2):
        factories.observation("h1")
        factories.observation(f"low-{second}", kind="kg_link", reference="x")
        scores.recompute(now=after(second))

    def listed(**query: object) -> list[tuple[str, str]]:
        rows = _done(reader.get(SCORES, **query))["results"]
        return [(row["entity_id"], row["score"]) for row in rows]

    assert sorted(listed()) == [("h1", "0.115388"), ("low-1", "0.033307"), ("low-2", "0.033307")]
    assert listed(**H1) == [("h1", "0.115388")]
    assert listed(least="0.1") == [("h1", "0.115388")]
    assert listed(**H1, history="true") == [("h1", "0.115388"), ("h1", "0.063444")]
    assert listed(policy_version=2) == []
    first = _done(reader.get(SCORES, page_size=2))
    assert len(first["results"]) == 2
    assert len(_done(reader.get(first["next"].partition("testserver")[2]))["results"]) == 1


def test_a_page_of_scores_takes_as_many_queries_as_one_score(grader: Caller) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            _done(grader.get(SCORES))
        return len(captured)

    factories.assessment("h1")
    scores.recompute(now=NOON)
    grader.get(SCORES)
    one = cost()
    for number in range(20):
        factories.assessment(f"e{number}")
    scores.recompute(now=after(1))
    assert cost() == one


# Judging


def test_a_judgement_is_put_on_record_once_per_key(grader: Caller) -> None:
    first = _done(grader.post(SCORES, NOVEL, key="k"), 201)
    assert _done(grader.post(SCORES, NOVEL, key="k"), 201) == first
    assert {**first, "id": 0, "at": ""} == {**NOVEL, "id": 0, "at": ""}
    assert [(one.assessed_by, one.value) for one in Assessment.objects.all()] == [
        (f"agent {grader.agent.pk}", Decimal("0.8"))
    ]
    assert _done(grader.post(SCORES, {**NOVEL, "value": None}), 201)["value"] is None


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"value": 1.5}, "max_value", "/value"),
        ({"value": "-0.1"}, "min_value", "/value"),
        ({"value": "0.0000001"}, "max_decimal_places", "/value"),
        ({"value": "high"}, "invalid", "/value"),
        ({"component": "charm"}, "invalid_choice", "/component"),
        ({"reason": ""}, "blank", "/reason"),
        ({"entity_id": "x" * 201}, "max_length", "/entity_id"),
        ({"charm": 1}, "unknown_field", "/charm"),
    ],
)
def test_what_is_no_judgement_is_refused(grader: Caller, change: dict[str, Any], code: str, pointer: str) -> None:
    assert _fault(grader.post(SCORES, {**NOVEL, **change})) == (400, code, pointer)
    assert Assessment.objects.count() == 0


def test_only_graders_judge_and_only_graders_and_exchanges_observe(grader: Caller, reader: Caller) -> None:
    exchange = callers.caller("exchange")
    for caller, may in ((grader, (201, 201)), (exchange, (403, 201)), (reader, (403, 403))):
        assert (caller.post(SCORES, NOVEL).status_code, caller.post(SEEN, PAPER).status_code) == may
        assert caller.get(SCORES).status_code == 200


# Observing


def test_an_observation_counts_once_and_each_agent_has_its_own_ids(grader: Caller) -> None:
    shown = _done(grader.post(SEEN, PAPER), 201)
    assert (shown["kind"], shown["source"], shown["event_id"], shown["withdrawn_at"]) == ("paper", "", "e-1", None)
    assert _done(grader.post(SEEN, PAPER), 201) == shown
    assert _fault(grader.post(SEEN, {**PAPER, "reference": "pmid:2"})) == (409, "event_conflict", "")
    _done(callers.caller("exchange").post(SEEN, {**PAPER, "reference": "pmid:2"}), 201)
    assert Observation.objects.count() == 2


def test_whose_vote_it_was_is_told_to_whom_it_came_from(grader: Caller, reader: Caller) -> None:
    _done(grader.post(SEEN, {**H1, "kind": "vote", "principal": "ada", "event_id": "v-1"}), 201)

    def told(caller: Caller) -> tuple[Any, ...]:
        (shown,) = _done(caller.get(SEEN, **H1))["results"]
        return shown["principal"], shown["source"], shown["event_id"]

    assert told(grader) == ("ada", "", "v-1")
    assert told(reader) == (None, None, None)


def test_observations_are_filtered(reader: Caller) -> None:
    factories.observation("h1", at=after(1))
    factories.observation("h1", kind="debate", reference="d-1", at=after(2))
    gone = factories.observation("h2", at=after(3))
    Observation.objects.filter(pk=gone.pk).update(withdrawn_at=after(4), withdrawn_by="ada")

    def kinds(**query: object) -> list[str]:
        return [f"{row['entity_id']} {row['kind']}" for row in _done(reader.get(SEEN, **query))["results"]]

    assert kinds() == ["h2 paper", "h1 debate", "h1 paper"]
    assert kinds(live="true") == ["h1 debate", "h1 paper"]
    assert kinds(kind="debate") == kinds(reference="d-1") == ["h1 debate"]
    assert kinds(since=after(2).isoformat(), until=after(3).isoformat()) == ["h1 debate"]


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"kind": "rumour"}, "unknown_kind", "/kind"),
        ({"reference": None}, "required", "/reference"),
        ({"kind": "vote"}, "required", "/principal"),
        ({"at": "2026-03-01"}, "zone_missing", "/at"),
        ({"at": "2999-01-01T00:00:00Z"}, "from_the_future", "/at"),
        ({"event_id": None}, "required", "/event_id"),
        ({"entity_type": "x" * 65}, "too_long", "/entity_type"),
        ({"reference": "a\nb"}, "control_character", "/reference"),
        ({"weight": 3}, "unknown_field", "/weight"),
    ],
)
def test_what_is_no_observation_is_refused(grader: Caller, change: dict[str, Any], code: str, pointer: str) -> None:
    assert _fault(grader.post(SEEN, {**PAPER, **change})) == (400, code, pointer)
    assert Observation.objects.count() == 0


def test_a_batch_is_judged_item_by_item(grader: Caller) -> None:
    items = [PAPER, {**PAPER, "event_id": "e-2"}, {**PAPER, "reference": "pmid:9"}, {**PAPER, "kind": "x"}, PAPER, 7]
    body = b"\n".join(json.dumps(item).encode() for item in items)
    answer = _done(grader.send(BATCH, body, kind=NDJSON, key=None))
    assert [(one["status"], one["code"]) for one in answer["results"]] == [
        ("recorded", None),
        ("recorded", None),
        ("conflict", "event_conflict"),
        ("refused", "unknown_kind"),
        ("duplicate", None),
        ("refused", "not_an_object"),
    ]
    assert answer["counts"] == {"recorded": 2, "duplicate": 1, "conflict": 1, "refused": 2}
    again = _done(grader.send(BATCH, json.dumps({"observations": items}).encode(), key=None))
    assert again["counts"] == {"recorded": 0, "duplicate": 3, "conflict": 1, "refused": 2}


def test_a_batch_that_is_none_is_refused_as_a_whole(grader: Caller) -> None:
    assert _fault(grader.send(BATCH, b"{}", key=None))[:2] == (422, "malformed_batch")
    assert _fault(grader.send(BATCH, b"[" + b"1," * 10_000 + b"1]", key=None))[:2] == (422, "batch_too_large")
    assert _done(grader.send(BATCH, b"\n", kind=NDJSON, key=None))["results"] == []


# The policy


def test_the_policy_of_worth_and_its_versions(reader: Caller) -> None:
    worth_policy.change(author=REVIEWER, now=after(1), gain=Decimal("0.5"))
    shown = _done(reader.get(f"{BOOKS}/worth-policy"))
    assert (shown["version"], shown["gain"], shown["evidence_weight"], shown["reason"]) == (
        2,
        "0.5",
        "0.35",
        "as agreed",
    )
    versions = _done(reader.get(f"{BOOKS}/worth-policy/versions"))["results"]
    assert [(one["version"], one["gain"]) for one in versions] == [(2, "0.5"), (1, "1")]
    assert "ada" not in json.dumps(versions)


def test_scores_are_asked_for_by_the_version_of_their_policy(reader: Caller) -> None:
    factories.observation("h1")
    scores.recompute(now=after(1))
    worth_policy.change(author=REVIEWER, now=after(2), gain=Decimal("0.5"))
    scores.recompute(now=after(3))
    assert [row["policy_version"] for row in _done(reader.get(SCORES, history="true"))["results"]] == [2, 1]
    assert len(_done(reader.get(SCORES, policy_version=1, history="true"))["results"]) == 1
    assert Score.objects.count() == 2
