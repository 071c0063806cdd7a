"""The Budgets tab: what all envelopes may spend and have spent, the fullest, the largest, and what reviews freed."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import charts, site
from economics import kept_figures, overview, standings, totals
from governance.pages import figures, kept

SECONDS: Final = 30
_HEADS: Final = (
    *("Class and window", "Used and held", "Limit", "of it grants", "Used", "Held", "Remaining"),
    *("Lines", "Without a ceiling"),
)
_NEAR_HEADS: Final = ("Envelope", "Used and held", "Line", "Limit", "Used", "Held", "Remaining", "Resets")
_LARGEST_HEADS: Final = ("Envelope", "Used and held", "State", "Window", "Limit", "Used", "Held", "Remaining")


class Books(NamedTuple):
    """What the tab shows beside the totals, which the clock keeps."""

    fleet: standings.Standing
    near: overview.NearLimits
    largest: list[totals.Large]
    freed: list[totals.Freed]


def context(request: HttpRequest, *, now: datetime) -> dict[str, Any]:
    """Return what the tab shows, to this person, at this moment."""
    books, at = kept.kept("budgets", _books, now=now, seconds=SECONDS)
    sums, summed_at = kept_figures.kept(kept_figures.BUDGETS, now=now)
    links = figures.Links(request)
    whole = [total for total in sums if not total.qualifier]
    return {
        "at": at,
        "fleet": books.fleet,
        "spent": figures.usd(books.fleet.settled),
        "held": figures.usd(books.fleet.held),
        "cap": None if books.fleet.limit is None else figures.usd(books.fleet.limit),
        "fleet_state": _state(books.fleet),
        "near": books.near,
        "near_number": _counted(books.near.near),
        "full_number": _counted(books.near.full),
        "freed_total": figures.number(sum((freed.amount for freed in books.freed if not freed.qualifier), Decimal())),
        "chart": charts.render(_chart(whole)),
        "totals": site.table(_HEADS, [_total(total) for total in sums], frozenset({1})),
        "has_totals": bool(sums),
        "summed_at": summed_at,
        "near_table": _near(books.near, links),
        "largest": site.table(_LARGEST_HEADS, [_large(one, links) for one in books.largest], frozenset({1, 2, 3})),
        "has_envelopes": bool(books.largest),
        "freed": _freed(books.freed),
        "leads": [
            links.rows("economics.envelope", "All envelopes"),
            links.rows("economics.alert", "Alerts"),
            links.rows("economics.refusal", "Refusals"),
            links.rows("economics.review", "Weekly reviews"),
            links.rows("economics.reserve", "Reserves"),
        ],
    }


def _books(now: datetime) -> Books:
    return Books(
        standings.of_fleet(at=now),
        overview.near_limits(now=now),
        totals.largest(now=now),
        totals.freed(),
    )


def _state(fleet: standings.Standing) -> str:
    if fleet.limit is None:
        return "wait"
    used = fleet.settled + fleet.held
    if used >= fleet.limit:
        return "bad"
    return "wait" if used * 100 >= fleet.limit * overview.NEAR else "good"


def _counted(number: int) -> str:
    return f"{number:,} or more" if number >= overview.MOST_COUNTED else f"{number:,}"


def _title(total: totals.Total) -> str:
    name = figures.CLASSES.get(total.resource_type, total.resource_type)
    window = "for a lifetime" if total.window_kind == "lifetime" else f"a {total.window_kind}"
    return f"{name} {window}"


def _total(total: totals.Total) -> Sequence[object]:
    name: str | SafeString = _title(total)
    if total.qualifier:
        name = format_html('<span class="part-of">{}, of that {}</span>', name, total.qualifier)
    bounded = total.limit - total.remaining
    return (
        name,
        figures.bar(bounded, total.limit) if total.lines else "no ceiling",
        figures.number(total.limit),
        figures.number(total.granted),
        figures.number(total.settled),
        figures.number(total.held),
        figures.number(total.remaining),
        figures.number(total.lines),
        figures.number(total.open_lines),
    )


def _chart(whole: Sequence[totals.Total]) -> charts.Chart:
    """Return how full each kind of line is, in per cent of its limit: classes have units that do not compare."""
    shown = [total for total in whole if total.limit]
    names, shares = [_title(total) for total in shown], []
    for total in shown:
        taken = total.limit - total.remaining  # no line takes more than it has, however far another is overspent
        held = min(total.held, taken)
        shares.append([round(part * 100 / total.limit, 1) for part in (taken - held, held)])
    columns = [list(column) for column in zip(*shares, strict=True)] or [[], []]
    return charts.Chart(
        charts.Kind.STACKED,
        "How full the envelopes are",
        names,
        [charts.Series(name, column) for name, column in zip(("Used", "Held"), columns, strict=True)],
        heads=("Class and window", "Used", "Held"),
        words=[[f"{share} %" for share in row] for row in shares],
        unit="% of all limits in the present window",
        empty="No envelope has a ceiling yet.",
    )


def _near(near: overview.NearLimits, links: figures.Links) -> SafeString | str:
    if not near.lines:
        return ""
    rows = [
        (
            links.entity(line.entity_type, line.entity_id),
            figures.bar(line.standing.settled + line.standing.held, line.standing.limit),
            _line_title(line.standing),
            figures.number(line.standing.limit),
            figures.number(line.standing.settled),
            figures.number(line.standing.held),
            figures.number(line.standing.remaining),
            f"{line.standing.window_end:%Y-%m-%d %H:%M} UTC" if line.standing.window_end else "never",
        )
        for line in near.lines
    ]
    return site.table(_NEAR_HEADS, rows, frozenset({1, 2, 7}))


def _line_title(line: standings.Standing) -> str:
    name = figures.CLASSES.get(line.resource_type, line.resource_type)
    return f"{line.qualifier} {name} a {line.window_kind}".strip()


def _large(one: totals.Large, links: figures.Links) -> Sequence[object]:
    return (
        links.row("economics.envelope", one.envelope_id, f"{one.entity_type}:{one.entity_id}"),
        figures.bar(one.line.settled + one.line.held, one.line.limit),
        format_html('<span class="badge {}">{}</span>', "" if one.state == "active" else "is-wait", one.state),
        one.line.window_kind,
        figures.number(one.line.limit),
        figures.number(one.line.settled),
        figures.number(one.line.held),
        figures.number(one.line.remaining),
    )


def _freed(freed: Sequence[totals.Freed]) -> SafeString | str:
    if not freed:
        return ""
    rows = [(f"a {one.window_kind}", one.qualifier or "all tiers", figures.number(one.amount)) for one in freed]
    return site.table(("Window", "Tier", "LLM tokens"), rows, frozenset({1}))
