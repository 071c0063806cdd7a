"""What is added to a table of others while they write: columns, mirrors, indexes.

No row of theirs is rewritten where PostgreSQL can do without.
"""

import re
import time
from collections.abc import Callable, Iterator
from typing import Final

from django.db import OperationalError, connection, transaction

from config.adoption.mapping import TOKEN, Names
from config.adoption.shapes import Column, Named, Shape, quoted, rows
from config.adoption.words import FILLED, MARK, PART, PREFIX, THEIRS, Step, StuckError, is_lock_of_others

_VIRTUAL: Final = 180_000  # the first PostgreSQL that computes a generated column when it is read
KEEPER: Final = "zz_economy_keeps_mirrors"  # triggers fire in order of their names
INSTANT: Final = "ACCESS EXCLUSIVE, for an instant"
_BLOCKS: Final = 512  # of 8 kB, updated in one transaction
_TURNS: Final = 120
_PAUSE_SECONDS: Final = 1.0
BRIEFLY: Final = "SET LOCAL lock_timeout = '500ms'"
REPLICA: Final = "SET LOCAL session_replication_role = replica"  # no trigger of anybody fires


def steps(names: Names, schema: str) -> Iterator[Step]:
    """Yield what is still to be done before the table can be taken over, in order."""
    yield from _columns(names, schema)
    yield from _keeper(names, schema)
    yield from _backfill(names, schema)
    yield from _indexes(names)


def _columns(names: Names, schema: str) -> Iterator[Step]:
    """Add the columns that are missing. A default of old rows is kept once for all of them, in the catalogue."""
    theirs = names.theirs
    added = {
        place: _definition(names.ours.columns[column], names)
        for column, place in names.all().items()
        if column != "id" and place not in theirs.columns
    }
    if PART not in theirs.columns:
        added[PART] = f"smallint NOT NULL DEFAULT {THEIRS}"
    before: list[str] = []
    after: list[str] = []
    if names.key not in theirs.columns:
        sequence = _sequence(names, schema)
        added[names.key] = "bigint"
        before = [f"CREATE SEQUENCE IF NOT EXISTS {sequence}", f"GRANT USAGE ON SEQUENCE {sequence} TO PUBLIC"]
        after = [f"ALTER TABLE {theirs.table} ALTER COLUMN {names.key} SET DEFAULT nextval('{sequence}')"]
    if added:
        adding = ", ".join(f"ADD COLUMN {quoted(place)} {definition}" for place, definition in added.items())
        marks = [f"COMMENT ON COLUMN {theirs.table}.{quoted(place)} IS '{MARK}'" for place in added]
        yield Step(
            f"{theirs.name}: columns",
            f"adds {len(added)} columns; no row is rewritten",
            INSTANT,
            (*before, f"ALTER TABLE {theirs.table} {adding}", *after, *marks),
        )


def _sequence(names: Names, schema: str) -> str:
    return f"{quoted(schema)}.{quoted(f'{names.theirs.name}_key')}"


def _definition(column: Column, names: Names) -> str:
    """Return a column of ours as theirs is to have it: its type, and what it is when nobody says."""
    if column.generated is None:
        required = "NOT NULL " if column.not_null else ""
        return column.shown if column.default is None else f"{column.shown} {required}DEFAULT {column.default}"
    shown = _shown(column, names)
    if not _may_be_virtual(column, names):
        return shown
    return f"{shown} GENERATED ALWAYS AS ({names.expression(column.generated)}) VIRTUAL"


def _shown(column: Column, names: Names) -> str:
    """Return the type of a generated column: a mirror has that of what it repeats."""
    promised = next((c for c in names.adopted.contract.columns if c.name == column.name), None)
    source = names.theirs.columns.get(promised.of[0]) if promised and len(promised.of) == 1 else None
    return source.shown if source else column.shown


def _may_be_virtual(column: Column, names: Names) -> bool:
    """Return whether PostgreSQL may compute it on reading: it is new enough, and no type is somebody's own."""
    if connection.connection.info.server_version < _VIRTUAL:
        return False
    used = {token.strip('"') for token in TOKEN.findall(names.expression(column.generated or ""))}
    return not any(there.is_domain for name, there in names.theirs.columns.items() if name in used)


def kept(names: Names) -> dict[str, str]:
    """Return the columns that a trigger keeps, and the expression over a row that each equals."""
    found = {}
    for column in names.ours.columns.values():
        if column.generated is None:
            continue
        place = names.physical(column.name)
        there = names.theirs.columns.get(place)
        is_plain = there.generated is None if there else not _may_be_virtual(column, names)
        if is_plain:
            found[place] = names.expression(column.generated)
    for place, nothing in names.adopted.filled:
        there = names.theirs.columns.get(place)
        if there is not None and not there.not_null:
            found[place] = f"coalesce({quoted(place)}, {nothing})"
    return found


def _keeper(names: Names, schema: str) -> Iterator[Step]:
    """Let a trigger keep the mirrors that are plain columns: its function is nothing but assignments."""
    keeping, theirs = kept(names), names.theirs
    columns = set(theirs.columns) | set(names.all().values())
    lines = "".join(f"    NEW.{quoted(p)} := {_new(expression, columns)};\n" for p, expression in keeping.items())
    body = f"\nBEGIN\n{lines}    RETURN NEW;\nEND\n"
    if not keeping or _body(theirs.oid) == body:
        return
    function = f"{quoted(schema)}.{quoted(f'{PREFIX}keeps_{theirs.name}')}"
    yield Step(
        f"{theirs.name}: mirrors kept",
        f"from now on a trigger keeps {', '.join(keeping)} of every row that anybody writes",
        "SHARE ROW EXCLUSIVE, for an instant",
        (
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $keep${body}$keep$",
            (
                f"CREATE OR REPLACE TRIGGER {KEEPER} BEFORE INSERT OR UPDATE ON {theirs.table} "
                f"FOR EACH ROW EXECUTE FUNCTION {function}()"
            ),
            f"ALTER TABLE {theirs.table} ENABLE ALWAYS TRIGGER {KEEPER}",  # for replicas, and for what we do as one
        ),
    )


def _body(table: int) -> str | None:
    """Return the code of the trigger that keeps the mirrors of a table, or None where there is none."""
    found = rows(
        "SELECT p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = %s AND t.tgname = %s",
        table,
        KEEPER,
    )
    return found[0][0] if found else None


def _new(expression: str, columns: set[str]) -> str:
    """Return an expression over columns as one over the row that is written."""
    tokens = TOKEN.findall(expression)
    return "".join(f"NEW.{quoted(t.strip(chr(34)))}" if t.strip('"') in columns else t for t in tokens)


def _backfill(names: Names, schema: str) -> Iterator[Step]:
    """Fill what a trigger keeps, and our key, in the rows that were there before."""
    theirs = names.theirs
    if PART in theirs.columns and theirs.columns[PART].comment == FILLED:
        return
    values = kept(names)
    wrong = {place: f"{quoted(place)} IS DISTINCT FROM {expression}" for place, expression in values.items()}
    if names.adopted.lawful and names.key != "id":
        values[names.key] = f"coalesce({names.key}, nextval('{_sequence(names, schema)}'))"
        wrong[names.key] = f"{names.key} IS NULL"
    if not values:
        return
    condition = " OR ".join(wrong.values())
    settings = ", ".join(f"{quoted(place)} = {expression}" for place, expression in values.items())
    update = (
        f"UPDATE {theirs.table} SET {settings} "  # noqa: S608 - names of the catalogue
        f"WHERE ctid >= '({{first}},0)'::tid AND ctid < '({{end}},0)'::tid AND ({condition})"
    )
    filled = f"COMMENT ON COLUMN {theirs.table}.{PART} IS '{FILLED}'"
    yield Step(
        f"{theirs.name}: old rows filled",
        f"fills {', '.join(values)} where missing, {_BLOCKS * 8 // 1024} MB a transaction",
        "ROW EXCLUSIVE and the rows of one batch, for fractions of a second",
        run=lambda say: _fill(theirs, condition, update, filled, say),
        shown=(REPLICA, update.format(first="…", end="…"), filled),
    )


def _fill(theirs: Shape, condition: str, update: str, filled: str, say: Callable[[str], None]) -> None:
    """Go through the table until no row is missing, and note it: nobody has to look a second time.

    What somebody has locked is left to the next turn. Those who wait for us wait less than for a deadlock to be seen.
    """
    missing = f"SELECT EXISTS (SELECT FROM {theirs.table} WHERE {condition})"  # noqa: S608 - as above
    for _turn in range(_TURNS):
        left_out = _fill_once(theirs, update, say)
        if not left_out and not rows(missing)[0][0]:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(filled)
            return
        if left_out:
            say(f"{left_out} batches left to another turn: somebody's transaction holds rows of them")
        time.sleep(_PAUSE_SECONDS)
    message = f"{theirs.name}: rows stay locked; end the transactions that stay open, and adopt again."
    raise StuckError(message)


def _fill_once(theirs: Shape, update: str, say: Callable[[str], None]) -> int:
    """Go through the table once and return how many batches could not be filled."""
    blocks = rows("SELECT pg_relation_size(%s) / current_setting('block_size')::bigint", theirs.oid)[0][0]
    filled, left_out = 0, 0
    for first in range(0, blocks + 1, _BLOCKS):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"{REPLICA}; {BRIEFLY}")
                cursor.execute(update.format(first=first, end=first + _BLOCKS))
                filled += cursor.rowcount
        except OperationalError as error:
            if not is_lock_of_others(error):
                raise
            left_out += 1
        say(f"{min(first + _BLOCKS, blocks):,} of {blocks:,} blocks, {filled:,} rows filled")
    return left_out


def _indexes(names: Names) -> Iterator[Step]:
    """Build our indexes on their table without stopping anybody."""
    theirs = names.theirs
    there = {index.name: index for index in theirs.indexes}
    wanted = {f"{PREFIX}{index.name}"[:63]: _index(index, names) for index in names.ours.indexes}
    if names.key != "id":
        wanted[f"{PREFIX}{theirs.name}_key"] = ("UNIQUE ", f"USING btree ({names.key})")
    standing = {_comparable(index.definition) for index in theirs.indexes if index.valid}
    for name, (unique, definition) in wanted.items():
        if name in there and there[name].valid:
            continue
        if f"{unique}{definition}" in standing:
            continue  # somebody built the same under another name
        # One that was not finished is of no use; also when a step is tried again.
        dropped = f"DROP INDEX CONCURRENTLY IF EXISTS {quoted(theirs.schema)}.{quoted(name)}"
        yield Step(
            f"{theirs.name}: index {name}",
            "builds it while all go on",
            "SHARE UPDATE EXCLUSIVE: nobody who reads or writes waits",
            (dropped, f"CREATE {unique}INDEX CONCURRENTLY {quoted(name)} ON {theirs.table} {definition}"),
            concurrent=True,
        )


def _index(index: Named, names: Names) -> tuple[str, str]:
    """Return whether an index of ours is unique, and its definition from USING on, in their words.

    What others write in a shared column may be longer than an index takes.
    """
    definition = index.definition
    unique = "UNIQUE " if definition.startswith("CREATE UNIQUE") else ""
    using = _computed(names.expression(definition[definition.index("USING") :]), names)
    body, where, condition = using.partition(" WHERE ")
    if names.adopted.lawful:
        shared = {column.name for column in names.adopted.contract.columns} & set(index.columns)
        if not shared:
            return unique, using
        ours = f"({names.condition(names.adopted.indexed)})"
    else:
        ours = f"({PART} > 0)"
    return unique, f"{body} WHERE ({ours} AND {condition})" if where else f"{body} WHERE {ours}"


def _computed(definition: str, names: Names) -> str:
    """Return the definition with each virtual column as what it is: PostgreSQL indexes that, and finds it by either."""
    virtual = {
        names.physical(column.name): names.expression(column.generated)
        for column in names.ours.columns.values()
        if column.generated is not None and names.physical(column.name) not in kept(names)
    }
    return "".join(
        f"({virtual[t.strip(chr(34))]})" if t.strip('"') in virtual else t for t in TOKEN.findall(definition)
    )


def _comparable(definition: str) -> str:
    unique = "UNIQUE " if definition.startswith("CREATE UNIQUE") else ""
    return unique + re.sub(r"^.*?(?=USING)", "", definition, flags=re.DOTALL)
