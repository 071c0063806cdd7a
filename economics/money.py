"""Arithmetic of money: whole tokens divided and derived without losing one."""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Final

MOST_USD: Final = Decimal(10) ** 15
_USD_STEP: Final = Decimal("1e-12")  # columns of USD keep twelve decimals


def is_usd(amount: Decimal) -> bool:
    """Tell whether this is an amount of USD: a number, 0 or more, below 10^15. NaN and infinities are none."""
    return amount.is_finite() and 0 <= amount < MOST_USD


def rounded_usd(amount: Decimal) -> Decimal:
    """Return an amount of USD as a column keeps it, with twelve decimals."""
    return amount.quantize(_USD_STEP)


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` (>= 0) by weights (>= 0) into whole parts that sum to it exactly (Hamilton's method).

    Each part is its quota rounded down or up; the largest remainders are rounded up, ties to the earlier weight.
    All weights 0: equal parts. No weights: an empty split, whatever the total.
    """
    if not weights:
        return []
    shares = list(weights) if any(weights) else [1] * len(weights)
    whole = sum(shares)
    parts = [total * share // whole for share in shares]
    remainders = sorted(range(len(shares)), key=lambda i: (-(total * shares[i] % whole), i))
    for i in remainders[: total - sum(parts)]:
        parts[i] += 1
    return parts


def reward(impact_usd: Decimal, *, usd_per_token: Decimal, reward_rate: Decimal, most: int) -> int:
    """Return the tokens earned by an impact: min(floor(floor(impact / usd_per_token) * reward_rate), most).

    Design, section 4 "Rewards"; `most` is the pool's cap per slot.
    """
    worth = (impact_usd / usd_per_token).to_integral_value(ROUND_FLOOR)
    return min(int((worth * reward_rate).to_integral_value(ROUND_FLOOR)), most)
