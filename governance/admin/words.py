"""Proposals in words: what is asked, claimed and said, as people read it."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.utils.timesince import timeuntil

from config.site import HouseAdminSite
from governance import measures
from governance.models import Proposal
from governance.models.proposals import LONGEST_TEXT

NONE: Final = HouseAdminSite.empty_value_display
CLASSES: Final = {
    "llm_tokens": "LLM tokens",
    "cpu_seconds": "CPU seconds",
    "storage_gb_hours": "GB of storage",
    "api_calls": "API calls",
}
WINDOWS: Final = (
    ("", "the envelope's own"),
    ("day", "day"),
    ("week", "week"),
    ("month", "month"),
    ("lifetime", "lifetime"),
)
_SHORT: Final = 120
_FIGURE: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,12})?")  # more digits are a name, not a figure


class ReasonForm(forms.Form):
    """Why it is done."""

    reason = forms.CharField(
        max_length=LONGEST_TEXT, widget=forms.Textarea(attrs={"rows": 3}), help_text="Goes on record."
    )


def of_class(title: str) -> str:
    """Return what names a line or a class by its code, as people call it; what is used is GB hours of storage."""
    code, _, more = title.partition(" ")
    name = "GB hours" if code == "storage_gb_hours" else CLASSES.get(code, code)
    return f"{name} {more}".rstrip()


def number(value: Decimal | int | None) -> str:
    """Return a figure as people read it."""
    return NONE if value is None else f"{Decimal(value).normalize():,f}"


def moment(at: datetime | None) -> str:
    """Return a time to the minute."""
    return NONE if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def ahead(at: datetime, now: datetime) -> str:
    """Return how far ahead a time lies, roughly."""
    if at <= now:
        return "now"
    return f"in {timeuntil(at, now, depth=1)}".replace("\xa0", " ")


def line(proposal: Proposal) -> str:
    """Return the line that is asked for: tier or provider, class and window."""
    what = CLASSES.get(proposal.resource_type, proposal.resource_type)
    named = f"{proposal.qualifier} {what}" if proposal.qualifier else what
    match proposal.window_kind:
        case "lifetime":
            return f"{named} for its lifetime"
        case "":
            return f"{named} a window"
    return f"{named} a {proposal.window_kind}"


def asked(proposal: Proposal) -> str:
    """Return what a proposal asks for, in a few words."""
    amount = proposal.requested_tokens
    match proposal.measure:
        case Proposal.Measure.CHANGE_LINE:
            return f"{amount:+,} {line(proposal)}"
        case Proposal.Measure.GRANT:
            return f"grant of {amount:,} {line(proposal)}{_lasts(proposal)}"
        case Proposal.Measure.POOL | Proposal.Measure.POLICY:
            terms = ", ".join(f"{name.replace('_', ' ')} {value(new)}" for name, new in proposal.terms.items())
            return f"set {terms}" if terms else f"{proposal.get_measure_display()}: nothing yet"
    return proposal.get_measure_display()


def _lasts(proposal: Proposal) -> str:
    first, last = proposal.lasts_from, proposal.lasts_until
    begins = f" from {first:%Y-%m-%d}" if first else ""
    return f"{begins} until {last:%Y-%m-%d}" if last else f"{begins}, for one window"


def amount(proposal: Proposal, granted: int) -> str:
    """Return an amount of what is asked for: a number with its unit, or that it is the whole."""
    if proposal.measure not in measures.AMOUNTS:
        return "as asked"
    sign = "-" if proposal.requested_tokens < 0 else "+"
    told = f"{sign}{granted:,}"
    return told if granted == abs(proposal.requested_tokens) else f"{told} of the {abs(proposal.requested_tokens):,}"


def value(given: object) -> str:
    """Return any value of a JSON document: figures with thousands set apart, lists in a row."""
    match given:
        case None | "":
            return "none"
        case bool():
            return "yes" if given else "no"
        case int() | Decimal() | float():
            return number(Decimal(str(given)))
        case list():
            return ", ".join(str(one) for one in given)
        case dict():
            return told(given)
    text = str(given)
    return _as_figure(text)


def _as_figure(text: str) -> str:
    """Return a figure that is kept as text like other figures, any other text as it is."""
    figure = figured(text)
    return text if figure is None else number(figure)


def figured(given: object) -> Decimal | None:
    """Return the figure that a value of a JSON document is or spells; None if it is none."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    return Decimal(str(given)) if _FIGURE.fullmatch(str(given)) else None


def change(before: object, after: object) -> str:
    """Return by how much one figure differs from another; nothing where one of them is none."""
    old, new = figured(before), figured(after)
    return NONE if old is None or new is None else f"{(new - old).normalize():+,f}"


def told(document: Mapping[str, Any]) -> str:
    """Return an object in one line: its names and values."""
    said = ((name.replace("_", " ").replace("pmids", "PMIDs"), one) for name, one in document.items())
    return "; ".join(f"{name} {value(one)}" for name, one in said if one not in (None, "", [], {}))


def short(text: str) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1].rstrip()}…"
