"""Lines, their counters, grants and the revisions of envelopes, to be read."""

from typing import Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from config import list_filters
from config.site import LargeTableAdmin, ReadOnlyAdmin, figure
from economics import envelopes
from economics.admin import figures, of_entity
from economics.models import Counter, Grant, Line, Revision

CAUSES: Final = ("", "proposal", "review", "freeze", "market", "score", "default")


@admin.register(Revision)
class RevisionAdmin(LargeTableAdmin[Revision]):
    """What changed on envelopes: who, when, old, new and why."""

    list_display = ("id", "at", "entity", "who", "what", "why", "cause_kind", "cause_id")
    list_filter = (
        list_filters.times("at"),
        list_filters.among("cause_kind", [(kind, kind or "by hand") for kind in CAUSES], "cause"),
        list_filters.related("envelope"),
    )
    list_select_related = ("envelope",)
    search_fields = ("envelope__entity_id__exact", "who__exact")
    search_help_text = "An entity's id or an author, whole."

    @admin.display(description="entity")
    def entity(self, revision: Revision) -> str | SafeString:
        """Return whose envelope changed."""
        return of_entity.led(revision.envelope)

    @admin.display(description="change")
    def what(self, revision: Revision) -> str:
        """Return the change in words."""
        return figures.changed(revision)


@admin.register(Line)
class LineAdmin(LargeTableAdmin[Line]):
    """Ceilings, each by itself."""

    list_display = ("id", "entity", "resource", "qualifier", "window_kind", figure("base"), "is_named")
    list_filter = (
        list_filters.among("resource_type", list(figures.RESOURCES.items()), "class"),
        list_filters.choices("window_kind"),
        "is_named",
        list_filters.numbers("base"),
        list_filters.related("envelope"),
    )
    list_select_related = ("envelope",)
    search_fields = ("envelope__entity_id__exact",)
    search_help_text = "The id of an entity, whole."

    @admin.display(description="entity")
    def entity(self, line: Line) -> str | SafeString:
        """Return whose line it is."""
        return of_entity.led(line.envelope)

    @admin.display(description="class")
    def resource(self, line: Line) -> str:
        """Return the class of what it bounds."""
        return figures.RESOURCES[line.resource_type]


@admin.register(Counter)
class CounterAdmin(LargeTableAdmin[Counter]):
    """What stands against each line in each window."""

    list_display = ("id", "entity", "line", "window_start", figure("settled"), figure("held"))
    list_filter = (list_filters.times("window_start"),)
    list_select_related = ("line__envelope",)
    search_fields = ("line__envelope__entity_id__exact",)
    search_help_text = "The id of an entity, whole."

    @admin.display(description="entity")
    def entity(self, counter: Counter) -> str | SafeString:
        """Return whose line it counts."""
        return of_entity.led(counter.line.envelope)


@admin.register(Grant)
class GrantAdmin(ReadOnlyAdmin[Grant]):
    """Additions for a time."""

    list_display = (
        "id",
        "entity",
        "line",
        figure("amount"),
        "first_window",
        "last_window",
        "granted_by",
        "reason",
        "ended_at",
    )
    list_filter = (
        ("ended_at", admin.EmptyFieldListFilter),
        list_filters.related("line__envelope"),
        list_filters.numbers("amount"),
    )
    list_select_related = ("line__envelope",)
    actions = ("end",)

    @admin.display(description="entity")
    def entity(self, grant: Grant) -> str | SafeString:
        """Return whose line it adds to."""
        return of_entity.led(grant.line.envelope)

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may change envelopes."""
        return request.user.has_perm("economics.change_envelope")

    @admin.action(description="End early…", permissions=["end"])
    def end(self, request: HttpRequest, queryset: QuerySet[Grant]) -> HttpResponse | None:
        """Ask why, then end the grants."""
        form = self.asked(request, figures.ReasonForm)
        if not form.is_valid():
            return self.ask(request, queryset, deed="end", title="End grants early", button="End", form=form)
        by, ended = figures.author(request, form.cleaned_data["reason"]), 0
        with self.done(request, lambda: f"Grants ended: {ended}."):
            for grant in queryset:
                ended += envelopes.end_grant(grant.pk, author=by, now=timezone.now())
                self.log_change(request, grant, f"Ended: {form.cleaned_data['reason']}")
        return None
