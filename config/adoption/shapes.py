"""What PostgreSQL's catalogue says of a table that is to be taken over, or of ours that tells the shape."""

import re
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

INTEGERS: Final = ("smallint", "integer", "bigint")


@dataclass(frozen=True)
class Column:
    """A column. `shown` is its declared type as SQL writes it, `base` the type below any domain."""

    name: str
    shown: str
    base: str
    is_domain: bool
    not_null: bool
    default: str | None
    is_identity: bool
    generated: str | None
    comment: str | None

    @property
    def is_given_by_itself(self) -> bool:
        """Return whether an INSERT may leave it out and still gets a value."""
        return self.default is not None or self.is_identity or self.generated is not None


@dataclass(frozen=True)
class Named:
    """A constraint, an index or a trigger. Its definition says `{table}` for its table and `{schema}.` for ours."""

    name: str
    definition: str
    columns: tuple[str, ...] = ()
    unique: bool = False
    valid: bool = True
    of_constraint: bool = False
    table: str = ""  # the other table of a foreign key, quoted


@dataclass(frozen=True)
class Trigger:
    """A trigger and its function, both as statements."""

    name: str
    definition: str
    function: str
    function_definition: str


@dataclass(frozen=True)
class Shape:
    """A table as it stands."""

    schema: str
    name: str
    oid: int
    kind: str
    columns: dict[str, Column]
    key: tuple[str, ...]
    checks: tuple[Named, ...]
    indexes: tuple[Named, ...]  # the key's own is left out
    foreign_keys: tuple[Named, ...]
    referenced_by: tuple[Named, ...]
    triggers: tuple[Trigger, ...]

    @property
    def table(self) -> str:
        """Return its qualified name, quoted."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


_RELATION: Final = """
SELECT c.oid, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_COLUMNS: Final = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text,
       t.typtype = 'd', a.attnotnull, CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
       a.attidentity <> '', CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END,
       col_description(a.attrelid, a.attnum)
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_KEY: Final = """
SELECT a.attname FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n)
  JOIN pg_attribute a ON a.attnum = k.attnum WHERE a.attrelid = i.indrelid AND i.indrelid = %s AND i.indisprimary
 ORDER BY k.n
"""
_CHECKS: Final = """
SELECT conname, pg_get_constraintdef(oid), convalidated,
       (SELECT array_agg(a.attname::text) FROM pg_attribute a WHERE a.attrelid = conrelid AND a.attnum = ANY (conkey))
  FROM pg_constraint WHERE conrelid = %s AND contype = 'c' ORDER BY conname
"""
_INDEXES: Final = """
SELECT c.relname, pg_get_indexdef(i.indexrelid), i.indisunique, i.indisvalid AND i.indisready,
       EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('u', 'x')),
       (SELECT array_agg(a.attname::text) FROM pg_attribute a
         WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[]) AND a.attnum > 0)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = %s AND NOT i.indisprimary ORDER BY c.relname
"""
_FOREIGN_KEYS: Final = """
SELECT k.conname, pg_get_constraintdef(k.oid),
       (SELECT array_agg(a.attname::text) FROM pg_attribute a
         WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)),
       format('%%I.%%I', n.nspname, c.relname)
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = CASE WHEN %s THEN k.confrelid ELSE k.conrelid END
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND k.conparentid = 0 AND %s = CASE WHEN %s THEN k.conrelid ELSE k.confrelid END
 ORDER BY 4, 1
"""
_TRIGGERS: Final = """
SELECT t.tgname, pg_get_triggerdef(t.oid), format('%%I.%%I', n.nspname, p.proname), pg_get_functiondef(p.oid)
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE t.tgrelid = %s AND NOT t.tgisinternal ORDER BY t.tgname
"""


def quoted(name: str) -> str:
    """Return a name as SQL writes it."""
    return connection.ops.quote_name(name)


def rows(query: str, *values: str | int | bool | list[str]) -> list[tuple[Any, ...]]:
    """Run a query and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        return list(cursor.fetchall())


def shape(schema: str, name: str) -> Shape | None:
    """Return the table or view of this name in this schema, or None where there is none."""
    found = rows(_RELATION, schema, name)
    if not found:
        return None
    oid, kind = found[0]
    whole = _Whole(schema, name)
    return Shape(
        schema,
        name,
        oid,
        kind,
        columns={row[0]: Column(*row) for row in rows(_COLUMNS, oid)},
        key=tuple(row[0] for row in rows(_KEY, oid)),
        checks=tuple(Named(n, whole.less(d), tuple(c or ()), valid=v) for n, d, v, c in rows(_CHECKS, oid)),
        indexes=tuple(
            Named(n, whole.less(d), tuple(c or ()), unique=u, valid=v, of_constraint=k)
            for n, d, u, v, k, c in rows(_INDEXES, oid)
        ),
        foreign_keys=_foreign_keys(oid, whole, outgoing=True),
        referenced_by=_foreign_keys(oid, whole, outgoing=False),
        triggers=tuple(Trigger(n, whole.less(d), f, b) for n, d, f, b in rows(_TRIGGERS, oid)),
    )


def _foreign_keys(oid: int, whole: "_Whole", *, outgoing: bool) -> tuple[Named, ...]:
    found = rows(_FOREIGN_KEYS, outgoing, oid, outgoing)
    return tuple(Named(n, whole.less(d), tuple(c), table=t) for n, d, c, t in found)


@dataclass(frozen=True)
class _Whole:
    """The name a definition has for its table, qualified or not, to be left open."""

    schema: str
    name: str

    def less(self, definition: str) -> str:
        """Return the definition with `{table}` after ON and REFERENCES."""
        schema, name = (rf'"?{re.escape(part)}"?' for part in (self.schema, self.name))
        open_braces = definition.replace("{", "{{").replace("}", "}}")
        return re.sub(rf"\b(ON|REFERENCES) (?:{schema}\.)?{name}(?=[ (])", r"\1 {table}", open_braces)
