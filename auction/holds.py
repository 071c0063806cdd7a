"""What the held tokens of a wallet are promised to, and the release of those that nothing will ever release."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from django.db import connection, transaction

from auction import errors, pools
from auction.models import Bid, Task
from config import feed
from economics import ledger

MOST: Final = 100

# Each part by the index that is made for it: a wallet may have placed a million bids and hold for three of them.
_PROMISED: Final = """
SELECT coalesce(sum(tokens), 0)::bigint, count(*) FROM (
    SELECT max_price_tokens AS tokens FROM compute_auction_bids WHERE account_id = %(wallet)s AND status = 'open'
    UNION ALL
    SELECT charge_tokens FROM compute_auction_clears WHERE account_id = %(wallet)s AND state = 'sold'
    UNION ALL
    SELECT charge_tokens FROM compute_auction_clears WHERE account_id = %(wallet)s AND state = 'running') AS promised
"""
_LISTED: Final = """
SELECT kind, h.id, h.slot_id, h.task_id, p.name, h.tokens, h.since, h.until,
       h.until <= %(now)s OR (h.kind = 'bid' AND t.state <> 'open')
  FROM (SELECT 'bid' AS kind, id, '' AS slot_id, task_id, pool_id, max_price_tokens AS tokens, placed_at AS since,
               ttl_at AS until
          FROM compute_auction_bids WHERE account_id = %(wallet)s AND status = 'open'
        UNION ALL
        SELECT 'sold', id, slot_id, winning_task_id, pool_id, charge_tokens, cleared_at, start_by
          FROM compute_auction_clears WHERE account_id = %(wallet)s AND state = 'sold'
        UNION ALL
        SELECT 'running', id, slot_id, winning_task_id, pool_id, charge_tokens, cleared_at, lease_until
          FROM compute_auction_clears WHERE account_id = %(wallet)s AND state = 'running') AS h
  JOIN auction_pools p ON p.id = h.pool_id
  JOIN auction_tasks t ON t.id = h.task_id
 ORDER BY 9 DESC, h.tokens DESC, h.since, h.id LIMIT %(most)s
"""


class Hold(NamedTuple):
    """Wallet tokens held for an open bid (`bid`) or for a slot that was won (`sold`, `running`)."""

    kind: str
    id: int
    """Of the bid, or of the clear."""
    slot_id: str
    task_id: str
    pool: str
    tokens: int
    since: datetime
    until: datetime
    is_stuck: bool
    """Its time is over, or its task is no longer open: it should have been released."""


class Holds(NamedTuple):
    """What a wallet holds (`held`, as stored) and what that is promised to."""

    held: int
    promised: int
    number: int
    listed: Sequence[Hold]
    """The largest of them, those that are stuck first."""

    @property
    def for_nothing(self) -> int:
        """Return the tokens that are held for nothing at all; negative where more is promised than held."""
        return self.held - self.promised


def of_wallet(wallet: int, *, held: int, now: datetime, most: int = MOST) -> Holds:
    """Return what the `held` tokens of a wallet (account id) are promised to at `now`; two queries."""
    promised, number = _promised(wallet)
    with connection.cursor() as cursor:
        cursor.execute(_LISTED, {"wallet": wallet, "now": now, "most": most})
        return Holds(held, promised, number, [Hold(*row) for row in cursor.fetchall()])


def _promised(wallet: int) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(_PROMISED, {"wallet": wallet})
        tokens, number = cursor.fetchone()
    return tokens, number


@transaction.atomic
def release_for_nothing(wallet: int) -> int:
    """Make tokens available again that a wallet (account id) holds for no bid and no slot; return how many.

    The books allow no such tokens, but a superuser's hand may leave some: the audit names them. Whoever changes what
    is promised changes the wallet in the same transaction, so under the wallet's lock both can be compared. Refuses
    a wallet that holds no more than it has promised.
    """
    account = next(iter(ledger.locked([wallet])), None)
    if account is None:
        raise errors.UnknownWalletError(wallet=wallet)
    promised, _number = _promised(wallet)  # a statement of its own: it sees what was committed before the lock was had
    if account.held <= promised:
        raise errors.HoldNotStuckError(held=account.held, promised=promised)
    ledger.release_holds({wallet: account.held - promised})
    return account.held - promised


@transaction.atomic
def release_bid(bid_id: int, *, now: datetime) -> Bid:
    """Close an open bid that can never win any more and release its hold whole.

    One whose `ttl_at` has come is `expired`, as the sweep would do; one whose task is no longer open is `cancelled`.
    Refuses a bid that may still win, and one that is not open.
    """
    bid = Bid.objects.select_related("pool", "account").filter(pk=bid_id).first()
    if bid is None:
        raise errors.UnknownBidError(bid_id=bid_id)
    pool = pools.lock_shared(bid.pool.name)
    pools.lock_tasks([bid.task_id])
    is_over = bid.ttl_at <= now
    if not is_over and Task.objects.filter(pk=bid.task_id, state=Task.State.OPEN).exists():
        raise errors.HoldNotStuckError(bid_id=bid_id, ttl_at=bid.ttl_at.isoformat())
    status = Bid.Status.EXPIRED if is_over else Bid.Status.CANCELLED
    at = pools.moment(pool, now)
    closed = Bid.objects.filter(pk=bid_id, status=Bid.Status.OPEN).update(status=status, closed_at=at)
    bid.refresh_from_db(fields=["status", "closed_at"])
    if not closed:
        raise errors.BidNotOpenError(bid_id=bid_id, status=bid.status)
    ledger.release_holds({bid.account_id: bid.max_price_tokens})
    if is_over:
        told = {"bids": 1, "task_ids": [bid.task_id]}
        feed.publish([feed.Entry("expired", at, told, bid.account.owner_type, bid.account.owner_id, pool.name)])
    return bid
