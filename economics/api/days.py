"""Days of usage over HTTP: what each entity used, summed over whoever used it."""

from typing import Any

import django_filters
from django.db.models import DecimalField, Exists, F, Field, IntegerField, OuterRef, QuerySet, Subquery, Sum
from rest_framework import serializers

from config.api import fields, filters, views
from economics.models import Usage, UsageDay

# A day, an entity and a kind of resource: the columns of the unique index, but for the agent.
_KIND = ("day", "entity_type", "entity_id", "resource_type", "tier", "provider")
_SUMS: dict[str, Field[Any, Any]] = {
    "amount": DecimalField(max_digits=36, decimal_places=6),
    "cost": DecimalField(max_digits=36, decimal_places=12),
    "unpriced_amount": DecimalField(max_digits=36, decimal_places=6),
    "events": IntegerField(),
}


class DayShown(fields.Row[UsageDay]):
    """What an entity used of one kind in a day of the policy's zone; `cost` in USD is that of what has a price."""

    amount = fields.Exact(source="sum_of_amount", max_digits=36, decimal_places=6)
    cost = fields.Exact(source="sum_of_cost", max_digits=36, decimal_places=12)
    unpriced_amount = fields.Exact(source="sum_of_unpriced_amount", max_digits=36, decimal_places=6)
    events = serializers.IntegerField(source="sum_of_events")

    class Meta:
        """What is shown."""

        model = UsageDay
        fields = (*_KIND, *_SUMS)


class DayFilter(django_filters.FilterSet):
    """Which days to list: since <= day < until; `own=true`: what the caller used, else what all did."""

    entity_type = django_filters.CharFilter()
    entity_id = django_filters.CharFilter()
    resource_type = django_filters.ChoiceFilter(choices=Usage.Resource.choices)
    tier = django_filters.CharFilter()
    provider = django_filters.CharFilter()
    day = filters.DayFilter()
    since = filters.DayFilter(field_name="day", lookup_expr="gte")
    until = filters.DayFilter(field_name="day", lookup_expr="lt")
    own = filters.FlagFilter(method="as_it_is")

    def as_it_is(self, days: QuerySet[UsageDay], name: str, value: bool) -> QuerySet[UsageDay]:  # noqa: ARG002, FBT001 - django-filter's signature
        """Leave the days alone: `get_queryset` has seen to it."""
        return days


class UsageDays(views.Listed[UsageDay]):
    """List the days of usage of all entities, the latest first; who used what stays unsaid."""

    scopes = {"GET": "budgets:read"}
    queryset = UsageDay.objects.all()
    serializer_class = DayShown
    filterset_class = DayFilter
    ordering = ("-day", "-id")

    def get_queryset(self) -> QuerySet[UsageDay]:
        """Return the caller's days, or one row for each kind with the sums over all agents."""
        days = super().get_queryset()
        if self.request.query_params.get("own") == "true":
            return days.filter(agent_id=self.agent.pk).annotate(**{f"sum_of_{name}": F(name) for name in _SUMS})
        # A kind is shown where its first row stands; the sums are made for the rows of a page only.
        same = UsageDay.objects.filter(**{name: OuterRef(name) for name in _KIND})
        sums = {
            f"sum_of_{name}": Subquery(
                same.order_by().values("day").annotate(total=Sum(name)).values("total"), output_field=kind
            )
            for name, kind in _SUMS.items()
        }
        return days.filter(~Exists(same.filter(pk__lt=OuterRef("pk")))).annotate(**sums)
