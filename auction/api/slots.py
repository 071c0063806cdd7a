"""Slots over HTTP: offered by providers, run by those who won them, graded by graders."""

from typing import TYPE_CHECKING, Any, cast

import django_filters
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from auction import errors, pools, runs, settlement
from auction.api.results import ClearShown, WinShown
from auction.models import Clear, Slot
from config.api import fields, filters, idempotency, views

if TYPE_CHECKING:
    from config.models import Agent


class OfferSlots(fields.Body):
    """Slots to be offered, `available_at` now unless said otherwise, at no less than `reserve_tokens` each."""

    pool = fields.PlainText(max_length=64, default=pools.DEFAULT)
    count = fields.WholeNumber(min_value=1, max_value=pools.MOST_SLOTS_AT_ONCE, default=1)
    reserve_tokens = fields.WholeNumber(min_value=0, default=0)
    available_at = fields.Moment(required=False)
    offer_until = fields.Moment()


class SlotShown(serializers.ModelSerializer[Slot]):
    """An offer. Who provides it is nobody else's business: `own` tells one's own from the rest."""

    pool = serializers.CharField(source="pool.name")
    own = serializers.SerializerMethodField()
    offers_again = serializers.CharField(source="offers_again_id", allow_null=True)

    class Meta:
        """What is shown."""

        model = Slot
        fields = (
            *("id", "pool", "own", "reserve_tokens", "available_at", "offer_until", "state"),
            *("offers_again", "created_at", "closed_at"),
        )

    def get_own(self, slot: Slot) -> bool:
        """Tell whether the caller provides it."""
        own: bool = slot.provider_id == self.context["view"].agent.pk
        return own


class SlotsOffered(serializers.Serializer[object]):
    """The offers made."""

    results = SlotShown(many=True)


class Settle(fields.Body):
    """The cost of a run in LLM tokens (a resource, not money), and the model that used them."""

    actual_cost_tokens = fields.WholeNumber(min_value=0)
    model = fields.PlainText(required=False)


class RecordImpact(fields.Body):
    """The realised value of a run, in USD."""

    actual_impact = fields.Usd()


class SlotFilter(django_filters.FilterSet):
    """Which offers to list: all open ones, or with `own=true` one's own in any state."""

    pool = django_filters.CharFilter(field_name="pool__name")
    state = django_filters.ChoiceFilter(choices=Slot.State.choices)
    own = filters.FlagFilter(method="only_own")

    def only_own(self, slots: QuerySet[Slot], name: str, value: bool) -> QuerySet[Slot]:  # noqa: ARG002, FBT001 - django-filter's signature
        """Narrow to the caller's own; `get_queryset` has seen to the rest."""
        caller = cast("HttpRequest", self.request).user
        return slots.filter(provider=cast("Agent", caller)) if value else slots


class Slots(views.Listed[Slot]):
    """List the open offers, or one's own; offer slots."""

    scopes = {"GET": "market:read", "POST": "slots:offer"}
    keyed = frozenset({"POST"})
    queryset = Slot.objects.select_related("pool")
    serializer_class = SlotShown
    filterset_class = SlotFilter
    ordering = ("available_at", "id")

    def get_queryset(self) -> QuerySet[Slot]:
        """Return the open offers, or all when the filter narrows them to the caller's own."""
        slots = super().get_queryset()
        return slots if self.request.query_params.get("own") == "true" else slots.filter(state=Slot.State.OPEN)

    @extend_schema(request=OfferSlots, responses={201: SlotsOffered})
    def post(self, request: Request) -> HttpResponse:
        """Offer slots to a pool until `offer_until`."""
        asked = fields.checked(OfferSlots, request.data)

        def deed() -> object:
            now = timezone.now()
            terms: dict[str, Any] = {"available_at": now, **asked}
            slots = pools.offer(provider=self.agent, now=now, **terms)
            return {"results": SlotShown(slots, many=True, context={"view": self}).data}

        return idempotency.answered_once(request, 201, deed)


class OneSlot(views.One[Slot]):
    """Read one offer."""

    scopes = {"GET": "market:read"}
    serializer_class = SlotShown
    queryset = Slot.objects.select_related("pool")
    lookup_url_kwarg = "slot_id"
    missing = errors.UnknownSlotError


class StartSlot(views.Scoped):
    """Begin to run a slot."""

    scopes = {"POST": "slots:run"}

    @extend_schema(request=None, responses=WinShown)
    def post(self, request: Request, slot_id: str) -> Response:
        """Begin to run a slot one has won or claimed, and take its lease. Repeatable while it runs.

        The envelope of the task's entity reserves what the task is expected to use. When it refuses, the refusal is
        the answer and the slot is gone: its state is `blocked`, nothing was paid, and the task is open again.
        """

        def deed() -> object:
            got = runs.start(slot_id, runner=self.agent, now=timezone.now())
            return fields.shown(WinShown, got) if isinstance(got, Clear) else got

        return idempotency.repeatable(request, deed)


class Heartbeat(views.Scoped):
    """Keep a lease."""

    scopes = {"POST": "slots:run"}

    @extend_schema(request=None, responses=WinShown)
    def post(self, request: Request, slot_id: str) -> Response:
        """Renew the lease of a running slot. Repeatable."""
        return idempotency.repeatable(
            request,
            lambda: fields.shown(WinShown, runs.heartbeat(slot_id, runner=self.agent, now=timezone.now())),
        )


class SettleSlot(views.Scoped):
    """Report a cost."""

    scopes = {"POST": "slots:run"}
    keyed = frozenset({"POST"})

    @extend_schema(request=Settle, responses=WinShown)
    def post(self, request: Request, slot_id: str) -> HttpResponse:
        """Report the cost of a running slot: it is finished and its charge captured at once."""
        asked = fields.checked(Settle, request.data)

        def deed() -> object:
            clear = settlement.finish(slot_id, runner=self.agent, now=timezone.now(), **asked)
            return fields.shown(WinShown, clear)

        return idempotency.answered_once(request, 200, deed)


class GradeSlot(views.Scoped):
    """Record an impact."""

    scopes = {"POST": "impact:write"}
    keyed = frozenset({"POST"})

    @extend_schema(request=RecordImpact, responses=ClearShown)
    def post(self, request: Request, slot_id: str) -> HttpResponse:
        """Record the realised value of a finished slot, once."""
        asked = fields.checked(RecordImpact, request.data)

        def deed() -> object:
            clear = settlement.record_impact(slot_id, grader=self.agent, now=timezone.now(), **asked)
            return fields.shown(ClearShown, clear)

        return idempotency.answered_once(request, 200, deed)


class WithdrawSlot(views.Scoped):
    """Take an offer back."""

    scopes = {"POST": "slots:offer"}

    @extend_schema(request=None, responses=SlotShown)
    def post(self, request: Request, slot_id: str) -> Response:
        """Take one's slot back; a winner who has not started yet gets the hold released whole. Repeatable."""

        def deed() -> object:
            slot = settlement.withdraw_slot(slot_id, provider=self.agent, now=timezone.now())
            return SlotShown(slot, context={"view": self}).data

        return idempotency.repeatable(request, deed)
