"""Who wins a round and what each winner is charged: offers in, awards and prices out."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple, TypeVar


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


Offer = TypeVar("Offer", Bid, Ask)
_price = attrgetter("price")


def clear(bids: Sequence[Bid], asks: Sequence[Ask], rule: Rule) -> Result:
    """Sell the slots of one round; the order in which bids and asks are given does not matter.

    Of all bids and asks together the `len(asks)` highest win, a bid before an equal ask. The bids
    among them buy, and the cheapest slots are sold to them. The market price is the highest losing
    number, be it a bid or the ask of a sold slot; it is None when no bid wins. Slots are dealt by
    time alone (earliest bid, earliest slot), so that a higher bid buys a place, not a better one.

    Every charge lies between the slot's ask and the winner's own price: no losing number is above a
    winning one, and each sold ask is itself a losing number. Takes linear time once sorted.
    """
    book = sorted(_in_order(bids, "placed_at", "id"), key=_price, reverse=True)
    offered = _in_order(asks, "price", "available_at", "slot_id")
    wins = _count_wins(book, offered)
    if wins == 0:
        return Result(None, ())
    losers = book[wins:]
    market_price = max([offered[wins - 1].price, *map(_price, losers[:1])])
    winners = _in_order(book[:wins], "placed_at", "id")
    dealt = _in_order(offered[:wins], "available_at", "slot_id")
    charges = [market_price] * wins
    if rule == Rule.VICKREY:
        charges = _displaced_numbers(winners, dealt, losers)
    first, first_id, second_id = _runners_up(losers)
    awards = tuple(
        Award(bid.id, ask.slot_id, charge, second_id if bid.owner == first else first_id)
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
    offered = sorted(asks, key=_price)
    wins = _count_wins(prefix, offered)
    won = Counter(bid.owner for bid in prefix[:wins])
    lost = Counter(bid.owner for bid in prefix[wins:])
    losing = len(prefix) - wins
    # Each winner needs a losing bid of another owner: its runner-up, and the proof that the margin
    # has been passed. Where no bid wins there is nothing left to show.
    if any(losing == lost[owner] for owner in won):
        return False
    if rule == Rule.UNIFORM:
        return True
    # What follows is at most the last price, so numbers of at least that cannot be displaced.
    last_price = prefix[-1].price
    settled = losing + sum(ask.price >= last_price for ask in offered[:wins])
    return all(settled - lost[owner] >= awards for owner, awards in won.items())


def decisive(bids: Sequence[Bid], result: Result, rule: Rule) -> list[Bid]:
    """Return the bids without which this result cannot be computed again, in the order given.

    `bids` stand in book order. Every winner counts. Nobody looks at more losing bids of one owner than the most slots
    that any owner won under vickrey, at one under uniform: one owner's thousand cheap bids are not worth keeping.
    """
    winning = {award.bid_id for award in result.awards}
    most = 1
    if rule == Rule.VICKREY and winning:
        most = max(Counter(bid.owner for bid in bids if bid.id in winning).values())
    lost: Counter[int] = Counter()
    kept = []
    for bid in bids:
        if bid.id not in winning:
            lost[bid.owner] += 1
            if lost[bid.owner] > most:
                continue
        kept.append(bid)
    return kept


def _in_order(offers: Sequence[Offer], *fields: str) -> list[Offer]:
    """Sort by several fields, the first one leading; a stable sort for each beats one on tuples."""
    ordered = list(offers)
    for field in reversed(fields):
        ordered.sort(key=attrgetter(field))
    return ordered


def _count_wins(book: Sequence[Bid], offered: Sequence[Ask]) -> int:
    """Count the bids that buy: bid i of the book wins exactly if it covers the i-th cheapest ask.

    If it does, at most i - 1 bids and len(offered) - i asks stand before it; if not, too many do.
    """
    pairs = range(min(len(book), len(offered)))
    return bisect_left(pairs, x=True, key=lambda i: book[i].price < offered[i].price)


def _displaced_numbers(winners: Sequence[Bid], dealt: Sequence[Ask], losers: Sequence[Bid]) -> list[int]:
    """Charge each owner the highest losing numbers of others, the highest on its dearest ask.

    Equal asks are charged in deal order. Every owner skips its own losing bids only, each of them
    once, so this takes no more steps than there are winners and losers.
    """
    numbers: list[Bid | Ask] = sorted((*losers, *dealt), key=_price, reverse=True)
    holders = [number.owner if isinstance(number, Bid) else None for number in numbers]
    charges = [0] * len(winners)
    seen: dict[int, int] = {}
    for place in sorted(range(len(dealt)), key=lambda place: dealt[place].price, reverse=True):
        owner = winners[place].owner
        number = seen.get(owner, 0)
        while holders[number] == owner:
            number += 1
        charges[place] = numbers[number].price
        seen[owner] = number + 1
    return charges


def _runners_up(losers: Sequence[Bid]) -> tuple[int | None, int | None, int | None]:
    """Return the owner and id of the highest losing bid, and the id of the next owner's highest."""
    if not losers:
        return None, None, None
    first = losers[0]
    second = next((bid.id for bid in losers if bid.owner != first.owner), None)
    return first.owner, first.id, second
