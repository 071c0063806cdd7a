"""Decisions of the Senate as the rows that its deeds leave, for tests of what became of them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from governance.models import Ballot, Enactment, Proposal
from tests.factories import NOON
from tests.governance import senate

if TYPE_CHECKING:
    from datetime import datetime

    from economics.models import Envelope

DAY: Final = timedelta(days=1)


def decided(
    votes: dict[str, str], outcome: str = "approved", *, at: datetime = NOON, of: Envelope, **terms: Any
) -> Proposal:
    """Return a proposal on which these people voted so, with the outcome of a ballot that ended at a moment."""
    proposal = senate.draft(of=of, filed_at=at, **terms)
    senate.open_ballot(proposal, *map(senate.reviewer, votes), quorum=2, at=at)
    end(proposal, votes, outcome, at=at)
    proposal.refresh_from_db()
    return proposal


def end(proposal: Proposal, votes: dict[str, str], outcome: str, *, at: datetime) -> None:
    """Let these people vote so on a proposal, and end its ballot with this outcome."""
    ballot = senate.ballot_of(proposal)
    for name, choice in votes.items():
        senate.vote(ballot, senate.reviewer(name), choice, at=at)
    Ballot.objects.filter(pk=ballot.pk).update(
        closed_at=at,
        outcome=outcome,
        granted=ballot.requested if outcome == "approved" else 0,
        revisit_at=at + 7 * DAY if outcome == "deferred" else None,
    )


def enacted(
    edges: int, *, of: Envelope, at: datetime = NOON, days: int = 10, votes: dict[str, str] | None = None, **terms: Any
) -> Proposal:
    """Return a proposal, enacted at a moment, that promised so many net edges within so many days."""
    proposal = decided(
        votes or {"r1": "approve", "r2": "approve"},
        at=at,
        of=of,
        gain_edges=Decimal(edges),
        gain_by=at + days * DAY,
        **terms,
    )
    Enactment.objects.create(
        proposal=proposal, ballot=senate.ballot_of(proposal), granted=abs(proposal.granted_tokens or 1), enacted_at=at,
        enacted_by="the Senate", before={}, after={},
    )  # fmt: skip
    proposal.refresh_from_db()
    return proposal
