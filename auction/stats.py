"""What the market did lately, for agents and dashboards; nobody's name is in it."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, Max, Min, Q, Sum

from auction import pools
from auction.models import Clear, Round

TOP = 10
MOST_PRICES = 1_000


def get_recent_stats(*, now: datetime, pool: str = pools.DEFAULT, hours: int = 24) -> dict[str, Any]:
    """Return what the pool's rounds of the last `hours` did.

    `clearing_prices` lists the rounds that sold, the newest 1,000 of them, oldest first; `fill_rate` is slots sold
    per slot offered (NULL when none was offered); `top_wins` the ten highest winning bids with the impact that came
    of them in USD.
    """
    book = pools.get(pool)
    since = now - timedelta(hours=hours)
    rounds = Round.objects.filter(pool=book, cleared_at__gt=since, cleared_at__lte=now)
    sold = rounds.filter(slots_sold__gt=0)
    totals = rounds.aggregate(
        rounds=Count("pk"),
        offered=Sum("slots_offered", default=0),
        sold=Sum("slots_sold", default=0),
        charged=Sum("charged_tokens", default=0),
        premium=Sum("premium_tokens", default=0),
        lowest=Min("market_price_tokens"),
        mean=Avg("market_price_tokens", filter=Q(slots_sold__gt=0)),
        highest=Max("market_price_tokens"),
    )
    top = Clear.objects.filter(pool=book, cleared_at__gt=since, cleared_at__lte=now).order_by("-max_price_tokens", "pk")
    newest = sold.order_by("-cleared_at").values("cleared_at", "market_price_tokens", "slots_sold", "slots_offered")[
        :MOST_PRICES
    ]
    return {
        "pool": book.name,
        "since": since,
        "until": now,
        "rounds": totals["rounds"],
        "slots_offered": totals["offered"],
        "slots_sold": totals["sold"],
        "fill_rate": totals["sold"] / totals["offered"] if totals["offered"] else None,
        "charged_tokens": totals["charged"],
        "premium_released_tokens": totals["premium"],
        "price_lowest_tokens": totals["lowest"],
        "price_mean_tokens": None if totals["mean"] is None else round(totals["mean"], 2),
        "price_highest_tokens": totals["highest"],
        "clearing_prices": list(reversed(newest)),
        "top_wins": list(
            top.values(
                "slot_id",
                "max_price_tokens",
                "charge_tokens",
                "state",
                "actual_cost_tokens",
                "actual_impact",
                "impact_roi",
            )[:TOP]
        ),
    }
