"""Ballots: who may vote, what a vote says, and how voting ends."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission

from config.models import Agent, User
from economics import observations
from economics.models import Envelope
from governance import ballots, enactment, errors, evidence, measures, policy, proposals
from governance.models import Ballot, Elector, Proposal, Vote
from tests import factories
from tests.factories import NOON, REVIEWER, after, refused
from tests.governance import senate

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = pytest.mark.django_db


def _submit(by: Agent | User | None = None, **terms: Any) -> Proposal:
    draft = senate.draft(by=by, **terms)
    who = proposals.Proposer(user=by) if isinstance(by, User) else proposals.Proposer(agent=by or senate.scout())
    return ballots.submit(draft.pk, by=who, now=NOON)


def _names(proposal: Proposal) -> list[str]:
    return list(Elector.objects.filter(ballot__proposal=proposal).order_by("name").values_list("name", flat=True))


def _cast(proposal: Proposal, voter: User, choice: str = "approve", **terms: Any) -> Proposal:
    return ballots.cast(proposal.pk, voter=voter, choice=choice, **{"reason": "as I see it", "now": NOON, **terms})


# Who may vote


def test_reviewers_and_the_chair_vote_and_nobody_else() -> None:
    senate.reviewers(2)
    senate.chair()
    senate.auditor()
    User.objects.create_superuser("root", "root@example.org", "x")
    User.objects.create_user("ann", is_staff=True)
    gone = senate.reviewer("gone")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    outside = senate.reviewer("outside")
    User.objects.filter(pk=outside.pk).update(is_staff=False)
    by_right = User.objects.create_user("by-right", is_staff=True)
    by_right.user_permissions.add(Permission.objects.get(codename="vote_proposal"))
    assert _names(_submit()) == ["by-right", "cato", "r1", "r2"]


def test_nobody_votes_on_his_own_affair() -> None:
    ada, *_others = senate.reviewer("ada"), *senate.reviewers(2)
    assert _names(_submit(by=ada)) == ["r1", "r2"]
    Agent.objects.filter(pk=senate.scout().pk).update(sponsor=ada)
    assert _names(_submit()) == ["r1", "r2"]
    about = factories.envelope("scout", entity_type="agent")
    assert _names(_submit(by=senate.scout("other"), of=about)) == ["r1", "r2"]
    assert _names(_submit(by=senate.scout("other"))) == ["ada", "r1", "r2"]


def test_nobody_votes_or_confirms_what_became_his_own_affair() -> None:
    ada, *others = senate.reviewer("ada"), *senate.reviewers(3)
    asked = _submit()
    Agent.objects.filter(pk=senate.scout().pk).update(sponsor=ada)
    with refused(errors.NoElectorError):
        _cast(asked, ada)
    for voter in others[:2]:
        _cast(asked, voter)
    Envelope.objects.update(token_budget=900)
    _cast(asked, others[2])
    approved = proposals.get(asked.pk)
    assert approved.status == "approved"
    seen = measures.base(approved, at=NOON)
    with refused(errors.NoElectorError):
        enactment.confirm(asked.pk, user=ada, reason="I looked.", seen=seen, now=NOON)
    assert enactment.confirm(asked.pk, user=others[0], reason="I looked.", seen=seen, now=NOON).status == "enacted"


def test_a_quorum_out_of_reach_is_said_before_voting_opens() -> None:
    senate.reviewers(1)
    draft = senate.draft()
    with refused(errors.QuorumOutOfReachError) as refusal:
        ballots.submit(draft.pk, by=proposals.Proposer(agent=senate.scout()), now=NOON)
    assert refusal.value.figures == {"electors": 1, "quorum": 2}
    assert Proposal.objects.get().status == "draft"


def test_the_electorate_is_frozen_when_voting_opens() -> None:
    first, second = senate.reviewers(2)
    asked = _submit()
    with refused(errors.NoElectorError):
        _cast(asked, senate.reviewer("late"))
    second.groups.clear()  # a seat held when voting opened is a vote
    _cast(asked, first)
    assert _cast(asked, second).status == "enacted"


# What a vote says


@pytest.mark.parametrize(
    ("terms", "pointer"),
    [
        ({"choice": "abstain"}, "/choice"),
        ({"reason": " "}, "/reason"),
        ({"reason": "x" * 20_001}, "/reason"),
        ({"amount": 0}, "/amount"),
        ({"amount": 501}, "/amount"),
        ({"choice": "reject", "amount": 5}, "/amount"),
        ({"choice": "defer", "wanted": "more"}, "/revisit_at"),
        ({"choice": "defer", "wanted": "more", "revisit_at": NOON}, "/revisit_at"),
        ({"choice": "defer", "wanted": "more", "revisit_at": NOON + timedelta(days=367)}, "/revisit_at"),
        ({"choice": "defer", "wanted": " ", "revisit_at": after(60)}, "/wanted"),
        ({"revisit_at": after(60)}, "/revisit_at"),
        ({"choice": "reject", "wanted": "more"}, "/revisit_at"),
    ],
)
def test_what_is_no_vote_is_refused_with_a_pointer(terms: dict[str, Any], pointer: str) -> None:
    first, _second = senate.reviewers(2)
    with refused(errors.InvalidVoteError) as refusal:
        _cast(_submit(), first, **terms)
    assert refusal.value.pointer == pointer
    assert not Vote.objects.exists()


def test_a_new_vote_supersedes_and_the_old_one_stays_on_record() -> None:
    first, *_others = senate.reviewers(3)
    asked = _submit()
    _cast(asked, first)
    changed = _cast(asked, first, "reject", reason="I read it again.", now=after(60))
    assert [(vote["vote"], vote["superseded_at"] is None) for vote in changed.votes] == [
        ("approve", False),
        ("reject", True),
    ]
    again = _cast(asked, first, "reject", reason="I read it again.", now=after(90))
    assert len(again.votes) == 2  # said twice is said once


def test_a_vote_after_the_outcome_is_refused() -> None:
    first, second, third = senate.reviewers(3)
    asked = _submit()
    _cast(asked, first, "reject")
    assert _cast(asked, second, "reject").status == "rejected"
    with refused(errors.VotingClosedError):
        _cast(asked, third)
    with refused(errors.VotingClosedError):
        _cast(asked, first)


# How it ends


def test_the_chair_ends_a_vote_by_the_votes_cast() -> None:
    first, second, *_others, chair = *senate.reviewers(5), senate.chair()
    asked = _submit()
    _cast(asked, first, amount=100)
    assert _cast(asked, second, amount=100).status == "submitted"
    with refused(errors.InvalidVoteError):
        ballots.close(asked.pk, chair=chair, reason=" ", now=after(1))
    assert ballots.close(asked.pk, chair=chair, reason="It is urgent.", now=after(1)).status == "enacted"
    ballot = Ballot.objects.get()
    assert (ballot.outcome, ballot.granted, ballot.closed_by, ballot.reason) == (
        *("approved", 100, "cato", "It is urgent."),
    )
    with refused(errors.VotingClosedError):
        ballots.close(asked.pk, chair=chair, reason="Again.", now=after(2))


def test_a_chair_does_not_choose_the_moment_for_his_own_affair() -> None:
    *voters, chair = *senate.reviewers(4), senate.chair()
    asked = _submit(by=chair)
    for voter in voters[:2]:
        _cast(asked, voter)
    with refused(errors.NoElectorError) as refusal:
        ballots.close(asked.pk, chair=chair, reason="It is urgent.", now=after(1))
    assert refusal.value.detail == "The proposal is your own affair: somebody else ends its vote, or its deadline does."
    assert ballots.close(asked.pk, chair=senate.chair("second"), reason="Yes.", now=after(1)).status == "enacted"


def test_a_proposal_that_cannot_be_voted_on_again_waits_and_says_why() -> None:
    first, second = senate.reviewers(2)
    asked = _submit()
    for voter in (first, second):
        _cast(asked, voter, "defer", wanted="more", revisit_at=after(60))
    second.groups.clear()
    assert ballots.bring_back_due(now=after(60)) == 0
    assert proposals.get(asked.pk).waits_because == "Only 1 may vote on this; the quorum is 2. It takes more reviewers."
    senate.reviewer("third")
    assert ballots.bring_back_due(now=after(61)) == 1
    assert proposals.get(asked.pk).waits_because == ""


def test_those_that_cannot_come_back_keep_nobody_else_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ballots, "_AT_ONCE", 1)
    monkeypatch.setattr(ballots, "_AGAIN", 1)
    voters = senate.reviewers(3)
    lowered = factories.envelope(token_budget=1_000)
    asked = [*(_submit(of=lowered, requested_tokens=-900) for _ in range(3)), _submit()]
    for place, proposal in enumerate(asked):
        for voter in voters:
            _cast(proposal, voter, "defer", wanted="more", revisit_at=after(60 + place))
    Envelope.objects.filter(pk=lowered.pk).update(token_budget=500)
    assert [ballots.bring_back_due(now=after(100)) for _ in asked] == [0, 0, 0, 1]
    assert [proposals.get(one.pk).status for one in asked] == ["deferred"] * 3 + ["submitted"]


def test_a_ballot_that_cannot_be_closed_keeps_no_other_open(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ballots, "_AT_ONCE", 1)
    voters = senate.reviewers(2)
    foul, asked = senate.draft(), _submit()
    by_hand = senate.open_ballot(foul, *voters, requested=1_000, at=after(-1))  # the proposal asks for 500
    for voter in voters:
        senate.vote(by_hand, voter)
    assert ballots.close_due(now=after(1) + senate.VOTING) == 1
    assert [proposals.get(one.pk).status for one in (foul, asked)] == ["submitted", "expired"]
    assert f"The deadline of proposal {foul.pk} failed" in caplog.text


def test_a_defect_keeps_no_other_proposal_from_coming_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    voters = senate.reviewers(3)
    asked = [_submit() for _ in range(2)]
    for place, proposal in enumerate(asked):
        for voter in voters:
            _cast(proposal, voter, "defer", wanted="more", revisit_at=after(60 + place))
    look = evidence.check

    def broken(proposal_id: int, *, now: datetime) -> None:
        if proposal_id == asked[0].pk:
            raise KeyError
        look(proposal_id, now=now)

    monkeypatch.setattr(evidence, "check", broken)
    assert ballots.bring_back_due(now=after(100)) == 1
    assert [proposals.get(one.pk).status for one in asked] == ["deferred", "submitted"]
    assert f"The return of proposal {asked[0].pk} failed" in caplog.text


@pytest.mark.parametrize(
    ("terms", "waits"),
    [
        ({"measure": "policy", "entity_type": "policy", "entity_id": "peace"}, "There is no such policy."),
        ({"measure": "policy", "entity_type": "policy", "entity_id": "worth"}, "There is no setting save."),
    ],
)
def test_what_another_program_had_voted_on_says_why_it_does_not_come_back(terms: dict[str, Any], waits: str) -> None:
    voters = senate.reviewers(2)
    foul = senate.draft(requested_tokens=0, terms={"save": 1}, **terms)
    by_hand = senate.open_ballot(foul, *voters)
    for voter in voters:
        senate.vote(by_hand, voter, "defer")
    assert ballots.close_due(now=after(0) + senate.VOTING) == 1
    assert ballots.bring_back_due(now=after(0) + timedelta(days=7)) == 0
    assert proposals.get(foul.pk).waits_because == waits


def test_a_ballot_keeps_the_policy_it_was_opened_under() -> None:
    senate.reviewers(3)
    asked = _submit()
    policy.change(author=REVIEWER, now=after(1), quorum=3, voting_hours=1)
    later = _submit()
    assert [(b.quorum, b.policy_id, b.closes_at - b.opened_at) for b in Ballot.objects.order_by("pk")] == [
        (2, 1, timedelta(hours=72)),
        (3, 2, timedelta(hours=1)),
    ]
    assert asked.pk < later.pk


def test_submitting_twice_opens_one_ballot() -> None:
    senate.reviewers(2)
    asked = _submit()
    again = ballots.submit(asked.pk, by=proposals.Proposer(agent=senate.scout()), now=after(5))
    assert (again.submitted_at, Ballot.objects.count()) == (NOON, 1)


def test_evidence_is_looked_at_again_whenever_voting_opens() -> None:
    voters = senate.reviewers(2)
    own, paper = factories.envelope("h1"), proposals.Given("new_pmids", {"pmids": ["31452104"]})
    draft = senate.draft(of=own, evidence=[])
    by = proposals.Proposer(agent=senate.scout())
    assert proposals.attach(draft.pk, by=by, now=NOON, given=paper).check_state == "unknown"
    seen = factories.observation("h1", reference="PMID:31452104")
    asked = ballots.submit(draft.pk, by=by, now=after(60))
    assert [(one["check"], one["found"]) for one in asked.evidence] == [
        ("holds", "1 of 1 on record as papers of this entity.")
    ]
    for voter in voters:
        _cast(asked, voter, "defer", wanted="more", revisit_at=after(600), now=after(120))
    observations.withdraw([seen.pk], who="ada", now=after(300))
    assert proposals.get(asked.pk).evidence[0]["check"] == "holds"  # as it was when they looked
    assert ballots.bring_back_due(now=after(600)) == 1
    assert proposals.get(asked.pk).evidence[0]["check"] == "contradicted"


def test_only_a_draft_is_submitted() -> None:
    senate.reviewers(2)
    asked, by = _submit(), proposals.Proposer(agent=senate.scout())
    proposals.withdraw(asked.pk, by=by, now=after(1))
    with refused(errors.ProposalStateError) as refusal:
        ballots.submit(asked.pk, by=by, now=after(2))
    assert refusal.value.detail == "This proposal is withdrawn; only a draft is submitted."
    with refused(errors.ProposalStateError) as refusal:
        proposals.amend(asked.pk, by=by, now=after(2), justification="anew")
    assert refusal.value.detail == "This proposal is withdrawn; this is done only while one is draft."


def test_what_could_not_be_done_now_is_not_voted_on() -> None:
    senate.reviewers(2)
    own = factories.envelope(tokens=100)
    with refused(errors.MeasureRefusedError):
        _submit(of=own, requested_tokens=-101, gain_edges=Decimal(0))
    with refused(errors.MeasureRefusedError):
        _submit(of=own, requested_tokens=5, resource_type="api_calls")  # no ceiling: nothing to raise
