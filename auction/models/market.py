"""What is offered and what is asked for: pools, slots, tasks and bids."""

import uuid

import pgtrigger
from django.contrib.postgres.functions import RandomUUID
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Cast, Now

from config import history, laws
from economics.money import MOST_USD

NEW_ID = Cast(RandomUUID(), models.TextField())


def new_id() -> str:
    """Return a fresh text id."""
    return str(uuid.uuid4())


# Far beyond use, and near enough that no sum of them leaves a bigint and no typing error fills the disk.
MOST_CAPACITY = 10_000
MOST_REWARD = 10**12


class Pool(models.Model):
    """A class of identical slots with its own book, rounds and rules."""

    class Mode(models.TextChoices):
        """What the pool does each cycle."""

        AUCTION = "auction"
        FALLBACK = "fallback"
        STOPPED = "stopped"

    class Rule(models.TextChoices):
        """What winners are charged."""

        UNIFORM = "uniform", "uniform: all pay the market price"
        VICKREY = "vickrey", "vickrey: an owner pays what its wins displace"

    name = models.SlugField(unique=True, max_length=56)  # its revenue account is named after it
    mode = models.CharField(max_length=16, choices=Mode, default=Mode.AUCTION, db_default="auction")
    pricing_rule = models.CharField(max_length=16, choices=Rule, default=Rule.UNIFORM, db_default="uniform")
    capacity = models.PositiveIntegerField(
        default=4,
        db_default=4,
        validators=[MaxValueValidator(MOST_CAPACITY)],
        help_text="Slots of the house in being (open, sold or running) at any time.",
    )
    cycle_seconds = models.PositiveIntegerField(
        default=60, db_default=60, validators=[MinValueValidator(1)], help_text="One round in each cycle."
    )
    reserve_tokens = models.BigIntegerField(
        default=1,
        db_default=1,
        validators=[MinValueValidator(0)],
        help_text="No slot is sold for less (wallet tokens).",
    )
    min_bid_tokens = models.BigIntegerField(default=1, db_default=1, validators=[MinValueValidator(1)])
    max_bid_tokens = models.BigIntegerField(
        default=1_000_000_000, db_default=1_000_000_000, validators=[MinValueValidator(1)]
    )
    max_ttl_seconds = models.PositiveIntegerField(
        default=7 * 86400,
        db_default=7 * 86400,
        validators=[MinValueValidator(1)],
        help_text="A bid's ttl_at lies no further ahead.",
    )
    start_deadline_seconds = models.PositiveIntegerField(
        default=300,
        db_default=300,
        validators=[MinValueValidator(1)],
        help_text="A winner not started by then forfeits its charge.",
    )
    lease_seconds = models.PositiveIntegerField(
        default=900,
        db_default=900,
        validators=[MinValueValidator(1)],
        help_text="A running slot lapses when no heartbeat comes for so long.",
    )
    usd_per_token = models.DecimalField(
        max_digits=20,
        decimal_places=10,
        default="0.0001",
        db_default="0.0001",
        help_text="USD per wallet token: the only bridge between money and value.",
    )
    reward_rate = models.DecimalField(
        max_digits=7,
        decimal_places=4,
        default="0.5",
        db_default="0.5",
        validators=[MinValueValidator(0)],
        help_text="Reward in tokens per token's worth of realised impact.",
    )
    reward_cap_tokens = models.BigIntegerField(
        default=100_000,
        db_default=100_000,
        validators=[MinValueValidator(0), MaxValueValidator(MOST_REWARD)],
        help_text="Most that one slot's work earns.",
    )
    runner_share = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        default="0.5",
        db_default="0.5",
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Share of a reward that goes to the runner; the payer gets the rest.",
    )
    claim_seconds = models.PositiveIntegerField(
        default=60,
        db_default=60,
        validators=[MinValueValidator(1)],
        help_text="A won slot that its runner has not started by then may be claimed by another.",
    )
    breaker_failures = models.PositiveIntegerField(
        default=3, db_default=3, validators=[MinValueValidator(1)], help_text="Failed rounds in a row begin fallback."
    )
    stale_cycles = models.PositiveIntegerField(
        default=3,
        db_default=3,
        validators=[MinValueValidator(1)],
        help_text="So many cycles without a completed round begin fallback.",
    )
    failures = models.PositiveIntegerField(default=0, db_default=0, editable=False, help_text="In a row, until now.")
    revenue_account = models.OneToOneField(
        "economics.Account", on_delete=models.PROTECT, related_name="+", editable=False
    )
    last_cycle_at = models.DateTimeField(null=True, editable=False)
    last_round_at = models.DateTimeField(null=True, editable=False)
    sells_since = models.DateTimeField(
        null=True, editable=False, help_text="When a stop or a fallback ended last: no earlier round was missed."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        """Laws: known modes and rules, positive times and prices."""

        db_table = "auction_pools"
        constraints = (
            models.CheckConstraint(name="pool_mode_known", condition=Q(mode__in=["auction", "fallback", "stopped"])),
            models.CheckConstraint(name="pool_rule_known", condition=Q(pricing_rule__in=["uniform", "vickrey"])),
            models.CheckConstraint(name="pool_capacity_sane", condition=Q(capacity__lte=MOST_CAPACITY)),
            models.CheckConstraint(
                name="pool_times_positive",
                condition=Q(
                    cycle_seconds__gt=0,
                    max_ttl_seconds__gt=0,
                    start_deadline_seconds__gt=0,
                    lease_seconds__gt=0,
                    claim_seconds__gt=0,
                    breaker_failures__gt=0,
                    stale_cycles__gt=0,
                ),
            ),
            models.CheckConstraint(
                name="pool_prices_sane",
                condition=Q(
                    reserve_tokens__gte=0,
                    min_bid_tokens__gte=1,
                    max_bid_tokens__gte=F("min_bid_tokens"),
                    usd_per_token__gt=0,
                    usd_per_token__lt=10**10,  # NaN is above every number
                ),
            ),
            models.CheckConstraint(
                name="pool_rewards_sane",
                condition=Q(
                    reward_rate__gte=0,
                    reward_rate__lt=1000,
                    reward_cap_tokens__gte=0,
                    reward_cap_tokens__lte=MOST_REWARD,
                    runner_share__gte=0,
                    runner_share__lte=1,
                ),
            ),
        )
        triggers = history.recorded("pool", "last_cycle_at", "last_round_at", "sells_since", "failures")

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Slot(models.Model):
    """An offer of execution time: an ask. One that is offered again is a new row naming the old one."""

    class State(models.TextChoices):
        """Where an offer is; what becomes of a sold one stands on its clear."""

        OPEN = "open"
        SOLD = "sold"
        GIVEN = "given"
        WITHDRAWN = "withdrawn"
        EXPIRED = "expired"

    id = models.TextField(primary_key=True, default=new_id, db_default=NEW_ID)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="slots")
    provider = models.ForeignKey(
        "config.Agent", null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="None: the house."
    )
    provider_kind = models.CharField(max_length=16, null=True, blank=True)  # noqa: DJ001 - half of a composite key
    reserve_tokens = models.BigIntegerField(default=0, db_default=0, help_text="Wallet tokens.")
    available_at = models.DateTimeField()
    offer_until = models.DateTimeField(null=True, blank=True, help_text="The offer lapses then, if not sold.")
    state = models.CharField(max_length=16, choices=State, default=State.OPEN, db_default="open")
    offers_again = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="offered_again_as"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    closed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        """Laws; that a grader provides none is a composite foreign key made in the migration."""

        db_table = "auction_slots"
        constraints = (
            models.CheckConstraint(
                name="slot_state_known", condition=Q(state__in=["open", "sold", "given", "withdrawn", "expired"])
            ),
            models.CheckConstraint(name="slot_reserve_not_negative", condition=Q(reserve_tokens__gte=0)),
            models.CheckConstraint(
                name="slot_offer_has_an_end_after_its_start",
                condition=Q(offer_until=None) | Q(offer_until__gt=F("available_at")),
            ),
            models.CheckConstraint(
                name="slot_never_of_a_grader",
                condition=Q(provider=None, provider_kind=None)
                | (Q(provider__isnull=False, provider_kind__isnull=False) & ~Q(provider_kind="grader")),
            ),
        )
        indexes = (
            models.Index(name="slot_open", fields=["pool", "available_at", "id"], condition=Q(state="open")),
            models.Index(name="slot_offer_ends", fields=["offer_until"], condition=Q(state="open")),
        )
        triggers = (
            laws.forwards(
                "slot_states_only_forwards",
                "state",
                [("open", "sold"), ("open", "given"), ("open", "withdrawn"), ("open", "expired")],
            ),
            laws.never_truncated("slot_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the id."""
        return self.id


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
