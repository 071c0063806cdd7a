"""Filters of lists that are filled in and applied together: an entry of `list_filter` for each kind.

Each asks the table nothing to draw itself. Filters over the distinct values of a column are left out on purpose:
on a table of millions they read all of it.
"""

from typing import Any

from unfold.contrib.filters import admin as kinds


def choices(field: str) -> tuple[str, Any]:
    """Return a filter that takes several of a field's choices at once."""
    return field, kinds.ChoicesCheckboxFilter


def numbers(field: str) -> tuple[str, Any]:
    """Return a filter from one number to another, both of them in."""
    return field, kinds.RangeNumericFilter


def dates(field: str) -> tuple[str, Any]:
    """Return a filter from one day to another, both of them in; for a column of dates."""
    return field, kinds.RangeDateFilter


def related(field: str) -> tuple[str, Any]:
    """Return a filter that finds the related row by typing; its page must have `search_fields`."""
    return field, kinds.AutocompleteSelectFilter
