"""What people fill in about envelopes."""

from decimal import Decimal
from typing import Any, cast

from django import forms

from economics import envelopes
from economics.admin import figures
from economics.models import Envelope, Grant, Line, Tier, Usage, Window

CHANGED = ("window_kind", *envelopes.CEILINGS, "request_token_cap")


class EnvelopeForm(forms.ModelForm[Envelope]):
    """Base ceilings, with the reason of the change and what its author saw."""

    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 2}), help_text="Goes on record.")
    saw = forms.CharField(required=False, widget=forms.HiddenInput)
    granted = forms.BooleanField(
        required=False, help_text="By ticking this you grant it in the Senate's name: only then may the market lift it."
    )

    class Meta:
        """What a person may set."""

        model = Envelope
        fields = ("entity_type", "entity_id", *CHANGED)
        widgets = {
            "entity_type": forms.TextInput(attrs={"list": "entity-types", "class": "vTextField"}),
            "entity_id": forms.TextInput(attrs={"class": "vTextField"}),
        }
        labels = {
            "window_kind": "Window",
            "token_budget": "LLM tokens",
            "cpu_budget": "CPU seconds",
            "storage_budget_gb": "Storage (GB)",
            "api_call_budget": "API calls",
            "request_token_cap": "LLM tokens in one reservation",
        }

    def __init__(self, *given: Any, **named: Any) -> None:
        """Note what the author sees."""
        super().__init__(*given, **named)
        if self.instance.pk:
            self.fields["saw"].initial = self.seen()

    def clean(self) -> dict[str, Any]:
        """Refuse a ceiling that somebody else has changed since this page was opened."""
        chosen = super().clean() or self.cleaned_data
        if self.instance.pk and chosen.get("saw") != self.seen():
            self.add_error(None, "Somebody changed this envelope while you looked; open it again to see how.")
        return chosen

    def seen(self) -> str:
        """Return the ceilings as stored, as one text to compare."""
        stored = Envelope.objects.get(pk=self.instance.pk)
        return " ".join(
            figures.number(getattr(stored, n)) if n != "window_kind" else stored.window_kind for n in CHANGED
        )


class LineForm(figures.ReasonForm):
    """A further line of an envelope."""

    resource_type = forms.ChoiceField(choices=Usage.Resource.choices)
    qualifier = forms.CharField(
        required=False, max_length=200, label="Tier or provider", help_text="Empty: the class as a whole."
    )
    window_kind = forms.ChoiceField(choices=Window.choices, label="Window")
    base = forms.DecimalField(
        required=False, min_value=0, max_digits=24, decimal_places=6, help_text="Empty: no ceiling. 0: nothing allowed."
    )
    field_order = ("resource_type", "qualifier", "window_kind", "base", "reason")

    def clean(self) -> dict[str, Any]:
        """Refuse a tier that the catalogue does not know."""
        chosen = super().clean() or self.cleaned_data
        tier = chosen.get("qualifier")
        if chosen.get("resource_type") == "llm_tokens" and tier and not Tier.objects.filter(pk=tier).exists():
            self.add_error("qualifier", f"There is no tier {tier}.")
        return chosen


class GrantForm(figures.ReasonForm):
    """An addition that lapses by itself."""

    line = forms.ModelChoiceField(Line.objects.none(), empty_label=None)
    amount = forms.DecimalField(min_value=Decimal("0.000001"), max_digits=24, decimal_places=6)
    windows = forms.IntegerField(
        min_value=1, max_value=366, initial=1, help_text="For so many windows, this one the first; then it lapses."
    )
    seen = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    field_order = ("line", "amount", "windows", "reason", "seen")

    def offer(self, envelope: Envelope) -> None:
        """Offer the lines of this envelope, as they stand with the grants there are."""
        last = Grant.objects.filter(line__envelope=envelope).order_by("-pk").values_list("pk", flat=True).first()
        self.initial["seen"] = last or 0
        field = cast("forms.ModelChoiceField[Line]", self.fields["line"])
        field.queryset = envelope.lines.order_by("pk")
