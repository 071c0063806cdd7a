"""The Quests tab: who spends what on slots, and what comes of it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.http import HttpRequest
from django.utils.html import format_html

from auction import spending
from config import charts, site
from governance.pages import figures, kept

SECONDS: Final = {1: 60, 7: 60, 28: 300}  # how long what was spent in so many days is kept
DAYS: Final = {1: "24 hours", 7: "7 days", 28: "28 days"}
_NAMED: Final = charts.COLOURS - 1  # in the pie; all others are one piece
_COMPARED: Final = 10
_HEADS: Final = (
    *("Quest", "Spent", "Share", "Won", "Given", "Graded", "Promised (USD)", "Realised (USD)", "Kept"),
    *("Stipends", "Available", "Held"),
)


def context(request: HttpRequest, *, now: datetime) -> dict[str, Any]:
    """Return what the tab shows of the days that the address names, to this person, at this moment."""
    asked = request.GET.get("days", "")
    days = next((choice for choice in DAYS if asked == str(choice)), 7)
    found, at = kept.kept(
        f"quests:{days}", lambda of: spending.of_quests(now=of, days=days), now=now, seconds=SECONDS[days]
    )
    links = figures.Links(request)
    return {
        "at": at,
        "days": days,
        "periods": DAYS.items(),
        "found": found,
        "spent": figures.number(found.spent),
        "won": figures.number(found.wins),
        "given": figures.number(found.given),
        "stipends": figures.number(found.stipends),
        "promised": figures.usd(found.promised),
        "impact": figures.usd(found.impact),
        "kept_share": figures.percent(found.impact, found.promised),
        "graded": figures.number(found.graded),
        "pie": charts.render(_pie(found)),
        "kept": charts.render(_promises(found.rows)),
        "table": site.table(_HEADS, [_row(one, found, links) for one in found.rows]),
        "more": found.number - len(found.rows),
        "leads": [
            links.rows("auction.quest", "All quests"),
            links.rows("auction.questallocation", "Daily split"),
            links.rows("auction.stipendday", "Stipend days"),
            links.rows("auction.clear", "Clears"),
        ],
    }


def _pie(found: spending.Spending) -> charts.Chart:
    pieces = [(one.quest_id, one.spent) for one in found.rows[:_NAMED] if one.spent]
    rest = found.spent - sum(tokens for _name, tokens in pieces)
    if rest:
        pieces.append(("all others", rest))
    return charts.Chart(
        charts.Kind.PIE,
        "Who spends",
        [name for name, _tokens in pieces],
        [charts.Series("Wallet tokens", [tokens for _name, tokens in pieces])] if pieces else [],
        heads=("Quest", "Wallet tokens", "Share"),
        words=[[figures.number(tokens), figures.percent(tokens, found.spent)] for _name, tokens in pieces],
        unit="wallet tokens charged for slots",
        empty="No quest has paid for a slot in this time.",
    )


def _promises(rows: Sequence[spending.Spent]) -> charts.Chart:
    graded = [one for one in rows if one.graded][:_COMPARED]
    return charts.Chart(
        charts.Kind.BARS,
        "Promised and realised",
        [one.quest_id for one in graded],
        [
            charts.Series("Promised", [one.promised for one in graded]),
            charts.Series("Realised", [one.impact for one in graded]),
        ],
        heads=("Quest", "Promised", "Realised"),
        words=[[figures.usd(one.promised), figures.usd(one.impact)] for one in graded],
        unit="USD, of slots that have been graded",
        empty="No slot that a quest won in this time has been graded yet.",
    )


def _row(one: spending.Spent, found: spending.Spending, links: figures.Links) -> Sequence[object]:
    name = links.row("auction.quest", one.quest_id, one.quest_id)
    about = one.title if one.is_active else f"{one.title} (inactive)".strip()
    return (
        format_html('{}<br><span class="quiet">{}</span>', name, about) if about else name,
        figures.number(one.spent),
        figures.percent(one.spent, found.spent),
        figures.number(one.wins),
        figures.number(one.given),
        figures.number(one.graded),
        figures.usd(one.promised if one.graded else None),
        figures.usd(one.impact if one.graded else None),
        figures.percent(one.impact, one.promised or Decimal()) if one.graded else figures.NONE,
        figures.number(one.stipends),
        figures.number(one.available),
        figures.number(one.held),
    )
