"""Proposals: what may be filed, what is missing, whose they are, and the way back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from config.models import User
from economics import admission, envelopes
from economics.models import Envelope, LanguageModel, Refusal
from governance import ballots, errors, measures, proposals
from governance.models import Ballot, Evidence, Proposal
from tests import factories
from tests.factories import NOON, REVIEWER, after, refused
from tests.governance import senate

pytestmark = pytest.mark.django_db

PAPERS = proposals.Given("new_pmids", {"pmids": ["31452104"]})


def _scout() -> proposals.Proposer:
    return proposals.Proposer(agent=senate.scout())


def _file(of: Envelope | None = None, **terms: Any) -> Proposal:
    own = of or factories.envelope()
    return proposals.file(
        by=_scout(), now=NOON, **{"entity_type": own.entity_type, "entity_id": own.entity_id, **terms}
    )


def _complete(of: Envelope | None = None, **terms: Any) -> Proposal:
    whole = {
        "requested_tokens": 500,
        "justification": "It finds edges.",
        "gain_edges": Decimal(20),
        "gain_by": after(86_400),
        "evidence": [PAPERS],
    }
    return _file(of, **{**whole, **terms})


# What may be filed


def test_a_draft_needs_nothing_but_its_entity() -> None:
    draft = _file()
    assert (draft.status, draft.measure, draft.proposer, draft.filed_at) == ("draft", "change_line", "scout", NOON)
    assert (draft.evidence, draft.votes) == ([], [])


def test_all_that_is_missing_is_said_at_once() -> None:
    draft = _file()
    found = proposals.missing(draft, now=NOON)
    assert [one.code for one in found] == ["no_amount", "no_justification", "no_gain", "no_gain_date", "no_evidence"]
    assert [one.pointer for one in found] == [
        *("/requested_tokens", "/justification", "/gain_edges", "/gain_by", "/evidence")
    ]
    senate.reviewers(2)
    with refused(errors.IncompleteProposalError) as refusal:
        ballots.submit(draft.pk, by=_scout(), now=NOON)
    assert refusal.value.figures["missing"] == [one.code for one in found]
    assert proposals.get(draft.pk).status == "draft"


@pytest.mark.parametrize(
    ("terms", "codes"),
    [
        ({}, []),
        ({"justification": " \n "}, ["no_justification"]),
        ({"gain_edges": Decimal(0)}, ["no_gain"]),
        ({"gain_edges": Decimal(0), "requested_tokens": -500}, []),
        ({"gain_by": NOON}, ["gain_date_past"]),
        ({"evidence": [proposals.Given("note", {}, "a feeling")]}, ["no_evidence"]),
        ({"measure": "freeze", "requested_tokens": 0}, []),
        ({"measure": "grant", "lasts_until": NOON}, ["grant_over"]),
        ({"measure": "grant", "lasts_until": after(1)}, []),
    ],
)
def test_what_is_missing(terms: dict[str, Any], codes: list[str]) -> None:
    assert [one.code for one in proposals.missing(_complete(**terms), now=NOON)] == codes


@pytest.mark.parametrize(
    ("terms", "pointer"),
    [
        ({"requested_tokens": 10**12 + 1}, "/requested_tokens"),
        ({"requested_tokens": -(10**12) - 1}, "/requested_tokens"),
        ({"requested_tokens": 10**18}, "/requested_tokens"),
        ({"justification": "x" * 100_000}, "/justification"),
        ({"entity_id": ""}, "/entity_id"),
        ({"entity_type": "t" * 65}, "/entity_type"),
        ({"measure": "abolish"}, "/measure"),
        ({"resource_type": "gold"}, "/resource_type"),
        ({"window_kind": "year"}, "/window_kind"),
        ({"qualifier": "unheard-of"}, "/qualifier"),
        ({"resource_type": "cpu_seconds", "qualifier": "frontier"}, "/qualifier"),
        ({"terms": {"reserve_tokens": 5}}, "/terms"),
        ({"gain_edges": Decimal("NaN")}, "/gain_edges"),
        ({"gain_edges": Decimal(10**12)}, "/gain_edges"),
        ({"gain_edges": Decimal(-1)}, "/gain_edges"),
        ({"gain_by": after(86_400 * 4_000)}, "/gain_by"),
        ({"measure": "grant", "requested_tokens": -5}, "/requested_tokens"),
        ({"measure": "grant", "lasts_from": after(9), "lasts_until": after(8)}, "/lasts_until"),
        ({"lasts_until": after(9)}, "/lasts_until"),
        ({"measure": "freeze", "lasts_from": after(9)}, "/lasts_from"),
        ({"measure": "freeze", "requested_tokens": 5}, "/requested_tokens"),
        ({"measure": "freeze", "entity_id": "unknown"}, "/entity_id"),
        ({"measure": "pool", "terms": {"reserve_tokens": 5}}, "/entity_type"),
        ({"measure": "pool", "entity_type": "pool", "entity_id": "nowhere"}, "/entity_id"),
        ({"measure": "policy", "entity_type": "policy", "entity_id": "weather"}, "/entity_id"),
        ({"status": "approved"}, "/status"),
    ],
)
def test_what_could_never_be_proposed_is_refused_with_a_pointer(terms: dict[str, Any], pointer: str) -> None:
    with refused(errors.InvalidProposalError) as refusal:
        _complete(**{"requested_tokens": 0 if "measure" in terms else 500, **terms})
    assert refusal.value.pointer == pointer
    assert not Proposal.objects.exists()


@pytest.mark.parametrize(
    ("terms", "pointer"),
    [
        ({"capacity": 5}, "/terms/capacity"),
        ({"reserve_tokens": -1}, "/terms/reserve_tokens"),
        ({"reserve_tokens": "5"}, "/terms/reserve_tokens"),
        ({"reserve_tokens": True}, "/terms/reserve_tokens"),
        ({"pricing_rule": "cheapest"}, "/terms/pricing_rule"),
    ],
)
def test_a_pool_is_changed_in_its_reserve_and_rule_only(terms: dict[str, Any], pointer: str) -> None:
    factories.pool("gpu")
    with refused(errors.InvalidProposalError) as refusal:
        _file(measure="pool", entity_type="pool", entity_id="gpu", terms=terms)
    assert refusal.value.pointer == pointer


@pytest.mark.parametrize(
    ("name", "terms", "pointer"),
    [
        ("worth", {"evidence_weight": "0.5"}, "/terms"),  # the weights no longer sum to 1
        ("worth", {"evidence_weight": "much"}, "/terms/evidence_weight"),
        ("worth", {"colour": "red"}, "/terms/colour"),
        ("worth", {"version": 9}, "/terms/version"),
        ("senate", {"quorum": 0}, "/terms"),
        ("senate", {"quorum": [1]}, "/terms"),
        ("senate", {"quorum": True}, "/terms/quorum"),
        ("senate", {"quorum": 2.7}, "/terms/quorum"),
        ("worth", {"gain": True}, "/terms/gain"),
        ("senate", {"colour": "red"}, "/terms/colour"),
    ],
)
def test_a_policy_takes_only_terms_it_could_have(name: str, terms: dict[str, Any], pointer: str) -> None:
    with refused(errors.InvalidProposalError) as refusal:
        _file(measure="policy", entity_type="policy", entity_id=name, terms=terms)
    assert refusal.value.pointer == pointer


def test_bad_evidence_leaves_no_half_of_a_draft() -> None:
    with refused(errors.InvalidEvidenceError):
        _complete(evidence=[PAPERS, proposals.Given("new_pmids", {"pmids": ["none"]})])
    assert not Proposal.objects.exists()


# Whose it is


def test_only_its_proposer_touches_it() -> None:
    draft, other = _complete(), proposals.Proposer(agent=senate.scout("other"))
    person = proposals.Proposer(user=senate.reviewer())
    deeds = (
        lambda by: proposals.amend(draft.pk, by=by, now=NOON, requested_tokens=1),
        lambda by: proposals.attach(draft.pk, by=by, now=NOON, given=PAPERS),
        lambda by: proposals.detach(draft.pk, Evidence.objects.get().pk, by=by, now=NOON),
        lambda by: proposals.withdraw(draft.pk, by=by, now=NOON),
    )
    for deed in deeds:
        with refused(errors.UnknownProposalError):  # an agent does not even see it
            deed(other)
        with refused(errors.NotYourProposalError):
            deed(person)
    with refused(errors.NotYourProposalError):
        ballots.submit(draft.pk, by=person, now=NOON)


def test_agents_see_their_own_drafts_and_what_others_submitted() -> None:
    senate.reviewers(2)
    draft, submitted = _complete(), _complete()
    ballots.submit(submitted.pk, by=_scout(), now=NOON)
    other = proposals.Proposer(agent=senate.scout("other"))
    assert set(proposals.visible_to(_scout())) == {draft, submitted}
    assert set(proposals.visible_to(other)) == {submitted}
    assert set(proposals.visible_to(proposals.Proposer(user=senate.reviewer()))) == {draft, submitted}


def test_a_term_is_the_number_that_was_written() -> None:
    terms = {"evidence_weight": 0.3, "novelty_weight": 0.3, "review_step": 0.1, "roi_days": 7.0}
    draft = _file(measure="policy", entity_type="policy", entity_id="worth", terms=terms)
    told = {row.what: row.after for row in measures.preview(draft, 1, at=NOON)}
    assert told == {"evidence weight": "0.3", "novelty weight": "0.3", "review step": "0.1", "roi days": 7}


def test_a_name_that_passes_to_another_person_takes_no_proposal_along() -> None:
    ada, ben = senate.reviewers(2)
    asked = senate.draft(by=ada)
    User.objects.filter(pk=ada.pk).update(username="ada-then")
    User.objects.filter(pk=ben.pk).update(username="r1")
    ben.refresh_from_db()
    with refused(errors.NotYourProposalError):
        proposals.withdraw(asked.pk, by=proposals.Proposer(user=ben), now=NOON)
    assert not Proposal.objects.filter(proposals.own(proposals.Proposer(user=ben))).exists()
    assert proposals.withdraw(asked.pk, by=proposals.Proposer(user=ada), now=NOON).status == "withdrawn"


def test_what_another_program_wrote_by_the_agents_name_is_the_agents() -> None:
    written = Proposal.objects.create(
        proposer_agent="scout", entity_type="hypothesis", entity_id="h", requested_tokens=5, evidence=["seen it"]
    )
    changed = proposals.amend(written.pk, by=_scout(), now=NOON, justification="because")
    assert changed.justification == "because"
    assert [(one["kind"], one["note"]) for one in changed.evidence] == [("note", "seen it")]


# Drafts


def test_a_draft_is_amended_and_its_evidence_taken_back() -> None:
    draft = _complete()
    changed = proposals.amend(draft.pk, by=_scout(), now=after(1), requested_tokens=700, gain_edges=Decimal(30))
    assert (changed.requested_tokens, changed.requested_amount, changed.gain_edges) == (700, 700, Decimal(30))
    (piece,) = Evidence.objects.all()
    for _twice in range(2):
        assert proposals.detach(draft.pk, piece.pk, by=_scout(), now=after(2)).evidence == []
    piece.refresh_from_db()
    assert piece.withdrawn_at == after(2)
    with refused(errors.UnknownEvidenceError):
        proposals.detach(draft.pk, piece.pk + 1, by=_scout(), now=NOON)


def test_what_is_submitted_is_changed_no_more() -> None:
    senate.reviewers(2)
    asked = _complete()
    ballots.submit(asked.pk, by=_scout(), now=NOON)
    with refused(errors.ProposalStateError):
        proposals.amend(asked.pk, by=_scout(), now=NOON, requested_tokens=1)
    with refused(errors.ProposalStateError):
        proposals.attach(asked.pk, by=_scout(), now=NOON, given=PAPERS)
    with refused(errors.ProposalStateError):
        proposals.detach(asked.pk, Evidence.objects.get().pk, by=_scout(), now=NOON)


def test_a_proposal_takes_fifty_pieces_of_evidence() -> None:
    draft = _complete(evidence=[proposals.Given("note", {}, f"{number}") for number in range(50)])
    with refused(errors.InvalidEvidenceError):
        proposals.attach(draft.pk, by=_scout(), now=NOON, given=PAPERS)


# Withdrawing


def test_withdrawing_ends_the_vote_and_is_done_once() -> None:
    senate.reviewers(2)
    asked = _complete()
    ballots.submit(asked.pk, by=_scout(), now=NOON)
    withdrawn = proposals.withdraw(asked.pk, by=_scout(), now=after(1), reason="found room")
    assert (withdrawn.status, withdrawn.withdrawn_by, withdrawn.withdrawn_because) == (
        *("withdrawn", "scout", "found room"),
    )
    ballot = Ballot.objects.get()
    assert (ballot.outcome, ballot.closed_by, ballot.closed_at) == ("withdrawn", "scout", after(1))
    assert proposals.withdraw(asked.pk, by=_scout(), now=after(2), reason="again").withdrawn_because == "found room"
    with refused(errors.VotingClosedError):
        ballots.cast(asked.pk, voter=senate.reviewer("r1"), choice="approve", reason="yes", now=after(3))


# Pause and ask


def _refusal(of: Envelope, tokens: int, **terms: Any) -> Refusal:
    if not LanguageModel.objects.exists():
        factories.model()
    got = admission.reserve(factories.ask(of, tokens, **terms), agent_id=senate.scout().pk, now=NOON)
    assert isinstance(got, Exception), got
    return Refusal.objects.latest("pk")


def test_a_refusal_is_asked_after_once() -> None:
    refusal = _refusal(factories.envelope(tokens=1_000), 1_300)
    first = proposals.ask_after(refusal.pk, by=_scout(), now=NOON)
    again = proposals.ask_after(refusal.pk, by=_scout(), now=after(1), requested_tokens=5)
    assert (first.pk, first.requested_tokens, first.refusal_id) == (again.pk, 300, refusal.pk)
    proposals.withdraw(first.pk, by=_scout(), now=after(2))
    assert proposals.ask_after(refusal.pk, by=_scout(), now=after(3)).pk != first.pk


@pytest.mark.parametrize("weight", ["-0.3", "0.7"])
def test_what_is_asked_for_is_enough_under_the_market_weight(weight: str) -> None:
    own = factories.envelope(tokens=1_000)
    factories.market(own, weight)
    refusal = _refusal(own, 2_001)
    asked = proposals.ask_after(refusal.pk, by=_scout(), now=NOON)
    envelopes.change(own.pk, author=REVIEWER, now=NOON, token_budget=1_000 + asked.requested_tokens)
    room = factories.figures(own).remaining
    assert room >= 2_001
    assert room <= 2_001 + 2  # and hardly more


def test_the_line_that_refused_is_the_one_asked_for() -> None:
    own = factories.envelope(tokens=5_000)
    factories.line(own, 100)
    asked = proposals.ask_after(_refusal(own, 350).pk, by=_scout(), now=NOON)
    assert (asked.qualifier, asked.window_kind, asked.requested_tokens) == ("frontier", "day", 250)


def test_no_envelope_is_asked_for_as_a_whole() -> None:
    nobody = Envelope(entity_type="hypothesis", entity_id="new")
    asked = proposals.ask_after(_refusal(nobody, 350).pk, by=_scout(), now=NOON)
    assert (asked.entity_id, asked.requested_tokens, asked.qualifier) == ("new", 350, "")


def test_anothers_refusal_and_one_no_ceiling_cures_are_not_asked_after() -> None:
    refusal = _refusal(factories.envelope(tokens=1_000), 1_300)
    with refused(errors.UnknownRefusalError):
        proposals.ask_after(refusal.pk, by=proposals.Proposer(agent=senate.scout("other")), now=NOON)
    with refused(errors.UnknownRefusalError):
        proposals.ask_after(refusal.pk + 1, by=_scout(), now=NOON)
    unknown = _refusal(factories.envelope(), 5, model="nonesuch")
    with refused(errors.InvalidProposalError):
        proposals.ask_after(unknown.pk, by=_scout(), now=NOON)


def test_storage_is_asked_for_in_gigabytes() -> None:
    own = factories.envelope(storage_budget_gb=Decimal(2))
    factories.price(resource_type="storage_gb_hours", rate="0")
    refusal = _refusal(own, 72, resource_type="storage_gb_hours")  # 2 GB through a day are 48 GB-hours
    asked = proposals.ask_after(refusal.pk, by=_scout(), now=NOON + timedelta(seconds=1))
    assert (asked.resource_type, asked.requested_tokens) == ("storage_gb_hours", 1)
