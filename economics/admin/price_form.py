"""The form of a price in the admin."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.http import HttpRequest
from django.utils import timezone

from config.errors import RefusedError
from economics import catalog, errors, genai_list, price_words
from economics.catalog import Rates
from economics.models import LanguageModel, Tier, Usage

_WIDE: Final = {"class": "vTextField"}
_NUMBER: Final[dict[str, Any]] = {"max_digits": 30, "decimal_places": catalog.DECIMALS}


class PriceForm(forms.Form):
    """A price from a moment on. Rates are per unit once the form is valid."""

    may_add_models = False

    resource_type = forms.ChoiceField(choices=[(value, value) for value in Usage.Resource.values], label="Class")
    name = forms.CharField(
        required=False,
        max_length=catalog.LONGEST_NAME,
        strip=False,
        widget=forms.TextInput(attrs=_WIDE),
        help_text="The model for LLM tokens, the provider for API calls, else empty.",
    )
    tier = forms.ModelChoiceField(
        Tier.objects.order_by("rank", "name"),
        required=False,
        empty_label="the one it has",
        help_text="Needed for a model that the catalogue does not know: it is added to this tier.",
    )
    provider = forms.CharField(required=False, max_length=catalog.LONGEST_NAME, help_text="Of a new model, if known.")
    per = forms.TypedChoiceField(
        choices=((1_000_000, "million units"), (1, "unit")), coerce=int, label="Prices in USD per"
    )
    rate = forms.DecimalField(**_NUMBER, label="Price", help_text="Of input tokens where there are two. Free is 0.")
    output_rate = forms.DecimalField(
        **_NUMBER, required=False, label="Output", help_text="LLM tokens only, and needed there."
    )
    cache_read_rate = forms.DecimalField(
        **_NUMBER, required=False, label="Cache read", help_text="LLM tokens only. Empty: as other input."
    )
    cache_write_rate = forms.DecimalField(
        **_NUMBER, required=False, label="Cache write", help_text="LLM tokens only. Empty: as other input."
    )
    effective_from = forms.DateTimeField(label="Counts from", help_text="UTC, as 2026-03-01 or 2026-03-01 12:00.")
    source = forms.CharField(
        required=False,
        max_length=catalog.LONGEST_SOURCE,
        widget=forms.TextInput(attrs=_WIDE),
        help_text="Where it stands written.",
    )

    def clean(self) -> dict[str, Any]:
        """Bring the rates to one unit and refuse what the catalogue would."""
        chosen = super().clean() or self.cleaned_data
        if self.errors:
            return chosen
        per_unit = [None if chosen[name] is None else chosen[name] / chosen["per"] for name in Rates._fields]
        rates = Rates(chosen["rate"] / chosen["per"], *per_unit[1:])
        try:
            catalog.check_price(chosen["resource_type"], chosen["name"], rates)
            if chosen["resource_type"] == Usage.Resource.LLM_TOKENS:
                catalog.resolve(chosen["name"])
        except errors.ModelNotListedError:
            if chosen["tier"] is None or not self.may_add_models:
                ask = (
                    "choose the tier it is to join" if self.may_add_models else "somebody who may add models must do so"
                )
                self.add_error("tier", f"The catalogue does not know this model: {ask}.")
        except RefusedError as refusal:
            self.add_error(refusal.pointer.lstrip("/"), refusal.detail)
        return {**chosen, "rates": rates}


def initial(request: HttpRequest) -> dict[str, Any]:
    """Return what is known before the form is filled in: today, what the address names, and what that may cost."""
    now = timezone.now()
    named = {name: str(value) for name, value in request.GET.items() if name in PriceForm.base_fields}
    of_models = named.setdefault("resource_type", "llm_tokens") == Usage.Resource.LLM_TOKENS
    guessed = _guessed(named["name"], now) if of_models and named.get("name") else {}
    return {"effective_from": f"{now:%Y-%m-%d}", "per": 1_000_000 if of_models else 1, **guessed, **named}


def _guessed(name: str, now: datetime) -> dict[str, Any]:
    """Return what the packaged list says of a model that it seems to mean, for the person to check."""
    if not (found := genai_list.likely(name, at=now)):
        return {}
    rates = {field: price_words.million(rate) for field, rate in found.rates._asdict().items() if rate is not None}
    guessed = {**rates, "source": f"{found.source}: {found.provider} {found.model}"}
    if Tier.objects.exists() and not LanguageModel.objects.filter(pk=name).exists():
        guessed |= {"tier": catalog.suggest_tier(found.rates.output_rate or Decimal(0)), "provider": found.provider}
    return guessed
