"""Market weights: once a day every envelope is moved a step towards what the market says, behind the gate."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection, transaction

from economics import revisions, signals, worth_policy
from economics.models import Envelope, WorthPolicy

_LARGEST: Final = 20  # moves that are told one by one

_TODAY: Final = """
SELECT t.today, coalesce(p.last_weighed_on < t.today, true)
  FROM economics_policy p, LATERAL (SELECT (%(now)s::timestamptz AT TIME ZONE p.zone)::date) AS t(today) WHERE p.id = 1
"""
_STAMP: Final = """
UPDATE economics_policy SET last_weighed_on = %(today)s
 WHERE id = 1 AND (last_weighed_on IS NULL OR last_weighed_on < %(today)s)
"""

# While this is held no version of the policy comes into force: one that raises the threshold would not see what is
# lifted here until it is too late. Taken after the row above, as scores do.
_HOLD_POLICY: Final = "LOCK TABLE economics_worth_policies IN SHARE MODE"

_SURE: Final = f"CREATE TEMPORARY TABLE economics_sure ON COMMIT DROP AS {signals.CONFIDENCES}"

# Where envelopes stand and go: a step towards the signal, 0 where there is none, and never above 0 behind a closed
# gate. The gate is that of the law `envelope_market_lifts_only_what_was_granted`.
_STEPS: Final = """
SELECT b.id, b.entity_type, b.entity_id, s.confidence, s.market_signal AS signal, b.market_weight AS before,
       CASE WHEN g.is_open THEN t.stepped ELSE least(t.stepped, 0) END AS after,
       g.is_open OR t.stepped <= 0 AS is_free, b.market_signal AS signal_before
  FROM resource_budgets b LEFT JOIN economics_sure s USING (entity_type, entity_id)
 CROSS JOIN LATERAL (SELECT b.granted_at IS NOT NULL AND b.granted_by <> '' AND b.state <> 'capped'
                            AND b.priority_score >= %(score_threshold)s) AS g(is_open)
 CROSS JOIN LATERAL (SELECT least(greatest(coalesce(s.market_signal, 0), b.market_weight - %(most_daily_step)s),
                                  b.market_weight + %(most_daily_step)s)) AS t(stepped)
"""
_DUE: Final = "before <> after OR signal_before IS DISTINCT FROM signal"
_IDS: Final = f"SELECT ARRAY(SELECT id FROM ({_STEPS}) AS steps WHERE {_DUE})"  # noqa: S608 - made of constants

# Whoever was changing one of these envelopes is done after this, and the statements below see what he did.
_LOCK: Final = "SELECT FROM resource_budgets WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE"
_MOVES: Final = f"""
CREATE TEMPORARY TABLE economics_moves ON COMMIT DROP AS
SELECT * FROM ({_STEPS}) AS steps WHERE id = ANY(%(ids)s) AND ({_DUE})
"""  # noqa: S608
_MOVE: Final = """
UPDATE resource_budgets b SET market_weight = m.after, market_signal = m.signal
  FROM economics_moves m WHERE m.id = b.id
"""
_COUNTS: Final = """
SELECT count(*) FILTER (WHERE after > before), count(*) FILTER (WHERE after < before),
       count(*) FILTER (WHERE after = before), count(*) FILTER (WHERE NOT is_free) FROM economics_moves
"""
_TOLD: Final = f"""
SELECT entity_type, entity_id, confidence, signal, before, after, is_free FROM economics_moves WHERE before <> after
 ORDER BY abs(after - before) DESC, abs(after) DESC, id LIMIT {_LARGEST}
"""  # noqa: S608


class Move(NamedTuple):
    """A step of one envelope; `signal` None: nobody says anything. Not free: the gate holds it at 0."""

    entity_type: str
    entity_id: str
    confidence: Decimal | None
    signal: Decimal | None
    before: Decimal
    after: Decimal
    is_free: bool


class Weighed(NamedTuple):
    """What a day's step did: weights raised and lowered, those whose signal alone changed, those the gate held back.

    `largest` are the moves that went farthest, at most twenty.
    """

    day: date
    raised: int
    lowered: int
    stayed: int
    held_back: int
    largest: list[Move]


@transaction.atomic
def weigh(*, now: datetime, dry_run: bool = False) -> Weighed | None:
    """Move every market weight towards its signal, by at most the policy's daily step; return what moved.

    Once per local day: None when the day's step was made before. A day without one is not made up. A weight is
    lifted above 0 only where the Senate granted the envelope, its score clears the threshold and it is not capped;
    elsewhere it is 0 or less at once. Without signals a weight goes back to 0 by such steps. Only what changes is
    written, with a revision whose cause is `market`. Set-based; `dry_run` writes nothing.
    """
    policy: dict[str, Any] = {}
    with connection.cursor() as cursor:
        cursor.execute(_TODAY, {"now": now})
        today, is_due = cursor.fetchone()
        if not dry_run:
            cursor.execute(_STAMP, {"today": today})
            is_due = bool(cursor.rowcount)
            cursor.execute(_HOLD_POLICY)
        if not is_due:
            return None
        policy = {**worth_policy.terms(worth_policy.get()), "now": now}
        cursor.execute("DROP TABLE IF EXISTS pg_temp.economics_sure, pg_temp.economics_moves")
        cursor.execute(_SURE, policy)
        cursor.execute("ANALYZE economics_sure")
        cursor.execute(_IDS, policy)
        (policy["ids"],) = cursor.fetchone()
        if not dry_run:
            cursor.execute(_LOCK, policy)
        cursor.execute(_MOVES, policy)
        if not dry_run:
            with revisions.signed(_author(today), now=now):
                cursor.execute(_MOVE)
        cursor.execute(_COUNTS)
        raised, lowered, stayed, held_back = cursor.fetchone()
        cursor.execute(_TOLD)
        return Weighed(today, raised, lowered, stayed, held_back, [Move(*row) for row in cursor.fetchall()])


def _author(day: date) -> revisions.Author:
    return revisions.Author("market", "a step towards what the market says", "market", day.isoformat())


def weigh_when_due(*, now: datetime) -> Weighed | None:
    """Make the day's step unless it was made; it costs one look."""
    with connection.cursor() as cursor:
        cursor.execute(_TODAY, {"now": now})
        _today, is_due = cursor.fetchone()
    return weigh(now=now) if is_due else None


class Said(NamedTuple):
    """What the signals on an entity come to: how many count, the confidence, and the weight it asks for."""

    signals: int
    confidence: Decimal
    signal: Decimal


def said(entity_type: str, entity_id: str, *, now: datetime) -> Said:
    """Return what the market says of one entity now, under the policy in force: 0.5 and 0 where nobody says anything.

    What is applied moves towards this by a step a day, and only while the gate is open.
    """
    terms = {**worth_policy.terms(worth_policy.get()), "now": now}
    with connection.cursor() as cursor:
        cursor.execute(signals.CONFIDENCE_OF_ENTITY, {**terms, "entity_type": entity_type, "entity_id": entity_id})
        found = cursor.fetchone()
    return Said(*found[2:]) if found else Said(0, Decimal("0.5"), Decimal(0))


def shut(envelope: Envelope, policy: WorthPolicy) -> list[str]:
    """Return why the market may not lift an envelope, in sentences; nothing where the gate is open.

    The gate is that of the law `envelope_market_lifts_only_what_was_granted`.
    """
    reasons = []
    if envelope.granted_at is None or not envelope.granted_by:
        reasons.append("The Senate has not granted it.")
    if envelope.priority_score < policy.score_threshold:
        reasons.append(f"Its priority score is below {policy.score_threshold.normalize():f}.")
    if envelope.state == Envelope.State.CAPPED:
        reasons.append("It is capped.")
    return reasons
