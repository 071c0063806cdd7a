"""The round: which open bids win which open slots, at what price, written down so that it can be done again."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from auction import errors, mechanism, pools
from auction.models import Pool, Round
from config import feed
from economics import ledger

_MARGIN = 64

# A task may have come to wait for others since it bid.
_BOOK = f"""
SELECT b.id, b.account_id, b.max_price_tokens, (extract(epoch FROM b.placed_at) * 1000000)::bigint, b.task_id
  FROM compute_auction_bids b JOIN auction_tasks t ON t.id = b.task_id AND t.state = 'open'
 WHERE b.pool_id = %s AND b.status = 'open' AND b.placed_at <= %s AND b.ttl_at > %s AND NOT {pools.BLOCKED}
 ORDER BY b.max_price_tokens DESC, b.placed_at, b.id LIMIT %s
"""  # noqa: S608 - made of constants

_ASKS = """
SELECT id, greatest(reserve_tokens, %s), (extract(epoch FROM available_at) * 1000000)::bigint
  FROM auction_slots
 WHERE pool_id = %s AND state = 'open' AND available_at <= %s AND (offer_until IS NULL OR offer_until > %s)
 ORDER BY available_at, id
"""

# Every update is conditional and counted: a row that moved outside the pool's lock stops the whole round.
_AWARD = f"""
WITH award AS (
    SELECT * FROM unnest(%(bids)s::bigint[], %(slots)s::text[], %(charges)s::bigint[], %(runners_up)s::text[])
             AS a(bid_id, slot_id, charge, runner_up)
), won AS (
    UPDATE compute_auction_bids b SET status = 'won', closed_at = %(now)s, round_id = %(round)s
      FROM award WHERE b.id = award.bid_id AND b.status = 'open'
    RETURNING b.id, b.account_id, b.task_id, b.max_price_tokens, award.slot_id, award.charge, award.runner_up
), sold AS (
    UPDATE auction_slots s SET state = 'sold', closed_at = %(now)s
      FROM award WHERE s.id = award.slot_id AND s.state = 'open'
    RETURNING s.id, s.available_at
), taken AS (
    UPDATE auction_tasks t SET state = 'taken' FROM won WHERE t.id = won.task_id AND t.state = 'open'
    RETURNING t.id
), cleared AS (
    INSERT INTO compute_auction_clears (slot_id, pool_id, round_id, bid_id, account_id, winning_task_id,
        runner_up_task_id, clearing_price_tokens, charge_tokens, max_price_tokens, cleared_at, start_by)
    SELECT won.slot_id, %(pool)s, %(round)s, won.id, won.account_id, won.task_id, won.runner_up, %(price)s,
           won.charge, won.max_price_tokens, %(now)s, greatest(%(now)s, sold.available_at) + %(deadline)s
      FROM won JOIN sold ON sold.id = won.slot_id JOIN taken ON taken.id = won.task_id
    RETURNING account_id, slot_id, bid_id, winning_task_id, charge_tokens, start_by, premium_tokens AS premium
), told AS (
    {feed.INTO}
    SELECT 'won', %(now)s, a.owner_type, a.owner_id, %(name)s, jsonb_build_object(
           'slot_id', c.slot_id, 'task_id', c.winning_task_id, 'bid_id', c.bid_id, 'round_id', %(round)s::bigint,
           'charge_tokens', c.charge_tokens, 'price_tokens', %(price)s::bigint, 'start_by', c.start_by)
      FROM cleared c JOIN token_accounts a ON a.id = c.account_id ORDER BY c.bid_id
)
SELECT account_id, sum(premium)::bigint, count(*) FROM cleared GROUP BY account_id
"""  # noqa: S608 - of constants

# Who lost with many bids is told of all in one line, and of the first hundred that came to hand by name.
_LOSE = f"""
WITH gone AS (
    UPDATE compute_auction_bids SET status = 'lost', closed_at = %(now)s, round_id = %(round)s
     WHERE pool_id = %(pool)s AND status = 'open' AND time_in_force = 'round' AND placed_at <= %(now)s
       AND ttl_at > %(now)s
    RETURNING account_id, max_price_tokens, task_id
), losers AS (
    SELECT account_id, sum(max_price_tokens)::bigint AS held, count(*) AS bids, (array_agg(task_id))[1:100] AS tasks
      FROM gone GROUP BY account_id
), told AS (
    {feed.INTO}
    SELECT 'lost', %(now)s, a.owner_type, a.owner_id, %(name)s, jsonb_build_object(
           'bids', l.bids, 'task_ids', l.tasks, 'round_id', %(round)s::bigint, 'price_tokens', %(price)s::bigint)
      FROM losers l JOIN token_accounts a ON a.id = l.account_id
)
SELECT account_id, held, bids FROM losers
"""  # noqa: S608 - of constants


class Moment(NamedTuple):
    """Which round is being made: its number, its cycle, and when."""

    number: int
    cycle_at: datetime
    now: datetime


class Frontier(NamedTuple):
    """The part of the book that decides the round, and the task behind each bid."""

    bids: list[mechanism.Bid]
    asks: list[mechanism.Ask]
    tasks: dict[int, str]

    def pruned(self, result: mechanism.Result, rule: mechanism.Rule) -> "Frontier":
        """Return what is worth keeping: the bids that decide this result."""
        bids = mechanism.decisive(self.bids, result, rule)
        return Frontier(bids, self.asks, {bid.id: self.tasks[bid.id] for bid in bids})


@transaction.atomic(savepoint=False)
def clear_round(now: datetime, pool: str = pools.DEFAULT) -> Round:
    """Clear one pool's book at `now` and return the round; a cycle cleared before returns its first result.

    Winners' holds shrink to their charge, losing `round` bids get their whole hold back, all in this transaction.
    Refuses a stopped pool and a cycle older than the last one cleared.
    """
    book = pools.lock_exclusive(pool)
    cycle_at = pools.cycle_start(book, now)
    if done := Round.objects.filter(pool=book, cycle_at=cycle_at).first():
        return done
    if (book.last_cycle_at and cycle_at < book.last_cycle_at) or (book.last_round_at and now <= book.last_round_at):
        raise errors.CyclePassedError(pool=pool, cycle_at=cycle_at.isoformat())
    if book.mode == Pool.Mode.STOPPED:
        raise errors.PoolStoppedError(pool=pool)
    frontier = _read_frontier(book, now)
    result = mechanism.clear(frontier.bids, frontier.asks, mechanism.Rule(book.pricing_rule))
    frontier = frontier.pruned(result, mechanism.Rule(book.pricing_rule))
    moment = Moment(_next_round_number(), cycle_at, now)
    lost = 0
    if result.awards:
        released = _award(book, moment, frontier, result)
        losers, lost = _lose(book, moment, result)
        ledger.release_holds(dict(released + losers))
    Pool.objects.filter(pk=book.pk).update(last_cycle_at=cycle_at, last_round_at=now)
    return _write_down(book, moment, frontier, result, lost)


def _read_frontier(pool: Pool, now: datetime) -> Frontier:
    """Read the asks and just so much of the book that the rest of it cannot change the result."""
    rule = mechanism.Rule(pool.pricing_rule)
    with connection.cursor() as cursor:
        cursor.execute(_ASKS, [pool.reserve_tokens, pool.pk, now, now])
        asks = [mechanism.Ask(*row) for row in cursor.fetchall()]
        size = len(asks) + _MARGIN
        while asks:
            cursor.execute(_BOOK, [pool.pk, now, now, size])
            rows = cursor.fetchall()
            bids = [mechanism.Bid(*row[:4]) for row in rows]
            if len(rows) < size or mechanism.frontier_is_complete(bids, asks, rule):
                return Frontier(bids, asks, {row[0]: row[4] for row in rows})
            size *= 2
    return Frontier([], [], {})


def _next_round_number() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('compute_auction_rounds', 'id'))")
        number: int = cursor.fetchone()[0]
    return number


def _award(pool: Pool, moment: Moment, frontier: Frontier, result: mechanism.Result) -> Counter[int]:
    """Write the awards and return the premium to release per wallet."""
    pools.lock_tasks([frontier.tasks[award.bid_id] for award in result.awards])
    terms = {
        "bids": [award.bid_id for award in result.awards],
        "slots": [award.slot_id for award in result.awards],
        "charges": [award.charge for award in result.awards],
        "runners_up": [
            None if award.runner_up_bid_id is None else frontier.tasks[award.runner_up_bid_id]
            for award in result.awards
        ],
        **_terms(pool, moment, result),
        "deadline": timedelta(seconds=pool.start_deadline_seconds),
    }
    premiums, written = _by_wallet(_AWARD, terms)
    if written != len(result.awards):
        raise errors.BookMovedError(awards=len(result.awards), written=written)
    return premiums


def _lose(pool: Pool, moment: Moment, result: mechanism.Result) -> tuple[Counter[int], int]:
    """Close every live `round` bid that did not win; return the holds to release per wallet and how many bids."""
    return _by_wallet(_LOSE, _terms(pool, moment, result))


def _terms(pool: Pool, moment: Moment, result: mechanism.Result) -> dict[str, Any]:
    """Return what every statement of a round says: of which pool, which round, when and at what price."""
    return {
        "pool": pool.pk,
        "name": pool.name,
        "round": moment.number,
        "now": moment.now,
        "price": result.market_price,
    }


def _by_wallet(sql: str, terms: dict[str, Any]) -> tuple[Counter[int], int]:
    with connection.cursor() as cursor:
        cursor.execute(sql, terms)
        rows = cursor.fetchall()
    return Counter({wallet: amount for wallet, amount, _count in rows}), sum(count for *_, count in rows)


def _write_down(pool: Pool, moment: Moment, frontier: Frontier, result: mechanism.Result, lost: int) -> Round:
    """Write the round with all that is needed to do it again."""
    parameters = {
        "pool": pool.name,
        "pricing_rule": pool.pricing_rule,
        "reserve_tokens": pool.reserve_tokens,
        "cycle_at": moment.cycle_at.isoformat(),
        "cleared_at": moment.now.isoformat(),
    }
    stored = _columns(frontier)
    prices = {bid.id: bid.price for bid in frontier.bids}
    told = {
        "round_id": moment.number,
        "cycle_at": moment.cycle_at,
        "price_tokens": result.market_price,
        "slots_offered": len(frontier.asks),
        "slots_sold": len(result.awards),
        "bids_lost": lost,
    }
    feed.publish([feed.Entry("round_cleared", moment.now, told, pool=pool.name)])
    return Round.objects.create(
        pk=moment.number,
        pool=pool,
        cycle_at=moment.cycle_at,
        cleared_at=moment.now,
        pricing_rule=pool.pricing_rule,
        market_price_tokens=result.market_price,
        slots_offered=len(frontier.asks),
        slots_sold=len(result.awards),
        bids_lost=lost,
        charged_tokens=sum(award.charge for award in result.awards),
        premium_tokens=sum(prices[award.bid_id] - award.charge for award in result.awards),
        parameters=parameters,
        frontier=stored,
        digest=digest(parameters, stored, result),
        created_at=moment.now,
    )


def _columns(frontier: Frontier) -> dict[str, Any]:
    """Lay the frontier out by column: bids in book order, asks in deal order."""
    ids, owners, prices, times = _transposed(frontier.bids, 4)
    slots, reserves, starts = _transposed(frontier.asks, 3)
    return {
        "bids": {
            "id": ids,
            "owner": owners,
            "price": prices,
            "placed_at": times,
            "task": list(frontier.tasks.values()),
        },
        "asks": {"slot_id": slots, "price": reserves, "available_at": starts},
    }


def _transposed(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def digest(parameters: dict[str, Any], frontier: dict[str, Any], result: mechanism.Result) -> str:
    """Return the SHA-256 of a round's parameters, frontier and result in one canonical spelling."""
    spelled = json.dumps([parameters, frontier, result], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(spelled.encode()).hexdigest()
