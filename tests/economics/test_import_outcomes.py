"""Outcomes from files: in anybody's columns, edges both ways in one row, each counted once however often it is read."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from economics import outcomes
from economics.models import Outcome

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db

WIDE = ("--gained", "added", "--removed", "removed", "--map", "entity_id=document", "--map", "at=when")
NAMED = ("--set", "entity_type=document", "--source", "kg", "--identity", "commit", "--identity", "document")


def _run(*words: object) -> str:
    """Run the command; return what it printed on both streams, and the refusal with which it ended, if any."""
    out = io.StringIO()
    try:
        call_command("import_outcomes", *map(str, words), stdout=out, stderr=out, no_color=True)
    except CommandError as error:
        return f"{out.getvalue()}exit {error.returncode}: {error}"
    return out.getvalue()


def _rows(number: int, **changes: Any) -> list[dict[str, Any]]:
    same = {"entity_type": "hypothesis", "entity_id": "h1", "kind": "papers", "amount": 2, "source": "kg"}
    return [{"event_id": f"e{n}", **same, "at": "2026-01-15T12:00:00Z", **changes} for n in range(number)]


def _lines(tmp_path: Path, rows: list[Any]) -> Path:
    path = tmp_path / "outcomes.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _wide(tmp_path: Path, *rows: str, header: str = "commit,when,document,added,removed,who") -> Path:
    path = tmp_path / "events.csv"
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


def _recorded() -> list[tuple[Any, ...]]:
    columns = ("entity_id", "kind", "amount", "source", "event_id")
    return list(Outcome.objects.order_by("event_id").values_list(*columns))


def test_rows_are_recorded_and_added_up(tmp_path: Path) -> None:
    rows = [*_rows(3), *_rows(1, event_id="q", kind="artifact_quality", amount="0.25")]
    said = _run(_lines(tmp_path, rows), "--agent", "ines")
    assert said == (
        "Outcomes read 4: recorded 4, duplicates 0, conflicts 0, refused 0.\n"
        "Of those recorded: 0.25 artifact quality, 6 papers.\n"
    )
    assert set(Outcome.objects.values_list("agent_id", flat=True)) == {"ines"}


def test_a_row_that_counts_both_ways_is_up_to_two_outcomes(tmp_path: Path) -> None:
    path = _wide(
        tmp_path,
        "c1,2026-01-15T12:00:00Z,tau/a.bel,12,0,ada",
        "c1,2026-01-15T12:00:00Z,tau/b.bel,5,7,ada",
        "c2,2026-01-16T12:00:00Z,tau/a.bel,,3,ada",
        "c3,2026-01-16T12:00:00Z,tau/a.bel,0,0.0,ada",
    )
    said = _run(path, *WIDE, *NAMED)
    assert said == (
        "Columns that are not read: who.\n"
        "Outcomes read 4: recorded 4, duplicates 0, conflicts 0, refused 0.\n"
        "Of those recorded: 17 edges gained, 10 edges removed.\n"
    )
    assert _recorded() == [
        ("tau/a.bel", "edges_gained", Decimal(12), "kg", "c1/tau/a.bel/gained"),
        ("tau/b.bel", "edges_gained", Decimal(5), "kg", "c1/tau/b.bel/gained"),
        ("tau/b.bel", "edges_removed", Decimal(7), "kg", "c1/tau/b.bel/removed"),
        ("tau/a.bel", "edges_removed", Decimal(3), "kg", "c2/tau/a.bel/removed"),
    ]
    assert "recorded 0, duplicates 4, conflicts 0, refused 0.\nOf those recorded: nothing." in _run(path, *WIDE, *NAMED)


def test_columns_constants_and_what_rows_do_not_say(tmp_path: Path) -> None:
    path = _wide(tmp_path, "e1,2026-01-15T12:00:00Z,3,h2", "e2,2026-01-15T12:00:00Z,4,", header="id,at,n,entity_id")
    words = ("--map", "event_id=id", "--map", "amount=n", "--set", "kind=papers", "--source", "kg")
    said = _run(path, *words, "--set", "entity_type=hypothesis", "--entity", "analysis/a1")
    assert "Row 3: required /entity_id: This field is required.\n" in said
    assert [row[:3] for row in _recorded()] == [("h2", "papers", Decimal(3))]
    said = _run(path, *words, "--map", "entity_id=id", "--map", "entity_type=entity_id", "--entity", "analysis/a1")
    assert "Row 3: required /entity_type" in said
    said = _run(_wide(tmp_path, "e3,2026-01-15T12:00:00Z,5", header="id,at,n"), *words, "--entity", "analysis/a1")
    assert _recorded()[-1] == ("a1", "papers", Decimal(5), "kg", "e3")


def test_what_is_wrong_with_one_row_keeps_no_other_out(tmp_path: Path) -> None:
    path = _lines(
        tmp_path,
        [*_rows(2), *_rows(1, amount=0), *_rows(1, source="correction"), 7, {"event_id": "x"}, *_rows(1, amount=9)],
    )
    rejects = tmp_path / "rejects.ndjson"
    said = _run(path, "--rejects", rejects)
    assert "Outcomes read 7: recorded 2, duplicates 0, conflicts 1, refused 4.\n" in said
    assert said.endswith("exit 1: 5 of 7 outcomes are not recorded.")
    found = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(one["line"], one["faults"][0]["code"]) for one in found] == [
        (3, "not_positive"),
        (4, "invalid_outcome"),
        (5, "not_an_object"),
        (6, "required"),
        (7, "event_conflict"),
    ]
    assert found[1]["faults"][0]["detail"] == "This source is the house's own; name another."


def test_cells_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    path = _wide(tmp_path, "c1,2026-01-15T12:00:00Z,a,many,-3,ada", "c2,2026-01-15T12:00:00Z,a,1.5,4,ada")
    said = _run(path, *WIDE, *NAMED)
    assert "Row 2: not_a_number /amount" in said
    assert "Row 2: negative /amount" in said
    assert "Row 3: not_whole /amount" in said
    assert [row[2] for row in _recorded()] == [4]


def test_a_dry_run_says_the_same_and_records_nothing(tmp_path: Path) -> None:
    path = _lines(tmp_path, _rows(5))
    said = _run(path, "--dry-run", "--batch", 2)
    assert said.startswith("Dry run: nothing is recorded. Outcomes read 5: recorded 5,")
    assert Outcome.objects.count() == 0


def test_a_run_that_breaks_off_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, record_many, calls = _lines(tmp_path, _rows(10)), outcomes.record_many, 0

    def record_two_chunks(*args: Any, **terms: Any) -> Any:
        nonlocal calls
        calls += 1
        done = record_many(*args, **terms)
        if calls == 3:
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patched:
        patched.setattr(outcomes, "record_many", record_two_chunks)
        assert "Stopped by hand. What was recorded before that stays" in _run(path, "--batch", 3)
    assert Outcome.objects.count() == 6
    assert "recorded 4, duplicates 6" in _run(path, "--batch", 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["x.json"], "--format says what is in x.json: ndjson, csv."),
        (
            ["-", "--format", "ndjson", "--gained", "n"],
            "--gained, --removed and --identity are about the columns of a CSV file.",
        ),
        (["x.csv", "--map", "edges=n"], "edges=n is not FIELD=…, where FIELD is one of entity_type, entity_id, kind,"),
    ],
)
def test_words_that_cannot_be_followed_are_refused(words: list[str], message: str) -> None:
    assert message in _run(*words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing says entity_type, nothing says entity_id, nothing says kind, nothing says amount,"),
        ([*WIDE, *NAMED, "--gained", "plus"], "there is no column plus."),
        ([*WIDE, *NAMED, "--identity", "sha"], "there is no column sha."),
        ([*WIDE, "--set", "entity_type=d", "--source", "kg"], "nothing says event_id."),
    ],
)
def test_csv_without_the_columns_of_an_outcome_is_refused(tmp_path: Path, words: list[str], message: str) -> None:
    said = _run(_wide(tmp_path, "c1,2026-01-15T12:00:00Z,a,1,2,ada"), *words)
    assert message in said
    assert "exit 1: unreadable_file: In this file " in said
    assert Outcome.objects.count() == 0
