"""What narrows a list of usage: columns that an index finds, and a term that names something whole."""

from typing import TypeVar

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from economics.admin import envelope_list
from economics.models import Usage

RowT = TypeVar("RowT", bound=Model)


def named(rows: QuerySet[RowT], term: str, *columns: str) -> QuerySet[RowT]:
    """Return the rows of the entity that a term names, `type:id` or its id alone, or with the term in a column.

    The index of entities begins with the type: an id alone is looked for among the types the house knows.
    """
    term = term.strip()
    if not term:
        return rows
    found = Q(entity_type__in=envelope_list.known_types(), entity_id=term)
    for column in columns:
        found |= Q((column, term))
    entity_type, colon, entity_id = term.partition(":")
    if colon:
        found |= Q(entity_type=entity_type, entity_id=entity_id)
    return rows.filter(found)


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
