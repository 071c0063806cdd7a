"""What waits for somebody's vote: with deadlines, what would change, and the risk, for queues and dashboards."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from config.errors import RefusedError
from config.models import User
from governance import ballots, measures, risk
from governance.models import Ballot, Elector, Proposal, Vote

MOST: Final = 50  # of a page


class Waiting(NamedTuple):
    """An open ballot as a reviewer weighs it at a glance.

    `votes` stand, of `electors`; `rows` is what would change if all of it were enacted (empty with `refused` where it
    could not take effect as things stand); `is_stale` that it has changed since voting opened; `risks` why it is more
    than low risk. A measure of policy is told over what stood when voting opened.
    """

    ballot: Ballot
    proposal: Proposal
    votes: int
    electors: int
    rows: list[measures.Row]
    refused: str
    is_stale: bool
    risks: list[str]
    stands: dict[str, Any] | None

    @property
    def is_low_risk(self) -> bool:
        """Whether it may be voted on together with others."""
        return not self.risks


class Queue(NamedTuple):
    """A page of what waits for somebody's vote, those that end first first, and how many there are in all."""

    total: int
    waiting: list[Waiting]


def waiting(user: User, *, now: datetime, most: int = MOST, start: int = 0) -> Queue:
    """Return what waits for somebody's vote, in five queries however much it is. His own affairs are left out."""
    awaited = ballots.awaiting(user, now=now)
    chosen = _dressed(awaited)[start : start + most]
    return Queue(awaited.count(), _weighed(list(chosen), now))


def of(ids: Iterable[int], user: User, *, now: datetime) -> list[Waiting]:
    """Return those of these proposals that somebody may vote on now, whether he has voted or not, as `waiting` does."""
    own = ballots.open_to(user, now=now).filter(proposal__in=list(ids))
    return _weighed(list(_dressed(own)[:MOST]), now)


def voted(user: User, *, now: datetime, most: int = 10) -> list[tuple[Vote, Proposal]]:
    """Return the votes somebody has cast in ballots that are open still, which he may change; the last ones first."""
    cast = Vote.objects.filter(voter=user, superseded_at=None, ballot__closed_at=None, ballot__closes_at__gt=now)
    return [(vote, vote.ballot.proposal) for vote in cast.select_related("ballot__proposal").order_by("-pk")[:most]]


def affairs(user: User, *, now: datetime, most: int = 10) -> list[Ballot]:
    """Return the open ballots on somebody's own affairs, which others judge."""
    open_now = Ballot.objects.filter(closed_at=None, closes_at__gt=now)
    return list(_dressed(open_now.filter(ballots.on_affair_of(user)))[:most])


def counted(rows: QuerySet[Ballot]) -> QuerySet[Ballot]:
    """Return ballots with the numbers of their electors (`electorate`) and of the votes that stand (`live`)."""
    live, electors = Vote.objects.filter(superseded_at=None), Elector.objects.all()
    return rows.annotate(live=_number(live), electorate=_number(electors))


def _dressed(rows: QuerySet[Ballot]) -> QuerySet[Ballot]:
    """Return ballots with their proposals and numbers, those that end first first."""
    return counted(rows.select_related("proposal", "policy")).order_by("closes_at", "pk")


def _number(rows: QuerySet[Any]) -> Coalesce:
    own = rows.filter(ballot=OuterRef("pk")).order_by().values("ballot").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(own, output_field=IntegerField()), 0)


def _weighed(found: Sequence[Any], now: datetime) -> list[Waiting]:
    stand = measures.bases([ballot.proposal for ballot in found], at=now)
    return [_weigh(ballot, stand.get(ballot.proposal.pk), now) for ballot in found]


def _weigh(ballot: Any, stands: dict[str, Any] | None, now: datetime) -> Waiting:
    proposal = ballot.proposal
    risks = risk.reasons(proposal, seen=ballot.base, stands=stands)
    is_stale = stands is not None and stands != ballot.base
    rows, refused = _would(ballot, stands, now)
    return Waiting(ballot, proposal, ballot.live, ballot.electorate, rows, refused, is_stale, risks, stands)


def _would(ballot: Ballot, stands: dict[str, Any] | None, now: datetime) -> tuple[list[measures.Row], str]:
    """Return what would change, or why it could not take effect as things stand."""
    proposal = ballot.proposal
    if measures.needs_chair(proposal):  # read one by one, as a card does
        seen = ballot.base if isinstance(ballot.base, dict) else {}
        return [measures.Row(name.replace("_", " "), seen.get(name), new) for name, new in proposal.terms.items()], ""
    if stands is None:
        return [], "There is nothing of it to change."
    try:
        return measures.preview(proposal, ballot.requested, at=now, stands=stands), ""
    except RefusedError as refusal:
        return [], refusal.detail
