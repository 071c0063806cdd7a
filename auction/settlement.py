"""After a win: start, heartbeat, settlement, and every other end a sold slot can have."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Greatest

from auction import errors, pools
from auction.models import Clear, Fallback, Pool, Slot, Task
from auction.models.results import CAPTURED
from auction.order_book import LARGEST
from config import feed
from config.models import Agent
from economics import admission, ledger, slot_use
from economics.errors import AdmissionRefusedError
from economics.money import is_usd, reward, rounded_usd

_SWEEP_AT_ONCE = 1_000


def _clear(slot_id: str) -> Clear:
    """Return the clear of a slot, locked, with its pool and task."""
    clear = (
        Clear.objects.select_related("pool", "winning_task", "account")
        .select_for_update(of=("self",), no_key=True)
        .filter(slot_id=slot_id)
        .first()
    )
    if clear is None:
        raise errors.UnknownSlotError(slot_id=slot_id)
    return clear


def _refuse_stranger(clear: Clear, runner: Agent) -> None:
    """Only who claimed a slot, or won it for its own task, runs it; to others it does not exist."""
    by = clear.runner_id
    if by is None and clear.account.owner_type == "agent":
        by = clear.account.owner_id
    if by != runner.pk:
        raise errors.UnknownSlotError(slot_id=clear.slot_id)


@transaction.atomic
def start(slot_id: str, *, runner: Agent, now: datetime) -> Clear | AdmissionRefusedError:
    """Begin to run a sold slot and take its lease. Starting again while it runs is the same as once.

    The LLM tokens that its task is expected to use are reserved on the envelope of its entity for as long as the
    lease lasts. A refusal of the envelope is *returned*, for it is on record and must be committed: the clear is
    `blocked`, its hold released whole, its slot offered again and its task open. Refuses strangers, a slot past its
    start deadline, and one that has ended.
    """
    clear = _clear(slot_id)
    _refuse_stranger(clear, runner)
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
    entity_type, entity_id = _entity(clear)
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
    _close([clear], Clear.State.BLOCKED, now=now)
    Clear.objects.filter(pk=clear.pk).update(refusal_id=refusal.figures.get("refusal_id"))
    _release([clear])
    pools.offer_again([clear], now=now)
    refusal.figures |= {"slot_id": clear.slot_id, "state": Clear.State.BLOCKED.value}


@transaction.atomic
def heartbeat(slot_id: str, *, runner: Agent, now: datetime) -> Clear:
    """Renew the lease of a running slot, and its reservation with it: it then ends `lease_seconds` after `now`.

    Repeatable. Refuses a slot that is not running and one whose lease has ended already.
    """
    clear = _running(slot_id, runner, now)
    until = now + timedelta(seconds=clear.pool.lease_seconds)
    if clear.lease_until is None or until > clear.lease_until:
        clear.lease_until = until
        clear.save(update_fields=["lease_until"])
        if clear.reservation_id is not None:
            admission.prolong(clear.reservation_id, until=until, now=now)
    return clear


def _running(slot_id: str, runner: Agent | None, now: datetime) -> Clear:
    clear = _clear(slot_id)
    if runner is not None:
        _refuse_stranger(clear, runner)
    if clear.state == Clear.State.LAPSED or (
        clear.state == Clear.State.RUNNING and clear.lease_until is not None and clear.lease_until <= now
    ):
        raise errors.LeaseEndedError(slot_id=slot_id, lease_until=clear.lease_until and clear.lease_until.isoformat())
    if clear.state != Clear.State.RUNNING:
        raise errors.SlotNotSoldError(slot_id=slot_id, state=clear.state)
    return clear


@transaction.atomic
def finish(
    slot_id: str, *, actual_cost_tokens: int, now: datetime, runner: Agent | None = None, model: str = ""
) -> Clear:
    """Report the cost of a running slot in LLM tokens: it is finished and its charge captured at once.

    What was not reported as usage while it ran is booked to the task's entity: under the reservation made at the
    start when the model is the same or not named, else with the model named (unpriced without one). The
    same cost again returns the first result, another one is a conflict. `runner` None is the house.
    """
    if not 0 <= actual_cost_tokens <= LARGEST:
        raise errors.InvalidSettlementError(pointer="/actual_cost_tokens")
    clear = _clear(slot_id)
    if runner is not None:
        _refuse_stranger(clear, runner)
    if clear.state == Clear.State.FINISHED:
        if clear.actual_cost_tokens != actual_cost_tokens:
            raise errors.SettledOtherwiseError(pointer="/actual_cost_tokens", settled=clear.actual_cost_tokens)
        return clear
    clear = _running(slot_id, runner, now)
    Task.objects.filter(pk=clear.winning_task_id).update(state=Task.State.DONE, closed_at=now)
    _capture([clear], now=now)
    # Usage last: its reservation and its lines are locked after wallets, everywhere.
    entity_type, entity_id = _entity(clear)
    reported = slot_use.end(
        slot_id,
        tokens=actual_cost_tokens,
        reservation_id=clear.reservation_id,
        entity_type=entity_type,
        entity_id=entity_id,
        agent_id=clear.runner_id or "",
        model=model,
        now=now,
    )
    clear.state = Clear.State.FINISHED
    clear.slot_finished_at = now
    clear.actual_cost_tokens = actual_cost_tokens
    clear.cost_model = model
    clear.over_reported_tokens = max(0, reported - actual_cost_tokens)
    clear.save(update_fields=["state", "slot_finished_at", "actual_cost_tokens", "cost_model", "over_reported_tokens"])
    return clear


def _entity(clear: Clear) -> tuple[str, str]:
    """Return what the work is charged to: the task's entity, else the owner of its wallet."""
    task = clear.winning_task
    if task.entity_type:
        return task.entity_type, task.entity_id
    return clear.account.owner_type, clear.account.owner_id


@transaction.atomic
def record_impact(slot_id: str, *, actual_impact: Decimal, now: datetime, grader: Agent | None = None) -> Clear:
    """Record the realised value of a finished slot in USD (>= 0), once, and the reward that follows from it.

    The same value again returns the first result, another one is a conflict; a slot that has not finished is
    refused. `grader` None is the house.
    """
    if not is_usd(actual_impact):
        raise errors.InvalidSettlementError(pointer="/actual_impact")
    actual_impact = rounded_usd(actual_impact)  # as it will be read again, so that a repetition is seen as one
    clear = _clear(slot_id)
    if clear.actual_impact is not None:
        if clear.actual_impact != actual_impact:
            raise errors.SettledOtherwiseError(pointer="/actual_impact", settled=str(clear.actual_impact))
        return clear
    if clear.state != Clear.State.FINISHED:
        raise errors.SlotNotSoldError(slot_id=slot_id, state=clear.state)
    pool = clear.pool
    clear.actual_impact = actual_impact
    clear.graded_at, clear.graded_by = now, grader
    clear.reward_due_tokens = reward(
        actual_impact,
        usd_per_token=pool.usd_per_token,
        reward_rate=pool.reward_rate,
        most=pool.reward_cap_tokens,
    )
    clear.save(update_fields=["actual_impact", "graded_at", "graded_by", "reward_due_tokens"])
    clear.refresh_from_db(fields=["impact_roi", "actual_impact"])
    return clear


@transaction.atomic
def settle(  # noqa: PLR0913 - cost, impact and who says so
    slot_id: str,
    actual_cost_tokens: int,
    actual_impact: Decimal | None = None,
    *,
    now: datetime,
    runner: Agent | None = None,
    model: str = "",
) -> Clear:
    """Finish a slot with its cost in LLM tokens and, when already known, its impact in USD. Idempotent."""
    clear = finish(slot_id, actual_cost_tokens=actual_cost_tokens, now=now, runner=runner, model=model)
    if actual_impact is not None:
        clear = record_impact(slot_id, actual_impact=actual_impact, now=now)
    return clear


def _capture(clears: Sequence[Clear], *, now: datetime) -> None:
    """Turn the holds of these clears into transfers to their pools' revenue; a charge of 0 (or none) moves nothing."""
    holds: Counter[int] = Counter()
    for clear in clears:
        holds[clear.account_id] += clear.charge_tokens
    ledger.release_holds(holds)
    ledger.post_many(
        [
            ledger.Movement(
                clear.account_id,
                clear.pool.revenue_account_id,
                clear.charge_tokens,
                "capture",
                f"capture:{clear.slot_id}",
            )
            for clear in clears
        ],
        now=now,
    )


def _release(clears: Sequence[Clear]) -> None:
    """Give winners whose slot came to nothing through no fault of theirs their whole hold back."""
    holds: Counter[int] = Counter()
    for clear in clears:
        holds[clear.account_id] += clear.charge_tokens
    ledger.release_holds(holds)


@transaction.atomic
def withdraw_slot(slot_id: str, *, provider: Agent, now: datetime) -> Slot:
    """Take a provider's slot back: an open offer closes, a sold one releases the winner's hold whole.

    Withdrawing twice is the same as once. Refuses another provider's slot and one that runs or has ended.
    """
    slot = Slot.objects.select_related("pool").filter(pk=slot_id, provider=provider).first()
    if slot is None:
        raise errors.UnknownSlotError(slot_id=slot_id)
    pools.lock_shared(slot.pool.name)
    closed = Slot.objects.filter(pk=slot_id, state=Slot.State.OPEN).update(state=Slot.State.WITHDRAWN, closed_at=now)
    slot.refresh_from_db()
    if closed or slot.state == Slot.State.WITHDRAWN:
        return slot
    if slot.state not in (Slot.State.SOLD, Slot.State.GIVEN):
        raise errors.SlotNotSoldError(slot_id=slot_id, state=slot.state)
    clear = _clear(slot_id)
    if clear.state == Clear.State.SOLD:
        _close([clear], Clear.State.WITHDRAWN, now=now)
        _release([clear])
    elif clear.state != Clear.State.WITHDRAWN:
        raise errors.SlotNotSoldError(slot_id=slot_id, state=clear.state)
    return slot


@transaction.atomic
def stop_pool(name: str, *, now: datetime) -> int:
    """Stop a pool: it neither sells nor gives, and slots sold but not started are withdrawn. Return how many.

    Running slots go on to their end; open bids rest until they expire or are cancelled.
    """
    pool = pools.lock_exclusive(name)
    Pool.objects.filter(pk=pool.pk).update(mode=Pool.Mode.STOPPED)
    Fallback.objects.filter(pool=pool, ended_at=None).update(
        ended_at=Greatest(Value(now), "began_at"), ended_by="the pool was stopped"
    )
    clears = _take(Q(pool=pool, state=Clear.State.SOLD), limit=None)
    _close(clears, Clear.State.WITHDRAWN, now=now)
    _release(clears)
    return len(clears)


def _take(due: Q, *, limit: int | None) -> list[Clear]:
    """Lock the clears that are due, leaving those that somebody else is just settling to them."""
    rows: QuerySet[Clear] = Clear.objects.select_related("pool", "account").filter(due).order_by("pk")
    return list(rows.select_for_update(of=("self",), no_key=True, skip_locked=limit is not None)[:limit])


def _close(clears: Sequence[Clear], state: str, *, now: datetime) -> None:
    """End these clears without a cost, open their tasks again and tell their owners."""
    tasks = [clear.winning_task_id for clear in clears]
    pools.lock_tasks(tasks)
    Clear.objects.filter(pk__in=[clear.pk for clear in clears]).update(state=state, slot_finished_at=now)
    Task.objects.filter(pk__in=tasks, state=Task.State.TAKEN).update(state=Task.State.OPEN)
    feed.publish([_ended(clear, state, now) for clear in clears])


def _ended(clear: Clear, state: str, now: datetime) -> feed.Entry:
    """Return what the owner of a clear is told when it ends so: what it pays is its charge, or nothing."""
    told = {
        "slot_id": clear.slot_id,
        "task_id": clear.winning_task_id,
        "charge_tokens": clear.charge_tokens if state in CAPTURED else 0,
    }
    return feed.Entry(str(state), now, told, clear.account.owner_type, clear.account.owner_id, clear.pool.name)


def sweep(*, now: datetime) -> dict[str, int]:
    """Forfeit, withdraw or lapse every clear whose time is over; return how many of each.

    Not started in time: a quest's win that no runner claimed is withdrawn and its hold released whole; every other
    is forfeited and charged. A running slot whose lease ended lapses and is charged; its task is open again.
    """
    swept: Counter[str] = Counter()
    unclaimed = Q(account__owner_type="quest", claimed_at=None)
    late = Q(state=Clear.State.SOLD, start_by__lte=now)
    for state, due in (
        (Clear.State.WITHDRAWN, late & unclaimed),
        (Clear.State.FORFEITED, late & ~unclaimed),
        (Clear.State.LAPSED, Q(state=Clear.State.RUNNING, lease_until__lte=now)),
    ):
        swept[state.value] += _sweep(state, due, now=now)
    return dict(swept)


def _sweep(state: str, due: Q, *, now: datetime) -> int:
    total = 0
    while True:
        with transaction.atomic():
            clears = _take(due, limit=_SWEEP_AT_ONCE)
            _close(clears, state, now=now)
            if state == Clear.State.WITHDRAWN:
                _release(clears)
            else:
                _capture(clears, now=now)
            if state != Clear.State.LAPSED:
                pools.offer_again(clears, now=now)
            # Envelopes after wallets: what was reserved for a run that lapsed.
            admission.release_open([one.reservation_id for one in clears if one.reservation_id], now=now)
        total += len(clears)
        if len(clears) < _SWEEP_AT_ONCE:
            return total
