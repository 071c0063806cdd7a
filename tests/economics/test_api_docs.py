"""What the pages say calls over the API do, they do, in the order they say, after the commands of a page."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from django.test import Client

from tests import pages

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.django_db

_NAMED = ("usage", "signal", "outcome", "observation", "review", "reservation", "corrects", "refusal")
NUMBERS = {"id", *(f"{name}_id" for name in _NAMED)}  # as they come


class Command(NamedTuple):
    """A command of the page, and the answer printed under it: a status and what the body holds among others."""

    words: list[str]
    status: int
    answer: Any


def _commands(page: str) -> list[Command]:
    blocks = re.findall(r"^```\n(curl .*?)^```", (pages.PROJECT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    found = []
    for part in re.split(r"^(?=curl )", "".join(blocks), flags=re.MULTILINE)[1:]:
        lines = part.rstrip().splitlines()
        said = next(place for place, line in enumerate(lines) if line.startswith("# "))
        status, _, answer = "\n".join(line.removeprefix("#") for line in lines[said:]).strip().partition(" ")
        command = "\n".join(lines[:said]).replace("\\\n", "")
        found.append(Command(shlex.split(command), int(status), json.loads(re.sub(r",?\s*…(?=[\]}])", "", answer))))
    return found


def _run(words: list[str], names: Mapping[str, str]) -> Any:
    """Send what curl would send."""
    headers, body, method, address = {}, None, None, ""
    rest = iter(words[1:])
    for word in rest:
        if word in {"-d", "--data-binary"}:
            body = next(rest)
        elif word == "-X":
            method = next(rest)
        elif word == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name.lower()] = value.replace("$KEY", names["KEY"])
        else:
            address = re.sub(r"\$([A-Z]+)", lambda name: names[name[1]], word)
    kind = headers.pop("content-type", "")
    send = method or ("GET" if body is None else "POST")
    return Client(headers=headers).generic(send, address, (body or "").encode(), content_type=kind)


def _fits(said: Any, got: Any, name: str = "") -> bool:
    """Tell whether an answer holds what the page says of it; … stands for anything."""
    if isinstance(said, dict):
        return isinstance(got, dict) and all(key in got and _fits(value, got[key], key) for key, value in said.items())
    if isinstance(said, list):
        return isinstance(got, list) and len(got) >= len(said) and all(map(_fits, said, got))
    if isinstance(said, str):
        return isinstance(got, str) and re.fullmatch(".*".join(map(re.escape, said.split("…"))), got) is not None
    return isinstance(got, int) if name in NUMBERS and said is not None else bool(said == got)


def test_the_page_tells_what_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pages.sit_down(monkeypatch, tmp_path)
    names: dict[str, str] = {}
    for first in pages.commands("docs/budgets.md"):
        names |= pages.run(first) or {}
    names["API"] = ""
    commands = _commands("docs/api.md")
    assert len(commands) == 15
    for command in commands:
        answer = _run(command.words, names)
        got = json.loads(answer.content)
        assert answer.status_code == command.status, (command.words, got)
        assert _fits(command.answer, got), (command.words, got)
        if answer.status_code == 201 and "price_state" not in got:
            names["RESERVATION"] = str(got["id"])
        elif answer.status_code == 201:
            names["USAGE"] = str(got["id"])


def test_the_page_of_signals_tells_what_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pages.sit_down(monkeypatch, tmp_path)
    names = {"API": ""}
    for first in pages.commands("docs/signals.md"):
        names |= pages.run(first) or {}
    commands = _commands("docs/signals.md")
    assert len(commands) == 4
    for command in commands:
        answer = _run(command.words, names)
        got = json.loads(answer.content)
        assert answer.status_code == command.status, (command.words, got)
        assert _fits(command.answer, got), (command.words, got)


def test_the_page_of_outcomes_tells_what_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pages.sit_down(monkeypatch, tmp_path)
    names = {"API": ""}
    for first in pages.commands("docs/outcomes.md"):
        names |= pages.run(first) or {}
    commands = _commands("docs/outcomes.md")
    assert len(commands) == 6
    for command in commands:
        answer = _run(command.words, names)
        got = json.loads(answer.content)
        assert answer.status_code == command.status, (command.words, got)
        assert _fits(command.answer, got), (command.words, got)
        names.setdefault("OUTCOME", str(got.get("id")))


def test_the_page_of_scores_tells_what_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pages.sit_down(monkeypatch, tmp_path)
    names = {"API": ""}
    for first in pages.commands("docs/scores.md"):
        names |= pages.run(first) or {}
    commands = _commands("docs/scores.md")
    assert len(commands) == 6
    for command in commands:
        pages.run(".venv/bin/python manage.py score")  # an hour later
        answer = _run(command.words, names)
        got = json.loads(answer.content)
        assert answer.status_code == command.status, (command.words, got)
        assert _fits(command.answer, got), (command.words, got)


def test_the_page_of_reviews_tells_what_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pages.sit_down(monkeypatch, tmp_path)
    names = {"API": ""}
    for first in pages.commands("docs/reviews.md"):
        names |= pages.run(first) or {}
    names["API"] = ""
    commands = _commands("docs/reviews.md")
    assert len(commands) == 5
    for command in commands:
        answer = _run(command.words, names)
        got = json.loads(answer.content)
        assert answer.status_code == command.status, (command.words, got)
        assert _fits(command.answer, got), (command.words, got)
        names.setdefault("REVIEW", str(got["results"][0]["id"]) if got.get("results") else "")


def test_the_page_of_the_senate_tells_what_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pages.sit_down(monkeypatch, tmp_path)
    names: dict[str, str] = {}
    for first in pages.commands("docs/budgets.md") + pages.commands("docs/senate.md"):
        names |= pages.run(first) or {}
    names["API"] = ""
    commands = _commands("docs/senate.md")
    assert len(commands) == 13
    for command in commands:
        answer = _run(command.words, names)
        got = json.loads(answer.content)
        assert answer.status_code == command.status, (command.words, got)
        assert _fits(command.answer, got), (command.words, got)
        names["REFUSAL"] = str(got.get("figures", {}).get("refusal_id") or names.get("REFUSAL"))
        if answer.status_code == 201 and "entity_id" in got:
            names["PROPOSAL"] = str(got["id"])
