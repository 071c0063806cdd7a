"""Slots and bids in the admin: read, released where they are stuck, offered again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from auction import holds, overview, reoffers
from auction.admin import order_book_page, wallet_page
from auction.admin.backlog import badge
from auction.admin.offering import Offering
from auction.admin.running import Running
from auction.models import Bid, Clear, Slot
from config import list_filters
from config.site import LargeTableAdmin, figure, table

_STATES: Final = ("open", "sold", "running", "finished", "lapsed", "forfeited", "blocked", "withdrawn")


@admin.register(Slot)
class SlotAdmin(Offering[Slot], LargeTableAdmin[Slot]):
    """Offers of execution time."""

    list_display = (
        *("id", "pool", "stands", "came_of_it", figure("reserve_tokens"), "offered_by", "available_at"),
        "offer_until",
    )
    list_filter = (list_filters.choices("state"), "pool", list_filters.times("available_at"))
    list_select_related = ("pool", "provider", "clear")
    ordering: ClassVar[tuple[str, ...]] = ("-created_at",)
    search_fields = ("id__exact",)
    search_help_text = "A slot's id, whole."
    extra = ("sale", "again")
    actions = ("offer_again",)
    change_list_template = "admin/slots.html"

    @admin.display(description="state", ordering="state")
    def stands(self, slot: Slot) -> SafeString:
        """Return where the offer is, as a badge."""
        return badge(slot.state)

    @admin.display(description="its sale")
    def came_of_it(self, slot: Slot) -> str | SafeString:
        """Return where its sale is, leading to it: sold and given slots stay sold, whatever came of it."""
        clear = getattr(slot, "clear", None)
        if clear is None:
            return self.get_empty_value_display()
        address = reverse("admin:auction_clear_change", args=[clear.pk])
        return format_html('<a href="{}">{}</a>', address, badge(clear.state))

    @admin.display(description="offered by")
    def offered_by(self, slot: Slot) -> str:
        """Return whose it is."""
        return str(slot.provider or "the house")

    @admin.display(description="its sale")
    def sale(self, slot: Slot) -> str | SafeString:
        """Lead to what became of it."""
        clear = Clear.objects.filter(slot=slot).first()
        if clear is None:
            return "It was not sold."
        address = reverse("admin:auction_clear_change", args=[clear.pk])
        return format_html('{} <a href="{}">{}</a>', badge(clear.state), address, clear.winning_task_id)

    def beside(self, request: HttpRequest, row: Slot, deeds: list[tuple[str, str]]) -> dict[str, Any]:  # noqa: ARG002
        """Offer it again only where its sale came to nothing."""
        clear = Clear.objects.filter(slot=row).first()
        fits = clear is not None and clear.state in reoffers.CAME_TO_NOTHING
        return {"deeds": deeds if fits else []}

    @admin.display(description="offered again as")
    def again(self, slot: Slot) -> str | SafeString:
        """Lead to the slot that took its place."""
        other = Slot.objects.filter(offers_again=slot).first()
        if other is None:
            return "It was not offered again."
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:auction_slot_change", args=[admin.utils.quote(other.pk)]), other.pk
        )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show above the list how many slots of each pool are in which state."""
        found = overview.slots_by_state(now=timezone.now())
        return super().changelist_view(request, {"standing": _standing(found), **(extra_context or {})})

    def slot_of(self, row: Slot) -> str:
        """Return its own id."""
        return row.pk


def _standing(found: Mapping[str, Mapping[str, int]]) -> SafeString | str:
    heads = ("Pool", *(state.capitalize() for state in _STATES))
    book = reverse("admin:auction_book")
    rows = [
        (
            format_html('<a href="{}?pool={}">{}</a>', book, pool, pool),
            *(f"{states[one]:,}" if one in states else "—" for one in _STATES),
        )
        for pool, states in found.items()
    ]
    return table(heads, rows) if rows else ""


@admin.register(Bid)
class BidAdmin(Running[Bid], LargeTableAdmin[Bid]):
    """Offers to buy, whose terms never change."""

    list_display = (
        *("id", "pool", "bidder_id", "task_id", figure("max_price_tokens")),
        *("stands", "lives", "is_automatic", "placed_at", "ttl_at"),
    )
    list_filter = (
        *(list_filters.choices("status"), list_filters.choices("time_in_force"), "is_automatic", "pool"),
        *(list_filters.numbers("max_price_tokens"), list_filters.times("placed_at")),
    )
    list_select_related = ("pool",)
    search_fields = ("account__owner_id__exact",)
    search_help_text = "The agent or quest that bids, whole."
    actions = ("release",)
    change_list_template = "admin/bids.html"

    @admin.display(description="status", ordering="status")
    def stands(self, bid: Bid) -> SafeString:
        """Return where the bid is, as a badge."""
        return badge(bid.status)

    @admin.display(description="stands")
    def lives(self, bid: Bid) -> str:
        """Return the time in force in words."""
        return order_book_page.STANDS[Bid.TimeInForce(bid.time_in_force)]

    def get_urls(self) -> list[URLPattern]:
        """Add the order book, and the statements of those who bid in it."""
        return [*order_book_page.urls(self), *wallet_page.urls(self), *super().get_urls()]

    @admin.action(description="Release a stuck hold…", permissions=["run"])
    def release(self, request: HttpRequest, queryset: QuerySet[Bid]) -> HttpResponse | None:
        """Ask why, then close the bids that can never win any more and release what they hold."""
        why = self.asked_why(
            request,
            queryset,
            deed="release",
            title="Release stuck holds",
            button="Release",
            warning="A bid that may still win is refused: its owner cancels it. One whose end has come expires now; "
            "one whose task is no longer open is cancelled; its tokens are available again at once.",
            told=lambda bid: (bid, bid.bidder_id, f"{bid.ttl_at:%Y-%m-%d %H:%M:%S}", f"{bid.max_price_tokens:,}"),
            heads=("Bid", "Bidder", "Ends (UTC)", "Tokens held"),
        )
        if not isinstance(why, str):
            return why
        self.each(request, queryset, why, _released)
        return None


def _released(bid: Bid, now: datetime) -> str:
    closed = holds.release_bid(bid.pk, now=now)
    return f"Bid {bid.pk} is {closed.status}; released: {closed.max_price_tokens:,} wallet tokens."
