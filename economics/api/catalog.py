"""The catalogue over HTTP: tiers, the models in them, and what a unit of each resource costs."""

from datetime import datetime
from typing import Any

import django_filters
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api import fields, filters, views
from config.errors import NotFoundError
from economics.models import LanguageModel, Price, Tier, Usage


class UnknownPriceError(NotFoundError):
    """There is no such price."""

    code = "unknown_price"


class ModelNotFoundError(NotFoundError):
    """The catalogue has no model of this name."""

    code = "model_not_found"


class PriceShown(fields.Row[Price]):
    """A list price from a moment on, in USD per token (of input where there are two rates), second, GB-hour or call."""

    class Meta:
        """What is shown."""

        model = Price
        fields = (
            *("id", "resource_type", "name", "effective_from", "rate", "output_rate", "cache_read_rate"),
            *("cache_write_rate", "source", "created_at", "withdrawn_at"),
        )


class ModelShown(fields.Row[LanguageModel]):
    """A model, its tier, and the price admission goes by at present: null when it has none, and is refused."""

    tier = serializers.CharField(source="tier_id")
    price = serializers.SerializerMethodField()

    class Meta:
        """What is shown."""

        model = LanguageModel
        fields = ("name", "provider", "tier", "is_enabled", "price")

    @extend_schema_field(PriceShown(allow_null=True))
    def get_price(self, model: LanguageModel) -> Any:
        """Return the price as remembered for the page."""
        price = self.context["view"].prices.get(model.pk)
        return fields.shown(PriceShown, price) if price else None


class TierShown(fields.Row[Tier]):
    """A class of models that is budgeted by itself; cheaper ones have a lower rank."""

    class Meta:
        """What is shown."""

        model = Tier
        fields = ("name", "title", "rank")


class PriceFilter(django_filters.FilterSet):
    """Which prices to list; `at`: those in force at that moment."""

    resource_type = django_filters.ChoiceFilter(choices=Usage.Resource.choices)
    name = django_filters.CharFilter()
    at = filters.MomentFilter(method="in_force")

    def in_force(self, prices: QuerySet[Price], name: str, at: datetime) -> QuerySet[Price]:  # noqa: ARG002 - django-filter's signature
        """Narrow to the last price of each kind that had begun by then."""
        begun = prices.filter(effective_from__lte=at)
        later = Price.objects.filter(
            resource_type=OuterRef("resource_type"),
            name=OuterRef("name"),
            effective_from__gt=OuterRef("effective_from"),
            effective_from__lte=at,
            withdrawn_at=None,
        )
        return begun.filter(~Exists(later))


class Prices(views.Listed[Price]):
    """List the prices that stand, whatever their time, those set last first."""

    scopes = {"GET": "budgets:read"}
    queryset = Price.objects.filter(withdrawn_at=None)
    serializer_class = PriceShown
    filterset_class = PriceFilter


class OnePrice(views.One[Price]):
    """Read one price, withdrawn or not: usage names what it was priced with."""

    scopes = {"GET": "budgets:read"}
    queryset = Price.objects.all()
    serializer_class = PriceShown
    lookup_url_kwarg = "price_id"
    missing = UnknownPriceError


class ModelFilter(django_filters.FilterSet):
    """Which models to list."""

    tier = django_filters.CharFilter(field_name="tier_id")
    provider = django_filters.CharFilter()
    enabled = filters.FlagFilter(field_name="is_enabled")


def _with_price(models: QuerySet[LanguageModel]) -> QuerySet[LanguageModel]:
    """Add the id of the price that admission takes at this moment."""
    sql = "(SELECT id FROM economics_price('llm_tokens', economics_models.name, %s))"
    return models.annotate(price_id=RawSQL(sql, [timezone.now()]))  # noqa: S611 - a constant


def _prices_of(models: list[LanguageModel]) -> dict[str, Price]:
    ids = {model.pk: model.price_id for model in models}  # type: ignore[attr-defined] # annotated
    prices = Price.objects.in_bulk([price for price in ids.values() if price is not None])
    return {name: prices[price] for name, price in ids.items() if price is not None}


class Models(views.Listed[LanguageModel]):
    """List the models of the catalogue by name, each with its present price."""

    scopes = {"GET": "budgets:read"}
    queryset = LanguageModel.objects.all()
    serializer_class = ModelShown
    filterset_class = ModelFilter
    ordering = ("name",)
    prices: dict[str, Price]

    def paginate_queryset(self, queryset: Any) -> Any:
        """Return a page and remember the prices of all its models."""
        page = super().paginate_queryset(_with_price(queryset)) or []
        self.prices = _prices_of(page)
        return page


class OneModel(views.One[LanguageModel]):
    """Read one model by its name in the catalogue."""

    scopes = {"GET": "budgets:read"}
    queryset = LanguageModel.objects.all()
    serializer_class = ModelShown
    lookup_field = "name"
    missing = ModelNotFoundError
    prices: dict[str, Price]

    def get_queryset(self) -> QuerySet[LanguageModel]:
        """Return the models with their prices' ids."""
        return _with_price(super().get_queryset())

    def get_object(self) -> LanguageModel:
        """Return the model and remember its price."""
        model = super().get_object()
        self.prices = _prices_of([model])
        return model


class Tiers(views.Listed[Tier]):
    """List the tiers, the cheapest first."""

    scopes = {"GET": "budgets:read"}
    queryset = Tier.objects.all()
    serializer_class = TierShown
    ordering = ("rank", "name")
