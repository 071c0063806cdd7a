"""Slots and bids in the admin: to be read."""

from typing import ClassVar

from django.contrib import admin

from auction.models import Bid, Slot
from config import list_filters
from config.site import LargeTableAdmin, figure


@admin.register(Slot)
class SlotAdmin(LargeTableAdmin[Slot]):
    """Offers of execution time."""

    list_display = (
        "id",
        "pool",
        "state",
        figure("reserve_tokens"),
        "provider",
        "available_at",
        "offer_until",
        "created_at",
    )
    list_filter = ("state", "pool", "available_at")
    list_select_related = ("pool", "provider")
    ordering: ClassVar[tuple[str, ...]] = ("-created_at",)
    search_fields = ("id__exact",)
    search_help_text = "A slot's id, whole."


@admin.register(Bid)
class BidAdmin(LargeTableAdmin[Bid]):
    """Offers to buy, whose terms never change."""

    list_display = (
        *("id", "pool", "bidder_id", "task_id", figure("max_price_tokens")),
        *("status", "lives", "is_automatic", "placed_at", "ttl_at"),
    )
    list_filter = (
        *(list_filters.choices("status"), list_filters.choices("time_in_force"), "is_automatic", "pool"),
        *(list_filters.numbers("max_price_tokens"), "placed_at"),
    )
    list_select_related = ("pool",)
    search_fields = ("account__owner_id__exact",)
    search_help_text = "The agent or quest that bids, whole."

    @admin.display(description="lives")
    def lives(self, bid: Bid) -> str:
        """Return the time in force in one word."""
        return str(bid.time_in_force)
