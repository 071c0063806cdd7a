"""The order book of a pool on one page: what would trade at which price, and its bids and slots row by row."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db.models.functions import Greatest
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from auction import overview, pools
from auction.admin import effects
from auction.admin.backlog import badge
from auction.models import Bid, Pool, Slot
from config import charts, keyset
from config.site import table

RIGHT: Final = "auction.view_bid"
ON_A_PAGE: Final = 50
_ASKS: Final = 20
_ORDER: Final = ("-max_price_tokens", "placed_at", "id")
STANDS: Final = {Bid.TimeInForce.ROUND: "for one round", Bid.TimeInForce.GTD: "until it ends"}
_HEADS: Final = ("Price", "Now", "Bidder", "Task", "Stands", "Placed (UTC)", "Ends (UTC)")


def urls(of: ModelAdmin[Bid]) -> list[URLPattern]:
    """Return the address of the page, to stand under that of bids."""
    return [path("book/", of.admin_site.admin_view(partial(page, of=of)), name="auction_book")]


def page(request: HttpRequest, *, of: ModelAdmin[Bid]) -> HttpResponse:
    """Show the book of the pool that the address names (`pool`), from the bid after one on (`after`)."""
    if not request.user.has_perm(RIGHT):
        raise PermissionDenied
    now = timezone.now()
    known = list(Pool.objects.order_by("name"))
    wanted = request.GET.get("pool", pools.DEFAULT)
    pool = next((one for one in known if one.name == wanted), None) or next(iter(known), None)
    context: dict[str, Any] = {
        **of.admin_site.each_context(request),
        "opts": Bid._meta,  # noqa: SLF001 - Django's public name for it
        "title": f"Order book of {pool}" if pool else "Order book",
        "known": [one.name for one in known],
        "pool": pool,
        "unknown": wanted if pool and "pool" in request.GET and wanted != pool.name else "",
        "now": now,
    }
    if pool is not None:
        context |= _told(pool, request.GET.get("after", ""), now)
    return TemplateResponse(request, "admin/order_book.html", context)


def _told(pool: Pool, after: str, now: datetime) -> dict[str, Any]:
    depth = overview.depth(now=now, pool=pool.name)
    key = _key(pool, after)
    found = _bids(pool, key, now)
    rows, has_more = found[:ON_A_PAGE], len(found) > ON_A_PAGE
    winning = depth.crossing if key is None and pool.mode == Pool.Mode.AUCTION else 0
    return {
        "depth": depth,
        "crossing": f"{depth.crossing:,}",
        "best_bid": None if depth.best_bid is None else f"{depth.best_bid:,}",
        "lowest_ask": None if depth.lowest_ask is None else f"{depth.lowest_ask:,}",
        "chart": (drawn := chart(depth)),
        "drawn": charts.render(drawn),
        "bids": table(_HEADS, [_bid(bid, wins=place < winning) for place, bid in enumerate(rows)], _WORDS)
        if rows
        else "",
        "is_first": key is None,
        "after": rows[-1].pk if has_more else None,
        "asks": _asks(pool, now),
        "next_round": _next_round(pool, now),
        "cycle": effects.lasting(pool.cycle_seconds),
    }


def chart(depth: overview.Depth) -> charts.Chart:
    """Return demand and supply by price, as steps that hold until the next price."""
    levels = depth.levels
    cut = f" Only the best {overview.MOST_LEVELS} levels of each side are drawn." if depth.is_cut else ""
    return charts.Chart(
        charts.Kind.STEPS,
        "Depth by price",
        [f"{level.price:,}" for level in levels],
        [
            charts.Series("bids at this price or above", [level.demand for level in levels]),
            charts.Series("asks at this price or below", [level.supply for level in levels]),
        ],
        heads=("Price (wallet tokens)", "Bids at it", "Asks at it", "Bids at it or above", "Asks at it or below"),
        words=[[f"{figure:,}" for figure in (level.bids, level.asks, level.demand, level.supply)] for level in levels],
        unit="how many, by wallet tokens",
        note=f"Where the lines cross, slots are sold: {depth.crossing:,} if it were cleared now.{cut}",
        empty="Nobody bids and no slot is on offer.",
    )


# Bids, by the book's own index: a page deep down costs as much as the first


_WORDS: Final = frozenset(range(1, len(_HEADS)))


def _key(pool: Pool, after: str) -> Sequence[Any] | None:
    if not after.isascii() or not after.isdigit() or len(after) > 18:  # noqa: PLR2004 - digits that a bigint has
        return None
    return Bid.objects.filter(pool=pool, pk=int(after)).values_list(*(name.lstrip("-") for name in _ORDER)).first()


def _bids(pool: Pool, key: Sequence[Any] | None, now: datetime) -> list[Bid]:
    rows = Bid.objects.filter(pool=pool, status=Bid.Status.OPEN, ttl_at__gt=now, placed_at__lte=now)
    if key is not None:
        rows = rows.filter(keyset.beyond(_ORDER, key))
    return list(rows.select_related("account", "task").order_by(*_ORDER)[: ON_A_PAGE + 1])


def _bid(bid: Bid, *, wins: bool) -> tuple[object, ...]:
    return (
        format_html(
            '<a href="{}">{}</a>', reverse("admin:auction_bid_change", args=[bid.pk]), f"{bid.max_price_tokens:,}"
        ),
        format_html('<span class="badge is-good">{}</span>', "would win") if wins else badge("open"),
        format_html('<a href="{}">{}</a>', reverse("admin:auction_wallet", args=[bid.account_id]), bid.account),
        format_html('<a href="{}">{}</a>', reverse("admin:auction_task_change", args=[quote(bid.task_id)]), bid.task),
        f"{STANDS[Bid.TimeInForce(bid.time_in_force)]}{', automatic' if bid.is_automatic else ''}",
        f"{bid.placed_at:%Y-%m-%d %H:%M:%S}",
        f"{bid.ttl_at:%Y-%m-%d %H:%M:%S}",
    )


def _asks(pool: Pool, now: datetime) -> SafeString | str:
    """Return the slots that stand in the next round, the cheapest first."""
    open_now = Slot.objects.filter(pool=pool, state=Slot.State.OPEN).exclude(offer_until__lte=now)
    found = open_now.annotate(ask=Greatest("reserve_tokens", pool.reserve_tokens)).select_related("provider")
    rows = [
        (
            format_html(
                '<a href="{}">{}</a>', reverse("admin:auction_slot_change", args=[quote(slot.pk)]), f"{slot.ask:,}"
            ),
            slot.provider or "the house",
            f"{slot.available_at:%Y-%m-%d %H:%M:%S}",
            f"{slot.offer_until:%Y-%m-%d %H:%M:%S}" if slot.offer_until else "until it is sold",
        )
        for slot in found.order_by("ask", "available_at", "pk")[:_ASKS]
    ]
    heads = ("Ask", "Offered by", "Available from (UTC)", "Offered until (UTC)")
    return table(heads, rows, frozenset({1, 2, 3})) if rows else ""


def _next_round(pool: Pool, now: datetime) -> str:
    if pool.mode == Pool.Mode.STOPPED:
        return "none while it is stopped"
    if pools.is_due(pool, now):
        return "due now"
    due = pools.cycle_start(pool, now) + timedelta(seconds=pool.cycle_seconds)
    return f"{due:%H:%M:%S} UTC" if due.date() == now.date() else f"{due:%Y-%m-%d %H:%M} UTC"
