"""The arithmetic of worth, by worked examples and by the laws that hold for any numbers."""

from __future__ import annotations

from decimal import Decimal
from math import exp
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from economics import scoring

TERMS: dict[str, Any] = {
    name: Decimal(value)
    for name, value in {
        "evidence_weight": "0.35",
        "novelty_weight": "0.25",
        "alignment_weight": "0.2",
        "interest_weight": "0.2",
        "paper_points": "1",
        "debate_points": "1",
        "replication_points": "3",
        "kg_link_points": "0.5",
        "vote_points": "1",
        "comment_points": "1",
        "bounty_points": "3",
        "evidence_scale": "5",
        "interest_scale": "10",
    }.items()
}
SHARES = st.decimals(0, 1, places=6)
POINTS = st.decimals(0, 10_000, places=6)
SCALES = st.decimals("0.001", 100_000, places=6)


def _d(number: str) -> Decimal:
    return Decimal(number)


# Saturation


@pytest.mark.parametrize(
    ("points", "share"),
    [("0", "0"), ("1", "0.181269"), ("5", "0.632121"), ("10", "0.864665"), ("50", "0.999955"), ("1000000000", "1")],
)
def test_saturation_by_the_table(points: str, share: str) -> None:
    assert scoring.saturation(_d(points), _d("5")) == _d(share)


@given(POINTS, SCALES)
def test_saturation_is_the_function_to_six_places(points: Decimal, scale: Decimal) -> None:
    share = scoring.saturation(points, scale)
    assert abs(share - _d(str(1 - exp(-float(points / scale))))) <= _d("0.00000051")
    assert share.as_tuple().exponent == -6


@given(POINTS, POINTS, SCALES)
def test_more_points_never_count_less(one: Decimal, other: Decimal, scale: Decimal) -> None:
    few, many = sorted((one, other))
    assert 0 <= scoring.saturation(few, scale) <= scoring.saturation(many, scale) <= 1


# Points


def test_evidence_counts_once_per_reference_and_interest_once_per_principal() -> None:
    seen = [
        ("paper", "pmid:1", ""),
        ("paper", "pmid:1", "somebody"),
        ("paper", "pmid:2", ""),
        ("debate", "pmid:1", ""),
        ("vote", "", "ada"),
        ("vote", "h1", "ada"),
        ("vote", "h1", "ben"),
        ("comment", "", "ada"),
    ]
    assert scoring.counts(seen) == {"paper": 2, "debate": 1, "vote": 2, "comment": 1}


def test_points_are_counted_at_what_each_kind_is_worth() -> None:
    counted = {"paper": 2, "replication": 1, "kg_link": 3, "vote": 9}
    assert scoring.points(scoring.EVIDENCE, counted, TERMS) == _d("6.5")
    assert scoring.points(scoring.INTEREST, counted, TERMS) == 9


# Components and score


def test_given_counts_before_observed_and_observed_before_missing() -> None:
    made = scoring.components({"evidence_strength": _d("0.9"), "novelty": None}, {"paper": 5, "vote": 10}, TERMS)
    assert made == {
        "evidence_strength": _d("0.9"),
        "novelty": None,
        "strategic_alignment": None,
        "community_interest": _d("0.632121"),
    }


def test_what_is_observed_and_worth_nothing_is_not_missing() -> None:
    made = scoring.components({}, {"paper": 3}, {**TERMS, "paper_points": _d("0")})
    assert (made["evidence_strength"], made["community_interest"]) == (_d("0"), None)


def test_score_is_the_sum_and_missing_counts_nothing() -> None:
    parts = {"evidence_strength": _d("0.632121"), "novelty": _d("0.8"), "strategic_alignment": None}
    # 0.35 * 0.632121 = 0.22124235; + 0.25 * 0.8 = 0.42124235; + 0 + 0.2 * 0.5 = 0.52124235
    assert scoring.score({**parts, "community_interest": _d("0.5")}, TERMS) == _d("0.521242")
    assert scoring.score(dict.fromkeys(scoring.COMPONENTS), TERMS) == 0
    assert scoring.score(dict.fromkeys(scoring.COMPONENTS, _d("1")), TERMS) == 1


def test_a_half_is_rounded_up() -> None:
    parts = {**dict.fromkeys(scoring.COMPONENTS), "novelty": _d("0.000002")}
    assert scoring.score(parts, TERMS) == _d("0.000001")  # 0.0000005


@given(st.lists(SHARES | st.none(), min_size=4, max_size=4), st.integers(0, 3), SHARES)
def test_a_score_is_a_share_that_rises_with_each_component(
    values: list[Decimal | None], place: int, other: Decimal
) -> None:
    parts = dict(zip(scoring.COMPONENTS, values, strict=True))
    raised = {**parts, scoring.COMPONENTS[place]: max(other, values[place] or _d("0"))}
    assert 0 <= scoring.score(parts, TERMS) <= scoring.score(raised, TERMS) <= 1


# The market


def test_mid_rank_of_different_and_of_equal_prices() -> None:
    prices = [_d(p) for p in ("10", "20", "20", "50")]
    assert [scoring.mid_rank(price, prices) for price in prices] == [_d("0.125"), _d("0.5"), _d("0.5"), _d("0.875")]
    assert scoring.mid_rank(_d("7"), [_d("7")]) == _d("0.5")


@given(st.lists(st.decimals(0, 100, places=2), min_size=1, max_size=20))
def test_mid_ranks_lie_inside_and_average_a_half(prices: list[Decimal]) -> None:
    ranks = [scoring.mid_rank(price, prices) for price in prices]
    assert all(0 < rank < 1 for rank in ranks)
    assert abs(sum(ranks, _d("0")) / len(ranks) - _d("0.5")) < _d("1e-20")


def test_confidence_by_hand() -> None:
    week = _d("7")
    assert scoring.confidence([], week) == _d("0.5")
    assert scoring.confidence([(_d("0.9"), _d("0"))], week) == _d("0.7")  # (0.5 + 0.9) / 2
    assert scoring.rounded(scoring.confidence([(_d("0.9"), week)], week), 6) == _d(
        "0.633333"
    )  # (0.5 + 0.45) / 1.5 = 19 / 30


@given(st.lists(st.tuples(SHARES, st.decimals(0, 400, places=3)), max_size=8), st.decimals("0.01", 365, places=2))
def test_confidence_lies_between_a_half_and_the_farthest_signal(
    signals: list[tuple[Decimal, Decimal]], half_life: Decimal
) -> None:
    said = [x for x, _age in signals] + [_d("0.5")]
    assert min(said) - _d("1e-30") <= scoring.confidence(signals, half_life) <= max(said) + _d("1e-30")


@pytest.mark.parametrize(
    ("c", "gain", "signal"),
    [("0.5", "1", "0"), ("0.7", "1", "0.4"), ("1", "1", "1"), ("0", "1", "-0.5"), ("0.9", "0.5", "0.4")],
)
def test_market_signal_by_the_table(c: str, gain: str, signal: str) -> None:
    assert scoring.market_signal(_d(c), _d(gain)) == _d(signal)


@pytest.mark.parametrize(
    ("applied", "signal", "gate_open", "after"),
    [
        ("0", "0.4", True, "0.1"),
        ("0.1", "0.15", True, "0.15"),
        ("0.1", "-0.5", True, "0"),
        ("0.3", "0.4", False, "0"),
        ("0", "-0.4", False, "-0.1"),
        ("-0.3", "0.4", False, "-0.2"),
    ],
)
def test_market_step_by_the_table(applied: str, signal: str, gate_open: bool, after: str) -> None:  # noqa: FBT001 - a row of a table
    assert scoring.market_step(_d(applied), _d(signal), _d("0.1"), gate_open=gate_open) == _d(after)


# Returns


def test_roi_by_hand() -> None:
    terms = {"prior_edges": _d("30"), "prior_tokens": _d("3000000"), "m": _d("1000000"), "fewest": _d("100000")}
    # mu = 30 / 3,000,000 = 0.00001; (5 + 10) / 2,000,000
    assert scoring.roi(_d("5"), _d("1000000"), **terms) == _d("0.0000075")
    assert scoring.roi(_d("-20"), _d("1000000"), **terms) == _d("-0.000005")
    assert scoring.roi(_d("5"), _d("99999"), **terms) is None
    assert scoring.roi(_d("5"), _d("100000"), _d("0"), _d("0"), _d("0"), _d("1")) == _d("0.00005")


@given(st.decimals(-1000, 1000, places=2), st.integers(1, 10**9), st.integers(0, 10**9))
def test_a_prior_pulls_roi_towards_the_type(edges: Decimal, tokens: int, m: int) -> None:
    used, prior = _d(str(tokens)), _d("10")
    own = scoring.roi(edges, used, prior, _d("1000"), _d("0"), _d("1"))
    shrunk = scoring.roi(edges, used, prior, _d("1000"), _d(str(m)), _d("1"))
    assert own is not None
    assert shrunk is not None
    low, high = sorted((own, _d("0.01")))
    assert low - _d("1e-15") <= shrunk <= high + _d("1e-15")
