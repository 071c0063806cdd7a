"""Tiers and models in the admin: what there is, what it costs now, and who may be asked for."""

from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from config.site import HouseAdmin
from economics import catalog, revisions
from economics.admin import figures
from economics.models import LanguageModel, Price, Tier
from economics.price_words import million, moment


@admin.register(Tier)
class TierAdmin(HouseAdmin[Tier]):
    """Classes of models that are budgeted by themselves."""

    list_display = ("name", "title", "rank", "suggested_up_to_million", "models")
    ordering = ("rank", "name")
    fields = ("name", "title", "rank", "suggested_up_to")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tier]:
        """Count the models of each."""
        return super().get_queryset(request).annotate(model_count=Count("models"))

    @admin.display(description="suggested up to USD per million out", ordering="suggested_up_to")
    def suggested_up_to_million(self, tier: Tier) -> str | None:
        """Return the bound per million tokens."""
        return None if tier.suggested_up_to is None else million(tier.suggested_up_to)

    @admin.display(description="models", ordering="model_count")
    def models(self, tier: Any) -> str:
        """Lead to the models of the tier."""
        address = reverse("admin:economics_languagemodel_changelist")
        return format_html('<a href="{}?tier__name__exact={}">{}</a>', address, tier.pk, f"{tier.model_count:,}")

    def get_readonly_fields(self, request: HttpRequest, obj: Tier | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Fix the name once given: budgets and usage go by it."""
        return ("name",) if obj else ()


class ModelForm(forms.ModelForm[LanguageModel]):
    """A model of the catalogue."""

    class Meta:
        """What a person may set."""

        model = LanguageModel
        fields = ("name", "provider", "tier", "is_enabled")
        widgets: ClassVar = {
            "name": forms.TextInput(attrs={"class": "vTextField"}),
            "provider": forms.TextInput(attrs={"class": "vTextField"}),
        }

    def clean_name(self) -> str:
        """Refuse what no model can be called."""
        return self._sound(self.cleaned_data["name"])

    def clean_provider(self) -> str:
        """Refuse what no provider can be called; none is fine."""
        provider: str = self.cleaned_data["provider"]
        return self._sound(provider) if provider else provider

    def _sound(self, name: str) -> str:
        if fault := catalog.name_fault(name):
            raise forms.ValidationError(fault, code="name")
        return name


class TierForm(forms.Form):
    """Where to move models."""

    tier = forms.ModelChoiceField(Tier.objects.order_by("rank", "name"), empty_label=None)


class PricedFilter(admin.SimpleListFilter):
    """Whether a model has a price now."""

    title = "price"
    parameter_name = "priced"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Offer both."""
        return [("yes", "has a price now"), ("no", "has none now")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> QuerySet[LanguageModel]:  # noqa: ARG002
        """Keep one of them."""
        chosen = {"yes": False, "no": True}.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(rate_now__isnull=chosen)  # type: ignore[misc]  # annotated


@admin.register(LanguageModel)
class LanguageModelAdmin(HouseAdmin[LanguageModel]):
    """Models by name. A model is switched off rather than deleted; what it costs is set in its prices."""

    form = ModelForm
    list_display = ("name", "provider", "tier", "switched_on", "input_now", "output_now", "since")
    list_filter = ("tier", "is_enabled", PricedFilter, "provider")
    list_select_related = ("tier",)
    ordering = ("name",)
    search_fields = ("name", "provider__exact")
    search_help_text = "Part of a name, or a provider."
    actions = ("set_price", "move", "switch_on", "switch_off")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LanguageModel]:
        """Add the price in force."""
        standing = Price.objects.filter(resource_type="llm_tokens", name=OuterRef("name"), withdrawn_at=None)
        current = standing.filter(effective_from__lte=timezone.now()).order_by("-effective_from")
        columns = {"rate_now": "rate", "output_rate_now": "output_rate", "effective_now": "effective_from"}
        now = {name: Subquery(current.values(column)[:1]) for name, column in columns.items()}
        return super().get_queryset(request).annotate(**now)

    @admin.display(description="on", boolean=True, ordering="is_enabled")
    def switched_on(self, model: LanguageModel) -> bool:
        """Return whether reservations may name it."""
        return model.is_enabled

    @admin.display(description="USD per million in", ordering="rate_now")
    def input_now(self, model: Any) -> str | None:
        """Return what a million input tokens cost."""
        return None if model.rate_now is None else million(model.rate_now)

    @admin.display(description="USD per million out", ordering="output_rate_now")
    def output_now(self, model: Any) -> str | None:
        """Return what a million output tokens cost."""
        return None if model.output_rate_now is None else million(model.output_rate_now)

    @admin.display(description="since", ordering="effective_now")
    def since(self, model: Any) -> str | None:
        """Return since when."""
        return None if model.effective_now is None else moment(model.effective_now)

    @admin.display(description="see")
    def leads(self, model: LanguageModel) -> str:
        """Lead to the prices and the usage of the model."""
        return format_html(
            '<a href="{}?{}">prices</a> · <a href="{}?{}">usage</a>',
            reverse("admin:economics_price_changelist"),
            urlencode({"resource_type__exact": "llm_tokens", "name__exact": model.pk}),
            reverse("admin:economics_usage_changelist"),
            urlencode({"model__exact": model.pk}),
        )

    def get_fields(self, request: HttpRequest, obj: LanguageModel | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Show what an existing model costs."""
        own = ("name", "provider", "tier", "is_enabled")
        return (*own, "input_now", "output_now", "since", "created_at", "leads") if obj else own

    def get_readonly_fields(self, request: HttpRequest, obj: LanguageModel | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Fix the name and the provider once given: usage and prices go by them."""
        return ("name", "provider", "input_now", "output_now", "since", "created_at", "leads") if obj else ()

    def formfield_for_dbfield(self, db_field: Any, request: Any, **options: Any) -> Any:
        """Offer the tiers without the shortcuts that add, change and delete them."""
        field = super().formfield_for_dbfield(db_field, request, **options)
        if db_field.name == "tier" and field is not None:
            for shortcut in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
                setattr(field.widget, shortcut, False)
        return field

    def has_delete_permission(self, request: HttpRequest, obj: LanguageModel | None = None) -> bool:  # noqa: ARG002
        """Refuse: switch it off."""
        return False

    def save_model(self, request: HttpRequest, obj: LanguageModel, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        """Add or change the model by the rules of the catalogue."""
        now = timezone.now()
        with revisions.signed(figures.author(request, "saved in the admin"), now=now):
            if change:
                catalog.change_models([obj.pk], tier=obj.tier_id, is_enabled=obj.is_enabled)
                return
            catalog.add_model(obj.name, tier=obj.tier_id, provider=obj.provider, is_enabled=obj.is_enabled, now=now)
        obj._state.adding = False  # noqa: SLF001 - what Model.save does

    # Deeds

    def has_price_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may set prices."""
        return request.user.has_perm("economics.add_price")

    @admin.action(description="Set a price…", permissions=["price"])
    def set_price(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> HttpResponse | None:
        """Lead to the form of a new price of this model."""
        model = self.only(request, queryset)
        if model is None:
            return None
        asked = urlencode({"resource_type": "llm_tokens", "name": model.pk})
        return HttpResponseRedirect(f"{reverse('admin:economics_price_add')}?{asked}")

    @admin.action(description="Move to a tier…", permissions=["change"])
    def move(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> HttpResponse | None:
        """Ask where, then move the models: their use counts against that tier from the next call on."""
        form = self.asked(request, TierForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="move",
                title="Move models to a tier",
                button="Move",
                form=form,
                warning="From the next call on their tokens count against this tier. What was used stays where it is.",
            )
        tier = form.cleaned_data["tier"]
        self._change(request, queryset, f"moved to {tier}", tier=tier.pk)
        return None

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> None:
        """Let reservations name these models."""
        self._change(request, queryset, "switched on", is_enabled=True)

    @admin.action(description="Switch off…", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> HttpResponse | None:
        """Ask, then refuse reservations that name these models."""
        if not self.asked(request, forms.Form).is_valid():
            return self.ask(
                request,
                queryset,
                deed="switch_off",
                title="Switch models off",
                button="Switch off",
                form=forms.Form(),
                warning="A reservation that names one of these models is refused from the next call on.",
            )
        self._change(request, queryset, "switched off", is_enabled=False)
        return None

    def _change(self, request: HttpRequest, models: QuerySet[LanguageModel], what: str, **changes: Any) -> None:
        chosen, changed = list(models), 0
        with self.done(request, lambda: f"Models {what}: {changed} of {len(chosen)}."):
            with revisions.signed(figures.author(request, f"{what} in the admin"), now=timezone.now()):
                changed = catalog.change_models([model.pk for model in chosen], **changes)
            for model in chosen:
                self.log_change(request, model, what.capitalize() + ".")
