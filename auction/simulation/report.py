"""Runs as a table for people and as CSV for programs; the same runs give the same bytes."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from statistics import fmean, stdev
from typing import Final, TextIO

from auction.simulation.manipulation import Hiding
from auction.simulation.metrics import Measures
from auction.simulation.run import Row, label

_COLUMNS: Final = ("load", "policy", "efficiency", "impact/M", "Jain", "Gini", "volatility", "wait", "never", "starved")
_MONEY: Final = ("supply", "most", "growth", "in wallets")
_WIDTHS: Final = (6, 18, 16, 10, 7, 7, 12, 7, 8, 9, 11, 11, 8, 12)


def table(rows: Sequence[Row]) -> str:
    """Return a line for each load and policy: means over the seeds, efficiency with its standard deviation.

    Policies without a market have no price and no money.
    """
    lines = [_line(_COLUMNS + _MONEY)]
    for (load, name), alike in _groups(rows):
        lines.append(_line([f"{load:g}", name, *_cells([row.measures for row in alike])]))
    return "\n".join(lines)


def _groups(rows: Sequence[Row]) -> Iterable[tuple[tuple[float, str], list[Row]]]:
    """Gather the runs that differ in their seed only, in the order in which they were first run."""
    first: dict[tuple[float, str], int] = {}
    for row in rows:
        first.setdefault((row.load, label(row.policy, row.preset)), len(first))
    ordered = sorted(rows, key=lambda row: first[row.load, label(row.policy, row.preset)])
    for key, alike in groupby(ordered, key=lambda row: (row.load, label(row.policy, row.preset))):
        yield key, list(alike)


def _cells(of: Sequence[Measures]) -> list[str]:
    spread = f" ±{stdev(one.efficiency for one in of):.3f}" if len(of) > 1 else ""
    return [
        f"{fmean(one.efficiency for one in of):.3f}{spread}",
        f"{fmean(one.impact_per_million for one in of):.2f}",
        f"{fmean(one.jain for one in of):.3f}",
        f"{fmean(one.gini for one in of):.3f}",
        _mean([one.volatility for one in of], ".2f"),
        _mean([one.wait for one in of], ".1f"),
        f"{fmean(one.never for one in of):.1%}",
        f"{fmean(one.starved for one in of):.1f}",
        _mean([one.supply for one in of], ",.0f"),
        _mean([one.supply_most for one in of], ",.0f"),
        _mean([one.supply_growth for one in of], ".2f"),
        _mean([one.in_wallets for one in of], ",.0f"),
    ]


def _mean(values: Sequence[float | None], form: str) -> str:
    there = [value for value in values if value is not None]
    if not there:
        return "-"
    mean = fmean(there)
    return "never" if math.isinf(mean) else f"{mean:{form}}"


def _line(cells: Sequence[str]) -> str:
    padded = (cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
    return "".join(padded).rstrip()


def write_csv(rows: Sequence[Row], file: TextIO) -> None:
    """Write a line for each run with every measure as it is; empty where there is nothing to measure."""
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["load", "policy", "preset", "seed", "slots", "bids", *Measures._fields])
    for row in rows:
        measures = ("" if value is None else value for value in row.measures)
        out.writerow(
            [
                f"{row.load:g}",
                row.policy,
                row.preset if label(row.policy, row.preset) != row.policy else "",
                row.seed,
                len(row.outcome.services),
                row.outcome.bids,
                *measures,
            ]
        )


def by_policy(rows: Sequence[Row]) -> list[tuple[float, str, list[Row]]]:
    """Return the runs of each load and policy, for a plot."""
    return [(load, name, alike) for (load, name), alike in _groups(rows)]


def hiding(rule: str, of: Sequence[Hiding]) -> str:
    """Return what hiding its lowest bids in one round gains a quest with 20 tasks, over several rounds drawn."""
    gains = [one.gain for one in of]
    honest = sum(one.honest for one in of)
    share = sum(gains) / honest if honest else 0
    return (
        f"{rule}: hiding bids gains in {sum(gain > 0 for gain in gains)} of {len(of)} rounds, {share:.2%} of what "
        f"honesty has over all of them, at most {max(gains):,} wallet tokens in one"
    )


def waiting(load: float, of: Sequence[Mapping[float, float]]) -> str:
    """Return what a quest has that bids a share of its tasks' value over a whole run, per bidding all of it."""
    means = (f"{share:.0%} of value: {fmean(one[share] for one in of) - 1:+.1%}" for share in of[0])
    return f"  waiting at load {load:g}, quest 0 bids  " + "   ".join(means)
