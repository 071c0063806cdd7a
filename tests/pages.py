"""The commands in the pages of docs/ and in README, read from there and run as a person at a terminal would."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.core.management import call_command
from django.db import connection, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

PROJECT: Final = Path(__file__).parents[1]
_MANAGE: Final = [".venv/bin/python", "manage.py"]
_INDENT: Final = "    "
_OF_A_STEP: Final = re.compile(r" {7}\S")  # in a list: such commands belong together, and a test of their own runs them
_FILE: Final = re.compile(r"cat > (\S+) <<END\n(.*)^END\n", re.DOTALL | re.MULTILINE)
_VARIABLE: Final = re.compile(r"([A-Z]+)=(?:\$\((.*)\)|(\S+))")


class Terminal(io.StringIO):
    """Somebody who sits there and says yes."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


def commands(page: str) -> list[str]:
    """Return each indented command of a page (a line, or more where it goes on), then those inside sentences."""
    found: list[str] = []
    for line in _indented(page):
        if found and (found[-1].endswith("\\\n") or _is_open(found[-1])):
            found[-1] += line
        else:
            found.append(line)
    return found + re.findall(rf"`({' '.join(_MANAGE)} [^`]+)`", (PROJECT / page).read_text())


def _indented(page: str) -> Iterator[str]:
    text = re.sub(r"^```.*?^```", "", (PROJECT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    before = ""
    for line in text.splitlines(keepends=True):
        goes_on = before.endswith("\\\n")
        if line.startswith(_INDENT) and (goes_on or not _OF_A_STEP.match(line)):
            yield line.removeprefix(_INDENT)
        before = line


def _is_open(command: str) -> bool:
    return "<<END\n" in command and not command.endswith("\nEND\n")


def run(command: str) -> dict[str, str] | None:
    """Run a command here; return the variables it sets, or None for what is no command of this project.

    A command that ends with another exit code than 0 raises.
    """
    if file := _FILE.fullmatch(command):
        Path(file[1]).write_text(file[2])
        return {}
    if variable := _VARIABLE.fullmatch(command.strip()):
        name, inner, value = variable.groups()
        return {name: value or _managed(inner).strip()}
    if command.startswith("ALTER ROLE "):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(command)
            transaction.set_rollback(True)  # the role is that of all tests
        return {}
    if command.startswith(" ".join(_MANAGE)):
        _managed(command)
        return {}
    return None


def _managed(command: str) -> str:
    words = shlex.split(command.replace("\\\n", ""), comments=True)
    assert words[:2] == _MANAGE, command
    with contextlib.redirect_stdout(io.StringIO()) as out:
        call_command(*words[2:])
    return out.getvalue()


def sit_down(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let commands run in an empty folder with a person before them, who says yes and knows a password."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("builtins.input", lambda _question: "yes")
    monkeypatch.setattr("getpass.getpass", lambda **_prompt: "long and plain enough")
