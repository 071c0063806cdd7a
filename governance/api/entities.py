"""The whole story of an entity over HTTP, in one call: what the books tell, and the proposals on it."""

from typing import Any, Final

from django.urls import re_path
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from economics import entities, standings
from economics.api import alerts, urls
from economics.api import entities as books
from governance import chain
from governance.api import doing, shown
from governance.models import Proposal

_PROPOSALS: Final = "/api/governance/proposals/"
_OF_A_PROPOSAL: Final = (
    *("justification", "evidence", "refusal", "ballots", "enactment", "revision_ids", "gain", "link"),
)


class ProposalNamed(serializers.Serializer[Proposal]):
    """A proposal by name, and where it is told in full."""

    id = serializers.IntegerField(source="pk")
    status = serializers.ChoiceField(choices=Proposal.Status.choices)
    link = serializers.SerializerMethodField()

    def get_link(self, proposal: Proposal) -> str:
        """Return its address."""
        return f"{_PROPOSALS}{proposal.pk}/"


class BallotInStory(shown.BallotShown):
    """One time that it was voted on, with every vote and its reason; what it would come to now the proposal tells."""

    silent = None  # type: ignore[assignment] # DRF's way to leave a field out
    as_it_stands = None  # type: ignore[assignment]

    class Meta(shown.BallotShown.Meta):
        """What is shown."""

        fields = tuple(  # type: ignore[assignment]
            name for name in shown.BallotShown.Meta.fields if name not in {"silent", "as_it_stands"}
        )


class ProposalInStory(shown.ProposalShown):
    """A proposal with all that hangs on it: what it answers, its evidence as checked, its votes, what it changed."""

    justification = serializers.CharField()
    evidence = shown.EvidenceShown(many=True, source="evidence_rows")
    refusal = shown.RefusalAnswered(allow_null=True)
    ballots = BallotInStory(many=True)
    enactment = serializers.SerializerMethodField()
    revision_ids = serializers.SerializerMethodField(help_text="The changes of the envelope that it made.")
    gain = serializers.SerializerMethodField(help_text="Null: it is not enacted.")
    link = serializers.SerializerMethodField(help_text="Where it is told with what it would change.")

    class Meta(shown.ProposalShown.Meta):
        """What is shown."""

        fields = (*shown.ProposalShown.Meta.fields, *_OF_A_PROPOSAL)

    @extend_schema_field(shown.EnactmentShown(allow_null=True))
    def get_enactment(self, proposal: Proposal) -> Any:
        """Return that it took effect."""
        done = getattr(proposal, "enactment", None)
        return None if done is None else shown.EnactmentShown(done).data

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField()))
    def get_revision_ids(self, proposal: Proposal) -> Any:
        """Return them, the newest first."""
        return [change.revision.pk for change in self._told(proposal).changes]

    @extend_schema_field(shown.GainShown(allow_null=True))
    def get_gain(self, proposal: Proposal) -> Any:
        """Return what was promised and what came."""
        followed = self._told(proposal).followed
        return None if followed is None else shown.GainShown(followed).data

    def get_link(self, proposal: Proposal) -> str:
        """Return its address."""
        return f"{_PROPOSALS}{proposal.pk}/"

    def _told(self, proposal: Proposal) -> chain.Told:
        found: chain.Chain[entities.Story] = self.context["chain"]
        return next(one for one in found.proposals if one.proposal == proposal)


class _Joined(serializers.Serializer[Any]):
    """What a part of the story adds when proposals are joined to it."""

    @property
    def _chain(self) -> chain.Chain[entities.Story]:
        found: chain.Chain[entities.Story] = self.context["chain"]
        return found


class CauseInStory(books.Cause):
    """What caused a change: its kind and id and, of a review or a proposal, which one."""

    proposal = ProposalNamed(allow_null=True)


class ChangeInStory(books.ChangeShown, _Joined):
    """Who changed the envelope, when, what (old and new by column or line), why, and for what cause."""

    @extend_schema_field(CauseInStory(allow_null=True))
    def get_cause(self, change: entities.Change) -> Any:
        """Return the cause; null where none was named."""
        told = super().get_cause(change)
        if told is None:
            return None
        cause = self._chain.behind(change.revision.cause_kind, change.revision.cause_id)
        return {**told, "proposal": ProposalNamed(cause).data if cause else None}


class GrantInStory(books.GrantShown, _Joined):
    """An addition to one line, in each window from the first to the last; and the proposal that gave it, if one did."""

    proposal = serializers.SerializerMethodField()

    class Meta(books.GrantShown.Meta):
        """What is shown."""

        fields = (*books.GrantShown.Meta.fields, "proposal")

    @extend_schema_field(ProposalNamed(allow_null=True))
    def get_proposal(self, grant: Any) -> Any:
        """Return the proposal."""
        cause = self._chain.behind(grant.cause_kind, grant.cause_id)
        return ProposalNamed(cause).data if cause else None


class RefusalInStory(alerts.RefusalShown, _Joined):
    """A refused reservation with the figures of the line that refused it, and the proposals that answer it."""

    answered_by = serializers.SerializerMethodField()

    class Meta(alerts.RefusalShown.Meta):
        """What is shown."""

        fields = (*alerts.RefusalShown.Meta.fields, "answered_by")

    @extend_schema_field(ProposalNamed(many=True))
    def get_answered_by(self, refusal: Any) -> Any:
        """Return them, the newest first."""
        return [ProposalNamed(one).data for one in self._chain.answering(refusal.pk)]


class EntityShown(books.StoryShown, _Joined):
    """All that is on record of an entity. Of what goes on and on the last ten are told, the newest first."""

    grants = GrantInStory(many=True)
    refusals = RefusalInStory(many=True)
    revisions = ChangeInStory(many=True, source="changes")
    proposals = serializers.SerializerMethodField(help_text="The last ten that one may see.")
    proposals_in_all = serializers.SerializerMethodField(help_text="How many there are that one may see.")
    hides_proposals = serializers.SerializerMethodField(
        help_text="True: one may see none of them, for want of the scope proposals:read or the right to see proposals."
    )

    @extend_schema_field(ProposalInStory(many=True))
    def get_proposals(self, story: entities.Story) -> Any:  # noqa: ARG002 - DRF's signature
        """Return the last proposals, each with all that hangs on it."""
        told = [one.proposal for one in self._chain.proposals]
        return ProposalInStory(told, many=True, context=self.context).data

    def get_proposals_in_all(self, story: entities.Story) -> int:  # noqa: ARG002 - DRF's signature
        """Return how many there are."""
        return self._chain.total

    def get_hides_proposals(self, story: entities.Story) -> bool:  # noqa: ARG002 - DRF's signature
        """Return whether it is silent about proposals."""
        return self._chain.hides_proposals


class EntityStory(doing.Senate):
    """The story of one entity."""

    scopes = {"GET": "budgets:read"}
    rights = {"GET": "economics.view_envelope"}
    because: dict[int, list[str]]
    standing: dict[int, list[standings.Standing]]

    @extend_schema(responses=EntityShown)
    def get(self, request: Request, entity_type: str, entity_id: str) -> Response:
        """Read all that is on record of an entity: what it may spend, its worth, what came of it, who says so."""
        by = self.by if doing.may_see(request) else None
        found = chain.of(entity_type, entity_id, by=by, at=timezone.now())
        story = found.story
        self.because = {story.score.pk: story.score_reasons} if story.score else {}
        self.standing = {story.envelope.pk: story.lines} if story.envelope else {}
        return Response(EntityShown(story, context={"view": self, "chain": found}).data)


urlpatterns = [re_path(rf"^entities/{urls.ENTITY}/?\Z", EntityStory.as_view())]
