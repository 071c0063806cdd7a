"""One vote on several proposals of low risk: each by itself, so that one that fails keeps no other."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import transaction

from config.errors import RefusedError
from config.models import User
from governance import ballots, errors, measures, proposals, risk
from governance.models import Ballot, Proposal, Vote

log = logging.getLogger(__name__)

MOST: Final = 50  # at once: more than that nobody has read


class Seen(NamedTuple):
    """What a voter was shown of a proposal: the ballot, and what stood of what would change."""

    ballot_id: int
    stands: Mapping[str, Any]


class Result(NamedTuple):
    """What became of the vote on one proposal: the proposal as it then is, or why no vote was cast."""

    proposal_id: int
    proposal: Proposal | None
    refused: str = ""
    code: str = ""


def cast_each(  # noqa: PLR0913 - a vote says this much
    seen: Mapping[int, Seen],
    *,
    voter: User,
    choice: str,
    reason: str,
    now: datetime,
    revisit_at: datetime | None = None,
    wanted: str = "",
) -> list[Result]:
    """Cast the same vote on each of these proposals, by number, and return what became of each, in their order.

    An approval is of all that is asked for. Each is a transaction of its own; one that is refused or fails is told in
    its result and keeps no other. Refused is whatever `ballots.cast` refuses, what is more than low risk (see `risk`),
    and what has changed since the voter looked, the voter's own vote included. Refuses more than `MOST` at once.
    """
    if len(seen) > MOST:
        msg = f"Vote on {MOST} proposals at once at most."
        raise errors.InvalidVoteError(msg, pointer="/proposals")
    vote = {"choice": choice, "reason": reason, "revisit_at": revisit_at, "wanted": wanted}
    return [_cast(proposal_id, looked, voter=voter, now=now, **vote) for proposal_id, looked in sorted(seen.items())]


def _cast(proposal_id: int, looked: Seen, *, voter: User, now: datetime, **vote: Any) -> Result:
    try:
        with transaction.atomic():
            _check(proposal_id, looked, now)
            _keep_own(looked.ballot_id, voter, vote)
            return Result(proposal_id, ballots.cast(proposal_id, voter=voter, now=now, **vote))
    except RefusedError as refusal:
        return Result(proposal_id, None, refusal.detail, refusal.code)
    except Exception:  # whatever it is, the others are voted on
        log.exception("A vote on proposal %s among others failed", proposal_id)
        return Result(proposal_id, None, "It failed here, and nothing of it is kept. Vote on its card.", "failed")


def _check(proposal_id: int, looked: Seen, now: datetime) -> None:
    """Refuse what is not as the voter saw it, and what is more than low risk."""
    proposal = proposals.locked(proposal_id)
    ballot = Ballot.objects.filter(proposal=proposal, closed_at=None).first()
    if ballot is None:
        raise errors.VotingClosedError(status=proposal.status)
    stands = measures.bases([proposal], at=now).get(proposal_id)
    if (ballot.pk, stands) != (looked.ballot_id, looked.stands):
        raise errors.NotAsSeenError
    found = risk.reasons(proposal, seen=ballot.base, stands=stands)
    if found:
        raise errors.NotLowRiskError(" ".join(found))


def _keep_own(ballot_id: int, voter: User, vote: Mapping[str, Any]) -> None:
    """Refuse to put this vote in the place of one that the voter cast since, on the card perhaps; the same is fine."""
    for own in Vote.objects.filter(ballot=ballot_id, voter=voter, superseded_at=None):
        if any(getattr(own, name) != said for name, said in vote.items()):
            raise errors.NotAsSeenError
