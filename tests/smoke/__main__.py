"""`make up` as a newcomer meets it: from nothing, in an awkward folder, started, stopped, killed, started again.

Prints what was seen and how long it took; ends with a count of the checks, and exit 1 at the first that fails.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from config import embedded, preflight, processes
from tests.smoke.site import MakeUp, answers, left_over, wait_until

PROJECT = Path(__file__).resolve().parents[2]
AWKWARD = Path("a folder, with blanks") / ("x" * 100)  # too long for a socket, too odd for a list
PASSWORD = re.compile(r"First admin: admin, password \S+")


def main() -> int:
    """Run every check in a copy of the last commit."""
    parent = Path(tempfile.mkdtemp(prefix="smoke-"))
    project = parent / AWKWARD
    project.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=PROJECT, check=True, capture_output=True)  # noqa: S607
    subprocess.run(["tar", "-x", "-C", project], input=archive.stdout, check=True)  # noqa: S607
    modes = {folder: folder.stat().st_mode for folder in project.parents}
    done = 0
    try:
        for check in (starts, starts_again, survives_a_kill, says_a_busy_port, leaves_with_its_reader):
            check(project)
            done += 1
        assert modes == {folder: folder.stat().st_mode for folder in project.parents}, "folder modes changed"
    finally:
        embedded.remove(project / ".data")
        shutil.rmtree(parent, ignore_errors=True)
    print(f"smoke: {done} passed, 0 failed")  # noqa: T201 - the report
    return 0


def starts(project: Path) -> None:
    """Start from no environment at all; the site answers, audits clean, refuses a second copy, mends itself."""
    site = MakeUp(project).wait()
    site.report("first start, installing packages")
    assert len(PASSWORD.findall(site.said)) == 1, site.said
    assert answers(f"{site.url}/admin/login/")
    audit = subprocess.run([".venv/bin/python", "manage.py", "audit"], cwd=project, check=False, timeout=60)
    assert audit.returncode == 0, "audit from another terminal"
    second = MakeUp(project, port=preflight.free_port("127.0.0.1", 0))
    assert second.end() != 0, second.said
    assert "already running on" in second.said, second.said
    assert answers(f"{site.url}/admin/login/"), "the refused copy harmed the first"
    web = _child(project, "granian")
    os.kill(web, signal.SIGKILL)
    wait_until(lambda: "web ended" in site.said and answers(f"{site.url}/admin/login/"), "the web server's return")
    site.signal(signal.SIGTERM)  # to make itself
    _nothing_left(site, project)


def starts_again(project: Path) -> None:
    """Start again on the same data: quickly, without a second admin; Ctrl-C ends it."""
    site = MakeUp(project).wait()
    site.report("second start")
    assert not PASSWORD.search(site.said), site.said
    assert site.seconds < 60, "a start with an environment takes under a minute"
    assert (project / ".data" / "secret_key").stat().st_mode & 0o777 == 0o600
    site.signal(signal.SIGINT, group=True)
    _nothing_left(site, project)


def survives_a_kill(project: Path) -> None:
    """Kill launcher, make and database outright; the next start cleans up and runs."""
    site = MakeUp(project).wait()
    postmaster = json.loads((project / ".data" / embedded.STATE).read_text())["pid"]
    launcher = _child(project, "config.supervisor")
    for pid in (launcher, site.process.pid, postmaster):
        os.kill(pid, signal.SIGKILL)
    site.end()
    again = MakeUp(project).wait()
    again.report("start after a kill -9")
    again.signal(signal.SIGTERM)
    _nothing_left(again, project)


def says_a_busy_port(project: Path) -> None:
    """Hear of a port in use before anything starts."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        site = MakeUp(project, port=other.getsockname()[1])
        assert site.end() != 0
    assert "cannot be used" in site.said, site.said
    assert "PostgreSQL" not in site.said, site.said


def leaves_with_its_reader(project: Path) -> None:
    """End like Ctrl-C when the reader goes, as in `make up | head -1`."""
    site = MakeUp(project, read_lines=1)
    site.end()
    _nothing_left(site, project)


def _nothing_left(site: MakeUp, project: Path) -> None:
    """Wait for the end; then no process of the project lives, and its port is free."""
    began = time.monotonic()
    site.end()
    site.report("stop", time.monotonic() - began)
    wait_until(lambda: not left_over(project), f"the end of {left_over(project)}", 10)
    preflight.free_port("127.0.0.1", site.port)
    home = project / ".data" / "postgres"
    assert not (project / ".data" / embedded.STATE).exists()
    assert not any((home / "s").glob(".s.*")) if (home / "s").exists() else True


def _child(project: Path, word: str) -> int:
    """Return the lowest process id among the project's processes that have a word in their command line."""
    found = [pid for pid, line in left_over(project).items() if word in line and processes.start_time(pid)]
    assert found, f"no process {word}"
    return min(found)


if __name__ == "__main__":
    sys.exit(main())
