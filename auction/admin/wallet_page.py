"""A wallet on one page: its statement of some days, what its held tokens are promised to, and a file of it."""

from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from auction import holds
from auction.admin import running
from auction.admin.backlog import badge
from auction.admin.reasons import GivenReasonForm
from auction.models import Bid
from config import sheets
from config.errors import RefusedError
from config.site import CONFIRMED, table
from economics import ledger, statements

RIGHTS: Final = ("economics.view_account", "economics.view_transfer")
ON_A_PAGE: Final = 100
_DAYS: Final = 30
_HEADS: Final = ("Time (UTC)", "Amount", "Balance", "What", "With", "Note")
_FILE: Final = ("transfer", "time", "reason", "with", "amount", "balance", "key", "memo")


class DaysForm(forms.Form):
    """From which day to which a statement is."""

    since = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To and with", widget=forms.DateInput(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        """Refuse an end before the beginning, and days that no time can tell."""
        chosen = super().clean() or self.cleaned_data
        if {"since", "until"} <= chosen.keys():
            if chosen["until"] < chosen["since"]:
                self.add_error("until", "The last day cannot lie before the first.")
            elif not date(1970, 1, 1) <= chosen["since"] <= chosen["until"] < date(9999, 1, 1):
                self.add_error("since", "Choose days since 1970.")
        return chosen


def urls(of: ModelAdmin[Bid]) -> list[URLPattern]:
    """Return the addresses of the page, of its file and of its deed, to stand under that of bids."""
    at = of.admin_site.admin_view
    return [
        path("wallet/<int:wallet>/", at(partial(page, of=of)), name="auction_wallet"),
        path("wallet/<int:wallet>/statement.csv", at(partial(export, of=of)), name="auction_wallet_export"),
        path("wallet/<int:wallet>/release/", at(require_POST(partial(release, of=of))), name="auction_wallet_release"),
    ]


def page(request: HttpRequest, wallet: int, *, of: ModelAdmin[Bid]) -> HttpResponse:
    """Show a wallet's statement, of the last thirty days if not said otherwise, and what it holds."""
    now = timezone.now()
    form, told = _asked(request, wallet, now)
    after = _place(request)
    entries = statements.entries(told, after=after, most=ON_A_PAGE + 1)
    held = holds.of_wallet(wallet, held=told.held, now=now)
    has_more, entries = len(entries) > ON_A_PAGE, entries[:ON_A_PAGE]
    days = {"since": told.since.date().isoformat(), "until": _last_day(told).isoformat()}
    context = {
        **_frame(request, told, of),
        "form": form,
        "figures": {
            name: f"{getattr(told, name):,}"
            for name in ("opening", "received", "paid", "closing", "balance", "held", "available", "number")
        },
        "told": told,
        "last_day": _last_day(told),
        "entries": _entries(told, entries, is_first=after is None, is_last=not has_more),
        "is_first": after is None,
        "days": urlencode(days),
        "next": urlencode({**days, "after": f"{entries[-1].at.isoformat()}|{entries[-1].id}"}) if has_more else "",
        "holds": _holds(held),
        "held": held,
        "for_nothing": f"{held.for_nothing:,}",
        "more_holds": f"{held.number - len(held.listed):,}" if held.number > len(held.listed) else "",
        "may_release": request.user.has_perm(running.RIGHT) and held.for_nothing > 0,
        "release_form": GivenReasonForm(),
        "release_warning": _warning(held),
    }
    return TemplateResponse(request, "admin/wallet.html", context)


def export(request: HttpRequest, wallet: int, *, of: ModelAdmin[Bid]) -> HttpResponseBase:  # noqa: ARG001 - as the others
    """Send every line of the statement as a file, as it is read."""
    _form, told = _asked(request, wallet, timezone.now())
    rows = (
        (one.id, one.at, one.reason, one.other_owner, one.amount, one.balance, one.key, one.memo)
        for one in statements.all_entries(told)
    )
    name = f"statement-{wallet}-{told.since:%Y-%m-%d}-{_last_day(told):%Y-%m-%d}.csv"
    return sheets.download(name, _FILE, rows)


def release(request: HttpRequest, wallet: int, *, of: ModelAdmin[Bid]) -> HttpResponse:
    """Ask why, then make those tokens available again that are held for nothing."""
    if not request.user.has_perm(running.RIGHT):
        raise PermissionDenied
    now = timezone.now()
    _form, told = _asked(request, wallet, now)
    form = GivenReasonForm(request.POST) if CONFIRMED in request.POST else GivenReasonForm()
    if not form.is_valid():
        held = holds.of_wallet(wallet, held=told.held, now=now)
        context = {
            **_frame(request, told, of),
            "title": f"Release what {told.owner} holds for nothing",
            "form": form,
            "warning": _warning(held),
            "button": "Release",
            "confirmed": CONFIRMED,
        }
        return TemplateResponse(request, "admin/wallet_release.html", context)
    try:
        with transaction.atomic():  # what cannot be put on record is not done
            tokens = holds.release_for_nothing(wallet)
            said = f"Released {tokens:,} wallet tokens that {told.owner} held for nothing."
            (account,) = ledger.accounts([wallet])
            of.log_change(request, account, f"{said} Why: {form.cleaned_data['reason']}")  # type: ignore[arg-type] # a row
    except RefusedError as refusal:
        messages.error(request, f"{refusal.detail} [{refusal.code}]")
    else:
        messages.success(request, said)
    return HttpResponseRedirect(reverse("admin:auction_wallet", args=[wallet]))


# What is asked


def _asked(request: HttpRequest, wallet: int, now: datetime) -> tuple[DaysForm, statements.Statement]:
    """Return the form of days and the statement of those, or of the last thirty where they make no sense."""
    if not all(request.user.has_perm(right) for right in RIGHTS):
        raise PermissionDenied
    usual = {"since": now.date() - timedelta(days=_DAYS - 1), "until": now.date()}
    is_asked = "since" in request.GET or "until" in request.GET
    form = DaysForm(request.GET) if is_asked else DaysForm(initial=usual)
    days = form.cleaned_data if form.is_valid() else usual
    since = datetime.combine(days["since"], time(), tzinfo=now.tzinfo)
    until = datetime.combine(days["until"] + timedelta(days=1), time(), tzinfo=now.tzinfo)
    told = statements.of(wallet, since=since, until=until) if wallet < 2**63 else None
    if told is None:
        msg = "There is no such wallet."
        raise Http404(msg)
    return form, told


def _last_day(told: statements.Statement) -> date:
    return (told.until - timedelta(days=1)).date()


def _place(request: HttpRequest) -> statements.Place | None:
    """Return the place that a page begins after; what is no place is the beginning."""
    at, _bar, number = request.GET.get("after", "").partition("|")
    try:
        moment = parse_datetime(at)
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None or not number.isascii() or not number.isdigit() or len(number) > 18:  # noqa: PLR2004 - digits that a bigint has
        return None
    return statements.Place(moment, int(number))


def _frame(request: HttpRequest, told: statements.Statement, of: ModelAdmin[Bid]) -> dict[str, Any]:
    return {
        **of.admin_site.each_context(request),
        "opts": Bid._meta,  # noqa: SLF001 - Django's public name for it
        "title": f"Statement of {told.owner}",
        "wallet": told.wallet,
    }


# What is shown


def _entries(
    told: statements.Statement, entries: list[statements.Entry], *, is_first: bool, is_last: bool
) -> SafeString:
    rows: list[tuple[object, ...]] = [_entry(one) for one in entries]
    if is_first:
        rows.insert(0, (f"{told.since:%Y-%m-%d %H:%M:%S}", "", f"{told.opening:,}", "Opening balance", "", ""))
    if is_last:
        rows.append((f"{told.until:%Y-%m-%d %H:%M:%S}", "", f"{told.closing:,}", "Closing balance", "", ""))
    return table(_HEADS, rows, frozenset({3, 4, 5}))


def _entry(one: statements.Entry) -> tuple[object, ...]:
    return (
        f"{one.at:%Y-%m-%d %H:%M:%S}",
        f"{one.amount:+,}",
        f"{one.balance:,}",
        format_html('<a href="{}">{}</a>', reverse("admin:economics_transfer_change", args=[one.id]), one.reason),
        format_html('<a href="{}">{}</a>', reverse("admin:auction_wallet", args=[one.other]), one.other_owner),
        one.memo,
    )


def _holds(held: holds.Holds) -> SafeString | str:
    heads = ("For", "Tokens", "Task", "Pool", "Since (UTC)", "Until (UTC)", "State")
    rows = [
        (
            _for(one),
            f"{one.tokens:,}",
            format_html(
                '<a href="{}">{}</a>', reverse("admin:auction_task_change", args=[quote(one.task_id)]), one.task_id
            ),
            one.pool,
            f"{one.since:%Y-%m-%d %H:%M:%S}",
            f"{one.until:%Y-%m-%d %H:%M:%S}",
            format_html('<span class="badge is-bad">{}</span>', "stuck") if one.is_stuck else badge(_state(one)),
        )
        for one in held.listed
    ]
    return table(heads, rows, frozenset({2, 3, 4, 5, 6})) if rows else ""


def _state(one: holds.Hold) -> str:
    return "open" if one.kind == "bid" else one.kind


def _for(one: holds.Hold) -> SafeString:
    """Lead to the bid or the sale that tokens are held for; what is stuck there is released there."""
    name = "bid" if one.kind == "bid" else "clear"
    text = f"bid {one.id}" if one.kind == "bid" else f"slot won, clear {one.id}"
    return format_html('<a href="{}">{}</a>', reverse(f"admin:auction_{name}_change", args=[one.id]), text)


def _warning(held: holds.Holds) -> str:
    return (
        f"{held.for_nothing:,} of {held.held:,} held tokens stand behind no open bid and no slot: no rule would ever "
        "release them. They become available again; nothing else changes. Run the audit before and after."
    )
