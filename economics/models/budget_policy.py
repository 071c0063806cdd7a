"""The rules of the fleet's budgets, and what a type is given by default."""

import calendar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from config import history, laws
from economics.models.ceilings import MOST_AMOUNT, WINDOWS, Window, ceiling


class BudgetPolicy(models.Model):
    """The rules of the fleet's budgets: one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, db_default=1, editable=False)
    zone = models.TextField(default="UTC", db_default="UTC", help_text="Time zone in which windows begin.")
    week_starts_on = models.PositiveSmallIntegerField(
        default=1, db_default=1, choices=list(enumerate(calendar.day_name, 1))
    )
    fleet_daily_usd = models.DecimalField(
        max_digits=20,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(MOST_AMOUNT)],
        help_text="Most USD the fleet may spend in a day; empty: no cap.",
    )
    request_token_cap = models.BigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(MOST_AMOUNT)],
        help_text="Most LLM tokens one reservation may ask for; empty: no cap.",
    )
    request_usd_cap = models.DecimalField(
        max_digits=20,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(MOST_AMOUNT)],
        help_text="Most USD one reservation may cost; empty: no cap.",
    )
    reservation_seconds = models.PositiveIntegerField(
        default=600, db_default=600, help_text="Life of a reservation that names none."
    )
    reservation_most_seconds = models.PositiveIntegerField(
        default=86_400, db_default=86_400, help_text="Longest life of a reservation."
    )
    unsplit_output_share = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        default="0.15",
        db_default="0.15",
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Share priced as output where LLM tokens come without their split.",
    )
    safety_seconds = models.PositiveIntegerField(
        default=300, db_default=300, help_text="How often spend is checked against the ceilings."
    )
    last_safety_at = models.DateTimeField(null=True, blank=True, editable=False)
    score_seconds = models.PositiveIntegerField(
        default=3600, db_default=3600, help_text="How often scores are made anew."
    )
    last_scored_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_weighed_on = models.DateField(
        null=True, blank=True, editable=False, help_text="Last day, in this zone, on which market weights moved."
    )
    last_returns_on = models.DateField(
        null=True, blank=True, editable=False, help_text="Last day, in this zone, on which ROI was made anew."
    )

    class Meta:
        """Law: one policy, with sane values."""

        db_table = "economics_policy"
        verbose_name_plural = "budget policy"
        constraints = (
            models.CheckConstraint(name="budget_policy_single", condition=Q(id=1)),
            models.CheckConstraint(
                name="budget_policy_sane",
                condition=Q(
                    week_starts_on__gte=1,
                    week_starts_on__lte=7,
                    reservation_seconds__gte=1,
                    reservation_most_seconds__gte=F("reservation_seconds"),
                    reservation_most_seconds__lte=31_536_000,
                    unsplit_output_share__gte=0,
                    unsplit_output_share__lte=1,
                    safety_seconds__gte=1,
                    score_seconds__gte=1,
                )
                & ceiling("fleet_daily_usd")
                & ceiling("request_token_cap")
                & ceiling("request_usd_cap"),
            ),
        )
        triggers = (
            laws.kept("budget_policy_never_vanishes"),
            laws.never_truncated("budget_policy_never_truncated"),
            *history.recorded(
                "budget_policy", *("last_safety_at", "last_scored_at", "last_weighed_on", "last_returns_on")
            ),
        )

    def __str__(self) -> str:
        """Return the only row's name."""
        return "Budget policy"


class DefaultEnvelope(models.Model):
    """What an entity of this type gets on its first use, once. A type without a row gets nothing."""

    entity_type = models.TextField(primary_key=True)
    window_kind = models.TextField(choices=Window, default="month", db_default="month")
    token_budget = models.BigIntegerField(default=0, db_default=0)
    cpu_budget = models.DecimalField(max_digits=24, decimal_places=6, default=0, db_default=0)
    storage_budget_gb = models.DecimalField(max_digits=24, decimal_places=6, null=True, blank=True)
    api_call_budget = models.BigIntegerField(null=True, blank=True)

    class Meta:
        """Law: ceilings are 0 or more."""

        db_table = "economics_default_envelopes"
        constraints = (
            models.CheckConstraint(
                name="default_envelope_sane",
                condition=~Q(entity_type="")
                & Q(window_kind__in=WINDOWS)
                & ceiling("token_budget", required=True)
                & ceiling("cpu_budget", required=True)
                & ceiling("storage_budget_gb")
                & ceiling("api_call_budget"),
            ),
        )
        triggers = (*history.recorded("default_envelope"), laws.never_truncated("default_envelope_never_truncated"))

    def __str__(self) -> str:
        """Return the type."""
        return self.entity_type
