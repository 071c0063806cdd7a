"""What rounds decided and what came of it: rounds, clears, payouts, audit passes."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, NullIf

from auction.models.book import Bid, Task
from auction.models.market import Pool, Slot
from config import laws
from economics.money import MOST_USD

LIVE = ["sold", "running"]
ENDED = ["finished", "lapsed", "forfeited", "withdrawn", "blocked"]
CAPTURED = ["finished", "lapsed", "forfeited"]


_STAYS_ITS_TIME = f"""
    IF OLD.cleared_at > now() - coalesce((SELECT rounds_days FROM config_retention), 36500) * interval '1 day'
       OR OLD.cleared_at = (SELECT last_round_at FROM auction_pools WHERE id = OLD.pool_id) THEN
        {laws.refusal("round_stays_its_time", "a round stays as long as the policy of retention says")}
    END IF;
    RETURN OLD;
"""  # noqa: S608 - the law's name and sentence are constants


class Round(models.Model):
    """One clearing of one pool's book, with all that is needed to compute it again."""

    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="rounds")
    cycle_at = models.DateTimeField(help_text="Start of the cycle: a pool has one round in each.")
    cleared_at = models.DateTimeField()
    pricing_rule = models.CharField(max_length=16)
    market_price_tokens = models.BigIntegerField(null=True, help_text="The highest losing number; none when unsold.")
    slots_offered = models.IntegerField()
    slots_sold = models.IntegerField()
    bids_lost = models.IntegerField()
    charged_tokens = models.BigIntegerField()
    premium_tokens = models.BigIntegerField(help_text="Released to winners at once.")
    parameters = models.JSONField()
    frontier = models.JSONField(help_text="Winning and the highest losing numbers: enough to compute every field.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of parameters, frontier and result.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Laws: one round per cycle, and it never changes. One that sold stays; others for as long as the policy says.

        The last one of its pool stays, too: what the pool says of its last round is audited against it.
        """

        db_table = "compute_auction_rounds"
        constraints = (
            models.UniqueConstraint(name="round_once_per_cycle", fields=["pool", "cycle_at"]),
            models.CheckConstraint(
                name="round_sells_no_more_than_offered",
                condition=Q(slots_sold__gte=0, slots_sold__lte=F("slots_offered")),
            ),
            models.CheckConstraint(
                name="round_price_when_sold",
                condition=Q(slots_sold=0, market_price_tokens=None)
                | Q(slots_sold__gt=0, market_price_tokens__isnull=False, market_price_tokens__gte=0),
            ),
        )
        indexes = (models.Index(name="round_by_time", fields=["pool", "-cleared_at"]),)
        triggers = (
            laws.unchanged("round_never_changes"),
            laws.kept("round_that_sold_never_vanishes", pgtrigger.Q(old__slots_sold__gt=0)),
            pgtrigger.Trigger(
                name="round_stays_its_time",
                when=pgtrigger.Before,
                operation=pgtrigger.Delete,
                condition=pgtrigger.Q(old__slots_sold=0),
                func=_STAYS_ITS_TIME,
            ),
            laws.never_truncated("round_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the id."""
        return f"round {self.pk}"


class Payout(models.Model):
    """One sweep of a pool's revenue to the treasury and of the rewards due, once per pool and cycle."""

    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="payouts")
    cycle_at = models.DateTimeField()
    swept_tokens = models.BigIntegerField()
    due_tokens = models.BigIntegerField()
    paid_tokens = models.BigIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        """Laws: one payout per pool and cycle, never more than due."""

        db_table = "auction_payouts"
        constraints = (
            models.UniqueConstraint(name="payout_once_per_cycle", fields=["pool", "cycle_at"]),
            models.CheckConstraint(
                name="payout_no_more_than_due",
                condition=Q(swept_tokens__gte=0, paid_tokens__gte=0, paid_tokens__lte=F("due_tokens")),
            ),
        )
        triggers = laws.append_only("payout")

    def __str__(self) -> str:
        """Return the id."""
        return f"payout {self.pk}"


class Clear(models.Model):
    """One sold slot: who won it, what it costs the winner, and what came of it.

    One that was given in fallback has no round, no bid and no price, and costs nothing.
    """

    class State(models.TextChoices):
        """Sold, then run or not."""

        SOLD = "sold"
        RUNNING = "running"
        FINISHED = "finished"
        LAPSED = "lapsed"
        FORFEITED = "forfeited"
        WITHDRAWN = "withdrawn"
        BLOCKED = "blocked"

    slot = models.OneToOneField(Slot, on_delete=models.PROTECT, related_name="clear")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="clears", db_index=False, db_constraint=False)
    round = models.ForeignKey(Round, null=True, on_delete=models.PROTECT, related_name="clears")
    bid = models.OneToOneField(Bid, null=True, on_delete=models.PROTECT, related_name="clear")
    is_given = models.BooleanField(default=False, db_default=False, help_text="Given in fallback, not sold.")
    account = models.ForeignKey("economics.Account", on_delete=models.PROTECT, related_name="+", db_index=False)
    winning_task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="clears")
    runner_up_task = models.ForeignKey(Task, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    clearing_price_tokens = models.BigIntegerField(help_text="The round's market price; 0 of a slot that was given.")
    charge_tokens = models.BigIntegerField(help_text="What the winner pays.")
    max_price_tokens = models.BigIntegerField()
    premium_tokens = models.GeneratedField(
        expression=F("max_price_tokens") - F("charge_tokens"), output_field=models.BigIntegerField(), db_persist=True
    )
    state = models.CharField(max_length=16, choices=State, default=State.SOLD, db_default="sold")
    cleared_at = models.DateTimeField()
    start_by = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, help_text="When a runner took a quest's win.")
    claim_until = models.DateTimeField(null=True, help_text="From then on another runner may claim it.")
    runner = models.ForeignKey("config.Agent", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    runner_kind = models.CharField(max_length=16, null=True)  # noqa: DJ001 - half of a composite key
    runner_account = models.ForeignKey(
        "economics.Account", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    reservation = models.ForeignKey(
        "economics.Reservation", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    refusal_id = models.BigIntegerField(null=True, help_text="Of the envelope that refused it when it was to start.")
    slot_started_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    slot_finished_at = models.DateTimeField(null=True)
    actual_cost_tokens = models.BigIntegerField(null=True, help_text="LLM tokens used (a resource, not money).")
    cost_model = models.TextField(default="", db_default="")
    over_reported_tokens = models.BigIntegerField(
        default=0, db_default=0, help_text="LLM tokens reported while running beyond the cost: flagged, not booked."
    )
    actual_impact = models.DecimalField(max_digits=30, decimal_places=12, null=True, help_text="Realised value, USD.")
    impact_roi = models.GeneratedField(
        expression=F("actual_impact") / NullIf(F("actual_cost_tokens"), 0),
        output_field=models.DecimalField(max_digits=40, decimal_places=18),
        db_persist=True,
    )
    graded_at = models.DateTimeField(null=True)
    graded_by = models.ForeignKey("config.Agent", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    reward_due_tokens = models.BigIntegerField(null=True)
    reward_paid_tokens = models.BigIntegerField(null=True)
    payout = models.ForeignKey(Payout, null=True, on_delete=models.PROTECT, related_name="clears", db_index=False)

    class Meta:
        """Laws; that a grader runs none is a composite foreign key made in the migration."""

        db_table = "compute_auction_clears"
        constraints = (
            models.CheckConstraint(name="clear_state_known", condition=Q(state__in=LIVE + ENDED)),
            models.CheckConstraint(
                name="clear_sold_by_a_round_or_given",
                condition=Q(is_given=False, round__isnull=False, bid__isnull=False, clearing_price_tokens__isnull=False)
                | Q(
                    is_given=True,
                    round=None,
                    bid=None,
                    runner_up_task=None,
                    clearing_price_tokens=0,
                    charge_tokens=0,
                    max_price_tokens=0,
                ),
            ),
            models.CheckConstraint(
                name="clear_claimed_by_somebody",
                condition=Q(claimed_at=None, claim_until=None)
                | Q(claimed_at__isnull=False, claim_until__isnull=False, runner__isnull=False),
            ),
            models.CheckConstraint(
                name="clear_blocked_by_a_refusal", condition=Q(refusal_id=None) | Q(state="blocked")
            ),
            models.CheckConstraint(
                name="clear_charge_within_bid",
                condition=Q(charge_tokens__gte=0, charge_tokens__lte=F("max_price_tokens")),
            ),
            models.CheckConstraint(
                name="clear_cost_not_negative",
                condition=Q(actual_cost_tokens=None) | Q(actual_cost_tokens__gte=0),
            ),
            models.CheckConstraint(
                name="clear_impact_only_of_finished",
                condition=Q(actual_impact=None)
                | Q(actual_impact__gte=0, actual_impact__lt=MOST_USD, state="finished", graded_at__isnull=False),
            ),
            models.CheckConstraint(
                name="clear_finished_has_cost",
                condition=Q(state="finished", actual_cost_tokens__isnull=False, slot_finished_at__isnull=False)
                | (~Q(state="finished") & Q(actual_cost_tokens=None)),
            ),
            models.CheckConstraint(
                name="clear_running_has_lease",
                condition=~Q(state="running") | Q(slot_started_at__isnull=False, lease_until__isnull=False),
            ),
            models.CheckConstraint(
                name="clear_reward_within_due",
                condition=Q(reward_paid_tokens=None, payout=None)
                | Q(
                    reward_paid_tokens__gte=0,
                    reward_paid_tokens__lte=F("reward_due_tokens"),
                    reward_due_tokens__isnull=False,
                    payout__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="clear_never_run_by_a_grader",
                condition=Q(runner=None, runner_kind=None)
                | (Q(runner__isnull=False, runner_kind__isnull=False) & ~Q(runner_kind="grader")),
            ),
            models.UniqueConstraint(
                name="clear_one_live_per_task", fields=["winning_task"], condition=Q(state__in=LIVE)
            ),
        )
        indexes = (
            models.Index(name="clear_by_wallet", fields=["account", "-id"]),
            models.Index(name="clear_by_pool", fields=["pool", "-cleared_at"]),
            models.Index(name="clear_to_start", fields=["start_by"], condition=Q(state="sold")),
            models.Index(name="clear_to_claim", fields=["account", "pool"], condition=Q(state="sold")),
            models.Index(name="clear_leased", fields=["lease_until"], condition=Q(state="running")),
            models.Index(
                name="clear_reward_due",
                fields=["pool"],
                condition=Q(reward_due_tokens__isnull=False, payout=None),
            ),
        )
        triggers = (
            laws.forwards(
                "clear_states_only_forwards",
                "state",
                [
                    ("sold", "running"),
                    ("sold", "forfeited"),
                    ("sold", "withdrawn"),
                    ("sold", "blocked"),
                    ("running", "finished"),
                    ("running", "lapsed"),
                ],
            ),
            laws.fixed(
                "clear_terms_are_fixed",
                *("slot_id", "pool_id", "round_id", "bid_id", "account_id", "winning_task_id", "runner_up_task_id"),
                *("clearing_price_tokens", "charge_tokens", "max_price_tokens", "cleared_at", "is_given"),
            ),
            laws.fixed(
                "clear_runner_stays_once_it_runs",
                *("runner_id", "runner_kind", "runner_account_id", "claimed_at"),
                when=~pgtrigger.Q(old__state="sold"),
            ),
            laws.fixed(
                "clear_claim_stands_until_its_end",
                "runner_id",
                when=pgtrigger.Q(old__state="sold", old__claim_until__isnull=False)
                & (
                    pgtrigger.Q(new__claimed_at=None) | pgtrigger.Q(new__claimed_at__lt=pgtrigger.F("old__claim_until"))
                ),
            ),
            laws.once(
                "clear_settled_once",
                *("actual_cost_tokens", "actual_impact", "reservation_id", "refusal_id"),
                *("reward_due_tokens", "reward_paid_tokens", "payout_id"),
            ),
            laws.kept("clear_never_vanishes"),
            laws.never_truncated("clear_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the slot's id."""
        return f"clear {self.pk}"


class AuditRun(models.Model):
    """One pass of the audit over all books."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    passed = models.BooleanField()
    differences = models.JSONField(default=list)

    class Meta:
        """Indexed for the last pass."""

        db_table = "auction_audit_runs"
        indexes = (models.Index(name="audit_by_time", fields=["-started_at"]),)

    def __str__(self) -> str:
        """Return the id."""
        return f"audit {self.pk}"
