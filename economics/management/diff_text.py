"""A reviewed import as lines of text: what a price list would change, and from when on."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from economics import pricelists
from economics.catalog import Rates
from economics.pricelists import Change, Diff

_PARTS = (
    ("rate", "in"),
    ("output_rate", "out"),
    ("cache_read_rate", "cache read"),
    ("cache_write_rate", "cache write"),
)


def lines(found: Diff, *, most: int | None) -> Iterator[str]:
    """Yield the diff line by line, at most so many of each kind; None: all. Prices in USD per million tokens."""
    yield f"{found.title}: {pricelists.summary(found)}."
    new = [
        f"{model.name}  ({model.provider or 'no provider'}) → {model.tier}: {_priced(change)}"
        for model, change in found.new
    ]
    yield from _section("New models → tier, with their first price in USD per million tokens", new, most)
    yield from _section("First prices, USD per million tokens", map(_first, found.first), most)
    yield from _section("Changed prices, USD per million tokens", map(_changed, found.changed), most)
    yield from _section("Not understood", map(str, found.faults), most)
    yield from _section("Left out", (str(row) for row in found.left_out if not row.is_fault), most)


def _section(title: str, entries: Iterable[str], most: int | None) -> Iterator[str]:
    found = list(entries)
    if not found:
        return
    yield ""
    yield f"{title} ({len(found):,}):"
    yield from (f"  {entry}" for entry in found[:most])
    if most is not None and len(found) > most:
        yield f"  … and {len(found) - most:,} more (--all shows them)"


def _first(change: Change) -> str:
    return f"{change.model}: {_priced(change)}"


def _priced(change: Change) -> str:
    return f"{per_million(change.rates)}, {since(change)}"


def _changed(change: Change) -> str:
    instead = ", instead of the one that stands" if change.replaces else ""
    return f"{change.model}: {', '.join(moves(change))}, {since(change)}{instead}"


def moves(change: Change) -> list[str]:
    """Return each rate of a changed price that moves: old → new and by how many percent."""
    found = []
    for (_field, name), before, after in zip(_PARTS, change.before or Rates(Decimal(0)), change.rates, strict=True):
        if before != after:
            percent = pricelists.percent(before, after)
            found.append(
                f"{_million(before)} → {_million(after)} {name}{'' if percent is None else f' ({percent:+} %)'}"
            )
    return found


def since(change: Change) -> str:
    """Return from when on a price counts."""
    return "always" if change.effective_from == pricelists.ALWAYS else f"from {change.effective_from:%Y-%m-%d}"


def per_million(rates: Rates) -> str:
    """Return the rates of LLM tokens in USD per million."""
    return ", ".join(
        f"{_million(rate)} {name}" for (_field, name), rate in zip(_PARTS, rates, strict=True) if rate is not None
    )


def _million(rate: Decimal | None) -> str:
    return "none" if rate is None else f"{(rate * 10**6).normalize():f}"
