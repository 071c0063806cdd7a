"""The books counted again from the rows that stay: every disagreement with what is stored."""

from datetime import datetime
from typing import Final

from django.db import connection

from economics.ledger import Difference

# Each query returns (what, stored, rebuilt) for every disagreement. None of them trusts a foreign key or a trigger, or
# calls what the triggers count with but the calendar itself. `since` NULL: all there is. Otherwise the days and
# windows that reach past it; a lifetime began before. Days before the first of these days are taken as they stand. What
# waits to be counted is taken off. Usage may come from a table that was here before us: it may name no tier by a NULL.
_SCOPE = """
WITH calendar AS (
    SELECT p.zone, p.week_starts_on AS week, (%(since)s::timestamptz AT TIME ZONE p.zone)::date AS first_day
      FROM economics_policy p WHERE p.id = 1
), scope AS (
    SELECT k.kind, economics_window_start(k.kind, %(since)s, c.zone, c.week) AS since
      FROM calendar c, unnest(ARRAY['day', 'week', 'month', 'lifetime']) AS k(kind)
     WHERE %(since)s::timestamptz IS NULL OR k.kind <> 'lifetime'
), used AS MATERIALIZED (
    SELECT (u.created_at AT TIME ZONE c.zone)::date AS day, u.entity_type, u.entity_id, u.resource_type, u.tier,
           u.provider, u.agent_id, sum(u.amount) AS amount, sum(u.cost) AS cost,
           sum(u.unpriced_amount) AS unpriced_amount, sum(u.events) AS events
      FROM calendar c JOIN (
           SELECT created_at, entity_type, entity_id, resource_type, coalesce(tier, '') AS tier,
                  coalesce(provider, '') AS provider, coalesce(agent_id, '') AS agent_id, round(amount, 6) AS amount,
                  round(coalesce(cost, 0), 12) AS cost,
                  CASE WHEN cost IS NULL THEN round(amount, 6) ELSE 0 END AS unpriced_amount, 1 AS events
             FROM resource_usage
            UNION ALL
           SELECT created_at, entity_type, entity_id, resource_type, tier, provider, agent_id,
                  -round(amount, 6), -round(cost, 12), -round(unpriced_amount, 6), -events FROM economics_arrivals) AS u
        ON u.created_at >= coalesce(economics_first_moment(c.first_day, c.zone), '-infinity')
     GROUP BY 1, 2, 3, 4, 5, 6, 7
)
"""
_DAYS = f"""
{_SCOPE}
SELECT format('%%s on %%s of %%s:%%s %%s, agent %%s', v.part, day, entity_type, entity_id,
              concat_ws(' ', resource_type, nullif(tier, ''), nullif(provider, '')), agent_id),
       trim_scale(v.stored)::text, trim_scale(v.rebuilt)::text
  FROM (SELECT d.* FROM economics_usage_days d JOIN calendar c ON d.day >= coalesce(c.first_day, '-infinity')) AS d
  FULL JOIN used u USING (day, entity_type, entity_id, resource_type, tier, provider, agent_id), LATERAL (VALUES
       ('amount', coalesce(d.amount, 0), coalesce(u.amount, 0)),
       ('cost', coalesce(d.cost, 0), coalesce(u.cost, 0)),
       ('unpriced amount', coalesce(d.unpriced_amount, 0), coalesce(u.unpriced_amount, 0)),
       ('events', coalesce(d.events, 0), coalesce(u.events, 0))) AS v(part, stored, rebuilt)
 WHERE (d.amount, d.cost, d.unpriced_amount, d.events)
       IS DISTINCT FROM (u.amount, u.cost, u.unpriced_amount, u.events) AND v.stored <> v.rebuilt
 ORDER BY day, entity_type, entity_id, resource_type, tier, provider, agent_id, v.part
"""  # noqa: S608 - made of constants, as are those below
_COUNTERS = f"""
{_SCOPE},
days AS (
    SELECT day, entity_type, entity_id, resource_type, tier, provider, amount, cost FROM used
    UNION ALL
    SELECT d.day, entity_type, entity_id, resource_type, tier, provider, amount, cost
      FROM economics_usage_days d JOIN calendar c ON d.day < c.first_day
     WHERE economics_first_moment(d.day, c.zone) >= (SELECT min(since) FROM scope)
), line AS (
    SELECT l.*, b.entity_type, b.entity_id, s.since, c.zone, c.week
      FROM calendar c, economics_lines l JOIN scope s ON s.kind = l.window_kind
      LEFT JOIN resource_budgets b ON b.id = l.envelope_id
), moved AS (
    SELECT l.id, economics_window_start(l.window_kind, economics_first_moment(d.day, l.zone), l.zone, l.week) AS starts,
           d.amount AS settled, 0 AS held
      FROM line l JOIN days d USING (entity_type, entity_id, resource_type)
     WHERE CASE WHEN l.qualifier = '' THEN true WHEN l.resource_type = 'llm_tokens' THEN l.qualifier = d.tier
                ELSE l.qualifier = d.provider END
    UNION ALL
    SELECT l.id, economics_window_start(l.window_kind, economics_first_moment(d.day, l.zone), l.zone, l.week), d.cost, 0
      FROM line l JOIN days d ON l.envelope_id IS NULL
    UNION ALL
    SELECT l.id, economics_window_start(l.window_kind, r.reserved_at, l.zone, l.week), 0, r.amount
      FROM economics_reservations r JOIN line l USING (envelope_id, resource_type)
     WHERE r.state = 'open' AND CASE WHEN l.qualifier = '' THEN true
           WHEN l.resource_type = 'llm_tokens' THEN l.qualifier = r.tier ELSE l.qualifier = r.provider END
    UNION ALL
    SELECT l.id, economics_window_start(l.window_kind, r.reserved_at, l.zone, l.week), 0, r.usd
      FROM economics_reservations r JOIN line l ON l.envelope_id IS NULL WHERE r.state = 'open'
), rebuilt AS (
    SELECT id, starts, sum(settled) AS settled, sum(held) AS held FROM moved
      JOIN line l USING (id) WHERE starts >= l.since OR %(since)s::timestamptz IS NULL GROUP BY id, starts
), stored AS (
    SELECT c.line_id AS id, c.window_start AS starts, c.settled, c.held
      FROM economics_counters c JOIN line l ON l.id = c.line_id
     WHERE c.window_start >= l.since OR %(since)s::timestamptz IS NULL
)
SELECT format('%%s on line %%s (%%s) from %%s', v.part, id,
              concat_ws(' ', coalesce(l.entity_type || ':' || l.entity_id, 'fleet'), l.resource_type,
                        nullif(l.qualifier, ''), 'per', l.window_kind), starts),
       trim_scale(v.stored)::text, trim_scale(v.rebuilt)::text
  FROM stored s FULL JOIN rebuilt r USING (id, starts) LEFT JOIN line l USING (id), LATERAL (VALUES
       ('settled', coalesce(s.settled, 0), coalesce(r.settled, 0)),
       ('held', coalesce(s.held, 0), coalesce(r.held, 0))) AS v(part, stored, rebuilt)
 WHERE v.stored <> v.rebuilt ORDER BY l.envelope_id IS NULL, id, starts, v.part
"""  # noqa: S608
_LINES = """
SELECT format('ceiling of %%s on %%s:%%s', n.resource_type, b.entity_type, b.entity_id),
       trim_scale(l.base)::text, trim_scale(n.base)::text
  FROM resource_budgets b CROSS JOIN LATERAL (VALUES
       ('llm_tokens', b.token_budget::numeric), ('cpu_seconds', b.cpu_budget),
       ('storage_gb_hours', b.storage_budget_gb), ('api_calls', b.api_call_budget::numeric)) AS n(resource_type, base)
  LEFT JOIN economics_lines l ON l.envelope_id = b.id AND l.resource_type = n.resource_type AND l.qualifier = ''
   AND l.window_kind = b.window_kind AND l.is_named
 WHERE l.base IS DISTINCT FROM n.base OR l.id IS NULL
 ORDER BY b.id, n.resource_type
"""
_SETTLED = """
SELECT 'usage of reservation ' || r.id, 'none', 'settled'
  FROM economics_reservations r LEFT JOIN resource_usage u ON u.reservation_id = r.id
 WHERE r.state = 'settled' AND u.id IS NULL AND %(since)s::timestamptz IS NULL
UNION ALL
SELECT 'state of reservation ' || u.reservation_id, coalesce(r.state, 'none'), 'settled'
  FROM resource_usage u LEFT JOIN economics_reservations r ON r.id = u.reservation_id
 WHERE u.reservation_id IS NOT NULL AND r.state IS DISTINCT FROM 'settled'
   AND u.created_at >= coalesce(%(since)s::timestamptz, '-infinity')
 ORDER BY 1
"""
_CORRECTED = """
SELECT 'amount left of usage ' || c.corrects_id, trim_scale(coalesce(u.amount, 0) + sum(c.amount))::text, '0 or more'
  FROM resource_usage c LEFT JOIN resource_usage u ON u.id = c.corrects_id
 WHERE c.corrects_id IS NOT NULL AND c.created_at >= coalesce(%(since)s::timestamptz, '-infinity')
 GROUP BY c.corrects_id, u.amount HAVING coalesce(u.amount, 0) + sum(c.amount) < 0 ORDER BY c.corrects_id
"""
_QUERIES: Final = (_DAYS, _COUNTERS, _LINES, _SETTLED, _CORRECTED)


def differences(*, since: datetime | None) -> list[Difference]:
    """Count days of usage and what stands against every line again and return where the stored figures disagree.

    `since` None reads all usage there is. Otherwise what was used since the beginning of that day: days from then on,
    and the windows of a day, a week or a month that reach past it. Read in one REPEATABLE READ snapshot by the caller:
    then it is never wrong on a busy system.
    """
    found: list[Difference] = []
    with connection.cursor() as cursor:
        for query in _QUERIES:
            cursor.execute(query, {"since": since})
            found += [Difference(*row) for row in cursor.fetchall()]
    return found
