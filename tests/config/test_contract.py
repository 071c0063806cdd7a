"""The proof of the contract: on tables made by SQL, every kind of difference is found by its name."""

from __future__ import annotations

import pytest

from config import conformance
from config.contract import Difference, Table
from tests.config import things

# Tables


def test_a_table_as_promised_has_no_difference(db: None) -> None:
    things.make(things.GENERATED)
    things.run("INSERT INTO things (name, amount, agent) VALUES ('a', 1.5, 'x'), ('b', 2, NULL)")
    assert things.check() == conformance.Checked("things", "table", 2, True, 14, 4, 3, (), [])  # noqa: FBT003


def test_rows_are_estimated_when_mirrors_are_not_read(db: None) -> None:
    things.make(things.GENERATED)
    things.run("INSERT INTO things (name, amount) SELECT n, n FROM generate_series(1, 1000) AS n")
    unread = things.check(rows=False)
    assert (unread.rows, unread.rows_exact, unread.mirrors) == (None, False, 0)
    things.run("ANALYZE things")
    assert things.check(rows=False).rows == 1000


def test_a_missing_table_is_found(db: None) -> None:
    assert things.check().differences == [
        Difference("missing_table", "things", "a table", "none", "Run manage.py migrate, which creates it.")
    ]


def test_a_table_off_the_search_path_is_found_where_it_is(db: None) -> None:
    things.run("CREATE SCHEMA apart; CREATE TABLE apart.things (id bigint)")
    (difference,) = things.check().differences
    assert str(difference) == (
        "things: expected a table; found one only in schema apart.\n"
        "    Put it on the role's path: ALTER ROLE … SET search_path = apart, public"
    )


@pytest.mark.parametrize("kind", ["view", "materialized view"])
def test_what_is_no_table_is_named(db: None, kind: str) -> None:
    things.run(f"CREATE {kind} things AS SELECT 1 AS id")
    assert (things.check().kind, things.differences(), things.found()) == (
        kind,
        [("not_a_table", "things")],
        [f"a {kind}"],
    )


def test_a_partitioned_table_serves(db: None) -> None:
    columns = things.COLUMNS.format(**things.GENERATED).replace(" PRIMARY KEY", "")
    things.run(f"CREATE TABLE things ({columns}, UNIQUE (id, created_at)) PARTITION BY RANGE (created_at)")
    things.run("CREATE TABLE things_old PARTITION OF things FOR VALUES FROM (MINVALUE) TO ('2026-01-01')")
    things.run("CREATE TABLE things_new PARTITION OF things FOR VALUES FROM ('2026-01-01') TO (MAXVALUE)")
    things.run("CREATE INDEX ON things (ceiling); CREATE INDEX ON things (status, price DESC)")
    things.run("""
        INSERT INTO things (name, amount, created_at)
        SELECT n, n, timestamptz '2025-06-01' + n * interval '1 day' FROM generate_series(1, 400) AS n
    """)
    checked = things.check()
    assert (checked.kind, checked.rows, checked.mirrors) == ("partitioned table", 400, 3)
    assert [(d.code, d.subject, d.remedy) for d in checked.differences] == [
        ("missing_unique", "things (id)", "CREATE UNIQUE INDEX ON things (id)"),
        ("missing_unique", "things (name, model)", "CREATE UNIQUE INDEX ON things (name, model)"),
    ]


def test_a_table_that_a_crash_would_empty_is_found(db: None) -> None:
    things.make(things.GENERATED, "UNLOGGED")
    assert things.differences() == [("unlogged", "things")]


def test_a_table_this_role_may_not_read_is_found_and_not_read(db: None) -> None:
    things.make(things.GENERATED)
    things.run("CREATE ROLE stranger; SET LOCAL ROLE stranger")
    assert (things.differences(), things.check().mirrors) == ([("unreadable", "things")], 0)


def test_rows_hidden_by_a_policy_are_found(db: None) -> None:
    things.make(things.GENERATED)
    things.run("CREATE ROLE stranger; GRANT SELECT ON things TO stranger; ALTER TABLE things ENABLE ROW LEVEL SECURITY")
    assert things.differences() == []
    things.run("SET LOCAL ROLE stranger")
    assert things.differences() == [("row_security", "things")]


# Columns


@pytest.mark.parametrize(
    ("change", "differences"),
    [
        ("DROP COLUMN model", [("missing_column", "things.model"), ("missing_unique", "things (name, model)")]),
        ("DROP COLUMN amount_used", [("missing_column", "things.amount_used")]),
        ("ALTER price TYPE integer", [("wrong_type", "things.price")]),
        ("ALTER price TYPE numeric", [("wrong_type", "things.price")]),
        ("ALTER ceiling TYPE double precision", [("wrong_type", "things.ceiling")]),
        ("DROP COLUMN votes, ADD COLUMN votes text NOT NULL DEFAULT ''", [("wrong_type", "things.votes")]),
        ("ALTER name TYPE char(8)", [("wrong_type", "things.name")]),
        ("ALTER name TYPE varchar(8)", []),
        ("DROP COLUMN id, ADD COLUMN id uuid DEFAULT gen_random_uuid() PRIMARY KEY", []),
        ("ALTER id TYPE integer", []),
        ("ALTER id TYPE smallint", [("wrong_type", "things.id")]),
        ("ALTER id DROP IDENTITY", [("no_default", "things.id")]),
        ("ALTER price DROP DEFAULT", [("no_default", "things.price")]),
        ("ALTER price DROP NOT NULL", [("null_allowed", "things.price")]),
        ("ALTER name DROP NOT NULL", [("null_allowed", "things.name")]),
        ("ALTER name SET DEFAULT 'x'", []),
        ("ALTER ceiling SET NOT NULL", [("null_refused", "things.ceiling")]),
        ("ALTER model DROP DEFAULT", [("no_default", "things.model")]),
        ("ALTER model DROP DEFAULT, ALTER model DROP NOT NULL", []),
        ("ALTER other DROP DEFAULT", [("no_default", "things.other")]),
        ("DROP COLUMN other", []),
        ("ADD COLUMN more numeric", []),
        ("ADD COLUMN more numeric NOT NULL", [("no_default", "things.more")]),
        ("ADD COLUMN more bigint GENERATED ALWAYS AS (price + 1) STORED NOT NULL", []),
    ],
)  # fmt: skip
def test_a_changed_column_is_found(db: None, change: str, differences: list[tuple[str, str]]) -> None:
    things.make(things.GENERATED)
    things.run(f"ALTER TABLE things {change}")
    assert things.differences() == differences


def test_a_difference_says_what_was_expected_what_is_there_and_what_to_do(db: None) -> None:
    things.make(things.GENERATED)
    things.run("ALTER TABLE things ALTER price TYPE integer, DROP COLUMN amount_used")
    price, amount_used = things.check().differences
    assert str(price) == (
        "things.price: expected bigint; found integer.\n    ALTER TABLE things ALTER COLUMN price TYPE bigint"
    )
    assert str(amount_used) == (
        "things.amount_used: expected a column of type numeric; found none.\n"
        "    ALTER TABLE things ADD COLUMN amount_used numeric GENERATED ALWAYS AS (amount) STORED"
    )


def test_a_column_nobody_can_write_is_found(db: None) -> None:
    things.make(things.GENERATED)
    things.run(
        "ALTER TABLE things DROP COLUMN ceiling, ADD COLUMN ceiling numeric GENERATED ALWAYS AS (price * 2) STORED"
    )
    things.run("CREATE INDEX ON things (ceiling DESC)")
    assert (things.differences(), things.found()) == (
        [("generated", "things.ceiling")],
        ["one made of (price * 2)"],
    )


def test_columns_that_writers_also_give_need_no_default(db: None) -> None:
    things.make(things.GENERATED)
    things.run("ALTER TABLE things ALTER other DROP DEFAULT")
    assert (
        things.differences(Table("things", things.THINGS.columns, things.THINGS.indexes, also_given=("other",))) == []
    )


def test_a_domain_is_what_it_stands_on(db: None) -> None:
    things.make(things.GENERATED)
    things.run("CREATE DOMAIN tokens AS bigint DEFAULT 0 NOT NULL; ALTER TABLE things ALTER price DROP DEFAULT")
    things.run("ALTER TABLE things ALTER price DROP NOT NULL, ALTER price TYPE tokens")
    assert things.differences() == []


# Indexes


@pytest.mark.parametrize(
    ("drop", "create", "differences"),
    [
        ("by_price", "", ["missing_index"]),
        ("by_price", "CREATE INDEX ON things (status, price)", ["missing_index"]),
        ("by_price", "CREATE INDEX ON things (status DESC, price DESC)", ["missing_index"]),
        ("by_price", "CREATE INDEX ON things (status DESC, price)", []),
        ("by_price", "CREATE INDEX ON things (status, price DESC, id)", []),
        ("by_price", "CREATE INDEX ON things (status, price DESC) INCLUDE (id)", []),
        ("by_price", "CREATE INDEX ON things (status) INCLUDE (price)", ["missing_index"]),
        ("by_price", "CREATE INDEX ON things (price DESC, status)", ["missing_index"]),
        ("by_price", "CREATE INDEX ON things (status, price DESC) WHERE status = 'open'", ["missing_index"]),
        ("by_price", "CREATE INDEX ON things (lower(status), price DESC)", ["missing_index"]),
        ("by_price", "CREATE INDEX ON things (status varchar_pattern_ops, price DESC)", ["missing_index"]),
        ("by_price", "CREATE INDEX ON things USING brin (status, price)", ["missing_index"]),
        ("by_ceiling", "CREATE INDEX ON things (ceiling)", []),
        ("by_ceiling", "CREATE INDEX ON things USING hash (ceiling)", ["missing_index"]),
        ("once", "", ["missing_unique"]),
        ("once", "CREATE INDEX ON things (name, model)", ["missing_unique"]),
        ("once", "CREATE UNIQUE INDEX ON things (model, name DESC)", []),
        ("once", "CREATE UNIQUE INDEX ON things (name, model, price)", ["missing_unique"]),
        ("once", "CREATE UNIQUE INDEX ON things (name, model) WHERE model <> ''", ["missing_unique"]),
        ("once", "ALTER TABLE things ADD UNIQUE (name, model)", []),
        ("once", "ALTER TABLE things ADD UNIQUE (name, model) DEFERRABLE", ["missing_unique"]),
    ],
)
def test_a_changed_index_is_found(db: None, drop: str, create: str, differences: list[str]) -> None:
    things.make(things.GENERATED)
    things.run(f"DROP INDEX {drop}; {create}")
    assert [code for code, _subject in things.differences()] == differences


def test_a_missing_index_is_shown_with_what_comes_near(db: None) -> None:
    things.make(things.GENERATED)
    things.run("DROP INDEX by_price; CREATE INDEX ascending ON things (status, price)")
    things.run("CREATE INDEX half ON things (status, price DESC) WHERE status = 'open'")
    assert things.check().differences == [
        Difference(
            "missing_index",
            "things (status, price DESC)",
            "an index over all rows",
            "none; near it CREATE INDEX ascending ON public.things USING btree (status, price) "
            "(other columns or directions); CREATE INDEX half ON public.things USING btree (status, price DESC) "
            "WHERE ((status)::text = 'open'::text) (not over all rows, or not in the order of the type)",
            "CREATE INDEX CONCURRENTLY ON things (status, price DESC)",
        )
    ]


def test_an_index_whose_build_did_not_end_does_not_count(db: None) -> None:
    things.make(things.GENERATED)
    things.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'by_ceiling'::regclass")
    (difference,) = things.check().differences
    definition = "CREATE INDEX by_ceiling ON public.things USING btree (ceiling DESC)"
    assert (difference.code, difference.found) == (
        "missing_index",
        f"none; near it {definition} (invalid: its build did not end; drop it)",
    )
