"""Figures of a run, each with its bound, printed as a table."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Report:
    """Lines of what was measured; `missed` counts the bounds not met."""

    missed: int = 0
    lines: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Print a line at once and keep it."""
        self.lines.append(text)
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def bound(self, what: str, value: float, *, least: float | None = None, most: float | None = None) -> None:
        """Print a ratio or rate with its bound and whether it is met."""
        met = (least is None or value >= least) and (most is None or value <= most)
        self.missed += not met
        limit = f">= {least:,g}" if least is not None else f"<= {most:,g}"
        self.say(f"  {'ok    ' if met else 'MISSED'} {what}: {value:,.2f} (bound {limit})")


def middle(values: Sequence[float]) -> float:
    """Return the median."""
    return float(median(values))
