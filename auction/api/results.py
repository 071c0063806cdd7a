"""What was decided: rounds and clears in public, without a name, and one's own wins in full."""

import django_filters
from django.db.models import QuerySet
from rest_framework import serializers

from auction import errors
from auction.models import Clear, Round
from config.api import fields, filters, views
from economics import ledger


class RoundShown(serializers.ModelSerializer[Round]):
    """What a round decided. Its frontier names owners and stays inside; parameters do not."""

    pool = serializers.CharField(source="pool.name")

    class Meta:
        """What is shown."""

        model = Round
        fields = (
            *("id", "pool", "cycle_at", "cleared_at", "pricing_rule", "market_price_tokens", "slots_offered"),
            *("slots_sold", "bids_lost", "charged_tokens", "premium_tokens", "parameters", "digest"),
        )


class SinceUntil(django_filters.FilterSet):
    """A pool, and a time range over when it cleared: since <= cleared_at < until."""

    pool = django_filters.CharFilter(field_name="pool__name")
    since = filters.MomentFilter(field_name="cleared_at", lookup_expr="gte")
    until = filters.MomentFilter(field_name="cleared_at", lookup_expr="lt")


class Rounds(views.Listed[Round]):
    """List the rounds, newest first."""

    scopes = {"GET": "market:read"}
    serializer_class = RoundShown
    filterset_class = SinceUntil
    queryset = Round.objects.select_related("pool").defer("frontier")


class OneRound(views.One[Round]):
    """Read one round."""

    scopes = {"GET": "market:read"}
    serializer_class = RoundShown
    queryset = Round.objects.select_related("pool").defer("frontier")
    lookup_url_kwarg = "round_id"


class ClearShown(serializers.ModelSerializer[Clear]):
    """A sold slot as everybody sees it: the market price and what came of it, not who won nor for what."""

    slot_id = serializers.CharField()
    pool = serializers.CharField(source="pool.name")
    round_id = serializers.IntegerField(allow_null=True, help_text="None: given in fallback.")
    actual_impact = fields.Usd(allow_null=True)
    impact_roi = fields.Exact(
        max_digits=40, decimal_places=18, allow_null=True, help_text="USD of impact per LLM token of cost."
    )

    class Meta:
        """What is shown."""

        model = Clear
        fields = (
            *("slot_id", "pool", "round_id", "cleared_at", "clearing_price_tokens", "state"),
            *("slot_started_at", "slot_finished_at", "actual_cost_tokens", "actual_impact", "impact_roi"),
        )


class ClearFilter(SinceUntil):
    """Which clears to list."""

    state = django_filters.ChoiceFilter(choices=Clear.State.choices)
    graded = filters.FlagFilter(field_name="actual_impact", lookup_expr="isnull", exclude=True)


class Clears(views.Listed[Clear]):
    """List the sold slots, newest first."""

    scopes = {"GET": "market:read"}
    serializer_class = ClearShown
    filterset_class = ClearFilter
    queryset = Clear.objects.select_related("pool")


class OneClear(views.One[Clear]):
    """Read one sold slot."""

    scopes = {"GET": "market:read"}
    serializer_class = ClearShown
    queryset = Clear.objects.select_related("pool")
    lookup_field = "slot_id"
    missing = errors.UnknownSlotError


class WinShown(ClearShown):
    """A slot one has won, in full."""

    task_id = serializers.CharField(source="winning_task_id")
    bid_id = serializers.IntegerField(allow_null=True, help_text="None: given in fallback.")

    class Meta:
        """What is shown."""

        model = Clear
        fields = (
            *ClearShown.Meta.fields,
            *("task_id", "bid_id", "max_price_tokens", "charge_tokens", "premium_tokens", "start_by", "lease_until"),
            *("cost_model", "over_reported_tokens", "graded_at", "reward_due_tokens", "reward_paid_tokens"),
        )


class WinFilter(django_filters.FilterSet):
    """Which of one's wins to list."""

    pool = django_filters.CharFilter(field_name="pool__name")
    state = django_filters.ChoiceFilter(choices=Clear.State.choices)


class Wins(views.Listed[Clear]):
    """List the slots one has won, newest first."""

    scopes = {"GET": "market:read"}
    queryset = Clear.objects.select_related("pool")
    serializer_class = WinShown
    filterset_class = WinFilter

    def get_queryset(self) -> QuerySet[Clear]:
        """Return the caller's wins."""
        return super().get_queryset().filter(account_id=ledger.wallet_of(self.agent))


class OneWin(views.One[Clear]):
    """Read one slot one has won."""

    scopes = {"GET": "market:read"}
    queryset = Clear.objects.select_related("pool")
    serializer_class = WinShown
    lookup_field = "slot_id"
    missing = errors.UnknownSlotError

    def get_queryset(self) -> QuerySet[Clear]:
        """Return the caller's wins."""
        return super().get_queryset().filter(account_id=ledger.wallet_of(self.agent))
