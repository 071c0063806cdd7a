"""Reviews in the admin: read with their figures and reasons, decided by people with the right, looked ahead at."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, ClassVar, Final, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.functions import Abs
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config import list_filters
from economics import review_totals, reviews
from economics.admin import figures, review_deeds, review_tables, what_if
from economics.models import Review, ReviewLine, ReviewPool

_LARGEST: Final = 20
_TOLD_FOR: Final = 3600  # seconds
_CONSERVED: Final = (
    "After = before - freed + placed. What is freed and not placed goes to the reserve, which is given first."
)
_UNIT: Final = "ROI in net edges per million LLM tokens."


class MovedList(ChangeList):
    """A page of reviews, each with its pools, in one query for all."""

    def get_results(self, request: HttpRequest) -> None:
        """Add the pools to the rows of this page."""
        super().get_results(request)
        rows, found = list(self.result_list), defaultdict(list)
        for pool in ReviewPool.objects.filter(review__in=rows).order_by("pk"):
            found[pool.review_id].append(pool)
        for row in rows:
            row.moved_pools = found[row.pk]
        self.result_list = rows


def _once(review: Review, what: str, find: Callable[[], SafeString]) -> SafeString:
    """Return what is told of all lines of a review, which never change: found once an hour."""
    key = f"review:{connection.settings_dict['NAME']}:{review.pk}:{what}"
    return cast("SafeString", cache.get_or_set(key, find, _TOLD_FOR))


def _largest(review: Review) -> QuerySet[ReviewLine]:
    """Return the lines that move most."""
    moving = review.lines.exclude(before=F("after"), state_before=F("state_after"))
    found = moving.select_related("envelope", "line").order_by(Abs(F("after") - F("before")).desc(), "line_id")
    return found[:_LARGEST]


@admin.register(Review)
class ReviewAdmin(review_deeds.Deciding):
    """What each review found and moved. A weekly one is a draft until somebody applies or discards it."""

    change_list_template = "admin/reviews.html"
    list_display = ("period", "kind", "stands", "moves", "drafted", "decided")
    list_filter = (list_filters.choices("kind"), list_filters.choices("state"), list_filters.dates("period"))
    ordering: ClassVar[tuple[str, ...]] = ("-period", "-pk")

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:  # noqa: ARG002
        """Use the list that knows what moves."""
        return MovedList

    @admin.display(description="state", ordering="state")
    def stands(self, review: Review) -> SafeString:
        """Return the state."""
        return figures.badge(review.state)

    @admin.display(description="moves (LLM tokens)")
    def moves(self, review: Any) -> str:
        """Return what is freed and placed; of a daily review what was spent."""
        if review.kind == Review.Kind.DAILY:
            return f"spent {figures.number(review_tables.exact(review.figures.get('usd')))} USD"
        return review_tables.moved(review.moved_pools)

    @admin.display(description="drafted (UTC)", ordering="drafted_at")
    def drafted(self, review: Review) -> str:
        """Return when and by whom."""
        return f"{review.drafted_at:%Y-%m-%d %H:%M} by {review.drafted_by or 'somebody'}"

    @admin.display(description="decided (UTC)", ordering="decided_at")
    def decided(self, review: Review) -> str | None:
        """Return when and by whom, or why a draft waits for a reviewer."""
        if review.decided_at is None:
            return f"Waits: {review.waits_because}" if review.waits_because else None
        return f"{review.decided_at:%Y-%m-%d %H:%M} by {review.decided_by}"

    # One review

    def get_fieldsets(self, request: HttpRequest, obj: Review | None = None) -> Any:  # noqa: ARG002
        """Show what it is, what it moves, and which lines most; of a daily one what the day came to."""
        what = (None, {"fields": ("told", "decision", "leads")})
        if obj is not None and obj.kind == Review.Kind.DAILY:
            return [
                what,
                ("What the day came to", {"fields": ("day_figures",), "classes": ("told",)}),
                ("Who spent most", {"fields": ("spent_most",), "classes": ("told",)}),
            ]
        return [
            what,
            (
                "What moves, in LLM tokens a window",
                {
                    "fields": ("pool_table",),
                    "classes": ("told",),
                    "description": _CONSERVED,
                },
            ),
            ("By rule", {"fields": ("rule_table",), "classes": ("told",)}),
            ("By type of entity", {"fields": ("type_table",), "classes": ("told",)}),
            (
                f"The {_LARGEST} lines that move most",
                {
                    "fields": ("largest",),
                    "classes": ("told",),
                    "description": _UNIT,
                },
            ),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Review | None = None) -> tuple[str, ...]:
        """Return all that is shown."""
        return tuple(name for _title, options in self.get_fieldsets(request, obj) for name in options["fields"])

    @admin.display(description="review")
    def told(self, review: Review) -> SafeString:
        """Return what it is, and by which version of the policy it was made."""
        return format_html(
            '{}, made {} UTC by {}, by <a href="{}">{} of the policy of worth</a>',
            review,
            f"{review.drafted_at:%Y-%m-%d %H:%M}",
            review.drafted_by or "somebody",
            reverse("admin:economics_worthpolicy_change", args=[review.policy_id]),
            review.policy,
        )

    @admin.display(description="decision")
    def decision(self, review: Review) -> str:
        """Return what became of it, or why it waits."""
        if review.state == Review.State.DRAFT:
            return f"A draft; nothing has moved. {review.waits_because or ''}"
        why = f": {review.decision_reason}" if review.decision_reason else ""
        return f"{review.state} {review.decided_at:%Y-%m-%d %H:%M} UTC by {review.decided_by}{why}"

    @admin.display(description="see")
    def leads(self, review: Review) -> SafeString | str:
        """Lead to its lines and to the reviews before and after."""
        same = Review.objects.filter(kind=review.kind)
        before = same.filter(period__lt=review.period).order_by("-period", "-pk").first()
        after = same.filter(period__gt=review.period).order_by("period", "pk").first()
        found = (
            []
            if review.kind == Review.Kind.DAILY
            else [
                (review_tables.lines_address(review), "all lines"),
                (review_tables.lines_address(review, moved="yes"), "lines that move"),
            ]
        )
        found += [
            (reverse("admin:economics_review_change", args=[other.pk]), f"{arrow} {other.period}")
            for arrow, other in (("\N{LEFTWARDS ARROW}", before), ("\N{RIGHTWARDS ARROW}", after))
            if other is not None
        ]
        return format_html_join(" \N{MIDDLE DOT} ", '<a href="{}">{}</a>', found) if found else figures.NONE

    @admin.display(description="pools")
    def pool_table(self, review: Review) -> SafeString:
        """Return what moves in each pool."""
        return review_tables.pools(reviews.pools(review))

    @admin.display(description="rules")
    def rule_table(self, review: Review) -> SafeString:
        """Return how many lines each rule fires on."""
        return review_tables.counts(review.figures, review=review)

    @admin.display(description="types")
    def type_table(self, review: Review) -> SafeString:
        """Return what moves by type of entity."""
        return _once(review, "types", lambda: review_tables.types(review_totals.by_type(review)))

    @admin.display(description="lines")
    def largest(self, review: Review) -> SafeString:
        """Return the lines that move most, each with its reason."""
        return _once(review, "largest", lambda: review_tables.lines(_largest(review)))

    @admin.display(description="figures")
    def day_figures(self, review: Review) -> SafeString:
        """Return what the day came to."""
        return review_tables.day(review.figures)

    @admin.display(description="entities")
    def spent_most(self, review: Review) -> SafeString:
        """Return who spent most."""
        return review_tables.spent_most(review.figures)

    # Pages about no single review

    def get_urls(self) -> list[URLPattern]:
        """Add the draft of this week and the page that looks ahead."""
        own = self.admin_site.admin_view
        return [
            path("draft/", own(self.draft_view), name="economics_review_draft"),
            path("what-if/", own(self.what_if_view), name="economics_review_what_if"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Offer the draft to those who may decide."""
        return super().changelist_view(
            request, {"may_decide": self.has_decide_permission(request), **(extra_context or {})}
        )

    def what_if_view(self, request: HttpRequest) -> HttpResponse:
        """Show what this week's review would move, under the policy and under a changed one. It writes nothing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts, **what_if.page(request)}
        return TemplateResponse(request, "admin/what_if.html", context)
