"""Scratch folders: gone afterwards, those of killed programs too, and what cannot be removed is no obstacle."""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING

from config import embedded, scratch

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PREFIX = "scratch-test-"
NOBODYS = 999_999_999  # no process has this id


def test_what_killed_programs_left_goes_with_its_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    data = tmp_path / f"{PREFIX}{NOBODYS}-left" / "data"
    sockets = tmp_path / "pg-left"
    for folder in (data / "postgres" / "pg18", sockets):
        folder.mkdir(parents=True)
    (data / "postgres" / "pg18" / "postmaster.pid").write_text(f"{NOBODYS}\n")
    (data / embedded.STATE).write_text(json.dumps({"url": f"postgresql://app@/app?host={sockets}", "pid": NOBODYS}))
    with scratch.data_dir(PREFIX) as mine:
        assert list(tmp_path.iterdir()) == [mine.parent]
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_removed_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / f"{PREFIX}{NOBODYS}-left"
    (left / "of somebody else").mkdir(parents=True)
    with scratch.data_dir(PREFIX) as mine:
        assert mine.parent.exists()
    assert list(tmp_path.iterdir()) == [left]
