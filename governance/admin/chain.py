"""The chain of an entity on one page: proposals from the refused call to the change they made, and what stands now."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from config import site
from economics import entities, review_words, standings
from governance import chain, proposals
from governance.admin import chain_steps, lately, words
from governance.models import Proposal

RIGHT: Final = "economics.view_envelope"
_OF_PROPOSALS: Final = "governance.view_proposal"
_NO_SPENDERS: Final = frozenset({"pool", "policy"})  # types that proposals are about and nobody spends on
_LISTS: Final = (
    ("usage", "usage"),
    ("usageday", "usage by day"),
    ("refusal", "refusals"),
    ("score", "score"),
    ("observation", "observations"),
    ("assessment", "assessments"),
    ("signal", "signals"),
    ("outcome", "outcomes"),
)
_LINE_HEADS: Final = ("Line", "Base", "Granted", "Limit", "Settled", "Held", "Remaining", "Resets (UTC)")


def urls(at: AdminSite) -> list[URLPattern]:
    """Return the address of the page, for the pages of proposals to stand under theirs."""
    view = at.admin_view(partial(page, at=at))
    return [path("entity/<str:entity_type>/<path:entity_id>/", view, name="governance_chain")]


def page(request: HttpRequest, entity_type: str, entity_id: str, *, at: AdminSite) -> HttpResponse:
    """Show the chain of an entity to a person who may read envelopes."""
    if not request.user.has_perm(RIGHT):
        raise PermissionDenied
    if "\0" in entity_type + entity_id:  # no column of text holds such a name
        raise Http404
    by = None
    if request.user.has_perm(_OF_PROPOSALS):
        by = proposals.Proposer(user=request.user)  # type: ignore[arg-type] # whoever has the right has signed in
    now = timezone.now()
    found = chain.of_means(entity_type, entity_id, by=by, at=now)
    told = {refusal.pk for one in found.proposals if (refusal := one.proposal.refusal) is not None}
    made = {change.revision.pk for one in found.proposals for change in one.changes}
    context = {
        **at.each_context(request),
        "opts": Proposal._meta,  # noqa: SLF001 - Django's public name for it
        "entity_type": entity_type,
        "entity_id": entity_id,
        "title": f"The story of {entity_type}:{entity_id}",
        "may_spend": entity_type not in _NO_SPENDERS,
        "facts": list(_facts(found.story)),
        "lately": lately.of_entity(entity_type, entity_id, at=now) if entity_type not in _NO_SPENDERS else "",
        "leads": list(_leads(found.story)),
        "hides_proposals": found.hides_proposals,
        "cards": [chain_steps.card(one) for one in found.proposals],
        "more": found.total - len(found.proposals),
        "refusals": [chain_steps.refused(one) for one in found.story.refusals if one.pk not in told],
        "changes": [chain_steps.changed(one, found) for one in found.story.changes if one.revision.pk not in made],
        "grants": [chain_steps.granted(one, found) for one in found.story.grants],
        "lines": _lines(found.story.lines) if found.story.lines else "",
    }
    return TemplateResponse(request, "admin/chain.html", context)


# What stands now


def _facts(means: entities.Means) -> Iterator[tuple[str, str, str]]:
    """Yield what stands now in short: a name, a figure, and what it means."""
    envelope = means.envelope
    if envelope is None:
        return
    yield "Envelope", envelope.state, envelope.state_reason
    tokens = next((line for line in means.lines if line.resource_type == "llm_tokens" and line.is_named), None)
    if tokens is not None:
        used = f"{words.number(tokens.settled + tokens.held)} of {_ceiling(tokens)}"
        yield "LLM tokens", used, f"used and held, per {tokens.window_kind}"
    yield "Priority score", words.number(envelope.priority_score), "of 1"
    signal = envelope.market_signal
    asked = "applied; no market says anything" if signal is None else f"applied; the market asks for {signal:.2f}"
    yield "Market weight", words.number(envelope.market_weight), asked
    if envelope.roi_score is None:
        yield "ROI", words.NONE, "unproven: too few LLM tokens used"
    else:
        yield "ROI", review_words.roi(envelope.roi_score), "net edges per million LLM tokens"


def _leads(means: entities.Means) -> Iterator[tuple[str, str]]:
    """Yield where to read on, address and words."""
    if means.entity_type in _NO_SPENDERS:
        return
    of_entity = site.rows_of_entity(means.entity_type, means.entity_id)
    if means.envelope is not None:
        yield reverse("admin:economics_envelope_change", args=[means.envelope.pk]), "envelope"
    for model, text in _LISTS:
        yield reverse(f"admin:economics_{model}_changelist") + of_entity, text


def _lines(lines: Iterable[standings.Standing]) -> SafeString:
    return site.table(
        _LINE_HEADS,
        (
            (
                words.of_class(line.title),
                "no ceiling" if line.base is None else words.number(line.base),
                words.number(line.granted),
                _ceiling(line),
                words.number(line.settled),
                words.number(line.held),
                words.number(line.remaining),
                f"{line.window_end:%Y-%m-%d %H:%M}" if line.window_end else "never",
            )
            for line in lines
        ),
    )


def _ceiling(line: standings.Standing) -> str:
    return "no ceiling" if line.limit is None else words.number(line.limit)
