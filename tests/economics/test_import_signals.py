"""`import_signals` and `weigh`: a market's own file becomes signals, and a step by hand says what it moved."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from economics.models import Envelope, Signal
from tests import factories
from tests.economics import exchanges
from tests.factories import NOON

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db

CSV = """trade,claim,when,price,who
1,7,2026-01-05T10:00:00Z,0.45241870901807435,ann
2,7,2026-01-05T11:00:00Z,4.5e-1,bob
3,8,2026-01-06T10:00:00Z,0.6,ann
"""
COLUMNS = ("event_id=trade", "entity_id=claim", "at=when", "value=price")
MAPPED = (*(word for column in COLUMNS for word in ("--map", column)), "--set", "entity_type=hypothesis")


def _run(name: str, *words: object) -> str:
    """Run a command; return what it printed on both streams, and the refusal with which it ended, if any."""
    out = io.StringIO()
    try:
        call_command(name, *map(str, words), stdout=out, stderr=out, no_color=True)
    except CommandError as error:
        return f"{out.getvalue()}exit {error.returncode}: {error}"
    return out.getvalue()


@pytest.fixture
def trades(tmp_path: Path) -> Path:
    """Return a market's file of trades; its source is registered."""
    exchanges.source("market")
    path = tmp_path / "trades.csv"
    path.write_text(CSV)
    return path


def test_trades_become_signals_and_count_once(trades: Path) -> None:
    words = (trades, *MAPPED, "--source", "market", "--entity-prefix", "RPP-")
    said = "Signals read 3: recorded {}, duplicates {}, conflicts 0, refused 0.\nOf those recorded: {}\n"
    some = "2 entities, 2026-01-05 10:00 to 2026-01-06 10:00 UTC."
    unread = "Columns that are not read: who.\n"
    dry = _run("import_signals", *words, "--dry-run")
    assert dry == f"{unread}Dry run: nothing is recorded. " + said.format(3, 0, some)
    assert not Signal.objects.exists()
    assert _run("import_signals", *words) == unread + said.format(3, 0, some)
    assert _run("import_signals", *words, "--batch", 2) == unread + said.format(0, 3, "nothing.")
    assert list(Signal.objects.order_by("at").values_list("entity_id", "value", "at", "event_id")) == [
        ("RPP-7", Decimal("0.452418709018"), datetime(2026, 1, 5, 10, tzinfo=UTC), "1"),
        ("RPP-7", Decimal("0.45"), datetime(2026, 1, 5, 11, tzinfo=UTC), "2"),
        ("RPP-8", Decimal("0.6"), datetime(2026, 1, 6, 10, tzinfo=UTC), "3"),
    ]


def test_lines_of_json_name_their_fields(tmp_path: Path) -> None:
    exchanges.source("market")
    path = tmp_path / "signals.ndjson"
    row = {"entity_type": "hypothesis", "entity_id": "h1", "value": 0.5, "event_id": "e1", "at": "2026-01-05T10:00Z"}
    wrong: list[dict[str, Any]] = [
        {**row, "event_id": "e2", "at": None},
        {**row, "event_id": "e3", "value": 2},
        {**row, "value": 0.6},
        {**row, "event_id": "e4", "source": "nobodys"},
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in (row, *wrong)))
    rejects = tmp_path / "rejects.ndjson"
    said = _run("import_signals", path, "--source", "market", "--rejects", rejects)
    assert said.splitlines() == [
        "Row 2: required /at: This field is required.",
        "Row 3: invalid_signal: A probability is at most 1.",
        "Row 4: event_conflict: This event was recorded before, with other figures.",
        "Row 5: unknown_source: There is no such source of signals, or another posts to it.",
        "Signals read 5: recorded 1, duplicates 0, conflicts 1, refused 3.",
        "Of those recorded: 1 entity, 2026-01-05 10:00 to 2026-01-05 10:00 UTC.",
        "exit 1: 4 of 5 signals are not recorded.",
    ]
    lines = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(one["line"], one["faults"][0]["code"]) for one in lines] == [
        *((2, "required"), (3, "invalid_signal"), (4, "event_conflict"), (5, "unknown_source"))
    ]


def test_a_file_without_its_columns_is_refused(trades: Path) -> None:
    said = _run("import_signals", trades, *MAPPED[2:], "--source", "market", "--map", "value=cost")
    assert said == (
        "exit 1: unreadable_file: In this file there is no column cost, nothing says value, nothing says event_id. "
        "Its columns: trade, claim, when, price, who."
    )


def test_weigh_says_what_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("economics.management.commands.weigh.timezone.now", lambda: NOON)
    by = exchanges.source()
    for name, priority, value in (("up", "0.5", "1"), ("down", "0.5", "0.4"), ("shut", "0.1", "0.9")):
        exchanges.signal(by, exchanges.granted(name, priority=priority).entity_id, value)
    moved = [
        "2026-03-02: 2 weights moved, 1 up and 1 down; 1 unmoved under a changed signal; 1 held back by a closed gate.",
        "  hypothesis:up 0 to 0.1 (signal 0.5)",
        "  hypothesis:down 0 to -0.1 (signal -0.1)",
    ]
    assert _run("weigh", "--dry-run").splitlines() == [f"Dry run: nothing is moved. {moved[0]}", *moved[1:]]
    assert not Envelope.objects.exclude(market_weight=0).exists()
    assert _run("weigh").splitlines() == moved
    assert _run("weigh") == "The step of this day was made before; the next one is due tomorrow.\n"
    monkeypatch.setattr("economics.management.commands.weigh.timezone.now", lambda: NOON + timedelta(days=100))
    assert _run("weigh").splitlines() == [
        "2026-06-10: 2 weights moved, 1 up and 1 down; 1 unmoved under a changed signal; 0 held back by a closed gate.",
        "  hypothesis:up 0.1 to 0 (no signal)",
        "  hypothesis:down -0.1 to 0 (no signal)",
    ]


def test_a_source_is_registered_at_a_terminal() -> None:
    factories.agent("ise", kind="exchange")
    assert _run("register_source", "futures", "--kind", "price", "--agent", "ise") == (
        "Registered futures: prices, probabilities, posted by ise.\n"
    )
    assert _run("register_source", "shares", "--kind", "price", "--by-rank") == (
        "Registered shares: prices, values that count by their rank, imported by the house.\n"
    )
    assert [
        _run("register_source", "futures", "--kind", "price"),
        _run("register_source", "survey", "--kind", "confidence", "--by-rank"),
        _run("register_source", "survey", "--kind", "confidence", "--agent", "nobody"),
    ] == [
        "exit 1: source_exists: There is a source of this name already.",
        "exit 1: invalid_source: A source posts prices or confidences, and a confidence is a probability.",
        "exit 1: There is no agent nobody.",
    ]
