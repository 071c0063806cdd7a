"""Databases of other services, built from `tests/legacy/*.sql`, and what proves that nothing in them was harmed."""

from __future__ import annotations

import hashlib
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString, NamedTuple

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
EMPTIED: Final = "emptied"  # broad without its rows: whoever counts all there is finds what he made
TABLES: Final = ("resource_usage", "allocation_proposals", "token_accounts", "quest_budget_allocations")
# Filled by us in every row, even where somebody had made the column before.
MIRRORS: Final = {
    "resource_usage": {"amount_used": "amount", "timestamp": "created_at"},
    "allocation_proposals": {
        "requested_amount": "requested_tokens",
        "proposer": "coalesce(proposer_id, proposer_agent)",
    },
}
PART: Final = "economy_part"  # whose row it is, in a table that was taken over
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


# Rows of `broad` that break a law of ours, by the ends of their keys, and the code of each.
_ODD_USAGE: Final = {
    **dict.fromkeys(("e1", "e2"), "negative_amount"),
    **dict.fromkeys(("e3", "e4", "e5"), "unknown_resource_type"),
    "e6": "no_resource_type",
    **dict.fromkeys(("e7", "e8", "e9"), "no_entity"),
    "ea": "no_amount",
    "eb": "no_time",
    **dict.fromkeys(("ec", "ed", "ee"), "amount_out_of_bounds"),
    **dict.fromkeys(("ef", "f0"), "time_out_of_bounds"),
    "f1": "cost_of_another_sign",
    "f2": "cost_out_of_bounds",
}
_ODD_ACCOUNTS: Final = {
    "odd-overdrawn": "negative_balance",
    **dict.fromkeys(("odd-twice-1", "odd-twice-2"), "owner_twice"),
    **dict.fromkeys(("odd-team", "odd-house"), "unknown_owner_type"),  # the house has accounts of its own
    "odd-nobody": "no_owner",
    "odd-unknown": "no_balance",
    "odd-rich": "balance_out_of_bounds",
    "odd-long": "owner_id_too_long",
}
_ODD_ALLOCATIONS: Final = {
    **dict.fromkeys(("901", "902"), "day_twice"),
    "904": "no_quest",
    "905": "no_day",
    "906": "negative_tokens",
}
_ODD_PROPOSALS: Final = {"901": "no_proposer", "902": "no_entity", "903": "no_amount", "904": "negative_amount"}


def odd_rows(name: str) -> set[Odd]:
    """Return the rows that a house which knows no agent and no quest yet cannot take for its own, with their codes."""
    usage = _ODD_USAGE if name == "broad" else {}
    odd = {Odd("resource_usage", f"00000000-0000-4000-8000-0000000000{end}", why) for end, why in usage.items()}
    for table, whys in zip(TABLES[1:], _OTHERS[name](), strict=True):
        odd |= {Odd(table, key, why) for key, why in whys.items()}
    return odd


def _of_minimal() -> tuple[dict[str, str], ...]:
    return (
        {str(n): "unknown_status" for n in range(1, 41) if n % 3 == 0},  # pending
        {str(n): "unknown_agent" for n in range(7, 15)},
        {str(n): "unknown_quest" for n in range(1, 43)},
    )


def _of_broad() -> tuple[dict[str, str], ...]:
    nobody = {n for n in range(1, 61) if n % 3 and n % 4 == 0}
    strange = {n for n in range(1, 61) if n % 5 in {0, 3, 4}}  # pending, in_review, needs-info
    return (
        {str(n): "no_proposer" if n in nobody else "unknown_status" for n in nobody | strange} | _ODD_PROPOSALS,
        {f"acct-{n:03}": "unknown_agent" for n in range(9, 21)} | _ODD_ACCOUNTS,
        {str(n): "unknown_quest" for n in (*range(1, 57), 903, 907, 908)} | _ODD_ALLOCATIONS,
    )


def _of_half() -> tuple[dict[str, str], ...]:
    return (
        {str(n): "unknown_status" for n in range(1, 31) if n % 3 == 0},  # pending
        {str(n): "unknown_agent" for n in range(1, 9) if n % 2},
        {str(n): "unknown_quest" for n in range(1, 21)},
    )


def _of_textkeys() -> tuple[dict[str, str], ...]:
    return (
        {_uuid(f"proposal {n}"): "unknown_status" for n in range(1, 7)},
        {_uuid(f"account {n}"): "unknown_agent" for n in (2, 4, 6)},
        {_uuid(f"share {n}"): "unknown_quest" for n in (1, 3, 5)},
    )


def _uuid(text: str) -> str:
    return str(uuid.UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()))


_OTHERS: Final = {"minimal": _of_minimal, "broad": _of_broad, "half": _of_half, "textkeys": _of_textkeys}


def build(url: str, name: str) -> None:
    """Build a world in an empty database: one of `legacy/`, `emptied`, or one of `legacy/refused/` over `minimal`."""
    files = ["minimal.sql", f"refused/{name}.sql"] if name in REFUSED else [f"{name}.sql"]
    if name == EMPTIED:
        files = ["broad.sql"]
    with psycopg.connect(url) as session:
        for file in files:
            session.execute((FOLDER / file).read_bytes())
        if name == EMPTIED:
            tables = sql.SQL(", ").join(sql.Identifier("public", table) for table in TABLES)
            session.execute(sql.SQL("TRUNCATE {} CASCADE").format(tables))


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


def figures(url: str, columns: Mapping[str, Sequence[str]], *, but_ours: bool = False) -> dict[str, Figures]:
    """Return how many rows each table has and the checksum of these columns: an md5 of the rows' ordered md5s.

    `but_ours` leaves out the rows that this application wrote into tables it took over.
    """
    there = old_columns(url)
    with _reader(url) as session:
        return {
            table: _figures(session, table, names, "economy_part < 2" if but_ours and PART in there[table] else "true")
            for table, names in columns.items()
        }


def _figures(session: psycopg.Connection[Any], table: str, columns: Sequence[str], which: LiteralString) -> Figures:
    query = sql.SQL(
        "SELECT count(*), coalesce(md5(string_agg(one, '' ORDER BY one COLLATE \"C\")), '')"
        "  FROM (SELECT md5(ROW({})::text) AS one FROM public.{} WHERE {}) AS told"
    ).format(sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(table), sql.SQL(which))
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
