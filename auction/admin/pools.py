"""Pools in the admin: their settings, and the deeds that stop and resume them."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join

from auction import pools, settlement
from auction.models import Pool
from config.site import HouseAdmin, figure
from economics import revisions


class ReasonForm(forms.Form):
    """Why it is done; may be left out."""

    reason = forms.CharField(
        max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 2}), help_text="Goes on record."
    )


class PoolForm(ReasonForm, forms.ModelForm[Pool]):
    """A pool's settings and why they change, with a word for what its laws would refuse."""

    def clean(self) -> dict[str, Any]:
        """Refuse bounds that cross and a token that is worth nothing."""
        chosen = super().clean() or self.cleaned_data
        if chosen.get("max_bid_tokens", 1) < chosen.get("min_bid_tokens", 1):
            self.add_error("max_bid_tokens", "The largest bid cannot lie below the smallest.")
        if chosen.get("usd_per_token", 1) <= 0:
            self.add_error("usd_per_token", "A token is worth more than nothing.")
        return chosen


@admin.register(Pool)
class PoolAdmin(HouseAdmin[Pool]):
    """Pools and their rules. The name is given once; the mode is changed by deeds, which settle what it touches."""

    form = PoolForm
    list_display = (
        *("name", "mode", "pricing_rule", "capacity", "cycle_seconds"),
        *(figure("reserve_tokens"), "last_round_at", "revenue"),
    )
    list_filter = ("mode", "pricing_rule")
    list_select_related = ("revenue_account",)
    search_fields = ("name",)
    actions = ("stop", "resume")
    fieldsets = (
        (None, {"fields": ("name", "mode", "pricing_rule")}),
        ("Supply and time", {
            "fields": ("capacity", "cycle_seconds", "start_deadline_seconds", "lease_seconds", "max_ttl_seconds"),
        }),
        ("Prices, in wallet tokens", {"fields": ("reserve_tokens", "min_bid_tokens", "max_bid_tokens")}),
        ("Rewards", {"fields": ("usd_per_token", "reward_rate", "reward_cap_tokens", "runner_share")}),
        (None, {"fields": ("reason",)}),
        ("So far", {"fields": ("revenue_account", "last_cycle_at", "last_round_at", "created_at", "market")}),
    )  # fmt: skip

    @admin.display(description="revenue", ordering="revenue_account__balance")
    def revenue(self, pool: Pool) -> str:
        """Return the tokens taken and not yet swept."""
        return f"{pool.revenue_account.balance:,}"

    @admin.display(description="market")
    def market(self, pool: Pool) -> str:
        """Lead to the pool's open slots and bids, rounds and sales."""
        links = (
            ("slot", "&state__exact=open", "open slots"),
            ("bid", "&status__exact=open", "open bids"),
            ("round", "", "rounds"),
            ("clear", "", "sold slots"),
            ("payout", "", "payouts"),
        )
        rows = ((reverse(f"admin:auction_{model}_changelist"), pool.pk, more, text) for model, more, text in links)
        return format_html_join(" · ", '<a href="{}?pool__id__exact={}{}">{}</a>', rows)

    def get_fieldsets(self, request: HttpRequest, obj: Pool | None = None) -> Any:  # noqa: ARG002
        """Show a new pool's settings only: it has no past."""
        return self.fieldsets if obj else self.fieldsets[:-1]

    def get_readonly_fields(self, request: HttpRequest, obj: Pool | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Fix the name once given."""
        past = ("mode", "revenue_account", "last_cycle_at", "last_round_at", "created_at", "market")
        return ("name", *past) if obj else ("mode",)

    def has_delete_permission(self, request: HttpRequest, obj: Pool | None = None) -> bool:  # noqa: ARG002
        """Refuse: a pool is stopped, its books stay."""
        return False

    def save_model(self, request: HttpRequest, obj: Pool, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        """Create the pool or change just the settings that were changed, by the rules of `pools`."""
        settings = {name: form.cleaned_data[name] for name in form.changed_data if name not in ("name", "reason")}
        why = form.cleaned_data["reason"] or "settings changed in the admin"
        with revisions.signed(revisions.Author(request.user.get_username(), why), now=timezone.now()):
            saved = pools.configure(obj.name, **settings) if change else pools.create(obj.name, **settings)
        obj.pk, obj._state.adding = saved.pk, False  # noqa: SLF001 - what Model.save does

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may stop and resume pools."""
        return request.user.has_perm("auction.change_pool")

    @admin.action(description="Stop…", permissions=["run"])
    def stop(self, request: HttpRequest, queryset: QuerySet[Pool]) -> HttpResponse | None:
        """Ask, then stop the pools."""
        form = self.asked(request, ReasonForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="stop",
                title="Stop pools",
                button="Stop",
                form=form,
                warning="They sell nothing more and take no bids; slots sold but not started are withdrawn and their "
                "holds released. What runs goes on to its end.",
            )
        selling = list(queryset.exclude(mode=Pool.Mode.STOPPED))
        by = revisions.Author(request.user.get_username(), form.cleaned_data["reason"] or "stopped in the admin")
        self._each(request, selling, settlement.stop_pool, by, "Pool {} is stopped; sold slots withdrawn: {}.")
        self._say_untouched(request, len(queryset) - len(selling), "stopped already")
        return None

    @admin.action(description="Resume…", permissions=["run"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Pool]) -> HttpResponse | None:
        """Ask, then let the pools sell again."""
        form = self.asked(request, ReasonForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="resume",
                title="Resume pools",
                button="Resume",
                form=form,
                warning="They take bids again and sell in their next cycle. Only stopped pools are touched.",
            )
        stopped = list(queryset.filter(mode=Pool.Mode.STOPPED))
        by = revisions.Author(request.user.get_username(), form.cleaned_data["reason"] or "resumed in the admin")
        self._each(request, stopped, pools.resume, by, "Pool {} sells again; slots offered: {}.")
        self._say_untouched(request, len(queryset) - len(stopped), "not stopped")
        return None

    def _say_untouched(self, request: HttpRequest, count: int, why: str) -> None:
        if count:
            self.message_user(request, f"Left as they were, because {why}: {count}.", messages.WARNING)

    def _each(
        self, request: HttpRequest, chosen: list[Pool], deed: Callable[..., int], by: revisions.Author, saying: str
    ) -> None:
        for pool in chosen:
            touched, now = 0, timezone.now()
            with self.done(request, lambda: saying.format(pool, touched)):  # noqa: B023 - said within the turn
                with revisions.signed(by, now=now):
                    touched = deed(pool.name, now=now)
                self.log_change(request, pool, saying.format(pool, touched))
