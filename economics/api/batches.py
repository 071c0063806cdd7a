"""Usage in bulk over HTTP: lines of JSON, arrays or CloudEvents in, and what became of each item out."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import batches, bodies, idempotency, views
from economics import events, faults, intake, metering
from economics.api import items
from economics.api.usage import ReportUsage


class Taken(serializers.Serializer[object]):
    """What became of one item: its row, new or from before, and its cost in USD (null: not priced yet)."""

    index = serializers.IntegerField()
    status = serializers.ChoiceField(choices=items.STATUSES)
    usage_id = serializers.IntegerField(allow_null=True)
    cost = serializers.CharField(allow_null=True)
    code = serializers.CharField(allow_null=True)
    errors = batches.ItemFault(many=True)  # type: ignore[assignment] # a serializer of its own has errors, too


class BatchTaken(serializers.Serializer[object]):
    """What became of each item of a batch, in the order given."""

    counts = batches.RecordedCounts()
    results = Taken(many=True)


class UsageBatch(views.Scoped):
    """Report up to 10,000 uses, each judged by itself."""

    scopes = {"POST": "usage:write"}
    parser_classes = [
        bodies.as_it_came(kind) for kind in (intake.JSON, intake.NDJSON, intake.CLOUD_EVENTS, intake.CLOUD_EVENT)
    ]

    @extend_schema(
        request={
            intake.JSON: ReportUsage(many=True),
            intake.NDJSON: OpenApiTypes.STR,
            intake.CLOUD_EVENTS: {"type": "array", "items": {"type": "object"}},
            intake.CLOUD_EVENT: OpenApiTypes.OBJECT,
        },
        responses=BatchTaken,
    )
    def post(self, request: Request) -> Response:
        """Record up to 10,000 uses in one go; one that is refused does not stop the others.

        Each needs an `event_id` (a CloudEvent's `id`) and counts once per source and id: a batch may simply be sent
        again, so no Idempotency-Key is needed.
        """
        body: Any = request.data or b""  # DRF asks no parser about an empty body
        now = timezone.now()
        named = [_named(item) for item in intake.batch(body, request.content_type, now=now, most=metering.MOST_AT_ONCE)]
        good = [item for item in named if isinstance(item, events.Event)]
        recorded = iter(
            idempotency.retried(
                lambda: metering.record_many(good, agent_id=self.agent.pk, now=now, namespace=self.agent.pk)
            )
        )
        results = [
            _taken(place, next(recorded))
            if isinstance(item, events.Event)
            else items.refused(place, item, usage_id=None, cost=None)
            for place, item in enumerate(named)
        ]
        return Response(batches.answer(results, items.STATUSES))


def _named(item: events.Event | faults.Faults) -> events.Event | faults.Faults:
    """Return an item as it is, but for an event that could not be told from itself sent twice."""
    if isinstance(item, events.Event) and item.event_id is None:
        return [faults.fault("required", "/event_id")]
    return item


def _taken(place: int, one: metering.Recorded) -> dict[str, Any]:
    return {
        "index": place,
        "status": one.status,
        "usage_id": one.usage_id,
        "cost": one.cost,
        "code": one.code or None,
        "errors": [],
    }
