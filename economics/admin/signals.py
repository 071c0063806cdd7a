"""Signals in the admin: the sources that may post, and what they have said."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import list_filters
from config.models import Agent
from config.site import HouseAdmin, figure
from economics import signals
from economics.admin import figures, of_entity
from economics.models import Signal, SignalSource


class SourceForm(forms.ModelForm[SignalSource]):
    """A new source. What it is never changes afterwards."""

    agent = forms.ModelChoiceField(
        Agent.objects.filter(kind=Agent.Kind.EXCHANGE).order_by("pk"),
        required=False,
        empty_label="none: the house feeds it, from files",
        help_text="The exchange that posts.",
    )

    class Meta:
        """What a person may set."""

        model = SignalSource
        fields = ("name", "title", "kind", "is_probability", "agent")
        widgets = {"title": forms.TextInput(attrs={"class": "vTextField"})}
        help_texts = {
            "name": "Letters, digits, - and _. All that is entered here is for good.",
            "is_probability": "Ticked: values lie between 0 and 1 and are used as they are. Not: prices of any scale, "
            "which count by their rank.",
        }

    def clean(self) -> dict[str, Any]:
        """Take the kind of the agent along, which the law asks for."""
        chosen = super().clean() or self.cleaned_data
        agent = chosen.get("agent")
        self.instance.agent_kind = agent.kind if agent else None
        if chosen.get("kind") == SignalSource.Kind.CONFIDENCE and not chosen.get("is_probability"):
            self.add_error("is_probability", "A confidence is a probability.")
        return chosen


@admin.register(SignalSource)
class SignalSourceAdmin(HouseAdmin[SignalSource]):
    """Markets and forecasts that may post signals. A source is switched off rather than deleted."""

    form = SourceForm
    ordering = ("name",)
    list_display = ("name", "title", "kind", "counts_as", "agent", "is_active", "registered_at", "registered_by")
    list_filter = ("kind", "is_active")
    list_select_related = ("agent",)
    search_fields = ("name", "title")
    actions = ("activate", "deactivate")

    def get_fields(self, request: HttpRequest, obj: SignalSource | None = None) -> Any:  # noqa: ARG002 - Django's signature
        """Ask for a new one's terms, or show what an existing one is."""
        asked = ("name", "title", "kind", "is_probability", "agent")
        return (*asked, "is_active", "registered_at", "registered_by", "see") if obj else asked

    def get_readonly_fields(self, request: HttpRequest, obj: SignalSource | None = None) -> Any:
        """Fix what a source is, once it is registered."""
        return self.get_fields(request, obj) if obj else ()

    @admin.display(description="values")
    def counts_as(self, source: SignalSource) -> str:
        """Return how its values count."""
        return "probabilities" if source.is_probability else "by their rank"

    @admin.display(description="see")
    def see(self, source: SignalSource) -> SafeString:
        """Lead to its signals."""
        address = reverse("admin:economics_signal_changelist")
        return format_html('<a href="{}?source__name__exact={}">its signals</a>', address, source.pk)

    def has_change_permission(self, request: HttpRequest, obj: SignalSource | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: a source is switched on and off by deeds."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SignalSource | None = None) -> bool:  # noqa: ARG002 - as above
        """Refuse: what it posted stays."""
        return False

    def save_model(self, request: HttpRequest, obj: SignalSource, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001 - Django's signature
        """Register it, by the rule of `signals`."""
        saved = signals.register(**form.cleaned_data, author=figures.author(request, ""), now=timezone.now())
        obj.registered_at, obj._state.adding = saved.registered_at, False  # noqa: SLF001 - what Model.save does

    # Deeds

    def has_switch_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may switch sources on and off."""
        return request.user.has_perm("economics.change_signalsource")

    @admin.action(description="Activate…", permissions=["switch"])
    def activate(self, request: HttpRequest, queryset: QuerySet[SignalSource]) -> HttpResponse | None:
        """Ask why, then let them post and count."""
        return self._switch(request, queryset, is_active=True)

    @admin.action(description="Deactivate…", permissions=["switch"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[SignalSource]) -> HttpResponse | None:
        """Ask why, then let them neither post nor count."""
        return self._switch(request, queryset, is_active=False)

    def _switch(
        self, request: HttpRequest, queryset: QuerySet[SignalSource], *, is_active: bool
    ) -> HttpResponse | None:
        deed = "activate" if is_active else "deactivate"
        form = self.asked(request, figures.ReasonForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed=deed,
                title=f"{deed.capitalize()} sources",
                button=deed.capitalize(),
                form=form,
                warning="All that they have posted counts again from the next day's step on."
                if is_active
                else "Nothing that they have posted counts any more: from the next day on, market weights move as if "
                "they had been silent.",
            )
        chosen = list(queryset)
        done = 0
        with self.done(request, lambda: f"Sources {deed}d: {done}."):
            done = signals.set_active([source.pk for source in chosen], is_active=is_active)
            for source in chosen:
                self.log_change(request, source, f"{deed.capitalize()}d: {form.cleaned_data['reason']}")
        return None


@admin.register(Signal)
class SignalAdmin(of_entity.OfEntity[Signal]):
    """What sources said of entities, the newest rows first. Of each source and day the last one counts."""

    list_display = ("id", "at", "source", "entity", figure("value"), "counts_as", "event_id", "recorded_at")
    list_filter = (list_filters.related("source"), list_filters.times("at"), list_filters.numbers("value"))
    list_select_related = ("source",)
    found_by = ("event_id",)
    search_help_text = "An entity as type:id, or the id of an entity or of an event, whole."

    @admin.display(description="counts")
    def counts_as(self, signal: Signal) -> str:
        """Return how its value counts."""
        return "as it is" if signal.is_probability else "by its rank"
