"""Tables for spreadsheets: what stays a number, what no cell becomes, and that a file is sent row by row."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from config import sheets
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMULAS = (
    *('=HYPERLINK("http://evil.example","x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1"),
    *(" =1+1", "\u00a0=1+1", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20A1"),
)


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_compute_gets_an_apostrophe(text: str) -> None:
    assert sheets.cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "plain", "a=b", "1e5", "'quoted", "hypothesis:h-1", "<script>alert(1)</script>"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert sheets.cell(text) == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *((-5, "-5"), (Decimal("-0.500"), "-0.5"), (Decimal("1E+3"), "1000"), (0, "0"), (1.5, "1.5")),
        *((None, ""), (True, "yes"), (False, "no"), (["=1"], '["=1"]'), ({"a": -1}, '{"a": -1}')),
        (datetime(2026, 3, 2, 12, tzinfo=UTC), "2026-03-02T12:00:00+00:00"),
    ],
)
def test_numbers_stay_numbers(value: object, shown: str) -> None:
    assert sheets.cell(value) == shown


@given(st.text())
def test_no_text_begins_like_a_formula(text: str) -> None:
    shown = sheets.cell(text)
    assert shown.lstrip()[:1] not in {*"=+-@"}
    assert shown.removeprefix("'") == text.removeprefix("'")


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\x00")), min_size=2, max_size=2)))
def test_what_is_written_is_read_again(rows: list[list[str]]) -> None:
    written = "".join(sheets.lines(("one", "two"), rows)).removeprefix("\ufeff")
    read = list(csv.reader(io.StringIO(written, newline="")))
    assert read == [["one", "two"], *[[sheets.cell(text) for text in row] for row in rows]]


def test_a_file_is_made_row_by_row() -> None:
    asked: list[int] = []

    def rows() -> Iterator[list[int]]:
        for number in range(10**9):
            asked.append(number)
            yield [number]

    sent = iter(sheets.download("all.csv", ("number",), rows()))
    assert [next(sent) for _ in range(3)] == ["\ufeffnumber\r\n".encode(), b"0\r\n", b"1\r\n"]
    assert asked == [0, 1]


def test_a_download_is_a_file_that_nobody_keeps() -> None:
    response = sheets.download("all.csv", ("number",), [])
    assert (response["Content-Type"], response["Content-Disposition"], response["Cache-Control"]) == (
        "text/csv; charset=utf-8",
        'attachment; filename="all.csv"',
        "no-store",
    )


@pytest.mark.django_db
def test_rows_are_read_so_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "AT_ONCE", 2)
    refused = [factories.envelope(f"e-{number}") for number in range(5)]
    with CaptureQueriesContext(connection) as captured:
        found = list(sheets.newest_first(type(refused[0]).objects.all()))
    assert [row.pk for row in found] == sorted((row.pk for row in refused), reverse=True)
    assert len(captured) == 4
