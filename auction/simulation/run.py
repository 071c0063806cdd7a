"""A series of runs: each policy in each world, one after the other, and what was measured of it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Final, NamedTuple

from auction.simulation import market, policies
from auction.simulation.metrics import Measures, measure
from auction.simulation.policies import Outcome
from auction.simulation.presets import SOURCE, Preset
from auction.simulation.world import Size, World, draw
from config import scratch

PREFIX: Final = "auction-simulation-"
POLICIES: Final = (*market.RULES, *policies.WITHOUT_A_MARKET)

Say = Callable[[str], None]


class Plan(NamedTuple):
    """What is to be run."""

    policies: Sequence[str]
    presets: Sequence[Preset]
    seeds: Sequence[int]
    loads: Sequence[float]
    size: Size

    def variants(self) -> list[tuple[str, Preset]]:
        """Return every policy with every preset it heeds: only a market that sells has settings that matter."""
        return [
            (policy, preset)
            for policy in self.policies
            for preset in (self.presets if policy in {"uniform", "vickrey"} else (SOURCE,))
        ]

    def __len__(self) -> int:
        """Return how many runs that is."""
        return len(self.variants()) * len(self.seeds) * len(self.loads)


class Row(NamedTuple):
    """One run."""

    load: float
    policy: str
    preset: str
    seed: int
    measures: Measures
    outcome: Outcome


def label(policy: str, preset: str) -> str:
    """Return what a policy under a preset is called: the preset counts where something is sold."""
    return f"{policy} {preset}" if policy in {"uniform", "vickrey"} else policy


def perform(plan: Plan, *, say: Say) -> Iterator[Row]:
    """Run the plan, world by world, each market in a fresh scratch database; yield each run when it is done.

    `say` gets a line of progress for each. A server is started only if some policy needs one.
    """
    with ExitStack() as stack:
        databases = None
        if set(plan.policies) & set(market.RULES):
            say("starting a scratch server and migrating its database")
            databases = stack.enter_context(scratch.Databases.started(PREFIX))
        done = 0
        for load in plan.loads:
            for seed in plan.seeds:
                world = draw(seed, plan.size._replace(load=load))
                for policy, preset in plan.variants():
                    begun = time.monotonic()
                    outcome = _outcome(world, policy, preset, databases)
                    took = time.monotonic() - begun
                    done += 1
                    say(_progress(done, len(plan), load, seed, label(policy, preset.name), outcome, took))
                    yield Row(load, policy, preset.name, seed, measure(world, outcome), outcome)


def _outcome(world: World, policy: str, preset: Preset, databases: scratch.Databases | None) -> Outcome:
    if databases is None or policy in policies.WITHOUT_A_MARKET:
        return policies.WITHOUT_A_MARKET[policy](world)
    with databases.fresh():
        return market.play(world, policy, preset)


def _progress(  # noqa: PLR0913, PLR0917 - a line has this many parts
    done: int, of: int, load: float, seed: int, what: str, outcome: Outcome, took: float
) -> str:
    speed = f", {outcome.bids:,} bids, {outcome.bids / took:,.0f} a second" if outcome.bids else ""
    return f"{done}/{of}  load {load:g}  seed {seed}  {what}: {len(outcome.services):,} slots in {took:.1f} s{speed}"
