"""A place to try things out: a folder that is gone afterwards, and databases in it that are not the operator's."""

import contextlib
import itertools
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from config import embedded, processes

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TEMPLATE: Final = "migrated"
_numbers = itertools.count(1)


@contextlib.contextmanager
def data_dir(prefix: str, *, kept: str = "") -> Iterator[Path]:
    """Make a data folder and remove it afterwards; those of killed programs with the same prefix go first.

    With `kept`, another prefix, it stays. Meanwhile SIGTERM and SIGHUP end the program as Ctrl-C does. Call it from
    the main thread.
    """
    _sweep(prefix)
    folder = Path(tempfile.mkdtemp(prefix=f"{kept or prefix}{os.getpid()}-"))
    before = {number: signal.signal(number, _interrupt) for number in _STOP_SIGNALS}
    try:
        yield folder / "data"
    finally:
        ignore_signals()
        if not kept:
            _remove(folder)
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Let nothing interrupt the tidying up."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def exit_code(stop: KeyboardInterrupt) -> int:
    """Return what an interrupted program ends with: 128 and its signal's number, as shells have it."""
    number: int = stop.args[0] if stop.args else signal.SIGINT
    return 128 + number


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(number)


def _sweep(prefix: str) -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*-*"):
        pid = folder.name.removeprefix(prefix).partition("-")[0]
        with contextlib.suppress(OSError):  # somebody else may just sweep it, too
            if folder.stat().st_uid == os.geteuid() and pid.isdigit() and processes.start_time(int(pid)) is None:
                _remove(folder)


def _remove(folder: Path) -> None:
    embedded.remove(folder / "data")
    folder.rmdir()


@contextlib.contextmanager
def connected_to(url: str) -> Iterator[None]:
    """Lead this process's default connection to another database."""
    mine = connections.settings["default"]
    before = dict(mine)
    parts = conninfo_to_dict(url)
    connections.close_all()
    mine |= {"NAME": parts["dbname"], "USER": parts["user"], "HOST": parts["host"]}
    mine |= {"PASSWORD": "", "PORT": "", "OPTIONS": {}}
    try:
        yield
    finally:
        connections.close_all()
        mine |= before


class Databases:
    """Empty databases of this project, one after the other, in a server of their own. It forgets all in a crash.

    Nothing in it moves by itself: no autovacuum changes a plan between two runs that are to be alike.
    """

    def __init__(self, server: str, *, template: str = "") -> None:
        """Take the address of a scratch server, and the migrated database in it that is to be copied.

        Without one it is made when the first database is asked for, which takes a while.
        """
        self._server = server
        self._template = template

    @classmethod
    @contextlib.contextmanager
    def started(cls, prefix: str) -> Iterator["Databases"]:
        """Start a server in a scratch folder and stop it afterwards."""
        with (
            data_dir(prefix) as home,
            embedded.Cluster(home, durable=False, settings={"autovacuum": "off"}) as server,
        ):
            yield cls(server.url)

    @contextlib.contextmanager
    def fresh(self) -> Iterator[None]:
        """Give an empty, migrated database: this process's default connection leads there until it is dropped."""
        template = self._template or self._migrated()
        name = f"run_{os.getpid()}_{next(_numbers)}"
        self._do("CREATE DATABASE {} TEMPLATE {}", name, template)
        try:
            with connected_to(self._address(name)):
                yield
        finally:
            self._do("DROP DATABASE {} WITH (FORCE)", name)

    def _migrated(self) -> str:
        self._do("CREATE DATABASE {}", _TEMPLATE)
        with connected_to(self._address(_TEMPLATE)):
            call_command("migrate", verbosity=0, interactive=False)
        self._template = _TEMPLATE
        return self._template

    def _do(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._address("postgres"), autocommit=True) as session:
            session.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _address(self, database: str) -> str:
        return make_conninfo(self._server, dbname=database)
