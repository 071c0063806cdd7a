"""What is asked for: tasks to be run in slots, and the bids for them."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from auction.models.market import NEW_ID, Pool, new_id
from config import laws
from economics.money import MOST_USD


class Task(models.Model):
    """A piece of work to be run in a slot. Its one owner wallet bids, pays, and gets releases and forfeits.

    `expected_value_usd` is as stated, or made by `valuation.score_all` where `value_if_works_usd` is given.
    """

    class State(models.TextChoices):
        """`taken`: it has a live clear."""

        OPEN = "open"
        TAKEN = "taken"
        DONE = "done"
        CANCELLED = "cancelled"

    id = models.TextField(primary_key=True, default=new_id, db_default=NEW_ID)
    wallet = models.ForeignKey("economics.Account", on_delete=models.PROTECT, related_name="+")
    filed_by = models.ForeignKey("config.Agent", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    filed_by_kind = models.CharField(max_length=16, null=True, blank=True)  # noqa: DJ001 - half of a composite key
    title = models.CharField(max_length=300, blank=True, default="", db_default="")
    entity_type = models.TextField(blank=True, default="", db_default="")
    entity_id = models.TextField(blank=True, default="", db_default="")
    expected_value_usd = models.DecimalField(max_digits=30, decimal_places=12, default=0, db_default=0)
    quest = models.ForeignKey(
        "auction.Quest", null=True, blank=True, on_delete=models.PROTECT, related_name="tasks", db_index=False
    )
    value_if_works_usd = models.DecimalField(
        max_digits=30, decimal_places=12, null=True, blank=True, help_text="Value in USD if it works."
    )
    chance = models.DecimalField(
        max_digits=7, decimal_places=6, null=True, blank=True, help_text="That it works: 0 to 1; none: certain."
    )
    cost_usd = models.DecimalField(
        max_digits=30, decimal_places=12, null=True, blank=True, help_text="Expected cost in USD."
    )
    expected_cost_tokens = models.BigIntegerField(
        null=True, blank=True, help_text="LLM tokens (a resource, not money) that its envelope is asked for."
    )
    model = models.TextField(blank=True, default="", db_default="", help_text="Language model it is expected to use.")
    priority_used = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, editable=False, help_text="Priority of its entity when scored."
    )
    scored_at = models.DateTimeField(null=True, editable=False)
    state = models.CharField(max_length=16, choices=State, default=State.OPEN, db_default="open")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    closed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        """Laws; that a grader files none is a composite foreign key made in the migration."""

        db_table = "auction_tasks"
        constraints = (
            models.CheckConstraint(
                name="task_state_known", condition=Q(state__in=["open", "taken", "done", "cancelled"])
            ),
            models.CheckConstraint(
                name="task_value_is_usd", condition=Q(expected_value_usd__gte=0, expected_value_usd__lt=MOST_USD)
            ),
            models.CheckConstraint(name="task_id_given", condition=~Q(id="")),
            models.CheckConstraint(
                name="task_parts_sane",
                condition=(Q(value_if_works_usd=None) | Q(value_if_works_usd__gte=0, value_if_works_usd__lt=MOST_USD))
                & (Q(chance=None) | Q(chance__gte=0, chance__lte=1))
                & (Q(cost_usd=None) | Q(cost_usd__gte=0, cost_usd__lt=MOST_USD))
                & (Q(expected_cost_tokens=None) | Q(expected_cost_tokens__gte=0)),
            ),
            models.CheckConstraint(
                name="task_cost_names_a_model", condition=Q(expected_cost_tokens=None) | ~Q(model="")
            ),
            models.CheckConstraint(
                name="task_entity_whole",
                condition=Q(entity_type="", entity_id="") | (~Q(entity_type="") & ~Q(entity_id="")),
            ),
            models.CheckConstraint(
                name="task_never_of_a_grader",
                condition=Q(filed_by=None, filed_by_kind=None)
                | (Q(filed_by__isnull=False, filed_by_kind__isnull=False) & ~Q(filed_by_kind="grader")),
            ),
        )
        indexes = (
            models.Index(name="task_by_wallet", fields=["wallet", "state"]),
            models.Index(name="task_by_time", fields=["-created_at", "-id"]),
            models.Index(
                name="task_open_of_quest", fields=["quest", "-expected_value_usd", "id"], condition=Q(state="open")
            ),
        )
        triggers = (
            laws.forwards(
                "task_states_only_forwards",
                "state",
                [("open", "taken"), ("taken", "open"), ("taken", "done"), ("open", "done"), ("open", "cancelled")],
            ),
            laws.fixed("task_owner_is_fixed", "id", "wallet_id", "quest_id"),
            laws.never_truncated("task_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the id."""
        return self.id


class Bid(models.Model):
    """An offer to buy one slot for one task at no more than `max_price_tokens` wallet tokens, which never changes."""

    class Status(models.TextChoices):
        """Where a bid is."""

        OPEN = "open"
        WON = "won"
        LOST = "lost"
        EXPIRED = "expired"
        CANCELLED = "cancelled"

    class TimeInForce(models.TextChoices):
        """How long it stands."""

        ROUND = "round", "round: for the next round that sells"
        GTD = "gtd", "gtd: rests until ttl_at"

    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="bids", db_index=False)
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="bids", db_index=False)
    account = models.ForeignKey("economics.Account", on_delete=models.PROTECT, related_name="+", db_index=False)
    bidder_id = models.TextField(help_text="The owner of the wallet: an agent's or a quest's id.")
    max_price_tokens = models.BigIntegerField()
    expected_value_usd = models.DecimalField(max_digits=30, decimal_places=12, default=0, db_default=0)
    time_in_force = models.CharField(max_length=8, choices=TimeInForce, default=TimeInForce.ROUND, db_default="round")
    placed_at = models.DateTimeField(db_default=Now())
    ttl_at = models.DateTimeField()
    status = models.CharField(max_length=16, choices=Status, default=Status.OPEN, db_default="open")
    is_automatic = models.BooleanField(
        default=False, db_default=False, help_text="Placed by its quest's strategy, which may replace it."
    )
    closed_at = models.DateTimeField(null=True)
    round = models.ForeignKey(
        "auction.Round", null=True, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )

    class Meta:
        """Laws of the book, and the indexes its hot paths read."""

        db_table = "compute_auction_bids"
        constraints = (
            models.CheckConstraint(
                name="bid_status_known", condition=Q(status__in=["open", "won", "lost", "expired", "cancelled"])
            ),
            models.CheckConstraint(name="bid_price_positive", condition=Q(max_price_tokens__gte=1)),
            models.CheckConstraint(
                name="bid_value_is_usd", condition=Q(expected_value_usd__gte=0, expected_value_usd__lt=MOST_USD)
            ),
            models.CheckConstraint(name="bid_ttl_after_placing", condition=Q(ttl_at__gt=F("placed_at"))),
            models.CheckConstraint(name="bid_time_in_force_known", condition=Q(time_in_force__in=["round", "gtd"])),
            models.CheckConstraint(
                name="bid_closed_when_not_open",
                condition=Q(status="open", closed_at=None) | (~Q(status="open") & Q(closed_at__isnull=False)),
            ),
            models.UniqueConstraint(
                name="bid_one_open_per_task",
                fields=["task"],
                condition=Q(status="open"),
                violation_error_code="task_has_open_bid",
            ),
        )
        indexes = (
            models.Index("status", F("max_price_tokens").desc(), name="bid_status_price"),
            models.Index(
                "pool",
                F("max_price_tokens").desc(),
                "placed_at",
                "id",
                name="bid_book",
                condition=Q(status="open"),
                include=["account", "task", "ttl_at"],
            ),
            models.Index(name="bid_open_until", fields=["pool", "time_in_force", "ttl_at"], condition=Q(status="open")),
            models.Index(name="bid_by_wallet", fields=["account", "-id"]),
            models.Index(name="bid_automatic", fields=["account"], condition=Q(status="open", is_automatic=True)),
        )
        triggers = (
            laws.fixed(
                "bid_terms_are_fixed",
                *("id", "pool_id", "task_id", "account_id", "bidder_id"),
                *("max_price_tokens", "placed_at", "ttl_at", "time_in_force", "is_automatic"),
            ),
            laws.forwards(
                "bid_states_only_forwards",
                "status",
                [("open", "won"), ("open", "lost"), ("open", "expired"), ("open", "cancelled")],
            ),
            laws.kept("bid_open_never_vanishes", pgtrigger.Q(old__status="open")),
            laws.never_truncated("bid_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the id."""
        return f"bid {self.pk}"
