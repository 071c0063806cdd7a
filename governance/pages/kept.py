"""Figures that are the same for all who may see them, kept for some seconds with the time they are of."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, TypeVar

from django.core.cache import cache

FiguresT = TypeVar("FiguresT")


class _Kept(NamedTuple):
    at: datetime
    figures: object


def kept(name: str, make: Callable[[datetime], FiguresT], *, now: datetime, seconds: int) -> tuple[FiguresT, datetime]:
    """Return figures and the moment they are of: those kept under this name, or else made now and kept so long.

    Figures of a later moment than `now` are made again.
    """
    found: _Kept | None = cache.get(key(name))
    if found is not None and found.at <= now:
        return found.figures, found.at  # type: ignore[return-value] # what was kept under this name was of this type
    figures = make(now)
    cache.set(key(name), _Kept(now, figures), seconds)
    return figures, now


def key(name: str) -> str:
    """Return the cache's key of a name, which may hold what no key may, as a pool's does."""
    return f"resources:{hashlib.sha256(name.encode()).hexdigest()}"
