"""Who asked to spend and what became of it: reservations, refusals and alerts."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from config import laws
from economics.models.budgets import Envelope, Line
from economics.models.ceilings import MOST_AMOUNT
from economics.models.usage import READABLE


class Reservation(models.Model):
    """A hold on every line of an envelope that an intended use touches, and on the fleet's USD of that day.

    It belongs to the windows of `reserved_at` and is settled there. `amount` is in the unit of its class.
    """

    class State(models.TextChoices):
        """Everything but `open` is an end; what expired can still be settled late."""

        OPEN = "open"
        SETTLED = "settled"
        RELEASED = "released"
        EXPIRED = "expired"

    agent = models.ForeignKey("config.Agent", on_delete=models.PROTECT, related_name="+")
    envelope = models.ForeignKey(Envelope, on_delete=models.PROTECT, related_name="reservations")
    resource_type = models.TextField()
    model = models.TextField(default="", db_default="")
    tier = models.TextField(default="", db_default="")
    provider = models.TextField(default="", db_default="")
    amount = models.DecimalField(max_digits=30, decimal_places=6)
    input_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True)
    usd = models.DecimalField(max_digits=30, decimal_places=12, help_text="Expected cost in USD, held on the fleet.")
    price_id = models.BigIntegerField()
    artifact_type = models.TextField(default="", db_default="")
    artifact_id = models.TextField(default="", db_default="")
    slot_id = models.TextField(null=True)  # noqa: DJ001 - most have no slot
    state = models.TextField(choices=State, default="open", db_default="open")
    reserved_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    settled_late = models.BooleanField(default=False, db_default=False, help_text="Settled after it had expired.")

    class Meta:
        """Laws: positive and lasting, states only forwards, closed exactly when it has an end."""

        db_table = "economics_reservations"
        constraints = (
            models.CheckConstraint(
                name="reservation_sane",
                condition=Q(amount__gt=0, amount__lte=MOST_AMOUNT, usd__gte=0, usd__lt=10**18)
                & Q(expires_at__gt=F("reserved_at")),
            ),
            models.CheckConstraint(
                name="reservation_resource_known",
                condition=Q(resource_type__in=["llm_tokens", "cpu_seconds", "storage_gb_hours", "api_calls"]),
            ),
            models.CheckConstraint(
                name="reservation_times_readable",
                condition=Q(reserved_at__gte=READABLE[0], expires_at__lt=READABLE[1])
                & (Q(closed_at=None) | Q(closed_at__gte=READABLE[0], closed_at__lt=READABLE[1])),
            ),
            models.CheckConstraint(
                name="reservation_state_known", condition=Q(state__in=["open", "settled", "released", "expired"])
            ),
            models.CheckConstraint(
                name="reservation_closed_when_ended",
                condition=Q(state="open", closed_at=None) | (~Q(state="open") & Q(closed_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="reservation_late_only_when_settled", condition=Q(settled_late=False) | Q(state="settled")
            ),
        )
        indexes = (
            models.Index(name="reservation_due", fields=["expires_at"], condition=Q(state="open")),
            models.Index(name="reservation_open_by_envelope", fields=["envelope"], condition=Q(state="open")),
            models.Index(name="reservation_by_agent", fields=["agent", "-id"]),
        )
        triggers = (
            laws.fixed(
                "reservation_is_fixed",
                *("id", "agent_id", "envelope_id", "resource_type", "model", "tier", "provider", "amount", "usd"),
                *("input_tokens", "output_tokens", "price_id", "artifact_type", "artifact_id", "slot_id"),
                "reserved_at",
            ),
            laws.fixed(
                "reservation_is_only_prolonged_and_while_open",
                "expires_at",
                when=~pgtrigger.Q(old__state="open", new__state="open")
                | pgtrigger.Q(new__expires_at__lt=pgtrigger.F("old__expires_at")),
            ),
            laws.forwards(
                "reservation_state_forwards",
                "state",
                [("open", "settled"), ("open", "released"), ("open", "expired"), ("expired", "settled")],
            ),
            laws.kept("reservation_never_vanishes"),
            laws.never_truncated("reservation_never_truncated"),
        )

    def __str__(self) -> str:
        """Return what is reserved."""
        return f"{self.amount.normalize():f} {self.resource_type}"


# Equal ones of a minute share the row, so they are told once.
_TELL_REFUSED = """
    INSERT INTO config_feed (kind, at, owner_type, owner_id, pool, data)
    VALUES ('refused', NEW.last_at, 'agent', NEW.agent_id, '', jsonb_build_object(
            'refusal_id', NEW.id, 'code', NEW.code, 'entity_type', NEW.entity_type, 'entity_id', NEW.entity_id,
            'resource_type', NEW.resource_type, 'model', NEW.model, 'asked', trim_scale(NEW.asked)::text,
            'resets_at', NEW.resets_at));
    RETURN NULL;
"""


class Refusal(models.Model):
    """A reservation that was refused, with the figures of the line that refused it. Equal ones of a minute share it."""

    agent = models.ForeignKey("config.Agent", on_delete=models.PROTECT, related_name="+")
    entity_type = models.TextField()
    entity_id = models.TextField()
    resource_type = models.TextField()
    model = models.TextField(default="", db_default="")
    qualifier = models.TextField(default="", db_default="", help_text="Tier or provider.")
    code = models.TextField()
    line = models.ForeignKey(Line, null=True, on_delete=models.PROTECT, related_name="+")
    asked = models.DecimalField(max_digits=30, decimal_places=6)
    asked_usd = models.DecimalField(max_digits=30, decimal_places=12, null=True)
    limit = models.DecimalField(max_digits=36, decimal_places=12, null=True)
    settled = models.DecimalField(max_digits=36, decimal_places=12, null=True)
    held = models.DecimalField(max_digits=36, decimal_places=12, null=True)
    resets_at = models.DateTimeField(null=True)
    minute = models.DateTimeField()
    times = models.PositiveIntegerField(default=1, db_default=1)
    last_at = models.DateTimeField()

    class Meta:
        """Law: equal refusals of a minute share a row."""

        db_table = "economics_refusals"
        constraints = (
            models.UniqueConstraint(
                name="refusal_once_a_minute",
                fields=[
                    *("minute", "agent", "entity_type", "entity_id", "resource_type", "model", "qualifier"),
                    *("code", "line", "asked"),
                ],
                nulls_distinct=False,
            ),
        )
        indexes = (
            models.Index(name="refusal_by_entity", fields=["entity_type", "entity_id", "-id"]),
            models.Index(name="refusal_by_agent", fields=["agent", "-id"]),
        )
        triggers = (
            pgtrigger.Trigger(
                name="refusal_is_told", when=pgtrigger.After, operation=pgtrigger.Insert, func=_TELL_REFUSED
            ),
        )

    def __str__(self) -> str:
        """Return the code and the entity."""
        return f"{self.code} {self.entity_type}:{self.entity_id}"


class Alert(models.Model):
    """A line whose settled use reached a threshold of its limit: once per window, again after the limit was raised."""

    class Threshold(models.IntegerChoices):
        """Percent of the limit."""

        HALF = 50, "50 %"
        MOST = 80, "80 %"
        ALL = 100, "100 %"

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="alerts")
    window_start = models.DateTimeField()
    threshold = models.PositiveSmallIntegerField(choices=Threshold)
    settled = models.DecimalField(max_digits=36, decimal_places=12)
    limit = models.DecimalField(max_digits=36, decimal_places=12)
    froze = models.BooleanField(default=False, db_default=False, help_text="The envelope was frozen for it.")
    raised_at = models.DateTimeField()
    rearmed_at = models.DateTimeField(null=True, help_text="When the limit had risen so far that it no longer held.")
    seen_at = models.DateTimeField(null=True)
    seen_by = models.TextField(default="", db_default="")

    class Meta:
        """Law: once per line, window and threshold until it is armed again."""

        db_table = "economics_alerts"
        constraints = (
            models.UniqueConstraint(
                name="alert_once_per_window",
                fields=["window_start", "line", "threshold"],
                condition=Q(rearmed_at=None),
            ),
            models.CheckConstraint(name="alert_threshold_known", condition=Q(threshold__in=[50, 80, 100])),
        )
        indexes = (models.Index(name="alert_by_time", fields=["-raised_at"]),)
        triggers = (
            laws.fixed("alert_is_fixed", "id", "line_id", "window_start", "threshold", "settled", "limit", "raised_at"),
            laws.forwards("alert_froze_for_good", "froze", [(False, True)]),
            laws.once("alert_stays_rearmed_and_seen", "rearmed_at", "seen_at"),
        )

    def __str__(self) -> str:
        """Return the threshold."""
        return f"{self.threshold} %"
