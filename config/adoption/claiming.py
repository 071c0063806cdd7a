"""The switch: one short transaction in which a table of others becomes ours as well."""

from collections.abc import Iterator
from typing import Final

from config.adoption import mapping
from config.adoption.mapping import Names
from config.adoption.preparing import KEEPER, REPLICA
from config.adoption.shapes import Column, Named, Shape, quoted, rows
from config.adoption.words import FIXED, OURS, PART, PREFIX, Step

NAMER: Final = "economy_names_rows"
TRIGGERS: Final = """
SELECT t.tgname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE t.tgrelid = %s AND NOT t.tgisinternal AND p.pronamespace = to_regnamespace(%s)::oid
"""
_STATISTICS: Final = """
SELECT stxname FROM pg_statistic_ext WHERE stxrelid = %s AND stxnamespace = to_regnamespace(%s)::oid
"""
# Whoever could say of a wallet that it is not ours would be rid of all laws. It fires when an UPDATE names the column:
# triggers of ours may set it.
_FIXES: Final = f"""
CREATE OR REPLACE FUNCTION {{schema}}.{FIXED}() RETURNS trigger LANGUAGE plpgsql AS $fixed$
BEGIN
    RAISE EXCEPTION 'law part_is_fixed: whose a row is, the adoption alone says'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'part_is_fixed', TABLE = TG_TABLE_NAME;
END
$fixed$
"""


def steps(names: Names, schema: str) -> Iterator[Step]:
    """Yield the switch itself; it is done when our schema has a view of this name."""
    yield Step(
        f"{names.theirs.name}: taken over",
        "puts our triggers on it and a view of it in the place of our empty table",
        "ACCESS EXCLUSIVE, for an instant",
        tuple(_switch(names, schema)),
    )


def _switch(names: Names, schema: str) -> Iterator[str]:
    ours, theirs = names.ours, names.theirs
    mine = f"{quoted(schema)}.{quoted(ours.name)}"
    yield f"LOCK TABLE {theirs.table}, {mine} IN ACCESS EXCLUSIVE MODE"
    yield f"CREATE TEMPORARY TABLE economy_moved ON COMMIT DROP AS SELECT * FROM {mine}"  # noqa: S608 - names of the catalogue
    for key in ours.referenced_by:
        yield f"ALTER TABLE {key.table} DROP CONSTRAINT {quoted(key.name)}"
    yield REPLICA
    yield f"DELETE FROM {mine}"  # noqa: S608 - as above
    yield "SET LOCAL session_replication_role = DEFAULT"
    yield f"ALTER TABLE {mine} RENAME TO {quoted(aside(ours.name))}"
    yield from _cleared(theirs, schema)
    yield from _triggers(names, schema)
    yield from _constraints(names)
    yield from view(names, schema)
    yield from _moved(names, schema)
    for key in ours.referenced_by:
        definition = key.definition.format(table=theirs.table).replace("(id)", f"({names.key})")
        yield f"ALTER TABLE {key.table} ADD CONSTRAINT {quoted(key.name)} {definition}"
    if said := rows("SELECT obj_description(to_regclass(%s), 'pg_class')", mine)[0][0]:
        yield f"COMMENT ON VIEW {mine} IS '{said}'"


def aside(table: str) -> str:
    """Return what our own, empty table is called once the view has its name: it tells the shape to later migrations."""
    return f"shape_of_{table}"


def _cleared(theirs: Shape, schema: str) -> Iterator[str]:
    """Drop what an earlier switch put on the table, but what keeps the mirrors: in this transaction it is made anew."""
    for (name,) in rows(TRIGGERS, theirs.oid, quoted(schema)):
        if name != KEEPER:
            yield f"DROP TRIGGER {quoted(name)} ON {theirs.table}"
    for constraint in (*theirs.checks, *theirs.foreign_keys):
        if constraint.name.startswith(PREFIX):
            yield f"ALTER TABLE {theirs.table} DROP CONSTRAINT {quoted(constraint.name)}"
    for (name,) in rows(_STATISTICS, theirs.oid, quoted(schema)):
        yield f"DROP STATISTICS {quoted(schema)}.{quoted(name)}"


def _triggers(names: Names, schema: str) -> Iterator[str]:
    adopted = names.adopted
    for trigger in names.ours.triggers:
        if trigger.name not in adopted.replaced_triggers:
            yield mapping.function(trigger, names, schema)
            yield from mapping.triggers(trigger, names)
    yield from adopted.triggers(names.places(schema))
    yield _FIXES.format(schema=quoted(schema))
    yield (
        f"CREATE TRIGGER {FIXED} BEFORE UPDATE OF {PART} ON {names.theirs.table} FOR EACH ROW "
        f"WHEN (old.{PART} IS DISTINCT FROM new.{PART}) EXECUTE FUNCTION {quoted(schema)}.{FIXED}()"
    )
    key = names.theirs.columns["id"]
    if not key.is_given_by_itself:
        value = "gen_random_uuid()" if key.base == "uuid" else f"'{PREFIX}' || NEW.{names.key}"
        function = f"{quoted(schema)}.{quoted(f'{PREFIX}names_{names.theirs.name}')}"
        yield (
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$name$BEGIN NEW.id := {value}; RETURN NEW; END$name$"
        )
        yield (
            f"CREATE TRIGGER {NAMER} BEFORE INSERT ON {names.theirs.table} FOR EACH ROW "
            f"WHEN (NEW.id IS NULL AND NEW.{PART} = {OURS}) EXECUTE FUNCTION {function}()"
        )


def _constraints(names: Names) -> Iterator[str]:
    """Hold what is written as ours to our laws. New constraints are checked for new rows; no old one is ours."""
    theirs = names.theirs
    # What others write goes on as it did: where their rows are ours too, only what is written through us is held.
    exempt = f"{PART} <> {OURS}" if names.adopted.lawful else f"{PART} = 0"
    for check in names.ours.checks:
        condition = names.expression(check.definition.replace("{{", "{").replace("}}", "}").removeprefix("CHECK "))
        yield _constraint(theirs.table, check.name, f"CHECK ({exempt} OR {condition}) NOT VALID")
    required = [
        quoted(names.physical(column.name))
        for column in names.ours.columns.values()
        if column.not_null and column.name != "id" and column.generated is None
    ]
    present = " AND ".join(f"{column} IS NOT NULL" for column in required)
    yield _constraint(theirs.table, f"{theirs.name}_is_whole", f"CHECK ({exempt} OR ({present})) NOT VALID")
    for key in names.ours.foreign_keys:
        if all(_is_added(column, names) for column in key.columns):
            yield _constraint(theirs.table, key.name, f"{_outgoing(key, names)} NOT VALID")


def _is_added(column: str, names: Names) -> bool:
    """Return whether a column is one we added: what others write of their own is not for us to bind."""
    there = names.theirs.columns.get(names.physical(column))
    return there is None or there.comment is not None


def _outgoing(key: Named, names: Names) -> str:
    columns, references, rest = key.definition.partition(" REFERENCES ")
    return f"{names.expression(columns)}{references}{rest}"


def _constraint(table: str, name: str, definition: str) -> str:
    return f"ALTER TABLE {table} ADD CONSTRAINT {quoted(f'{PREFIX}{name}'[:63])} {definition}"


def view(names: Names, schema: str) -> Iterator[str]:
    """Return the statements that make the view: our columns by our names, the rows that are ours, our defaults."""
    mine = f"{quoted(schema)}.{quoted(names.theirs.name)}"
    listed = ", ".join(f"b.{quoted(place)} AS {quoted(column)}" for column, place in names.all().items())
    condition = names.is_ours("b")
    yield (
        f"CREATE VIEW {mine} AS SELECT {listed}, b.{PART} FROM {names.theirs.table} AS b "  # noqa: S608 - names of the catalogue
        f"WHERE {condition} WITH LOCAL CHECK OPTION"
    )
    yield f"ALTER VIEW {mine} ALTER COLUMN {PART} SET DEFAULT {OURS}"
    for column in names.ours.columns.values():
        if column.default is not None and column.generated is None:
            yield f"ALTER VIEW {mine} ALTER COLUMN {quoted(column.name)} SET DEFAULT {column.default}"


def _moved(names: Names, schema: str) -> Iterator[str]:
    """Carry over the rows our own table had already, under new numbers, and whatever pointed at them."""
    ours, theirs = names.ours, names.theirs
    mine = f"{quoted(schema)}.{quoted(ours.name)}"
    if not rows("SELECT to_regclass(%s) IS NOT NULL", mine)[0][0]:
        return  # only planned so far
    if not rows(f"SELECT EXISTS (SELECT FROM {mine})")[0][0]:  # noqa: S608 - as above
        return
    given: list[Column] = [c for c in ours.columns.values() if c.generated is None and c.name != "id"]
    places = [quoted(names.physical(column.name)) for column in given]
    values = [f"m.{quoted(column.name)}" for column in given]
    key = theirs.columns["id"]
    if names.key == "id":
        number = f"nextval(pg_get_serial_sequence('{theirs.table}', 'id'))"
        if key.default is not None:
            number = key.default
        identity = [("id", "m.economy_number")]
    else:
        number = f"nextval('{quoted(schema)}.{quoted(f'{theirs.name}_key')}')"
        identity = [(names.key, "m.economy_number")]
        if not key.is_given_by_itself:
            named = "gen_random_uuid()" if key.base == "uuid" else f"'{PREFIX}' || m.economy_number"
            identity.append(("id", named))
    yield REPLICA
    yield "ALTER TABLE economy_moved ADD COLUMN economy_number bigint"
    yield f"UPDATE economy_moved SET economy_number = {number}"  # noqa: S608 - as above
    yield (
        f"INSERT INTO {theirs.table} ({', '.join([name for name, _ in identity] + places + [PART])}) "  # noqa: S608 - as above
        f"OVERRIDING SYSTEM VALUE SELECT {', '.join([value for _, value in identity] + values + [str(OURS)])} "
        f"FROM economy_moved AS m ORDER BY m.id"
    )
    for reference in ours.referenced_by:
        column = quoted(reference.columns[0])
        yield (
            f"UPDATE {reference.table} AS r SET {column} = m.economy_number "  # noqa: S608 - as above
            f"FROM economy_moved AS m WHERE r.{column} = m.id"
        )
    yield "SET LOCAL session_replication_role = DEFAULT"
