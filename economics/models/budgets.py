"""What may be spent: envelopes, their lines, and what stands against each line in each of its windows."""

import pgtrigger
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Cast, Floor, Now

from config import laws, requests
from economics.models.ceilings import MOST_AMOUNT, WINDOWS, Window, ceiling

# A weight that is raised against the gate is refused; one that the gate closes behind falls to 0.
_MARKET_LIFTS = f"""
    IF NEW.granted_at IS NOT NULL AND NEW.granted_by <> '' AND NEW.state <> 'capped' AND NEW.priority_score >= (
        SELECT score_threshold FROM economics_worth_policies ORDER BY version DESC LIMIT 1) THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.market_weight <= OLD.market_weight THEN
        NEW.market_weight := 0;
        RETURN NEW;
    END IF;
    {
    laws.refusal(
        "envelope_market_lifts_only_what_was_granted",
        "the market lifts only what the Senate granted, scored high enough and not capped",
    )
}
"""  # noqa: S608 - the law's name and sentence are constants


class Envelope(models.Model):
    """The budget of one entity: base ceilings for a window. NULL is no ceiling, 0 is nothing allowed.

    `effective = floor(base * (1 + market_weight))`, kept by the database; grants come on top (see `Grant`). The
    ceilings stand in `Line` rows as well, which the database keeps equal to the columns here.
    """

    class State(models.TextChoices):
        """`capped` lets no market weight lift it, `frozen` lets nothing be spent."""

        ACTIVE = "active"
        CAPPED = "capped"
        FROZEN = "frozen"

    entity_type = models.TextField()
    entity_id = models.TextField()
    window_kind = models.TextField(choices=Window, default="month", db_default="month")
    token_budget = models.BigIntegerField(default=0, db_default=0, help_text="LLM tokens in a window.")
    cpu_budget = models.DecimalField(
        max_digits=24, decimal_places=6, default=0, db_default=0, help_text="CPU seconds in a window."
    )
    storage_budget_gb = models.DecimalField(
        max_digits=24,
        decimal_places=6,
        null=True,
        blank=True,
        help_text="GB kept; its ceiling is this times the hours of the window.",
    )
    api_call_budget = models.BigIntegerField(null=True, blank=True, help_text="Calls in a window.")
    request_token_cap = models.BigIntegerField(null=True, blank=True, help_text="Most LLM tokens in one reservation.")
    priority_score = models.DecimalField(max_digits=12, decimal_places=6, default=0, db_default=0)
    market_weight = models.DecimalField(
        max_digits=12, decimal_places=6, default=0, db_default=0, help_text="-0.5 to 1; lifts or lowers every ceiling."
    )
    market_signal = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    roi_score = models.DecimalField(max_digits=30, decimal_places=15, null=True, blank=True)
    effective_token_budget = models.GeneratedField(
        expression=Cast(
            Floor(F("token_budget") * (Value(1, models.DecimalField()) + F("market_weight"))), models.BigIntegerField()
        ),
        output_field=models.BigIntegerField(),
        db_persist=True,
    )
    effective_cpu_budget = models.GeneratedField(
        expression=Floor(F("cpu_budget") * (Value(1, models.DecimalField()) + F("market_weight"))),
        output_field=models.DecimalField(max_digits=24, decimal_places=6),
        db_persist=True,
    )
    state = models.TextField(choices=State, default="active", db_default="active")
    state_reason = models.TextField(blank=True, default="", db_default="")
    frozen_by_check = models.BooleanField(
        default=False, db_default=False, help_text="Set by the daily check, which lifts it again; else by a person."
    )
    frozen_until = models.DateTimeField(
        null=True, blank=True, help_text="End of the window the check froze it for; empty for a lifetime."
    )
    granted_at = models.DateTimeField(null=True, blank=True, help_text="When the Senate granted it.")
    granted_by = models.TextField(blank=True, default="", db_default="")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        """Laws: one envelope per entity, sane ceilings, a frozen one has a reason and somebody who froze it."""

        db_table = "resource_budgets"
        constraints = (
            models.UniqueConstraint(name="envelope_once_per_entity", fields=["entity_type", "entity_id"]),
            models.CheckConstraint(name="envelope_entity_named", condition=~Q(entity_type="") & ~Q(entity_id="")),
            models.CheckConstraint(name="envelope_window_known", condition=Q(window_kind__in=WINDOWS)),
            models.CheckConstraint(
                name="envelope_ceilings_sane",
                condition=ceiling("token_budget", required=True)
                & ceiling("cpu_budget", required=True)
                & ceiling("storage_budget_gb")
                & ceiling("api_call_budget")
                & ceiling("request_token_cap"),
            ),
            models.CheckConstraint(
                name="envelope_scores_are_numbers",  # NaN is above every number
                condition=Q(priority_score__lt=10**6)
                & (Q(market_signal=None) | Q(market_signal__lt=10**6))
                & (Q(roi_score=None) | Q(roi_score__lt=10**15)),
            ),
            models.CheckConstraint(
                name="envelope_market_weight_bounded",
                condition=Q(market_weight__gte="-0.5", market_weight__lte=1),
            ),
            models.CheckConstraint(
                name="envelope_capped_without_market", condition=~Q(state="capped") | Q(market_weight__lte=0)
            ),
            models.CheckConstraint(name="envelope_state_known", condition=Q(state__in=["active", "capped", "frozen"])),
            models.CheckConstraint(
                name="envelope_frozen_for_a_reason", condition=~Q(state="frozen") | ~Q(state_reason="")
            ),
            models.CheckConstraint(
                name="envelope_only_the_check_sets_an_end",
                condition=Q(state="frozen", frozen_by_check=True) | Q(frozen_by_check=False, frozen_until=None),
            ),
        )
        indexes = (
            models.Index(name="envelope_by_priority", fields=["-priority_score"]),
            models.Index(name="envelope_by_market_weight", fields=["-market_weight"]),
            models.Index(name="envelope_by_roi", fields=["-roi_score"]),
        )
        triggers = (
            laws.fixed("envelope_entity_is_fixed", "id", "entity_type", "entity_id"),
            pgtrigger.Trigger(
                name="envelope_market_lifts_only_what_was_granted",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert
                | pgtrigger.UpdateOf("market_weight", "priority_score", "granted_at", "granted_by", "state"),
                condition=pgtrigger.Q(new__market_weight__gt=0),
                func=_MARKET_LIFTS,
            ),
            laws.kept("envelope_never_vanishes"),
            laws.never_truncated("envelope_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the entity."""
        return f"{self.entity_type}:{self.entity_id}"


class Line(models.Model):
    """One ceiling: of a class, whole or of one tier (LLM tokens) or provider (API calls), in one kind of window.

    `qualifier` is the tier or provider, empty for the class as a whole. The line without an envelope is the fleet's:
    its unit is USD.
    """

    envelope = models.ForeignKey(Envelope, null=True, on_delete=models.PROTECT, related_name="lines")
    resource_type = models.TextField()
    qualifier = models.TextField(blank=True, default="", db_default="")
    window_kind = models.TextField(choices=Window)
    base = models.DecimalField(max_digits=24, decimal_places=6, null=True, blank=True)
    is_named = models.BooleanField(default=False, db_default=False, help_text="Kept equal to a column.")

    class Meta:
        """Laws: one line of each kind, and no line ever goes: its counters are the record."""

        db_table = "economics_lines"
        constraints = (
            models.UniqueConstraint(
                name="line_once",
                fields=["envelope", "resource_type", "qualifier", "window_kind"],
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="line_kind_known",
                condition=Q(window_kind__in=WINDOWS)
                & (
                    Q(envelope=None, resource_type="usd", qualifier="", window_kind="day")
                    | Q(envelope__isnull=False, resource_type__in=["llm_tokens", "api_calls"])
                    | Q(envelope__isnull=False, resource_type__in=["cpu_seconds", "storage_gb_hours"], qualifier="")
                ),
            ),
            models.CheckConstraint(name="line_base_sane", condition=ceiling("base")),
        )
        triggers = (
            laws.fixed("line_is_fixed", "id", "envelope_id", "resource_type", "qualifier", "window_kind"),
            laws.derived(
                "line_named_follows_its_column",
                "base",
                "is_named",
                when=pgtrigger.Q(old__is_named=True) | pgtrigger.Q(new__is_named=True),
            ),
            laws.derived_row("line_named_only_by_a_column", pgtrigger.Q(new__is_named=False)),
            laws.kept("line_never_vanishes"),
            laws.never_truncated("line_never_truncated"),
        )

    def __str__(self) -> str:
        """Return class, qualifier and window."""
        return " ".join(part for part in (self.resource_type, self.qualifier, f"per {self.window_kind}") if part)


class Counter(models.Model):
    """What stands against a line in one window: `settled` was used, `held` is reserved. Both follow other rows."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="counters", db_index=False)  # by its law
    window_start = models.DateTimeField()
    settled = models.DecimalField(max_digits=36, decimal_places=12, default=0, db_default=0)
    held = models.DecimalField(max_digits=36, decimal_places=12, default=0, db_default=0)

    class Meta:
        """Laws: one counter per window, nothing negative; it moves only when usage and reservations are written."""

        db_table = "economics_counters"
        constraints = (
            models.UniqueConstraint(name="counter_once_per_window", fields=["line", "window_start"]),
            models.CheckConstraint(name="counter_not_negative", condition=Q(settled__gte=0, held__gte=0)),
        )
        # With the line, so that a plan made while there were few windows is as good on either index for ever after.
        indexes = (models.Index(name="counter_by_window", fields=["window_start", "line"]),)
        triggers = (
            laws.fixed("counter_is_fixed", "id", "line_id", "window_start"),
            laws.derived("counter_follows_usage_and_reservations", "settled", "held"),
            laws.derived_row("counter_opens_empty", pgtrigger.Q(new__settled=0, new__held=0)),
            laws.derived_end("counter_never_vanishes"),
            laws.never_truncated("counter_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the start of the window."""
        return self.window_start.isoformat()


class Grant(models.Model):
    """An addition to one line in each window from the first to the last; it lapses by itself."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="grants")
    amount = models.DecimalField(max_digits=24, decimal_places=6)
    first_window = models.DateTimeField()
    last_window = models.DateTimeField()
    reason = models.TextField()
    granted_by = models.TextField()
    cause_kind = models.TextField(blank=True, default="", db_default="")
    cause_id = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="Ended early.")

    class Meta:
        """Laws: positive, in order of time, never changed but for an early end."""

        db_table = "economics_grants"
        constraints = (
            models.CheckConstraint(name="grant_amount_positive", condition=Q(amount__gt=0, amount__lte=MOST_AMOUNT)),
            models.CheckConstraint(name="grant_windows_in_order", condition=Q(last_window__gte=F("first_window"))),
        )
        indexes = (models.Index(name="grant_by_line", fields=["line", "last_window"]),)
        triggers = (
            laws.fixed(
                "grant_is_fixed",
                *("id", "line_id", "amount", "first_window", "last_window", "reason", "granted_by"),
                *("cause_kind", "cause_id", "created_at"),
            ),
            laws.once("grant_stays_ended", "ended_at"),
            laws.kept("grant_never_vanishes"),
            laws.never_truncated("grant_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the amount."""
        return f"+{self.amount.normalize():f}"


class Revision(models.Model):
    """What changed on an envelope, written by the database whatever program changed it.

    `changes` maps a column, or a line as `llm_tokens frontier per day`, to `[old, new]`.
    """

    envelope = models.ForeignKey(Envelope, on_delete=models.PROTECT, related_name="revisions")
    at = models.DateTimeField(db_default=Now())
    who = models.TextField(default="", db_default="")
    why = models.TextField(default="", db_default="")
    cause_kind = models.TextField(default="", db_default="", help_text="proposal, review, freeze, …")
    cause_id = models.TextField(default="", db_default="")
    request_id = models.TextField(db_default=requests.OF_TRANSACTION)
    changes = models.JSONField()

    class Meta:
        """Law: written once."""

        db_table = "economics_revisions"
        indexes = (models.Index(name="revision_by_envelope", fields=["envelope", "-id"]),)
        triggers = laws.append_only("revision")

    def __str__(self) -> str:
        """Return the moment."""
        return self.at.isoformat()


class Pause(models.Model):
    """A stop put on all spending of the fleet, or of one agent, by a person. It takes effect on the next call."""

    agent = models.ForeignKey(
        "config.Agent", null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="None: the fleet."
    )
    reason = models.TextField()
    began_at = models.DateTimeField()
    began_by = models.TextField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.TextField(blank=True, default="", db_default="")

    class Meta:
        """Laws: one pause at a time, for a reason; it ends once."""

        db_table = "economics_pauses"
        constraints = (
            models.UniqueConstraint(
                name="pause_one_at_a_time", fields=["agent"], condition=Q(ended_at=None), nulls_distinct=False
            ),
            models.CheckConstraint(name="pause_for_a_reason", condition=~Q(reason="") & ~Q(began_by="")),
            models.CheckConstraint(
                name="pause_ended_by_somebody",
                condition=Q(ended_at=None, ended_by="") | (Q(ended_at__isnull=False) & ~Q(ended_by="")),
            ),
        )
        triggers = (
            laws.fixed("pause_is_fixed", "id", "agent_id", "reason", "began_at", "began_by"),
            laws.once("pause_stays_ended", "ended_at"),
            laws.kept("pause_never_vanishes"),
            laws.never_truncated("pause_never_truncated"),
        )

    def __str__(self) -> str:
        """Return whom it stops."""
        return self.agent_id or "the fleet"
