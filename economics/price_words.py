"""Prices in words, for people at a terminal and in the admin: per million tokens, old and new, from when on."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Final, NamedTuple

from economics import pricelists
from economics.catalog import Rates
from economics.pricelists import Change, Diff

_PARTS: Final = ("in", "out", "cache read", "cache write")
_ALWAYS: Final = "always"
_PRICE: Final = "USD per million tokens"


class Section(NamedTuple):
    """One kind of change as a table."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def sections(found: Diff) -> list[Section]:
    """Return what a list would change, kind by kind; kinds without a row are left away."""
    new = [
        (model.name, model.provider or "none", model.tier, per_million(change.rates), since(change))
        for model, change in found.new
    ]
    first = [(change.model, per_million(change.rates), since(change)) for change in found.first]
    changed = [(change.model, moves(change), since(change)) for change in found.changed]
    quiet = [(str(row),) for row in found.left_out if not row.is_fault]
    every = (
        Section("New models", ("Model", "Provider", "Tier", _PRICE, "Counts"), new),
        Section("First prices", ("Model", _PRICE, "Counts"), first),
        Section("Changed prices", ("Model", _PRICE, "Counts"), changed),
        Section("Not understood", ("Where and why",), [(str(row),) for row in found.faults]),
        Section("Left out", ("Where and why",), quiet),
    )
    return [section for section in every if section.rows]


def lines(found: Diff, *, most: int | None) -> Iterator[str]:
    """Yield what a list would change, line by line, at most so many of each kind; None: all."""
    yield f"{found.title}: {pricelists.summary(found)}."
    for title, head, rows in sections(found):
        shown = [head, *rows[:most]]
        widths = [max(len(row[place]) for row in shown) for place in range(len(head))]
        yield ""
        yield f"{title} ({len(rows):,}):"
        for row in shown:
            yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if most is not None and len(rows) > most:
            yield f"  … and {len(rows) - most:,} more (--all shows them)"


def moves(change: Change) -> str:
    """Return each rate of a changed price that moves: old → new and by how many percent."""
    found = []
    for name, before, after in zip(_PARTS, change.before or Rates(Decimal(0)), change.rates, strict=True):
        if before != after:
            percent = pricelists.percent(before, after)
            found.append(f"{million(before)} → {million(after)} {name}{f' ({percent:+} %)' if percent else ''}")
    return ", ".join(found)


def since(change: Change) -> str:
    """Return from when on a price counts."""
    instead = ", instead of what stands" if change.replaces else ""
    begins = moment(change.effective_from)
    return f"{begins if begins == _ALWAYS else f'from {begins}'}{instead}"


def moment(at: datetime) -> str:
    """Return a moment in UTC: the day alone where it is midnight, as lists begin."""
    if at == pricelists.ALWAYS:
        return _ALWAYS
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%d}" if utc.time() == time() else f"{utc:%Y-%m-%d %H:%M} UTC"


def per_million(rates: Rates) -> str:
    """Return the rates of LLM tokens in USD per million."""
    return ", ".join(f"{million(rate)} {name}" for name, rate in zip(_PARTS, rates, strict=True) if rate is not None)


def million(rate: Decimal | None) -> str:
    """Return USD per million tokens for a rate per token, without idle zeros."""
    return "none" if rate is None else f"{(rate * 10**6).normalize():f}"
