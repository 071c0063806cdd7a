"""Going on in a list from where a page ended: by the key of its last row, which costs the same at any depth."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q


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


def reversed_order(ordering: Sequence[str]) -> list[str]:
    """Return the same order, read from its end."""
    return [column[1:] if column.startswith("-") else f"-{column}" for column in ordering]


def _step(column: str) -> str:
    return f"{column.lstrip('-')}__{'lt' if column.startswith('-') else 'gt'}"
