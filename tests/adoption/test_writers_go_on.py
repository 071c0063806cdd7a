"""Programs that know only the old columns write all the while: none of them fails, and all they write is counted."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.core.management import call_command

from auction import audit
from economics import arrivals
from tests import legacy_worlds, old_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    World = Callable[[str], str]

MOST = 300  # seconds a writer goes on if nobody tells it to stop
ROLES = {"broad": "legacy_writer"}
BEGUN = "SELECT 1 FROM public.resource_usage WHERE artifact_type = %s LIMIT 1"
COUNTED = """
SELECT resource_type, sum(amount) FROM economy.economics_usage_days WHERE entity_id LIKE 'w-%' GROUP BY 1 ORDER BY 1
"""


@contextlib.contextmanager
def writing(url: str, folder: Path, role: str = "") -> Iterator[dict[str, Any]]:
    """Have an old writer at work meanwhile; what it told is there afterwards."""
    told: dict[str, Any] = {}
    out = folder / "told.json"
    arguments = ["--out", str(out), "--seconds", str(MOST), "--role", role, "--connections", "3"]
    process = subprocess.Popen([sys.executable, "-m", "tests.old_writer", url, *arguments])
    try:
        with psycopg.connect(url, autocommit=True) as session:
            while not session.execute(BEGUN, [old_writer.MARK]).fetchone():
                assert process.poll() is None
        yield told
    finally:
        process.terminate()
        process.wait(60)
    told.update(json.loads(out.read_text()))


@pytest.mark.parametrize("name", legacy_worlds.KEYS)
def test_writers_go_on_while_a_world_is_adopted(name: str, found: World, tmp_path: Path) -> None:
    url = found(name)
    with writing(url, tmp_path, ROLES.get(name, "")) as told:
        call_command("adopt", verbosity=0)
    assert told["failures"] == []
    while arrivals.drain(5_000):
        pass
    with psycopg.connect(url) as session:
        counted = session.execute(COUNTED).fetchall()
        marks = session.execute(
            "SELECT artifact_id FROM economy.resource_usage WHERE artifact_type = %s", [old_writer.MARK]
        ).fetchall()
    assert dict(counted) == {kind: Decimal(total) for kind, total in told["sums"].items()}
    assert sorted(mark for (mark,) in marks) == sorted(told["committed"])
    assert list(legacy_worlds.strays(url)) == []
    assert audit.differences() == []
