"""Programmes with a backlog and a wallet, what their tasks wait for, and each cycle's automatic bids."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from auction.models.book import Task
from auction.models.market import Pool
from config import history, laws


class Quest(models.Model):
    """A programme with a backlog of tasks and a wallet, which bids for them by itself.

    Its id is its programme's own name for it; work of a task without an entity is charged to `('quest', id)`.
    """

    class Strategy(models.TextChoices):
        """How much of a task's value is bid."""

        SOURCE = "source", "source: bid_factor of the value, no more than the wallet's share per task"
        PACED = "paced", "paced: the value, scaled so that the wallet lasts its horizon"

    id = models.TextField(primary_key=True)
    title = models.CharField(max_length=300, blank=True, default="", db_default="")
    account = models.OneToOneField("economics.Account", on_delete=models.PROTECT, related_name="+", editable=False)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="quests")
    programme = models.ForeignKey(
        "config.Agent",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The agent that may change its backlog; none: people only.",
    )
    members_only = models.BooleanField(
        default=False, db_default=False, help_text="Only its members run what it wins; else every worker may."
    )
    is_active = models.BooleanField(default=True, db_default=True, help_text="Inactive: it bids and is given nothing.")
    strategy = models.CharField(max_length=16, choices=Strategy, default=Strategy.SOURCE, db_default="source")
    bid_factor = models.DecimalField(
        max_digits=6,
        decimal_places=4,
        default="0.6",
        db_default="0.6",
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Share of a task's value that is bid (strategy source).",
    )
    horizon_seconds = models.PositiveIntegerField(
        default=86_400,
        db_default=86_400,
        validators=[MinValueValidator(60)],
        help_text="The wallet is to last so long (strategy paced).",
    )
    pace = models.DecimalField(
        max_digits=12,
        decimal_places=9,
        default=1,
        db_default=1,
        editable=False,
        help_text="Share of its value that a paced quest bids now; moves every cycle.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        """Laws: a name, one wallet for good, sane settings; the pair (id, wallet) can be referenced."""

        db_table = "auction_quests"
        constraints = (
            models.CheckConstraint(name="quest_named", condition=~Q(id="")),
            models.CheckConstraint(name="quest_strategy_known", condition=Q(strategy__in=["source", "paced"])),
            models.CheckConstraint(
                name="quest_settings_sane",
                condition=Q(bid_factor__gte=0, bid_factor__lte=1, horizon_seconds__gte=60, pace__gt=0, pace__lte=1),
            ),
            models.UniqueConstraint(name="quest_id_account_once", fields=["id", "account"]),
        )
        triggers = (
            laws.fixed("quest_identity_is_fixed", "id", "account_id"),
            laws.kept("quest_never_vanishes"),
            laws.never_truncated("quest_never_truncated"),
            *history.recorded("quest", "pace"),
        )

    def __str__(self) -> str:
        """Return the id."""
        return self.id


class Member(models.Model):
    """An agent that runs what a quest wins."""

    quest = models.ForeignKey(Quest, on_delete=models.CASCADE, related_name="members")
    agent = models.ForeignKey("config.Agent", on_delete=models.PROTECT, related_name="+")
    agent_kind = models.CharField(max_length=16, default="worker", db_default="worker", editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        """Laws: once per quest; that it is a worker is a composite foreign key made in the migration."""

        db_table = "auction_quest_members"
        constraints = (
            models.UniqueConstraint(name="member_once_per_quest", fields=["quest", "agent"]),
            models.CheckConstraint(name="member_is_a_worker", condition=Q(agent_kind="worker")),
        )

    def __str__(self) -> str:
        """Return the agent's id."""
        return self.agent_id


class Need(models.Model):
    """A task waits for another one to be done. One that is cancelled is never done: who waits for it stays blocked."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="needs", db_index=False)
    needs = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="needed_by")

    class Meta:
        """Laws: once, never itself; that no circle closes is a trigger made in the migration."""

        db_table = "auction_task_needs"
        constraints = (
            models.UniqueConstraint(name="need_once", fields=["task", "needs"]),
            models.CheckConstraint(name="need_never_itself", condition=~Q(task=F("needs"))),
        )
        triggers = (laws.unchanged("need_never_changes"), laws.never_truncated("need_never_truncated"))

    def __str__(self) -> str:
        """Return the needed task's id."""
        return self.needs_id


class BidCycle(models.Model):
    """One cycle's automatic bids in a pool: what was placed, kept and withdrawn, and why tasks did not bid."""

    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="+")
    cycle_at = models.DateTimeField()
    at = models.DateTimeField()
    tasks = models.IntegerField(help_text="Unblocked open tasks of its active quests.")
    placed = models.IntegerField()
    kept = models.IntegerField()
    withdrawn = models.IntegerField()
    placed_tokens = models.BigIntegerField()
    reasons = models.JSONField(default=dict, help_text="How many tasks did not bid, by code.")

    class Meta:
        """Laws: once per cycle, and never changed."""

        db_table = "auction_bid_cycles"
        constraints = (
            models.UniqueConstraint(name="bid_cycle_once", fields=["pool", "cycle_at"]),
            models.CheckConstraint(
                name="bid_cycle_counts", condition=Q(tasks__gte=0, placed__gte=0, kept__gte=0, withdrawn__gte=0)
            ),
        )
        triggers = (laws.unchanged("bid_cycle_never_changes"), laws.never_truncated("bid_cycle_never_truncated"))

    def __str__(self) -> str:
        """Return the cycle."""
        return f"{self.pool_id} {self.cycle_at:%Y-%m-%d %H:%M:%S}"
