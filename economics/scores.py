"""Scores: components as judged or as observed, made anew for all entities at once, with all they were made of."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection

from economics import budget_policy, errors, revisions, scoring, worth_policy
from economics.models import Assessment, Score

_AUTHOR: Final = revisions.Author("scoring", "scores were made anew", "score")
_SHOWN: Final = 10
_LONGEST: Final = {"entity_type": 64, "entity_id": 200, "reason": 500, "author": 200}

# The score of every entity of which anything is observed or judged, as `scoring` has it: a SELECT whose parameters
# are `now` and the terms of a policy. What happens after `now` does not count. Quotients have 30 decimals, so that
# the sixth place of what is made of them is right; from 20 scales on saturation is 1 to 6 places, and PostgreSQL
# would work out exp(-1000) to a thousand digits.
SCORED: Final = """
WITH seen AS (
    SELECT DISTINCT entity_type, entity_id, kind,
           CASE WHEN kind IN ('paper', 'debate', 'replication', 'kg_link') THEN reference ELSE principal END AS what
      FROM economics_observations
     WHERE at <= %(now)s AND (withdrawn_at IS NULL OR withdrawn_at > %(now)s)),
counted AS (
    SELECT entity_type, entity_id, count(*) FILTER (WHERE kind = 'paper') AS paper,
           count(*) FILTER (WHERE kind = 'debate') AS debate,
           count(*) FILTER (WHERE kind = 'replication') AS replication,
           count(*) FILTER (WHERE kind = 'kg_link') AS kg_link, count(*) FILTER (WHERE kind = 'vote') AS vote,
           count(*) FILTER (WHERE kind = 'comment') AS comment, count(*) FILTER (WHERE kind = 'bounty') AS bounty
      FROM seen GROUP BY 1, 2),
observed AS (
    SELECT *, CASE WHEN paper + debate + replication + kg_link > 0 THEN
                   paper * %(paper_points)s::numeric + debate * %(debate_points)s::numeric
                 + replication * %(replication_points)s::numeric + kg_link * %(kg_link_points)s::numeric
              END AS evidence,
              CASE WHEN vote + comment + bounty > 0 THEN
                   vote * %(vote_points)s::numeric + comment * %(comment_points)s::numeric
                 + bounty * %(bounty_points)s::numeric
              END AS interest
      FROM counted),
judged AS (
    SELECT DISTINCT ON (entity_type, entity_id, component) entity_type, entity_id, component, value, id
      FROM economics_assessments WHERE at <= %(now)s ORDER BY entity_type, entity_id, component, id DESC),
given AS (
    SELECT entity_type, entity_id,
           max(value) FILTER (WHERE component = 'evidence_strength') AS evidence_given,
           max(value) FILTER (WHERE component = 'novelty') AS novelty,
           max(value) FILTER (WHERE component = 'strategic_alignment') AS strategic_alignment,
           max(value) FILTER (WHERE component = 'community_interest') AS interest_given,
           max(id) FILTER (WHERE component = 'evidence_strength') AS evidence_id,
           max(id) FILTER (WHERE component = 'novelty') AS novelty_id,
           max(id) FILTER (WHERE component = 'strategic_alignment') AS alignment_id,
           max(id) FILTER (WHERE component = 'community_interest') AS interest_id
      FROM judged GROUP BY 1, 2),
made AS MATERIALIZED (
    SELECT *, coalesce(evidence_given, CASE WHEN evidence IS NOT NULL THEN round(1 - exp(-least(
                  round(evidence, 30) / %(evidence_scale)s::numeric, 20)), 6) END) AS evidence_strength,
              coalesce(interest_given, CASE WHEN interest IS NOT NULL THEN round(1 - exp(-least(
                  round(interest, 30) / %(interest_scale)s::numeric, 20)), 6) END) AS community_interest
      FROM observed FULL JOIN given USING (entity_type, entity_id))
SELECT entity_type, entity_id, evidence_strength, novelty, strategic_alignment, community_interest,
       round(%(evidence_weight)s::numeric * coalesce(evidence_strength, 0)
           + %(novelty_weight)s::numeric * coalesce(novelty, 0)
           + %(alignment_weight)s::numeric * coalesce(strategic_alignment, 0)
           + %(interest_weight)s::numeric * coalesce(community_interest, 0), 6) AS score,
       jsonb_build_object(
           'evidence_strength', CASE
               WHEN evidence_given IS NOT NULL THEN jsonb_build_object('from', 'given', 'assessment', evidence_id)
               WHEN evidence IS NOT NULL THEN jsonb_build_object(
                   'from', 'observed', 'paper', paper, 'debate', debate, 'replication', replication,
                   'kg_link', kg_link, 'points', trim_scale(evidence))
               ELSE '{"from": "missing"}' END,
           'novelty', CASE
               WHEN novelty IS NOT NULL THEN jsonb_build_object('from', 'given', 'assessment', novelty_id)
               ELSE '{"from": "missing"}' END,
           'strategic_alignment', CASE
               WHEN strategic_alignment IS NOT NULL THEN
                   jsonb_build_object('from', 'given', 'assessment', alignment_id)
               ELSE '{"from": "missing"}' END,
           'community_interest', CASE
               WHEN interest_given IS NOT NULL THEN jsonb_build_object('from', 'given', 'assessment', interest_id)
               WHEN interest IS NOT NULL THEN jsonb_build_object(
                   'from', 'observed', 'vote', vote, 'comment', comment, 'bounty', bounty,
                   'points', trim_scale(interest))
               ELSE '{"from": "missing"}' END) AS inputs
  FROM made
"""

# Scores that differ from the present ones. An entity of which nothing speaks any more has a score of 0.
_CHANGES: Final = f"""
WITH scored AS MATERIALIZED ({SCORED}),
present AS (SELECT * FROM economics_scores WHERE superseded_at IS NULL),
every AS (
    SELECT entity_type, entity_id, p.id AS old_id, coalesce(p.score, 0) AS before, coalesce(s.score, 0) AS score,
           s.evidence_strength, s.novelty, s.strategic_alignment, s.community_interest,
           coalesce(s.inputs, %(missing)s::jsonb) AS inputs,
           (p.policy_id, p.evidence_strength, p.novelty, p.strategic_alignment, p.community_interest, p.inputs) AS was
      FROM scored s FULL JOIN present p USING (entity_type, entity_id)),
new AS MATERIALIZED (
    SELECT * FROM every
     WHERE (%(version)s::int, evidence_strength, novelty, strategic_alignment, community_interest, inputs)
           IS DISTINCT FROM was)
"""  # noqa: S608 - made of constants, as are those below
_TOLD: Final = """
SELECT (SELECT count(*) FROM scored), (SELECT count(*) FROM new),
       ARRAY(SELECT ARRAY[entity_type, entity_id, before::text, score::text] FROM new
              WHERE score <> before ORDER BY abs(score - before) DESC, entity_type, entity_id LIMIT %(shown)s)
"""
_PREVIEW: Final = _CHANGES + _TOLD
# The old rows are superseded before the first new one is written: the sum over them makes it so.
_WRITE: Final = f"""
{_CHANGES},
old AS (
    UPDATE economics_scores s SET superseded_at = %(now)s FROM new WHERE s.id = new.old_id RETURNING s.id),
written AS (
    INSERT INTO economics_scores (entity_type, entity_id, policy_id, evidence_strength, novelty, strategic_alignment,
                                  community_interest, evidence_weight, novelty_weight, alignment_weight,
                                  interest_weight, score, inputs, at)
    SELECT entity_type, entity_id, %(version)s, evidence_strength, novelty, strategic_alignment, community_interest,
           %(evidence_weight)s, %(novelty_weight)s, %(alignment_weight)s, %(interest_weight)s, score, inputs, %(now)s
      FROM new WHERE (SELECT count(*) FROM old) IS NOT NULL)
{_TOLD}
"""  # noqa: S608

# One at a time and none that looks back: another one holds this row, or has been here at a later moment.
_STAMP: Final = """
UPDATE economics_policy SET last_scored_at = %(now)s
 WHERE id IN (SELECT id FROM economics_policy WHERE last_scored_at IS NULL OR last_scored_at <= %(now)s
                 FOR NO KEY UPDATE {})
"""
# Whoever puts a new policy in force was here before, or waits: it closes the market's gate by scores that stay.
_HOLD_POLICY: Final = "LOCK TABLE economics_worth_policies IN SHARE MODE"
_BEHIND: Final = """
SELECT ARRAY(SELECT b.id FROM resource_budgets b JOIN economics_scores s USING (entity_type, entity_id)
              WHERE s.superseded_at IS NULL AND s.score <> b.priority_score)
"""
_LOCK: Final = "SELECT FROM resource_budgets WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE"
_RANK: Final = """
UPDATE resource_budgets b SET priority_score = s.score FROM economics_scores s
 WHERE b.id = ANY(%(ids)s) AND (s.entity_type, s.entity_id) = (b.entity_type, b.entity_id)
   AND s.superseded_at IS NULL AND s.score <> b.priority_score
"""


class Move(NamedTuple):
    """A score before (0 where there was none) and after."""

    entity_type: str
    entity_id: str
    before: Decimal
    after: Decimal


class Recomputed(NamedTuple):
    """What a recomputation found and did: entities scored, scores that changed, envelopes set; the farthest moves."""

    scored: int = 0
    changed: int = 0
    envelopes: int = 0
    moves: tuple[Move, ...] = ()


def recompute(*, now: datetime, wait: bool = False) -> Recomputed:
    """Make all scores anew by the policy in force and set `priority_score` of the envelopes by them.

    A score is written where the version of the policy, a component or what it was made of has changed; the one
    before is superseded. An envelope without any score keeps its priority. Beside another recomputation (or the daily
    check) it waits if told to, else it does nothing, as for a moment before the last one's.
    """
    with revisions.signed(_AUTHOR, now=now), connection.cursor() as cursor:
        cursor.execute(_STAMP.format("" if wait else "SKIP LOCKED"), {"now": now})
        if not cursor.rowcount:
            return Recomputed()
        cursor.execute(_HOLD_POLICY)
        cursor.execute(_WRITE, _terms(now))
        done = _told(cursor.fetchone())
        cursor.execute(_BEHIND)
        (ids,) = cursor.fetchone()
        if ids:
            cursor.execute(_LOCK, {"ids": ids})
            cursor.execute(_RANK, {"ids": ids})
            done = done._replace(envelopes=cursor.rowcount)
        return done


def preview(*, now: datetime) -> Recomputed:
    """Return what a recomputation would find and write; write nothing. Envelopes are not looked at."""
    with connection.cursor() as cursor:
        cursor.execute(_PREVIEW, _terms(now))
        return _told(cursor.fetchone())


def present(entity_type: str, entity_id: str) -> Score | None:
    """Return the present score of an entity, if it has one."""
    return Score.objects.filter(entity_type=entity_type, entity_id=entity_id, superseded_at=None).first()


def recompute_when_due(*, now: datetime) -> Recomputed:
    """Recompute if the policy's time since the last time is over; otherwise do nothing."""
    policy = budget_policy.get()
    wait = timedelta(seconds=policy.score_seconds)
    if policy.last_scored_at is not None and now < policy.last_scored_at + wait:
        return Recomputed()
    return recompute(now=now)


def _terms(now: datetime) -> dict[str, Any]:
    policy = worth_policy.get()
    return {
        **worth_policy.terms(policy),
        "version": policy.version,
        "now": now,
        "shown": _SHOWN,
        "missing": "{" + ", ".join(f'"{component}": {{"from": "missing"}}' for component in scoring.COMPONENTS) + "}",
    }


def _told(row: tuple[Any, ...]) -> Recomputed:
    scored, changed, moves = row
    return Recomputed(scored, changed, 0, tuple(Move(kind, name, Decimal(a), Decimal(b)) for kind, name, a, b in moves))


def assess(  # noqa: PLR0913 - a judgement has this many terms
    entity_type: str, entity_id: str, component: str, value: Decimal | None, *, author: revisions.Author, now: datetime
) -> Assessment:
    """Put on record how somebody judges a component of an entity's score, 0 to 1; None hands it back to what is seen.

    The latest judgement counts, before anything observed, from the next recomputation on. Refuses values of more than
    6 decimals, unknown components, names or reasons that are empty or too long.
    """
    given = {"entity_type": entity_type, "entity_id": entity_id, "author": author.who, "reason": author.why}
    for name, text in given.items():
        if not 0 < len(text) <= _LONGEST[name]:
            msg = f"1 to {_LONGEST[name]} characters are needed here."
            raise errors.InvalidScoreError(msg, pointer=f"/{name}")
    if component not in scoring.COMPONENTS:
        msg = f"One of {', '.join(scoring.COMPONENTS)} is expected."
        raise errors.InvalidScoreError(msg, pointer="/component")
    if value is not None and not (value.is_finite() and 0 <= value <= 1 and value == scoring.rounded(value, 6)):
        msg = "A component lies between 0 and 1, with at most 6 decimals."
        raise errors.InvalidScoreError(msg, pointer="/value")
    return Assessment.objects.create(
        entity_type=entity_type,
        entity_id=entity_id,
        component=component,
        value=value,
        assessed_by=author.who,
        reason=author.why,
        at=now,
    )
