"""`import_prices`: shows what a list would change, asks, and says by its exit code what became of it."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command

from economics import catalog, price_sources
from economics.models import LanguageModel, Price
from tests.shared_files import shared_data

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db
HEADER = "asof_date,model,provider,input_cost_per_token,output_cost_per_token\n"
ROWS = "2025-01-01,deep-1,deep,0.000001,0.000002\n2025-02-01,deep-1,deep,0.000001,0.000004\n"


def _import(*words: object) -> str:
    """Run the command; return what it printed."""
    out = io.StringIO()
    call_command("import_prices", *map(str, words), stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a list of one model with two prices."""
    path = tmp_path / "prices.csv"
    path.write_text(HEADER + ROWS)
    return path


def test_import_prices_shows_what_it_changes_and_changes_it(file: Path) -> None:
    assert (
        _import(file, "--yes")
        == """\
prices.csv: 1 new models, 0 first prices, 1 changed prices (0 replacing one of the same moment), 0 unchanged, \
0 left out (0 not understood).

New models (1):
  Model   Provider  Tier      USD per million tokens  Counts
  deep-1  deep      standard  1 in, 2 out             from 2025-01-01

Changed prices (1):
  Model   USD per million tokens  Counts
  deep-1  2 → 4 out (+100.0 %)    from 2025-02-01

Imported 1 models and 2 prices.
Usage that waited for one of them is priced by the next tick.
"""
    )
    assert list(Price.objects.values_list("set_by", "source").distinct()) == [
        ("manage.py import_prices", "file of dated prices")
    ]


def test_import_prices_twice_finds_nothing_to_import(file: Path) -> None:
    _import(file, "--yes")
    assert _import(file).splitlines()[-1] == "The catalogue says all this already; nothing to import."
    assert Price.objects.count() == 2


def test_import_prices_dry_run_writes_nothing(file: Path) -> None:
    assert _import(file, "--dry-run").splitlines()[-1] == "A dry run: nothing was written."
    assert (LanguageModel.objects.count(), Price.objects.count()) == (0, 0)


def test_import_prices_takes_tiers_and_names(file: Path) -> None:
    file.write_text(HEADER + ROWS + ROWS.replace("deep-1", "mini-1") + ROWS.replace("deep-1", "mini-2"))
    _import(file, "--yes", "--only", "mini-*", "--skip", "*-2", "--tier", "mini-1=small")
    assert list(LanguageModel.objects.values_list("name", "tier")) == [("mini-1", "small")]


def test_import_prices_shows_ten_of_a_kind_or_all(file: Path) -> None:
    file.write_text(HEADER + "".join(f"2025-01-01,m-{n:02},deep,1,1\n" for n in range(12)))
    assert "  … and 2 more (--all shows them)" in _import(file, "--dry-run").splitlines()
    assert "  m-11   deep " in _import(file, "--dry-run", "--all")


def test_import_prices_of_the_package() -> None:
    _import("--genai", "--yes", "--only", "gpt-4o")
    assert Price.objects.get().name == "gpt-4o"


@pytest.mark.parametrize(("typed", "imported"), [("y", 2), ("YES ", 2), ("n", 0), ("", 0)])
def test_import_prices_asks_at_a_terminal(
    file: Path, monkeypatch: pytest.MonkeyPatch, typed: str, imported: int
) -> None:
    monkeypatch.setattr(sys, "stdin", type("Terminal", (io.StringIO,), {"isatty": lambda _self: True})())
    monkeypatch.setattr("builtins.input", lambda _question: typed)
    if imported:
        _import(file)
    else:
        with pytest.raises(CommandError, match="Not confirmed; nothing was written"):
            _import(file)
    assert Price.objects.count() == imported


def test_import_prices_does_not_go_on_where_nobody_can_be_asked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(CommandError, match="say --yes") as refusal:
        _import(file)
    assert (refusal.value.returncode, Price.objects.count()) == (1, 0)


def test_import_prices_imports_what_it_understands_and_says_so_by_its_exit_code(file: Path) -> None:
    file.write_text(HEADER + ROWS + "2025-03-01,deep-1,deep,abc,1\n")
    with pytest.raises(CommandError, match="1 rows were not understood and left out") as refusal:
        _import(file, "--yes")
    assert (refusal.value.returncode, Price.objects.count()) == (3, 2)


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (b"", [], "invalid_price_list: prices.csv: line 1: the file is empty."),
        (b"a,b\n1,2\n", [], "invalid_price_list: prices.csv: line 1: the columns asof_date, model, provider, "),
        (HEADER.encode() + b"\xff", [], "invalid_price_list: prices.csv: line 2: this is not text in UTF-8."),
        (
            (HEADER + ROWS).encode(),
            ["--tier", "deep-2=small"],
            "model_not_listed: prices.csv: deep-2 is not in this list.",
        ),
        (
            (HEADER + ROWS).encode(),
            ["--tier", "deep-1=golden"],
            "unknown_tier: prices.csv: There is no tier golden; there are ",
        ),
        ((HEADER + ROWS).encode(), ["--tier", "deep-1"], "--tier deep-1: say MODEL=TIER."),
    ],
)
def test_import_prices_refuses_bad_input_with_a_line_and_writes_nothing(
    file: Path, content: bytes, words: list[str], message: str
) -> None:
    file.write_bytes(content)
    with pytest.raises(CommandError) as refusal:
        _import(file, "--yes", *words)
    said = str(refusal.value).replace(f"{file.parent}/", "")
    assert (said[: len(message)], refusal.value.returncode) == (message, 1)
    assert (LanguageModel.objects.count(), Price.objects.count()) == (0, 0)


def test_import_prices_needs_a_file_that_is_there_or_the_package(tmp_path: Path) -> None:
    for words in ([tmp_path / "none.csv"], [tmp_path], [], [tmp_path / "none.csv", "--genai"]):
        with pytest.raises(CommandError):
            _import(*words)


def test_import_prices_tells_a_shell_by_its_exit_code(file: Path) -> None:
    file.write_text(HEADER + ROWS + "?\n")
    runs: dict[int, list[str | Path]] = {
        0: ["--help"],
        1: [file.parent / "none.csv", "--yes"],
        2: ["--gold"],
        3: [file, "--dry-run"],
    }
    done = {
        code: subprocess.run(
            [sys.executable, "manage.py", "import_prices", *words], capture_output=True, text=True, check=False
        )
        for code, words in runs.items()
    }
    assert [run.returncode for run in done.values()] == list(done)
    assert "  3  as 0, but some rows were not understood and left out\n" in done[0].stdout
    assert done[1].stderr.endswith("none.csv: No such file or directory.\n")
    assert done[3].stderr == "CommandError: 1 rows were not understood and left out.\n"


def test_the_real_history_of_prices_is_imported_once_and_prices_by_day() -> None:
    path = shared_data("llm_prices/price_history.csv")
    said = _import(path, "--yes").splitlines()
    assert said[0] == (
        "price_history.csv: 879 new models, 0 first prices, 54 changed prices (0 replacing one of the same moment), "
        "2,618 unchanged, 5 left out (0 not understood)."
    )
    assert said[-2] == "Imported 879 models and 933 prices."
    assert "nothing to import" in _import(path)
    rates = [
        quote.rates.rate * 10**6
        for day in (date(2024, 8, 13), date(2025, 2, 28), date(2025, 3, 1))
        if (quote := catalog.price_at("llm_tokens", "deepseek/deepseek-chat", price_sources.midnight(day)))
    ]
    assert rates == [Decimal("0.14"), Decimal("0.14"), Decimal("0.27")]
    assert Price.objects.filter(rate=0).exists(), "free is a price"
