"""What a weekly review would move: every line of LLM tokens judged, and what is freed placed again, to the unit."""

from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection

from economics import returns, scores, signals, worth_policy
from economics.models import WorthPolicy
from economics.models.ceilings import MOST_AMOUNT

# Of a share used, as large as its column: whoever reports absurd figures must not keep all others from being reviewed.
_MOST_SHARE: Final = 10**14 - 1

# What the envelopes stand at; and what they would stand at after the next weighing if the policy were another.
_AS_STORED: Final = "SELECT id, priority_score, market_weight FROM resource_budgets"
_AS_VARIED: Final = f"""
SELECT b.id, p.priority_score,
       CASE WHEN b.granted_at IS NOT NULL AND b.granted_by <> '' AND b.state <> 'capped'
                 AND p.priority_score >= %(score_threshold)s
            THEN m.weight ELSE least(m.weight, 0) END AS market_weight
  FROM resource_budgets b
  LEFT JOIN ({scores.SCORED}) AS s USING (entity_type, entity_id)
  LEFT JOIN ({signals.CONFIDENCES}) AS c USING (entity_type, entity_id)
 CROSS JOIN LATERAL (SELECT coalesce(s.score, b.priority_score)) AS p(priority_score)
 CROSS JOIN LATERAL (SELECT least(greatest(coalesce(c.market_signal, 0), b.market_weight - %(most_daily_step)s),
                                  b.market_weight + %(most_daily_step)s)) AS m(weight)
"""  # noqa: S608 - made of constants, as are those below

# The quantile q of n values in order is the sum of each value times max(0, 1 - |place - q (n - 1)|), places counted
# from 0: linear interpolation, exact in NUMERIC. A pool is all lines of one kind of window and tier.
_PLAN: Final = """
CREATE TEMPORARY TABLE economics_plan ON COMMIT DROP AS
WITH windows AS MATERIALIZED (
    SELECT kind, last.starts AS last_start, economics_window_start(kind, last.starts - interval '1 us', p.zone,
           p.week_starts_on) AS start_before
      FROM economics_policy p, unnest(ARRAY['day', 'week', 'month']) AS kind,
           LATERAL (SELECT economics_window_start(kind, %(now)s, p.zone, p.week_starts_on)) AS present(starts),
           LATERAL (SELECT economics_window_start(kind, present.starts - interval '1 us', p.zone, p.week_starts_on)
                   ) AS last(starts)
     WHERE p.id = 1),
returned AS MATERIALIZED ({returns}),
worth AS MATERIALIZED ({worth}),
entities AS MATERIALIZED (
    SELECT b.id, b.entity_type, b.state, b.created_at, w.priority_score, w.market_weight,
           coalesce(r.edges, 0) AS edges, coalesce(r.tokens, 0) AS tokens, r.roi
      FROM resource_budgets b JOIN worth w USING (id) LEFT JOIN returned r USING (entity_type, entity_id)),
placed_rois AS (
    SELECT entity_type, roi, row_number() OVER (PARTITION BY entity_type ORDER BY roi) - 1 AS place,
           count(*) OVER (PARTITION BY entity_type) AS judged
      FROM entities WHERE roi IS NOT NULL),
types AS MATERIALIZED (
    SELECT entity_type, judged,
           round(sum(roi * greatest(0, 1 - abs(place - %(low_quantile)s * (judged - 1)))), 15) AS low_below,
           round(sum(roi * greatest(0, 1 - abs(place - %(good_quantile)s * (judged - 1)))), 15) AS good_from
      FROM placed_rois GROUP BY entity_type, judged),
were_low AS MATERIALIZED (
    SELECT DISTINCT envelope_id FROM economics_review_lines WHERE review_id = %(previous)s AND is_low),
verdicts AS MATERIALIZED (
    SELECT e.*, coalesce(t.judged, 0) AS judged, t.low_below, t.good_from,
           coalesce(t.judged >= %(fewest_judged)s AND e.roi < t.low_below, false) AS is_low,
           p.envelope_id IS NOT NULL AS was_low
      FROM entities e LEFT JOIN types t USING (entity_type) LEFT JOIN were_low p ON p.envelope_id = e.id),
used AS MATERIALIZED (
    SELECT line_id, window_start, settled FROM economics_counters
     WHERE window_start = ANY (ARRAY(SELECT last_start FROM windows UNION SELECT start_before FROM windows))),
-- What reviews found of a line since these windows began: who was raised in them had less before.
since AS MATERIALIZED (
    SELECT kind, coalesce((SELECT max(drafted_at) FROM economics_reviews
                            WHERE kind = 'weekly' AND drafted_at <= start_before), start_before) AS at FROM windows),
had AS MATERIALIZED (
    SELECT v.line_id, min(v.before) AS base
      FROM economics_review_lines v JOIN economics_reviews r ON r.id = v.review_id
      JOIN economics_lines l ON l.id = v.line_id JOIN since s ON s.kind = l.window_kind AND r.drafted_at >= s.at
     WHERE v.review_id = ANY (ARRAY(SELECT id FROM economics_reviews
                                     WHERE kind = 'weekly' AND drafted_at >= (SELECT min(at) FROM since)))
     GROUP BY v.line_id),
lines AS MATERIALIZED (
    SELECT v.id AS envelope_id, l.id AS line_id, l.window_kind, l.qualifier, l.is_named, l.base AS before, v.state,
           v.edges, v.tokens, v.roi, v.low_below, v.good_from, v.judged, v.is_low, v.was_low, v.priority_score,
           v.market_weight, floor(l.base * %(review_step)s) AS step,
           CASE WHEN v.created_at <= w.last_start AND l.base > 0
                THEN least(round(coalesce(c.settled, 0) / l.base, 6), %(most_share)s) END AS used_last,
           CASE WHEN v.created_at <= w.start_before AND l.base > 0
                THEN least(round(coalesce(d.settled, 0) / l.base, 6), %(most_share)s) END AS used_before,
           v.is_low AND v.was_low AS is_reduced,
           v.created_at <= w.start_before AND greatest(coalesce(c.settled, 0), coalesce(d.settled, 0))
           < %(idle_share)s * least(l.base, h.base) AS is_idle
      FROM verdicts v
      JOIN economics_lines l ON l.envelope_id = v.id AND l.resource_type = 'llm_tokens' AND l.base IS NOT NULL
       AND (l.is_named OR l.qualifier <> '')
      JOIN windows w ON w.kind = l.window_kind
      LEFT JOIN used c ON c.line_id = l.id AND c.window_start = w.last_start
      LEFT JOIN used d ON d.line_id = l.id AND d.window_start = w.start_before
      LEFT JOIN had h ON h.line_id = l.id),
judged AS MATERIALIZED (
    SELECT *, NOT is_reduced AND NOT is_idle AND state = 'active' AND coalesce(roi >= good_from, false)
           AND market_weight > 0 AND priority_score > 0 AND least(step, floor(%(most)s - before)) >= 1 AS may_gain,
           least(step, floor(%(most)s - before)) AS most_given,
           greatest(0, least(step, floor(before - %(floor_tokens)s))) AS most_taken
      FROM lines),
pools AS MATERIALIZED (
    SELECT j.window_kind, j.qualifier, coalesce(r.amount, 0) AS reserve, count(*) FILTER (WHERE may_gain) AS gainers,
           coalesce(sum(most_taken) FILTER (WHERE is_reduced OR is_idle), 0) + coalesce(r.amount, 0) AS pot
      FROM judged j LEFT JOIN economics_reserves r USING (window_kind, qualifier)
     GROUP BY j.window_kind, j.qualifier, r.amount),
-- Whoever would get more than its step by its share gets its step; those are first in the order of step by priority.
gainers AS MATERIALIZED (
    SELECT j.line_id, j.window_kind, j.qualifier, j.most_given AS step, j.priority_score, j.roi, p.pot,
           sum(j.most_given) OVER sofar - j.most_given AS steps_sofar,
           sum(j.priority_score) OVER pool - sum(j.priority_score) OVER sofar + j.priority_score AS priority_from
      FROM judged j JOIN pools p USING (window_kind, qualifier) WHERE j.may_gain
    WINDOW pool AS (PARTITION BY j.window_kind, j.qualifier),
           sofar AS (PARTITION BY j.window_kind, j.qualifier ORDER BY j.most_given / j.priority_score, j.line_id
                     ROWS UNBOUNDED PRECEDING)),
filled AS MATERIALIZED (
    SELECT *, step * priority_from <= (pot - steps_sofar) * priority_score AS is_full FROM gainers),
left_over AS MATERIALIZED (
    SELECT window_kind, qualifier, pot - coalesce(sum(step) FILTER (WHERE is_full), 0) AS pot,
           sum(priority_score) FILTER (WHERE NOT is_full) AS priority
      FROM filled GROUP BY window_kind, qualifier, filled.pot),
shared AS MATERIALIZED (
    SELECT f.*, CASE WHEN f.is_full THEN f.step
                     ELSE least(f.step, div(l.pot * f.priority_score, l.priority)) END AS share
      FROM filled f JOIN left_over l USING (window_kind, qualifier)),
given AS MATERIALIZED (
    SELECT line_id, share + CASE WHEN share < step AND place <= rest THEN 1 ELSE 0 END AS amount
      FROM (SELECT *, pot - sum(share) OVER (PARTITION BY window_kind, qualifier) AS rest,
                   row_number() OVER (PARTITION BY window_kind, qualifier, share < step ORDER BY roi DESC, line_id)
                   AS place
              FROM shared) AS ranked),
decided AS MATERIALIZED (
    SELECT j.*, coalesce(g.amount, 0) AS gained, p.gainers, p.reserve,
           CASE WHEN p.gainers > 0 AND (j.is_reduced OR j.is_idle) THEN j.most_taken ELSE 0 END AS taken,
           bool_or(j.is_reduced AND p.gainers > 0) OVER (PARTITION BY j.envelope_id) AS is_capped
      FROM judged j JOIN pools p USING (window_kind, qualifier) LEFT JOIN given g USING (line_id))
SELECT envelope_id, line_id, window_kind, qualifier, is_named, gainers, reserve,
       CASE WHEN gainers > 0 AND is_reduced THEN 'reduce' WHEN gainers > 0 AND is_idle AND taken > 0 THEN 'reclaim'
            WHEN gained > 0 THEN 'gain' ELSE 'keep' END AS rule,
       CASE WHEN is_reduced AND gainers = 0 THEN 'low_but_nobody_gains'
            WHEN is_reduced AND taken = 0 THEN 'low_at_the_floor'
            WHEN is_reduced THEN 'low_twice'
            WHEN is_idle AND gainers = 0 THEN 'idle_but_nobody_gains'
            WHEN is_idle AND taken = 0 THEN 'idle_at_the_floor'
            WHEN is_idle THEN 'idle'
            WHEN gained > 0 AND gained = step THEN 'good_to_the_step'
            WHEN gained > 0 THEN 'good'
            WHEN may_gain THEN 'good_but_nothing_to_give'
            WHEN roi IS NULL THEN 'unproven'
            WHEN is_low THEN 'low_once'
            WHEN state <> 'active' THEN state
            WHEN roi < good_from THEN 'not_good_enough'
            WHEN market_weight <= 0 THEN 'no_market'
            WHEN priority_score <= 0 THEN 'no_priority'
            WHEN step >= 1 AND most_given < 1 THEN 'at_the_most'
            ELSE 'too_small' END AS because,
       before, before - taken + gained AS after, state AS state_before,
       CASE WHEN is_capped AND state = 'active' THEN 'capped'
            WHEN state = 'capped' AND roi IS NOT NULL AND judged >= %(fewest_judged)s AND NOT is_low THEN 'active'
            ELSE state END AS state_after,
       edges, tokens, roi, low_below, good_from, judged, is_low, was_low, priority_score, market_weight, used_last,
       used_before
  FROM decided
"""

_POOLS: Final = """
SELECT window_kind, qualifier, count(*), max(gainers), sum(before), sum(after), max(reserve),
       sum(greatest(before - after, 0)), sum(greatest(after - before, 0)),
       max(reserve) + sum(before) - sum(after)
  FROM economics_plan GROUP BY window_kind, qualifier
 ORDER BY qualifier <> '', array_position(ARRAY['day', 'week', 'month'], window_kind), qualifier
"""
_COUNTS: Final = """
SELECT count(DISTINCT envelope_id), count(*) FILTER (WHERE rule = 'reduce'), count(*) FILTER (WHERE rule = 'reclaim'),
       count(*) FILTER (WHERE rule = 'gain'), count(*) FILTER (WHERE rule = 'keep'),
       count(DISTINCT envelope_id) FILTER (WHERE state_before <> state_after AND state_after = 'capped'),
       count(DISTINCT envelope_id) FILTER (WHERE state_before <> state_after AND state_after = 'active'),
       count(DISTINCT envelope_id) FILTER (WHERE roi IS NOT NULL),
       coalesce(max(round(abs(after - before) / nullif(before, 0), 6)), 0),
       coalesce(max(round(market_weight / (1 + market_weight), 6))
                FILTER (WHERE state_before <> state_after AND state_after = 'capped' AND market_weight > 0), 0)
  FROM economics_plan
"""


class Pool(NamedTuple):
    """What moves among the lines of one kind of window and tier ("": the totals), in LLM tokens a window."""

    window_kind: str
    qualifier: str
    lines: int
    gainers: int
    before: Any
    after: Any
    reserve_before: Any
    freed: Any
    placed: Any
    reserve_after: Any


class Counts(NamedTuple):
    """How many envelopes were looked at, and how many lines each rule fires on. `largest_step` is a share."""

    envelopes: int
    reduced: int
    reclaimed: int
    gained: int
    kept: int
    capped: int
    released: int
    proven: int
    largest_step: Any


class Plan(NamedTuple):
    """What would move, in sum; line by line it stands in the temporary table `economics_plan`.

    `largest_cap` is the largest share of an effective budget that a cap would take back from the market's lift.
    """

    pools: list[Pool]
    counts: Counts
    largest_cap: Any

    @property
    def moves(self) -> bool:
        """Whether anything would change at all."""
        counts = self.counts
        return bool(counts.capped or counts.released or any(pool.freed or pool.placed for pool in self.pools))


def plan(*, now: datetime, policy: WorthPolicy, previous: int | None, varied: bool = False) -> Plan:
    """Judge every line at a moment, in one statement and so on one state of the books; return what would move.

    The lines are those of LLM tokens, total and tiers, that have a ceiling, per window of a day, week or month. Rules,
    in this order, each in a pool (one kind of window and tier) with somebody to gain:

    - reduce: ROI strictly below the low quantile of its type now and in the review `previous`, with enough judged; by
      the step (a share of the base, whole tokens), not below the floor. The envelope is capped until a review finds
      its ROI not low.
    - reclaim: used less than the idle share of its base in each of its last two full windows, of the least base that
      reviews found since these began; by the step, not below the floor.
    - gain: ROI at or above the good quantile of its type, market weight above 0, active. What is freed, and the
      reserve before it, goes by shares of `priority_score`, nobody above its step: who would get more gets the step,
      and the rest is shared anew among the others. Shares are cut to whole tokens and what remains goes one by one
      in the order of ROI, then id; what then remains is the reserve.

    Bases and reserve of a pool have the same sum before and after. `varied` takes the scores and market weights that
    would follow from `policy` instead of those stored. Needs a transaction, in which the table of lines then stands.
    """
    text = _PLAN.format(returns=returns.RETURNS, worth=_AS_VARIED if varied else _AS_STORED)
    bounds = {"most": MOST_AMOUNT, "most_share": _MOST_SHARE}
    terms = {**worth_policy.terms(policy), **bounds, "now": now, "previous": previous}
    with returns.for_a_fleet() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.economics_plan")
        cursor.execute(text, terms)
        cursor.execute("ANALYZE economics_plan")
        cursor.execute(_POOLS)
        pools = [Pool(*row) for row in cursor.fetchall()]
        cursor.execute(_COUNTS)
        *counts, largest_cap = cursor.fetchone()
        return Plan(pools, Counts(*counts), largest_cap)


_LARGEST: Final = """
SELECT envelope_id, line_id, rule, because, before, after, state_before, state_after, edges, tokens, roi, low_below,
       good_from, judged, is_low, was_low, priority_score, market_weight, used_last, used_before
  FROM economics_plan ORDER BY abs(after - before) DESC, state_before = state_after, line_id LIMIT %s
"""


def largest(limit: int) -> list[dict[str, Any]]:
    """Return the lines of the plan just made that would move most, by column."""
    with connection.cursor() as cursor:
        cursor.execute(_LARGEST, [limit])
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
