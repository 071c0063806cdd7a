"""Rows of the Senate carry each other: what other programs write with SQL counts as what the rules write."""

from __future__ import annotations

from datetime import timedelta

import pytest

from governance.models import Ballot, Elector, Enactment, Evidence, Proposal, Vote
from tests.factories import NOON
from tests.governance import senate

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def _end(ballot: Ballot, outcome: str, **columns: object) -> Proposal:
    """Close a ballot by hand and return its proposal."""
    Ballot.objects.filter(pk=ballot.pk).update(closed_at=NOON + DAY, outcome=outcome, **columns)
    return Proposal.objects.get(pk=ballot.proposal_id)


def test_evidence_given_with_a_proposal_becomes_rows() -> None:
    given = [
        {"kind": "kg_yield", "claim": {"edges": 5}, "note": "see there"},
        {"kind": "rumour", "claim": {"who": "eve"}},
        {"kind": "kg_yield", "claim": "five"},
        "a plain text",
        7,
        None,
    ]
    proposal = senate.draft(evidence=given)
    rows = Evidence.objects.filter(proposal=proposal).order_by("pk")
    assert list(rows.values_list("kind", "claim", "note", "attached_by")) == [
        ("kg_yield", {"edges": 5}, "see there", "scout"),
        ("note", {"who": "eve"}, "", "scout"),
        ("note", {"given": given[2]}, "", "scout"),
        ("note", {"given": "a plain text"}, "a plain text", "scout"),
        ("note", {"given": 7}, "", "scout"),
        ("note", {"given": None}, "", "scout"),
    ]
    assert senate.is_told(proposal)


def test_a_ballot_submits_its_proposal_and_decides_it() -> None:
    ada, ben = senate.reviewer("ada"), senate.reviewer("ben")
    proposal = senate.draft(requested_tokens=-500)
    ballot = senate.open_ballot(proposal, ada, ben)
    proposal.refresh_from_db()
    assert (proposal.status, proposal.submitted_at) == ("submitted", NOON)
    senate.vote(ballot, ada, amount=500)
    senate.vote(ballot, ben, amount=300)
    proposal = _end(ballot, "approved", granted=300)
    assert (proposal.status, proposal.granted_tokens, proposal.decided_at) == ("approved", -300, NOON + DAY)
    Enactment.objects.create(
        proposal=proposal,
        ballot=ballot,
        granted=300,
        enacted_at=NOON + 2 * DAY,
        enacted_by="the Senate",
        before={},
        after={},
    )
    proposal.refresh_from_db()
    assert (proposal.status, proposal.enacted_at) == ("enacted", NOON + 2 * DAY)


def test_a_deferred_proposal_keeps_its_first_submission() -> None:
    ada, ben = senate.reviewer("ada"), senate.reviewer("ben")
    proposal = senate.submitted()
    ballot = senate.ballot_of(proposal)
    for voter in (ada, ben):
        senate.vote(ballot, voter, "defer", revisit_at=NOON + 7 * DAY)
    proposal = _end(ballot, "deferred", revisit_at=NOON + 7 * DAY)
    assert (proposal.status, proposal.revisit_at, proposal.granted_tokens) == ("deferred", NOON + 7 * DAY, None)
    senate.open_ballot(proposal, ada, ben, at=NOON + 7 * DAY)
    proposal.refresh_from_db()
    assert (proposal.status, proposal.submitted_at, proposal.revisit_at) == ("submitted", NOON, None)


def test_a_ballot_that_is_withdrawn_withdraws_its_proposal() -> None:
    senate.reviewers(2)
    ballot = senate.ballot_of(senate.submitted())
    proposal = _end(ballot, "withdrawn", closed_by="scout", reason="too late")
    assert (proposal.status, proposal.withdrawn_by, proposal.withdrawn_because) == ("withdrawn", "scout", "too late")
    assert proposal.decided_at is None


def test_a_measure_without_an_amount_grants_none() -> None:
    people = senate.reviewers(2)
    ballot = senate.ballot_of(senate.submitted(measure="freeze", requested_tokens=0))
    for voter in people:
        senate.vote(ballot, voter)
    proposal = _end(ballot, "approved", granted=1)
    assert (proposal.status, proposal.granted_tokens) == ("approved", None)


def test_a_vote_supersedes_the_one_before_and_both_are_told() -> None:
    ada, _ben = senate.reviewers(2)
    ballot = senate.ballot_of(senate.submitted())
    senate.vote(ballot, ada, amount=100, at=NOON + DAY)
    senate.vote(ballot, ada, "reject", at=NOON)  # by a clock that is behind
    senate.vote(ballot, ada, "defer", at=NOON + 2 * DAY)
    said = Vote.objects.filter(ballot=ballot).order_by("pk").values_list("choice", "superseded_at")
    assert list(said) == [("approve", NOON + DAY), ("reject", NOON + 2 * DAY), ("defer", None)]
    assert senate.is_told(ballot.proposal)
    assert Elector.objects.filter(ballot=ballot).count() == 2


def test_a_piece_of_evidence_taken_back_is_told_no_more() -> None:
    proposal = senate.draft(evidence=[senate.PAPERS, "a note"])
    Evidence.objects.filter(proposal=proposal, kind="note").update(withdrawn_at=NOON)
    assert senate.is_told(proposal)
    assert [piece["kind"] for piece in proposal.evidence] == ["new_pmids"]
