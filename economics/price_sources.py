"""Price lists as others publish them: one shape for all of them, and the reader of files of dated prices."""

import csv
import fnmatch
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, Final, NamedTuple

from economics import catalog, errors
from economics.catalog import Rates

MOST_ROWS: Final = 200_000
_COLUMNS: Final = ("asof_date", "model", "provider", "input_cost_per_token", "output_cost_per_token")
_RATES: Final = {
    "rate": "input_cost_per_token",
    "output_rate": "output_cost_per_token",
    "cache_read_rate": "cache_read_input_token_cost",
    "cache_write_rate": "cache_creation_input_token_cost",
}


class ListPrice(NamedTuple):
    """What a list says a model's tokens cost in USD from a moment on; None: it does not say since when."""

    model: str
    provider: str
    effective_from: datetime | None
    rates: Rates
    source: str


class LeftOut(NamedTuple):
    """A row that is no price: `is_fault` if it should be one and cannot be understood. `line`: of a file."""

    line: int | None
    model: str
    reason: str
    is_fault: bool

    def __str__(self) -> str:
        """Return where it stands and why it is left out."""
        places = (f"line {self.line}" if self.line else "", self.model[: catalog.LONGEST_NAME])
        return f"{', '.join(place for place in places if place)}: {self.reason}"


class PriceList(NamedTuple):
    """Prices and what was left out, as read from `title`."""

    title: str
    prices: tuple[ListPrice, ...]
    left_out: tuple[LeftOut, ...]

    def narrowed(self, *, only: Sequence[str] = (), skip: Sequence[str] = ()) -> "PriceList":
        """Return the list of those models whose name fits one of the patterns `only` (if any) and none of `skip`."""

        def fits(name: str) -> bool:
            wanted = not only or any(fnmatch.fnmatchcase(name, pattern) for pattern in only)
            return wanted and not any(fnmatch.fnmatchcase(name, pattern) for pattern in skip)

        return self._replace(
            prices=tuple(price for price in self.prices if fits(price.model)),
            left_out=tuple(row for row in self.left_out if fits(row.model)),
        )


class LeftOutError(Exception):
    """A row is no price, for this reason."""


class FaultError(LeftOutError):
    """A row should be a price and cannot be understood, for this reason."""


def read_csv(content: bytes, *, title: str) -> PriceList:
    """Read a file of dated prices: one row per day of a list and model, USD per token in exact decimals.

    Columns: `asof_date`, `model`, `provider`, `input_cost_per_token`, `output_cost_per_token`, and where they are
    there `cache_read_input_token_cost`, `cache_creation_input_token_cost` and `litellm_version`. An empty price means
    that the list does not name it: such a row is left out. Prices of reasoning tokens and of batches are not read. A
    row that cannot be understood is left out with its reason; a file without these columns is refused.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        msg = f"line {line}: this is not text in UTF-8."
        raise errors.InvalidPriceListError(msg, line=line) from error
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    prices: list[ListPrice] = []
    left_out: list[LeftOut] = []
    try:
        _check_header(rows.fieldnames)
        for row in rows:
            if len(prices) + len(left_out) >= MOST_ROWS:
                msg = f"line {rows.line_num}: a list has at most {MOST_ROWS:,} rows."
                raise errors.InvalidPriceListError(msg, line=rows.line_num)
            name = (row.get("model") or "").strip()
            read_into(prices, left_out, partial(_dated, row, name), model=name, line=rows.line_num)
    except csv.Error as error:
        line = rows.reader.line_num
        msg = f"line {line}: {error}."
        raise errors.InvalidPriceListError(msg, line=line) from error
    return PriceList(title, tuple(prices), tuple(left_out))


def _check_header(names: Sequence[str] | None) -> None:
    if not names:
        msg = "line 1: the file is empty."
        raise errors.InvalidPriceListError(msg, line=1)
    missing = [name for name in _COLUMNS if name not in names]
    if missing:
        msg = f"line 1: the columns {', '.join(missing)} are missing; there are {', '.join(names)[:200]}."
        raise errors.InvalidPriceListError(msg, line=1)


def read_into(
    prices: list[ListPrice],
    left_out: list[LeftOut],
    read: Callable[[], Iterable[ListPrice]],
    *,
    model: str,
    line: int | None = None,
) -> None:
    """Add what can be read to the prices, or why it cannot to what is left out."""
    try:
        prices.extend(read())
    except LeftOutError as reason:
        left_out.append(LeftOut(line, model, str(reason), isinstance(reason, FaultError)))


def _dated(row: dict[str, Any], name: str) -> list[ListPrice]:
    """Return the one price that a row of a file states."""
    if None in row or None in row.values():
        msg = "more or fewer fields than the header"
        raise FaultError(msg)
    provider = row["provider"].strip()
    if fault := catalog.name_fault(name) or (catalog.name_fault(provider) if provider else ""):
        raise FaultError(fault)
    try:
        day = date.fromisoformat(row["asof_date"].strip())
    except ValueError as error:
        msg = f"asof_date {row['asof_date'][:40]!r} is no date like 2025-03-01"
        raise FaultError(msg) from error
    rates = {field: _number(row.get(column) or "", column) for field, column in _RATES.items()}
    version = (row.get("litellm_version") or "").strip()
    source = f"litellm {version}" if version else "file of dated prices"
    return [ListPrice(name, provider, midnight(day), both(rates), source[: catalog.LONGEST_SOURCE])]


def _number(text: str, column: str) -> Decimal | None:
    if not text.strip():
        return None
    try:
        number = Decimal(text.strip().replace("_", "?"))  # Python would read 1_000
    except InvalidOperation as error:
        msg = f"{column} {text[:40]!r} is no number"
        raise FaultError(msg) from error
    return sound(number, f"{column} {text[:40]!r}")


def sound(number: Decimal, what: str) -> Decimal:
    """Return a price that can be one, in USD per token."""
    if fault := catalog.rate_fault(number):
        msg = f"{what}: {fault}"
        raise FaultError(msg)
    return number


def both(rates: dict[str, Decimal | None]) -> Rates:
    """Return rates that have both a price of input and one of output."""
    rate, output_rate = rates["rate"], rates["output_rate"]
    if rate is None or output_rate is None:
        msg = f"no price of {'input' if rate is None else 'output'} tokens"
        raise LeftOutError(msg)
    return Rates(rate, output_rate, rates["cache_read_rate"], rates["cache_write_rate"])


def midnight(day: date) -> datetime:
    """Return the moment from which a list of this day counts: midnight UTC."""
    return datetime.combine(day, time(), UTC)
