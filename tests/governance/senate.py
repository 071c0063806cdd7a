"""People of the Senate, what they are asked and how they vote, with defaults that a reader can do sums with."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth.models import Group

from config.models import Agent, User
from governance import ballots, proposals, roles
from governance.models import Ballot, Elector, Evidence, Proposal, SenatePolicy, Vote
from tests import factories
from tests.factories import NOON

if TYPE_CHECKING:
    from economics.models import Envelope

VOTING: Final = timedelta(hours=72)  # as the policy is delivered
PAPERS: Final = {"kind": "new_pmids", "claim": {"pmids": ["31452104", "33268465"]}}


def scout(name: str = "scout") -> Agent:
    """Return the agent that proposes."""
    return Agent.objects.get_or_create(pk=name, defaults={"kind": Agent.Kind.WORKER})[0]


def reviewer(name: str = "ada") -> User:
    """Return a member of staff who is a reviewer."""
    return _person(name, roles.REVIEWER)


def reviewers(number: int) -> list[User]:
    """Return so many reviewers, called r1, r2 and so on."""
    return [reviewer(f"r{place}") for place in range(1, number + 1)]


def chair(name: str = "cato") -> User:
    """Return a member of staff who is the chair."""
    return _person(name, roles.CHAIR)


def auditor(name: str = "aulus") -> User:
    """Return a member of staff who reads everything."""
    return _person(name, roles.AUDITOR)


def _person(name: str, role: str) -> User:
    if not Group.objects.filter(name=role).exists():
        roles.ensure()
    person, is_new = User.objects.get_or_create(username=name, defaults={"is_staff": True})
    if is_new:
        person.groups.add(Group.objects.get(name=role))
    return person


def draft(*, of: Envelope | None = None, by: Agent | User | None = None, **terms: Any) -> Proposal:
    """Return a complete draft: scout asks for 500 LLM tokens a day more, on an envelope of 1,000 if none is given."""
    asker = by or scout()
    on = of or (None if "entity_id" in terms else factories.envelope())
    entity = {"entity_type": on.entity_type, "entity_id": on.entity_id} if on else {"entity_type": "hypothesis"}
    who: dict[str, Any]
    if isinstance(asker, User):
        who = {"user": asker, "proposer_id": asker.username}
    else:
        who = {"agent": asker, "proposer_agent": asker.pk}
    proposal = Proposal.objects.create(
        **{
            **who,
            **entity,
            "requested_tokens": 500,
            "justification": "It finds edges and has run dry.",
            "gain_edges": Decimal(20),
            "gain_by": NOON + timedelta(days=28),
            "evidence": [PAPERS],
            "filed_at": NOON,
            **terms,
        }
    )
    proposal.refresh_from_db()
    return proposal


def submitted(*, quorum: int = 2, at: datetime = NOON, **terms: Any) -> Proposal:
    """Return a proposal that is voted on: a draft of these terms, put before all reviewers there are."""
    proposal = draft(**terms)
    open_ballot(proposal, quorum=quorum, at=at)
    proposal.refresh_from_db()
    return proposal


def put(*, at: datetime = NOON, by: Agent | User | None = None, **terms: Any) -> Proposal:
    """Return a draft of these terms that the rule itself has put before all reviewers there are."""
    asker = by or scout()
    return ballots.submit(draft(by=asker, **terms).pk, by=proposer(asker), now=at)


def proposer(asker: Agent | User) -> proposals.Proposer:
    """Return who proposes as the rules know it."""
    return proposals.Proposer(user=asker) if isinstance(asker, User) else proposals.Proposer(agent=asker)


def cast(
    proposal: Proposal, voter: User, choice: str = "approve", amount: int | None = None, *, at: datetime = NOON
) -> Proposal:
    """Cast a vote by the rule: an approval is of all that is asked for, a deferral is for a week."""
    deferral: dict[str, Any] = {}
    if choice == Vote.Choice.DEFER:
        deferral = {"revisit_at": at + timedelta(days=7), "wanted": "a second replication"}
    return ballots.cast(
        proposal.pk, voter=voter, choice=choice, amount=amount, reason="as I see it", now=at, **deferral
    )


def are_told() -> bool:
    """Tell whether every proposal's `votes` and `evidence` say what their rows say, no more and no less."""
    votes: dict[int, list[Vote]] = defaultdict(list)
    for vote in Vote.objects.select_related("ballot").order_by("pk"):
        votes[vote.ballot.proposal_id].append(vote)
    evidence: dict[int, list[Evidence]] = defaultdict(list)
    for piece in Evidence.objects.filter(withdrawn_at=None).order_by("pk"):
        evidence[piece.proposal_id].append(piece)
    return all(_is_told(proposal, votes[proposal.pk], evidence[proposal.pk]) for proposal in Proposal.objects.all())


def is_told(proposal: Proposal) -> bool:
    """Tell the same of one proposal, which is read anew."""
    proposal.refresh_from_db()
    votes = Vote.objects.filter(ballot__proposal=proposal).select_related("ballot").order_by("pk")
    evidence = Evidence.objects.filter(proposal=proposal, withdrawn_at=None).order_by("pk")
    return _is_told(proposal, list(votes), list(evidence))


def _is_told(proposal: Proposal, votes: list[Vote], evidence: list[Evidence]) -> bool:
    cast = [
        {
            "id": row.pk,
            "ballot": row.ballot.number,
            "reviewer": row.voter_name,
            "vote": row.choice,
            "amount": row.amount,
            "reason": row.reason,
            "wanted": row.wanted,
            "at": row.cast_at,
            "revisit_at": row.revisit_at,
            "superseded_at": row.superseded_at,
        }
        for row in votes
    ]
    times = ("at", "revisit_at", "superseded_at")
    told = [
        {**vote, **{name: vote[name] and datetime.fromisoformat(vote[name]) for name in times}}
        for vote in proposal.votes
    ]
    shown = [(row.pk, row.kind, row.claim, row.note, row.url, row.check_state, row.check_says) for row in evidence]
    names = ("id", "kind", "claim", "note", "url", "check", "found")
    return told == cast and [tuple(one[name] for name in names) for one in proposal.evidence] == shown


def open_ballot(
    proposal: Proposal, *electors: User, quorum: int = 2, at: datetime = NOON, requested: int = 0, base: object = None
) -> Ballot:
    """Write a ballot by hand, over the whole request, in which these people vote (all reviewers if none is named)."""
    ballot = Ballot.objects.create(
        proposal=proposal,
        number=proposal.ballots.count() + 1,
        policy=SenatePolicy.objects.latest("version"),
        quorum=quorum,
        requested=requested or abs(proposal.requested_tokens) or 1,
        base={} if base is None else base,
        opened_at=at,
        closes_at=at + VOTING,
    )
    people = electors or User.objects.filter(groups__name__in=[roles.REVIEWER, roles.CHAIR]).order_by("pk")
    Elector.objects.bulk_create(Elector(ballot=ballot, user=one, name=one.username) for one in people)
    return ballot


def ballot_of(proposal: Proposal) -> Ballot:
    """Return the last ballot of a proposal."""
    return Ballot.objects.filter(proposal=proposal).latest("number")


def vote(  # noqa: PLR0913 - a vote has this many terms
    ballot: Ballot,
    voter: User,
    choice: str = "approve",
    amount: int | None = None,
    *,
    at: datetime = NOON,
    reason: str = "as I see it",
    revisit_at: datetime | None = None,
) -> Vote:
    """Write a vote by hand: an approval is of all that is asked for if no amount is named."""
    defers = choice == Vote.Choice.DEFER
    return Vote.objects.create(
        ballot=ballot,
        voter=voter,
        voter_name=voter.username,
        choice=choice,
        amount=(amount or ballot.requested) if choice == Vote.Choice.APPROVE else None,
        reason=reason,
        revisit_at=(revisit_at or at + timedelta(days=7)) if defers else None,
        wanted="a second replication" if defers else "",
        cast_at=at,
    )
