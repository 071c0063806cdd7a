"""Proposals: filed as drafts, given evidence, and withdrawn; what is missing before the Senate looks at one."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet

from config.models import Agent, User
from economics import refusals, revisions
from governance import claims, errors, evidence, measures
from governance.models import Ballot, Evidence, Proposal
from governance.models.proposals import LONGEST_TEXT, MOST_TOKENS

_LONGEST_TYPE, _LONGEST_ID, _LONGEST_QUALIFIER = 64, 200, 100
MOST_EVIDENCE: Final = 50
_LATEST: Final = timedelta(days=3_660)
_ALL_TO_A_GAIN: Final = 10**12
TERMS: Final = (
    *("entity_type", "entity_id", "measure", "resource_type", "qualifier", "window_kind", "requested_tokens"),
    *("lasts_from", "lasts_until", "terms", "justification", "gain_edges", "gain_by"),
)


class Proposer(NamedTuple):
    """Who proposes: a person or an agent."""

    user: User | None = None
    agent: Agent | None = None

    @property
    def name(self) -> str:
        """The user name, or the agent's id."""
        return self.user.get_username() if self.user else str(self.agent.pk) if self.agent else ""

    @property
    def author(self) -> revisions.Author:
        """Who signs what is written in its name."""
        return revisions.Author(self.name if self.user else f"agent {self.name}")

    def owns(self, proposal: Proposal) -> bool:
        """Tell whether the proposal is this one's, also by the name that another program gave it."""
        if self.user is not None:
            # By name only where no account is named: a name may pass to another person.
            by_name = proposal.user_id is None and proposal.proposer_id == self.name
            return proposal.user_id == self.user.pk or by_name
        own = {proposal.agent_id, proposal.proposer_agent}
        return proposal.user_id is None and self.name in own


class Given(NamedTuple):
    """Evidence as it is given: its kind, what is claimed (see `claims`), a note, where it can be read."""

    kind: str
    claim: Mapping[str, Any]
    note: str = ""
    url: str = ""


def file(
    *, by: Proposer, now: datetime, refusal_id: int | None = None, evidence: Sequence[Given] = (), **terms: Any
) -> Proposal:
    """File a draft and return it: `terms` are columns of a proposal (`TERMS`), amounts in the unit of the line.

    Refuses what could never be proposed: names too long, unknown measures, lines, pools and terms, amounts above the
    policy's ceiling, evidence of no known form. What is missing may follow (see `missing`).
    """
    proposal = Proposal(user=by.user, agent=by.agent, filed_at=now, refusal_id=refusal_id, **_known(terms))
    if by.user is not None:
        proposal.proposer_id = by.name
    else:
        proposal.proposer_agent = by.name
    _check(proposal, now)
    with revisions.signed(by.author, now=now):
        proposal.save(force_insert=True)
        for place, given in enumerate(evidence):
            try:
                _attach(proposal, given, by, now)
            except errors.InvalidEvidenceError as refusal:
                refusal.pointer = f"/evidence/{place}{refusal.pointer}"
                raise
    return get(proposal.pk)


def amend(proposal_id: int, *, by: Proposer, now: datetime, **changes: Any) -> Proposal:
    """Change a draft's terms; refuses what `file` refuses, another's proposal, and one that is no draft any more."""
    with revisions.signed(by.author, now=now):
        proposal = locked(proposal_id)
        check_own(proposal, by)
        _in_state(proposal, Proposal.Status.DRAFT)
        for name, value in _known(changes).items():
            setattr(proposal, name, value)
        _check(proposal, now)
        proposal.save(update_fields=list(changes))
    return get(proposal_id)


def attach(proposal_id: int, *, by: Proposer, now: datetime, given: Given) -> Evidence:
    """Give a draft, or a proposal that was deferred, another piece of evidence, checked at once; return it.

    Refuses evidence of no known form, another's proposal, more than `MOST_EVIDENCE` pieces, and a proposal in any
    other state.
    """
    with revisions.signed(by.author, now=now):
        proposal = locked(proposal_id)
        check_own(proposal, by)
        _in_state(proposal, Proposal.Status.DRAFT, Proposal.Status.DEFERRED)
        return _attach(proposal, given, by, now)


def _attach(proposal: Proposal, given: Given, by: Proposer, now: datetime) -> Evidence:
    claim = claims.checked(given.kind, given.claim, note=given.note, url=given.url)
    if Evidence.objects.filter(proposal=proposal, withdrawn_at=None).count() >= MOST_EVIDENCE:
        msg = f"A proposal takes {MOST_EVIDENCE} pieces of evidence at most."
        raise errors.InvalidEvidenceError(msg, pointer="/evidence")
    found = evidence.look(proposal.entity_type, proposal.entity_id, given.kind, claim, now=now, url=given.url)
    return Evidence.objects.create(
        proposal=proposal,
        kind=given.kind,
        claim=claim,
        note=given.note,
        url=given.url,
        attached_by=by.name,
        attached_at=now,
        check_state=found.state,
        check_says=found.says,
        check_found=found.figures,
        checked_at=now,
    )


def detach(proposal_id: int, evidence_id: int, *, by: Proposer, now: datetime) -> Proposal:
    """Take evidence back from a draft; it stays on record as withdrawn. Twice is the same as once."""
    with revisions.signed(by.author, now=now):
        proposal = locked(proposal_id)
        check_own(proposal, by)
        _in_state(proposal, Proposal.Status.DRAFT)
        own = Evidence.objects.filter(pk=evidence_id, proposal=proposal)
        if not own.exists():
            raise errors.UnknownEvidenceError(proposal_id=proposal_id, evidence_id=evidence_id)
        own.filter(withdrawn_at=None).update(withdrawn_at=now)
    return get(proposal_id)


def withdraw(proposal_id: int, *, by: Proposer, now: datetime, reason: str = "") -> Proposal:
    """Take a proposal back before it takes effect; an open vote ends. One that is withdrawn is returned as it is.

    Refuses another's proposal, and one that is enacted, rejected or expired.
    """
    _check_text("reason", reason)
    with revisions.signed(by.author._replace(why=reason), now=now):
        proposal = locked(proposal_id)
        check_own(proposal, by)
        if proposal.status == Proposal.Status.WITHDRAWN:
            return proposal
        if proposal.status == Proposal.Status.SUBMITTED:
            Ballot.objects.filter(proposal=proposal, closed_at=None).update(
                closed_at=now, closed_by=by.name, reason=reason, outcome=Ballot.Outcome.WITHDRAWN
            )
            return get(proposal_id)
        _in_state(proposal, Proposal.Status.DRAFT, Proposal.Status.DEFERRED, Proposal.Status.APPROVED)
        Proposal.objects.filter(pk=proposal_id).update(
            status=Proposal.Status.WITHDRAWN, withdrawn_by=by.name, withdrawn_because=reason
        )
    return get(proposal_id)


@transaction.atomic
def ask_after(
    refusal_id: int, *, by: Proposer, now: datetime, requested_tokens: int | None = None, **more: Any
) -> Proposal:
    """Turn a refused reservation into a draft that carries it: pause and ask. `more` is as of `file`.

    Asks for the line that refused, by as much as it lacked when `requested_tokens` is not given; where there was no
    envelope, for as much as was asked. The same refusal asked after again by the same one is the same proposal, until
    that came to its end; a frozen envelope is asked to be unfrozen. Refuses a refusal that is not the agent's own,
    and one that no budget could cure.
    """
    refused = refusals.locked(refusal_id)
    if refused is None or (by.agent is not None and refused.agent_id != by.agent.pk):
        raise errors.UnknownRefusalError(refusal_id=refusal_id)
    done = (Proposal.Status.WITHDRAWN, Proposal.Status.REJECTED, Proposal.Status.EXPIRED, Proposal.Status.ENACTED)
    before = Proposal.objects.filter(refusal_id=refusal_id, user=by.user, agent=by.agent).exclude(status__in=done)
    if (found := before.order_by("-pk").first()) is not None:
        return found
    entity: dict[str, Any] = {"entity_type": refused.entity_type, "entity_id": refused.entity_id}
    if refused.code == "envelope_frozen":
        return file(by=by, now=now, refusal_id=refusal_id, **entity, measure=Proposal.Measure.UNFREEZE, **more)
    if refused.lacks is None:
        msg = f"No ceiling of this entity cures {refused.code}."
        raise errors.InvalidProposalError(msg, pointer="/refusal_id", refused=refused.code)
    line: dict[str, Any] = {name: getattr(refused, name) for name in ("resource_type", "qualifier", "window_kind")}
    amount = refused.lacks if requested_tokens is None else requested_tokens
    return file(by=by, now=now, refusal_id=refusal_id, **entity, **line, requested_tokens=amount, **more)


def missing(proposal: Proposal, *, now: datetime) -> list[errors.Missing]:
    """Return all that a draft lacks before it may be submitted; nothing where it is complete."""
    lacks = []
    if proposal.measure in measures.AMOUNTS and not proposal.requested_tokens:
        lacks.append(errors.Missing("no_amount", "/requested_tokens", "Say by how much the line should change."))
    if proposal.measure == Proposal.Measure.GRANT and proposal.lasts_until and proposal.lasts_until <= now:
        lacks.append(errors.Missing("grant_over", "/lasts_until", "A grant ends at a time to come."))
    if proposal.measure in {Proposal.Measure.POOL, Proposal.Measure.POLICY} and not proposal.terms:
        lacks.append(errors.Missing("no_terms", "/terms", "Say which settings should change, and to what."))
    if not proposal.justification.strip():
        lacks.append(errors.Missing("no_justification", "/justification", "Say why."))
    if proposal.gain_edges is None:
        lacks.append(errors.Missing("no_gain", "/gain_edges", "Say what gain is expected, in net edges."))
    elif proposal.gain_edges <= 0 < proposal.requested_tokens:
        lacks.append(errors.Missing("no_gain", "/gain_edges", "Who asks for more expects a gain above 0."))
    if proposal.gain_by is None:
        lacks.append(errors.Missing("no_gain_date", "/gain_by", "Say by when the gain is expected."))
    elif proposal.gain_by <= now:
        lacks.append(errors.Missing("gain_date_past", "/gain_by", "The gain is expected at a time to come."))
    given = Evidence.objects.filter(proposal=proposal, withdrawn_at=None).exclude(kind=Evidence.Kind.NOTE)
    if not any(evidence.is_in_form(row) for row in given):
        kinds = ", ".join(kind for kind in Evidence.Kind.values if kind != Evidence.Kind.NOTE)
        lacks.append(errors.Missing("no_evidence", "/evidence", f"Give evidence of at least one kind: {kinds}."))
    return lacks


def get(proposal_id: int) -> Proposal:
    """Return a proposal; refuses one that does not exist."""
    proposal = Proposal.objects.filter(pk=proposal_id).first()
    if proposal is None:
        raise errors.UnknownProposalError(proposal_id=proposal_id)
    return proposal


def locked(proposal_id: int) -> Proposal:
    """Return a proposal that nobody else changes, votes on or enacts until the transaction ends."""
    proposal = Proposal.objects.select_for_update(no_key=True, of=("self",)).filter(pk=proposal_id).first()
    if proposal is None:
        raise errors.UnknownProposalError(proposal_id=proposal_id)
    return proposal


def visible_to(by: Proposer) -> QuerySet[Proposal]:
    """Return what one may see: people all, an agent its own and what others have submitted."""
    if by.user is not None:
        return Proposal.objects.all()
    return Proposal.objects.filter(own(by) | Q(submitted_at__isnull=False))


def own(by: Proposer) -> Q:
    """Return what tells one's own proposals, also those that another program filed in one's name."""
    if by.user is not None:
        return Q(user=by.user) | Q(user=None, proposer_id=by.name)
    return Q(agent=by.agent) | Q(proposer_agent=by.name)


def _known(terms: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(terms.keys() - set(TERMS))
    if unknown:
        msg = f"A proposal has no {', '.join(unknown)}."
        raise errors.InvalidProposalError(msg, pointer=f"/{unknown[0]}")
    return {name: ({} if name == "terms" and value is None else value) for name, value in terms.items()}


def _check(proposal: Proposal, now: datetime) -> None:
    """Refuse what could never be proposed."""
    for name, longest in (("entity_type", _LONGEST_TYPE), ("entity_id", _LONGEST_ID)):
        if not 0 < len(getattr(proposal, name)) <= longest:
            msg = f"{name} has 1 to {longest} characters."
            raise errors.InvalidProposalError(msg, pointer=f"/{name}")
    if len(proposal.qualifier) > _LONGEST_QUALIFIER:
        msg = f"qualifier has at most {_LONGEST_QUALIFIER} characters."
        raise errors.InvalidProposalError(msg, pointer="/qualifier")
    _check_text("justification", proposal.justification)
    if abs(proposal.requested_tokens) > MOST_TOKENS:
        msg = f"requested_tokens is at most {MOST_TOKENS:,}."
        raise errors.InvalidProposalError(msg, pointer="/requested_tokens")
    gain = proposal.gain_edges
    if gain is not None and not (Decimal(gain).is_finite() and 0 <= gain < _ALL_TO_A_GAIN):
        msg = f"gain_edges is 0 or more and below {_ALL_TO_A_GAIN:,}."
        raise errors.InvalidProposalError(msg, pointer="/gain_edges")
    for name in ("gain_by", "lasts_from", "lasts_until"):
        moment = getattr(proposal, name)
        if moment is not None and moment > now + _LATEST:
            msg = f"{name} lies at most {_LATEST.days} days ahead."
            raise errors.InvalidProposalError(msg, pointer=f"/{name}")
    measures.check(proposal)


def _check_text(name: str, text: str) -> None:
    if len(text) > LONGEST_TEXT:
        msg = f"{name} has at most {LONGEST_TEXT:,} characters, not {len(text):,}."
        raise errors.InvalidProposalError(msg, pointer=f"/{name}")


def interested(proposal: Proposal) -> QuerySet[User]:
    """Return who has an interest in a proposal: who proposes, the sponsor of the agent that does or that it is about.

    Those judge nothing of it.
    """
    agents = {proposal.agent_id, proposal.proposer_agent, proposal.proposer_id}
    agents |= {proposal.entity_id} if proposal.entity_type == "agent" else set()
    sponsors = Agent.objects.filter(pk__in=agents - {None}).exclude(sponsor=None).values("sponsor")
    return User.objects.filter(Q(pk=proposal.user_id) | Q(username=proposal.proposer_id) | Q(pk__in=sponsors))


def is_interested(user: User, proposal: Proposal) -> bool:
    """Tell whether somebody has an interest in a proposal."""
    return interested(proposal).filter(pk=user.pk).exists()


def affairs_of(user: User) -> QuerySet[Proposal]:
    """Return all proposals in which somebody has an interest: the same that `is_interested` tells of one."""
    sponsored = Agent.objects.filter(sponsor=user).values("pk")
    by_agent = Q(agent__in=sponsored) | Q(proposer_agent__in=sponsored) | Q(proposer_id__in=sponsored)
    about = Q(entity_type="agent", entity_id__in=sponsored)
    return Proposal.objects.filter(Q(user=user) | Q(proposer_id=user.get_username()) | by_agent | about)


def check_own(proposal: Proposal, by: Proposer) -> None:
    """Refuse another's proposal; another's draft is not there for an agent."""
    if by.owns(proposal):
        return
    if proposal.submitted_at is None and by.user is None:
        raise errors.UnknownProposalError(proposal_id=proposal.pk)  # drafts of others are not seen
    raise errors.NotYourProposalError(proposer=proposal.proposer)


def _in_state(proposal: Proposal, *states: str) -> None:
    if proposal.status not in states:
        msg = f"This proposal is {proposal.status}; this is done only while one is {' or '.join(states)}."
        raise errors.ProposalStateError(msg, status=proposal.status)
