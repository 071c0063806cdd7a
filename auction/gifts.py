"""Gifts: in fallback a pool's slots are given by the day's split, each for the best task of whose turn it is."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from auction import errors, pools, split, turns
from auction.models import Clear, FallbackShare, Pool, Slot
from config import feed
from config.models import Agent
from economics import ledger

_LOOKS: Final = 3  # before anything is locked; turns that pass on meanwhile may make one stale

# A bid whose end has come has expired, though nobody may have swept it yet.
_CLOSE_BID: Final = """
UPDATE compute_auction_bids
   SET closed_at = %(now)s, status = CASE WHEN ttl_at <= %(now)s THEN 'expired' ELSE 'cancelled' END
 WHERE task_id = %(task)s AND pool_id = %(pool)s AND status = 'open' RETURNING account_id, max_price_tokens, status
"""

# Both updates are conditional, as those of a round are: a row that moved in between gives nothing.
_GIVE: Final = """
WITH slot AS (
    UPDATE auction_slots SET state = 'given', closed_at = %(now)s WHERE id = %(slot)s AND state = 'open' RETURNING id
), task AS (
    UPDATE auction_tasks SET state = 'taken' WHERE id = %(task)s AND state = 'open'
       AND NOT EXISTS (SELECT FROM compute_auction_bids WHERE task_id = %(task)s AND status = 'open')
    RETURNING id, wallet_id
)
INSERT INTO compute_auction_clears (slot_id, pool_id, is_given, account_id, winning_task_id, clearing_price_tokens,
    charge_tokens, max_price_tokens, cleared_at, start_by, runner_id, runner_kind, claimed_at, claim_until)
SELECT slot.id, %(pool)s, true, task.wallet_id, task.id, 0, 0, 0, %(now)s, %(start_by)s, %(agent)s, %(kind)s, %(now)s,
       %(claim_until)s
  FROM slot, task RETURNING id, account_id
"""

_COUNT: Final = """
INSERT INTO auction_fallback_shares (pool_id, day, account_id, share, given) VALUES (%s, %s, %s, 0, 1)
ON CONFLICT (pool_id, day, account_id) DO UPDATE SET given = auction_fallback_shares.given + 1
"""


class _TurnPassedError(Exception):
    """It is the turn of somebody whose tasks have to be looked at first: not while others wait."""


def give(pool: Pool, *, to: Agent, now: datetime) -> Clear | None:
    """Give the agent a slot of a pool in fallback for the best task whose turn it is, claimed; None when there is none.

    It is the turn of the owner whose slots lag most behind its part of the day's split, among the quests that the
    agent may run and its own tasks; the best task is the one worth most (ties by id) that is open, not blocked and
    has room in its envelope. Nothing is charged; the task's open bid is closed and its hold released.

    Backlogs are looked through before anything is locked: with every envelope closed that takes long.
    """
    at = pools.moment(pool, now)
    search = turns.Search(pool, to)
    for looks in range(1, _LOOKS + 1):
        if not (_has_slot(pool, at) and search.look(at)):
            return None
        try:
            return _in_turn(pool, search, to, now, is_last=looks == _LOOKS)
        except _TurnPassedError:
            continue
    return None


@transaction.atomic
def _in_turn(pool: Pool, search: turns.Search, to: Agent, now: datetime, *, is_last: bool) -> Clear | None:
    """Give a slot under the pool's lock; what is refused releases the locks, even inside another transaction."""
    book = pools.lock_shared(pool.name)
    if book.mode != Pool.Mode.FALLBACK:
        return None
    # One gives at a time, so that turns are counted one by one; the row, for placement goes on meanwhile.
    Pool.objects.select_for_update(no_key=True).get(pk=book.pk)
    at = pools.moment(book, now)
    slot_id = _open_slot(book, at)
    if slot_id is None:
        return None
    _split_once(book, at.astimezone(UTC).date(), at)
    if is_last and not search.look(at):
        return None
    task_id = search.confirm(at)
    if task_id is None:
        raise _TurnPassedError
    return _give(book, slot_id, task_id, to, at)


def _free_slots(pool: Pool, now: datetime) -> QuerySet[Slot]:
    """Return the open slots; one that is offered for no less than a price of its own is not given away."""
    offers = Slot.objects.filter(pool=pool, state=Slot.State.OPEN, available_at__lte=now, reserve_tokens=0)
    return offers.filter(Q(offer_until=None) | Q(offer_until__gt=now))


def _has_slot(pool: Pool, now: datetime) -> bool:
    """Tell, without a lock, whether there is a slot to give, or room for another of the house's own."""
    if _free_slots(pool, now).exists():
        return True
    own = Clear.objects.filter(pool=pool, slot__provider=None, state__in=[Clear.State.SOLD, Clear.State.RUNNING])
    return own.count() < pool.capacity


def _open_slot(pool: Pool, now: datetime) -> str | None:
    """Return the oldest slot to give, locked; the house's are topped up where nobody else has done it."""
    free = _free_slots(pool, now).order_by("available_at", "pk").select_for_update(no_key=True, skip_locked=True)
    slot = free.first()
    if slot is None and pools.top_up(pool.name, now=now) > 0:
        slot = free.first()
    return None if slot is None else slot.pk


def _split_once(pool: Pool, day: date, now: datetime) -> None:
    """Write each owner's part of the day's split, where that has not been done."""
    if FallbackShare.objects.filter(pool=pool, day=day).exists():
        return
    owners = split.owners(pool, now=now)
    FallbackShare.objects.bulk_create(
        [
            FallbackShare(pool=pool, day=day, account_id=owner.account_id, share=share)
            for owner, share in zip(owners, split.shares(owners), strict=True)
        ]
    )


def _give(pool: Pool, slot_id: str, task_id: str, to: Agent, now: datetime) -> Clear:
    start_by = now + timedelta(seconds=pool.start_deadline_seconds)
    terms: dict[str, Any] = {
        "pool": pool.pk,
        "slot": slot_id,
        "task": task_id,
        "agent": to.pk,
        "kind": to.kind,
        "now": now,
        "start_by": start_by,
        "claim_until": min(start_by, now + timedelta(seconds=pool.claim_seconds)),
    }
    pools.lock_tasks([task_id])
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE_BID, terms)
        bids = cursor.fetchall()  # at most one
        cursor.execute(_GIVE, terms)
        given = cursor.fetchone()
        if given is None:
            raise errors.BookMovedError(slot_id=slot_id, task_id=task_id)
        cursor.execute(_COUNT, [pool.pk, now.astimezone(UTC).date(), given[1]])
    ledger.release_holds({account: held for account, held, _status in bids})
    clear = Clear.objects.select_related("pool", "winning_task", "account").get(pk=given[0])
    told = {"slot_id": slot_id, "task_id": task_id, "charge_tokens": 0}
    owner = clear.account
    entries = [feed.Entry("given", now, told, owner.owner_type, owner.owner_id, pool.name)]
    if any(status == "expired" for *_bid, status in bids):
        told = {"bids": 1, "task_ids": [task_id]}
        entries.insert(0, feed.Entry("expired", now, told, owner.owner_type, owner.owner_id, pool.name))
    feed.publish(entries)
    return clear
