"""Proposals over HTTP: what agents and people file, complete, submit, withdraw and read of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from config.errors import RefusedError
from config.models import Agent, IdempotentRequest
from economics.models import Envelope, Refusal
from governance import ballots, errors, proposals
from governance.models import Evidence, Proposal, Vote
from tests import callers, factories
from tests.callers import BOOKS, SENATE, Person, problem
from tests.governance import senate

if TYPE_CHECKING:
    from tests.callers import Caller

pytestmark = pytest.mark.django_db

PROPOSALS = f"{SENATE}/proposals"
WORDS = "<b>Run dry</b>\n\t=1+1"


def _terms(**changes: object) -> dict[str, object]:
    """Return the body of a complete proposal: 500 LLM tokens a day more for h1."""
    return {
        "entity_type": "hypothesis",
        "entity_id": "h1",
        "requested_tokens": 500,
        "justification": WORDS,
        "gain_edges": "20",
        "gain_by": callers.ahead(days=28),
        "evidence": [senate.PAPERS],
        **changes,
    }


def _filed(by: Caller | Person, **changes: object) -> dict[str, Any]:
    answer = by.post(PROPOSALS, _terms(**changes))
    assert answer.status_code == 201, answer.content
    shown: dict[str, Any] = answer.json()
    return shown


@pytest.fixture
def scout() -> Caller:
    """Return the agent that proposes, for an envelope of 1,000 tokens a day, before two reviewers."""
    factories.envelope("h1")
    senate.reviewers(2)
    return callers.caller(name="scout")


# Filing


def test_a_proposal_is_filed_with_its_evidence_in_one_call(scout: Caller) -> None:
    shown = _filed(scout)
    assert (shown["status"], shown["proposer"], shown["proposer_agent"]) == ("draft", "scout", "scout")
    assert (shown["requested_tokens"], shown["gain_edges"], shown["missing"]) == (500, "20", [])
    (paper,) = shown["evidence"]
    assert (paper["kind"], paper["claim"], paper["attached_by"]) == ("new_pmids", senate.PAPERS["claim"], "scout")
    assert paper["check_state"] != "unchecked"
    assert scout.get(f"{PROPOSALS}/{shown['id']}").json() == shown


def test_text_is_text(scout: Caller) -> None:
    assert _filed(scout)["justification"] == WORDS


def test_a_draft_shows_what_it_would_change(scout: Caller) -> None:
    shown = _filed(scout)
    assert shown["preview"]["granted"] == 500
    assert shown["preview"]["rows"] == [{"what": "llm_tokens per day", "before": "1000", "after": "1500"}]
    assert (shown["stands"]["base"], shown["is_stale"], shown["enactment"]) == ("1000", False, None)


def test_a_draft_tells_all_that_is_missing(scout: Caller) -> None:
    answer = scout.post(PROPOSALS, {"entity_type": "hypothesis", "entity_id": "h1"})
    assert answer.status_code == 201
    missing = {one["code"]: one["pointer"] for one in answer.json()["missing"]}
    assert missing == {
        "no_amount": "/requested_tokens",
        "no_justification": "/justification",
        "no_gain": "/gain_edges",
        "no_gain_date": "/gain_by",
        "no_evidence": "/evidence",
    }


def test_filed_and_submitted_in_one_call(scout: Caller) -> None:
    shown = _filed(scout, submit=True)
    assert (shown["status"], shown["missing"]) == ("submitted", [])
    (ballot,) = shown["ballots"]
    assert (ballot["number"], ballot["quorum"], ballot["requested"], ballot["policy_version"]) == (1, 2, 500, 1)
    assert (ballot["electors"], ballot["silent"], ballot["votes"]) == (["r1", "r2"], ["r1", "r2"], [])
    assert ballot["as_it_stands"] == {"outcome": "expired", "granted": 0, "revisit_at": None}


def test_what_cannot_be_submitted_is_kept_as_a_draft(scout: Caller) -> None:
    shown = _filed(scout, submit=True, justification="", evidence=[])
    assert (shown["status"], [one["code"] for one in shown["missing"]]) == (
        "draft",
        ["no_justification", "no_evidence"],
    )
    assert Proposal.objects.get().status == "draft"


def test_so_is_what_nobody_could_decide(scout: Caller) -> None:
    senate.reviewers(2)[0].groups.clear()
    shown = _filed(scout, submit=True)
    assert (shown["status"], [one["code"] for one in shown["missing"]]) == ("draft", ["quorum_out_of_reach"])


def test_the_same_key_files_once(scout: Caller) -> None:
    terms = _terms()
    first, second = (scout.post(PROPOSALS, terms, key="one") for _ in range(2))
    assert first.content == second.content
    assert second.headers["Idempotency-Replayed"] == "true"
    assert Proposal.objects.count() == 1


def test_a_person_files_as_a_person(scout: Caller) -> None:
    del scout
    ada = Person(senate.reviewer())
    shown = _filed(ada)
    assert (shown["proposer"], shown["proposer_agent"]) == ("ada", None)
    assert Proposal.objects.get().user == ada.user


# Completing and submitting


def test_a_draft_is_amended_and_the_rest_stays(scout: Caller) -> None:
    filed = _filed(scout)
    answer = scout.post(f"{PROPOSALS}/{filed['id']}/amend", {"requested_tokens": -300, "justification": "less"})
    assert answer.status_code == 200
    assert (answer.json()["requested_tokens"], answer.json()["justification"]) == (-300, "less")
    assert answer.json()["gain_edges"] == "20"


def test_null_takes_a_value_back(scout: Caller) -> None:
    filed = _filed(scout)
    answer = scout.post(f"{PROPOSALS}/{filed['id']}/amend", {"gain_by": None})
    assert [one["code"] for one in answer.json()["missing"]] == ["no_gain_date"]


def test_evidence_is_given_and_taken_back(scout: Caller) -> None:
    address = f"{PROPOSALS}/{_filed(scout)['id']}"
    said = {"kind": "note", "note": "see there", "url": "https://example.org/a?b=1"}
    given = scout.post(f"{address}/evidence", said)
    assert (given.status_code, given.json()["url"], given.json()["note"]) == (201, said["url"], said["note"])
    taken = [scout.delete(f"{address}/evidence/{given.json()['id']}") for _ in range(2)]
    assert [answer.status_code for answer in taken] == [200, 200]
    assert [one["kind"] for one in taken[0].json()["evidence"]] == ["new_pmids"]
    assert Evidence.objects.get(pk=given.json()["id"]).withdrawn_at is not None
    gone = scout.delete(f"{address}/evidence/999999")
    assert (gone.status_code, problem(gone)["code"]) == (404, "unknown_evidence")


def test_submitting_says_at_once_all_that_is_missing(scout: Caller) -> None:
    filed = _filed(scout, justification="", evidence=[], gain_edges=None)
    answer = scout.post(f"{PROPOSALS}/{filed['id']}/submit")
    refusal = problem(answer)
    assert (answer.status_code, refusal["code"]) == (422, "incomplete_proposal")
    assert [(fault["code"], fault["pointer"]) for fault in refusal["errors"]] == [
        ("no_justification", "/justification"),
        ("no_gain", "/gain_edges"),
        ("no_evidence", "/evidence"),
    ]
    assert refusal["figures"]["missing"] == [fault["code"] for fault in refusal["errors"]]
    assert all(fault["detail"] in refusal["detail"] for fault in refusal["errors"])


def test_a_complete_draft_is_submitted_and_no_longer_amended(scout: Caller) -> None:
    address = f"{PROPOSALS}/{_filed(scout)['id']}"
    answers = [scout.post(f"{address}/submit") for _ in range(2)]
    assert [(one.status_code, one.json()["status"]) for one in answers] == [(200, "submitted")] * 2
    assert len(answers[1].json()["ballots"]) == 1
    late = scout.post(f"{address}/amend", {"requested_tokens": 1})
    assert (late.status_code, problem(late)["code"]) == (409, "proposal_state")
    more = scout.post(f"{address}/evidence", senate.PAPERS)
    assert (more.status_code, problem(more)["code"]) == (409, "proposal_state")


def test_a_quorum_out_of_reach_is_told(scout: Caller) -> None:
    senate.reviewers(2)[0].groups.clear()
    answer = scout.post(f"{PROPOSALS}/{_filed(scout)['id']}/submit")
    assert (answer.status_code, problem(answer)["code"]) == (409, "quorum_out_of_reach")
    assert problem(answer)["figures"] == {"electors": 1, "quorum": 2}


@pytest.mark.parametrize("submit", [False, True])
def test_a_proposal_is_taken_back(scout: Caller, submit: bool) -> None:  # noqa: FBT001 - a parameter of the test
    filed = _filed(scout, submit=submit)
    answers = [scout.post(f"{PROPOSALS}/{filed['id']}/withdraw", {"reason": "no more need"}) for _ in range(2)]
    for answer in answers:
        shown = answer.json()
        assert (answer.status_code, shown["status"], shown["withdrawn_by"]) == (200, "withdrawn", "scout")
        assert (shown["withdrawn_because"], shown["preview"], shown["stands"]) == ("no more need", None, None)
    late = scout.post(f"{PROPOSALS}/{filed['id']}/submit")
    assert (late.status_code, problem(late)["code"]) == (409, "proposal_state")


def test_what_is_known_of_a_claim_is_told_beforehand(scout: Caller) -> None:
    body = {"entity_type": "hypothesis", "entity_id": "h1", **senate.PAPERS}
    answer = scout.post(f"{SENATE}/evidence/check", body, key=None)
    assert (answer.status_code, answer.json()["check_state"]) == (200, "unknown")
    assert answer.json()["check_found"]["missing"] == senate.PAPERS["claim"]["pmids"]  # type: ignore[index] # a claim
    assert Evidence.objects.count() == 0
    bad = scout.post(f"{SENATE}/evidence/check", {**body, "claim": {"pmids": ["x"]}}, key=None)
    assert (bad.status_code, problem(bad)["errors"][0]["pointer"]) == (422, "/claim/pmids/0")


def test_what_changed_of_it_is_told_by_the_database(scout: Caller) -> None:
    address = f"{PROPOSALS}/{_filed(scout)['id']}"
    scout.post(f"{address}/amend", {"requested_tokens": 600})
    scout.post(f"{address}/submit")
    told = scout.get(f"{address}/changes").json()["results"]
    assert [one["action"] for one in told] == ["changed", "changed", "added"]
    assert told[1]["changes"] == {"requested_tokens": [500, 600]}
    assert told[0]["changes"]["status"] == ["draft", "submitted"]
    assert all(one["who"] == "agent scout" and one["request_id"] for one in told)
    other = callers.caller().get(f"{PROPOSALS}/999999/changes")
    assert (other.status_code, problem(other)["code"]) == (404, "unknown_proposal")


# Pause and ask


@pytest.fixture
def refused(scout: Caller) -> int:
    """Return the id of the refusal that the reservation's answer names: 1,400 asked of 1,000 a day."""
    factories.model()
    asked = {"entity_type": "hypothesis", "entity_id": "h1", "resource_type": "llm_tokens", "model": "deep-1"}
    answer = scout.post(f"{BOOKS}/reservations", {**asked, "amount": 1400})
    assert answer.status_code == 409
    refusal_id = answer.json()["figures"]["refusal_id"]
    assert scout.get(f"{BOOKS}/refusals").json()["results"][0]["id"] == refusal_id
    return int(refusal_id)


def test_a_refusal_becomes_a_proposal_that_carries_it(scout: Caller, refused: int) -> None:
    answer = scout.post(f"{SENATE}/refusals/{refused}/ask")
    shown = answer.json()
    assert (answer.status_code, shown["status"], shown["requested_tokens"]) == (201, "draft", 400)
    assert (shown["entity_id"], shown["resource_type"], shown["qualifier"]) == ("h1", "llm_tokens", "")
    assert (shown["refusal_id"], shown["refusal"]["id"], shown["refusal"]["code"]) == (
        refused,
        refused,
        "budget_exhausted",
    )
    assert (shown["refusal"]["asked"], shown["refusal"]["limit"]) == ("1400", "1000")
    assert shown["refusal"]["line"] == "llm_tokens per day"


def test_asked_again_it_is_the_same_proposal(scout: Caller, refused: int) -> None:
    first, second = (scout.post(f"{SENATE}/refusals/{refused}/ask") for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert Proposal.objects.count() == 1


def test_it_is_submitted_in_the_same_call(scout: Caller, refused: int) -> None:
    more = {"justification": "dry", "gain_edges": 3, "gain_by": callers.ahead(days=9), "evidence": [senate.PAPERS]}
    shown = scout.post(f"{SENATE}/refusals/{refused}/ask", {**more, "requested_tokens": 700, "submit": True}).json()
    assert (shown["status"], shown["requested_tokens"], shown["gain_edges"]) == ("submitted", 700, "3")


def test_nobody_asks_after_the_refusal_of_another(scout: Caller, refused: int) -> None:
    del scout
    answer = callers.caller().post(f"{SENATE}/refusals/{refused}/ask")
    assert (answer.status_code, problem(answer)["code"]) == (404, "unknown_refusal")
    assert callers.caller().post(f"{SENATE}/refusals/999999/ask").status_code == 404


def test_what_no_budget_cures_is_not_asked_for(scout: Caller) -> None:
    body = {"entity_type": "hypothesis", "entity_id": "h1", "resource_type": "llm_tokens", "model": "unheard-of"}
    scout.post(f"{BOOKS}/reservations", {**body, "amount": 1})
    answer = scout.post(f"{SENATE}/refusals/{Refusal.objects.get().pk}/ask")
    assert (answer.status_code, problem(answer)["errors"][0]["pointer"]) == (422, "/refusal_id")


# Who sees and does what


def test_a_draft_of_another_agent_is_not_there(scout: Caller) -> None:
    address, other = f"{PROPOSALS}/{_filed(scout)['id']}", callers.caller()
    assert other.get(PROPOSALS).json()["results"] == []
    evidence = Evidence.objects.get().pk
    answers = [
        other.get(address),
        other.post(f"{address}/amend", {"requested_tokens": 1}),
        other.post(f"{address}/evidence", senate.PAPERS),
        other.delete(f"{address}/evidence/{evidence}"),
        other.post(f"{address}/submit"),
        other.post(f"{address}/withdraw", {}),
    ]
    assert [(one.status_code, problem(one)["code"]) for one in answers] == [(404, "unknown_proposal")] * 6


def test_what_another_submitted_is_read_and_left_alone(scout: Caller) -> None:
    address, other = f"{PROPOSALS}/{_filed(scout, submit=True)['id']}", callers.caller()
    assert other.get(address).json() == scout.get(address).json()
    for deed in ("amend", "submit", "withdraw"):
        answer = other.post(f"{address}/{deed}", {} if deed != "amend" else {"requested_tokens": 1})
        assert (answer.status_code, problem(answer)["code"]) == (403, "not_your_proposal"), deed


def test_people_see_drafts(scout: Caller) -> None:
    filed = _filed(scout)
    assert Person(senate.auditor()).get(f"{PROPOSALS}/{filed['id']}").json() == filed


@pytest.mark.parametrize(
    ("kind", "reads", "writes"),
    [("worker", 200, 201), ("provider", 200, 201), ("grader", 200, 403), ("exchange", 200, 403)],
)
def test_scopes_follow_from_the_kind(kind: str, reads: int, writes: int) -> None:
    agent = callers.caller(kind)
    assert agent.get(PROPOSALS).status_code == reads
    assert agent.post(PROPOSALS, _terms()).status_code == writes


def test_keys_without_the_scopes_and_nobody_are_refused() -> None:
    agent = callers.caller(scopes=["budgets:read"])
    answers = [agent.get(PROPOSALS), agent.post(PROPOSALS, _terms())]
    assert [problem(one)["figures"]["scope"] for one in answers] == ["proposals:read", "proposals:write"]
    nobody = Client().get(PROPOSALS)
    assert (nobody.status_code, problem(nobody)["code"]) == (401, "key_missing")


def test_people_need_the_right(scout: Caller) -> None:
    filed, aulus = _filed(scout), Person(senate.auditor())
    assert aulus.get(f"{PROPOSALS}/{filed['id']}").status_code == 200
    answer = aulus.post(PROPOSALS, _terms())
    assert (answer.status_code, problem(answer)["figures"]) == (403, {"right": "governance.add_proposal"})


def test_a_write_needs_a_key_of_its_own(scout: Caller) -> None:
    filed = _filed(scout)
    for path in ("", f"/{filed['id']}/submit", f"/{filed['id']}/withdraw", f"/{filed['id']}/evidence"):
        answer = scout.post(f"{PROPOSALS}{path}", _terms() if not path else None, key=None)
        assert answer.status_code == 400, path
    assert IdempotentRequest.objects.count() == 1


# What other programs write


@pytest.mark.parametrize(
    "terms",
    [
        {"measure": "policy", "entity_type": "policy", "entity_id": "none", "terms": {"quorum": 1}},
        {"measure": "policy", "entity_type": "policy", "entity_id": "senate", "terms": {"quorum": [1.5]}},
        {"measure": "policy", "entity_type": "policy", "entity_id": "worth", "terms": {"evidence_weight": 0.9}},
        {"measure": "pool", "entity_type": "pool", "entity_id": "none", "terms": {"reserve_tokens": 5}},
        {"measure": "pool", "entity_type": "hypothesis", "terms": {"mode": "stopped"}},
        {"measure": "freeze", "entity_id": "nothing"},
        {"measure": "change_line", "qualifier": "no tier", "requested_tokens": 10**15},
        {"measure": "grant", "requested_tokens": -5, "terms": {"x": 1}},
        {"measure": "grant", "entity_id": "nothing", "requested_tokens": 5},
        {"evidence": ["seen", {"kind": "new_pmids", "claim": {"pmids": 7}}, {"kind": "rumour"}, 5]},
    ],
)
def test_what_another_program_filed_is_shown_and_said_to_be_impossible(scout: Caller, terms: dict[str, Any]) -> None:
    row = Proposal.objects.create(
        **{"entity_type": "hypothesis", "entity_id": "h1", "proposer_agent": "scout", "requested_tokens": 0, **terms}
    )
    answer = scout.get(f"{PROPOSALS}/{row.pk}")
    assert answer.status_code == 200
    assert bool(answer.json()["preview"]["refused"]) == ("evidence" not in terms)
    assert scout.post(f"{PROPOSALS}/{row.pk}/submit").status_code == 422
    assert [one["id"] for one in scout.get(PROPOSALS, mine="true").json()["results"]] == [row.pk]


# Lists


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["h2", "h1"]),
        ({"status": "draft"}, ["h2"]),
        ({"status": "submitted"}, ["h1"]),
        ({"entity_type": "hypothesis", "entity_id": "h1"}, ["h1"]),
        ({"entity_type": "gap"}, []),
        ({"proposer": "scout"}, ["h2", "h1"]),
        ({"proposer": "else"}, []),
        ({"measure": "grant"}, ["h2"]),
        ({"mine": "true"}, ["h2", "h1"]),
        ({"mine": "false"}, []),
        ({"waiting_for_my_vote": "true"}, []),
        ({"since": "2999-01-01T00:00:00Z"}, []),
        ({"until": "2999-01-01T00:00:00Z"}, ["h2", "h1"]),
    ],
)
def test_lists_are_narrowed(scout: Caller, query: dict[str, str], found: list[str]) -> None:
    factories.envelope("h2")
    _filed(scout, submit=True)
    _filed(scout, entity_id="h2", measure="grant")
    assert [one["entity_id"] for one in scout.get(PROPOSALS, **query).json()["results"]] == found


def test_a_person_finds_what_waits_for_a_vote(scout: Caller) -> None:
    filed = _filed(scout, submit=True)
    one, other = (Person(user) for user in senate.reviewers(2))
    for person, waiting in ((one, 1), (other, 1), (Person(senate.reviewer("late")), 0)):
        assert len(person.get(PROPOSALS, waiting_for_my_vote="true").json()["results"]) == waiting
    ballots.cast(filed["id"], voter=one.user, choice="reject", reason="no", now=callers.now())
    assert [len(p.get(PROPOSALS, waiting_for_my_vote="true").json()["results"]) for p in (one, other)] == [0, 1]
    Agent.objects.filter(pk=scout.agent.pk).update(sponsor=other.user)  # whose affair it becomes
    assert other.get(PROPOSALS, waiting_for_my_vote="true").json()["results"] == []
    Agent.objects.filter(pk=scout.agent.pk).update(sponsor=None)
    assert [len(p.get(PROPOSALS, waiting_for_my_vote="false").json()["results"]) for p in (one, other)] == [1, 0]


@pytest.mark.parametrize(
    ("name", "value"),
    [("status", "lost"), ("measure", "burn"), ("mine", "1"), ("since", "now"), ("refusal_id", "x"), ("cursor", "x")],
)
def test_a_list_does_not_guess(scout: Caller, name: str, value: str) -> None:
    answer = scout.get(PROPOSALS, **{name: value})
    assert (answer.status_code, problem(answer)["errors"][0]["parameter"]) == (400, name)


def test_lists_come_in_pages(scout: Caller) -> None:
    ids = [_filed(scout)["id"] for _ in range(3)]
    first = scout.get(PROPOSALS, page_size=2).json()
    second = scout.get(first["next"]).json()
    assert [one["id"] for one in first["results"] + second["results"]] == ids[::-1]
    assert second["next"] is None


# Cost


def _queries(agent: Caller, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as caught:
        assert agent.get(path).status_code == 200
    return len(caught)


def test_a_list_takes_the_same_queries_however_long(scout: Caller) -> None:
    _filed(scout)
    few = _queries(scout, PROPOSALS)
    for number in range(5):
        _filed(scout, submit=number % 2 == 0)
    assert _queries(scout, PROPOSALS) == few <= 3


def test_a_proposal_takes_the_same_queries_however_much_was_said(scout: Caller) -> None:
    address = f"{PROPOSALS}/{_filed(scout, submit=True)['id']}"
    few = _queries(scout, address)
    proposal = Proposal.objects.get()
    voters = senate.reviewers(2)
    later = callers.now()
    for choice in ("defer", "approve", "defer"):  # the last two are of the second ballot
        for voter in voters if choice == "defer" else voters[:1]:
            until = {"revisit_at": later + timedelta(days=1), "wanted": "more"} if choice == "defer" else {}
            ballots.cast(proposal.pk, voter=voter, choice=choice, reason="so", now=later, **until)  # type: ignore[arg-type] # terms of a vote
        later += timedelta(days=1)
        if choice == "defer":
            ballots.bring_back_due(now=later)
    assert Vote.objects.count() == 5
    assert proposals.get(proposal.pk).ballots.count() == 3
    assert _queries(scout, address) == few <= 25


# What it leads to


def test_what_was_granted_is_told_with_its_enactment(scout: Caller) -> None:
    filed = _filed(scout, submit=True)
    for voter in senate.reviewers(2):
        ballots.cast(filed["id"], voter=voter, choice="approve", amount=200, reason="half", now=callers.now())
    shown = scout.get(f"{PROPOSALS}/{filed['id']}").json()
    assert (shown["status"], shown["granted_tokens"], shown["preview"]) == ("enacted", 200, None)
    assert (shown["enactment"]["before"]["base"], shown["enactment"]["after"]["base"]) == ("1000", "1200")
    assert [vote["reason"] for vote in shown["ballots"][0]["votes"]] == ["half", "half"]
    assert Envelope.objects.get().token_budget == 1_200


# The policy and the closed list


def test_the_policy_is_shown_in_versions(scout: Caller) -> None:
    shown = scout.get(f"{SENATE}/policy").json()
    assert (shown["version"], shown["quorum"], shown["voting_hours"], shown["most_requested"]) == (1, 2, 72, 10**12)
    assert scout.get(f"{SENATE}/policy/versions").json()["results"] == [shown]


def test_the_closed_list_tells_what_each_measure_takes(scout: Caller) -> None:
    shown = scout.get(f"{SENATE}/measures").json()
    listed = {one["measure"]: one for one in shown["measures"]}
    assert set(listed) == {"change_line", "grant", "freeze", "unfreeze", "pool", "policy"}
    assert listed["freeze"]["takes"] == []
    assert (listed["grant"]["in_part"], listed["grant"]["enacted_by"]) == (True, "the Senate")
    assert (listed["pool"]["terms"], listed["pool"]["enacted_by"]) == (
        {"any pool": ["pricing_rule", "reserve_tokens"]},
        "the chair",
    )
    assert "evidence_weight" in listed["policy"]["terms"]["worth"]
    kinds = {one["kind"]: one for one in shown["evidence"]}
    assert set(kinds) == set(Evidence.Kind.values)
    assert [part["name"] for part in kinds["gap_resolution"]["parts"]] == ["gap", "before", "after"]
    assert (kinds["note"]["proves"], kinds["benchmark_result"]["url_needed"]) == (False, True)


def test_every_code_of_the_senate_is_listed() -> None:
    codes = {
        one.code
        for one in vars(errors).values()
        if isinstance(one, type) and one.__module__ == errors.__name__ and issubclass(one, RefusedError)
    }
    listed = {one["code"]: one for one in Client().get("/api/problems/").json()["results"]}
    assert len(codes) >= 15
    assert codes <= listed.keys()
    assert listed["incomplete_proposal"]["status"] == 422
