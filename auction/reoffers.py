"""Slots offered again by a person: taken back from a winner that does not start, or whose sale came to nothing."""

from datetime import datetime
from typing import Final

from django.db import transaction

from auction import errors, pools, wins
from auction.models import Clear, Pool, Slot
from auction.models.results import LIVE

# What a sale may have come to for its slot to be good for another: a run that finished has used it, and one that was
# withdrawn was taken back, as far as anybody knows by its provider.
CAME_TO_NOTHING: Final = (Clear.State.LAPSED, Clear.State.FORFEITED, Clear.State.BLOCKED)


@transaction.atomic
def take_back(slot_id: str, *, now: datetime) -> Clear:
    """Take a slot back from a winner that has not started it, release its hold whole and offer the slot again.

    The clear is `withdrawn`, its task open again and the winner pays nothing. Taking back twice is the same as once.
    The slot is not offered again where its provider's offer is over or the pool is stopped. Refuses a slot that a
    runner has claimed for some more time, and one that runs or has ended.
    """
    clear = _locked(slot_id)
    if clear.state == Clear.State.WITHDRAWN:
        return clear
    if clear.state != Clear.State.SOLD:
        raise errors.SlotNotSoldError(slot_id=slot_id, state=clear.state)
    if clear.claim_until is not None and clear.claim_until > now:
        raise errors.ClaimStandsError(slot_id=slot_id, claim_until=clear.claim_until.isoformat())
    wins.close([clear], Clear.State.WITHDRAWN, now=now)
    wins.release([clear])
    pools.offer_again([clear], now=now)
    clear.refresh_from_db()
    return clear


@transaction.atomic
def offer_again(slot_id: str, *, now: datetime) -> Slot:
    """Offer a slot anew whose sale lapsed, was forfeited or blocked, as a row of its own that names the old one.

    Refuses a slot that was never sold, or whose sale stands, finished or was withdrawn; one that was offered again
    already; a provider's whose offer is over; one of the house where the pool has all its own; a stopped pool.
    """
    clear = _locked(slot_id)
    if clear.pool.mode == Pool.Mode.STOPPED:
        raise errors.PoolStoppedError(pool=clear.pool.name)
    if clear.state not in CAME_TO_NOTHING:
        raise errors.SlotNotSoldError(slot_id=slot_id, state=clear.state)
    if again := Slot.objects.filter(offers_again=slot_id).first():
        raise errors.OfferedAgainError(slot_id=slot_id, offered_again_as=again.pk)
    slot = clear.slot
    if slot.offer_until is not None and slot.offer_until <= now:
        raise errors.OfferOverError(slot_id=slot_id, offer_until=slot.offer_until.isoformat())
    if slot.provider_id is None and _own_slots(clear.pool) >= clear.pool.capacity:
        raise errors.CapacityReachedError(slot_id=slot_id, capacity=clear.pool.capacity)
    pools.offer_again([clear], now=now)
    return Slot.objects.get(offers_again=slot_id)


def _locked(slot_id: str) -> Clear:
    """Keep clearing out, and the top-up, which counts; then return the clear of a slot, locked, with its pool."""
    pool = Pool.objects.filter(slots__pk=slot_id).first()
    if pool is None:
        raise errors.UnknownSlotError(slot_id=slot_id)
    Pool.objects.select_for_update(no_key=True).get(pk=pools.lock_shared(pool.name).pk)
    return wins.locked(slot_id)


def _own_slots(pool: Pool) -> int:
    """Return how many slots of the house's own are open, sold or running."""
    live = Clear.objects.filter(pool=pool, slot__provider=None, state__in=LIVE).count()
    return live + Slot.objects.filter(pool=pool, provider=None, state=Slot.State.OPEN).count()
