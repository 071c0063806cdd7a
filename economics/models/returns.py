"""What came of it: outcomes, an append-only record."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from config import laws
from economics.models.worth import readable


class Outcome(models.Model):
    """Something achieved for an entity, or lost again.

    `amount` counts edges of the knowledge graph, papers or hypotheses, or points of artifact quality. A removed edge
    counts against those gained. A correction is a negative row that names the row it corrects.
    """

    class Kind(models.TextChoices):
        """What can come of work."""

        EDGES_GAINED = "edges_gained"
        EDGES_REMOVED = "edges_removed"
        PAPERS = "papers"
        HYPOTHESES_IMPROVED = "hypotheses_improved"
        ARTIFACT_QUALITY = "artifact_quality"

    entity_type = models.TextField()
    entity_id = models.TextField()
    kind = models.TextField(choices=Kind)
    amount = models.DecimalField(max_digits=20, decimal_places=6)
    artifact_type = models.TextField(default="", db_default="")
    artifact_id = models.TextField(default="", db_default="", help_text="In which it shows: a document, a paper.")
    corrects = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="corrections")
    source = models.TextField(help_text="Who keeps the event ids.")
    event_id = models.TextField(help_text="The source's own id: counted once.")
    agent_id = models.TextField(default="", db_default="", help_text="Who reported it.")
    note = models.TextField(default="", db_default="", help_text="Why it was corrected.")
    at = models.DateTimeField(help_text="When it was achieved.")
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Laws: known kinds, nothing negative but a correction, an event counts once, and rows stay."""

        db_table = "economics_outcomes"
        constraints = (
            models.CheckConstraint(name="outcome_entity_named", condition=~Q(entity_type="") & ~Q(entity_id="")),
            models.CheckConstraint(
                name="outcome_kind_known",
                condition=Q(
                    kind__in=["edges_gained", "edges_removed", "papers", "hypotheses_improved", "artifact_quality"]
                ),
            ),
            models.CheckConstraint(
                name="outcome_negative_only_to_correct",
                condition=Q(corrects=None, amount__gt=0, amount__lt=10**12)
                | (Q(corrects__isnull=False, amount__lt=0, amount__gt=-(10**12)) & ~Q(note="")),
            ),
            models.CheckConstraint(name="outcome_times_readable", condition=readable("at") & readable("recorded_at")),
            models.UniqueConstraint(name="outcome_once", fields=["source", "event_id"]),
        )
        indexes = (
            models.Index(name="outcome_by_entity", fields=["entity_type", "entity_id", "at"]),
            models.Index(name="outcome_by_time", fields=["at"]),
        )
        triggers = laws.append_only("outcome")

    def __str__(self) -> str:
        """Return the kind and the entity."""
        return f"{self.get_kind_display().lower()} for {self.entity_type}:{self.entity_id}"
