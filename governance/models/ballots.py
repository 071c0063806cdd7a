"""What the Senate said: ballots, who may vote in them, and votes."""

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from config import laws
from governance.models.policy import SenatePolicy
from governance.models.proposals import LONGEST_TEXT, MOST_TOKENS, Proposal, of_our_era

_SUBMIT = """
    UPDATE allocation_proposals SET status = 'submitted', submitted_at = coalesce(submitted_at, NEW.opened_at),
           revisit_at = NULL, waits_because = ''
     WHERE id = NEW.proposal_id;
    RETURN NULL;
"""

_DECIDE = """
    UPDATE allocation_proposals
       SET status = NEW.outcome, revisit_at = NEW.revisit_at, waits_because = '',
           decided_at = CASE WHEN NEW.outcome <> 'withdrawn' THEN NEW.closed_at END,
           withdrawn_by = CASE WHEN NEW.outcome = 'withdrawn' THEN NEW.closed_by ELSE '' END,
           withdrawn_because = CASE WHEN NEW.outcome = 'withdrawn' THEN NEW.reason ELSE '' END,
           granted_tokens = CASE WHEN NEW.outcome = 'approved' AND measure IN ('change_line', 'grant')
                                 THEN sign(requested_tokens) * NEW.granted END
     WHERE id = NEW.proposal_id;
    RETURN NULL;
"""

_TELL_DECISION = """
    INSERT INTO config_feed (kind, at, owner_type, owner_id, pool, data)
    SELECT 'decided', NEW.closed_at, '', '', '', jsonb_build_object(
           'proposal_id', p.id, 'ballot', NEW.number, 'measure', p.measure, 'entity_type', p.entity_type,
           'entity_id', p.entity_id, 'outcome', NEW.outcome, 'requested', NEW.requested, 'granted', NEW.granted,
           'revisit_at', NEW.revisit_at)
      FROM allocation_proposals p WHERE p.id = NEW.proposal_id;
    RETURN NULL;
"""

# Whoever writes rows of a ballot takes turns by its proposal: what one checks, or tells, no other changes meanwhile.
_TAKE_TURNS = """
    PERFORM FROM allocation_proposals p JOIN governance_ballots b ON b.proposal_id = p.id
      WHERE b.id = NEW.ballot_id FOR NO KEY UPDATE OF p;
"""

_UNINTERESTED = f"""
    IF EXISTS (SELECT FROM allocation_proposals p JOIN governance_ballots b ON b.proposal_id = p.id
                 JOIN config_user u ON u.id = NEW.user_id
                WHERE b.id = NEW.ballot_id
                  AND (p.user_id = u.id OR p.proposer_id = u.username
                       OR EXISTS (SELECT FROM config_agent a WHERE a.sponsor_id = u.id
                                     AND (a.id IN (p.agent_id, p.proposer_agent, p.proposer_id)
                                          OR p.entity_type = 'agent' AND a.id = p.entity_id)))) THEN
        {laws.refusal("elector_without_an_interest", "nobody votes on a proposal of his own, of his agent or on it")}
    END IF;
    RETURN NEW;
"""  # noqa: S608

_FROZEN = f"""
    {_TAKE_TURNS}
    IF NOT EXISTS (SELECT FROM governance_ballots WHERE id = NEW.ballot_id AND closed_at IS NULL FOR SHARE)
       OR EXISTS (SELECT FROM governance_votes WHERE ballot_id = NEW.ballot_id) THEN
        {laws.refusal("elector_named_before_the_first_vote", "the electorate is frozen when voting opens")}
    END IF;
    RETURN NEW;
"""  # noqa: S608

_VOTING = f"""
    {_TAKE_TURNS}
    IF NOT EXISTS (SELECT FROM governance_ballots WHERE id = NEW.ballot_id AND closed_at IS NULL
                      AND NEW.cast_at >= opened_at AND NEW.cast_at < closes_at FOR SHARE) THEN
        {laws.refusal("vote_only_while_open", "votes are cast while voting is open")}
    END IF;
    RETURN NEW;
"""

_ELECTORAL = f"""
    IF NOT EXISTS (SELECT FROM governance_electors
                    WHERE ballot_id = NEW.ballot_id AND user_id = NEW.voter_id AND name = NEW.voter_name) THEN
        {laws.refusal("vote_by_an_elector", "only electors vote, each in his own name")}
    END IF;
    RETURN NEW;
"""

# Clocks differ: a vote that was cast later may say that it was cast earlier.
_SUPERSEDE = """
    UPDATE governance_votes SET superseded_at = greatest(NEW.cast_at, cast_at)
     WHERE ballot_id = NEW.ballot_id AND voter_id = NEW.voter_id AND superseded_at IS NULL;
    RETURN NEW;
"""

# The words of `tally`, said of an outcome that is given.
_AS_VOTED = f"""
    SELECT count(*) AS votes, count(*) FILTER (WHERE choice <> 'defer') AS judged,
           count(*) FILTER (WHERE choice = 'approve') AS approve, min(revisit_at) AS revisit_at,
           count(*) FILTER (WHERE choice = 'approve' AND amount >= NEW.granted) AS so_much,
           count(*) FILTER (WHERE choice = 'approve' AND amount > NEW.granted AND NEW.granted < NEW.requested) AS more
      INTO said FROM governance_votes WHERE ballot_id = NEW.id AND superseded_at IS NULL;
    IF NEW.outcome <> (CASE WHEN said.votes < NEW.quorum THEN 'expired'
                            WHEN 2 * said.judged <= said.votes THEN 'deferred'
                            WHEN 2 * said.approve > said.judged THEN 'approved' ELSE 'rejected' END)
       OR NEW.outcome = 'deferred' AND NEW.revisit_at <> said.revisit_at
       OR NEW.outcome = 'approved' AND (2 * said.so_much <= said.judged OR 2 * said.more > said.judged) THEN
        {laws.refusal("ballot_ends_as_it_was_voted", "the outcome is what the votes say")}
    END IF;
    RETURN NEW;
"""  # noqa: S608 - the law's name and sentence are constants

_TELL_VOTES = """
    UPDATE allocation_proposals p SET votes = (
        SELECT jsonb_agg(jsonb_build_object(
                   'id', v.id, 'ballot', b.number, 'reviewer', v.voter_name, 'vote', v.choice, 'amount', v.amount,
                   'reason', v.reason, 'revisit_at', v.revisit_at, 'wanted', v.wanted, 'at', v.cast_at,
                   'superseded_at', v.superseded_at) ORDER BY v.id)
          FROM governance_votes v JOIN governance_ballots b ON b.id = v.ballot_id WHERE b.proposal_id = p.id)
     WHERE p.id = (SELECT proposal_id FROM governance_ballots WHERE id = NEW.ballot_id);
    RETURN NULL;
"""


class Ballot(models.Model):
    """One time that a proposal is voted on: by whom, until when, under which policy, over what base, and how it ended.

    `requested` and `granted` are amounts in the unit of the line, whatever its direction; 1 is all of what is granted
    whole or not at all.
    """

    class Outcome(models.TextChoices):
        """How voting ended; withdrawn: there was nothing left to vote on."""

        APPROVED = "approved"
        REJECTED = "rejected"
        DEFERRED = "deferred"
        EXPIRED = "expired"
        WITHDRAWN = "withdrawn"

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="ballots")
    number = models.PositiveSmallIntegerField(help_text="1, and one more each time it comes back.")
    policy = models.ForeignKey(SenatePolicy, on_delete=models.PROTECT, related_name="+")
    quorum = models.PositiveIntegerField()
    requested = models.BigIntegerField()
    base = models.JSONField(help_text="What stood, of what would change, when voting opened.")
    opened_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.TextField(
        blank=True, default="", db_default="", help_text="Empty: by its votes or its deadline."
    )
    reason = models.TextField(blank=True, default="", db_default="")
    outcome = models.TextField(choices=Outcome, blank=True, default="", db_default="")
    granted = models.BigIntegerField(default=0, db_default=0)
    revisit_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Laws: one open at a time; it ends once, with the outcome of its votes, and the proposal follows."""

        db_table = "governance_ballots"
        constraints = (
            models.UniqueConstraint(name="ballot_one_open", fields=["proposal"], condition=Q(closed_at=None)),
            models.UniqueConstraint(name="ballot_numbered_once", fields=["proposal", "number"]),
            models.CheckConstraint(
                name="ballot_sane",
                condition=Q(quorum__gte=1, number__gte=1, requested__gte=1, requested__lte=MOST_TOKENS)
                & Q(closes_at__gt=F("opened_at")),
            ),
            models.CheckConstraint(
                name="ballot_closed_with_an_outcome",
                condition=Q(closed_at=None, outcome="", granted=0, revisit_at=None)
                | (
                    Q(closed_at__isnull=False, closed_at__gte=F("opened_at"))
                    & (
                        Q(outcome="approved", granted__gte=1, granted__lte=F("requested"), revisit_at=None)
                        | Q(outcome="deferred", granted=0, revisit_at__isnull=False)
                        | Q(outcome__in=["rejected", "expired", "withdrawn"], granted=0, revisit_at=None)
                    )
                ),
            ),
            models.CheckConstraint(
                name="ballot_moments_can_be_read",
                condition=of_our_era("opened_at", "closes_at", "closed_at", "revisit_at"),
            ),
            models.CheckConstraint(
                name="ballot_withdrawn_by_somebody", condition=~Q(outcome="withdrawn") | ~Q(closed_by="")
            ),
        )
        indexes = (models.Index(name="ballot_due", fields=["closes_at"], condition=Q(closed_at=None)),)
        triggers = (
            laws.fixed(
                "ballot_is_fixed",
                *("id", "proposal_id", "number", "policy_id", "quorum", "requested", "base", "opened_at", "closes_at"),
            ),
            laws.once_all(
                "ballot_ends_once", *("closed_at", "closed_by", "reason", "outcome", "granted", "revisit_at")
            ),
            laws.derived_row("ballot_opens_open", pgtrigger.Q(new__closed_at__isnull=True)),
            pgtrigger.Trigger(
                name="ballot_ends_as_it_was_voted",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("closed_at"),
                condition=pgtrigger.Q(old__closed_at__isnull=True, new__closed_at__isnull=False)
                & pgtrigger.Q(new__outcome__df="withdrawn"),
                declare=[("said", "record")],
                func=_AS_VOTED,
            ),
            pgtrigger.Trigger(
                name="ballot_submits_its_proposal", when=pgtrigger.After, operation=pgtrigger.Insert, func=_SUBMIT
            ),
            pgtrigger.Trigger(
                name="ballot_decides_its_proposal",
                when=pgtrigger.After,
                operation=pgtrigger.UpdateOf("closed_at"),
                condition=pgtrigger.Q(old__closed_at__isnull=True, new__closed_at__isnull=False),
                func=_DECIDE,
            ),
            pgtrigger.Trigger(
                name="ballot_tells_its_outcome",
                when=pgtrigger.After,
                operation=pgtrigger.UpdateOf("closed_at"),
                condition=pgtrigger.Q(old__closed_at__isnull=True, new__closed_at__isnull=False),
                func=_TELL_DECISION,
            ),
            laws.kept("ballot_never_vanishes"),
            laws.never_truncated("ballot_never_truncated"),
        )

    def __str__(self) -> str:
        """Return its number."""
        return f"ballot {self.number}"


class Elector(models.Model):
    """A reviewer who may vote in a ballot, as it was when voting opened."""

    ballot = models.ForeignKey(Ballot, on_delete=models.PROTECT, related_name="electors")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    name = models.TextField(help_text="As it was then.")

    class Meta:
        """Laws: once each, nobody with an interest, and nobody added or removed while votes are cast."""

        db_table = "governance_electors"
        constraints = (models.UniqueConstraint(name="elector_once", fields=["ballot", "user"]),)
        triggers = (
            pgtrigger.Trigger(
                name="elector_without_an_interest",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=_UNINTERESTED,
            ),
            pgtrigger.Trigger(
                name="elector_named_before_the_first_vote",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=_FROZEN,
            ),
            *laws.append_only("elector"),
        )

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Vote(models.Model):
    """What a reviewer said in a ballot, and why. A new vote supersedes it; it stays on record."""

    class Choice(models.TextChoices):
        """What a reviewer says."""

        APPROVE = "approve"
        REJECT = "reject"
        DEFER = "defer"

    ballot = models.ForeignKey(Ballot, on_delete=models.PROTECT, related_name="votes")
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    voter_name = models.TextField(help_text="As it was then.")
    choice = models.TextField(choices=Choice)
    amount = models.BigIntegerField(null=True, blank=True, help_text="What is approved, in the unit of the line.")
    reason = models.TextField()
    revisit_at = models.DateTimeField(null=True, blank=True, help_text="When a deferred proposal comes back.")
    wanted = models.TextField(blank=True, default="", db_default="", help_text="The evidence that would decide it.")
    cast_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Laws: one live vote per reviewer, for a reason, by an elector, while voting is open; it never changes."""

        db_table = "governance_votes"
        constraints = (
            models.UniqueConstraint(name="vote_one_live", fields=["ballot", "voter"], condition=Q(superseded_at=None)),
            models.CheckConstraint(
                name="vote_says_what_it_must",
                condition=Q(choice="approve", amount__isnull=False, revisit_at=None, wanted="")
                & Q(amount__gte=1, amount__lte=MOST_TOKENS)
                | Q(choice="reject", amount=None, revisit_at=None, wanted="")
                | (Q(choice="defer", amount=None, revisit_at__isnull=False) & ~Q(wanted="")),
            ),
            models.CheckConstraint(
                name="vote_moments_can_be_read", condition=of_our_era("cast_at", "revisit_at", "superseded_at")
            ),
            models.CheckConstraint(
                name="vote_for_a_reason",
                condition=Q(reason__regex=r"[^[:space:]]", reason__length__lte=LONGEST_TEXT),
            ),
        )
        triggers = (
            laws.fixed(
                "vote_never_changes",
                *("id", "ballot_id", "voter_id", "voter_name", "choice", "amount", "reason", "revisit_at", "wanted"),
                "cast_at",
            ),
            laws.derived_row("vote_begins_live", pgtrigger.Q(new__superseded_at__isnull=True)),
            laws.derived("vote_superseded_by_the_next", "superseded_at"),
            pgtrigger.Trigger(
                name="vote_only_while_open", when=pgtrigger.Before, operation=pgtrigger.Insert, func=_VOTING
            ),
            pgtrigger.Trigger(
                name="vote_by_an_elector", when=pgtrigger.Before, operation=pgtrigger.Insert, func=_ELECTORAL
            ),
            pgtrigger.Trigger(
                name="vote_supersedes_the_one_before",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=_SUPERSEDE,
            ),
            pgtrigger.Trigger(
                name="vote_is_told_by_its_proposal",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                func=_TELL_VOTES,
            ),
            laws.kept("vote_never_vanishes"),
            laws.never_truncated("vote_never_truncated"),
        )

    def __str__(self) -> str:
        """Return what was said by whom."""
        return f"{self.choice} by {self.voter_name}"
