"""The Senate's decisions over HTTP: votes, the close of a vote, enactment and its confirmation. For people alone."""

from typing import ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from config.api import fields
from economics import revisions
from governance import ballots, enactment
from governance.api import bodies, doing, shown

_ENACT = "governance.enact_policy"


class _Decision(doing.Senate):
    """A deed of a person with the right."""

    scopes: ClassVar = {}
    keyed = frozenset({"POST"})


class Votes(_Decision):
    """Vote."""

    rights = {"POST": ballots.RIGHT}

    @extend_schema(request=bodies.CastVote, responses=shown.ProposalInFull)
    def post(self, request: Request, proposal_id: str) -> HttpResponse:
        """Vote on a proposal one may vote on; a later vote supersedes it. People only.

        A vote after which nothing can change the outcome ends the voting, and what it approved takes effect at once
        if nothing stands in its way.
        """
        said = fields.checked(bodies.CastVote, request.data)
        return doing.done(
            request, lambda: ballots.cast(int(proposal_id), voter=self.person, now=timezone.now(), **said)
        )


class CloseVoting(_Decision):
    """End voting."""

    rights = {"POST": "governance.close_proposal"}

    @extend_schema(request=bodies.Reason, responses=shown.ProposalInFull)
    def post(self, request: Request, proposal_id: str) -> HttpResponse:
        """End voting before its deadline, by the votes cast so far as if it had come. The chair only."""
        reason = fields.checked(bodies.Reason, request.data)["reason"]
        return doing.done(
            request,
            lambda: ballots.close(int(proposal_id), chair=self.person, reason=reason, now=timezone.now()),
        )


class EnactProposal(_Decision):
    """Carry out."""

    rights = {"POST": _ENACT}

    @extend_schema(request=bodies.Reason, responses=shown.ProposalInFull)
    def post(self, request: Request, proposal_id: str) -> HttpResponse:
        """Carry out what was approved and waits for the chair; one that is enacted is returned as it is."""
        reason = fields.checked(bodies.Reason, request.data)["reason"]
        author = revisions.Author(self.person.get_username(), reason)
        return doing.done(
            request,
            lambda: enactment.enact(int(proposal_id), author=author, now=timezone.now(), as_chair=True),
        )


class ConfirmProposal(_Decision):
    """Confirm."""

    rights = {"POST": "governance.confirm_proposal"}

    @extend_schema(request=bodies.Confirm, responses=shown.ProposalInFull)
    def post(self, request: Request, proposal_id: str) -> HttpResponse:
        """Carry out what was approved over a base that has moved since, as read in `stands`. People only.

        409 `stale_base` if it has moved again, with what stands in `figures`.
        """
        said = fields.checked(bodies.Confirm, request.data)
        as_chair = self.person.has_perm(_ENACT)
        return doing.done(
            request,
            lambda: enactment.confirm(
                int(proposal_id), user=self.person, now=timezone.now(), as_chair=as_chair, **said
            ),
        )
