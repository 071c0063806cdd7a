"""`make bench`: measure, print ratios with their bounds, exit 1 when one is missed."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

import django

from tests import cluster
from tests.benchmarks.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable


def _benchmarks(*, full: bool) -> dict[str, Callable[[Report, str], None]]:
    """Return every benchmark by name, at reduced or full size."""
    from tests.benchmarks import (  # noqa: PLC0415 - they import models
        adopt,
        bidding,
        clearing,
        dashboard,
        house,
        http,
        pages,
        placement,
        reserve,
        reviews,
        scoring,
        simulating,
        usage,
    )

    return {
        "place": lambda report, server: placement.single(report, server, each=1_000 if full else 300),
        "http": lambda report, server: http.placement(report, server, each=500 if full else 150),
        "gtd": lambda report, server: clearing.winners_of_resting_bids(
            report, server, slots=1_000, bids=100_000, many=1_000_000 if full else 400_000
        ),
        "losers": lambda report, server: clearing.losers_released(
            report, server, slots=1_000, few=100_000 if full else 30_000, many=1_000_000 if full else 300_000
        ),
        "winners": lambda report, server: clearing.many_winners(report, server, slots=100_000 if full else 20_000),
        "batch": lambda report, server: placement.batched(report, server, count=100 if full else 30),
        "automatic": lambda report, server: bidding.automatic(report, server, tasks=100_000 if full else 20_000),
        "simulation": lambda report, server: simulating.market_speed(report, server, rounds=48 if full else 12),
        "reserve": lambda report, server: reserve.pairs(report, server, each=500 if full else 150),
        "reserve_http": lambda report, server: http.reservation(report, server, each=400 if full else 120),
        "usage": lambda report, server: usage.bulk(report, server, batches=20 if full else 7),
        "dashboard": lambda report, server: dashboard.queries(
            report, server, few=100_000, many=10_000_000 if full else 1_000_000
        ),
        "pages": lambda report, server: pages.every(
            report,
            server,
            house.Size(envelopes=100_000, usage=1_000_000, bids=1_000_000, rounds=43_200, copies=999)
            if full
            else house.Size(envelopes=5_000, usage=50_000, bids=50_000, rounds=2_880, copies=99),
            runs=5 if full else 3,
        ),
        "adopt": lambda report, server: adopt.live(
            report,
            server,
            rows=5_000_000 if full else 200_000,
            keys=("uuid", "integer") if full else ("uuid",),
            seconds=4 if full else 1,
        ),
        "scoring": lambda report, server: scoring.fleet(report, server, entities=100_000 if full else 20_000),
        "review": lambda report, server: reviews.weekly(
            report,
            server,
            few=10_000 if full else 2_000,
            many=100_000 if full else 20_000,
            most=20 if full else None,
        ),
    }


def main() -> int:
    """Run the benchmarks asked for on a durable server of their own; return 1 when a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="full sizes (up to an hour)")
    parser.add_argument("--only", default="", help="names of benchmarks, separated by commas")
    arguments = parser.parse_args()
    report = Report()
    with cluster.ScratchCluster(durable=True) as server:
        os.environ["DATABASE_URL"] = server.url
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        django.setup()
        benchmarks = _benchmarks(full=arguments.full)
        wanted = [name for name in arguments.only.split(",") if name] or list(benchmarks)
        if unknown := set(wanted) - set(benchmarks):
            parser.error(f"no benchmark named {', '.join(sorted(unknown))}; there are {', '.join(benchmarks)}")
        for name in wanted:
            begun = time.monotonic()
            benchmarks[name](report, server.url)
            report.say(f"  [{name} took {time.monotonic() - begun:.0f} s]")
    report.say(f"{report.missed} bounds missed" if report.missed else "all bounds met")
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
