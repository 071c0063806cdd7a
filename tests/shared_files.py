"""Files handed out beside the project: real data and worked cases, absent in other people's clones."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared_data(name: str) -> Path:
    """Return a file of real data, or skip the test that asks."""
    return _present(SHARED / "data" / name)


def shared_cases(name: str) -> Path:
    """Return a file of worked cases, or skip the test that asks."""
    return _present(SHARED / "cases" / name)


def _present(path: Path) -> Path:
    """Return the path, or skip where it is not."""
    if not path.exists():
        pytest.skip(f"{path.name} is not handed out beside this clone")
    return path
