"""The ballots of a proposal on its card: how each stands or ended, who said what and why, who is silent."""

from collections.abc import Iterable
from typing import Any, Final

from django.db.models import Count, Q
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from config.site import table
from governance import tally
from governance.admin import card, grounds, words
from governance.models import Ballot, Proposal, Vote

_OVER: Final = "their deadline, which has come; they are counted within a second or two"


def voting(shown: card.Card) -> SafeString:
    """Return every ballot, the last one first: how it stands, what was said, and who has not voted."""
    if not shown.all_ballots:
        return mark_safe("<p>Nobody votes on it before it is submitted.</p>")
    return format_html_join("", "{}", ((_ballot(shown, ballot),) for ballot in shown.all_ballots))


def summary(shown: card.Card) -> SafeString:
    """Return what a reviewer weighs on one page: the change, the grounds and the ballot as it stands."""
    proposal = shown.proposal
    return format_html(
        "<p><strong>{}</strong> for {}:{}, promising {}</p>{}{}<h3>Why</h3>{}<h3>Evidence</h3>{}",
        words.asked(proposal),
        proposal.entity_type,
        proposal.entity_id,
        grounds.gain(proposal),
        card.change(shown),
        _ballot(shown, shown.all_ballots[0]) if shown.all_ballots else "",
        grounds.prose(proposal.justification),
        grounds.evidence(proposal),
    )


def _ballot(shown: card.Card, ballot: Any) -> SafeString:
    votes = shown.votes.get(ballot.pk, [])
    live = sum(vote.superseded_at is None for vote in votes)
    head = format_html(
        "<p><strong>Ballot {}</strong>, opened {} under {} of the policy. {} {}</p>",
        ballot.number,
        words.moment(ballot.opened_at),
        ballot.policy,
        card.badge(
            f"{live} of {ballot.electorate} voted, quorum {ballot.quorum}", "is-holds" if live >= ballot.quorum else ""
        ),
        _course(shown, ballot),
    )
    silent = ""
    if shown.standing is not None and ballot.pk == shown.all_ballots[0].pk and ballot.closed_at is None:
        names = ", ".join(shown.standing.silent)
        silent = format_html("<p>{}</p>", f"May still vote: {names}." if names else "All have voted.")
    return format_html('<div class="ballot">{}{}{}</div>', head, _votes(shown.proposal, votes), silent)


def _course(shown: card.Card, ballot: Ballot) -> str:
    """Return how a ballot ended, or how it would if it ended now."""
    if ballot.closed_at is not None:
        by = f" by {ballot.closed_by}: {ballot.reason}" if ballot.closed_by else ""
        return f"Closed {words.moment(ballot.closed_at)}{by}: {outcome(shown.proposal, ballot)}."
    until = words.moment(ballot.closes_at) if ballot.closes_at > shown.at else _OVER
    now = verdict(shown.proposal, shown.standing.as_it_stands) if shown.standing else ""
    return f"Votes are taken until {until}. If it closed now: {now}."


def outcome(proposal: Proposal, ballot: Ballot) -> str:
    """Return how a ballot ended."""
    if ballot.outcome == Ballot.Outcome.WITHDRAWN:
        return "withdrawn"
    return verdict(proposal, tally.Verdict(tally.Outcome(ballot.outcome), ballot.granted, ballot.revisit_at))


def verdict(proposal: Proposal, found: tally.Verdict) -> str:
    """Return an outcome in words, with the amount granted or the day it comes back."""
    match found.outcome:
        case tally.Outcome.APPROVED:
            return f"approved, {words.amount(proposal, found.granted)}"
        case tally.Outcome.DEFERRED:
            return f"deferred until {words.moment(found.revisit_at)}"
        case tally.Outcome.EXPIRED:
            return "expired for want of a quorum"
    return "rejected"


def _votes(proposal: Proposal, votes: Iterable[Vote]) -> SafeString:
    rows = [
        (
            format_html("{} {}", vote.voter_name, card.badge("superseded", "") if vote.superseded_at else ""),
            _choice(proposal, vote),
            words.moment(vote.cast_at),
            grounds.prose(vote.reason),
        )
        for vote in votes
    ]
    if not rows:
        return mark_safe("<p>No vote yet.</p>")
    return table(("Reviewer", "Vote", "When", "Why"), rows, frozenset({1, 2, 3}))


def _choice(proposal: Proposal, vote: Vote) -> SafeString:
    told = ""
    if vote.choice == Vote.Choice.APPROVE:
        told = words.amount(proposal, vote.amount or 0)
    elif vote.choice == Vote.Choice.DEFER:
        told = f"until {words.moment(vote.revisit_at)}; wants: {vote.wanted}"
    return format_html("{} {}", card.badge(vote.choice, f"is-{vote.choice}"), told)


def last_of(rows: Iterable[int]) -> dict[int, Any]:
    """Return the last ballot of each of these proposals with its number of votes that stand, in one query."""
    found = Ballot.objects.filter(proposal__in=rows).order_by("proposal_id", "number")
    counted = found.annotate(live=Count("votes", filter=Q(votes__superseded_at=None)))
    return {ballot.proposal_id: ballot for ballot in counted}  # the last one of each stays
