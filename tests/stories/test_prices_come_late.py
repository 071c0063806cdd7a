"""Real calls whose prices come late: recorded first, priced when the lists arrive, as if they had always been there."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db.models import Count, Q, Sum

from economics import arrivals, metering, price_sources, pricelists, unpriced
from economics.events import Event
from economics.models import Counter, LanguageModel, Price, Usage
from tests import factories
from tests.factories import NOON
from tests.shared_files import shared_data

if TYPE_CHECKING:
    from economics.price_sources import PriceList

pytestmark = pytest.mark.django_db


def _history() -> PriceList:
    """Return the lists of five dates."""
    path = shared_data("llm_prices/price_history.csv")
    return price_sources.read_csv(path.read_bytes(), title=path.name)


def _import(listing: PriceList) -> pricelists.Diff:
    shown = pricelists.diff(listing, now=NOON)
    return pricelists.apply(listing, digest=shown.digest, who="ann", now=NOON)


def _use(source: str) -> None:
    """Record the real calls, for one entity."""
    own = factories.envelope(tokens=10**9)
    with shared_data("llm_calls/calls.csv").open(newline="") as file:
        events = [
            Event(
                entity_type=own.entity_type,
                entity_id=own.entity_id,
                resource_type="llm_tokens",
                amount=Decimal(call["total_tokens"]),
                input_tokens=int(call["prompt_tokens"]),
                output_tokens=int(call["completion_tokens"]),
                model=call["main_model"],
                source=source,
                event_id=call["seq"],
                created_at=datetime.fromisoformat(call["ts_utc"]).astimezone(UTC),
            )
            for call in csv.DictReader(file)
        ]
    metering.record_many(events, agent_id="reporter", now=NOON)


def _bill(source: str) -> list[tuple[str | None, Decimal | None, int | None, bool]]:
    rows = Usage.objects.filter(source=source).order_by("created_at", "event_id")
    return list(rows.values_list("event_id", "cost", "price_id", "is_first_list"))


def test_real_calls_cost_the_same_whether_their_lists_come_before_or_after_them() -> None:
    _use("late")
    assert Usage.objects.filter(source="late", cost=None).count() == 4_446
    waiting = Usage.objects.filter(cost=None).count()
    _import(_history())
    priced = 0
    while done := unpriced.price_unpriced(now=NOON, limit=1_000):
        priced += done
    assert priced == waiting - Usage.objects.filter(cost=None).count()
    _use("early")
    assert _bill("late") == _bill("early")
    late = Usage.objects.filter(source="late").aggregate(
        tokens=Sum("amount"), usd=Sum("cost"), waiting=Count("pk", filter=Q(cost=None))
    )
    assert (late["tokens"], late["waiting"]) == (56_177_256, 379)
    arrivals.drain_all()  # what others wrote is counted a moment later
    fleet = Counter.objects.filter(line__envelope=None).aggregate(Sum("settled"))["settled__sum"]
    others = Usage.objects.exclude(source__in=["late", "early"]).aggregate(usd=Sum("cost", default=0))["usd"]
    assert fleet == 2 * late["usd"] + others
    models = set(Usage.objects.filter(source="late").values_list("model", flat=True))
    assert {row.missing for row in unpriced.queue() if row.model in models} == {"the model"}


def test_lists_imported_one_by_one_come_to_the_same_as_all_at_once() -> None:
    history = _history()
    days = sorted({price.effective_from for price in history.prices if price.effective_from is not None})
    assert len(days) == 5
    for day in days:
        of_day = tuple(price for price in history.prices if price.effective_from == day)
        _import(history._replace(prices=of_day))
    assert (LanguageModel.objects.count(), Price.objects.count()) == (879, 933)
    assert pricelists.diff(history, now=NOON).is_empty
