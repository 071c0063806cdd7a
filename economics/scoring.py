"""Arithmetic of worth: scores, confidence of the market, and returns; exact decimals, and no rows.

What SQL computes for a whole fleet is held against these functions, so each formula stands here once. Numbers are
rounded as PostgreSQL rounds: half away from zero.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, Final

EVIDENCE: Final = ("paper", "debate", "replication", "kg_link")
INTEREST: Final = ("vote", "comment", "bounty")
COMPONENTS: Final = ("evidence_strength", "novelty", "strategic_alignment", "community_interest")
WEIGHTS: Final = ("evidence_weight", "novelty_weight", "alignment_weight", "interest_weight")
LEAST_WEIGHT, MOST_WEIGHT = Decimal("-0.5"), Decimal(1)
_DIGITS: Final = 60  # of every step between; only results are rounded

_NONE, _HALF, _ONE, _TWO = Decimal(0), Decimal("0.5"), Decimal(1), Decimal(2)


def saturation(points: Decimal, scale: Decimal) -> Decimal:
    """Return f(x) = 1 - exp(-x / scale), to 6 places: 0 for none, 0.632121 at the scale, never above 1.

    Design, section 7 "Score". `points` is 0 or more and `scale` positive.
    """
    with localcontext(prec=_DIGITS):
        return rounded(_ONE - (-points / scale).exp(), 6)


def counts(seen: Iterable[tuple[str, str, str]]) -> Counter[str]:
    """Count observations (kind, reference, principal): evidence once per reference, interest once per principal."""
    return Counter(kind for kind, _what in {(k, ref if k in EVIDENCE else who) for k, ref, who in seen})


def points(kinds: Iterable[str], counted: Mapping[str, int], terms: Mapping[str, Any]) -> Decimal:
    """Return what these kinds of observations are worth: Σ count * points of the kind, from the policy's `terms`."""
    return sum((counted.get(kind, 0) * Decimal(terms[f"{kind}_points"]) for kind in kinds), _NONE)


def components(
    given: Mapping[str, Decimal | None], counted: Mapping[str, int], terms: Mapping[str, Any]
) -> dict[str, Decimal | None]:
    """Return each component of a score, None where it is missing.

    What is given counts before what is observed; evidence and interest are computed from what was observed, novelty
    and alignment are given or missing. Design, section 7 "Score".
    """
    made: dict[str, Decimal | None] = dict.fromkeys(COMPONENTS)
    for component, kinds, scale in (
        ("evidence_strength", EVIDENCE, terms["evidence_scale"]),
        ("community_interest", INTEREST, terms["interest_scale"]),
    ):
        if any(counted.get(kind, 0) for kind in kinds):
            made[component] = saturation(points(kinds, counted, terms), scale)
    return made | {name: value for name, value in given.items() if value is not None}


def score(parts: Mapping[str, Decimal | None], terms: Mapping[str, Any]) -> Decimal:
    """Return Σ weight * component, to 6 places; a missing component counts 0 and nothing is renormalised."""
    with localcontext(prec=_DIGITS):
        weighed = (terms[w] * (parts[name] or _NONE) for name, w in zip(COMPONENTS, WEIGHTS, strict=True))
        return rounded(sum(weighed, _NONE), 6)


def mid_rank(price: Decimal, prices: Iterable[Decimal]) -> Decimal:
    """Return (r - 0.5) / n, the place of a price among n prices (itself one of them), where equal prices share theirs.

    r - 0.5 = prices below + half of the equal ones: of different prices the r-th lowest has rank r. Design, section 7
    "Market weight".
    """
    among = list(prices)
    below, equal = sum(other < price for other in among), among.count(price)
    with localcontext(prec=_DIGITS):
        return (below + equal * _HALF) / len(among)


def confidence(signals: Iterable[tuple[Decimal, Decimal]], half_life: Decimal) -> Decimal:
    """Return c = (0.5 + Σ h * x) / (1 + Σ h) of signals (x from 0 to 1, age), h = 2^(-age / half life); 0.5 of none.

    Age and half life in the same unit. Design, section 7 "Market weight".
    """
    with localcontext(prec=_DIGITS):
        above, below = _HALF, _ONE
        for x, age in signals:
            say = _TWO ** (-age / half_life)
            above, below = above + say * x, below + say
        return above / below


def market_signal(c: Decimal, gain: Decimal) -> Decimal:
    """Return the weight a market asks for: clamp(gain * (2c - 1), -0.5, 1), to 6 places."""
    with localcontext(prec=_DIGITS):
        return rounded(_clamped(gain * (_TWO * c - _ONE), LEAST_WEIGHT, MOST_WEIGHT), 6)


def market_step(applied: Decimal, signal: Decimal, step: Decimal, *, gate_open: bool) -> Decimal:
    """Return the weight to apply next: at most `step` from the one before; nothing positive while the gate is closed.

    A gate that closes takes the whole lift back at once.
    """
    moved = applied + _clamped(signal - applied, -step, step)
    return moved if gate_open else min(moved, _NONE)


def roi(  # noqa: PLR0913, PLR0917 - the formula has this many terms
    edges: Decimal, tokens: Decimal, prior_edges: Decimal, prior_tokens: Decimal, m: Decimal, fewest: Decimal
) -> Decimal | None:
    """Return (E + m * μ) / (T + m), edges per LLM token to 15 places; None, unproven, for fewer than `fewest` tokens.

    μ = prior edges / prior tokens of the entity's type, itself included, 0 where no tokens were used. Design, section 7
    "ROI".
    """
    if tokens < fewest:
        return None
    with localcontext(prec=_DIGITS):
        mu = prior_edges / prior_tokens if prior_tokens else _NONE
        return rounded((edges + m * mu) / (tokens + m), 15)


def rounded(number: Decimal, places: int) -> Decimal:
    """Return a number with so many decimals, half away from zero, as PostgreSQL's round does."""
    with localcontext(prec=_DIGITS):
        return number.quantize(_ONE.scaleb(-places), ROUND_HALF_UP)


def _clamped(number: Decimal, least: Decimal, most: Decimal) -> Decimal:
    return min(max(number, least), most)
