"""The proof that tables are as their contract says: from PostgreSQL's catalogue and rows, not from Django's models."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import pgtrigger
from django.apps import apps
from django.db import connection, transaction

from config import mirrors, pg_catalog
from config.adoption.words import FIXED, Places
from config.contract import Column, Difference, Index, Need, Table

_TABLES = {"table", "partitioned table"}
_GIVE_BACK = "It was taken over by another version: give the tables back (manage.py adopt --undo) and adopt again."


@dataclass(frozen=True)
class Checked:
    """What was looked at in one table, and where it differs."""

    table: str
    kind: str  # "missing" when there is none
    rows: int | None  # None: nobody has counted or analysed it
    rows_exact: bool  # counted, not estimated
    columns: int
    indexes: int
    mirrors: int  # whose rows were read
    also_given: tuple[str, ...]
    differences: list[Difference]


def of_all_apps() -> list[Table]:
    """Return the parts of all installed apps, sorted by table."""
    parts: Iterator[Table] = chain.from_iterable(getattr(app, "contract", ()) for app in apps.get_app_configs())
    return sorted(parts, key=lambda table: table.name)


@transaction.atomic(durable=True)
def verify(
    tables: Sequence[Table], *, rows: bool = True, watched: pg_catalog.Watched = pg_catalog.unwatched
) -> list[Checked]:
    """Compare the database with the contract, in one read-only snapshot; with `rows`, each row of mirrors is read.

    `watched` gets the spans of a table that are about to be read and hands them on: it may show how far that is.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    return verify_here(tables, rows=rows, watched=watched)


def verify_here(
    tables: Sequence[Table], *, rows: bool = True, watched: pg_catalog.Watched = pg_catalog.unwatched
) -> list[Checked]:
    """Do the same as seen by the caller's own transaction."""
    return [_verify_table(table, rows=rows, watched=watched) for table in tables]


def _verify_table(table: Table, *, rows: bool, watched: pg_catalog.Watched) -> Checked:
    found = pg_catalog.relation(table.name)
    if found is not None and found.kind == "view" and (base := pg_catalog.taken_over(found)):
        return _verify_taken_over(table, found, base, rows=rows, watched=watched)
    if found is None or found.kind not in _TABLES:
        kind = found.kind if found else "missing"
        return Checked(table.name, kind, None, False, 0, 0, 0, (), [_no_table(table.name, kind)])  # noqa: FBT003
    differences = [*_storage(table, found), *_undefaulted(table, found)]
    for column in table.columns:
        differences += _column(table, column, found)
    for index in table.indexes:
        differences += _index(table, index, found)
    return _checked(table, found, differences, rows=rows, watched=watched)


def _verify_taken_over(
    table: Table, view: pg_catalog.Relation, base: pg_catalog.TakenOver, *, rows: bool, watched: pg_catalog.Watched
) -> Checked:
    """Compare a table that others made, and the view that shows us its part.

    What others may leave out or repeat is theirs to decide: rows that break our laws are not in the view. So columns,
    types and mirrors are asked for, and that each index covers our rows at least.
    """
    found = base.table
    differences = list(_storage(table, found, f"{found.schema}.{table.name}"))
    for column in table.columns:
        differences += _column(table, column, found, others=True)
        if column.name not in view.columns:
            remedy = _GIVE_BACK
            yet = f"{view.schema}.{table.name}.{column.name}"
            differences.append(Difference("missing_in_view", yet, "a column of the view", "none", remedy))
    shown = found._replace(indexes=[_of_our_rows(index) for index in found.indexes])
    for index in table.indexes:
        differences += _index(table, index, shown)
    for name in _triggers_expected(table.name, view, found):
        if not base.fires.get(name, False):
            is_there = name in base.fires
            remedy = f"ALTER TABLE {found.schema}.{table.name} ENABLE TRIGGER {name}" if is_there else _GIVE_BACK
            standing = "one that is switched off" if is_there else "none"
            differences.append(Difference("law_missing", f"{table.name} {name}", "a trigger", standing, remedy))
    checked = _checked(table, found, differences, rows=rows, watched=watched)
    return replace(checked, kind=f"view of {found.schema}.{table.name}")


def _of_our_rows(index: pg_catalog.Index) -> pg_catalog.Index:
    """Return an index as it serves the view: over our rows is over all, and our key is the key."""
    partial = f"WHERE ({pg_catalog.PART} > 0)"
    keys = [("id" if name == "economy_id" else name, descending) for name, descending in index.keys]
    return index._replace(keys=keys, plain=index.plain or index.definition.endswith(partial))


def _triggers_expected(table: str, view: pg_catalog.Relation, found: pg_catalog.Relation) -> Iterator[str]:
    """Yield the names of the triggers that keep our laws and counts on a table of others."""
    for model, trigger in pgtrigger.registered():
        if model._meta.db_table == table:  # noqa: SLF001 - Django's public name for it
            yield trigger.get_pgid(model)
    for adopted in (one for app in apps.get_app_configs() for one in getattr(app, "adopted", ())):
        if adopted.name == table:
            yield FIXED
            places = Places(view.schema, f"{found.schema}.{table}", {name: name for name in view.columns})
            for statement in adopted.triggers(places):
                if made := re.match(r"CREATE TRIGGER (\w+)", statement):
                    yield made[1]


def _checked(
    table: Table,
    found: pg_catalog.Relation,
    differences: list[Difference],
    *,
    rows: bool,
    watched: pg_catalog.Watched,
) -> Checked:
    """Read the rows of the mirrors, where asked for, and return all that was found."""
    count, read = found.rows, mirrors.comparable(table, found) if rows and found.readable else []
    if read:
        sources = {column.name: column.of for column in read}
        count, standing = pg_catalog.mirror_rows(table.name, found, sources, watched)
        for column in read:
            differences += mirrors.drift(table, column, standing[column.name])
    return Checked(
        table.name,
        found.kind,
        count,
        rows_exact=bool(read),
        columns=len(table.columns),
        indexes=len(table.indexes),
        mirrors=len(read),
        also_given=table.also_given,
        differences=differences,
    )


def _no_table(name: str, kind: str) -> Difference:
    """Say that there is no such table, or something else of its name."""
    if kind != "missing":
        remedy = f"Rename the {kind} and run manage.py migrate: laws, defaults and indexes need a table."
        return Difference("not_a_table", name, "a table", f"a {kind}", remedy)
    if schemas := pg_catalog.elsewhere(name):
        remedy = f"Put it on the role's path: ALTER ROLE … SET search_path = {schemas[0]}, public"
        return Difference("missing_table", name, "a table", f"one only in schema {', '.join(schemas)}", remedy)
    return Difference("missing_table", name, "a table", "none", "Run manage.py migrate, which creates it.")


def _storage(table: Table, found: pg_catalog.Relation, place: str = "") -> Iterator[Difference]:
    """Check that rows outlive a crash and that this role sees them all, in a table that may stand in another place."""
    name, place = table.name, place or table.name
    if found.unlogged:
        yield Difference("unlogged", name, "a logged table", "an unlogged one", f"ALTER TABLE {place} SET LOGGED")
    if not found.readable:
        yield Difference("unreadable", name, "SELECT granted", "no right to", f"GRANT SELECT ON {place} TO this role")
    if found.row_security:
        remedy = "ALTER ROLE … BYPASSRLS, for what a policy hides would be counted by nobody."
        yield Difference("row_security", name, "all rows seen", "row security in force for this role", remedy)


def _column(table: Table, column: Column, found: pg_catalog.Relation, *, others: bool = False) -> Iterator[Difference]:
    """Check one column: there, of its type, given, defaulted or null as promised, and if a mirror, kept.

    In a table of `others` it is theirs to say what may be left out.
    """
    subject, expected = f"{table.name}.{column.name}", column.type.value[0]
    attribute = found.columns.get(column.name)
    if attribute is None:
        kept = f" GENERATED ALWAYS AS ({column.source}) STORED" if column.of else ""
        remedy = f"ALTER TABLE {table.name} ADD COLUMN {column.name} {expected}{kept}"
        yield Difference("missing_column", subject, f"a column of type {expected}", "none", remedy)
        return
    if attribute.type not in column.type.value:
        remedy = f"ALTER TABLE {table.name} ALTER COLUMN {column.name} TYPE {expected}"
        yield Difference("wrong_type", subject, " or ".join(column.type.value), attribute.shown, remedy)
    if column.of:
        yield from mirrors.kept(table, column, found)
    elif not others:
        yield from _need(table, column, attribute)


def _need(table: Table, column: Column, found: pg_catalog.Attribute) -> Iterator[Difference]:
    """Check whether a writer may or must give the column."""
    subject, expected = f"{table.name}.{column.name}", column.need.value
    alter = f"ALTER TABLE {table.name} ALTER COLUMN {column.name}"
    if found.generated_from is not None:
        remedy = f"{alter} DROP EXPRESSION"
        yield Difference("generated", subject, "a column to write", f"one made of {found.generated_from}", remedy)
        return
    if column.need in {Need.GIVEN, Need.DEFAULTED} and not found.not_null:
        yield Difference("null_allowed", subject, expected, "NULL allowed", f"{alter} SET NOT NULL")
    if column.need is Need.NULLABLE and found.not_null:
        yield Difference("null_refused", subject, expected, "NOT NULL", f"{alter} DROP NOT NULL")
    lacks = column.need is Need.DEFAULTED or (column.need is Need.OPTIONAL and found.not_null)
    if lacks and not found.has_default:
        yield Difference("no_default", subject, expected, "no default", f"{alter} SET DEFAULT …")


def _undefaulted(table: Table, found: pg_catalog.Relation) -> Iterator[Difference]:
    """Check that writers need not know the columns beyond the contract."""
    known = {column.name for column in table.columns} | set(table.also_given)
    for attribute in found.columns.values():
        if attribute.name not in known and attribute.not_null and not attribute.has_default:
            yield Difference(
                "no_default",
                f"{table.name}.{attribute.name}",
                "a default, for writers who do not know this column",
                "NOT NULL without one",
                f"ALTER TABLE {table.name} ALTER COLUMN {attribute.name} SET DEFAULT …",
            )


def _index(table: Table, index: Index, found: pg_catalog.Relation) -> Iterator[Difference]:
    """Check that an index serves; what comes near is shown with the reason why it does not count."""
    if any(_serves(index, candidate) for candidate in found.indexes):
        return
    leading = {name for name, _descending in index.keys}
    near = [
        f"{candidate.definition} ({_shortcoming(index, candidate)})"
        for candidate in found.indexes
        if candidate.keys[0][0] in leading
    ]
    columns, unique = ", ".join(index.columns), "UNIQUE " if index.unique else ""
    # PostgreSQL builds an index on a partitioned table only under its lock.
    concurrently = "" if found.kind == "partitioned table" else "CONCURRENTLY "
    yield Difference(
        "missing_unique" if index.unique else "missing_index",
        f"{table.name} ({columns})",
        f"{'a unique' if index.unique else 'an'} index over all rows",
        f"none; near it {'; '.join(near)}" if near else "none",
        f"CREATE {unique}INDEX {concurrently}ON {table.name} ({columns})",
    )


def _serves(index: Index, found: pg_catalog.Index) -> bool:
    """Return whether an index that exists does what the promised one would."""
    if not (found.valid and found.plain and found.unique >= index.unique):
        return False
    if index.unique:
        return sorted(index.keys) == sorted((name or "", False) for name, _descending in found.keys)
    leading = found.keys[: len(index.keys)]
    return leading in (index.keys, [(name, not descending) for name, descending in index.keys])


def _shortcoming(index: Index, found: pg_catalog.Index) -> str:
    """Return why an index does not count."""
    if not found.valid:
        return "invalid: its build did not end; drop it"
    if not found.plain:
        return "not over all rows, or not in the order of the type"
    return "not unique" if index.unique and not found.unique else "other columns or directions"
