"""What waits for the reader: votes with their deadlines, decisions and reviews that need a person's word."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, cast

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config.models import User  # noqa: TC001 - named in a cast that runs
from config.site import table
from economics import overview
from governance import queue
from governance.admin import card, words
from governance.admin.home import parts
from governance.admin.home.parts import Figure, Made
from governance.models import Proposal

_SHOWN: Final = 6


def waiting(request: HttpRequest, now: datetime) -> Made:
    """Return what waits for this person, what closes first at the top."""
    may = request.user.has_perm
    open_to = queue.waiting(cast("User", request.user), now=now, most=_SHOWN)
    stuck = _stuck() if may("governance.confirm_proposal") else 0
    reviews = overview.drafted_reviews() if may("economics.change_review") else 0
    number = open_to.total + stuck + reviews
    first = f"first vote closes {parts.ahead(open_to.waiting[0].ballot.closes_at, now)}" if open_to.waiting else ""
    note = first or "no vote of yours is asked for"
    figure = Figure("Waits for me", f"{number:,}", note, tone="wait" if number else "good", link=_address())
    rest = format_html_join(
        "", '<p><a href="{}{}">{}</a></p>', _rest(open_to.total - len(open_to.waiting), stuck, reviews)
    )
    nothing = "" if number else parts.nothing("Nothing waits for you. A ballot appears here when it opens.")
    shown = _table(open_to.waiting, now)
    return Made(parts.panel("Waits for me", shown, rest, nothing, links=(("My queue", _address()),)), figure)


def _stuck() -> int:
    """Return how many decisions do not take effect, or come back, by themselves."""
    still = Proposal.objects.filter(status__in=[Proposal.Status.APPROVED, Proposal.Status.DEFERRED])
    return still.exclude(waits_because="").count()


def _table(rows: Sequence[queue.Waiting], now: datetime) -> SafeString | str:
    shown = [
        (
            format_html(
                '<a href="{}">{}</a>{}<br><span class="quiet">{}</span>',
                reverse("admin:governance_proposal_change", args=[row.proposal.pk]),
                card.on(row.proposal),
                format_html(" {}", parts.badge("has moved", "wait")) if row.is_stale else "",
                words.short(words.asked(row.proposal)),
            ),
            f"{row.votes} of {row.ballot.quorum}",
            parts.deadline(row.ballot.closes_at, now),
        )
        for row in rows
    ]
    return table(("Proposal", "Votes", "Closes"), shown, frozenset({2})) if shown else ""


def _rest(votes: int, stuck: int, reviews: int) -> Iterator[tuple[str, str, str]]:
    """Yield the lines below the table: address, query, words."""
    proposals = reverse("admin:governance_proposal_changelist")
    if votes:
        yield proposals, "?waits=vote", f"{votes:,} more {'waits' if votes == 1 else 'wait'} for your vote."
    if stuck:
        yield proposals, "?waits=person", f"{stuck:,} {'decision needs' if stuck == 1 else 'decisions need'} a person."
    if reviews:
        said = "weekly review waits" if reviews == 1 else "weekly reviews wait"
        yield reverse("admin:economics_review_changelist"), "?state__exact=draft", f"{reviews:,} {said} for a word."


def _address() -> str:
    try:
        return reverse("admin:governance_queue")
    except NoReverseMatch:
        return f"{reverse('admin:governance_proposal_changelist')}?waits=vote"
