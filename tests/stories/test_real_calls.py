"""4,446 calls of language models as another program logged them, priced by lists of their time, and counted once."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import pytest
from django.core.management import call_command
from django.db.models import Sum

from economics import arrivals, catalog, price_sources, pricelists, standings, unpriced
from economics.catalog import Rates
from economics.models import Usage, UsageDay
from tests import factories, shared_files

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db

NEAR: Final = Decimal("5e-7")
CALLS, TOKENS = 4_446, 56_177_256
OF_APRIL: Final = {4080, 4081, 4082, 4083}
COLUMNS: Final = (
    *("event_id=seq", "created_at=ts_utc", "model=main_model", "input_tokens=prompt_tokens"),
    *("output_tokens=completion_tokens", "reported_cost=cost_usd", "agent_id=agent"),
)


@pytest.fixture
def calls() -> Path:
    """Return the log, with the price lists of its time in the catalogue."""
    path = shared_files.shared_data("llm_calls/calls.csv")
    prices = shared_files.shared_data("llm_prices/price_history.csv")
    now = datetime(2025, 6, 1, 12, tzinfo=UTC)
    catalog.ensure_tiers()
    listing = price_sources.read_csv(prices.read_bytes(), title="price_history.csv")
    pricelists.apply(listing, digest=pricelists.diff(listing, now=now).digest, who="ada", now=now)
    return path


def _import(path: Path, *words: str) -> str:
    said = io.StringIO()
    maps = [word for column in COLUMNS for word in ("--map", column)]
    call_command(
        *("import_usage", str(path), *maps, "--set", "resource_type=llm_tokens", "--source", "aider"),
        *("--entity", "analysis/telemetry", *words),
        stdout=said,
        stderr=said,
        no_color=True,
    )
    return said.getvalue()


def _log(path: Path) -> dict[int, dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return {int(row["seq"]): row for row in csv.DictReader(file)}


def test_every_call_is_counted_once_and_priced_by_the_list_of_its_day(calls: Path) -> None:
    own = factories.envelope("telemetry", entity_type="analysis", tokens=TOKENS, window_kind="lifetime")
    log = _log(calls)
    assert Counter(row["price_check"] for row in log.values())["match"] == 3_978
    said = _import(calls)
    assert f"Rows read {CALLS:,}: recorded {CALLS:,}, duplicates 0, conflicts 0, refused 0." in said
    assert f"Of those recorded: {TOKENS:,} LLM tokens; 4,067 rows priced at " in said
    assert said.endswith(", 379 unpriced.\n")

    line = next(line for line in standings.of_envelopes([own.pk], at=factories.NOON)[own.pk] if line.base == TOKENS)
    assert (line.settled, line.held, line.remaining) == (Decimal(TOKENS), Decimal(0), Decimal(0))

    rows = {int(row.event_id or 0): row for row in Usage.objects.filter(source="aider")}
    assert rows.keys() == log.keys()
    assert sum(row.amount for row in rows.values()) == TOKENS
    assert {seq: row.agent_id for seq, row in rows.items()} == {seq: row["agent"] for seq, row in log.items()}

    match = {seq for seq, row in log.items() if row["price_check"] == "match"}
    costs = {seq: rows[seq].cost or Decimal(0) for seq in match}
    other = {seq for seq in match if abs(costs[seq] - Decimal(log[seq]["cost_usd"])) > NEAR + _rounding(costs[seq])}
    assert other == OF_APRIL
    assert sum(rows[seq].is_first_list for seq in match) == 1_461
    # The log priced these four by a list that came ten days later; the price in force on their day stands.
    for seq in OF_APRIL:
        row = rows[seq]
        assert (row.model, row.created_at.date().isoformat()) == ("claude-3-5-haiku-20241022", "2025-03-22")
        later = catalog.price_at("llm_tokens", row.model, datetime(2025, 4, 1, tzinfo=UTC))
        assert later is not None
        assert abs(_cost(row, later.rates) - Decimal(log[seq]["cost_usd"])) <= NEAR
        assert row.rate != later.rates.rate


def _rounding(stored: Decimal) -> Decimal:
    """Return half of the last place that the column keeps: those of others keep fewer than ours."""
    return Decimal("0.5").scaleb(int(stored.as_tuple().exponent))


def _cost(row: Usage, rates: Rates) -> Decimal:
    return (row.input_tokens or 0) * rates.rate + (row.output_tokens or 0) * (rates.output_rate or 0)


def test_calls_that_look_alike_are_separate_and_a_second_import_counts_nothing_twice(calls: Path) -> None:
    alike = ("ts_utc", "main_model", "prompt_tokens", "completion_tokens", "cost_usd")
    kinds = {tuple(row[name] for name in alike) for row in _log(calls).values()}
    assert CALLS - len(kinds) == 41
    _import(calls, "--batch", "1000")
    of_calls = UsageDay.objects.filter(entity_type="analysis", entity_id="telemetry")
    days = of_calls.aggregate(Sum("amount"), Sum("cost"), Sum("events"), Sum("unpriced_amount"))
    assert (days["amount__sum"], days["events__sum"]) == (TOKENS, CALLS)
    again = _import(calls)
    assert f"recorded 0, duplicates {CALLS:,}, conflicts 0, refused 0." in again
    assert Usage.objects.filter(source="aider").count() == CALLS
    assert of_calls.aggregate(Sum("amount"), Sum("cost"), Sum("events"), Sum("unpriced_amount")) == days


def test_what_no_list_knows_waits_for_a_price_and_moves_its_day_when_it_comes(calls: Path) -> None:
    unpriced.price_unpriced(now=factories.NOON)  # what was there before, and is counted a moment later
    arrivals.drain_all()
    waited = sum(kind.events for kind in unpriced.queue())
    _import(calls)
    waiting = unpriced.queue()
    assert sum(kind.events for kind in waiting) - waited == 379
    kind = next(kind for kind in waiting if kind.model == "deepseek/REDACTED")
    day = kind.first_use  # any moment of the day on which it was used first
    before = standings.of_fleet(at=day).settled
    used = Usage.objects.filter(model=kind.model)
    that_day = [row for row in used if row.created_at.date() == day.date()]

    catalog.set_price(
        resource_type="llm_tokens",
        name=kind.model,
        rates=Rates(Decimal("0.000001"), Decimal("0.000002")),
        effective_from=datetime(2025, 6, 1, tzinfo=UTC),
        who="ada",
        now=factories.NOON,
        tier="small",
    )
    assert unpriced.price_unpriced(now=factories.NOON) == kind.events
    assert kind.model not in {kind.model for kind in unpriced.queue()}
    due = sum(_cost(row, Rates(Decimal("0.000001"), Decimal("0.000002"))) for row in that_day)
    assert (due > 0, standings.of_fleet(at=day).settled - before) == (True, due)
    assert {row.is_first_list for row in used.all()} == {True}
    assert sum(day.unpriced_amount for day in UsageDay.objects.all()) == sum(
        row.amount for row in Usage.objects.filter(cost=None)
    )
