"""Charts: what is drawn is what the table says, nothing is drawn of nothing, and names cannot break out."""

from __future__ import annotations

import html
import json
import re
from decimal import Decimal
from typing import Any

import pytest
from django.template import Context, Template
from django.utils.html import format_html

from config.charts import Chart, Kind, Series, render

PRICES = Chart(
    Kind.LINE, "Prices", ("10:00", "10:01", "10:02"), (Series("price", (40, None, Decimal("41.5"))),), unit="tokens"
)


def drawn(chart: Chart) -> dict[str, Any]:
    """Return what the script of the page draws: labels and datasets."""
    found = re.search(r'data-value="([^"]*)"', render(chart))
    assert found
    made: dict[str, Any] = json.loads(html.unescape(found[1]))
    return made


def cells(chart: Chart) -> list[str]:
    return re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", render(chart))


def test_a_line_leaves_gaps_where_nothing_is_known() -> None:
    made = drawn(PRICES)
    assert made["labels"] == ["10:00", "10:01", "10:02"]
    assert made["datasets"][0]["data"] == [40.0, None, 41.5]


def test_the_table_says_what_is_drawn() -> None:
    assert cells(PRICES) == ["", "price", "10:00", "40", "10:01", "—", "10:02", "41.5"]


def test_the_table_may_say_it_in_words_of_its_own() -> None:
    chart = PRICES._replace(heads=("Round", "Price"), words=(("40",), ("sold nothing",), ("41.5",)))
    assert cells(chart)[:6] == ["Round", "Price", "10:00", "40", "10:01", "sold nothing"]


def test_words_for_other_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        render(PRICES._replace(words=(("40",),)))


@pytest.mark.parametrize("values", [(), (None, None)])
def test_nothing_is_said_to_be_nothing(values: tuple[None, ...]) -> None:
    chart = Chart(Kind.BARS, "Spend", ["a"] * len(values), (Series("USD", values),), empty="No spend yet.")
    assert "No spend yet." in render(chart)
    assert "canvas" not in render(chart)


def test_each_part_of_a_pie_has_a_colour_and_the_palette_begins_anew() -> None:
    pie = Chart(Kind.PIE, "Quests", [f"q{n}" for n in range(8)], (Series("tokens", range(8)),))
    colours = drawn(pie)["datasets"][0]["backgroundColor"]
    assert colours == [f"var(--chart-{n})" for n in (1, 2, 3, 4, 5, 6, 1, 2)]


def test_a_name_cannot_break_out() -> None:
    evil = '"><script>alert(1)</script>'
    chart = Chart(Kind.STACKED, evil, [evil], (Series(evil, [1]), Series("b", [2])), note=evil)
    assert "<script" not in render(chart)
    assert drawn(chart)["datasets"][0]["label"] == evil


def test_a_template_shows_it_as_it_is() -> None:
    assert Template("{{ chart }}").render(Context({"chart": PRICES})) == render(PRICES)


def test_it_stands_as_it_is_among_other_marks() -> None:
    assert format_html("<p>{}</p>", PRICES) == f"<p>{render(PRICES)}</p>"
