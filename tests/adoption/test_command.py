"""What `adopt` says to an operator, and what it refuses to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from config.adoption import preflight, running, telling
from config.adoption.words import Step
from tests import adoptions, taken_over

if TYPE_CHECKING:
    from collections.abc import Callable

    World = Callable[[str], str]


@pytest.mark.parametrize(
    ("schema", "arguments", "refusal"),
    [
        ("", ["--undo"], "no_schema"),
        ("", ["--undo", "--drop", ""], "no_schema"),
        ("public", ["--undo", "--drop", "public"], "no_schema"),
        ("gateway", ["--undo", "--drop", "gateway", "--from", "gateway"], "no_schema"),
        ("economy", ["--undo", "--drop", "econmy"], "other_schema"),
        ("economy", ["--drop", "economy"], "drop_without_undo"),
    ],
)
def test_nothing_is_dropped_by_chance(schema: str, arguments: list[str], refusal: str, settings: Any) -> None:
    """Without a database: each is refused before anything is asked."""
    settings.DATABASE_SCHEMA = schema
    with pytest.raises(CommandError, match=rf"^{refusal}: "):
        call_command("adopt", *arguments)


def test_what_is_only_shown_changes_nothing(found: World) -> None:
    url = found("broad")
    before = taken_over.schemas(url)
    plan = taken_over.adopt("--plan")
    assert taken_over.adopt("--report") == "Nothing is taken over yet.\n"
    assert plan.endswith("steps; nothing was changed.\n")
    assert [line for line in plan.splitlines() if line and not line.startswith(" ")][:-1] == [
        "our schema",
        "resource_usage",
        "token_accounts",
        "quest_budget_allocations",
        "allocation_proposals",
        "resource_usage",
        "token_accounts",
    ]
    assert taken_over.schemas(url) == before


def test_obstacles_are_told_instead_of_a_plan(legacy: World) -> None:
    legacy("composite_key")
    assert taken_over.adopt("--plan") == "cannot_adopt"


def test_a_lock_that_somebody_holds_is_told_with_who_it_is(found: World) -> None:
    url = found("minimal")
    with psycopg.connect(url, application_name="an old writer") as writer:
        writer.execute("INSERT INTO public.resource_usage DEFAULT VALUES")
        with pytest.raises(CommandError, match=r"(?s)^lock_held: resource_usage: .* from an old writer, open for"):
            call_command("adopt", "--tries", "1", "--lock-seconds", "0.05", verbosity=0)


def test_a_role_that_may_make_nothing_beside_their_tables_is_told(legacy: World) -> None:
    legacy("minimal")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE ROLE no_maker")
        cursor.execute("SET LOCAL ROLE no_maker")
        told = {(one.subject, one.code, one.remedy) for one in preflight.of_database("economy", "public")}
        transaction.set_rollback(True)  # a role is one of all databases
    assert told == {
        ("the database", "no_right_to_create", 'CREATE SCHEMA "economy" AUTHORIZATION "no_maker"'),
        ("schema public", "no_right_to_create", 'GRANT CREATE ON SCHEMA "public" TO "no_maker"'),
        (
            "session_replication_role",
            "triggers_would_fire",
            'GRANT SET ON PARAMETER session_replication_role TO "no_maker"',
        ),
    }


def test_a_statement_means_the_same_in_lines_that_can_be_read() -> None:
    long = ", ".join(f"ADD COLUMN \"a column  {n}\" text DEFAULT 'it''s  {n}'" for n in range(9))
    lines = list(telling.wrapped(f"ALTER TABLE t {long};"))
    assert len(lines) == 9
    assert max(map(len, lines)) <= 110
    assert " ".join(line.strip() for line in lines) == f"ALTER TABLE t {long};"


def test_lines_of_a_function_stay_as_they_are() -> None:
    code = "CREATE FUNCTION f() AS $$\n    BEGIN\n\n        RETURN NEW;\n    END\n$$;"
    assert "\n".join(telling.wrapped(code)) == code


def test_a_summary_tells_the_longest_that_somebody_waited() -> None:
    steps = [("t: columns", "ACCESS EXCLUSIVE, for an instant", 0.25), ("t: index", "SHARE UPDATE EXCLUSIVE: …", 90.0)]
    took = [(Step(name, "does something", lock), seconds) for name, lock, seconds in steps]
    told = "2 steps in 1 min 31 s; the longest that anybody could not write: 0.25 s (t: columns)."
    assert telling.summary(took, seconds=90.6) == told
    assert telling.summary(took[1:], seconds=12.4) == "1 step in 12 s; no table of others was locked."


@pytest.mark.parametrize(
    ("names", "told"), [("ab", "a, b"), ("abcde", "a, b, c, d, e"), ("abcdefg", "a, b, c, d, e and 2 more")]
)
def test_of_many_names_a_few_are_told(names: str, told: str) -> None:
    assert telling.names(list(names)) == told


def test_a_plan_names_every_step_and_every_statement(found: World, monkeypatch: pytest.MonkeyPatch) -> None:
    found("broad")
    planned = " ".join(taken_over.adopt("--plan").split())
    done: list[Step] = []
    carry_out = running.carry_out

    def noted(step: Step, terms: running.Terms, say: running.Say) -> float:
        done.append(step)
        return carry_out(step, terms, say)

    monkeypatch.setattr(running, "carry_out", noted)
    call_command("adopt", verbosity=0)
    assert len(done) > 30
    for step in done:
        assert f"{telling.headed(step)[1]}: {step.does} Lock: {step.lock}" in planned
        for statement in step.statements:
            assert f"{' '.join(statement.split())};" in planned


def test_another_isolation_is_told(found: World) -> None:
    url = found("minimal")
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(
            f"ALTER DATABASE {session.info.dbname} SET default_transaction_isolation = 'repeatable read'".encode()
        )
    with adoptions.pointed_at(f"{url}&application_name=anew"):
        assert taken_over.adopt("--plan") == "cannot_adopt"
