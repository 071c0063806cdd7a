"""What a review moves, told by type of entity: how many lines, and how many LLM tokens in a window of each kind."""

from decimal import Decimal
from typing import Final, NamedTuple

from django.db import connection

from economics.models import Review

_TOTALS: Final = """
SELECT b.entity_type, l.window_kind, l.qualifier, count(*), count(*) FILTER (WHERE v.before <> v.after),
       sum(v.before), sum(greatest(v.before - v.after, 0)), sum(greatest(v.after - v.before, 0)), sum(v.after)
  FROM economics_review_lines v
  JOIN resource_budgets b ON b.id = v.envelope_id
  JOIN economics_lines l ON l.id = v.line_id
 WHERE v.review_id = %s GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


class OfType(NamedTuple):
    """The lines of one type of entity in one kind of window and tier, in LLM tokens a window."""

    entity_type: str
    window_kind: str
    qualifier: str
    lines: int
    moved: int
    before: Decimal
    freed: Decimal
    placed: Decimal
    after: Decimal


def by_type(review: Review) -> list[OfType]:
    """Return what a review moves by type of entity. One look at all its lines, which never change."""
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS, [review.pk])
        return [OfType(*row) for row in cursor.fetchall()]
