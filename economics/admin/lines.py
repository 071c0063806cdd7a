"""Lines, their counters, grants and the revisions of envelopes, to be read."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from config.site import LargeTableAdmin, ReadOnlyAdmin, figure
from economics import envelopes
from economics.admin import figures
from economics.models import Counter, Grant, Line, Revision


@admin.register(Revision)
class RevisionAdmin(LargeTableAdmin[Revision]):
    """What changed on envelopes: who, when, old, new and why."""

    list_display = ("id", "at", "envelope", "who", "what", "why", "cause_kind", "cause_id")
    list_filter = ("at", "cause_kind")
    list_select_related = ("envelope",)
    search_fields = ("envelope__entity_id__exact", "who__exact")
    search_help_text = "An entity's id or an author, whole."

    @admin.display(description="change")
    def what(self, revision: Revision) -> str:
        """Return the change in words."""
        return figures.changed(revision)


@admin.register(Line)
class LineAdmin(LargeTableAdmin[Line]):
    """Ceilings, each by itself."""

    list_display = ("id", "envelope", "resource_type", "qualifier", "window_kind", figure("base"), "is_named")
    list_filter = ("resource_type", "window_kind", "is_named")
    list_select_related = ("envelope",)
    search_fields = ("envelope__entity_id__exact",)


@admin.register(Counter)
class CounterAdmin(LargeTableAdmin[Counter]):
    """What stands against each line in each window."""

    list_display = ("id", "line_of", "window_start", figure("settled"), figure("held"))
    list_filter = ("window_start",)
    list_select_related = ("line__envelope",)
    search_fields = ("line__envelope__entity_id__exact",)

    @admin.display(description="line")
    def line_of(self, counter: Counter) -> str:
        """Return the line and whose it is."""
        return f"{counter.line.envelope or 'fleet'} · {counter.line}"


@admin.register(Grant)
class GrantAdmin(ReadOnlyAdmin[Grant]):
    """Additions for a time."""

    list_display = (
        "id",
        "line_of",
        figure("amount"),
        "first_window",
        "last_window",
        "granted_by",
        "reason",
        "ended_at",
    )
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    list_select_related = ("line__envelope",)
    actions = ("end",)

    @admin.display(description="line")
    def line_of(self, grant: Grant) -> str:
        """Return the line and whose it is."""
        return f"{grant.line.envelope or 'fleet'} · {grant.line}"

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
