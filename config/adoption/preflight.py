"""What stands in the way of an adoption: looked for before anything is changed, and said with its remedy."""

from collections.abc import Collection, Iterator
from typing import Final

from django.db import Error, connection, transaction

from config.adoption.shapes import INTEGERS, Shape, quoted, rows
from config.adoption.words import MARK, PART, PREFIX, Adopted, Obstacle
from config.contract import Type

_OLDEST: Final = 150_000
_KEYS: Final = (*INTEGERS, "uuid", "text", "character varying")
_MAY: Final = """
SELECT pg_has_role(c.relowner, 'USAGE'), row_security_active(c.oid), c.relpersistence = 'u',
       EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid OR inhrelid = c.oid)
  FROM pg_class c WHERE c.oid = %s
"""
# A subscriber that lacks a column which is published stops.
_PUBLISHED: Final = """
SELECT p.pubname FROM pg_publication p LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = %s
 WHERE p.puballtables OR (r.oid IS NOT NULL AND r.prattrs IS NULL)
    OR EXISTS (SELECT FROM pg_publication_namespace n JOIN pg_class c ON c.relnamespace = n.pnnspid
                WHERE n.pnpubid = p.oid AND c.oid = %s)
 ORDER BY 1
"""
# Rows that a subscription brings fire no trigger for a statement.
_SUBSCRIBED: Final = "SELECT EXISTS (SELECT FROM pg_subscription_rel WHERE srrelid = %s)"
# A trigger that fires after ours could still change what we have looked at.
_LATE: Final = """
SELECT tgname FROM pg_trigger
 WHERE tgrelid = %s AND NOT tgisinternal AND tgtype & 3 = 3 AND tgtype & 20 <> 0 AND tgname::text COLLATE "C" > %s
 ORDER BY 1
"""
_TRIGGERS: Final = "SELECT tgname FROM pg_trigger WHERE tgrelid = %s AND NOT tgisinternal ORDER BY 1"
_TEMPORARY: Final = "SELECT has_database_privilege(current_database(), 'TEMPORARY'), current_database()"
_ELSEWHERE: Final = """
SELECT c.relname, t.relname FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
 WHERE c.relnamespace = to_regnamespace(%s)::oid AND starts_with(c.relname, %s) ORDER BY 1
"""
_REPLICA: Final = "SELECT has_parameter_privilege('session_replication_role', 'SET')"
_IGNORES: Final = """
SELECT to_regprocedure('public._pgtrigger_should_ignore(name)') IS NOT NULL AND to_regnamespace(%s) IS NULL
"""
_SCHEMA: Final = "SELECT coalesce(has_schema_privilege(to_regnamespace(quote_ident(%s)), 'CREATE'), true)"
_DATABASE: Final = "SELECT has_database_privilege(current_database(), 'CREATE') OR to_regnamespace(%s) IS NOT NULL"


def of_database(schema: str, legacy: str) -> Iterator[Obstacle]:
    """Yield what is wrong with the server, the role or the settings."""
    if not schema:
        yield Obstacle("no_schema", "DATABASE_SCHEMA", "is not set", "Set it to a name of your own, such as economy.")
        return
    if schema == legacy:
        remedy = "Name another: our tables stand beside those of others, not among them."
        yield Obstacle("schema_taken", "DATABASE_SCHEMA", f"is {legacy}, where the tables of others are", remedy)
    version = connection.cursor().connection.info.server_version
    if version < _OLDEST:
        yield Obstacle("server_too_old", "PostgreSQL", f"is of version {version // 10_000}", "15 is the oldest known.")
        return
    isolation = rows("SHOW default_transaction_isolation")[0][0]
    if isolation != "read committed":
        remedy = f"ALTER ROLE {_role()} IN DATABASE … SET default_transaction_isolation = 'read committed'"
        sentence = f"is {isolation}: what we lock, we must then see as it is"
        yield Obstacle("not_read_committed", "default_transaction_isolation", sentence, remedy)
    yield from _rights(schema, legacy)
    if rows(_IGNORES, schema)[0][0]:
        remedy = "Another application with django-pgtrigger lives here; give each a database of its own."
        yield Obstacle("laws_of_others", "public._pgtrigger_should_ignore", "is there already", remedy)


def _rights(schema: str, legacy: str) -> Iterator[Obstacle]:
    """Check that this role may make what is to be made."""
    if not rows(_DATABASE, schema)[0][0]:
        remedy = f"CREATE SCHEMA {quoted(schema)} AUTHORIZATION {_role()}"
        yield Obstacle("no_right_to_create", "the database", "this role may not make a schema in it", remedy)
    may_hold, database = rows(_TEMPORARY)[0]
    if not may_hold:
        remedy = f"GRANT TEMPORARY ON DATABASE {quoted(database)} TO {_role()}"
        yield Obstacle("no_right_to_create", "the database", "this role may make no temporary table in it", remedy)
    # Indexes stand in the schema of their table; a function of django-pgtrigger in public.
    for name in sorted({legacy, "public"}):
        if not rows(_SCHEMA, name)[0][0]:
            remedy = f"GRANT CREATE ON SCHEMA {quoted(name)} TO {_role()}"
            yield Obstacle("no_right_to_create", f"schema {name}", "this role may make nothing in it", remedy)
    if not rows(_REPLICA)[0][0]:
        remedy = f"GRANT SET ON PARAMETER session_replication_role TO {_role()}"
        yield Obstacle("triggers_would_fire", "session_replication_role", "this role may not set it", remedy)


def of_others(tables: Collection[str], legacy: str) -> Iterator[Obstacle]:
    """Yield what is wrong with tables that stay theirs: an index whose name one of ours will have."""
    for name, table in rows(_ELSEWHERE, quoted(legacy), PREFIX):
        if table not in tables:
            remedy = f"ALTER INDEX {quoted(legacy)}.{quoted(name)} RENAME TO …"
            subject = f"{quoted(legacy)}.{quoted(table)} {name}"
            yield Obstacle("name_taken", subject, "this index is called as only ours are", remedy)


def of_table(adopted: Adopted, theirs: Shape) -> Iterator[Obstacle]:
    """Yield what is wrong with a table of theirs."""
    if theirs.kind != "r":
        kind = {"p": "partitioned", "v": "a view", "m": "a materialized view", "f": "a foreign table"}[theirs.kind]
        yield Obstacle("not_a_table", theirs.table, f"is {kind}", "Only plain tables can be taken over.")
        return
    is_owner, is_secured, is_unlogged, inherits = rows(_MAY, theirs.oid)[0]
    if not is_owner:
        remedy = (
            f"GRANT its owner TO {_role()}, for good: our view reads the table as this role. Or adopt as the owner."
        )
        yield Obstacle("not_its_owner", theirs.table, "this role may not alter it", remedy)
    if is_secured:
        remedy = f"ALTER ROLE {_role()} BYPASSRLS: what a policy hides would be counted by nobody."
        yield Obstacle("row_security", theirs.table, "row security hides rows of this role", remedy)
    if is_unlogged:
        yield Obstacle(
            "unlogged", theirs.table, "its rows are lost in a crash", f"ALTER TABLE {theirs.table} SET LOGGED"
        )
    if inherits:
        yield Obstacle("inherits", theirs.table, "it has a parent or children", "Only plain tables can be taken over.")
    for (publication,) in rows(_PUBLISHED, theirs.oid, theirs.oid):
        listed = ", ".join(map(quoted, theirs.columns))
        remedy = f"ALTER PUBLICATION {quoted(publication)} SET TABLE {theirs.table} ({listed}), …"
        sentence = f"publication {publication} would publish our columns, which a subscriber does not have"
        yield Obstacle("published", theirs.table, sentence, remedy)
    yield from _triggers(theirs)
    yield from _names(theirs)
    yield from _key(theirs)
    yield from _columns(adopted, theirs)
    yield from _foreign(adopted, theirs)
    yield from _reserved(adopted, theirs)


def _triggers(theirs: Shape) -> Iterator[Obstacle]:
    """Check that our triggers will see every row, and see it as it is written."""
    if rows(_SUBSCRIBED, theirs.oid)[0][0]:
        remedy = "Adopt where the rows are written, or end the subscription."
        yield Obstacle(
            "subscribed", theirs.table, "a subscription writes it: what it brings would not be counted", remedy
        )
    for (name,) in rows(_LATE, theirs.oid, f"zz_{PREFIX}~"):
        remedy = f"ALTER TRIGGER {quoted(name)} ON {theirs.table} RENAME TO … (triggers fire in order of their names)"
        yield Obstacle("fires_last", f"{theirs.table} {name}", "fires after ours, which keep and count a row", remedy)


def _names(theirs: Shape) -> Iterator[Obstacle]:
    """Check that nothing of theirs is called as ours will be: it would pass for ours, and go with an undoing."""
    part = theirs.columns.get(PART)
    if part is not None and (part.comment or "").startswith(MARK):
        return  # what is called so by now is ours
    found = [(name, "COLUMN") for name in theirs.columns]
    found += [(one.name, "CONSTRAINT") for one in (*theirs.checks, *theirs.foreign_keys)]
    found += [(one.name, "INDEX") for one in theirs.indexes if one.valid]  # one left half built is built anew
    found += [(name, "TRIGGER") for (name,) in rows(_TRIGGERS, theirs.oid)]
    for name, kind in found:
        if name.startswith((PREFIX, f"zz_{PREFIX}")):
            renaming = {
                "INDEX": f"ALTER INDEX {quoted(theirs.schema)}.{quoted(name)} RENAME TO …",
                "TRIGGER": f"ALTER TRIGGER {quoted(name)} ON {theirs.table} RENAME TO …",
            }
            remedy = renaming.get(kind, f"ALTER TABLE {theirs.table} RENAME {kind} {quoted(name)} TO …")
            sentence = f"this {kind.lower()} is called as only ours are"
            yield Obstacle("name_taken", f"{theirs.table} {name}", sentence, remedy)


def _key(theirs: Shape) -> Iterator[Obstacle]:
    """Check that the key is one column `id` of a type we can live with."""
    remedy = "A table is taken over by a primary key of one column: id, bigint, integer, uuid or text."
    if theirs.key != ("id",):
        shown = f"is ({', '.join(theirs.key)})" if theirs.key else "does not exist"
        yield Obstacle("key_unusable", theirs.table, f"its primary key {shown}", remedy)
        return
    key = theirs.columns["id"]
    if key.base not in _KEYS:
        yield Obstacle("key_unusable", f"{theirs.table}.id", f"is {key.shown}", remedy)
    elif key.base in INTEGERS and not key.is_given_by_itself:
        remedy = f"ALTER TABLE {theirs.table} ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (START …)"
        yield Obstacle("key_not_given", f"{theirs.table}.id", "has no default: nobody could number our rows", remedy)


def _columns(adopted: Adopted, theirs: Shape) -> Iterator[Obstacle]:
    """Check that shared columns are there and of their types, and that a writer need not know any other."""
    shared = {column.name: column for column in adopted.contract.columns if column.name != "id"}
    for name in adopted.needs:
        if name not in theirs.columns:
            remedy = f"Without it no row can be understood: ALTER TABLE {theirs.table} ADD COLUMN {name} …"
            yield Obstacle("missing_column", f"{theirs.table}.{name}", "does not exist", remedy)
    for name, there in theirs.columns.items():
        promised = shared.get(name)
        if promised is not None and promised.type is not Type.KEY and there.base not in promised.type.value:
            expected = " or ".join(promised.type.value)
            remedy = f"ALTER TABLE {theirs.table} ALTER COLUMN {name} TYPE {expected} (rewrites the table)"
            yield Obstacle("wrong_type", f"{theirs.table}.{name}", f"is {there.shown}, not {expected}", remedy)
        if promised is not None and not promised.of and there.generated is not None:
            remedy = f"ALTER TABLE {theirs.table} ALTER COLUMN {name} DROP EXPRESSION"
            yield Obstacle("generated", f"{theirs.table}.{name}", "is generated: nobody can write it", remedy)
        if promised is None and name != "id" and there.not_null and not there.is_given_by_itself:
            remedy = f"ALTER TABLE {theirs.table} ALTER COLUMN {name} SET DEFAULT …"
            sentence = "must be given by every writer, and we do not know it"
            yield Obstacle("no_default", f"{theirs.table}.{name}", sentence, remedy)


def _foreign(adopted: Adopted, theirs: Shape) -> Iterator[Obstacle]:
    """Check that nothing of theirs decides what we may write in a shared column."""
    shared = {column.name for column in adopted.contract.columns}
    for key in theirs.foreign_keys:
        if bound := shared & set(key.columns):
            remedy = f"ALTER TABLE {theirs.table} DROP CONSTRAINT {quoted(key.name)}"
            sentence = f"foreign key {key.name} would refuse what we record of others"
            yield Obstacle("bound_column", f"{theirs.table}.{min(bound)}", sentence, remedy)


def _reserved(adopted: Adopted, theirs: Shape) -> Iterator[Obstacle]:
    """Check that no row of theirs has the place of one of ours."""
    shared = {column.name for column in adopted.contract.columns} - {"id"}
    unique = [index.name for index in theirs.indexes if index.unique and set(index.columns) <= shared]
    if not unique or not adopted.reserved or not set(adopted.needs) <= set(theirs.columns):
        return
    if rows(f"SELECT EXISTS (SELECT FROM {theirs.table} WHERE {adopted.reserved})")[0][0]:  # noqa: S608 - ours
        remedy = f"Rename them, or do without {unique[0]}: such rows are of the house, which has its own."
        sentence = f"has rows with {adopted.reserved}, and {unique[0]} allows no second"
        yield Obstacle("place_taken", theirs.table, sentence, remedy)


def rehearse(adopted: Adopted, theirs: Shape) -> Iterator[Obstacle]:
    """Try what we shall write on an empty copy with their constraints, which is gone afterwards."""
    for sample in adopted.samples:
        numbered = {"id": "gen_random_uuid()" if theirs.columns["id"].base == "uuid" else "'1'"}  # of no sequence
        given = numbered | {column: value for column, value in sample.items() if column in theirs.columns}
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"CREATE TEMPORARY TABLE economy_rehearsal (LIKE {theirs.table} INCLUDING ALL)")
                columns, values = ", ".join(map(quoted, given)), ", ".join(given.values())
                cursor.execute(f"INSERT INTO economy_rehearsal ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})")  # noqa: S608 - ours
                transaction.set_rollback(True)
        except Error as error:
            constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
            if constraint is None:
                continue  # what is missing is said by name above
            shown = ", ".join(f"{column} {value}" for column, value in given.items())
            remedy = f"ALTER TABLE {theirs.table} DROP CONSTRAINT {quoted(constraint)}"
            yield Obstacle("refused_by_theirs", f"{theirs.table} {constraint}", f"would refuse our {shown}", remedy)


def _role() -> str:
    return quoted(rows("SELECT current_user")[0][0])
