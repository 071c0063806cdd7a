"""The proportional split: who gets how much of what is given without a price; design, section 5."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from django.db import connection

from auction import pools
from auction.models import Pool
from economics.money import largest_remainder

JUDGED: Final = 20  # the last graded wins that a reliability looks at
_BELIEVED: Final = 5  # wins believed to be as good as promised, until as many have been graded
_LEAST: Final = Decimal("0.1")  # of what the owners weigh on average: what is left to one that kept nothing
_WHOLE: Final = 10**30  # value has 12 decimals, reliability 18: their product is a whole number of these
_SHARE_STEP: Final = Decimal("1e-18")

# Quests of a pool (or of all) and, where asked for, agents with tasks of their own, which belong to no pool. A promise
# is what the bid or the task said, whichever is more: what was said to win is not taken back afterwards. What was kept
# is judged by sums, so that no understated trifle makes up for a large promise. Whoever keeps nothing is left a part
# that no promise of its own can raise, so that it can come back (decision 0031).
_OWNERS: Final = f"""
WITH owners AS (
    SELECT q.account_id, q.id AS quest_id, p.capacity, p.cycle_seconds
      FROM auction_quests q JOIN auction_pools p ON p.id = q.pool_id
     WHERE q.is_active AND (%(pool)s::text IS NULL OR p.name = %(pool)s)
    UNION ALL
    SELECT a.id, '', p.capacity, p.cycle_seconds
      FROM token_accounts a JOIN auction_pools p ON p.name = %(pool)s
     WHERE %(agents)s AND a.owner_type = 'agent'
       AND EXISTS (SELECT FROM auction_tasks t WHERE t.wallet_id = a.id AND t.state = 'open' AND NOT {pools.BLOCKED})
), judged AS (
    SELECT o.account_id, o.quest_id, coalesce(best.value, 0) AS value,
           1 - (1 - least(1, coalesce(past.kept / nullif(past.promised, 0), 1)))
               * least(past.number, %(believed)s) / %(believed)s AS reliability
      FROM owners o,
           LATERAL (SELECT sum(b.expected_value_usd) AS value FROM (
                    SELECT t.expected_value_usd FROM auction_tasks t
                     WHERE t.wallet_id = o.account_id AND t.state = 'open' AND NOT {pools.BLOCKED}
                     ORDER BY t.expected_value_usd DESC, t.id
                     LIMIT greatest(1, o.capacity::bigint * 86400 / o.cycle_seconds)) AS b) AS best,
           LATERAL (SELECT count(*) AS number, sum(w.actual_impact) AS kept, sum(w.promised) AS promised FROM (
                    SELECT c.actual_impact, greatest(b.expected_value_usd, t.expected_value_usd) AS promised
                      FROM compute_auction_clears c
                      JOIN auction_tasks t ON t.id = c.winning_task_id
                      LEFT JOIN compute_auction_bids b ON b.id = c.bid_id
                     WHERE c.account_id = o.account_id AND c.actual_impact IS NOT NULL AND c.graded_at <= %(now)s
                     ORDER BY c.id DESC LIMIT %(judged)s) AS w) AS past
)
SELECT account_id, quest_id, value,
       round(greatest(reliability, least(1, coalesce(
           %(least)s * avg(value * reliability) OVER () / nullif(value, 0), 0))), 18)
  FROM judged ORDER BY quest_id COLLATE "C", account_id
"""  # noqa: S608 - constants of ours


class Owner(NamedTuple):
    """Whose tasks take part in a split. `quest_id` is empty for an agent's own tasks, which count as one quest."""

    account_id: int
    quest_id: str
    value_usd: Decimal
    reliability: Decimal

    @property
    def weight(self) -> int:
        """Value times reliability, as a whole number."""
        return int(Fraction(self.value_usd) * Fraction(self.reliability) * _WHOLE)


class Allocation(NamedTuple):
    """A quest's part of a split of so many tokens (or slots), and what it follows from."""

    quest_id: str
    account_id: int
    tokens: int
    share: Decimal
    value_usd: Decimal
    reliability: Decimal


def get_quest_budget_allocation(total: int, *, now: datetime, pool: str | None = None) -> list[Allocation]:
    """Return how `total` splits between the active quests (of one pool), as things stand at `now`; it writes nothing.

    By expected value of their best unblocked tasks, as many as the pool has slots a day, times reliability: of each
    USD promised by the last graded wins, how much was kept, 0 to 1. The parts sum to the total exactly, ties go to the
    lower id, and where nobody expects anything all get alike.
    """
    owners = _owners(now=now, pool=pool, agents=False)
    parts = largest_remainder(total, [owner.weight for owner in owners])
    return [
        Allocation(owner.quest_id, owner.account_id, part, share, owner.value_usd, owner.reliability)
        for owner, part, share in zip(owners, parts, shares(owners), strict=True)
    ]


def owners(pool: Pool, *, now: datetime) -> list[Owner]:
    """Return who takes part when this pool gives slots: its active quests, and agents with unblocked open tasks."""
    return _owners(now=now, pool=pool.name, agents=True)


def shares(owners: Sequence[Owner]) -> list[Decimal]:
    """Return each one's part of the whole, 0 to 1 with 18 decimals; equal parts where all weights are 0."""
    weights = [owner.weight for owner in owners]
    whole = sum(weights)
    if not whole:
        return [_share(1, len(owners)) for _ in owners]
    return [_share(weight, whole) for weight in weights]


def _share(part: int, whole: int) -> Decimal:
    return Decimal(part * 10**18 // whole) * _SHARE_STEP


def _owners(*, now: datetime, pool: str | None, agents: bool) -> list[Owner]:
    terms = {
        "now": now,
        "pool": pool,
        "agents": agents,
        "least": _LEAST,
        "believed": _BELIEVED,
        "judged": JUDGED,
    }
    with connection.cursor() as cursor:
        cursor.execute(_OWNERS, terms)
        return [Owner(*row) for row in cursor.fetchall()]
