"""LLM tokens used in slots: reserved on the entity's envelope when a slot starts, booked there when it finishes."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from economics import admission, budget_policy, errors, gate, metering
from economics.models import Reservation
from economics.models.ceilings import MOST_AMOUNT

_LATE: Final = frozenset({Reservation.State.OPEN, Reservation.State.EXPIRED})  # can still be settled


def begin(  # noqa: PLR0913 - a use has this many parts
    slot_id: str,
    *,
    entity_type: str,
    entity_id: str,
    tokens: int | None,
    model: str,
    agent_id: str,
    until: datetime,
    now: datetime,
) -> int | errors.AdmissionRefusedError | None:
    """Reserve the LLM tokens that work in a slot is expected to use, and return the reservation's id or the refusal.

    It lasts until then, or as long as policy allows. Work that states no tokens reserves nothing (None), but does not
    begin on an envelope that is frozen or exhausted; that refusal has no figures of an ask and no row.
    """
    if not tokens:
        return _closed(entity_type, entity_id, model=model, at=now)
    longest = budget_policy.get().reservation_most_seconds
    ask = admission.Ask(
        entity_type=entity_type,
        entity_id=entity_id,
        resource_type="llm_tokens",
        amount=Decimal(min(tokens, MOST_AMOUNT)),
        model=model,
        slot_id=slot_id,
    )
    seconds = max(1, min(longest, int((until - now).total_seconds())))
    got = admission.reserve(ask, agent_id=agent_id, now=now, seconds=seconds)
    return got.pk if isinstance(got, Reservation) else got


def _closed(entity_type: str, entity_id: str, *, model: str, at: datetime) -> errors.AdmissionRefusedError | None:
    reason = gate.reason(entity_type, entity_id, at=at, model=model)
    if reason is None or reason.code == errors.NoEnvelopeError.code:
        return None
    figures: dict[str, Any] = {"resets_at": reason.until} if reason.until else {}
    if reason.code == errors.EnvelopeFrozenError.code:
        return errors.EnvelopeFrozenError(f"The entity's envelope is frozen. ({reason.why})", **figures)
    return errors.BudgetExhaustedError(line=reason.line, most=reason.room, **figures)


def end(  # noqa: PLR0913 - a use has this many parts
    slot_id: str,
    *,
    tokens: int,
    reservation_id: int | None,
    entity_type: str,
    entity_id: str,
    agent_id: str,
    model: str,
    now: datetime,
) -> int:
    """Book the LLM tokens that a slot used beyond what was reported for it while it ran; return what was reported.

    Under its reservation, in the windows in which that was admitted, when it names the same model or none; a
    reservation of another model is given back, and so is one of which nothing is left to book. What its runner has
    settled or given back by hand stays so. Call with wallets already locked: lines come after them.
    """
    held = _locked(reservation_id)
    reported = metering.reported_for_slot(slot_id)
    rest = tokens - reported
    if held is not None and held.state in _LATE and rest > 0 and model in ("", held.model):
        admission.settle(held.pk, admission.Spent(amount=Decimal(rest)), now=now)
        return reported
    if held is not None:
        admission.release_open([held.pk], now=now)
    metering.record_slot_remainder(
        slot_id=slot_id,
        remainder=rest,
        entity_type=entity_type,
        entity_id=entity_id,
        agent_id=agent_id,
        model=model,
        now=now,
    )
    return reported


def _locked(reservation_id: int | None) -> Reservation | None:
    """Return the reservation, so that its runner does not settle it by hand between the sum and the booking."""
    if reservation_id is None:
        return None
    return Reservation.objects.select_for_update(no_key=True).get(pk=reservation_id)
