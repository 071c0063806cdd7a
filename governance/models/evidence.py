"""What a proposal stands on: its evidence, and what the system itself knows of it."""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from config import laws
from governance.models.proposals import Proposal, bearable, of_our_era

_EVIDENCE_OPEN = f"""
    IF NOT EXISTS (SELECT FROM allocation_proposals WHERE id = NEW.proposal_id AND status IN ('draft', 'deferred')
                      FOR NO KEY UPDATE) THEN
        {laws.refusal("evidence_only_before_voting", "evidence is given before voting opens or while it is deferred")}
    END IF;
    RETURN NEW;
"""

_EVIDENCE_WITHDRAWN = f"""
    IF NOT EXISTS (SELECT FROM allocation_proposals WHERE id = NEW.proposal_id AND status = 'draft'
                      FOR NO KEY UPDATE) THEN
        {laws.refusal("evidence_withdrawn_only_from_drafts", "what was put before the Senate stays")}
    END IF;
    RETURN NEW;
"""

_LOOKED_AT = f"""
    IF NOT EXISTS (SELECT FROM allocation_proposals
                    WHERE id = NEW.proposal_id AND status IN ('draft', 'submitted', 'deferred') FOR NO KEY UPDATE) THEN
        {laws.refusal("evidence_found_before_the_decision", "what was known when the Senate decided stays on record")}
    END IF;
    RETURN NEW;
"""

_TELL_EVIDENCE = """
    UPDATE allocation_proposals p SET evidence = coalesce((
        SELECT jsonb_agg(jsonb_build_object(
                   'id', e.id, 'kind', e.kind, 'claim', e.claim, 'note', e.note, 'url', e.url,
                   'attached_by', e.attached_by, 'check', e.check_state, 'found', e.check_says) ORDER BY e.id)
          FROM governance_evidence e WHERE e.proposal_id = p.id AND e.withdrawn_at IS NULL), '[]')
     WHERE p.id = NEW.proposal_id;
    RETURN NULL;
"""


class Evidence(models.Model):
    """One thing a proposal stands on: what is claimed, by kind, and what the system itself knows of it."""

    class Kind(models.TextChoices):
        """The typed kinds, and notes, which prove nothing."""

        NEW_PMIDS = "new_pmids", "new papers (PMIDs)"
        MARKET_CONFIDENCE = "market_confidence", "market confidence"
        KG_YIELD = "kg_yield", "yield of the knowledge graph"
        BENCHMARK_RESULT = "benchmark_result", "benchmark result"
        GAP_RESOLUTION = "gap_resolution", "progress on a gap"
        NOTE = "note", "note"

    class Check(models.TextChoices):
        """What the system found when it looked."""

        UNCHECKED = "unchecked"
        HOLDS = "holds"
        PARTLY = "partly"
        CONTRADICTED = "contradicted"
        UNKNOWN = "unknown", "not known here"

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="evidence_rows")
    kind = models.TextField(choices=Kind)
    claim = models.JSONField(help_text="What is claimed; its names follow from the kind.")
    note = models.TextField(blank=True, default="", db_default="")
    url = models.TextField(blank=True, default="", db_default="", help_text="Where it can be read (http or https).")
    attached_by = models.TextField(default="", db_default="")
    attached_at = models.DateTimeField(db_default=Now())
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    check_state = models.TextField(choices=Check, default="unchecked", db_default="unchecked")
    check_says = models.TextField(blank=True, default="", db_default="", help_text="What was found, in a sentence.")
    check_found = models.JSONField(default=dict, db_default={}, blank=True, help_text="The figures that were found.")
    checked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Laws: of a known kind, given before voting, and kept."""

        db_table = "governance_evidence"
        verbose_name_plural = "evidence"
        constraints = (
            models.CheckConstraint(
                name="evidence_kind_known",
                condition=Q(
                    kind__in=[
                        *("new_pmids", "market_confidence", "kg_yield", "benchmark_result", "gap_resolution", "note")
                    ]
                ),
            ),
            models.CheckConstraint(
                name="evidence_url_of_the_web", condition=Q(url="") | Q(url__iregex=r"^https?://[^[:space:]]+$")
            ),
            models.CheckConstraint(
                name="evidence_texts_of_bearable_length", condition=Q(note__length__lte=2_000, url__length__lte=2_000)
            ),
            models.CheckConstraint(name="evidence_claim_can_be_read", condition=bearable("claim")),
            models.CheckConstraint(
                name="evidence_moments_can_be_read",
                condition=of_our_era("attached_at", "withdrawn_at", "checked_at"),
            ),
            models.CheckConstraint(
                name="evidence_check_known",
                condition=Q(check_state="unchecked", checked_at=None)
                | Q(check_state__in=["holds", "partly", "contradicted", "unknown"], checked_at__isnull=False),
            ),
        )
        triggers = (
            laws.fixed(
                "evidence_never_changes",
                *("id", "proposal_id", "kind", "claim", "note", "url", "attached_by", "attached_at"),
            ),
            laws.once("evidence_stays_withdrawn", "withdrawn_at"),
            pgtrigger.Trigger(
                name="evidence_only_before_voting",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=_EVIDENCE_OPEN,
            ),
            pgtrigger.Trigger(
                name="evidence_withdrawn_only_from_drafts",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("withdrawn_at"),
                condition=pgtrigger.AnyChange("withdrawn_at"),
                func=_EVIDENCE_WITHDRAWN,
            ),
            pgtrigger.Trigger(
                name="evidence_found_before_the_decision",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("check_state", "check_says", "check_found", "checked_at"),
                condition=pgtrigger.AnyChange("check_state", "check_says", "check_found", "checked_at"),
                func=_LOOKED_AT,
            ),
            pgtrigger.Trigger(
                name="evidence_is_told_by_its_proposal",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("withdrawn_at", "check_state", "check_says"),
                func=_TELL_EVIDENCE,
            ),
            laws.kept("evidence_never_vanishes"),
            laws.never_truncated("evidence_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the kind."""
        return self.get_kind_display()
