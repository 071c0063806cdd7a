"""Price lists: read into one shape, compared with the catalogue, and applied as reviewed or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import data, data_snapshot, types
from hypothesis import given, settings
from hypothesis import strategies as st

from economics import catalog, errors, genai_list, price_sources, pricelists, unpriced
from economics.catalog import Rates
from economics.models import LanguageModel, Price, Usage
from economics.price_sources import ListPrice, PriceList
from tests import factories
from tests.factories import NOON, refused

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
HEADER = "asof_date,litellm_version,model,provider,mode,input_cost_per_token,output_cost_per_token"
CACHED = f"{HEADER},cache_read_input_token_cost,cache_creation_input_token_cost"


def _file(*rows: str, header: str = HEADER) -> PriceList:
    return price_sources.read_csv("\n".join((header, *rows)).encode(), title="prices.csv")


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _rates(rate: str, output_rate: str) -> Rates:
    return Rates(Decimal(rate), Decimal(output_rate))


def _list(*prices: tuple[str, str | None, str, str]) -> PriceList:
    """Return a list of (model, day, price of input, price of output)."""
    rows = [ListPrice(m, "deep", None if d is None else _day(d), _rates(i, o), "list") for m, d, i, o in prices]
    return PriceList("list", tuple(rows), ())


def _apply(listing: PriceList, *, now: datetime = NOON, **terms: Any) -> pricelists.Diff:
    """Review a list and apply what was shown."""
    shown = pricelists.diff(listing, now=now, **terms)
    return pricelists.apply(listing, digest=shown.digest, who="ann", now=now, **terms)


def _standing(model: str) -> list[tuple[str, str, str]]:
    prices = Price.objects.filter(name=model, withdrawn_at=None).order_by("effective_from")
    return [(f"{p.effective_from:%Y-%m-%d}", f"{p.rate.normalize():f}", f"{p.output_rate or 0:f}") for p in prices]


# Files


def test_a_row_of_a_file_is_a_price_from_midnight_utc_in_exact_decimals() -> None:
    listing = _file("2025-03-01,1.61.20,deep-1,deep,chat,0.000000078125,1e-6,,0.5", header=CACHED)
    rates = Rates(Decimal("0.000000078125"), Decimal("0.000001"), None, Decimal("0.5"))
    assert listing == PriceList(
        "prices.csv", (ListPrice("deep-1", "deep", _day("2025-03-01"), rates, "litellm 1.61.20"),), ()
    )


def test_an_empty_price_is_not_listed_there() -> None:
    listing = _file("2025-03-01,1.6,embed-1,deep,embedding,0.1,", "2025-03-01,1.6,deep-1,deep,chat,,0.1")
    assert (listing.prices, [(str(row), row.is_fault) for row in listing.left_out]) == (
        (),
        [
            ("line 2, embed-1: no price of output tokens", False),
            ("line 3, deep-1: no price of input tokens", False),
        ],
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2025-03-01,1.6,deep-1,deep,chat,abc,1", "input_cost_per_token 'abc' is no number"),
        ("2025-03-01,1.6,deep-1,deep,chat,1_0,1", "input_cost_per_token '1_0' is no number"),
        ("2025-03-01,1.6,deep-1,deep,chat,-1,1", "input_cost_per_token '-1': A price is a number from 0"),
        ("2025-03-01,1.6,deep-1,deep,chat,1,NaN", "output_cost_per_token 'NaN': A price is a number"),
        ("2025-03-01,1.6,deep-1,deep,chat,1,1e-16", "output_cost_per_token '1e-16': A price has at most 15"),
        ("2025-03-01,1.6,deep-1,deep,chat,1,1e999999999", "output_cost_per_token '1e999999999': A price is a number"),
        ("2025-03-01,1.6,deep-1,deep,chat,1,1e-999999999", "output_cost_per_token '1e-999999999': A price has at"),
        ("2025-02-30,1.6,deep-1,deep,chat,1,1", "asof_date '2025-02-30' is no date like 2025-03-01"),
        (",1.6,deep-1,deep,chat,1,1", "asof_date '' is no date"),
        ("2025-03-01,1.6,,deep,chat,1,1", "A name has 1 to 200 printable characters"),
        ("2025-03-01,1.6," + "x" * 201 + ",deep,chat,1,1", "A name has 1 to 200 printable characters"),
        ("2025-03-01,1.6,deep-1,deep,chat,1", "more or fewer fields than the header"),
        ("2025-03-01,1.6,deep-1,deep,chat,1,1,1", "more or fewer fields than the header"),
    ],
)
def test_a_row_that_cannot_be_understood_is_left_out_with_its_line(row: str, reason: str) -> None:
    listing = _file("2025-03-01,1.6,deep-1,deep,chat,1,1", row)
    assert len(listing.prices) == 1
    (left,) = listing.left_out
    assert (left.line, left.reason[: len(reason)], left.is_fault) == (3, reason, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "line 1: the file is empty."),
        (b"model,price\na,1\n", "line 1: the columns asof_date, provider, input_cost_per_token, output_cost_per_t"),
        (HEADER.encode() + b'\n2025-03-01,1,"a"b,c,chat,1,1\n', "line 2: "),
        (HEADER.encode() + b'\n2025-03-01,1,"a', "line 2: unexpected end of data."),
        (HEADER.encode() + b"\n2025-03-01,1,\xff,c,chat,1,1\n", "line 2: this is not text in UTF-8."),
        (b"\x00\x01\x02", "line 1: "),
    ],
)
def test_what_is_no_such_file_is_refused_with_its_line(text: bytes, message: str) -> None:
    with refused(errors.InvalidPriceListError) as refusal:
        price_sources.read_csv(text, title="x")
    assert refusal.value.detail[: len(message)] == message


def test_a_file_of_too_many_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_sources, "MOST_ROWS", 2)
    with refused(errors.InvalidPriceListError):
        _file(*["2025-03-01,1.6,deep-1,deep,chat,1,1"] * 3)


def test_a_list_is_narrowed_by_patterns() -> None:
    listing = _list(*((name, None, "1", "1") for name in ("a/one", "a/two", "b/one")))
    for terms, names in (
        ({}, ["a/one", "a/two", "b/one"]),
        ({"only": ["a/*"]}, ["a/one", "a/two"]),
        ({"only": ["a/*", "b/*"], "skip": ["*/two"]}, ["a/one", "b/one"]),
        ({"skip": ["a/*"]}, ["b/one"]),
    ):
        assert [price.model for price in listing.narrowed(**terms).prices] == names


# genai-prices


def test_the_packaged_list_gives_what_the_package_itself_would_charge() -> None:
    """Every model, on every day on which a price begins: the catalogue and the package agree (but by the hour)."""
    _apply(genai_list.read_genai())
    quotes: dict[str, list[tuple[datetime, Rates]]] = {}
    for price in Price.objects.order_by("effective_from"):
        quotes.setdefault(price.name, []).append((price.effective_from, catalog.rates_of(price)))
    compared = 0
    for provider in data.providers:
        for model in provider.models:
            if _by_the_hour(model):
                continue
            for since, rates in quotes.get(_listed_as(provider, model), []):
                at = max(since, _day("2000-01-01"))
                theirs = model.get_prices(at)
                assert (provider.id, model.id, _per_million(rates)) == (
                    *(provider.id, model.id),
                    tuple(_first(getattr(theirs, name, None)) for name in ("input_mtok", "output_mtok")),
                )
                compared += 1
    assert compared > 2000


def _listed_as(provider: types.Provider, model: types.ModelInfo) -> str:
    try:
        inferred = data_snapshot.DataSnapshot(data.providers, from_auto_update=False).find_provider(
            model.id, None, None
        )
    except LookupError:
        inferred = None
    return model.id if inferred is provider else f"{provider.id}/{model.id}"


def _by_the_hour(model: types.ModelInfo) -> bool:
    steps = model.prices if isinstance(model.prices, list) else []
    return any(isinstance(step.constraint, types.TimeOfDateConstraint) for step in steps)


def _per_million(rates: Rates) -> tuple[Decimal, Decimal]:
    return round(rates.rate * 10**6, 9), round((rates.output_rate or Decimal(0)) * 10**6, 9)


def _first(price: Any) -> Decimal:
    return round(getattr(price, "base", price) or Decimal(0), 9)


def test_the_packaged_list_names_models_as_their_makers_do_and_resold_ones_by_provider() -> None:
    found = {price.model: price for price in genai_list.read_genai().prices}
    assert (found["gpt-4o"].provider, found["openrouter/openai/gpt-4o"].provider) == ("openai", "openrouter")
    assert found["gpt-4o"].source.startswith("genai-prices ")
    assert "gpt-4o-2024-08-06" in found, "a further name that the package gives in full"


def test_the_packaged_list_takes_the_first_step_and_the_price_without_hours() -> None:
    found = {price.model: price.rates for price in genai_list.read_genai().prices if price.effective_from is None}
    assert found["claude-sonnet-4-6"][:2] == (Decimal("0.000003"), Decimal("0.000015"))
    (chat,) = (m for p in data.providers if p.id == "deepseek" for m in p.models if m.id == "deepseek-chat")
    assert isinstance(chat.prices, list)
    assert found["deepseek-chat"].rate * 10**6 == chat.prices[0].prices.input_mtok


def test_the_packaged_list_says_what_has_no_price_of_tokens() -> None:
    listing = genai_list.read_genai()
    assert listing.left_out
    assert {row.is_fault for row in listing.left_out} == {False}
    listed = {price.model for price in listing.prices}
    assert [row.model for row in listing.left_out if row.model in listed] == []


# What a list would change


def test_a_first_list_adds_models_with_suggested_tiers_and_their_prices() -> None:
    found = _apply(_list(("deep-1", "2026-01-01", "0.000001", "0.00003"), ("mini-1", "2026-01-01", "0", "0")))
    assert [(m.name, m.provider, m.tier) for m in found.models] == [
        ("deep-1", "deep", "frontier"),
        ("mini-1", "deep", "small"),
    ]
    assert list(LanguageModel.objects.order_by("name").values_list("name", "provider", "tier", "created_at")) == [
        ("deep-1", "deep", "frontier", NOON),
        ("mini-1", "deep", "small", NOON),
    ]
    assert list(Price.objects.values_list("set_by", "source").distinct()) == [("ann", "list")]
    assert [(model.name, change.rates.rate) for model, change in found.new] == [
        ("deep-1", Decimal("0.000001")),
        ("mini-1", Decimal(0)),
    ]
    assert (found.first, found.changed, found.unchanged) == ((), (), 0)


def test_applied_twice_changes_nothing_more() -> None:
    listing = _list(("deep-1", "2026-01-01", "1", "2"), ("deep-1", "2026-02-01", "2", "2"), ("old-1", None, "1", "1"))
    first = _apply(listing)
    rows = list(Price.objects.order_by("pk").values())
    for digest in (first.digest, "of another day"):
        again = pricelists.apply(listing, digest=digest, who="bob", now=NOON + DAY)
        assert (again.is_empty, again.unchanged) == (True, 3)
    assert list(Price.objects.order_by("pk").values()) == rows


def test_only_a_price_that_differs_from_the_one_before_is_new() -> None:
    days = ("2025-01-01", "2025-02-01", "2025-03-01", "2025-04-01")
    found = _apply(_list(*(("deep-1", day, rate, "2") for day, rate in zip(days, "1133", strict=True))))
    assert (_standing("deep-1"), found.unchanged) == (
        [("2025-01-01", "1", "2.000000000000000"), ("2025-03-01", "3", "2.000000000000000")],
        2,
    )
    (change,) = found.changed
    assert (change.before, change.rates, change.replaces) == (_rates("1", "2"), _rates("3", "2"), None)


def test_another_price_for_the_same_day_replaces_the_one_that_stands() -> None:
    _apply(_list(("deep-1", "2026-01-01", "1", "2")))
    old = Price.objects.get()
    found = _apply(_list(("deep-1", "2026-01-01", "1", "3")), now=NOON + DAY)
    assert [(change.before, change.replaces) for change in found.changes] == [(_rates("1", "2"), old.pk)]
    old.refresh_from_db()
    assert (old.withdrawn_at, _standing("deep-1")) == (NOON + DAY, [("2026-01-01", "1", "3.000000000000000")])


def test_a_list_from_between_two_lists_joins_them_by_time() -> None:
    _apply(_list(("deep-1", "2025-01-01", "1", "1"), ("deep-1", "2025-03-01", "3", "1")))
    found = _apply(_list(("deep-1", "2025-02-01", "2", "1"), ("deep-1", "2025-04-01", "3", "1")))
    assert (len(found.changes), found.unchanged) == (1, 1)
    assert [rate for _day_, rate, _output in _standing("deep-1")] == ["1", "2", "3"]


def test_a_model_keeps_its_tier_and_provider() -> None:
    factories.model("deep-1", tier="small", rate=None, provider="other")
    found = _apply(_list(("deep-1", "2026-01-01", "1", "1")))
    assert (found.models, len(found.first)) == ((), 1)
    assert catalog.resolve("deep-1").tier_id == "small"


def test_the_tier_is_suggested_by_the_price_at_present() -> None:
    listing = _list(
        ("deep-1", "2026-01-01", "1", "1"), ("deep-1", "2026-03-02", "0", "0"), ("deep-1", "2026-03-03", "1", "1")
    )
    assert [model.tier for model in pricelists.diff(listing, now=NOON).models] == ["small"]
    assert [model.tier for model in pricelists.diff(listing, now=NOON + DAY).models] == ["frontier"]
    assert [model.tier for model in pricelists.diff(listing, now=_day("2020-01-01")).models] == ["frontier"]


def test_a_reviewer_may_name_other_tiers() -> None:
    listing = _list(("deep-1", "2026-01-01", "1", "1"))
    _apply(listing, tiers={"deep-1": "standard"})
    assert catalog.resolve("deep-1").tier_id == "standard"
    assert _apply(listing, tiers={"deep-1": "small"}).is_empty, "of new models only"
    with refused(errors.ModelNotListedError) as unlisted:
        pricelists.diff(listing, now=NOON, tiers={"deep-2": "small"})
    with refused(errors.UnknownTierError) as unknown:
        pricelists.diff(listing, now=NOON, tiers={"deep-1": "golden"})
    assert (unlisted.value.detail, unknown.value.detail) == (
        "deep-2 is not in this list.",
        "There is no tier golden; there are frontier, small, standard.",
    )


def test_two_prices_for_one_day_in_one_list_are_a_fault() -> None:
    found = _apply(
        _list(
            ("deep-1", "2026-01-01", "1", "1"), ("deep-1", "2026-01-01", "1", "1"), ("deep-1", "2026-01-01", "2", "1")
        )
    )
    assert (len(found.changes), found.unchanged) == (1, 1)
    assert [str(row) for row in found.faults] == ["deep-1: listed twice for 2026-01-01, at different prices"]


# Prices without a date


def test_a_price_without_a_date_counts_always_for_a_model_without_prices() -> None:
    _apply(_list(("deep-1", None, "1", "1"), ("deep-1", "2026-02-01", "2", "1")))
    assert [day for day, _rate, _output in _standing("deep-1")] == ["1970-01-01", "2026-02-01"]
    quote = catalog.price_at("llm_tokens", "deep-1", _day("2001-01-01"))
    assert quote is not None
    assert (quote.rates.rate, quote.is_first_list) == (Decimal(1), False)


def test_a_price_without_a_date_counts_from_today_where_it_differs_from_the_one_in_force() -> None:
    _apply(_list(("deep-1", "2025-01-01", "1", "1"), ("same-1", "2025-01-01", "1", "1")))
    found = _apply(_list(("deep-1", None, "2", "1"), ("same-1", None, "1", "1")))
    assert [(c.model, c.effective_from) for c in found.changes] == [("deep-1", _day("2026-03-02"))]


def test_a_price_without_a_date_is_over_once_a_dated_one_has_begun() -> None:
    _apply(_list(("deep-1", "2025-01-01", "5", "1")))
    listing = _list(("deep-1", None, "1", "1"), ("deep-1", "2026-03-03", "2", "1"))
    assert [c.effective_from for c in pricelists.diff(listing, now=NOON).changes] == [
        _day("2026-03-02"),
        _day("2026-03-03"),
    ]
    assert [c.effective_from for c in pricelists.diff(listing, now=NOON + DAY).changes] == [_day("2026-03-03")]


# As reviewed or not at all


def test_what_was_reviewed_is_refused_once_the_catalogue_has_moved() -> None:
    listing = _list(("deep-1", "2026-01-01", "1", "1"), ("deep-2", "2026-01-01", "1", "1"))
    shown = pricelists.diff(listing, now=NOON)
    factories.model("deep-1", tier="small", rate=None)
    with refused(errors.StalePriceListError):
        pricelists.apply(listing, digest=shown.digest, who="ann", now=NOON)
    assert (LanguageModel.objects.count(), Price.objects.count()) == (1, 0)


@pytest.mark.parametrize("move", ["tier", "withdrawal", "list", "day"])
def test_a_digest_names_the_changes_and_what_they_were_compared_with(move: str) -> None:
    _apply(_list(("deep-1", "2025-01-01", "1", "1"), ("deep-1", "2026-01-01", "2", "1")))
    listing = _list(("deep-1", None, "3", "1"), ("deep-2", "2026-01-01", "1", "1"))
    shown = pricelists.diff(listing, now=NOON).digest
    assert pricelists.diff(listing, now=NOON + timedelta(hours=11)).digest == shown
    now, tiers = NOON, {}
    if move == "tier":
        tiers = {"deep-2": "small"}
    elif move == "withdrawal":
        catalog.withdraw_prices([Price.objects.latest("effective_from").pk], now=NOON)
    elif move == "list":
        listing = _list(("deep-1", None, "3", "1"), ("deep-2", "2026-01-01", "1", "2"))
    else:
        now = NOON + DAY
    assert pricelists.diff(listing, now=now, tiers=tiers).digest != shown


def test_an_import_prices_the_queue_and_nothing_that_is_priced() -> None:
    own = factories.envelope(tokens=10**9)
    factories.model("deep-1", rate="1", output_rate="1")
    priced = factories.record(own, 10, model="deep-1")
    waiting = factories.record(own, 10, model="deep-2")
    _apply(_list(("deep-1", "2026-02-01", "5", "5"), ("deep-2", "2026-02-01", "7", "7")))
    assert unpriced.price_unpriced(now=NOON) == 1
    costs = dict(Usage.objects.values_list("pk", "cost"))
    assert (costs[priced.pk], costs[waiting.pk]) == (Decimal(10), Decimal(70))


@pytest.mark.parametrize(
    ("before", "after", "change"), [("1", "3", "200.0"), ("3", "2", "-33.3"), ("0", "1", None), ("1", "1", "0.0")]
)
def test_percent(before: str, after: str, change: str | None) -> None:
    assert pricelists.percent(Decimal(before), Decimal(after)) == (None if change is None else Decimal(change))


LISTS = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 6), st.sampled_from("123")),
    max_size=8,
    unique_by=lambda row: row[:2],
)


@settings(max_examples=60, deadline=None)
@given(before=LISTS, after=LISTS)
def test_after_an_import_every_row_of_the_list_is_the_price_of_its_day(before: Any, after: Any) -> None:
    """Whatever stood before: the newest list is in force on its days, and saying it again changes nothing."""
    Price.objects.filter(withdrawn_at=None).update(withdrawn_at=NOON)
    for rows in (before, after):
        listing = _list(*((name, f"2025-01-0{day}", rate, rate) for name, day, rate in rows))
        _apply(listing)
        for name, day, rate in rows:
            quote = catalog.price_at("llm_tokens", name, _day(f"2025-01-0{day}"))
            assert quote is not None
            assert (quote.rates.rate, quote.is_first_list) == (Decimal(rate), False)
        assert pricelists.diff(listing, now=NOON).is_empty
