"""What people do to proposals in the admin: each deed asks on a page of its own and makes one call into a rule."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

from django import forms as django_forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from config.errors import RefusedError
from config.models import User
from config.site import HouseAdmin
from economics import revisions
from governance import ballots, enactment, measures, proposals
from governance.admin import card, dialogs, forms, grounds, votes, words
from governance.models import Ballot, Elector, Evidence, Proposal

FILE: Final = "governance.add_proposal"


class Page(NamedTuple):
    """The page on which a deed is confirmed."""

    deed: str
    title: str
    button: str
    summary: SafeString | str = ""
    warning: str = ""


def person(request: HttpRequest) -> User:
    """Return who is signed in."""
    return cast("User", request.user)


def by(request: HttpRequest) -> proposals.Proposer:
    """Return who is signed in, as one who proposes."""
    return proposals.Proposer(user=person(request))


class Deeds(HouseAdmin[Proposal]):
    """The deeds of proposers, reviewers and the chair."""

    def has_file_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may file proposals."""
        return request.user.has_perm(FILE)

    def has_vote_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may vote where he is an elector."""
        return request.user.has_perm("governance.vote_proposal")

    def has_close_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may end voting early: the chair."""
        return request.user.has_perm("governance.close_proposal")

    def has_confirm_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may confirm what was approved over a base that moved."""
        return request.user.has_perm("governance.confirm_proposal")

    def has_enact_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may enact measures of policy: the chair."""
        return request.user.has_perm("governance.enact_policy")

    def fitting(self, request: HttpRequest, proposal: Any) -> set[str]:
        """Return the deeds that fit where a proposal stands and who the person is."""
        own = {"withdraw"} if by(request).owns(proposal) else set()
        match proposal.status:
            case Proposal.Status.DRAFT:
                pieces = {"detach"} if proposal.evidence else set()
                return own | ({"amend", "attach", "submit", *pieces} if own else set())
            case Proposal.Status.DEFERRED:
                return own | ({"attach"} if own else set())
            case Proposal.Status.SUBMITTED:
                return own or {"close_early"} | ({"vote"} if _is_elector(request, proposal) else set())
            case Proposal.Status.APPROVED:
                if not proposal.card.is_stale:
                    return own | {"enact"}
                may = self.has_enact_permission(request) or not measures.needs_chair(proposal)
                return own | ({"confirm"} if may and _is_elector(request, proposal) else set())
        return set()

    def _through(  # noqa: PLR0913, PLR0917 - a form, its page and the rule behind it
        self,
        request: HttpRequest,
        chosen: QuerySet[Proposal],
        page: Page,
        form: django_forms.Form,
        rule: Callable[[], Any],
        told: str,
    ) -> HttpResponse | None:
        """Ask; once the form is confirmed call the rule, and ask again with its words where it refuses."""
        if form.is_valid():
            try:
                rule()
            except RefusedError as refusal:
                forms.take(form, refusal)
            else:
                proposal = proposals.get(chosen.values_list("pk", flat=True)[0])
                self.log_change(request, proposal, f"{told} {form.cleaned_data.get('reason', '')}".strip())
                self.message_user(request, f"{told} {_where(proposal)}", messages.SUCCESS)
                return HttpResponseRedirect(reverse("admin:governance_proposal_change", args=[proposal.pk]))
        return self.ask(request, chosen, form=form, **page._asdict())

    # The Senate

    @admin.action(description="Vote…", permissions=["vote"])
    def vote(self, request: HttpRequest, queryset: QuerySet[Proposal]) -> HttpResponse | None:
        """Show what would change and how the ballot stands, ask for the vote, then cast it."""
        proposal = self.only(request, queryset)
        if proposal is None:
            return None
        form = self.asked(request, forms.VoteForm)
        form.offer(proposal, measures.asked(proposal))
        shown = card.Card(proposal, at=timezone.now())
        page = Page("vote", "Vote on a proposal", "Cast this vote", votes.summary(shown))

        def rule() -> Proposal:
            return ballots.cast(proposal.pk, voter=person(request), now=timezone.now(), **form.said())

        return self._through(request, queryset, page, form, rule, "Your vote is cast.")

    @admin.action(description="Close the vote early…", permissions=["close"])
    def close_early(self, request: HttpRequest, queryset: QuerySet[Proposal]) -> HttpResponse | None:
        """Show the outcome as it stands, ask why, then end voting."""
        proposal = self.only(request, queryset)
        if proposal is None:
            return None
        form = self.asked(request, words.ReasonForm)
        page = Page(
            "close_early",
            "Close a vote before its deadline",
            "Close the vote",
            votes.summary(card.Card(proposal, at=timezone.now())),
            dialogs.OUTCOME,
        )

        def rule() -> Proposal:
            reason = form.cleaned_data["reason"]
            return ballots.close(proposal.pk, chair=person(request), reason=reason, now=timezone.now())

        return self._through(request, queryset, page, form, rule, "The vote is closed.")

    @admin.action(description="Confirm over what has changed…", permissions=["confirm"])
    def confirm(self, request: HttpRequest, queryset: QuerySet[Proposal]) -> HttpResponse | None:
        """Show what stood and what stands, ask why it should take effect all the same, then let it."""
        proposal = self.only(request, queryset)
        if proposal is None:
            return None
        shown = card.Card(proposal, at=timezone.now())
        form = self.asked(request, forms.ConfirmForm, seen=shown.base)
        if form.is_bound and form.is_valid() and form.cleaned_data["seen"] != shown.base:
            # What the form carries is what was seen: it is shown anew, so that nobody confirms what he has not read.
            form = forms.ConfirmForm(initial={"seen": shown.base, "reason": form.cleaned_data["reason"]})
            self.message_user(request, "It has changed again while you looked; read it once more.", messages.WARNING)
        page = Page(
            "confirm",
            "Confirm over what has changed",
            "Let exactly this take effect",
            card.change(shown),
            dialogs.CONFIRMS,
        )

        def rule() -> Proposal:
            return enactment.confirm(
                proposal.pk,
                user=person(request),
                reason=form.cleaned_data["reason"],
                seen=form.cleaned_data["seen"],
                now=timezone.now(),
                as_chair=self.has_enact_permission(request),
            )

        return self._through(request, queryset, page, form, rule, "Confirmed.")

    @admin.action(description="Enact…", permissions=["enact"])
    def enact(self, request: HttpRequest, queryset: QuerySet[Proposal]) -> HttpResponse | None:
        """Show what will change, ask why, then let what was approved take effect."""
        proposal = self.only(request, queryset)
        if proposal is None:
            return None
        form = self.asked(request, words.ReasonForm)
        shown = card.Card(proposal, at=timezone.now())
        page = Page("enact", "Enact what was approved", "Let exactly this take effect", card.change(shown))

        def rule() -> Proposal:
            author = revisions.Author(request.user.get_username(), form.cleaned_data["reason"])
            return enactment.enact(proposal.pk, author=author, now=timezone.now(), as_chair=True)

        return self._through(request, queryset, page, form, rule, "Enacted.")

    # Who proposes

    @admin.action(description="Change the draft…", permissions=["file"])
    def amend(self, request: HttpRequest, queryset: QuerySet[Proposal]) -> HttpResponse | None:
        """Lead to the form of the draft."""
        proposal = self.only(request, queryset)
        if proposal is None:
            return None
        return HttpResponseRedirect(reverse("admin:governance_proposal_amend", args=[proposal.pk]))

    @admin.action(description="Attach evidence…", permissions=["file"])
    def attach(self, request: HttpRequest, queryset: QuerySet[Proposal]) -> HttpResponse | None:
        """Ask what is claimed, then attach it; the system says what it finds of it."""
        proposal = self.only(request, queryset)
        if proposal is None:
            return None
        form = self.asked(request, forms.EvidenceForm)
        page = Page("attach", "Attach evidence", "Attach it", grounds.evidence(proposal))

        def rule() -> Evidence:
            chosen = form.cleaned_data
            given = proposals.Given(chosen["kind"], chosen["claim"], chosen["note"], chosen["url"])
            return proposals.attach(proposal.pk, by=by(request), now=timezone.now(), given=given)

        return self._through(request, queryset, page, form, rule, "Attached, and looked up.")

    @admin.action(description="Take evidence back…", permissions=["file"])
    def detach(self, request: HttpRequest, queryset: QuerySet[Proposal]) -> HttpResponse | None:
        """Ask which piece, then take it back; it stays on record."""
        proposal = self.only(request, queryset)
        if proposal is None:
            return None
        form = self.asked(request, forms.DetachForm)
        form.offer(proposal)
        page = Page("detach", "Take evidence back", "Take it back", grounds.evidence(proposal))

        def rule() -> Proposal:
            piece = form.cleaned_data["piece"]
            return proposals.detach(proposal.pk, piece.pk, by=by(request), now=timezone.now())

        return self._through(request, queryset, page, form, rule, "Taken back.")

    @admin.action(description="Submit…", permissions=["file"])
    def submit(self, request: HttpRequest, queryset: QuerySet[Proposal]) -> HttpResponse | None:
        """Say all that is missing, or ask, then put it before the Senate."""
        proposal = self.only(request, queryset)
        if proposal is None:
            return None
        form = self.asked(request, django_forms.Form)
        page = Page(
            "submit",
            "Put a proposal before the Senate",
            "Submit",
            "" if form.is_bound else grounds.lacking(proposal, now=timezone.now()),  # a refusal says it, too
            "From then on it stays as it is. Who may vote is settled now: reviewers without an interest in it.",
        )

        def rule() -> Proposal:
            return ballots.submit(proposal.pk, by=by(request), now=timezone.now())

        return self._through(request, queryset, page, form, rule, "Submitted.")

    @admin.action(description="Withdraw…", permissions=["file"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Proposal]) -> HttpResponse | None:
        """Ask, then take the proposal back for good."""
        proposal = self.only(request, queryset)
        if proposal is None:
            return None
        form = self.asked(request, forms.WithdrawForm)
        page = Page("withdraw", "Withdraw a proposal", "Withdraw it for good", warning=dialogs.ENDS)

        def rule() -> Proposal:
            reason = form.cleaned_data["reason"]
            return proposals.withdraw(proposal.pk, by=by(request), now=timezone.now(), reason=reason)

        return self._through(request, queryset, page, form, rule, "Withdrawn.")


def _is_elector(request: HttpRequest, proposal: Proposal) -> bool:
    """Tell whether the person may vote in the last ballot of a proposal, which may have become his own affair."""
    last = Ballot.objects.filter(proposal=proposal).order_by("-number").values("pk")[:1]
    seats = Elector.objects.filter(ballot__in=last, user=request.user.pk)
    return seats.exclude(user__in=proposals.interested(proposal)).exists()


def _where(proposal: Proposal) -> str:
    """Return where a proposal stands after a deed."""
    waits = f" It waits: {proposal.waits_because}" if proposal.waits_because else ""
    return f"The proposal is {proposal.get_status_display().lower()}.{waits}"
