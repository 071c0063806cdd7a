"""What an entity used, spent and gained lately, on cards and in its story: figures, and a chart with its table."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config import charts
from economics import lately, review_words
from governance.admin import words
from governance.models import Proposal

NO_SPENDERS: Final = frozenset({"pool", "policy"})  # types that proposals are about and nobody spends on
_CENT: Final = Decimal("0.01")


def panel(proposal: Proposal, *, at: datetime) -> SafeString:
    """Return the last days of the entity, in the class that the proposal asks for."""
    kind = proposal.resource_type if proposal.resource_type in words.CLASSES else "llm_tokens"
    return of_entity(proposal.entity_type, proposal.entity_id, at=at, kind=kind)


def of_entity(entity_type: str, entity_id: str, *, at: datetime, kind: str = "llm_tokens") -> SafeString:
    """Return the last days of an entity, in a class of what it used."""
    found = lately.of(entity_type, entity_id, at=at, resource_type=kind)
    name = words.CLASSES[kind]
    figures = format_html_join(
        "", "<div><dt>{}</dt><dd>{} <small>{}</small></dd></div>", list(_figures(found, name, kind))
    )
    return format_html('<div class="lately"><dl class="figures">{}</dl>{}</div>', figures, _chart(found, name))


def _figures(found: lately.Lately, name: str, kind: str) -> list[tuple[str, str, str]]:
    today, gained = found.days[-1].used, found.yielded
    unpriced = f"; {words.number(found.unpriced)} {name} not priced yet" if found.unpriced else ""
    edges = words.NONE if gained.edges is None else words.number(gained.edges)
    reported = "net, of whole days" if gained.edges is not None else "no outcome is on record"
    roi = "net edges per million LLM tokens, as reviews see it"
    used = "GB hours of storage" if kind == "storage_gb_hours" else name
    return [
        (f"{used[:1].upper()}{used[1:]} used", words.number(found.used), f"{words.number(today)} of them today"),
        ("Spent", usd(found.cost), f"of every class{unpriced}"),
        ("Edges gained", edges, reported),
        ("ROI", review_words.roi(found.roi), roi if found.roi is not None else "too few LLM tokens used"),
    ]


def _chart(found: lately.Lately, name: str) -> charts.Chart:
    return charts.Chart(
        charts.Kind.BARS,
        f"{name} by day",
        [f"{day.day:%m-%d}" for day in found.days],
        [charts.Series(name, [day.used if found.used else None for day in found.days])],
        heads=("Day", name, "Cost of every class"),
        words=[(words.number(day.used), usd(day.cost)) for day in found.days],
        note="Today is not over.",
        empty="It used nothing in these days.",
    )


def usd(amount: Decimal) -> str:
    """Return an amount of USD to the cent; less than one is said to be."""
    return "less than 0.01 USD" if 0 < amount < _CENT else f"{amount:,.2f} USD"
