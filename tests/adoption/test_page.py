"""docs/adoption.md leads through an adoption: its commands run as they stand there, and each code is explained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg
from django.apps import apps

from config.adoption import preflight
from tests import pages, taken_over

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    World = Callable[[str], str]

PAGE: Final = "docs/adoption.md"
FAULTS: Final = "SELECT pg_get_functiondef('economy.economics_usage_fault'::regproc)"
ROLES: Final = ("application", "web")  # as the page calls them


def _commands() -> list[str]:
    """Return every command of the page, also those that stand in a list."""
    return re.findall(r"^ {4,7}(\S.*)$", (pages.PROJECT / PAGE).read_text(), flags=re.MULTILINE)


def test_the_walk_runs_as_it_is_written(found: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = found("broad")
    pages.sit_down(monkeypatch, tmp_path)
    manage = [command for command in _commands() if command.startswith(".venv") and pages.run(command) is not None]
    assert [command.removeprefix(".venv/bin/python manage.py ") for command in manage] == [
        "adopt --plan",
        "adopt",
        "verify_schema",
        "audit",
        "adopt --register-agents worker",
        "adopt --report",
        "adopt",
        "migrate",
        "adopt --undo",
        "adopt --undo --drop economy",
    ]
    assert taken_over.asked(url, "SELECT to_regnamespace('economy') IS NULL") == [(True,)]


def test_the_role_of_the_application_may_do_its_work(adopted: World) -> None:
    url = adopted("broad")
    with psycopg.connect(url) as session:
        database = session.info.dbname
        for role in ROLES:
            session.execute(f"CREATE ROLE {role}".encode())
        said = [command for command in _commands() if command.endswith(";")]
        assert len(said) == 9
        for command in said:
            session.execute(command.replace("live", database).encode())
        session.execute("SET LOCAL ROLE web")
        session.execute("SET LOCAL search_path TO economy")
        assert session.execute("SELECT count(*) FROM resource_usage").fetchone() == (507,)
        session.execute(
            "INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount)"
            " VALUES ('hypothesis', 'x-001', 'llm_tokens', 1)"
        )
        session.execute("INSERT INTO allocation_proposals (entity_type, entity_id) VALUES ('hypothesis', 'x-001')")
        session.rollback()  # roles are those of all databases


def test_every_code_is_explained(adopted: World) -> None:
    url = adopted("minimal")
    code = r"'([a-z_]+)'"
    codes = set(re.findall(rf"THEN {code}", taken_over.asked(url, FAULTS)[0][0]))
    for table in (one for app in apps.get_app_configs() for one in getattr(app, "adopted", ())):
        codes |= set(re.findall(rf"(?:THEN|ELSE) {code}", table.fault))
    codes |= set(re.findall(r'Obstacle\(\s*"(\w+)"', Path(preflight.__file__).read_text()))
    assert len(codes) > 40
    page = (pages.PROJECT / PAGE).read_text()
    assert {code for code in codes if f"`{code}`" not in page} == set()
