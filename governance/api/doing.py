"""What the views of the Senate stand on: who calls, and how a deed is answered."""

from collections.abc import Callable
from typing import ClassVar, Final, cast

from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from config.api import idempotency, views
from config.errors import RefusedError
from config.models import Agent, AgentKey, User
from governance import ballots, errors, proposals
from governance.api import shown
from governance.models import Proposal

READ: Final = "proposals:read"
WRITE: Final = "proposals:write"
SEE: Final = "governance.view_proposal"
PROPOSE: Final = "governance.add_proposal"


def caller(request: Request) -> proposals.Proposer:
    """Return who calls, as a proposer."""
    who: object = request.user
    return proposals.Proposer(user=who) if isinstance(who, User) else proposals.Proposer(agent=cast("Agent", who))


def may_see(request: Request) -> bool:
    """Tell whether who calls may see proposals: an agent by its key's scopes, a person by right."""
    who: object = request.user
    return who.has_perm(SEE) if isinstance(who, User) else READ in cast("AgentKey", request.auth).scopes


class Senate(views.Reviewed):
    """A view for those who propose, agents and people alike."""

    @property
    def by(self) -> proposals.Proposer:
        """Who calls, as a proposer."""
        return caller(self.request)


class Deed(Senate):
    """Something done to a proposal of one's own, once per Idempotency-Key; answered with the proposal as it then is."""

    scopes: ClassVar = {"POST": WRITE}
    rights: ClassVar = {"POST": PROPOSE}
    keyed = frozenset({"POST"})


def done(request: Request, deed: Callable[[], Proposal], *, status: int = 200) -> HttpResponse:
    """Do a deed that returns a proposal and answer with the proposal in full."""
    return idempotency.answered_once(request, status, lambda: shown.in_full(deed(), now=timezone.now()))


def filed(request: Request, by: proposals.Proposer, deed: Callable[[], Proposal], *, submit: bool) -> HttpResponse:
    """File a proposal and, if asked, submit it; one that cannot be submitted is kept as a draft that says why."""

    def answer() -> object:
        proposal, refused = deed(), None
        if submit and proposal.status == Proposal.Status.DRAFT:
            try:
                with transaction.atomic():
                    proposal = ballots.submit(proposal.pk, by=by, now=timezone.now())
            except errors.IncompleteProposalError:
                pass  # all that is missing is told of every draft
            except RefusedError as refusal:
                if refusal.retryable:
                    raise
                refused = refusal
        return shown.in_full(proposal, now=timezone.now(), refused=refused)

    return idempotency.answered_once(request, 201, answer)
