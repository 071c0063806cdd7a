"""What narrows a list of usage: nothing but columns that an index finds."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from config import filled_filters
from economics.models import Usage


class When(filled_filters.Times):
    """A month at most: the rows of a time are read and put in order, for no index has them so."""

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
