"""Outcomes over HTTP: what came of work, told by graders one by one or in bulk, taken back where it was wrong."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final, TypeAlias, cast

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request

from config.api import batches, fields, filters, idempotency, views
from economics import errors, faults, outcomes
from economics.api import items
from economics.models import Outcome

_Read: TypeAlias = "outcomes.Achieved | faults.Faults"
MOST: Final = 1_000  # in one body; files are imported


class ReportOutcome(serializers.Serializer[object]):
    """Something achieved for an entity, or lost again, described for the schema; `outcomes.native` takes it.

    `amount` lies above 0 and counts edges, papers or hypotheses, whole, or points of artifact quality.
    """

    entity_type = serializers.CharField(max_length=64)
    entity_id = serializers.CharField(max_length=200)
    kind = serializers.ChoiceField(choices=Outcome.Kind.choices)
    amount = fields.Amount()
    artifact_type = serializers.CharField(max_length=64, required=False, allow_null=True)
    artifact_id = serializers.CharField(max_length=200, required=False, allow_null=True)
    source = serializers.CharField(max_length=200, required=False, allow_null=True)  # type: ignore[assignment] # a serializer of its own has a source, too
    event_id = serializers.CharField(max_length=200)
    at = serializers.DateTimeField(required=False, allow_null=True)


class ReportOutcomes(serializers.Serializer[object]):
    """Up to 1,000 outcomes, each judged by itself."""

    outcomes = ReportOutcome(many=True)


class OutcomeShown(fields.Row[Outcome]):
    """An outcome on record; a negative one takes back a part of that which it corrects. Who reported it stays unsaid.

    `source` is shown as it was named: each agent's sources are its own.
    """

    source = serializers.SerializerMethodField()  # type: ignore[assignment] # as above

    class Meta:
        """What is shown."""

        model = Outcome
        fields = (
            *("id", "entity_type", "entity_id", "kind", "amount", "artifact_type", "artifact_id", "corrects_id"),
            *("source", "event_id", "note", "at", "recorded_at"),
        )

    def get_source(self, outcome: Outcome) -> str:
        """Return the source without the agent's name before it."""
        return outcome.source.removeprefix(f"{outcome.agent_id}/")


class OutcomeTaken(serializers.Serializer[object]):
    """What became of one outcome of several: its row, new or from before."""

    index = serializers.IntegerField()
    status = serializers.ChoiceField(choices=items.STATUSES)
    outcome_id = serializers.IntegerField(allow_null=True)
    code = serializers.CharField(allow_null=True)
    errors = batches.ItemFault(many=True)  # type: ignore[assignment] # a serializer of its own has errors, too


class OutcomesTaken(serializers.Serializer[object]):
    """What became of each outcome, in the order given."""

    counts = batches.RecordedCounts()
    results = OutcomeTaken(many=True)


class CorrectOutcome(fields.Body):
    """How much of an outcome is taken back (all that is left of it when not said), and why."""

    amount = fields.Amount(min_value=Decimal("0.000001"), required=False)
    note = fields.PlainText(max_length=500)


class OutcomeFilter(django_filters.FilterSet):
    """Which outcomes to list: since <= at < until; `own=true`: what the caller reported, else what all did."""

    entity_type = django_filters.CharFilter()
    entity_id = django_filters.CharFilter()
    kind = django_filters.ChoiceFilter(choices=Outcome.Kind.choices)
    artifact_type = django_filters.CharFilter()
    artifact_id = django_filters.CharFilter()
    corrects_id = filters.IdFilter()
    since = filters.MomentFilter(field_name="at", lookup_expr="gte")
    until = filters.MomentFilter(field_name="at", lookup_expr="lt")
    own = filters.FlagFilter(method="of_the_caller")

    def of_the_caller(self, rows: QuerySet[Outcome], name: str, value: bool) -> QuerySet[Outcome]:  # noqa: ARG002, FBT001 - django-filter's signature
        """Return the caller's outcomes."""
        return rows.filter(agent_id=cast("Request", self.request).user.pk) if value else rows


class Outcomes(views.Listed[Outcome]):
    """List outcomes, the newest rows first; report one, or several at once."""

    scopes = {"GET": "budgets:read", "POST": "outcomes:write"}
    keyed = frozenset({"POST"})
    queryset = Outcome.objects.all()
    serializer_class = OutcomeShown
    filterset_class = OutcomeFilter

    @extend_schema(
        request=PolymorphicProxySerializer(
            component_name="ReportOneOrMoreOutcomes",
            serializers=[ReportOutcome, ReportOutcomes],
            resource_type_field_name=None,
        ),
        responses={201: OutcomeShown, 200: OutcomesTaken},
    )
    def post(self, request: Request) -> HttpResponse:
        """Record an outcome (201), or up to 1,000 as {"outcomes": [...]}, of which one that is refused stops no other.

        Each needs an `event_id` and counts once per source and id.
        """
        now = timezone.now()
        read = partial(outcomes.native, now=now)
        if isinstance(request.data, dict) and request.data.keys() == {"outcomes"}:
            several = _several(request.data["outcomes"], read)
            return idempotency.answered_once(request, 200, lambda: self._taken(several, now))
        one = items.one(request.data, read)

        def deed() -> object:
            row = outcomes.record(one, agent_id=self.agent.pk, now=now, namespace=self.agent.pk)
            return fields.shown(OutcomeShown, row)

        return idempotency.answered_once(request, 201, deed)

    def _taken(self, several: list[_Read], now: datetime) -> object:
        """Record what is an outcome and say what became of each item."""
        good = [one for one in several if isinstance(one, outcomes.Achieved)]
        recorded = iter(outcomes.record_many(good, agent_id=self.agent.pk, now=now, namespace=self.agent.pk))
        results = [
            items.refused(place, one, outcome_id=None) if isinstance(one, list) else _answer(place, next(recorded))
            for place, one in enumerate(several)
        ]
        return batches.answer(results, items.STATUSES)


def _several(data: Any, read: Callable[..., _Read]) -> list[_Read]:
    """Return what each item of a list is; refuse what is no list, and one that is too long."""
    if not isinstance(data, list):
        fault = exceptions.ErrorDetail("An array is expected.", code="not_a_list")
        raise exceptions.ValidationError({"outcomes": [fault]})
    if len(data) > MOST:
        msg = f"At most {MOST:,} outcomes are taken at once."
        raise errors.BatchTooLargeError(msg, size=len(data), most=MOST)
    return [read(item) if isinstance(item, dict) else [faults.fault("not_an_object", "")] for item in data]


def _answer(place: int, one: outcomes.Recorded) -> dict[str, Any]:
    return {
        "index": place,
        "status": one.status,
        "outcome_id": one.outcome_id,
        "code": one.code or None,
        "errors": [],
    }


class OneOutcome(views.One[Outcome]):
    """Read one outcome."""

    scopes = {"GET": "budgets:read"}
    queryset = Outcome.objects.all()
    serializer_class = OutcomeShown
    lookup_url_kwarg = "outcome_id"
    missing = errors.UnknownOutcomeError


class Correction(views.Scoped):
    """Take an outcome back."""

    scopes = {"POST": "outcomes:write"}
    keyed = frozenset({"POST"})

    @extend_schema(request=CorrectOutcome, responses={201: OutcomeShown})
    def post(self, request: Request, outcome_id: str) -> HttpResponse:
        """Take back what one reported too much, by a negative row that names the row it corrects."""
        asked = fields.checked(CorrectOutcome, request.data)

        def deed() -> object:
            contra = outcomes.correct(
                int(outcome_id),
                key=request.headers[idempotency.HEADER],
                author=f"agent {self.agent.pk}",
                agent_id=self.agent.pk,
                now=timezone.now(),
                **asked,
            )
            return fields.shown(OutcomeShown, contra)

        return idempotency.answered_once(request, 201, deed)
