"""The steps of a chain, in words: what was refused, asked, said, decided and done, each with when and by whom."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import change_words
from economics import entities
from governance import chain, follow_up
from governance.admin import words
from governance.models import Ballot, Evidence, Proposal


class Item(NamedTuple):
    """One of several things a step is made of: a word with its colour, what it is, and what was said of it."""

    badge: str
    tone: str
    head: str
    text: str = ""
    found: str = ""
    link: str = ""
    is_past: bool = False


class Step(NamedTuple):
    """One link of the chain: when, what happened, more of it, in whose words (`text`), and what it was made of."""

    kind: str
    at: datetime | None
    title: str | SafeString
    more: str = ""
    text: str = ""
    items: tuple[Item, ...] = ()
    link: str = ""


class Card(NamedTuple):
    """A proposal with all its steps."""

    proposal: Proposal
    title: str
    tone: str
    link: str
    steps: list[Step]


# What no proposal of the page tells


def refused(row: Any) -> Step:
    """Return a refused call as a step."""
    asked = f"{row.agent_id} asked for {words.number(row.asked)} {words.of_class(row.resource_type)}"
    of = f" of {row.model or row.qualifier}" if row.model or row.qualifier else ""
    stood = ""
    if row.line is not None and row.settled is not None:
        used = words.number(row.settled + (row.held or 0))
        stood = f"{words.of_class(str(row.line))}: {used} of {words.number(row.limit)} were used or held."
    times = f" {row.times} times in that minute." if row.times > 1 else ""
    title = f"Refused, {row.code}: {asked}{of}"
    link = reverse("admin:economics_refusal_change", args=[row.pk])
    return Step("refused", row.last_at, title, f"{stood}{times}".strip(), link=link)


def changed(change: entities.Change, found: chain.Chain[entities.Means]) -> Step:
    """Return a change of the envelope as a step, with what caused it."""
    revision, cause = change.revision, found.behind(change.revision.cause_kind, change.revision.cause_id)
    because = _because(cause) if cause else ""
    if change.review is not None:
        address = reverse("admin:economics_review_change", args=[change.review.pk])
        because = format_html(' by the <a href="{}">{}</a>', address, change.review)
    title = format_html("{}{}: {}", revision.who or "somebody", because, change_words.sentence(revision.changes))
    link = reverse("admin:economics_revision_change", args=[revision.pk])
    return Step("revision", revision.at, title, text=revision.why, link=link)


def granted(grant: Any, found: chain.Chain[entities.Means]) -> Step:
    """Return a grant that counts now or later."""
    cause = found.behind(grant.cause_kind, grant.cause_id)
    first, last = f"{grant.first_window:%Y-%m-%d}", f"{grant.last_window:%Y-%m-%d}"
    lasts = f"in the window of {first}" if first == last else f"in each window from {first} to {last}"
    amount = words.number(grant.amount)
    title = format_html("{} on {}, {}{}", amount, grant.line, lasts, _because(cause) if cause else "")
    link = reverse("admin:economics_grant_change", args=[grant.pk])
    return Step("granted", grant.created_at, title, text=grant.reason, link=link)


def _because(cause: Proposal) -> SafeString:
    return format_html(' by <a href="{}">proposal {}</a>', _address(cause), cause.pk)


# A proposal


def _address(proposal: Proposal) -> str:
    return reverse("admin:governance_proposal_change", args=[proposal.pk])


def card(told: chain.Told) -> Card:
    """Return a proposal with its steps."""
    proposal = told.proposal
    return Card(
        proposal,
        words.asked(proposal),
        f"is-{proposal.status}",
        _address(proposal),
        list(_steps(told)),
    )


def _steps(told: chain.Told) -> Iterator[Step]:
    """Yield what happened, in its order: refused, asked, evidence, votes, decided, enacted, changed."""
    proposal = told.proposal
    if proposal.refusal is not None:
        yield refused(proposal.refusal)
    promise = ""
    if proposal.gain_edges is not None and proposal.gain_by is not None:
        promise = f"Promises {words.number(proposal.gain_edges)} net edges by {proposal.gain_by:%Y-%m-%d}."
    title = f"{proposal.proposer or 'Somebody'} asked: {words.asked(proposal)}"
    text = proposal.justification
    yield Step("asked", proposal.filed_at, title, promise, text, link=_address(proposal))
    evidence = tuple(_evidence(row) for row in proposal.evidence if isinstance(row, dict))
    if evidence:
        number = "1 piece" if len(evidence) == 1 else f"{len(evidence)} pieces"
        yield Step("evidence", None, f"{number} of evidence", items=evidence)
    else:
        yield Step("waits", None, "No evidence yet")
    for ballot in told.ballots:
        yield from _voted(proposal, ballot)
    yield from _effect(told)


def _evidence(row: Mapping[str, Any]) -> Item:
    check, kind = row.get("check", "unchecked"), row.get("kind", "")
    state = Evidence.Check(check).label if check in Evidence.Check.values else str(check)
    name = str(Evidence.Kind(kind).label) if kind in Evidence.Kind.values else str(kind)
    claim = words.told(row["claim"]) if isinstance(row.get("claim"), dict) else ""
    return Item(
        str(state),
        f"is-{check}",
        f"{name[:1].upper()}{name[1:]}{': ' if claim else ''}{claim}",
        str(row.get("note") or ""),
        str(row.get("found") or ""),
        str(row.get("url") or ""),
    )


def _voted(proposal: Proposal, ballot: Ballot) -> Iterator[Step]:
    """Yield the votes of a ballot and how it ended."""
    cast = [vote for vote in proposal.votes if vote["ballot"] == ballot.number]
    live = sum(vote["superseded_at"] is None for vote in cast)
    round_ = "Voting opened" if ballot.number == 1 else f"Voting opened again, ballot {ballot.number}"
    title = f"{round_}: until {_at(ballot.closes_at)}, a quorum of {ballot.quorum}"
    yield Step("voting", ballot.opened_at, title, items=tuple(_vote(proposal, vote) for vote in cast))
    if ballot.closed_at is None:
        yield Step("waits", None, f"Undecided: {live} of the {ballot.quorum} votes that it takes are cast")
        return
    match ballot.outcome:
        case Ballot.Outcome.APPROVED:
            outcome = f"Approved: {words.amount(proposal, ballot.granted)}"
        case Ballot.Outcome.DEFERRED:
            outcome = f"Deferred until {_at(ballot.revisit_at)}"
        case Ballot.Outcome.EXPIRED:
            outcome = f"Expired: {live} of the {ballot.quorum} votes that it takes were cast"
        case Ballot.Outcome.WITHDRAWN:
            outcome = f"Withdrawn by {ballot.closed_by}"
        case _:
            outcome = "Rejected"
    if ballot.closed_by and ballot.outcome != Ballot.Outcome.WITHDRAWN:
        outcome += f", closed by {ballot.closed_by}"
    kind = f"decided is-{ballot.outcome}"
    yield Step(kind, ballot.closed_at, outcome, text=ballot.reason)


def _vote(proposal: Proposal, vote: Mapping[str, Any]) -> Item:
    said = [vote["reviewer"], _at(_moment(vote["at"]))]
    if vote["amount"] is not None:
        said.append(words.amount(proposal, vote["amount"]))
    if vote["revisit_at"] is not None:
        said.append(f"to come back {_at(_moment(vote['revisit_at']))}")
    if vote["superseded_at"] is not None:
        said.append("superseded by a later vote")
    wanted = f"Wanted: {vote['wanted']}" if vote["wanted"] else ""
    is_past = vote["superseded_at"] is not None
    return Item(vote["vote"], f"is-{vote['vote']}", " · ".join(said), vote["reason"], wanted, is_past=is_past)


def _at(moment: datetime | None) -> str:
    return words.NONE if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _effect(told: chain.Told) -> Iterator[Step]:
    """Yield what a decision came to: that it waits, was withdrawn, or took effect, and what that changed."""
    proposal, enactment = told.proposal, told.enactment
    if proposal.waits_because:
        yield Step("waits", None, f"Waits: {proposal.waits_because}")
    if proposal.status == Proposal.Status.WITHDRAWN and not any(one.outcome == "withdrawn" for one in told.ballots):
        by = f"Withdrawn by {proposal.withdrawn_by}"
        yield Step("decided is-withdrawn", None, by, text=proposal.withdrawn_because)
    if enactment is None:
        return
    before, after = enactment.before, enactment.after
    moved = "; ".join(
        f"{name.replace('_', ' ')} {words.value(before.get(name))} → {words.value(new)}"
        for name, new in after.items()
        if before.get(name) != new
    )
    confirmed = "Confirmed over a base that had moved:" if enactment.confirmed_because else ""
    title = f"Took effect by {enactment.enacted_by}: {moved or 'nothing changed'}"
    yield Step("enacted", enactment.enacted_at, title, confirmed, enactment.confirmed_because)
    for change in reversed(told.changes):
        revision = change.revision
        link = reverse("admin:economics_revision_change", args=[revision.pk])
        yield Step(
            "revision", revision.at, f"The envelope changed: {change_words.sentence(revision.changes)}", link=link
        )
    if told.followed is not None:
        yield Step("gain", None, _gained(told.followed))


def _gained(followed: follow_up.Followed) -> str:
    """Return what was promised and what came."""
    if followed.realised is None:
        return f"Promised were {words.number(followed.promised)} net edges, of everybody's work"
    share = "" if followed.share is None else f", {followed.share:.0%} of what was promised"
    came = f"{words.number(followed.realised)} of {words.number(followed.promised)} net edges{share}"
    others = "another proposal shares" if followed.alongside == 1 else f"{followed.alongside} other proposals share"
    beside = f"; {others} them" if followed.alongside else ""
    if not followed.is_due:
        return f"So far the entity gained {came}; the day is {followed.gain_by:%Y-%m-%d}{beside}"
    kept = "kept" if followed.is_kept else "not kept"
    return f"The promise was {kept}: by {followed.gain_by:%Y-%m-%d} the entity gained {came}{beside}"
