"""What a quest gains by not bidding what its tasks are worth, everybody else's bids staying as they are."""

import random
from bisect import insort
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from auction import mechanism
from auction.simulation.world import SIGMA, World

TASKS: Final = 20  # of the quest that tries it
OTHERS: Final = 39
MOST_TASKS_OF_ANOTHER: Final = 6
SLOTS: Final = 8
MEDIAN_TOKENS: Final = 500
SHADES: Final = (0.9, 0.75, 0.5, 0.25)
_US: Final = 0


class Hiding(NamedTuple):
    """One round, in wallet tokens: what an honest quest has of it, and what the best hiding of bids makes of it."""

    honest: int
    best: int
    kept: int
    """How many of its bids the best hiding leaves; all of them when nothing is better."""

    @property
    def gain(self) -> int:
        """What hiding is worth."""
        return self.best - self.honest


def hide(seed: int, rule: mechanism.Rule) -> Hiding:
    """Draw a round in which everybody bids what his tasks are worth, and let one quest with 20 tasks hide the lowest.

    Hiding others than the lowest is never better: of as many bids left, the most valuable win most and pay the same.
    Utility is the value of the tasks run less what is charged for them.
    """
    source = random.Random(f"hiding {seed}")  # noqa: S311 - a simulation
    owners = [_US] * TASKS
    for other in range(1, OTHERS + 1):
        owners += [other] * source.randint(1, MOST_TASKS_OF_ANOTHER)
    bids = [
        mechanism.Bid(number, owner, 1 + int(MEDIAN_TOKENS * source.lognormvariate(0, SIGMA)), number)
        for number, owner in enumerate(owners)
    ]
    ours = sorted((bid for bid in bids if bid.owner == _US), key=lambda bid: -bid.price)
    rest = [bid for bid in bids if bid.owner != _US]
    had = [_utility(ours[:kept], rest, rule) for kept in range(TASKS + 1)]
    best = max(had)
    kept = TASKS if best == had[TASKS] else had.index(best)
    return Hiding(had[TASKS], best, kept)


def _utility(ours: Sequence[mechanism.Bid], rest: Sequence[mechanism.Bid], rule: mechanism.Rule) -> int:
    worth = {bid.id: bid.price for bid in ours}
    result = mechanism.clear([*ours, *rest], _asks(SLOTS), rule)
    return sum(worth[award.bid_id] - award.charge for award in result.awards if award.bid_id in worth)


def _asks(slots: int) -> list[mechanism.Ask]:
    return [mechanism.Ask(f"{number:03}", 1, 0) for number in range(slots)]


class Waiting(NamedTuple):
    """A whole run of a quest that bids a share of its tasks' value, in wallet tokens."""

    utility: int
    """Value of its tasks run less what was charged for them."""
    served: int


def wait(world: World, share: float, rule: mechanism.Rule, *, quest: int = 0, usd_per_token: float = 0.0001) -> Waiting:
    """Let one quest bid `share` of each task's value, round after round, while all others bid theirs in full.

    So a task waits for a price below that share. Bids rest, there are no wallets and no rewards, and a late run is
    worth as much as an early one: what is measured is the price of impatience alone.
    """
    rest: list[tuple[int, int, mechanism.Bid]] = []
    ours: dict[int, mechanism.Bid] = {}
    worth: dict[int, int] = {}
    utility = served = 0
    for number, jobs in enumerate(world.arriving()):
        for job in jobs:
            value = int(float(job.value_usd) / usd_per_token)
            mine = job.quest == quest
            bid = mechanism.Bid(job.number, job.quest, max(1, int(value * share) if mine else value), number)
            if mine:
                ours[bid.id], worth[bid.id] = bid, value
            else:
                insort(rest, (-bid.price, bid.id, bid))
        # An owner of m <= slots wins looks at no more than m losing bids of others, so the top of the book decides.
        top = [bid for *_, bid in rest[: 3 * world.size.slots]]
        won = mechanism.clear([*top, *ours.values()], _asks(world.size.slots), rule).awards
        for award in won:
            if award.bid_id in ours:
                del ours[award.bid_id]
                utility += worth[award.bid_id] - award.charge
                served += 1
        gone = {award.bid_id for award in won}
        rest[: 3 * world.size.slots] = [row for row in rest[: 3 * world.size.slots] if row[1] not in gone]
    return Waiting(utility, served)


def patience(world: World, rule: mechanism.Rule) -> Iterator[tuple[float, float]]:
    """Yield each share of its value that a quest may bid, with its utility per that of bidding all of it."""
    honest = wait(world, 1.0, rule).utility
    for share in SHADES:
        yield share, wait(world, share, rule).utility / honest if honest else 1.0
