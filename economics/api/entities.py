"""The whole story of one entity over HTTP, in one call."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api import fields
from economics import entities
from economics.api.alerts import AlertShown, RefusalShown
from economics.api.budgets import EnvelopeShown, PauseShown
from economics.api.outcomes import OutcomeShown
from economics.api.reviews import ReviewLineShown
from economics.api.scores import AssessmentShown, ScoreShown
from economics.api.signals import SignalShown
from economics.models import Grant, Review


class GrantShown(fields.Row[Grant]):
    """An addition to one line, in each window from the first to the last."""

    line = serializers.CharField()

    class Meta:
        """What is shown."""

        model = Grant
        fields: tuple[str, ...] = (
            *("id", "line_id", "line", "amount", "first_window", "last_window", "reason", "granted_by"),
            *("cause_kind", "cause_id", "created_at"),
        )


class UsedShown(serializers.Serializer[entities.Used]):
    """What was used of a resource since ever, in its unit; `cost` in USD without what is not priced yet."""

    resource_type = serializers.CharField()
    amount = fields.Exact(max_digits=36, decimal_places=6)
    unpriced_amount = fields.Exact(max_digits=36, decimal_places=6)
    cost = fields.Exact(max_digits=36, decimal_places=12)
    last_day = serializers.DateField()


class MarketShown(serializers.Serializer[entities.Market]):
    """What the market says now, what of it is applied (`weight`), and why it lifts nothing where the gate is shut."""

    weight = fields.Exact(max_digits=12, decimal_places=6)
    signal = fields.Exact(max_digits=12, decimal_places=6, help_text="The weight it asks for.")
    confidence = fields.Exact(max_digits=14, decimal_places=12)
    signals = serializers.IntegerField(help_text="How many count.")
    gate_open = serializers.BooleanField()
    shut = serializers.ListField(child=serializers.CharField(), help_text="Why the gate is shut.")


class ReturnedShown(serializers.Serializer[entities.Returned]):
    """ROI in edges per LLM token as of the last refresh, null: unproven; the figures are those of whole local days."""

    roi = fields.Exact(max_digits=30, decimal_places=15, allow_null=True)
    edges = fields.Exact(max_digits=36, decimal_places=6)
    tokens = fields.Exact(max_digits=36, decimal_places=6)
    prior = fields.Exact(max_digits=48, decimal_places=15, help_text="Edges per LLM token of all of its type.")
    days = serializers.IntegerField()
    first_day = serializers.DateField()
    last_day = serializers.DateField()


class ReviewNamed(fields.Row[Review]):
    """A review by name."""

    class Meta:
        """What is shown."""

        model = Review
        fields = ("id", "period", "state")


class ReviewLineInStory(ReviewLineShown):
    """What a review, named here, found of a line and would make of it."""

    review = ReviewNamed()

    class Meta(ReviewLineShown.Meta):
        """What is shown."""

        fields = ("review", *ReviewLineShown.Meta.fields)


class Cause(serializers.Serializer[entities.Change]):
    """What caused a change: its kind and id and, of a review, which one."""

    kind = serializers.CharField(source="revision.cause_kind")
    id = serializers.CharField(source="revision.cause_id")
    review = ReviewNamed(allow_null=True)


class ChangeShown(serializers.Serializer[entities.Change]):
    """Who changed the envelope, when, what (old and new by column or line), why, and for what cause."""

    id = serializers.IntegerField(source="revision.pk")
    at = serializers.DateTimeField(source="revision.at")
    who = serializers.CharField(source="revision.who")
    why = serializers.CharField(source="revision.why")
    request_id = serializers.CharField(source="revision.request_id", help_text="Empty: it was part of no request.")
    changes = serializers.DictField(source="revision.changes")
    cause = serializers.SerializerMethodField()

    @extend_schema_field(Cause(allow_null=True))
    def get_cause(self, change: entities.Change) -> Any:
        """Return the cause; null where none was named."""
        return Cause(change).data if change.revision.cause_kind else None


class StoryShown(serializers.Serializer[entities.Story]):
    """All that is on record of an entity. Of what goes on and on the last ten are told, the newest first.

    The Senate, which knows the proposals on it, adds them and answers with the whole.
    """

    entity_type = serializers.CharField()
    entity_id = serializers.CharField()
    at = serializers.DateTimeField()
    policy_version = serializers.IntegerField(source="policy.version")
    envelope = serializers.SerializerMethodField(help_text="With every line as it stands; null: it has none.")
    grants = GrantShown(many=True)
    usage = UsedShown(many=True)
    score = ScoreShown(allow_null=True, help_text="The present one, with its reasons.")
    assessments = AssessmentShown(many=True, help_text="The latest of each component.")
    observations = serializers.DictField(child=serializers.IntegerField(), help_text="How many stand, by kind.")
    market = MarketShown(allow_null=True)
    signals = SignalShown(many=True, help_text="The last of each source.")
    returns = ReturnedShown(source="returned")
    outcomes = OutcomeShown(many=True)
    review_lines = ReviewLineInStory(many=True)
    fleet_paused = serializers.SerializerMethodField(help_text="Why nobody may spend at present.")
    refusals = RefusalShown(many=True)
    alerts = AlertShown(many=True)
    revisions = ChangeShown(many=True, source="changes")

    @extend_schema_field(EnvelopeShown(allow_null=True))
    def get_envelope(self, story: entities.Story) -> Any:
        """Return the envelope with its lines."""
        return EnvelopeShown(story.envelope, context=self.context).data if story.envelope else None

    @extend_schema_field(PauseShown(allow_null=True))
    def get_fleet_paused(self, story: entities.Story) -> Any:
        """Return the pause of the fleet."""
        return PauseShown(story.pauses[0]).data if story.pauses else None
