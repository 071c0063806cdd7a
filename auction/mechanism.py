"""Who wins a round and what each winner is charged: offers in, awards and prices out."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple


class Bid(NamedTuple):
    """An eligible offer to buy one slot. Whole numbers throughout, so that a replay is exact."""

    id: int
    owner: int
    """The wallet that pays."""
    price: int
    """The most it may be charged, in wallet tokens."""
    placed_at: int
    """Microseconds since the epoch."""


class Ask(NamedTuple):
    """A slot on offer, and the house's bid to keep it."""

    slot_id: str
    price: int
    """The higher of the pool's and the slot's reserve, in wallet tokens."""
    available_at: int
    """Microseconds since the epoch."""


class Award(NamedTuple):
    """One sold slot: who gets it, for how many wallet tokens, and who came next."""

    bid_id: int
    slot_id: str
    charge: int
    runner_up_bid_id: int | None


class Result(NamedTuple):
    """A cleared round; the awards stand in the order in which the slots were dealt."""

    market_price: int | None
    awards: tuple[Award, ...]


class Rule(StrEnum):
    """How winners are charged."""

    UNIFORM = "uniform"
    """Everyone pays the market price."""
    VICKREY = "vickrey"
    """An owner of m awards pays the m highest losing numbers that are not its own."""


def book_order(bid: Bid) -> tuple[int, int, int]:
    """Sort key of the book: dearest first, then earliest, then lowest id."""
    return (-bid.price, bid.placed_at, bid.id)


def clear(bids: Sequence[Bid], asks: Sequence[Ask], rule: Rule) -> Result:
    """Sell the slots of one round; the order in which bids and asks are given does not matter.

    Of all bids and asks together the `len(asks)` highest win, a bid before an equal ask. The bids
    among them buy, and the cheapest slots are sold to them. The market price is the highest losing
    number, be it a bid or the ask of a sold slot; it is None when no bid wins. Slots are dealt by
    time alone (earliest bid, earliest slot), so that a higher bid buys a place, not a better one.

    Every charge lies between the slot's ask and the winner's own price: no losing number is above a
    winning one, and each sold ask is itself a losing number. Takes linear time once sorted.
    """
    book = sorted(bids, key=book_order)
    offered = sorted(asks, key=attrgetter("price", "available_at", "slot_id"))
    wins = _count_wins(book, offered)
    if wins == 0:
        return Result(None, ())
    winners, losers, sold = book[:wins], book[wins:], offered[:wins]
    market_price = max([sold[-1].price, *(loser.price for loser in losers[:1])])
    winners.sort(key=attrgetter("placed_at", "id"))
    dealt = sorted(sold, key=attrgetter("available_at", "slot_id"))
    if rule is Rule.UNIFORM:
        charges = [market_price] * wins
    else:
        charges = _displaced_numbers(winners, dealt, losers, sold)
    first, second = _runners_up(losers)
    awards = tuple(
        Award(bid.id, ask.slot_id, charge, _other(bid, first, second))
        for bid, ask, charge in zip(winners, dealt, charges, strict=True)
    )
    return Result(market_price, awards)


def frontier_is_complete(prefix: Sequence[Bid], asks: Sequence[Ask], rule: Rule) -> bool:
    """Tell whether `prefix`, the top of a book in book order, already decides the whole round.

    True if and only if no bids that could follow in the book would change anything in the result:
    winners, market price, charges or runners-up. A caller who knows that the book has ended need
    not ask. Takes linear time (asks in order of price are not sorted again).
    """
    if not prefix or not asks:
        return not asks
    offered = sorted(asks, key=attrgetter("price"))
    wins = _count_wins(prefix, offered)
    won = Counter(bid.owner for bid in prefix[:wins])
    lost = Counter(bid.owner for bid in prefix[wins:])
    losing = len(prefix) - wins
    # Each winner needs a losing bid of another owner: its runner-up, and the proof that the margin
    # has been passed. Where no bid wins there is nothing left to show.
    if any(losing == lost[owner] for owner in won):
        return False
    if rule is Rule.UNIFORM:
        return True
    # What follows is at most the last price, so numbers of at least that cannot be displaced.
    last_price = prefix[-1].price
    settled = losing + sum(ask.price >= last_price for ask in offered[:wins])
    return all(settled - lost[owner] >= awards for owner, awards in won.items())


def _count_wins(book: Sequence[Bid], offered: Sequence[Ask]) -> int:
    """Count the bids that buy: bid i of the book wins exactly if it covers the i-th cheapest ask.

    If it does, at most i - 1 bids and len(offered) - i asks stand before it; if not, too many do.
    """
    pairs = range(min(len(book), len(offered)))
    return bisect_left(pairs, x=True, key=lambda i: book[i].price < offered[i].price)


def _displaced_numbers(
    winners: Sequence[Bid], dealt: Sequence[Ask], losers: Sequence[Bid], sold: Sequence[Ask]
) -> list[int]:
    """Charge each owner the highest losing numbers of others, the highest on its dearest ask.

    Equal asks are charged in deal order. Every owner skips its own losing bids only, so all walks
    together take no more steps than there are winners and losers.
    """
    numbers: list[tuple[int, int | None]] = [(bid.price, bid.owner) for bid in losers]
    numbers += [(ask.price, None) for ask in reversed(sold)]
    numbers.sort(key=lambda number: number[0], reverse=True)
    places = defaultdict[int, list[int]](list)
    for place, bid in enumerate(winners):
        places[bid.owner].append(place)
    charges = [0] * len(winners)
    for owner, own_places in places.items():
        own_places.sort(key=lambda place: dealt[place].price, reverse=True)
        others = (price for price, holder in numbers if holder != owner)
        for place, charge in zip(own_places, others, strict=False):
            charges[place] = charge
    return charges


def _runners_up(losers: Sequence[Bid]) -> tuple[Bid | None, Bid | None]:
    """Return the highest losing bid and the highest one of another owner than that."""
    if not losers:
        return None, None
    first = losers[0]
    return first, next((bid for bid in losers if bid.owner != first.owner), None)


def _other(winner: Bid, first: Bid | None, second: Bid | None) -> int | None:
    """Return the id of the better of two losing bids that is not the winner's own."""
    runner_up = second if first and first.owner == winner.owner else first
    return runner_up.id if runner_up else None
