"""The market as its pages tell it: pools and rounds, prices of a day, depth of the book, slots by state."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any, Final, NamedTuple

from django.db import connection

from auction import order_book, pools

MOST_LEVELS: Final = 100
_STEPS: Final = 96  # of a day: one each quarter of an hour

_POOLS = """
SELECT p.id, p.name, p.mode, p.pricing_rule, p.capacity, p.cycle_seconds, p.reserve_tokens, p.last_round_at,
       latest.price, coalesce(r.rounds, 0), coalesce(r.offered, 0), coalesce(r.sold, 0), coalesce(r.charged, 0),
       r.lowest, r.mean, r.highest
  FROM auction_pools p
  LEFT JOIN LATERAL (
       SELECT count(*) AS rounds, sum(slots_offered) AS offered, sum(slots_sold) AS sold,
              sum(charged_tokens)::bigint AS charged, min(market_price_tokens) AS lowest,
              max(market_price_tokens) AS highest,
              round(sum(market_price_tokens * slots_sold) / nullif(sum(slots_sold), 0), 2) AS mean
         FROM compute_auction_rounds WHERE pool_id = p.id AND cleared_at > %(since)s AND cleared_at <= %(now)s) AS r
       ON true
  LEFT JOIN LATERAL (
       SELECT market_price_tokens AS price FROM compute_auction_rounds
        WHERE pool_id = p.id AND cleared_at <= %(now)s ORDER BY cleared_at DESC LIMIT 1) AS latest ON true
 ORDER BY p.name
"""
_LAST_ROUNDS = """
SELECT r.id, p.name, r.cleared_at, r.pricing_rule, r.market_price_tokens, r.slots_offered, r.slots_sold,
       r.charged_tokens, r.bids_lost
  FROM auction_pools p
 CROSS JOIN LATERAL (SELECT * FROM compute_auction_rounds
                      WHERE pool_id = p.id AND cleared_at <= %(now)s ORDER BY cleared_at DESC LIMIT %(most)s) AS r
 WHERE %(pool)s = '' OR p.name = %(pool)s
 ORDER BY r.cleared_at DESC, r.id DESC LIMIT %(most)s
"""
_PRICES = """
SELECT date_bin(%(step)s, cleared_at, %(since)s) AS begins, count(*), sum(slots_offered), sum(slots_sold),
       min(market_price_tokens), round(sum(market_price_tokens * slots_sold) / nullif(sum(slots_sold), 0), 2),
       max(market_price_tokens)
  FROM compute_auction_rounds
 WHERE pool_id = %(pool)s AND cleared_at >= %(since)s AND cleared_at < %(until)s
 GROUP BY begins ORDER BY begins
"""
# Live ones by their own indexes, whenever they were sold; the rest is what became of the sales of a time.
_SLOTS = """
SELECT p.name, s.state, s.number
  FROM auction_pools p
 CROSS JOIN LATERAL (
       SELECT 'open' AS state, count(*) AS number FROM auction_slots WHERE pool_id = p.id AND state = 'open'
       UNION ALL
       SELECT state, count(*) FROM compute_auction_clears WHERE pool_id = p.id AND state = 'sold' GROUP BY state
       UNION ALL
       SELECT state, count(*) FROM compute_auction_clears WHERE pool_id = p.id AND state = 'running' GROUP BY state
       UNION ALL
       SELECT state, count(*) FROM compute_auction_clears
        WHERE pool_id = p.id AND cleared_at > %(since)s AND cleared_at <= %(now)s AND state NOT IN ('sold', 'running')
        GROUP BY state) AS s
 WHERE s.number > 0
"""


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


class PoolFigures(NamedTuple):
    """A pool as it stands, and its rounds of a time. Prices in wallet tokens; None where nothing was sold."""

    id: int
    name: str
    mode: str
    pricing_rule: str
    capacity: int
    cycle_seconds: int
    reserve_tokens: int
    last_round_at: datetime | None
    last_price: int | None
    """Of the last round, whenever it was."""
    rounds: int
    offered: int
    sold: int
    charged_tokens: int
    lowest: int | None
    mean: Decimal | None
    """For each slot sold."""
    highest: int | None

    @property
    def fill_rate(self) -> float | None:
        """Return slots sold per slot offered; None when none was offered."""
        return _share(self.sold, self.offered)


class RoundFigures(NamedTuple):
    """A round in a line. Wallet tokens; the price is None where nothing was sold."""

    number: int
    pool: str
    cleared_at: datetime
    pricing_rule: str
    price: int | None
    offered: int
    sold: int
    charged_tokens: int
    bids_lost: int

    @property
    def fill_rate(self) -> float | None:
        """Return slots sold per slot offered; None when none was offered."""
        return _share(self.sold, self.offered)


class PriceStep(NamedTuple):
    """The rounds of a quarter of an hour (or another part of a time). Prices are None where nothing was sold."""

    begins: datetime
    rounds: int = 0
    offered: int = 0
    sold: int = 0
    lowest: int | None = None
    mean: Decimal | None = None
    highest: int | None = None

    @property
    def fill_rate(self) -> float | None:
        """Return slots sold per slot offered; None when none was offered."""
        return _share(self.sold, self.offered)


class Level(NamedTuple):
    """A price, in wallet tokens, and what stands there: bids and asks at it, and how many would trade at it."""

    price: int
    bids: int
    asks: int
    demand: int
    """Bids at this price or above."""
    supply: int
    """Asks at this price or below."""


class Depth(NamedTuple):
    """The book at a moment, by price level, the lowest first."""

    levels: Sequence[Level]
    best_bid: int | None
    lowest_ask: int | None
    is_cut: bool
    """There is more of it than the best levels shown."""

    @property
    def crossing(self) -> int:
        """Return how many slots would be sold if the book were cleared as it is shown."""
        return max((min(level.demand, level.supply) for level in self.levels), default=0)


def pool_figures(*, now: datetime, hours: int = 24) -> list[PoolFigures]:
    """Return every pool by name with its last price, and its rounds of the last `hours` summed up; one query."""
    return [PoolFigures(*row) for row in _rows(_POOLS, {"now": now, "since": now - timedelta(hours=hours)})]


def last_rounds(*, now: datetime, pool: str = "", most: int = 10) -> list[RoundFigures]:
    """Return the last rounds of a pool, or of all pools together, the newest first; one query."""
    return [RoundFigures(*row) for row in _rows(_LAST_ROUNDS, {"now": now, "pool": pool, "most": most})]


def prices(*, now: datetime, pool: str = pools.DEFAULT, hours: int = 24) -> list[PriceStep]:
    """Return the pool's prices of the last `hours` in 96 equal steps, also of those in which nothing was sold.

    The last step ends with the quarter of an hour (or what a step is) that `now` lies in. Refuses an unknown pool.
    """
    step = timedelta(hours=hours) / _STEPS
    epoch = datetime.fromtimestamp(0, tz=UTC)
    until = epoch + ((now - epoch) // step + 1) * step
    since = until - _STEPS * step
    terms = {"pool": pools.get(pool).pk, "step": step, "since": since, "until": until}
    found = {row[0]: PriceStep(*row) for row in _rows(_PRICES, terms)}
    begins = (since + number * step for number in range(_STEPS))
    return [found.get(at) or PriceStep(at) for at in begins]


def depth(*, now: datetime, pool: str = pools.DEFAULT, most: int = MOST_LEVELS) -> Depth:
    """Return the pool's book by price level: the best `most` levels of bids and the `most` cheapest asks.

    Refuses an unknown pool.
    """
    book = order_book.get_order_book(now=now, pool=pool, limit=most + 1)
    bids = sorted((row["price_tokens"], row["count"]) for row in book["bids"][:most])
    asks = sorted(row["ask_tokens"] for row in book["asks"][:most])
    bid_prices = [price for price, _count in bids]
    counts = dict(bids)
    below = [0, *accumulate(count for _price, count in bids)]
    levels = [
        Level(
            price,
            counts.get(price, 0),
            bisect_right(asks, price) - bisect_left(asks, price),
            below[-1] - below[bisect_left(bid_prices, price)],
            bisect_right(asks, price),
        )
        for price in sorted({*bid_prices, *asks})
    ]
    return Depth(
        levels,
        bid_prices[-1] if bid_prices else None,
        asks[0] if asks else None,
        is_cut=len(book["bids"]) > most or len(book["asks"]) > most,
    )


def slots_by_state(*, now: datetime, hours: int = 24) -> Mapping[str, Mapping[str, int]]:
    """Return of each pool how many slots are open, sold and running now, and what became of those sold of late.

    A state that no slot is in is left out; so is a pool without any.
    """
    found: dict[str, dict[str, int]] = {}
    for pool, state, number in _rows(_SLOTS, {"now": now, "since": now - timedelta(hours=hours)}):
        found.setdefault(pool, {})[state] = number
    return found


def _rows(sql: str, terms: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, terms)
        return list(cursor.fetchall())
