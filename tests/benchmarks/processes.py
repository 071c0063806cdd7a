"""The same work from several real processes, begun at one barrier."""

from __future__ import annotations

import multiprocessing
import time
from typing import TYPE_CHECKING

from django.db import connections

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.synchronize import Barrier

_fork = multiprocessing.get_context("fork")


def rate(work: Callable[[int], Callable[[], int]], *, processes: int) -> float:
    """Return the units of work done per second by all processes together.

    `work(n)` is called in each process and prepares it; what it returns is called when all are ready, and
    returns the units it did.
    """
    connections.close_all()
    ready = _fork.Barrier(processes + 1)
    done: multiprocessing.Queue[int] = _fork.Queue()
    started = [_fork.Process(target=_child, args=(work, n, ready, done)) for n in range(processes)]
    for process in started:
        process.start()
    ready.wait()
    begun = time.perf_counter()
    units = sum(done.get() for _process in started)
    seconds = time.perf_counter() - begun
    for process in started:
        process.join()
    return units / seconds


def _child(
    work: Callable[[int], Callable[[], int]], number: int, ready: Barrier, done: multiprocessing.Queue[int]
) -> None:
    run = work(number)
    ready.wait()
    done.put(run())
