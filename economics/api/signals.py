"""Signals over HTTP: what an exchange says of an entity, one by one or in bulk, and what all sources have said."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Final

import django_filters
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request

from config.api import batches, fields, filters, idempotency, views
from economics import errors, faults, signals
from economics.api import items
from economics.models import Signal, SignalSource

MOST: Final = 1_000  # in one body; files are imported
_STATUSES: Final = (signals.RECORDED, signals.DUPLICATE, signals.CONFLICT, signals.REFUSED)
_Read = signals.Posted | faults.Faults


class PostSignal(serializers.Serializer[object]):
    """What a source says of an entity, described for the schema; `signals.native` takes it.

    A probability lies between 0 and 1; a price that is none is 0 or more and counts by its rank. It is kept with 12
    decimals.
    """

    entity_type = serializers.CharField(max_length=64)
    entity_id = serializers.CharField(max_length=200)
    value = fields.PlainNumber(max_digits=27, decimal_places=12, min_value=0)
    source = serializers.CharField(max_length=64)  # type: ignore[assignment] # a serializer of its own has a source, too
    event_id = serializers.CharField(max_length=200)
    at = serializers.DateTimeField(required=False, allow_null=True)


class PostSignals(serializers.Serializer[object]):
    """Up to 1,000 signals, each judged by itself."""

    signals = PostSignal(many=True)


class SignalShown(fields.Row[Signal]):
    """A signal on record. Of each source and local day the last one counts."""

    source = serializers.CharField(source="source_id")  # type: ignore[assignment] # as above

    class Meta:
        """What is shown."""

        model = Signal
        fields = (
            *("id", "source", "entity_type", "entity_id", "value", "is_probability", "event_id", "at", "recorded_at"),
        )


class SignalTaken(serializers.Serializer[object]):
    """What became of one signal of several: its row, new or from before."""

    index = serializers.IntegerField()
    status = serializers.ChoiceField(choices=_STATUSES)
    signal_id = serializers.IntegerField(allow_null=True)
    code = serializers.CharField(allow_null=True)
    errors = batches.ItemFault(many=True)  # type: ignore[assignment] # a serializer of its own has errors, too


class SignalsTaken(serializers.Serializer[object]):
    """What became of each signal, in the order given."""

    counts = batches.RecordedCounts()
    results = SignalTaken(many=True)


class SignalFilter(django_filters.FilterSet):
    """Which signals to list: since <= at < until."""

    entity_type = django_filters.CharFilter()
    entity_id = django_filters.CharFilter()
    source = django_filters.CharFilter(field_name="source_id")
    since = filters.MomentFilter(field_name="at", lookup_expr="gte")
    until = filters.MomentFilter(field_name="at", lookup_expr="lt")


class Signals(views.Listed[Signal]):
    """List the signals of all sources, the newest rows first; post one, or several at once."""

    scopes = {"GET": "budgets:read", "POST": "signals:write"}
    keyed = frozenset({"POST"})
    queryset = Signal.objects.all()
    serializer_class = SignalShown
    filterset_class = SignalFilter

    @extend_schema(
        request=PolymorphicProxySerializer(
            component_name="PostOneOrMoreSignals", serializers=[PostSignal, PostSignals], resource_type_field_name=None
        ),
        responses={201: SignalShown, 200: SignalsTaken},
    )
    def post(self, request: Request) -> HttpResponse:
        """Record a signal (201), or up to 1,000 as {"signals": [...]}, of which one that is refused stops no other.

        Each names a source registered for the caller, and counts once per source and `event_id`.
        """
        now = timezone.now()
        read = partial(signals.native, now=now)
        if isinstance(request.data, dict) and request.data.keys() == {"signals"}:
            several = _several(request.data["signals"], read)
            return idempotency.answered_once(request, 200, lambda: self._taken(several, now))
        one = items.one(request.data, read)

        def deed() -> object:
            return fields.shown(SignalShown, signals.post(one, agent=self.agent, now=now))

        return idempotency.answered_once(request, 201, deed)

    def _taken(self, several: list[_Read], now: datetime) -> object:
        """Record what is a signal and say what became of each item."""
        good = [one for one in several if isinstance(one, signals.Posted)]
        recorded = iter(signals.post_many(good, agent=self.agent, now=now))
        results = [
            items.refused(place, one, signal_id=None) if isinstance(one, list) else _answer(place, next(recorded))
            for place, one in enumerate(several)
        ]
        return batches.answer(results, _STATUSES)


def _several(data: Any, read: Callable[..., _Read]) -> list[_Read]:
    """Return what each item of a list is; refuse what is no list, and one that is too long."""
    if not isinstance(data, list):
        fault = exceptions.ErrorDetail("An array is expected.", code="not_a_list")
        raise exceptions.ValidationError({"signals": [fault]})
    if len(data) > MOST:
        msg = f"At most {MOST:,} signals are taken at once."
        raise errors.BatchTooLargeError(msg, size=len(data), most=MOST)
    return [read(item) if isinstance(item, dict) else [faults.fault("not_an_object", "")] for item in data]


def _answer(place: int, one: signals.Recorded) -> dict[str, Any]:
    why = [{"code": one.code, "detail": one.detail, "pointer": ""}] if one.code else []
    return {
        "index": place,
        "status": one.status,
        "signal_id": one.signal_id,
        "code": one.code or None,
        "errors": why,
    }


class SourceShown(fields.Row[SignalSource]):
    """A source of signals. One without an agent is fed by the house; one that is inactive counts for nothing."""

    class Meta:
        """What is shown."""

        model = SignalSource
        fields = ("name", "title", "kind", "is_probability", "agent_id", "is_active", "registered_at")


class SourceFilter(django_filters.FilterSet):
    """Which sources to list."""

    kind = django_filters.ChoiceFilter(choices=SignalSource.Kind.choices)
    agent_id = django_filters.CharFilter()
    is_active = filters.FlagFilter()


class Sources(views.Listed[SignalSource]):
    """List the sources of signals, by name."""

    ordering: ClassVar[tuple[str, ...]] = ("name",)
    scopes = {"GET": "budgets:read"}
    queryset = SignalSource.objects.all()
    serializer_class = SourceShown
    filterset_class = SourceFilter
