"""The chain of an entity: from a refused call to the proposal that answers it, its votes, and the change it made."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar

from django.db.models import Count, Prefetch, Subquery

from economics import entities
from economics import errors as books
from governance import follow_up, proposals
from governance.models import Ballot, Enactment, Evidence, Proposal, Vote

LAST: Final = 10  # so many proposals are told whole, the newest first
_CAUSE: Final = "proposal"  # what revisions and grants call a proposal that caused them
_LONGEST_KEY: Final = 18

TellingT = TypeVar("TellingT", bound=entities.Means)


class Told(NamedTuple):
    """A proposal with what came of it: its ballots in their order, its enactment, the changes it made, its gain.

    Evidence with its checks, and votes with their reasons, stand in the proposal itself; of a whole chain their rows
    are at hand as well.
    """

    proposal: Proposal
    ballots: list[Ballot]
    enactment: Enactment | None
    changes: list[entities.Change]
    followed: follow_up.Followed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain(Generic[TellingT]):
    """What the books tell of an entity, joined with its proposals: the last `LAST` of them, and how many there are.

    Where `hides_proposals` there may be some all the same: who reads may not see them.
    """

    story: TellingT
    hides_proposals: bool
    proposals: list[Told]
    total: int
    causes: dict[str, Proposal]
    answers: dict[int, list[Proposal]]

    def behind(self, kind: str, cause_id: str) -> Proposal | None:
        """Return the proposal behind a change or a grant; None when something else caused it."""
        return self.causes.get(cause_id) if kind == _CAUSE else None

    def answering(self, refusal_id: int) -> list[Proposal]:
        """Return the proposals that answer a refusal, the newest first."""
        return self.answers.get(refusal_id, [])


def of(entity_type: str, entity_id: str, *, by: proposals.Proposer | None, at: datetime) -> Chain[entities.Story]:
    """Return the whole story of an entity with its proposals, in a number of queries that does not depend on how many.

    Of the proposals those that `by` may see (see `proposals.visible_to`; None: somebody who may see none). Refuses an
    entity about which nothing is on record, neither in the books nor in a proposal that is seen. It only reads.
    """
    votes, electors = Prefetch("votes", Vote.objects.order_by("pk")), Prefetch("electors")
    whole = (
        Prefetch("ballots", Ballot.objects.order_by("number").prefetch_related(votes, electors)),
        Prefetch("evidence_rows", Evidence.objects.filter(withdrawn_at=None).order_by("pk")),
    )
    chain = _joined(entities.story(entity_type, entity_id, at=at), by, whole)
    if chain.story.is_empty and not chain.total:
        raise books.UnknownEntityError(entity_type=entity_type, entity_id=entity_id)
    return chain


def of_means(entity_type: str, entity_id: str, *, by: proposals.Proposer | None, at: datetime) -> Chain[entities.Means]:
    """Return the chain without what the entity is worth and why, in fewer queries; of an unknown entity, nothing."""
    ballots = Prefetch("ballots", Ballot.objects.order_by("number"))
    return _joined(entities.means(entity_type, entity_id, at=at), by, (ballots,))


def _joined(story: TellingT, by: proposals.Proposer | None, more: Iterable[Prefetch[Any]]) -> Chain[TellingT]:
    causes = {change.revision.cause_id for change in story.changes if change.revision.cause_kind == _CAUSE}
    causes |= {grant.cause_id for grant in story.grants if grant.cause_kind == _CAUSE}
    keys = [int(cause) for cause in causes if cause.isdecimal() and len(cause) <= _LONGEST_KEY]
    refusals = [refusal.pk for refusal in story.refusals]
    entity = {"entity_type": story.entity_type, "entity_id": story.entity_id}

    seen = Proposal.objects.none() if by is None else proposals.visible_to(by)
    own = seen.filter(**entity)
    number = own.order_by().values("entity_id").annotate(number=Count("pk")).values("number")
    newest = own.order_by("-pk").values("pk")[:LAST]
    named_by = (seen.filter(pk__in=keys).values("pk"), seen.filter(refusal__in=refusals).values("pk"))
    rows = (
        Proposal.objects.filter(pk__in=newest.union(*named_by))  # each part by its own index
        .select_related("enactment", "refusal__line")
        .prefetch_related(*more)
        .annotate(of_entity=Subquery(number))
        .order_by("-pk")
    )
    named = list(rows)
    told = [one for one in named if (one.entity_type, one.entity_id) == tuple(entity.values())][:LAST]
    made = _made(told, **entity)
    followed = follow_up.of([one.pk for one in told if one.status == Proposal.Status.ENACTED], story.at)
    return Chain(
        story=story,
        hides_proposals=by is None,
        proposals=[
            Told(
                one,
                list(one.ballots.all()),
                getattr(one, "enactment", None),
                made[str(one.pk)],
                followed.get(one.pk),
            )
            for one in told
        ],
        total=getattr(named[0], "of_entity", 0) or 0 if named else 0,
        causes={str(one.pk): one for one in named if one.pk in keys},
        answers=_by_refusal(named),
    )


def _made(told: Iterable[Proposal], *, entity_type: str, entity_id: str) -> dict[str, list[entities.Change]]:
    """Return the changes that proposals made to the entity's envelope, by proposal."""
    found: dict[str, list[entities.Change]] = defaultdict(list)
    ids = [str(one.pk) for one in told]
    for change in entities.caused(entity_type, entity_id, kind=_CAUSE, ids=ids):
        found[change.revision.cause_id].append(change)
    return found


def _by_refusal(named: Iterable[Proposal]) -> dict[int, list[Proposal]]:
    found: dict[int, list[Proposal]] = defaultdict(list)
    for one in named:
        if one.refusal_id is not None:
            found[one.refusal_id].append(one)
    return dict(found)
