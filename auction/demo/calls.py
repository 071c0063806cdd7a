"""LLM calls read from a file, and what a task made of one is worth, which is derived and not observed."""

import csv
import random
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

COLUMNS = ("seq", "main_model", "prompt_tokens", "completion_tokens", "cost_usd")
MOST_ROWS = 100_000
LONGEST_NUMBER = 12
MOST_USD = Decimal(10**6)
LONGEST_MODEL = 200
BID_SHARES = (Decimal("0.7"), Decimal("0.85"), Decimal(1))
_FIELD = Decimal("1e-12")
_GENERATED = (("made-up-small", "0.0000005"), ("made-up-medium", "0.000003"), ("made-up-large", "0.000015"))
_PRICE_WITHOUT_ANY = Decimal("0.000001")


class BadDataError(Exception):
    """The file cannot be used; the message names the line."""


class Call(NamedTuple):
    """One LLM call: its number in the file, its model, the tokens it really used and its cost in USD."""

    seq: int
    model: str
    tokens: int
    cost_usd: Decimal

    @property
    def task_id(self) -> str:
        """The id of the task made of it."""
        return f"call-{self.seq}"


class Dataset(NamedTuple):
    """The calls the demo works with and where they come from."""

    calls: list[Call]
    source: str
    real: bool


class Worth(NamedTuple):
    """What a task made of a call is expected to be worth and what it then turns out to be worth, in USD."""

    expected_usd: Decimal
    realised_usd: Decimal

    def bid_tokens(self, attempt: int, usd_per_token: Decimal) -> int:
        """Return the price bid at an attempt (from 0): 70, 85, then 100 % of the value, at least 1 wallet token."""
        share = BID_SHARES[min(attempt, len(BID_SHARES) - 1)]
        return max(1, int(self.expected_usd * share / usd_per_token))


def choose(asked: Path | None, *, default: Path, seed: int) -> Dataset:
    """Return the calls of the file asked for, else of the default file, else made-up ones where that is absent."""
    path = asked or default
    if asked is None and not default.exists():
        return Dataset(generate(seed), "made up: there is no file of real calls here", real=False)
    return Dataset(load(path), str(path), real=True)


def load(path: Path) -> list[Call]:
    """Read the calls of a CSV file with a header; columns other than `COLUMNS` are left alone.

    Refuses with the line's number what is not a call: a number that is none or is negative, a missing column, a
    `total_tokens` that is not the sum, a `seq` that came before. Reads at most 100,000 rows.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            try:
                return _read(rows)
            except (BadDataError, csv.Error) as error:
                message = f"{path}, line {rows.line_num}: {error}"
                raise BadDataError(message) from error
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {error}"
        raise BadDataError(message) from error


def _read(rows: "csv.DictReader[str]") -> list[Call]:
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    _refuse(bool(missing), f"there is no column {', '.join(missing)}")
    calls: dict[int, Call] = {}
    for row in islice(rows, MOST_ROWS):
        call = _call(row)
        _refuse(call.seq in calls, f"seq {call.seq} came before")
        calls[call.seq] = call
    _refuse(not calls, "there are no calls")
    return list(calls.values())


def _call(row: Mapping[str, str | None]) -> Call:
    prompt, completion = _whole(row, "prompt_tokens"), _whole(row, "completion_tokens")
    tokens = prompt + completion
    if row.get("total_tokens"):
        total = _whole(row, "total_tokens")
        _refuse(total != tokens, f"total_tokens is {total}, not {prompt} + {completion}")
    model = row["main_model"] or ""
    unfit = len(model) > LONGEST_MODEL or not model.isprintable()
    _refuse(unfit, f"main_model is not a line of at most {LONGEST_MODEL} characters")
    return Call(_whole(row, "seq"), model, tokens, _usd(row, "cost_usd"))


def _whole(row: Mapping[str, str | None], name: str) -> int:
    text = (row[name] or "").strip()
    fits = text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER
    _refuse(not fits, f"{name} is {text!r}, not a whole number of at most {LONGEST_NUMBER} digits")
    return int(text)


def _usd(row: Mapping[str, str | None], name: str) -> Decimal:
    text = (row[name] or "").strip()
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    fits = amount.is_finite() and 0 <= amount <= MOST_USD
    _refuse(not fits, f"{name} is {text!r}, not an amount of USD from 0 to {MOST_USD:,}")
    return amount


def _refuse(unfit: bool, why: str) -> None:  # noqa: FBT001 - reads as a sentence where it is used
    if unfit:
        raise BadDataError(why)


def generate(seed: int, number: int = 600) -> list[Call]:
    """Make calls up, for where there is no file: three models with prices of their own, mostly short calls."""
    return list(_made_up(random.Random(f"calls:{seed}"), number))  # noqa: S311 - a draw, no secret


def _made_up(draw: random.Random, number: int) -> Iterator[Call]:
    for seq in range(1, number + 1):
        model, price = draw.choice(_GENERATED)
        tokens = int(draw.lognormvariate(9, 1))
        yield Call(seq, model, tokens, tokens * Decimal(price))


def usual_price(calls: Sequence[Call]) -> Decimal:
    """Return the median USD per token of the calls that cost something: what a free call's tokens count for."""
    prices = [call.cost_usd / call.tokens for call in calls if call.cost_usd and call.tokens]
    return median(prices) if prices else _PRICE_WITHOUT_ANY


def appraise(call: Call, *, free_price: Decimal, seed: int) -> Worth:
    """Derive what a call's task is worth; the same call, seed and `free_price` (USD per token) give the same.

    Expected value = cost x a factor drawn evenly from 1.00 to 4.00; a call that cost nothing counts
    tokens x `free_price` as its cost. Realised value = expected value x a factor drawn evenly from 0.00 to 1.50.
    """
    draw = random.Random(f"worth:{seed}:{call.seq}")  # noqa: S311 - a draw, no secret
    expected = (call.cost_usd or call.tokens * free_price) * draw.randint(100, 400) / 100
    realised = expected * draw.randint(0, 150) / 100
    return Worth(expected.quantize(_FIELD), realised.quantize(_FIELD))
