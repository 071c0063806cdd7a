"""An adoption among those who write, read, stay open for long, or adopt too."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from django.db import connections

from config.adoption import preparing, running
from config.management.commands import adopt as command
from tests import adoptions, cluster, taken_over
from tests.races import crew

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_django import DjangoDbBlocker

_ALONE: Final = "SELECT pg_advisory_lock(7311, 0)"
_INSERT: Final = """
INSERT INTO public.resource_usage (entity_type, entity_id, resource_type, amount)
VALUES ('hypothesis', %s, 'llm_tokens', 7)
"""


@pytest.fixture
def peace() -> None:
    """Audit nothing afterwards: each test does so in its own database, and a writer tells of a deadlock himself."""


@pytest.fixture
def found(durable_server: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Callable[[str], str]]:
    """Give fresh copies of worlds beside which our own tables stand, empty; Django uses the last one asked for."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())

        def world(name: str) -> str:
            url = stack.enter_context(cluster.clone(durable_server, adoptions.found(durable_server, name)))
            stack.enter_context(adoptions.pointed_at(url))
            return url

        yield world


@pytest.mark.parametrize("name", ["broad", "half"])
def test_writers_at_full_speed_lose_nothing(name: str, found: Callable[[str], str], tmp_path: Path) -> None:
    url = found(name)
    with taken_over.written(url, tmp_path, role=taken_over.ROLE.get(name, ""), connections=4):
        taken_over.adopt()
        time.sleep(0.5)  # they go on afterwards
    taken_over.is_whole(url)


def test_two_operators_at_once(found: Callable[[str], str]) -> None:
    """The second waits a while; then it finds everything done, or is told that somebody is at it."""
    url = found("half")
    told = [outcome.value for outcome in crew.race(*[lambda _: taken_over.adopt()] * 2, rounds=1)[0]]
    assert {"resource_usage: 300 rows" in said or said == "adoption_running" for said in told} == {True}
    assert told != ["adoption_running"] * 2
    taken_over.is_whole(url)


def test_nothing_is_begun_while_another_process_adopts(
    found: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_END_SECONDS", 0)
    url = found("half")
    before = taken_over.schemas(url)
    with psycopg.connect(url) as other:
        other.execute(_ALONE)
        assert taken_over.adopt() == "adoption_running"
        assert taken_over.adopt("--undo", "--drop", "economy") == "adoption_running"
    assert taken_over.schemas(url) == before


@pytest.mark.parametrize("statement", ["SELECT count(*) FROM public.resource_usage", _INSERT.replace("%s", "'open'")])
def test_a_transaction_that_stays_open_keeps_others_waiting_no_longer_than_said(
    statement: str, found: Callable[[str], str]
) -> None:
    """Those who come after it wait for us at most as long as we wait for it: they do not fail, nor stand in a queue."""
    url = found("half")
    stop, waits, failures = threading.Event(), [], []

    def insert() -> None:
        with psycopg.connect(url, autocommit=True) as session:
            while not stop.wait(0.005):
                begun = time.monotonic()
                try:
                    session.execute("SET statement_timeout = '4s'")  # shorter than the other stays open
                    session.execute(_INSERT, ["beside"])
                except psycopg.Error as error:
                    failures.append(error)
                waits.append(time.monotonic() - begun)

    with psycopg.connect(url) as other:
        other.execute(statement.encode())
        adopter = threading.Thread(target=_adopting)
        writer = threading.Thread(target=insert)
        adopter.start()
        writer.start()
        time.sleep(6)
        assert adopter.is_alive()
        other.commit()
        adopter.join()
        stop.set()
        writer.join()
    assert failures == []
    assert len(waits) > 100
    taken_over.is_whole(url)


def _adopting() -> None:
    """Adopt in a thread, on a connection of its own."""
    try:
        taken_over.adopt()
    finally:
        connections.close_all()


def test_those_who_may_only_insert_may_do_nothing_else_afterwards(found: Callable[[str], str]) -> None:
    """Rights stay as they were: they need none of ours, and have none."""
    url = found("broad")
    taken_over.adopt()
    with psycopg.connect(url, options="-c role=legacy_writer -c search_path=public", autocommit=True) as session:
        for model in (None, "gpt-4o"):
            session.execute(
                "INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount, model)"
                " VALUES ('hypothesis', 'x-1', 'llm_tokens', 5, %s), ('hypothesis', 'x-1', 'no such', 5, %s)",
                [model, model],
            )
        with session.cursor() as cursor, cursor.copy("COPY resource_usage (entity_type, entity_id) FROM STDIN") as copy:
            copy.write_row(("hypothesis", "x-1"))
        session.execute("INSERT INTO allocation_proposals (entity_type, entity_id) VALUES ('hypothesis', 'x-1')")
        for forbidden in (
            "SELECT * FROM economy.resource_usage",
            "SELECT * FROM economy.economics_arrivals",
            "INSERT INTO economy.economics_arrivals (amount) VALUES (1)",
            "INSERT INTO economy.resource_usage (entity_type) VALUES ('hypothesis')",
            "SELECT economy.economics_count_arrivals()",
            "SELECT nextval('economy.resource_usage_key')",
            "SELECT economy_id FROM resource_usage",
            "UPDATE resource_usage SET economy_part = 2",
            "SET session_replication_role = replica",
            "CREATE TABLE economy.mine ()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(forbidden.encode())
    numbers = taken_over.asked(url, "SELECT count(*), count(DISTINCT economy_id) FROM resource_usage")[0]
    assert numbers == (530, 530)
    taken_over.is_whole(url)


def test_what_is_priced_or_mended_between_the_switch_and_the_counting_is_counted_once(
    found: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = found("broad")
    with monkeypatch.context() as patch:
        patch.setattr(command, "_later", lambda *_: iter(()))
        taken_over.adopt()
    priced = taken_over.asked(
        url, "UPDATE resource_usage SET cost = 0.5 WHERE cost IS NULL AND economy_id % 2 = 0 RETURNING amount"
    )
    assert len(priced) > 20
    mended = "UPDATE resource_usage SET amount = 3 WHERE amount = -0.000001 RETURNING true"
    assert taken_over.asked(url, mended) == [(True,)]
    taken_over.adopt()
    taken_over.is_whole(url)
    taken_over.asked(url, "UPDATE resource_usage SET cost = 0.25 WHERE cost IS NULL AND amount > 0 RETURNING amount")
    taken_over.is_whole(url)


def test_rows_that_somebody_holds_are_filled_when_he_is_gone(
    found: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for the other, and neither is the victim of a deadlock."""
    url = found("broad")
    fill, left = preparing._fill_once, list[int]()  # noqa: SLF001 - to stand beside it

    def beside(*terms: Any) -> int:
        with psycopg.connect(url) as other:
            if not left:
                other.execute("SELECT FROM public.resource_usage WHERE economy_id IS NULL LIMIT 1 FOR UPDATE")
            left.append(fill(*terms))
        return left[-1]

    monkeypatch.setattr(preparing, "_fill_once", beside)
    monkeypatch.setattr(preparing, "_PAUSE_SECONDS", 0)
    taken_over.adopt()
    assert left[:2] == [1, 0]
    taken_over.is_whole(url)
