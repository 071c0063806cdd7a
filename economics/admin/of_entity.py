"""Lists whose rows name an entity: each leads to the whole story of it, and a term finds its rows by an index."""

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from config import site
from economics.admin import envelope_list
from economics.models import Envelope

RowT = TypeVar("RowT", bound=Model)


def led(envelope: Envelope | None) -> str | SafeString:
    """Return whose envelope it is, leading to the story of it; a line without one is the fleet's."""
    return "the fleet" if envelope is None else site.led_to_chain(envelope.entity_type, envelope.entity_id)


def named(rows: QuerySet[RowT], term: str, columns: Sequence[str] = ()) -> QuerySet[RowT]:
    """Return the rows of the entity that a term names, `type:id` or its id alone, or with the term in a column.

    Indexes of entities begin with the type: an id alone is looked for among the types the house knows.
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


class OfEntity(site.LargeTableAdmin[RowT]):
    """A large table of rows with an `entity_type` and an `entity_id`; `found_by` are other columns a term may be in."""

    found_by: ClassVar[Sequence[str]] = ()
    search_fields: ClassVar[tuple[str, ...]] = (
        "entity_id__exact",
    )  # that there is a search: `named` is how it is done
    search_help_text = "An entity as type:id, or its id, whole."

    @admin.display(description="entity")
    def entity(self, row: Any) -> str | SafeString:
        """Return type and id of the entity, leading to all that is known of it."""
        return site.led_to_chain(row.entity_type, row.entity_id)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Let pages lead to the rows of an entity."""
        return lookup.startswith("entity_") or super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[RowT],
        search_term: str,
    ) -> tuple[QuerySet[RowT], bool]:
        """Find what the term names, whole."""
        return named(queryset, search_term, self.found_by), False
