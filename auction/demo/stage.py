"""The demo's site: the project's own supervisor on a scratch data folder that is gone afterwards."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from config import embedded, preflight, processes
from config import scratch as places

SCRATCH = "auction-demo-"
KEPT = "auction-demo.kept-"
START_SECONDS = 120.0
STOP_SECONDS = 45.0
_CHILDREN = ("PostgreSQL", "worker", "beat", "web")  # in the order in which the supervisor starts them
# A site of one's own: nothing of the caller's servers, names or secrets reaches it.
_NOT_INHERITED = {"DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SECRET_KEY", "ALLOWED_HOSTS", "HTTPS", "DEBUG"}


class DemoFailedError(Exception):
    """The demo cannot go on; the message says why."""


class Site(NamedTuple):
    """A running site: where it answers, where its files are, and what runs."""

    url: str
    data_dir: Path
    supervisor: int
    children: dict[str, int]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or 80


@contextlib.contextmanager
def scratch(*, keep: bool, say: Callable[[str], None]) -> Iterator[Path]:
    """Make a data folder and remove it afterwards, unless it is to be kept; those of killed demos go first."""
    with places.data_dir(SCRATCH, kept=KEPT if keep else "") as folder:
        try:
            yield folder
        finally:
            if keep:
                say(f"Kept: look around with  DATA_DIR={shlex.quote(str(folder))} make up")


@contextlib.contextmanager
def running(data_dir: Path, *, say: Callable[[str], None]) -> Iterator[Site]:
    """Start everything on a data folder, repeating what the supervisor says, and stop it all afterwards.

    Meanwhile this process's own database connection leads to the scratch database. Call it from the main thread.
    """
    embedded.make_data_dir(data_dir)
    log = data_dir / "log" / "supervisor.log"
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    environment |= {"DATA_DIR": str(data_dir), "HOST": "127.0.0.1", "PORT": "0"}
    command = [sys.executable, "-m", "config.supervisor", "up"]
    supervisor = processes.spawn(command, log=log, cwd=settings.BASE_DIR, env=environment)
    seen: set[int] = set()
    try:
        site = _wait(supervisor, data_dir, log, say)
        seen = {*site.children.values()}
        with places.connected_to(embedded.database_url(data_dir)):
            yield site
    finally:
        places.ignore_signals()
        processes.stop(supervisor, (signal.SIGTERM, STOP_SECONDS))
    if left := sorted(pid for pid in seen if processes.start_time(pid) is not None):
        message = f"These processes outlived the supervisor: {left}"
        raise DemoFailedError(message)


def _wait(supervisor: subprocess.Popen[bytes], data_dir: Path, log: Path, say: Callable[[str], None]) -> Site:
    """Return the site when it answers, repeating the supervisor's words as they come."""
    said = 0
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        ended = supervisor.poll() is not None
        lines = log.read_text(errors="replace").splitlines(keepends=True)
        for line in lines[said:]:
            if not line.endswith("\n") or not line.startswith(" "):  # not whole yet, or past its steps
                break
            say(line.rstrip("\n"))
            said += 1
        if ended:
            break
        record = _record(data_dir)
        if record.get("url"):
            children = dict(zip(_CHILDREN, map(int, record["children"]), strict=True))
            return Site(record["url"], data_dir, supervisor.pid, children)
        time.sleep(0.1)
    message = f"The site did not start; {log} ends:\n{processes.tail(log)}"
    raise DemoFailedError(message)


def _record(data_dir: Path) -> dict[str, Any]:
    """Return what the supervisor wrote down; nothing as long as it has not."""
    try:
        record: dict[str, Any] = json.loads((data_dir / preflight.RECORD).read_text())
    except (OSError, ValueError):
        return {}
    return record
