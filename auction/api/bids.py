"""Bids over HTTP: an agent's own, and nobody else's."""

from typing import Any, cast

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from auction import errors, order_book, pools
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
    """A bid and the pool it goes to."""

    pool = fields.PlainText(max_length=64, required=False)


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


class BidFilter(django_filters.FilterSet):
    """Which of one's bids to list."""

    status = django_filters.ChoiceFilter(choices=Bid.Status.choices)
    task_id = django_filters.CharFilter()
    pool = django_filters.CharFilter(field_name="pool__name")


class Bids(views.Scoped, generics.ListAPIView[Bid]):
    """List one's own bids, newest first; place one."""

    scopes = {"GET": "market:read", "POST": "bids:write"}
    serializer_class = BidShown
    filterset_class = BidFilter

    def get_queryset(self) -> QuerySet[Bid]:
        """Return the caller's bids."""
        return own_bids(self)

    def post(self, request: Request) -> HttpResponse:
        """Place a bid: its full price is held until it wins, loses, expires or is cancelled."""
        terms = dict(fields.checked(PlaceBid, request.data))
        pool = terms.setdefault("pool", pools.DEFAULT)

        def deed() -> object:
            wallet = ledger.open_wallet(agent=self.agent)
            bid = order_book.place_bid(wallet=wallet.pk, now=timezone.now(), **terms)
            bid.pool = Pool(pk=bid.pool_id, name=pool)  # known already: not worth a query
            return BidShown(bid).data

        return idempotency.answered_once(request, 201, deed)


def own_bids(view: views.Scoped) -> QuerySet[Bid]:
    """Return the bids of the caller's wallet."""
    wallet = ledger.open_wallet(agent=view.agent)
    return Bid.objects.filter(account_id=wallet.pk).select_related("pool")
