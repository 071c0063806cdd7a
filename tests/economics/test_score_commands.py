"""The commands of scores: made anew on demand, explained, and observations from files."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from economics import scores
from economics.models import Observation, Score
from tests import factories
from tests.factories import NOON

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db


def _said(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out, stderr=out)
    return out.getvalue()


def test_score_says_what_changed_and_what_moved_most() -> None:
    factories.envelope("h1")
    for _ in range(5):
        factories.observation("h1")
    factories.assessment("h2", "novelty", "1")
    told = "  hypothesis/h2 0 to 0.25\n  hypothesis/h1 0 to 0.221242\n"
    assert _said("score", "--dry-run") == (
        f"Dry run: nothing is written. Entities scored: 2; scores changed: 2.\n{told}"
    )
    assert Score.objects.count() == 0
    assert _said("score") == f"Entities scored: 2; scores changed: 2; envelopes set: 1.\n{told}"
    assert _said("score") == "Entities scored: 2; scores changed: 0; envelopes set: 0.\n"


def test_score_explains_one() -> None:
    factories.assessment("a/b", "novelty", "1")
    scores.recompute(now=NOON)
    assert _said("score", "--explain", "hypothesis/a/b").splitlines()[-1] == (
        "Score 0.25, by version 1 of the policy of worth, 2026-03-02 12:00 UTC."
    )
    with pytest.raises(CommandError, match="hypothesis/none has no score"):
        _said("score", "--explain", "hypothesis/none")
    with pytest.raises(CommandError, match="nonsense is no entity; one is written TYPE/ID"):
        _said("score", "--explain", "nonsense")


LINES = (
    {"entity_type": "hypothesis", "entity_id": "h1", "kind": "paper", "reference": "pmid:1", "event_id": "1"},
    {"entity_type": "hypothesis", "entity_id": "h1", "kind": "vote", "principal": "ada", "event_id": "2"},
    {"entity_type": "hypothesis", "entity_id": "h1", "kind": "vote", "event_id": "3"},
    {"entity_type": "hypothesis", "entity_id": "h2", "kind": "vote", "principal": "ada", "event_id": "2"},
)


def _written(folder: Path, *lines: Any) -> str:
    file = folder / "seen.ndjson"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(file)


def test_lines_are_recorded_once_each(tmp_path: Path) -> None:
    file = _written(tmp_path, *LINES[:2])
    assert _said("import_observations", file, "--source", "club", "--dry-run").startswith("Dry run")
    assert Observation.objects.count() == 0
    assert _said("import_observations", file, "--source", "club") == (
        "Observations read 2: recorded 2, duplicates 0, conflicts 0, refused 0.\n"
        "Of those recorded: 1 paper, 1 vote; 1 entity.\n"
    )
    assert "duplicates 2" in _said("import_observations", file, "--source", "club")
    assert set(Observation.objects.values_list("source", "event_id")) == {("club", "1"), ("club", "2")}


def test_what_is_wrong_with_one_row_keeps_none_of_the_others_out(tmp_path: Path) -> None:
    rejects = tmp_path / "rejects"
    with pytest.raises(CommandError, match="2 of 4 observations are not recorded"):
        _said("import_observations", _written(tmp_path, *LINES), "--source", "club", "--rejects", str(rejects))
    codes = [json.loads(line)["faults"][0]["code"] for line in rejects.read_text().splitlines()]
    assert codes == ["required", "event_conflict"]
    assert Observation.objects.count() == 2


def test_a_csv_file_has_columns_of_anybodys_names(tmp_path: Path) -> None:
    file = tmp_path / "papers.csv"
    file.write_text("pmid,hypothesis,year\n11,h1,2026-01-01T00:00:00Z\n12,h2,2026-01-02T00:00:00Z\n")
    words = ("--map", "reference=pmid", "--map", "event_id=pmid", "--map", "entity_id=hypothesis", "--map", "at=year")
    constants = ("--set", "entity_type=hypothesis", "--set", "kind=paper", "--source", "pubmed")
    assert "recorded 2" in _said("import_observations", str(file), *words, *constants)
    rows = Observation.objects.order_by("pk").values_list("entity_id", "kind", "reference", "at__year")
    assert list(rows) == [("h1", "paper", "11", 2026), ("h2", "paper", "12", 2026)]
    with pytest.raises(CommandError, match="nothing says entity_type, nothing says entity_id, nothing says kind"):
        _said("import_observations", str(file))


def test_a_row_without_a_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="1 of 1"):
        _said("import_observations", _written(tmp_path, LINES[0]))
