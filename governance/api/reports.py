"""Reports over HTTP: what became of what the Senate enacted, by proposal, by proposer and by reviewer."""

from bisect import bisect_right
from typing import Any, Final

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from config.api import fields, filters, views
from governance import follow_up
from governance.api import doing
from governance.models import Proposal

_MOST: Final = 200


@extend_schema_field(OpenApiTypes.DATETIME)
class _Since(fields.Moment):
    """A time of the address; a plus sign may have become a blank on the way."""

    def to_internal_value(self, value: Any) -> Any:
        """Take what a body takes."""
        return super().to_internal_value(value.replace(" ", "+") if isinstance(value, str) else value)


class ReportQuery(serializers.Serializer[object]):
    """About what was decided since when (ever when not said), and on which type of entity (all)."""

    since = _Since(required=False, help_text="On the time of the decision.")
    entity_type = serializers.CharField(max_length=64, default="")


class ProposersQuery(ReportQuery):
    """The same, in pages by name."""

    page_size = serializers.IntegerField(min_value=1, max_value=_MOST, default=50)
    after = serializers.CharField(max_length=250, default="", help_text="From `next`.")


def _edges(help_text: str = "") -> fields.Exact:
    return fields.Exact(max_digits=40, decimal_places=6, help_text=help_text)


def _share() -> fields.Exact:
    said = "realised / promised; null where nothing was promised."
    return fields.Exact(max_digits=40, decimal_places=4, allow_null=True, help_text=said)


class FollowedShown(serializers.Serializer[Any]):
    """An enacted proposal: net edges promised by `gain_by`, and those its entity gained from enactment until then.

    Realised is what the entity gained, not what the proposal caused: `alongside` counts the other enacted proposals
    on the entity that share these days.
    """

    proposal_id = serializers.IntegerField()
    proposer = serializers.CharField()
    by_agent = serializers.BooleanField()
    entity_type = serializers.CharField()
    entity_id = serializers.CharField()
    measure = serializers.ChoiceField(choices=Proposal.Measure.choices)
    resource_type = serializers.CharField()
    granted = serializers.IntegerField(allow_null=True, help_text="Null: a measure without an amount.")
    enacted_at = serializers.DateTimeField()
    gain_by = serializers.DateTimeField()
    promised = _edges()
    realised = fields.Exact(
        max_digits=40,
        decimal_places=6,
        allow_null=True,
        help_text="Gained less removed, corrections included; so far, while it is not due. Null: of a pool or policy.",
    )
    share = _share()
    is_due = serializers.BooleanField()
    is_kept = serializers.BooleanField(allow_null=True, help_text="Null: its day has not come, or nobody can tell.")
    alongside = serializers.IntegerField()


class SumsShown(serializers.Serializer[Any]):
    """What the promises of enacted proposals came to; `open_…` of those whose day has not come."""

    enacted = serializers.IntegerField()
    due = serializers.IntegerField()
    kept = serializers.IntegerField(help_text="Of those due.")
    promised = _edges("Net edges, of those due.")
    realised = _edges("Net edges, of those due.")
    share = _share()
    open_promised = _edges()
    open_realised = _edges()


class ProposerShown(serializers.Serializer[Any]):
    """What was decided of somebody's proposals, by where they stand now, and what the promises came to."""

    proposer = serializers.CharField()
    by_agent = serializers.BooleanField()
    decided = serializers.IntegerField()
    approved = serializers.IntegerField(help_text="The enacted among them.")
    rejected = serializers.IntegerField()
    deferred = serializers.IntegerField()
    expired = serializers.IntegerField()
    sums = SumsShown()


class ReviewerShown(serializers.Serializer[Any]):
    """How a reviewer voted in ballots that ended, and what became of what he or she helped to approve."""

    reviewer = serializers.CharField()
    voted = serializers.IntegerField()
    approvals = serializers.IntegerField()
    rejections = serializers.IntegerField()
    deferrals = serializers.IntegerField()
    carried = serializers.IntegerField(help_text="Approvals in ballots that approved.")
    sums = SumsShown()


class ProposersShown(serializers.Serializer[object]):
    """A page of proposers, by name."""

    results = ProposerShown(many=True)
    next = serializers.URLField(allow_null=True)


class ReviewersShown(serializers.Serializer[object]):
    """All reviewers who voted, by name."""

    results = ReviewerShown(many=True)


class FollowUpFilter(django_filters.FilterSet):
    """Which enacted proposals to list: since <= decided_at < until."""

    entity_type = django_filters.CharFilter()
    entity_id = django_filters.CharFilter()
    measure = django_filters.ChoiceFilter(choices=Proposal.Measure.choices)
    proposer = django_filters.CharFilter()
    since = filters.MomentFilter(field_name="decided_at", lookup_expr="gte")
    until = filters.MomentFilter(field_name="decided_at", lookup_expr="lt")


class _Report(views.Reviewed):
    """A report, for whoever may read proposals."""

    scopes = {"GET": doing.READ}
    rights = {"GET": doing.SEE}


class FollowUp(_Report, views.Listed[Proposal]):
    """List enacted proposals, the last filed first, with promised and realised gain side by side."""

    queryset: QuerySet[Proposal] = Proposal.objects.filter(status=Proposal.Status.ENACTED).only("pk")
    serializer_class = FollowedShown
    filterset_class = FollowUpFilter

    def paginate_queryset(self, queryset: Any) -> Any:
        """Return what became of the proposals of a page."""
        ids = [proposal.pk for proposal in super().paginate_queryset(queryset) or []]
        found = follow_up.of(ids, timezone.now())
        return [found[pk] for pk in ids if pk in found]


class Proposers(_Report):
    """What became of whose proposals."""

    @extend_schema(parameters=[ProposersQuery], responses=ProposersShown)
    def get(self, request: Request) -> Response:
        """Tell what was decided of each proposer's proposals and what the promises came to, in pages by name."""
        asked = fields.checked(ProposersQuery, request.query_params.dict())
        size, after = asked.pop("page_size"), asked.pop("after")
        rows = sorted(follow_up.by_proposer(at=timezone.now(), **asked), key=_place)
        begin = bisect_right(rows, after, key=_place) if after else 0
        page, more = rows[begin : begin + size], len(rows) > begin + size
        following = replace_query_param(request.build_absolute_uri(), "after", _place(page[-1])) if more else None
        return Response({"results": ProposerShown(page, many=True).data, "next": following})


class Reviewers(_Report):
    """Whose approvals paid off."""

    @extend_schema(parameters=[ReportQuery], responses=ReviewersShown)
    def get(self, request: Request) -> Response:
        """Tell how each reviewer voted and what became of what he or she helped to approve, by name."""
        asked = fields.checked(ReportQuery, request.query_params.dict())
        rows = follow_up.by_reviewer(at=timezone.now(), **asked)
        return Response({"results": ReviewerShown(rows, many=True).data})


def _place(row: follow_up.OfProposer) -> str:
    """Return where a proposer stands in the list: by name, an agent before a person of the same name."""
    return f"{row.proposer}/{'agent' if row.by_agent else 'person'}"
