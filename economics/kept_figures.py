"""Figures of the whole house that are dear to make: made by the clock, kept with their moment for all who look."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Generic, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from config import due
from economics import overview, totals
from economics.models import KeptFigures

FiguresT = TypeVar("FiguresT")

SHARE: Final = 100  # one of so many seconds at most goes into figures of a kind, however large the house is
LATE: Final = 3  # turns that the clock may miss before whoever looks makes them


class Usage(NamedTuple):
    """What was used in some days up to today, in the policy's zone."""

    spending: overview.Spending
    usage: totals.Usage
    models: list[totals.OfModel]
    spenders: list[overview.Spender]


@dataclass(frozen=True)
class Kind(Generic[FiguresT]):
    """Figures of one name: their shape, what makes them, and how often the clock does."""

    name: str
    shape: TypeAdapter[FiguresT]
    figures: Callable[[datetime], FiguresT]
    every: timedelta

    def wait(self, seconds: float) -> timedelta:
        """Return how long figures that took so many seconds to make serve."""
        return max(self.every, timedelta(seconds=seconds * SHARE))


def _usage(now: datetime, days: int) -> Usage:
    last = overview.today(now=now)
    return Usage(
        overview.spending(last=last, days=days),
        totals.used(last=last, days=days),
        totals.by_model(last=last, days=days),
        overview.spenders(last=last, days=days),
    )


BUDGETS: Final = Kind(
    "budgets",
    TypeAdapter(list[totals.Total]),
    lambda now: totals.by_class(now=now),
    timedelta(minutes=2),
)
USAGE: Final = {
    days: Kind(f"usage of {days} days", TypeAdapter(Usage), partial(_usage, days=days), timedelta(minutes=minutes))
    for days, minutes in ((7, 1), (30, 5), (90, 5))
}
KINDS: Final[Sequence[Kind[Any]]] = (BUDGETS, *USAGE.values())


def make_due(*, now: datetime) -> None:
    """Make all figures that are not there yet or have served their time; one kind that fails stops no other.

    Two workers may do this at once: both write what the rows come to.
    """
    kept = {row.name: row for row in KeptFigures.objects.defer("figures")}
    for kind in KINDS:
        row = kept.get(kind.name)
        if row is None or not row.as_of <= now < row.as_of + kind.wait(row.seconds):
            due.attempt(f"figures of {kind.name}", partial(_make, kind, now))


def kept(kind: Kind[FiguresT], *, now: datetime) -> tuple[FiguresT, datetime]:
    """Return figures and the moment they are of: those that the clock made last.

    Where there are none, or the clock has missed some turns, they are made now, for the next ones who look as well;
    so are those of a later moment.
    """
    row = KeptFigures.objects.filter(pk=kind.name).first()
    if row is not None and row.as_of <= now <= row.as_of + LATE * kind.wait(row.seconds):
        try:
            return kind.shape.validate_python(row.figures), row.as_of
        except ValidationError:  # another version of this program made them
            pass
    return _make(kind, now), now


def _make(kind: Kind[FiguresT], now: datetime) -> FiguresT:
    begun = time.perf_counter()
    figures = kind.figures(now)
    seconds = time.perf_counter() - begun
    row = KeptFigures(name=kind.name, as_of=now, seconds=seconds, figures=kind.shape.dump_python(figures, mode="json"))
    KeptFigures.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["name"], update_fields=["as_of", "seconds", "figures"]
    )
    return figures
