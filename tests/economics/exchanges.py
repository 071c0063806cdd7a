"""Exchanges for tests: sources, what they post, and envelopes behind an open gate."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from economics import signals
from economics.models import Envelope
from tests import factories
from tests.factories import NOON, REVIEWER

if TYPE_CHECKING:
    from datetime import datetime

    from economics.models import Signal, SignalSource

_numbers = itertools.count(1)


def source(name: str = "", **terms: Any) -> SignalSource:
    """Return a new source of prices that are probabilities, if not said otherwise; the house feeds it."""
    terms.setdefault("kind", "price")
    return signals.register(name or f"source-{next(_numbers)}", author=REVIEWER, now=NOON, **terms)


def posted(by: SignalSource, entity_id: str, value: str | Decimal, at: datetime | None, **terms: Any) -> signals.Posted:
    """Return a signal on a hypothesis, with a new event id."""
    terms = {"entity_type": "hypothesis", "event_id": f"event-{next(_numbers)}", **terms}
    return signals.Posted(source=by.pk, entity_id=entity_id, value=Decimal(value), at=at, **terms)


def signal(by: SignalSource, entity_id: str, value: str | Decimal, at: datetime = NOON, **terms: Any) -> Signal:
    """Record such a signal and return its row."""
    return signals.post(posted(by, entity_id, value, at, **terms), agent=by.agent, now=max(at, NOON))


def granted(entity_id: str, tokens: int = 1_000, *, priority: str = "0.5", at: datetime = NOON) -> Envelope:
    """Return an envelope that the Senate granted and that is scored."""
    own = factories.envelope(entity_id, tokens=tokens, at=at, granted=True)
    Envelope.objects.filter(pk=own.pk).update(priority_score=Decimal(priority))
    own.refresh_from_db()
    return own
