"""Reviews over HTTP: what each found and moved, and a reviewer's decision."""

from collections.abc import Callable
from typing import Any, Final

import django_filters
from django.db.models import F, Q, QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from config.api import fields, filters, idempotency, views
from economics import errors, review_words, reviews, revisions
from economics.models import Review, ReviewLine, ReviewPool, Window

_STILL: Final = Q(before=F("after"), state_before=F("state_after"))
_READ: Final = {"GET": "budgets:read"}
SEE: Final = "economics.view_review"
_DECIDE: Final = "economics.change_review"


class ReviewPoolShown(fields.Row[ReviewPool]):
    """What moves among the lines of one kind of window and tier (empty: the totals), in LLM tokens a window.

    `before + reserve_before = after + reserve_after`, to the unit.
    """

    class Meta:
        """What is shown."""

        model = ReviewPool
        fields = (
            *("window_kind", "qualifier", "lines", "gainers", "before", "freed", "placed", "after"),
            *("reserve_before", "reserve_after"),
        )


class ReviewShown(fields.Row[Review]):
    """A run over all envelopes: what it found in numbers, what became of it, and why a draft waits for a reviewer."""

    policy_version = serializers.IntegerField(source="policy_id")
    waits_because = serializers.CharField(allow_null=True)

    class Meta:
        """What is shown."""

        model = Review
        fields: tuple[str, ...] = (
            *("id", "kind", "period", "state", "policy_version", "drafted_at", "drafted_by", "decided_at"),
            *("decided_by", "decision_reason", "waits_because", "figures"),
        )


class ReviewInFull(ReviewShown):
    """A review with its pools: the totals by window first, then the tiers."""

    pools = serializers.SerializerMethodField()

    class Meta(ReviewShown.Meta):
        """What is shown."""

        fields = (*ReviewShown.Meta.fields, "pools")

    @extend_schema_field(ReviewPoolShown(many=True))
    def get_pools(self, review: Review) -> Any:
        """Return what moves in each pool."""
        return ReviewPoolShown(reviews.pools(review), many=True).data


class ReviewLineShown(fields.Row[ReviewLine]):
    """What a review found of a line and would make of it: the rule that fired, why (a code and a sentence), figures.

    ROI in edges per LLM token, null: unproven. `used_…` are shares of the base, null: the window was not whole.
    """

    entity_type = serializers.CharField(source="envelope.entity_type")
    entity_id = serializers.CharField(source="envelope.entity_id")
    line = serializers.CharField()
    window_kind = serializers.ChoiceField(choices=Window.choices, source="line.window_kind")
    qualifier = serializers.CharField(source="line.qualifier", help_text="The tier; empty: the total.")
    reason = serializers.SerializerMethodField()

    class Meta:
        """What is shown."""

        model = ReviewLine
        fields: tuple[str, ...] = (
            *("review_id", "entity_type", "entity_id", "line_id", "line", "window_kind", "qualifier", "rule"),
            *("because", "reason", "before", "after", "state_before", "state_after", "step", "floor", "edges"),
            *("tokens", "roi", "low_below", "good_from", "judged", "is_low", "was_low", "priority_score"),
            *("market_weight", "used_last", "used_before"),
        )

    def get_reason(self, line: ReviewLine) -> str:
        """Return why, in a sentence; ROI there is in edges per million LLM tokens."""
        return review_words.reason(line)


class ReviewFilter(django_filters.FilterSet):
    """Which reviews to list."""

    kind = django_filters.ChoiceFilter(choices=Review.Kind.choices)
    state = django_filters.ChoiceFilter(choices=Review.State.choices)
    period = filters.DayFilter()


class ReviewLineFilter(django_filters.FilterSet):
    """Which lines of a review to list. Moved: whose ceiling changes, or whose envelope's state."""

    rule = django_filters.ChoiceFilter(choices=ReviewLine.Rule.choices)
    because = django_filters.CharFilter()
    entity_type = django_filters.CharFilter(field_name="envelope__entity_type")
    entity_id = django_filters.CharFilter(field_name="envelope__entity_id")
    window_kind = django_filters.ChoiceFilter(field_name="line__window_kind", choices=Window.choices)
    moved = filters.FlagFilter(method="only_moved")

    def only_moved(self, rows: QuerySet[ReviewLine], name: str, value: bool) -> QuerySet[ReviewLine]:  # noqa: ARG002, FBT001 - django-filter's signature
        """Narrow to what moves, or to what stays."""
        return rows.exclude(_STILL) if value else rows.filter(_STILL)


class Reviews(views.Reviewed, views.Listed[Review]):
    """List all reviews, the newest first; draft this week's."""

    scopes = _READ
    rights = {"GET": SEE, "POST": _DECIDE}
    keyed = frozenset({"POST"})
    queryset = Review.objects.all()
    serializer_class = ReviewShown
    filterset_class = ReviewFilter

    @extend_schema(request=None, responses=ReviewInFull)
    def post(self, request: Request) -> HttpResponse:
        """Draft this week's review, or return the one there is that is not discarded. People only.

        One that would move nothing, or that the policy lets apply by itself, is applied at once.
        """
        fields.checked(fields.Body, request.data)
        author = revisions.Author(self.person.get_username())
        return _decided(request, lambda: reviews.draft_weekly(author=author, now=timezone.now()))


class OneReview(views.Reviewed, views.One[Review]):
    """Read one review with its pools."""

    scopes = _READ
    rights = {"GET": SEE}
    queryset = Review.objects.all()
    serializer_class = ReviewInFull
    lookup_url_kwarg = "review_id"
    missing = errors.UnknownReviewError


class ReviewLines(views.Reviewed, views.Listed[ReviewLine]):
    """List the lines of a review by their ids."""

    scopes = _READ
    rights = {"GET": SEE}
    queryset = ReviewLine.objects.select_related("envelope", "line")
    serializer_class = ReviewLineShown
    filterset_class = ReviewLineFilter
    ordering = ("line_id",)  # unique in a review, whose index it is

    def get_queryset(self) -> QuerySet[ReviewLine]:
        """Return the lines of the review that the address names."""
        review_id = int(self.kwargs["review_id"])
        if not Review.objects.filter(pk=review_id).exists():
            raise errors.UnknownReviewError(review_id=review_id)
        return super().get_queryset().filter(review_id=review_id)


class Decide(fields.Body):
    """Why."""

    reason = fields.PlainText(max_length=500)


class _Decision(views.Reviewed):
    """A deed of a reviewer on a draft."""

    scopes = {}
    rights = {"POST": _DECIDE}
    keyed = frozenset({"POST"})

    def _answer(self, request: Request, review_id: str, deed: Callable[..., Review]) -> HttpResponse:
        asked = fields.checked(Decide, request.data)
        author = revisions.Author(self.person.get_username(), asked["reason"])
        return _decided(request, lambda: deed(int(review_id), author=author, now=timezone.now()))


class ApplyReview(_Decision):
    """Apply a draft."""

    @extend_schema(request=Decide, responses=ReviewInFull)
    def post(self, request: Request, review_id: str) -> HttpResponse:
        """Move what a draft says, all of it or nothing; one that is applied is returned as it is. People only."""
        return self._answer(request, review_id, reviews.apply)


class DiscardReview(_Decision):
    """Discard a draft."""

    @extend_schema(request=Decide, responses=ReviewInFull)
    def post(self, request: Request, review_id: str) -> HttpResponse:
        """Decide that a draft moves nothing; one that is discarded is returned as it is. People only."""
        return self._answer(request, review_id, reviews.discard)


def _decided(request: Request, deed: Callable[[], Review]) -> HttpResponse:
    return idempotency.answered_once(request, 200, lambda: fields.shown(ReviewInFull, deed()))
