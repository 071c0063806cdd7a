"""What happened to a proposal so far, and what became of others on the same entity, on its card."""

from collections.abc import Iterator
from typing import Final

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.site import table
from economics import entities
from governance import chain, follow_up
from governance.admin import card, chain_steps, words
from governance.models import Proposal

_CAUSE: Final = "proposal"


def panel(shown: card.Card) -> SafeString:
    """Return the steps of a proposal, and the last others on its entity with what they promised and brought."""
    steps = "".join(render_to_string("admin/chain_step.html", {"step": step}) for step in _steps(shown))
    return format_html(
        '<div class="chain card-history"><ol>{}</ol></div>{}',
        SafeString(steps),
        _others(shown),
    )


def _steps(shown: card.Card) -> Iterator[chain_steps.Step]:
    """Yield what happened in short: grounds and votes stand on the card already."""
    proposal = shown.proposal
    enactment, changes = None, []
    if proposal.status == Proposal.Status.ENACTED:
        enactment = shown.enactment
        named = (proposal.entity_type, proposal.entity_id)
        changes = entities.caused(*named, kind=_CAUSE, ids=[str(proposal.pk)])
    told = chain.Told(proposal, shown.all_ballots[::-1], enactment, changes, None)
    for step in chain_steps.card(told).steps:
        if step.kind != "evidence":
            yield step._replace(items=(), text="", link="" if step.kind == "asked" else step.link)


def _others(shown: card.Card) -> SafeString | str:
    if not shown.others:
        return ""
    rows = [
        (
            format_html(
                '<a href="{}">Proposal {}</a>', reverse("admin:governance_proposal_change", args=[one.pk]), one.pk
            ),
            words.asked(one),
            card.status(one),
            _brought(shown.followed.get(one.pk)),
        )
        for one in shown.others
    ]
    heads = ("Proposal", "Asked for", "Status", "Promised and realised")
    return format_html("<h3>Others on the same entity</h3>{}", table(heads, rows, frozenset({1, 2, 3})))


def _brought(found: follow_up.Followed | None) -> str:
    if found is None or found.realised is None:
        return words.NONE
    share = "" if found.share is None else f", {found.share:.0%}"
    return f"{words.number(found.realised)} of {words.number(found.promised)} net edges{share}"
