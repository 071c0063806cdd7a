"""Whole tokens divided and derived: worked sums, and laws that hold for any numbers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from economics.money import largest_remainder, reward

TOTALS = st.integers(0, 10**15)
WEIGHTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=30)
USD = st.decimals(0, 10**6, places=6)


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (10, [1, 1, 1], [4, 3, 3]),  # 3⅓ each: the one left over goes to the earliest
        (100, [3, 3, 1], [43, 43, 14]),  # 42.86, 42.86, 14.29: two left over
        (90, [100, 50], [60, 30]),
        (91, [100, 50], [61, 30]),  # 60.67, 30.33
        (1, [1, 1, 1], [1, 0, 0]),
        (10, [0, 1], [0, 10]),
        (7, [0, 0], [4, 3]),  # nobody weighs anything: equal parts
        (0, [3, 4], [0, 0]),
        (5, [], []),
    ],
)
def test_largest_remainder_by_hand(total: int, weights: list[int], parts: list[int]) -> None:
    assert largest_remainder(total, weights) == parts


@given(TOTALS, WEIGHTS)
def test_largest_remainder_loses_nothing_and_stays_within_one_of_each_quota(total: int, weights: list[int]) -> None:
    parts = largest_remainder(total, weights)
    shares = weights if any(weights) else [1] * len(weights)
    quotas = [Fraction(total * share, sum(shares)) for share in shares]
    assert sum(parts) == total
    assert [abs(part - quota) < 1 for part, quota in zip(parts, quotas, strict=True)] == [True] * len(parts)


@given(TOTALS, WEIGHTS)
def test_largest_remainder_never_gives_less_for_a_larger_weight(total: int, weights: list[int]) -> None:
    parts = largest_remainder(total, weights)
    by_weight = [part for _weight, part in sorted(zip(weights, parts, strict=True))]
    assert by_weight == sorted(by_weight)


@given(TOTALS, WEIGHTS)
def test_largest_remainder_rounds_up_the_largest_remainders(total: int, weights: list[int]) -> None:
    """The definition, spelled out: floors, then one more for the largest fractions, earlier ones first."""
    shares = weights if any(weights) else [1] * len(weights)
    quotas = [Fraction(total * share, sum(shares)) for share in shares]
    floors = [int(quota) for quota in quotas]
    ranked = sorted(range(len(quotas)), key=lambda i: (floors[i] - quotas[i], i))
    lucky = set(ranked[: total - sum(floors)])
    assert largest_remainder(total, weights) == [floor + (i in lucky) for i, floor in enumerate(floors)]


def _reward(usd: str, *, rate: str = "0.5", most: int = 100_000) -> int:
    return reward(Decimal(usd), usd_per_token=Decimal("0.0001"), reward_rate=Decimal(rate), most=most)


def test_reward_is_a_rate_of_the_tokens_that_the_impact_is_worth() -> None:
    assert _reward("12.5") == 62_500  # 12.5 / 0.0001 = 125,000 tokens, half of them


def test_reward_floors_twice() -> None:
    assert _reward("0.00019") == 0  # 1.9 tokens are 1, and half of it is none
    assert _reward("0.00039") == 1  # 3.9 tokens are 3, and half of them is 1
    assert _reward("0.0003", rate="0.3333") == 0


def test_reward_is_capped() -> None:
    assert _reward("20") == 100_000
    assert _reward("20.0002") == 100_000
    assert _reward("999999999", most=7) == 7


@given(USD, USD, st.decimals(0, 10, places=4))
def test_reward_never_falls_as_impact_grows(one: Decimal, other: Decimal, rate: Decimal) -> None:
    less, more = sorted((one, other))
    assert _reward(str(less), rate=str(rate)) <= _reward(str(more), rate=str(rate))


@given(USD)
def test_reward_is_worth_no_more_than_the_impact_at_rate_one(usd: Decimal) -> None:
    assert _reward(str(usd), rate="1", most=10**18) * Decimal("0.0001") <= usd
