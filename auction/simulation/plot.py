"""Runs as a picture: efficiency by load and policy, prices and money over time; the same bytes for the same runs.

An SVG by hand: three plain charts need no plotting library, whose packages would outweigh the rest of this project.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from statistics import fmean, stdev
from typing import Final, NamedTuple

from auction.simulation import report
from auction.simulation.run import Row

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 900, 260, 80, 40, 70
_COLOURS: Final = ("#0b6e4f", "#c84630", "#2d5d9f", "#b8860b", "#6b4c9a", "#4a4a4a", "#1b998b", "#d17b88")
_GRID: Final = 'stroke="#ddd"'
_TEXT: Final = 'font-family="sans-serif" fill="#333"'
_BAR: Final = 0.8  # of its place
_STEPS: Final = 5


class Line(NamedTuple):
    """A line of a chart: its name and a value for each round, None where there is none."""

    name: str
    values: Sequence[float | None]
    dashed: bool = False


def draw(rows: Sequence[Row]) -> str:
    """Return the picture of some runs: over all loads, and over time at the highest load that was run."""
    groups = report.by_policy(rows)
    names = list(dict.fromkeys(name for _load, name, _rows in groups))
    colour = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
    most = max(load for load, *_ in groups)
    busy = [(name, alike) for load, name, alike in groups if load == most]
    prices = [Line(name, _means([row.outcome.prices for row in alike])) for name, alike in busy]
    money = [Line(name, _means([row.outcome.wallets for row in alike])) for name, alike in busy]
    money += [Line(name, _means([row.outcome.supply for row in alike]), dashed=True) for name, alike in busy]
    charts: list[tuple[str, Callable[[float], Iterator[str]]]] = [
        ("Efficiency: expected value run, per best possible", lambda top: _bars(groups, colour, top)),
        (f"Market price at load {most:g}, wallet tokens (log)", lambda top: _lines(prices, colour, top, log=True)),
        (f"Wallet tokens of quests at load {most:g}; dashed: all there are", lambda top: _lines(money, colour, top)),
    ]
    height = len(charts) * (_HEIGHT + _GAP) + _TOP + 24 * math.ceil(len(names) / 4)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
    ]
    for place, (title, chart) in enumerate(charts):
        top = _TOP + place * (_HEIGHT + _GAP)
        parts += [_text(_LEFT, top - 12, title, size=15, anchor="start"), *chart(top)]
    parts += [*_legend(names, colour, len(charts) * (_HEIGHT + _GAP) + _TOP), "</svg>", ""]
    return "\n".join(parts)


def _means(series: Sequence[Sequence[int | None]]) -> list[float | None]:
    """Return the mean of several runs, round by round, of those that have a value there."""
    columns = zip(*(run for run in series if run), strict=True)
    return [fmean(there) if (there := [v for v in column if v is not None]) else None for column in columns]


def _bars(groups: Sequence[tuple[float, str, list[Row]]], colour: dict[str, str], top: float) -> Iterator[str]:
    yield from _scale(0, 1, top, log=False)
    loads = list(dict.fromkeys(load for load, *_ in groups))
    wide = (_WIDTH - _LEFT - 20) / len(loads)
    each = wide * _BAR / len(colour)
    for at, load in enumerate(loads):
        x = _LEFT + at * wide + wide * (1 - _BAR) / 2
        yield _text(_LEFT + (at + 0.5) * wide, top + _HEIGHT + 18, f"load {load:g}")
        for place, (name, runs) in enumerate((n, r) for other, n, r in groups if other == load):
            had = [row.measures.efficiency for row in runs]
            mean = fmean(had)
            left, high = x + place * each, top + _HEIGHT * (1 - mean)
            yield (
                f'<rect x="{left:.1f}" y="{high:.1f}" width="{each * 0.9:.1f}" height="{_HEIGHT * mean:.1f}" '
                f'fill="{colour[name]}"><title>{escape(name)}: {mean:.3f}</title></rect>'
            )
            if len(had) > 1:
                half, middle = _HEIGHT * stdev(had), left + each * 0.45
                yield _stroke([(middle, high - half), (middle, high + half)], "#000", 1.5)


def _lines(lines: Sequence[Line], colour: dict[str, str], top: float, *, log: bool = False) -> Iterator[str]:
    values = [value for line in lines for value in line.values if value]
    if not values:
        yield _text(_WIDTH / 2, top + _HEIGHT / 2, "no policy that was run has any")
        return
    low, high = (max(1, min(values)), max(values)) if log else (0, max(values))
    high = max(high, low + 1)
    yield from _scale(low, high, top, log=log)
    rounds = max(len(line.values) for line in lines)
    for line in lines:
        points = [
            (
                _LEFT + (_WIDTH - _LEFT - 20) * number / max(1, rounds - 1),
                top + _HEIGHT * (1 - _share(value, low, high, log=log)),
            )
            for number, value in enumerate(line.values)
            if value is not None
        ]
        if points:
            yield _stroke(points, colour[line.name], 1.8, dashed=line.dashed)
    yield _text(_LEFT, top + _HEIGHT + 18, "round 1", anchor="start")
    yield _text(_WIDTH - 20, top + _HEIGHT + 18, f"round {rounds}", anchor="end")


def _share(value: float, low: float, high: float, *, log: bool) -> float:
    if log:
        value, low, high = math.log(max(value, low)), math.log(low), math.log(high)
    return (value - low) / (high - low)


def _scale(low: float, high: float, top: float, *, log: bool) -> Iterator[str]:
    """Draw lines across, with what they stand for."""
    for step in range(_STEPS + 1):
        share = step / _STEPS
        value = low * (high / low) ** share if log else low + (high - low) * share
        y = top + _HEIGHT * (1 - share)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" {_GRID}/>'
        yield _text(_LEFT - 8, y + 4, f"{value:.1f}" if high <= 1 else f"{value:,.0f}", anchor="end")


def _legend(names: Sequence[str], colour: dict[str, str], top: float) -> Iterator[str]:
    for place, name in enumerate(names):
        x, y = _LEFT + place % 4 * 200, top + place // 4 * 24
        yield f'<rect x="{x}" y="{y - 11}" width="14" height="14" fill="{colour[name]}"/>'
        yield _text(x + 20, y, name, anchor="start")


def _stroke(points: Sequence[tuple[float, float]], colour: str, width: float, *, dashed: bool = False) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = ' stroke-dasharray="6 4"' if dashed else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>'


def _text(x: float, y: float, words: str, *, size: int = 12, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" {_TEXT}>{escape(words)}</text>'
