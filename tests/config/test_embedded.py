"""The embedded cluster: any path, any user, one at a time, and nothing touched outside its folder."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from config import embedded, pg_home, processes

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


@contextlib.contextmanager
def _reachable_folder() -> Iterator[Path]:
    """Give a folder the server's user can reach, which pytest's own are not when root runs it."""
    path = Path(tempfile.mkdtemp(prefix="embedded-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a fresh folder for a cluster."""
    with _reachable_folder() as path:
        yield path


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Path, embedded.Cluster]]:
    """Give a cluster that tests only look at, and the folder it lies in."""
    with _reachable_folder() as path, _cluster(path) as cluster:
        yield path, cluster


def _cluster(folder: Path, data: str = "data", *, durable: bool = False) -> embedded.Cluster:
    return embedded.Cluster(folder / data, durable=durable, root_base=folder / "homes")


def _ask(url: str, question: str) -> object:
    with psycopg.connect(url) as session:
        row = session.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("data", ["data", 'with blanks, a comma and a "quote"', "long" * 30])
def test_cluster_starts_in_any_path_and_keeps_its_data(folder: Path, data: str) -> None:
    with _cluster(folder, data) as cluster, psycopg.connect(cluster.url) as session:
        session.execute("CREATE TABLE kept AS SELECT 'yes' AS answer")
    with _cluster(folder, data) as cluster:
        assert _ask(cluster.url, "SELECT answer FROM kept") == "yes"
        assert _ask(cluster.url, "SHOW listen_addresses") == ""
        assert _ask(cluster.url, "SHOW max_connections") == "300"
        assert _ask(cluster.url, "SELECT current_user || '@' || current_database()") == "app@app"
        assert _ask(cluster.url, "SELECT upper('é')") == "É"


def test_database_url_finds_a_running_server_only(running: tuple[Path, embedded.Cluster], tmp_path: Path) -> None:
    folder, cluster = running
    assert embedded.database_url(folder / "data") == cluster.url
    (tmp_path / embedded.STATE).write_text('{"url": "postgresql://app@/app?host=/gone"}')
    with pytest.raises(processes.CannotStartError, match=rf"no server is running on {tmp_path}: start it with make up"):
        embedded.database_url(tmp_path)


def test_second_server_on_the_same_data_is_refused(running: tuple[Path, embedded.Cluster]) -> None:
    folder, cluster = running
    with pytest.raises(processes.CannotStartError, match=rf"already running on .*data \(process {os.getpid()}\)"):
        _cluster(folder).start()
    assert _ask(cluster.url, "SELECT 1") == 1


def test_folders_outside_keep_their_modes(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    before = {path: path.stat() for path in (closed, *closed.parents, Path(tempfile.gettempdir()))}
    with embedded.Cluster(closed / "data", durable=False, root_base=folder / "homes") as cluster:
        assert _ask(cluster.url, "SELECT 1") == 1
    for path, then in before.items():
        now = path.stat()
        assert (now.st_mode, now.st_uid, now.st_gid) == (then.st_mode, then.st_uid, then.st_gid), path


def test_socket_and_data_folder_are_private(running: tuple[Path, embedded.Cluster]) -> None:
    folder, _ = running
    sockets = embedded._socket_folder(folder / "data" / embedded.STATE)  # noqa: SLF001
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700


def test_temporary_socket_folder_goes_at_the_end(folder: Path) -> None:
    with embedded.Cluster(folder / ("long" * 30), durable=False, root_base=folder / ("base" * 30)):
        sockets = embedded._socket_folder(folder / ("long" * 30) / embedded.STATE)  # noqa: SLF001
        assert sockets.name.startswith(pg_home.TEMPORARY)
    assert not sockets.exists()


LAUNCHER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from config import embedded
    cluster = embedded.Cluster(Path(sys.argv[1]), durable=False, root_base=Path(sys.argv[2]))
    cluster.start()
    print(cluster.url, cluster.process.pid, flush=True)
    if sys.stdin.read() == "stop":
        cluster.stop()
    else:
        raise SystemExit("told to fail")
""")


def test_server_ends_with_a_killed_launcher_and_starts_again(folder: Path) -> None:
    arguments: list[str | Path] = [sys.executable, "-c", LAUNCHER, folder / "data", folder / "homes"]
    with subprocess.Popen(arguments, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        server = int(launcher.stdout.readline().split()[1])
        launcher.kill()
    with _cluster(folder) as cluster:  # waits for the orphan, or ends it
        assert processes.start_time(server) is None
        assert _ask(cluster.url, "SELECT 1") == 1


def test_removing_what_a_killed_launcher_left_ends_its_server_first(folder: Path) -> None:
    arguments: list[str | Path] = [sys.executable, "-c", LAUNCHER, folder / "data", folder / "homes"]
    with subprocess.Popen(arguments, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        server = int(launcher.stdout.readline().split()[1])
        launcher.kill()
    home = (folder / "data" / "postgres").resolve()
    embedded.remove(folder / "data")
    assert processes.start_time(server) is None
    assert not home.exists()
    assert not (folder / "data").exists()


def test_stale_pid_file_naming_a_stranger_is_no_obstacle(folder: Path) -> None:
    with _cluster(folder):
        pass
    home = (folder / "data" / "postgres").resolve()
    (home / "pg18" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    with _cluster(folder) as cluster:
        assert _ask(cluster.url, "SELECT 1") == 1


def test_half_made_cluster_is_made_again(folder: Path) -> None:
    with _cluster(folder):
        pass
    home = (folder / "data" / "postgres").resolve()
    (home / "pg18").rename(home / "pg18.new")
    with _cluster(folder) as cluster:
        assert _ask(cluster.url, "SELECT 1") == 1


def test_server_that_does_not_start_says_why(folder: Path) -> None:
    cluster = embedded.Cluster(
        folder / "data", durable=False, settings={"shared_buffers": "much"}, root_base=folder / "homes"
    )
    with pytest.raises(processes.CannotStartError, match=r'(?s)did not start.*"shared_buffers": "much"'):
        cluster.start()
    with _cluster(folder) as mended:  # and lets go of everything
        assert _ask(mended.url, "SELECT 1") == 1


def test_restart_after_the_server_was_killed_keeps_its_address(folder: Path) -> None:
    with _cluster(folder) as cluster:
        assert cluster.process is not None
        url = cluster.url
        cluster.process.send_signal(signal.SIGQUIT)
        cluster.process.wait()
        cluster.restart()
        assert cluster.url == url
        assert _ask(url, "SELECT 1") == 1


@as_root
def test_root_runs_the_server_as_nobody(running: tuple[Path, embedded.Cluster]) -> None:
    folder, cluster = running
    assert cluster.process is not None
    assert Path(f"/proc/{cluster.process.pid}").stat().st_uid == NOBODY.pw_uid
    home = (folder / "data" / "postgres").resolve()
    assert home.parent == folder / "homes"
    assert (home.stat().st_uid, stat.S_IMODE(home.stat().st_mode)) == (0, 0o755)


@as_root
def test_ordinary_user_runs_it_in_a_closed_home(folder: Path) -> None:
    """A user with nothing but a 700 home: programs and data both lie in there, the server is theirs."""
    home = folder / "home"
    package = pg_home.wheel_folder()
    for part in (f"{package.name}/{pg_home.FOLDERS[18]}", f"{package.name}.libs"):
        shutil.copytree(package.parent / part, home / part, ignore=shutil.ignore_patterns("include"))
    (home / package.name / "__init__.py").touch()
    (home / "config").mkdir()
    for module in ("__init__", "embedded", "pg_home", "processes"):
        shutil.copy(PROJECT / "config" / f"{module}.py", home / "config")
    subprocess.run(["chown", "-R", "nobody", home], check=True)  # noqa: S607
    home.chmod(0o700)
    done = subprocess.run(
        [_reachable_python(), "-c", LAUNCHER, home / "data", "/nowhere"],
        check=False,
        cwd=home,
        user=NOBODY.pw_uid,
        group=NOBODY.pw_gid,
        extra_groups=[],
        env={"PATH": os.defpath, "PYTHONPATH": str(home)},
        input="stop",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert (home / "data" / "postgres" / "pg18" / "PG_VERSION").stat().st_uid == NOBODY.pw_uid
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert not (home / "data" / embedded.STATE).exists()


def _reachable_python() -> str:
    """Return a Python another user can run; ours may lie in a folder closed to it."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(PermissionError):
            question = [candidate, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
            if subprocess.run(question, check=False, user=NOBODY.pw_uid).returncode == 0:
                return candidate
    pytest.skip("no Python that another user can run")


def test_home_of_another_user_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "postgres").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY.pw_uid if os.getuid() == 0 else 0)
    with pytest.raises(processes.CannotStartError, match="belongs to user"):
        pg_home.locate(folder, base=folder / "homes")


def test_vanished_home_is_named(folder: Path) -> None:
    (folder / "postgres").symlink_to(folder / "gone")
    with pytest.raises(processes.CannotStartError, match="gone, which is gone: remove"):
        pg_home.locate(folder, base=folder / "homes")


def test_state_note_tells_other_programs(running: tuple[Path, embedded.Cluster]) -> None:
    folder, cluster = running
    note = json.loads((folder / "data" / embedded.STATE).read_text())
    assert cluster.process is not None
    assert note == {"url": cluster.url, "pid": cluster.process.pid}
