"""What the page of a row shows of its columns: numbers, yes and no for people, and nothing to fill in for readers."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from auction.models import Pool
from economics import safety
from economics.models import Alert
from tests import factories, reviewers
from tests.factories import NOON

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


def _shown(client: Client, row: Any) -> dict[str, str]:
    """Return what the page of a row shows of its columns, by name."""
    page = client.get(reviewers.page(type(row), row.pk)).content.decode()
    cells = re.findall(r'<div class="form-row field-(\w+)">.*?<div class="readonly">(.*?)</div>', page, re.DOTALL)
    return {name: re.sub("<[^>]+>", "", value).strip() for name, value in cells}


def test_numbers_are_set_apart_and_end_with_what_they_say(client: Client) -> None:
    own = factories.envelope("h1", tokens=1_000_000, cpu_budget=Decimal("3600.50"))
    reviewers.staff(client, "economics.view_envelope")
    shown = _shown(client, own)
    assert (shown["token_budget"], shown["cpu_budget"], shown["market_weight"]) == ("1,000,000", "3,600.5", "0")
    assert shown["storage_budget_gb"] == "—"


def test_yes_and_no_are_words_and_keys_are_names(client: Client) -> None:
    factories.record(factories.envelope("h1", tokens=2_000_000), 1_500_000)
    safety.check(now=NOON)
    alert = Alert.objects.latest("pk")
    reviewers.root(client)
    shown = _shown(client, alert)
    assert (shown["froze"], shown["settled"], shown["id"]) == ("no", "1,500,000", str(alert.pk))


def test_whoever_may_change_nothing_is_not_asked_why(client: Client) -> None:
    reviewers.staff(client, "auction.view_pool")
    shown = _shown(client, Pool.objects.get())
    assert ("reason" in shown, shown["cycle_seconds"]) == (False, "60")
