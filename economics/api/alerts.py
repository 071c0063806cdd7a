"""What went too far over HTTP: lines that reached a threshold, and one's own refused reservations."""

import django_filters
from django.db.models import QuerySet
from rest_framework import serializers

from config.api import fields, filters, views
from economics.models import Alert, Refusal, Usage

_CLASSES = [*Usage.Resource.choices, ("usd", "USD")]


class AlertShown(fields.Row[Alert]):
    """A line whose settled use reached a threshold (percent) of its limit. Without an entity: the fleet's, in USD."""

    entity_type = serializers.CharField(source="line.envelope.entity_type", default=None, allow_null=True)
    entity_id = serializers.CharField(source="line.envelope.entity_id", default=None, allow_null=True)
    resource_type = serializers.CharField(source="line.resource_type")
    line = serializers.CharField()
    seen = serializers.SerializerMethodField()

    class Meta:
        """What is shown."""

        model = Alert
        fields = (
            *("id", "entity_type", "entity_id", "resource_type", "line_id", "line", "window_start", "threshold"),
            *("settled", "limit", "froze", "raised_at", "rearmed_at", "seen"),
        )

    def get_seen(self, alert: Alert) -> bool:
        """Tell whether a person has seen it."""
        return alert.seen_at is not None


class AlertFilter(django_filters.FilterSet):
    """Which alerts to list: since <= raised_at < until."""

    threshold = django_filters.ChoiceFilter(choices=Alert.Threshold.choices)
    entity_type = django_filters.CharFilter(field_name="line__envelope__entity_type")
    entity_id = django_filters.CharFilter(field_name="line__envelope__entity_id")
    resource_type = django_filters.ChoiceFilter(field_name="line__resource_type", choices=_CLASSES)
    unseen = filters.FlagFilter(field_name="seen_at", lookup_expr="isnull")
    since = filters.MomentFilter(field_name="raised_at", lookup_expr="gte")
    until = filters.MomentFilter(field_name="raised_at", lookup_expr="lt")


class Alerts(views.Listed[Alert]):
    """List the alerts of all entities and of the fleet, newest first."""

    scopes = {"GET": "budgets:read"}
    queryset = Alert.objects.select_related("line__envelope")
    serializer_class = AlertShown
    filterset_class = AlertFilter


class RefusalShown(fields.Row[Refusal]):
    """A refused reservation with the figures of the line that refused it; equal ones of a minute share a row."""

    line = serializers.SerializerMethodField()

    class Meta:
        """What is shown."""

        model = Refusal
        fields: tuple[str, ...] = (
            *("id", "code", "entity_type", "entity_id", "resource_type", "model", "qualifier", "line_id", "line"),
            *("asked", "asked_usd", "limit", "settled", "held", "resets_at", "minute", "times", "last_at"),
        )

    def get_line(self, refusal: Refusal) -> str | None:
        """Return the title of the line, if it was a line that refused it."""
        return str(refusal.line) if refusal.line else None


class RefusalFilter(django_filters.FilterSet):
    """Which of one's refusals to list: since <= last_at < until."""

    code = django_filters.CharFilter()
    entity_type = django_filters.CharFilter()
    entity_id = django_filters.CharFilter()
    resource_type = django_filters.ChoiceFilter(choices=Usage.Resource.choices)
    since = filters.MomentFilter(field_name="last_at", lookup_expr="gte")
    until = filters.MomentFilter(field_name="last_at", lookup_expr="lt")


class Refusals(views.Listed[Refusal]):
    """List one's own refused reservations, newest first."""

    scopes = {"GET": "budgets:read"}
    queryset = Refusal.objects.select_related("line")
    serializer_class = RefusalShown
    filterset_class = RefusalFilter

    def get_queryset(self) -> QuerySet[Refusal]:
        """Return the caller's refusals."""
        return super().get_queryset().filter(agent=self.agent)
