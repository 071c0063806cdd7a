"""Reservations over HTTP: may this be spent? Asked, answered, settled and released, by the agent that asks."""

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import fields, idempotency, views
from economics import admission, errors
from economics.api.amounts import Measured
from economics.api.usage import UsageShown
from economics.models import Reservation, Usage


class Reserve(Measured):
    """What is to be spent on which entity. `seconds` is how long it is held; `dry_run` only asks."""

    entity_type = fields.PlainText(max_length=64)
    entity_id = fields.PlainText()
    resource_type = fields.Choice(choices=Usage.Resource.choices)
    model = fields.PlainText(required=False)
    tier = fields.PlainText(max_length=64, required=False)
    provider = fields.PlainText(max_length=64, required=False)
    artifact_type = fields.PlainText(max_length=64, required=False)
    artifact_id = fields.PlainText(required=False)
    slot_id = fields.PlainText(required=False)
    seconds = fields.WholeNumber(min_value=1, max_value=admission.MOST_SECONDS, required=False)
    dry_run = fields.Flag(default=False)


class ReportSpent(Measured):
    """What was really used, in the unit of the reservation; cached tokens are part of the input, USD as one saw it."""

    cache_read_tokens = fields.WholeNumber(min_value=0, required=False)
    cache_write_tokens = fields.WholeNumber(min_value=0, required=False)
    reported_cost = fields.Usd(required=False)


class ReservationShown(fields.Row[Reservation]):
    """A hold on an envelope; `usd` is its expected cost, held on the fleet's line."""

    entity_type = serializers.CharField(source="envelope.entity_type")
    entity_id = serializers.CharField(source="envelope.entity_id")

    class Meta:
        """What is shown."""

        model = Reservation
        fields = (
            *("id", "entity_type", "entity_id", "resource_type", "model", "tier", "provider", "amount"),
            *("input_tokens", "output_tokens", "usd", "price_id", "artifact_type", "artifact_id", "slot_id"),
            *("state", "reserved_at", "expires_at", "closed_at", "settled_late"),
        )


class WouldPass(serializers.Serializer[object]):
    """A dry run that would have been admitted, in this tier and at this cost in USD. One that would not is refused."""

    would_pass = serializers.BooleanField()
    tier = serializers.CharField()
    usd = fields.Usd()


class ReservationFilter(django_filters.FilterSet):
    """Which of one's reservations to list."""

    state = django_filters.ChoiceFilter(choices=Reservation.State.choices)
    entity_type = django_filters.CharFilter(field_name="envelope__entity_type")
    entity_id = django_filters.CharFilter(field_name="envelope__entity_id")
    resource_type = django_filters.ChoiceFilter(choices=Usage.Resource.choices)


class Reservations(views.Listed[Reservation]):
    """List one's own reservations, newest first; reserve."""

    scopes = {"GET": "budgets:read", "POST": "budgets:spend"}
    keyed = frozenset({"POST"})
    queryset = Reservation.objects.select_related("envelope")
    serializer_class = ReservationShown
    filterset_class = ReservationFilter

    def get_queryset(self) -> QuerySet[Reservation]:
        """Return the caller's reservations."""
        return super().get_queryset().filter(agent=self.agent)

    @extend_schema(request=Reserve, responses={201: ReservationShown, 200: WouldPass})
    def post(self, request: Request) -> HttpResponseBase:
        """Hold what is asked on every line it touches, or be refused with the figures of the line without room.

        A refusal is on record. With `dry_run` nothing is written, and no Idempotency-Key is looked at: 200 when it
        would pass at this moment, else the refusal it would get.
        """
        asked = fields.checked(Reserve, request.data)
        seconds, dry_run = asked.pop("seconds", None), asked.pop("dry_run")
        ask = admission.Ask(**asked)

        def outcome() -> Reservation | errors.AdmissionRefusedError:
            return admission.reserve(ask, agent_id=self.agent.pk, now=timezone.now(), seconds=seconds, dry_run=dry_run)

        def deed() -> object:
            got = outcome()
            return fields.shown(ReservationShown, got) if isinstance(got, Reservation) else got

        return _dry(idempotency.retried(outcome)) if dry_run else idempotency.answered_once(request, 201, deed)


def _dry(outcome: Reservation | errors.AdmissionRefusedError) -> Response:
    if not isinstance(outcome, Reservation):
        raise outcome
    return Response(WouldPass({"would_pass": True, "tier": outcome.tier, "usd": outcome.usd}).data)


class OneReservation(views.One[Reservation]):
    """Read one of one's reservations."""

    scopes = {"GET": "budgets:read"}
    queryset = Reservation.objects.select_related("envelope")
    serializer_class = ReservationShown
    lookup_url_kwarg = "reservation_id"
    missing = errors.UnknownReservationError

    def get_queryset(self) -> QuerySet[Reservation]:
        """Return the caller's reservations."""
        return super().get_queryset().filter(agent=self.agent)


class SettleReservation(views.Scoped):
    """Report what was used."""

    scopes = {"POST": "budgets:spend"}

    @extend_schema(request=ReportSpent, responses=UsageShown)
    def post(self, request: Request, reservation_id: str) -> Response:
        """Report what was used under a reservation: it is recorded, priced, and the hold released.

        The same figures again return the same usage, others are a conflict; no Idempotency-Key is needed.
        """
        spent = admission.Spent(**fields.checked(ReportSpent, request.data))

        def deed() -> object:
            usage = admission.settle(int(reservation_id), spent, now=timezone.now(), agent_id=self.agent.pk)
            return fields.shown(UsageShown, usage)

        return Response(idempotency.retried(deed))


class ReleaseReservation(views.Scoped):
    """Give a reservation back."""

    scopes = {"POST": "budgets:spend"}

    @extend_schema(request=None, responses=ReservationShown)
    def post(self, request: Request, reservation_id: str) -> Response:
        """Give a reservation back unused. Repeatable."""

        def deed() -> object:
            released = admission.release(int(reservation_id), now=timezone.now(), agent_id=self.agent.pk)
            return fields.shown(ReservationShown, released)

        return idempotency.repeatable(request, deed)
