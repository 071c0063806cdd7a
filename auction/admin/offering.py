"""Slots offered again by people, from the list of slots or of their sales."""

from datetime import datetime
from typing import Final, TypeVar

from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from auction import reoffers
from auction.admin.running import Running

ModelT = TypeVar("ModelT", bound=models.Model)
_WARNING: Final = (
    "Each is offered as a new slot that names the old one, on the old terms. Only a slot whose sale lapsed, was "
    "forfeited or blocked is; a provider's while its offer stands, one of the house up to the pool's capacity."
)


class Offering(Running[ModelT]):
    """A page of rows that each stand for a slot, which may be offered again."""

    def slot_of(self, row: ModelT) -> str:
        """Return the id of a row's slot."""
        raise NotImplementedError

    @admin.action(description="Offer again…", permissions=["run"])
    def offer_again(self, request: HttpRequest, queryset: QuerySet[ModelT]) -> HttpResponse | None:
        """Ask why, then offer the slots anew whose sales came to nothing."""
        why = self.asked_why(
            request, queryset, deed="offer_again", title="Offer slots again", button="Offer again", warning=_WARNING
        )
        if not isinstance(why, str):
            return why
        self.each(request, queryset, why, self._offered)
        return None

    def _offered(self, row: ModelT, now: datetime) -> str:
        slot = self.slot_of(row)
        return f"Slot {slot} is offered again as {reoffers.offer_again(slot, now=now).pk}."
