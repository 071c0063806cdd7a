"""The list of proposals: each with its last ballot, and by what it is narrowed."""

from typing import Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from config import lists
from config.models import User
from governance import ballots
from governance.admin import votes
from governance.models import Proposal

_USUAL_TYPES: Final = ("hypothesis", "knowledge_gap", "analysis", "entity", "quest", "agent", "pool", "policy")


class TypeFilter(admin.SimpleListFilter):
    """The usual types of what proposals are about, so that nobody looks through the table for them."""

    title = "entity type"
    parameter_name = "entity_type__exact"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the types of the framework, pools and policies."""
        return [(name, name.replace("_", " ")) for name in _USUAL_TYPES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Proposal]) -> QuerySet[Proposal]:  # noqa: ARG002
        """Keep one type."""
        return queryset.filter(entity_type=self.value()) if self.value() else queryset


class WaitsFilter(admin.SimpleListFilter):
    """What waits, and for whom."""

    title = "waits for"
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Offer the reader's own votes, and what does not go on by itself."""
        return [("vote", "my vote"), ("person", "a person's word")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Proposal]) -> QuerySet[Proposal]:
        """Keep what the reader may still vote on, or what says why it waits."""
        match self.value():
            case "vote":
                reader = request.user if isinstance(request.user, User) else None
                waiting = ballots.awaiting(reader, now=timezone.now())
                return queryset.filter(pk__in=waiting.values("proposal"))
            case "person":
                return queryset.exclude(waits_because="")
        return queryset


class BallotList(lists.KeyedList):
    """A page of proposals, each with its last ballot, in one query for all."""

    def get_results(self, request: HttpRequest) -> None:
        """Add the ballots to the rows of this page."""
        super().get_results(request)
        rows = list(self.result_list)
        last = votes.last_of([row.pk for row in rows])
        for row in rows:
            row.ballot = last.get(row.pk)
        self.result_list = rows
