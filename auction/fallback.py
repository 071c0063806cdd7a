"""Fallback: when a pool begins to give its slots instead of selling them, because rounds fail or stay away; its end."""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from auction import errors, pools
from auction.models import Fallback, Pool
from config import feed

A_ROUND: Final = "a round"
A_PERSON: Final = "a person"
A_STOP: Final = "the pool was stopped"


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
    told = {"why": str(why), "note": note if why != Fallback.Why.HAND else ""}
    feed.publish([feed.Entry("fallback_began", now, told, pool=pool.name)])
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


def end_with_stop(pool: Pool, *, now: datetime) -> None:
    """End the fallback of a pool that is just stopped; its mode is the stop's. Its lock is held already."""
    standing = _standing(pool)
    if standing is not None:
        _close(standing, by=A_STOP, now=now)


def _close(standing: Fallback, *, by: str, now: datetime) -> None:
    standing.ended_at, standing.ended_by = max(now, standing.began_at), by
    standing.save(update_fields=["ended_at", "ended_by"])
    by_whom = by if by in (A_ROUND, A_STOP) else A_PERSON  # everybody reads it, and nobody's name is needed for that
    told = {"why": standing.why, "began_at": standing.began_at.isoformat(), "ended_by": by_whom}
    feed.publish([feed.Entry("fallback_ended", now, told, pool=standing.pool.name)])


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
