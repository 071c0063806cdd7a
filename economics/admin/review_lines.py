"""Lines and pools of reviews, and the reserves between them, to be read."""

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from config import exports, list_filters
from config.site import LargeTableAdmin, ReadOnlyAdmin, figure
from economics import review_words
from economics.admin import of_entity, review_tables
from economics.admin.envelope_list import TypeFilter
from economics.models import Reserve, Review, ReviewLine, ReviewPool

_FIGURES: Final = (
    *("rule", "because", "before", "after", "state_before", "state_after", "step", "floor", "edges", "tokens", "roi"),
    *("low_below", "good_from", "judged", "is_low", "was_low", "priority_score", "market_weight"),
    *("used_last", "used_before"),
)
EXPORTED: Final = (
    *("week", "review", "entity_type", "entity_id", "tier", "window_kind"),
    *_FIGURES,
    "reason",
)


class MovedFilter(admin.SimpleListFilter):
    """Whether anything changes."""

    title = "moves"
    parameter_name = "moved"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Offer both."""
        return [("yes", "yes"), ("no", "no")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ReviewLine]) -> QuerySet[ReviewLine]:  # noqa: ARG002
        """Keep one of them."""
        still = {"before": F("after"), "state_before": F("state_after")}
        if self.value() == "yes":
            return queryset.exclude(**still)
        return queryset.filter(**still) if self.value() == "no" else queryset


class ReviewFilter(admin.SimpleListFilter):
    """The latest weekly reviews, so that nobody looks through the table for them."""

    title = "review"
    parameter_name = "review__id__exact"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return a quarter of them."""
        found = Review.objects.filter(kind=Review.Kind.WEEKLY).order_by("-period", "-pk")[:13]
        return [(str(review.pk), f"{review.period} {review.state}") for review in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ReviewLine]) -> QuerySet[ReviewLine]:  # noqa: ARG002
        """Keep one of them."""
        chosen = self.value() or ""
        return queryset.filter(review_id=int(chosen)) if chosen.isdecimal() else queryset


class EntityTypeFilter(TypeFilter):
    """The types of entities."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Keep one type."""
        return queryset.filter(envelope__entity_type=self.value()) if self.value() else queryset


@admin.register(ReviewLine)
class ReviewLineAdmin(exports.Exported[ReviewLine], LargeTableAdmin[ReviewLine]):
    """What reviews found of each line and made of it, with the reason and the figures behind it."""

    list_display = ("rule", "entity", "of", "line_title", figure("before"), figure("after"), "figure_change", "why")
    list_filter = (
        ReviewFilter,
        list_filters.choices("rule"),
        MovedFilter,
        EntityTypeFilter,
        list_filters.numbers("before"),
        list_filters.related("envelope"),
    )
    exported = EXPORTED
    exported_with = ("review", "envelope", "line")
    list_select_related = ("review", "envelope", "line")
    search_fields = ("envelope__entity_id__exact",)
    search_help_text = "The id of an entity, whole."
    ordering: ClassVar[tuple[str, ...]] = ("-review_id", "-line_id")
    extra = ("verdict", "why", "judged_by")
    fieldsets = (
        (None, {"fields": ("review", "envelope", "line", "verdict", "why")}),
        ("The figures it was judged by", {"fields": ("judged_by",), "classes": ("told",)}),
    )

    def exported_rows(self, rows: list[ReviewLine]) -> Iterator[list[Any]]:
        """Yield each line with its reason in words and every figure behind it."""
        for one in rows:
            own = [one.review.period, one.review.state, one.envelope.entity_type, one.envelope.entity_id]
            own += [one.line.qualifier, one.line.window_kind]
            yield [*own, *(getattr(one, column) for column in _FIGURES), review_words.reason(one)]

    @admin.display(description="entity")
    def entity(self, line: ReviewLine) -> str | SafeString:
        """Return whose line it is, leading to the story of it."""
        return of_entity.led(line.envelope)

    @admin.display(description="line")
    def line_title(self, line: ReviewLine) -> str:
        """Return tier and window."""
        return review_tables.title(line)

    @admin.display(description="review")
    def of(self, line: ReviewLine) -> str:
        """Return the week."""
        return f"{line.review.period}"

    @admin.display(description="change")
    def figure_change(self, line: ReviewLine) -> str:
        """Return by how much it moves."""
        return review_tables.signed(line.after - line.before)

    @admin.display(description="rule")
    def verdict(self, line: ReviewLine) -> str:
        """Return the rule, and the code of its reason."""
        return f"{review_tables.rule(line)} ({line.because})"

    @admin.display(description="figures")
    def judged_by(self, line: ReviewLine) -> SafeString:
        """Return every figure of the line as it was found."""
        return review_tables.judged_by(line)

    @admin.display(description="why")
    def why(self, line: ReviewLine) -> str:
        """Return the reason in words."""
        return review_words.reason(line)


@admin.register(ReviewPool)
class ReviewPoolAdmin(ReadOnlyAdmin[ReviewPool]):
    """What each review moved among the lines of one kind of window and tier."""

    list_display = (
        *("__str__", "of", figure("lines"), figure("gainers", "may gain"), figure("before"), figure("freed")),
        *(figure("placed"), figure("after"), figure("reserve_before", "reserve"), figure("reserve_after")),
    )
    list_filter = ("window_kind",)
    list_select_related = ("review",)

    @admin.display(description="review")
    def of(self, pool: ReviewPool) -> str:
        """Return the week, and what became of it."""
        return f"{pool.review.period}, {pool.review.state}"


@admin.register(Reserve)
class ReserveAdmin(ReadOnlyAdmin[Reserve]):
    """LLM tokens that reviews took and could not place yet; they are given first the next time."""

    list_display = ("__str__", figure("amount"))
