"""A round done again on one page: its verdict, the numbers that decided it, and what each winner is charged."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from auction import replay
from auction.admin.backlog import badge
from auction.models import Clear, Round
from config import charts
from config.site import LargeTableAdmin, table
from economics import ledger

SHOWN: Final = 200
_DRAWN: Final = 100  # numbers of each side: more is a blur
_NONE: Final = "—"


class Number(NamedTuple):
    """A bid of the frontier as the page tells it."""

    place: int
    bid: int
    owner: int
    price: int
    task: str


class RoundPage(LargeTableAdmin[Round]):
    """The page of rounds, with the address where each is done again; to look at it changes nothing."""

    def get_urls(self) -> list[URLPattern]:
        """Add the address of the replay."""
        view = self.admin_site.admin_view(self.replay_view)
        return [path("<int:number>/replay/", view, name="auction_round_replay"), *super().get_urls()]

    def replay_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Do a round again from what it stored, and show the result beside it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        stored = Round.objects.select_related("pool").filter(pk=number).first() if number < 2**63 else None
        if stored is None:
            msg = "There is no such round."
            raise Http404(msg)
        again = replay.replay_round(number)
        price = again.result.market_price
        bids = _bids(stored.frontier)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Replay of round {number}",
            "opts": self.opts,
            "original": stored,
            "round": stored,
            "differences": again.differences,
            "price": None if price is None else f"{price:,}",
            "charged": f"{sum(award.charge for award in again.result.awards):,}",
            "premium": f"{stored.premium_tokens:,}",
            "sold": f"{len(again.result.awards):,}",
            "awards": [(award, f"{award.charge:,}") for award in again.result.awards[:SHOWN]],
            "sales": _sales(again, bids),
            "more": max(0, len(again.result.awards) - SHOWN),
            "losers": _losers(again, bids),
            "more_losers": max(0, len(bids) - len(again.result.awards) - SHOWN),
            "chart": (drawn := _chart(stored.frontier, price)),
            "drawn": charts.render(drawn),
        }
        return TemplateResponse(request, "admin/replayed.html", context)


def _bids(frontier: Mapping[str, Any]) -> Sequence[Number]:
    """Return the bids that were kept, in the order of the book; none where somebody has been at the frontier."""
    try:
        columns = [frontier["bids"][name] for name in ("id", "owner", "price", "task")]
        return [Number(place, *row) for place, row in enumerate(zip(*columns, strict=True), start=1)]
    except (KeyError, TypeError, ValueError):
        return []


def _sales(again: replay.Replay, bids: Sequence[Number]) -> SafeString | str:
    """Return each sold slot: who bid what for it, what it is charged, what it saves and who came next."""
    known = {one.bid: one for one in bids}
    shown = again.result.awards[:SHOWN]
    owners = _owners({known[award.bid_id].owner for award in shown})
    clears = dict(Clear.objects.filter(bid__in=[award.bid_id for award in shown]).values_list("bid", "state"))
    rows = [
        (
            _led("slot", award.slot_id, award.slot_id),
            _led("bid", award.bid_id, f"bid {award.bid_id}"),
            _wallet(bid.owner, owners),
            f"{bid.price:,}",
            f"{award.charge:,}",
            f"{bid.price - award.charge:,}",
            _runner_up(award.runner_up_bid_id, known),
            badge(clears[award.bid_id]) if award.bid_id in clears else _NONE,
        )
        for award in shown
        for bid in [known[award.bid_id]]
    ]
    heads = ("Slot", "Won by", "Wallet", "Bid", "Charge", "Premium", "Next in line", "Now")
    return table(heads, rows, frozenset({1, 2, 6, 7})) if rows else ""


def _runner_up(bid: int | None, known: Mapping[int, Number]) -> SafeString | str:
    if bid is None or bid not in known:
        return "nobody else"
    return _led("bid", bid, f"bid {bid} at {known[bid].price:,}")


def _losers(again: replay.Replay, bids: Sequence[Number]) -> SafeString | str:
    """Return the highest losing bids: the numbers that the charges follow from."""
    won = {award.bid_id for award in again.result.awards}
    shown = [one for one in bids if one.bid not in won][:SHOWN]
    owners = _owners({one.owner for one in shown})
    rows = [
        (f"{one.place:,}", _led("bid", one.bid, f"bid {one.bid}"), _wallet(one.owner, owners), f"{one.price:,}")
        for one in shown
    ]
    return table(("Place", "Bid", "Wallet", "Bid up to"), rows, frozenset({1, 2})) if rows else ""


def _owners(ids: set[int]) -> Mapping[int, str]:
    return {account.pk: str(account) for account in ledger.accounts(ids)}


def _wallet(account: int, owners: Mapping[int, str]) -> SafeString | str:
    if account not in owners:
        return f"account {account}"
    return format_html('<a href="{}">{}</a>', reverse("admin:auction_wallet", args=[account]), owners[account])


def _led(model: str, key: int | str, text: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(f"admin:auction_{model}_change", args=[quote(key)]), text)


def _chart(frontier: Mapping[str, Any], price: int | None) -> charts.Chart:
    """Return bids by falling and asks by rising price, unit by unit: they cross where the round stopped selling."""
    try:
        bids = sorted(frontier["bids"]["price"], reverse=True)[:_DRAWN]
        asks = sorted(frontier["asks"]["price"])[:_DRAWN]
    except (KeyError, TypeError):
        bids, asks = [], []
    length = max(len(bids), len(asks))
    series = [
        charts.Series("bids, the highest first", [*bids, *[None] * (length - len(bids))]),
        charts.Series("asks, the cheapest first", [*asks, *[None] * (length - len(asks))]),
    ]
    if price is not None:
        series.append(charts.Series("market price", [price] * length))
    return charts.Chart(
        charts.Kind.STEPS,
        "What decided it",
        [f"{place:,}" for place in range(1, length + 1)],
        series if length else [],
        heads=("Place", *(one.name for one in series)),
        unit="wallet tokens, by place in the book",
        note="The bids are those that the result needs: all winners, and of each loser the highest.",
        empty="No bid and no slot took part.",
    )
