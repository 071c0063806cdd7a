"""The way back: everything added is dropped, and the tables are as they were."""

from collections.abc import Iterator, Sequence

from django.db import connection

from config.adoption import telling
from config.adoption.claiming import TRIGGERS
from config.adoption.shapes import Shape, quoted, rows, shape
from config.adoption.words import MARK, OURS, PART, PREFIX, Adopted, Obstacle, Step

# What stands outside of our schema and is not ours, but would go with what is dropped, or stop it.
_BOUND = """
WITH added AS (
    SELECT attrelid, attnum FROM pg_attribute
     WHERE attrelid = ANY(%(tables)s) AND starts_with(col_description(attrelid, attnum), %(mark)s)),
dropped AS (
    SELECT 'pg_class'::regclass AS class, oid, NULL::int AS part FROM pg_class WHERE relnamespace = %(schema)s
     UNION ALL SELECT 'pg_proc'::regclass, oid, NULL FROM pg_proc WHERE pronamespace = %(schema)s
     UNION ALL SELECT 'pg_type'::regclass, oid, NULL FROM pg_type WHERE typnamespace = %(schema)s
     UNION ALL SELECT 'pg_class'::regclass, attrelid, attnum FROM added)
SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0)
  FROM dropped o JOIN pg_depend d ON d.refclassid = o.class AND d.refobjid = o.oid AND d.deptype = 'n'
                 AND coalesce(d.refobjsubid = o.part, true)
  LEFT JOIN pg_rewrite v ON d.classid = 'pg_rewrite'::regclass AND v.oid = d.objid
  LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
  LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
  LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
  LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
  LEFT JOIN pg_class c ON c.oid = coalesce(v.ev_class, k.conrelid, f.adrelid, t.tgrelid, d.objid)
 WHERE coalesce(p.pronamespace, c.relnamespace) <> %(schema)s
   AND (d.classid <> 'pg_class'::regclass OR c.relkind = 'r')
   AND NOT coalesce(c.oid = ANY(%(tables)s) AND (starts_with(k.conname, %(prefix)s) OR t.oid IS NOT NULL
                    OR (f.adrelid, f.adnum) IN (SELECT attrelid, attnum FROM added)), false)
 ORDER BY 1
"""
_POINTING = """
SELECT k.conrelid::regclass::text, k.conname,
       (SELECT string_agg(format('r.%%I = b.%%I', own.attname, other.attname), ' AND ')
          FROM unnest(k.conkey, k.confkey) AS pair (own, other)
          JOIN pg_attribute own ON own.attrelid = k.conrelid AND own.attnum = pair.own
          JOIN pg_attribute other ON other.attrelid = k.confrelid AND other.attnum = pair.other)
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
 WHERE k.contype = 'f' AND k.confrelid = %s AND c.relnamespace IS DISTINCT FROM to_regnamespace(%s)
"""


def obstacles(tables: Sequence[Adopted], schema: str, legacy: str) -> Iterator[Obstacle]:
    """Yield what others have built on what would be dropped: it is theirs, and they are to say what becomes of it."""
    found = [theirs for adopted in tables if (theirs := shape(legacy, adopted.name))]
    values = {
        "tables": [theirs.oid for theirs in found],
        "mark": MARK,
        "prefix": PREFIX,
        "schema": rows("SELECT coalesce(to_regnamespace(%s)::oid, 0)", quoted(schema))[0][0],
    }
    with connection.cursor() as cursor:
        cursor.execute(_BOUND, values)
        bound = cursor.fetchall()
    for (name,) in bound:
        remedy = "Drop it, or make it anew without what is ours."
        yield Obstacle("others_depend", name, "is of others, and needs what would be dropped", remedy)
    deleted = {adopted.name for adopted in tables if not adopted.lawful}
    for theirs in found:
        if theirs.name in deleted and PART in theirs.columns:
            yield from _pointing(theirs, schema)


def _pointing(theirs: Shape, schema: str) -> Iterator[Obstacle]:
    """Yield rows of others that point at rows that were made through us, which go."""
    for table, key, pair in rows(_POINTING, theirs.oid, quoted(schema)):
        query = f"SELECT count(*) FROM {table} r JOIN {theirs.table} b ON {pair} WHERE b.{PART} = {OURS}"  # noqa: S608 - names of the catalogue
        if number := rows(query)[0][0]:
            sentence = f"by {key}, {telling.many(number, 'row')} pointing at what was made through us in {theirs.table}"
            yield Obstacle("others_depend", table, sentence, "Let them point elsewhere, or delete them.")


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
    for (name,) in rows(TRIGGERS, theirs.oid, quoted(schema)):
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
