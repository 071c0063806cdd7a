"""What the Senate did: what was approved and took effect."""

import pgtrigger
from django.db import models
from django.db.models import Q

from config import laws
from governance.models.ballots import Ballot
from governance.models.proposals import Proposal, of_our_era

_ENACT = """
    UPDATE allocation_proposals SET status = 'enacted', enacted_at = NEW.enacted_at, waits_because = ''
     WHERE id = NEW.proposal_id;
    RETURN NULL;
"""

_APPROVED = f"""
    IF NOT EXISTS (SELECT FROM allocation_proposals p JOIN governance_ballots b ON b.proposal_id = p.id
                    WHERE p.id = NEW.proposal_id AND p.status = 'approved' AND b.id = NEW.ballot_id
                      AND b.outcome = 'approved' AND b.granted = NEW.granted FOR NO KEY UPDATE OF p) THEN
        {laws.refusal("enactment_of_what_was_approved", "only what the Senate approved is enacted, as it was approved")}
    END IF;
    RETURN NEW;
"""


class Enactment(models.Model):
    """That what was approved took effect: once, over which base, and what it became."""

    proposal = models.OneToOneField(Proposal, on_delete=models.PROTECT, related_name="enactment")
    ballot = models.ForeignKey(Ballot, on_delete=models.PROTECT, related_name="+")
    granted = models.BigIntegerField(help_text="As the ballot granted it.")
    enacted_at = models.DateTimeField()
    enacted_by = models.TextField()
    confirmed_because = models.TextField(
        blank=True, default="", db_default="", help_text="Why a reviewer confirmed it over a base that had moved."
    )
    before = models.JSONField()
    after = models.JSONField()

    class Meta:
        """Laws: once per proposal, of what was approved; rows stay."""

        db_table = "governance_enactments"
        constraints = (
            models.CheckConstraint(name="enactment_by_somebody", condition=~Q(enacted_by="")),
            models.CheckConstraint(name="enactment_moment_can_be_read", condition=of_our_era("enacted_at")),
        )
        triggers = (
            pgtrigger.Trigger(
                name="enactment_of_what_was_approved",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=_APPROVED,
            ),
            pgtrigger.Trigger(
                name="enactment_is_told_by_its_proposal",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                func=_ENACT,
            ),
            *laws.append_only("enactment"),
        )

    def __str__(self) -> str:
        """Return who and when."""
        return f"enacted by {self.enacted_by}"
