"""The daily check: settled use against every limit; alerts, and freezes that lift by themselves."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db import connection

from economics import budget_policy, revisions, stops
from economics.models import Alert

_AUTHOR: Final = revisions.Author("daily check", "settled use against the limits", "freeze")

# One check at a time and none that looks back: another one holds this row, or has been here at a later moment.
_STAMP = """
UPDATE economics_policy SET last_safety_at = %(now)s
 WHERE id IN (SELECT id FROM economics_policy WHERE last_safety_at IS NULL OR last_safety_at <= %(now)s
                 FOR NO KEY UPDATE SKIP LOCKED)
"""

# The figures of `economics_standing`, for a whole fleet by a few hash joins: only lines that have a limit and half of
# it, the first threshold, settled in the present window. `over` has a row per envelope.
_STANDING = """
WITH windows AS MATERIALIZED (
    SELECT kind, w.starts, economics_window_end(kind, w.starts, p.zone) AS ends
      FROM economics_policy p, unnest(ARRAY['day', 'week', 'month', 'lifetime']) AS kind,
           LATERAL (SELECT economics_window_start(kind, %(now)s, p.zone, p.week_starts_on)) AS w(starts)),
granted AS (
    SELECT g.line_id, sum(g.amount) AS amount
      FROM economics_grants g JOIN economics_lines l ON l.id = g.line_id JOIN windows w ON w.kind = l.window_kind
     WHERE g.ended_at IS NULL AND w.starts BETWEEN g.first_window AND g.last_window GROUP BY 1),
standing AS MATERIALIZED (
    SELECT l.id AS line_id, l.envelope_id, l.resource_type, l.qualifier, l.window_kind, w.starts, w.ends, c.settled,
           m.most
      FROM windows w JOIN economics_counters c ON c.window_start = w.starts
      JOIN economics_lines l ON l.id = c.line_id AND l.window_kind = w.kind
      LEFT JOIN resource_budgets b ON b.id = l.envelope_id
      LEFT JOIN granted g ON g.line_id = l.id
     CROSS JOIN LATERAL (SELECT economics_limit(l.resource_type, l.base, b.market_weight, coalesce(g.amount, 0),
                                                w.starts, w.ends)) AS m(most)
     WHERE c.settled > 0 AND l.base IS NOT NULL AND c.settled * 2 >= m.most
       AND (%(ids)s::bigint[] IS NULL OR l.envelope_id = ANY(%(ids)s::bigint[]))),
over AS MATERIALIZED (
    SELECT envelope_id, CASE WHEN bool_and(ends IS NOT NULL) THEN max(ends) END AS until,
           'Over its limit: ' || string_agg(economics_line_title(resource_type, qualifier, window_kind), ', '
                                            ORDER BY line_id) || ' (' AS lines,
           string_agg(trim_scale(settled) || ' of ' || trim_scale(most), ', ' ORDER BY line_id) || ')' AS figures
      FROM standing WHERE settled > most AND envelope_id IS NOT NULL GROUP BY 1)
"""

# A frozen envelope is written again only when other lines or another end are to be named, not with every figure.
_DIFFERS = "b.frozen_until IS DISTINCT FROM o.until OR NOT starts_with(b.state_reason, o.lines)"

_ALERT = f"""
{_STANDING},
reached AS MATERIALIZED (
    SELECT line_id, starts, settled, most, threshold
      FROM standing, unnest(%(thresholds)s::int[]) AS threshold WHERE settled * 100 >= most * threshold),
known AS MATERIALIZED (
    SELECT a.id, a.line_id, a.threshold
      FROM windows w JOIN economics_alerts a ON a.window_start = w.starts AND a.rearmed_at IS NULL
      JOIN economics_lines l ON l.id = a.line_id AND l.window_kind = w.kind),
rearmed AS (
    UPDATE economics_alerts SET rearmed_at = %(now)s
     WHERE id IN (SELECT id FROM known LEFT JOIN reached USING (line_id, threshold) WHERE reached.line_id IS NULL)
    RETURNING id),
raised AS (
    INSERT INTO economics_alerts (line_id, window_start, threshold, settled, "limit", raised_at)
    SELECT line_id, starts, threshold, settled, most, %(now)s
      FROM reached LEFT JOIN known USING (line_id, threshold) WHERE known.id IS NULL ORDER BY line_id, threshold
    RETURNING id)
SELECT (SELECT count(*) FROM raised), (SELECT count(*) FROM rearmed),
       ARRAY(SELECT b.id FROM resource_budgets b LEFT JOIN over o ON o.envelope_id = b.id
              WHERE (b.state <> 'frozen' AND o.envelope_id IS NOT NULL)
                 OR (b.frozen_by_check AND (o.envelope_id IS NULL OR {_DIFFERS})))
"""  # noqa: S608 - made of constants, as are those below

# Whoever was changing one of these envelopes is done after this, and the statements below see what he did.
_LOCK = "SELECT FROM resource_budgets WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE"

_FREEZE = f"""
{_STANDING},
due AS (
    SELECT b.id, b.state <> 'frozen' AS is_new, o.until, o.lines || o.figures AS reason
      FROM resource_budgets b JOIN over o ON o.envelope_id = b.id
     WHERE b.state <> 'frozen' OR (b.frozen_by_check AND ({_DIFFERS}))),
frozen AS (
    UPDATE resource_budgets b
       SET state = 'frozen', frozen_by_check = true, frozen_until = due.until, state_reason = due.reason
      FROM due WHERE b.id = due.id RETURNING due.is_new),
marked AS (
    UPDATE economics_alerts a SET froze = true
      FROM due JOIN standing s ON s.envelope_id = due.id AND s.settled > s.most
     WHERE a.rearmed_at IS NULL AND a.window_start = s.starts AND a.line_id = s.line_id AND a.threshold = 100
       AND NOT a.froze)
SELECT count(*) FROM frozen WHERE is_new
"""  # noqa: S608

_CLEAR = f"""
{_STANDING}
SELECT ARRAY(SELECT b.id FROM resource_budgets b
              WHERE b.id = ANY(%(ids)s::bigint[]) AND b.frozen_by_check
                AND NOT EXISTS (SELECT FROM over o WHERE o.envelope_id = b.id))
"""  # noqa: S608


class Checked(NamedTuple):
    """What a check did: alerts raised and armed again, envelopes frozen and lifted."""

    raised: int = 0
    rearmed: int = 0
    frozen: int = 0
    lifted: int = 0


def check(*, now: datetime) -> Checked:
    """Hold settled use in the present windows against the limits, of every envelope and of the fleet's USD.

    A line that reached 50, 80 or 100 % of its limit gets an alert for each, once per window, and again after it had
    been below in between: a raised limit or a correction arms it. Anything settled on a limit of 0 is over it. An
    envelope with a line over (not at) its limit is frozen until its windows ended or its limits were raised; then it
    is again what it was before. A person's freeze is left alone, and the fleet's line freezes nobody.

    A handful of statements, however many envelopes there are. A check beside another, or for a moment before the
    last one's, does nothing.
    """
    terms = {"now": now, "ids": None, "thresholds": Alert.Threshold.values}
    with revisions.signed(_AUTHOR, now=now), connection.cursor() as cursor:
        cursor.execute(_STAMP, terms)
        if not cursor.rowcount:
            return Checked()
        cursor.execute(_ALERT, terms)
        raised, rearmed, terms["ids"] = cursor.fetchone()
        if not terms["ids"]:
            return Checked(raised, rearmed)
        cursor.execute(_LOCK, terms)
        cursor.execute(_FREEZE, terms)
        (frozen,) = cursor.fetchone()
        cursor.execute(_CLEAR, terms)
        (clear,) = cursor.fetchone()
        return Checked(raised, rearmed, frozen, stops.lift(clear))


def check_when_due(*, now: datetime) -> Checked:
    """Check if the policy's time since the last check is over; otherwise do nothing."""
    policy = budget_policy.get()
    wait = timedelta(seconds=policy.safety_seconds)
    if policy.last_safety_at is not None and now < policy.last_safety_at + wait:
        return Checked()
    return check(now=now)


def acknowledge(alert_ids: Collection[int], *, who: str, now: datetime) -> int:
    """Put on record who has seen these alerts first, and when; return how many nobody had seen before."""
    unseen = Alert.objects.filter(pk__in=alert_ids, seen_at=None)
    return unseen.update(seen_at=now, seen_by=who)
