"""Child processes that do not outlive us: spawning, locks, logs, and the marks a kill -9 leaves."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PR_SET_PDEATHSIG = 1
LOG_LIMIT_BYTES = 10_000_000


class CannotStartError(Exception):
    """Something a person has to know, and can usually mend, before a server can start."""


class StopRequested(BaseException):
    """Raised in the main thread when a person or a program asks us to stop."""


class Lock:
    """A lock file held for as long as this process lives; it names the holder's process id."""

    def __init__(self, path: Path, subject: str) -> None:
        """Take the lock, or refuse with the holder's process id."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode().strip() or "unknown"
            os.close(self._descriptor)
            message = f"already running on {subject} (process {holder}); stop it first"
            raise CannotStartError(message) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let the next one in; the file stays, because removing it would let two in at once."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def start_time(pid: int) -> str | None:
    """When a process began, in clock ticks since boot; None when there is none by that id.

    With the process id it names one process for good, however often the id is used again.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]


def end_leftover(pid: int, *signals: tuple[signal.Signals, float]) -> None:
    """End a process that is not our child: each signal in turn, waiting its seconds.

    The caller has made sure that the id is still the process it means.
    """
    since = start_time(pid)
    for number, patience in (*signals, (signal.SIGKILL, 5.0)):
        if since is None or start_time(pid) != since:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        while start_time(pid) == since and time.monotonic() < deadline:
            time.sleep(0.02)


def _die_with_parent(death_signal: int) -> Callable[[], None] | None:
    """Make the hook that asks Linux to send a child this signal when its parent is gone."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before the fork, used after it
    parent = os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # it died between the fork and the request
            os.kill(os.getpid(), death_signal)

    return ask


def spawn(
    arguments: Sequence[str | os.PathLike[str]],
    *,
    log: Path,
    death_signal: signal.Signals = signal.SIGTERM,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, writing to a log file, ending when we end.

    Call it from the main thread only: Linux ties the death signal to the thread that forked.
    """
    with open_log(log) as output:
        return subprocess.Popen(  # noqa: S603 - every program started is ours
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
            preexec_fn=_die_with_parent(death_signal),  # noqa: PLW1509 - one thread, see above
            **options,
        )


def open_log(path: Path) -> Any:
    """Open a log for appending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("ab", buffering=0)


def trim_log(path: Path) -> None:
    """Set a log past its limit aside as `.1` and empty it; its writer, who appends, goes on at the start."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LOG_LIMIT_BYTES:
            shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            os.truncate(path, 0)


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a log, indented for a message."""
    try:
        text = path.read_bytes()[-8192:].decode(errors="replace")
    except OSError:
        return "    (no log)"
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def stop(process: subprocess.Popen[bytes], *signals: tuple[signal.Signals, float], rest_of_group: bool = False) -> None:
    """Send a child each signal in turn, waiting its seconds; kill it if it is still there then.

    With `rest_of_group` its own children that outlived it are killed too.
    """
    for number, patience in (*signals, (signal.SIGKILL, 5.0)):
        if process.poll() is not None:
            break
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience)
    process.wait()
    if rest_of_group:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
