"""Who would run when without a market: the best possible, fair share, and first come first served."""

import heapq
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from auction.simulation.world import Job, World


class Service(NamedTuple):
    """A job that got a slot, and in which round."""

    job: Job
    round: int


class Outcome(NamedTuple):
    """What a policy made of a world. A policy without a market has no prices and no money."""

    services: tuple[Service, ...]
    prices: tuple[int | None, ...] = ()
    """Market price per round in wallet tokens; None where nothing was sold."""
    supply: tuple[int, ...] = ()
    """Wallet tokens outside the mint, after each round."""
    wallets: tuple[int, ...] = ()
    """Of these, in the wallets of quests."""
    bids: int = 0
    """Bids placed in all."""


def best_possible(world: World) -> Decimal:
    """Return the most expected value, in USD, that any policy could have run in this world.

    Jobs take one slot each and fit in any round from their arrival on, so the sets of jobs that can be run together
    are the independent sets of a transversal matroid, and taking the most valuable job that still fits is optimal
    (Edmonds 1971, "Matroids and the greedy algorithm"). Whether it fits is found by giving each job the earliest slot
    left: the mirror of scheduling unit jobs with deadlines in the latest one (Horowitz and Sahni).
    """
    free = [world.size.slots] * world.size.rounds
    following = list(range(world.size.rounds + 1))  # the first round from here on that may have room

    def with_room(start: int) -> int:
        path = start
        while following[path] != path:
            following[path] = following[following[path]]
            path = following[path]
        return path

    total = Decimal(0)
    for job in sorted(world.jobs, key=lambda job: (-job.value_usd, job.number)):
        place = with_room(job.arrives)
        if place == world.size.rounds:
            continue
        total += job.value_usd
        free[place] -= 1
        if not free[place]:
            following[place] = place + 1
    return total


def fair(world: World) -> Outcome:
    """Give each slot to the quest served least so far that has a task waiting, and run its best task."""
    waiting: list[list[tuple[Decimal, int, Job]]] = [[] for _ in range(world.size.quests)]
    served = [0] * world.size.quests
    services = []
    for number, jobs in enumerate(world.arriving()):
        for job in jobs:
            heapq.heappush(waiting[job.quest], (-job.value_usd, job.number, job))
        for _ in range(world.size.slots):
            asking = [quest for quest in range(world.size.quests) if waiting[quest]]
            if not asking:
                break
            quest = min(asking, key=lambda quest: (served[quest], quest))
            served[quest] += 1
            services.append(Service(heapq.heappop(waiting[quest])[-1], number))
    return Outcome(tuple(services))


def fifo(world: World) -> Outcome:
    """Give each slot to the task that has waited longest, whatever it is worth."""
    services: list[Service] = []
    arrived = 0
    for number, jobs in enumerate(world.arriving()):
        arrived += len(jobs)
        room = min(world.size.slots, arrived - len(services))
        services += [Service(job, number) for job in world.jobs[len(services) : len(services) + room]]
    return Outcome(tuple(services))


WITHOUT_A_MARKET: Final[Mapping[str, Callable[[World], Outcome]]] = {"fair": fair, "fifo": fifo}
