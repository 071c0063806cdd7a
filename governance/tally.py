"""The outcome of a ballot: votes in, verdict out. It knows no framework and no order of votes."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Choice(StrEnum):
    """What a reviewer says."""

    APPROVE = "approve"
    REJECT = "reject"
    DEFER = "defer"


class Outcome(StrEnum):
    """What the Senate decided."""

    APPROVED = "approved"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    EXPIRED = "expired"


class Vote(NamedTuple):
    """A live vote: an approval says how much (1 to what is requested), a deferral until when."""

    choice: Choice
    amount: int = 0
    revisit_at: datetime | None = None


class Verdict(NamedTuple):
    """The outcome, with the amount granted (0 unless approved) or the moment it returns (deferred)."""

    outcome: Outcome
    granted: int = 0
    revisit_at: datetime | None = None


def tally(votes: Collection[Vote], *, requested: int, quorum: int, electors: int, over: bool) -> Verdict | None:
    """Return the verdict of the live votes, None while it is open (design, section 8 "Votes").

    `over`: the time for voting is. Before, there is a verdict only when no vote that is still possible, of the
    `electors` who have not voted, nor their silence, could change it. Amounts are in the unit of what is `requested`;
    a proposal that is granted whole or not at all requests 1.

    Fewer votes than the quorum: expired. Defers at least half of all votes: deferred to the earliest date named.
    Else the largest amount that more than half of the other votes support, a rejection counting as 0; 0 is rejected.
    """
    if over or len(votes) >= electors:
        return _verdict(votes, requested, quorum)
    silent = electors - len(votes)
    defers = sum(vote.choice == Choice.DEFER for vote in votes)
    if len(votes) < quorum or 2 * (defers + silent) >= len(votes) + silent:
        return None
    # Nothing lowers the amount more than all others rejecting, nothing raises it more than all approving the whole.
    least = _verdict([*votes, *[Vote(Choice.REJECT)] * silent], requested, quorum)
    most = _verdict([*votes, *[Vote(Choice.APPROVE, requested)] * silent], requested, quorum)
    return least if least == most else None


def _verdict(votes: Collection[Vote], requested: int, quorum: int) -> Verdict:
    if len(votes) < quorum:
        return Verdict(Outcome.EXPIRED)
    named = [vote.revisit_at for vote in votes if vote.choice == Choice.DEFER and vote.revisit_at is not None]
    if named and 2 * len(named) >= len(votes):
        return Verdict(Outcome.DEFERRED, revisit_at=min(named))
    amounts = [
        min(vote.amount, requested) if vote.choice == Choice.APPROVE else 0
        for vote in votes
        if vote.choice != Choice.DEFER
    ]
    granted = sorted(amounts, reverse=True)[len(amounts) // 2]
    return Verdict(Outcome.APPROVED, granted) if granted else Verdict(Outcome.REJECTED)
