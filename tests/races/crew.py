"""Real processes that do their deeds at the same moment, round after round."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
import traceback
from threading import BrokenBarrierError
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from django.db import connections

from config.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier

_PATIENCE: Final = 300  # seconds; a round takes a few milliseconds, unless the machine does much else
_STAGGER: Final = 0.002  # seconds; about the time a deed takes
_FORK: Final = multiprocessing.get_context("fork")


class Outcome(NamedTuple):
    """What a deed returned, or the code with which it was refused."""

    value: Any
    refusal: str


def race(*deeds: Callable[[int], object], rounds: int = 20) -> list[list[Outcome]]:
    """Run each deed in a process of its own, `rounds` times; return the outcomes by round, then by deed.

    Before each round all wait at a barrier, so that the deeds of a round begin together, give or take some
    milliseconds that differ from round to round: each deed is first at times. A deed is called with the number of
    its round: what it needs is prepared for all rounds before. Anything but a refusal that a deed raises, a
    deadlock above all, fails the test with its traceback. What a deed returns must be picklable.
    """
    connections.close_all()  # a connection must not be shared by a fork
    barrier = _FORK.Barrier(len(deeds))
    pipes = [_FORK.Pipe(duplex=False) for _ in deeds]
    crew = [
        _FORK.Process(target=_run, args=(deed, place, rounds, barrier, sender), daemon=True)
        for place, (deed, (_receiver, sender)) in enumerate(zip(deeds, pipes, strict=True))
    ]
    for member in crew:
        member.start()
    try:
        logs = [_received(receiver) for receiver, _sender in pipes]
        broken = [log for log in logs if isinstance(log, str)]
        assert not broken, "\n".join(broken)
    finally:
        for member in crew:
            member.kill()
            member.join()
    return [list(outcomes) for outcomes in zip(*logs, strict=True)]


@contextlib.contextmanager
def stuck(deed: Callable[[], object], url: str) -> Iterator[None]:
    """Begin a deed in another process and enter when it waits for a lock; on leaving it must come to its end.

    One inside another they wait in the order in which they were begun.
    """
    connections.close_all()
    receiver, sender = _FORK.Pipe(duplex=False)
    member = _FORK.Process(target=_run, args=(lambda _: deed(), 0, 1, _FORK.Barrier(1), sender), daemon=True)
    before = _waiting(url)
    member.start()
    try:
        end = time.monotonic() + _PATIENCE
        while _waiting(url) <= before:
            assert member.is_alive(), "the deed waited for nothing"
            assert time.monotonic() < end, "the deed waits for nothing"
            time.sleep(0.01)
        yield
        log = _received(receiver)
        assert not isinstance(log, str), log
    finally:
        member.kill()
        member.join()


def _waiting(url: str) -> int:
    """Return how many sessions of the server wait for a lock."""
    with psycopg.connect(url, autocommit=True) as watcher:
        return watcher.execute("SELECT FROM pg_locks WHERE NOT granted").rowcount


def _run(deed: Callable[[int], object], place: int, rounds: int, barrier: Barrier, report: Connection) -> None:
    """Be one member of the crew: do the deed in each round and report how it went."""
    connections["default"].ensure_connection()
    log = []
    try:
        for number in range(rounds):
            barrier.wait(_PATIENCE)
            time.sleep(number * (place + 1) % 5 * _STAGGER)
            log.append(_outcome(deed, number))
        report.send(log)
    except BrokenBarrierError:
        report.send("stopped because another deed failed")
    except Exception:  # noqa: BLE001 - whatever it was, the parent shows it
        barrier.abort()
        report.send(traceback.format_exc())
    connections.close_all()


def _outcome(deed: Callable[[int], object], number: int) -> Outcome:
    try:
        return Outcome(deed(number), "")
    except RefusedError as refusal:
        return Outcome(None, refusal.code)


def _received(receiver: Connection) -> list[Outcome] | str:
    """Return a member's outcomes, or what went wrong with it."""
    if not receiver.poll(_PATIENCE):
        return "a deed did not come to its end"
    log: list[Outcome] | str = receiver.recv()
    return log
