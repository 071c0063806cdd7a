"""The queue of unpriced usage: priced once there is a list, once and for good, with its corrections."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from economics import catalog, metering, unpriced
from economics.catalog import Rates
from economics.models import Counter, Line, Price, Usage, UsageDay
from tests import factories
from tests.factories import NOON

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def _list(name: str = "deep-1", *, since: Any = NOON, tier: str = "frontier") -> Price:
    """Set a price for a model: 1 USD an input token, 3 an output token, 0.5 one read from the cache."""
    rates = Rates(Decimal(1), Decimal(3), Decimal("0.5"), Decimal(2))
    return catalog.set_price(
        resource_type="llm_tokens", name=name, rates=rates, effective_from=since, who="ann", now=NOON, tier=tier
    )


def _used(tokens: int = 10, **terms: Any) -> Usage:
    """Record tokens of the model deep-1, which nobody has listed yet."""
    own = terms.pop("of", None) or factories.envelope(tokens=10**9)
    return factories.record(own, tokens, **terms)


def _correct(usage: Usage, amount: int | None = None) -> Usage:
    taken = None if amount is None else Decimal(amount)
    key = f"{Usage.objects.count()}"
    return metering.correct(usage.pk, key=key, note="n", author="ann", now=NOON, amount=taken)


def _costs(*rows: Usage) -> list[str | None]:
    found = {usage.pk: usage.cost for usage in Usage.objects.filter(pk__in=[row.pk for row in rows])}
    return [None if (cost := found[row.pk]) is None else f"{cost.normalize():f}" for row in rows]


def _exact(*numbers: int) -> tuple[Decimal, ...]:
    return tuple(Decimal(number) for number in numbers)


def test_nothing_is_priced_before_there_is_a_list() -> None:
    usage = _used()
    assert (unpriced.price_unpriced(now=NOON), _costs(usage)) == (0, [None])


def test_a_row_gets_its_cost_with_rates_and_list_once() -> None:
    usage = _used(10, input_tokens=6, output_tokens=4)
    price = _list()
    assert [unpriced.price_unpriced(now=NOON) for _ in range(2)] == [1, 0]
    usage.refresh_from_db()
    assert (usage.cost, usage.price_id, usage.rate, usage.output_rate) == (*_exact(18), price.pk, *_exact(1, 3))
    assert (usage.is_first_list, usage.price_state) == (False, "priced")


def test_cached_tokens_have_their_own_rates() -> None:
    usage = _used(10, input_tokens=6, output_tokens=4, cache_read_tokens=2, cache_write_tokens=1)
    _list()
    unpriced.price_unpriced(now=NOON)
    assert _costs(usage) == ["18"]  # 3 x 1 + 4 x 3 + 2 x 0.5 + 1 x 2


def test_tokens_without_a_split_are_priced_with_the_policys_share_of_output() -> None:
    usage = _used(100)
    _list()
    unpriced.price_unpriced(now=NOON)
    assert _costs(usage) == ["130"]  # 85 x 1 + 15 x 3


def test_each_row_gets_the_list_of_its_time_and_the_first_list_before_it() -> None:
    rows = [_used(10, input_tokens=10, output_tokens=0, at=NOON + n * DAY) for n in (-1, 0, 1)]
    _list()
    catalog.set_price(
        resource_type="llm_tokens",
        name="deep-1",
        rates=Rates(Decimal(2), Decimal(2)),
        effective_from=NOON + DAY,
        who="ann",
        now=NOON,
    )
    unpriced.price_unpriced(now=NOON)
    assert _costs(*rows) == ["10", "10", "20"]
    assert list(Usage.objects.order_by("created_at").values_list("is_first_list", flat=True)) == [True, False, False]


def test_a_model_is_also_found_by_its_providers_name_for_it() -> None:
    usage = _used(10, model="deep/deep-1")
    factories.model(rate=None, provider="deep")
    _list()
    assert unpriced.price_unpriced(now=NOON) == 1
    assert _costs(usage) == ["13"]


def test_calls_are_priced_by_provider_and_seconds_by_their_class() -> None:
    calls = [_used(3, resource_type="api_calls", provider=name) for name in ("crossref", "other")]
    seconds = _used(7, resource_type="cpu_seconds")
    terms = {"effective_from": NOON, "who": "ann", "now": NOON}
    catalog.set_price(resource_type="api_calls", name="crossref", rates=Rates(Decimal("0.01")), **terms)  # type: ignore[arg-type]
    catalog.set_price(resource_type="cpu_seconds", rates=Rates(Decimal(0)), **terms)  # type: ignore[arg-type]
    assert unpriced.price_unpriced(now=NOON) == 2
    assert _costs(*calls, seconds) == ["0.03", None, "0"]


def test_what_is_priced_stays_when_its_list_is_withdrawn_or_replaced() -> None:
    usage = _used()
    price = _list()
    unpriced.price_unpriced(now=NOON)
    catalog.withdraw_prices([price.pk], now=NOON)
    _list("deep-1", since=NOON - DAY)
    assert unpriced.price_unpriced(now=NOON) == 0
    assert _costs(usage) == ["13"]


# Corrections


def test_corrections_are_priced_with_the_row_they_correct() -> None:
    usage = _used(100)
    contras = [_correct(usage, 30), _correct(usage, 20)]
    price = _list()
    assert unpriced.price_unpriced(now=NOON) == 3
    assert _costs(usage, *contras) == ["130", "-39", "-26"]
    assert list(Usage.objects.values_list("price_id", "rate", "output_rate").distinct()) == [(price.pk, *_exact(1, 3))]


def test_a_row_taken_back_in_parts_comes_to_nothing() -> None:
    usage = _used(7)
    contras = [_correct(usage, 3), _correct(usage, 1), _correct(usage)]
    catalog.add_model("deep-1", tier="small", now=NOON)
    factories.price("deep-1", rate="0.000000000001")
    assert unpriced.price_unpriced(now=NOON) == 4
    assert sum(Decimal(cost or "NaN") for cost in _costs(usage, *contras)) == 0


def test_a_correction_written_without_a_price_takes_that_of_its_row_if_it_is_of_its_time() -> None:
    factories.model(rate="1", output_rate="1")
    usage = _used(10)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount, model, corrects_id, created_at)
            SELECT 'h', 'without an envelope', resource_type, -4, model, id, at
              FROM resource_usage, LATERAL (VALUES (created_at), (created_at + interval '1 day')) AS t(at)
            """
        )
    catalog.withdraw_prices(list(Price.objects.values_list("pk", flat=True)), now=NOON)
    _list()
    assert unpriced.price_unpriced(now=NOON) == 1
    contras = Usage.objects.filter(corrects_id=usage.pk).order_by("created_at")
    assert [(c.cost, c.price_id, c.rate) for c in contras] == [(-4, usage.price_id, 1), (None, None, None)]


def test_no_more_than_the_limit_is_priced_at_once() -> None:
    own = factories.envelope(tokens=10**9)
    for _ in range(5):
        _used(of=own)
    _list()
    assert [unpriced.price_unpriced(now=NOON, limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_what_no_column_can_hold_stays_in_the_queue() -> None:
    too_much, usage = _used(10**16), _used(10)
    catalog.add_model("deep-1", tier="small", now=NOON)
    factories.price("deep-1", rate="999")
    assert unpriced.price_unpriced(now=NOON) == 1
    assert _costs(too_much, usage) == [None, "9990"]


def test_fleet_and_days_count_what_is_priced_late() -> None:
    own = factories.envelope(tokens=10**9)
    _correct(_used(100, of=own), 40)
    _used(10, of=own, at=NOON + DAY)
    _list()
    unpriced.price_unpriced(now=NOON)
    fleet = Counter.objects.filter(line=Line.objects.get(envelope=None)).order_by("window_start")
    assert [counter.settled for counter in fleet] == [78, 13]
    days = UsageDay.objects.order_by("day").values_list("amount", "cost", "unpriced_amount")
    assert list(days) == [_exact(60, 78, 0), _exact(10, 13, 0)]


# The queue as people see it


def test_the_queue_shows_each_kind_with_what_is_missing() -> None:
    own = factories.envelope(tokens=10**9)
    factories.model("known-1", rate=None, provider="deep")
    factories.model("listed-1")
    for n in range(3):
        _used(5, of=own, model="deep/known-1", at=NOON + n * DAY)
    _used(7, of=own, model="new-1", provider="acme")
    _used(1, of=own, resource_type="cpu_seconds")
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount, model)
               VALUES ('h', 'h', 'llm_tokens', 4, 'listed-1')"""
        )
    assert [row[:7] for row in unpriced.queue()] == [
        ("llm_tokens", "deep/known-1", "", "known-1", False, 3, Decimal(15)),
        ("cpu_seconds", "", "", None, False, 1, Decimal(1)),
        ("llm_tokens", "new-1", "acme", None, False, 1, Decimal(7)),
        ("llm_tokens", "listed-1", "", "listed-1", True, 1, Decimal(4)),
    ]
    assert unpriced.queue()[0][7:] == (NOON, NOON + 2 * DAY)
    assert len(unpriced.queue(most=2)) == 2


def test_an_empty_queue_is_empty() -> None:
    assert (unpriced.queue(), unpriced.price_unpriced(now=NOON)) == ([], 0)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_late_prices_come_to_what_prices_at_once_would_have(data: st.DataObject) -> None:
    """Whatever is used and corrected: listed before or after, every row costs the same."""
    uses = data.draw(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=1, max_size=6))
    costs = []
    for name, early in (("early-1", True), ("late-1", False)):
        own = factories.envelope(tokens=10**9)
        if early:
            _list(name)
        rows = [_used(i + o, input_tokens=i, output_tokens=o, of=own, model=name) for i, o in uses]
        contras = [_correct(row) for row in rows[::2]]
        _list(name)
        unpriced.price_unpriced(now=NOON)
        costs.append(_costs(*rows, *contras))
    assert costs[0] == costs[1]
