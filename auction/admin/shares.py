"""What is given and bid without anybody's hand: the day's split, stipends, automatic bids and fallback."""

from collections.abc import Mapping
from typing import ClassVar, Final

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from auction.admin.quests import percent
from auction.models import BidCycle, Fallback, FallbackShare, QuestAllocation, StipendDay
from config.site import LargeTableAdmin, ReadOnlyAdmin, figure

_REASONS: Final[Mapping[str, str]] = {
    "bid_by_hand": "bid for by hand",
    "quest_inactive": "of an inactive quest",
    "task_blocked": "waiting for other tasks",
    "no_envelope": "without an envelope for their cost",
    "envelope_frozen": "of a frozen envelope",
    "envelope_exhausted": "of an exhausted envelope",
    "refused_lately": "refused a moment ago when they were to start",
    "wallet_too_small": "beyond what the wallet can hold",
    "value_below_reserve": "worth less than the reserve",
}


@admin.register(QuestAllocation)
class QuestAllocationAdmin(LargeTableAdmin[QuestAllocation]):
    """The proportional split, day by day: what each quest's part follows from, and what of it was paid."""

    list_display = (
        *("day", "quest", "figure_share", figure("tokens"), figure("paid_tokens", "paid")),
        *(figure("value_usd", "EV of its best tasks (USD)"), "figure_reliability"),
    )
    list_filter = ("day",)
    list_select_related = ("quest",)
    search_fields = ("quest_id__exact",)
    search_help_text = "A quest's id, whole."
    ordering: ClassVar[tuple[str, ...]] = ("-day", "-tokens", "pk")

    @admin.display(description="share")
    def figure_share(self, part: QuestAllocation) -> str:
        """Return its part of the whole in per cent."""
        return percent(part.share)

    @admin.display(description="reliability")
    def figure_reliability(self, part: QuestAllocation) -> str:
        """Return what its last graded wins realised of what they promised."""
        return f"{part.reliability:.3f}"


@admin.register(StipendDay)
class StipendDayAdmin(ReadOnlyAdmin[StipendDay]):
    """What quests were paid of each day's issue. A day that was missed is caught up once."""

    extra = ("parts",)
    list_display = ("day", figure("pot_tokens", "to be split"), figure("paid_tokens", "paid"), "figure_left", "at")
    list_filter = ("day",)

    @admin.display(description="stayed in the treasury")
    def figure_left(self, day: StipendDay) -> str:
        """Return what full wallets did not take."""
        return f"{day.pot_tokens - day.paid_tokens:,}"

    @admin.display(description="parts")
    def parts(self, day: StipendDay) -> SafeString:
        """Lead to the parts of the quests."""
        address = reverse("admin:auction_questallocation_changelist")
        return format_html('<a href="{}?day__exact={}">the split of {}</a>', address, day.day.isoformat(), day.day)


@admin.register(BidCycle)
class BidCycleAdmin(LargeTableAdmin[BidCycle]):
    """Automatic bids of each cycle: how many were placed, kept and withdrawn, and why tasks did not bid."""

    hidden = ("reasons",)
    extra = ("why_not",)
    list_display = (
        *("cycle_at", "pool", figure("tasks", "could bid"), figure("placed"), figure("kept")),
        *(figure("withdrawn"), figure("placed_tokens", "tokens"), "why_not"),
    )
    list_filter = ("pool", "cycle_at")
    list_select_related = ("pool",)

    @admin.display(description="did not bid")
    def why_not(self, cycle: BidCycle) -> str:
        """Return how many tasks did not bid, by reason, the most frequent first."""
        found = sorted(cycle.reasons.items(), key=lambda counted: (-counted[1], counted[0]))
        told = (f"{number:,} {_REASONS.get(code, code.replace('_', ' '))}" for code, number in found)
        return "; ".join(told) or "all did"


@admin.register(Fallback)
class FallbackAdmin(ReadOnlyAdmin[Fallback]):
    """Times in which a pool gave its slots instead of selling them. They are begun and ended on the pool's page."""

    extra = ("given",)
    list_display = ("pool", "why", "note", "began_at", "ended_at", "lasted", "ended_by")
    list_filter = ("pool", "why", ("ended_at", admin.EmptyFieldListFilter))
    list_select_related = ("pool",)

    @admin.display(description="lasted")
    def lasted(self, fallback: Fallback) -> str:
        """Return how long it was, or that it goes on."""
        if fallback.ended_at is None:
            return "still lasts"
        return str(fallback.ended_at - fallback.began_at).partition(".")[0]

    @admin.display(description="given")
    def given(self, fallback: Fallback) -> SafeString:
        """Lead to the slots that were given in it."""
        ended = f"&cleared_at__lte={fallback.ended_at:%Y-%m-%dT%H:%M:%S}Z" if fallback.ended_at else ""
        return format_html(
            '<a href="{}?pool__id__exact={}&is_given__exact=1&cleared_at__gte={}Z{}">slots given</a>',
            reverse("admin:auction_clear_changelist"),
            fallback.pool_id,
            f"{fallback.began_at:%Y-%m-%dT%H:%M:%S}",
            ended,
        )


@admin.register(FallbackShare)
class FallbackShareAdmin(LargeTableAdmin[FallbackShare]):
    """Who had which part of the slots that a pool gave on a day, and how many it was given."""

    list_display = ("day", "pool", "account", "figure_share", figure("given"))
    list_filter = ("pool", "day")
    list_select_related = ("pool", "account")
    search_fields = ("account__owner_id__exact",)
    search_help_text = "The agent or quest that owns the tasks, whole."
    ordering: ClassVar[tuple[str, ...]] = ("-day", "-share", "pk")

    @admin.display(description="share")
    def figure_share(self, share: FallbackShare) -> str:
        """Return its part of the day's slots in per cent."""
        return percent(share.share)
