"""The market on the home page: the last round of each pool, prices of the last day, and the audit of all books."""

from datetime import datetime, timedelta
from typing import Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from auction import audit, overview
from config import charts
from config.site import table
from governance.admin import words
from governance.admin.home import parts
from governance.admin.home.parts import Figure, Made

_POOLS: Final = 5
_ROUNDS: Final = 5
_LATE: Final = timedelta(minutes=15)  # beat audits every five minutes


def pools(_request: HttpRequest, now: datetime) -> Made:
    """Return how the pools sell: prices of the busiest, each pool's last round, and the last rounds of all."""
    at, found = parts.kept("pools", 30, now=now, find=lambda: overview.pool_figures(now=now))
    busiest = max(found, key=lambda pool: (pool.sold, pool.offered), default=None)
    if busiest is None:
        body = parts.nothing("There is no pool. Add one to sell slots.")
        return Made(parts.panel("Auction", body, links=(("Pools", reverse("admin:auction_pool_changelist")),)))
    _at, steps = parts.kept(
        f"prices:{busiest.id}", 30, now=now, find=lambda: overview.prices(now=now, pool=busiest.name)
    )
    _at, rounds = parts.kept("rounds", 30, now=now, find=lambda: overview.last_rounds(now=now, most=_ROUNDS))
    links = (("Rounds", reverse("admin:auction_round_changelist")), ("Pools", reverse("admin:auction_pool_changelist")))
    body = parts.panel(
        "Auction, the last 24 hours", _table(found, now), _rounds(rounds), links=links, note=parts.as_of(at)
    )
    return Made(
        format_html('<div class="beside">{}{}</div>', charts.render(_chart(busiest.name, steps)), body), _figure(found)
    )


def _figure(found: list[overview.PoolFigures]) -> Figure:
    offered, sold = sum(pool.offered for pool in found), sum(pool.sold for pool in found)
    stands = [pool for pool in found if pool.mode != "auction"]
    said = f"{sold:,} of {offered:,} slots in 24 h" if offered else "no slot was offered in 24 h"
    if stands:
        said = f"{said}; {stands[0].name} is {'stopped' if stands[0].mode == 'stopped' else 'in fallback'}"
    value = f"{sold / offered:.0%}".replace("%", " %") if offered else "—"
    return Figure("Fill rate", value, said, "wait" if stands else "", reverse("admin:auction_round_changelist"))


def _chart(pool: str, steps: list[overview.PriceStep]) -> charts.Chart:
    return charts.Chart(
        charts.Kind.LINE,
        f"Price in {pool}",
        [f"{step.begins:%H:%M}" for step in steps],
        [
            charts.Series("mean price", [step.mean for step in steps]),
            charts.Series("highest", [step.highest for step in steps]),
        ]
        if any(step.rounds for step in steps)
        else [],
        heads=("From (UTC)", "mean price", "highest", "sold", "fill rate"),
        words=[_words(step) for step in steps],
        unit="wallet tokens a slot, by quarter of an hour",
        note="Per slot sold, the last 24 hours in UTC; a gap: nothing was sold.",
        empty="No round in the last 24 hours. A pool clears by itself while beat and worker run, unless it is stopped.",
    )


def _words(step: overview.PriceStep) -> list[str]:
    return [
        words.number(step.mean),
        words.number(step.highest),
        f"{step.sold:,} of {step.offered:,}",
        _percent(step.fill_rate),
    ]


def _percent(share: float | None) -> str:
    return words.NONE if share is None else f"{share * 100:.0f} %"


def _table(found: list[overview.PoolFigures], now: datetime) -> SafeString:
    shown = sorted(found, key=lambda pool: (-pool.sold, -pool.offered, pool.name))[:_POOLS]
    rows = [
        (
            format_html(
                '<a href="{}">{}</a> {}<br><span class="quiet">{}</span>',
                reverse("admin:auction_pool_change", args=[pool.id]),
                pool.name,
                "" if pool.mode == "auction" else parts.badge(pool.mode, "bad" if pool.mode == "stopped" else "wait"),
                f"last round {parts.ago(pool.last_round_at, now)}" if pool.last_round_at else "no round yet",
            ),
            words.number(pool.last_price),
            _percent(pool.fill_rate),
        )
        for pool in shown
    ]
    return table(("Pool", "Last price", "Fill rate"), rows)


def _rounds(rounds: list[overview.RoundFigures]) -> SafeString | str:
    rows = [
        (
            format_html(
                '<a href="{}">{}</a> <span class="quiet">{}</span>',
                reverse("admin:auction_round_change", args=[one.number]),
                f"{one.cleared_at:%H:%M}",
                one.pool,
            ),
            words.number(one.price),
            f"{one.sold:,} of {one.offered:,}",
        )
        for one in rounds
    ]
    return table(("Last rounds (UTC)", "Price", "Sold"), rows) if rows else ""


def audited(_request: HttpRequest, now: datetime) -> Made:
    """Return how the last pass of the audit ended, and when."""
    title, address = "Audit of the books", reverse("admin:auction_auditrun_changelist")
    last = audit.last_pass()
    if last is None:
        text = "No pass yet. Beat makes one every five minutes; an operator may run one at once."
        figure = Figure("Audit", "none yet", "no pass on record", "wait", address)
        return Made(parts.panel(title, parts.nothing(text), links=(("Audits", address),)), figure)
    is_late = now - last.finished_at > _LATE
    result = "passed" if last.passed else f"{last.differences:,} difference{'' if last.differences == 1 else 's'}"
    tone = "bad" if not last.passed else "wait" if is_late else "good"
    links = (("Its report", reverse("admin:auction_auditrun_change", args=[last.number])), ("All passes", address))
    figure = Figure("Audit", result, f"last pass {parts.ago(last.finished_at, now)}", tone, address)
    return Made(parts.panel(title, _pass(last, result, now, is_late=is_late), links=links), figure)


def _pass(last: audit.Pass, result: str, now: datetime, *, is_late: bool) -> SafeString:
    late = format_html('<p class="warning">{}</p>', "No pass since then: see whether beat and worker run.")
    return format_html(
        "{}<p>{} {}</p><p>Finished {} ({}), after {} s.</p>",
        late if is_late else "",
        parts.badge(result, "good" if last.passed else "bad"),
        "Balances, holds, rounds and budgets are what the rows behind them say."
        if last.passed
        else "What is stored is not what the rows behind it say. Read the report before you decide anything.",
        words.moment(last.finished_at),
        parts.ago(last.finished_at, now),
        f"{(last.finished_at - last.started_at).total_seconds():.1f}",
    )
