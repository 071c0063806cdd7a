"""`make test`, `make crashes` and `make test-browser` together leave no test out."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_test_is_of_a_named_folder() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = [ROOT / path for path in settings["tool"]["pytest"]["ini_options"]["testpaths"]]
    named += [ROOT / "tests" / "crashes", ROOT / "tests" / "browser"]
    for found in (ROOT / "tests").rglob("test_*.py"):
        assert any(path in (found, *found.parents) for path in named), found


def test_ci_runs_all() -> None:
    steps = (ROOT / ".ci" / "run").read_text().splitlines()
    assert {"step make test", "step make crashes", "step make test-browser"} <= set(steps)
