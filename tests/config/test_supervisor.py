"""The launcher's own decisions; the whole of it is met by `make smoke`."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
import time
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

from config import preflight, processes, supervisor
from config.models import User

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
PATIENCE = 120  # seconds, for a machine that does much else; it takes less than one
FREE = range(20_100, 20_200)  # below those that the system deals out to whoever asks for any port


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Give a child as the launcher starts them, in a session of its own, working on a data folder."""
    process = processes.spawn(SLEEPER, log=tmp_path / "log", env={**os.environ, "DATA_DIR": str(tmp_path)})
    yield process
    processes.stop(process)


def _held() -> socket.socket:
    """Return a socket bound to a port that nobody else is given meanwhile."""
    for port in FREE:
        held = socket.socket()
        try:
            held.bind(("127.0.0.1", port))
        except OSError:
            held.close()
        else:
            return held
    pytest.fail("no port is free")


@pytest.mark.parametrize("text", ["", "x", "-1", "65536", "80 "])
def test_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(processes.CannotStartError, match="is not a port number"):
        preflight.port_number(text)


def test_busy_port_is_named_and_another_proposed() -> None:
    with _held() as other:
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(processes.CannotStartError, match=rf"port {port} on .* make up PORT="):
            preflight.free_port("127.0.0.1", port)
    assert preflight.free_port("127.0.0.1", port) == port


def test_port_zero_takes_a_free_one() -> None:
    assert preflight.free_port("127.0.0.1", 0) > 0


def test_secret_key_is_made_once_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DJANGO_SECRET_KEY", raising=False)
    preflight.make_secret_key(tmp_path)
    key = (tmp_path / "secret_key").read_text()
    assert len(key) >= 50
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    preflight.make_secret_key(tmp_path)
    assert (tmp_path / "secret_key").read_text() == key


def test_second_holder_of_a_lock_learns_of_the_first(tmp_path: Path) -> None:
    first = processes.Lock(tmp_path / "lock", "the data")
    with pytest.raises(processes.CannotStartError, match=rf"already running on the data \(process {os.getpid()}\)"):
        processes.Lock(tmp_path / "lock", "the data")
    first.release()
    processes.Lock(tmp_path / "lock", "the data").release()


def test_leftovers_of_a_killed_site_are_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    preflight.record(tmp_path, [sleeper], url=None)
    preflight.end_leftovers(tmp_path)
    assert sleeper.wait(timeout=PATIENCE) == -signal.SIGTERM
    assert not (tmp_path / preflight.RECORD).exists()


def test_stranger_with_a_recorded_id_is_left_alone(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / preflight.RECORD).write_text(f'{{"children": {{"{sleeper.pid}": "1"}}}}')
    preflight.end_leftovers(tmp_path / "other")
    assert sleeper.poll() is None


def test_grandchildren_end_with_a_stopped_child(tmp_path: Path) -> None:
    script = f"import subprocess, sys; print(subprocess.Popen({SLEEPER!r}).pid, flush=True); sys.stdin.read()"
    child = processes.spawn([sys.executable, "-c", script + "; import time; time.sleep(60)"], log=tmp_path / "log")
    deadline = time.monotonic() + PATIENCE
    while len((tmp_path / "log").read_text().split()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    grandchild = int((tmp_path / "log").read_text().replace("up", "").split()[0])
    processes.stop(child, (signal.SIGTERM, 5), rest_of_group=True)
    while processes.start_time(grandchild) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes.start_time(grandchild) is None


def test_child_that_keeps_dying_waits_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    child = supervisor.Child("web", lambda: pytest.fail("not started here"), started_at=999.0)
    pauses = []
    for _ in range(8):
        child.postpone()
        pauses.append(child.pause)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert child.due == 1030.0
    child.started_at = 900.0  # lived for 100 s
    child.postpone()
    assert child.pause == 0.5


def test_long_log_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOG_LIMIT_BYTES", 10)
    log = tmp_path / "web.log"
    with processes.open_log(log) as writer:
        writer.write(b"more than ten bytes\n")
        processes.trim_log(log)
        writer.write(b"after\n")
    assert log.read_text() == "after\n"
    assert (tmp_path / "web.log.1").read_text() == "more than ten bytes\n"


@pytest.mark.django_db
def test_first_admin_is_made_once_with_the_password_shown() -> None:
    said = StringIO()
    call_command("bootstrap", stdout=said)
    password = said.getvalue().split("password ")[1].split()[0]
    admin = User.objects.get(username="admin")
    assert admin.is_superuser
    assert admin.check_password(password)
    again = StringIO()
    call_command("bootstrap", stdout=again)
    assert again.getvalue() == ""
    assert User.objects.count() == 1
