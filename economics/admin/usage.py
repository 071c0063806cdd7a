"""Usage in the admin: every row, and the days it adds up to."""

import secrets
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from config import exports, keyset, list_filters
from config.site import figure
from economics import metering
from economics.admin import figures, of_entity, usage_filters
from economics.models import Usage, UsageDay


class CorrectionForm(figures.ReasonForm):
    """How much is taken back, and why. `key` names the correction, so a form sent twice takes back once."""

    key = forms.RegexField(r"^[0-9a-f]{32}$", widget=forms.HiddenInput)
    amount = forms.DecimalField(
        required=False,
        min_value=Decimal("0.000001"),
        max_digits=30,
        decimal_places=6,
        help_text="Empty: all that is left of it.",
    )
    field_order = ("amount", "reason")


@admin.register(Usage)
class UsageAdmin(exports.Exported[Usage], of_entity.OfEntity[Usage]):
    """What was used, one row per call or job. LLM tokens here are a resource, never money.

    A table of millions: it is narrowed by columns that an index finds, and by nothing else.
    """

    hidden = ("amount_used", "timestamp")
    list_display = (
        *(
            "id",
            "created_at",
            "entity",
            "resource",
            figure("amount"),
            figure("cost", "cost (USD)"),
            "model",
            "tier",
        ),
        *("agent_id", "slot_id"),
    )
    list_filter: ClassVar[tuple[Any, ...]] = (
        ("created_at", usage_filters.When),
        list_filters.whole("agent_id"),
        usage_filters.Unpriced,
    )
    found_by = ("slot_id",)
    search_help_text = "An entity as type:id, or the id of a slot or an entity, whole."
    actions = ("correct",)
    exported = (
        *("id", "created_at", "recorded_at", "entity_type", "entity_id", "resource_type", "amount", "cost", "model"),
        *("tier", "provider", "agent_id", "slot_id", "reservation_id", "corrects_id", "source", "event_id", "note"),
    )
    most_exported = 1_000_000

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:  # noqa: ARG002 - Django's
        """Use the list that knows of times."""
        return usage_filters.UsageList

    @admin.display(description="class")
    def resource(self, usage: Usage) -> str:
        """Return the class of what was used."""
        return figures.RESOURCES[usage.resource_type]

    def has_correct_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may correct usage."""
        return request.user.has_perm("economics.add_usage")

    @admin.action(description="Correct…", permissions=["correct"])
    def correct(self, request: HttpRequest, queryset: QuerySet[Usage]) -> HttpResponse | None:
        """Ask how much and why, then take it back by a row that names this one."""
        usage = self.only(request, queryset)
        if usage is None:
            return None
        form = self.asked(request, CorrectionForm, key=secrets.token_hex(16))
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="correct",
                title="Correct usage",
                button="Take back",
                form=form,
                warning=f"{figures.number(usage.amount)} {usage.resource_type} were recorded. What is taken back is "
                "a row of its own, in the same window and at the same price.",
            )
        chosen, now = form.cleaned_data, timezone.now()
        with self.done(request, lambda: f"Usage {usage.pk} is corrected."):
            written = metering.correct(
                usage.pk,
                key=chosen["key"],
                note=chosen["reason"],
                author=request.user.get_username(),
                now=now,
                amount=chosen["amount"],
            )
            if written.recorded_at == now:  # what the same form did before is on record already
                self.log_change(request, usage, f"Corrected: {chosen['reason']}")
        return None


@admin.register(UsageDay)
class UsageDayAdmin(exports.Exported[UsageDay], of_entity.OfEntity[UsageDay]):
    """What usage came to, by day, entity, tier and agent: kept by the database with every row."""

    list_display = (
        *(
            "day",
            "entity",
            "resource",
            "tier",
            "provider",
            "agent_id",
            figure("amount"),
            figure("cost", "cost (USD)"),
        ),
        *(figure("unpriced_amount", "unpriced"), figure("events")),
    )
    list_filter = (list_filters.dates("day"),)
    ordering = ("-day", "-pk")
    exported = (
        *("day", "entity_type", "entity_id", "resource_type", "tier", "provider", "agent_id", "amount", "cost"),
        *("unpriced_amount", "events"),
    )
    most_exported = 1_000_000

    def exported_from(self, shown: ChangeList) -> QuerySet[UsageDay]:
        """Return the days that the filters leave, of a time within the bounds of their ids."""
        rows = super().exported_from(shown)
        return keyset.bounded(rows) if usage_filters.is_of("day", shown.params) else rows

    @admin.display(description="class")
    def resource(self, day: UsageDay) -> str:
        """Return the class of what was used."""
        return figures.RESOURCES[day.resource_type]
