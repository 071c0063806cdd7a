"""The list of envelopes: where its lines stand, and by what it is narrowed."""

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from economics import standings
from economics.models import DefaultEnvelope, Envelope


class StandingList(ChangeList):
    """A page of envelopes, each with where its lines stand, in one query for all."""

    def get_results(self, request: HttpRequest) -> None:
        """Add the standing to the rows of this page."""
        super().get_results(request)
        rows = list(self.result_list)
        standing = standings.of_envelopes([row.pk for row in rows], at=timezone.now())
        for row in rows:
            row.standing = standing[row.pk]
        self.result_list = rows


class TypeFilter(admin.SimpleListFilter):
    """The usual types of entities, so that nobody looks through the table for them."""

    title = "entity type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the types of the framework and those with a default."""
        usual = ["hypothesis", "knowledge_gap", "analysis", "entity", "quest", "agent"]
        own = DefaultEnvelope.objects.values_list("pk", flat=True)
        return [(name, name) for name in dict.fromkeys([*usual, *own])]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Envelope]) -> QuerySet[Envelope]:  # noqa: ARG002
        """Keep one type."""
        return queryset.filter(entity_type=self.value()) if self.value() else queryset


class GrantedFilter(admin.SimpleListFilter):
    """Whether the Senate granted it."""

    title = "granted by the Senate"
    parameter_name = "granted"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Offer both."""
        return [("yes", "yes"), ("no", "no")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Envelope]) -> QuerySet[Envelope]:  # noqa: ARG002
        """Keep one of them."""
        chosen = {"yes": False, "no": True}.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(granted_at__isnull=chosen)
