"""What people do with reviews: drafted, applied, discarded, by those with the right, with a reason that stays."""

from datetime import timedelta
from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from config.site import ReadOnlyAdmin
from economics import reviews
from economics.admin import figures, review_tables
from economics.models import Review

_OLD: Final = timedelta(days=3)
_DECIDE: Final = "economics.change_review"


class Deciding(ReadOnlyAdmin[Review]):
    """The deeds of a draft's page, and the one that makes a draft."""

    actions = ("apply_review", "discard_review")

    def beside(self, request: HttpRequest, row: Review, deeds: list[tuple[str, str]]) -> dict[str, Any]:  # noqa: ARG002
        """Offer the deeds on a draft only."""
        return {} if row.state == Review.State.DRAFT else {"deeds": []}

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may decide on reviews."""
        return request.user.has_perm(_DECIDE)

    def _draft(self, request: HttpRequest, queryset: QuerySet[Review]) -> Review | None:
        """Return the one draft that is selected, or say why there is none."""
        review = self.only(request, queryset)
        if review is not None and review.state != Review.State.DRAFT:
            self.message_user(request, f"The {review} was {review.state} by {review.decided_by}.", messages.ERROR)
            return None
        return review

    @admin.action(description="Apply…", permissions=["decide"])
    def apply_review(self, request: HttpRequest, queryset: QuerySet[Review]) -> HttpResponse | None:
        """Show what will move, ask why, then move it."""
        review = self._draft(request, queryset)
        if review is None:
            return None
        form = self.asked(request, figures.ReasonForm)
        if not form.is_valid():
            age = timezone.now() - review.drafted_at
            warning = (
                f"Drafted {age.days} days ago, on the figures of then. Discard it and draft anew to go by today's."
                if age >= _OLD
                else ""
            )
            summary = format_html(
                "{}{}", review_tables.pools(reviews.pools(review)), review_tables.counts(review.figures, review=review)
            )
            return self.ask(
                request,
                queryset,
                deed="apply_review",
                title="Apply a review",
                button="Move exactly this",
                form=form,
                warning=warning,
                summary=summary,
            )
        with self.done(request, lambda: f"Applied: {review_tables.moved(reviews.pools(review))}."):
            by = figures.author(request, form.cleaned_data["reason"])
            reviews.apply(review.pk, author=by, now=timezone.now())
            self.log_change(request, review, f"Applied: {by.why}")
        return self._to(review)

    @admin.action(description="Discard…", permissions=["decide"])
    def discard_review(self, request: HttpRequest, queryset: QuerySet[Review]) -> HttpResponse | None:
        """Ask why, then decide that it moves nothing."""
        review = self._draft(request, queryset)
        if review is None:
            return None
        form = self.asked(request, figures.ReasonForm)
        if not form.is_valid():
            warning = "It moves nothing. This week's may be drafted anew; what it found of ROI counts for the next one."
            title = "Discard a review"
            return self.ask(
                request, queryset, deed="discard_review", title=title, button="Discard", form=form, warning=warning
            )
        with self.done(request, lambda: "Discarded; nothing moved."):
            by = figures.author(request, form.cleaned_data["reason"])
            reviews.discard(review.pk, author=by, now=timezone.now())
            self.log_change(request, review, f"Discarded: {by.why}")
        return self._to(review)

    def _to(self, review: Review) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:economics_review_change", args=[review.pk]))

    def draft_view(self, request: HttpRequest) -> HttpResponse:
        """Draft this week's review and show it, or the one there is."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        now = timezone.now()
        review = reviews.draft_weekly(author=figures.author(request, ""), now=now)
        if review.drafted_at == now:
            self.log_addition(request, review, "Drafted.")
        said = "Drafted." if review.drafted_at == now else "This week's review is there already."
        self.message_user(request, said)
        return self._to(review)
