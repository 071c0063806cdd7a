"""Mirrors: what keeps them is proved from the catalogue, and what they hold from every row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from django.db import InternalError

from config import conformance, pg_catalog
from config.contract import Difference
from tests.config import things

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PLAIN_COLUMN = "a plain column that writers may leave behind"


def test_mirrors_kept_by_a_trigger_serve(db: None) -> None:
    things.make(things.PLAIN)
    things.trigger(things.KEEP)
    things.run("INSERT INTO things (name, amount, amount_used, agent) VALUES ('a', 1.5, 7, 'x'), ('b', 2, NULL, NULL)")
    assert (things.differences(), things.check().mirrors) == ([], 3)


def test_virtual_generated_columns_serve(db: None) -> None:
    if int(things.value("SHOW server_version_num")) < 180_000:
        pytest.skip("since PostgreSQL 18")
    things.make({name: how.replace("STORED", "VIRTUAL") for name, how in things.GENERATED.items()})
    assert things.differences() == []


def test_a_dropped_expression_is_found_before_anything_drifts(db: None) -> None:
    things.make(things.GENERATED)
    things.run("INSERT INTO things (name, amount) VALUES ('a', 1)")
    things.run("ALTER TABLE things ALTER amount_used DROP EXPRESSION")
    assert (things.differences(), things.found()) == (
        [("mirror_unkept", "things.amount_used")],
        [PLAIN_COLUMN],
    )


def test_drifting_and_null_mirrors_are_counted_with_examples(db: None) -> None:
    things.make(things.PLAIN)
    things.run("""
        INSERT INTO things (name, amount, created_at, timestamp, amount_used, proposer)
        SELECT n, n, now(), now(), CASE n WHEN 3 THEN NULL WHEN 4 THEN NULL WHEN 7 THEN 0 ELSE n END,
               CASE WHEN n > 5 THEN 'x' END FROM generate_series(1, 10) AS n
    """)
    checked = things.check()
    assert checked.rows == 10
    assert [(d.code, d.subject, d.found) for d in checked.differences if d.code != "mirror_unkept"] == [
        ("mirror_null", "things.amount_used", "NULL in 2 rows, such as id 3; id 4"),
        ("mirror_differs", "things.amount_used", "another value in 1 row, such as id 7"),
        ("mirror_differs", "things.proposer", "another value in 5 rows, such as id 6; id 7; id 8"),
    ]
    assert checked.differences[-1].remedy == (
        "Once the column is kept: UPDATE things SET proposer = coalesce(person, agent) "
        "WHERE proposer IS DISTINCT FROM coalesce(person, agent)"
    )


def test_rows_without_a_key_are_named_by_place(db: None) -> None:
    things.make(things.PLAIN)
    things.run("ALTER TABLE things DROP CONSTRAINT things_pkey")
    things.run("INSERT INTO things (name, amount, created_at, timestamp) VALUES ('a', 1, now(), now())")
    assert things.found()[-1] == "NULL in 1 row, such as ctid (0,1)"


@pytest.mark.parametrize(
    ("expression", "differences"),
    [
        ("amount * 2", [("mirror_of_another", "one of (amount * (2)::numeric)")]),
        ("amount::integer", [("mirror_of_another", "one of (amount)::integer")]),
        ("amount::numeric(20, 2)", [("mirror_of_another", "one of (amount)::numeric(20,2)")]),
        ("amount::numeric", []),
    ],
)
def test_a_column_generated_from_something_else_is_found(
    db: None, expression: str, differences: list[tuple[str, str]]
) -> None:
    things.make({**things.GENERATED, "amount_used": f"GENERATED ALWAYS AS ({expression}) STORED"})
    assert [(d.code, d.found) for d in things.check().differences] == differences


def test_a_mirror_that_would_round_is_found(db: None) -> None:
    things.make({**things.GENERATED, "amount_used": "GENERATED ALWAYS AS (amount) STORED"})
    things.run("ALTER TABLE things ALTER amount_used TYPE numeric(20, 2)")
    assert things.check().differences == [
        Difference(
            "mirror_narrower",
            "things.amount_used",
            "numeric(30,6) like amount",
            "numeric(20,2)",
            "ALTER TABLE things ALTER COLUMN amount_used TYPE numeric(30,6)",
        )
    ]


MIRROR = "NEW.amount_used := NEW.amount;"
TWICE = "trigger keep_mirrors, which sets it to NEW.amount * 2"
STALE = "trigger keep_mirrors, which sets it to OLD.amount"
AFTERWARDS = "trigger keep_mirrors, which changes the source afterwards"
UNPROVED = "trigger keep_mirrors, whose function is more than assignments and proves nothing"
PARTIAL = "trigger keep_mirrors, which does not fire on every INSERT and UPDATE"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (MIRROR, "NEW.amount_used := NEW.amount * 2;", TWICE),
        (MIRROR, "NEW.amount_used := OLD.amount;", STALE),
        (MIRROR, f"{MIRROR} NEW.amount := 0;", AFTERWARDS),
        (MIRROR, f"NEW.amount := 0; {MIRROR}", ""),
        (MIRROR, f"IF NEW.amount_used IS NULL THEN {MIRROR} END IF;", UNPROVED),
        (MIRROR, f"IF NEW.amount > 0 THEN RAISE 'no'; END IF; {MIRROR}", UNPROVED),
        (MIRROR, f"-- {MIRROR}", PLAIN_COLUMN),
        ("RETURN NEW", "RETURN OLD", UNPROVED),
        ("BEGIN", "BEGIN RETURN NEW;", UNPROVED),
    ],
)
def test_a_function_that_may_not_mirror_is_found(db: None, old: str, new: str, found: str) -> None:
    things.make(things.PLAIN)
    things.trigger(things.KEEP.replace(old, new))
    of_amount = [d.found for d in things.check().differences if d.subject == "things.amount_used"]
    assert of_amount == ([found] if found else [])


@pytest.mark.parametrize(
    ("when", "rest", "found"),
    [
        ("BEFORE INSERT", "", PARTIAL),
        ("BEFORE UPDATE", "", PARTIAL),
        ("BEFORE INSERT OR UPDATE OF amount", "", PARTIAL),
        ("BEFORE INSERT OR UPDATE", "WHEN (NEW.amount > 0)", PARTIAL),
        ("AFTER INSERT OR UPDATE", "", PLAIN_COLUMN),
    ],
)
def test_a_trigger_that_does_not_always_fire_is_found(db: None, when: str, rest: str, found: str) -> None:
    things.make(things.PLAIN)
    things.trigger(things.KEEP, when=when, rest=rest)
    assert things.found() == [found] * 3


@pytest.mark.parametrize("state", ["DISABLE", "ENABLE REPLICA"])
def test_a_trigger_that_is_switched_off_does_not_count(db: None, state: str) -> None:
    things.make(things.PLAIN)
    things.trigger(things.KEEP)
    things.run(f"ALTER TABLE things {state} TRIGGER keep_mirrors")
    assert things.found() == [PLAIN_COLUMN] * 3
    things.run("ALTER TABLE things ENABLE ALWAYS TRIGGER keep_mirrors")
    assert things.found() == []


@pytest.mark.parametrize(
    ("name", "body", "found"),
    [
        ("later", "BEGIN IF NEW.amount < 0 THEN NEW.amount := 0; END IF; RETURN NEW; END", True),
        ("early", "BEGIN IF NEW.amount < 0 THEN NEW.amount := 0; END IF; RETURN NEW; END", False),
        ("later", "BEGIN IF NEW.amount = 0 THEN RAISE 'no'; END IF; RETURN NEW; END", False),
        ("later", "BEGIN NEW.model := 'x'; RETURN NEW; END", False),
    ],
)
def test_a_later_trigger_that_changes_the_source_is_found(db: None, name: str, body: str, found: bool) -> None:  # noqa: FBT001
    things.make(things.PLAIN)
    things.trigger(things.KEEP)
    things.trigger(body, name=name)
    assert things.found() == (
        ["trigger later, which fires after keep_mirrors and may change the source"] if found else []
    )


def test_mirrors_of_the_wrong_type_are_reported_and_not_compared(db: None) -> None:
    things.make({**things.PLAIN, "proposer": ""})
    things.run("ALTER TABLE things ALTER proposer TYPE jsonb USING to_jsonb(proposer)")
    checked = things.check()
    assert (checked.mirrors, checked.differences[-2].code) == (2, "wrong_type")


# Reading rows


def test_a_large_table_is_read_in_parts(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg_catalog, "SPAN_BLOCKS", 4)
    things.make(things.PLAIN)
    things.run("INSERT INTO things (name, amount, created_at, timestamp) SELECT n, n, now(), now() "
         "FROM generate_series(1, 1000) AS n")  # fmt: skip
    seen: list[tuple[str, list[pg_catalog.Span]]] = []

    def watched(spans: Sequence[pg_catalog.Span], table: str) -> Iterable[pg_catalog.Span]:
        seen.append((table, list(spans)))
        return spans

    checked = conformance.verify_here([things.THINGS], watched=watched)[0]
    assert (checked.rows, checked.differences[-1].found[:19]) == (1000, "NULL in 1,000 rows,")
    assert [(table, spans[:2], spans[-1][1]) for table, spans in seen] == [("things", [(0, 4), (4, 8)], None)]


@pytest.mark.parametrize(
    ("blocks", "spans"),
    [(0, [(0, None)]), (4, [(0, None)]), (5, [(0, 4), (4, None)]), (9, [(0, 4), (4, 8), (8, None)])],
)
def test_parts_are_the_whole_table(
    db: None, monkeypatch: pytest.MonkeyPatch, blocks: int, spans: list[pg_catalog.Span]
) -> None:
    monkeypatch.setattr(pg_catalog, "SPAN_BLOCKS", 4)
    seen: list[pg_catalog.Span] = []
    things.make(things.GENERATED)
    found = pg_catalog.relation("things")
    assert found is not None

    def watched(parts: Sequence[pg_catalog.Span], _table: str) -> Iterable[pg_catalog.Span]:
        seen.extend(parts)
        return parts

    pg_catalog.mirror_rows("things", found._replace(blocks=blocks), {"amount_used": ("amount",)}, watched)
    assert seen == spans


def test_all_parts_are_one_snapshot_that_cannot_write(committed_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg_catalog, "SPAN_BLOCKS", 4)
    things.make(things.PLAIN)
    things.trigger(things.KEEP)
    insert = "INSERT INTO things (name, amount) SELECT gen_random_uuid(), n FROM generate_series(1, 1000) AS n"
    things.run(insert)

    def meanwhile(spans: Sequence[pg_catalog.Span], _table: str) -> Iterable[pg_catalog.Span]:
        for span in spans:
            with psycopg.connect(committed_db) as other:
                other.execute("SET session_replication_role = replica")  # no trigger keeps what follows
                other.execute("UPDATE things SET amount = amount + 1 WHERE id % 10 = 0")
                other.execute("INSERT INTO things (name, amount) VALUES (gen_random_uuid(), 1)")
            yield span

    checked = conformance.verify([things.THINGS], watched=meanwhile)[0]
    assert (checked.rows, checked.differences) == (1000, [])

    def write(spans: Sequence[pg_catalog.Span], _table: str) -> Iterable[pg_catalog.Span]:
        things.run("DELETE FROM things")
        return spans

    with pytest.raises(InternalError, match="read-only transaction"):
        conformance.verify([things.THINGS], watched=write)
