"""A tick of the books does what is due, and what fails does not stop the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

import pytest
from django.db import OperationalError

from economics import admission, cycle
from economics.models import Alert, Envelope, Reservation
from tests import factories
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
