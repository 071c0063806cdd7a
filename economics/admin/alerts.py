"""Alerts of the daily check in the admin."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import list_filters
from config.site import LargeTableAdmin, figure
from economics import safety
from economics.admin import figures
from economics.models import Alert


class ClassFilter(admin.SimpleListFilter):
    """The class of the line; all are known, so nobody looks through the table for them."""

    title = "class"
    parameter_name = "class"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the classes of the framework and the fleet's USD."""
        return [*figures.CLASSES, ("usd", "USD of the fleet")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:  # noqa: ARG002
        """Keep one class."""
        return queryset.filter(line__resource_type=self.value()) if self.value() else queryset


class SeenFilter(admin.SimpleListFilter):
    """Whether somebody has marked it as seen."""

    title = "seen"
    parameter_name = "seen"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Offer both."""
        return [("no", "unseen"), ("yes", "seen")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:  # noqa: ARG002
        """Keep one of them."""
        chosen = {"no": True, "yes": False}.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(seen_at__isnull=chosen)


@admin.register(Alert)
class AlertAdmin(LargeTableAdmin[Alert]):
    """Lines that reached 50, 80 or 100 % of their limit, with the figures of that moment."""

    extra = ("entity",)
    list_display = (
        *("raised_at", "entity", "of_line", "threshold", figure("settled"), figure("limit")),
        *("came_of_it", "seen"),
    )
    list_filter = (
        list_filters.choices("threshold"),
        SeenFilter,
        "froze",
        ClassFilter,
        "line__window_kind",
        list_filters.related("line__envelope"),
        list_filters.times("raised_at"),
    )
    list_select_related = ("line__envelope",)
    search_fields = ("line__envelope__entity_id__exact",)
    search_help_text = "The id of an entity, whole."
    actions = ("mark_as_seen",)

    @admin.display(description="entity")
    def entity(self, alert: Alert) -> str | SafeString:
        """Return whose line it is, leading to the envelope."""
        envelope = alert.line.envelope
        if envelope is None:
            return "the fleet"
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:economics_envelope_change", args=[envelope.pk]), envelope
        )

    @admin.display(description="line")
    def of_line(self, alert: Alert) -> str:
        """Return which line of it, in words."""
        return figures.line_title(alert.line)

    @admin.display(description="effect")
    def came_of_it(self, alert: Alert) -> str | SafeString:
        """Return whether the envelope was frozen for it, or its limit has risen since."""
        if alert.rearmed_at is not None:
            return f"limit raised {alert.rearmed_at:%Y-%m-%d %H:%M} UTC"
        return figures.badge("frozen") if alert.froze else figures.NONE

    @admin.display(description="seen")
    def seen(self, alert: Alert) -> str | None:
        """Return who has seen it, if anybody."""
        return alert.seen_by or None

    def has_mark_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person's word counts as having seen alerts."""
        return request.user.has_perm("economics.change_alert")

    @admin.action(description="Mark as seen", permissions=["mark"])
    def mark_as_seen(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        """Put the person's name under the alerts that nobody has seen; it changes nothing else, so it asks nothing."""
        marked = 0
        with self.done(request, lambda: f"Alerts marked as seen: {marked}."):
            ids = list(queryset.values_list("pk", flat=True))
            marked = safety.acknowledge(ids, who=request.user.get_username(), now=timezone.now())
