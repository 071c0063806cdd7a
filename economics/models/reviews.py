"""Reviews: one run over all envelopes, what it would move line by line, and what became of it."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Abs, Floor, Least

from config import laws
from economics.models.budgets import Envelope, Line
from economics.models.ceilings import MOST_AMOUNT, Window
from economics.models.worth import WorthPolicy, readable

_MOVE_RESERVES = """
    UPDATE economics_reserves r SET amount = p.reserve_after FROM economics_review_pools p
     WHERE p.review_id = NEW.id AND r.window_kind = p.window_kind AND r.qualifier = p.qualifier
       AND r.amount <> p.reserve_after;
    RETURN NULL;
"""

_APPLIED = f"""
    IF EXISTS (
        SELECT FROM (SELECT l.window_kind, l.qualifier, count(*) AS lines, sum(v.before) AS before,
                            sum(v.after) AS after
                       FROM economics_review_lines v JOIN economics_lines l ON l.id = v.line_id
                      WHERE v.review_id = NEW.id GROUP BY l.window_kind, l.qualifier) AS told
          FULL JOIN (SELECT * FROM economics_review_pools WHERE review_id = NEW.id) AS p USING (window_kind, qualifier)
         WHERE (told.lines, told.before, told.after) IS DISTINCT FROM (p.lines, p.before, p.after)) THEN
        {laws.refusal("review_applied_as_it_says", "the pools of a review are not what its lines come to")}
    END IF;
    IF EXISTS (SELECT FROM economics_review_lines v JOIN economics_lines l ON l.id = v.line_id
                WHERE v.review_id = NEW.id AND v.before <> v.after AND l.base IS DISTINCT FROM v.after) THEN
        {laws.refusal("review_applied_as_it_says", "a review is applied by moving its lines")}
    END IF;
    IF EXISTS (SELECT FROM economics_review_pools p LEFT JOIN economics_reserves r USING (window_kind, qualifier)
                WHERE p.review_id = NEW.id AND p.reserve_before <> p.reserve_after
                  AND r.amount IS DISTINCT FROM p.reserve_before) THEN
        {laws.refusal("review_applied_as_it_says", "a review is applied over the reserve it was drafted over")}
    END IF;
    RETURN NEW;
"""  # noqa: S608 - the law's name and sentences are constants


def _of_a_draft(name: str) -> pgtrigger.Trigger:
    """Refuse what is added to a review that is decided; one look at the reviews however many rows are added."""
    return pgtrigger.Trigger(
        name=name,
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=pgtrigger.Insert,
        referencing=pgtrigger.Referencing(new="added"),
        func=f"""
            IF EXISTS (SELECT FROM economics_reviews
                        WHERE id IN (SELECT DISTINCT review_id FROM added) AND state <> 'draft') THEN
                {laws.refusal(name, "nothing is added to a review that is decided")}
            END IF;
            RETURN NULL;
        """,  # noqa: S608 - the law's name and sentence are constants
    )


class Reserve(models.Model):
    """LLM tokens that reviews took and could not place, by kind of window and tier; given first the next time.

    `qualifier` is the tier, empty for the total. The database moves it when a review is applied, and only then.
    """

    window_kind = models.TextField(choices=Window)
    qualifier = models.TextField(blank=True, default="", db_default="")
    amount = models.DecimalField(max_digits=24, decimal_places=0, default=0, db_default=0)

    class Meta:
        """Law: one reserve of each kind, never negative."""

        db_table = "economics_reserves"
        constraints = (
            models.UniqueConstraint(name="reserve_once", fields=["window_kind", "qualifier"]),
            models.CheckConstraint(
                name="reserve_sane", condition=Q(amount__gte=0, window_kind__in=["day", "week", "month"])
            ),
        )
        triggers = (
            laws.fixed("reserve_is_fixed", "id", "window_kind", "qualifier"),
            laws.derived("reserve_follows_reviews", "amount"),
            laws.derived_row("reserve_opens_empty", pgtrigger.Q(new__amount=0)),
            laws.kept("reserve_never_vanishes"),
            laws.never_truncated("reserve_never_truncated"),
        )

    def __str__(self) -> str:
        """Return window and tier."""
        return " ".join(part for part in (self.qualifier, f"per {self.window_kind}") if part)


class Review(models.Model):
    """A run over all envelopes: daily for safety, done at once; weekly for strategy, a draft until it is decided."""

    class Kind(models.TextChoices):
        """How often."""

        DAILY = "daily"
        WEEKLY = "weekly"

    class State(models.TextChoices):
        """A draft moves nothing."""

        DRAFT = "draft"
        APPLIED = "applied"
        DISCARDED = "discarded"

    kind = models.TextField(choices=Kind)
    period = models.DateField(help_text="The day, or the first day of the week, in the policy's zone.")
    state = models.TextField(choices=State, default="draft", db_default="draft")
    policy = models.ForeignKey(WorthPolicy, on_delete=models.PROTECT, related_name="+")
    drafted_at = models.DateTimeField()
    drafted_by = models.TextField(default="", db_default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.TextField(blank=True, default="", db_default="")
    decision_reason = models.TextField(blank=True, default="", db_default="")
    figures = models.JSONField(default=dict, help_text="What it found and did, in numbers.")

    class Meta:
        """Laws: one review of a kind and period that is not discarded; decided once; applied as its lines say."""

        db_table = "economics_reviews"
        constraints = (
            models.CheckConstraint(name="review_kind_known", condition=Q(kind__in=["daily", "weekly"])),
            models.CheckConstraint(
                name="review_decided_by_somebody",
                condition=Q(state="draft", kind="weekly", decided_at=None, decided_by="")
                | (Q(state__in=["applied", "discarded"], decided_at__isnull=False) & ~Q(decided_by="")),
            ),
            models.CheckConstraint(
                name="review_times_readable",
                condition=readable("drafted_at") & (Q(decided_at=None) | readable("decided_at")),
            ),
            models.UniqueConstraint(
                name="review_once_per_period", fields=["kind", "period"], condition=~Q(state="discarded")
            ),
        )
        indexes = (models.Index(name="review_by_period", fields=["kind", "-period", "-id"]),)
        triggers = (
            laws.fixed("review_is_fixed", "id", "kind", "period", "policy_id", "drafted_at", "drafted_by", "figures"),
            laws.forwards("review_decided_once", "state", [("draft", "applied"), ("draft", "discarded")]),
            laws.once_all("review_decision_stays", "decided_at", "decided_by", "decision_reason"),
            pgtrigger.Trigger(
                name="review_applied_as_it_says",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("state"),
                condition=pgtrigger.Q(old__state="draft", new__state="applied"),
                func=_APPLIED,
            ),
            pgtrigger.Trigger(
                name="review_moves_the_reserve",
                when=pgtrigger.After,
                operation=pgtrigger.UpdateOf("state"),
                condition=pgtrigger.Q(old__state="draft", new__state="applied"),
                func=_MOVE_RESERVES,
            ),
            laws.kept("review_never_vanishes"),
            laws.never_truncated("review_never_truncated"),
        )

    def __str__(self) -> str:
        """Return kind and period."""
        return f"{self.kind} review of {self.period}"

    @property
    def waits_because(self) -> str | None:
        """Why a draft waits for a reviewer."""
        return self.figures.get("waits_because") or None if self.state == self.State.DRAFT else None


class ReviewPool(models.Model):
    """What a review moves among the lines of one kind of window and tier: nothing is made and nothing is lost."""

    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="pools", db_index=False)
    window_kind = models.TextField(choices=Window)
    qualifier = models.TextField(default="", db_default="")
    lines = models.PositiveIntegerField()
    gainers = models.PositiveIntegerField()
    before = models.DecimalField(max_digits=30, decimal_places=6, help_text="Sum of the bases before.")
    after = models.DecimalField(max_digits=30, decimal_places=6)
    reserve_before = models.DecimalField(max_digits=24, decimal_places=0)
    freed = models.DecimalField(max_digits=24, decimal_places=0, help_text="Reduced and reclaimed.")
    placed = models.DecimalField(max_digits=24, decimal_places=0, help_text="Given to those that gain.")
    reserve_after = models.DecimalField(max_digits=24, decimal_places=0)

    class Meta:
        """Laws: conserved to the unit, and told when the review was drafted."""

        db_table = "economics_review_pools"
        constraints = (
            models.UniqueConstraint(name="review_pool_once", fields=["review", "window_kind", "qualifier"]),
            models.CheckConstraint(
                name="review_pool_conserved",
                condition=Q(
                    after=F("before") - F("freed") + F("placed"),
                    reserve_after=F("reserve_before") + F("freed") - F("placed"),
                    freed__gte=0,
                    placed__gte=0,
                    reserve_before__gte=0,
                    reserve_after__gte=0,
                ),
            ),
        )
        triggers = (*laws.append_only("review_pool"), _of_a_draft("review_pool_of_a_draft"))

    def __str__(self) -> str:
        """Return window and tier."""
        return " ".join(part for part in (self.qualifier, f"per {self.window_kind}") if part)


class ReviewLine(models.Model):
    """What a review found of one line and would make of it: before, after, the rule that fired, and the figures.

    ROI is in edges per LLM token over the policy's days; `used` are the shares of the base used in the last window
    and the one before, NULL for a window that was not whole.
    """

    class Rule(models.TextChoices):
        """What happens to the line."""

        KEEP = "keep"
        REDUCE = "reduce"
        RECLAIM = "reclaim"
        GAIN = "gain"

    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="lines", db_index=False)
    envelope = models.ForeignKey(Envelope, on_delete=models.PROTECT, related_name="+", db_index=False)
    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+", db_index=False)
    rule = models.TextField(choices=Rule)
    because = models.TextField(help_text="Why this rule, or why none: a code.")
    before = models.DecimalField(max_digits=24, decimal_places=6)
    after = models.DecimalField(max_digits=24, decimal_places=6)
    state_before = models.TextField()
    state_after = models.TextField()
    step = models.DecimalField(max_digits=7, decimal_places=6, help_text="Most it may move, as a share.")
    floor = models.DecimalField(max_digits=24, decimal_places=0, help_text="Below which a review leaves no line.")
    edges = models.DecimalField(max_digits=30, decimal_places=6)
    tokens = models.DecimalField(max_digits=36, decimal_places=6)
    roi = models.DecimalField(max_digits=30, decimal_places=15, null=True, help_text="NULL: unproven.")
    low_below = models.DecimalField(max_digits=30, decimal_places=15, null=True, help_text="The type's low quantile.")
    good_from = models.DecimalField(max_digits=30, decimal_places=15, null=True, help_text="The type's good quantile.")
    judged = models.PositiveIntegerField(help_text="Entities of the type with a proven ROI.")
    is_low = models.BooleanField()
    was_low = models.BooleanField(help_text="In the review before.")
    priority_score = models.DecimalField(max_digits=12, decimal_places=6)
    market_weight = models.DecimalField(max_digits=12, decimal_places=6)
    used_last = models.DecimalField(max_digits=20, decimal_places=6, null=True)
    used_before = models.DecimalField(max_digits=20, decimal_places=6, null=True)

    class Meta:
        """Laws: one verdict on a line, no step beyond the most, never below the floor by a review's hand."""

        db_table = "economics_review_lines"
        constraints = (
            models.UniqueConstraint(name="review_line_once", fields=["review", "line"]),
            models.CheckConstraint(
                name="review_line_moves_by_its_rule",
                condition=Q(rule="keep", after=F("before"))
                | Q(rule__in=["reduce", "reclaim"], after__lte=F("before"))
                | Q(rule="gain", after__gt=F("before")),
            ),
            models.CheckConstraint(
                name="review_line_step_bounded",
                condition=Q(before__gte=Abs(F("after") - F("before")))
                & Q(
                    step__gte=0,
                    step__lte=1,
                    before__gte=0,
                    before__lte=MOST_AMOUNT,
                )
                & Q(after__lte=F("before") + Floor(F("before") * F("step")))
                & Q(after__gte=F("before") - Floor(F("before") * F("step"))),
            ),
            models.CheckConstraint(
                name="review_line_floor_holds", condition=Q(after__gte=Least(F("before"), F("floor")))
            ),
        )
        indexes = (
            models.Index(name="review_line_by_envelope", fields=["envelope", "-review"]),
            models.Index(name="review_line_by_rule", fields=["review", "rule", "line"]),
        )
        triggers = (*laws.append_only("review_line"), _of_a_draft("review_line_of_a_draft"))

    def __str__(self) -> str:
        """Return the rule."""
        return self.rule

    @property
    def moves(self) -> bool:
        """Whether its ceiling changes, or the state of its envelope."""
        return self.before != self.after or self.state_before != self.state_after
