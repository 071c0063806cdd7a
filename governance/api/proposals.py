"""Proposals over HTTP: filed, given evidence, submitted, withdrawn and followed, by agents and people alike."""

from typing import Any, cast

import django_filters
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config import history
from config.api import fields, filters, idempotency, views
from config.models import Change, User
from governance import ballots, claims, errors, evidence, proposals
from governance.api import bodies, doing, shown
from governance.models import Proposal


class ProposalFilter(django_filters.FilterSet):
    """Which proposals to list: since <= filed_at < until."""

    status = django_filters.ChoiceFilter(choices=Proposal.Status.choices)
    measure = django_filters.ChoiceFilter(choices=Proposal.Measure.choices)
    entity_type = django_filters.CharFilter()
    entity_id = django_filters.CharFilter()
    proposer = django_filters.CharFilter()
    refusal_id = filters.IdFilter()
    mine = filters.FlagFilter(method="only_mine", label="filed by oneself")
    waiting_for_my_vote = filters.FlagFilter(
        method="only_waiting", label="one may vote on it and has not; never one's own affairs"
    )
    since = filters.MomentFilter(field_name="filed_at", lookup_expr="gte")
    until = filters.MomentFilter(field_name="filed_at", lookup_expr="lt")

    def only_mine(self, rows: QuerySet[Proposal], name: str, value: bool) -> QuerySet[Proposal]:  # noqa: ARG002, FBT001 - django-filter's signature
        """Narrow to the caller's own, or to all others."""
        own = proposals.own(doing.caller(cast("Request", self.request)))
        return rows.filter(own) if value else rows.exclude(own)

    def only_waiting(self, rows: QuerySet[Proposal], name: str, value: bool) -> QuerySet[Proposal]:  # noqa: ARG002, FBT001 - as above
        """Narrow to those on which the caller's vote is awaited, or to all others; nobody awaits one of an agent."""
        who: object = cast("Request", self.request).user
        voter = who if isinstance(who, User) else None
        awaited = Q(pk__in=ballots.awaiting(voter, now=timezone.now()).values("proposal"))
        return rows.filter(awaited) if value else rows.exclude(awaited)


class Proposals(doing.Senate, views.Listed[Proposal]):
    """List proposals, newest first: one's own and what others have submitted; file one."""

    scopes = {"GET": doing.READ, "POST": doing.WRITE}
    rights = {"GET": doing.SEE, "POST": doing.PROPOSE}
    keyed = frozenset({"POST"})
    queryset: QuerySet[Proposal] = Proposal.objects.all()
    serializer_class = shown.ProposalShown
    filterset_class = ProposalFilter

    def get_queryset(self) -> QuerySet[Proposal]:
        """Return what the caller may see, without the long texts."""
        return proposals.visible_to(self.by).defer("justification", "evidence", "votes")

    @extend_schema(request=bodies.FileProposal, responses={201: shown.ProposalInFull})
    def post(self, request: Request) -> HttpResponse:
        """File a draft, with its evidence; with `submit` it is put to the vote in the same breath.

        A draft may lack anything but its entity; `missing` tells what. If it cannot be submitted the answer is 201 all
        the same, with the draft: its `status` is `draft` and `missing` tells all that stands in the way.
        """
        asked = fields.checked(bodies.FileProposal, request.data)
        submit, given = asked.pop("submit"), bodies.given(asked.pop("evidence"))

        def deed() -> Proposal:
            return proposals.file(by=self.by, now=timezone.now(), evidence=given, **asked)

        return doing.filed(request, self.by, deed, submit=submit)


class OneProposal(doing.Senate):
    """One proposal in full."""

    scopes = {"GET": doing.READ}
    rights = {"GET": doing.SEE}

    @extend_schema(responses=shown.ProposalInFull)
    def get(self, request: Request, proposal_id: str) -> Response:  # noqa: ARG002 - the address says it all
        """Read a proposal: terms, evidence, what is missing, ballots with their votes, what it would change or did."""
        found = proposals.visible_to(self.by).filter(pk=int(proposal_id)).select_related("refusal__line").first()
        if found is None:
            raise errors.UnknownProposalError(proposal_id=int(proposal_id))
        return Response(shown.in_full(found, now=timezone.now()))


class AmendProposal(doing.Deed):
    """Change a draft."""

    @extend_schema(request=bodies.Amend, responses=shown.ProposalInFull)
    def post(self, request: Request, proposal_id: str) -> HttpResponse:
        """Change what is named of a draft of one's own; the rest stays."""
        changes = fields.checked(bodies.Amend, request.data)
        return doing.done(request, lambda: proposals.amend(int(proposal_id), by=self.by, now=timezone.now(), **changes))


class GiveEvidence(doing.Deed):
    """Give evidence."""

    @extend_schema(request=bodies.GiveEvidence, responses={201: shown.EvidenceShown})
    def post(self, request: Request, proposal_id: str) -> HttpResponse:
        """Give a draft, or a deferred proposal, another piece of evidence; it is checked at once."""
        given = proposals.Given(**fields.checked(bodies.GiveEvidence, request.data))

        def deed() -> object:
            row = proposals.attach(int(proposal_id), by=self.by, now=timezone.now(), given=given)
            return fields.shown(shown.EvidenceShown, row)

        return idempotency.answered_once(request, 201, deed)


class OneEvidence(doing.Senate):
    """One piece of evidence."""

    scopes = {"DELETE": doing.WRITE}
    rights = {"DELETE": doing.PROPOSE}

    @extend_schema(responses=shown.ProposalInFull)
    def delete(self, request: Request, proposal_id: str, evidence_id: str) -> Response:
        """Take evidence back from a draft; it stays on record as withdrawn. Repeatable."""

        def deed() -> Any:
            now = timezone.now()
            proposal = proposals.detach(int(proposal_id), int(evidence_id), by=self.by, now=now)
            return shown.in_full(proposal, now=now)

        return idempotency.repeatable(request, deed)


class CheckEvidence(doing.Senate):
    """Look before one gives."""

    scopes = {"POST": doing.READ}
    rights = {"POST": doing.SEE}

    @extend_schema(request=bodies.CheckEvidence, responses=shown.FoundShown)
    def post(self, request: Request) -> Response:
        """Tell what the system itself knows of a claim about an entity. Nothing is written; no key is needed.

        Refuses what is no evidence in form, as giving it would.
        """
        asked = fields.checked(bodies.CheckEvidence, request.data)
        claim = claims.checked(asked["kind"], asked["claim"], note=asked["note"], url=asked["url"])
        about = (asked["entity_type"], asked["entity_id"], asked["kind"], claim)
        return Response(shown.FoundShown(evidence.look(*about, now=timezone.now(), url=asked["url"])).data)


class Changes(doing.Senate, views.Listed[Change]):
    """List what changed of a proposal, the newest change first."""

    scopes = {"GET": doing.READ}
    rights = {"GET": doing.SEE}
    queryset: QuerySet[Change] = Change.objects.none()
    serializer_class = shown.ChangeOfProposal

    def get_queryset(self) -> QuerySet[Change]:
        """Return the history of the proposal that the address names."""
        proposal_id = int(self.kwargs["proposal_id"])
        if not proposals.visible_to(self.by).filter(pk=proposal_id).exists():
            raise errors.UnknownProposalError(proposal_id=proposal_id)
        return history.of(Proposal, proposal_id)


class SubmitProposal(doing.Deed):
    """Put a draft to the vote."""

    @extend_schema(request=None, responses=shown.ProposalInFull)
    def post(self, request: Request, proposal_id: str) -> HttpResponse:
        """Put a draft of one's own before the Senate; refused with all that is missing, one entry of `errors` each.

        Its evidence is checked again, the electorate is frozen and voting opens. One that is being voted on is
        returned as it is.
        """
        fields.checked(fields.Body, request.data)
        return doing.done(request, lambda: ballots.submit(int(proposal_id), by=self.by, now=timezone.now()))


class WithdrawProposal(doing.Deed):
    """Take a proposal back."""

    @extend_schema(request=bodies.Withdraw, responses=shown.ProposalInFull)
    def post(self, request: Request, proposal_id: str) -> HttpResponse:
        """Take a proposal back before it takes effect; an open vote ends. A withdrawn one is returned as it is."""
        reason = fields.checked(bodies.Withdraw, request.data)["reason"]
        return doing.done(
            request, lambda: proposals.withdraw(int(proposal_id), by=self.by, now=timezone.now(), reason=reason)
        )


class AskAfterRefusal(doing.Deed):
    """Pause and ask."""

    @extend_schema(request=bodies.Ask, responses={201: shown.ProposalInFull})
    def post(self, request: Request, refusal_id: str) -> HttpResponse:
        """Turn a refused reservation of one's own into a proposal for the line that refused it, carrying the refusal.

        Without `requested_tokens` it asks for as much as the line lacked. The same refusal asked after again is the
        same proposal while that is under way. `submit` is as of filing.
        """
        asked = fields.checked(bodies.Ask, request.data)
        submit, given = asked.pop("submit"), bodies.given(asked.pop("evidence"))

        def deed() -> Proposal:
            return proposals.ask_after(int(refusal_id), by=self.by, now=timezone.now(), evidence=given, **asked)

        return doing.filed(request, self.by, deed, submit=submit)
