"""Whose turn it is in fallback, and its best task: sought before anything is locked, confirmed under the lock."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection

from auction import pools, quests
from auction.models import Pool, Quest
from config.models import Agent

# How many of an owner's tasks are tried one by one, best first, before its envelopes are asked all at once; under the
# lock no more than these.
_FIRST: Final = 20

# Whose turn it is: by how many slots, of those given today and the next one, an owner is behind its share. Owners who
# came after the day's split was made have no share in it, and get what the others leave. Of an owner that was looked
# at before it is known where its first task stands that may be given (value, task), or that it has none.
_TURNS: Final = """
WITH owner AS (
    SELECT q.account_id, q.id AS quest_id, 'quest' AS owner_type, q.id AS owner_id
      FROM auction_quests q
     WHERE q.pool_id = %(pool)s AND q.is_active AND q.account_id = ANY(%(may_run)s::bigint[])
    UNION ALL
    SELECT id, NULL, 'agent', owner_id FROM token_accounts WHERE owner_type = 'agent' AND owner_id = %(agent)s
), day AS (
    SELECT account_id, share, given, sum(given) OVER () AS total
      FROM auction_fallback_shares WHERE pool_id = %(pool)s AND day = %(day)s
), turn AS MATERIALIZED (
    SELECT o.*, coalesce(k.value, 'Infinity') AS value, coalesce(k.task, '') AS task,
           row_number() OVER (ORDER BY coalesce(d.share * (d.total + 1) - d.given, 0) DESC, o.account_id) AS place
      FROM owner o
      LEFT JOIN day d ON d.account_id = o.account_id
      LEFT JOIN unnest(%(owners)s::bigint[], %(values)s::numeric[], %(tasks)s::text[]) AS k(account_id, value, task)
        ON k.account_id = o.account_id
     WHERE k.account_id IS NULL OR k.task IS NOT NULL
)"""

# The open tasks of a turn from where it is known to begin, and the entity that each is charged to.
_BACKLOG: Final = """
SELECT t.id, t.expected_value_usd, t.expected_cost_tokens, t.model,
       coalesce(nullif(t.entity_type, ''), turn.owner_type) AS entity_type,
       coalesce(nullif(t.entity_id, ''), turn.owner_id) AS entity_id
  FROM ((SELECT * FROM auction_tasks
          WHERE quest_id = turn.quest_id AND state = 'open' AND expected_value_usd <= turn.value
            AND (expected_value_usd < turn.value OR id >= turn.task)
          {order})
        UNION ALL
        (SELECT * FROM auction_tasks
          WHERE turn.quest_id IS NULL AND wallet_id = turn.account_id AND quest_id IS NULL AND state = 'open'
            AND expected_value_usd <= turn.value AND (expected_value_usd < turn.value OR id >= turn.task)
          {order})) AS t"""

# A task that bids in another pool waits for that pool; one that was refused at its start lets others go first.
_FREE: Final = f"""
NOT {pools.BLOCKED} AND NOT {pools.REFUSED_LATELY}
AND NOT EXISTS (SELECT FROM compute_auction_bids b
                 WHERE b.task_id = t.id AND b.status = 'open' AND b.pool_id <> %(pool)s)"""

_TRIED: Final = f"""
SELECT t.id, t.expected_value_usd
  FROM ({_BACKLOG.format(order=f"ORDER BY expected_value_usd DESC, id LIMIT {_FIRST}")}) AS t
 CROSS JOIN LATERAL economics_gate(t.entity_type, t.entity_id, %(now)s, t.expected_cost_tokens, t.model) AS g(code)
 WHERE (g.code = '' OR g.code = 'no_envelope' AND t.expected_cost_tokens IS NULL) AND {_FREE}
 ORDER BY t.expected_value_usd DESC, t.id LIMIT 1"""  # noqa: S608 - of constants

_SOUGHT: Final = f"""
WITH mine AS MATERIALIZED (
    SELECT t.*, CASE WHEN t.model = '' THEN ''
                     ELSE coalesce((SELECT tier_id FROM economics_model(t.model)), '') END AS tier
      FROM ({_BACKLOG.format(order="")}) AS t WHERE {_FREE}
), asked AS (
    SELECT array_agg(entity_type) AS types, array_agg(entity_id) AS ids, array_agg(tier) AS tiers
      FROM (SELECT DISTINCT entity_type, entity_id, tier FROM mine) AS e
), gate AS MATERIALIZED (
    SELECT g.* FROM asked CROSS JOIN LATERAL economics_gates(asked.types, asked.ids, %(now)s, asked.tiers) AS g
     WHERE asked.types IS NOT NULL
)
SELECT m.id, m.expected_value_usd FROM mine m JOIN gate g USING (entity_type, entity_id, tier)
 WHERE g.code = 'no_envelope' AND m.expected_cost_tokens IS NULL
    OR g.code = '' AND coalesce(g.room >= greatest(1, m.expected_cost_tokens), true)
 ORDER BY m.expected_value_usd DESC, m.id LIMIT 1"""  # noqa: S608 - of constants

# In turn, and no further than the first owner that has one; a backlog is only looked through where its best failed.
_LOOK: Final = f"""
{_TURNS}, found AS MATERIALIZED (
    SELECT turn.place, turn.account_id, best.*
      FROM (SELECT * FROM turn ORDER BY place) AS turn  -- or else every turn is looked at and the first taken then
      LEFT JOIN LATERAL ({_TRIED}) AS tried ON true
     CROSS JOIN LATERAL (
        SELECT tried.id, tried.expected_value_usd WHERE tried.id IS NOT NULL
        UNION ALL
        SELECT * FROM ({_SOUGHT}) AS s WHERE tried.id IS NULL) AS best
     ORDER BY turn.place LIMIT 1
)
SELECT account_id, expected_value_usd, id, ARRAY(SELECT account_id FROM turn WHERE turn.place < found.place) FROM found
"""  # noqa: S608 - of constants

_CONFIRM: Final = f"""
{_TURNS}
SELECT turn.account_id, tried.id
  FROM (SELECT * FROM turn ORDER BY place LIMIT 1) AS turn LEFT JOIN LATERAL ({_TRIED}) AS tried ON true
"""  # noqa: S608 - of constants


class _Start(NamedTuple):
    """The first task of an owner that may be given; what is worth more may not."""

    value: Decimal
    task_id: str


class Search:
    """One agent's search for the task that is given next, among the quests it may run and its own tasks.

    What one look has learned the next one knows, so that each backlog is looked through once.
    """

    def __init__(self, pool: Pool, to: Agent) -> None:
        """Begin it."""
        self._pool, self._agent = pool, to.pk
        runs = Quest.objects.filter(quests.may_run(to), pool=pool)
        self._may_run = list(runs.values_list("account_id", flat=True))
        self._known: dict[int, _Start | None] = {}

    def look(self, now: datetime) -> bool:
        """Look through the backlogs in turn until somebody has a task to give; return whether anybody has."""
        with connection.cursor() as cursor:
            cursor.execute(_LOOK, self._terms(now))
            row = cursor.fetchone()
        if row is None:
            return False
        account, value, task, without = row
        self._known |= dict.fromkeys(without) | {account: _Start(value, task)}
        return True

    def confirm(self, now: datetime) -> str | None:
        """Return the best task of the owner whose turn it is now; None when that takes another look.

        It is asked under the pool's lock, and costs the same however long the backlogs are.
        """
        with connection.cursor() as cursor:
            cursor.execute(_CONFIRM, self._terms(now))
            row = cursor.fetchone()
        return row[1] if row else None

    def _terms(self, now: datetime) -> Mapping[str, Any]:
        starts = [start or (None, None) for start in self._known.values()]
        return {
            "pool": self._pool.pk,
            "agent": self._agent,
            "may_run": self._may_run,
            "day": now.astimezone(UTC).date(),
            "now": now,
            "rested": pools.rested_since(self._pool, now),
            "owners": list(self._known),
            "values": [value for value, _task in starts],
            "tasks": [task for _value, task in starts],
        }
