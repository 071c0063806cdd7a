"""Bids over HTTP: an agent's own, and nobody else's."""

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from auction import batches, errors, order_book, pools
from auction.models import Bid, Pool
from config.api import fields, idempotency, views
from economics import ledger


class BidTerms(fields.Body):
    """A bid to be placed. Prices in wallet tokens, the value in USD."""

    task_id = fields.PlainText()
    max_price_tokens = fields.WholeNumber(min_value=1)
    ttl_at = fields.Moment()
    expected_value_usd = fields.Usd(required=False)
    time_in_force = fields.Choice(choices=Bid.TimeInForce.choices, required=False)


class PlaceBid(BidTerms):
    """A bid, and the pool it goes to."""

    pool = fields.PlainText(max_length=64, default=pools.DEFAULT)


class PlaceBids(fields.Body):
    """Up to 1,000 bids for one pool."""

    pool = fields.PlainText(max_length=64, default=pools.DEFAULT)
    bids = serializers.ListField(child=BidTerms(), allow_empty=False, max_length=batches.MOST_IN_A_BATCH)


class BidShown(serializers.ModelSerializer[Bid]):
    """A bid as its owner sees it."""

    pool = serializers.CharField(source="pool.name")
    task_id = serializers.CharField()
    round_id = serializers.IntegerField(allow_null=True)
    expected_value_usd = fields.Usd()

    class Meta:
        """What is shown."""

        model = Bid
        fields = (
            *("id", "pool", "task_id", "max_price_tokens", "expected_value_usd", "time_in_force"),
            *("placed_at", "ttl_at", "status", "closed_at", "round_id"),
        )


class BidPlaced(serializers.Serializer[batches.Placed]):
    """What became of one bid of a batch."""

    task_id = serializers.CharField()
    bid_id = serializers.IntegerField(allow_null=True)
    status = serializers.ChoiceField(choices=["open", "refused"])
    code = serializers.CharField(allow_null=True)
    detail = serializers.CharField(allow_null=True)


class BidsPlaced(serializers.Serializer[object]):
    """What became of each bid of a batch, in the order given."""

    results = BidPlaced(many=True)


class BidFilter(django_filters.FilterSet):
    """Which of one's bids to list."""

    status = django_filters.ChoiceFilter(choices=Bid.Status.choices)
    task_id = django_filters.CharFilter()
    pool = django_filters.CharFilter(field_name="pool__name")


class Bids(views.Listed[Bid]):
    """List one's own bids, newest first; place one."""

    scopes = {"GET": "market:read", "POST": "bids:write"}
    keyed = frozenset({"POST"})
    queryset = Bid.objects.select_related("pool")
    serializer_class = BidShown
    filterset_class = BidFilter

    def get_queryset(self) -> QuerySet[Bid]:
        """Return the caller's bids."""
        return super().get_queryset().filter(account_id=ledger.wallet_of(self.agent))

    @extend_schema(request=PlaceBid, responses={201: BidShown})
    def post(self, request: Request) -> HttpResponse:
        """Place a bid. Its full price is held until it wins, loses, expires or is cancelled."""
        terms = fields.checked(PlaceBid, request.data)

        def deed() -> object:
            bid = order_book.place_bid(agent_id=self.agent.pk, now=timezone.now(), **terms)
            # Known already: not worth a query, nor a default for each of its settings.
            bid.pool = Pool.from_db(None, ["id", "name"], [bid.pool_id, terms["pool"]])
            return fields.shown(BidShown, bid)

        return idempotency.answered_once(request, 201, deed)


class BidBatch(views.Scoped):
    """Place up to 1,000 bids, each judged by itself."""

    scopes = {"POST": "bids:write"}
    keyed = frozenset({"POST"})

    @extend_schema(request=PlaceBids, responses=BidsPlaced)
    def post(self, request: Request) -> HttpResponse:
        """Place up to 1,000 bids in one go; one that is refused does not stop the others."""
        asked = fields.checked(PlaceBids, request.data)
        offers = [batches.Offer(**terms) for terms in asked["bids"]]

        def deed() -> object:
            placed = batches.place_bids(
                offers, now=timezone.now(), wallet=ledger.wallet_of(self.agent), pool=asked["pool"]
            )
            return {"results": [_shown(one) for one in placed]}

        return idempotency.answered_once(request, 200, deed)


class OneBid(views.One[Bid]):
    """Read one of one's bids; take it back."""

    scopes = {"GET": "market:read", "DELETE": "bids:write"}
    queryset = Bid.objects.select_related("pool")
    serializer_class = BidShown
    lookup_url_kwarg = "bid_id"
    missing = errors.UnknownBidError

    def get_queryset(self) -> QuerySet[Bid]:
        """Return the caller's bids."""
        return super().get_queryset().filter(account_id=ledger.wallet_of(self.agent))

    @extend_schema(responses=BidShown)
    def delete(self, request: Request, bid_id: str) -> Response:
        """Take an open bid back; the same as posting to its `cancel`."""
        return _cancelled(self, request, bid_id)


class CancelBid(views.Scoped):
    """Take a bid back."""

    scopes = {"POST": "bids:write"}

    @extend_schema(request=None, responses=BidShown)
    def post(self, request: Request, bid_id: str) -> Response:
        """Take an open bid back: its hold is released whole. Repeatable."""
        return _cancelled(self, request, bid_id)


def _cancelled(view: views.Scoped, request: Request, bid_id: str) -> Response:
    def deed() -> object:
        wallet = ledger.wallet_of(view.agent)
        return fields.shown(BidShown, order_book.cancel_bid(int(bid_id), wallet=wallet, now=timezone.now()))

    return idempotency.repeatable(request, deed)


def _shown(one: batches.Placed) -> dict[str, object]:
    no = one.refusal
    return {
        "task_id": one.task_id,
        "bid_id": one.bid_id,
        "status": "refused" if no else "open",
        "code": no.code if no else None,
        "detail": no().detail if no else None,
    }
