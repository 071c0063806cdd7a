"""Who calls: people, agents and their keys; the requests already answered; and what changed in governed rows."""

import pgtrigger
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from config import history, laws, requests


class User(AbstractUser):
    """A person: signs in to the admin with a password."""


class Agent(models.Model):
    """A program that trades, provides, grades or signals over the API. Its id and kind never change."""

    class Kind(models.TextChoices):
        """What an agent is for; its possible scopes follow from it (see `config.keys`)."""

        WORKER = "worker"
        PROVIDER = "provider"
        GRADER = "grader"
        EXCHANGE = "exchange"

    id = models.SlugField(primary_key=True, max_length=64, help_text="Lasting name: letters, digits, - and _.")
    kind = models.CharField(max_length=16, choices=Kind)
    title = models.CharField(max_length=200, blank=True, default="", db_default="")
    sponsor = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, help_text="The person who answers for it."
    )
    is_active = models.BooleanField(default=True, db_default=True, help_text="Inactive: every key is refused.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        """Laws: the pair (id, kind) can be referenced, so other tables can refuse a kind; it never changes."""

        constraints = (
            models.CheckConstraint(
                name="agent_kind_known", condition=Q(kind__in=["worker", "provider", "grader", "exchange"])
            ),
            models.CheckConstraint(name="agent_id_is_a_slug", condition=Q(id__regex=r"^[A-Za-z0-9_-]+$")),
            models.UniqueConstraint(name="agent_id_kind_once", fields=["id", "kind"]),
        )
        triggers = (laws.fixed("agent_identity_is_fixed", "id", "kind"),)

    def __str__(self) -> str:
        """Return the agent's id."""
        return self.id


class AgentKey(models.Model):
    """One bearer key of an agent. Only a digest is stored; `prefix` is its public name."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="keys")
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    digest = models.BinaryField(max_length=32, editable=False)
    scopes = ArrayField(models.CharField(max_length=32))
    label = models.CharField(max_length=100, blank=True, default="", db_default="")
    issued_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, editable=False)
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        """Laws: a digest is a SHA-256, a key carries a scope and lives forwards; a revoked key stays so."""

        constraints = (
            models.CheckConstraint(name="agent_key_expires_after_issue", condition=Q(expires_at__gt=F("created_at"))),
            models.CheckConstraint(name="agent_key_has_scopes", condition=Q(scopes__len__gt=0)),
        )
        triggers = (
            laws.fixed(
                "agent_key_is_fixed",
                *("id", "agent_id", "prefix", "digest", "scopes", "created_at", "expires_at"),
            ),
            laws.once("agent_key_stays_revoked", "revoked_at"),
        )

    def __str__(self) -> str:
        """Return the public prefix."""
        return self.prefix


class IdempotentRequest(models.Model):
    """A write that was answered: the same key with the same body gets the same answer again."""

    principal = models.CharField(max_length=80)
    key = models.CharField(max_length=200)
    fingerprint = models.BinaryField(max_length=32, help_text="SHA-256 of method, path and body.")
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(default="", db_default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Law: one request per principal and key."""

        constraints = (models.UniqueConstraint(name="idempotency_key_once", fields=["principal", "key"]),)

    def __str__(self) -> str:
        """Return principal and key."""
        return f"{self.principal} {self.key}"


class Change(models.Model):
    """What changed in a row of which the database keeps a history, written by it whatever program made the change.

    `changes` maps a column to `[old, new]`; a row that came has no old values, one that went no new ones.
    """

    class Action(models.TextChoices):
        """What became of the row."""

        ADDED = "added"
        CHANGED = "changed"
        REMOVED = "removed"

    table_name = models.TextField()
    key = models.TextField(help_text="Primary key of the row.")
    action = models.TextField(choices=Action)
    at = models.DateTimeField(db_default=Now())
    who = models.TextField()
    why = models.TextField(default="", db_default="")
    cause_kind = models.TextField(default="", db_default="", help_text="proposal, freeze, …")
    cause_id = models.TextField(default="", db_default="")
    request_id = models.TextField(db_default=requests.OF_TRANSACTION)
    changes = models.JSONField()

    class Meta:
        """Laws: by somebody, of a row, written once and by the database alone."""

        db_table = "config_changes"
        constraints = (
            models.CheckConstraint(
                name="change_of_a_row_by_somebody", condition=~Q(table_name="") & ~Q(key="") & ~Q(who="")
            ),
            models.CheckConstraint(name="change_action_known", condition=Q(action__in=["added", "changed", "removed"])),
        )
        indexes = (
            models.Index(name="change_by_row", fields=["table_name", "key", "-id"]),
            models.Index(name="change_by_request", fields=["request_id"], condition=~Q(request_id="")),
        )
        triggers = (*laws.append_only("change"), laws.derived_row("change_only_by_the_database"))

    def __str__(self) -> str:
        """Return the row and what became of it."""
        return f"{self.table_name} {self.key} {self.action}"


_LAST_STAYS = f"""
    IF OLD.position = (SELECT max(position) FROM config_feed) THEN
        {laws.refusal("feed_entry_last_stays", "positions go on from that of the last entry")}
    END IF;
    RETURN OLD;
"""  # noqa: S608 - the law's name and sentence are constants


class FeedEntry(models.Model):
    """Something that happened, for whoever follows the feed. Public, or for one owner: an agent or a quest.

    `position` is its place in the one order that readers follow, given after it was committed (see `config.feed`).
    """

    position = models.BigIntegerField(null=True, unique=True)
    kind = models.TextField(help_text="round_cleared, won, lost, …")
    at = models.DateTimeField()
    owner_type = models.TextField(default="", db_default="", help_text="agent or quest; empty: public.")
    owner_id = models.TextField(default="", db_default="")
    pool = models.TextField(default="", db_default="")
    data = models.JSONField(default=dict)

    class Meta:
        """Laws: of a kind, with half an owner never; only its place is written later, once.

        An entry goes when it had its place and is not the last one, from whose place the next goes on.
        """

        db_table = "config_feed"
        verbose_name_plural = "feed entries"
        constraints = (
            models.CheckConstraint(name="feed_entry_of_a_kind", condition=~Q(kind="")),
            models.CheckConstraint(
                name="feed_entry_owner_whole",
                condition=Q(owner_type="", owner_id="") | (~Q(owner_type="") & ~Q(owner_id="")),
            ),
        )
        indexes = (
            models.Index(name="feed_unplaced", fields=["id"], condition=Q(position=None)),
            models.Index(name="feed_by_owner", fields=["owner_type", "owner_id", "position"]),
        )
        triggers = (
            laws.fixed("feed_entry_is_fixed", "id", "kind", "at", "owner_type", "owner_id", "pool", "data"),
            laws.once("feed_entry_placed_once", "position"),
            laws.kept("feed_entry_stays_until_placed", pgtrigger.Q(old__position__isnull=True)),
            pgtrigger.Trigger(
                name="feed_entry_last_stays", when=pgtrigger.Before, operation=pgtrigger.Delete, func=_LAST_STAYS
            ),
            laws.never_truncated("feed_entry_never_truncated"),
        )

    def __str__(self) -> str:
        """Return place and kind."""
        return f"{self.position} {self.kind}"


MOST_DAYS = 36_500  # a moment so long ago can still be named
_FORGOTTEN = ("bids", "rounds", "refusals", "answers", "feed")


class RetentionPolicy(models.Model):
    """How long rows are kept that are not money, in days: one row. What money rests on stays for ever."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, db_default=1, editable=False)
    bids_days = models.PositiveIntegerField(default=90, db_default=90, help_text="Closed bids that won nothing.")
    rounds_days = models.PositiveIntegerField(
        default=90, db_default=90, help_text="Rounds that sold nothing, and cycles of automatic bids."
    )
    refusals_days = models.PositiveIntegerField(default=90, db_default=90, help_text="Refused reservations.")
    answers_days = models.PositiveIntegerField(default=7, db_default=7, help_text="Answers to retried requests.")
    feed_days = models.PositiveIntegerField(default=30, db_default=30, help_text="Entries of the feed.")
    swept_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        """Law: one policy; nothing goes before a day is over."""

        db_table = "config_retention"
        verbose_name_plural = "retention policy"
        constraints = (
            models.CheckConstraint(name="retention_single", condition=Q(id=1)),
            models.CheckConstraint(
                name="retention_sane",
                condition=Q(*((f"{what}_days__range", (1, MOST_DAYS)) for what in _FORGOTTEN)),
            ),
        )
        triggers = (
            laws.kept("retention_never_vanishes"),
            laws.never_truncated("retention_never_truncated"),
            *history.recorded("retention", "swept_at"),
        )

    def __str__(self) -> str:
        """Return the only row's name."""
        return "Retention policy"
