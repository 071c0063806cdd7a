"""`make up`: PostgreSQL, the web server, a worker and beat, started in order and kept running."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, Self

from config import broker, embedded, preflight, processes
from config.preflight import say, step
from config.processes import CannotStartError, StopRequested

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

PROJECT: Final = Path(__file__).resolve().parent.parent
WATCH_SECONDS: Final = 0.25
FIRST_ANSWER_SECONDS: Final = 60.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before a child that died is started again
STEADY_SECONDS: Final = 60.0  # one that lived this long starts again from the shortest pause
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Child:
    """One program of the site, and when to start it again should it die."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause: float = SHORTEST_PAUSE
    due: float = 0.0  # when a dead one is started again, monotonic

    def run(self) -> None:
        """Start it."""
        self.started_at = time.monotonic()
        self.process = None
        self.process = self.start()

    def postpone(self) -> None:
        """Choose when to start it again: the oftener it dies, the later."""
        now = time.monotonic()
        steady = now - self.started_at >= STEADY_SECONDS
        self.pause = SHORTEST_PAUSE if steady else min(self.pause * 2, LONGEST_PAUSE)
        self.due = now + self.pause


class Site:
    """Everything that runs on one data folder. Use it in a `with`, from the main thread."""

    def __init__(self, data_dir: Path, *, host: str = "127.0.0.1", port: int = 8000) -> None:
        """Describe the site; port 0 takes any free one. Nothing starts yet."""
        self._data_dir = data_dir.absolute()
        self._host, self._port = host, port
        self._lock: processes.Lock | None = None
        self._cluster: embedded.Cluster | None = None
        self._children: list[Child] = []
        self._environment = dict(os.environ)

    @property
    def url(self) -> str:
        """The address of the site, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def __enter__(self) -> Self:
        """Start everything, or stop what was started and say why."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop everything."""
        self.stop()

    def watch(self) -> NoReturn:
        """Start again whatever dies, until a signal ends this."""
        while True:
            for child in self._children:
                self._look_after(child)
            time.sleep(WATCH_SECONDS)

    def stop(self) -> None:
        """Stop the children in the reverse of their order, the database last."""
        for child in reversed(self._children):
            if child.process is not None and child.name != "postgres":
                patience = (signal.SIGTERM, 15.0), (signal.SIGQUIT, 3.0)
                processes.stop(child.process, *patience, rest_of_group=True)
        if self._cluster is not None:
            self._cluster.stop()
        if self._lock is not None:
            (self._data_dir / preflight.RECORD).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def _start(self) -> None:
        """Check that we can start, then start the parts in order."""
        embedded.make_data_dir(self._data_dir)
        self._lock = processes.Lock(self._data_dir / "lock", str(self._data_dir))
        preflight.end_leftovers(self._data_dir)
        self._port = preflight.free_port(self._host, self._port)
        self._environment |= {
            "DATA_DIR": str(self._data_dir),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONUNBUFFERED": "1",
        }
        preflight.make_secret_key(self._data_dir)
        if not self._environment.get("CELERY_BROKER_URL"):
            broker.prepare(self._data_dir)
        if not self._environment.get("DATABASE_URL"):
            with step("PostgreSQL"):
                self._start_database()
        with step("migrations"):
            self._manage("migrate", "--no-input", "--verbosity", "0")
        say(self._manage("bootstrap"), end="")
        with step("worker, beat and web server"):
            for name, arguments in self._programs().items():
                self._add(Child(name, functools.partial(self._spawn, name, arguments)))
            self._wait_for_answer()
        self._record(ready=True)

    def _start_database(self) -> None:
        """Start the embedded server and tell the others where it is."""
        cluster = self._cluster = embedded.Cluster(self._data_dir)
        cluster.start()
        self._environment["DATABASE_URL"] = cluster.url
        self._children.append(Child("postgres", cluster.restart, cluster.process, time.monotonic()))

    def _programs(self) -> dict[str, list[str]]:
        """Name the programs of the site, in the order they start."""
        celery = ["celery", "--app", "config.celery"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        return {
            "worker": [*celery, "worker", "--loglevel", "INFO", "--concurrency", "2", *quiet],
            "beat": [*celery, "beat", "--loglevel", "INFO", "--pidfile="],
            "web": web_server(self._host, self._port),
        }

    def _spawn(self, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        """Start one of the programs, its output in a log of its name."""
        return processes.spawn(
            [sys.executable, "-m", *arguments], log=self._log(name), cwd=PROJECT, env=self._environment
        )

    def _log(self, name: str) -> Path:
        """Name the log file of a child."""
        return self._data_dir / "log" / f"{name}.log"

    def _manage(self, *arguments: str) -> str:
        """Run a management command to its end; return what it printed, or refuse with what it said."""
        done = subprocess.run(  # noqa: S603 - our own commands
            [sys.executable, "manage.py", *arguments],
            check=False,
            cwd=PROJECT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            message = f"manage.py {arguments[0]} failed:\n{(done.stderr or done.stdout).strip()}"
            raise CannotStartError(message)
        return done.stdout

    def _add(self, child: Child) -> None:
        """Start a child for the first time, and record it for whoever cleans up after a kill -9."""
        self._children.append(child)
        child.run()
        self._record(ready=False)

    def _record(self, *, ready: bool) -> None:
        """Write down what runs, for whoever cleans up after a kill -9 and whoever waits for the site."""
        running = [child.process for child in self._children if child.process is not None]
        preflight.record(self._data_dir, running, self.url if ready else None)

    def _look_after(self, child: Child) -> None:
        """Notice that a child died, and start it again when its pause is over."""
        processes.trim_log(self._log(child.name))
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                return
            processes.stop(child.process, rest_of_group=True)
            child.process = None
            child.postpone()
            self._record(ready=True)
            say(f"{child.name} ended ({code}): again in {child.pause:.1f} s; see {self._log(child.name)}")
        elif time.monotonic() >= child.due:
            try:
                child.run()
            except (CannotStartError, OSError) as error:
                child.postpone()
                say(f"{child.name} does not start, again in {child.pause:.1f} s: {error}")
            self._record(ready=True)

    def _wait_for_answer(self) -> None:
        """Return when the web server answers; refuse when it ends or stays silent."""
        web = self._children[-1].process
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - every address
        deadline = time.monotonic() + FIRST_ANSWER_SECONDS
        while time.monotonic() < deadline and web is not None and web.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection(host, self._port, timeout=5)
                connection.request("GET", "/healthz")
                connection.getresponse()
                connection.close()
                return
            time.sleep(0.05)
        message = f"the web server does not answer; {self._log('web')} ends:\n{processes.tail(self._log('web'))}"
        raise CannotStartError(message)


def web_server(host: str, port: int) -> list[str]:
    """Return the module and arguments of the web server, as `python -m` takes them."""
    workers = str(max(2, os.cpu_count() or 2))
    web = ["granian", "--interface", "wsgi", "--host", host, "--port", str(port)]
    web += ["--workers", workers, "--blocking-threads", "4", "--blocking-threads-idle-timeout", "600"]
    web += ["--no-ws", "--respawn-failed-workers", "--workers-kill-timeout", "10"]
    return [*web, "config.wsgi:application"]


def main(arguments: list[str]) -> int:
    """Run `up`: start the site the environment describes, say where it is, keep it running until told to stop."""
    if arguments != ["up"]:
        say("usage: python -m config.supervisor up")
        return 2
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN or number is not signal.SIGHUP:  # nohup
            signal.signal(number, _request_stop)
    began = time.monotonic()
    try:
        preflight.check_python()
        data_dir = Path(os.environ.get("DATA_DIR") or PROJECT / ".data")
        port = preflight.port_number(os.environ.get("PORT") or "8000")
        with Site(data_dir, host=os.environ.get("HOST") or "127.0.0.1", port=port) as site:
            say(f"Running after {time.monotonic() - began:.1f} s; logs in {data_dir / 'log'}; Ctrl-C stops everything.")
            say(f"  for people    {site.url}/admin/")
            say(f"  for agents    {site.url}/api/  (described at {site.url}/api/docs/)")
            site.watch()
    except StopRequested:
        with contextlib.suppress(StopRequested):
            say("Stopped.")
        return 0
    except CannotStartError as error:
        sys.stderr.write(f"Not started: {error}\n")
        return 1


def _request_stop(number: int, _: FrameType | None) -> NoReturn:
    """Leave whatever the main thread does; further signals cannot interrupt the stopping."""
    for other in STOP_SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise StopRequested(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
