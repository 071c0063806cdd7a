"""Whole books of stored rounds, rebuilt from the bids, which never change, and their times."""

import heapq
import json
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Final, NamedTuple

from django.db import connection

from auction import clearing, mechanism
from auction.models import Pool

_MARGIN: Final = 64
_US = "(extract(epoch FROM {}) * 1000000)::bigint"
_BIDS = f"""
SELECT b.id, b.account_id, b.max_price_tokens, {_US.format("b.placed_at")}, b.task_id, b.expected_value_usd,
       b.time_in_force = 'gtd', {_US.format("b.ttl_at")}, {_US.format("b.closed_at")}, b.round_id, b.status = 'won'
  FROM compute_auction_bids b
 WHERE b.pool_id = %s AND b.placed_at <= %s AND (b.closed_at IS NULL OR b.closed_at > %s)
 ORDER BY b.placed_at, b.id
"""  # noqa: S608 - made of constants
_ROUNDS = f"""
SELECT id, {_US.format("cleared_at")}, pricing_rule, parameters::text, frontier::text, digest
  FROM compute_auction_rounds
 WHERE pool_id = %s AND cleared_at <= %s AND cleared_at > %s ORDER BY cleared_at, id
"""  # noqa: S608 - made of constants


class Bid(NamedTuple):
    """A stored bid; times in microseconds since the epoch."""

    id: int
    owner: int
    price: int
    placed_at: int
    task: str
    value_usd: Decimal
    rests: bool
    """Good till its end, and not for one round."""
    ttl_at: int
    closed_at: int | None
    round: int | None
    """The round that closed it; None when none did."""
    won: bool


class Round(NamedTuple):
    """A stored round: when it was, what was on offer, and what was decided."""

    id: int
    at: int
    asks: Sequence[mechanism.Ask]
    rule: mechanism.Rule
    gave: Callable[[mechanism.Result], bool]
    """Tell whether a result is the one that was stored, by its digest."""


def bids(pool: Pool, *, since: datetime, until: datetime) -> list[Bid]:
    """Return every bid that may stand in the book of a round after `since` up to `until`, in order of time."""
    return [Bid(*row) for row in _rows(_BIDS, [pool.pk, until, since])]


def rounds(pool: Pool, *, since: datetime, until: datetime) -> list[Round]:
    """Return the pool's rounds after `since` up to `until`, in order of time."""
    return [_round(*row) for row in _rows(_ROUNDS, [pool.pk, until, since])]


def _rows(sql: str, terms: Sequence[int | datetime]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, terms)
        return list(cursor.fetchall())


def _round(number: int, at: int, rule: str, parameters: str, frontier: str, digest: str) -> Round:  # noqa: PLR0913, PLR0917 - a row
    terms, columns = json.loads(parameters), json.loads(frontier)
    asks = zip(*(columns["asks"][name] for name in ("slot_id", "price", "available_at")), strict=True)
    return Round(
        number,
        at,
        [mechanism.Ask(*ask) for ask in asks],
        mechanism.Rule(rule),
        lambda result: clearing.digest(terms, columns, result) == digest,
    )


Key = Callable[[Bid], tuple[int, ...]]


def by_price(bid: Bid) -> tuple[int, ...]:
    """Order bids as a book does: the highest first, of equal ones the earlier."""
    return (-bid.price, bid.placed_at, bid.id)


def by_time(bid: Bid) -> tuple[int, ...]:
    """Order bids by their time."""
    return (bid.placed_at, bid.id)


class Book:
    """Bids that stand at a moment, in an order, for each owner and together."""

    def __init__(self, key: Key = by_price) -> None:
        """Begin empty."""
        self._key = key
        self._of: dict[int, list[tuple[tuple[int, ...], Bid]]] = {}
        self._size = 0

    def __len__(self) -> int:
        """Return how many bids stand."""
        return self._size

    def add(self, bid: Bid) -> None:
        """Let a bid stand."""
        insort(self._of.setdefault(bid.owner, []), (self._key(bid), bid))
        self._size += 1

    def remove(self, bid: Bid) -> bool:
        """Take a bid out; False when it does not stand."""
        stands = self._of.get(bid.owner, [])
        place = bisect_left(stands, (self._key(bid), bid))
        if place == len(stands) or stands[place][1].id != bid.id:
            return False
        del stands[place]
        self._size -= 1
        return True

    def in_order(self) -> Iterator[Bid]:
        """Yield all bids in order."""
        return (bid for _key, bid in heapq.merge(*filter(None, self._of.values())))

    def by_owner(self) -> dict[int, list[Bid]]:
        """Return each owner's bids in order, of owners that have any."""
        return {owner: [bid for _key, bid in stands] for owner, stands in self._of.items() if stands}

    def clear(self, asks: Sequence[mechanism.Ask], rule: mechanism.Rule) -> mechanism.Result:
        """Clear this book, ordered by price, reading no more of it than can change the result."""
        size = len(asks) + _MARGIN
        while True:
            top = [mechanism.Bid(*bid[:4]) for bid in islice(self.in_order(), size)]
            if len(top) == self._size or mechanism.frontier_is_complete(top, asks, rule):
                return mechanism.clear(top, asks, rule)
            size *= 2


class Rebuilt:
    """The real book, carried from round to round: what came, what left, and when."""

    def __init__(self, given: Sequence[Bid]) -> None:
        """Take all bids, in order of time."""
        self.book = Book()
        self._coming = iter(given)
        self._next = next(self._coming, None)
        self._leaving: list[tuple[int, int, Bid]] = []
        self._of_round: dict[int, list[Bid]] = {}

    def before(self, stored: Round) -> tuple[list[Bid], list[Bid]]:
        """Go to the moment of a round; return the bids that came since the last one and those that left.

        A bid is in a round's book that was placed by then, does not end by then, and was not closed by then, unless
        the round itself closed it: what is taken back after a round is closed later than it (see `pools.moment`).
        """
        came, left = [], []
        while self._next is not None and self._next.placed_at <= stored.at:
            bid = self._next
            came.append(bid)
            self.book.add(bid)
            if bid.round is not None:
                self._of_round.setdefault(bid.round, []).append(bid)
            else:
                end = min(bid.ttl_at, bid.closed_at or bid.ttl_at)
                heapq.heappush(self._leaving, (end, bid.id, bid))
            self._next = next(self._coming, None)
        while self._leaving and self._leaving[0][0] <= stored.at:
            *_, bid = heapq.heappop(self._leaving)
            self.book.remove(bid)
            left.append(bid)
        return came, left

    def after(self, stored: Round) -> list[Bid]:
        """Let the bids go that a round closed, won or lost, and return them."""
        closed = self._of_round.pop(stored.id, [])
        for bid in closed:
            self.book.remove(bid)
        return closed
