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
    """Return where voting stands: the quorum, who may still vote and the outcome as it is; then earlier ballots."""
    if not shown.all_ballots:
        return mark_safe("<p>Nobody votes on it before it is submitted.</p>")
    last, *earlier = shown.all_ballots
    told = format_html_join(
        "",
        "<p>Ballot {}, opened {}. {}</p>",
        ((one.number, words.moment(one.opened_at), _course(shown, one)) for one in earlier),
    )
    return format_html('<div class="standing-votes">{}{}{}</div>', _figures(shown, last), _silent(shown, last), told)


def _figures(shown: card.Card, ballot: Any) -> SafeString:
    """Return how far a ballot is from its quorum, and what it would come to if it ended now."""
    live = ballot.live
    meter = format_html(
        '<meter min="0" max="{0}" value="{1}" aria-label="{2} of {0} votes of the quorum"></meter>',
        max(ballot.quorum, live),
        live,
        live,
    )
    parts: list[tuple[str, object, str]] = [
        (
            "Votes",
            format_html("{} of {} {}", live, ballot.quorum, meter),
            f"the quorum of ballot {ballot.number}; {ballot.electorate} may vote, under {ballot.policy} of the policy",
        )
    ]
    if ballot.closed_at is None and shown.standing is not None:
        parts.append(("Voting ends", words.ahead(ballot.closes_at, shown.at), words.moment(ballot.closes_at)))
        parts.append(("If it closed now", verdict(shown.proposal, shown.standing.as_it_stands), _settled(shown)))
    elif ballot.closed_at is not None:
        parts.append(("Outcome", outcome(shown.proposal, ballot), words.moment(ballot.closed_at)))
    rows = format_html_join("", "<div><dt>{}</dt><dd>{} <small>{}</small></dd></div>", parts)
    return format_html('<dl class="figures">{}</dl>', rows)


def summary(shown: card.Card) -> SafeString:
    """Return what a reviewer weighs on one page: the change, the grounds and the ballot as it stands."""
    proposal = shown.proposal
    return format_html(
        "<p><strong>{}</strong> for {}:{}, promising {}</p>{}{}<h3>Why</h3>{}<h3>Evidence</h3>{}",
        words.asked(proposal),
        proposal.entity_type,
        proposal.entity_id,
        grounds.gain(proposal, shown.followed),
        card.change(shown),
        _ballot(shown, shown.all_ballots[0]) if shown.all_ballots else "",
        grounds.prose(proposal.justification),
        grounds.evidence(proposal),
    )


def _settled(shown: card.Card) -> str:
    """Return whether the votes that may still come can change the outcome."""
    found = shown.standing
    return "votes may still change it" if found and found.settled is None else "no vote can change it"


def _ballot(shown: card.Card, ballot: Any) -> SafeString:
    return format_html(
        '<div class="ballot">{}{}</div>', _head(shown, ballot), _votes(shown.proposal, shown.votes.get(ballot.pk, []))
    )


def _head(shown: card.Card, ballot: Any) -> SafeString:
    """Return in sentences how a ballot stands or ended, and who has not voted."""
    live = ballot.live
    told = f"{live} of {ballot.electorate} voted, quorum {ballot.quorum}"
    return format_html(
        "<p><strong>Ballot {}</strong>, opened {} under {} of the policy. {} {}</p>{}",
        ballot.number,
        words.moment(ballot.opened_at),
        ballot.policy,
        card.badge(told, "is-holds" if live >= ballot.quorum else ""),
        _course(shown, ballot),
        _silent(shown, ballot),
    )


def _silent(shown: card.Card, ballot: Ballot) -> SafeString | str:
    """Return who may still vote; nothing of a ballot that is over."""
    if shown.standing is None or ballot.pk != shown.all_ballots[0].pk or ballot.closed_at is not None:
        return ""
    names = ", ".join(shown.standing.silent)
    return format_html("<p>{}</p>", f"May still vote: {names}." if names else "All have voted.")


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
            vote.voter_name,
            said(proposal, vote),
            words.moment(vote.cast_at),
            grounds.prose(vote.reason),
        )
        for vote in votes
    ]
    if not rows:
        return mark_safe("<p>No vote yet.</p>")
    return table(("Reviewer", "Vote", "When", "Why"), rows, frozenset({1, 2, 3}))


def said(proposal: Proposal, vote: Vote) -> SafeString:
    """Return what a vote says: the choice, its amount or what it waits for, and whether a later one took its place."""
    told = ""
    if vote.choice == Vote.Choice.APPROVE:
        told = words.amount(proposal, vote.amount or 0)
    elif vote.choice == Vote.Choice.DEFER:
        told = f"until {words.moment(vote.revisit_at)}; wants: {vote.wanted}"
    past = card.badge("superseded", "") if vote.superseded_at else ""
    return format_html("{} {} {}", card.badge(vote.choice, f"is-{vote.choice}"), told, past)


def last_of(rows: Iterable[int]) -> dict[int, Any]:
    """Return the last ballot of each of these proposals with its number of votes that stand, in one query."""
    found = Ballot.objects.filter(proposal__in=rows).order_by("proposal_id", "number")
    counted = found.annotate(live=Count("votes", filter=Q(votes__superseded_at=None)))
    return {ballot.proposal_id: ballot for ballot in counted}  # the last one of each stays
