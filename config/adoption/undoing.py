"""The way back: everything added is dropped, and the tables are as they were."""

from collections.abc import Iterator, Sequence

from config.adoption.shapes import Shape, quoted, rows, shape
from config.adoption.words import MARK, OURS, PART, PREFIX, Adopted, Step

_TRIGGERS = """
SELECT t.tgname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE t.tgrelid = %s AND NOT t.tgisinternal AND p.pronamespace = to_regnamespace(%s)::oid
"""


def steps(tables: Sequence[Adopted], schema: str, legacy: str) -> Iterator[Step]:
    """Yield a step for each table, then one for our schema. Usage recorded through us stays: it happened."""
    for adopted in tables:
        statements = tuple(_dropped(adopted, schema, legacy))
        if statements:
            yield Step(
                f"{adopted.name}: given back",
                "drops what was added to it",
                "ACCESS EXCLUSIVE, for an instant",
                statements,
            )
    if rows("SELECT to_regnamespace(%s) IS NOT NULL", quoted(schema))[0][0]:
        yield Step(
            "schema",
            "drops our schema with all that is in it",
            "none",
            (
                f"DROP SCHEMA {quoted(schema)} CASCADE",
                "DROP FUNCTION IF EXISTS public._pgtrigger_should_ignore(name)",
            ),
        )


def _dropped(adopted: Adopted, schema: str, legacy: str) -> Iterator[str]:
    theirs = shape(legacy, adopted.name)
    if theirs is None:
        return
    ours = shape(schema, adopted.name)
    if ours is not None and ours.kind == "v":
        yield f"DROP VIEW {ours.table} CASCADE"
    for (name,) in rows(_TRIGGERS, theirs.oid, quoted(schema)):
        yield f"DROP TRIGGER {quoted(name)} ON {theirs.table}"
    for key in theirs.referenced_by:
        if key.table.startswith(f"{quoted(schema)}.") or key.table.startswith(f"{schema}."):
            yield f"ALTER TABLE {key.table} DROP CONSTRAINT {quoted(key.name)}"
    yield from _by_name(theirs)
    if PART in theirs.columns and not adopted.lawful:
        yield "SET LOCAL session_replication_role = replica"
        yield f"DELETE FROM {theirs.table} WHERE {PART} = {OURS}"  # noqa: S608 - names of the catalogue
    # What is computed from another column of ours goes before it.
    ours_there = sorted(theirs.columns.values(), key=lambda column: column.generated is None)
    added = [column.name for column in ours_there if (column.comment or "").startswith(MARK)]
    if added:
        yield f"ALTER TABLE {theirs.table} {', '.join(f'DROP COLUMN {quoted(name)}' for name in added)}"


def _by_name(theirs: Shape) -> Iterator[str]:
    """Yield the dropping of what is known by its name."""
    for constraint in (*theirs.checks, *theirs.foreign_keys):
        if constraint.name.startswith(PREFIX):
            yield f"ALTER TABLE {theirs.table} DROP CONSTRAINT {quoted(constraint.name)}"
    for index in theirs.indexes:
        if index.name.startswith(PREFIX):
            yield f"DROP INDEX {quoted(theirs.schema)}.{quoted(index.name)}"
