"""Deeds struck down at a chosen step: before or after any of their statements, or around a COMMIT."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
from django.db import connection, connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FORK: Final = multiprocessing.get_context("fork")
_PATIENCE: Final = 60  # seconds
_OTHERS: Final = """
SELECT FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
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


def struck(deed: Callable[[], object], *, blow: Callable[[], None], step: int) -> bool:
    """Do the deed in another process with a blow at its step; return whether it was struck before its end.

    On return the server knows of the end, too: nothing the victim had locked is locked any more.

    Steps are counted from 0: one before and one after every statement, and around each COMMIT.
    """
    connections.close_all()
    victim = _FORK.Process(target=_suffer, args=(deed, blow, step), daemon=True)
    victim.start()
    victim.join(_PATIENCE)
    if victim.exitcode is None:
        victim.kill()
        victim.join()
        message = "the deed did not come to its end"
        raise AssertionError(message)
    _await_end_of_sessions()
    return victim.exitcode != 0


def _await_end_of_sessions() -> None:
    """Wait until the server has seen that the victim is gone: till then its transaction's locks are still held."""
    end = time.monotonic() + _PATIENCE
    with connection.cursor() as cursor:
        cursor.execute(_OTHERS)
        while cursor.rowcount:
            assert time.monotonic() < end, "the server did not see that the victim is gone"
            time.sleep(0.002)
            cursor.execute(_OTHERS)


def _suffer(deed: Callable[[], object], blow: Callable[[], None], step: int) -> None:
    connection.ensure_connection()
    with striking(blow, step):
        deed()
    os._exit(0)


@contextlib.contextmanager
def striking(blow: Callable[[], None], step: int) -> Iterator[_Countdown]:
    """Strike at a step of whatever is done meanwhile on this process's connection."""
    countdown = _Countdown(blow, step)
    session: Any = connections["default"]
    commit = session._commit  # noqa: SLF001 - the one place every COMMIT passes

    def watched_commit() -> None:
        countdown.tick()
        commit()
        countdown.tick()

    session._commit = watched_commit  # noqa: SLF001
    try:
        with connection.execute_wrapper(countdown):
            yield countdown
    finally:
        session._commit = commit  # noqa: SLF001


class _Countdown:
    """Strikes when so many steps have been done."""

    def __init__(self, blow: Callable[[], None], step: int) -> None:
        self._blow, self._left, self.struck = blow, step, False

    def tick(self) -> None:
        """Do one step."""
        if self._left == 0:
            self.struck = True
            self._blow()
        self._left -= 1

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's signature
        """Run a statement between two steps."""
        self.tick()
        result = execute(sql, params, many, context)
        self.tick()
        return result
