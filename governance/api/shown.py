"""What the Senate shows of a proposal: its terms, evidence, ballots and votes, and what it would change."""

from datetime import datetime
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api import fields
from config.errors import RefusedError
from config.models import Change
from governance import ballots, enactment, errors, evidence, follow_up, measures, proposals, tally
from governance.models import Ballot, Enactment, Evidence, Proposal, Vote

_STATUS: Final = Proposal.Status
_AHEAD: Final = frozenset({_STATUS.DRAFT, _STATUS.SUBMITTED, _STATUS.DEFERRED, _STATUS.APPROVED})
_VOTED: Final = frozenset({_STATUS.SUBMITTED, _STATUS.APPROVED})


class ProposalShown(fields.Row[Proposal]):
    """A proposal: `requested_tokens` and `granted_tokens` are the change of the named line, in its unit, with its sign.

    `window_kind` empty is the envelope's own window; `terms` are new settings of a pool or policy.
    """

    proposer = serializers.CharField()

    class Meta:
        """What is shown."""

        model = Proposal
        fields: tuple[str, ...] = (
            *("id", "status", "proposer", "proposer_agent", "entity_type", "entity_id", "measure", "resource_type"),
            *("qualifier", "window_kind", "requested_tokens", "granted_tokens", "lasts_from", "lasts_until", "terms"),
            *("gain_edges", "gain_by", "refusal_id", "revisit_at", "waits_because", "filed_at", "submitted_at"),
            *("decided_at", "enacted_at", "withdrawn_by", "withdrawn_because"),
        )


class EvidenceShown(fields.Row[Evidence]):
    """A piece of evidence: what is claimed, and what the system itself found when it looked, in words and figures."""

    class Meta:
        """What is shown."""

        model = Evidence
        fields = (
            *("id", "kind", "claim", "note", "url", "attached_by", "attached_at", "check_state", "check_says"),
            *("check_found", "checked_at"),
        )


class MissingShown(serializers.Serializer[errors.Missing]):
    """One thing that a draft lacks: a code, a sentence, and the field."""

    code = serializers.CharField()
    detail = serializers.CharField(source="sentence")
    pointer = serializers.CharField()


class VoteShown(fields.Row[Vote]):
    """What a reviewer said and why. An approval is of an amount; a deferral says until when and what is wanted."""

    reviewer = serializers.CharField(source="voter_name")

    class Meta:
        """What is shown."""

        model = Vote
        fields = ("id", "reviewer", "choice", "amount", "reason", "revisit_at", "wanted", "cast_at", "superseded_at")


class VerdictShown(serializers.Serializer[tally.Verdict]):
    """An outcome, with what it grants or when the proposal comes back."""

    outcome = serializers.ChoiceField(choices=Ballot.Outcome.choices)
    granted = serializers.IntegerField()
    revisit_at = serializers.DateTimeField(allow_null=True)


class BallotShown(fields.Row[Ballot]):
    """One time that it was voted on: by whom, until when, under which version of the policy, and how it ended.

    Amounts are in the unit of the line, whatever its direction; 1 is all of what is granted whole or not at all.
    """

    policy_version = serializers.IntegerField(source="policy_id")
    electors = serializers.SerializerMethodField(help_text="Who may vote, as it was when voting opened.")
    silent = serializers.SerializerMethodField(help_text="Those of them who may vote yet and have not.")
    as_it_stands = serializers.SerializerMethodField(help_text="The outcome if voting ended now; null: it has ended.")
    votes = serializers.SerializerMethodField(help_text="All of them, superseded ones as well.")

    class Meta:
        """What is shown."""

        model = Ballot
        fields = (
            *("number", "policy_version", "quorum", "requested", "opened_at", "closes_at", "closed_at", "closed_by"),
            *("reason", "outcome", "granted", "revisit_at", "base", "electors", "silent", "as_it_stands", "votes"),
        )

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_electors(self, ballot: Ballot) -> Any:
        """Return the names of the electors."""
        return sorted(elector.name for elector in ballot.electors.all())

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_silent(self, ballot: Ballot) -> Any:
        """Return the names of those whose vote is awaited."""
        return self._standing(ballot).silent if ballot.closed_at is None else []

    @extend_schema_field(VerdictShown(allow_null=True))
    def get_as_it_stands(self, ballot: Ballot) -> Any:
        """Return what the votes cast so far come to."""
        return VerdictShown(self._standing(ballot).as_it_stands).data if ballot.closed_at is None else None

    @extend_schema_field(VoteShown(many=True))
    def get_votes(self, ballot: Ballot) -> Any:
        """Return the votes in the order they were cast."""
        return VoteShown(sorted(ballot.votes.all(), key=lambda vote: vote.pk), many=True).data

    def _standing(self, ballot: Ballot) -> ballots.Standing:
        kept = vars(ballot)  # asked for twice of each row
        if "standing" not in kept:
            kept["standing"] = ballots.standing(ballot)
        standing: ballots.Standing = kept["standing"]
        return standing


class FoundShown(serializers.Serializer[evidence.Found]):
    """What the system itself knows of a claim, in words and figures."""

    check_state = serializers.ChoiceField(choices=Evidence.Check.choices, source="state")
    check_says = serializers.CharField(source="says")
    check_found = serializers.DictField(source="figures")


class ChangeOfProposal(fields.Row[Change]):
    """What changed of a proposal, as the database wrote it down: each column with its old and new value.

    By whom, when, why, from what cause, and in which request.
    """

    class Meta:
        """What is shown."""

        model = Change
        fields = ("id", "action", "at", "who", "why", "cause_kind", "cause_id", "request_id", "changes")


class RowShown(serializers.Serializer[measures.Row]):
    """One thing that would change: what stands, and what would stand."""

    what = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class PreviewShown(serializers.Serializer[object]):
    """What would change if so much were enacted now, and nothing else; `refused` says why nothing could."""

    granted = serializers.IntegerField()
    rows = RowShown(many=True)
    refused = serializers.CharField()


class EnactmentShown(fields.Row[Enactment]):
    """That it took effect: when, by whom, over which base, and what it became."""

    class Meta:
        """What is shown."""

        model = Enactment
        fields = ("granted", "enacted_at", "enacted_by", "confirmed_because", "before", "after")


class GainShown(serializers.Serializer[Any]):
    """Net edges promised by a day, and those the entity gained from enactment until then, or so far."""

    promised = fields.Exact(max_digits=20, decimal_places=6)
    realised = fields.Exact(
        max_digits=36, decimal_places=6, allow_null=True, help_text="Null: a pool or a policy touches everybody."
    )
    share = fields.Exact(max_digits=36, decimal_places=4, allow_null=True, help_text="Null: nothing was promised.")
    gain_by = serializers.DateTimeField()
    is_due = serializers.BooleanField()
    is_kept = serializers.BooleanField(allow_null=True, help_text="Null: its day has not come, or nobody can tell.")
    alongside = serializers.IntegerField(help_text="How many other enacted proposals share the gain.")


class RefusalAnswered(serializers.Serializer[object]):
    """The refused reservation that the proposal answers, with the figures of the line that refused it."""

    id = serializers.IntegerField(source="pk")
    code = serializers.CharField()
    agent_id = serializers.CharField()
    entity_type = serializers.CharField()
    entity_id = serializers.CharField()
    resource_type = serializers.CharField()
    qualifier = serializers.CharField()
    line = serializers.CharField(allow_null=True)
    asked = fields.Exact(max_digits=30, decimal_places=6)
    limit = fields.Exact(max_digits=36, decimal_places=12, allow_null=True)
    settled = fields.Exact(max_digits=36, decimal_places=12, allow_null=True)
    held = fields.Exact(max_digits=36, decimal_places=12, allow_null=True)
    times = serializers.IntegerField()
    last_at = serializers.DateTimeField()


class ProposalInFull(ProposalShown):
    """A proposal with all that was said of it, and what it would change as things stand."""

    justification = serializers.CharField()
    evidence = serializers.SerializerMethodField()
    missing = serializers.SerializerMethodField(help_text="What a draft lacks before it may be submitted.")
    ballots = serializers.SerializerMethodField(help_text="Each time it was voted on, the last one last.")
    stands = serializers.SerializerMethodField(
        help_text="What stands now of what would change; null: it is past, or cannot be told."
    )
    is_stale = serializers.SerializerMethodField(help_text="What would change has changed since voting opened.")
    preview = serializers.SerializerMethodField(help_text="Of all that is asked or, once decided, of what was granted.")
    enactment = serializers.SerializerMethodField()
    gain = serializers.SerializerMethodField(help_text="Null: it is not enacted.")
    refusal = RefusalAnswered(allow_null=True)

    class Meta(ProposalShown.Meta):
        """What is shown."""

        fields = (
            *ProposalShown.Meta.fields,
            *("justification", "evidence", "missing", "ballots", "stands", "is_stale", "preview", "enactment"),
            *("gain", "refusal"),
        )

    @extend_schema_field(EvidenceShown(many=True))
    def get_evidence(self, proposal: Proposal) -> Any:
        """Return the evidence that was not taken back."""
        rows = Evidence.objects.filter(proposal=proposal, withdrawn_at=None).order_by("pk")
        return EvidenceShown(rows, many=True).data

    @extend_schema_field(MissingShown(many=True))
    def get_missing(self, proposal: Proposal) -> Any:
        """Return what a draft lacks, and why it was not submitted just now."""
        if proposal.status != _STATUS.DRAFT:
            return []
        lacks: Any = [*proposals.missing(proposal, now=self._now), *self.context.get("refused", [])]
        return MissingShown(lacks, many=True).data

    @extend_schema_field(BallotShown(many=True))
    def get_ballots(self, proposal: Proposal) -> Any:
        """Return its ballots."""
        rows = Ballot.objects.filter(proposal=proposal).order_by("number").prefetch_related("votes", "electors")
        return BallotShown(rows, many=True).data

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_stands(self, proposal: Proposal) -> Any:
        """Return what stands."""
        try:
            return self._checked(proposal) and measures.base(proposal, at=self._now)
        except RefusedError:
            return None

    def get_is_stale(self, proposal: Proposal) -> bool:
        """Tell whether it would have to be confirmed."""
        return proposal.status in _VOTED and enactment.stale(proposal, now=self._now)

    @extend_schema_field(PreviewShown(allow_null=True))
    def get_preview(self, proposal: Proposal) -> Any:
        """Return before and after, by the code that enacts it."""
        if proposal.status not in _AHEAD:
            return None
        granted = abs(proposal.granted_tokens or 0) or measures.asked(proposal)
        rows, refused = [], ""
        try:
            self._checked(proposal)
            rows = [row for row in measures.preview(proposal, granted, at=self._now) if row.before != row.after]
        except RefusedError as refusal:
            refused = refusal.detail
        return PreviewShown({"granted": granted, "rows": rows, "refused": refused}).data

    @extend_schema_field(EnactmentShown(allow_null=True))
    def get_enactment(self, proposal: Proposal) -> Any:
        """Return that it took effect."""
        done = Enactment.objects.filter(proposal=proposal).first()
        return None if done is None else EnactmentShown(done).data

    @extend_schema_field(GainShown(allow_null=True))
    def get_gain(self, proposal: Proposal) -> Any:
        """Return what was promised and what came, of what took effect."""
        if proposal.status != _STATUS.ENACTED:
            return None
        found = follow_up.of([proposal.pk], self._now).get(proposal.pk)
        return None if found is None else GainShown(found).data

    @property
    def _now(self) -> datetime:
        now: datetime = self.context["now"]
        return now

    def _checked(self, proposal: Proposal) -> bool | None:
        """Tell whether it lies ahead; refuses a draft, as other programs may write one, that could never be enacted."""
        if proposal.status == _STATUS.DRAFT:
            measures.check(proposal)
        return True if proposal.status in _AHEAD else None


def in_full(proposal: Proposal, *, now: datetime, refused: RefusedError | None = None) -> Any:
    """Return a proposal as it is shown in full; `refused` is why it could not be submitted just now."""
    more = [errors.Missing(refused.code, refused.pointer, refused.detail)] if refused else []
    return ProposalInFull(proposal, context={"now": now, "refused": more}).data
