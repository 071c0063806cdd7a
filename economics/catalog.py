"""The catalogue: tiers, the models in them, and what a unit of each resource costs from when on."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from django.db import connection, transaction
from django.db.models import F

from economics import errors
from economics.models import LanguageModel, Price, Tier, Usage
from economics.models.catalog import MOST_RATE

LONGEST_NAME, LONGEST_SOURCE = 200, 200
DECIMALS: Final = 15  # as many as the columns of rates have
_STEP: Final = Decimal(1).scaleb(-DECIMALS)
_NAMED: Final = frozenset({"llm_tokens", "api_calls"})
_HOUSE_TIERS: Final = (("small", Decimal("0.000002")), ("standard", Decimal("0.00002")), ("frontier", None))


class Rates(NamedTuple):
    """What a unit costs in USD: for LLM tokens an input token, and further rates; None: as an input token."""

    rate: Decimal
    output_rate: Decimal | None = None
    cache_read_rate: Decimal | None = None
    cache_write_rate: Decimal | None = None


class Quote(NamedTuple):
    """The price of a moment. `is_first_list`: it begins later, and stands in because there is none before."""

    price_id: int
    rates: Rates
    is_first_list: bool


# Tiers


def ensure_tiers() -> None:
    """Create the house's tiers where there are none at all: small, standard and frontier, by price of an output token.

    A catalogue that has tiers is its operator's: what was changed or taken out stays so.
    """
    if not Tier.objects.exists():
        tiers = [Tier(name=name, rank=rank, suggested_up_to=most) for rank, (name, most) in enumerate(_HOUSE_TIERS, 1)]
        Tier.objects.bulk_create(tiers, ignore_conflicts=True)


class Suggestion:
    """The tier an import suggests for a model: the first whose bound is not below the price of an output token."""

    def __init__(self) -> None:
        """Read the tiers, bounded ones first. Refuses a catalogue without tiers."""
        order = F("suggested_up_to").asc(nulls_last=True)
        self._tiers = list(Tier.objects.order_by(order, "rank", "name").values_list("suggested_up_to", "name"))
        if not self._tiers:
            msg = "There are no tiers; add one first."
            raise errors.UnknownTierError(msg, pointer="/tier")

    def __call__(self, output_rate: Decimal) -> str:
        """Return the name of the tier for USD per output token; the last one when the price is above all bounds."""
        fitting = (name for most, name in self._tiers if most is None or output_rate <= most)
        return next(fitting, self._tiers[-1][1])


def has_tier(name: str) -> bool:
    """Tell whether there is a tier of this name."""
    return Tier.objects.filter(pk=name).exists()


def suggest_tier(output_rate: Decimal) -> str:
    """Return the tier suggested for a model whose output token costs so many USD. Refuses where there are no tiers."""
    return Suggestion()(output_rate)


# Models


def resolve(name: str) -> LanguageModel:
    """Return the model called `name`: exactly, else `provider/name` where that provider lists it. Refuses others."""
    found = LanguageModel.objects.raw("SELECT name, provider, tier_id, is_enabled FROM economics_model(%s)", [name])
    for model in found:
        return model
    raise errors.ModelNotListedError(pointer="/name", name=name)


def name_fault(name: str) -> str:
    """Return what is wrong with the name of a model, provider or list, or nothing."""
    if not name or name != name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        return f"A name has 1 to {LONGEST_NAME} printable characters, no space around them."
    return ""


def add_model(name: str, *, tier: str, now: datetime, provider: str = "", is_enabled: bool = True) -> LanguageModel:
    """Add a model to the catalogue. Refuses one that is there, a bad name, and a tier that does not exist."""
    if fault := name_fault(name) or (name_fault(provider) if provider else ""):
        raise errors.InvalidModelError(fault, pointer="/name")
    _known_tier(tier)
    model, is_new = LanguageModel.objects.get_or_create(
        name=name, defaults={"provider": provider, "tier_id": tier, "is_enabled": is_enabled, "created_at": now}
    )
    if not is_new:
        raise errors.ModelExistsError(pointer="/name", name=name)
    return model


def change_models(names: Collection[str], *, tier: str | None = None, is_enabled: bool | None = None) -> int:
    """Move models to another tier, or switch them on or off, from the next call on; return how many it changed.

    What was used before keeps the tier it had. Refuses a tier that does not exist.
    """
    changes: dict[str, object] = {}
    if tier is not None:
        _known_tier(tier)
        changes["tier_id"] = tier
    if is_enabled is not None:
        changes["is_enabled"] = is_enabled
    if not changes:
        return 0
    return LanguageModel.objects.filter(name__in=set(names)).exclude(**changes).update(**changes)


def _known_tier(name: str) -> None:
    if not Tier.objects.filter(pk=name).exists():
        raise errors.UnknownTierError(pointer="/tier", tier=name)


# Prices


def price_at(resource_type: str, name: str, at: datetime) -> Quote | None:
    """Return the price of a unit at a moment, None where there is none. `name`: a model, a provider, or nothing.

    Before the first list that first one, flagged: admission and metering go by the same function of the database.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT p.id, p.rate, p.output_rate, p.cache_read_rate, p.cache_write_rate, p.is_first_list
              FROM economics_price(%(resource)s, CASE %(resource)s
                  WHEN 'llm_tokens' THEN (SELECT name FROM economics_model(%(name)s)) ELSE %(name)s END, %(at)s) p
            """,
            {"resource": resource_type, "name": name, "at": at},
        )
        row = cursor.fetchone()
    return Quote(row[0], Rates(*row[1:5]), row[5]) if row else None


def rate_fault(rate: Decimal) -> str:
    """Return why this cannot be a price in USD per unit, or nothing."""
    if not rate.is_finite() or not 0 <= rate < MOST_RATE:
        return f"A price is a number from 0 to less than {MOST_RATE:,}."
    return f"A price has at most {DECIMALS} decimals." if rate != rate.quantize(_STEP) else ""


def lock() -> None:
    """Be the only one who writes models and prices until the transaction ends; whoever reads them goes on."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE economics_models, economics_prices IN SHARE ROW EXCLUSIVE MODE")


@transaction.atomic
def set_price(  # noqa: PLR0913 - a price has this many terms
    *,
    resource_type: str,
    name: str = "",
    rates: Rates,
    effective_from: datetime,
    who: str,
    now: datetime,
    source: str = "",
    tier: str = "",
    provider: str = "",
) -> Price:
    """Set what a unit costs (USD) from a moment on, until the next price; return the row.

    A price that stands at the same moment is withdrawn and replaced; the same price again changes nothing. What is
    priced already stays as it is. `tier` (and `provider`) add a model that the catalogue does not know. Refuses an
    unknown model without a tier, rates that are negative or no numbers, and tokens without a price of output.
    """
    check_price(resource_type, name, rates, source=source)
    lock()
    if resource_type == Usage.Resource.LLM_TOKENS:
        name = _priced_model(name, tier=tier, provider=provider, now=now)
    standing = Price.objects.filter(
        resource_type=resource_type, name=name, effective_from=effective_from, withdrawn_at=None
    ).first()
    if standing is not None:
        if rates == rates_of(standing):
            return standing
        withdraw_prices([standing.pk], now=now)
    return Price.objects.create(
        resource_type=resource_type,
        name=name,
        effective_from=effective_from,
        **rates._asdict(),
        source=source,
        set_by=who,
        created_at=now,
    )


def _priced_model(name: str, *, tier: str, provider: str, now: datetime) -> str:
    try:
        return resolve(name).name
    except errors.ModelNotListedError:
        if not tier:
            raise
        return add_model(name, tier=tier, provider=provider, now=now).name


def check_price(resource_type: str, name: str, rates: Rates, *, source: str = "") -> None:
    """Refuse what cannot be a price, whatever the catalogue holds."""
    if len(source) > LONGEST_SOURCE:
        msg = f"A source has at most {LONGEST_SOURCE} characters."
        raise errors.InvalidPriceError(msg, pointer="/source")
    if resource_type not in Usage.Resource.values:
        msg = f"resource_type is one of {', '.join(Usage.Resource.values)}."
        raise errors.InvalidPriceError(msg, pointer="/resource_type")
    if resource_type not in _NAMED and name:
        msg = "Only LLM tokens and API calls have prices by name."
        raise errors.InvalidPriceError(msg, pointer="/name")
    if resource_type in _NAMED and (fault := name_fault(name)):
        raise errors.InvalidPriceError(fault, pointer="/name")
    for field, rate in rates._asdict().items():
        if rate is not None and (fault := rate_fault(rate)):
            raise errors.InvalidPriceError(fault, pointer=f"/{field}")
    if resource_type == Usage.Resource.LLM_TOKENS:
        if rates.output_rate is None:
            msg = "LLM tokens have a price of output as well; free is a price of 0."
            raise errors.InvalidPriceError(msg, pointer="/output_rate")
    elif rates[1:] != (None, None, None):
        msg = "Only LLM tokens have prices of output and of cached input."
        raise errors.InvalidPriceError(msg, pointer="/output_rate")


def rates_of(price: Price) -> Rates:
    """Return the rates of a price."""
    return Rates(price.rate, price.output_rate, price.cache_read_rate, price.cache_write_rate)


def withdraw_prices(price_ids: Collection[int], *, now: datetime) -> int:
    """Withdraw prices for good; return how many stood until now. What was priced with them stays as it was.

    From then on the price before counts, as if the withdrawn one had never been listed.
    """
    return Price.objects.filter(pk__in=set(price_ids), withdrawn_at=None).update(withdrawn_at=now)
