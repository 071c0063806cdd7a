"""Why a review leaves or moves a line, in words, with the figures behind it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from economics.models import ReviewLine

_UNIT: Final = Decimal(1_000_000)  # ROI is read in edges per million LLM tokens

_SENTENCES: Final[Mapping[str, str]] = {
    "low_twice": "ROI {roi} is below {low}, the low quantile of its type ({judged} proven), as in the review before.",
    "low_at_the_floor": "ROI {roi} is below {low} as in the review before, but the line is at its floor of {floor}.",
    "low_but_nobody_gains": "ROI {roi} is below {low} as in the review before, but nobody can gain: nothing moves.",
    "low_once": "ROI {roi} is below {low}, the low quantile of its type, for the first time.",
    "idle": "Used {used_last} of its base in the last window and {used_before} in the one before.",
    "idle_at_the_floor": "Used {used_last} and {used_before} of its base, but it is at its floor of {floor}.",
    "idle_but_nobody_gains": "Used {used_last} and {used_before} of its base, but nobody can gain: nothing moves.",
    "good": "ROI {roi} is at least {good}, the good quantile of its type; market weight {weight}, priority {priority}.",
    "good_to_the_step": (
        "ROI {roi} is at least {good}, the good quantile of its type; market weight {weight}. It gains the most that a "
        "review gives, {step} of its base."
    ),
    "good_but_nothing_to_give": "ROI {roi} is at least {good}, market weight {weight}: it would gain if any were free.",
    "unproven": "Unproven: too few LLM tokens used ({tokens}) to tell what they yield.",
    "frozen": "ROI {roi}. A frozen line gains nothing.",
    "capped": "ROI {roi}. A line that was capped gains nothing yet.",
    "not_good_enough": "ROI {roi} lies between {low} and {good}, the low and the good quantile of its type.",
    "no_market": "ROI {roi} is at least {good}, but the market does not lift it (weight {weight}).",
    "no_priority": "ROI {roi} is at least {good}, but it has no priority to share by.",
    "at_the_most": "ROI {roi} is at least {good}, but no line may be larger than it is.",
    "too_small": "ROI {roi} is at least {good}, but {step} of its base is less than a token.",
}


def reason(line: ReviewLine) -> str:
    """Return why a line is left or moved; ROI in edges per million LLM tokens."""
    return _SENTENCES[line.because].format(
        roi=roi(line.roi),
        low=roi(line.low_below),
        good=roi(line.good_from),
        judged=line.judged,
        floor=f"{line.floor:,.0f}",
        step=f"{line.step:.0%}",
        weight=f"{line.market_weight.normalize():+f}" if line.market_weight else "0",
        priority=f"{line.priority_score:.3f}",
        tokens=f"{line.tokens:,.0f}",
        used_last=share(line.used_last),
        used_before=share(line.used_before),
    )


def roi(value: Decimal | None) -> str:
    """Return an ROI in net edges per million LLM tokens, or that it is unproven."""
    return "unproven" if value is None else f"{value * _UNIT:,.2f}"


def share(value: Decimal | None) -> str:
    """Return how much of its base a line used in a window; a line may be too young to tell."""
    """Return whole percents, cut: what is below a quarter must not read as a quarter."""
    return "nothing yet" if value is None else f"{int(value * 100)}%"
