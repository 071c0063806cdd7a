"""Pools: their locks, cycles and slots."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import Q

from auction import errors
from auction.models import Clear, Pool, Slot
from config.models import Agent
from economics import gate, ledger

DEFAULT = "scidex-agent"
MOST_SLOTS_AT_ONCE = 100
# The class of the pool's advisory locks: placement and cancel share them, clearing takes them alone.
LOCK_CLASS = 7301
_TICK = timedelta(microseconds=1)
# SQL: the task of alias t waits for one that is not done. Never stored: what is asked for anew cannot be out of date.
BLOCKED = """EXISTS (SELECT FROM auction_task_needs n JOIN auction_tasks needed ON needed.id = n.needs_id
                      WHERE n.task_id = t.id AND needed.state <> 'done')"""
REST_CYCLES: Final = 10
# SQL: the task of alias t won a slot of the pool lately and was refused when it was to start. What the gate before the
# market does not see (a cap of the whole fleet, a model without a price) would let it win in every cycle, for nothing.
REFUSED_LATELY = f"""t.id IN (SELECT c.winning_task_id FROM compute_auction_clears c
                                   WHERE c.pool_id = %(pool)s AND c.state = 'blocked' AND c.cleared_at > %(rested)s
                                     AND EXISTS (SELECT FROM economics_refusals r WHERE r.id = c.refusal_id
                                                    AND r.code NOT IN {gate.SEEN}))"""  # noqa: S608 - of constants


def ensure_default() -> None:
    """Create the default pool where it is missing."""
    create(DEFAULT)


def create(name: str, **settings: object) -> Pool:
    """Return the pool of this name, made with these settings (columns of `Pool`) when missing."""
    pool = Pool.objects.filter(name=name).first()
    if pool is not None:
        return pool
    revenue = ledger.house_account(f"revenue:{name}")
    pool, _ = Pool.objects.get_or_create(name=name, defaults={"revenue_account": revenue, **settings})
    return pool


@transaction.atomic
def configure(name: str, **settings: object) -> Pool:
    """Give a pool new settings (columns of `Pool`) between two deeds of its market; other columns stay as they are."""
    pool = lock_exclusive(name)
    Pool.objects.filter(pk=pool.pk).update(**settings)
    return get(name)


@transaction.atomic
def resume(name: str, *, now: datetime) -> int:
    """Let a stopped pool sell again and offer its own slots at once; return how many. Any other pool stays as it is."""
    pool = lock_exclusive(name)
    if not Pool.objects.filter(pk=pool.pk, mode=Pool.Mode.STOPPED).update(mode=Pool.Mode.AUCTION, sells_since=now):
        return 0
    return top_up(name, now=now)


def get(name: str) -> Pool:
    """Return the pool of this name; refuses unknown names."""
    pool = Pool.objects.filter(name=name).first()
    if pool is None:
        raise errors.UnknownPoolError(pool=name)
    return pool


def lock_shared(name: str) -> Pool:
    """Keep clearing out until the transaction ends, then return the pool as it is now.

    The lock is taken before the row is read: what is read cannot be older than the last round.
    """
    return _locked(name, "pg_advisory_xact_lock_shared")


def lock_exclusive(name: str) -> Pool:
    """Keep placement, cancel and other clearings out until the transaction ends, then return the pool."""
    return _locked(name, "pg_advisory_xact_lock")


def _locked(name: str, function: str) -> Pool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, id::int) FROM auction_pools WHERE name = %s", [LOCK_CLASS, name])  # noqa: S608 - two constants
    return get(name)


def lock_tasks(ids: Collection[str]) -> None:
    """Lock these tasks until the transaction ends, in the order in which a batch of bids comes by.

    Before their bids, clears and wallets: in one order nobody waits for somebody who waits for him.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FROM (SELECT FROM auction_tasks WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE) AS t
            """,
            [list(ids)],
        )


def cycle_start(pool: Pool, now: datetime) -> datetime:
    """Return the start of the cycle `now` lies in: cycles are aligned to the Unix epoch."""
    seconds = pool.cycle_seconds
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, tz=UTC)


def rested_since(pool: Pool, now: datetime) -> datetime:
    """Return the moment since when a win that was refused at its start keeps its task from bidding by itself."""
    return now - timedelta(seconds=REST_CYCLES * pool.cycle_seconds)


def is_due(pool: Pool, now: datetime) -> bool:
    """Tell whether the cycle of `now` has had no round yet."""
    return pool.last_cycle_at is None or cycle_start(pool, now) > pool.last_cycle_at


def moment(pool: Pool, now: datetime) -> datetime:
    """Return the time of a deed done under the pool's lock: never before the last round, whatever a clock says."""
    return now if pool.last_round_at is None else max(now, pool.last_round_at + _TICK)


@transaction.atomic
def top_up(name: str = DEFAULT, *, now: datetime) -> int:
    """Keep the house's own slots in being (open, sold, running) at the pool's capacity; return the change.

    Missing ones are offered from `now`; open ones above the capacity are withdrawn. A stopped pool offers none.
    """
    pool = Pool.objects.select_for_update(no_key=True).get(pk=lock_shared(name).pk)
    live = Clear.objects.filter(pool=pool, slot__provider=None, state__in=["sold", "running"]).count()
    idle = Slot.objects.filter(pool=pool, provider=None, state=Slot.State.OPEN).order_by("-available_at", "pk")
    wanted = max(0, (0 if pool.mode == Pool.Mode.STOPPED else pool.capacity) - live)
    missing = wanted - len(idle)
    if missing > 0:
        Slot.objects.bulk_create([Slot(pool=pool, available_at=now, created_at=now) for _ in range(missing)])
    elif missing < 0:
        surplus = [slot.pk for slot in idle[:-missing]]
        Slot.objects.filter(pk__in=surplus, state=Slot.State.OPEN).update(state=Slot.State.WITHDRAWN, closed_at=now)
    return missing


@transaction.atomic
def offer(  # noqa: PLR0913 - an offer has this many terms
    *,
    provider: Agent,
    pool: str = DEFAULT,
    count: int = 1,
    available_at: datetime,
    offer_until: datetime,
    reserve_tokens: int = 0,
    now: datetime,
) -> list[Slot]:
    """Offer `count` slots of a provider at no less than `reserve_tokens` each, until `offer_until`.

    Refuses an end that is past or not after the start, a negative reserve, a count outside 1 to 100, graders, and
    a stopped pool.
    """
    if provider.kind == Agent.Kind.GRADER:
        raise errors.GradersDoNotTradeError
    if not 1 <= count <= MOST_SLOTS_AT_ONCE:
        msg = f"count must be 1 to {MOST_SLOTS_AT_ONCE}."
        raise errors.InvalidOfferError(msg, pointer="/count")
    if reserve_tokens < 0:
        msg = "reserve_tokens must not be negative."
        raise errors.InvalidOfferError(msg, pointer="/reserve_tokens")
    if offer_until <= max(now, available_at):
        msg = "offer_until must lie ahead and after available_at."
        raise errors.InvalidOfferError(msg, pointer="/offer_until")
    into = lock_shared(pool)
    if into.mode == Pool.Mode.STOPPED:
        raise errors.PoolStoppedError(pool=pool)
    return Slot.objects.bulk_create(
        [
            Slot(
                pool=into,
                provider=provider,
                provider_kind=provider.kind,
                reserve_tokens=reserve_tokens,
                available_at=max(available_at, now),  # no time of the past: ties go to the older offer
                offer_until=offer_until,
                created_at=now,
            )
            for _ in range(count)
        ]
    )


def offer_again(clears: Sequence[Clear], *, now: datetime) -> None:
    """Offer the slots of clears that came to nothing anew, each as a row that names the old one.

    A provider's slot only while its offer still stands; a stopped pool offers none.
    """
    slots = Slot.objects.filter(
        Q(offer_until=None) | Q(offer_until__gt=now), pk__in=[clear.slot_id for clear in clears]
    ).exclude(pool__mode=Pool.Mode.STOPPED)
    Slot.objects.bulk_create(
        [
            Slot(
                pool_id=old.pool_id,
                provider_id=old.provider_id,
                provider_kind=old.provider_kind,
                reserve_tokens=old.reserve_tokens,
                available_at=max(old.available_at, now),
                offer_until=old.offer_until,
                offers_again=old,
                created_at=now,
            )
            for old in slots
        ]
    )


def expire_offers(*, now: datetime) -> int:
    """Close provider offers whose time is over; return how many. A slot being sold meanwhile stays sold."""
    expired = 0
    names = Slot.objects.filter(state=Slot.State.OPEN, offer_until__lte=now).values_list("pool__name", flat=True)
    for name in sorted(set(names)):
        with transaction.atomic():
            pool = lock_shared(name)
            expired += Slot.objects.filter(pool=pool, state=Slot.State.OPEN, offer_until__lte=now).update(
                state=Slot.State.EXPIRED, closed_at=now
            )
    return expired
