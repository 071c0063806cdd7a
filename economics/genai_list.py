"""The price list inside the installed package genai-prices; nothing is ever fetched."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import cache, partial
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from economics import catalog
from economics.price_sources import LeftOut, LeftOutError, ListPrice, PriceList, both, midnight, read_into, sound

if TYPE_CHECKING:
    from genai_prices import data_snapshot, types

_RATES: Final = {
    "rate": "input_mtok",
    "output_rate": "output_mtok",
    "cache_read_rate": "cache_read_mtok",
    "cache_write_rate": "cache_write_mtok",
}


@cache
def read_genai() -> PriceList:
    """Return the packaged list, USD per token.

    A model stands under its own id with the provider that the package infers from the id alone, and elsewhere as
    `provider/id`; other names that the package gives in full stand for the same prices. Taken is the standard price:
    the first step where prices rise with the length of a prompt, the price without a time of day where there are
    hours. Left out are batch and priority variants, one-hour cache writes, audio, images, searches and requests, and
    names that the package knows by a part of them only.
    """
    source, packaged = _source(), _packaged()
    prices: list[ListPrice] = []
    left_out: list[LeftOut] = []
    seen: set[str] = set()
    for provider in packaged.providers:
        for model in provider.models:
            for name in dict.fromkeys((model.id, *_exact_names(model.match))):
                listed = name if _is_inferred(packaged, provider, name) else f"{provider.id}/{name}"
                if listed not in seen:
                    seen.add(listed)
                    steps = partial(_dated, model, model=listed, provider=provider.id, source=source)
                    read_into(prices, left_out, steps, model=listed)
    return PriceList(source, tuple(prices), tuple(left_out))


def likely(name: str, *, at: datetime) -> ListPrice | None:
    """Return what the package takes a name for, by its rules for parts of names, with the price of a moment.

    A guess for a person to check: `model` is the name in the list, which is not the one asked for.
    """
    packaged = _packaged()
    provider_id, _slash, rest = name.partition("/")
    for named, asked in ((None, name), (provider_id, rest), (None, rest)):
        try:
            provider, model = packaged.find_provider_model(asked, None, named, None)
            steps = _dated(model, model=model.id, provider=provider.id, source=_source())
        except (LookupError, LeftOutError):
            continue
        return ([step for step in steps if step.effective_from is None or step.effective_from <= at] or steps[:1])[-1]
    return None


def _packaged() -> "data_snapshot.DataSnapshot":
    from genai_prices import data, data_snapshot  # noqa: PLC0415 - two megabytes, which only few pages need

    return data_snapshot.DataSnapshot(providers=data.providers, from_auto_update=False)


def _source() -> str:
    return f"genai-prices {metadata.version('genai-prices')}"


def _is_inferred(packaged: "data_snapshot.DataSnapshot", provider: "types.Provider", name: str) -> bool:
    """Tell whether the package takes a call of this name, without a provider, to be this provider's."""
    try:
        return packaged.find_provider(name, None, None) is provider
    except LookupError:
        return False


def _exact_names(match: object) -> Iterator[str]:
    """Yield the names that a model's rule gives in full; it goes by prefixes and parts of names as well."""
    if (exact := getattr(match, "equals", None)) is not None:
        yield exact
    for choice in getattr(match, "or_", ()):
        yield from _exact_names(choice)


def _dated(info: "types.ModelInfo", *, model: str, provider: str, source: str) -> list[ListPrice]:
    """Return a model's standard prices, each from its day on: the package lets the last one that has begun count."""
    given = info.prices if isinstance(info.prices, list) else [info]
    steps = [(getattr(step, "constraint", None), step.prices) for step in given]
    begins = [(getattr(when, "start_date", None), prices) for when, prices in steps if not hasattr(when, "start_time")]
    if all(begin is not None for begin, _prices in begins):
        begins.insert(0, (None, steps[0][1]))  # before any has begun, the package goes by the first
    found: list[ListPrice] = []
    for day in sorted({begin or date.min for begin, _prices in begins}):
        in_force = [prices for begin, prices in begins if (begin or date.min) <= day][-1]
        rates = both({name: _per_token(getattr(in_force, field, None), field) for name, field in _RATES.items()})
        if not found or rates != found[-1].rates:
            since = None if day == date.min else midnight(day)
            found.append(ListPrice(model, provider, since, rates, source))
    return found


def _per_token(price: Any, field: str) -> Decimal | None:
    """Return USD per token of a price per million, of its first step where it has steps, as the columns keep it."""
    first = getattr(price, "base", price)
    return None if first is None else sound(round(Decimal(first).scaleb(-6), catalog.DECIMALS), field)
