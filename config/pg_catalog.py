"""What PostgreSQL's own catalogue says about a table, and what the rows of its mirrors say."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connection
from psycopg import sql

# Blocks read by one statement: 128 MiB, so that progress can be shown and a statement timeout kept.
SPAN_BLOCKS = 16_384
EXAMPLES = 3


class Attribute(NamedTuple):
    """A column. `type` is the name of its type below any domain, `shown` is how SQL writes its declared type."""

    name: str
    type: str
    shown: str
    typmod: int
    not_null: bool
    has_default: bool
    generated_from: str | None


class Index(NamedTuple):
    """An index. `keys` are its key columns and whether each descends; an expression has no name."""

    keys: list[tuple[str | None, bool]]
    unique: bool
    valid: bool
    plain: bool  # a b-tree over all rows in each type's own order
    definition: str


class RowTrigger(NamedTuple):
    """An enabled BEFORE row trigger, in order of firing."""

    name: str
    always: bool  # on every INSERT and every UPDATE
    body: str


class Relation(NamedTuple):
    """A table or something else of its name, as this session's search path finds it."""

    oid: int
    kind: str
    unlogged: bool
    readable: bool
    row_security: bool
    rows: int | None  # the planner's estimate; None: never analysed
    blocks: int  # of the table, or of its largest partition
    columns: dict[str, Attribute]
    indexes: list[Index]
    triggers: list[RowTrigger]
    schema: str


class TakenOver(NamedTuple):
    """A table of others that a view of ours shows, and its triggers, each with whether it fires."""

    table: Relation
    fires: dict[str, bool]


class Strays(NamedTuple):
    """Rows that are not as they should be, and the keys of a few."""

    rows: int
    examples: list[str]


class MirrorRows(NamedTuple):
    """How the rows of a mirror stand: null where the source has a value, or of another value than the source."""

    missing: Strays
    differing: Strays


Span = tuple[int, int | None]  # first block, and the block it stops before; None: to the end
Watched = Callable[[Sequence[Span], str], Iterable[Span]]


def unwatched(spans: Sequence[Span], table: str) -> Iterable[Span]:
    """Hand on the spans of a table as they are."""
    del table
    return spans


_KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "S": "sequence",
    "i": "index",
    "c": "type",
}
_RELATION = """
SELECT c.oid, c.relkind::text, c.relpersistence = 'u', has_table_privilege(c.oid, 'SELECT'), row_security_active(c.oid),
       (SELECT CASE WHEN bool_or(p.reltuples >= 0) THEN sum(greatest(p.reltuples, 0))::bigint END
          FROM pg_class p WHERE p.oid IN (SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid))),
       (SELECT max(pg_relation_size(p.oid)) / current_setting('block_size')::bigint
          FROM pg_class p WHERE p.relkind IN ('r', 'm')
           AND p.oid IN (SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid))),
       (SELECT nspname FROM pg_namespace WHERE oid = c.relnamespace)
  FROM pg_class c WHERE c.oid = to_regclass(%s)
"""
_ELSEWHERE = """
SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = %s AND relkind IN ('r', 'p') ORDER BY 1
"""
# A column of an identity has a default as good as any; a generated one is never given.
_COLUMNS = """
SELECT a.attname, coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text, format_type(a.atttypid, a.atttypmod),
       CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END, a.attnotnull OR t.typnotnull,
       a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
       CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
# Bit 1 of indoption is DESC. Beyond indnkeyatts stand the columns of INCLUDE, which order nothing.
_INDEXES = """
SELECT array_agg(a.attname::text ORDER BY k.n), array_agg(i.indoption[k.n - 1] & 1 = 1 ORDER BY k.n),
       i.indisunique AND i.indimmediate,
       i.indisvalid AND i.indisready,
       m.amname = 'btree' AND i.indpred IS NULL AND bool_and(o.opcdefault), pg_get_indexdef(i.indexrelid)
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_am m ON m.oid = c.relam
 CROSS JOIN generate_series(1, i.indnkeyatts) AS k(n)
  JOIN pg_opclass o ON o.oid = i.indclass[k.n - 1]
  LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.n - 1] AND a.attnum > 0
 WHERE i.indrelid = %s GROUP BY i.indexrelid, c.relname, m.amname ORDER BY c.relname
"""
# tgtype: 1 row, 2 before, 4 insert, 16 update. Enabled for ordinary sessions: O (origin) and A (always).
_TRIGGERS = """
SELECT t.tgname, t.tgtype & 20 = 20 AND t.tgqual IS NULL AND cardinality(t.tgattr::int2[]) = 0, p.prosrc
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE t.tgrelid = %s AND NOT t.tgisinternal AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 AND t.tgenabled IN ('O', 'A')
 ORDER BY t.tgname
"""
_KEY = """
SELECT array_agg(a.attname::text ORDER BY k.n) FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n)
  JOIN pg_attribute a ON a.attnum = k.attnum WHERE a.attrelid = i.indrelid AND i.indrelid = %s AND i.indisprimary
"""


_BASE = """
SELECT n.nspname, c.relname FROM pg_rewrite r
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class c ON c.oid = d.refobjid AND c.relkind = 'r' JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE r.ev_class = %s AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = %s)
 GROUP BY 1, 2
"""
_FIRES = "SELECT tgname, tgenabled <> 'D' FROM pg_trigger WHERE tgrelid = %s AND NOT tgisinternal"
PART = "economy_part"  # the column that a table of others has once it is taken over (see config.adoption)


def relation(table: str, schema: str = "") -> Relation | None:
    """Return what stands under this name (in this schema), or None where there is nothing."""
    quote = connection.ops.quote_name
    found = _rows(_RELATION, f"{quote(schema)}.{quote(table)}" if schema else quote(table))
    if not found:
        return None
    oid, kind, unlogged, readable, row_security, rows, blocks, schema = found[0]
    indexes = (
        Index(list(zip(names, descending, strict=True)), *others) for names, descending, *others in _rows(_INDEXES, oid)
    )
    return Relation(
        oid,
        _KINDS.get(kind, kind),
        unlogged,
        readable,
        row_security,
        rows,
        blocks or 0,
        columns={row[0]: Attribute(*row) for row in _rows(_COLUMNS, oid)},
        indexes=list(indexes),
        triggers=[RowTrigger(*row) for row in _rows(_TRIGGERS, oid)],
        schema=schema,
    )


def taken_over(view: Relation) -> TakenOver | None:
    """Return the table of others that a view of ours shows, or None where it is another kind of view."""
    for schema, name in _rows(_BASE, view.oid, PART):
        found = relation(name, schema)
        if found is not None:
            return TakenOver(found, dict(_rows(_FIRES, found.oid)))
    return None


def elsewhere(table: str) -> list[str]:
    """Return the schemas in which a table of this name stands, whether or not the search path leads there."""
    return [schema for (schema,) in _rows(_ELSEWHERE, table)]


def mirror_rows(
    table: str, found: Relation, mirrors: dict[str, tuple[str, ...]], watched: Watched
) -> tuple[int, dict[str, MirrorRows]]:
    """Read every row once and compare each mirror with the first of its source columns that is not null.

    Returns the rows read and how each mirror stands. The caller's transaction makes the spans one snapshot: rows
    written meanwhile, in whatever block, are not in it.
    """
    conditions = [condition for mirror, sources in mirrors.items() for condition in _conditions(mirror, sources)]
    counted = (sql.SQL("count(*) FILTER (WHERE {})").format(condition) for condition in conditions)
    counts = sql.SQL("SELECT count(*), {} FROM {}").format(
        sql.SQL(", ").join(counted), sql.Identifier(found.schema, table)
    )
    totals = [0] * (1 + len(conditions))
    for first, end in watched(_spans(found.blocks), table):
        within = sql.SQL(" WHERE ctid >= {}").format(sql.Literal(f"({first},0)"))
        if end is not None:
            within += sql.SQL(" AND ctid < {}").format(sql.Literal(f"({end},0)"))
        totals = [a + b for a, b in zip(totals, _rows(counts + within)[0], strict=True)]
    strays = [
        Strays(count, _examples(table, found, condition) if count else [])
        for count, condition in zip(totals[1:], conditions, strict=True)
    ]
    pairs = zip(strays[::2], strays[1::2], strict=True)
    return totals[0], {mirror: MirrorRows(*pair) for mirror, pair in zip(mirrors, pairs, strict=True)}


def _spans(blocks: int) -> list[Span]:
    """Return ranges of blocks that together are the whole table."""
    ends = [*range(SPAN_BLOCKS, blocks, SPAN_BLOCKS), None]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _conditions(mirror: str, sources: tuple[str, ...]) -> tuple[sql.Composable, sql.Composable]:
    """Return when a mirror is missing and when it differs, as SQL."""
    names = sql.SQL(", ").join(sql.Identifier(name) for name in sources)
    both = {"mirror": sql.Identifier(mirror), "source": sql.SQL("coalesce({})").format(names)}
    return (
        sql.SQL("{mirror} IS NULL AND {source} IS NOT NULL").format(**both),
        sql.SQL("{mirror} IS NOT NULL AND {mirror} IS DISTINCT FROM {source}").format(**both),
    )


def _examples(table: str, found: Relation, condition: sql.Composable) -> list[str]:
    """Return the keys of a few rows that meet a condition."""
    key = _rows(_KEY, found.oid)[0][0] or ["ctid"]
    shown = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in key)
    query = sql.SQL("SELECT concat_ws(', ', {}) FROM {} WHERE {} LIMIT {}")
    rows = _rows(query.format(shown, sql.Identifier(found.schema, table), condition, EXAMPLES))
    return [f"{', '.join(key)} {row[0]}" for row in rows]


def _rows(query: str | sql.Composable, *values: str | int) -> list[tuple[Any, ...]]:
    """Run a query and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        return list(cursor.fetchall())
