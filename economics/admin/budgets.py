"""Envelopes in the admin: opened, changed, granted and frozen by people, each with a reason that stays."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config import exports, list_filters, lists, site
from config.site import figure
from economics import envelopes, market, review_words, standings, worth_policy
from economics.admin import envelope_deeds, envelope_list, figures, forms, review_tables
from economics.models import Envelope, ReviewLine, Revision

_REVISIONS_SHOWN = 10
_REVIEWS_SHOWN = 8


@admin.register(Envelope)
class EnvelopeAdmin(exports.Exported[Envelope], envelope_deeds.Deeds):
    """Budgets of entities. Ceilings are changed here with a reason; deeds grant, freeze and add lines."""

    form = forms.EnvelopeForm
    list_display = (
        *("entity", "stands", "window_kind", "tokens_used", "tokens_limit", "room"),
        *(figure("priority_score", "priority"), figure("market_weight", "market"), "figure_roi_score", "story"),
    )
    list_filter = (
        list_filters.choices("state"),
        list_filters.choices("window_kind"),
        envelope_list.LimitFilter,
        envelope_list.TypeFilter,
        envelope_list.GrantedFilter,
        *(list_filters.numbers(column) for column in ("token_budget", "priority_score", "market_weight")),
    )
    paginator = lists.EstimatingPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    exported = envelope_list.EXPORTED
    search_fields = ("entity_id__startswith",)
    search_help_text = "The beginning of an entity's id."
    sortable_by: ClassVar[tuple[str, ...]] = ("figure_priority_score", "figure_market_weight", "figure_roi_score")

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:  # noqa: ARG002
        """Use the list that knows where lines stand."""
        return envelope_list.StandingList

    @admin.display(description="entity", ordering="entity_id")
    def entity(self, envelope: Envelope) -> str:
        """Return type and id."""
        return str(envelope)

    def exported_rows(self, rows: list[Envelope]) -> Iterable[Sequence[Any]]:
        """Return the envelopes with where their LLM tokens stand, asked for all at once."""
        return envelope_list.exported(rows, now=timezone.now())

    @admin.display(description="state", ordering="state")
    def stands(self, envelope: Any) -> SafeString:
        """Return the state; what is used up says so, for nothing can be spent on it either."""
        is_exhausted = envelope.state != Envelope.State.FROZEN and envelope_list.is_exhausted(envelope.standing)
        return figures.badge("exhausted" if is_exhausted else envelope.state)

    @admin.display(description="story")
    def story(self, envelope: Envelope) -> str | SafeString:
        """Lead to all that is known of the entity."""
        return site.led_to_chain(envelope.entity_type, envelope.entity_id, "story")

    @admin.display(description="LLM tokens used")
    def tokens_used(self, envelope: Any) -> str:
        """Return what stands against the window's LLM tokens, settled and held."""
        line = envelope_list.tokens_of(envelope.standing)
        return figures.number(line.settled + line.held) if line else figures.NONE

    @admin.display(description="limit")
    def tokens_limit(self, envelope: Any) -> str:
        """Return the window's limit of LLM tokens."""
        line = envelope_list.tokens_of(envelope.standing)
        return figures.number(line.limit) if line else figures.NONE

    @admin.display(description="fullest line")
    def room(self, envelope: Any) -> str | SafeString:
        """Return the line with the least room."""
        fullest = envelope_list.fullest_of(envelope.standing)
        return figures.share_bar(fullest.settled, fullest.held, fullest.limit) if fullest else figures.NONE

    # One envelope

    def beside(self, request: HttpRequest, row: Envelope, deeds: list[tuple[str, str]]) -> dict[str, Any]:  # noqa: ARG002
        """Say above everything else when nothing can be spent on it, and why."""
        return {"banner": envelope_list.closed(row, now=timezone.now())}

    def get_fieldsets(self, request: HttpRequest, obj: Envelope | None = None) -> Any:  # noqa: ARG002
        """Show a new envelope's form, or where an existing one stands and what has become of it."""
        ceilings = (
            "Base ceilings for each window",
            {"fields": (*forms.CHANGED, "reason", "saw"), "description": "Empty is no ceiling; 0 allows nothing."},
        )
        if obj is None:
            return [(None, {"fields": ("entity_type", "entity_id", "granted")}), ceilings]
        return [
            (None, {"fields": ("entity", "state_in_words", "granted_in_words", "leads")}),
            ("Lines in their present window", {"fields": ("lines_now",)}),
            ceilings,
            (
                "Worth",
                {"fields": ("priority_score", "market_weight", "market_now", "gate", "roi_in_words", "last_reviews")},
            ),
            (f"Last {_REVISIONS_SHOWN} revisions, the market's daily steps aside", {"fields": ("history",)}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Envelope | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Return what is computed, and what policy and market keep."""
        if obj is None:
            return ()
        shown = ("entity", "state_in_words", "granted_in_words", "leads", "lines_now", "last_reviews", "history")
        return (*shown, "priority_score", "market_weight", "market_now", "gate", "roi_in_words")

    @admin.display(description="state")
    def state_in_words(self, envelope: Envelope) -> SafeString:
        """Return the state, who set it and why."""
        if envelope.state != Envelope.State.FROZEN:
            return figures.badge(envelope.state)
        by = (
            f"by the daily check until {envelope.frozen_until:%Y-%m-%d %H:%M} UTC"
            if envelope.frozen_until
            else "by a person"
        )
        return format_html("{} {}: {}", figures.badge(envelope.state), by, envelope.state_reason)

    @admin.display(description="granted")
    def granted_in_words(self, envelope: Envelope) -> str:
        """Return who granted it and when."""
        if envelope.granted_at is None:
            return "not by the Senate: the market may not lift it"
        return f"{envelope.granted_at:%Y-%m-%d %H:%M} UTC by {envelope.granted_by}"

    @admin.display(description="see")
    def leads(self, envelope: Envelope) -> SafeString:
        """Lead to the chain of the entity, its usage, days, reservations and refusals."""
        of_entity = site.rows_of_entity(envelope.entity_type, envelope.entity_id)
        links = (
            ("usage", of_entity, "usage"),
            ("usageday", of_entity, "usage by day"),
            ("reservation", f"?envelope__id__exact={envelope.pk}", "reservations"),
            ("refusal", of_entity, "refusals"),
            ("alert", f"?line__envelope__id__exact={envelope.pk}", "alerts"),
            ("grant", f"?line__envelope__id__exact={envelope.pk}", "grants"),
            ("revision", f"?envelope__id__exact={envelope.pk}", "revisions"),
            ("score", of_entity, "score"),
            ("signal", of_entity, "signals"),
            ("outcome", of_entity, "outcomes"),
            ("reviewline", f"?envelope__id__exact={envelope.pk}", "reviews"),
        )
        rows = ((reverse(f"admin:economics_{model}_changelist"), more, text) for model, more, text in links)
        chain = site.led_to_chain(envelope.entity_type, envelope.entity_id, "its story")
        return format_html("{} · {}", chain, format_html_join(" · ", '<a href="{}{}">{}</a>', rows))

    @admin.display(description="lines")
    def lines_now(self, envelope: Envelope) -> SafeString:
        """Return a table of the lines, with the same figures that admission goes by."""
        lines = standings.of_envelopes([envelope.pk], at=timezone.now())[envelope.pk]
        rows = format_html_join(
            "",
            '<tr><th scope="row">{}</th><td class="number">{}</td><td class="number">{}</td><td class="number">{}</td>'
            '<td class="number">{}</td><td class="number">{}</td><td class="number">{}</td><td>{}</td><td>{}</td></tr>',
            (figures.line_cells(line) for line in lines),
        )
        heads = ("Line", "Base", "Granted", "Limit", "Settled", "Held", "Remaining", "Room", "Resets (UTC)")
        head = format_html_join("", '<th scope="col">{}</th>', ((text,) for text in heads))
        return format_html('<table class="standing"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', head, rows)

    @admin.display(description="the market says")
    def market_now(self, envelope: Envelope) -> str:
        """Return what the signals come to now, which the weight follows by a step a day."""
        said = market.said(envelope.entity_type, envelope.entity_id, now=timezone.now())
        if not said.signals:
            return "nothing: the weight goes back to 0"
        noun = "signal" if said.signals == 1 else "signals"
        return (
            f"confidence {said.confidence:.4f} by {said.signals:,} daily {noun}, which asks for a weight of "
            f"{figures.number(said.signal)}"
        )

    @admin.display(description="ROI per M", ordering="roi_score")
    def figure_roi_score(self, envelope: Envelope) -> str:
        """Return the ROI as people read it."""
        return figures.NONE if envelope.roi_score is None else review_words.roi(envelope.roi_score)

    @admin.display(description="ROI")
    def roi_in_words(self, envelope: Envelope) -> str:
        """Return the yield as people read it."""
        if envelope.roi_score is None:
            return "unproven: too few LLM tokens used to tell"
        return f"{review_words.roi(envelope.roi_score)} net edges per million LLM tokens"

    @admin.display(description="gate")
    def gate(self, envelope: Envelope) -> str:
        """Return whether the market may lift it, and why not."""
        reasons = market.shut(envelope, worth_policy.get())
        return f"shut, the market may not lift it: {' '.join(reasons)}" if reasons else "open: the market may lift it"

    @admin.display(description="last reviews")
    def last_reviews(self, envelope: Envelope) -> SafeString | str:
        """Return what the last reviews made of its lines, and why."""
        lines = ReviewLine.objects.filter(envelope=envelope).select_related("review", "line")
        found = list(lines.order_by("-review_id", "line_id")[:_REVIEWS_SHOWN])
        return review_tables.of_entity(found) if found else "no weekly review has looked at it yet"

    @admin.display(description="revisions")
    def history(self, envelope: Envelope) -> SafeString | str:
        """Return the last changes: who, when, what and why."""
        rows = list(envelope.revisions.exclude(cause_kind="market").order_by("-pk")[:_REVISIONS_SHOWN])
        if not rows:
            return "none yet"
        return format_html(
            '<ul class="rows">{}</ul>', format_html_join("", "<li>{}</li>", ((figures.sentence(r),) for r in rows))
        )

    def changes_of(self, row: Envelope) -> QuerySet[Revision]:
        """Return the revisions of an envelope, which are its history."""
        return row.revisions.order_by("-pk")

    def has_delete_permission(self, request: HttpRequest, obj: Envelope | None = None) -> bool:  # noqa: ARG002
        """Refuse: an envelope stays; a ceiling of 0 allows nothing."""
        return False

    def save_model(self, request: HttpRequest, obj: Envelope, form: Any, change: bool) -> None:  # noqa: FBT001
        """Open the envelope, or change just the ceilings that were changed, by the rules of `envelopes`."""
        terms = {name: form.cleaned_data[name] for name in forms.CHANGED if not change or name in form.changed_data}
        by = figures.author(request, form.cleaned_data["reason"])
        if change:
            envelopes.change(obj.pk, author=by, now=timezone.now(), **terms)
            return
        saved = envelopes.open_envelope(
            obj.entity_type, obj.entity_id, author=by, now=timezone.now(), granted=form.cleaned_data["granted"], **terms
        )
        obj.pk, obj._state.adding = saved.pk, False  # noqa: SLF001 - what Model.save does
