"""An entity's last days: what it used and spent day by day, from the days of usage, and what that brought in."""

from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from django.db import connection

from economics import returns

DAYS: Final = 30

_BY_DAY: Final = """
WITH today AS (SELECT (%(at)s::timestamptz AT TIME ZONE zone)::date AS day FROM economics_policy WHERE id = 1)
SELECT s.day::date, coalesce(sum(d.amount) FILTER (WHERE d.resource_type = %(resource_type)s), 0),
       coalesce(sum(d.cost), 0),
       coalesce(sum(d.unpriced_amount) FILTER (WHERE d.resource_type = %(resource_type)s), 0),
       (SELECT roi_score FROM resource_budgets WHERE entity_type = %(entity_type)s AND entity_id = %(entity_id)s)
  FROM today, generate_series(today.day - (%(days)s - 1), today.day, interval '1 day') AS s(day)
  LEFT JOIN economics_usage_days d
    ON d.entity_type = %(entity_type)s AND d.entity_id = %(entity_id)s AND d.day = s.day::date
 GROUP BY s.day ORDER BY s.day
"""


class Day(NamedTuple):
    """A day in the policy's zone: so much of a class was used, and all classes cost so many USD.

    `unpriced` is what nobody has priced yet, of the same class: it is in `used` and not in `cost`.
    """

    day: date
    used: Decimal
    cost: Decimal
    unpriced: Decimal


class Lately(NamedTuple):
    """The last days of an entity, today the last, and the returns on its LLM tokens over the whole days before today.

    `roi` is that of its envelope, in edges per LLM token, by the policy's own window; None: unproven, or no envelope.
    """

    days: list[Day]
    yielded: returns.Yielded
    roi: Decimal | None

    @property
    def used(self) -> Decimal:
        """How much of the class was used."""
        return sum((day.used for day in self.days), Decimal())

    @property
    def cost(self) -> Decimal:
        """What all classes cost in USD, without what is not priced yet."""
        return sum((day.cost for day in self.days), Decimal())

    @property
    def unpriced(self) -> Decimal:
        """How much of the class nobody has priced yet."""
        return sum((day.unpriced for day in self.days), Decimal())


def of(
    entity_type: str, entity_id: str, *, at: datetime, resource_type: str = "llm_tokens", days: int = DAYS
) -> Lately:
    """Return the last days of an entity, in two queries; of one that used nothing, days of zeros."""
    named = {"entity_type": entity_type, "entity_id": entity_id}
    with connection.cursor() as cursor:
        cursor.execute(_BY_DAY, {**named, "resource_type": resource_type, "at": at, "days": days})
        rows = cursor.fetchall()
    yielded = returns.yielded(entity_type, entity_id, days=days, now=at)
    return Lately([Day(*row[:-1]) for row in rows], yielded, rows[0][-1] if rows else None)
