"""The same work from several real processes, begun at one barrier."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from threading import BrokenBarrierError
from typing import TYPE_CHECKING, TypeVar

from django.db import connections

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.synchronize import Barrier

_fork = multiprocessing.get_context("fork")


_T = TypeVar("_T")


def rate(work: Callable[[int], Callable[[], int]], *, processes: int) -> float:
    """Return the units of work done per second by all processes together; `results` says what work is."""
    units, seconds = results(work, processes=processes)
    return sum(units) / seconds


def results(work: Callable[[int], Callable[[], _T]], *, processes: int) -> tuple[list[_T], float]:
    """Return what the work of each process returned, and the seconds they all took together.

    `work(n)` is called in each process and prepares it; what it returns is called when all are ready.
    """
    connections.close_all()
    ready = _fork.Barrier(processes + 1)
    done: multiprocessing.Queue[_T | Exception] = _fork.Queue()
    started = [_fork.Process(target=_child, args=(work, n, ready, done)) for n in range(processes)]
    for process in started:
        process.start()
    with contextlib.suppress(BrokenBarrierError):
        ready.wait()
    begun = time.perf_counter()
    found = [done.get() for _process in started]
    seconds = time.perf_counter() - begun
    for process in started:
        process.join()
    values: list[_T] = []
    for value in found:
        if isinstance(value, Exception):
            raise value
        values.append(value)
    return values, seconds


def _child(
    work: Callable[[int], Callable[[], _T]], number: int, ready: Barrier, done: multiprocessing.Queue[_T | Exception]
) -> None:
    try:
        run = work(number)
        ready.wait()
        done.put(run())
    except Exception as error:  # noqa: BLE001 - raised again by the parent
        ready.abort()
        done.put(AssertionError(f"process {number}: {error!r}"))
