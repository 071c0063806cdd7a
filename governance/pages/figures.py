"""How the pages of the whole house show figures, and where they lead those who may look further."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.site import HouseAdminSite, led_to_chain

NONE: Final = HouseAdminSite.empty_value_display
CLASSES: Final = {
    "llm_tokens": "LLM tokens",
    "cpu_seconds": "CPU seconds",
    "storage_gb_hours": "GB-hours of storage",
    "api_calls": "API calls",
}
_SMALL: Final = Decimal("0.01")


def number(value: Decimal | int | None, none: str = NONE) -> str:
    """Return a figure with its thousands set apart, to two places; `none` where there is none."""
    if value is None:
        return none
    shown = Decimal(value)
    return f"{shown:,.0f}" if shown == shown.to_integral_value() else f"{shown:,.2f}"


def usd(value: Decimal | None, none: str = NONE) -> str:
    """Return an amount of USD: in cents, a smaller one to its second figure."""
    if value is None:
        return none
    if value == 0 or abs(value) >= _SMALL:
        return f"{value:,.2f}"
    return f"{value:.2g}" if abs(value) < Decimal("1e-6") else f"{value:.6f}".rstrip("0")


def percent(part: Decimal | float, whole: Decimal | float = 1) -> str:
    """Return a share in per cent; of nothing there is none."""
    return f"{float(part) / float(whole) * 100:,.0f} %" if whole else NONE


def clock(at: datetime, now: datetime) -> str:
    """Return a time to the second, with its day where that is not the present one."""
    return f"{at:%H:%M:%S} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def bar(used: Decimal | int, limit: Decimal | int | None) -> str | SafeString:
    """Return how full something is, as a bar with a word beside it."""
    if limit is None:
        return "no ceiling"
    if not limit:
        return format_html('<span class="badge is-bad">over nothing</span>') if used else "nothing allowed"
    share = min(999, int(Decimal(used) * 100 / limit))
    return format_html(
        '<span class="room"><meter min="0" max="100" low="80" high="99" optimum="0" value="{0}"></meter> {0} %</span>',
        share,
    )


class Links:
    """Where somebody may look further: what they have no right to see is named, and leads nowhere."""

    def __init__(self, request: HttpRequest) -> None:
        """Lead the person who asks."""
        self._user = request.user

    def may(self, right: str) -> bool:
        """Tell whether the person has a right, as `app.codename`."""
        return self._user.has_perm(right)

    def row(self, model: str, pk: int | str, text: str) -> str | SafeString:
        """Lead to a row of a model, as `app.model`."""
        return self._led(model, "change", text, [pk], {})

    def rows(self, model: str, text: str, **terms: object) -> str | SafeString:
        """Lead to the list of a model, narrowed to what the terms say."""
        return self._led(model, "changelist", text, [], terms)

    def entity(self, entity_type: str, entity_id: str) -> str | SafeString:
        """Lead to the chain of an entity."""
        name = f"{entity_type}:{entity_id}"
        return led_to_chain(entity_type, entity_id) if self.may("economics.view_envelope") else name

    def _led(
        self, model: str, page: str, text: str, args: Sequence[int | str], terms: Mapping[str, object]
    ) -> str | SafeString:
        app, name = model.split(".")
        if not self.may(f"{app}.view_{name}"):
            return text
        address = reverse(f"admin:{app}_{name}_{page}", args=[quote(one) for one in args])
        return format_html('<a href="{}{}">{}</a>', address, f"?{urlencode(terms)}" if terms else "", text)
