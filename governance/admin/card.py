"""A proposal as the card by which the Senate decides: what would change, on what grounds, and who said what."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe

from config import site
from config.errors import RefusedError
from config.site import table
from governance import ballots, follow_up, measures, queue
from governance.admin import words
from governance.models import Ballot, Enactment, Proposal, Vote

_NAMES: Final = {"base": "ceiling of the line", "granted": "granted on top"}
_OTHERS: Final = 5
COMING: Final = frozenset({"draft", "submitted", "deferred", "approved"})


class Card:
    """A proposal with all that its page shows, each read once."""

    def __init__(self, proposal: Proposal, *, at: datetime) -> None:
        """Take the proposal as it stands at a moment."""
        self.proposal, self.at = proposal, at

    @cached_property
    def all_ballots(self) -> list[Ballot]:
        """All ballots, the last one first, each with its numbers of electors and of votes that stand."""
        found = Ballot.objects.filter(proposal=self.proposal).select_related("policy").order_by("-number")
        return list(queue.counted(found))

    @cached_property
    def standing(self) -> ballots.Standing | None:
        """Where the last ballot stands; None before there is one."""
        return ballots.standing(self.all_ballots[0]) if self.all_ballots else None

    @cached_property
    def votes(self) -> dict[int, list[Vote]]:
        """All votes by ballot, superseded ones too."""
        found: dict[int, list[Vote]] = {}
        for vote in Vote.objects.filter(ballot__proposal=self.proposal).order_by("pk"):
            found.setdefault(vote.ballot_id, []).append(vote)
        return found

    @cached_property
    def enactment(self) -> Enactment | None:
        """Find that it took effect; None while it did not."""
        return Enactment.objects.filter(proposal=self.proposal).first()

    @cached_property
    def others(self) -> list[Proposal]:
        """Read the last others on the same entity that were put to the vote."""
        named = {"entity_type": self.proposal.entity_type, "entity_id": self.proposal.entity_id}
        same = Proposal.objects.filter(**named, submitted_at__isnull=False).exclude(pk=self.proposal.pk)
        return list(same.order_by("-pk")[:_OTHERS])

    @cached_property
    def followed(self) -> dict[int, follow_up.Followed]:
        """Read what came of it and of the others, of those that took effect."""
        return follow_up.of([one.pk for one in (self.proposal, *self.others)], self.at)

    @cached_property
    def base(self) -> dict[str, Any] | None:
        """Read what stands, of what would change; None where nothing can be told or nothing is to change."""
        if self.proposal.status not in COMING:
            return None
        try:
            return self._told()
        except RefusedError:
            return None

    def _told(self) -> dict[str, Any]:
        """Read what stands; of a draft only if it is one that could be carried out: other programs file any."""
        if self.proposal.status == Proposal.Status.DRAFT:
            measures.check(self.proposal)
        return measures.base(self.proposal, at=self.at)

    def preview(self, granted: int) -> list[measures.Row]:
        """Return what would change if so much were enacted now; refuses what could not be, as things stand."""
        stands = self._told() if self.base is None else self.base
        return measures.preview(self.proposal, granted, at=self.at, stands=stands)

    @cached_property
    def is_stale(self) -> bool:
        """Whether what would change has changed since voting opened."""
        open_or_approved = self.proposal.status in {"submitted", "approved"}
        return bool(
            open_or_approved and self.all_ballots and self.base is not None and self.base != self.all_ballots[0].base
        )

    @property
    def granted(self) -> int:
        """How much would be enacted: what was approved, else all that is asked."""
        last = self.all_ballots[0] if self.all_ballots else None
        return last.granted if last and self.proposal.status == "approved" else measures.asked(self.proposal)


def badge(text: str, kind: str) -> SafeString:
    """Return a word that its colour tells apart, too."""
    return format_html('<span class="badge {}">{}</span>', kind, text)


def status(proposal: Proposal) -> SafeString:
    """Return where a proposal stands."""
    return badge(proposal.get_status_display().lower(), f"is-{proposal.status}")


def on(proposal: Proposal) -> str:
    """Return what a proposal is about."""
    return f"{proposal.entity_type}:{proposal.entity_id}"


# The head


def decision(card: Card) -> SafeString:
    """Return what became of a proposal so far, and what it waits for."""
    proposal = card.proposal
    said = {
        "draft": f"filed {words.moment(proposal.filed_at)}; nobody votes on it yet",
        "submitted": "the Senate votes on it",
        "approved": f"{words.moment(proposal.decided_at)}: {words.amount(proposal, card.granted)}; not yet in effect",
        "enacted": f"{words.moment(proposal.enacted_at)}",
        "deferred": f"{words.moment(proposal.decided_at)}; comes back {words.moment(proposal.revisit_at)}",
        "withdrawn": f"by {proposal.withdrawn_by}: {proposal.withdrawn_because or 'no reason given'}",
    }.get(proposal.status, words.moment(proposal.decided_at))
    waits = format_html(' <strong class="waits">It waits: {}</strong>', proposal.waits_because)
    return format_html("{} {}{}", status(proposal), said, waits if proposal.waits_because else "")


def proposer(proposal: Proposal) -> SafeString | str:
    """Return who asks, leading to the agent where it is one."""
    if proposal.agent_id is None:
        return f"{proposal.proposer} (a person)" if proposal.user_id else proposal.proposer or words.NONE
    return format_html(
        'agent <a href="{}">{}</a>', reverse("admin:config_agent_change", args=[proposal.agent_id]), proposal.agent_id
    )


def refusal(proposal: Proposal) -> SafeString | str:
    """Return the refused reservation that it answers."""
    refused = proposal.refusal
    if refused is None:
        return words.NONE
    figures = (f"{name} {words.number(getattr(refused, name))}" for name in ("limit", "settled", "held"))
    return format_html(
        '<a href="{}">{}</a> {}: asked {}, {}, {} times',
        reverse("admin:economics_refusal_change", args=[refused.pk]),
        refused.code,
        words.moment(refused.last_at),
        words.number(refused.asked),
        ", ".join(figures) if refused.limit is not None else "no limit stood",
        refused.times,
    )


def leads(proposal: Proposal) -> SafeString:
    """Lead to the chain of the entity, to its books, and to what the proposal wrote."""
    of = urlencode({"entity_type__exact": proposal.entity_type, "entity_id__exact": proposal.entity_id})
    wrote = urlencode({"cause_kind__exact": "proposal", "cause_id__exact": str(proposal.pk)})
    own = urlencode({"q": str(proposal.pk)})
    found = [("economics_envelope", of, "envelope"), ("economics_usageday", of, "usage by day")]
    found += [("economics_refusal", of, "refusals"), ("economics_outcome", of, "outcomes")]
    if proposal.entity_type == "pool":
        found = [("auction_pool", urlencode({"q": proposal.entity_id}), "pool")]
    elif proposal.entity_type == "policy":
        policies = {"worth": "economics_worthpolicy", "senate": "governance_senatepolicy"}
        found = [(policies[proposal.entity_id], "", "versions")] if proposal.entity_id in policies else []
    found += [("governance_proposal", of, "all proposals on it"), ("governance_vote", own, "votes")]
    found += [("governance_evidence", own, "evidence")]
    if proposal.status == "enacted":
        found.append(("economics_revision", wrote, "revisions"))
    rows = ((reverse(f"admin:{name}_changelist"), asked, text) for name, asked, text in found)
    chain = site.led_to_chain(proposal.entity_type, proposal.entity_id, "its story")
    return format_html("{} · {}", chain, format_html_join(" · ", '<a href="{}?{}">{}</a>', rows))


# What would change


def change(card: Card) -> SafeString:
    """Return what stands and what would stand, or what became of it; a warning first if the base has moved."""
    proposal = card.proposal
    if proposal.status == "enacted":
        return enactment(card)
    if proposal.status not in COMING:
        return format_html("<p>Nothing changed: it was {}.</p>", proposal.get_status_display().lower())
    return format_html("{}{}", _stale(card) if card.is_stale else "", preview(card, card.granted))


def preview(card: Card, granted: int) -> SafeString:
    """Return what would change if so much were enacted now."""
    try:
        rows = card.preview(granted)
    except RefusedError as refused:
        return format_html('<p class="warning">It could not take effect as things stand: {}</p>', refused.detail)
    changes = [(label(row.what), row.before, row.after) for row in rows if row.before != row.after]
    return _before_and_after(changes, ("What", "Now", "Then", "Change")) if changes else mark_safe("<p>Nothing.</p>")


def _before_and_after(rows: Iterable[tuple[str, Any, Any]], heads: tuple[str, str, str, str]) -> SafeString:
    """Return a table of what was, what is and by how much figures differ."""
    told = [
        (what, words.value(before), format_html("<strong>{}</strong>", words.value(after)), words.change(before, after))
        for what, before, after in rows
    ]
    return table(heads, told)


def _differing(before: object, after: object) -> list[tuple[str, Any, Any]]:
    """Return what differs, by name; what another program wrote without names is shown as nothing."""
    old, new = (one if isinstance(one, Mapping) else {} for one in (before, after))
    names = dict.fromkeys([*old, *new])
    return [(label(n), old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n)]


def label(name: str) -> str:
    """Return the name of what changes as people read it."""
    for column, label in words.CLASSES.items():
        name = name.replace(column, label)
    return _NAMES.get(name, name).replace("_", " ")


def _stale(card: Card) -> SafeString:
    """Return the warning that the base has moved, with what voters saw and what stands."""
    seen, stands = card.all_ballots[0].base, card.base or {}
    who = "the chair" if measures.needs_chair(card.proposal) else "a reviewer"
    what_then = f"{who} confirms it" if card.proposal.status == "approved" else f"once approved, {who} confirms it"
    return format_html(
        '<div class="warning"><p>What would change has changed since voting opened: {}.</p>{}</div>',
        what_then,
        _before_and_after(_differing(seen, stands), ("Of what would change", "When voting opened", "Now", "Change")),
    )


def enactment(card: Card) -> SafeString:
    """Return what took effect: by whom, when, and what it changed."""
    proposal, done = card.proposal, card.enactment
    if done is None:
        return mark_safe("<p>It is not enacted.</p>")
    confirmed = (
        f" It was confirmed over a base that had moved: {done.confirmed_because}" if done.confirmed_because else ""
    )
    return format_html(
        "<p>{} by {}: {}.{}</p>{}",
        words.moment(done.enacted_at),
        done.enacted_by,
        words.amount(proposal, done.granted),
        confirmed,
        _before_and_after(_differing(done.before, done.after), ("What", "Before", "After", "Change")),
    )
