"""Reports over HTTP: whether the market and the scores were right."""

from collections.abc import Callable
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import fields, views
from economics import calibration
from economics.calibration import Calibration


class CalibrationQuery(serializers.Serializer[object]):
    """Which weekly review (the latest whose days have passed when not said), how many days after it, about whom."""

    review = serializers.IntegerField(min_value=1, max_value=fields.LARGEST, required=False)
    period = serializers.DateField(required=False, help_text="The first day of its week.")
    days = serializers.IntegerField(min_value=1, max_value=calibration.MOST_DAYS, default=calibration.DAYS)
    entity_type = serializers.CharField(max_length=64, default="")
    buckets = serializers.IntegerField(min_value=2, max_value=calibration.MOST_BUCKETS, default=calibration.BUCKETS)


class BucketShown(serializers.Serializer[object]):
    """Entities that stood about equally high, from `least` to `most`, and what they brought in all together."""

    place = serializers.IntegerField()
    entities = serializers.IntegerField()
    least = serializers.CharField()
    most = serializers.CharField()
    mean = serializers.CharField()
    edges = serializers.CharField(help_text="Net, as the policy weighs outcomes.")
    tokens = serializers.CharField(help_text="LLM tokens.")
    edges_per_million = serializers.CharField(allow_null=True, help_text="Per million LLM tokens.")


class CalibrationShown(serializers.Serializer[object]):
    """What became of the entities of a review in the whole days since <= day < until after it.

    `by_edges` and `by_yield` are rank correlations (Spearman) with net edges, over all `entities`, and with net edges
    per LLM token, over the `users` that used any; null where there is nothing to compare.
    """

    what = serializers.CharField()
    review_id = serializers.IntegerField()
    period = serializers.DateField()
    since = serializers.DateField()
    until = serializers.DateField()
    days = serializers.IntegerField()
    entity_type = serializers.CharField()
    entities = serializers.IntegerField()
    by_edges = serializers.CharField(allow_null=True)
    users = serializers.IntegerField()
    by_yield = serializers.CharField(allow_null=True)
    buckets = BucketShown(many=True)
    says = serializers.CharField()


class _Report(views.Scoped):
    """A report."""

    scopes = {"GET": "budgets:read"}

    def shown(self, request: Request, what: Callable[..., Calibration]) -> Response:
        """Answer the question of the address."""
        asked = fields.checked(CalibrationQuery, request.query_params.dict())
        review_id: int | None = asked.pop("review", None)
        return Response(_shown(what(calibration.Question(review_id=review_id, **asked), now=timezone.now())))


class MarketCalibration(_Report):
    """Whether high-weight entities were better."""

    @extend_schema(parameters=[CalibrationQuery], responses=CalibrationShown)
    def get(self, request: Request) -> Response:
        """Compare the market weights of a review with what came after it."""
        return self.shown(request, calibration.market)


class ScoreCalibration(_Report):
    """Whether high scores yielded more."""

    @extend_schema(parameters=[CalibrationQuery], responses=CalibrationShown)
    def get(self, request: Request) -> Response:
        """Compare the priority scores of a review with what came after it."""
        return self.shown(request, calibration.scores)


def _shown(report: Calibration) -> dict[str, Any]:
    return {**report._asdict(), "buckets": [bucket._asdict() for bucket in report.buckets], "says": report.says}
