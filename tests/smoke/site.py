"""One `make up` under test, and what can be seen of it from outside."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Self

from config import preflight, processes

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

START_SECONDS = 900.0  # the first one installs packages
RUNNING = re.compile(r"Running after .*?for people +(http://\S+)/admin/", re.DOTALL)


class MakeUp:
    """A `make up` in a project's folder, what it has said so far, and its times."""

    def __init__(self, project: Path, *, port: int | None = None, read_lines: int | None = None) -> None:
        """Start it on a free port or the given one; with `read_lines` its reader leaves after so many lines."""
        self.port = port or preflight.free_port("127.0.0.1", 0)
        self.said = ""
        self._began = time.monotonic()
        self.seconds = 0.0
        outside = {
            name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "DATA_DIR", "MAKEFLAGS"}
        }
        self.process = subprocess.Popen(
            ["make", "up", f"PORT={self.port}"],  # noqa: S607
            cwd=project,
            env=outside,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=[read_lines], daemon=True)
        self._reader.start()

    def _read(self, lines: int | None) -> None:
        """Collect what it says, for good or for some lines."""
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for number, line in enumerate(stream, 1):
                self.said += line
                if number == lines:
                    return

    @property
    def url(self) -> str:
        """The address it printed."""
        found = RUNNING.search(self.said)
        assert found, self.said
        return found[1]

    def wait(self) -> Self:
        """Return when it says that it runs; fail when it ends before."""
        wait_until(lambda: RUNNING.search(self.said) or self.process.poll() is not None, "the start", START_SECONDS)
        self.seconds = time.monotonic() - self._began
        assert self.process.poll() is None, self.said
        return self

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to make, or as the terminal does to its whole group."""
        (os.killpg if group else os.kill)(self.process.pid, number)

    def end(self) -> int:
        """Wait for make's end; return its exit code."""
        code = self.process.wait(timeout=90)
        self._reader.join(timeout=60)
        return code

    def report(self, what: str, seconds: float | None = None) -> None:
        """Print how long a thing took."""
        print(f"smoke: {what}: {self.seconds if seconds is None else seconds:.1f} s", flush=True)  # noqa: T201


def wait_until(true: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait until something is so; fail, naming it, when it is not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


def answers(url: str) -> bool:
    """Whether a page is there."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def left_over(project: Path) -> dict[int, str]:
    """Return the living processes that work in or on a project's folder, by id, with their command lines."""
    homes = [str(project)]
    with contextlib.suppress(OSError):
        homes.append(str((project / ".data" / "postgres").resolve(strict=True)))
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            places = [str((folder / "cwd").readlink()), line]
            ours = any(home in place for home in homes for place in places)
            if ours and pid != os.getpid() and processes.start_time(pid):
                found[pid] = line
    return found
