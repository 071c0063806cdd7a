"""Rules of the fleet's budgets in the admin: policy, default envelopes, and pauses."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from config.errors import RefusedError
from config.site import HouseAdmin, figure
from economics import budget_policy, errors, standings, stops
from economics.admin import figures, signed
from economics.models import BudgetPolicy, DefaultEnvelope, Pause


class PolicyForm(forms.ModelForm[BudgetPolicy]):
    """The policy, with the reason of its change."""

    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 2}))

    class Meta:
        """All that a person may set."""

        model = BudgetPolicy
        fields = (
            *("zone", "week_starts_on", "fleet_daily_usd", "request_token_cap", "request_usd_cap"),
            *("reservation_seconds", "reservation_most_seconds", "unsplit_output_share"),
            *("safety_seconds", "score_seconds"),
        )
        widgets = {"zone": forms.TextInput(attrs={"class": "vTextField"})}
        labels = {
            "fleet_daily_usd": "USD a day",
            "request_token_cap": "LLM tokens in one reservation",
            "request_usd_cap": "USD in one reservation",
            "reservation_seconds": "Usual life of a reservation (seconds)",
            "reservation_most_seconds": "Longest life (seconds)",
            "safety_seconds": "Seconds between two checks",
            "score_seconds": "Seconds between two makings of scores",
        }

    def clean_zone(self) -> str:
        """Refuse a zone that PostgreSQL does not know."""
        zone: str = self.cleaned_data["zone"]
        if not budget_policy.is_zone(zone):
            raise forms.ValidationError("There is no such time zone, as UTC or Europe/Zurich.", code="zone")  # noqa: EM101, TRY003 - Django's way
        return zone

    def clean(self) -> dict[str, Any]:
        """Refuse a longest life below the usual one."""
        chosen = super().clean() or self.cleaned_data
        if chosen.get("reservation_most_seconds", 0) < chosen.get("reservation_seconds", 0):
            self.add_error("reservation_most_seconds", "The longest life cannot lie below the usual one.")
        return chosen


@admin.register(BudgetPolicy)
class BudgetPolicyAdmin(HouseAdmin[BudgetPolicy]):
    """The rules of the fleet's budgets: one row, to be changed only. The fleet is paused and resumed here."""

    form = PolicyForm
    list_display = ("__str__", "zone", "week_starts_on", figure("fleet_daily_usd"), "today", "paused")
    readonly_fields = ("today", "paused", "checked", "last_weighed_on")
    actions = ("pause_fleet", "resume_fleet")
    fieldsets = (
        ("Today", {"fields": ("today", "paused", "checked", "last_weighed_on")}),
        ("The fleet", {"fields": ("fleet_daily_usd", "request_token_cap", "request_usd_cap")}),
        ("Calendar", {
            "fields": ("zone", "week_starts_on"),
            "description": "Changing either counts every window that is live anew, under the new calendar.",
        }),
        ("Reservations and prices", {
            "fields": ("reservation_seconds", "reservation_most_seconds", "unsplit_output_share"),
        }),
        ("How often", {"fields": ("safety_seconds", "score_seconds")}),
        (None, {"fields": ("reason",)}),
    )  # fmt: skip

    @admin.display(description="fleet today (USD)")
    def today(self, policy: BudgetPolicy) -> str:  # noqa: ARG002 - there is one
        """Return what the fleet has spent and holds today, and its cap."""
        line = standings.of_fleet(at=timezone.now())
        cap = f"of {figures.number(line.limit)}" if line.limit is not None else "without a cap"
        return f"{line.settled:,.2f} spent, {line.held:,.2f} held, {cap}"

    @admin.display(description="fleet")
    def paused(self, policy: BudgetPolicy) -> str:  # noqa: ARG002 - there is one
        """Return whether the fleet runs, or since when, by whom and why it is paused."""
        pause = Pause.objects.filter(agent=None, ended_at=None).first()
        if pause is None:
            return "runs"
        return f"paused since {pause.began_at:%Y-%m-%d %H:%M} UTC by {pause.began_by}: {pause.reason}"

    @admin.display(description="last check of spend")
    def checked(self, policy: BudgetPolicy) -> datetime | None:
        """Return when spend was last held against the limits."""
        return policy.last_safety_at

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: there is one policy."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: BudgetPolicy | None = None) -> bool:  # noqa: ARG002
        """Refuse: there is always a policy."""
        return False

    def save_model(self, request: HttpRequest, obj: BudgetPolicy, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        """Change just what was changed, by the rule."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data if name != "reason"}
        by = figures.author(request, form.cleaned_data["reason"])
        budget_policy.change(author=by, now=timezone.now(), **changes)

    def has_pause_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may pause and resume."""
        return request.user.has_perm("economics.add_pause")

    @admin.action(description="Pause the fleet…", permissions=["pause"])
    def pause_fleet(self, request: HttpRequest, queryset: QuerySet[BudgetPolicy]) -> HttpResponse | None:
        """Ask why, then stop every reservation from the next call on."""
        form = self.asked(request, figures.ReasonForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="pause_fleet",
                title="Pause the fleet",
                button="Pause",
                form=form,
                warning="No agent is given a reservation from the next call on. What was reserved may be settled.",
            )
        with self.done(request, lambda: "The fleet is paused."):
            stops.pause(author=figures.author(request, form.cleaned_data["reason"]), now=timezone.now())
        return None

    @admin.action(description="Resume the fleet…", permissions=["pause"])
    def resume_fleet(self, request: HttpRequest, queryset: QuerySet[BudgetPolicy]) -> HttpResponse | None:
        """Ask why, then let the fleet reserve again."""
        form = self.asked(request, figures.ReasonForm)
        if not form.is_valid():
            title = "Resume the fleet"
            return self.ask(request, queryset, deed="resume_fleet", title=title, button="Resume", form=form)
        by, found = figures.author(request, form.cleaned_data["reason"]), False
        with self.done(request, lambda: "The fleet runs again." if found else "The fleet was not paused."):
            found = stops.resume(author=by, now=timezone.now())
        return None


@admin.register(DefaultEnvelope)
class DefaultEnvelopeAdmin(signed.SignedAdmin[DefaultEnvelope]):
    """What an entity of a type gets on its first use. Envelopes opened before keep what they have."""

    list_display = (
        *("entity_type", "window_kind", figure("token_budget"), figure("cpu_budget"), figure("storage_budget_gb")),
        figure("api_call_budget"),
    )
    ordering = ("entity_type",)

    def get_readonly_fields(self, request: HttpRequest, obj: DefaultEnvelope | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Fix the type once given."""
        return ("entity_type",) if obj else ()


class PauseForm(forms.ModelForm[Pause]):
    """Whom to stop and why."""

    class Meta:
        """What a person says; the rest follows."""

        model = Pause
        fields = ("agent", "reason")
        widgets = {"reason": forms.Textarea(attrs={"rows": 2})}

    def clean(self) -> dict[str, Any]:
        """Refuse a second pause of the same, such as the form sent twice asks for."""
        chosen = super().clean() or self.cleaned_data
        if "agent" in chosen and Pause.objects.filter(agent=chosen["agent"], ended_at=None).exists():
            self.add_error(None, errors.AlreadyPausedError().detail)
        return chosen


@admin.register(Pause)
class PauseAdmin(HouseAdmin[Pause]):
    """Stops put on the fleet or on one agent. A pause is ended by a deed and never edited."""

    form = PauseForm
    list_display = ("id", "whom", "reason", "began_at", "began_by", "ended_at", "ended_by")
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    list_select_related = ("agent",)
    autocomplete_fields = ("agent",)
    actions = ("end",)

    @admin.display(description="whom")
    def whom(self, pause: Pause) -> str:
        """Return the agent, or the fleet."""
        return str(pause)

    def has_change_permission(self, request: HttpRequest, obj: Pause | None = None) -> bool:  # noqa: ARG002
        """Refuse: a pause is ended, not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Pause | None = None) -> bool:  # noqa: ARG002
        """Refuse: pauses stay on record."""
        return False

    def save_model(self, request: HttpRequest, obj: Pause, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        """Pause by the rule; a second pause of the same is told and nothing is written."""
        try:
            by = figures.author(request, obj.reason)
            saved = stops.pause(author=by, now=timezone.now(), agent=obj.agent)
        except RefusedError as refusal:
            self.message_user(request, refusal.detail, "error")
            saved = Pause.objects.get(agent=obj.agent, ended_at=None)
        obj.pk, obj._state.adding = saved.pk, False  # noqa: SLF001 - what Model.save does

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may pause and resume."""
        return request.user.has_perm("economics.add_pause")

    @admin.action(description="Resume…", permissions=["end"])
    def end(self, request: HttpRequest, queryset: QuerySet[Pause]) -> HttpResponse | None:
        """Ask, then end the pauses."""
        form = self.asked(request, figures.ReasonForm)
        if not form.is_valid():
            return self.ask(request, queryset, deed="end", title="End pauses", button="Resume", form=form)
        by, ended = figures.author(request, form.cleaned_data["reason"]), 0
        with self.done(request, lambda: f"Pauses ended: {ended}."):
            for pause in queryset.filter(ended_at=None):
                ended += stops.resume(author=by, now=timezone.now(), agent=pause.agent)
                self.log_change(request, pause, f"Ended: {by.why}")
        return None
