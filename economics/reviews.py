"""Reviews: drafted once a week over all envelopes, decided by a reviewer or within bounds by policy, applied once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import QuerySet, prefetch_related_objects

from economics import errors, rebalancing, revisions, worth_policy
from economics.models import Review, ReviewLine, ReviewPool, Window, WorthPolicy

POLICY: Final = revisions.Author("policy", "inside the bounds of the policy")
_NOTHING: Final = revisions.Author("policy", "Nothing to move.")
_CAPPED: Final = "ROI below the low quantile of its type in two reviews running"

_WINDOWS: Final = Window.values

_ALONE: Final = "SELECT pg_advisory_xact_lock(7303, 0)"  # one draft at a time
_ONE_LOOK: Final = "SELECT pg_try_advisory_xact_lock(7304, 0)"  # it judges the whole fleet: not many at once
_WEEK: Final = """
SELECT (economics_window_start('week', %s, zone, week_starts_on) AT TIME ZONE zone)::date
  FROM economics_policy WHERE id = 1
"""
_KEEP_LINES: Final = """
INSERT INTO economics_review_lines (
    review_id, envelope_id, line_id, rule, because, before, after, state_before, state_after, step, floor, edges,
    tokens, roi, low_below, good_from, judged, is_low, was_low, priority_score, market_weight, used_last, used_before)
SELECT %(review)s, envelope_id, line_id, rule, because, before, after, state_before, state_after, %(step)s, %(floor)s,
       edges, tokens, roi, low_below, good_from, judged, is_low, was_low, priority_score, market_weight, used_last,
       used_before
  FROM economics_plan ORDER BY line_id
"""

# Locked first, in the order of ids, then read: what somebody was changing meanwhile is seen as he left it.
_LOCK_ENVELOPES: Final = """
SELECT FROM resource_budgets WHERE id IN (
    SELECT envelope_id FROM economics_review_lines
     WHERE review_id = %(review)s AND (before <> after OR state_before <> state_after))
 ORDER BY id FOR NO KEY UPDATE
"""
_LOCK_LINES: Final = """
SELECT FROM economics_lines WHERE id IN (
    SELECT line_id FROM economics_review_lines WHERE review_id = %(review)s AND before <> after)
 ORDER BY id FOR NO KEY UPDATE
"""
_OPEN_RESERVES: Final = """
INSERT INTO economics_reserves (window_kind, qualifier)
SELECT window_kind, qualifier FROM economics_review_pools
 WHERE review_id = %(review)s AND reserve_after <> reserve_before ORDER BY window_kind, qualifier
    ON CONFLICT (window_kind, qualifier) DO NOTHING
"""
_LOCK_RESERVES: Final = """
SELECT FROM economics_reserves r JOIN economics_review_pools p USING (window_kind, qualifier)
 WHERE p.review_id = %(review)s ORDER BY window_kind, qualifier FOR NO KEY UPDATE OF r
"""
_MOVED: Final = """
SELECT b.entity_type || ':' || b.entity_id
  FROM economics_review_lines v
  JOIN resource_budgets b ON b.id = v.envelope_id
  JOIN economics_lines l ON l.id = v.line_id
 WHERE v.review_id = %(review)s AND (v.before <> v.after OR v.state_before <> v.state_after)
   AND (l.base IS DISTINCT FROM v.before OR b.state <> v.state_before)
UNION
SELECT 'reserve ' || concat_ws(' ', nullif(p.qualifier, ''), 'per', p.window_kind)
  FROM economics_review_pools p LEFT JOIN economics_reserves r USING (window_kind, qualifier)
 WHERE p.review_id = %(review)s AND p.reserve_before <> p.reserve_after
   AND coalesce(r.amount, 0) <> p.reserve_before
 ORDER BY 1
"""
_MOVE_ENVELOPES: Final = """
UPDATE resource_budgets b
   SET token_budget = coalesce(m.after, b.token_budget), state = m.state,
       state_reason = CASE m.state WHEN b.state THEN b.state_reason WHEN 'capped' THEN %(capped)s ELSE '' END
  FROM (SELECT v.envelope_id, max(v.after) FILTER (WHERE l.is_named) AS after, max(v.state_after) AS state
          FROM economics_review_lines v JOIN economics_lines l ON l.id = v.line_id
         WHERE v.review_id = %(review)s
         GROUP BY v.envelope_id
        HAVING bool_or(v.before <> v.after AND l.is_named) OR max(v.state_before) <> max(v.state_after)) AS m
 WHERE b.id = m.envelope_id
"""
_MOVE_LINES: Final = """
UPDATE economics_lines l SET base = v.after
  FROM economics_review_lines v WHERE v.review_id = %(review)s AND v.before <> v.after AND l.id = v.line_id
   AND NOT l.is_named
"""


def draft_weekly(*, author: revisions.Author, now: datetime) -> Review:
    """Draft the review of the week of `now` and return it; the one there is already if it is not discarded.

    One that began in these seven days counts, too: where a new calendar sets the week back, none is reviewed twice. See
    `rebalancing.plan` for what it would move. Drafts of earlier weeks are discarded. A review that would change
    nothing counts as applied at once; one inside the policy's bounds is applied by the policy.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ALONE)
        period = _week(now)
        existing = _from(period).exclude(state="discarded").order_by("period").first()
        if existing is not None:
            return existing
        _supersede(period, now)
        policy, previous = worth_policy.get(), _previous(period)
        plan = rebalancing.plan(now=now, policy=policy, previous=previous)
        review = Review.objects.create(
            kind="weekly",
            period=period,
            policy=policy,
            drafted_at=now,
            drafted_by=author.who,
            figures=_figures(plan, previous, held_back := _held_back(plan, policy)),
        )
        terms: dict[str, Any] = {"review": review.pk, "step": policy.review_step, "floor": policy.floor_tokens}
        cursor.execute(_KEEP_LINES, terms)
        ReviewPool.objects.bulk_create(ReviewPool(review=review, **pool._asdict()) for pool in plan.pools)
        if not plan.moves:
            return apply(review.pk, author=_NOTHING, now=now)
        if not held_back:
            return apply(review.pk, author=POLICY, now=now)
    return review


def get(review_id: int) -> Review:
    """Return a review. Refuses one that there is not."""
    review = Review.objects.filter(pk=review_id).first()
    if review is None:
        raise errors.UnknownReviewError(review_id=review_id)
    return review


def pools(review: Review) -> list[ReviewPool]:
    """Return what a review moves in each pool: the totals first, windows from the shortest, then the tiers."""
    return sorted(
        review.pools.all(), key=lambda pool: (pool.qualifier != "", _WINDOWS.index(pool.window_kind), pool.qualifier)
    )


def draft_when_due(*, now: datetime) -> Review | None:
    """Draft the week's review if there is none yet, discarded ones counting; otherwise do nothing."""
    if _from(_week(now)).exists():
        return None
    return draft_weekly(author=revisions.Author("policy", "the weekly review"), now=now)


def _week(now: datetime) -> date:
    """Return the first day of the week of a moment, in the policy's zone."""
    with connection.cursor() as cursor:
        cursor.execute(_WEEK, [now])
        period: date = cursor.fetchone()[0]
    return period


def _from(period: date) -> QuerySet[Review]:
    """Return the weekly reviews of a week by its first day, and of those that began in it before it was set back."""
    return Review.objects.filter(kind="weekly", period__range=(period, period + timedelta(days=6)))


def _supersede(period: date, now: datetime) -> None:
    for old in Review.objects.filter(kind="weekly", state="draft", period__lt=period).order_by("pk"):
        discard(old.pk, author=revisions.Author("policy", f"Nobody decided before the week of {period}."), now=now)


def _previous(period: date) -> int | None:
    """Return the review before: what it found of ROI stands whatever became of its draft."""
    earlier = Review.objects.filter(kind="weekly", period__lt=period).order_by("-period", "-pk")
    return earlier.values_list("pk", flat=True).first()


def _figures(plan: rebalancing.Plan, previous: int | None, held_back: str) -> dict[str, Any]:
    counts = {**plan.counts._asdict(), "largest_step": f"{plan.counts.largest_step.normalize():f}"}
    return {**counts, "previous_review": previous, "waits_because": held_back}


def _held_back(plan: rebalancing.Plan, policy: WorthPolicy) -> str:
    """Return why a draft waits for a reviewer; empty if policy may apply it."""
    if not policy.auto_apply:
        return "The policy leaves reviews to reviewers."
    if plan.counts.largest_step > policy.auto_most_step:
        return f"A line moves by {plan.counts.largest_step:.1%}, more than {policy.auto_most_step:.1%}."
    if plan.largest_cap > policy.auto_most_step:
        return f"A cap takes {plan.largest_cap:.1%} of an effective budget, more than {policy.auto_most_step:.1%}."
    for pool in plan.pools:
        if max(pool.freed, pool.placed) > policy.auto_most_share * pool.before:
            return f"More than {policy.auto_most_share:.1%} of the budgets per {pool.window_kind} move."
    return ""


def apply(review_id: int, *, author: revisions.Author, now: datetime) -> Review:
    """Move what a draft says, all of it or nothing; return the review. One that is applied is returned as it is.

    Refuses a review that was discarded, and one over an envelope, a line or a reserve that has moved since it was
    drafted. Market weights are not looked at again: they move every day.
    """
    signed = author._replace(cause_kind="review", cause_id=str(review_id))
    with revisions.signed(signed, now=now), connection.cursor() as cursor:
        review = _locked(review_id)
        if review.state == Review.State.APPLIED:
            return review
        if review.state == Review.State.DISCARDED:
            raise errors.ReviewDecidedError(decided_by=review.decided_by)
        terms: dict[str, Any] = {"review": review_id, "capped": _CAPPED}
        for statement in (_LOCK_ENVELOPES, _LOCK_LINES, _OPEN_RESERVES, _LOCK_RESERVES):
            cursor.execute(statement, terms)
        cursor.execute(_MOVED, terms)
        moved = [name for (name,) in cursor.fetchmany(10)]
        if moved:
            raise errors.StaleReviewError(moved=", ".join(moved))
        for statement in (_MOVE_ENVELOPES, _MOVE_LINES):
            cursor.execute(statement, terms)
        return _decided(review, Review.State.APPLIED, author, now)  # the law moves the reserves with it


def discard(review_id: int, *, author: revisions.Author, now: datetime) -> Review:
    """Decide that a draft moves nothing, for the reason the author gives; return the review.

    One that is discarded is returned as it is. Refuses a review that was applied, and a discard without a reason.
    """
    if not author.why:
        msg = "Say why."
        raise errors.BudgetInvalidError(msg, pointer="/reason")
    with transaction.atomic():
        review = _locked(review_id)
        if review.state == Review.State.DISCARDED:
            return review
        if review.state == Review.State.APPLIED:
            raise errors.ReviewDecidedError(decided_by=review.decided_by)
        return _decided(review, Review.State.DISCARDED, author, now)


def _locked(review_id: int) -> Review:
    review = Review.objects.select_for_update(no_key=True).filter(pk=review_id).first()
    if review is None:
        raise errors.UnknownReviewError(review_id=review_id)
    return review


def _decided(review: Review, state: Review.State, author: revisions.Author, now: datetime) -> Review:
    review.state, review.decided_at, review.decided_by, review.decision_reason = state, now, author.who, author.why
    review.save(update_fields=["state", "decided_at", "decided_by", "decision_reason"])
    return review


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a review would move now under a policy that is not in force; `changes` are its terms that differ."""

    changes: Mapping[str, Any]
    plan: rebalancing.Plan
    lines: list[ReviewLine]


def what_if(*, now: datetime, limit: int = 50, **changes: Any) -> WhatIf:
    """Return what the week's review would move if the policy were as it is but for `changes`, and write nothing.

    Scores and market weights count as they would stand after the next weighing under that policy; `lines` are the
    `limit` lines that would move most. Refuses terms that the policy does not know, those no policy may have, and a
    look while another one is being taken.
    """
    present = worth_policy.get()
    policy = worth_policy.varied(present, changes)
    worth_policy.check(policy)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ONE_LOOK)
        if not cursor.fetchone()[0]:
            raise errors.WhatIfBusyError
        plan = rebalancing.plan(now=now, policy=policy, previous=_previous(_week(now)), varied=bool(changes))
        lines = [
            ReviewLine(step=policy.review_step, floor=policy.floor_tokens, **row) for row in rebalancing.largest(limit)
        ]
        prefetch_related_objects(lines, "envelope", "line")
        return WhatIf(changes, plan, lines)
