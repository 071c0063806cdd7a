"""The grounds of a proposal on its card: why, the promised gain, the evidence and what the system found of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from governance import claims, follow_up, proposals
from governance.admin import card, words
from governance.models import Evidence, Proposal

_CHECKS: Final = {
    "holds": "holds",
    "partly": "holds in part",
    "contradicted": "contradicted",
    "unknown": "not known here",
    "unchecked": "not checked yet",
}


def prose(text: str) -> SafeString:
    """Return anybody's text as it was written: inert, its line breaks kept."""
    return format_html('<div class="prose">{}</div>', text) if text.strip() else format_html("<p>{}</p>", "None given.")


def gain(proposal: Proposal, followed: Mapping[int, follow_up.Followed]) -> str:
    """Return what the proposer promises and, of what took effect, what the entity gained so far."""
    if proposal.gain_edges is None:
        return "nothing promised yet"
    promised = f"{words.number(proposal.gain_edges)} net edges by {words.moment(proposal.gain_by)}"
    if proposal.status != Proposal.Status.ENACTED:
        return promised
    found = followed.get(proposal.pk)
    if found is None:  # by a clock ahead of ours
        return promised
    if found.realised is None:
        return f"{promised}; it touches everybody, and what came of it is not told apart"
    share = "" if found.share is None else f" ({found.share:.0%})"
    came = f"{promised}; realised {words.number(found.realised)}{share}"
    return f"{came} so far" if found.is_kept is None else f"{came}: {'kept' if found.is_kept else 'not kept'}"


def evidence(proposal: Proposal) -> SafeString:
    """Return each piece with what the system found; addresses are shown, and led to by nobody."""
    rows = list(Evidence.objects.filter(proposal=proposal).order_by("pk"))
    if not rows:
        return mark_safe("<p>None yet.</p>")
    return format_html('<ol class="evidence">{}</ol>', format_html_join("", "{}", ((_piece(one),) for one in rows)))


def _piece(one: Evidence) -> SafeString:
    found = words.told(one.check_found)
    parts = [
        format_html("<strong>{}</strong> {}", one.get_kind_display(), words.told(in_order(one))),
        format_html(
            "{} {}{}",
            card.badge(_CHECKS[one.check_state], f"is-{one.check_state}"),
            one.check_says,
            format_html(' <span class="quiet">[{}]</span>', found) if found else "",
        ),
    ]
    if one.note:
        parts.append(format_html('<span class="prose">{}</span>', one.note))
    if one.url:
        parts.append(format_html("<code>{}</code>", one.url))
    parts.append(_attached(one))
    return format_html(
        '<li class="{}">{}</li>',
        "gone" if one.withdrawn_at else "",
        format_html_join("", "<div>{}</div>", ((part,) for part in parts)),
    )


def in_order(one: Evidence) -> dict[str, Any]:
    """Return a claim by the order in which its kind names the parts; what another program said besides, behind."""
    claim = one.claim if isinstance(one.claim, dict) else {"given": one.claim}
    names = [part.name for part in claims.SHAPES[one.kind].parts]
    return {name: claim[name] for name in dict.fromkeys([*names, *claim]) if name in claim}


def _attached(one: Evidence) -> SafeString:
    gone = f"; taken back {words.moment(one.withdrawn_at)}" if one.withdrawn_at else ""
    return format_html(
        '<span class="quiet">No. {}, attached {} by {}{}</span>',
        one.pk,
        words.moment(one.attached_at),
        one.attached_by or "somebody",
        gone,
    )


def lacks(proposal: Proposal, *, now: datetime) -> SafeString | str:
    """Return all that a draft lacks before it may be submitted."""
    found = proposals.missing(proposal, now=now)
    if not found:
        return "nothing: it may be submitted"
    return format_html(
        '<ul class="rows">{}</ul>', format_html_join("", "<li>{}</li>", ((one.sentence,) for one in found))
    )


def lacking(proposal: Proposal, *, now: datetime) -> SafeString:
    """Return what is asked, and what a draft lacks."""
    return format_html("<p><strong>{}</strong></p><p>It lacks:</p>{}", words.asked(proposal), lacks(proposal, now=now))
