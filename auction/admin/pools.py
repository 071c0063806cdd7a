"""Pools in the admin: their settings, and how they stand."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from auction import pools
from auction.admin import effects
from auction.admin.backlog import badge
from auction.admin.pool_deeds import PoolDeeds
from auction.admin.reasons import ReasonForm
from auction.models import Fallback, Pool
from config.site import figure
from economics import revisions


class PoolForm(ReasonForm, forms.ModelForm[Pool]):
    """A pool's settings, what each does, and why they change, with a word for what its laws would refuse."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Say beside each setting what it does, worked out for this pool."""
        super().__init__(*args, **kwargs)
        for name, effect in effects.of(self.instance).items():
            if name in self.fields:
                self.fields[name].help_text = effect
                self.fields[name].label = effects.NAMES[name]

    def clean(self) -> dict[str, Any]:
        """Refuse bounds that cross and a token that is worth nothing."""
        chosen = super().clean() or self.cleaned_data
        if chosen.get("max_bid_tokens", 1) < chosen.get("min_bid_tokens", 1):
            self.add_error("max_bid_tokens", "The largest bid cannot lie below the smallest.")
        if chosen.get("usd_per_token", 1) <= 0:
            self.add_error("usd_per_token", "A token is worth more than nothing.")
        return chosen


def in_fallback(standing: Fallback) -> str:
    """Return since when and why a pool gives its slots, and what ends it, in a few sentences."""
    by_hand = standing.why == Fallback.Why.HAND
    why = "by hand" if by_hand else f"because {standing.get_why_display()}"
    note = f" ({standing.note})" if standing.note else ""
    ends = (
        "No round is tried until somebody ends it here."
        if by_hand
        else "Each cycle tries a round; one success ends it."
    )
    return (
        f"In fallback since {standing.began_at:%Y-%m-%d %H:%M:%S} UTC, {why}{note}. Slots are given by the day's split "
        f"instead of sold, and nobody is charged. {ends}"
    )


def _renamed(choice: tuple[str, str], standing: Fallback | None) -> tuple[str, str]:
    """Return a deed under the name that fits a pool that is in fallback already."""
    name, text = choice
    return (name, "Keep in fallback by hand…") if name == "begin_fallback" and standing else (name, text)


def _led(pool: Pool, links: Iterable[tuple[str, str, str]]) -> SafeString:
    rows = ((reverse(f"admin:auction_{model}_changelist"), pool.pk, more, text) for model, more, text in links)
    return format_html_join(" · ", '<a href="{}?pool__id__exact={}{}">{}</a>', rows)


def allowed(pool: Pool, standing: Fallback | None) -> Collection[str]:
    """Return the deeds that a pool's mode allows; a fallback that began by itself may be made one by hand."""
    match pool.mode:
        case Pool.Mode.STOPPED:
            return {"resume"}
        case Pool.Mode.AUCTION:
            return {"stop", "begin_fallback"}
    by_hand = standing is not None and standing.why == Fallback.Why.HAND
    return {"stop", "end_fallback"} if by_hand else {"stop", "begin_fallback", "end_fallback"}


PAST: Final = ("revenue_account", "last_cycle_at", "last_round_at", "failures", "created_at", "market", "at_work")


@admin.register(Pool)
class PoolAdmin(PoolDeeds):
    """Pools and their rules. The name is given once; the mode is changed by deeds, which settle what it touches."""

    form = PoolForm
    list_display = (
        *("name", "mode_now", "rule", "capacity", "cycle_seconds"),
        *(figure("reserve_tokens"), "last_round_at", "revenue"),
    )
    list_filter = ("mode", "pricing_rule")
    list_select_related = ("revenue_account",)
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "mode", "pricing_rule")}),
        ("Supply and time", {
            "fields": (
                *("capacity", "cycle_seconds", "claim_seconds", "start_deadline_seconds", "lease_seconds"),
                "max_ttl_seconds",
            ),
        }),
        ("Prices, in wallet tokens", {"fields": ("reserve_tokens", "min_bid_tokens", "max_bid_tokens")}),
        ("Rewards", {"fields": ("usd_per_token", "reward_rate", "reward_cap_tokens", "runner_share")}),
        ("Fallback", {
            "fields": ("breaker_failures", "stale_cycles"),
            "description": "Where rounds fail or stay away, slots are given by the day's split instead of sold, until "
            "a round succeeds. It may also be begun and ended by hand, by the deeds above.",
        }),
        (None, {"fields": ("reason",)}),
        ("So far", {"fields": PAST}),
        ("What these settings do", {"fields": ("meaning",), "classes": ("told",)}),
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
            ("clear", "", "sold and given slots"),
            ("payout", "", "payouts"),
        )
        book = format_html('<a href="{}?pool={}">order book</a> · ', reverse("admin:auction_book"), pool.name)
        return book + _led(pool, links)

    @admin.display(description="see also")
    def at_work(self, pool: Pool) -> str:
        """Lead to its quests, what they bid by themselves, and when it gave slots."""
        links = (
            ("quest", "", "quests"),
            ("bidcycle", "", "automatic bids"),
            ("fallback", "", "fallbacks"),
            ("fallbackshare", "", "shares of given slots"),
        )
        return _led(pool, links)

    @admin.display(description="rule", ordering="pricing_rule")
    def rule(self, pool: Pool) -> str:
        """Return the rule in one word."""
        return str(pool.pricing_rule)

    @admin.display(description="mode", ordering="mode")
    def mode_now(self, pool: Pool) -> str:
        """Return what it does each cycle; what is not selling stands out."""
        if pool.mode == Pool.Mode.AUCTION:
            return pool.get_mode_display()
        return badge(pool.mode)

    def beside(self, request: HttpRequest, row: Pool, deeds: list[tuple[str, str]]) -> dict[str, Any]:  # noqa: ARG002
        """Say above all else that a pool gives its slots, since when and why; offer the deeds that its mode allows."""
        standing = Fallback.objects.filter(pool=row, ended_at=None).first()
        fit = allowed(row, standing)
        return {
            "banner": standing and in_fallback(standing),
            "deeds": [_renamed(deed, standing) for deed in deeds if deed[0] in fit],
        }

    @admin.display(description="meaning")
    def meaning(self, pool: Pool) -> SafeString:
        """Return what each setting does, for those who read them; who may change them reads it beside the fields."""
        told = effects.of(pool)
        pairs = ((name, told[field]) for field, name in effects.NAMES.items())
        return format_html(
            '<dl class="told-pairs">{}</dl>',
            format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", pairs),
        )

    def get_fieldsets(self, request: HttpRequest, obj: Pool | None = None) -> Any:
        """Show a new pool's settings only: it has no past. Who only reads gives no reason, and reads what they do."""
        if obj is None:
            return self.fieldsets[:-2]
        may_change = self.has_change_permission(request, obj)
        left_out = ("meaning",) if may_change else ("reason",)
        return [part for part in self.fieldsets if tuple(part[1]["fields"]) != left_out]

    def get_readonly_fields(self, request: HttpRequest, obj: Pool | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Fix the name once given."""
        return ("name", "mode", *PAST, "meaning") if obj else ("mode",)

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
