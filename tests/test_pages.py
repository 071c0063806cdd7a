"""Every command of README and docs/ runs as it is written there, page by page, on an empty house."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from config.models import User
from tests import pages

if TYPE_CHECKING:
    from pathlib import Path

BY_CI: Final = "make "  # the tests cannot run themselves: the steps of CI do
FORMULAS: Final = ("limit ", "remaining ", "governance → ")


@pytest.mark.usefixtures("committed_db")
@pytest.mark.parametrize(
    ("page", "count"),
    [
        ("README.md", 5),
        ("docs/budgets.md", 8),
        ("docs/usage.md", 5),
        ("docs/prices.md", 4),
        ("docs/scores.md", 6),
        ("docs/signals.md", 7),
        ("docs/outcomes.md", 7),
        ("docs/reviews.md", 6),
        ("docs/senate.md", 4),
        ("docs/operations.md", 12),
        ("docs/market.md", 0),
        ("docs/demo.md", 0),
        ("docs/simulation.md", 4),
    ],
)
def test_the_commands_of_a_page_run(page: str, count: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pages.sit_down(monkeypatch, tmp_path)
    User.objects.create_superuser("admin")
    ran = [command for command in pages.commands(page) if pages.run(command) is not None]
    assert len(ran) == count
    others = [command for command in pages.commands(page) if command not in ran]
    assert [command for command in others if not command.startswith((BY_CI, *FORMULAS))] == []
