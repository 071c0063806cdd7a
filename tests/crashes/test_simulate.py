"""A simulation that is ended in its middle leaves nothing behind, or nothing that the next one does not clear away."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from auction.simulation import run
from config import embedded, processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PROJECT: Final = Path(__file__).resolve().parents[2]
_PATIENCE: Final = 120  # seconds for any one thing to happen: a server starts and its database is migrated
_MANY: Final = ("--policies=uniform", "--load=1.5", "--seeds=1000", "--rounds=2", "--quests=2", "--slots=1")
_STOPPED: Final = "CommandError: Stopped before its end."


class Traces(NamedTuple):
    """What a run has of its own while it lasts: its server's process, and folders."""

    server: int
    folders: tuple[Path, ...]

    def left(self) -> list[object]:
        """Return what is still there."""
        is_alive = processes.start_time(self.server) is not None
        return [*([self.server] if is_alive else []), *(folder for folder in self.folders if folder.exists())]


class Simulation:
    """`manage.py simulate` with more to do than it will be given time for."""

    def __init__(self, temporary: Path) -> None:
        self._said = temporary.with_name(f"{time.monotonic_ns()}.log")
        self._temporary = temporary
        with self._said.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "simulate", *_MANY],
                cwd=_PROJECT,
                env={**os.environ, "TMPDIR": str(temporary)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def said(self) -> list[str]:
        """Return the lines it has written."""
        return self._said.read_text().splitlines()

    def traces(self) -> Traces:
        """Wait until its server runs, and return what must be gone afterwards."""
        _until(lambda: any(self._notes()))
        (note,) = self._notes()
        state = json.loads(note.read_text())
        sockets = Path(parse_qs(urlsplit(state["url"]).query)["host"][0])
        home = (note.parent / "postgres").resolve()
        return Traces(state["pid"], (note.parent.parent, home, sockets))

    def _notes(self) -> list[Path]:
        return list(self._temporary.glob(f"{run.PREFIX}{self.process.pid}-*/data/{embedded.STATE}"))

    def end(self, number: signal.Signals) -> int:
        """Send it a signal and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(_PATIENCE)


@contextlib.contextmanager
def _simulating(temporary: Path) -> Iterator[Simulation]:
    temporary.mkdir(exist_ok=True)
    started = Simulation(temporary)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.end(signal.SIGINT)


def _until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not happened():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


def test_ctrl_c_in_a_round_leaves_nothing(tmp_path: Path) -> None:
    with _simulating(tmp_path / "tmp") as simulation:
        traces = simulation.traces()
        _until(lambda: any(line.startswith("2/") for line in simulation.said()))
        assert simulation.end(signal.SIGINT) == 128 + signal.SIGINT
    assert traces.left() == []
    assert list((tmp_path / "tmp").iterdir()) == []
    first, *progress, last = simulation.said()
    assert (first.split()[0], last) == ("starting", _STOPPED)
    assert [int(line.partition("/")[0]) for line in progress] == list(range(1, len(progress) + 1))


def test_a_killed_run_takes_its_server_along_and_the_next_clears_away_its_folder(tmp_path: Path) -> None:
    """The next one begins at once, while the server of the first is still ending, and is itself asked to stop."""
    with _simulating(tmp_path / "tmp") as simulation:
        killed = simulation.traces()
        assert simulation.end(signal.SIGKILL) == -signal.SIGKILL
    folder, *_elsewhere = killed.folders
    assert folder in killed.left()

    with _simulating(tmp_path / "tmp") as following:
        traces = following.traces()
        assert killed.left() == []
        assert following.end(signal.SIGTERM) == 128 + signal.SIGTERM
    assert traces.left() == []
    assert list((tmp_path / "tmp").iterdir()) == []
    assert following.said()[-1] == _STOPPED
    assert len(following.said()) == 2
