"""Charts of the house's pages: one style for all, each with the table that it was drawn from behind it."""

import json
from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NamedTuple

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from config.site import table

Number = int | float | Decimal | None
COLOURS: Final = 6  # of the palette in config/charts.css; series beyond begin anew
_TICKS: Final = 8  # labels on the lower axis: more would overlap on a phone
_MUTED: Final = "#8b929e"  # of words on an axis: the only colour that no style sheet can reach


class Kind(Enum):
    """How a chart is drawn."""

    LINE = "line"
    STEPS = "steps"  # a line that holds until the next point: prices, depth
    BARS = "bar"
    STACKED = "stacked"
    PIE = "doughnut"


class Series(NamedTuple):
    """A named row of numbers, as many as the chart has labels; None leaves a gap."""

    name: str
    values: Sequence[Number]


class Chart(NamedTuple):
    """What is drawn. `unit` stands in the heading; `words` are the same numbers as a reader wants them in the table.

    `labels` head the rows of the table, and `heads` its columns (the first that of the labels). Without `words` the
    numbers stand there as they are. `empty` is said where there is nothing to draw.
    """

    kind: Kind
    title: str
    labels: Sequence[str]
    series: Sequence[Series]
    heads: Sequence[str] = ()
    words: Sequence[Sequence[str]] = ()
    unit: str = ""
    note: str = ""
    empty: str = "Nothing yet."

    @property
    def is_empty(self) -> bool:
        """Tell whether there is no number to draw."""
        return not any(value is not None for series in self.series for value in series.values)

    def __str__(self) -> SafeString:
        """Return the chart with its table, for a template."""
        return render(self)

    def __html__(self) -> SafeString:
        """Return the same for `format_html`, which escapes whatever else it is given."""
        return render(self)


def render(chart: Chart) -> SafeString:
    """Return a figure: heading, drawing (by the scripts of the admin) and table (readable without any script)."""
    heads = chart.heads or ("", *(series.name for series in chart.series))
    rows = chart.words or list(zip(*(_plain(series.values) for series in chart.series), strict=True))
    context = {
        "chart": chart,
        "type": {Kind.STEPS: "line", Kind.STACKED: "bar"}.get(chart.kind, chart.kind.value),
        "data": json.dumps({"labels": list(chart.labels), "datasets": _datasets(chart)}),
        "options": json.dumps(_options(chart)),
        "table": table(heads, [(label, *row) for label, row in zip(chart.labels, rows, strict=True)]),
    }
    return render_to_string("admin/chart.html", context)


def _plain(values: Sequence[Number]) -> list[str]:
    return ["—" if value is None else f"{value:,}" for value in values]


def _datasets(chart: Chart) -> list[dict[str, Any]]:
    colours = [f"var(--chart-{place % COLOURS + 1})" for place in range(max(len(chart.labels), len(chart.series)))]
    made = []
    for series, colour in zip(chart.series, colours, strict=False):
        data = [None if value is None else float(value) for value in series.values]
        dataset: dict[str, Any] = {"label": series.name, "data": data, "borderColor": colour, "backgroundColor": colour}
        if chart.kind is Kind.PIE:
            dataset |= {"backgroundColor": colours[: len(chart.labels)], "borderColor": "transparent"}
        if chart.kind is Kind.STEPS:
            dataset["stepped"] = "before"
        if chart.kind in {Kind.LINE, Kind.STEPS}:
            is_line = sum(value is not None for value in data) > 1  # a point alone is seen as one
            dataset |= {"pointRadius": 0 if is_line else 3, "borderWidth": 2, "spanGaps": False}
        made.append(dataset)
    return made


def _options(chart: Chart) -> dict[str, Any]:
    several = len(chart.series) > 1 or chart.kind is Kind.PIE
    legend = {"display": several, "position": "bottom", "labels": {"color": _MUTED, "boxWidth": 10, "boxHeight": 10}}
    options: dict[str, Any] = {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "index", "intersect": False},
        "plugins": {"legend": legend},
    }
    if chart.kind is Kind.PIE:
        return {**options, "cutout": "60%", "interaction": {"mode": "nearest", "intersect": True}, "scales": {}}
    stacked = chart.kind is Kind.STACKED
    lower = {"color": _MUTED, "maxTicksLimit": _TICKS, "maxRotation": 0}
    return {
        **options,
        "maxBarThickness": 28,
        "scales": {
            "x": {"stacked": stacked, "ticks": lower, "grid": {"display": False}},
            "y": {"stacked": stacked, "beginAtZero": True, "ticks": {"color": _MUTED, "maxTicksLimit": 6}, "grid": {}},
        },
    }
