"""What was spent: an append-only record, one row per call or job."""

from datetime import UTC, datetime

import pgtrigger
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from config import laws

# No program could list a time that Python cannot read, and a row stays.
READABLE = (datetime(1900, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC))


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
    input_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True)
    cache_read_tokens = models.BigIntegerField(null=True, help_text="Part of the input tokens.")
    cache_write_tokens = models.BigIntegerField(null=True, help_text="Part of the input tokens.")
    cost = models.DecimalField(max_digits=30, decimal_places=12, null=True, help_text="USD")
    reported_cost = models.DecimalField(
        max_digits=30, decimal_places=12, null=True, help_text="USD, as the source saw it; counts for nothing."
    )
    price_state = models.GeneratedField(
        expression=models.Case(models.When(cost=None, then=models.Value("unpriced")), default=models.Value("priced")),
        output_field=models.TextField(choices=PriceState),
        db_persist=True,
    )
    price_id = models.BigIntegerField(null=True, help_text="The list price it was priced with.")
    rate = models.DecimalField(max_digits=30, decimal_places=15, null=True, help_text="USD per unit or input token.")
    output_rate = models.DecimalField(max_digits=30, decimal_places=15, null=True, help_text="USD per output token.")
    is_first_list = models.BooleanField(
        default=False, db_default=False, help_text="Used before the first list of its model, and priced with that."
    )
    model = models.TextField(default="", db_default="")
    tier = models.TextField(default="", db_default="")
    provider = models.TextField(default="", db_default="")
    artifact_type = models.TextField(default="", db_default="")
    artifact_id = models.TextField(default="", db_default="")
    agent_id = models.TextField(default="", db_default="", help_text="Who reported it.")
    slot_id = models.TextField(null=True, help_text="The slot it ran in.")  # noqa: DJ001 - most usage has no slot
    reservation_id = models.BigIntegerField(null=True, help_text="The reservation it settled.")
    corrects_id = models.BigIntegerField(null=True, help_text="The row it takes back, in whole or in part.")
    source = models.TextField(default="", db_default="")
    event_id = models.TextField(null=True, help_text="The source's own id: counted once.")  # noqa: DJ001 - optional
    note = models.TextField(default="", db_default="", help_text="Why it was corrected.")
    created_at = models.DateTimeField(db_default=Now())
    timestamp = models.GeneratedField(
        expression=F("created_at"),  # type: ignore[arg-type]  # as above
        output_field=models.DateTimeField(),
        db_persist=True,
    )
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Laws: known classes, sums that add up, an event counts once, rows stay; only a price may still come."""

        db_table = "resource_usage"
        verbose_name_plural = "usage"
        constraints = (
            models.CheckConstraint(
                name="usage_resource_known",
                condition=Q(resource_type__in=["llm_tokens", "cpu_seconds", "storage_gb_hours", "api_calls"]),
            ),
            models.CheckConstraint(
                name="usage_negative_only_to_correct",
                condition=Q(amount__gte=0, corrects_id=None) | Q(amount__lte=0, corrects_id__isnull=False),
            ),
            models.CheckConstraint(
                name="usage_amount_bounded",
                condition=Q(amount__gt=-(10**24), amount__lt=10**24),  # NaN is above every number
            ),
            models.CheckConstraint(
                name="usage_times_readable",
                condition=Q(created_at__gte=READABLE[0], created_at__lt=READABLE[1])
                & Q(recorded_at__gte=READABLE[0], recorded_at__lt=READABLE[1]),
            ),
            models.CheckConstraint(
                name="usage_cost_of_the_sign_of_its_amount",
                condition=Q(cost=None)
                | Q(amount__gte=0, cost__gte=0, cost__lt=10**18)
                | Q(amount__lte=0, cost__lte=0, cost__gt=-(10**18)),
            ),
            models.CheckConstraint(
                name="usage_unpriced_without_price",
                condition=Q(cost__isnull=False) | Q(price_id=None, rate=None, output_rate=None, is_first_list=False),
            ),
            models.CheckConstraint(
                name="usage_tokens_add_up",
                condition=Q(input_tokens=None, output_tokens=None, cache_read_tokens=None, cache_write_tokens=None)
                | Q(
                    resource_type="llm_tokens",
                    input_tokens__isnull=False,
                    output_tokens__isnull=False,
                    amount=F("input_tokens") + F("output_tokens"),
                ),
            ),
            models.UniqueConstraint(
                name="usage_event_once", fields=["source", "event_id"], condition=Q(event_id__isnull=False)
            ),
            models.UniqueConstraint(
                name="usage_settles_once", fields=["reservation_id"], condition=Q(reservation_id__isnull=False)
            ),
        )
        indexes = (
            models.Index(name="usage_by_entity", fields=["entity_type", "entity_id", "created_at"]),
            models.Index(name="usage_by_slot", fields=["slot_id"], condition=Q(slot_id__isnull=False)),
            models.Index(
                *("resource_type", Coalesce("model", models.Value("")), Coalesce("provider", models.Value(""))),
                name="usage_unpriced",
                # An index is read alone only where it holds the very columns that its expressions are made of.
                include=["model", "provider", "amount", "created_at"],
                condition=Q(cost=None),
            ),
            models.Index(name="usage_corrections", fields=["corrects_id"], condition=Q(corrects_id__isnull=False)),
            models.Index(name="usage_by_agent", fields=["agent_id", "-id"]),
            BrinIndex(name="usage_by_time", fields=["created_at"]),
        )
        triggers = (
            laws.fixed(
                "usage_never_changes",
                *("id", "entity_type", "entity_id", "resource_type", "amount", "reported_cost", "model", "tier"),
                *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
                *("provider", "artifact_type", "artifact_id", "agent_id", "slot_id", "reservation_id", "corrects_id"),
                *("source", "event_id", "note", "created_at", "recorded_at"),
            ),
            laws.once_all("usage_priced_once", "cost", "price_id", "rate", "output_rate", "is_first_list"),
            laws.kept("usage_never_vanishes"),
            laws.never_truncated("usage_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the entity and the class."""
        return f"{self.entity_type}:{self.entity_id} {self.resource_type}"


class UsageDay(models.Model):
    """What an entity's usage of one kind, by one agent, came to in a day of the policy's zone. Follows the rows."""

    day = models.DateField()
    entity_type = models.TextField()
    entity_id = models.TextField()
    resource_type = models.TextField(choices=Usage.Resource)
    tier = models.TextField(default="", db_default="")
    provider = models.TextField(default="", db_default="")
    agent_id = models.TextField(default="", db_default="")
    amount = models.DecimalField(max_digits=36, decimal_places=6, default=0, db_default=0)
    cost = models.DecimalField(max_digits=36, decimal_places=12, default=0, db_default=0, help_text="USD")
    unpriced_amount = models.DecimalField(max_digits=36, decimal_places=6, default=0, db_default=0)
    events = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        """Law: one row of each kind a day."""

        db_table = "economics_usage_days"
        verbose_name = "day of usage"
        verbose_name_plural = "days of usage"
        constraints = (
            models.UniqueConstraint(
                name="usage_day_once",
                fields=["day", "entity_type", "entity_id", "resource_type", "tier", "provider", "agent_id"],
            ),
        )
        triggers = (
            laws.fixed(
                "usage_day_is_fixed",
                *("id", "day", "entity_type", "entity_id", "resource_type", "tier", "provider", "agent_id"),
            ),
            laws.derived("usage_day_follows_usage", "amount", "cost", "unpriced_amount", "events"),
            laws.derived_row(
                "usage_day_opens_empty",
                pgtrigger.Q(new__amount=0, new__cost=0, new__unpriced_amount=0, new__events=0),
            ),
            laws.derived_end("usage_day_never_vanishes"),
            laws.never_truncated("usage_day_never_truncated"),
        )
        indexes = (models.Index(name="usage_day_by_entity", fields=["entity_type", "entity_id", "-day"]),)

    def __str__(self) -> str:
        """Return the day and the entity."""
        return f"{self.day} {self.entity_type}:{self.entity_id} {self.resource_type}"
