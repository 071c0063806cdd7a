"""The Senate's own rules over HTTP: the policy of voting in versions, and the closed list of what it can do."""

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import fields, idempotency, views
from economics import revisions
from governance import claims, measures, policy, setting_measures
from governance.api import bodies, doing
from governance.models import Proposal, SenatePolicy

_SEE = "governance.view_senatepolicy"


class SenatePolicyShown(fields.Row[SenatePolicy]):
    """One version of the rules of voting; the highest is in force. A ballot keeps to the one it was opened under."""

    class Meta:
        """What is shown."""

        model = SenatePolicy
        fields = ("version", "made_at", "made_by", "reason", "cause_kind", "cause_id", *policy.TERMS)


class Policy(views.Reviewed):
    """The policy in force."""

    scopes = {"GET": doing.READ}
    rights = {"GET": _SEE, "POST": "governance.add_senatepolicy"}
    keyed = frozenset({"POST"})

    @extend_schema(responses=SenatePolicyShown)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - the same for everybody
        """Show the version in force."""
        return Response(fields.shown(SenatePolicyShown, policy.get()))

    @extend_schema(request=bodies.ChangePolicy, responses={201: SenatePolicyShown})
    def post(self, request: Request) -> HttpResponse:
        """Put a new version in force, as the present one but for what is named. The chair only.

        Refused if the version in force is not the `expected_version`. Open ballots keep to their own version.
        """
        changes = fields.checked(bodies.ChangePolicy, request.data)
        author = revisions.Author(self.person.get_username(), changes.pop("reason"))

        def deed() -> object:
            return fields.shown(SenatePolicyShown, policy.change(author=author, now=timezone.now(), **changes))

        return idempotency.answered_once(request, 201, deed)


class PolicyVersions(views.Reviewed, views.Listed[SenatePolicy]):
    """List all versions of the policy, the one in force first."""

    scopes = {"GET": doing.READ}
    rights = {"GET": _SEE}
    queryset: QuerySet[SenatePolicy] = SenatePolicy.objects.all()
    serializer_class = SenatePolicyShown
    ordering = ("-version",)


class MeasureShown(serializers.Serializer[object]):
    """One thing that the Senate can do: on what, with which fields of a proposal, and who carries it out."""

    measure = serializers.CharField()
    what = serializers.CharField()
    entity_type = serializers.CharField(help_text="Empty: any type that has envelopes.")
    takes = serializers.ListField(child=serializers.CharField(), help_text="Fields of a proposal.")
    terms = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()), help_text="The settings there are, by entity id."
    )
    in_part = serializers.BooleanField(help_text="Less than what is asked can be granted.")
    enacted_by = serializers.ChoiceField(choices=["the Senate", "the chair"])


class PartShown(serializers.Serializer[claims.Part]):
    """One part of a claim, and what it is to be."""

    name = serializers.CharField()
    says = serializers.CharField()
    needed = serializers.BooleanField()


class EvidenceKindShown(serializers.Serializer[object]):
    """One kind of evidence: what it is, what the system makes of it, and the parts of its claim."""

    kind = serializers.CharField()
    says = serializers.CharField()
    proves = serializers.BooleanField(help_text="A proposal needs at least one piece that does.")
    url_needed = serializers.BooleanField()
    parts = PartShown(many=True)


class MeasuresShown(serializers.Serializer[object]):
    """What the Senate can do, and what it takes as evidence."""

    measures = MeasureShown(many=True)
    evidence = EvidenceKindShown(many=True)


_LINE = ("resource_type", "qualifier", "window_kind", "requested_tokens")
_TAKES = {
    Proposal.Measure.CHANGE_LINE: _LINE,
    Proposal.Measure.GRANT: (*_LINE, "lasts_from", "lasts_until"),
    Proposal.Measure.POOL: ("terms",),
    Proposal.Measure.POLICY: ("terms",),
}


class Measures(views.Reviewed):
    """The closed list."""

    scopes = {"GET": doing.READ}
    rights = {"GET": doing.SEE}

    @extend_schema(responses=MeasuresShown)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - the same for everybody
        """List what the Senate can do and what each takes, and the kinds of evidence with the parts of their claims."""
        kinds = [
            {"kind": kind, "proves": bool(shape.parts), **shape._asdict()} for kind, shape in claims.SHAPES.items()
        ]
        listed = {"measures": [_measure(one) for one in Proposal.Measure], "evidence": kinds}
        return Response(MeasuresShown(listed).data)


def _measure(measure: Proposal.Measure) -> dict[str, object]:
    terms: dict[str, tuple[str, ...]] = {}
    if measure == Proposal.Measure.POOL:
        terms = {"any pool": setting_measures.POOL_SETTINGS}
    if measure == Proposal.Measure.POLICY:
        terms = {name: rules.TERMS for name, rules in setting_measures.POLICIES.items()}
    return {
        "measure": measure.value,
        "what": measure.label,
        "entity_type": measure.value if terms else "",
        "takes": _TAKES.get(measure, ()),
        "terms": terms,
        "in_part": measure in measures.AMOUNTS,
        "enacted_by": "the chair" if measures.needs_chair(Proposal(measure=measure)) else "the Senate",
    }
