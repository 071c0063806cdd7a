"""The queue of usage that nobody has priced yet, and how it gets its price once there is a list."""

from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from django.db import connection, transaction

# What is in the queue, kind by kind: one step through its index for each, however many rows a kind has. Usage may come
# from a table that was here before us and say by a NULL that it names no model or no provider.
_KINDS: Final = """
WITH RECURSIVE kind AS (
    (SELECT resource_type, coalesce(model, '') AS model, coalesce(provider, '') AS provider
       FROM resource_usage u WHERE cost IS NULL
      ORDER BY resource_type, coalesce(u.model, ''), coalesce(u.provider, '') LIMIT 1)
    UNION ALL
    SELECT further.* FROM kind CROSS JOIN LATERAL (
        SELECT u.resource_type, coalesce(u.model, ''), coalesce(u.provider, '') FROM resource_usage u
         WHERE u.cost IS NULL
           AND (u.resource_type, coalesce(u.model, ''), coalesce(u.provider, ''))
               > (kind.resource_type, kind.model, kind.provider)
         ORDER BY u.resource_type, coalesce(u.model, ''), coalesce(u.provider, '') LIMIT 1) AS further
), named AS (
    SELECT kind.*, m.name AS model_name,
           CASE kind.resource_type WHEN 'llm_tokens' THEN m.name WHEN 'api_calls' THEN kind.provider ELSE '' END AS name
      FROM kind LEFT JOIN LATERAL economics_model(kind.model) m ON kind.resource_type = 'llm_tokens'
), known AS (
    SELECT named.*, EXISTS (SELECT FROM economics_prices p WHERE p.resource_type = named.resource_type
                               AND p.name = named.name AND p.withdrawn_at IS NULL) AS has_price
      FROM named
)
"""

_LISTED: Final = f"{_KINDS} SELECT resource_type, model, provider FROM known WHERE has_price"  # noqa: S608 - constants

# Nobody waits: a row that somebody else is pricing or correcting is left to the next call.
_LOCK: Final = """
SELECT due.id, due.corrects_id
  FROM unnest(%s::text[], %s::text[], %s::text[]) AS kind(resource_type, model, provider) CROSS JOIN LATERAL (
       SELECT u.id, u.corrects_id FROM resource_usage u
        WHERE u.cost IS NULL
          AND (u.resource_type, coalesce(u.model, ''), coalesce(u.provider, ''))
              = (kind.resource_type, kind.model, kind.provider)
          AND (u.corrects_id IS NULL
               OR (SELECT o.cost IS NOT NULL FROM resource_usage o
                    WHERE o.id = u.corrects_id AND o.created_at = u.created_at))
        FOR NO KEY UPDATE OF u SKIP LOCKED) AS due
 LIMIT %s
"""

# A row takes its corrections along: they are priced with it or not at all. Theirs is the share of its cost that they
# take back, rounded so that all of them together take back all of it. One that is not of its row's time (the rules
# write none) is left alone: in another window it could take back more than was ever counted there.
_PRICE: Final = """
WITH own AS (
    SELECT u.id, u.amount, u.created_at, p.id AS price_id, p.rate, p.output_rate, p.is_first_list,
           economics_cost(u.amount, u.input_tokens, u.output_tokens, u.cache_read_tokens, u.cache_write_tokens,
                          p.rate, p.output_rate, p.cache_read_rate, p.cache_write_rate, y.unsplit_output_share) AS cost
      FROM resource_usage u
      JOIN economics_policy y ON y.id = 1
      LEFT JOIN LATERAL economics_model(u.model) m ON u.resource_type = 'llm_tokens'
     CROSS JOIN LATERAL economics_price(
           u.resource_type,
           CASE u.resource_type WHEN 'llm_tokens' THEN m.name WHEN 'api_calls' THEN u.provider ELSE '' END,
           u.created_at) p
     WHERE u.id = ANY(%(ids)s) AND u.cost IS NULL AND u.corrects_id IS NULL
), sound AS (
    SELECT * FROM own WHERE cost >= 0 AND cost < 10::numeric ^ 18
), corrected AS (
    SELECT id, amount, created_at, price_id, rate, output_rate, is_first_list, cost FROM sound
    UNION ALL
    SELECT id, amount, created_at, price_id, rate, output_rate, is_first_list, cost FROM resource_usage
     WHERE id = ANY(%(corrected)s) AND cost IS NOT NULL
), share AS (
    SELECT c.id, o.price_id, o.rate, o.output_rate, o.is_first_list, c.cost AS standing,
           round(o.cost * sum(c.amount) OVER taken / nullif(o.amount, 0), 12)
           - round(o.cost * (sum(c.amount) OVER taken - c.amount) / nullif(o.amount, 0), 12) AS cost
      FROM corrected o JOIN resource_usage c ON c.corrects_id = o.id AND c.created_at = o.created_at
    WINDOW taken AS (PARTITION BY o.id ORDER BY c.id)
), priced AS (
    SELECT id, price_id, rate, output_rate, is_first_list, cost FROM sound
    UNION ALL
    SELECT id, price_id, rate, output_rate, is_first_list, cost FROM share WHERE standing IS NULL AND cost IS NOT NULL
)
UPDATE resource_usage u
   SET cost = p.cost, price_id = p.price_id, rate = p.rate, output_rate = p.output_rate,
       is_first_list = p.is_first_list
  FROM priced p WHERE u.id = p.id AND u.cost IS NULL
"""

_QUEUE: Final = (
    _KINDS  # noqa: S608 - constants
    + """
SELECT known.resource_type, known.model, known.provider, known.model_name, known.has_price,
       t.events, t.amount, t.first_use, t.last_use
  FROM known CROSS JOIN LATERAL (
       SELECT count(*) AS events, sum(u.amount) AS amount, min(u.created_at) AS first_use, max(u.created_at) AS last_use
         FROM resource_usage u
        WHERE u.cost IS NULL
          AND (u.resource_type, coalesce(u.model, ''), coalesce(u.provider, ''))
              = (known.resource_type, known.model, known.provider)) AS t
 ORDER BY known.has_price, t.events DESC, known.resource_type, known.model, known.provider
 LIMIT %s
"""
)


class Unpriced(NamedTuple):
    """Usage of one kind without a price. `amount` in the unit of its class; `listed_as`: the catalogue's model."""

    resource_type: str
    model: str
    provider: str
    listed_as: str | None
    has_price: bool
    events: int
    amount: Decimal
    first_use: datetime
    last_use: datetime

    @property
    def missing(self) -> str:
        """What stands between this usage and its price."""
        if self.has_price:
            return "nothing: it is about to be priced"
        if not self.is_named:
            return f"it names no {'model' if self.resource_type == 'llm_tokens' else 'provider'}"
        return "the model" if self.resource_type == "llm_tokens" and self.listed_as is None else "a price"

    @property
    def is_named(self) -> bool:
        """Whether it says what it was use of, so that a price could be set for it."""
        named = {"llm_tokens": self.model, "api_calls": self.provider}
        return bool(named.get(self.resource_type, "the class"))


def queue(*, most: int = 500) -> list[Unpriced]:
    """Return what waits for a price, by class, model and provider: what has none first, the most used of it first."""
    with connection.cursor() as cursor:
        cursor.execute(_QUEUE, [most])
        return [Unpriced(*row) for row in cursor.fetchall()]


@transaction.atomic
def price_unpriced(*, now: datetime, limit: int = 10_000) -> int:  # noqa: ARG001 - as every deed of a tick
    """Price up to `limit` rows of the queue that have a list by now, and their corrections; return how many rows.

    Each row once and for good, with the list of its time of use, or its model's first list, flagged. Corrections take
    the rates of the row they correct. 0 means that nothing in the queue has a price. Several may run at once: a row
    is locked before it is read again, and none that is locked is waited for.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LISTED)
        kinds = cursor.fetchall()
        if not kinds:
            return 0
        cursor.execute(_LOCK, [*map(list, zip(*kinds, strict=True)), limit])
        due = dict(cursor.fetchall())
        corrected = {pk for pk in due.values() if pk is not None}
        cursor.execute(_PRICE, {"ids": list(due), "corrected": list(corrected)})
        priced: int = cursor.rowcount
    return priced
