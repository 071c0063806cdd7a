"""What is measured of a policy in a world, each measure by its definition; numbers in, numbers out."""

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from statistics import pstdev
from typing import Final, NamedTuple

from auction.simulation.policies import Outcome, best_possible
from auction.simulation.world import World

DROUGHT: Final = 10  # a quest starves that waits so many times longer than its turn would come round
_HALF: Final = 0.5


class Measures(NamedTuple):
    """Every measure of one run; None where there is nothing to measure. `docs/simulation.md` says them in words."""

    efficiency: float
    """Expected value of the tasks run, per expected value of the best possible."""
    impact_per_million: float
    """Realised impact in USD per million LLM tokens used."""
    jain: float
    """Jain's index of slots over quests: 1 when all got the same, 1/n when one got all."""
    gini: float
    """Gini's coefficient of slots over quests: 0 when all got the same."""
    volatility: float | None
    """Standard deviation of the logarithm of price over the price before, over rounds that sold."""
    wait: float
    """Rounds until half of the tasks are served (Kaplan and Meier), infinite when that never comes."""
    never: float
    """Share of all tasks that had no slot when the run ended."""
    starved: int
    """Quests that had tasks waiting and got nothing for ten times their turn, at some time."""
    supply: int | None
    """Wallet tokens outside the mint at the end."""
    supply_most: int | None
    """The most there ever were."""
    supply_growth: float | None
    """Supply at the end per supply at half time: near 1, it has settled."""
    in_wallets: int | None
    """Wallet tokens in the wallets of quests at the end."""


def measure(world: World, outcome: Outcome) -> Measures:
    """Return every measure of what a policy made of a world."""
    slots = slots_by_quest(world, outcome)
    waits, unserved = waiting_times(world, outcome)
    supply = outcome.supply
    midway = supply[(len(supply) - 1) // 2] if supply else 0
    return Measures(
        efficiency=efficiency(world, outcome),
        impact_per_million=impact_per_million(outcome),
        jain=jain(slots),
        gini=gini(slots),
        volatility=volatility(outcome.prices),
        wait=median_wait(waits, unserved),
        never=len(unserved) / len(world.jobs) if world.jobs else 0.0,
        starved=starved(world, outcome),
        supply=supply[-1] if supply else None,
        supply_most=max(supply) if supply else None,
        supply_growth=supply[-1] / midway if midway else None,
        in_wallets=outcome.wallets[-1] if outcome.wallets else None,
    )


def efficiency(world: World, outcome: Outcome) -> float:
    """Return the expected value of the tasks run over that of the best possible; 1 where nothing could be run."""
    best = best_possible(world)
    return float(sum((served.job.value_usd for served in outcome.services), Decimal(0)) / best) if best else 1.0


def impact_per_million(outcome: Outcome) -> float:
    """Return the realised impact in USD per million LLM tokens that the tasks run have used."""
    used = sum(served.job.cost_tokens for served in outcome.services)
    return float(sum((served.job.impact_usd for served in outcome.services), Decimal(0))) * 1e6 / used if used else 0.0


def slots_by_quest(world: World, outcome: Outcome) -> list[int]:
    """Return how many slots each quest got that had any task at all."""
    got = {job.quest: 0 for job in world.jobs}
    for served in outcome.services:
        got[served.job.quest] += 1
    return [got[quest] for quest in sorted(got)]


def jain(shares: Sequence[int]) -> float:
    """Return Jain's fairness index, (sum x)^2 / (n * sum x^2), between 1/n and 1 (Jain, Chiu and Hawe 1984)."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def gini(shares: Sequence[int]) -> float:
    """Return Gini's coefficient: the mean difference of two shares over twice the mean share."""
    total = sum(shares)
    if not total:
        return 0.0
    weighted = sum(place * share for place, share in enumerate(sorted(shares), start=1))
    return 2 * weighted / (len(shares) * total) - (len(shares) + 1) / len(shares)


def volatility(prices: Iterable[int | None]) -> float | None:
    """Return the standard deviation of ln(price / price before) over rounds that sold at a price above 0."""
    sold = [price for price in prices if price]
    steps = [math.log(later / earlier) for earlier, later in pairwise(sold)]
    return pstdev(steps) if steps else None


def waiting_times(world: World, outcome: Outcome) -> tuple[list[int], list[int]]:
    """Return the rounds each task served has waited, and how long those never served had waited when all ended."""
    served = {one.job.number for one in outcome.services}
    waits = [one.round - one.job.arrives for one in outcome.services]
    return waits, [world.size.rounds - job.arrives for job in world.jobs if job.number not in served]


def median_wait(waits: Sequence[int], unserved: Sequence[int]) -> float:
    """Return the rounds until half of the tasks are served, counting those whose end was never seen.

    The estimate of Kaplan and Meier (1958): a task not served when the run ended has waited at least so long, and
    then leaves the count. Leaving such tasks out would make the worst policy look quickest.
    """
    at_risk = len(waits) + len(unserved)
    left, ended, gone = 1.0, sorted(waits), sorted(unserved)
    served = lost = 0
    while served < len(ended):
        now = ended[served]
        while lost < len(gone) and gone[lost] < now:
            lost += 1
        events = served
        while served < len(ended) and ended[served] == now:
            served += 1
        left *= 1 - (served - events) / (at_risk - events - lost)
        if left <= _HALF:
            return float(now)
    return math.inf if unserved else 0.0


def starved(world: World, outcome: Outcome) -> int:
    """Return how many quests had tasks waiting and got no slot for `DROUGHT` x quests / slots rounds on end."""
    longest = DROUGHT * world.size.quests / world.size.slots
    got: dict[int, list[int]] = {}
    for served in outcome.services:
        got.setdefault(served.job.quest, []).append(served.round)
    came: dict[int, list[int]] = {}
    for job in world.jobs:
        came.setdefault(job.quest, []).append(job.arrives)
    return sum(_drought(came[quest], sorted(got.get(quest, [])), world.size.rounds) > longest for quest in came)


def _drought(came: Sequence[int], got: Sequence[int], end: int) -> int:
    """Return the most rounds on end in which a quest had a task waiting and got nothing."""
    dry = most = arrived = served = 0
    for number in range(end):
        while arrived < len(came) and came[arrived] <= number:
            arrived += 1
        before = served
        while served < len(got) and got[served] <= number:
            served += 1
        dry = dry + 1 if arrived > before and served == before else 0
        most = max(most, dry)
    return most
