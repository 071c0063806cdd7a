"""The catalogue: tiers of the house, models by name, prices from a moment on."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from economics import catalog, errors
from economics.catalog import Rates
from economics.models import LanguageModel, Price, Tier
from tests import factories
from tests.factories import NOON, refused

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def _rates(*numbers: str | None) -> Rates:
    return Rates(*(None if number is None else Decimal(number) for number in numbers))  # type: ignore[arg-type]


def _set(*numbers: str | None, since: datetime = NOON, **terms: Any) -> Price:
    """Set a price of the model deep-1 if not said otherwise."""
    named = {"resource_type": "llm_tokens", "name": "deep-1", "who": "ann", "now": NOON, **terms}
    return catalog.set_price(rates=_rates(*numbers), effective_from=since, **named)


def _standing() -> list[tuple[str, datetime, Decimal]]:
    rows = Price.objects.filter(withdrawn_at=None).order_by("name", "effective_from")
    return [(p.name, p.effective_from, p.rate) for p in rows]


# Tiers


def test_the_house_has_three_tiers() -> None:
    assert list(Tier.objects.order_by("rank").values_list("name", "suggested_up_to")) == [
        ("small", Decimal("0.000002")),
        ("standard", Decimal("0.00002")),
        ("frontier", None),
    ]


def test_tiers_are_their_operators_once_there_are_any() -> None:
    Tier.objects.filter(pk="small").update(suggested_up_to=Decimal(1), title="cheap")
    Tier.objects.filter(pk="frontier").delete()
    before = list(Tier.objects.order_by("name").values())
    catalog.ensure_tiers()
    assert list(Tier.objects.order_by("name").values()) == before


@pytest.mark.parametrize(
    ("output_rate", "tier"),
    [
        ("0", "small"),
        ("0.000002", "small"),
        ("0.000002000000001", "standard"),
        ("0.00002", "standard"),
        ("0.000020000000001", "frontier"),
        ("1000", "frontier"),
    ],
)
def test_a_tier_is_suggested_by_the_price_of_an_output_token(output_rate: str, tier: str) -> None:
    assert catalog.suggest_tier(Decimal(output_rate)) == tier


def test_above_all_bounds_the_dearest_tier_is_suggested() -> None:
    Tier.objects.filter(pk="frontier").delete()
    assert catalog.suggest_tier(Decimal(1)) == "standard"


def test_without_tiers_nothing_is_suggested() -> None:
    Tier.objects.all().delete()
    with refused(errors.UnknownTierError):
        catalog.suggest_tier(Decimal(1))


# Models


def test_a_model_is_found_by_its_name_or_by_its_providers_name_for_it() -> None:
    factories.model("deep-1", provider="deep")
    factories.model("shop/deep-1", provider="shop")
    for asked, found in {"deep-1": "deep-1", "deep/deep-1": "deep-1", "shop/deep-1": "shop/deep-1"}.items():
        assert (asked, catalog.resolve(asked).name) == (asked, found)
    for unknown in ("deep", "shop/deep", "other/deep-1", "DEEP-1", ""):
        with refused(errors.ModelNotListedError) as refusal:
            catalog.resolve(unknown)
        assert refusal.value.pointer == "/name"


def test_a_model_is_added_once() -> None:
    added = catalog.add_model("deep-2", tier="small", provider="deep", now=NOON)
    assert (added.pk, added.tier_id, added.provider, added.is_enabled, added.created_at) == (
        *("deep-2", "small", "deep", True),
        NOON,
    )
    with refused(errors.ModelExistsError):
        catalog.add_model("deep-2", tier="small", now=NOON)


@pytest.mark.parametrize("name", ["", " ", " deep", "deep ", "de\x00ep", "de\nep", "x" * 201])
def test_a_model_needs_a_name_that_can_be_written_down(name: str) -> None:
    with refused(errors.InvalidModelError):
        catalog.add_model(name, tier="small", now=NOON)


def test_models_move_between_existing_tiers_and_are_switched_off() -> None:
    for name in ("a", "b"):
        factories.model(name)
    assert catalog.change_models(["a", "b", "none"], tier="small") == 2
    assert catalog.change_models(["a", "b"], tier="small") == 0
    assert catalog.change_models(["b"], is_enabled=False) == 1
    assert catalog.change_models(["a"]) == 0
    assert list(LanguageModel.objects.order_by("name").values_list("name", "tier", "is_enabled")) == [
        ("a", "small", True),
        ("b", "small", False),
    ]
    with refused(errors.UnknownTierError):
        catalog.change_models(["a"], tier="golden")


# Prices


def test_a_price_holds_from_its_moment_until_the_next() -> None:
    factories.model(rate=None, provider="deep")
    first, second = _set("1", "2"), _set("3", "4", "0.5", "5", since=NOON + DAY)
    moments = {
        NOON - DAY: (first.pk, _rates("1", "2"), True),
        NOON: (first.pk, _rates("1", "2"), False),
        NOON + DAY - timedelta(microseconds=1): (first.pk, _rates("1", "2"), False),
        NOON + DAY: (second.pk, _rates("3", "4", "0.5", "5"), False),
    }
    for at, quote in moments.items():
        assert catalog.price_at("llm_tokens", "deep-1", at) == quote
        assert catalog.price_at("llm_tokens", "deep/deep-1", at) == quote
    assert catalog.price_at("llm_tokens", "other", NOON) is None


def test_the_other_classes_have_prices_by_provider_or_one() -> None:
    _set("0.01", resource_type="api_calls", name="crossref")
    _set("0.0002", resource_type="cpu_seconds", name="")
    assert catalog.price_at("api_calls", "crossref", NOON) is not None
    assert catalog.price_at("api_calls", "other", NOON) is None
    assert catalog.price_at("cpu_seconds", "", NOON) is not None
    assert catalog.price_at("storage_gb_hours", "", NOON) is None


def test_a_price_says_who_set_it_and_from_where() -> None:
    factories.model(rate=None)
    _set("1", "2", source="invoice 7")
    assert list(Price.objects.values_list("set_by", "source", "created_at")) == [("ann", "invoice 7", NOON)]


def test_the_same_price_again_changes_nothing() -> None:
    factories.model(rate=None)
    assert _set("1", "2").pk == _set("1.000", "2").pk == Price.objects.get().pk


def test_another_price_for_the_same_moment_replaces_the_one_that_stands() -> None:
    factories.model(rate=None)
    wrong = _set("1", "2")
    right = _set("1", "3", now=NOON + DAY)
    wrong.refresh_from_db()
    assert (wrong.withdrawn_at, right.withdrawn_at) == (NOON + DAY, None)
    assert _standing() == [("deep-1", NOON, Decimal(1))]


def test_a_withdrawn_price_counts_as_if_it_had_never_been_listed() -> None:
    factories.model(rate=None)
    _set("1", "2")
    later = _set("3", "4", since=NOON + DAY)
    assert catalog.withdraw_prices([later.pk, 0], now=NOON) == 1
    assert catalog.withdraw_prices([later.pk], now=NOON + DAY) == 0
    quote = catalog.price_at("llm_tokens", "deep-1", NOON + 2 * DAY)
    assert quote is not None
    assert quote.rates == _rates("1", "2")
    later.refresh_from_db()
    assert later.withdrawn_at == NOON


def test_a_price_of_the_providers_name_is_the_models() -> None:
    factories.model(rate=None, provider="deep")
    _set("1", "2", name="deep/deep-1")
    assert _standing() == [("deep-1", NOON, Decimal(1))]


def test_a_price_of_an_unknown_model_needs_a_tier_to_add_it_to() -> None:
    with refused(errors.ModelNotListedError):
        _set("1", "2", name="new-1")
    with refused(errors.UnknownTierError):
        _set("1", "2", name="new-1", tier="golden")
    assert not LanguageModel.objects.exists()
    _set("1", "2", name="new-1", tier="small", provider="acme")
    assert list(LanguageModel.objects.values_list("name", "tier", "provider")) == [("new-1", "small", "acme")]
    _set("1", "3", name="new-1", tier="frontier")
    assert catalog.resolve("new-1").tier_id == "small"


@pytest.mark.parametrize(
    ("rates", "terms", "pointer"),
    [
        (("-0.1", "1"), {}, "/rate"),
        (("NaN", "1"), {}, "/rate"),
        (("Infinity", "1"), {}, "/rate"),
        (("1000000000", "1"), {}, "/rate"),
        (("1E-16", "1"), {}, "/rate"),
        (("1E-999999", "1"), {}, "/rate"),
        (("1", "-1"), {}, "/output_rate"),
        (("1", None), {}, "/output_rate"),
        (("1", "1", "NaN"), {}, "/cache_read_rate"),
        (("1", "1", None, "-1"), {}, "/cache_write_rate"),
        (("1", "1"), {"resource_type": "gold"}, "/resource_type"),
        (("1", "1"), {"name": ""}, "/name"),
        (("1", "1"), {"name": " deep-1"}, "/name"),
        (("1", "1"), {"source": "x" * 201}, "/source"),
        (("1", "1"), {"resource_type": "api_calls", "name": "crossref"}, "/output_rate"),
        (("1",), {"resource_type": "api_calls", "name": ""}, "/name"),
        (("1",), {"resource_type": "cpu_seconds", "name": "host"}, "/name"),
    ],
)
def test_what_cannot_be_a_price_is_refused(rates: tuple[str | None, ...], terms: dict[str, Any], pointer: str) -> None:
    factories.model(rate=None)
    with refused(errors.InvalidPriceError) as refusal:
        _set(*rates, **terms)
    assert (refusal.value.code, refusal.value.pointer) == ("invalid_price", pointer)
    assert not Price.objects.exists()


@given(st.decimals(allow_nan=True, allow_infinity=True) | st.decimals(min_value=0, max_value=10, places=16))
def test_a_rate_without_fault_is_kept_to_the_last_digit(rate: Decimal) -> None:
    if not catalog.rate_fault(rate):
        assert 0 <= rate < 1_000
        assert rate == rate.quantize(Decimal("1e-15"))
