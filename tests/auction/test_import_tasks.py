"""A backlog from a file: CSV and lines of JSON, in any order, each row judged by itself and nothing half-written."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from auction import pools
from auction.models import Need, Task
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("balanced_books")

CSV = """task_id,title,entity_type,entity_id,value_if_works_usd,chance,cost_usd,expected_cost_tokens,model,needs,state
c,Write it up,hypothesis,h1,40,0.5,2,,,"a, b",
a,Read ten papers,,,,,,5000,deep-1,,
b,Talk to ten people,,,10,,,,,a,
z,Done long ago,,,,,,,,,done
"""


@pytest.fixture(autouse=True)
def _tau(db: None) -> None:
    pools.create(pools.DEFAULT)
    factories.quest("tau")


def _import(file: Path, *words: str, quest: str = "tau") -> str:
    out, err = StringIO(), StringIO()
    try:
        call_command("import_tasks", quest, str(file), *words, stdout=out, stderr=err)
    except CommandError as error:
        return f"{out.getvalue()}{err.getvalue()}{error}"
    return out.getvalue() + err.getvalue()


def _file(tmp_path: Path, text: str, name: str = "tasks.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def _lines(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    return _file(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "tasks.ndjson")


def _needs() -> set[tuple[str, str]]:
    return set(Need.objects.values_list("task_id", "needs_id"))


def test_a_file_is_filed_in_any_order_and_again_changes_nothing(tmp_path: Path) -> None:
    file = _file(tmp_path, CSV)
    assert _import(file) == (
        "Tasks read 4: recorded 4, duplicates 0, conflicts 0, refused 0.\nOf those recorded: 3 created, 1 done.\n"
    )
    task = Task.objects.get(pk="c")
    assert (task.title, task.entity_type, task.entity_id) == ("Write it up", "hypothesis", "h1")
    assert (task.value_if_works_usd, task.chance, task.cost_usd) == (Decimal(40), Decimal("0.5"), Decimal(2))
    assert (Task.objects.get(pk="a").expected_cost_tokens, Task.objects.get(pk="z").state) == (5_000, "done")
    assert _needs() == {("c", "a"), ("c", "b"), ("b", "a")}
    assert _import(file) == (
        "Tasks read 4: recorded 0, duplicates 4, conflicts 0, refused 0.\nOf those recorded: nothing.\n"
    )


@pytest.mark.parametrize("size", ["1", "2"])
def test_chunks_come_in_the_order_of_needs(size: str, tmp_path: Path) -> None:
    assert "recorded 4" in _import(_file(tmp_path, CSV), "--batch", size)
    assert _needs() == {("c", "a"), ("c", "b"), ("b", "a")}


def test_a_dry_run_tells_all_and_files_nothing(tmp_path: Path) -> None:
    said = _import(_file(tmp_path, CSV), "--dry-run", "--batch", "2")
    assert said.startswith("Dry run: nothing is recorded. Tasks read 4: recorded 4,")
    assert not Task.objects.exists()


def test_what_is_wrong_with_a_row_is_told_with_its_line(tmp_path: Path) -> None:
    factories.quest_task(factories.quest(), name="theirs")
    rejects = tmp_path / "rejects.ndjson"
    rows: list[dict[str, Any]] = [
        {"task_id": "a"},
        {"task_id": "b", "needs": ["nothing"]},
        {"task_id": "c", "needs": ["d"]},
        {"task_id": "d", "needs": ["c"]},
        {"task_id": "theirs"},
        {"task_id": "e", "expected_value_usd": -1},
        {"task_id": "a", "title": "again"},
        {"task_id": "f", "needs": ["a"]},
    ]
    said = _import(_lines(tmp_path, *rows), "--rejects", str(rejects))
    assert said == (
        "Tasks read 8: recorded 2, duplicates 0, conflicts 1, refused 5.\nOf those recorded: 2 created.\n"
        "Row 3: needs_circle /needs/0: It would wait for itself: c needs d needs c.\n"
        "Row 4: needs_circle /needs/0: It would wait for itself: d needs c needs d.\n"
        "Row 6: negative /expected_value_usd: A number of 0 or more is expected.\n"
        "Row 7: task_repeated_in_batch /task_id: The batch names this task twice.\n"
        "Row 2: unknown_need /needs/0: There is no task nothing in this backlog.\n"
        "Row 5: task_id_taken /task_id: Another task has this id.\n"
        "6 of 8 tasks are not recorded."
    )
    assert set(Task.objects.filter(quest="tau").values_list("pk", flat=True)) == {"a", "f"}
    assert [json.loads(line)["line"] for line in rejects.read_text().splitlines()] == [3, 4, 6, 7, 2, 5]


def test_an_empty_cell_leaves_needs_and_a_lone_semicolon_clears_them(tmp_path: Path) -> None:
    _import(_file(tmp_path, "task_id,needs\na,\nb,a\nc,a;b\n"))
    assert _needs() == {("b", "a"), ("c", "a"), ("c", "b")}
    assert "recorded 1, duplicates 2" in _import(_file(tmp_path, "task_id,needs\na,\nb,\nc,;\n"))
    assert _needs() == {("b", "a")}


def test_columns_may_have_anybodys_names_and_rows_share_an_entity(tmp_path: Path) -> None:
    file = _file(tmp_path, "Key,Summary,Sprint\na,Read,7\n")
    words = ["--map", "task_id=Key", "--map", "title=Summary", "--entity", "hypothesis/h1", "--set", "model=deep-1"]
    assert _import(file, *words).startswith("Columns that are not read: Sprint.\nTasks read 1: recorded 1,")
    task = Task.objects.get()
    assert (task.pk, task.title, task.entity_id, task.model) == ("a", "Read", "h1", "deep-1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title\nRead\n", "unreadable_file: In this file nothing says task_id. Its columns: title."),
        ("task_id,needs\na,\n\xff", "Line 3 is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_files_nothing(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "tasks.csv"
    path.write_bytes(text.encode("latin-1"))
    assert said in _import(path)
    assert not Task.objects.exists()


def test_a_quest_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert _import(_file(tmp_path, CSV), quest="nothing").startswith("unknown_quest: There is no such quest")
