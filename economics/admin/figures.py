"""How the books are shown to people: numbers, how full a line is, what changed; and who presses a deed."""

from decimal import Decimal
from typing import Final

from django import forms
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import change_words
from config.site import HouseAdminSite
from economics import revisions, standings
from economics.models import Line, Revision

NONE = HouseAdminSite.empty_value_display
RESOURCES: Final = {
    "llm_tokens": "LLM tokens",
    "cpu_seconds": "CPU seconds",
    "storage_gb_hours": "GB hours",
    "api_calls": "API calls",
    "usd": "USD",
}
CLASSES: Final = [pair for pair in RESOURCES.items() if pair[0] != "usd"]


def number(value: Decimal | int | None, none: str = NONE) -> str:
    """Return a figure as people read it; `none` where there is none."""
    return none if value is None else f"{Decimal(value).normalize():,f}"


def author(request: HttpRequest, why: str) -> revisions.Author:
    """Return the person who presses a deed, with the reason given."""
    return revisions.Author(request.user.get_username(), why)


class ReasonForm(forms.Form):
    """Why it is done."""

    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 2}))


_TONES: Final = {
    **dict.fromkeys(("active", "applied"), "good"),
    **dict.fromkeys(("capped", "draft"), "wait"),
    **dict.fromkeys(("frozen", "exhausted"), "bad"),
}


def badge(state: str) -> SafeString:
    """Return a state as a badge in the colour of what it means."""
    return format_html('<span class="badge is-{}">{}</span>', _TONES.get(state, "news"), state)


def share_bar(settled: Decimal, held: Decimal, limit: Decimal | None) -> str | SafeString:
    """Return how full a line is, as a bar with a word beside it."""
    if limit is None:
        return "no ceiling"
    used = settled + held
    if not limit and not used:
        return "nothing allowed"
    percent = 999 if limit == 0 else min(999, int(used * 100 / limit))
    return format_html(
        '<span class="room"><meter min="0" max="100" low="80" high="99" optimum="0" value="{0}"></meter> {0} %</span>',
        percent,
    )


def line_title(line: Line | standings.Standing) -> str:
    """Return what a line is of and for how long, as people call it."""
    title = line.title if isinstance(line, standings.Standing) else str(line)
    return title.replace(line.resource_type, RESOURCES[line.resource_type], 1)


def line_cells(line: standings.Standing) -> tuple[object, ...]:
    """Return the cells of a line in a table of where lines stand."""
    resets = f"{line.window_end:%Y-%m-%d %H:%M}" if line.window_end else "never"
    return (
        line_title(line),
        number(line.base, "no ceiling"),
        number(line.granted),
        number(line.limit, "no ceiling"),
        number(line.settled),
        number(line.held),
        number(line.remaining),
        share_bar(line.settled, line.held, line.limit),
        resets,
    )


def sentence(revision: Revision) -> str:
    """Return a revision in one sentence."""
    changes = changed(revision).rstrip(".")
    cause = f" [{revision.cause_kind} {revision.cause_id}]".replace(" ]", "]") if revision.cause_kind else ""
    return f"{revision.at:%Y-%m-%d %H:%M} UTC, {revision.who}: {changes}. {revision.why}{cause}"


def changed(revision: Revision) -> str:
    """Return what a revision changed, old and new; of a new envelope only what says something."""
    return change_words.sentence(revision.changes)
