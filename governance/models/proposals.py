"""What is asked of the Senate: proposals."""

from datetime import UTC, datetime

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Cast, Coalesce, Length, Now
from django.db.models.lookups import Exact, LessThanOrEqual, Regex

from config import history, laws

models.TextField.register_lookup(Length)  # for laws about the length of a text

LONGEST_TEXT = 20_000
MOST_TOKENS = 10**15
_FORM = (
    *("entity_type", "entity_id", "proposer_id", "proposer_agent", "user_id", "agent_id", "measure"),
    *("resource_type", "qualifier", "window_kind", "requested_tokens", "lasts_from", "lasts_until", "terms"),
    *("justification", "gain_edges", "gain_by", "refusal_id"),
)


def _json_type(column: str) -> Func:
    return Func(F(column), function="jsonb_typeof", output_field=models.TextField())


def bearable(column: str) -> Q:
    """Return the law of JSON that other programs may write: of bearable length, and no number too long for readers."""
    text = Cast(column, models.TextField())
    return Q(LessThanOrEqual(Length(text), Value(100_000))) & ~Q(Regex(text, Value("[0-9]{255}")))


def of_our_era(*columns: str) -> Q:
    """Return the law of moments that readers know; neither infinity nor the year 10,000 is one."""
    first, last = datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
    law = Q()
    for column in columns:
        law &= Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__gte": first, f"{column}__lt": last})
    return law


# Evidence that another program gives with its proposal becomes rows: those of a known kind are typed, others notes.
_READ_EVIDENCE = """
    INSERT INTO governance_evidence (proposal_id, kind, claim, note, url, attached_by, attached_at)
    SELECT NEW.id,
           CASE WHEN e.value->>'kind' IN ('new_pmids', 'market_confidence', 'kg_yield', 'benchmark_result',
                                          'gap_resolution') AND jsonb_typeof(e.value->'claim') = 'object'
                THEN e.value->>'kind' ELSE 'note' END,
           CASE WHEN jsonb_typeof(e.value->'claim') = 'object' THEN e.value->'claim'
                ELSE jsonb_build_object('given', e.value) END,
           left(coalesce(CASE jsonb_typeof(e.value) WHEN 'string' THEN e.value #>> '{}' ELSE e.value->>'note' END, ''),
                2000),
           '', coalesce(NEW.proposer_id, NEW.proposer_agent, ''), NEW.filed_at
      FROM jsonb_array_elements(NEW.evidence) WITH ORDINALITY AS e(value, place) ORDER BY e.place;
    RETURN NULL;
"""

_FIXED = f"""
    IF OLD.status <> 'draft' THEN
        {laws.refusal("proposal_is_fixed_once_submitted", "what the Senate was asked stays as it was submitted")}
    END IF;
    RETURN NEW;
"""


class Proposal(models.Model):
    """A request to change an envelope or a policy, with its evidence and what became of it.

    `requested_tokens` is the change of the named line, in its unit; `window_kind` empty is the envelope's own window.
    `evidence` and `votes` tell the rows of those, and follow them.
    """

    class Status(models.TextChoices):
        """Where it stands. Only forwards, but that what was deferred is submitted again by itself."""

        DRAFT = "draft"
        SUBMITTED = "submitted"
        APPROVED = "approved"
        ENACTED = "enacted"
        REJECTED = "rejected"
        DEFERRED = "deferred"
        EXPIRED = "expired"
        WITHDRAWN = "withdrawn"

    class Measure(models.TextChoices):
        """The closed list of what the Senate can do."""

        CHANGE_LINE = "change_line", "change a line of the envelope"
        GRANT = "grant", "grant for a time"
        FREEZE = "freeze", "freeze the envelope"
        UNFREEZE = "unfreeze", "unfreeze the envelope"
        POOL = "pool", "change a pool"
        POLICY = "policy", "change a policy"

    proposer = models.GeneratedField(
        expression=Coalesce("proposer_id", "proposer_agent"), output_field=models.TextField(), db_persist=True
    )
    proposer_id = models.TextField(null=True, blank=True)  # noqa: DJ001 - the contract's mirror goes by NULL
    proposer_agent = models.TextField(null=True, blank=True)  # noqa: DJ001 - as above
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        help_text="The person who proposes.",
    )  # fmt: skip
    agent = models.ForeignKey(
        "config.Agent", null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        help_text="The agent that proposes.",
    )  # fmt: skip
    entity_type = models.TextField()
    entity_id = models.TextField()
    measure = models.TextField(choices=Measure, default="change_line", db_default="change_line")
    resource_type = models.TextField(default="llm_tokens", db_default="llm_tokens")
    qualifier = models.TextField(blank=True, default="", db_default="", help_text="Tier or provider of the line.")
    window_kind = models.TextField(
        blank=True, default="", db_default="", help_text="Window of the line; empty: the envelope's own."
    )
    requested_tokens = models.BigIntegerField(default=0, db_default=0, help_text="Change of the line, in its unit.")
    requested_amount = models.GeneratedField(
        expression=F("requested_tokens"),  # type: ignore[arg-type]  # an F is an expression to Django
        output_field=models.BigIntegerField(),
        db_persist=True,
    )
    lasts_from = models.DateTimeField(null=True, blank=True, help_text="First window of a grant; empty: at once.")
    lasts_until = models.DateTimeField(null=True, blank=True, help_text="Last window of a grant; empty: the first.")
    terms = models.JSONField(default=dict, db_default={}, blank=True, help_text="New settings of a pool or policy.")
    justification = models.TextField(blank=True, default="", db_default="")
    gain_edges = models.DecimalField(
        max_digits=20, decimal_places=6, null=True, blank=True, help_text="Expected world-model gain in net edges."
    )
    gain_by = models.DateTimeField(null=True, blank=True, help_text="When the gain is to be there.")
    refusal = models.ForeignKey(
        "economics.Refusal", null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        help_text="The refused reservation it answers.",
    )  # fmt: skip
    evidence = models.JSONField(default=list, db_default=[], blank=True)
    votes = models.JSONField(default=list, db_default=[], blank=True)
    status = models.TextField(choices=Status, default="draft", db_default="draft")
    granted_tokens = models.BigIntegerField(null=True, blank=True, help_text="What was approved of the request.")
    revisit_at = models.DateTimeField(null=True, blank=True, help_text="When a deferred one comes back.")
    waits_because = models.TextField(
        blank=True, default="", db_default="", help_text="Why it does not go on by itself."
    )
    filed_at = models.DateTimeField(db_default=Now())
    submitted_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    enacted_at = models.DateTimeField(null=True, blank=True)
    withdrawn_by = models.TextField(blank=True, default="", db_default="")
    withdrawn_because = models.TextField(blank=True, default="", db_default="")

    class Meta:
        """Laws: complete when submitted and fixed from then on; its state, votes and evidence follow their rows."""

        db_table = "allocation_proposals"
        permissions = (
            ("vote_proposal", "Can vote on proposals"),
            ("confirm_proposal", "Can confirm what was approved over a base that moved"),
            ("close_proposal", "Can close a vote before its deadline"),
            ("enact_policy", "Can enact measures of policy"),
        )
        constraints = (
            models.CheckConstraint(name="proposal_entity_named", condition=~Q(entity_type="") & ~Q(entity_id="")),
            models.CheckConstraint(
                name="proposal_measure_known",
                condition=Q(measure__in=["change_line", "grant", "freeze", "unfreeze", "pool", "policy"]),
            ),
            models.CheckConstraint(
                name="proposal_line_known",
                condition=Q(resource_type__in=["llm_tokens", "cpu_seconds", "storage_gb_hours", "api_calls"])
                & Q(window_kind__in=["", "day", "week", "month", "lifetime"]),
            ),
            models.CheckConstraint(
                name="proposal_amount_sane",
                condition=Q(requested_tokens__gte=-MOST_TOKENS, requested_tokens__lte=MOST_TOKENS),
            ),
            models.CheckConstraint(
                name="proposal_texts_of_bearable_length",
                condition=Q(justification__length__lte=LONGEST_TEXT, withdrawn_because__length__lte=LONGEST_TEXT),
            ),
            models.CheckConstraint(
                name="proposal_gain_sane",
                condition=Q(gain_edges=None) | Q(gain_edges__gte=0, gain_edges__lt=10**12),  # NaN is above
            ),
            models.CheckConstraint(
                name="proposal_lists_and_terms",
                condition=Exact(_json_type("evidence"), Value("array")) & Exact(_json_type("terms"), Value("object")),
            ),
            models.CheckConstraint(name="proposal_terms_can_be_read", condition=bearable("terms")),
            models.CheckConstraint(
                name="proposal_moments_can_be_read",
                condition=of_our_era("filed_at", "lasts_from", "lasts_until", "gain_by"),
            ),
            models.CheckConstraint(
                name="proposal_status_known",
                condition=Q(
                    status__in=[
                        *("draft", "submitted", "approved", "enacted", "rejected", "deferred", "expired", "withdrawn")
                    ]
                ),
            ),
            models.CheckConstraint(
                name="proposal_complete_when_submitted",
                condition=Q(status__in=["draft", "withdrawn"])
                | (
                    ~Q(justification="")
                    & Q(gain_edges__isnull=False, gain_by__isnull=False, submitted_at__isnull=False)
                    & ~Q(evidence=[])
                    & (~Q(measure__in=["change_line", "grant"]) | ~Q(requested_tokens=0))
                    & (~Q(measure="grant") | Q(requested_tokens__gt=0))
                ),
            ),
            models.CheckConstraint(
                name="proposal_deferred_to_a_date", condition=~Q(status="deferred") | Q(revisit_at__isnull=False)
            ),
            models.CheckConstraint(
                name="proposal_withdrawn_by_somebody",
                condition=(Q(status="withdrawn") & ~Q(withdrawn_by=""))
                | (~Q(status="withdrawn") & Q(withdrawn_by="", withdrawn_because="")),
            ),
            models.CheckConstraint(
                name="proposal_granted_within_the_request",
                condition=Q(granted_tokens=None)
                | Q(granted_tokens__gte=1, granted_tokens__lte=F("requested_tokens"))
                | Q(granted_tokens__lte=-1, granted_tokens__gte=F("requested_tokens")),
            ),
        )
        indexes = (
            models.Index(name="proposal_by_entity", fields=["entity_type", "entity_id", "-id"]),
            models.Index(name="proposal_by_status", fields=["status", "-id"]),
            models.Index(name="proposal_by_proposer", fields=["proposer", "-id"]),
            models.Index(name="proposal_to_revisit", fields=["revisit_at"], condition=Q(status="deferred")),
        )
        triggers = (
            laws.fixed("proposal_never_renamed", "id", "filed_at"),
            laws.once("proposal_submitted_once", "submitted_at"),
            pgtrigger.Trigger(
                name="proposal_is_fixed_once_submitted",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf(*_FORM),
                condition=pgtrigger.AnyChange(*_FORM),
                func=_FIXED,
            ),
            laws.forwards(
                "proposal_state_forwards",
                "status",
                [
                    *(("draft", "submitted"), ("deferred", "submitted"), ("approved", "enacted")),
                    *(("submitted", end) for end in ("approved", "rejected", "deferred", "expired", "withdrawn")),
                    *((before, "withdrawn") for before in ("draft", "deferred", "approved")),
                ],
            ),
            # By hand it is only withdrawn, and not from under an open ballot, which is closed instead.
            laws.derived(
                "proposal_figures_follow_its_ballots",
                *("granted_tokens", "revisit_at", "submitted_at", "decided_at", "enacted_at"),
            ),
            laws.derived(
                "proposal_state_follows_its_ballots",
                "status",
                when=pgtrigger.Q(new__status__df="withdrawn") | pgtrigger.Q(old__status="submitted"),
            ),
            pgtrigger.Trigger(
                name="proposal_withdrawn_for_good",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("withdrawn_by", "withdrawn_because"),
                condition=pgtrigger.Q(old__status="withdrawn")
                & (
                    pgtrigger.Q(old__withdrawn_by__df=pgtrigger.F("new__withdrawn_by"))
                    | pgtrigger.Q(old__withdrawn_because__df=pgtrigger.F("new__withdrawn_because"))
                ),
                func=laws.refusal("proposal_withdrawn_for_good", "who withdrew it, and why, stays on record"),
            ),
            laws.derived("proposal_evidence_follows_its_rows", "evidence"),
            laws.derived("proposal_votes_follow_their_rows", "votes"),
            laws.derived_row(
                "proposal_begins_as_a_draft",
                pgtrigger.Q(new__status="draft", new__votes=[], new__granted_tokens__isnull=True)
                & pgtrigger.Q(new__revisit_at__isnull=True, new__submitted_at__isnull=True)
                & pgtrigger.Q(new__decided_at__isnull=True, new__enacted_at__isnull=True),
            ),
            pgtrigger.Trigger(
                name="proposal_evidence_becomes_rows",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                func=_READ_EVIDENCE,
            ),
            # Votes and evidence are rows of their own, which tell their history themselves.
            *history.recorded("proposal", "votes", "evidence", "proposer", "requested_amount"),
            laws.kept("proposal_never_vanishes"),
            laws.never_truncated("proposal_never_truncated"),
        )

    def __str__(self) -> str:
        """Return number and entity."""
        return f"proposal {self.pk} on {self.entity_type}:{self.entity_id}"
