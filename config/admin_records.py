"""What the house writes down, in the admin: remembered requests, the history of governed rows, and the feed."""

from typing import Final

from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from config import change_words, history, history_page
from config.models import Change, FeedEntry, IdempotentRequest
from config.site import LargeTableAdmin

_TOLD: Final = (
    *("round_cleared", "won", "lost", "expired", "given"),
    *("forfeited", "lapsed", "withdrawn", "blocked", "refused", "decided"),
    *("fallback_began", "fallback_ended"),
)


@admin.register(IdempotentRequest)
class IdempotentRequestAdmin(LargeTableAdmin[IdempotentRequest]):
    """Writes answered, and what the same request gets again."""

    hidden = ("fingerprint",)
    list_display = ("created_at", "principal", "key", "status")
    list_filter = ("created_at",)
    search_fields = ("principal__exact", "key__exact")
    search_help_text = "A principal or a key, whole."


class TableFilter(admin.SimpleListFilter):
    """Of which rows: those that the database keeps a history of."""

    title = "rows"
    parameter_name = "table_name"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the tables with a history, by the names of their rows."""
        kept = (model._meta for model in apps.get_models() if history.is_kept(model))  # noqa: SLF001 - documented
        return [(meta.db_table, str(meta.verbose_name_plural)) for meta in kept]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Change]) -> QuerySet[Change]:  # noqa: ARG002
        """Keep the changes of the rows chosen."""
        return queryset.filter(table_name=self.value()) if self.value() else queryset


@admin.register(Change)
class ChangeAdmin(LargeTableAdmin[Change]):
    """What changed in governed rows (pools, policies, proposals): who, when, old, new and why."""

    list_display = ("id", "at", "of", "what", "who", "why", "cause", "request_id")
    list_filter = (TableFilter, "action", "at")
    search_fields = ("request_id__exact", "who__exact")
    search_help_text = "The id of a request (X-Request-ID) or an author, whole."

    @admin.display(description="row")
    def of(self, change: Change) -> str | SafeString:
        """Lead to the history of the row."""
        model = history_page.model_of(change.table_name)
        name = f"{model._meta.verbose_name if model else change.table_name} {change.key}"  # noqa: SLF001 - documented
        address = history_page.address(change.table_name, change.key)
        return format_html('<a href="{}">{}</a>', address, name) if address else name

    @admin.display(description="change")
    def what(self, change: Change) -> str:
        """Return what became of the row in words, cut where it is long."""
        begun = "" if change.action == Change.Action.CHANGED else f"{change.action}: "
        return Truncator(begun + change_words.sentence(change.changes)).chars(240)

    @admin.display(description="cause")
    def cause(self, change: Change) -> str:
        """Return what caused it, where something was named."""
        return f"{change.cause_kind} {change.cause_id}".strip()


class FeedKindFilter(admin.SimpleListFilter):
    """What happened; the kinds are known, so nobody has to look through the table for them."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the kinds that the rules tell."""
        return [(kind, kind.replace("_", " ")) for kind in _TOLD]

    def queryset(self, request: HttpRequest, queryset: QuerySet[FeedEntry]) -> QuerySet[FeedEntry]:  # noqa: ARG002
        """Keep the entries of the kind chosen."""
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(FeedEntry)
class FeedEntryAdmin(LargeTableAdmin[FeedEntry]):
    """What happened, as the feed tells it to those who follow it. An entry has its place once somebody has read on."""

    list_display = ("id", "position", "at", "kind", "whose", "pool", "told")
    list_filter = (FeedKindFilter, "at")
    search_fields = ("owner_id__exact",)
    search_help_text = "The agent or quest it is for, whole."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[FeedEntry], search_term: str
    ) -> tuple[QuerySet[FeedEntry], bool]:
        """Find what is for an agent or a quest by the index of owners."""
        if not (words := search_term.strip()):
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(owner_type__in=["agent", "quest"], owner_id=words), False

    @admin.display(description="for")
    def whose(self, entry: FeedEntry) -> str:
        """Return whom it is for."""
        return f"{entry.owner_type} {entry.owner_id}" if entry.owner_type else "everybody"

    @admin.display(description="what")
    def told(self, entry: FeedEntry) -> str:
        """Return what it says, cut where it is long."""
        return Truncator("; ".join(f"{name} {value}" for name, value in entry.data.items())).chars(160)
