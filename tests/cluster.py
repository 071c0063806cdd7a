"""PostgreSQL for tests: a cluster of their own, a migrated template in it, and clones of that."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import parse_qs, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from config import embedded, processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEMPLATE: Final = "migrated"
SCHEMA: Final = "economy"  # ours, in a database of others
PREFIX: Final = "economy-tests-"
DEBIAN_PROGRAMS: Final = "/usr/lib/postgresql/{version}/bin"
OF_THE_WHEEL: Final = {16, 18}
# A clone is 840 files: to make and drop it takes ten times as long on a disk as in memory.
MEMORY: Final = "/dev/shm"  # noqa: S108 - mkdtemp makes a folder of our own in it
ROOM: Final = 2 * 2**30  # bytes, several times what a run leaves there


def version() -> int:
    """Return the PostgreSQL version under test: `PG=15`, `PG=16`, or the default 18."""
    return int(os.environ.get("PG") or 18)


# A worker that analyses a table while a test's transaction is open counts none of its rows. Plans made from that read
# the table whole for every row: once in a while a test took a hundred seconds instead of one.
STILL: Final = {"autovacuum": "off", "max_wal_size": "256MB"}  # the log may lie in memory


class ScratchCluster:
    """A cluster in a temporary folder that is gone when it stops; `durable` as for `make up`."""

    def __init__(self, *, durable: bool) -> None:
        """Choose the folder and describe the cluster; nothing runs yet."""
        _sweep()
        base = tempfile.gettempdir() if durable else _fast_folder()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base))
        self._folder.chmod(0o755)  # as root the server is another user and its files lie below
        number = version()
        programs = None if number in OF_THE_WHEEL else Path(DEBIAN_PROGRAMS.format(version=number))
        if programs is not None and not programs.is_dir():
            message = f"PostgreSQL {number} is not installed: apt-get install postgresql-{number}"
            raise processes.CannotStartError(message)
        self._cluster = embedded.Cluster(
            self._folder / "data",
            version=number,
            durable=durable,
            bin_dir=programs,
            settings={} if durable else STILL,
            root_base=self._folder / "homes",
        )

    def start(self) -> Self:
        """Start it; `url` is then the address of its empty database."""
        self._cluster.start()
        return self

    def stop(self) -> None:
        """Stop it and remove every trace."""
        self._cluster.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(self, *exception: object) -> None:
        """Stop it and remove every trace."""
        self.stop()

    @property
    def url(self) -> str:
        """The address of its empty database."""
        return self._cluster.url


def _fast_folder() -> str:
    """Return where a cluster lies that need not outlive anything: in memory, if there is room and programs may run."""
    if not Path(MEMORY).is_dir() or not os.access(MEMORY, os.W_OK):
        return tempfile.gettempdir()
    room = os.statvfs(MEMORY)
    is_fit = room.f_bavail * room.f_frsize >= ROOM and not room.f_flag & os.ST_NOEXEC
    return MEMORY if is_fit else tempfile.gettempdir()


def _sweep() -> None:
    """Remove the folders of test runs that were killed."""
    for folder in (one for base in (tempfile.gettempdir(), MEMORY) for one in Path(base).glob(f"{PREFIX}*-*")):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and processes.start_time(int(pid)) is None:
            shutil.rmtree(folder, ignore_errors=True)


def world() -> str:
    """Return the world of `tests/legacy` whose adopted tables the tests run on: `LEGACY=broad`; empty: none."""
    return os.environ.get("LEGACY", "")


def url_of(server: str, database: str) -> str:
    """Return a server's address with another database in it, and no schema."""
    parts = urlsplit(server)
    return urlunsplit(parts._replace(path=f"/{database}", query=parts.query.partition("&options=")[0]))


@contextlib.contextmanager
def pointed_at(url: str, schema: str | None = None) -> Iterator[None]:
    """Make Django's default connection, and programs started meanwhile, use another database.

    They see the tables of one schema in it: empty is `public`; if not said, where this run has ours.
    """
    if schema is None:
        schema = SCHEMA if world() else ""
    from django.db import connections  # noqa: PLC0415 - settings need the cluster's address first
    from django.test import override_settings  # noqa: PLC0415 - as above

    settings = connections.settings["default"]
    before = {name: settings[name] for name in ("NAME", "HOST", "OPTIONS")}
    told = {name: os.environ.get(name, "") for name in ("DATABASE_URL", "DATABASE_SCHEMA")}
    parts = urlsplit(url)
    connections.close_all()
    options = {name: value for name, value in before["OPTIONS"].items() if name != "options"}
    if schema:
        options["options"] = _path(schema)
    settings |= {"NAME": parts.path[1:], "HOST": parse_qs(parts.query)["host"][0], "OPTIONS": options}
    os.environ.update({"DATABASE_URL": url, "DATABASE_SCHEMA": schema})
    try:
        with override_settings(DATABASE_SCHEMA=schema):
            yield
    finally:
        connections.close_all()
        settings |= before
        os.environ.update(told)


def _path(schema: str) -> str:
    return f"-c search_path={schema}"


def migrate(server: str) -> str:
    """Make the migrated template of a server, unless some process has done so; returns its name."""
    return template(server, TEMPLATE, _migrated)


def _migrated(url: str) -> None:
    from django.core.management import call_command  # noqa: PLC0415 - as above

    with pointed_at(url, ""):
        call_command("migrate", verbosity=0, interactive=False)


def template(server: str, name: str, make: Callable[[str], object], *, of: str = "template1") -> str:
    """Make a template of a server in a database of its own, unless some process has done so; returns its name.

    `make` is called with the address of a database that is still empty, or a copy `of` another template.
    """
    folder = Path(parse_qs(urlsplit(server).query)["host"][0])
    with (folder.parent / f"template-{name}.lock").open("w") as guard, _administer(server) as session:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return name
        unfinished = sql.Identifier(f"{name}_new")
        session.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(unfinished))
        session.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(unfinished, sql.Identifier(of)))
        make(url_of(server, f"{name}_new"))
        session.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(unfinished, sql.Identifier(name)))
    return name


_numbers = itertools.count(1)


@contextlib.contextmanager
def clone(server: str, of: str = "") -> Iterator[str]:
    """Give a fresh copy of a template, dropped afterwards; yields its address.

    If not told, it is the migrated one, or that of the run's world; who connects to that address sees our tables.
    """
    seen = SCHEMA if world() and not of else ""
    of = of or _usual(server)
    name = f"clone_{os.getpid()}_{next(_numbers)}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with _administer(server) as session:
        session.execute(create.format(sql.Identifier(name), sql.Identifier(of)))
    url = url_of(server, name)
    try:
        yield f"{url}&{urlencode({'options': _path(seen)}, quote_via=quote)}" if seen else url
    finally:
        with _administer(server) as session:
            session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _usual(server: str) -> str:
    if not world():
        return migrate(server)
    from tests import adoptions  # noqa: PLC0415 - it builds on this module

    return adoptions.template(server, world())


def _administer(server: str) -> psycopg.Connection[tuple[object, ...]]:
    """Connect beside the databases in question, each statement by itself."""
    return psycopg.connect(url_of(server, "postgres"), autocommit=True)
