"""How fast the simulated market runs: bids and slots a second, every deed the real one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from auction.simulation import market, presets, world
from tests import cluster

if TYPE_CHECKING:
    from tests.benchmarks.report import Report


def market_speed(report: Report, server: str, *, rounds: int) -> None:
    """Play one world of 40 quests and 8 slots a round at load 3 under the source's settings."""
    drawn = world.draw(1, world.Size(load=3.0, rounds=rounds))
    with cluster.clone(server) as url, cluster.pointed_at(url):
        begun = time.perf_counter()
        outcome = market.play(drawn, "uniform", presets.SOURCE)
        took = time.perf_counter() - begun
    slots = len(outcome.services)
    report.say(f"simulated market, {rounds} rounds at load 3, {len(drawn.jobs):,} tasks, in {took:.1f} s")
    report.say(f"  {outcome.bids / took:,.0f} bids a second, {slots / took:,.1f} slots sold, run and settled a second")
