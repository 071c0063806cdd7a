"""A weekly review of a whole fleet, drafted and applied, at two sizes: it grows by the entity."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg

from economics import reviews, revisions
from economics.models import Review
from tests import cluster
from tests.benchmarks import fleet

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.report import Report

REVIEWER: Final = revisions.Author("reviewer", "measured")
WEEK: Final = timedelta(days=7)

# What no review could do without: the same days of usage summed by entity, and as many rows changed in a bare table.
READ: Final = """
SELECT count(*), sum(tokens) FROM (
    SELECT entity_type, entity_id, sum(amount) AS tokens FROM economics_usage_days
     WHERE resource_type = 'llm_tokens' AND day >= %(from)s AND day < %(to)s GROUP BY entity_type, entity_id) AS summed
"""
BARE: Final = """
CREATE TABLE bare AS SELECT id, base FROM economics_lines WHERE envelope_id IS NOT NULL AND base IS NOT NULL;
ALTER TABLE bare ADD PRIMARY KEY (id);
"""
WRITE: Final = """
UPDATE bare b SET base = v.after FROM economics_review_lines v
 WHERE v.review_id = %(review)s AND v.before <> v.after AND b.id = v.line_id
"""


class _Run(NamedTuple):
    """Seconds of one review, of plain SQL over the same rows, and what was found."""

    draft: float
    apply: float
    plain: float
    figures: dict[str, Any]

    @property
    def seconds(self) -> float:
        return self.draft + self.apply


def weekly(report: Report, server: str, *, few: int, many: int, most: float | None) -> None:
    """Review `few` and `many` entities; `most` bounds the seconds of the larger."""
    runs = {entities: _reviewed(server, entities) for entities in (few, many)}
    for entities, run in runs.items():
        said = ", ".join(f"{run.figures[name]:,} {name}" for name in ("reduced", "reclaimed", "gained", "kept"))
        report.say(f"weekly review of {entities:,} entities, {entities * fleet.EACH:,} rows of usage: lines {said}")
        report.say(f"  draft {run.draft:.2f} s, apply {run.apply:.2f} s; the same rows in plain SQL {run.plain:.2f} s")
        report.say(f"  review / plain SQL: {run.seconds / run.plain:.1f}")
    growth = (runs[many].seconds / many) / (runs[few].seconds / few)
    report.bound(f"seconds an entity, {many:,} / {few:,} entities", growth, most=1.5)
    if most is not None:
        report.bound(f"seconds of a review of {many:,} entities", runs[many].seconds, most=most)


def _reviewed(server: str, entities: int) -> _Run:
    """Review a fleet in the week after its first review, which found who was low and moved nothing."""
    with fleet.built(server, entities=entities) as url, cluster.pointed_at(url):
        reviews.draft_weekly(author=REVIEWER, now=fleet.NOW - WEEK)
        with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as session:
            session.execute("VACUUM ANALYZE")
            session.execute("CHECKPOINT")
            draft, review = _timed(lambda: reviews.draft_weekly(author=REVIEWER, now=fleet.NOW))
            apply, review = _timed(lambda: reviews.apply(review.pk, author=REVIEWER, now=fleet.NOW))
            if review.state != Review.State.APPLIED or not review.figures["reduced"] or not review.figures["gained"]:
                message = "nothing was reviewed"
                raise AssertionError(message)
            plain = _plainly(session, review)
        return _Run(draft, apply, plain, review.figures)


def _timed(deed: Callable[[], Review]) -> tuple[float, Review]:
    begun = time.perf_counter()
    review = deed()
    return time.perf_counter() - begun, review


def _plainly(session: psycopg.Connection[Any], review: Review) -> float:
    """Return the seconds that reading and writing the same rows takes with nothing decided and nothing kept."""
    session.execute(BARE)
    session.execute("VACUUM ANALYZE bare")
    today = fleet.NOW.date()
    terms = {"review": review.pk, "from": today - timedelta(days=review.policy.roi_days), "to": today}
    begun = time.perf_counter()
    for statement in (READ, WRITE):
        session.execute(statement, terms)
    return time.perf_counter() - begun
