"""What the market says: registered sources and the signals they post on entities."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from config import laws
from economics.models.worth import readable


class SignalSource(models.Model):
    """A market or forecast that may post signals. One without an agent is fed by the house, from files.

    A confidence is a probability; a price is one only where the source says so, else it counts by its rank.
    """

    class Kind(models.TextChoices):
        """What its values are."""

        CONFIDENCE = "confidence"
        PRICE = "price"

    name = models.SlugField(primary_key=True, max_length=64)
    title = models.TextField(blank=True, default="", db_default="")
    kind = models.TextField(choices=Kind)
    is_probability = models.BooleanField(
        default=True, db_default=True, help_text="Values are probabilities, 0 to 1, and used as they are."
    )
    agent = models.ForeignKey("config.Agent", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    agent_kind = models.CharField(max_length=16, null=True, blank=True, editable=False)  # noqa: DJ001 - half of a composite key
    is_active = models.BooleanField(default=True, db_default=True, help_text="Inactive: its signals count for nothing.")
    registered_at = models.DateTimeField(db_default=Now(), editable=False)
    registered_by = models.TextField(default="", db_default="", editable=False)

    class Meta:
        """Laws: a confidence is a probability; only an exchange posts, and an exchange owns no wallet."""

        db_table = "economics_signal_sources"
        constraints = (
            models.CheckConstraint(name="signal_source_named", condition=Q(name__regex=r"^[A-Za-z0-9_-]+$")),
            models.CheckConstraint(
                name="signal_source_kind_known", condition=Q(kind="price") | Q(kind="confidence", is_probability=True)
            ),
            models.CheckConstraint(
                name="signal_source_is_an_exchange",
                condition=Q(agent=None, agent_kind=None)
                | Q(agent__isnull=False, agent_kind__isnull=False, agent_kind="exchange"),
            ),
            models.UniqueConstraint(name="signal_source_scale_once", fields=["name", "is_probability"]),
        )
        triggers = (
            laws.fixed("signal_source_is_fixed", "name", "kind", "is_probability", "agent_id", "agent_kind"),
            laws.kept("signal_source_never_vanishes"),
            laws.never_truncated("signal_source_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Signal(models.Model):
    """What a source said of an entity at a moment. Of each source and day the last one counts."""

    source = models.ForeignKey(SignalSource, on_delete=models.PROTECT, related_name="+", db_index=False)
    is_probability = models.BooleanField(help_text="As of the source.")
    entity_type = models.TextField()
    entity_id = models.TextField()
    value = models.DecimalField(max_digits=30, decimal_places=12)
    event_id = models.TextField(help_text="The source's own id: counted once.")
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Laws: a probability is one, a price is not negative, an event counts once, and rows stay."""

        db_table = "economics_signals"
        constraints = (
            models.CheckConstraint(name="signal_entity_named", condition=~Q(entity_type="") & ~Q(entity_id="")),
            models.CheckConstraint(
                name="signal_value_sane",
                condition=Q(value__gte=0, value__lt=10**18) & (Q(is_probability=False) | Q(value__lte=1)),
            ),
            models.CheckConstraint(name="signal_times_readable", condition=readable("at") & readable("recorded_at")),
            models.UniqueConstraint(name="signal_once", fields=["source", "event_id"]),
        )
        indexes = (
            models.Index(name="signal_by_entity", fields=["entity_type", "entity_id", "source", "at"]),
            models.Index(name="signal_by_time", fields=["at"]),
        )
        triggers = laws.append_only("signal")

    def __str__(self) -> str:
        """Return the source and the entity."""
        return f"{self.source_id} on {self.entity_type}:{self.entity_id}"
