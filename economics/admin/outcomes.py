"""Outcomes in the admin: what came of work, and what was taken back."""

import secrets
from decimal import Decimal

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from config import list_filters
from config.site import figure
from economics import outcomes
from economics.admin import figures, of_entity
from economics.models import Outcome


class CorrectionForm(figures.ReasonForm):
    """How much is taken back, and why. `key` names the correction, so a form sent twice takes back once."""

    key = forms.RegexField(r"^[0-9a-f]{32}$", widget=forms.HiddenInput)
    amount = forms.DecimalField(
        required=False,
        min_value=Decimal("0.000001"),
        max_digits=20,
        decimal_places=6,
        help_text="Empty: all that is left of it.",
    )
    field_order = ("amount", "reason")


@admin.register(Outcome)
class OutcomeAdmin(of_entity.OfEntity[Outcome]):
    """What came of work, one row per outcome; a negative one takes back a part of that which it corrects."""

    list_display = ("id", "at", "entity", "what", figure("amount"), "correction", "source")
    list_filter = (list_filters.choices("kind"), list_filters.times("at"))
    found_by = ("artifact_id", "event_id")
    search_help_text = "An entity as type:id, or the id of an entity, an artifact or an event, whole."
    actions = ("correct",)

    @admin.display(description="kind")
    def what(self, outcome: Outcome) -> str:
        """Return the kind in words."""
        return outcome.get_kind_display().lower()

    @admin.display(description="corrects")
    def correction(self, outcome: Outcome) -> str:
        """Return which row it takes back, and why, if it is a correction."""
        return "" if outcome.corrects_id is None else f"{outcome.corrects_id}: {outcome.note}"

    def has_correct_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may correct outcomes."""
        return request.user.has_perm("economics.add_outcome")

    @admin.action(description="Correct…", permissions=["correct"])
    def correct(self, request: HttpRequest, queryset: QuerySet[Outcome]) -> HttpResponse | None:
        """Ask how much and why, then take it back by a row that names this one."""
        outcome = self.only(request, queryset)
        if outcome is None:
            return None
        form = self.asked(request, CorrectionForm, key=secrets.token_hex(16))
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="correct",
                title="Correct an outcome",
                button="Take back",
                form=form,
                warning=f"{figures.number(outcome.amount)} {outcome.get_kind_display().lower()} were recorded for "
                f"{outcome.entity_type}:{outcome.entity_id}. "
                "What is taken back is a row of its own, at the same time; ROI follows at the "
                "next midnight.",
            )
        chosen, now = form.cleaned_data, timezone.now()
        with self.done(request, lambda: f"Outcome {outcome.pk} is corrected."):
            written = outcomes.correct(
                outcome.pk,
                key=chosen["key"],
                note=chosen["reason"],
                author=request.user.get_username(),
                now=now,
                amount=chosen["amount"],
            )
            if written.recorded_at == now:  # what the same form did before is on record already
                self.log_change(request, outcome, f"Corrected: {chosen['reason']}")
        return None
