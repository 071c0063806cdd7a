"""Rounds, clears, payouts and audits in the admin, with the deeds that do a round or an audit again."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Func, IntegerField, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from auction import audit, reoffers, settlement
from auction.admin.backlog import badge
from auction.admin.offering import Offering
from auction.admin.quests import percent
from auction.admin.round_page import RoundPage
from auction.models import AuditRun, Clear, Payout, Round
from config import list_filters
from config.site import LargeTableAdmin, figure


@admin.register(Round)
class RoundAdmin(RoundPage):
    """Clearings of a pool's book, each of which can be done again."""

    hidden = ("frontier",)
    extra = ("sales", "again")
    list_display = (
        *("id", "pool", "cleared_at", "pricing_rule", figure("market_price_tokens", "price")),
        *("sold", "fill_rate", "bids_lost", figure("charged_tokens"), figure("premium_tokens"), "again"),
    )
    list_filter = ("pool", list_filters.times("cleared_at"), list_filters.numbers("market_price_tokens"))
    list_select_related = ("pool",)
    actions = ("replay",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Round]:
        """Leave the frontier, which may be megabytes, where it is."""
        return super().get_queryset(request).defer("frontier")

    @admin.display(description="slots sold")
    def sold(self, cleared: Round) -> str:
        """Return how many of the slots offered were sold."""
        return f"{cleared.slots_sold:,} of {cleared.slots_offered:,}"

    @admin.display(description="fill rate")
    def fill_rate(self, cleared: Round) -> str | None:
        """Return slots sold per slot offered, in per cent."""
        return percent(Decimal(cleared.slots_sold) / cleared.slots_offered) if cleared.slots_offered else None

    @admin.display(description="sold slots")
    def sales(self, cleared: Round) -> str:
        """Lead to the clears of the round."""
        address = reverse("admin:auction_clear_changelist")
        return format_html('<a href="{}?round__exact={}">{} sold</a>', address, cleared.pk, cleared.slots_sold)

    @admin.display(description="replay")
    def again(self, cleared: Round) -> str:
        """Lead to the round done again."""
        return format_html('<a href="{}">replay</a>', reverse("admin:auction_round_replay", args=[cleared.pk]))

    @admin.action(description="Replay", permissions=["view"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Round]) -> HttpResponse | None:
        """Lead to the page on which the round is done again."""
        stored = self.only(request, queryset)
        if stored is None:
            return None
        return HttpResponseRedirect(reverse("admin:auction_round_replay", args=[stored.pk]))


@admin.register(Clear)
class ClearAdmin(Offering[Clear], LargeTableAdmin[Clear]):
    """Slots sold or given, and what came of them; taken back, ended and offered again by those who run the market."""

    list_display = (
        *("id", "cleared_at", "account", "winning_task_id", "stands"),
        *(figure("clearing_price_tokens", "price"), figure("charge_tokens"), figure("premium_tokens")),
        *(figure("actual_cost_tokens", "LLM tokens"), figure("actual_impact", "impact (USD)"), "runner_id", "pool"),
    )
    list_filter = (
        *(list_filters.choices("state"), "is_given", "pool", list_filters.times("cleared_at")),
        list_filters.numbers("max_price_tokens"),
    )
    list_select_related = ("pool", "account")
    search_fields = ("slot_id__exact", "winning_task_id__exact")
    search_help_text = "The id of a slot or a task, whole."
    actions = ("take_back", "end_overdue", "offer_again")
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("slot", "pool", "account", "winning_task", "stands", "cleared_at")}),
        ("The price, in wallet tokens", {
            "fields": (
                *(figure("clearing_price_tokens", "market price"), figure("charge_tokens"), figure("max_price_tokens")),
                *(figure("premium_tokens"), "round", "bid", "runner_up_task", "is_given"),
            ),
        }),
        ("Its run", {
            "fields": (
                *("start_by", "claimed_at", "claim_until", "runner", "runner_account", "reservation", "refusal_id"),
                *("slot_started_at", "lease_until", "slot_finished_at"),
            ),
        }),
        ("What came of it", {
            "fields": (
                *(figure("actual_cost_tokens", "cost (LLM tokens)"), "cost_model", figure("over_reported_tokens")),
                *(figure("actual_impact", "impact (USD)"), figure("impact_roi", "impact ROI"), "graded_at"),
                *("graded_by", figure("reward_due_tokens"), figure("reward_paid_tokens"), "payout"),
            ),
        }),
    )  # fmt: skip

    def get_fields(self, request: HttpRequest, obj: Clear | None = None) -> Any:  # noqa: ARG002
        """Return all that its page shows."""
        return [name for _title, options in self.fieldsets for name in options["fields"]]

    @admin.display(description="state", ordering="state")
    def stands(self, clear: Clear) -> SafeString:
        """Return what became of it, and whether it was given."""
        return format_html("{}{}", badge(clear.state), " given" if clear.is_given else "")

    def beside(self, request: HttpRequest, row: Clear, deeds: list[tuple[str, str]]) -> dict[str, Any]:  # noqa: ARG002
        """Offer the deeds that its state allows."""
        fit = allowed(row, timezone.now())
        return {"deeds": [deed for deed in deeds if deed[0] in fit]}

    @admin.action(description="Take back and offer again…", permissions=["run"])
    def take_back(self, request: HttpRequest, queryset: QuerySet[Clear]) -> HttpResponse | None:
        """Ask why, then take slots back from winners that have not started them."""
        why = self.asked_why(
            request,
            queryset,
            deed="take_back",
            title="Take slots back",
            button="Take back and offer again",
            warning="The winner pays nothing: its whole hold is released, its task is open again, and the slot is "
            "offered anew. A slot that runs, has ended, or is claimed for some more time is refused.",
            told=_sale,
            heads=("Slot", "Winner", "Task", "State", "Start by (UTC)", "Tokens held"),
        )
        if not isinstance(why, str):
            return why
        self.each(request, queryset, why, _taken_back)
        return None

    @admin.action(description="End what is overdue…", permissions=["run"])
    def end_overdue(self, request: HttpRequest, queryset: QuerySet[Clear]) -> HttpResponse | None:
        """Ask why, then end slots whose time is over and that no sweep has ended."""
        why = self.asked_why(
            request,
            queryset,
            deed="end_overdue",
            title="End what is overdue",
            button="End",
            warning="What the sweep does each second is done to these alone. Not started in time: forfeited and "
            "charged, or withdrawn for nothing where no runner came for a quest. Lease over: lapsed and charged.",
            told=_overdue,
            heads=("Slot", "Winner", "Task", "State", "Its time ends (UTC)", "Tokens held"),
        )
        if not isinstance(why, str):
            return why
        self.each(request, queryset, why, _ended)
        return None

    def slot_of(self, row: Clear) -> str:
        """Return the id of the slot that was sold."""
        return row.slot_id


def allowed(clear: Clear, now: datetime) -> Collection[str]:
    """Return the deeds that the state of a sale allows at this moment."""
    match clear.state:
        case Clear.State.SOLD if clear.start_by <= now:
            return {"end_overdue", "take_back"}
        case Clear.State.SOLD:
            return set() if clear.claim_until is not None and clear.claim_until > now else {"take_back"}
        case Clear.State.RUNNING:
            return {"end_overdue"} if clear.lease_until is not None and clear.lease_until <= now else set()
        case Clear.State.LAPSED | Clear.State.FORFEITED | Clear.State.BLOCKED:
            return {"offer_again"}
    return set()


def _sale(clear: Clear) -> tuple[object, ...]:
    by = f"{clear.start_by:%Y-%m-%d %H:%M:%S}"
    return clear.slot_id, clear.account, clear.winning_task_id, badge(clear.state), by, f"{clear.charge_tokens:,}"


def _overdue(clear: Clear) -> tuple[object, ...]:
    ends = clear.lease_until if clear.state == Clear.State.RUNNING else clear.start_by
    *before, _by, tokens = _sale(clear)
    return *before, f"{ends:%Y-%m-%d %H:%M:%S}", tokens


def _taken_back(clear: Clear, now: datetime) -> str:
    taken = reoffers.take_back(clear.slot_id, now=now)
    return f"Slot {taken.slot_id} is taken back; released: {taken.charge_tokens:,} wallet tokens."


def _ended(clear: Clear, now: datetime) -> str:
    ended = settlement.end_overdue(clear.slot_id, now=now)
    return f"Slot {ended.slot_id} is {ended.state}."


@admin.register(Payout)
class PayoutAdmin(LargeTableAdmin[Payout]):
    """Sweeps of revenue and the rewards paid with them."""

    list_display = ("id", "pool", "cycle_at", figure("swept_tokens"), figure("due_tokens"), figure("paid_tokens"))
    list_filter = ("pool", "cycle_at")
    list_select_related = ("pool",)


@admin.register(AuditRun)
class AuditRunAdmin(LargeTableAdmin[AuditRun]):
    """Passes of the audit, with a line for each difference."""

    hidden = ("differences",)
    extra = ("report",)
    list_display = ("id", "started_at", "finished_at", "passed", "found")
    list_filter = ("passed", "started_at")
    change_list_template = "admin/audit_runs.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditRun]:
        """Count the differences where they are stored."""
        count = Func(F("differences"), function="jsonb_array_length", output_field=IntegerField())
        return super().get_queryset(request).annotate(found=count).defer("differences")

    @admin.display(description="differences", ordering="found")
    def found(self, run: Any) -> int:
        """Return how many differences it found."""
        count: int = run.found
        return count

    @admin.display(description="differences")
    def report(self, run: AuditRun) -> str:
        """Return a line for each difference."""
        lines = (("{what}: stored {stored}, rebuilt {rebuilt}".format(**row),) for row in run.differences)
        return format_html_join("", "<div>{}</div>", lines) or "none"

    def has_audit_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may run the audit."""
        return request.user.has_perm("auction.add_auditrun")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Offer the audit above the list."""
        return super().changelist_view(
            request, {"may_audit": self.has_audit_permission(request), **(extra_context or {})}
        )

    def get_urls(self) -> list[URLPattern]:
        """Add the address that runs the audit; it takes no rows, so it is not a list action."""
        run = self.admin_site.admin_view(require_POST(self.run_audit))
        return [path("run/", run, name="auction_auditrun_run"), *super().get_urls()]

    def run_audit(self, request: HttpRequest) -> HttpResponse:
        """Audit the books now and show the pass."""
        if not self.has_audit_permission(request):
            raise PermissionDenied
        now = timezone.now()
        run = audit.audit(now=now, since=now - audit.RECENT)
        return HttpResponseRedirect(reverse("admin:auction_auditrun_change", args=[run.pk]))
