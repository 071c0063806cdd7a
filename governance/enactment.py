"""What was approved takes effect: once, in one transaction, over the base that the reviewers saw."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from config.errors import RefusedError, RetryableError
from config.models import User
from economics import revisions
from governance import errors, measures, proposals
from governance.models import Ballot, Elector, Enactment, Proposal

SENATE: Final = revisions.Author("the Senate")  # who signs what follows by itself


def enact(proposal_id: int, *, author: revisions.Author, now: datetime, as_chair: bool = False) -> Proposal:
    """Carry out what was approved and return the proposal; one that is enacted is returned as it is.

    The change, its revision, the enactment and the proposal's state are one transaction. Refuses what was not
    approved, a measure of policy unless `as_chair`, a base that moved since voting opened (see `confirm`), and what
    cannot be carried out as things stand.
    """
    with transaction.atomic():
        proposal = proposals.locked(proposal_id)
        if proposal.status == Proposal.Status.ENACTED:
            return proposal
        ballot = _deciding(proposal)
        if measures.needs_chair(proposal) and not as_chair:
            raise errors.ChairNeededError
        _carry_out(proposal, ballot, ballot.base, author, now)
    return proposals.get(proposal_id)


def confirm(  # noqa: PLR0913 - who, why, over which base and when
    proposal_id: int, *, user: User, reason: str, seen: Mapping[str, Any], now: datetime, as_chair: bool = False
) -> Proposal:
    """Carry out what was approved over the base `seen`, which a reviewer has looked at; return the proposal.

    Needed where the base moved since voting opened. Refuses whoever was no elector of the ballot that approved it, or
    has an interest in it; a confirmation without a reason; a base that has moved again; else as `enact`.
    """
    if not reason.strip():
        msg = "Say why it should stand over what has changed."
        raise errors.InvalidProposalError(msg, pointer="/reason")
    with transaction.atomic():
        proposal = proposals.locked(proposal_id)
        if proposal.status == Proposal.Status.ENACTED:
            return proposal
        ballot = _deciding(proposal)
        is_elector = Elector.objects.filter(ballot=ballot, user=user).exists()
        if not is_elector or proposals.is_interested(user, proposal):
            raise errors.NoElectorError
        if measures.needs_chair(proposal) and not as_chair:
            raise errors.ChairNeededError
        author = revisions.Author(user.get_username(), reason)
        _carry_out(proposal, ballot, seen, author, now, confirmed_because=reason)
    return proposals.get(proposal_id)


def attempt(proposal_id: int, *, now: datetime) -> Proposal:
    """Carry out what was just approved if nothing stands in the way; else put on record what it waits for."""
    try:
        with transaction.atomic():
            return enact(proposal_id, author=SENATE, now=now)
    except RetryableError:  # nobody refused anything: the whole deed is done again
        raise
    except RefusedError as refusal:
        waits = Proposal.objects.filter(pk=proposal_id, status=Proposal.Status.APPROVED)
        waits.exclude(waits_because=refusal.detail).update(waits_because=refusal.detail)
    return proposals.get(proposal_id)


def stale(proposal: Proposal, *, now: datetime) -> bool:
    """Tell whether what would change has changed since voting on the proposal last opened; not of what is gone."""
    ballot = Ballot.objects.filter(proposal=proposal).order_by("-number").first()
    try:
        return ballot is not None and measures.base(proposal, at=now) != ballot.base
    except RefusedError:  # nobody can confirm what is not there
        return False


def _deciding(proposal: Proposal) -> Ballot:
    if proposal.status != Proposal.Status.APPROVED:
        msg = f"This proposal is {proposal.status}; only what is approved takes effect."
        raise errors.ProposalStateError(msg, status=proposal.status)
    return Ballot.objects.get(proposal=proposal, outcome=Ballot.Outcome.APPROVED)


def _carry_out(  # noqa: PLR0913, PLR0917 - who, what, over which base, when and why
    proposal: Proposal,
    ballot: Ballot,
    base: Mapping[str, Any],
    author: revisions.Author,
    now: datetime,
    confirmed_because: str = "",
) -> None:
    measures.lock(proposal)
    stands = measures.base(proposal, at=now)
    if stands != base:
        raise errors.StaleBaseError(seen=base, stands=stands)
    why = author.why or f"Approved by the Senate: {proposal}"
    signed = revisions.Author(author.who, why, "proposal", str(proposal.pk))
    try:
        done = measures.apply(proposal, stands, ballot.granted, author=signed, now=now)
    except RefusedError as refusal:
        if isinstance(refusal, errors.MeasureRefusedError | RetryableError):
            raise
        raise errors.MeasureRefusedError(refusal.detail, refused=refusal.code) from refusal
    with revisions.signed(signed, now=now):
        Enactment.objects.create(
            proposal=proposal,
            ballot=ballot,
            granted=ballot.granted,
            enacted_at=now,
            enacted_by=author.who,
            confirmed_because=confirmed_because,
            before=done.before,
            after=done.after,
        )
