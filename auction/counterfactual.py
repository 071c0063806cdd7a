"""What stored days would have been under another rule: the same books, cleared anew; who gains and who loses."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Final, NamedTuple

from django.db import connection, transaction

from auction import mechanism, pools, stored_books
from auction.stored_books import Bid, Book, Round

_AWARDS = """
SELECT c.bid_id, c.charge_tokens FROM compute_auction_clears c JOIN compute_auction_rounds r ON r.id = c.round_id
 WHERE r.pool_id = %s AND r.cleared_at > %s AND r.cleared_at <= %s
"""
_OWNERS = "SELECT id, owner_type || ':' || owner_id FROM token_accounts WHERE id = ANY(%s)"


class Share(NamedTuple):
    """What an owner has of a rule."""

    won: int = 0
    """Slots."""
    paid: int = 0
    """Wallet tokens."""
    value_usd: Decimal = Decimal(0)
    """Expected value of the tasks that won, as their bids stated it."""
    surplus: int = 0
    """Wallet tokens bid beyond what was paid, for what was won."""

    def plus(self, bid: Bid, charge: int) -> "Share":
        """Return this with one more slot won."""
        return Share(
            self.won + 1, self.paid + charge, self.value_usd + bid.value_usd, self.surplus + bid.price - charge
        )

    def __add__(self, other: object) -> "Share":
        """Return both together."""
        if not isinstance(other, Share):
            return NotImplemented
        return Share(
            self.won + other.won,
            self.paid + other.paid,
            self.value_usd + other.value_usd,
            self.surplus + other.surplus,
        )


Wins = list[tuple[Bid, int]]
Shares = defaultdict[int, Share]
Clearing = Callable[[Book, Sequence[mechanism.Ask], Shares], Wins]


class Line(NamedTuple):
    """One owner, as it was and as it would have been."""

    owner: str
    was: Share
    would_be: Share

    @property
    def gain(self) -> int:
        """Wallet tokens by which its surplus would have been larger."""
        return self.would_be.surplus - self.was.surplus


class Answer(NamedTuple):
    """The stored rounds of a time under another rule. Owners stand by their gain, the largest first."""

    rounds: int
    differing: int
    """Rounds whose rebuilt book does not give what was stored: their figures are not to be relied on."""
    lines: list[Line]

    @property
    def was(self) -> Share:
        """All owners as it was."""
        return sum((line.was for line in self.lines), Share())

    @property
    def would_be(self) -> Share:
        """All owners as it would have been."""
        return sum((line.would_be for line in self.lines), Share())


@transaction.atomic(durable=True)
def under(rule: str, *, since: datetime, until: datetime, pool: str = pools.DEFAULT) -> Answer:
    """Clear the rounds after `since` up to `until` again under another rule and compare, owner by owner.

    Read-only, in one REPEATABLE READ snapshot. `uniform` and `vickrey` sell. `fair` gives each slot to the owner with
    the fewest so far, its highest bid first, `fifo` gives it to the oldest bid; both charge nothing. The bids stay as
    they were: nobody would have bid otherwise, run out of tokens or had more of them. What would have won earlier is
    in no later book; what would have lost rests as long as it may.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    return under_here(rule, since=since, until=until, pool=pool)


def under_here(rule: str, *, since: datetime, until: datetime, pool: str = pools.DEFAULT) -> Answer:
    """Return the same as seen by the caller's own transaction."""
    book = pools.get(pool)
    given = stored_books.bids(book, since=since, until=until)
    stored = stored_books.rounds(book, since=since, until=until)
    again = _Again(rule, given)
    differing = sum(not again.through(one) for one in stored)
    by_id = {bid.id: bid for bid in given}
    was: Shares = defaultdict(Share)
    with connection.cursor() as cursor:
        cursor.execute(_AWARDS, [book.pk, since, until])
        for bid_id, charge in cursor.fetchall():
            bid = by_id[bid_id]
            was[bid.owner] = was[bid.owner].plus(bid, charge)
        owners = sorted({*was, *again.shares})
        cursor.execute(_OWNERS, [owners])
        names = dict(cursor.fetchall())
    lines = [Line(names[owner], was[owner], again.shares[owner]) for owner in owners]
    return Answer(len(stored), differing, sorted(lines, key=lambda line: (-line.gain, line.owner)))


class _Again:
    """The rounds one after the other under another rule, beside what really happened."""

    def __init__(self, rule: str, given: Sequence[Bid]) -> None:
        self.shares: Shares = defaultdict(Share)
        self._given = stored_books.Rebuilt(given)
        self._clear = RULES[rule]
        self._book = Book(stored_books.by_time if rule == "fifo" else stored_books.by_price)
        self._standing: dict[str, Bid] = {}  # by task
        self._ahead: Counter[str] = Counter()  # wins of a task beyond those it really had
        self._carried: list[tuple[int, int, Bid]] = []

    def through(self, stored: Round) -> bool:
        """Do one round again; return whether its rebuilt book gives what was stored under the rule it had."""
        came, left = self._given.before(stored)
        for bid in came:
            self._stand(bid)
        for bid in left:  # after all that came: some did both between two rounds
            self._drop(bid)
        while self._carried and self._carried[0][0] <= stored.at:
            self._drop(heapq.heappop(self._carried)[-1])
        as_it_was = self._given.book.clear(stored.asks, stored.rule)
        won = self._clear(self._book, stored.asks, self.shares)
        for bid, charge in won:
            self.shares[bid.owner] = self.shares[bid.owner].plus(bid, charge)
            self._ahead[bid.task] += 1
            self._drop(bid)
        for bid in self._given.after(stored):
            self._really_closed(bid)
        return stored.gave(as_it_was)

    def _stand(self, bid: Bid) -> None:
        """Let a bid stand, in place of what its task may still have, unless the task has won before."""
        if bid.task in self._standing:
            self._drop(self._standing[bid.task])
        if self._ahead[bid.task] <= 0:
            self._book.add(bid)
            self._standing[bid.task] = bid

    def _drop(self, bid: Bid) -> None:
        if self._book.remove(bid):
            del self._standing[bid.task]

    def _really_closed(self, bid: Bid) -> None:
        """Follow what a round really did to a bid: one that won it only there rests on, if it may."""
        if bid.won:
            self._ahead[bid.task] -= 1
        if bid.won and bid.rests and self._standing.get(bid.task) == bid:
            heapq.heappush(self._carried, (bid.ttl_at, bid.id, bid))
        else:
            self._drop(bid)


def _sell(rule: mechanism.Rule) -> Clearing:
    def sell(book: Book, asks: Sequence[mechanism.Ask], _so_far: Shares) -> Wins:
        charges = {award.bid_id: award.charge for award in book.clear(asks, rule).awards}
        return [(bid, charges[bid.id]) for bid in islice(book.in_order(), len(charges))]  # the top of the book wins

    return sell


def _give_fairly(book: Book, asks: Sequence[mechanism.Ask], so_far: Shares) -> Wins:
    waiting = book.by_owner()
    had = {owner: so_far[owner].won for owner in waiting}
    wins: Wins = []
    while waiting and len(wins) < len(asks):
        owner = min(waiting, key=lambda owner: (had[owner], owner))
        had[owner] += 1
        wins.append((waiting[owner].pop(0), 0))
        if not waiting[owner]:
            del waiting[owner]
    return wins


def _give_in_order(book: Book, asks: Sequence[mechanism.Ask], _so_far: Shares) -> Wins:
    return [(bid, 0) for bid in islice(book.in_order(), len(asks))]


RULES: Final[Mapping[str, Clearing]] = {
    "uniform": _sell(mechanism.Rule.UNIFORM),
    "vickrey": _sell(mechanism.Rule.VICKREY),
    "fair": _give_fairly,
    "fifo": _give_in_order,
}


def table(answer: Answer, *, rule: str, most: int) -> str:
    """Return stored days under another rule: the whole, then the owners that gain and lose most."""
    was, would = answer.was, answer.would_be
    widths = (24, 8, 14, 14, 8, 14, 14, 14)
    heads = ("owner", "won", "paid", "value USD", "would", "pay", "value USD", "gain")
    lines = [
        f"{answer.rounds:,} rounds under {rule}; {answer.differing:,} of their books do not rebuild to what was stored",
        "".join(head.rjust(width) for head, width in zip(heads, widths, strict=True)),
    ]
    moved = sorted(answer.lines, key=lambda line: (-abs(line.gain), line.owner))[:most]
    shown = [line for line in answer.lines if line in moved]
    for line in [*shown, Line("all", was, would)]:
        cells = (
            *(line.owner, f"{line.was.won:,}", f"{line.was.paid:,}", f"{line.was.value_usd:,.2f}"),
            *(
                f"{line.would_be.won:,}",
                f"{line.would_be.paid:,}",
                f"{line.would_be.value_usd:,.2f}",
                f"{line.gain:+,}",
            ),
        )
        lines.append("".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)))
    if len(shown) < len(answer.lines):
        lines.append(f"{len(answer.lines) - len(shown):,} owners that gain or lose less are not shown")
    return "\n".join(lines)
