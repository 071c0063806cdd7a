"""My queue: what waits for the reader's vote, and one vote on several of low risk, with a result for each."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from config.errors import RefusedError
from config.models import User
from governance import bulk_votes, measures, queue, risk
from governance.admin import card, forms, words
from governance.models import Evidence

if TYPE_CHECKING:
    from governance.admin.proposals import ProposalAdmin

RIGHT: Final = "governance.vote_proposal"
_SOON: Final = 24 * 3600  # seconds
_RESULTS: Final = "votes_cast_together"  # of the session, until they are shown
_HOLDS: Final = {
    Evidence.Check.HOLDS: "holds",
    Evidence.Check.PARTLY: "holds in part",
    Evidence.Check.CONTRADICTED: "contradicted",
    Evidence.Check.UNKNOWN: "not known here",
    Evidence.Check.UNCHECKED: "not checked yet",
}


class Row(NamedTuple):
    """A proposal of the queue, in words; `tone` colours its risk, `found` what the system found of its evidence."""

    item: queue.Waiting
    on: str
    asked: str
    changes: list[tuple[str, str, str]]
    ends: str
    is_soon: bool
    tone: str
    risk: str
    found: list[tuple[str, str]]


def urls(at: "ProposalAdmin") -> list[URLPattern]:
    """Return the addresses of the queue, under those of proposals."""
    own = at.admin_site.admin_view
    return [
        path("queue/", own(lambda request: page(at, request)), name="governance_queue"),
        path("queue/vote/", own(lambda request: vote(at, request)), name="governance_queue_vote"),
    ]


def page(at: "ProposalAdmin", request: HttpRequest) -> HttpResponse:
    """Show what waits for the reader's vote, what ends first at the top."""
    user, now = cast("User", request.user), timezone.now()
    number = _number(request.GET.get("page", ""))
    may_vote = user.has_perm(RIGHT)
    start = (number - 1) * queue.MOST
    found = queue.waiting(user, now=now, start=start) if may_vote else queue.Queue(0, [])
    rows = [_row(one, now) for one in found.waiting]
    context = {
        **_frame(at, request, "My queue"),
        "rows": rows,
        "total": found.total,
        "low": [row for row in rows if row.item.is_low_risk],
        "first": rows[0] if rows else None,
        "page": Paginator(range(found.total), queue.MOST).get_page(number),
        "voted": [
            (proposal, words.asked(proposal), card.on(proposal), one) for one, proposal in queue.voted(user, now=now)
        ],
        "affairs": [
            (ballot, words.asked(ballot.proposal), card.on(ballot.proposal), words.ahead(ballot.closes_at, now))
            for ballot in queue.affairs(user, now=now)
        ],
        "may_vote": may_vote,
        "results": request.session.pop(_RESULTS, None),
        "now": now,
        "low_share": risk.told(risk.LOW_SHARE),
    }
    return TemplateResponse(request, "admin/queue.html", context)


def vote(at: "ProposalAdmin", request: HttpRequest) -> HttpResponse:
    """Show what each that was chosen would change, ask for one vote, then cast it on each and tell what came of it."""
    user, now = cast("User", request.user), timezone.now()
    if not user.has_perm(RIGHT):
        raise PermissionDenied
    back = HttpResponseRedirect(reverse("admin:governance_queue"))
    if request.method != "POST":
        return back
    form = at.asked(request, forms.BulkVoteForm)
    if form.is_valid():
        try:
            results = bulk_votes.cast_each(form.cleaned_data["seen"], voter=user, now=now, **_said(form))
        except RefusedError as refusal:
            forms.take(form, refusal)
        else:
            _tell(at, request, results, form.cleaned_data["reason"])
            return back
    chosen = _chosen(request, user, now)
    if not chosen:
        at.message_user(request, "Choose at least one proposal that waits for your vote.", messages.WARNING)
        return back
    low = [one for one in chosen if one.is_low_risk]
    if not form.is_bound:
        form = forms.BulkVoteForm(initial={"seen": forms.BulkVoteForm.shown(low)})
    context = {
        **_frame(at, request, "Vote on several"),
        "media": at.media + form.media,
        "form": form,
        "rows": [_row(one, now) for one in low],
        "left_out": [_row(one, now) for one in chosen if not one.is_low_risk],
        "now": now,
    }
    return TemplateResponse(request, "admin/bulk_vote.html", context)


def _frame(at: "ProposalAdmin", request: HttpRequest, title: str) -> dict[str, Any]:
    return {**at.admin_site.each_context(request), "opts": at.opts, "media": at.media, "title": title}


def _number(text: str) -> int:
    """Return the number of a page; anything else is the first."""
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text[:6]) < 10**6 and len(text) <= 6 else 1  # noqa: PLR2004


def _said(form: forms.BulkVoteForm) -> dict[str, Any]:
    """Return the vote that is cast on each."""
    return {name: value for name, value in form.said().items() if name != "amount"}


def _chosen(request: HttpRequest, user: User, now: datetime) -> list[queue.Waiting]:
    """Return what the reader chose of what he may vote on: rows by number, or all of low risk on the first page."""
    if "all" in request.POST:
        return [one for one in queue.waiting(user, now=now).waiting if one.is_low_risk]
    numbers = [int(pk) for pk in request.POST.getlist("proposal") if pk.isascii() and pk.isdecimal() and len(pk) < 19]  # noqa: PLR2004
    return queue.of(numbers, user, now=now)


def _tell(at: "ProposalAdmin", request: HttpRequest, results: Sequence[bulk_votes.Result], reason: str) -> None:
    """Keep what became of each vote for the next page, and write it into the proposals' histories."""
    for one in results:
        if one.proposal is not None:
            at.log_change(request, one.proposal, f"Your vote is cast, with others. {reason}")
    request.session[_RESULTS] = [_result(one) for one in results]


def _result(one: bulk_votes.Result) -> dict[str, str]:
    address = reverse("admin:governance_proposal_change", args=[one.proposal_id])
    if one.proposal is None:
        return {"pk": str(one.proposal_id), "link": address, "tone": "bad", "word": "not cast", "says": one.refused}
    state = one.proposal.get_status_display().lower()
    waits = f" It waits: {one.proposal.waits_because}" if one.proposal.waits_because else ""
    says = f"{card.on(one.proposal)}: {words.asked(one.proposal)}. The proposal is {state}.{waits}"
    return {"pk": str(one.proposal_id), "link": address, "tone": "good", "word": "cast", "says": says}


def _row(one: queue.Waiting, now: datetime) -> Row:
    tone, word = _risk(one)
    return Row(
        one,
        card.on(one.proposal),
        words.asked(one.proposal),
        [(card.label(row.what), words.value(row.before), words.value(row.after)) for row in _moved(one.rows)],
        words.ahead(one.ballot.closes_at, now),
        (one.ballot.closes_at - now).total_seconds() < _SOON,
        tone,
        word,
        _found(risk.checks(one.proposal)),
    )


def _moved(rows: Iterable[measures.Row]) -> list[measures.Row]:
    return [row for row in rows if row.before != row.after]


def _risk(one: queue.Waiting) -> tuple[str, str]:
    if one.is_low_risk:
        return "good", "low"
    if one.refused:
        return "bad", "cannot be"
    if one.is_stale:
        return "bad", "has moved"
    return ("news", "for everybody") if measures.needs_chair(one.proposal) else ("wait", "more than low")


def _found(checks: Sequence[str]) -> list[tuple[str, str]]:
    """Return what was found of the evidence, the worst first: how it reads, and its colour."""
    order = [Evidence.Check.CONTRADICTED, Evidence.Check.HOLDS, Evidence.Check.PARTLY, Evidence.Check.UNKNOWN]
    counted = [(state, checks.count(state)) for state in [*order, Evidence.Check.UNCHECKED]]
    return [(f"{number} {_HOLDS[state]}", f"is-{state}") for state, number in counted if number]
