"""Observations over HTTP: what was seen of entities, told one by one or in bulk; scores are computed from them."""

from functools import partial
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import batches, bodies, fields, filters, idempotency, views
from economics import intake, observations
from economics.api import items
from economics.models import Observation


class ReportObservation(serializers.Serializer[object]):
    """Something seen of an entity, described for the schema; `observations.native` takes it.

    A paper, debate, replication or kg_link needs a `reference` (what it is), a vote, comment or bounty a `principal`
    (whose it is).
    """

    entity_type = serializers.CharField(max_length=64)
    entity_id = serializers.CharField(max_length=200)
    kind = serializers.ChoiceField(choices=Observation.Kind.choices)
    reference = serializers.CharField(max_length=200, required=False, allow_null=True)
    principal = serializers.CharField(max_length=200, required=False, allow_null=True)
    source = serializers.CharField(max_length=200, required=False, allow_null=True)  # type: ignore[assignment] # a serializer of its own has a source, too
    event_id = serializers.CharField(max_length=200)
    at = serializers.DateTimeField(required=False, allow_null=True)


class ObservationShown(fields.Row[Observation]):
    """Something seen of an entity. Whose vote it was, and under which id it came, is shown to whom it came from."""

    principal = serializers.SerializerMethodField()
    source = serializers.SerializerMethodField()  # type: ignore[assignment] # a serializer of its own has a source, too
    event_id = serializers.SerializerMethodField()

    class Meta:
        """What is shown."""

        model = Observation
        fields = (
            *("id", "entity_type", "entity_id", "kind", "reference", "principal", "source", "event_id", "at"),
            *("recorded_at", "withdrawn_at"),
        )

    def _is_own(self, seen: Observation) -> bool:
        return seen.source.startswith(f"{self.context['agent'].pk}/")

    def get_principal(self, seen: Observation) -> str | None:
        """Return whose it was, to whom it came from."""
        return seen.principal if self._is_own(seen) else None

    def get_source(self, seen: Observation) -> str | None:
        """Return the source as the agent named it: each agent's sources are its own."""
        return seen.source.partition("/")[2] if self._is_own(seen) else None

    def get_event_id(self, seen: Observation) -> str | None:
        """Return the source's id, to whom it came from."""
        return seen.event_id if self._is_own(seen) else None


class ObservationTaken(serializers.Serializer[object]):
    """What became of one item: its row, new or from before."""

    index = serializers.IntegerField()
    status = serializers.ChoiceField(choices=items.STATUSES)
    observation_id = serializers.IntegerField(allow_null=True)
    code = serializers.CharField(allow_null=True)
    errors = batches.ItemFault(many=True)  # type: ignore[assignment] # a serializer of its own has errors, too


class ObservationsTaken(serializers.Serializer[object]):
    """What became of each observation of a batch, in the order given."""

    counts = batches.RecordedCounts()
    results = ObservationTaken(many=True)


class ObservationFilter(django_filters.FilterSet):
    """Which observations to list: since <= at < until; `live`: not withdrawn."""

    entity_type = django_filters.CharFilter()
    entity_id = django_filters.CharFilter()
    kind = django_filters.ChoiceFilter(choices=Observation.Kind.choices)
    reference = django_filters.CharFilter()
    live = filters.FlagFilter(field_name="withdrawn_at", lookup_expr="isnull")
    since = filters.MomentFilter(field_name="at", lookup_expr="gte")
    until = filters.MomentFilter(field_name="at", lookup_expr="lt")


class Observations(views.Listed[Observation]):
    """List what was seen, the newest rows first; report one thing."""

    scopes = {"GET": "budgets:read", "POST": "observations:write"}
    keyed = frozenset({"POST"})
    queryset: QuerySet[Observation] = Observation.objects.all()
    serializer_class = ObservationShown
    filterset_class = ObservationFilter

    def get_serializer_context(self) -> dict[str, Any]:
        """Add who asks."""
        return {**super().get_serializer_context(), "agent": self.agent}

    @extend_schema(request=ReportObservation, responses={201: ObservationShown})
    def post(self, request: Request) -> HttpResponse:
        """Record something seen of an entity, once per source and event id; scores follow at the next recomputation."""
        now = timezone.now()
        seen = items.one(request.data, partial(observations.native, now=now))

        def deed() -> object:
            row = observations.observe(seen, now=now, namespace=self.agent.pk)
            return ObservationShown(row, context={"agent": self.agent}).data

        return idempotency.answered_once(request, 201, deed)


class ObservationBatch(views.Scoped):
    """Report up to 10,000 observations, each judged by itself."""

    scopes = {"POST": "observations:write"}
    parser_classes = [bodies.as_it_came(kind) for kind in (intake.JSON, intake.NDJSON)]

    @extend_schema(
        request={intake.JSON: ReportObservation(many=True), intake.NDJSON: OpenApiTypes.STR},
        responses=ObservationsTaken,
    )
    def post(self, request: Request) -> Response:
        """Record up to 10,000 observations in one go; one that is refused does not stop the others.

        Each counts once per source and event id: a batch may simply be sent again, so no Idempotency-Key is needed.
        """
        now = timezone.now()
        body: Any = request.data or b""  # DRF asks no parser about an empty body
        read = intake.objects(
            body,
            request.content_type,
            read=partial(observations.native, now=now),
            most=observations.MOST_AT_ONCE,
            named="observations",
        )
        good = [item for item in read if isinstance(item, observations.Observed)]
        recorded = iter(idempotency.retried(lambda: observations.observe_many(good, now=now, namespace=self.agent.pk)))
        results = [
            items.refused(place, item, observation_id=None) if isinstance(item, list) else _taken(place, next(recorded))
            for place, item in enumerate(read)
        ]
        return Response(batches.answer(results, items.STATUSES))


def _taken(place: int, one: observations.Recorded) -> dict[str, Any]:
    return {
        "index": place,
        "status": one.status,
        "observation_id": one.observation_id,
        "code": one.code or None,
        "errors": [],
    }
