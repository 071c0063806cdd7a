"""Wallet tokens: accounts, the ledger between them, and how many there may be.

All amounts are whole wallet tokens (money), never LLM tokens (a resource).
"""

import pgtrigger
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from config import history, laws

# Far below the end of bigint, so that no sum of balances comes near it.
MOST_TOKENS = 10**15

# Locks go wallets by id, then revenue accounts, then treasury, then mint: one order everywhere, no deadlock.
_MOVE_BALANCES = """
    PERFORM 1 FROM token_accounts
     WHERE id IN (SELECT debit_account_id FROM posted UNION SELECT credit_account_id FROM posted)
     ORDER BY lock_rank, id FOR NO KEY UPDATE;
    UPDATE token_accounts a SET balance = a.balance + d.delta
      FROM (SELECT account_id, sum(delta)::bigint AS delta
              FROM (SELECT debit_account_id AS account_id, -amount AS delta FROM posted
                    UNION ALL SELECT credit_account_id, amount FROM posted) AS legs
             GROUP BY account_id) AS d
     WHERE a.id = d.account_id;
    RETURN NULL;
"""


class Account(models.Model):
    """A wallet of a quest or an agent, or an account of the house.

    `balance` moves only when a transfer is inserted (the ledger's trigger moves it); `held` is the part of it
    promised to open bids and running slots; `available` is what may still be promised.
    """

    owner_type = models.CharField(max_length=8, choices=[("quest", "quest"), ("agent", "agent"), ("house", "house")])
    owner_id = models.CharField(max_length=64)
    agent = models.ForeignKey("config.Agent", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    agent_kind = models.CharField(max_length=16, null=True, blank=True)  # noqa: DJ001 - half of a composite key
    balance = models.BigIntegerField(default=0, db_default=0)
    held = models.BigIntegerField(default=0, db_default=0)
    available = models.GeneratedField(
        expression=F("balance") - F("held"), output_field=models.BigIntegerField(), db_persist=True
    )
    lock_rank = models.GeneratedField(
        expression=models.Case(
            models.When(owner_type="house", owner_id="mint", then=models.Value(3)),
            models.When(owner_type="house", owner_id="treasury", then=models.Value(2)),
            models.When(owner_type="house", then=models.Value(1)),
            default=models.Value(0),
        ),
        output_field=models.SmallIntegerField(),
        db_persist=True,
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        """Laws of a wallet; that a grader owns none is a composite foreign key made in the migration."""

        db_table = "token_accounts"
        constraints = (
            models.UniqueConstraint(name="account_owner_once", fields=["owner_type", "owner_id"]),
            models.CheckConstraint(name="account_owner_known", condition=Q(owner_type__in=["quest", "agent", "house"])),
            models.CheckConstraint(name="account_held_not_negative", condition=Q(held__gte=0)),
            models.CheckConstraint(
                name="account_never_overdrawn",
                condition=Q(balance__gte=F("held")) | Q(owner_type="house", owner_id="mint"),
                violation_error_code="insufficient_tokens",
            ),
            models.CheckConstraint(name="account_of_house_holds_nothing", condition=~Q(owner_type="house") | Q(held=0)),
            models.CheckConstraint(
                name="account_agent_named",
                condition=Q(owner_type="agent", agent__isnull=False, agent=F("owner_id"), agent_kind__isnull=False)
                | (~Q(owner_type="agent") & Q(agent=None, agent_kind=None)),
            ),
            models.CheckConstraint(
                name="account_never_of_a_grader", condition=Q(agent_kind=None) | ~Q(agent_kind="grader")
            ),
            models.CheckConstraint(
                name="account_never_of_an_exchange", condition=Q(agent_kind=None) | ~Q(agent_kind="exchange")
            ),
        )
        triggers = (
            pgtrigger.Trigger(
                name="account_balance_only_by_ledger",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("balance"),
                condition=pgtrigger.Q(old__balance__df=pgtrigger.F("new__balance")),
                func=f"""
                    IF pg_trigger_depth() < 2 THEN
                        {laws.refusal("account_balance_only_by_ledger", "a balance moves only by a transfer")}
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(
                name="account_opens_empty",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                condition=~pgtrigger.Q(new__balance=0, new__held=0),
                func=laws.refusal("account_opens_empty", "an account opens empty; its first tokens are a transfer"),
            ),
            laws.fixed("account_owner_is_fixed", "id", "owner_type", "owner_id", "agent_id", "agent_kind"),
            laws.kept("account_never_vanishes"),
            laws.never_truncated("account_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the owner."""
        return f"{self.owner_type}:{self.owner_id}"


class Transfer(models.Model):
    """One movement of tokens: out of the debit account, into the credit account. Posted once, never changed."""

    debit_account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="debits", db_index=False)
    credit_account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="credits", db_index=False)
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=32)
    key = models.CharField(max_length=200, unique=True, help_text="What this transfer is; posted once.")
    memo = models.CharField(max_length=500, default="", db_default="")
    reverses = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="reversed_by")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Laws of the ledger."""

        db_table = "token_ledger"
        constraints = (
            models.CheckConstraint(name="transfer_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="transfer_between_two_accounts", condition=~Q(debit_account=F("credit_account"))
            ),
            models.CheckConstraint(name="transfer_key_given", condition=~Q(key="")),
        )
        indexes = (
            models.Index(name="transfer_by_time", fields=["-created_at"]),
            models.Index(name="transfer_by_debit", fields=["debit_account", "created_at", "id"]),
            models.Index(name="transfer_by_credit", fields=["credit_account", "created_at", "id"]),
        )
        triggers = (
            pgtrigger.Trigger(
                name="transfer_moves_balances",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="posted"),
                func=_MOVE_BALANCES,
            ),
            *laws.append_only("transfer"),
        )

    def __str__(self) -> str:
        """Return the key, which says what the transfer is."""
        return self.key


class MonetaryPolicy(models.Model):
    """How many wallet tokens there may be: one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, db_default=1, editable=False)
    daily_token_bucket = models.BigIntegerField(
        default=100_000,
        db_default=100_000,
        validators=[MinValueValidator(0), MaxValueValidator(MOST_TOKENS)],
        help_text="Most tokens issued to the treasury in one day.",
    )
    supply_cap = models.BigIntegerField(
        default=3_000_000,
        db_default=3_000_000,
        validators=[MinValueValidator(0), MaxValueValidator(MOST_TOKENS)],
        help_text="No issue lifts the tokens outside the mint above this.",
    )
    stipend_share = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        default="0.5",
        db_default="0.5",
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Share of the day's issue paid to quests.",
    )
    wallet_cap = models.BigIntegerField(
        default=1_000_000,
        db_default=1_000_000,
        validators=[MinValueValidator(0), MaxValueValidator(MOST_TOKENS)],
        help_text="No stipend or reward lifts a balance above this; the rest stays in the treasury.",
    )

    class Meta:
        """Law: one policy, with sane values."""

        verbose_name_plural = "monetary policy"
        constraints = (
            models.CheckConstraint(name="monetary_policy_single", condition=Q(id=1)),
            models.CheckConstraint(
                name="monetary_policy_sane",
                condition=Q(
                    daily_token_bucket__gte=0,
                    daily_token_bucket__lte=MOST_TOKENS,
                    supply_cap__gte=0,
                    supply_cap__lte=MOST_TOKENS,
                    wallet_cap__gte=0,
                    wallet_cap__lte=MOST_TOKENS,
                    stipend_share__gte=0,
                    stipend_share__lte=1,
                ),
            ),
        )
        triggers = (*history.recorded("monetary_policy"), laws.never_truncated("monetary_policy_never_truncated"))

    def __str__(self) -> str:
        """Return the only row's name."""
        return "Monetary policy"


class DailyIssue(models.Model):
    """What the mint issued for one day (UTC); a day of 0 has a row and no transfer."""

    day = models.DateField(primary_key=True)
    amount = models.BigIntegerField()
    supply_before = models.BigIntegerField()
    transfer = models.OneToOneField(Transfer, null=True, on_delete=models.PROTECT)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Laws: issued once a day and never taken back silently."""

        constraints = (
            models.CheckConstraint(name="daily_issue_not_negative", condition=Q(amount__gte=0)),
            models.CheckConstraint(
                name="daily_issue_has_its_transfer",
                condition=Q(amount=0, transfer=None) | Q(amount__gt=0, transfer__isnull=False),
            ),
        )
        triggers = laws.append_only("daily_issue")

    def __str__(self) -> str:
        """Return the day."""
        return self.day.isoformat()
