"""Databases of other services, built from `tests/legacy/*.sql`, and what proves that nothing in them was harmed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg import sql

from config import pg_home
from tests import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FOLDER: Final = Path(__file__).with_name("legacy")
WORLDS: Final = ("minimal", "broad", "half")  # what the application is moved to
KEYS: Final = {"minimal": "bigint", "broad": "uuid", "half": "integer", "textkeys": "text"}  # of usage
REFUSED: Final = tuple(sorted(path.stem for path in (FOLDER / "refused").glob("*.sql")))  # minimal, and one thing wrong
TABLES: Final = ("resource_usage", "allocation_proposals", "token_accounts", "quest_budget_allocations")
# Filled by us in every row, even where somebody had made the column before.
MIRRORS: Final = {
    "resource_usage": {"amount_used": "amount", "timestamp": "created_at"},
    "allocation_proposals": {
        "requested_amount": "requested_tokens",
        "proposer": "coalesce(proposer_id, proposer_agent)",
    },
}
FILLED: Final = {"allocation_proposals": {"votes"}}

Columns = dict[str, tuple[str, ...]]


class Odd(NamedTuple):
    """A row that cannot be understood: it is to be left as it is, told of, and kept out of every total."""

    table: str
    key: str
    why: str


class Figures(NamedTuple):
    """How many rows a table has, and what they come to."""

    rows: int
    checksum: str


_ODD_USAGE: Final = {
    "e1": "negative amount",
    "e2": "negative amount",
    "e3": "unknown resource type",
    "e4": "unknown resource type",
    "e5": "unknown resource type",
    "e6": "no resource type",
    "e7": "no entity type",
    "e8": "no entity id",
    "e9": "no entity",
    "ea": "no amount",
    "eb": "no time",
    "ec": "amount is no number",
    "ed": "amount is infinite",
    "ee": "amount beyond all measure",
    "ef": "time that nobody can read",
    "f0": "time that nobody can read",
    "f1": "cost of another sign than its amount",
    "f2": "cost is no number",
}
_ODD_ACCOUNTS: Final = {
    "odd-overdrawn": "negative balance",
    "odd-twice-1": "two accounts of one owner",
    "odd-twice-2": "two accounts of one owner",
    "odd-team": "unknown type of owner",
    "odd-nobody": "no owner",
    "odd-unknown": "no balance",
    "odd-rich": "more tokens than there may be",
    "odd-house": "an account of the house, which has its own",
    "odd-long": "a name longer than we take",
}
_ODD_ALLOCATIONS: Final = {
    "901": "two parts of one day",
    "902": "two parts of one day",
    "903": "unknown quest",
    "904": "no quest",
    "905": "no day",
    "906": "negative tokens",
    "907": "more than the whole",
    "908": "share is no number",
}
_ODD_PROPOSALS: Final = {
    "901": "unknown status",
    "902": "no entity",
    "903": "no request",
    "904": "more than may be asked",
}


def odd_rows(name: str) -> list[Odd]:
    """Return the rows of a world that break a law of ours; only `broad` has any."""
    if name != "broad":
        return []
    usage = {f"00000000-0000-4000-8000-0000000000{end}": why for end, why in _ODD_USAGE.items()}
    rows = (usage, _ODD_PROPOSALS, _ODD_ACCOUNTS, _ODD_ALLOCATIONS)
    return [Odd(table, key, why) for table, odd in zip(TABLES, rows, strict=True) for key, why in odd.items()]


def build(url: str, name: str) -> None:
    """Build a world in an empty database: one of `legacy/`, or one of `legacy/refused/` over `minimal`."""
    files = ["minimal.sql", f"refused/{name}.sql"] if name in REFUSED else [f"{name}.sql"]
    with psycopg.connect(url) as session:
        for file in files:
            session.execute((FOLDER / file).read_bytes())


def template(server: str, name: str) -> str:
    """Return the template of a world, built the first time anybody in this run asks."""
    return cluster.template(server, f"legacy_{name}", lambda url: build(url, name))


def old_columns(url: str) -> Columns:
    """Return the columns of each table in schema public, in order; materialized views are left out."""
    with psycopg.connect(url) as session:
        found = session.execute(
            "SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)"
            "  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') GROUP BY 1 ORDER BY 1"
        ).fetchall()
    return {table: tuple(columns) for table, columns in found}


def untouched(columns: Columns) -> Columns:
    """Return the columns that nobody but their owner may change: all but the mirrors and what we fill."""
    ours = {table: {*MIRRORS.get(table, {}), *FILLED.get(table, set())} for table in columns}
    return {table: tuple(name for name in names if name not in ours[table]) for table, names in columns.items()}


def rows(url: str, table: str, columns: Sequence[str]) -> list[tuple[str | None, ...]]:
    """Return the rows of a table as text, in order of its key, or of all columns where none is called id."""
    order = ["id"] if "id" in columns else list(columns)
    query = sql.SQL("SELECT {} FROM public.{} ORDER BY {}").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in columns),
        sql.Identifier(table),
        sql.SQL(", ").join(sql.SQL('{}::text COLLATE "C"').format(sql.Identifier(name)) for name in order),
    )
    with _reader(url) as session:
        return session.execute(query).fetchall()


def checksum(url: str, table: str, columns: Sequence[str]) -> str:
    """Return one number for what the rows of a table hold in these columns, in whatever order they lie."""
    return figures(url, {table: tuple(columns)})[table].checksum


def figures(url: str, columns: Mapping[str, Sequence[str]]) -> dict[str, Figures]:
    """Return how many rows each table has and the checksum of these columns: an md5 of the rows' ordered md5s."""
    with _reader(url) as session:
        return {table: _figures(session, table, names) for table, names in columns.items()}


def _figures(session: psycopg.Connection[Any], table: str, columns: Sequence[str]) -> Figures:
    query = sql.SQL(
        "SELECT count(*), coalesce(md5(string_agg(one, '' ORDER BY one COLLATE \"C\")), '')"
        "  FROM (SELECT md5(ROW({})::text) AS one FROM public.{}) AS told"
    ).format(sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(table))
    found = session.execute(query).fetchone()
    assert found is not None
    return Figures(*found)


def _reader(url: str) -> psycopg.Connection[Any]:
    """Connect so that every value has the same text, whatever the server's settings."""
    return psycopg.connect(
        url, options="-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c search_path=public"
    )


def schema_dump(url: str, schema: str = "public") -> str:
    """Return a schema as pg_dump of the server's own version tells it, grants, owners and comments included."""
    with psycopg.connect(url) as session:
        number = session.info.server_version // 10_000
    done = subprocess.run(
        [_programs(number) / "pg_dump", "--schema-only", f"--schema={schema}", f"--dbname={url}"],
        check=True,
        capture_output=True,
        text=True,
    )
    # A key against injected commands, random in every dump.
    return "".join(
        line for line in done.stdout.splitlines(keepends=True) if not line.startswith(("\\restrict", "\\unre"))
    )


def _programs(version: int) -> Path:
    if version in cluster.OF_THE_WHEEL:
        return pg_home.wheel_folder() / pg_home.FOLDERS[version] / "bin"
    return Path(cluster.DEBIAN_PROGRAMS.format(version=version))


def strays(url: str) -> Iterator[str]:
    """Yield each mirror that differs from its source in some row, is missing, or votes that are NULL."""
    columns = old_columns(url)
    with _reader(url) as session:
        for table, mirrors in MIRRORS.items():
            for mirror, source in mirrors.items():
                if mirror not in columns[table]:
                    yield f"{table}.{mirror} is missing"
                    continue
                yield from _told(session, f"{table}.{mirror}", table, f'"{mirror}" IS DISTINCT FROM {source}')
        for table, names in FILLED.items():
            for name in names:
                if name not in columns[table]:
                    yield f"{table}.{name} is missing"
                    continue
                yield from _told(session, f"{table}.{name}", table, f'"{name}" IS NULL')


def _told(session: psycopg.Connection[Any], what: str, table: str, condition: str) -> Iterator[str]:
    query = f"SELECT count(*), coalesce(min(id::text), '') FROM public.{table} WHERE {condition}"
    found = session.execute(query.encode()).fetchone()
    assert found is not None
    if found[0]:
        yield f"{what} differs in {found[0]} rows, such as {found[1]}"
