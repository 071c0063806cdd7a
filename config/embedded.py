"""PostgreSQL from the wheel's programs: a private cluster, reached through a socket only."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import parse_qs, quote, urlsplit

from config import pg_home, processes
from config.processes import CannotStartError

if TYPE_CHECKING:
    from collections.abc import Mapping

APP: Final = "app"  # the database, and the role that owns it
STATE: Final = "postgres.json"  # in the data folder while a server runs
READY_SECONDS: Final = 300.0  # recovery after a crash may take long; a failure ends the process
STATUS_LINE: Final = 7  # of postmaster.pid, counted from 0
POLL_SECONDS: Final = 0.01
# A client that froze in the middle of a transaction must not hold a pool's lock for ever, nor wait for one.
PATIENCE: Final = {"idle_in_transaction_session_timeout": "60s", "lock_timeout": "30s"}
WITHOUT_FSYNC: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
IDENTITY_MAP: Final = "embedded"


class Cluster:
    """One PostgreSQL server of our own, for as long as this object is started.

    `home` is the data folder; `version` 18 or 16 is the wheel's, another one needs `bin_dir`, the
    folder of its programs. A cluster that is not `durable` is fast and dies with the machine: it
    is for tests. `settings` are server settings by name. Started by root, the server runs as
    `service_user`, with its files under `root_base`. Call it from the main thread.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, each with a default
        self,
        home: Path,
        *,
        version: int = 18,
        durable: bool = True,
        bin_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
        service_user: str | None = None,
        root_base: Path = pg_home.ROOT_BASE,
    ) -> None:
        """Describe the cluster; nothing is touched before `start`."""
        self.data_dir = home.absolute()
        self._version = version
        self._durable = durable
        self._bin_dir = bin_dir
        self._settings = {"max_connections": "300", "timezone": "UTC", "log_timezone": "UTC"} | PATIENCE
        self._settings |= ({} if durable else WITHOUT_FSYNC) | dict(settings or {})
        self._service_user = service_user or os.environ.get("EMBEDDED_DB_USER") or "nobody"
        self._root_base = root_base
        self._log = self.data_dir / "log" / "postgres.log"
        self._lock: processes.Lock | None = None
        self._sockets: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop the server, whatever happened."""
        self.stop()

    @property
    def url(self) -> str:
        """The `DATABASE_URL` of the running server; it stays the same over a restart."""
        if self._sockets is None:
            message = "the cluster is not started"
            raise RuntimeError(message)
        return f"postgresql://{APP}@/{APP}?host={quote(str(self._sockets), safe='')}"

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The server's process, once started; ended when its `poll` says so."""
        return self._process

    def start(self) -> None:
        """Start the server and wait until it answers; initialise the cluster the first time.

        Refuses a second server on the same data, and says why one does not start.
        """
        make_data_dir(self.data_dir)
        self._home = pg_home.locate(self.data_dir, service_user=self._service_user, base=self._root_base)
        self._lock = processes.Lock(self._home.path / "lock", str(self.data_dir))
        try:
            self._programs = self._bin_dir or self._home.programs(self._version)
            _end_orphan(self._data)
            self._initialise()
            self._remove_state()  # of a server that was killed, with its temporary folder
            self._sockets = self._home.socket_folder()
            self.restart()
        except BaseException:
            self.stop()
            raise

    def restart(self) -> subprocess.Popen[bytes]:
        """Run the server program on the data of a started cluster, its server having ended."""
        options = dict(self._settings) | {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
        }
        arguments: list[str | Path] = [self._programs / "postgres", "-D", self._data]
        for name, value in options.items():
            arguments += ["-c", f"{name}={value}"]
        self._process = processes.spawn(arguments, log=self._log, death_signal=signal.SIGINT, **self._home.run_as())
        self._wait_until_ready(self._process)
        state = {"url": self.url, "pid": self._process.pid}
        written = self.data_dir / f"{STATE}.new"
        written.write_text(json.dumps(state))
        written.replace(self.data_dir / STATE)
        return self._process

    def stop(self) -> None:
        """Stop the server, cleanly if it lets us, and leave nothing but its data."""
        if self._process is not None:
            processes.stop(self._process, (signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))
            self._process = None
        if self._sockets is not None:
            self._remove_state()
            self._sockets = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def _data(self) -> Path:
        """The cluster's own folder, one per version."""
        return self._home.path / f"pg{self._version}"

    def _run(self, program: str, *arguments: str | Path, text: str | None = None) -> None:
        """Run one of PostgreSQL's programs to its end, or say what it said."""
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
            [self._programs / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            input=text or "",
            start_new_session=True,
            **self._home.run_as(),
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            message = f"{program} failed (as user {self._home.user.pw_name}):\n{said}"
            raise CannotStartError(message)

    def _initialise(self) -> None:
        """Make the cluster and its database, under another name until both are complete."""
        if self._data.is_dir():
            return
        new = self._data.with_name(f"{self._data.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        self._home.make_private(new)
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run(
            "initdb",
            *("-D", new, "-U", APP, "--auth=peer", "--encoding=UTF8", "--locale=C"),
            *(builtin if self._version >= 17 else []),  # noqa: PLR2004 - the first to have it
            *([] if self._durable else ["--no-sync"]),
            "--no-instructions",
        )
        (new / "pg_hba.conf").write_text(f"local all all peer map={IDENTITY_MAP}\n")
        names = {self._home.user.pw_name, pwd.getpwuid(os.geteuid()).pw_name, "root"}
        lines = [f'{IDENTITY_MAP} "{name}" {APP}\n' for name in sorted(names)]
        (new / "pg_ident.conf").write_text("".join(lines))
        self._run("postgres", "--single", "-D", new, "postgres", text=f"CREATE DATABASE {APP};\n")
        new.rename(self._data)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Return when the server takes connections; raise with its last words if it ended."""
        pid_file = self._data / "postmaster.pid"
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                message = f"PostgreSQL did not start; {self._log} ends:\n{processes.tail(self._log)}"
                raise CannotStartError(message)
            with contextlib.suppress(OSError, IndexError):
                lines = pid_file.read_text().splitlines()
                if lines[0] == str(process.pid) and lines[STATUS_LINE].strip() == "ready":
                    return
            time.sleep(POLL_SECONDS)
        message = f"PostgreSQL was not ready after {READY_SECONDS:.0f} s; see {self._log}"
        raise CannotStartError(message)

    def _remove_state(self) -> None:
        _remove_state(self.data_dir, self._sockets)


def make_data_dir(data_dir: Path) -> None:
    """Make the data folder, closed to other users; one that exists keeps its mode."""
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    data_dir.mkdir(mode=0o700, exist_ok=True)


def database_url(data_dir: Path) -> str:
    """Return the `DATABASE_URL` of the server running on a data folder, or say that none runs."""
    note = data_dir / STATE
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(_socket_folder(note) / pg_home.SOCKET_NAME))
        return str(json.loads(note.read_text())["url"])
    except (OSError, ValueError, KeyError):
        message = f"no server is running on {data_dir}: start it with make up, or set DATABASE_URL"
        raise CannotStartError(message) from None


def database_url_or_placeholder(data_dir: Path) -> str:
    """Return the running server's `DATABASE_URL`, else one that fails on the first connection.

    Settings must load without a server (linters, `--help`); the error then names the cure.
    """
    try:
        return database_url(data_dir)
    except CannotStartError:
        return f"postgresql://{APP}@/{APP}?host={quote('/no server is running/start it with make up', safe='')}"


def remove(data_dir: Path) -> None:
    """Delete a scratch data folder, with the home its cluster had elsewhere; a server left behind in it is ended."""
    home = data_dir / "postgres"
    for data in home.resolve().glob("pg*"):
        _end_orphan(data)
    _remove_state(data_dir)
    if home.is_symlink():
        shutil.rmtree(home.resolve(), ignore_errors=True)
    shutil.rmtree(data_dir, ignore_errors=True)


def _end_orphan(data: Path) -> None:
    """Stop a server whose launcher was killed: the caller owns its data, so nobody else cares for it."""
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    if _works_in(pid, data):
        processes.end_leftover(pid, (signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0))
    # The id may by now be a stranger's, and the server would wait for that one to end.
    pid_file.unlink(missing_ok=True)


def _remove_state(data_dir: Path, sockets: Path | None = None) -> None:
    """Remove the note of a running server, and its socket folder if that was a temporary one."""
    note = data_dir / STATE
    if sockets is None and note.exists():
        sockets = _socket_folder(note)
    if sockets is not None and sockets.name.startswith(pg_home.TEMPORARY):
        shutil.rmtree(sockets, ignore_errors=True)
    note.unlink(missing_ok=True)


def _socket_folder(note: Path) -> Path:
    """Read the socket folder of a running server from its note."""
    query = urlsplit(json.loads(note.read_text())["url"]).query
    return Path(parse_qs(query)["host"][0])


def _works_in(pid: int, folder: Path) -> bool:
    """Whether a process has this folder as its own, as a server has its data."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder
    except OSError:
        return False
