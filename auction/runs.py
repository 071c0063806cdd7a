"""A run of a slot: its start, with what the envelope of its task holds for it, and its lease."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from auction import errors, pools, wins
from auction.models import Clear
from config.models import Agent
from economics import admission, ledger, slot_use
from economics.errors import AdmissionRefusedError


@transaction.atomic
def start(slot_id: str, *, runner: Agent, now: datetime) -> Clear | AdmissionRefusedError:
    """Begin to run a sold slot and take its lease. Starting again while it runs is the same as once.

    The LLM tokens that its task is expected to use are reserved on the envelope of its entity for as long as the
    lease lasts. A refusal of the envelope is *returned*, for it is on record and must be committed: the clear is
    `blocked`, its hold released whole, its slot offered again and its task open. Refuses strangers, a slot past its
    start deadline, and one that has ended.
    """
    clear = wins.locked(slot_id)
    wins.refuse_stranger(clear, runner)
    if clear.state == Clear.State.RUNNING:
        return clear
    if clear.state != Clear.State.SOLD:
        figures: dict[str, Any] = {"refusal_id": clear.refusal_id} if clear.refusal_id else {}
        raise errors.SlotNotSoldError(**figures, slot_id=slot_id, state=clear.state)
    if clear.start_by <= now:
        raise errors.StartDeadlinePassedError(slot_id=slot_id, start_by=clear.start_by.isoformat())
    clear.runner, clear.runner_kind = runner, runner.kind
    clear.runner_account = ledger.open_wallet(agent=runner)
    clear.lease_until = now + timedelta(seconds=clear.pool.lease_seconds)
    reserved = _reserve(clear, now=now)
    if isinstance(reserved, AdmissionRefusedError):
        _block(clear, reserved, now=now)
        return reserved
    clear.reservation_id = reserved
    clear.state = Clear.State.RUNNING
    clear.slot_started_at = now
    started = ("state", "runner", "runner_kind", "runner_account", "reservation", "slot_started_at", "lease_until")
    clear.save(update_fields=started)
    return clear


def _reserve(clear: Clear, *, now: datetime) -> int | AdmissionRefusedError | None:
    """Reserve what the task is expected to use, or say why it may not be used."""
    if clear.winning_task.expected_cost_tokens:
        # Envelopes come last, and a refusal opens the task again and releases the hold.
        pools.lock_tasks([clear.winning_task_id])
        ledger.locked([clear.account_id])
    entity_type, entity_id = wins.entity(clear)
    return slot_use.begin(
        clear.slot_id,
        entity_type=entity_type,
        entity_id=entity_id,
        tokens=clear.winning_task.expected_cost_tokens,
        model=clear.winning_task.model,
        agent_id=clear.runner_id or "",
        until=clear.lease_until or now,
        now=now,
    )


def _block(clear: Clear, refusal: AdmissionRefusedError, *, now: datetime) -> None:
    """End a clear that its envelope refused, as if it had never been sold, and say so in the refusal."""
    wins.close([clear], Clear.State.BLOCKED, now=now)
    Clear.objects.filter(pk=clear.pk).update(refusal_id=refusal.figures.get("refusal_id"))
    wins.release([clear])
    pools.offer_again([clear], now=now)
    refusal.figures |= {"slot_id": clear.slot_id, "state": Clear.State.BLOCKED.value}


@transaction.atomic
def heartbeat(slot_id: str, *, runner: Agent, now: datetime) -> Clear:
    """Renew the lease of a running slot, and its reservation with it: it then ends `lease_seconds` after `now`.

    Repeatable. Refuses a slot that is not running and one whose lease has ended already.
    """
    clear = running(slot_id, runner, now)
    until = now + timedelta(seconds=clear.pool.lease_seconds)
    if clear.lease_until is None or until > clear.lease_until:
        clear.lease_until = until
        clear.save(update_fields=["lease_until"])
        if clear.reservation_id is not None:
            admission.prolong(clear.reservation_id, until=until, now=now)
    return clear


def running(slot_id: str, runner: Agent | None, now: datetime) -> Clear:
    """Return the clear of a slot that runs, locked. Refuses strangers (`runner` None is the house) and ended leases."""
    clear = wins.locked(slot_id)
    if runner is not None:
        wins.refuse_stranger(clear, runner)
    if clear.state == Clear.State.LAPSED or (
        clear.state == Clear.State.RUNNING and clear.lease_until is not None and clear.lease_until <= now
    ):
        raise errors.LeaseEndedError(slot_id=slot_id, lease_until=clear.lease_until and clear.lease_until.isoformat())
    if clear.state != Clear.State.RUNNING:
        raise errors.SlotNotSoldError(slot_id=slot_id, state=clear.state)
    return clear
