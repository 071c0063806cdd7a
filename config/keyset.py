"""Going on in a list from where a page ended: by the key of its last row, which costs the same at any depth."""

from collections.abc import Sequence
from typing import Any, TypeVar

from django.db.models import F, Max, Min, Model, Q, QuerySet

ModelT = TypeVar("ModelT", bound=Model)


def beyond(ordering: Sequence[str], key: Sequence[Any]) -> Q:
    """Return what lies beyond a key: the first column beyond, or equal and the second beyond, and so on.

    `ordering` is as Django writes it, falling columns with a minus; no column may be empty, and together they name
    one row. None of what is returned lies before the key in the first column, which is said as well: an index can
    begin there.
    """
    further, equal = Q(), Q()
    for column, value in zip(ordering, key, strict=True):
        further |= equal & Q((_step(column), value))
        equal &= Q((column.lstrip("-"), value))
    return Q((f"{_step(ordering[0])}e", key[0])) & further if len(key) > 1 else further


def bounded(rows: QuerySet[ModelT]) -> QuerySet[ModelT]:
    """Return the same rows with their least and greatest id said as well, for whoever reads them by falling id.

    Rows of a time that is long over would else be looked for among all newer ones. They are read once to find the
    bounds, so an index must find them; what arrives meanwhile with a greater id is left out.
    """
    # Of the bare column the database seeks the ends by its index, through all rows beyond them.
    bounds = rows.order_by().aggregate(least=Min(F("pk") + 0), most=Max(F("pk") + 0))
    if bounds["least"] is None:
        return rows.none()
    return rows.filter(pk__gte=bounds["least"], pk__lte=bounds["most"])


def reversed_order(ordering: Sequence[str]) -> list[str]:
    """Return the same order, read from its end."""
    return [column[1:] if column.startswith("-") else f"-{column}" for column in ordering]


def _step(column: str) -> str:
    return f"{column.lstrip('-')}__{'lt' if column.startswith('-') else 'gt'}"
