"""The page of what became of it: promised and realised gain of what the Senate enacted, by proposer and by reviewer."""

from collections.abc import Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.site import HouseAdmin, table
from governance import follow_up
from governance.admin import card, words
from governance.models import Proposal

_SHOWN: Final = 50
_SUMS: Final = ("Enacted", "Due", "Kept", "Promised", "Realised", "Share", "Not due: promised", "So far")


class ReportForm(forms.Form):
    """Which decisions the page is about."""

    since = forms.DateField(required=False, label="Decided since (UTC)", widget=forms.DateInput(attrs={"type": "date"}))
    entity_type = forms.CharField(required=False, max_length=64, label="On entities of the type")


def view(admin: HouseAdmin[Proposal], request: HttpRequest) -> HttpResponse:
    """Show the three tables: the last proposals enacted, whose they were, and who approved them."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    form, at = ReportForm(request.GET or None), timezone.now()
    asked = _asked(form) if form.is_bound and form.is_valid() else {}
    last = follow_up.enacted(at=at, limit=_SHOWN, **asked)
    proposers = follow_up.by_proposer(at=at, **asked)
    reviewers = follow_up.by_reviewer(at=at, **asked)
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "media": admin.media + form.media,
        "title": "Follow-up: what became of proposals",
        "form": form,
        "says": says([one.sums for one in proposers]),
        "enacted": _enacted(last) if last else "",
        "proposers": _proposers(proposers[:_SHOWN]) if proposers else "",
        "reviewers": _reviewers(reviewers) if reviewers else "",
        "more_enacted": len(last) == _SHOWN,
        "more_proposers": max(0, len(proposers) - _SHOWN),
        "shown": _SHOWN,
    }
    return TemplateResponse(request, "admin/follow_up.html", context)


def _asked(form: ReportForm) -> dict[str, Any]:
    day = form.cleaned_data["since"]
    since = datetime.combine(day, time(), tzinfo=UTC) if day else None
    return {"since": since, "entity_type": form.cleaned_data["entity_type"]}


def says(sums: Sequence[follow_up.Sums]) -> str:
    """Return what all promises came to, in a sentence or two."""
    enacted, due, kept = (sum(getattr(one, name) for one in sums) for name in ("enacted", "due", "kept"))
    if not enacted:
        return "Nothing that was decided in this time has taken effect yet."
    promised, realised = (sum((getattr(one, name) for one in sums), Decimal(0)) for name in ("promised", "realised"))
    head = f"{enacted:,} enacted, of which the day of {due:,} has come."
    if not due:
        return head
    share = f" ({realised / promised:.0%})" if promised else ""
    return f"{head} {kept:,} kept their promise: {_edges(realised)} of {_edges(promised)} net edges{share}."


def _enacted(found: Sequence[follow_up.Followed]) -> SafeString:
    heads = (
        "Proposal",
        "By",
        "Promised",
        "Realised",
        "Share",
        "Promise",
        "Enacted",
        "Gain by",
        "Shared with",
        "Granted",
    )
    cells = (
        (
            _named(one),
            one.proposer,
            _edges(one.promised),
            _edges(one.realised),
            _percent(one.share),
            _kept(one),
            f"{one.enacted_at:%Y-%m-%d}",
            f"{one.gain_by:%Y-%m-%d}",
            f"{one.alongside:,}" if one.alongside else words.NONE,
            _granted(one),
        )
        for one in found
    )
    return table(heads, cells, words=frozenset({1, 5, 6, 7, 9}))


def _named(one: follow_up.Followed) -> SafeString:
    """Lead to the proposal, by its number and what it is about."""
    address = reverse("admin:governance_proposal_change", args=[one.proposal_id])
    return format_html('<a href="{}">{} {}:{}</a>', address, one.proposal_id, one.entity_type, one.entity_id)


def _kept(one: follow_up.Followed) -> SafeString:
    """Return whether the promise was kept, as a badge in the colours of what a proposal came to."""
    looks = {None: "is-draft", True: "is-enacted", False: "is-rejected"}
    return card.badge(one.promise, looks[one.is_kept])


def _granted(one: follow_up.Followed) -> str:
    if one.granted is None:
        return one.measure
    return f"{one.granted:+,} {words.CLASSES.get(one.resource_type, one.resource_type)}"


def _proposers(found: Sequence[follow_up.OfProposer]) -> SafeString:
    heads = ("Proposer", "Is", "Decided", "Approved", "Rejected", "Deferred", "Expired", *_SUMS)
    cells = (
        (
            *(one.proposer, "an agent" if one.by_agent else "a person"),
            *(f"{number:,}" for number in one[2:7]),
            *_of_sums(one.sums),
        )
        for one in found
    )
    return table(heads, cells, words=frozenset({1}))


def _reviewers(found: Sequence[follow_up.OfReviewer]) -> SafeString:
    heads = ("Reviewer", "Voted", "To approve", "To reject", "To defer", "Carried", *_SUMS)
    cells = ((one.reviewer, *(f"{number:,}" for number in one[1:6]), *_of_sums(one.sums)) for one in found)
    return table(heads, cells)


def _of_sums(sums: follow_up.Sums) -> tuple[str, ...]:
    return (
        *(f"{number:,}" for number in sums[:3]),
        *(_edges(sums.promised), _edges(sums.realised), _percent(sums.share)),
        *(_edges(sums.open_promised), _edges(sums.open_realised)),
    )


def _edges(number: Decimal | None) -> str:
    return words.number(None if number is None else round(number, 2))


def _percent(share: Decimal | None) -> str:
    return words.NONE if share is None else f"{share:.0%}"
