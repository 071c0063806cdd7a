"""Rounds, clears, payouts and audits in the admin, with the deeds that do a round or an audit again."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Func, IntegerField, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from auction import audit, replay
from auction.admin.backlog import badge
from auction.models import AuditRun, Clear, Payout, Round
from config.site import LargeTableAdmin, figure

SHOWN_AWARDS = 200


@admin.register(Round)
class RoundAdmin(LargeTableAdmin[Round]):
    """Clearings of a pool's book, each of which can be done again."""

    hidden = ("frontier",)
    extra = ("sales",)
    list_display = (
        *("id", "pool", "cleared_at", "pricing_rule", figure("market_price_tokens")),
        *("sold", "bids_lost", figure("charged_tokens"), figure("premium_tokens")),
    )
    list_filter = ("pool", "cleared_at")
    list_select_related = ("pool",)
    actions = ("replay",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Round]:
        """Leave the frontier, which may be megabytes, where it is."""
        return super().get_queryset(request).defer("frontier")

    @admin.display(description="slots sold")
    def sold(self, cleared: Round) -> str:
        """Return how many of the slots offered were sold."""
        return f"{cleared.slots_sold:,} of {cleared.slots_offered:,}"

    @admin.display(description="sold slots")
    def sales(self, cleared: Round) -> str:
        """Lead to the clears of the round."""
        address = reverse("admin:auction_clear_changelist")
        return format_html('<a href="{}?round__exact={}">{} sold</a>', address, cleared.pk, cleared.slots_sold)

    @admin.action(description="Replay", permissions=["view"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Round]) -> HttpResponse | None:
        """Do the round again from what it stored, and show the result beside it."""
        stored = self.only(request, queryset)
        if stored is None:
            return None
        again = replay.replay_round(stored.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Replay of round {stored.pk}",
            "opts": self.opts,
            "round": stored,
            "price": None if again.result.market_price is None else f"{again.result.market_price:,}",
            "awards": [(award, f"{award.charge:,}") for award in again.result.awards[:SHOWN_AWARDS]],
            "more": max(0, len(again.result.awards) - SHOWN_AWARDS),
            "differences": again.differences,
        }
        return TemplateResponse(request, "admin/replayed.html", context)


@admin.register(Clear)
class ClearAdmin(LargeTableAdmin[Clear]):
    """Slots sold or given, and what came of them."""

    list_display = (
        *("id", "cleared_at", "account", "winning_task_id", "stands"),
        *(figure("clearing_price_tokens", "price"), figure("charge_tokens"), figure("premium_tokens")),
        *(figure("actual_cost_tokens", "LLM tokens"), figure("actual_impact", "impact (USD)"), "runner_id", "pool"),
    )
    list_filter = ("state", "is_given", "pool", "cleared_at")
    list_select_related = ("pool", "account")
    search_fields = ("slot_id__exact", "winning_task_id__exact")
    search_help_text = "The id of a slot or a task, whole."

    @admin.display(description="state", ordering="state")
    def stands(self, clear: Clear) -> SafeString:
        """Return what became of it, and whether it was given."""
        return format_html("{}{}", badge(clear.state), " given" if clear.is_given else "")


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
