"""Were they right: what reviews found market weights and scores to be, against what the entities then brought in."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from math import sqrt
from typing import Any, Final, NamedTuple

from django.db import connection

from economics import errors, returns, worth_policy
from economics.models import Review

DAYS: Final = 28
MOST_DAYS: Final = 366
BUCKETS: Final = 5
MOST_BUCKETS: Final = 20
FEWEST: Final = 10  # entities, below which nothing is said of a link
_CHANCE: Final = 1.96  # standard errors within which a rank correlation of n unrelated pairs falls 19 times in 20

# The first moment of the day before whose night a review must have been drafted, for its days to have passed.
_OLD_ENOUGH: Final = """
SELECT economics_first_moment((%(now)s AT TIME ZONE zone)::date - interval '1 day' * %(days)s, zone)
  FROM economics_policy WHERE id = 1
"""

# Entities as they stood in a review (on the line of their whole budget) and what came in the whole local days after
# the day it was drafted on. Ranks of equals are averaged, so a bucket parts no equals; Spearman's correlation is that
# of the ranks.
_COMPARED: Final = """
WITH span AS MATERIALIZED (
    SELECT d.first_day, d.end_day, economics_first_moment(d.first_day::timestamp, p.zone) AS starts,
           economics_first_moment(d.end_day::timestamp, p.zone) AS ends
      FROM economics_policy p
     CROSS JOIN LATERAL (SELECT (%(drafted_at)s AT TIME ZONE p.zone)::date + 1 AS first_day) AS f
     CROSS JOIN LATERAL (SELECT f.first_day, greatest(f.first_day, least(
         f.first_day + %(days)s, (%(now)s AT TIME ZONE p.zone)::date)) AS end_day) AS d
     WHERE p.id = 1),
edges AS MATERIALIZED ({edges}),
tokens AS MATERIALIZED ({tokens}),
stood AS MATERIALIZED (
    SELECT v.{stood_at} AS stood_at, coalesce(e.edges, 0) AS edges, coalesce(t.tokens, 0) AS tokens
      FROM economics_review_lines v
      JOIN economics_lines l ON l.id = v.line_id AND l.qualifier = ''
      JOIN resource_budgets b ON b.id = v.envelope_id
      LEFT JOIN edges e USING (entity_type, entity_id)
      LEFT JOIN tokens t USING (entity_type, entity_id)
     WHERE v.review_id = %(review_id)s AND %(entity_type)s IN ('', b.entity_type)),
ranked AS MATERIALIZED (
    SELECT *, rank() OVER (ORDER BY stood_at) + (count(*) OVER (PARTITION BY stood_at) - 1) / 2.0 AS place,
           rank() OVER (ORDER BY edges) + (count(*) OVER (PARTITION BY edges) - 1) / 2.0 AS place_by_edges,
           count(*) OVER () AS n
      FROM stood),
used AS MATERIALIZED (
    SELECT rank() OVER (ORDER BY stood_at) + (count(*) OVER (PARTITION BY stood_at) - 1) / 2.0 AS place,
           rank() OVER (ORDER BY gain) + (count(*) OVER (PARTITION BY gain) - 1) / 2.0 AS place_by_yield
      FROM (SELECT stood_at, edges / tokens AS gain FROM stood WHERE tokens > 0) AS yields),
buckets AS (
    SELECT 1 + floor(%(buckets)s * (place - 0.5) / n)::int AS bucket, count(*) AS n, min(stood_at) AS least,
           max(stood_at) AS most, round(avg(stood_at), 6) AS mean, sum(edges) AS edges, sum(tokens) AS tokens
      FROM ranked GROUP BY 1)
SELECT s.first_day, s.end_day,
       (SELECT count(*) FROM ranked), (SELECT round(corr(place, place_by_edges)::numeric, 4) FROM ranked),
       (SELECT count(*) FROM used), (SELECT round(corr(place, place_by_yield)::numeric, 4) FROM used),
       b.bucket, b.n, b.least, b.most, b.mean, b.edges, b.tokens
  FROM span s LEFT JOIN buckets b ON true ORDER BY b.bucket
"""


class Bucket(NamedTuple):
    """Entities that stood about equally high: how many, where, and what they brought in all together.

    `edges_per_million` is per million LLM tokens, None where none were used.
    """

    place: int
    entities: int
    least: Decimal
    most: Decimal
    mean: Decimal
    edges: Decimal
    tokens: Decimal
    edges_per_million: Decimal | None


class Calibration(NamedTuple):
    """What became of the entities of a review in the whole days since <= day < until after it.

    `by_edges` and `by_yield` are Spearman's rank correlations with net edges, over all `entities`, and with net edges
    per LLM token, over the `users` that used any; None where there is nothing to compare.
    """

    what: str
    review_id: int
    period: date
    since: date
    until: date
    days: int
    entity_type: str
    entities: int
    by_edges: Decimal | None
    users: int
    by_yield: Decimal | None
    buckets: list[Bucket]

    @property
    def says(self) -> str:
        """What it shows, in a sentence, or that there is too little to say."""
        passed = (self.until - self.since).days
        early = f"Only {passed} of {self.days} days have passed. " if passed < self.days else ""
        return early + self._verdict()

    def _verdict(self) -> str:
        if self.users < FEWEST:
            return f"Too little to say: {self.users} entities used LLM tokens, and {FEWEST} are needed."
        if self.by_yield is None:
            return f"Nothing to compare: all had the same {self.what}, or brought in the same per token."
        said = f"rank correlation {self.by_yield:.2f} over {self.users:,} entities"
        if abs(self.by_yield) * Decimal(sqrt(self.users - 1)) < Decimal(_CHANCE):
            return f"No link that chance would not explain: {said}."
        more = "more" if self.by_yield > 0 else "less"
        return f"Entities with a higher {self.what} brought in {more} per token: {said}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which review (by id, by period, or the latest whose days have passed), how many days after it, and about whom."""

    review_id: int | None = None
    period: date | None = None
    days: int = DAYS
    entity_type: str = ""
    buckets: int = BUCKETS


def market(asked: Question, *, now: datetime) -> Calibration:
    """Return whether entities with a high market weight in a review did better in the days after it.

    The weight is the one applied then; net edges count as the policy in force weighs them. Refuses when there is no
    such weekly review.
    """
    return _compared("market weight", "market_weight", asked, now)


def scores(asked: Question, *, now: datetime) -> Calibration:
    """Return whether entities with a high priority score in a review yielded more in the days after it.

    Refuses when there is no such weekly review.
    """
    return _compared("priority score", "priority_score", asked, now)


def _review(asked: Question, now: datetime) -> Review:
    """Return the review asked for; where none is old enough yet the first one, of whose days most have passed."""
    weekly = Review.objects.filter(kind=Review.Kind.WEEKLY).order_by("-period", "-pk")
    if asked.review_id is not None:
        found = weekly.filter(pk=asked.review_id).first()
    elif asked.period is not None:
        found = weekly.filter(period=asked.period).first()
    else:
        with connection.cursor() as cursor:
            cursor.execute(_OLD_ENOUGH, {"now": now, "days": asked.days})
            (before,) = cursor.fetchone()
        found = weekly.filter(drafted_at__lt=before).first() or weekly.last()
    if found is None:
        raise errors.UnknownReviewError
    return found


def _compared(what: str, stood_at: str, asked: Question, now: datetime) -> Calibration:
    of = _review(asked, now)
    terms: dict[str, Any] = {
        **returns.terms(worth_policy.get(), now=now),
        "review_id": of.pk,
        "drafted_at": of.drafted_at,
        "days": asked.days,
        "entity_type": asked.entity_type,
        "buckets": asked.buckets,
    }
    statement = _COMPARED.format(edges=returns.EDGES, tokens=returns.TOKENS, stood_at=stood_at)
    with returns.for_a_fleet() as cursor:
        cursor.execute(statement, terms)
        rows = cursor.fetchall()
    since, until, entities, by_edges, users, by_yield, *_first = rows[0]
    return Calibration(
        what=what,
        review_id=of.pk,
        period=of.period,
        since=since,
        until=until,
        days=asked.days,
        entity_type=asked.entity_type,
        entities=entities,
        by_edges=by_edges,
        users=users,
        by_yield=by_yield,
        buckets=[_bucket(*row[6:]) for row in rows if row[6] is not None],
    )


def _bucket(  # noqa: PLR0913, PLR0917 - the columns of a row
    place: int, entities: int, least: Decimal, most: Decimal, mean: Decimal, edges: Decimal, tokens: Decimal
) -> Bucket:
    per_million = round(edges * 1_000_000 / tokens, 3) if tokens else None
    return Bucket(place, entities, least, most, mean, edges, tokens, per_million)
