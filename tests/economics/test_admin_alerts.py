"""Alerts in the admin: found by what they are about, shown with their figures, and marked as seen."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from economics import budget_policy, safety
from economics.models import Alert, Envelope
from tests import factories, reviewers
from tests.factories import NOON, REVIEWER, after
from tests.reviewers import listed, offered, page, press, said, staff

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


def _alerts() -> Envelope:
    """Check an envelope over its tokens (of a day), another at half its calls (of a month), and the fleet at 80 %."""
    budget_policy.change(author=REVIEWER, now=NOON, fleet_daily_usd=Decimal("1.5"))
    factories.model()
    factories.price("acme", resource_type="api_calls", rate="0")
    over = factories.envelope("over", tokens=1_000)
    half = factories.envelope("half", tokens=1_000, window_kind="month", api_call_budget=10)
    factories.record(over, 1_001)
    factories.record(half, 5, resource_type="api_calls", provider="acme")
    safety.check(now=NOON)
    return over


def _shown(client: Client, **query: Any) -> list[tuple[str, int]]:
    rows = client.get(page(Alert), query).context["cl"].result_list
    return sorted((str(row.line), row.threshold) for row in rows)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"threshold__exact": 50}, [("api_calls per month", 50), ("llm_tokens per day", 50), ("usd per day", 50)]),
        ({"class": "usd"}, [("usd per day", 50), ("usd per day", 80)]),
        ({"line__window_kind__exact": "month"}, [("api_calls per month", 50)]),
        ({"froze__exact": 1}, [("llm_tokens per day", 100)]),
        ({"q": "half"}, [("api_calls per month", 50)]),
        ({"seen": "yes"}, []),
    ],
)
def test_alerts_are_found_by_what_they_are_about(
    root: Client, query: dict[str, object], found: list[tuple[str, int]]
) -> None:
    _alerts()
    assert _shown(root, **query) == found


def test_an_alert_shows_whose_line_it_is_with_its_figures(root: Client) -> None:
    over = _alerts()
    shown = listed(root.get(page(Alert)))
    assert f'<td class="field-entity"><a href="{page(Envelope, over.pk)}">hypothesis:over</a></td>' in shown
    assert '<td class="field-entity">the fleet</td>' in shown
    assert '<td class="field-figure_settled">1,001</td>' in shown
    assert '<td class="field-figure_limit">1,000</td>' in shown


def test_marking_as_seen_keeps_the_first_name(root: Client) -> None:
    _alerts()
    first, second = Alert.objects.order_by("pk")[:2]
    safety.acknowledge([first.pk], who="ada", now=after(1))
    response = press(root, "mark_as_seen", first, second)
    assert said(response) == ["Alerts marked as seen: 1."]
    assert list(Alert.objects.exclude(seen_at=None).order_by("pk").values_list("seen_by", flat=True)) == ["ada", "root"]
    assert len(_shown(root, seen="yes")) == 2
    assert len(_shown(root, seen="no")) == Alert.objects.count() - 2


def test_marking_as_seen_needs_the_right(client: Client) -> None:
    _alerts()
    reader = staff(client, "economics.view_alert")
    assert offered(reader, Alert) == []
    press(reader, "mark_as_seen", *Alert.objects.all())
    assert not Alert.objects.exclude(seen_at=None).exists()


def test_marking_as_seen_is_offered_to_those_who_may(client: Client) -> None:
    assert offered(staff(client, "economics.view_alert", "economics.change_alert"), Alert) == ["mark_as_seen"]
