"""The world a simulated market meets: which tasks come when, what they are expected to be worth, and what they are."""

import math
import random
from bisect import bisect
from decimal import Decimal
from itertools import accumulate
from typing import Final, NamedTuple

SIGMA: Final = 1.5  # of the lognormal values: the best tenth of all tasks holds about six tenths of all value
NOISE: Final = 0.5  # of the lognormal factor, 1 on average, between the expected value and the realised one
COST_SIGMA: Final = 0.8
COST_MEDIAN: Final = 20_000  # LLM tokens
_CENT_OF_A_CENT: Final = Decimal("0.000001")


class Job(NamedTuple):
    """A task as it comes: the same for every policy, whatever becomes of it."""

    number: int
    quest: int
    arrives: int
    """The round before which it is filed, from 0."""
    value_usd: Decimal
    """Expected value: what everybody is told."""
    impact_usd: Decimal
    """What a grader will find, if it is run."""
    cost_tokens: int
    """LLM tokens it will use, if it is run."""


class Size(NamedTuple):
    """How large a world is; `load` is tasks per slot."""

    load: float = 1.5
    rounds: int = 48
    quests: int = 40
    slots: int = 8
    median_usd: Decimal = Decimal("0.5")
    day: int = 12
    """Rounds in a day, so that issue, stipends and pacing are seen to work."""
    skew: float = 0.75
    """How unlike the quests are: quest i (from 1) files its tasks with weight i to the power of -skew."""


class World(NamedTuple):
    """One drawn world; jobs stand in the order in which they come."""

    seed: int
    size: Size
    jobs: tuple[Job, ...]

    def arriving(self) -> list[list[Job]]:
        """Return the jobs by the round before which they come."""
        rounds: list[list[Job]] = [[] for _ in range(self.size.rounds)]
        for job in self.jobs:
            rounds[job.arrives].append(job)
        return rounds


def draw(seed: int, size: Size) -> World:
    """Draw a world: a Poisson number of tasks before each round (mean load x slots), of quests by their weights.

    Values are lognormal about `median_usd` (sigma 1.5), impacts are values times a lognormal factor of mean 1.
    """
    source = random.Random(f"{seed} {size}")  # noqa: S311 - a simulation
    weights = list(accumulate(place**-size.skew for place in range(1, size.quests + 1)))
    jobs: list[Job] = []
    for arrives in range(size.rounds):
        for _ in range(_poisson(source, size.load * size.slots)):
            value = float(size.median_usd) * source.lognormvariate(0, SIGMA)
            impact = value * source.lognormvariate(-NOISE * NOISE / 2, NOISE)
            jobs.append(
                Job(
                    number=len(jobs),
                    quest=bisect(weights, source.random() * weights[-1]),
                    arrives=arrives,
                    value_usd=_usd(value),
                    impact_usd=_usd(impact),
                    cost_tokens=1 + int(COST_MEDIAN * source.lognormvariate(0, COST_SIGMA)),
                )
            )
    return World(seed, size, tuple(jobs))


def _usd(amount: float) -> Decimal:
    return Decimal(amount).quantize(_CENT_OF_A_CENT)


def _poisson(source: random.Random, mean: float) -> int:
    """Draw a Poisson number by counting arrivals in an interval (Knuth); fine for means of some tens."""
    least, product, count = math.exp(-mean), source.random(), 0
    while product > least:
        product *= source.random()
        count += 1
    return count
