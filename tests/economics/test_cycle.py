"""A tick of the books does what is due, and what fails does not stop the rest."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Never

import pytest
from django.db import OperationalError

from economics import admission, cycle, daily, market, returns, reviews, scores
from economics.models import Alert, Envelope, Reservation, Review
from tests import factories
from tests.economics import exchanges, fleets
from tests.factories import NOON, after

if TYPE_CHECKING:
    from economics.models import Usage

pytestmark = pytest.mark.django_db


def _work() -> tuple[Reservation, Usage, Envelope]:
    """Return a reservation that lasts a minute, usage that waits for a price, and the envelope it has exceeded."""
    factories.model("deep-1")
    held = factories.reserve(factories.envelope(), 100, lives=60)
    over = factories.envelope(tokens=10)
    unpriced = factories.record(over, 100, model="new-1")
    factories.model("new-1")
    return held, unpriced, over


def _done(held: Reservation, unpriced: Usage, over: Envelope) -> tuple[str, str, str]:
    for row in (held, unpriced, over):
        row.refresh_from_db()
    return held.state, unpriced.price_state, over.state


def test_a_tick_closes_prices_and_checks() -> None:
    rows = _work()
    cycle.run_due(now=NOON)
    assert _done(*rows) == ("open", "priced", "frozen")
    cycle.run_due(now=after(60))
    assert _done(*rows) == ("expired", "priced", "frozen")
    assert Alert.objects.count() == 3


def test_a_deed_that_fails_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_terms: object) -> Never:
        raise OperationalError

    rows = _work()
    with monkeypatch.context() as patched:
        patched.setattr(admission, "expire", fail)
        cycle.run_due(now=after(60))
    assert _done(*rows) == ("open", "priced", "frozen")
    assert caplog.messages == ["sweep of reservations failed and is tried again at the next tick"]
    cycle.run_due(now=after(61))
    assert _done(*rows) == ("expired", "priced", "frozen")


def _reviews() -> list[tuple[str, str, str]]:
    found = Review.objects.order_by("pk").values_list("kind", "period", "state")
    return [(kind, f"{period}", state) for kind, period, state in found]


def _idle_and_good() -> None:
    """Leave an envelope that used a tenth of its tokens and one that may gain from it, once ROI is made anew."""
    fleets.plain_policy()
    good, idle = fleets.member("good"), fleets.member("idle")
    exchanges.signal(exchanges.source("manifold"), "good", "1", at=fleets.MONDAY - timedelta(hours=1))
    fleets.used(good, 1_000, 1_000)
    fleets.gained(good, 20)
    fleets.used(idle, 100, 100)


def test_a_tick_on_a_new_day_makes_each_review_once() -> None:
    monday = fleets.MONDAY
    _idle_and_good()
    for seconds in (0, 1):
        cycle.run_due(now=monday + timedelta(seconds=seconds))
        assert _reviews() == [("daily", "2026-03-01", "applied"), ("weekly", "2026-03-02", "draft")]
    cycle.run_due(now=monday + timedelta(days=1))
    assert _reviews()[2:] == [("daily", "2026-03-02", "applied")]


def test_the_weekly_review_finds_the_weights_and_the_roi_of_its_morning() -> None:
    _idle_and_good()
    Envelope.objects.filter(entity_id="good").update(market_weight=0)
    cycle.run_due(now=fleets.MONDAY)
    good = Envelope.objects.get(entity_id="good")
    line = Review.objects.get(kind="weekly").lines.get(envelope=good)
    assert (good.market_weight, good.roi_score) == (Decimal("0.1"), Decimal("0.01"))
    assert (line.rule, line.market_weight, line.roi) == ("gain", good.market_weight, good.roi_score)


@pytest.mark.parametrize(
    ("broken", "left"),
    [
        ((daily, "review"), ["weekly"]),
        ((reviews, "draft_when_due"), ["daily"]),
        ((market, "weigh_when_due"), ["daily", "weekly"]),
        ((returns, "refresh_when_due"), ["daily", "weekly"]),
        ((scores, "recompute_when_due"), ["daily", "weekly"]),
    ],
)
def test_no_review_waits_for_what_fails(
    monkeypatch: pytest.MonkeyPatch, broken: tuple[object, str], left: list[str]
) -> None:
    def fail(**_terms: object) -> Never:
        raise OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(*broken, fail)
        cycle.run_due(now=fleets.MONDAY)
    assert [kind for kind, _period, _state in _reviews()] == left
    cycle.run_due(now=fleets.MONDAY + timedelta(seconds=1))
    assert sorted(kind for kind, _period, _state in _reviews()) == ["daily", "weekly"]
