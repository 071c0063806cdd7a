"""What a review would move if the policy were another, over HTTP."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import models
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import fields, idempotency, views
from config.errors import RefusedError
from economics import reviews as rules
from economics import worth_policy
from economics.api import reviews
from economics.models import WorthPolicy

_MOST_LINES: Final = 200
_LINES: Final = 50


def _term(column: object) -> serializers.Field[Any, Any, Any, Any]:
    """Return the field of a body that takes a term of the policy; the policy's own laws judge its size."""
    if isinstance(column, models.BooleanField):
        return fields.Flag(required=False)
    if isinstance(column, models.DecimalField):
        places = {"max_digits": column.max_digits, "decimal_places": column.decimal_places}
        return fields.PlainNumber(required=False, min_value=0, **places)
    return fields.WholeNumber(required=False, min_value=0)


_TERMS: Final = {name: _term(WorthPolicy._meta.get_field(name)) for name in worth_policy.TERMS}  # noqa: SLF001 - Django's public name for it
Changes: Final = type("Changes", (fields.Body,), {"__doc__": "The terms of the policy that differ.", **_TERMS})


class AskWhatIf(fields.Body):
    """A policy, told by what differs from the one in force, and how many of the lines that move most to tell."""

    changes = Changes(default=dict)
    limit = fields.WholeNumber(min_value=0, max_value=_MOST_LINES, default=_LINES)


class CountsShown(serializers.Serializer[object]):
    """Envelopes looked at, with a proven ROI, newly capped and released; lines by rule; the largest step, a share."""

    envelopes = serializers.IntegerField()
    proven = serializers.IntegerField()
    reduced = serializers.IntegerField()
    reclaimed = serializers.IntegerField()
    gained = serializers.IntegerField()
    kept = serializers.IntegerField()
    capped = serializers.IntegerField()
    released = serializers.IntegerField()
    largest_step = fields.Exact(max_digits=12, decimal_places=6)


class WouldMove(reviews.ReviewLineShown):
    """A line that would move, as a review would tell it."""

    class Meta(reviews.ReviewLineShown.Meta):
        """What is shown."""

        fields = tuple(name for name in reviews.ReviewLineShown.Meta.fields if name != "review_id")


class WhatIfShown(serializers.Serializer[object]):
    """What this week's review would move under that policy. Nothing is written."""

    policy_version = serializers.IntegerField(help_text="The version in force, from which it differs.")
    at = serializers.DateTimeField()
    changes = serializers.DictField()
    pools = reviews.ReviewPoolShown(many=True)
    counts = CountsShown()
    lines = WouldMove(many=True)


class WhatIf(views.Reviewed):
    """Look ahead."""

    scopes = {"POST": "budgets:read"}
    rights = {"POST": reviews.SEE}

    @extend_schema(request=AskWhatIf, responses=WhatIfShown)
    def post(self, request: Request) -> Response:
        """Tell what this week's review would move now if the policy differed so, and the lines that would move most.

        Scores and market weights count as they would stand after the next weighing under that policy; without changes
        as they stand. Nothing is written.
        """
        asked, now = fields.checked(AskWhatIf, request.data), timezone.now()
        return Response(idempotency.retried(lambda: _would_move(asked["changes"], asked["limit"], now)))


def _would_move(changes: dict[str, Any], limit: int, now: datetime) -> Any:
    try:
        found = rules.what_if(now=now, limit=limit, **changes)
    except RefusedError as refusal:
        refusal.pointer = f"/changes{refusal.pointer.rstrip('/')}"
        raise
    shown = {
        "policy_version": worth_policy.get().version,
        "at": now,
        "changes": {name: _plain(value) for name, value in changes.items()},
        "pools": found.plan.pools,
        "counts": found.plan.counts,
        "lines": found.lines,
    }
    return WhatIfShown(shown).data


def _plain(value: object) -> object:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value
