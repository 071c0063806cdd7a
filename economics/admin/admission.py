"""Reservations and refusals in the admin."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from config import list_filters
from config.site import LargeTableAdmin, figure
from economics import admission
from economics.admin import figures, of_entity
from economics.models import Refusal, Reservation


@admin.register(Reservation)
class ReservationAdmin(LargeTableAdmin[Reservation]):
    """Holds on envelopes. A stuck one is released by a deed; it expires by itself as well."""

    list_display = (
        *("id", "reserved_at", "entity", "agent", "resource", "model", figure("amount")),
        *(figure("usd", "USD"), "state", "expires_at"),
    )
    list_filter = (
        list_filters.choices("state"),
        list_filters.among("resource_type", figures.CLASSES, "class"),
        list_filters.related("agent"),
        "settled_late",
        list_filters.times("reserved_at"),
    )
    list_select_related = ("envelope", "agent")
    search_fields = ("envelope__entity_id__exact", "agent__id__exact")
    search_help_text = "An entity's or an agent's id, whole."
    actions = ("release",)

    @admin.display(description="entity")
    def entity(self, reservation: Reservation) -> str | SafeString:
        """Return whose envelope is held on."""
        return of_entity.led(reservation.envelope)

    @admin.display(description="class")
    def resource(self, reservation: Reservation) -> str:
        """Return the class of what is held."""
        return figures.RESOURCES[reservation.resource_type]

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may release holds."""
        return request.user.has_perm("economics.change_reservation")

    @admin.action(description="Release…", permissions=["release"])
    def release(self, request: HttpRequest, queryset: QuerySet[Reservation]) -> HttpResponse | None:
        """Ask why, then give the holds back."""
        form = self.asked(request, figures.ReasonForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="release",
                title="Release reservations",
                button="Release",
                form=form,
                warning="Their holds are given back. What was used under them all the same must come in as usage.",
            )
        for reservation in queryset:
            with self.done(request, lambda row=reservation: f"Reservation {row.pk} is released."):  # type: ignore[misc]
                admission.release(reservation.pk, now=timezone.now())
                self.log_change(request, reservation, f"Released: {form.cleaned_data['reason']}")
        return None


@admin.register(Refusal)
class RefusalAdmin(of_entity.OfEntity[Refusal]):
    """What was refused, and by which line. Equal refusals of a minute share a row."""

    list_display = (*("last_at", "entity", "agent", "code", "line", figure("asked"), "stood", "times"),)
    list_filter = (
        list_filters.among("code", [(code, code.replace("_", " ")) for code in sorted(admission.REFUSALS)], "reason"),
        list_filters.among("resource_type", figures.CLASSES, "class"),
        list_filters.related("agent"),
        list_filters.times("last_at"),
    )
    list_select_related = ("line", "agent")
    found_by = ("agent",)
    search_help_text = "An entity as type:id, or the id of an entity or an agent, whole."

    @admin.display(description="settled + held of limit")
    def stood(self, refusal: Refusal) -> str | None:
        """Return where the line stood that refused."""
        if refusal.settled is None:
            return None
        used = figures.number(refusal.settled + (refusal.held or 0))
        return f"{used} of {figures.number(refusal.limit)}"
