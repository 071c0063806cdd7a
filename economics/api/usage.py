"""Usage over HTTP: what was used, told by the agent that used it, and taken back where it was wrong."""

from decimal import Decimal
from functools import partial

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from config.api import fields, filters, idempotency, views
from economics import errors, events, metering
from economics.api import items
from economics.models import Usage


class ReportUsage(serializers.Serializer[object]):
    """A use of a resource, described for the schema; `events.native` takes it.

    LLM tokens come as `input_tokens` and `output_tokens` (cached ones are part of the input), or as `amount` alone.
    """

    entity_type = serializers.CharField(max_length=64)
    entity_id = serializers.CharField(max_length=200)
    resource_type = serializers.ChoiceField(choices=Usage.Resource.choices)
    amount = fields.Amount(required=False, allow_null=True)
    input_tokens = fields.WholeNumber(min_value=0, required=False, allow_null=True)
    output_tokens = fields.WholeNumber(min_value=0, required=False, allow_null=True)
    cache_read_tokens = fields.WholeNumber(min_value=0, required=False, allow_null=True)
    cache_write_tokens = fields.WholeNumber(min_value=0, required=False, allow_null=True)
    model = serializers.CharField(max_length=200, required=False, allow_null=True)
    tier = serializers.CharField(max_length=64, required=False, allow_null=True)
    provider = serializers.CharField(max_length=64, required=False, allow_null=True)
    artifact_type = serializers.CharField(max_length=64, required=False, allow_null=True)
    artifact_id = serializers.CharField(max_length=200, required=False, allow_null=True)
    slot_id = serializers.CharField(max_length=200, required=False, allow_null=True)
    reported_cost = fields.Usd(required=False, allow_null=True)
    source = serializers.CharField(max_length=200, required=False, allow_null=True)  # type: ignore[assignment] # a serializer of its own has a source, too
    event_id = serializers.CharField(max_length=200, required=False, allow_null=True)
    created_at = serializers.DateTimeField(required=False, allow_null=True)
    started_at = serializers.DateTimeField(required=False, allow_null=True)
    ended_at = serializers.DateTimeField(required=False, allow_null=True)


class Correct(fields.Body):
    """How much of a usage row is taken back (all that is left of it when not said), and why."""

    amount = fields.Amount(min_value=Decimal("0.000001"), required=False)
    note = fields.PlainText(max_length=500)


class UsageShown(fields.Row[Usage]):
    """A use on record. `cost` is in USD, null while nobody has priced it; `created_at` is the time of use."""

    price_state = serializers.ChoiceField(choices=Usage.PriceState.choices)
    source = serializers.SerializerMethodField()  # type: ignore[assignment] # a serializer of its own has a source, too

    class Meta:
        """What is shown."""

        model = Usage
        fields = (
            *("id", "entity_type", "entity_id", "resource_type", "amount", "input_tokens", "output_tokens"),
            *("cache_read_tokens", "cache_write_tokens", "cost", "price_state", "reported_cost", "price_id", "rate"),
            *("output_rate", "is_first_list", "model", "tier", "provider", "artifact_type", "artifact_id", "slot_id"),
            *("reservation_id", "corrects_id", "source", "event_id", "note", "created_at", "recorded_at"),
        )

    def get_source(self, usage: Usage) -> str:
        """Return the source as it was named by the agent: each agent's sources are its own."""
        return usage.source.removeprefix(f"{usage.agent_id}/")


class UsageFilter(django_filters.FilterSet):
    """Which of one's usage to list: since <= created_at < until."""

    entity_type = django_filters.CharFilter()
    entity_id = django_filters.CharFilter()
    resource_type = django_filters.ChoiceFilter(choices=Usage.Resource.choices)
    model = django_filters.CharFilter()
    tier = django_filters.CharFilter()
    provider = django_filters.CharFilter()
    price_state = django_filters.ChoiceFilter(choices=Usage.PriceState.choices)
    slot_id = django_filters.CharFilter()
    reservation_id = filters.IdFilter()
    corrects_id = filters.IdFilter()
    since = filters.MomentFilter(field_name="created_at", lookup_expr="gte")
    until = filters.MomentFilter(field_name="created_at", lookup_expr="lt")


class UsageList(views.Listed[Usage]):
    """List one's own usage, the newest rows first; report one use."""

    scopes = {"GET": "budgets:read", "POST": "usage:write"}
    keyed = frozenset({"POST"})
    queryset = Usage.objects.all()
    serializer_class = UsageShown
    filterset_class = UsageFilter

    def get_queryset(self) -> QuerySet[Usage]:
        """Return the caller's usage."""
        return super().get_queryset().filter(agent_id=self.agent.pk)

    @extend_schema(request=ReportUsage, responses={201: UsageShown})
    def post(self, request: Request) -> HttpResponse:
        """Record a use that happened, reserved or not. It is counted whatever the envelope, and priced if it can be."""
        now = timezone.now()
        event = items.one(request.data, partial(events.native, now=now))

        def deed() -> object:
            return fields.shown(
                UsageShown, metering.record(event, agent_id=self.agent.pk, now=now, namespace=self.agent.pk)
            )

        return idempotency.answered_once(request, 201, deed)


class OneUsage(views.One[Usage]):
    """Read one row of one's usage."""

    scopes = {"GET": "budgets:read"}
    queryset = Usage.objects.all()
    serializer_class = UsageShown
    lookup_url_kwarg = "usage_id"
    missing = errors.UnknownUsageError

    def get_queryset(self) -> QuerySet[Usage]:
        """Return the caller's usage."""
        return super().get_queryset().filter(agent_id=self.agent.pk)


class CorrectUsage(views.Scoped):
    """Take usage back."""

    scopes = {"POST": "usage:write"}
    keyed = frozenset({"POST"})

    @extend_schema(request=Correct, responses={201: UsageShown})
    def post(self, request: Request, usage_id: str) -> HttpResponse:
        """Take back what was reported too much, by a negative row that names the row it corrects."""
        asked = fields.checked(Correct, request.data)

        def deed() -> object:
            contra = metering.correct(
                int(usage_id),
                key=request.headers[idempotency.HEADER],
                author=f"agent {self.agent.pk}",
                agent_id=self.agent.pk,
                now=timezone.now(),
                **asked,
            )
            return fields.shown(UsageShown, contra)

        return idempotency.answered_once(request, 201, deed)
