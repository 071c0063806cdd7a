"""Reviews over HTTP: read by agents and people, decided by people with the right alone, and looked ahead at."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from config.models import IdempotentRequest, User
from economics import envelopes, reviews
from economics.models import Envelope, Review, Revision
from tests import callers, reviewers
from tests.callers import BOOKS, problem
from tests.economics.fleets import MONDAY, gained, member, plain_policy, used
from tests.factories import REVIEWER, after

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db

REVIEWS = f"{BOOKS}/reviews/"
SEE, DECIDE = "economics.view_review", "economics.change_review"


def _draft() -> Review:
    """Return the draft over two envelopes of 1,000 a week: `idle` used a tenth, so `good` is to gain 200 from it."""
    plain_policy()
    good, idle = member("good"), member("idle")
    used(good, 1_000, 1_000)
    gained(good, 20)
    used(idle, 100, 100)
    return reviews.draft_weekly(author=REVIEWER, now=MONDAY)


class Person:
    """Somebody signed in, with the CSRF cookie of a page of the admin."""

    def __init__(self, *permissions: str, checks: bool = True) -> None:
        self._client = Client(enforce_csrf_checks=checks, raise_request_exception=False)
        reviewers.staff(self._client, *permissions)
        self._token = self._client.get("/admin/").context["csrf_token"]

    def get(self, path: str, **query: str) -> Response:
        return self._client.get(path, query)

    def post(self, path: str, body: object = None, *, key: str = "key", token: bool = True) -> Response:
        headers = {"idempotency-key": key} | ({"x-csrftoken": str(self._token)} if token else {})
        sent = b"" if body is None else json.dumps(body).encode()
        return self._client.post(path, sent, content_type="application/json", headers=headers)


def _budgets() -> dict[str, int]:
    return dict(Envelope.objects.values_list("entity_id", "token_budget"))


# Reading


def test_agents_and_people_read_the_same() -> None:
    draft = _draft()
    agent, person = callers.caller(), Person(SEE)
    for path in ("", f"{draft.pk}/", f"{draft.pk}/lines/"):
        assert agent.get(f"{REVIEWS}{path}").json() == person.get(f"{REVIEWS}{path}").json()


def test_a_review_is_shown_with_its_pools_and_why_it_waits() -> None:
    shown = callers.caller().get(f"{REVIEWS}{_draft().pk}/").json()
    assert (shown["kind"], shown["period"], shown["state"], shown["policy_version"]) == (
        "weekly",
        "2026-03-02",
        "draft",
        2,
    )
    assert shown["waits_because"] == "The policy leaves reviews to reviewers."
    assert (shown["figures"]["reclaimed"], shown["figures"]["gained"]) == (1, 1)
    assert shown["pools"] == [
        {
            "window_kind": "week",
            "qualifier": "",
            "lines": 2,
            "gainers": 1,
            "before": "2000",
            "freed": "200",
            "placed": "200",
            "after": "2000",
            "reserve_before": "0",
            "reserve_after": "0",
        }
    ]


def test_lines_tell_the_rule_the_reason_and_the_figures() -> None:
    lines = callers.caller().get(f"{REVIEWS}{_draft().pk}/lines/").json()["results"]
    told = {line["entity_id"]: (line["rule"], line["because"], line["before"], line["after"]) for line in lines}
    assert told == {
        "good": ("gain", "good_to_the_step", "1000", "1200"),
        "idle": ("reclaim", "idle", "1000", "800"),
    }
    (idle,) = (line for line in lines if line["entity_id"] == "idle")
    assert idle["reason"] == "Used 10% of its base in the last window and 10% in the one before."
    assert (idle["line"], idle["window_kind"], idle["used_last"], idle["roi"]) == (
        "llm_tokens per week",
        "week",
        "0.1",
        "0",
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"rule": "gain"}, ["good"]),
        ({"because": "idle"}, ["idle"]),
        ({"entity_id": "idle", "entity_type": "hypothesis"}, ["idle"]),
        ({"moved": "true"}, ["good", "idle"]),
        ({"moved": "false"}, []),
        ({"window_kind": "day"}, []),
    ],
)
def test_lines_can_be_narrowed(query: dict[str, str], found: list[str]) -> None:
    answer = callers.caller().get(f"{REVIEWS}{_draft().pk}/lines/", **query)
    assert [line["entity_id"] for line in answer.json()["results"]] == found


def test_lines_come_in_pages() -> None:
    draft, agent = _draft(), callers.caller()
    first = agent.get(f"{REVIEWS}{draft.pk}/lines/", page_size=1).json()
    second = agent.get(first["next"]).json()
    assert [line["entity_id"] for line in first["results"] + second["results"]] == ["good", "idle"]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [({"kind": "weekly"}, 1), ({"kind": "daily"}, 0), ({"state": "applied"}, 0), ({"period": "2026-03-02"}, 1)],
)
def test_reviews_can_be_narrowed(query: dict[str, str], found: int) -> None:
    _draft()
    assert len(callers.caller().get(REVIEWS, **query).json()["results"]) == found


@pytest.mark.parametrize("path", ["7/", "7/lines/"])
def test_a_review_that_is_none_is_404(path: str) -> None:
    answer = callers.caller().get(f"{REVIEWS}{path}")
    assert (answer.status_code, problem(answer)["code"]) == (404, "unknown_review")


# Who decides


@pytest.mark.parametrize("deed", ["apply", "discard"])
def test_nobody_and_no_agent_decides(deed: str) -> None:
    draft = _draft()
    body, path = {"reason": "looks right"}, f"{REVIEWS}{draft.pk}/{deed}/"
    nobody = Client().post(path, json.dumps(body), content_type="application/json")
    assert (nobody.status_code, problem(nobody)["code"]) == (401, "key_missing")
    for kind in ("worker", "provider", "grader", "exchange"):
        agent = callers.caller(kind).post(path, body)
        assert (agent.status_code, problem(agent)["code"]) == (403, "people_only")
    assert Review.objects.get().state == "draft"


@pytest.mark.parametrize("permissions", [(), (SEE,), ("economics.change_envelope",)])
def test_a_person_without_the_right_decides_nothing(permissions: tuple[str, ...]) -> None:
    path = f"{REVIEWS}{_draft().pk}/apply/"
    answer = Person(*permissions).post(path, {"reason": "looks right"})
    assert (answer.status_code, problem(answer)["code"]) == (403, "right_missing")
    assert answer.json()["figures"] == {"right": DECIDE}


def test_the_right_without_being_staff_is_not_enough() -> None:
    path, person = f"{REVIEWS}{_draft().pk}/apply/", Person(SEE, DECIDE)
    User.objects.update(is_staff=False)
    assert person.post(path, {"reason": "looks right"}).status_code == 403


def test_a_write_from_another_page_is_refused() -> None:
    path, person = f"{REVIEWS}{_draft().pk}/apply/", Person(SEE, DECIDE)
    answer = person.post(path, {"reason": "looks right"}, token=False)
    assert (answer.status_code, problem(answer)["code"]) == (403, "csrf_failed")
    assert _budgets() == {"good": 1_000, "idle": 1_000}


def test_a_person_reads_reviews_and_nothing_else_of_the_api() -> None:
    person = Person(SEE, DECIDE)
    assert person.get(REVIEWS).status_code == 200
    assert person.get(f"{BOOKS}/budgets/").status_code == 401
    assert Person.get(_without_rights(), REVIEWS).status_code == 403


def _without_rights() -> Person:
    User.objects.filter(username="ann").update(username="first")
    return Person()


# Deciding


def test_a_reviewer_applies_with_a_name_and_a_reason() -> None:
    draft, person = _draft(), Person(DECIDE)
    answer = person.post(f"{REVIEWS}{draft.pk}/apply/", {"reason": "looks right"})
    assert answer.status_code == 200
    told = ("applied", "ann", "looks right")
    assert (answer.json()["state"], answer.json()["decided_by"], answer.json()["decision_reason"]) == told
    assert _budgets() == {"good": 1_200, "idle": 800}
    last = Revision.objects.latest("pk")
    assert (last.who, last.why, last.cause_kind, last.cause_id) == ("ann", "looks right", "review", str(draft.pk))


@pytest.mark.parametrize("keys", [("one", "one"), ("one", "other")])
def test_twice_is_answered_as_once(keys: tuple[str, str]) -> None:
    draft, person = _draft(), Person(DECIDE)
    path = f"{REVIEWS}{draft.pk}/apply/"
    answers = [person.post(path, {"reason": "looks right"}, key=key) for key in keys]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert _budgets() == {"good": 1_200, "idle": 800}
    assert {row.principal for row in IdempotentRequest.objects.all()} == {f"user:{User.objects.get().pk}"}


def test_a_stale_draft_is_refused_and_names_what_moved() -> None:
    draft, person = _draft(), Person(DECIDE)
    idle = Envelope.objects.get(entity_id="idle")
    envelopes.change(idle.pk, author=REVIEWER, now=after(0), token_budget=5)
    answer = person.post(f"{REVIEWS}{draft.pk}/apply/", {"reason": "looks right"})
    assert (answer.status_code, problem(answer)["code"]) == (409, "stale_review")
    assert problem(answer)["figures"] == {"moved": "hypothesis:idle"}
    assert _budgets() == {"good": 1_000, "idle": 5}


def test_a_discarded_draft_is_not_applied_and_an_applied_one_not_discarded() -> None:
    draft, person = _draft(), Person(DECIDE)
    path = f"{REVIEWS}{draft.pk}"
    first = person.post(f"{path}/discard/", {"reason": "too early"}, key="one")
    assert (first.status_code, first.json()["state"]) == (200, "discarded")
    assert person.post(f"{path}/discard/", {"reason": "again"}, key="two").json() == first.json()
    refused = person.post(f"{path}/apply/", {"reason": "after all"}, key="three")
    assert (refused.status_code, problem(refused)["code"]) == (409, "review_decided")
    again = reviews.apply(reviews.draft_weekly(author=REVIEWER, now=MONDAY).pk, author=REVIEWER, now=MONDAY)
    late = person.post(f"{REVIEWS}{again.pk}/discard/", {"reason": "no"}, key="four")
    assert (late.status_code, problem(late)["code"]) == (409, "review_decided")


@pytest.mark.parametrize(
    ("body", "pointer"), [({}, "/reason"), ({"reason": ""}, "/reason"), ({"reason": "x", "x": 1}, "/x"), ([], "")]
)
def test_a_decision_without_a_reason_is_refused(body: object, pointer: str) -> None:
    answer = Person(DECIDE).post(f"{REVIEWS}{_draft().pk}/apply/", body)
    assert (answer.status_code, problem(answer)["errors"][0]["pointer"]) == (400, pointer)


def test_a_reviewer_drafts_this_weeks_review_once() -> None:
    person = Person(DECIDE)
    first, second = (person.post(REVIEWS, key=key) for key in ("one", "two"))
    assert (first.status_code, first.json()["kind"], first.json()["drafted_by"]) == (200, "weekly", "ann")
    assert first.json() == second.json()
    assert Review.objects.count() == 1


# What if


def _what_if(body: object) -> Any:
    return callers.caller().post(f"{REVIEWS}what-if/", body, key=None)


def test_a_what_if_tells_what_would_move_and_writes_nothing() -> None:
    _draft()
    answer = _what_if({"changes": {"review_step": "0.1", "fewest_judged": 3, "auto_apply": True}, "limit": 1})
    assert answer.status_code == 200
    shown = answer.json()
    assert shown["policy_version"] == 2
    assert shown["changes"] == {"review_step": "0.1", "fewest_judged": 3, "auto_apply": True}
    assert shown["counts"]["envelopes"] == 2
    assert len(shown["lines"]) == 1
    assert shown["lines"][0]["reason"]
    assert Review.objects.count() == 1


def test_a_what_if_without_changes_is_the_policy_in_force() -> None:
    assert _what_if({}).json()["changes"] == {}


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"changes": {"mood": 1}}, "unknown_field", "/changes/mood"),
        ({"changes": {"version": 1}}, "unknown_field", "/changes/version"),
        ({"changes": {"review_step": "a lot"}}, "invalid", "/changes/review_step"),
        ({"changes": {"review_step": True}}, "invalid", "/changes/review_step"),
        ({"changes": {"review_step": "-0.1"}}, "min_value", "/changes/review_step"),
        ({"changes": {"roi_days": "28"}}, "invalid", "/changes/roi_days"),
        ({"changes": {"auto_apply": 1}}, "invalid", "/changes/auto_apply"),
        ({"changes": []}, "invalid", "/changes"),
        ({"limit": 201}, "max_value", "/limit"),
        ({"change": {}}, "unknown_field", "/change"),
    ],
)
def test_a_what_if_is_read_strictly(body: object, code: str, pointer: str) -> None:
    answer = _what_if(body)
    assert answer.status_code == 400
    assert [(fault["code"], fault["pointer"]) for fault in problem(answer)["errors"]] == [(code, pointer)]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"review_step": "0.9"}, "/changes"),
        ({"evidence_weight": "0.5"}, "/changes"),
        ({"roi_days": 40_000}, "/changes/roi_days"),
    ],
)
def test_a_policy_that_may_not_be_is_refused(changes: dict[str, Any], pointer: str) -> None:
    answer = _what_if({"changes": changes})
    assert answer.status_code == 422
    assert problem(answer)["errors"][0]["pointer"] == pointer


def test_decimals_are_taken_exactly() -> None:
    answer = _what_if({"changes": {"gain": 0.7, "half_life_days": "3.5"}})
    assert answer.json()["changes"] == {"gain": "0.7", "half_life_days": "3.5"}
    assert Decimal(answer.json()["counts"]["largest_step"]) == 0
