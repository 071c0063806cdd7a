"""The home page of the house: what the fleet spends, what waits for the reader, how the market and the books stand."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest
from django.utils import timezone

from governance.admin.home import books, market, queue, steps
from governance.admin.home.parts import Made

# By name: the right it takes to see it, and what makes it. Their figures stand in this order.
_PANELS: Final[dict[str, tuple[str, Callable[[HttpRequest, datetime], Made]]]] = {
    "fleet": ("economics.view_usageday", books.fleet),
    "queue": ("governance.view_proposal", queue.waiting),
    "near": ("economics.view_envelope", books.near),
    "pools": ("auction.view_round", market.pools),
    "audit": ("auction.view_auditrun", market.audited),
    "spend": ("economics.view_usageday", books.spend),
    "spenders": ("economics.view_usageday", books.spenders),
    "upkeep": ("economics.view_usage", books.upkeep),
    "alerts": ("economics.view_alert", books.alerts),
}


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the site's index what this person may see of the house now; each panel asks for its own right."""
    now, may = timezone.now(), request.user.has_perm
    made = {name: panel(request, now) for name, (right, panel) in _PANELS.items() if may(right)}
    context["home"] = {
        "figures": [one.figure for one in made.values() if one.figure],
        "pause": books.pause(request),
        "steps": steps.left(request),
        **{name: one.body for name, one in made.items()},
    }
    return context
