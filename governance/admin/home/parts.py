"""What the panels of the home page are made of: figures, bodies with links, times and amounts in words."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar, cast

from django.core.cache import cache
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from governance.admin import words

Found = TypeVar("Found")
_SMALL: Final = Decimal("0.01")


class Figure(NamedTuple):
    """A number at the top of the page, with a word on it. `tone` is good, wait or bad; empty: neither."""

    title: str
    value: str
    note: str = ""
    tone: str = ""
    link: str = ""


class Made(NamedTuple):
    """A panel, ready to be shown, and the figure that stands for it at the top; either may be missing."""

    body: SafeString | None = None
    figure: Figure | None = None


def panel(title: str, *parts: object, links: Sequence[tuple[str, str]] = (), note: str = "") -> SafeString:
    """Return a panel: its parts under each other, where to read on (words and addresses), and a note below."""
    foot = format_html(
        '<p class="quiet panel-foot">{}{}{}</p>',
        format_html_join(" · ", '<a href="{1}">{0}</a>', links),
        " · " if links and note else "",
        note,
    )
    body = format_html_join("", "{}", ((part,) for part in parts))
    return format_html('<section class="panel"><h2>{}</h2>{}{}</section>', title, body, foot if links or note else "")


def nothing(text: str) -> SafeString:
    """Return what is said where there is nothing to show."""
    return format_html('<p class="quiet">{}</p>', text)


def badge(text: str, tone: str) -> SafeString:
    """Return a word in the colour of its tone."""
    return format_html('<span class="badge is-{}">{}</span>', tone, text)


def usd(amount: Decimal) -> str:
    """Return an amount of USD to the cent; one below a cent with the digits it has, two of them."""
    if amount == 0 or abs(amount) >= _SMALL:
        return f"{amount:,.2f}"
    return f"{amount:.2g}" if abs(amount) >= Decimal("0.0001") else "under 0.0001"


def figure(amount: Decimal | int) -> str:
    """Return a figure as people read it; parts of a large one are left out."""
    exact = Decimal(amount)
    return f"{exact:,.0f}" if exact >= 100 else words.number(round(exact, 4))  # noqa: PLR2004


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago a moment was."""
    return "just now" if now - at < timedelta(minutes=1) else f"{_span(at, now)} ago"


def ahead(at: datetime, now: datetime) -> str:
    """Return how far ahead a moment is."""
    return "within a minute" if at - now < timedelta(minutes=1) else f"in {_span(now, at)}"


def _span(first: datetime, last: datetime) -> str:
    return timesince(first, last, depth=1).replace("\xa0", " ")


def deadline(at: datetime, now: datetime) -> SafeString:
    """Return how far ahead a moment is, and when that is."""
    return format_html(
        '{}<br><time class="quiet nowrap" datetime="{}">{} {} UTC</time>',
        ahead(at, now),
        at.isoformat(),
        at.day,
        f"{at:%b %H:%M}",
    )


def kept(name: str, seconds: int, *, now: datetime, find: Callable[[], Found]) -> tuple[datetime, Found]:
    """Return what was found lately, by whomever, and when: for figures that are the same for all who may see them."""
    found = cache.get_or_set(f"house:{name}", lambda: (now, find()), seconds)
    return cast("tuple[datetime, Any]", found)


def as_of(at: datetime) -> str:
    """Return of which moment figures are that are kept for a while."""
    return f"as of {at:%H:%M:%S} UTC"
