"""The Usage tab: what was used and what it cost, by day, tier and provider, model, entity and type."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.http import HttpRequest
from django.utils.safestring import SafeString

from config import charts, site
from economics import kept_figures, overview, totals
from governance.pages import figures

_SERIES: Final = charts.COLOURS
_MOST_PARTS: Final = 40
_KIND_HEADS: Final = ("Class", "Tier or provider", "Used", "Cost (USD)", "Share", "Not priced yet", "Reports")
_MODEL_HEADS: Final = ("Model", "Tier", "LLM tokens", "Cost (USD)", "Share", "Not priced yet", "Reports")
_TYPE_HEADS: Final = ("Type of entity", "Cost (USD)", "Share", "LLM tokens", "CPU seconds", "API calls", "Reports")


def context(request: HttpRequest, *, now: datetime) -> dict[str, Any]:
    """Return what the tab shows of the days that the address names, to this person, at this moment."""
    asked = request.GET.get("days", "")
    days = next((choice for choice in kept_figures.USAGE if asked == str(choice)), 7)
    used, at = kept_figures.kept(kept_figures.USAGE[days], now=now)
    links = figures.Links(request)
    cost = used.usage.cost
    totals_of_days = used.spending.totals
    return {
        "at": at,
        "days": days,
        "periods": [(choice, f"{choice} days") for choice in kept_figures.USAGE],
        "cost": figures.usd(cost),
        "mean": figures.usd(cost / days),
        "today": figures.usd(totals_of_days[-1]),
        "reports": figures.number(used.usage.events),
        "unpriced": [
            f"{figures.number(kind.unpriced)} {_class(kind)}" for kind in used.usage.kinds if kind.unpriced > 0
        ],
        "unpriced_leads": links.rows("economics.usage", "Unpriced usage", price_state__exact="unpriced"),
        "is_empty": not used.usage.kinds,
        "by_day": charts.render(_by_day(used.spending)),
        "by_type": charts.render(_types_chart(used.usage)),
        "kinds": _kinds(used.usage),
        "models": _models(used),
        "most_models": totals.MOST_MODELS if len(used.models) == totals.MOST_MODELS else None,
        "types": _types(used.usage),
        "spenders": _spenders(used.spenders, cost, links),
        "leads": [
            links.rows("economics.usage", "All usage"),
            links.rows("economics.usageday", "Days of usage"),
            links.rows("economics.reservation", "Reservations"),
            links.rows("economics.price", "Prices"),
            links.rows("economics.languagemodel", "Language models"),
        ],
    }


def _class(kind: totals.Used) -> str:
    name = figures.CLASSES.get(kind.resource_type, kind.resource_type)
    return f"{name} ({kind.part})" if kind.part else name


def _series_name(kind: overview.Spent) -> str:
    if kind.resource_type == "llm_tokens":
        return kind.tier or "LLM tokens without a tier"
    return figures.CLASSES.get(kind.resource_type, kind.resource_type)


def _by_day(spending: overview.Spending) -> charts.Chart:
    """Return the cost of each day by kind, the dearest kinds by name and all others as one."""
    named = [(_series_name(kind), kind.costs) for kind in spending.kinds]
    if len(named) > _SERIES:
        others = [
            sum(costs, Decimal()) for costs in zip(*(costs for _name, costs in named[_SERIES - 1 :]), strict=True)
        ]
        named = [*named[: _SERIES - 1], ("all others", others)]
    days = [f"{day:%d %b}" for day in spending.days] if named else []
    rows = zip(*(costs for _name, costs in named), strict=True) if named else ()
    return charts.Chart(
        charts.Kind.STACKED,
        "Spend by day",
        days,
        [charts.Series(name, costs) for name, costs in named],
        heads=("Day", *(name for name, _costs in named), "Together"),
        words=[[*map(figures.usd, costs), figures.usd(sum(costs, Decimal()))] for costs in rows],
        unit="USD, by tier of LLM tokens and by class",
        note="Days of the time of use, in the policy's time zone. What has no price yet is not in it.",
        empty="Nothing that has a price was used in these days.",
    )


def _by_type(usage: totals.Usage) -> dict[str, list[totals.Used]]:
    """Return the sums of each type of entity, the dearest first."""
    found: dict[str, list[totals.Used]] = {}
    for one in usage.entity_types:
        found.setdefault(one.part, []).append(one)
    return dict(sorted(found.items(), key=lambda item: (-_cost(item[1]), item[0])))


def _cost(sums: Sequence[totals.Used]) -> Decimal:
    return sum((one.cost for one in sums), Decimal())


def _types_chart(usage: totals.Usage) -> charts.Chart:
    types = [(name, _cost(sums)) for name, sums in _by_type(usage).items()]
    if len(types) > _SERIES:
        others = sum((cost for _name, cost in types[_SERIES - 1 :]), Decimal())
        types = [*types[: _SERIES - 1], ("all others", others)]
    types = [(name, cost) for name, cost in types if cost > 0]
    whole = sum((cost for _name, cost in types), Decimal())
    return charts.Chart(
        charts.Kind.PIE,
        "Spend by type of entity",
        [name for name, _cost in types],
        [charts.Series("USD", [cost for _name, cost in types])] if types else [],
        heads=("Type", "USD", "Share"),
        words=[[figures.usd(cost), figures.percent(cost, whole)] for _name, cost in types],
        unit="USD",
        empty="Nothing that has a price was used in these days.",
    )


def _kinds(usage: totals.Usage) -> SafeString:
    rows = [
        (
            figures.CLASSES.get(kind.resource_type, kind.resource_type),
            kind.part or figures.NONE,
            figures.number(kind.amount),
            figures.usd(kind.cost),
            figures.percent(kind.cost, usage.cost),
            figures.number(kind.unpriced) if kind.unpriced else "nothing",
            figures.number(kind.events),
        )
        for kind in usage.kinds[:_MOST_PARTS]
    ]
    return site.table(_KIND_HEADS, rows, frozenset({1}))


def _models(used: kept_figures.Usage) -> SafeString | str:
    """Return the LLM tokens of each model, with the share of its cost in that of all use."""
    if not used.models:
        return ""
    rows = [
        (
            one.model or "none named",
            one.tier or figures.NONE,
            figures.number(one.amount),
            figures.usd(one.cost),
            figures.percent(one.cost, used.usage.cost),
            figures.number(one.unpriced) if one.unpriced else "nothing",
            figures.number(one.events),
        )
        for one in used.models
    ]
    return site.table(_MODEL_HEADS, rows, frozenset({1}))


def _types(usage: totals.Usage) -> SafeString:
    rows = []
    for name, sums in list(_by_type(usage).items())[:_MOST_PARTS]:
        amounts = {one.resource_type: one.amount for one in sums}
        rows.append((
            name,
            figures.usd(_cost(sums)),
            figures.percent(_cost(sums), usage.cost),
            *(figures.number(amounts.get(kind)) for kind in ("llm_tokens", "cpu_seconds", "api_calls")),
            figures.number(sum(one.events for one in sums)),
        ))  # fmt: skip
    return site.table(_TYPE_HEADS, rows)


def _spenders(spenders: Sequence[overview.Spender], whole: Decimal, links: figures.Links) -> SafeString:
    rows = [
        (
            links.entity(one.entity_type, one.entity_id),
            figures.usd(one.cost),
            figures.percent(one.cost, whole),
            "has one" if one.envelope_id else "none",
        )
        for one in spenders
    ]
    return site.table(("Entity", "Cost (USD)", "Share", "Envelope"), rows, frozenset({3}))
