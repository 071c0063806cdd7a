"""The rules of the Senate itself, in versions."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from config import history, laws


class SenatePolicy(models.Model):
    """One version of the rules of voting. The highest is in force; a ballot keeps to the one it was opened under."""

    version = models.PositiveIntegerField(primary_key=True)
    made_at = models.DateTimeField(db_default=Now())
    made_by = models.TextField(default="", db_default="")
    reason = models.TextField(default="", db_default="")
    cause_kind = models.TextField(default="", db_default="")
    cause_id = models.TextField(default="", db_default="")

    quorum = models.PositiveIntegerField(default=2, db_default=2, help_text="Votes without which a ballot expires.")
    voting_hours = models.PositiveIntegerField(default=72, db_default=72, help_text="Hours for which a ballot is open.")
    most_requested = models.BigIntegerField(
        default=10**12,
        db_default=10**12,
        help_text="Most that one proposal may ask for, in the unit of its line: the fleet's ceiling.",
    )

    class Meta:
        """Laws: every number is one that voting can work with; no version ever changes."""

        db_table = "governance_policies"
        verbose_name = "policy of the Senate"
        verbose_name_plural = "policy of the Senate"
        constraints = (
            models.CheckConstraint(
                name="senate_policy_sane",
                condition=Q(quorum__gte=1, quorum__lte=1000, voting_hours__gte=1, voting_hours__lte=8760)
                & Q(most_requested__gte=1, most_requested__lte=10**15),
            ),
        )
        triggers = (*laws.append_only("senate_policy"), *history.recorded("senate_policy"))

    def __str__(self) -> str:
        """Return the version."""
        return f"version {self.version}"
