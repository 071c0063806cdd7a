"""From a refused call to room: an agent runs dry, pauses and asks, the Senate decides, and the next call passes.

A hypothesis may use 1,000 LLM tokens a day, and the agent scout has used 900 of them by noon. It asks for 500 more and
is refused: 400 are lacking. It pauses and asks for what was lacking; two papers that were observed of the hypothesis
speak for it. Ada wants to see the papers first, then both she and Brutus approve the whole. With the second vote the
ceiling is 1,400, and the call that was refused passes. Within four weeks 25 edges come; 20 were promised.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from economics import admission, envelopes
from economics.models import Refusal, Reservation
from governance import ballots, chain, proposals
from tests import factories
from tests.factories import NOON, after
from tests.governance import senate

if TYPE_CHECKING:
    from governance.models import Proposal

pytestmark = pytest.mark.django_db

MINUTE, HOUR = 60, 3_600
PROMISED_BY = NOON + timedelta(days=28)


@pytest.fixture
def asked_for() -> Proposal:
    """Play it up to the draft: refused, paused and asked."""
    factories.model("deep-1", rate="0")
    own = factories.envelope("h1", tokens=1_000)
    factories.record(own, 900, at=NOON)
    for pmid in ("31452104", "33268465"):
        factories.observation("h1", reference=f"pmid:{pmid}", at=NOON)

    refused = admission.reserve(factories.ask(own, 500), agent_id=senate.scout().pk, now=after(MINUTE))
    assert not isinstance(refused, Reservation)
    assert (refused.code, refused.figures["limit"], refused.figures["settled"]) == ("budget_exhausted", 1_000, 900)

    return proposals.ask_after(
        Refusal.objects.get().pk,
        by=proposals.Proposer(agent=senate.scout()),
        now=after(2 * MINUTE),
        justification="Both papers are read, and what they say is not yet in the graph.",
        gain_edges=Decimal(20),
        gain_by=PROMISED_BY,
    )


def test_what_was_lacking_is_asked_for(asked_for: Proposal) -> None:
    assert (asked_for.status, asked_for.requested_tokens, asked_for.window_kind) == ("draft", 400, "day")
    again = proposals.ask_after(Refusal.objects.get().pk, by=proposals.Proposer(agent=senate.scout()), now=after(HOUR))
    assert again == asked_for
    assert [one.code for one in proposals.missing(asked_for, now=after(HOUR))] == ["no_evidence"]


def test_a_refused_call_is_answered_and_passes(asked_for: Proposal) -> None:
    scout = proposals.Proposer(agent=senate.scout())
    ada, brutus = senate.reviewer("ada"), senate.reviewer("brutus")
    papers = proposals.Given("new_pmids", {"pmids": ["31452104", "33268465"]})
    proposals.attach(asked_for.pk, by=scout, now=after(HOUR), given=papers)
    ballots.submit(asked_for.pk, by=scout, now=after(HOUR))

    def vote(who: object, choice: str, reason: str, at: float, **more: object) -> Proposal:
        return ballots.cast(asked_for.pk, voter=who, choice=choice, reason=reason, now=after(at), **more)  # type: ignore[arg-type]

    back = {"revisit_at": after(48 * HOUR), "wanted": "both papers"}
    vote(ada, "defer", "I have not seen the papers.", 2 * HOUR, **back)
    vote(ada, "approve", "I have read them.", 3 * HOUR)
    settled = vote(brutus, "approve", "It used what it had.", 4 * HOUR)
    assert (settled.status, settled.granted_tokens) == ("enacted", 400)

    own = envelopes.get("hypothesis", "h1")
    admitted = factories.reserve(own, 500, by=senate.scout(), at=after(5 * HOUR))
    assert factories.figures(own, at=after(5 * HOUR)) == (1_400, 900, 500, 0)
    admission.settle(admitted.pk, admission.Spent(amount=Decimal(500)), now=after(6 * HOUR))
    factories.outcome(own, 25, at=NOON + timedelta(days=20))
    _every_step_is_told(asked_for)


def _every_step_is_told(proposal: Proposal) -> None:
    reader = proposals.Proposer(agent=factories.agent("reader"))
    told = chain.of("hypothesis", "h1", by=reader, at=PROMISED_BY)
    (refusal,) = told.story.refusals
    assert (refusal.code, refusal.asked, told.answering(refusal.pk)) == ("budget_exhausted", Decimal(500), [proposal])

    ((asked, (ballot,), enactment, changes, followed),) = told.proposals
    assert (asked, asked.refusal, asked.proposer, asked.status) == (proposal, refusal, "scout", "enacted")
    assert [(one.kind, one.check_state) for one in asked.evidence_rows.all()] == [("new_pmids", "holds")]
    assert [(vote.voter_name, vote.choice, vote.reason, vote.superseded_at) for vote in ballot.votes.all()] == [
        ("ada", "defer", "I have not seen the papers.", after(3 * HOUR)),
        ("ada", "approve", "I have read them.", None),
        ("brutus", "approve", "It used what it had.", None),
    ]
    assert (ballot.outcome, ballot.granted, ballot.closed_at) == ("approved", 400, after(4 * HOUR))
    assert enactment is not None
    assert (enactment.before["base"], enactment.after["base"]) == ("1000", "1400")
    assert [(one.revision.changes, one.revision.cause_id, one.revision.at) for one in changes[-1:]] == [
        ({"token_budget": [1_000, 1_400]}, str(proposal.pk), after(4 * HOUR))
    ]
    assert followed is not None
    assert (followed.promised, followed.realised, followed.is_kept) == (Decimal(20), Decimal(25), True)

    assert told.story.envelope is not None
    assert (told.story.envelope.token_budget, told.story.envelope.granted_by) == (1_400, "the Senate")
