"""The order book: bids placed, cancelled and expired, and what it looks like from outside."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from django.db import connection, transaction

from auction import errors, pools
from auction.models import Bid, Pool, Task
from config import feed
from config.errors import RefusedError, RetryableError
from economics import gate, ledger
from economics.money import is_usd

LARGEST = 2**63 - 1
_MOST_NAMED = 20
_EXPIRE_AT_ONCE = 10_000

_PLACE = """
SELECT bid_id, pool_id, account_id, bidder_id, placed_at, refusal, available
  FROM auction_place_bid(%(pool)s, %(wallet)s, %(agent)s, %(task)s, %(price)s, %(value)s, %(tif)s, %(ttl)s, %(now)s)
"""

_EXPIRE = f"""
WITH due AS (
    SELECT id FROM compute_auction_bids
     WHERE pool_id = %(pool)s AND status = 'open' AND time_in_force IN ('round', 'gtd') AND ttl_at <= %(now)s
     LIMIT %(most)s FOR NO KEY UPDATE SKIP LOCKED
), gone AS (
    UPDATE compute_auction_bids b SET status = 'expired', closed_at = %(at)s FROM due WHERE b.id = due.id
    RETURNING b.account_id, b.max_price_tokens, b.task_id
), owners AS (
    SELECT account_id, sum(max_price_tokens)::bigint AS held, count(*) AS bids, (array_agg(task_id))[1:100] AS tasks
      FROM gone GROUP BY account_id
), told AS (
    {feed.INTO}
    SELECT 'expired', %(at)s, a.owner_type, a.owner_id, %(name)s,
           jsonb_build_object('bids', o.bids, 'task_ids', o.tasks)
      FROM owners o JOIN token_accounts a ON a.id = o.account_id
)
SELECT account_id, held, bids FROM owners
"""  # noqa: S608 - of constants

# The refusals that concern a task, by what the database calls them.
BY_CODE: dict[str, type[RefusedError]] = {
    e.code: e
    for e in (
        *(errors.UnknownTaskError, errors.NotYourTaskError, errors.TaskNotOpenError, errors.TaskHasOpenBidError),
        *(errors.TaskBlockedError, errors.NoEnvelopeError, errors.EnvelopeFrozenError, errors.EnvelopeExhaustedError),
    )
}

_OF_ENVELOPES = frozenset(
    error.code for error in (errors.NoEnvelopeError, errors.EnvelopeFrozenError, errors.EnvelopeExhaustedError)
)


def place_bid(  # noqa: PLR0913 - a bid has this many terms
    *,
    wallet: int | None = None,
    agent_id: str | None = None,
    task_id: str,
    max_price_tokens: int,
    ttl_at: datetime,
    now: datetime,
    expected_value_usd: Decimal = Decimal(0),
    time_in_force: str = Bid.TimeInForce.ROUND,
    pool: str = pools.DEFAULT,
) -> Bid:
    """Bid `max_price_tokens` for a slot of the pool, for an open task of a wallet (account id) or of an agent's own.

    One statement, a function of the database, and so a transaction by itself unless the caller has one open: the full
    price is held where it is checked to be available, and the bid's time is taken under the pool's lock. Refuses an
    unknown pool or task, another owner's task, one that is not open, waits for others or has an open bid, a price, a
    value or a ttl_at out of bounds, a stopped pool, a wallet with too little available, and a task whose entity has an
    envelope that is frozen or without room, or none to take from what it states it will cost.
    """
    if not 1 <= max_price_tokens <= LARGEST:
        msg = "max_price_tokens must be a whole number of wallet tokens, 1 or more."
        raise errors.PriceOutOfBoundsError(msg, pointer="/max_price_tokens")
    if not is_usd(expected_value_usd):
        raise errors.InvalidValueError(pointer="/expected_value_usd")
    terms = {
        "pool": pool,
        "wallet": wallet,
        "agent": agent_id,
        "task": task_id,
        "price": max_price_tokens,
        "value": expected_value_usd,
        "tif": time_in_force,
        "ttl": ttl_at,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PLACE, terms)
        pk, pool_id, account_id, bidder_id, placed_at, refusal, available = cursor.fetchone()
    if refusal:
        raise _refusal(refusal, terms, placed_at, available)
    return Bid(
        pk=pk,
        pool_id=pool_id,
        task_id=task_id,
        account_id=account_id,
        bidder_id=bidder_id,
        max_price_tokens=max_price_tokens,
        expected_value_usd=expected_value_usd,
        time_in_force=time_in_force,
        placed_at=placed_at,
        ttl_at=ttl_at,
        status=Bid.Status.OPEN,
    )


def _refusal(code: str, terms: Mapping[str, Any], at: datetime, available: int | None) -> RefusedError:
    """Return what the database refused, with the figures behind it."""
    if code == errors.TaskBlockedError.code or code in _OF_ENVELOPES:
        return barred(code, terms["task"], at=at)
    if code in BY_CODE:
        return BY_CODE[code](pointer="/task_id", task_id=terms["task"])
    if code == errors.InsufficientTokensError.code:
        return errors.InsufficientTokensError(pointer="/max_price_tokens", available=available, asked=terms["price"])
    pool = pools.get(terms["pool"])
    if code == errors.PoolStoppedError.code:
        return errors.PoolStoppedError(pool=pool.name)
    return out_of_bounds(pool, terms["price"], terms["ttl"], at) or RetryableError("The pool's bounds just moved.")


def barred(code: str, task_id: str, *, at: datetime) -> RefusedError:
    """Return why a task may not compete, with what it waits for, or who says so and until when where that is known."""
    task = Task.objects.select_related("wallet").get(pk=task_id)
    kind, terms = BY_CODE[code], {"pointer": "/task_id", "task_id": task_id}
    if code == errors.TaskBlockedError.code:
        waiting = task.needs.exclude(needs__state=Task.State.DONE).order_by("needs_id")
        names = list(waiting.values_list("needs_id", flat=True)[:_MOST_NAMED])
        return kind(f"The task waits for {', '.join(names)}.", **terms, waits_for=names)
    entity_type, entity_id = task.entity_type, task.entity_id
    if not entity_type:
        entity_type, entity_id = task.wallet.owner_type, task.wallet.owner_id
    tokens = task.expected_cost_tokens or 1
    reason = gate.reason(entity_type, entity_id, at=at, tokens=tokens, model=task.model)
    sentence = (kind.__doc__ or "").split("\n", maxsplit=1)[0]
    figures: dict[str, Any] = {"entity_type": entity_type, "entity_id": entity_id}
    if reason is not None:
        until = f", until {reason.until.isoformat()}" if reason.until else ""
        sentence = f"{sentence} ({reason.why.rstrip('.')}{until}.)"
        figures |= {"until": reason.until, "line": reason.line, "room": reason.room}
    given = {name: figure for name, figure in figures.items() if figure not in (None, "")}
    return kind(sentence, **terms, **given)


def out_of_bounds(pool: Pool, price: int, ttl_at: datetime, placed_at: datetime) -> RefusedError | None:
    """Return why the pool does not take a bid of this price and end placed then, or None when it does."""
    if not pool.min_bid_tokens <= price <= pool.max_bid_tokens:
        return errors.PriceOutOfBoundsError(
            pointer="/max_price_tokens", least=pool.min_bid_tokens, most=pool.max_bid_tokens
        )
    ahead = (ttl_at - placed_at).total_seconds()
    if not 0 < ahead <= pool.max_ttl_seconds:
        return errors.TtlOutOfBoundsError(
            pointer="/ttl_at", now=placed_at.isoformat(), max_ttl_seconds=pool.max_ttl_seconds
        )
    return None


@transaction.atomic
def cancel_bid(bid_id: int, *, wallet: int, now: datetime) -> Bid:
    """Take an open bid of this wallet back and release its hold whole. Cancelling twice is the same as once.

    Refuses a bid that is not the wallet's, and one that has won, lost or expired.
    """
    bid = Bid.objects.select_related("pool").filter(pk=bid_id, account_id=wallet).first()
    if bid is None:
        raise errors.UnknownBidError(bid_id=bid_id)
    withdraw_bid(bid, now=now)
    bid.refresh_from_db()
    if bid.status != Bid.Status.CANCELLED:
        raise errors.BidNotOpenError(bid_id=bid_id, status=bid.status)
    return bid


def withdraw_bid(bid: Bid, *, now: datetime) -> bool:
    """Close a bid that is still open as cancelled and release its hold; return whether it was still open."""
    pool = pools.lock_shared(bid.pool.name)
    closed = Bid.objects.filter(pk=bid.pk, status=Bid.Status.OPEN).update(
        status=Bid.Status.CANCELLED, closed_at=pools.moment(pool, now)
    )
    if closed:
        ledger.release_holds({bid.account_id: bid.max_price_tokens})
    return bool(closed)


def withdraw_bids_of(tasks: Collection[str], books: Collection[Pool], *, now: datetime) -> int:
    """Close the open bids of these tasks in pools that the caller has locked, release their holds; return how many."""
    released: list[tuple[int, int]] = []
    for book in books:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE compute_auction_bids SET status = 'cancelled', closed_at = %s
                 WHERE pool_id = %s AND task_id = ANY(%s) AND status = 'open'
                RETURNING account_id, max_price_tokens
                """,
                [pools.moment(book, now), book.pk, list(tasks)],
            )
            released += cursor.fetchall()
    holds: Counter[int] = Counter()
    for account, tokens in released:
        holds[account] += tokens
    ledger.release_holds(dict(holds))
    return len(released)


def refund_unfilled(*, now: datetime, pool: str | None = None) -> int:
    """Expire every open bid whose `ttl_at` has come and release its hold whole; return how many.

    In batches of 10,000, so that neither placement nor clearing waits long; a bid somebody else is just closing
    is left to them.
    """
    names = [pool] if pool else list(Pool.objects.order_by("name").values_list("name", flat=True))
    return sum(_expire_pool(name, now) for name in names)


def _expire_pool(name: str, now: datetime) -> int:
    total = 0
    while True:
        with transaction.atomic():
            book = pools.lock_shared(name)
            expired = _expired(book, now)
        total += expired
        if expired < _EXPIRE_AT_ONCE:
            return total


def _expired(pool: Pool, now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            _EXPIRE,
            {"pool": pool.pk, "name": pool.name, "now": now, "most": _EXPIRE_AT_ONCE, "at": pools.moment(pool, now)},
        )
        rows = cursor.fetchall()
    ledger.release_holds({account: held for account, held, _count in rows})
    return sum(count for _account, _held, count in rows)


def get_order_book(*, now: datetime, pool: str = pools.DEFAULT, limit: int = 100) -> dict[str, list[dict[str, Any]]]:
    """Return the book's depth at `now`: `bids` by price level, best first, and `asks`, cheapest first.

    A bid level is `{price_tokens, count, cumulative}`; an ask `{slot_id, available_at, ask_tokens}`. At most
    `limit` rows of each. Nobody's name is in it.
    """
    book = pools.get(pool)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT b.max_price_tokens, count(*) FROM compute_auction_bids b JOIN auction_tasks t ON t.id = b.task_id
             WHERE b.pool_id = %s AND b.status = 'open' AND b.ttl_at > %s AND b.placed_at <= %s AND t.state = 'open'
             GROUP BY 1 ORDER BY 1 DESC LIMIT %s
            """,
            [book.pk, now, now, limit],
        )
        levels = cursor.fetchall()
        cursor.execute(
            """
            SELECT id, available_at, greatest(reserve_tokens, %s) AS ask FROM auction_slots
             WHERE pool_id = %s AND state = 'open' AND (offer_until IS NULL OR offer_until > %s)
             ORDER BY ask, available_at, id LIMIT %s
            """,
            [book.reserve_tokens, book.pk, now, limit],
        )
        asks = cursor.fetchall()
    running = 0
    bids = []
    for price, count in islice(levels, limit):
        running += count
        bids.append({"price_tokens": price, "count": count, "cumulative": running})
    return {
        "bids": bids,
        "asks": [{"slot_id": slot, "available_at": at, "ask_tokens": ask} for slot, at, ask in asks],
    }
