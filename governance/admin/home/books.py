"""The books on the home page: spend against the cap, lines near their limits, where the money went, alerts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import charts
from config.site import table
from economics import overview, standings
from governance.admin import words
from governance.admin.home import parts
from governance.admin.home.parts import Figure, Made

_SHOWN: Final = 8
_DAYS: Final = 30
_LATELY: Final = 2  # days that are read every minute; those before hardly change, and are read every hour
_KINDS: Final = charts.COLOURS  # more would wear a colour twice
_CLASSES: Final = {
    "llm_tokens": "LLM, no tier",
    "cpu_seconds": "CPU",
    "storage_gb_hours": "storage",
    "api_calls": "API calls",
}
_LINES: Final = (
    ("llm_tokens", "LLM tokens"),
    ("cpu_seconds", "CPU seconds"),
    ("storage_gb_hours", "GB-hours"),
    ("api_calls", "API calls"),
    ("usd", "USD"),
)
_NONE_NEAR: Final = "No envelope has used 80 % of a limit in its present window."
_NO_ALERT: Final = "No alerts. The daily check raises one when a line reaches 50, 80 or 100 % of its limit."


def fleet(_request: HttpRequest, now: datetime) -> Made:
    """Return what the fleet has spent today, against its cap."""
    line = standings.of_fleet(at=now)
    held = f"; {parts.usd(line.held)} held" if line.held else ""
    used = line.settled + line.held
    if line.limit is None:
        note, tone = f"USD{held}; no cap is set", ""
    else:
        share = used * 100 / line.limit if line.limit else Decimal(100 if used else 0)
        note = f"of {parts.usd(line.limit)} USD ({share:.0f} %){held}"
        tone = "bad" if share >= 100 else "wait" if share >= overview.NEAR else "good"  # noqa: PLR2004
    return Made(figure=Figure("Spent today", parts.usd(line.settled), note, tone, _days()))


def near(_request: HttpRequest, now: datetime) -> Made:
    """Return the lines of envelopes near their limits, the fullest first."""
    at, found = parts.kept("near", 30, now=now, find=lambda: overview.near_limits(now=now, most=_SHOWN))
    address = reverse("admin:economics_envelope_changelist")
    note = f"{_counted(found.full)} reached it" if found.near else "none above 80 %"
    tone = "bad" if found.full else "wait" if found.near else "good"
    figure = Figure(
        "Lines near their limits", _counted(found.near), note, tone, reverse("admin:economics_alert_changelist")
    )
    rows = [(_entity(line), _used(line, now)) for line in found.lines]
    body = table(("Envelope", "Used and held"), rows, frozenset({1})) if rows else parts.nothing(_NONE_NEAR)
    rest = format_html("<p>{} in all.</p>", _counted(found.near)) if found.near > len(rows) else ""
    return Made(
        parts.panel("Envelopes near their limits", body, rest, links=(("Envelopes", address),), note=parts.as_of(at)),
        figure,
    )


def _counted(number: int) -> str:
    return f"{number:,}{' or more' if number >= overview.MOST_COUNTED else ''}"


def _entity(line: overview.Near) -> SafeString:
    stopped = format_html(" {}", parts.badge(line.state, "bad")) if line.state == "frozen" else ""
    return format_html(
        '<a href="{}">{}:{}</a>{}<br><span class="quiet">{}</span>',
        reverse("admin:economics_envelope_change", args=[line.standing.envelope_id]),
        line.entity_type,
        line.entity_id,
        stopped,
        _line(line.standing.title),
    )


def _line(title: str) -> str:
    """Return a line in words."""
    for name, said in _LINES:
        title = title.replace(name, said)
    return title


def _used(line: overview.Near, now: datetime) -> SafeString:
    percent = 999 if line.share is None else min(999, int(line.share * 100))
    standing, ends = line.standing, line.standing.window_end
    return format_html(
        '<span class="room"><meter min="0" max="100" low="80" high="99" optimum="0" value="{0}"></meter> {0} %</span>'
        '<br><span class="quiet">{1} of {2}; {3}</span>',
        percent,
        parts.figure(standing.settled + standing.held),
        parts.figure(standing.limit or 0),
        f"resets {parts.ahead(ends, now)}" if ends else "never resets",
    )


def spend(_request: HttpRequest, now: datetime) -> Made:
    """Return the spend of each of the last 30 days by tier and class."""
    at, lately = _last_days(now)
    end = lately.days[0] - timedelta(days=1)
    _at, before = parts.kept(
        f"spend-until:{end}", 3600, now=now, find=lambda: overview.spending(last=end, days=_DAYS - _LATELY)
    )
    found = overview.joined(before, lately)
    kinds = [(_kind(kind), kind.costs) for kind in found.kinds]
    if len(kinds) > _KINDS:
        others = [sum(costs, Decimal()) for costs in zip(*(costs for _name, costs in kinds[_KINDS - 1 :]), strict=True)]
        kinds = [*kinds[: _KINDS - 1], ("others", others)]
    total = sum(found.totals, Decimal())
    chart = charts.Chart(
        charts.Kind.STACKED,
        f"Spend of the last {_DAYS} days",
        [f"{day.day} {day:%b}" for day in found.days],
        [charts.Series(name, costs) for name, costs in kinds],
        heads=("Day", *(name for name, _costs in kinds), "all"),
        words=[
            [parts.usd(cost) for cost in (*costs, sum(costs, Decimal()))] for costs in _by_day(kinds, len(found.days))
        ],
        unit=f"USD a day; {parts.usd(total)} in all",
        note=f"By the day of use, {parts.as_of(at)}, older days up to an hour before. Unpriced use is not in it.",
        empty="Nothing spent in these days. Spend appears with the first usage that has a price.",
    )
    return Made(charts.render(chart))


def _last_days(now: datetime) -> tuple[datetime, overview.Spending]:
    return parts.kept("spend", 60, now=now, find=lambda: overview.spending(last=overview.today(now=now), days=_LATELY))


def _by_day(kinds: Sequence[tuple[str, Sequence[Decimal]]], days: int) -> list[tuple[Decimal, ...]]:
    return list(zip(*(costs for _name, costs in kinds), strict=True)) or [() for _day in range(days)]


def _kind(kind: overview.Spent) -> str:
    return kind.tier or _CLASSES.get(kind.resource_type, kind.resource_type)


def spenders(request: HttpRequest, now: datetime) -> Made:
    """Return the entities that cost most since yesterday began."""
    last = _last_days(now)[1].days[-1]
    at, found = parts.kept(
        "spenders", 60, now=now, find=lambda: overview.spenders(last=last, days=_LATELY, most=_SHOWN)
    )
    leads = request.user.has_perm("economics.view_envelope")
    rows = [(_spender(row, leads=leads), parts.usd(row.cost)) for row in found]
    body = table(("Entity", "USD"), rows) if rows else parts.nothing("Nothing was spent today or yesterday.")
    links = (("Days of usage", _days()),)
    return Made(parts.panel("Dearest since yesterday", body, links=links, note=parts.as_of(at)))


def _days() -> str:
    return reverse("admin:economics_usageday_changelist")


def _spender(row: overview.Spender, *, leads: bool) -> SafeString | str:
    name = f"{row.entity_type}:{row.entity_id}"
    return _to_envelope(row.envelope_id if leads else None, name)


def _to_envelope(envelope_id: int | None, name: str) -> SafeString | str:
    if envelope_id is None:
        return name
    return format_html('<a href="{}">{}</a>', reverse("admin:economics_envelope_change", args=[envelope_id]), name)


def alerts(request: HttpRequest, now: datetime) -> Made:
    """Return the latest alerts of the daily check."""
    leads = request.user.has_perm("economics.view_envelope")
    found = overview.latest_alerts(most=_SHOWN)
    rows = [(_whose(alert, leads=leads), _raised(alert, now)) for alert in found]
    body = table(("Line", "Reached"), rows, frozenset({1})) if rows else parts.nothing(_NO_ALERT)
    links = (("All alerts", reverse("admin:economics_alert_changelist")),)
    return Made(parts.panel("Latest alerts", body, links=links))


def _whose(alert: overview.Raised, *, leads: bool) -> SafeString:
    name = f"{alert.entity_type}:{alert.entity_id}" if alert.entity_type else "the fleet"
    shown = _to_envelope(alert.envelope_id if leads else None, name)
    return format_html('{}<br><span class="quiet">{}</span>', shown, _line(alert.line))


def _raised(alert: overview.Raised, now: datetime) -> SafeString:
    return format_html(
        '{} {}<br><span class="quiet"><time datetime="{}" title="{}">{}</time>, {}</span>',
        _reached(alert),
        parts.badge("froze it", "bad") if alert.froze else "",
        alert.raised_at.isoformat(),
        words.moment(alert.raised_at),
        parts.ago(alert.raised_at, now),
        f"seen by {alert.seen_by}" if alert.seen_by else "not seen yet",
    )


def _reached(alert: overview.Raised) -> SafeString:
    tone = "bad" if alert.threshold >= 100 else "wait" if alert.threshold >= overview.NEAR else "news"  # noqa: PLR2004
    return parts.badge(f"{alert.threshold} %", tone)


def upkeep(request: HttpRequest, now: datetime) -> Made:
    """Return what is open in the books: usage without a price, and when the limits were checked last."""
    found = overview.upkeep()
    many = "or more " if found.unpriced == overview.MOST_UNPRICED else ""
    leads = found.unpriced and request.user.has_perm("economics.view_price")
    open_rows = f"{found.unpriced:,} {many}rows of usage have no price yet and cost nothing so far."
    if found.unpriced == 1:
        open_rows = "1 row of usage has no price yet and costs nothing so far."
    return Made(
        parts.panel(
            "Upkeep",
            format_html("<p>{}</p>", open_rows if found.unpriced else "All usage has its price."),
            format_html("<p>{}</p>", _checked(found, now)),
            links=(("Price it", reverse("admin:economics_price_unpriced")),) if leads else (),
        )
    )


def _checked(found: overview.Upkeep, now: datetime) -> str:
    if found.checked_at is None:
        return "Nobody has checked the limits yet: see whether beat and worker run."
    return f"Limits were checked {parts.ago(found.checked_at, now)}."


def pause(request: HttpRequest) -> SafeString | None:
    """Return that all spending is paused, by whom and why; None while it is not, or for who may not know."""
    live = overview.fleet_pause() if request.user.has_perm("economics.view_pause") else None
    if live is None:
        return None
    return format_html(
        '<p class="warning" role="status"><strong>All spending of the fleet is paused</strong> since {} by {}: {} '
        '<a href="{}">Pauses</a></p>',
        words.moment(live.began_at),
        live.began_by,
        live.reason,
        reverse("admin:economics_pause_changelist"),
    )
