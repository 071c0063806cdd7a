"""The Senate at work: what is asked for, voted on and decided, and what each outcome leaves behind."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from auction import pools
from economics import admission, envelopes, revisions, stops, worth_policy
from economics import errors as books
from economics.models import Envelope, Refusal, Reservation, Revision
from governance import ballots, cycle, enactment, errors, policy, proposals
from governance.models import Ballot, Enactment, Proposal
from tests import factories
from tests.factories import NOON, REVIEWER, after, refused
from tests.governance import senate

if TYPE_CHECKING:
    from datetime import datetime

    from config.models import User

pytestmark = pytest.mark.django_db

DAY = 86_400
PAPERS = proposals.Given("new_pmids", {"pmids": ["31452104"]})


def _ask(of: Envelope, amount: int = 500, *, at: datetime = NOON, **terms: Any) -> Proposal:
    """File and submit a request of the agent scout for so many tokens a day more."""
    scout = proposals.Proposer(agent=senate.scout())
    filed = proposals.file(
        by=scout,
        now=at,
        **{
            "entity_type": of.entity_type,
            "entity_id": of.entity_id,
            "requested_tokens": amount,
            "justification": "It finds edges and has run dry.",
            "gain_edges": Decimal(20),
            "gain_by": at + timedelta(days=28),
            "evidence": [PAPERS],
            **terms,
        },
    )
    return ballots.submit(filed.pk, by=scout, now=at)


def _approve(proposal: Proposal, voter: User, amount: int | None = None, *, at: datetime = NOON) -> Proposal:
    return ballots.cast(proposal.pk, voter=voter, choice="approve", amount=amount, reason="It earns it.", now=at)


def _reject(proposal: Proposal, voter: User, *, at: datetime = NOON) -> Proposal:
    return ballots.cast(proposal.pk, voter=voter, choice="reject", reason="It does not.", now=at)


def _books(of: Envelope) -> tuple[object, ...]:
    """Return all that a decision could have touched."""
    of.refresh_from_db()
    return (of.token_budget, of.granted_at, of.granted_by, Revision.objects.filter(envelope=of).count())


def test_an_approval_raises_the_envelope_and_shows_in_the_next_admission() -> None:
    ada, bob, _eve = (senate.reviewer(name) for name in ("ada", "bob", "eve"))
    own, worker = factories.envelope(tokens=1_000), senate.scout()
    factories.model()
    assert isinstance(admission.reserve(factories.ask(own, 1_200), agent_id=worker.pk, now=NOON), Exception)
    refusal = Refusal.objects.get()

    asked = proposals.ask_after(
        refusal.pk,
        by=proposals.Proposer(agent=worker),
        now=after(1),
        justification="One run needs 1,200 tokens.",
        gain_edges=Decimal(20),
        gain_by=after(28 * DAY),
        evidence=[PAPERS],
    )
    assert (asked.requested_tokens, asked.refusal_id, asked.status) == (200, refusal.pk, "draft")
    submitted = ballots.submit(asked.pk, by=proposals.Proposer(agent=worker), now=after(2))
    assert submitted.status == "submitted"
    assert _approve(asked, ada, at=after(3)).status == "submitted"  # a third could still reject: 1 of 2
    enacted = _approve(asked, bob, at=after(4))

    assert (enacted.status, enacted.granted_tokens) == ("enacted", 200)
    own.refresh_from_db()
    assert (own.token_budget, own.granted_by) == (1_200, "the Senate")
    revision = Revision.objects.get(changes__has_key="token_budget", cause_kind="proposal")
    assert (revision.cause_id, revision.changes["token_budget"]) == (str(asked.pk), [1_000, 1_200])
    assert isinstance(admission.reserve(factories.ask(own, 1_200), agent_id=worker.pk, now=after(5)), Reservation)


def test_less_is_granted_when_that_is_what_most_support() -> None:
    first, second, third = senate.reviewers(3)
    own = factories.envelope(tokens=1_000)
    asked = _ask(own, 500)
    _approve(asked, first, 500)
    assert _approve(asked, second, 300).status == "submitted"  # 300 or, with a third for all, 500
    enacted = _approve(asked, third, 100)
    assert (enacted.status, enacted.granted_tokens) == ("enacted", 300)  # two of three support 300
    own.refresh_from_db()
    assert own.token_budget == 1_300


def test_a_deferral_comes_back_by_itself_with_what_it_was_waiting_for() -> None:
    first, second = senate.reviewers(2)
    own = factories.envelope(tokens=1_000)
    asked = _ask(own, 500)
    for reviewer, days in ((first, 7), (second, 14)):
        deferred = ballots.cast(
            asked.pk,
            voter=reviewer,
            choice="defer",
            reason="One paper is none.",
            revisit_at=after(days * DAY),
            wanted="a second paper",
            now=after(60),
        )
    assert (deferred.status, deferred.revisit_at) == ("deferred", after(7 * DAY))  # the earliest date named
    proposals.attach(
        asked.pk,
        by=proposals.Proposer(agent=senate.scout()),
        now=after(3 * DAY),
        given=proposals.Given("new_pmids", {"pmids": ["33268465"]}),
    )
    newcomer = senate.reviewer("newcomer")

    cycle.run_due(now=after(7 * DAY - 1))
    assert proposals.get(asked.pk).status == "deferred"
    cycle.run_due(now=after(7 * DAY))
    back = proposals.get(asked.pk)
    assert (back.status, back.submitted_at, len(back.evidence)) == ("submitted", NOON, 2)
    assert [vote["ballot"] for vote in back.votes] == [1, 1]  # the old votes stand, and count for nothing
    fresh = Ballot.objects.get(proposal=asked, number=2)
    assert ballots.standing(fresh).silent == ["newcomer", "r1", "r2"]

    _approve(asked, newcomer, at=after(7 * DAY + 1))
    assert _approve(asked, first, at=after(7 * DAY + 2)).status == "enacted"


def test_a_rejection_leaves_everything_as_it_was() -> None:
    first, second, _third = senate.reviewers(3)
    own = factories.envelope(tokens=1_000)
    before = _books(own)
    asked = _ask(own, 500)
    _reject(asked, first)
    assert _reject(asked, second).status == "rejected"
    assert _books(own) == before
    with refused(errors.ProposalStateError):
        enactment.enact(asked.pk, author=REVIEWER, now=NOON)


def test_without_a_quorum_it_expires_and_nothing_happens() -> None:
    first, *_others = senate.reviewers(3)
    own = factories.envelope(tokens=1_000)
    before, asked = _books(own), _ask(own, 500)
    deadline = Ballot.objects.get(proposal=asked).closes_at
    assert deadline == NOON + timedelta(hours=72)
    _approve(asked, first)
    cycle.run_due(now=deadline - timedelta(seconds=1))
    assert proposals.get(asked.pk).status == "submitted"
    with refused(errors.VotingClosedError):
        _approve(asked, senate.reviewer("r2"), at=deadline)  # the deadline ends it before any tick does
    cycle.run_due(now=deadline)
    assert proposals.get(asked.pk).status == "expired"
    assert _books(own) == before


def test_at_the_deadline_the_votes_there_are_decide() -> None:
    first, second, *_others = senate.reviewers(5)
    own = factories.envelope(tokens=1_000)
    asked = _ask(own, 500)
    _approve(asked, first, 200)
    assert _approve(asked, second).status == "submitted"
    cycle.run_due(now=after(3 * DAY))
    decided = proposals.get(asked.pk)
    assert (decided.status, decided.granted_tokens) == ("enacted", 200)


def test_over_a_base_that_moved_one_reviewer_confirms() -> None:
    first, second = senate.reviewers(2)
    own = factories.envelope(tokens=1_000)
    asked = _ask(own, 500)
    _approve(asked, first)
    envelopes.change(own.pk, author=REVIEWER, now=after(5), token_budget=400)
    waiting = _approve(asked, second, at=after(10))
    assert waiting.status == "approved"
    assert "changed since voting opened" in waiting.waits_because
    assert enactment.stale(waiting, now=after(11))
    cycle.run_due(now=after(20))
    own.refresh_from_db()
    assert own.token_budget == 400

    with refused(errors.StaleBaseError) as stale:
        enactment.enact(asked.pk, author=REVIEWER, now=after(30))
    stands = stale.value.figures["stands"]
    assert stands == {"envelope": "open", "window": "day", "base": "400"}
    done = enactment.confirm(asked.pk, user=first, reason="Still right.", seen=stands, now=after(31))
    assert done.status == "enacted"
    own.refresh_from_db()
    assert own.token_budget == 900  # the change is added to the base as it now is
    assert Enactment.objects.get().confirmed_because == "Still right."


def test_a_base_that_moves_again_is_confirmed_again() -> None:
    first, second = senate.reviewers(2)
    own = factories.envelope(tokens=1_000)
    asked = _ask(own, 500)
    _approve(asked, first)
    envelopes.change(own.pk, author=REVIEWER, now=after(5), token_budget=400)
    _approve(asked, second, at=after(10))
    seen = {"envelope": "open", "window": "day", "base": "400"}
    envelopes.change(own.pk, author=REVIEWER, now=after(11), token_budget=300)
    with refused(errors.StaleBaseError):
        enactment.confirm(asked.pk, user=first, reason="Still right.", seen=seen, now=after(12))


def test_an_entity_without_an_envelope_gets_one_that_is_granted() -> None:
    first, second = senate.reviewers(2)
    nobody = Envelope(entity_type="hypothesis", entity_id="new")
    asked = _ask(nobody, 500, window_kind="week")
    _approve(asked, first)
    assert _approve(asked, second).status == "enacted"
    own = envelopes.get("hypothesis", "new")
    assert (own.window_kind, own.token_budget, own.granted_by) == ("week", 500, "the Senate")


def test_a_line_is_lowered_by_what_was_granted_of_the_lowering() -> None:
    first, second = senate.reviewers(2)
    own = factories.envelope(tokens=1_000)
    asked = _ask(own, -400, gain_edges=Decimal(0))
    _approve(asked, first, 400)
    done = _approve(asked, second, 250)
    assert (done.status, done.granted_tokens) == ("enacted", -250)
    own.refresh_from_db()
    assert (own.token_budget, own.granted_at) == (750, None)


def test_a_tier_line_is_raised_and_the_whole_stays() -> None:
    first, second = senate.reviewers(2)
    own = factories.envelope(tokens=1_000)
    factories.line(own, 600)
    asked = _ask(own, 100, qualifier="frontier")
    _approve(asked, first)
    _approve(asked, second)
    assert factories.figures(own, tier="frontier").limit == 700
    assert factories.figures(own).limit == 1_000


def test_a_grant_lasts_for_its_windows_only() -> None:
    first, second = senate.reviewers(2)
    own = factories.envelope(tokens=1_000)
    asked = _ask(own, 500, measure="grant", lasts_until=after(DAY))
    _approve(asked, first)
    assert _approve(asked, second).status == "enacted"
    assert [factories.figures(own, at=after(days * DAY)).limit for days in (0, 1, 2)] == [1_500, 1_500, 1_000]


def test_freezing_and_unfreezing_are_decided_alike() -> None:
    first, second = senate.reviewers(2)
    own = factories.envelope(tokens=1_000)
    for measure, state in (("freeze", "frozen"), ("unfreeze", "active")):
        asked = _ask(own, 0, measure=measure)
        _approve(asked, first)
        assert _approve(asked, second).status == "enacted"
        own.refresh_from_db()
        assert own.state == state


def test_measures_of_policy_wait_for_the_chair() -> None:
    first, second, chair = *senate.reviewers(2), senate.chair()
    pool = factories.pool("gpu", reserve_tokens=5)
    named = Envelope(entity_type="pool", entity_id="gpu")
    asked = _ask(named, 0, measure="pool", terms={"reserve_tokens": 20, "pricing_rule": "vickrey"})
    for voter in (first, second, chair):
        waiting = proposals.get(asked.pk)
        if waiting.status == "submitted":
            waiting = _approve(asked, voter)
    assert (waiting.status, waiting.waits_because) == ("approved", "A measure of policy is enacted by the chair.")
    with refused(errors.ChairNeededError):
        enactment.enact(asked.pk, author=revisions.Author("r1"), now=after(1))
    done = enactment.enact(asked.pk, author=revisions.Author("cato"), now=after(2), as_chair=True)
    assert done.status == "enacted"
    pool = pools.get("gpu")
    assert (pool.reserve_tokens, pool.pricing_rule) == (20, "vickrey")
    again = enactment.enact(asked.pk, author=revisions.Author("cato"), now=after(3), as_chair=True)
    assert (again.enacted_at, Enactment.objects.count()) == (after(2), 1)


def test_score_weights_are_changed_by_a_new_version_that_names_the_proposal() -> None:
    first, second = senate.reviewers(2)
    named = Envelope(entity_type="policy", entity_id="worth")
    asked = _ask(named, 0, measure="policy", terms={"evidence_weight": "0.4", "novelty_weight": "0.2"})
    _approve(asked, first)
    _approve(asked, second)
    enactment.enact(asked.pk, author=revisions.Author("cato"), now=after(2), as_chair=True)
    version = worth_policy.get()
    assert (version.version, version.evidence_weight, version.novelty_weight) == (2, Decimal("0.4"), Decimal("0.2"))
    assert (version.cause_kind, version.cause_id, version.made_by) == ("proposal", str(asked.pk), "cato")


def test_the_senate_changes_its_own_rules_and_open_ballots_keep_theirs() -> None:
    first, second, _third = senate.reviewers(3)
    own = factories.envelope(tokens=1_000)
    asked = _ask(own, 500)
    named = Envelope(entity_type="policy", entity_id="senate")
    rules = _ask(named, 0, measure="policy", terms={"quorum": 3})
    for voter in (first, second):
        _approve(rules, voter)
    enactment.enact(rules.pk, author=revisions.Author("cato"), now=after(2), as_chair=True)
    assert policy.get().quorum == 3
    assert Ballot.objects.get(proposal=asked).quorum == 2
    _approve(asked, first)
    assert _approve(asked, second).status == "enacted"


def test_what_can_no_longer_be_done_waits_and_says_why() -> None:
    first, second = senate.reviewers(2)
    own = factories.envelope(tokens=1_000)
    asked = _ask(own, 500, measure="grant", lasts_until=after(60))
    _approve(asked, first)
    waiting = _approve(asked, second, at=after(120))
    assert (waiting.status, waiting.waits_because) == ("approved", "The time it was asked for is over.")
    withdrawn = proposals.withdraw(
        asked.pk, by=proposals.Proposer(agent=senate.scout()), now=after(130), reason="too late"
    )
    assert (withdrawn.status, withdrawn.withdrawn_because) == ("withdrawn", "too late")


def test_a_frozen_entity_asks_to_be_unfrozen() -> None:
    senate.reviewers(2)
    own, worker = factories.envelope(tokens=1_000), senate.scout()
    factories.model()
    stops.freeze([own.pk], author=REVIEWER, now=NOON)
    got = admission.reserve(factories.ask(own, 10), agent_id=worker.pk, now=NOON)
    assert isinstance(got, books.EnvelopeFrozenError)
    asked = proposals.ask_after(Refusal.objects.get().pk, by=proposals.Proposer(agent=worker), now=after(1))
    assert (asked.measure, asked.requested_tokens) == ("unfreeze", 0)
