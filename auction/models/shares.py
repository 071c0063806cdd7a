"""Who gets what without a price: the day's proportional split, the stipends it pays, and fallback."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from auction.models.market import Pool
from auction.models.quests import Quest
from config import laws


class StipendDay(models.Model):
    """One day's stipends: the share of the day's issue for quests, and what of it was paid."""

    day = models.DateField(primary_key=True)
    pot_tokens = models.BigIntegerField(help_text="Wallet tokens to be split.")
    paid_tokens = models.BigIntegerField(help_text="Less than the pot where wallets are full; the rest stays.")
    at = models.DateTimeField()

    class Meta:
        """Laws: once a day, never more than the pot."""

        db_table = "auction_stipend_days"
        constraints = (
            models.CheckConstraint(
                name="stipend_day_within_pot", condition=Q(paid_tokens__gte=0, paid_tokens__lte=F("pot_tokens"))
            ),
        )
        triggers = laws.append_only("stipend_day")

    def __str__(self) -> str:
        """Return the day."""
        return self.day.isoformat()


class QuestAllocation(models.Model):
    """A quest's part of the proportional split of one day, with what it follows from."""

    quest = models.ForeignKey(Quest, on_delete=models.PROTECT, related_name="allocations")
    day = models.DateField()
    tokens = models.BigIntegerField(help_text="Its part of the day's pot, in wallet tokens.")
    share = models.DecimalField(max_digits=20, decimal_places=18, help_text="Its part of the whole.")
    value_usd = models.DecimalField(
        max_digits=34, decimal_places=12, default=0, db_default=0, help_text="Expected value of its best tasks."
    )
    reliability = models.DecimalField(
        max_digits=20,
        decimal_places=18,
        default=1,
        db_default=1,
        help_text="0 to 1: what its last graded wins brought, by what they had promised.",
    )
    paid_tokens = models.BigIntegerField(
        default=0, db_default=0, help_text="Less than its part where its wallet is full."
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Laws: one row per quest and day."""

        db_table = "quest_budget_allocations"
        constraints = (
            models.UniqueConstraint(name="allocation_once_per_day", fields=["quest", "day"]),
            models.CheckConstraint(
                name="allocation_sane",
                condition=Q(
                    tokens__gte=0, paid_tokens__gte=0, paid_tokens__lte=F("tokens"), share__gte=0, share__lte=1
                ),
            ),
            models.CheckConstraint(
                name="allocation_figures_are_numbers",  # NaN is above every number
                condition=Q(value_usd__gte=0, value_usd__lt=10**22, reliability__gte=0, reliability__lte=1),
            ),
        )
        indexes = (models.Index(name="allocation_by_day", fields=["-day"]),)
        triggers = laws.append_only("allocation")

    def __str__(self) -> str:
        """Return quest and day."""
        return f"{self.quest_id} {self.day}"


class Fallback(models.Model):
    """A time in which a pool gave its slots by the split instead of selling them."""

    class Why(models.TextChoices):
        """What began it."""

        FAILURES = "failures", "rounds failed again and again"
        STALE = "stale", "no round was completed for too long"
        HAND = "by hand", "by hand"

    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="fallbacks")
    why = models.CharField(max_length=16, choices=Why)
    note = models.TextField(default="", db_default="")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(default="", db_default="", help_text="A round, or the person who ended it.")

    class Meta:
        """Laws: one at a time in a pool; it ends once."""

        db_table = "auction_fallbacks"
        constraints = (
            models.UniqueConstraint(name="fallback_one_at_a_time", fields=["pool"], condition=Q(ended_at=None)),
            models.CheckConstraint(name="fallback_why_known", condition=Q(why__in=["failures", "stale", "by hand"])),
            models.CheckConstraint(
                name="fallback_ends_after_it_began", condition=Q(ended_at=None) | Q(ended_at__gte=F("began_at"))
            ),
        )
        triggers = (
            laws.fixed("fallback_beginning_is_fixed", "id", "pool_id", "why", "began_at"),
            laws.once("fallback_ends_once", "ended_at"),
            laws.kept("fallback_never_vanishes"),
            laws.never_truncated("fallback_never_truncated"),
        )

    def __str__(self) -> str:
        """Return why."""
        return self.get_why_display()


class FallbackShare(models.Model):
    """An owner's part of the slots a pool gives on one day, and how many it was given."""

    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="+", db_index=False)
    day = models.DateField()
    account = models.ForeignKey("economics.Account", on_delete=models.PROTECT, related_name="+", db_index=False)
    share = models.DecimalField(max_digits=20, decimal_places=18)
    given = models.IntegerField(default=0, db_default=0)

    class Meta:
        """Laws: one row per pool, day and owner."""

        db_table = "auction_fallback_shares"
        constraints = (
            models.UniqueConstraint(name="fallback_share_once", fields=["pool", "day", "account"]),
            models.CheckConstraint(name="fallback_share_sane", condition=Q(share__gte=0, share__lte=1, given__gte=0)),
        )

    def __str__(self) -> str:
        """Return the share."""
        return f"{self.share:.3f}"
