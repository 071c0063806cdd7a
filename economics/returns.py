"""What an entity's LLM tokens brought in: net edges per token over a window of days, as the policy weighs them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from economics import budget_policy, outcomes, worth_policy
from economics.models import WorthPolicy

# What one outcome counts in edges; `o` is its row. A correction is a negative row of the kind it corrects.
_IN_EDGES: Final = """
o.amount * CASE o.kind WHEN 'edges_gained' THEN 1 WHEN 'edges_removed' THEN -1 WHEN 'papers' THEN %(paper_edges)s
                       WHEN 'hypotheses_improved' THEN %(hypothesis_edges)s ELSE %(artifact_edges)s END
"""

# Net edges and LLM tokens by entity in a `span`: a relation of one row with its days (first_day <= day < end_day) and
# its moments (starts <= at < ends), which a statement names before.
EDGES: Final = f"""
SELECT o.entity_type, o.entity_id, sum({_IN_EDGES}) AS edges
  FROM span JOIN economics_outcomes o ON o.at >= span.starts AND o.at < span.ends GROUP BY o.entity_type, o.entity_id
"""  # noqa: S608 - made of constants, as are those below
TOKENS: Final = """
SELECT d.entity_type, d.entity_id, sum(d.amount) AS tokens
  FROM economics_usage_days d
 WHERE d.resource_type = 'llm_tokens' AND d.day >= (SELECT first_day FROM span) AND d.day < (SELECT end_day FROM span)
 GROUP BY d.entity_type, d.entity_id
"""

# The policy's whole local days that ended with the last local midnight at or before a moment.
SPAN: Final = """
SELECT d.day - %(roi_days)s AS first_day, d.day AS end_day,
       economics_first_moment(d.day - interval '1 day' * %(roi_days)s, p.zone) AS starts,
       economics_first_moment(d.day::timestamp, p.zone) AS ends
  FROM economics_policy p, LATERAL (SELECT (%(now)s AT TIME ZONE p.zone)::date) AS d(day) WHERE p.id = 1
"""

# E, T, μ and ROI of every entity with usage or outcomes in the last `roi_days` whole local days. Both fractions of
# ROI = (E + m ΣE/ΣT) / (T + m) are made one, (E ΣT + m ΣE) / ((T + m) ΣT), whose terms are exact; the zeros make the
# quotient exact far beyond the 15 places it is rounded to.
# The bound is that of the column: whoever reports absurd figures must not keep all others from being judged.
RETURNS: Final = f"""
WITH span AS MATERIALIZED ({SPAN}),
edges AS MATERIALIZED ({EDGES}),
tokens AS MATERIALIZED ({TOKENS}),
sums AS MATERIALIZED (
    SELECT entity_type, entity_id, coalesce(edges, 0) AS edges, coalesce(tokens, 0) AS tokens
      FROM tokens FULL JOIN edges USING (entity_type, entity_id)),
types AS MATERIALIZED (
    SELECT entity_type, sum(edges) AS all_edges, sum(tokens) AS all_tokens FROM sums GROUP BY entity_type)
SELECT s.entity_type, s.entity_id, s.edges, s.tokens,
       CASE WHEN t.all_tokens > 0 THEN round((t.all_edges + 0.{"0" * 30}) / t.all_tokens, 15) ELSE 0 END AS prior,
       CASE WHEN s.tokens < %(roi_fewest_tokens)s THEN NULL
            ELSE greatest(-999999999999999, least(999999999999999, round(
                (s.edges * t.all_tokens + %(roi_prior_tokens)s * t.all_edges + 0.{"0" * 30})
                / ((s.tokens + %(roi_prior_tokens)s) * t.all_tokens), 15))) END AS roi
  FROM sums s JOIN types t USING (entity_type)
"""  # noqa: S608

# Room for the sums of a large fleet; and numbers of rows that cannot be guessed must not be joined one by one.
_PLANNED: Final = "SET LOCAL work_mem = '64MB'; SET LOCAL enable_nestloop = off"
_AS_BEFORE: Final = "SET LOCAL work_mem TO DEFAULT; SET LOCAL enable_nestloop TO DEFAULT"

# Rows are locked in the order of their ids, and only those that change.
_REFRESH: Final = f"""
WITH returned AS MATERIALIZED ({RETURNS}),
changed AS MATERIALIZED (
    SELECT b.id, r.roi FROM resource_budgets b LEFT JOIN returned r USING (entity_type, entity_id)
     WHERE b.roi_score IS DISTINCT FROM r.roi ORDER BY b.id FOR NO KEY UPDATE OF b)
UPDATE resource_budgets b SET roi_score = c.roi FROM changed c WHERE b.id = c.id
"""  # noqa: S608

# Once a day, by whoever comes first; another one that comes meanwhile leaves it to him.
_STAMP: Final = """
UPDATE economics_policy SET last_returns_on = %(day)s
 WHERE id IN (SELECT id FROM economics_policy WHERE last_returns_on IS NULL OR last_returns_on < %(day)s
                 FOR NO KEY UPDATE SKIP LOCKED)
"""
_TODAY: Final = "SELECT (%(now)s AT TIME ZONE zone)::date FROM economics_policy WHERE id = 1"


def terms(policy: WorthPolicy, *, now: datetime) -> dict[str, Any]:
    """Return the parameters of `RETURNS`."""
    return {**worth_policy.terms(policy), "now": now}


@contextmanager
def for_a_fleet() -> Iterator[CursorWrapper]:
    """Give a cursor, in a transaction, whose statements are planned for a whole fleet."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PLANNED)
        yield cursor
        cursor.execute(_AS_BEFORE)


def refresh(*, now: datetime) -> int:
    """Set the ROI of every envelope to what its entity's tokens brought in, and return how many changed.

    `roi_score` = (E + m * μ) / (T + m), in edges per LLM token (design, section 7 "ROI"): net edges E and tokens T over
    the policy's `roi_days` whole local days that ended with the last midnight, μ = ΣE/ΣT of the entity type, m =
    `roi_prior_tokens`. NULL, unproven, where T is below `roi_fewest_tokens`. Negative where more was lost than gained.

    It writes no revision: it is a figure that follows from usage and outcomes, and no deed of anybody. Reviews keep the
    figures they go by in their lines.
    """
    with for_a_fleet() as cursor:
        cursor.execute(_REFRESH, terms(worth_policy.get(), now=now))
        changed: int = cursor.rowcount
    return changed


def refresh_when_due(*, now: datetime) -> int:
    """Refresh if no refresh has been made since the last local midnight; otherwise do nothing."""
    policy = budget_policy.get()
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute(_TODAY, {"now": now})
        (day,) = cursor.fetchone()
        if policy.last_returns_on is not None and policy.last_returns_on >= day:
            return 0
        cursor.execute(_STAMP, {"day": day})
        return refresh(now=now) if cursor.rowcount else 0


# Of one entity, by its indexes; NULL edges: no outcome is on record.
_YIELDED: Final = f"""
WITH span AS MATERIALIZED ({SPAN})
SELECT (SELECT sum({outcomes.NET_EDGES}) FROM economics_outcomes o
         WHERE o.entity_type = %(entity_type)s AND o.entity_id = %(entity_id)s
           AND o.at >= span.starts AND o.at < span.ends),
       (SELECT coalesce(sum(d.amount), 0) FROM economics_usage_days d
         WHERE d.entity_type = %(entity_type)s AND d.entity_id = %(entity_id)s AND d.resource_type = 'llm_tokens'
           AND d.day >= span.first_day AND d.day < span.end_day),
       span.first_day, span.end_day - 1
  FROM span
"""  # noqa: S608 - made of constants


class Yielded(NamedTuple):
    """Net edges (None: no outcome is on record) and LLM tokens of an entity, from the first day to the last."""

    edges: Decimal | None
    tokens: Decimal
    first_day: date
    last_day: date


def yielded(entity_type: str, entity_id: str, *, days: int, now: datetime) -> Yielded:
    """Return what an entity gained and used in the `days` whole local days that ended with the last midnight.

    Edges are gained less removed; papers, hypotheses and artifacts count nothing here, whatever the policy says.
    """
    named = {"entity_type": entity_type, "entity_id": entity_id}
    with connection.cursor() as cursor:
        cursor.execute(_YIELDED, {**named, "roi_days": days, "now": now})
        return Yielded(*cursor.fetchone())
