"""Ballots: voting is opened, votes are cast, and the outcome is the one that the tally of the votes gives."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple, NoReturn

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from config import due
from config.errors import RefusedError
from config.models import User
from economics import revisions
from governance import enactment, errors, evidence, measures, policy, proposals, tally
from governance.models import Ballot, Elector, Proposal, Vote
from governance.models.proposals import LONGEST_TEXT

RIGHT: Final = "governance.vote_proposal"
_FURTHEST: Final = timedelta(days=366)
_AT_ONCE: Final = 200  # ballots and returns that one tick handles; the next second's takes the rest
_AGAIN: Final = 10  # of those that could not return before


def submit(proposal_id: int, *, by: proposals.Proposer, now: datetime) -> Proposal:
    """Put a draft before the Senate: its evidence is checked again, the electorate frozen, and voting opens.

    One that is submitted is returned as it is. Refuses a draft that is incomplete, saying all that is missing;
    another's proposal; a quorum larger than the number of those who may vote.
    """
    with revisions.signed(by.author, now=now):
        proposal = proposals.locked(proposal_id)
        proposals.check_own(proposal, by)
        if proposal.status == Proposal.Status.SUBMITTED:
            return proposal
        if proposal.status != Proposal.Status.DRAFT:
            msg = f"This proposal is {proposal.status}; only a draft is submitted."
            raise errors.ProposalStateError(msg, status=proposal.status)
        lacks = proposals.missing(proposal, now=now)
        if lacks:
            raise errors.IncompleteProposalError(lacks)
        measures.check(proposal)
        _open(proposal, now)
    return proposals.get(proposal_id)


def _open(proposal: Proposal, now: datetime) -> Ballot:
    """Open voting on a proposal that the caller has locked."""
    rules, electorate = policy.get(), electors(proposal)
    if len(electorate) < rules.quorum:
        msg = f"Only {len(electorate)} may vote on this; the quorum is {rules.quorum}. It takes more reviewers."
        raise errors.QuorumOutOfReachError(msg, electors=len(electorate), quorum=rules.quorum)
    measures.preview(proposal, measures.asked(proposal), at=now)  # what could not be done now is not voted on
    evidence.check(proposal.pk, now=now)
    ballot = Ballot.objects.create(
        proposal=proposal,
        number=Ballot.objects.filter(proposal=proposal).count() + 1,
        policy=rules,
        quorum=rules.quorum,
        requested=measures.asked(proposal),
        base=measures.base(proposal, at=now),
        opened_at=now,
        closes_at=now + timedelta(hours=rules.voting_hours),
    )
    Elector.objects.bulk_create(Elector(ballot=ballot, user=user, name=user.get_username()) for user in electorate)
    return ballot


def electors(proposal: Proposal) -> list[User]:
    """Return who may vote on a proposal now: reviewers by role, without those who have an interest in it.

    The account that may do everything is no reviewer by that.
    """
    reviewers = User.objects.with_perm(RIGHT, include_superusers=False).filter(is_staff=True)
    out = set(proposals.interested(proposal).values_list("pk", flat=True))
    return [user for user in reviewers.order_by("pk").distinct() if user.pk not in out]


def cast(  # noqa: PLR0913 - a vote says this much
    proposal_id: int,
    *,
    voter: User,
    choice: str,
    reason: str,
    now: datetime,
    amount: int | None = None,
    revisit_at: datetime | None = None,
    wanted: str = "",
) -> Proposal:
    """Cast a reviewer's vote, superseding an earlier one; return the proposal as it then is.

    `amount` (unit of the line, whatever its direction; None is all) is what an approval grants; a deferral names when
    the proposal comes back and the evidence that would decide it. A vote after which nothing can change the outcome
    closes the ballot, and what it approved takes effect in the same transaction if nothing stands in its way. The same
    vote again changes nothing.

    Refuses a vote after the deadline or the close, one of somebody who is no elector, without a reason, of an amount
    outside 1 to what is requested, a deferral to no date ahead within a year, or without what is wanted.
    """
    with revisions.signed(revisions.Author(voter.get_username()), now=now):
        proposal = proposals.locked(proposal_id)
        ballot = _open_ballot(proposal, now)
        elector = Elector.objects.filter(ballot=ballot, user=voter).first()
        if elector is None or proposals.is_interested(voter, proposal):  # it may have become his own affair meanwhile
            raise errors.NoElectorError
        asked = ballot.requested if amount is None and choice == Vote.Choice.APPROVE else amount
        _check_vote(choice, reason, asked, revisit_at, wanted, ballot, now)
        vote = Vote(
            ballot=ballot,
            voter=voter,
            voter_name=elector.name,
            choice=choice,
            amount=asked,
            reason=reason,
            revisit_at=revisit_at,
            wanted=wanted,
            cast_at=now,
        )
        own = Vote.objects.filter(ballot=ballot, voter=voter, superseded_at=None)
        if any(_said(earlier) == _said(vote) for earlier in own):
            return proposal
        vote.save(force_insert=True)
        verdict = standing(ballot).settled
        if verdict is not None:
            _close(ballot, verdict, now)
    return proposals.get(proposal_id)


def close(proposal_id: int, *, chair: User, reason: str, now: datetime) -> Proposal:
    """End voting before its deadline, by the votes cast so far as if it had come; return the proposal.

    Refuses a close without a reason, one by a chair with an interest in it, who would choose the moment for it, and
    a proposal that is not being voted on.
    """
    if not reason.strip() or len(reason) > LONGEST_TEXT:
        msg = f"Say why, in 1 to {LONGEST_TEXT:,} characters."
        raise errors.InvalidVoteError(msg, pointer="/reason")
    with revisions.signed(revisions.Author(chair.get_username(), reason), now=now):
        proposal = proposals.locked(proposal_id)
        ballot = _open_ballot(proposal, now)
        if proposals.is_interested(chair, proposal):
            msg = "The proposal is your own affair: somebody else ends its vote, or its deadline does."
            raise errors.NoElectorError(msg)
        _close(ballot, standing(ballot).as_it_stands, now, by=chair.get_username(), reason=reason)
    return proposals.get(proposal_id)


def close_due(*, now: datetime) -> int:
    """Close every ballot whose deadline has come, by its votes; return how many. Each in a transaction of its own.

    One that cannot be closed is logged, and keeps no other open however many of them there are.
    """
    due_now = Ballot.objects.filter(closed_at=None, closes_at__lte=now).order_by("closes_at", "pk")
    closed = 0
    for proposal_id in list(due_now.values_list("proposal_id", flat=True)):
        closed += due.attempt_one(f"The deadline of proposal {proposal_id}", partial(_close_one, proposal_id, now))
        if closed == _AT_ONCE:
            break
    return closed


def _close_one(proposal_id: int, now: datetime) -> bool:
    with revisions.signed(enactment.SENATE, now=now):
        proposals.locked(proposal_id)
        ballot = Ballot.objects.filter(proposal=proposal_id, closed_at=None, closes_at__lte=now).first()
        if ballot is not None:
            _close(ballot, standing(ballot).as_it_stands, now)
        return ballot is not None


def bring_back_due(*, now: datetime) -> int:
    """Open a fresh ballot for every deferred proposal whose date has come; return how many.

    One that cannot be voted on now, as for want of reviewers, says why and waits; a few of those are tried again each
    time, by lot, so that however many wait they keep nobody from coming back.
    """
    deferred = Proposal.objects.filter(status=Proposal.Status.DEFERRED, revisit_at__lte=now)
    first = deferred.filter(waits_because="").order_by("revisit_at", "pk")[:_AT_ONCE]
    again = deferred.exclude(waits_because="").order_by("?")[:_AGAIN]
    opened = 0
    for proposal_id in [*first.values_list("pk", flat=True), *again.values_list("pk", flat=True)]:
        opened += due.attempt_one(f"The return of proposal {proposal_id}", partial(_bring_back, proposal_id, now))
    return opened


def _bring_back(proposal_id: int, now: datetime) -> bool:
    with revisions.signed(enactment.SENATE, now=now):
        proposal = proposals.locked(proposal_id)
        if proposal.status != Proposal.Status.DEFERRED:
            return False
        try:
            with transaction.atomic():
                _open(proposal, now)
        except RefusedError as refusal:
            waits = Proposal.objects.filter(pk=proposal_id).exclude(waits_because=refusal.detail)
            waits.update(waits_because=refusal.detail)
            return False
        return True


class Standing(NamedTuple):
    """Where a ballot stands: its live votes, who may vote, who has not, and the outcome if it closed now.

    `settled` is the outcome that no vote still possible could change; None while one could.
    """

    ballot: Ballot
    votes: list[Vote]
    electors: list[str]
    silent: list[str]
    as_it_stands: tally.Verdict
    settled: tally.Verdict | None


def standing(ballot: Ballot) -> Standing:
    """Return where a ballot stands, in two queries."""
    votes = list(Vote.objects.filter(ballot=ballot, superseded_at=None).order_by("pk"))
    electorate = list(Elector.objects.filter(ballot=ballot).order_by("name").values_list("user_id", "name"))
    voted = {vote.voter_id for vote in votes}
    live = _live(votes)
    size = {"requested": ballot.requested, "quorum": ballot.quorum, "electors": len(electorate)}
    as_it_stands = tally.tally(live, **size, over=True)
    if as_it_stands is None:  # never: a ballot that is over has an outcome
        raise AssertionError
    return Standing(
        ballot,
        votes,
        [name for _pk, name in electorate],
        [name for pk, name in electorate if pk not in voted],
        as_it_stands,
        tally.tally(live, **size, over=False),
    )


def awaiting(voter: User | None, *, now: datetime) -> QuerySet[Ballot]:
    """Return the open ballots in which somebody (None: nobody) may vote and has not: nobody on his own affairs."""
    if voter is None:
        return Ballot.objects.none()
    voted = Vote.objects.filter(ballot=OuterRef("pk"), voter=voter, superseded_at=None)
    return open_to(voter, now=now).filter(~Exists(voted))


def open_to(voter: User, *, now: datetime) -> QuerySet[Ballot]:
    """Return the open ballots in which somebody may vote, whether he has or not: not those on his own affairs."""
    seats = Elector.objects.filter(user=voter)
    return Ballot.objects.filter(~on_affair_of(voter), closed_at=None, closes_at__gt=now, electors__in=seats)


def on_affair_of(user: User) -> Exists:
    """Return what tells of a ballot whether it is on somebody's own affair, also one that became so since it opened."""
    return Exists(proposals.affairs_of(user).filter(pk=OuterRef("proposal")))


def _live(votes: Sequence[Vote]) -> list[tally.Vote]:
    return [tally.Vote(tally.Choice(vote.choice), vote.amount or 0, vote.revisit_at) for vote in votes]


def _open_ballot(proposal: Proposal, now: datetime) -> Ballot:
    """Return the ballot that is open; its deadline ends it even before the tick has closed it."""
    ballot = Ballot.objects.filter(proposal=proposal, closed_at=None).first()
    if ballot is None:
        raise errors.VotingClosedError(status=proposal.status)
    if not ballot.opened_at <= now < ballot.closes_at:
        raise errors.VotingClosedError(closes_at=ballot.closes_at.isoformat())
    return ballot


def _check_vote(  # noqa: PLR0913, PLR0917 - a vote says this much
    choice: str,
    reason: str,
    amount: int | None,
    revisit_at: datetime | None,
    wanted: str,
    ballot: Ballot,
    now: datetime,
) -> None:
    if choice not in Vote.Choice.values:
        _invalid(f"A vote is one of {', '.join(Vote.Choice.values)}.", "/choice")
    if not reason.strip() or len(reason) > LONGEST_TEXT:
        _invalid(f"Say why, in 1 to {LONGEST_TEXT:,} characters.", "/reason")
    if choice == Vote.Choice.APPROVE:
        if amount is None or not 1 <= amount <= ballot.requested:
            _invalid(f"Approve 1 to {ballot.requested:,}.", "/amount")
    elif amount is not None:
        _invalid("Only an approval names an amount.", "/amount")
    if choice == Vote.Choice.DEFER:
        if revisit_at is None or not now < revisit_at <= now + _FURTHEST:
            _invalid("A deferral names when to look again, at most a year ahead.", "/revisit_at")
        if not wanted.strip() or len(wanted) > LONGEST_TEXT:
            _invalid("A deferral names the evidence that would decide it.", "/wanted")
    elif revisit_at is not None or wanted:
        _invalid("Only a deferral names a date and what is wanted.", "/revisit_at")


def _said(vote: Vote) -> tuple[object, ...]:
    return vote.choice, vote.amount, vote.reason, vote.revisit_at, vote.wanted


def _close(ballot: Ballot, verdict: tally.Verdict, now: datetime, *, by: str = "", reason: str = "") -> None:
    """End a ballot with its verdict; what is approved takes effect at once if it can."""
    Ballot.objects.filter(pk=ballot.pk, closed_at=None).update(
        closed_at=now,
        closed_by=by,
        reason=reason,
        outcome=str(verdict.outcome),
        granted=verdict.granted,
        revisit_at=verdict.revisit_at,
    )
    if verdict.outcome == tally.Outcome.APPROVED:
        enactment.attempt(ballot.proposal_id, now=now)


def _invalid(sentence: str, pointer: str) -> NoReturn:
    raise errors.InvalidVoteError(sentence, pointer=pointer)
