"""What is made sure of before anything starts: Python, the port, the secret key, no leftovers."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from config import processes
from config.processes import CannotStartError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from subprocess import Popen

OLDEST_PYTHON: Final = (3, 11)
RECORD: Final = "running.json"  # in the data folder: what runs, for the next start and for programs that wait
HIGHEST_PORT: Final = 65535


def check_python() -> None:
    """Refuse a Python the project does not run on."""
    if sys.version_info < OLDEST_PYTHON:
        message = f"Python {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed, this is {sys.version.split()[0]}"
        raise CannotStartError(message)


def port_number(text: str) -> int:
    """Read a port number, 0 meaning any free one; refuse anything else."""
    if not text.isdecimal() or int(text) > HIGHEST_PORT:
        message = f"PORT={text} is not a port number"
        raise CannotStartError(message)
    return int(text)


def free_port(host: str, port: int) -> int:
    """Return the port if we can listen on it (any free one for 0), or say that it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = (
                f"port {port} on {host} cannot be used ({error.strerror}); choose another: make up PORT={port + 1}"
            )
            raise CannotStartError(message) from None
        return int(probe.getsockname()[1])


def make_secret_key(data_dir: Path) -> None:
    """Make the key that signs sessions, readable to us alone, unless there is one or the environment has it."""
    path = data_dir / "secret_key"
    if os.environ.get("DJANGO_SECRET_KEY") or path.exists():
        return
    written = data_dir / "secret_key.new"
    written.unlink(missing_ok=True)
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(50))
    written.rename(path)


def record(data_dir: Path, running: Sequence[Popen[bytes]], url: str | None) -> None:
    """Write down what runs, and the site's address once it answers."""
    children = {str(process.pid): processes.start_time(process.pid) for process in running}
    written = data_dir / f"{RECORD}.new"
    written.write_text(json.dumps({"children": children, "url": url}))
    written.replace(data_dir / RECORD)


def end_leftovers(data_dir: Path) -> None:
    """End what a site that was killed left running on this data folder; its lock must be ours."""
    path = data_dir / RECORD
    try:
        children: dict[str, str] = json.loads(path.read_text())["children"]
    except (OSError, ValueError, KeyError):
        return
    for pid, since in children.items():
        if processes.start_time(int(pid)) == since:
            processes.end_leftover(int(pid), (signal.SIGTERM, 10.0))
        for member in _session(int(pid)):
            if _works_on(member, data_dir):
                processes.end_leftover(member)
    path.unlink(missing_ok=True)


def _session(leader: int) -> list[int]:
    """List the processes of a session, whose leader may be gone."""
    members = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            if (folder / "stat").read_text().rpartition(")")[2].split()[3] == str(leader):
                members.append(int(folder.name))
    return members


def _works_on(pid: int, data_dir: Path) -> bool:
    """Whether a process was given this data folder."""
    try:
        return f"DATA_DIR={data_dir}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def say(text: str, end: str = "\n") -> None:
    """Tell the person who started us; a reader who left (`make up | head`) asks us to stop."""
    try:
        print(text, end=end, flush=True)  # noqa: T201 - this is what a launcher is for
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise processes.StopRequested from None


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Say what is being started, and how long it took."""
    say(f"  {name} … ", end="")
    began = time.monotonic()
    try:
        yield
    except BaseException:
        with contextlib.suppress(processes.StopRequested):
            say("no")
        raise
    say(f"{time.monotonic() - began:.1f} s")
