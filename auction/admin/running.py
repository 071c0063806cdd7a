"""What pages of the market share on which a person runs it: who may, a deed done to each row, and how it is asked."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, TypeVar

from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from auction.admin.reasons import GivenReasonForm
from config.site import MOST_SELECTED, HouseAdmin, table

ModelT = TypeVar("ModelT", bound=models.Model)
RIGHT: Final = "auction.change_pool"


class Running(HouseAdmin[ModelT]):
    """A page with deeds for those who run pools. Each asks why, and the reason goes on record with who did it."""

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may run the market: stop it, mend it, choose between selling and giving."""
        return request.user.has_perm(RIGHT)

    def asked_why(  # noqa: PLR0913 - what a page of confirmation says
        self,
        request: HttpRequest,
        rows: QuerySet[ModelT],
        *,
        deed: str,
        title: str,
        button: str,
        warning: str,
        told: Callable[[ModelT], Sequence[object]] = lambda row: (row,),
        heads: Sequence[str] = (),
    ) -> str | HttpResponse | None:
        """Return the reason that a person confirmed the deed with, or the page that asks for it.

        The page shows `told` of each row under these `heads`: what the deed is about to touch.
        """
        form = self.asked(request, GivenReasonForm)
        if form.is_valid():
            reason: str = form.cleaned_data["reason"]
            return reason
        summary = ""
        if heads:
            shown = [told(row) for row in rows[:MOST_SELECTED]]
            summary = table(heads, shown, frozenset(range(1, len(heads) - 1)))
        return self.ask(
            request, rows, deed=deed, title=title, button=button, form=form, warning=warning, summary=summary
        )

    def each(
        self, request: HttpRequest, rows: Iterable[ModelT], why: str, deed: Callable[[ModelT, datetime], str]
    ) -> None:
        """Do a deed to each row by one call into a rule, which says what it did; say and log it, or why it refused.

        What cannot be put on record is not done.
        """
        for row in rows:
            told: list[str] = []
            with self.done(request, lambda: told[0]), transaction.atomic():  # noqa: B023 - said within the turn
                told.append(deed(row, timezone.now()))
                self.log_change(request, row, f"{told[0]} Why: {why}")
