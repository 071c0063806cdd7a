"""What a deed over HTTP is compared with: the same request that commits one row, and an empty view."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from django.db import connection, transaction
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone

from auction.api.bids import BidShown, PlaceBid
from auction.models import Bid, Pool
from config.api import bodies, fields, views
from config.urls import urlpatterns as real
from economics.api.reservations import ReservationShown, Reserve
from economics.models import Envelope, Reservation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rest_framework.request import Request


class OneRow(views.Scoped):
    """Take a bid as the real view does, commit one row, and answer with a bid."""

    scopes: ClassVar[Mapping[str, str]] = {"POST": "bids:write"}

    def post(self, request: Request) -> HttpResponse:
        """Commit one row."""
        terms = dict(fields.checked(PlaceBid, request.data))
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("INSERT INTO one_row (body) VALUES (%s) RETURNING id", [terms["task_id"]])
            number = cursor.fetchone()[0]
        terms["pool"] = Pool.from_db(None, ["id", "name"], [1, "scidex-agent"])
        bid = Bid(pk=number, placed_at=timezone.now(), status="open", **terms)
        return HttpResponse(bodies.as_json(fields.shown(BidShown, bid)), status=201, content_type="application/json")


class OneReservationRow(views.Scoped):
    """Take a reservation as the real view does, commit one row, and answer with a reservation."""

    scopes: ClassVar[Mapping[str, str]] = {"POST": "budgets:spend"}

    def post(self, request: Request) -> HttpResponse:
        """Commit one row."""
        asked = dict(fields.checked(Reserve, request.data))
        named = {name: asked.pop(name) for name in ("entity_type", "entity_id")}
        del asked["dry_run"]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("INSERT INTO one_row (body) VALUES (%s) RETURNING id", [named["entity_id"]])
            number = cursor.fetchone()[0]
        now = timezone.now()
        times = {"reserved_at": now, "expires_at": now + timedelta(minutes=10)}
        row = Reservation(pk=number, envelope=Envelope(pk=1, **named), usd=0, price_id=1, **times, **asked)
        body = bodies.as_json(fields.shown(ReservationShown, row))
        return HttpResponse(body, status=201, content_type="application/json")


class Empty(views.Scoped):
    """Authenticate, and answer."""

    scopes: ClassVar[Mapping[str, str]] = {"POST": "bids:write"}

    def post(self, request: Request) -> HttpResponse:  # noqa: ARG002 - nothing is asked
        """Answer."""
        return HttpResponse("{}", content_type="application/json")


urlpatterns = [
    *real,
    path("bench/one-row/", OneRow.as_view()),
    path("bench/one-reservation-row/", OneReservationRow.as_view()),
    path("bench/empty/", Empty.as_view()),
]
