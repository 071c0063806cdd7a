"""An entity's last days: day by day from the rollups, and what they brought in."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from economics import lately
from economics.models import Envelope
from tests import factories
from tests.factories import NOON

pytestmark = pytest.mark.django_db


def test_of_an_entity_that_used_nothing_days_of_zeros_are_told() -> None:
    with CaptureQueriesContext(connection) as captured:
        told = lately.of("hypothesis", "nobody", at=NOON)
    assert len(captured) == 2
    assert len(told.days) == lately.DAYS
    assert told.days[-1] == lately.Day(NOON.date(), Decimal(), Decimal(), Decimal())
    assert (told.used, told.cost, told.roi, told.yielded.edges) == (Decimal(), Decimal(), None, None)


def test_days_tell_one_class_and_the_cost_of_all() -> None:
    own, other = factories.envelope("h1"), factories.envelope("h2")
    factories.model()
    for ago, tokens in ((0, 100), (0, 20), (3, 50), (29, 7), (30, 1_000)):
        factories.record(own, tokens, at=NOON - timedelta(days=ago))
    factories.record(other, 5_000)
    told = lately.of("hypothesis", "h1", at=NOON)
    assert told.used == 177
    assert [int(day.used) for day in told.days if day.used] == [7, 50, 120]
    assert told.cost == sum(day.cost for day in told.days) > 0
    assert lately.of("hypothesis", "h1", at=NOON, resource_type="cpu_seconds").used == 0
    assert lately.of("hypothesis", "h1", at=NOON, resource_type="cpu_seconds").cost == told.cost


def test_returns_are_those_of_the_whole_days_before_today() -> None:
    own = factories.envelope("h1")
    factories.model()
    Envelope.objects.update(roi_score=Decimal("0.02"))
    factories.outcome(own, 4, at=NOON - timedelta(days=2))
    factories.outcome(own, 9, at=NOON)
    factories.record(own, 200, at=NOON - timedelta(days=2))
    factories.record(own, 300)
    told = lately.of("hypothesis", "h1", at=NOON)
    assert (told.yielded.edges, told.yielded.tokens, told.roi) == (Decimal(4), Decimal(200), Decimal("0.02"))
