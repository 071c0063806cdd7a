"""Deeds struck down at a chosen step: before or after any of their statements, or around a COMMIT."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import signal
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from django.db import connection, connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FORK: Final = multiprocessing.get_context("fork")
_PATIENCE: Final = 60  # seconds
_OTHERS: Final = """
SELECT FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
   AND application_name <> 'old writer'
"""


def kill_process() -> None:
    """End this process at once, as a power cut or the kernel would."""
    os.kill(os.getpid(), signal.SIGKILL)


def end_session() -> None:
    """End this process's session on the server, as an administrator or a failover would."""
    settings = connection.settings_dict
    session = [connection.connection.info.backend_pid]
    with psycopg.connect(
        dbname=settings["NAME"], host=settings["HOST"], user=settings["USER"], autocommit=True
    ) as other:
        other.execute("SELECT pg_terminate_backend(%s)", session)
        while other.execute("SELECT FROM pg_stat_activity WHERE pid = %s", session).rowcount:
            time.sleep(0.002)


def struck(deed: Callable[[], object], *, blow: Callable[[], None], step: int, edges: bool = False) -> bool:
    """Do the deed in another process with a blow at its step; return whether it was struck before its end.

    On return the server knows of the end, too: nothing the victim had locked is locked any more.

    Steps are counted from 0: one before and one after every statement, and around each COMMIT; with `edges`, of those
    alone that keep something at once.
    """
    connections.close_all()
    victim = _FORK.Process(target=_suffer, args=(deed, blow, step, edges), daemon=True)
    victim.start()
    victim.join(_PATIENCE)
    if victim.exitcode is None:
        victim.kill()
        victim.join()
        message = "the deed did not come to its end"
        raise AssertionError(message)
    _await_end_of_sessions()
    return victim.exitcode != 0


class Walk(NamedTuple):
    """How many steps a deed has, and which of them are edges: there something is about to be kept, or just was."""

    steps: int
    edges: frozenset[int]

    def sample(self, number: int, *, half: bool = False) -> list[int]:
        """Return the edges and about so many of all steps, evenly: others in the second `half` than in the first.

        Between two edges one step is as good as another: whatever was done since the first is undone. Of more edges
        than that, those are in the first half at which something was kept, in the second those at which it is to be.
        """
        every = max(1, self.steps // number)
        edges = sorted(self.edges) if len(self.edges) <= number else sorted(self.edges)[not half :: 2]
        return sorted({*edges, *range(every // 2 if half else 0, self.steps, every)})


def walked(deed: Callable[[], object]) -> Walk:
    """Do a deed in this process, undisturbed, and return its steps."""
    with striking(kill_process, -1) as countdown:
        deed()
    return Walk(countdown.number, frozenset(countdown.edges))


def _await_end_of_sessions() -> None:
    """Wait until the server has seen that the victim is gone: till then its transaction's locks are still held."""
    end = time.monotonic() + _PATIENCE
    with connection.cursor() as cursor:
        cursor.execute(_OTHERS)
        while cursor.rowcount:
            assert time.monotonic() < end, "the server did not see that the victim is gone"
            time.sleep(0.002)
            cursor.execute(_OTHERS)


def _suffer(deed: Callable[[], object], blow: Callable[[], None], step: int, edges: bool) -> None:  # noqa: FBT001 - a process's
    connection.ensure_connection()
    with striking(blow, step, edges=edges):
        deed()
    os._exit(0)


@contextlib.contextmanager
def striking(blow: Callable[[], None], step: int, *, edges: bool = False) -> Iterator[_Countdown]:
    """Strike at a step of whatever is done meanwhile on this process's connection."""
    countdown = _Countdown(blow, step, edges=edges)
    session: Any = connections["default"]
    commit = session._commit  # noqa: SLF001 - the one place every COMMIT passes

    def watched_commit() -> None:
        countdown.do(commit, is_edge=True)

    session._commit = watched_commit  # noqa: SLF001
    try:
        with connection.execute_wrapper(countdown):
            yield countdown
    finally:
        session._commit = commit  # noqa: SLF001


def _reads(sql: str) -> bool:
    """Return whether a statement keeps nothing: it reads, or sets something of the session."""
    words = set(re.findall(r"[A-Z]+", sql))
    first = sql.split(maxsplit=1)[0].upper()
    if first == "WITH":
        return not words & {"INSERT", "UPDATE", "DELETE", "MERGE"}
    return first in {"SELECT", "SHOW", "SET", "RESET"}


class _Countdown:
    """Counts steps, and strikes at one of them; none is below 0."""

    def __init__(self, blow: Callable[[], None], step: int, *, edges: bool) -> None:
        self._blow, self._step, self._only_edges, self.struck = blow, step, edges, False
        self.number = 0
        self.edges: set[int] = set()

    def do(self, what: Callable[..., Any], *terms: Any, is_edge: bool) -> Any:
        """Do something between two steps."""
        if self._only_edges and not is_edge:
            return what(*terms)
        if is_edge:
            self.edges |= {self.number, self.number + 1}
        self._tick()
        result = what(*terms)
        self._tick()
        return result

    def _tick(self) -> None:
        self.number += 1
        if self.number > self._step >= 0 and not self.struck:
            self.struck = True
            self._blow()

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's signature
        """Run a statement between two steps; what one writes outside a transaction is kept at once."""
        is_edge = not (connection.in_atomic_block or _reads(sql))
        return self.do(execute, sql, params, many, context, is_edge=is_edge)
