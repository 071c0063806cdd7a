"""`import_usage`: rows of a file, each recorded once, whatever is wrong with the others."""

from __future__ import annotations

import io
import json
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from economics import metering
from economics.models import Usage
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db

HEADER = "event_id,entity_type,entity_id,resource_type,model,input_tokens,output_tokens,created_at"
COLUMNS = HEADER.split(",")


def _run(*words: object) -> str:
    """Run the command; return what it printed on both streams, and the refusal with which it ended, if any."""
    out = io.StringIO()
    try:
        call_command("import_usage", *map(str, words), stdout=out, stderr=out, no_color=True)
    except CommandError as error:
        return f"{out.getvalue()}exit {error.returncode}: {error}"
    return out.getvalue()


def _rows(count: int, **changes: Any) -> list[dict[str, Any]]:
    """Return rows of 100 tokens each, as an agent would write them."""
    same = {
        "entity_type": "hypothesis",
        "entity_id": "h1",
        "resource_type": "llm_tokens",
        "model": "deep-1",
        "input_tokens": 90,
        "output_tokens": 10,
        "created_at": "2026-01-15T12:00:00Z",
    }
    return [{"event_id": f"e{number}", **same, **changes} for number in range(count)]


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Return a function that writes rows to a file of a form and returns its path."""

    def write(rows: list[Any], name: str = "usage.ndjson") -> Path:
        path = tmp_path / name
        if name.endswith(".csv"):
            lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
            path.write_text("\n".join(lines) + "\n")
        elif name.endswith(".json"):
            path.write_text(json.dumps(rows))
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


@pytest.fixture(autouse=True)
def _catalogue(db: None) -> None:
    factories.model()


def _cloud(number: int, **data: Any) -> dict[str, Any]:
    said = {"resource_type": "llm_tokens", "model": "deep-1", "input_tokens": 90, "output_tokens": 10, **data}
    head = {"specversion": "1.0", "id": f"e{number}", "source": "gateway", "type": "usage"}
    return {**head, "time": "2026-01-15T12:00:00Z", "data": said}


def test_rows_are_recorded_and_counted(write: Any) -> None:
    own = factories.envelope("h1", window_kind="lifetime")
    rows = [*_rows(2), *(row | {"event_id": "other"} for row in _rows(1, model="unheard-of"))]
    assert _run(write(rows), "--source", "gateway") == (
        "Rows read 3: recorded 3, duplicates 0, conflicts 0, refused 0.\n"
        "Of those recorded: 300 LLM tokens; 2 rows priced at 0.240000000000 USD (0 by a first list that came later), "
        "1 unpriced.\n"
    )
    assert Usage.objects.filter(source="gateway", entity_id="h1", agent_id="").count() == 3
    assert own.lines.get(resource_type="llm_tokens").counters.get().settled == 300


@pytest.mark.parametrize("name", ["usage.ndjson", "usage.jsonl", "usage.csv"])
def test_the_same_file_again_counts_nothing_twice(write: Any, name: str) -> None:
    path = write(_rows(7), name)
    assert "recorded 7, duplicates 0" in _run(path, "--source", "gateway", "--batch", 3)
    assert "recorded 0, duplicates 7, conflicts 0, refused 0.\nOf those recorded: 0 LLM tokens; 0 rows" in _run(
        path, "--source", "gateway"
    )
    assert Usage.objects.count() == 7


def test_cloud_events_keep_their_source_and_may_lack_an_entity(write: Any) -> None:
    rows = [_cloud(1), _cloud(2, agent_id="bob"), _cloud(3) | {"subject": "analysis/a1"}]
    said = _run(write(rows, "usage.json"), "--entity", "hypothesis/h9", "--agent", "alice", "--source", "unused")
    assert "recorded 3" in said
    stored = Usage.objects.order_by("event_id").values_list("source", "entity_id", "agent_id", "event_id")
    assert list(stored) == [
        ("gateway", "h9", "alice", "e1"),
        ("gateway", "h9", "bob", "e2"),
        ("gateway", "a1", "alice", "e3"),
    ]


def test_columns_constants_and_what_rows_do_not_say(write: Any) -> None:
    rows = [
        {"id": "1", "when": "2026-01-15T12:00:00Z", "by": "alice", "usd": "0.10000000000000009", "in": 5, "out": 5},
        {"id": "2", "when": "2026-01-15T12:00:00Z", "by": "", "usd": "2e-05", "in": 7, "out": 0},
    ]
    columns = {"event_id": "id", "created_at": "when", "agent_id": "by", "reported_cost": "usd"}
    tokens = {"input_tokens": "in", "output_tokens": "out"}
    maps = [word for pair in (columns | tokens).items() for word in ("--map", "=".join(pair))]
    said = _run(
        *(write([row | {"spare": "x"} for row in rows], "log.csv"), *maps, "--source", "log", "--agent", "bob"),
        *("--entity", "hypothesis/h1", "--set", "resource_type=llm_tokens", "--set", "model=deep-1"),
    )
    assert said.startswith("Columns that are not read: spare.\nRows read 2: recorded 2,")
    stored = Usage.objects.order_by("event_id").values_list("agent_id", "reported_cost", "input_tokens")
    assert list(stored) == [
        ("alice", Decimal("0.1"), 5),
        ("bob", Decimal("0.00002"), 7),
    ]


def test_what_is_wrong_with_one_row_keeps_no_other_out(write: Any, tmp_path: Path) -> None:
    rows = _rows(6, source="gateway")
    rows[0]["input_tokens"] = -1
    rows[1]["input_tokens"] = 1.5
    del rows[2]["event_id"]
    rows[3]["tier"] = "no-such-tier"
    rows[4]["source"] = "reservation"
    path, rejects = write(rows), tmp_path / "rejects.ndjson"
    with path.open("a") as file:
        file.write("\n{not json\n[1]\n")
    said = _run(path, "--rejects", rejects)
    assert said == (
        "Row 1: negative /input_tokens: A number of 0 or more is expected.\n"
        "Row 2: not_whole /input_tokens: A whole number is expected.\n"
        "Row 3: required /event_id: This field is required.\n"
        "Row 4: unknown_tier: There is no such tier.\n"
        "Row 5: source_of_the_house /source: This source is the house's own; name another.\n"
        "Row 8: malformed_json: This is not JSON that is taken here: "
        "Expecting property name enclosed in double quotes (line 1, column 2).\n"
        "Row 9: not_an_object: An object is expected.\n"
        "Rows read 8: recorded 1, duplicates 0, conflicts 0, refused 7.\n"
        "Of those recorded: 100 LLM tokens; 1 rows priced at 0.120000000000 USD (0 by a first list that came later), "
        "0 unpriced.\n"
        "exit 1: 7 of 8 rows are not recorded."
    )
    written = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [line["line"] for line in written] == [1, 2, 3, 4, 5, 8, 9]
    assert written[0] == {
        "line": 1,
        "faults": [
            {"code": "negative", "detail": "A number of 0 or more is expected.", "pointer": "/input_tokens"},
        ],
        "row": rows[0],
    }
    assert written[5]["row"] == "{not json"


def test_the_first_twenty_are_shown_and_all_are_written(write: Any, tmp_path: Path) -> None:
    said = _run(write(_rows(50, input_tokens=-1)), "--source", "s", "--rejects", tmp_path / "r", "--batch", 7)
    assert said.count("\nRow ") == 19  # and the first
    assert "… and 30 more; --rejects FILE writes them all.\n" in said
    assert len((tmp_path / "r").read_text().splitlines()) == 50


def test_another_event_under_the_same_identity_is_a_conflict(write: Any) -> None:
    _run(write(_rows(2)), "--source", "gateway")
    said = _run(write([_rows(1)[0], _rows(2, output_tokens=11)[1]]), "--source", "gateway")
    assert said.startswith("Row 2: event_conflict: This event was recorded before, with other figures.\n")
    assert "recorded 0, duplicates 1, conflicts 1, refused 0." in said
    assert said.endswith("exit 1: 1 of 2 rows are not recorded.")


def test_a_dry_run_says_the_same_and_records_nothing(write: Any) -> None:
    path = write([*_rows(3), *_rows(1, input_tokens=-1)])
    dry = _run(path, "--source", "gateway", "--dry-run")
    assert (Usage.objects.count(), "Dry run: nothing is recorded. Rows read 4: recorded 3," in dry) == (0, True)
    assert dry.replace("Dry run: nothing is recorded. ", "") == _run(path, "--source", "gateway")


def test_a_crash_in_the_middle_and_another_run_count_every_row_once(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, record_many, calls = write(_rows(10)), metering.record_many, 0

    def record_two_chunks(*args: Any, **terms: Any) -> Any:
        nonlocal calls
        calls += 1
        done = record_many(*args, **terms)
        if calls == 3:
            raise RuntimeError
        return done

    monkeypatch.setattr(metering, "record_many", record_two_chunks)
    with pytest.raises(RuntimeError):
        _run(path, "--source", "gateway", "--batch", 3)
    assert Usage.objects.count() == 6
    monkeypatch.setattr(metering, "record_many", record_many)
    assert "recorded 4, duplicates 6" in _run(path, "--source", "gateway", "--batch", 3)


def test_a_file_with_bad_text_in_it_stops_there(write: Any) -> None:
    path = write(_rows(8), "usage.csv")
    path.write_bytes(path.read_bytes().replace(b"e5", b"\xe9"))
    said = _run(path, "--source", "gateway", "--batch", 2)
    assert "recorded 4," in said
    assert said.endswith(
        "exit 1: unreadable_file: Line 7 is not UTF-8; save the file as UTF-8. What was recorded before that stays; "
        "run it again when it is mended, nothing counts twice."
    )


def test_csv_may_begin_with_a_mark_quote_and_break_lines(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    body = f'{HEADER},note\r\ne0,hypothesis,"h,1",llm_tokens,deep-1,90,10,2026-01-15T12:00:00Z,"two\r\nlines"\r\n'
    path.write_bytes(b"\xef\xbb\xbf" + body.encode() + b"e1,hypothesis\r\n")
    said = _run(path, "--source", "gateway")
    assert "Row 4: wrong_cells: The row has not as many cells as the header.\n" in said
    assert list(Usage.objects.values_list("entity_id", flat=True)) == ["h,1"]


def test_standard_input_is_read(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with write(_rows(2)).open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert "recorded 2" in _run("-", "--format", "ndjson", "--source", "gateway")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.csv"], "nowhere.csv cannot be read: No such file or directory."),
        (["-"], "--format says what is in -: ndjson, cloudevents, csv."),
        (["usage.xlsx"], "--format says what is in usage.xlsx: ndjson, cloudevents, csv."),
        (
            ["x.csv", "--map", "color=blue"],
            "Error: argument --map: color=blue is not FIELD=…, where FIELD is one of entity_type,",
        ),
        (
            ["x.csv", "--map", "model"],
            "Error: argument --map: model is not FIELD=…, where FIELD is one of entity_type,",
        ),
        (["x.ndjson", "--map", "model=m"], "--map is about the columns of a CSV file."),
        (["x.csv", "--entity", "h1"], "Error: argument --entity: an entity is written TYPE/ID, as in hypothesis/h1"),
        (["x.csv", "--batch", "0"], "Error: argument --batch: 1 to 10,000 rows"),
        (["x.csv", "--batch", "10001"], "Error: argument --batch: 1 to 10,000 rows"),
    ],
)
def test_words_that_cannot_be_followed_are_refused(words: list[str], message: str) -> None:
    assert message in _run(*words)


@pytest.mark.parametrize(
    ("header", "words", "message"),
    [
        (HEADER, [], "In this file nothing says source. Its columns: event_id, entity_type,"),
        (
            "id,tokens",
            ["--source", "s"],
            "nothing says entity_type, nothing says entity_id, nothing says resource_type",
        ),
        (HEADER, ["--source", "s", "--map", "tier=level"], "In this file there is no column level. Its columns:"),
        (f"{HEADER},model", ["--source", "s"], "In this file the column model stands twice."),
        ("", ["--source", "s"], "Its columns: none."),
    ],
)
def test_csv_without_the_columns_of_an_event_is_refused(
    tmp_path: Path, header: str, words: list[str], message: str
) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(f"{header}\n" if header else "")
    said = _run(path, *words)
    assert message in said
    assert "exit 1: unreadable_file: " in said


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{}", "A batch of CloudEvents is an array; lines of JSON are another form."),
        ("[", "The file is not JSON that is taken here: Expecting value (line 1, column 2)."),
    ],
)
def test_json_that_is_no_batch_of_cloud_events_is_refused(tmp_path: Path, body: str, message: str) -> None:
    path = tmp_path / "usage.json"
    path.write_text(body)
    assert f"exit 1: unreadable_file: {message}" in _run(path)


def test_rejects_that_cannot_be_written_stop_before_anything_is_recorded(write: Any) -> None:
    said = _run(write(_rows(1)), "--source", "s", "--rejects", "/nowhere/r")
    assert "/nowhere/r cannot be written: No such file or directory." in said
    assert Usage.objects.count() == 0
