"""What quests spend, what they are paid, and what comes of it, as people of the house see it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection

from auction.models.results import CAPTURED

MOST_QUESTS: Final = 50
TOP: Final = 10

# What was promised stands beside what was realised, of the same slots: those that were graded. A promise is what the
# bid or the task said, whichever is more, as in the split.
_QUESTS: Final = """
WITH pools AS MATERIALIZED (SELECT id FROM auction_pools),
slots AS MATERIALIZED (
    SELECT c.account_id, c.state, c.is_given, c.charge_tokens, c.actual_impact, c.bid_id, c.winning_task_id
      FROM pools p JOIN compute_auction_clears c ON c.pool_id = p.id
     WHERE c.cleared_at > %(since)s AND c.cleared_at <= %(now)s
       AND c.account_id IN (SELECT account_id FROM auction_quests)),
graded AS (
    SELECT s.account_id, count(*) AS number, sum(s.actual_impact) AS impact, sum(greatest(
               (SELECT expected_value_usd FROM compute_auction_bids WHERE id = s.bid_id),
               (SELECT expected_value_usd FROM auction_tasks WHERE id = s.winning_task_id))) AS promised
      FROM slots s WHERE s.actual_impact IS NOT NULL GROUP BY 1),
spent AS (
    SELECT account_id, count(*) FILTER (WHERE NOT is_given) AS wins, count(*) FILTER (WHERE is_given) AS given,
           coalesce(sum(charge_tokens) FILTER (WHERE state = ANY(%(captured)s)), 0)::bigint AS tokens
      FROM slots GROUP BY 1),
stipends AS (
    SELECT quest_id, sum(paid_tokens)::bigint AS tokens FROM quest_budget_allocations
     WHERE day > (%(since)s::timestamptz AT TIME ZONE 'UTC')::date
       AND day <= (%(now)s::timestamptz AT TIME ZONE 'UTC')::date
     GROUP BY 1),
told AS (
    SELECT q.id, q.title, q.is_active, a.available, a.held, coalesce(s.tokens, 0) AS spent, coalesce(s.wins, 0) AS wins,
           coalesce(s.given, 0) AS given, coalesce(p.tokens, 0) AS stipends, coalesce(g.number, 0) AS graded,
           coalesce(g.promised, 0) AS promised, coalesce(g.impact, 0) AS impact
      FROM auction_quests q JOIN token_accounts a ON a.id = q.account_id
      LEFT JOIN spent s ON s.account_id = q.account_id
      LEFT JOIN graded g ON g.account_id = q.account_id
      LEFT JOIN stipends p ON p.quest_id = q.id)
SELECT *, count(*) OVER (), (sum(spent) OVER ())::bigint, (sum(wins) OVER ())::bigint, (sum(given) OVER ())::bigint,
       (sum(stipends) OVER ())::bigint, (sum(graded) OVER ())::bigint, sum(promised) OVER (), sum(impact) OVER ()
  FROM told ORDER BY spent DESC, wins + given DESC, available DESC, id LIMIT %(most)s
"""

_TOP_WINS: Final = """
SELECT c.id, c.winning_task_id, t.title, a.owner_type || ':' || a.owner_id, c.state, c.max_price_tokens,
       c.charge_tokens, c.max_price_tokens * p.usd_per_token, greatest(b.expected_value_usd, t.expected_value_usd),
       c.actual_impact, c.impact_roi
  FROM (SELECT * FROM compute_auction_clears
         WHERE pool_id = (SELECT id FROM auction_pools WHERE name = %(pool)s)
           AND cleared_at > %(since)s AND cleared_at <= %(now)s AND NOT is_given
         ORDER BY max_price_tokens DESC, id LIMIT %(most)s) AS c
  JOIN auction_pools p ON p.id = c.pool_id
  JOIN compute_auction_bids b ON b.id = c.bid_id
  JOIN auction_tasks t ON t.id = c.winning_task_id
  JOIN token_accounts a ON a.id = c.account_id
 ORDER BY c.max_price_tokens DESC, c.id
"""


class Spent(NamedTuple):
    """What a quest spent in some days, in wallet tokens, and what came of it, in USD.

    `spent` are the charges captured of slots sold then; `promised` and `impact` are of the same `graded` slots.
    """

    quest_id: str
    title: str
    is_active: bool
    available: int
    held: int
    spent: int
    wins: int
    given: int
    stipends: int
    graded: int
    promised: Decimal
    impact: Decimal


class Spending(NamedTuple):
    """The quests that spent most, and what all `number` of them come to."""

    rows: list[Spent]
    number: int = 0
    spent: int = 0
    wins: int = 0
    given: int = 0
    stipends: int = 0
    graded: int = 0
    promised: Decimal = Decimal()
    impact: Decimal = Decimal()


class Win(NamedTuple):
    """A winning bid and what came of it: prices in wallet tokens, the rest in USD; `impact` None: not graded.

    `bid_usd` is what was bid, at the pool's value of a token; `impact_roi` is USD for each LLM token used.
    """

    clear_id: int
    task_id: str
    title: str
    owner: str
    state: str
    max_price: int
    charge: int
    bid_usd: Decimal
    promised: Decimal
    impact: Decimal | None
    impact_roi: Decimal | None


def of_quests(*, now: datetime, days: int = 7, most: int = MOST_QUESTS) -> Spending:
    """Return what quests spent on slots sold in the last days, who spent most first, with what came of those slots.

    Stipends are those of the same number of days (UTC), today among them. One statement, however many quests.
    """
    terms = {"now": now, "since": now - timedelta(days=days), "captured": CAPTURED, "most": most}
    rows = _rows(_QUESTS, terms)
    own = len(Spent._fields)
    return Spending([Spent(*row[:own]) for row in rows], *(rows[0][own:] if rows else ()))


def top_wins(*, pool: str, now: datetime, hours: int = 24, most: int = TOP) -> list[Win]:
    """Return the highest bids that won a slot of the pool in the last hours and what came of each, the highest first.

    What was given in fallback is left out: nobody bid for it.
    """
    terms = {"pool": pool, "now": now, "since": now - timedelta(hours=hours), "most": most}
    return [Win(*row) for row in _rows(_TOP_WINS, terms)]


def _rows(statement: str, terms: dict[str, Any]) -> Sequence[Sequence[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, terms)
        rows: Sequence[Sequence[Any]] = cursor.fetchall()
    return rows
