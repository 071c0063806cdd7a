"""The list of envelopes: where its lines stand, and by what it is narrowed."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest
from django.utils import timezone

from config import lists
from economics import gate, standings
from economics.models import DefaultEnvelope, Envelope

# Alerts say which lines reached a limit in their present window, so that nobody looks through all counters here.
_REACHED: Final = """
SELECT l.envelope_id FROM economics_policy p
 CROSS JOIN LATERAL unnest(ARRAY['day', 'week', 'month', 'lifetime']) AS kind
  JOIN economics_alerts a ON a.window_start = economics_window_start(kind, %s, p.zone, p.week_starts_on)
  JOIN economics_lines l ON l.id = a.line_id AND l.window_kind = kind AND l.envelope_id IS NOT NULL
 WHERE a.rearmed_at IS NULL AND a.threshold >= %s
"""
_COLUMNS: Final = (
    *("id", "entity_type", "entity_id", "state", "state_reason", "frozen_until", "window_kind", "token_budget"),
    *("cpu_budget", "storage_budget_gb", "api_call_budget", "request_token_cap", "effective_token_budget"),
    *("priority_score", "market_weight", "market_signal", "roi_score", "granted_at", "granted_by", "created_at"),
)
EXPORTED: Final = (*_COLUMNS, "tokens_limit", "tokens_settled", "tokens_held", "tokens_remaining", "fullest_line")


def exported(rows: list[Envelope], *, now: datetime) -> Iterator[list[Any]]:
    """Yield the cells of envelopes for a spreadsheet: their columns, then where their LLM tokens stand now."""
    standing = standings.of_envelopes([row.pk for row in rows], at=now)
    for row in rows:
        tokens, fullest = tokens_of(standing[row.pk]), fullest_of(standing[row.pk])
        stands = [None] * 4 if tokens is None else [tokens.limit, tokens.settled, tokens.held, tokens.remaining]
        yield [*(getattr(row, column) for column in _COLUMNS), *stands, fullest.title if fullest else None]


def tokens_of(lines: list[standings.Standing]) -> standings.Standing | None:
    """Return the line of all LLM tokens that the envelope's own column keeps."""
    return next((line for line in lines if line.resource_type == "llm_tokens" and line.is_named), None)


def fullest_of(lines: list[standings.Standing]) -> standings.Standing | None:
    """Return the line with the least room, if any has a ceiling and something was allowed or used on it."""
    capped = [line for line in lines if line.limit is not None and (line.limit or line.settled)]
    return max(capped, key=_share, default=None)


def is_exhausted(lines: list[standings.Standing]) -> bool:
    """Return whether a line of all LLM tokens has none left: then the entity may not compete for compute either."""
    return any(
        line.remaining == 0 and line.limit
        for line in lines
        if line.resource_type == "llm_tokens" and not line.qualifier
    )


def closed(envelope: Envelope, *, now: datetime) -> str:
    """Return why nothing can be spent on an envelope now and until when; empty when something can."""
    found = gate.reason(envelope.entity_type, envelope.entity_id, at=now)
    if found is None:
        return ""
    until = f" It resets {found.until:%Y-%m-%d %H:%M} UTC." if found.until else ""
    what = "Frozen" if found.code == "envelope_frozen" else "Exhausted"
    return f"{what}: {found.why.rstrip('.')}.{until} Nothing can be reserved on it, and its tasks cannot bid."


def _share(line: standings.Standing) -> Decimal:
    return (line.settled + line.held) / line.limit if line.limit else Decimal(10**9)


class StandingList(lists.KeyedList):
    """A page of envelopes, each with where its lines stand, in one query for all."""

    def get_results(self, request: HttpRequest) -> None:
        """Add the standing to the rows of this page."""
        super().get_results(request)
        rows = list(self.result_list)
        standing = standings.of_envelopes([row.pk for row in rows], at=timezone.now())
        for row in rows:
            row.standing = standing[row.pk]
        self.result_list = rows


def known_types() -> list[str]:
    """Return the types of the framework and those with a default."""
    usual = ["hypothesis", "knowledge_gap", "analysis", "entity", "quest", "agent"]
    return list(dict.fromkeys([*usual, *DefaultEnvelope.objects.values_list("pk", flat=True)]))


class TypeFilter(admin.SimpleListFilter):
    """The usual types of entities, so that nobody looks through the table for them."""

    title = "entity type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the known types."""
        return [(name, name) for name in known_types()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Envelope]) -> QuerySet[Envelope]:  # noqa: ARG002
        """Keep one type."""
        return queryset.filter(entity_type=self.value()) if self.value() else queryset


class LimitFilter(admin.SimpleListFilter):
    """What reached its limit in the present window, as the check of spending found it last."""

    title = "used of a limit"
    parameter_name = "used"
    thresholds: Final = {"most": 80, "all": 100}

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Offer the near ones and the exhausted."""
        return [("most", "80 % or more"), ("all", "all of it: exhausted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Envelope]) -> QuerySet[Envelope]:  # noqa: ARG002
        """Keep the envelopes with such a line."""
        threshold = self.thresholds.get(self.value() or "")
        return queryset if threshold is None else queryset.filter(pk__in=RawSQL(_REACHED, [timezone.now(), threshold]))  # noqa: S611 - a constant


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
