"""Scores over HTTP: each with what it was made of, judgements of single components, and the policy behind them."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import fields, filters, idempotency, views
from economics import revisions, score_words, scores, worth_policy
from economics.models import Assessment, Score, WorthPolicy


class ScoreShown(fields.Row[Score]):
    """The score of an entity: components (null: nothing speaks for it), weights, what they were made of, and why.

    Superseded ones have a `superseded_at`; `policy_version` is the version of the policy of worth it was made by.
    """

    policy_version = serializers.IntegerField(source="policy_id")
    because = serializers.SerializerMethodField()

    class Meta:
        """What is shown."""

        model = Score
        fields = (
            *("id", "entity_type", "entity_id", "score", "evidence_strength", "novelty", "strategic_alignment"),
            *("community_interest", "evidence_weight", "novelty_weight", "alignment_weight", "interest_weight"),
            *("policy_version", "inputs", "because", "at", "superseded_at"),
        )

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_because(self, score: Score) -> Any:
        """Return the sentences that explain it."""
        return self.context["view"].because[score.pk]


class Assess(fields.Body):
    """How a component of an entity's score is judged, 0 to 1 with at most 6 decimals; null hands it back."""

    entity_type = fields.PlainText(max_length=64)
    entity_id = fields.PlainText(max_length=200)
    component = fields.Choice(choices=Assessment.Component.choices)
    value = fields.PlainNumber(max_digits=7, decimal_places=6, min_value=0, max_value=1, allow_null=True)
    reason = fields.PlainText(max_length=500)


class AssessmentShown(fields.Row[Assessment]):
    """A judgement on record. The latest of an entity and component counts from the next recomputation on."""

    class Meta:
        """What is shown."""

        model = Assessment
        fields = ("id", "entity_type", "entity_id", "component", "value", "reason", "at")


class ScoreFilter(django_filters.FilterSet):
    """Which scores to list: the present ones, or with `history=true` those of the past, too."""

    entity_type = django_filters.CharFilter()
    entity_id = django_filters.CharFilter()
    least = django_filters.NumberFilter(field_name="score", lookup_expr="gte")
    policy_version = filters.IdFilter(field_name="policy_id")
    history = filters.FlagFilter(method="as_it_is")

    def as_it_is(self, rows: QuerySet[Score], name: str, value: bool) -> QuerySet[Score]:  # noqa: ARG002, FBT001 - django-filter's signature
        """Leave the scores alone: `get_queryset` has seen to it."""
        return rows


class Scores(views.Listed[Score]):
    """List scores with their reasons, the newest rows first; judge one component."""

    scopes = {"GET": "budgets:read", "POST": "scores:write"}
    keyed = frozenset({"POST"})
    queryset: QuerySet[Score] = Score.objects.all()
    serializer_class = ScoreShown
    filterset_class = ScoreFilter
    because: dict[int, list[str]]

    def get_queryset(self) -> QuerySet[Score]:
        """Return the present scores, or all there ever were."""
        rows = super().get_queryset()
        past = self.request.query_params.get("history") == "true"
        return rows if past else rows.filter(superseded_at=None)

    def paginate_queryset(self, queryset: Any) -> Any:
        """Return a page and remember why each of its scores is what it is."""
        page = super().paginate_queryset(queryset) or []
        why = score_words.explain_many(page, named=False)
        self.because = {row.pk: sentences for row, sentences in zip(page, why, strict=True)}
        return page

    @extend_schema(request=Assess, responses={201: AssessmentShown})
    def post(self, request: Request) -> HttpResponse:
        """Put a judgement on record; it counts before anything observed, from the next recomputation on."""
        asked = fields.checked(Assess, request.data)
        author = revisions.Author(f"agent {self.agent.pk}", asked.pop("reason"))

        def deed() -> object:
            return fields.shown(AssessmentShown, scores.assess(**asked, author=author, now=timezone.now()))

        return idempotency.answered_once(request, 201, deed)


class WorthPolicyShown(fields.Row[WorthPolicy]):
    """One version of the policy of worth; the highest is in force. No version ever changes."""

    class Meta:
        """What is shown."""

        model = WorthPolicy
        fields = ("version", "made_at", "reason", *worth_policy.TERMS)


class PresentWorthPolicy(views.Scoped):
    """The policy of worth."""

    scopes = {"GET": "budgets:read"}

    @extend_schema(responses=WorthPolicyShown)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - the same for everybody
        """Show the version in force."""
        return Response(fields.shown(WorthPolicyShown, worth_policy.get()))


class WorthPolicies(views.Listed[WorthPolicy]):
    """List all versions of the policy of worth, the one in force first."""

    scopes = {"GET": "budgets:read"}
    queryset = WorthPolicy.objects.all()
    serializer_class = WorthPolicyShown
    ordering = ("-version",)
