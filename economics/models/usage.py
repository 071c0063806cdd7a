"""What was spent: an append-only record, one row per call or job."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from config import laws


class Usage(models.Model):
    """A resource used for an entity. `amount` is in the unit of its class: tokens, seconds, GB-hours or calls.

    `created_at` is the time of use, `recorded_at` that of arrival. `cost` is in USD; NULL means nobody has priced
    it yet, never that it was free.
    """

    class Resource(models.TextChoices):
        """The four classes of the framework."""

        LLM_TOKENS = "llm_tokens"
        CPU_SECONDS = "cpu_seconds"
        STORAGE_GB_HOURS = "storage_gb_hours"
        API_CALLS = "api_calls"

    class PriceState(models.TextChoices):
        """Whether `cost` is known."""

        UNPRICED = "unpriced"
        PRICED = "priced"

    entity_type = models.TextField()
    entity_id = models.TextField()
    resource_type = models.TextField(choices=Resource)
    amount = models.DecimalField(max_digits=30, decimal_places=6)
    amount_used = models.GeneratedField(
        expression=F("amount"),  # type: ignore[arg-type]  # an F is an expression to Django
        output_field=models.DecimalField(max_digits=30, decimal_places=6),
        db_persist=True,
    )
    cost = models.DecimalField(max_digits=30, decimal_places=12, null=True, help_text="USD")
    price_state = models.TextField(choices=PriceState, default="unpriced", db_default="unpriced")
    model = models.TextField(default="", db_default="")
    tier = models.TextField(default="", db_default="")
    provider = models.TextField(default="", db_default="")
    artifact_type = models.TextField(default="", db_default="")
    artifact_id = models.TextField(default="", db_default="")
    agent_id = models.TextField(default="", db_default="", help_text="Who reported it.")
    slot_id = models.TextField(null=True, help_text="The slot it ran in.")  # noqa: DJ001 - most usage has no slot
    source = models.TextField(default="", db_default="")
    event_id = models.TextField(null=True, help_text="The source's own id: counted once.")  # noqa: DJ001 - optional
    created_at = models.DateTimeField(db_default=Now())
    timestamp = models.GeneratedField(
        expression=F("created_at"),  # type: ignore[arg-type]  # as above
        output_field=models.DateTimeField(),
        db_persist=True,
    )
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Laws: classes are known, amounts are not negative, an event counts once, rows stay."""

        db_table = "resource_usage"
        verbose_name_plural = "usage"
        constraints = (
            models.CheckConstraint(
                name="usage_resource_known",
                condition=Q(resource_type__in=["llm_tokens", "cpu_seconds", "storage_gb_hours", "api_calls"]),
            ),
            models.CheckConstraint(
                name="usage_amount_not_negative",
                condition=Q(amount__gte=0, amount__lt=10**24),  # NaN is above every number
            ),
            models.CheckConstraint(
                name="usage_cost_as_its_state_says",
                condition=Q(price_state="unpriced", cost=None)
                | Q(price_state="priced", cost__isnull=False, cost__gte=0, cost__lt=10**18),
            ),
            models.UniqueConstraint(
                name="usage_event_once", fields=["source", "event_id"], condition=Q(event_id__isnull=False)
            ),
        )
        indexes = (
            models.Index(name="usage_by_entity", fields=["entity_type", "entity_id", "created_at"]),
            models.Index(name="usage_by_slot", fields=["slot_id"], condition=Q(slot_id__isnull=False)),
            BrinIndex(name="usage_by_time", fields=["created_at"]),
        )
        triggers = laws.append_only("usage")

    def __str__(self) -> str:
        """Return the entity and the class."""
        return f"{self.entity_type}:{self.entity_id} {self.resource_type}"
