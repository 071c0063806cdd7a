"""Filters of lists that are filled in and applied together: an entry of `list_filter` for each kind.

Each asks the table nothing to draw itself. Filters over the distinct values of a column are left out on purpose:
on a table of millions they read all of it.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters import admin as kinds

from config import filled_filters


def choices(field: str) -> tuple[str, Any]:
    """Return a filter that takes several of a field's choices at once."""
    return field, kinds.ChoicesCheckboxFilter


def among(field: str, known: Sequence[tuple[str, str]], title: str) -> type[admin.SimpleListFilter]:
    """Return a filter that takes one of the known values of a column of text, so that no table is looked through."""

    class Among(admin.SimpleListFilter):
        """One of them."""

        parameter_name = f"{field}__exact"

        def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
            """Return them, each with its words."""
            return list(known)

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
            """Keep one of them."""
            return queryset if self.value() is None else queryset.filter(**{field: self.value()})

    Among.title = title
    return Among


def whole(field: str) -> tuple[str, Any]:
    """Return a filter that finds a text whole; for a column that an index finds."""
    return field, filled_filters.Whole


def numbers(field: str) -> tuple[str, Any]:
    """Return a filter from one number to another, both of them in."""
    return field, filled_filters.Numbers


def dates(field: str) -> tuple[str, Any]:
    """Return a filter from one day to another, both of them in; for a column of dates."""
    return field, filled_filters.Dates


def times(field: str) -> tuple[str, Any]:
    """Return a filter from one moment to another, in UTC; for a column of times."""
    return field, filled_filters.Times


def related(field: str) -> tuple[str, Any]:
    """Return a filter that finds the related row by typing; its page must have `search_fields`."""
    return field, kinds.AutocompleteSelectFilter
