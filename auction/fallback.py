"""Fallback: while rounds fail or stay away, a pool's slots are given by the day's split instead of sold."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Q

from auction import errors, pools, quests, split
from auction.models import Clear, Fallback, FallbackShare, Pool, Quest, Slot
from config import feed
from config.models import Agent
from economics import ledger

A_ROUND: Final = "a round"

# Whose turn it is: by how many slots, of those given today and the next one, an owner is behind its share. Owners who
# came after the day's split was made have no share in it, and get what the others leave. An owner's tasks are looked
# at when it is its turn, and no further than the first owner that has one to give; its envelopes are asked all at
# once. A task that bids in another pool waits for that pool.
_NEXT: Final = f"""
WITH owner AS (
    SELECT q.account_id, q.id AS quest_id, 'quest' AS owner_type, q.id AS owner_id
      FROM auction_quests q
     WHERE q.pool_id = %(pool)s AND q.is_active AND q.account_id = ANY(%(may_run)s::bigint[])
    UNION ALL
    SELECT id, NULL, 'agent', owner_id FROM token_accounts WHERE owner_type = 'agent' AND owner_id = %(agent)s
), day AS (
    SELECT account_id, share, given, sum(given) OVER () AS total
      FROM auction_fallback_shares WHERE pool_id = %(pool)s AND day = %(day)s
), turn AS (
    SELECT o.*, coalesce(d.share * (d.total + 1) - d.given, 0) AS behind
      FROM owner o LEFT JOIN day d ON d.account_id = o.account_id ORDER BY behind DESC, o.account_id
)
SELECT best.id
  FROM turn CROSS JOIN LATERAL (
    WITH mine AS MATERIALIZED (
        SELECT t.id, t.expected_value_usd, t.expected_cost_tokens,
               coalesce(nullif(t.entity_type, ''), turn.owner_type) AS entity_type,
               coalesce(nullif(t.entity_id, ''), turn.owner_id) AS entity_id,
               CASE WHEN t.model = '' THEN '' ELSE coalesce((SELECT tier_id FROM economics_model(t.model)), '') END
                   AS tier
          FROM (SELECT * FROM auction_tasks WHERE quest_id = turn.quest_id AND state = 'open'
                UNION ALL
                SELECT * FROM auction_tasks WHERE turn.quest_id IS NULL AND wallet_id = turn.account_id
                   AND quest_id IS NULL AND state = 'open') AS t
         WHERE NOT {pools.BLOCKED}
           AND NOT EXISTS (SELECT FROM compute_auction_bids b
                            WHERE b.task_id = t.id AND b.status = 'open' AND b.pool_id <> %(pool)s)
    ), asked AS (
        SELECT array_agg(entity_type) AS types, array_agg(entity_id) AS ids, array_agg(tier) AS tiers
          FROM (SELECT DISTINCT entity_type, entity_id, tier FROM mine) AS e
    ), gate AS MATERIALIZED (
        SELECT g.* FROM asked CROSS JOIN LATERAL economics_gates(asked.types, asked.ids, %(now)s, asked.tiers) AS g
         WHERE asked.types IS NOT NULL
    )
    SELECT m.id FROM mine m JOIN gate g USING (entity_type, entity_id, tier)
     WHERE g.code = 'no_envelope' AND m.expected_cost_tokens IS NULL
        OR g.code = '' AND coalesce(g.room >= greatest(1, m.expected_cost_tokens), true)
     ORDER BY m.expected_value_usd DESC, m.id LIMIT 1) AS best
 ORDER BY turn.behind DESC, turn.account_id LIMIT 1
"""  # noqa: S608 - made of constants

# A bid whose end has come has expired, though nobody may have swept it yet.
_CLOSE_BID: Final = """
UPDATE compute_auction_bids
   SET closed_at = %(now)s, status = CASE WHEN ttl_at <= %(now)s THEN 'expired' ELSE 'cancelled' END
 WHERE task_id = %(task)s AND pool_id = %(pool)s AND status = 'open' RETURNING account_id, max_price_tokens
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


def is_stale(pool: Pool, now: datetime) -> bool:
    """Tell whether a pool that sells has completed no round for more than `stale_cycles` cycles.

    Counted from its last round, or else from its making; not from before a stop or a fallback that has ended.
    """
    since = pool.last_round_at or pool.created_at
    if pool.sells_since is not None:
        since = max(since, pool.sells_since)
    late = timedelta(seconds=pool.stale_cycles * pool.cycle_seconds)
    return pool.mode == Pool.Mode.AUCTION and now - since > late


def tries_rounds(pool: Pool) -> bool:
    """Tell whether a round is to be tried in the pool's next cycle: unless it is stopped, or in fallback by hand."""
    if pool.mode == Pool.Mode.FALLBACK:
        standing = _standing(pool)
        return standing is None or standing.why != Fallback.Why.HAND
    return pool.mode != Pool.Mode.STOPPED


def _standing(pool: Pool) -> Fallback | None:
    return Fallback.objects.filter(pool=pool, ended_at=None).first()


@transaction.atomic
def begin(pool_name: str, *, why: str, note: str = "", now: datetime) -> Fallback:
    """Let a pool give its slots from now on instead of selling them, and return the record.

    In fallback already it stays as it is; only one by hand takes the place of one that began by itself, so that no
    round ends it. Refuses a stopped pool.
    """
    pool = pools.lock_exclusive(pool_name)
    if pool.mode == Pool.Mode.STOPPED:
        raise errors.PoolStoppedError(pool=pool_name)
    standing = _standing(pool)
    if standing is not None:
        if why != Fallback.Why.HAND or standing.why == Fallback.Why.HAND:
            return standing
        _close(standing, by=why, now=now)
    Pool.objects.filter(pk=pool.pk).update(mode=Pool.Mode.FALLBACK)
    return Fallback.objects.create(pool=pool, why=why, note=note, began_at=now)


@transaction.atomic
def begin_if_stale(pool_name: str, *, now: datetime) -> bool:
    """Begin fallback where no round was completed for too long; return whether the pool is in fallback now.

    Looked at again under the pool's lock: a round that just came to its end counts.
    """
    pool = pools.lock_exclusive(pool_name)
    if not is_stale(pool, now):
        return pool.mode == Pool.Mode.FALLBACK
    last = pool.last_round_at.isoformat(" ", "seconds") if pool.last_round_at else "never"
    begin(pool_name, why=Fallback.Why.STALE, note=f"last round: {last}", now=now)
    return True


@transaction.atomic
def end(pool_name: str, *, by: str, now: datetime) -> Fallback | None:
    """Let a pool in fallback sell again, ended by a person or by a round; None when it is not in fallback."""
    pool = pools.lock_exclusive(pool_name)
    standing = _standing(pool)
    if standing is not None:
        _close(standing, by=by, now=now)
    Pool.objects.filter(pk=pool.pk, mode=Pool.Mode.FALLBACK).update(mode=Pool.Mode.AUCTION, failures=0, sells_since=now)
    return standing


def _close(standing: Fallback, *, by: str, now: datetime) -> None:
    standing.ended_at, standing.ended_by = max(now, standing.began_at), by
    standing.save(update_fields=["ended_at", "ended_by"])


@transaction.atomic
def failed(pool_name: str, *, now: datetime) -> int:
    """Count a round that failed; at `breaker_failures` in a row fallback begins. Return how many there are."""
    pool = pools.lock_exclusive(pool_name)
    failures = pool.failures + 1
    Pool.objects.filter(pk=pool.pk).update(failures=failures)
    if pool.mode == Pool.Mode.AUCTION and failures >= pool.breaker_failures:
        begin(pool_name, why=Fallback.Why.FAILURES, note=f"{failures} rounds in a row", now=now)
    return failures


@transaction.atomic
def succeeded(pool_name: str, *, now: datetime) -> Fallback | None:
    """Forget the failures before a round that was completed, and end what they began; one by hand stays."""
    pool = pools.get(pool_name)
    if not pool.failures and pool.mode != Pool.Mode.FALLBACK:
        return None
    pool = pools.lock_exclusive(pool_name)
    Pool.objects.filter(pk=pool.pk).update(failures=0)
    standing = _standing(pool)
    if standing is None or standing.why == Fallback.Why.HAND:
        return None
    return end(pool_name, by=A_ROUND, now=now)


@transaction.atomic
def give(pool: Pool, *, to: Agent, now: datetime) -> Clear | None:
    """Give the agent a slot of a pool in fallback for the best task whose turn it is, claimed; None when there is none.

    It is the turn of the owner whose slots lag most behind its part of the day's split, among the quests that the
    agent may run and its own tasks; the best task is the one worth most (ties by id) that is open, not blocked and
    has room in its envelope. Nothing is charged; the task's open bid is closed and its hold released.
    """
    book = pools.lock_shared(pool.name)
    if book.mode != Pool.Mode.FALLBACK:
        return None
    # One gives at a time, so that turns are counted one by one; the row, for placement goes on meanwhile.
    Pool.objects.select_for_update(no_key=True).get(pk=book.pk)
    at = pools.moment(book, now)
    slot_id = _open_slot(book, at)
    if slot_id is None:
        return None
    day = at.astimezone(UTC).date()
    _split_once(book, day, at)
    task_id = _whose_turn(book, to, day, at)
    if task_id is None:
        return None
    return _give(book, slot_id, task_id, to, at)


def _open_slot(pool: Pool, now: datetime) -> str | None:
    """Return the oldest open slot, locked; the house's are topped up where nobody else has done it.

    One that is offered for no less than a price of its own is not given away.
    """
    offers = Slot.objects.filter(pool=pool, state=Slot.State.OPEN, available_at__lte=now, reserve_tokens=0)
    free = (
        offers.filter(Q(offer_until=None) | Q(offer_until__gt=now))
        .order_by("available_at", "pk")
        .select_for_update(no_key=True, skip_locked=True)
    )
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


def _whose_turn(pool: Pool, to: Agent, day: date, now: datetime) -> str | None:
    """Return the task that is to be given next."""
    may_run = list(Quest.objects.filter(quests.may_run(to), pool=pool).values_list("account_id", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, {"pool": pool.pk, "agent": to.pk, "may_run": may_run, "day": day, "now": now})
        row = cursor.fetchone()
    return row[0] if row else None


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
        holds = dict(cursor.fetchall())
        cursor.execute(_GIVE, terms)
        given = cursor.fetchone()
        if given is None:
            raise errors.BookMovedError(slot_id=slot_id, task_id=task_id)
        cursor.execute(_COUNT, [pool.pk, now.astimezone(UTC).date(), given[1]])
    ledger.release_holds(holds)
    clear = Clear.objects.select_related("pool", "winning_task", "account").get(pk=given[0])
    told = {"slot_id": slot_id, "task_id": task_id, "charge_tokens": 0}
    owner = clear.account
    feed.publish([feed.Entry("given", now, told, owner.owner_type, owner.owner_id, pool.name)])
    return clear
