"""What narrows a list of usage: nothing but columns that an index finds, and how the rows of a time are read then."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from config import filled_filters, keyset, lists
from economics.models import Usage


def is_of(column: str, names: Iterable[str]) -> bool:
    """Tell whether one of the names of an address narrows a list by this column."""
    return any(name.startswith(column) for name in names)


class UsageList(lists.KeyedList):
    """Rows of usage, of a time within the bounds of their ids."""

    def as_read(self, rows: QuerySet[Usage]) -> QuerySet[Usage]:
        """Find the bounds where a time is chosen, so that a page reads no newer rows and puts none in order."""
        return keyset.bounded(rows) if is_of("created_at", self.params) else rows


class When(filled_filters.Times):
    """A month at most: the rows of a time are read once, to find the bounds of their ids."""

    most_days = 31
    instead = " Days of usage reach further."


class Unpriced(admin.SimpleListFilter):
    """What nobody has priced yet. An index holds just these rows, by the cost that they lack."""

    title = "price"
    parameter_name = "price_state__exact"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Offer what waits for a price."""
        return [(Usage.PriceState.UNPRICED, "without a price")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Usage]) -> QuerySet[Usage]:  # noqa: ARG002
        """Keep the rows without a cost, or with one."""
        return queryset.filter(cost__isnull=self.value() == Usage.PriceState.UNPRICED) if self.value() else queryset
