"""Envelopes over HTTP: what each entity may spend, where every line of it stands, and whether the fleet may spend."""

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import fields, filters, views
from economics import errors, standings
from economics.models import Envelope, Pause, Window

_STATES = Envelope.State


class LineShown(serializers.Serializer[standings.Standing]):
    """Where a line stands in its present window, in its unit (USD on the fleet's): what admission goes by.

    `limit = floor(base * (1 + market_weight)) + granted`, null: no ceiling; `remaining = limit - settled - held`.
    """

    line_id = serializers.IntegerField()
    title = serializers.CharField()
    resource_type = serializers.CharField()
    qualifier = serializers.CharField(help_text="Tier or provider; empty: the class as a whole.")
    window_kind = serializers.ChoiceField(choices=Window.choices)
    base = fields.Exact(max_digits=24, decimal_places=6, allow_null=True)
    granted = fields.Exact(max_digits=36, decimal_places=12)
    limit = fields.Exact(max_digits=36, decimal_places=12, allow_null=True)
    settled = fields.Exact(max_digits=36, decimal_places=12)
    held = fields.Exact(max_digits=36, decimal_places=12)
    remaining = fields.Exact(max_digits=36, decimal_places=12, allow_null=True)
    window_start = serializers.DateTimeField()
    resets_at = serializers.DateTimeField(source="window_end", allow_null=True)


class EnvelopeShown(fields.Row[Envelope]):
    """The budget of one entity: base ceilings, what the market makes of them, and every line as it stands."""

    effective_token_budget = serializers.IntegerField()
    effective_cpu_budget = fields.Exact(max_digits=24, decimal_places=6)
    lines = serializers.SerializerMethodField()

    class Meta:
        """What is shown."""

        model = Envelope
        fields = (
            *("id", "entity_type", "entity_id", "state", "state_reason", "frozen_until", "window_kind"),
            *("token_budget", "effective_token_budget", "cpu_budget", "effective_cpu_budget", "storage_budget_gb"),
            *("api_call_budget", "request_token_cap", "priority_score", "market_weight", "roi_score", "granted_at"),
            *("created_at", "lines"),
        )

    @extend_schema_field(LineShown(many=True))
    def get_lines(self, envelope: Envelope) -> Any:
        """Return the lines as they stand."""
        return LineShown(self.context["view"].standing[envelope.pk], many=True).data


class PauseShown(fields.Row[Pause]):
    """A stop put on spending: why, and since when."""

    class Meta:
        """What is shown."""

        model = Pause
        fields = ("reason", "began_at")


class FleetShown(serializers.Serializer[object]):
    """The fleet's USD of the day, and who is stopped: the whole fleet, or the agent that asks."""

    line = LineShown()
    paused = PauseShown(allow_null=True)
    agent_paused = PauseShown(allow_null=True)


class BudgetFilter(django_filters.FilterSet):
    """Which envelopes to list."""

    entity_type = django_filters.CharFilter()
    entity_id = django_filters.CharFilter()
    state = django_filters.ChoiceFilter(choices=_STATES.choices)
    window_kind = django_filters.ChoiceFilter(choices=Window.choices)
    granted = filters.FlagFilter(field_name="granted_at", lookup_expr="isnull", exclude=True)
    frozen = filters.FlagFilter(method="only_frozen")

    def only_frozen(self, rows: QuerySet[Envelope], name: str, value: bool) -> QuerySet[Envelope]:  # noqa: ARG002, FBT001 - django-filter's signature
        """Narrow to the frozen, or to all others."""
        return rows.filter(state=_STATES.FROZEN) if value else rows.exclude(state=_STATES.FROZEN)


class Budgets(views.Listed[Envelope]):
    """List all envelopes with their lines, the newest first."""

    scopes = {"GET": "budgets:read"}
    queryset = Envelope.objects.all()
    serializer_class = EnvelopeShown
    filterset_class = BudgetFilter
    standing: dict[int, list[standings.Standing]]

    def paginate_queryset(self, queryset: Any) -> Any:
        """Return a page and remember where the lines of all its envelopes stand."""
        page = super().paginate_queryset(queryset) or []
        self.standing = standings.of_envelopes([envelope.pk for envelope in page], at=timezone.now())
        return page


class OneBudget(views.One[Envelope]):
    """Read the envelope of one entity."""

    scopes = {"GET": "budgets:read"}
    queryset = Envelope.objects.all()
    serializer_class = EnvelopeShown
    missing = errors.UnknownEnvelopeError
    standing: dict[int, list[standings.Standing]]

    def get_object(self) -> Envelope:
        """Return the envelope of the entity the address names, and remember where its lines stand."""
        envelope = self.get_queryset().filter(**self.kwargs).first()
        if envelope is None:
            raise self.missing(**self.kwargs)
        self.standing = standings.of_envelopes([envelope.pk], at=timezone.now())
        return envelope


class Fleet(views.Scoped):
    """The fleet as a whole."""

    scopes = {"GET": "budgets:read"}

    @extend_schema(responses=FleetShown)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - the same for every query
        """Read where the fleet stands today, in USD, and whether it, or the caller, is paused."""
        pauses = Pause.objects.filter(Q(agent=None) | Q(agent=self.agent), ended_at=None)
        stops = {pause.agent_id: pause for pause in pauses}
        shown = {
            "line": standings.of_fleet(at=timezone.now()),
            "paused": stops.get(None),
            "agent_paused": stops.get(self.agent.pk),
        }
        return Response(FleetShown(shown).data)
