"""An adoption that is killed anywhere, while others write, and begun again ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from config.adoption import preparing, running
from tests import adoptions, cluster, legacy_worlds, taken_over
from tests.crashes import blows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_django import DjangoDbBlocker

_PATIENCE: Final = 120  # seconds
_MOST_KILLS: Final = 120  # who writes more between two of them than one counts keeps it busy for ever
_INVALID: Final = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
_BACKENDS: Final = """
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE%INDEX CONCURRENTLY%'
   AND pid <> pg_backend_pid()
"""


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


@pytest.fixture
def without_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the first step, whose migrations are there: it takes longer than all others."""
    monkeypatch.setattr(running, "schema_steps", lambda _schema: iter(()))


@pytest.mark.usefixtures("without_migrations")
@pytest.mark.parametrize("name", ["broad", "half"])
def test_killed_before_and_after_everything_it_keeps(
    name: str, found: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run but the first keeps one thing: it is killed right after that, or before it keeps the next.

    Old rows are filled in one go: of more batches than that it would never come to the end, while others write.
    """
    monkeypatch.setattr(preparing, "_BLOCKS", 1_000_000)
    undisturbed = found(name)
    taken_over.adopt()
    expected = taken_over.schemas(undisturbed)
    url = found(name)
    with taken_over.written(url, tmp_path, role=taken_over.ROLE.get(name, ""), rest=0.5):
        kills = 0
        while kills < _MOST_KILLS and blows.struck(
            taken_over.adopt, blow=blows.kill_process, step=kills if kills < 2 else 1 + kills % 2, edges=True
        ):
            kills += 1
        taken_over.adopt()
    assert kills >= 20
    _is_as_expected(url, undisturbed, expected)


@pytest.mark.usefixtures("without_migrations")
def test_killed_while_it_fills_old_rows(
    found: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table of many batches, some of which are filled when it is killed."""
    undisturbed = found("broad")
    taken_over.adopt()
    expected = taken_over.schemas(undisturbed)
    monkeypatch.setattr(preparing, "_BLOCKS", 4)
    url = found("broad")
    with taken_over.written(url, tmp_path, role="legacy_writer", rest=0.2):
        for step in itertools.count(6, 6):
            blows.struck(taken_over.adopt, blow=blows.kill_process, step=step, edges=True)
            filled, left = taken_over.asked(
                url, "SELECT count(economy_id), count(*) FILTER (WHERE economy_id IS NULL) FROM resource_usage"
            )[0]
            if filled and left:
                break
            assert left, "filled before it could be killed"
        taken_over.adopt()
    _is_as_expected(url, undisturbed, expected)


def test_killed_while_it_builds_an_index(found: Callable[[str], str]) -> None:
    """The server ends what nobody waits for, leaves an index that is no good, and the next run builds it again."""
    undisturbed = found("half")
    taken_over.adopt()
    expected = taken_over.schemas(undisturbed)
    url = found("half")
    with psycopg.connect(url) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM public.resource_usage")  # from now on an index waits for it
        with subprocess.Popen(
            [sys.executable, "manage.py", "adopt"], cwd=taken_over.ROOT, stdout=subprocess.DEVNULL
        ) as it:
            _until(lambda: taken_over.asked(url, _INVALID)[0][0] > 0)
            it.send_signal(signal.SIGKILL)
        _until(lambda: not taken_over.asked(url, _BACKENDS))
        assert taken_over.asked(url, _INVALID)[0][0] > 0
    assert taken_over.adopt() != "adoption_running"
    _is_as_expected(url, undisturbed, expected)


def test_killed_while_our_tables_are_made(durable_server: str, found: Callable[[str], str]) -> None:
    """Nothing of theirs is touched yet, and the migrations go on where they were."""
    undisturbed = found("minimal")
    taken_over.adopt()
    expected = taken_over.schemas(undisturbed)
    with (
        cluster.clone(durable_server, legacy_worlds.template(durable_server, "minimal")) as url,
        adoptions.pointed_at(url),
    ):
        with subprocess.Popen(
            [sys.executable, "manage.py", "adopt"], cwd=taken_over.ROOT, stdout=subprocess.DEVNULL
        ) as it:
            _until(lambda: taken_over.asked(url, "SELECT to_regclass('economy.economics_policy') IS NOT NULL")[0][0])
            it.send_signal(signal.SIGKILL)
        taken_over.adopt()
        _is_as_expected(url, undisturbed, expected)


def _is_as_expected(url: str, undisturbed: str, expected: str) -> None:
    """Compare with an adoption that nobody disturbed and nobody wrote into."""
    assert taken_over.schemas(url) == expected
    taken_over.is_whole(url)
    of_writers = {"resource_usage", "allocation_proposals"}
    there, before = taken_over.parts(url), taken_over.parts(undisturbed)
    assert {t: p for t, p in there.items() if t not in of_writers} == {
        t: p for t, p in before.items() if t not in of_writers
    }


def _until(happened: Callable[[], Any]) -> None:
    end = time.monotonic() + _PATIENCE
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_an_undoing_that_is_killed_ends_when_it_is_begun_again(
    durable_server: str, found: Callable[[str], str]
) -> None:
    with cluster.clone(durable_server, legacy_worlds.template(durable_server, "broad")) as before:
        expected = legacy_worlds.schema_dump(before)
    url = found("broad")
    taken_over.adopt()
    kills = 0
    while blows.struck(_undo, blow=blows.kill_process, step=min(kills, 2), edges=True):
        kills += 1
    _undo()
    assert kills >= 5  # one for each table and our schema
    assert legacy_worlds.schema_dump(url) == expected
    assert taken_over.asked(url, "SELECT to_regnamespace('economy') IS NULL") == [(True,)]


def _undo() -> str:
    return taken_over.adopt("--undo", "--drop", cluster.SCHEMA)
