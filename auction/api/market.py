"""The market in public: pools, book and statistics. Nobody's name is in it."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from auction import errors, order_book, pools, stats
from auction.models import Pool
from config.api import fields, views


class PoolShown(serializers.ModelSerializer[Pool]):
    """A pool and its rules. Prices in wallet tokens."""

    usd_per_token = fields.Exact(max_digits=20, decimal_places=10, help_text="USD per wallet token.")
    reward_rate = fields.Exact(max_digits=7, decimal_places=4, help_text="Tokens per token's worth of impact.")
    runner_share = fields.Exact(max_digits=5, decimal_places=4, help_text="The runner's part of a reward.")

    class Meta:
        """What is shown."""

        model = Pool
        fields = (
            *("name", "mode", "pricing_rule", "capacity", "cycle_seconds", "reserve_tokens"),
            *("min_bid_tokens", "max_bid_tokens", "max_ttl_seconds", "start_deadline_seconds", "lease_seconds"),
            *("usd_per_token", "reward_rate", "reward_cap_tokens", "runner_share", "last_cycle_at", "last_round_at"),
        )


class Pools(views.Listed[Pool]):
    """List the pools."""

    scopes = {"GET": "market:read"}
    serializer_class = PoolShown
    queryset = Pool.objects.all()
    ordering = ("name",)


class OnePool(views.One[Pool]):
    """Read one pool."""

    scopes = {"GET": "market:read"}
    serializer_class = PoolShown
    queryset = Pool.objects.all()
    lookup_field = "name"
    missing = errors.UnknownPoolError


class BookQuery(serializers.Serializer[object]):
    """Which book, and how deep."""

    pool = serializers.CharField(max_length=64, default=pools.DEFAULT)
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)


class BidLevel(serializers.Serializer[object]):
    """All open bids at one price."""

    price_tokens = serializers.IntegerField()
    count = serializers.IntegerField()
    cumulative = serializers.IntegerField(help_text="Bids at this price or a better one.")


class Ask(serializers.Serializer[object]):
    """One open slot and the least it sells for."""

    slot_id = serializers.CharField()
    available_at = serializers.DateTimeField()
    ask_tokens = serializers.IntegerField()


class BookShown(serializers.Serializer[object]):
    """The book by price level, best first."""

    bids = BidLevel(many=True)
    asks = Ask(many=True)


class OrderBook(views.Scoped):
    """The book."""

    scopes = {"GET": "market:read"}

    @extend_schema(parameters=[BookQuery], responses=BookShown)
    def get(self, request: Request) -> Response:
        """Read a pool's book: bids by price level, best first, and asks, cheapest first."""
        asked = fields.checked(BookQuery, request.query_params.dict())
        return Response(order_book.get_order_book(now=timezone.now(), **asked))


class StatsQuery(serializers.Serializer[object]):
    """Which pool, and how far back."""

    pool = serializers.CharField(max_length=64, default=pools.DEFAULT)
    hours = serializers.IntegerField(min_value=1, max_value=720, default=24)


class RoundPrice(serializers.Serializer[object]):
    """The outcome of one round that sold."""

    cleared_at = serializers.DateTimeField()
    market_price_tokens = serializers.IntegerField()
    slots_sold = serializers.IntegerField()
    slots_offered = serializers.IntegerField()


class TopWin(serializers.Serializer[object]):
    """One of the highest winning bids, and what came of it."""

    slot_id = serializers.CharField()
    max_price_tokens = serializers.IntegerField()
    charge_tokens = serializers.IntegerField()
    state = serializers.CharField()
    actual_cost_tokens = serializers.IntegerField(allow_null=True)
    actual_impact = fields.Usd(allow_null=True)
    impact_roi = fields.Exact(max_digits=40, decimal_places=18, allow_null=True)


class StatsShown(serializers.Serializer[object]):
    """What a pool's rounds did lately."""

    pool = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    rounds = serializers.IntegerField()
    slots_offered = serializers.IntegerField()
    slots_sold = serializers.IntegerField()
    fill_rate = serializers.FloatField(allow_null=True)
    charged_tokens = serializers.IntegerField()
    premium_released_tokens = serializers.IntegerField()
    price_lowest_tokens = serializers.IntegerField(allow_null=True)
    price_mean_tokens = serializers.DecimalField(max_digits=30, decimal_places=2, allow_null=True)
    price_highest_tokens = serializers.IntegerField(allow_null=True)
    clearing_prices = RoundPrice(many=True)
    top_wins = TopWin(many=True)


class Stats(views.Scoped):
    """The statistics."""

    scopes = {"GET": "market:read"}

    @extend_schema(parameters=[StatsQuery], responses=StatsShown)
    def get(self, request: Request) -> Response:
        """Read what a pool's rounds did in the last hours: prices, fill rate, top wins against their impact."""
        asked = fields.checked(StatsQuery, request.query_params.dict())
        return Response(stats.get_recent_stats(now=timezone.now(), **asked))
