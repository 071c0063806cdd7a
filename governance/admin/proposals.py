"""Proposals in the admin: listed, filed by people, read as the card by which the Senate decides, and exported."""

from typing import Any, ClassVar, Final, cast

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import sheets
from config.errors import RefusedError
from config.site import LargeTableAdmin
from governance import proposals
from governance.admin import (
    card,
    card_history,
    chain,
    deeds,
    dialogs,
    follow_up,
    forms,
    grounds,
    lately,
    proposal_list,
    queue,
    vote_rows,
    votes,
    words,
)
from governance.models import Proposal

_LATELY: Final = "The entity's last 30 days"
_EXPORTED: Final = (
    *("id", "status", "proposer", "measure", "entity_type", "entity_id", "resource_type", "qualifier", "window_kind"),
    *("requested_tokens", "granted_tokens", "lasts_from", "lasts_until", "terms", "justification", "gain_edges"),
    *("gain_by", "evidence", "votes", "filed_at", "submitted_at", "decided_at", "enacted_at", "revisit_at"),
    *("waits_because", "withdrawn_by", "withdrawn_because", "refusal_id"),
)


@admin.register(Proposal)
class ProposalAdmin(deeds.Deeds, LargeTableAdmin[Proposal]):
    """What the Senate is asked. A proposal is changed by deeds only; votes, evidence and states follow their rows."""

    class Media:
        """The sheet of the queue and of cards."""

        css: ClassVar[dict[str, list[str]]] = {"all": ["config/senate.css"]}

    change_list_template = "admin/proposals.html"
    change_form_template = "admin/proposal.html"
    inlines = (vote_rows.OfAProposal,)
    list_display = ("id", "asks", "stands", "voted", "until", "proposer")
    list_filter = ("status", proposal_list.WaitsFilter, "measure", proposal_list.TypeFilter)
    search_fields = ("entity_id__exact", "proposer__exact")
    search_help_text = "The id of an entity or a proposer, whole."
    actions = ("vote", "close_early", "confirm", "enact", "amend", "attach", "detach", "submit", "withdraw")
    ordering: ClassVar[tuple[str, ...]] = ("-pk",)

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:  # noqa: ARG002
        """Use the list that knows the ballots."""
        return proposal_list.BallotList

    @admin.display(description="proposal")
    def asks(self, proposal: Proposal) -> SafeString:
        """Return what it is about and what is asked, in words."""
        return format_html("<strong>{}</strong><br>{}", card.on(proposal), words.short(words.asked(proposal)))

    @admin.display(description="status")
    def stands(self, proposal: Proposal) -> SafeString:
        """Return where it stands, how much of it was granted, and why it does not go on by itself."""
        granted = proposal.granted_tokens
        part = f" {granted:+,}" if granted is not None and granted != proposal.requested_tokens else ""
        waits = format_html('<div class="quiet">{}</div>', words.short(proposal.waits_because))
        return format_html("{}{}{}", card.status(proposal), part, waits if proposal.waits_because else "")

    @admin.display(description="votes")
    def voted(self, proposal: Any) -> str:
        """Return how many votes stand in its last ballot, and the quorum."""
        if proposal.ballot is None:
            return words.NONE
        cast, quorum = proposal.ballot.live, proposal.ballot.quorum
        return f"{cast} of {quorum}" if cast <= quorum else f"{cast} (quorum {quorum})"

    @admin.display(description="deadline (UTC)")
    def until(self, proposal: Any) -> str:
        """Return until when votes are taken, or when a deferred one comes back."""
        if proposal.status == Proposal.Status.DEFERRED:
            return f"back {proposal.revisit_at:%Y-%m-%d}"
        open_ballot = proposal.ballot if proposal.status == Proposal.Status.SUBMITTED else None
        return f"{open_ballot.closes_at:%Y-%m-%d %H:%M}" if open_ballot else words.NONE

    # One proposal

    def get_queryset(self, request: HttpRequest) -> QuerySet[Proposal]:
        """Read the refusal with the proposal that answers it."""
        return super().get_queryset(request).select_related("refusal")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Proposal | None:
        """Return the proposal with its card, as it stands now."""
        proposal = super().get_object(request, object_id, from_field)
        if proposal is not None:
            cast("Any", proposal).card = card.Card(proposal, at=timezone.now())
        return proposal

    def get_fieldsets(self, request: HttpRequest, obj: Proposal | None = None) -> Any:  # noqa: ARG002
        """Show what is asked and where it stands, then the change, the grounds and the votes."""
        head = ["asks_in_full", "decision", "promised", "proposed_by", "answers", "leads"]
        if obj is not None and obj.status == Proposal.Status.DRAFT:
            head.insert(2, "lacks")
        if obj is not None and obj.refusal_id is None:
            head.remove("answers")
        told = {"classes": ("told",)}
        sections = [
            (None, {"fields": tuple(head)}),
            ("What will change" if _is_coming(obj) else "What became of it", {"fields": ("change",), **told}),
            ("Where voting stands", {"fields": ("voting",), **told}),
            ("Why", {"fields": ("why",), **told}),
            ("Evidence, and what was found of it", {"fields": ("evidence_pieces",), **told}),
            (_LATELY, {"fields": ("lately_used",), **told}),
            ("What happened so far", {"fields": ("steps",), **told}),
        ]
        left_out = set()
        if obj is not None and obj.submitted_at is None:
            left_out.add("Where voting stands")
        if obj is not None and obj.entity_type in lately.NO_SPENDERS:
            left_out.add(_LATELY)
        return [section for section in sections if section[0] not in left_out]

    def get_readonly_fields(self, request: HttpRequest, obj: Proposal | None = None) -> tuple[str, ...]:
        """Return all that is shown."""
        return tuple(name for _title, options in self.get_fieldsets(request, obj) for name in options["fields"])

    def beside(self, request: HttpRequest, row: Proposal, deeds: list[tuple[str, str]]) -> dict[str, Any]:
        """Offer the deeds that fit where the proposal stands and who looks at it."""
        fit = self.fitting(request, row)
        fitting = [deed for deed in deeds if deed[0] in fit]
        title = f"Proposal {row.pk} on {card.on(row)}"
        return {"deeds": fitting, "card_tools": dialogs.tools(fitting, row), "title": title, "subtitle": None}

    @admin.display(description="asks for")
    def asks_in_full(self, proposal: Proposal) -> SafeString:
        """Return what is asked, in words."""
        return format_html("<strong>{}</strong>", words.asked(proposal))

    @admin.display(description="status")
    def decision(self, proposal: Any) -> SafeString:
        """Return what became of it so far."""
        return card.decision(proposal.card)

    @admin.display(description="lacks")
    def lacks(self, proposal: Proposal) -> SafeString | str:
        """Return what a draft lacks."""
        return grounds.lacks(proposal, now=timezone.now())

    @admin.display(description="proposed by")
    def proposed_by(self, proposal: Proposal) -> SafeString | str:
        """Return who asks."""
        return card.proposer(proposal)

    @admin.display(description="answers")
    def answers(self, proposal: Proposal) -> SafeString | str:
        """Return the refusal that it answers."""
        return card.refusal(proposal)

    @admin.display(description="see")
    def leads(self, proposal: Proposal) -> SafeString:
        """Lead to the books of the entity."""
        return card.leads(proposal)

    @admin.display(description="change")
    def change(self, proposal: Any) -> SafeString:
        """Return what stands and what would."""
        return card.change(proposal.card)

    @admin.display(description="why")
    def why(self, proposal: Proposal) -> SafeString:
        """Return the justification, inert."""
        return grounds.prose(proposal.justification)

    @admin.display(description="promises")
    def promised(self, proposal: Any) -> str:
        """Return what is promised, and what came of it."""
        return grounds.gain(proposal, proposal.card.followed)

    @admin.display(description="evidence")
    def evidence_pieces(self, proposal: Proposal) -> SafeString:
        """Return the evidence with its checks."""
        return grounds.evidence(proposal)

    @admin.display(description="votes")
    def voting(self, proposal: Any) -> SafeString:
        """Return the ballots."""
        return votes.voting(proposal.card)

    @admin.display(description="lately")
    def lately_used(self, proposal: Any) -> SafeString:
        """Return what the entity used, spent and gained lately."""
        return lately.panel(proposal, at=proposal.card.at)

    @admin.display(description="history")
    def steps(self, proposal: Any) -> SafeString:
        """Return what happened so far, and others on the same entity."""
        return card_history.panel(proposal.card)

    # Filing

    def has_add_permission(self, request: HttpRequest, obj: Proposal | None = None) -> bool:  # noqa: ARG002
        """Tell whether the person may file proposals."""
        return request.user.has_perm(deeds.FILE)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """File a draft; what is missing may follow."""
        del form_url, extra_context
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._form(request, None)

    def amend_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change a draft of one's own."""
        proposal = self.get_object(request, object_id)
        if not self.has_add_permission(request) or proposal is None or not deeds.by(request).owns(proposal):
            raise PermissionDenied
        return self._form(request, proposal)

    def _form(self, request: HttpRequest, draft: Proposal | None) -> HttpResponse:
        form = forms.ProposalForm(request.POST if request.method == "POST" else None, instance=draft)
        if form.is_valid():
            try:
                proposal = self._written(request, draft, form.asked())
            except RefusedError as refusal:
                forms.take(form, refusal)
            else:
                return HttpResponseRedirect(reverse("admin:governance_proposal_change", args=[proposal.pk]))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media + form.media,
            "title": "File a proposal" if draft is None else f"Change draft {draft.pk}",
            "warning": "It stays a draft, which you may change, until you give it evidence and submit it.",
            "form": form,
            "button": "Keep as a draft",
        }
        return TemplateResponse(request, "admin/deed_form.html", context)

    def _written(self, request: HttpRequest, draft: Proposal | None, terms: dict[str, Any]) -> Proposal:
        """File the draft, or change it, by the rules of proposals."""
        by, now = deeds.by(request), timezone.now()
        if draft is None:
            proposal = proposals.file(by=by, now=now, **terms)
            self.log_addition(request, proposal, "Filed.")
        else:
            proposal = proposals.amend(draft.pk, by=by, now=now, **terms)
            self.log_change(request, proposal, "Draft changed.")
        self.message_user(request, f"Proposal {proposal.pk} is a draft: {words.asked(proposal)}.")
        return proposal

    # Export

    def get_urls(self) -> list[URLPattern]:
        """Add the form of a draft and the export."""
        own = self.admin_site.admin_view
        return [
            path("export/", own(self.export_view), name="governance_proposal_export"),
            path("follow-up/", own(self.follow_up_view), name="governance_proposal_follow_up"),
            path("<int:object_id>/amend/", own(self.amend_view), name="governance_proposal_amend"),
            *chain.urls(self.admin_site),
            *queue.urls(self),
            *super().get_urls(),
        ]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Send the proposals that the list's filters leave, the newest first, for a spreadsheet."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            chosen = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse("admin:governance_proposal_changelist"))
        rows = sheets.newest_first(cast("QuerySet[Proposal]", chosen).select_related(None))
        name = f"proposals-{timezone.now():%Y-%m-%d}.csv"
        return sheets.download(name, _EXPORTED, ([getattr(row, column) for column in _EXPORTED] for row in rows))

    def follow_up_view(self, request: HttpRequest) -> HttpResponse:
        """Show what became of what was enacted."""
        return follow_up.view(self, request)


def _is_coming(proposal: Proposal | None) -> bool:
    return proposal is not None and proposal.status in card.COMING
