"""What is offered: pools and their slots."""

import uuid

from django.contrib.postgres.functions import RandomUUID
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Cast, Now

from config import history, laws

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
            models.Index(name="slot_by_time", fields=["-created_at", "-id"]),
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
