"""What a price list would change in the catalogue, to be reviewed, and then changed exactly so or not at all."""

import hashlib
import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

from django.db import transaction

from economics import catalog, errors
from economics.catalog import Rates
from economics.models import LanguageModel, Price, Tier
from economics.price_sources import LeftOut, ListPrice, PriceList

ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)  # the beginning of a price whose list does not say since when
_TOKENS: Final = "llm_tokens"


class NewModel(NamedTuple):
    """A model that the catalogue does not know yet, and the tier it would join."""

    name: str
    provider: str
    tier: str


class Change(NamedTuple):
    """A price that would be added. `before`: the rates in force until then; `replaces`: the price withdrawn for it."""

    model: str
    effective_from: datetime
    rates: Rates
    before: Rates | None
    replaces: int | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """What a list would change; `models` by name, `changes` by model and time."""

    title: str
    models: tuple[NewModel, ...]
    changes: tuple[Change, ...]
    unchanged: int
    left_out: tuple[LeftOut, ...]

    @property
    def new(self) -> tuple[tuple[NewModel, Change], ...]:
        """New models, each with the first of its prices."""
        firsts = {change.model: change for change in self.changes if change.before is None}
        return tuple((model, firsts[model.name]) for model in self.models)

    @property
    def first(self) -> tuple[Change, ...]:
        """First prices of models that the catalogue knows."""
        new = {model.name for model in self.models}
        return tuple(change for change in self.changes if change.before is None and change.model not in new)

    @property
    def changed(self) -> tuple[Change, ...]:
        """Prices that differ from the one in force before."""
        return tuple(change for change in self.changes if change.before is not None)

    @property
    def faults(self) -> tuple[LeftOut, ...]:
        """What could not be understood."""
        return tuple(row for row in self.left_out if row.is_fault)

    @property
    def is_empty(self) -> bool:
        """Whether the catalogue says all this already."""
        return not self.models and not self.changes

    @property
    def digest(self) -> str:
        """A name for exactly these changes, made to exactly the prices they were compared with."""
        changes = [
            (*c._replace(rates=_plain(c.rates), before=_plain(c.before)),)  # type: ignore[arg-type]  # to be hashed
            for c in self.changes
        ]
        return hashlib.sha256(json.dumps([self.models, changes], default=str).encode()).hexdigest()


def _plain(rates: Rates | None) -> list[str | None]:
    return [None if rate is None else f"{rate.normalize():f}" for rate in rates or ()]


def summary(found: Diff) -> str:
    """Return what a list would change, in figures."""
    replacing = sum(change.replaces is not None for change in found.changes)
    return (
        f"{len(found.models):,} new models, {len(found.first):,} first prices, {len(found.changed):,} changed prices "
        f"({replacing:,} replacing one of the same moment), {found.unchanged:,} unchanged, "
        f"{len(found.left_out):,} left out ({len(found.faults):,} not understood)"
    )


def percent(before: Decimal | None, after: Decimal | None) -> Decimal | None:
    """Return by how many percent a rate changes, to a tenth; None where there is nothing to compare."""
    if not before or after is None:
        return None
    return ((after - before) * 100 / before).quantize(Decimal("0.1"))


class _Standing(NamedTuple):
    """A price of the catalogue, or one that the list is about to add to it (id None)."""

    effective_from: datetime
    rates: Rates
    price_id: int | None


def diff(listing: PriceList, *, now: datetime, tiers: Mapping[str, str] | None = None) -> Diff:
    """Compare a list with the catalogue and return what it would change.

    A dated price counts from midnight UTC of its day; it is new where it differs from the one in force before, and
    replaces one that stands at the same moment. A price without a date counts always for a model that has no price
    yet, else from today on, if the list has none that has begun. `tiers` names the tier of new models where the
    suggested one (by the price of output at present) is not wanted. Refuses tiers and models that do not exist.
    """
    given: dict[str, list[ListPrice]] = defaultdict(list)
    for price in listing.prices:
        given[price.model].append(price)
    known = set(LanguageModel.objects.filter(name__in=given).values_list("name", flat=True))
    standing = _standing(given)
    wanted, suggest = _wanted_tiers(tiers or {}, given), catalog.Suggestion()
    models: list[NewModel] = []
    changes: list[Change] = []
    left_out: list[LeftOut] = []
    for name in sorted(given):
        dated = sorted(_dated(given[name], has_prices=name in standing, now=now), key=itemgetter(0))
        if name not in known:
            _moment, present = ([pair for pair in dated if pair[0] <= now] or dated[:1])[-1]
            tier = wanted.get(name) or suggest(present.rates.output_rate or Decimal(0))
            models.append(NewModel(name, present.provider, tier))
        for result in _compared(dated, standing.get(name, [])):
            changes.append(result) if isinstance(result, Change) else left_out.append(result)
    return Diff(
        title=listing.title,
        models=tuple(models),
        changes=tuple(changes),
        unchanged=len(listing.prices) - len(changes) - len(left_out),
        left_out=(*listing.left_out, *left_out),
    )


def _standing(names: Collection[str]) -> dict[str, list[_Standing]]:
    """Return the prices of these models that stand, by time."""
    found: dict[str, list[_Standing]] = defaultdict(list)
    prices = Price.objects.filter(resource_type=_TOKENS, name__in=names, withdrawn_at=None).order_by("effective_from")
    for price in prices:
        found[price.name].append(_Standing(price.effective_from, catalog.rates_of(price), price.pk))
    return dict(found)


def _wanted_tiers(tiers: Mapping[str, str], listed: Collection[str]) -> Mapping[str, str]:
    """Return the tiers asked for; refuses models that are not in the list and tiers that do not exist."""
    for name in sorted(set(tiers) - set(listed)):
        msg = f"{name} is not in this list."
        raise errors.ModelNotListedError(msg, pointer="/tiers", name=name)
    existing = set(Tier.objects.values_list("name", flat=True))
    for name in sorted(set(tiers.values()) - existing):
        msg = f"There is no tier {name}; there are {', '.join(sorted(existing))}."
        raise errors.UnknownTierError(msg, pointer="/tiers", tier=name)
    return tiers


def _dated(given: list[ListPrice], *, has_prices: bool, now: datetime) -> Iterator[tuple[datetime, ListPrice]]:
    """Yield a model's list prices, each after the moment from which it counts."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    has_begun = any(price.effective_from is not None and price.effective_from <= today for price in given)
    for price in given:
        if price.effective_from is not None:
            yield price.effective_from, price
        elif not has_prices:
            yield ALWAYS, price
        elif not has_begun:
            yield today, price


def _compared(dated: list[tuple[datetime, ListPrice]], standing: list[_Standing]) -> Iterator[Change | LeftOut]:
    """Yield what a model's list prices, by time, change in those that stand, by time."""
    line = list(standing)
    for moment, (model, _provider, _since, rates, source) in dated:
        place = bisect_right(line, moment, key=attrgetter("effective_from"))
        before = line[place - 1] if place else None
        if before is not None and before.rates == rates:
            continue
        replaces = None
        if before is not None and before.effective_from == moment:
            if before.price_id is None:
                yield LeftOut(None, model, f"listed twice for {moment:%Y-%m-%d}, at different prices", is_fault=True)
                continue
            replaces = before.price_id
            line[place - 1] = _Standing(moment, rates, None)
        else:
            line.insert(place, _Standing(moment, rates, None))
        yield Change(model, moment, rates, before and before.rates, replaces, source)


@transaction.atomic
def apply(listing: PriceList, *, digest: str, who: str, now: datetime, tiers: Mapping[str, str] | None = None) -> Diff:
    """Change the catalogue as the diff with this digest says, all of it, and return that diff.

    What was priced before stays as it is. A list that says nothing new changes nothing. Refused as stale when the
    catalogue, the list or the day has changed since the diff was made.
    """
    catalog.lock()
    found = diff(listing, now=now, tiers=tiers)
    if found.is_empty:
        return found
    if found.digest != digest:
        raise errors.StalePriceListError
    LanguageModel.objects.bulk_create(
        LanguageModel(name=name, provider=provider, tier_id=tier, created_at=now)
        for name, provider, tier in found.models
    )
    catalog.withdraw_prices([c.replaces for c in found.changes if c.replaces is not None], now=now)
    Price.objects.bulk_create(
        Price(
            resource_type=_TOKENS,
            name=change.model,
            effective_from=change.effective_from,
            **change.rates._asdict(),
            source=change.source,
            set_by=who,
            created_at=now,
        )
        for change in found.changes
    )
    return found
