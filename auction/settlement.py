"""After a run: its cost, its impact, and every other end that a sold slot can have."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Q

from auction import errors, fallback, pools, runs, wins
from auction.models import Clear, Pool, Slot, Task
from auction.models.results import LIVE
from auction.order_book import LARGEST
from config.models import Agent
from economics import admission, slot_use
from economics.money import is_usd, reward, rounded_usd

_SWEEP_AT_ONCE = 1_000


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
    clear = wins.locked(slot_id)
    if runner is not None:
        wins.refuse_stranger(clear, runner)
    if clear.state == Clear.State.FINISHED:
        if clear.actual_cost_tokens != actual_cost_tokens:
            raise errors.SettledOtherwiseError(pointer="/actual_cost_tokens", settled=clear.actual_cost_tokens)
        return clear
    clear = runs.running(slot_id, runner, now)
    Task.objects.filter(pk=clear.winning_task_id).update(state=Task.State.DONE, closed_at=now)
    wins.capture([clear], now=now)
    # Usage last: its reservation and its lines are locked after wallets, everywhere.
    entity_type, entity_id = wins.entity(clear)
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


@transaction.atomic
def record_impact(slot_id: str, *, actual_impact: Decimal, now: datetime, grader: Agent | None = None) -> Clear:
    """Record the realised value of a finished slot in USD (>= 0), once, and the reward that follows from it.

    The same value again returns the first result, another one is a conflict; a slot that has not finished is
    refused. `grader` None is the house.
    """
    if not is_usd(actual_impact):
        raise errors.InvalidSettlementError(pointer="/actual_impact")
    actual_impact = rounded_usd(actual_impact)  # as it will be read again, so that a repetition is seen as one
    clear = wins.locked(slot_id)
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
    clear = wins.locked(slot_id)
    if clear.state == Clear.State.SOLD:
        wins.close([clear], Clear.State.WITHDRAWN, now=now)
        wins.release([clear])
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
    fallback.end_with_stop(pool, now=now)
    clears = wins.take(Q(pool=pool, state=Clear.State.SOLD), limit=None)
    wins.close(clears, Clear.State.WITHDRAWN, now=now)
    wins.release(clears)
    return len(clears)


def sweep(*, now: datetime) -> dict[str, int]:
    """Forfeit, withdraw or lapse every clear whose time is over; return how many of each.

    Not started in time: a quest's win that no runner claimed is withdrawn and its hold released whole; every other
    is forfeited and charged. A running slot whose lease ended lapses and is charged; its task is open again.
    """
    swept: Counter[str] = Counter()
    for state, due in _due(now).items():
        swept[state] += _sweep(state, due, now=now)
    return dict(swept)


@transaction.atomic
def end_overdue(slot_id: str, *, now: datetime) -> Clear:
    """End one slot whose time is over, just as the sweep does, where that has not come by.

    Refuses a slot whose time is not over, and one that has ended.
    """
    pk = wins.locked(slot_id).pk
    for state, due in _due(now).items():
        clears = wins.take(due & Q(pk=pk), limit=None)
        if clears:
            _end(clears, state, now=now)
            return Clear.objects.select_related("account").get(pk=pk)
    clear = Clear.objects.get(pk=pk)
    if clear.state not in LIVE:
        raise errors.SlotNotSoldError(slot_id=slot_id, state=clear.state)
    until = clear.lease_until if clear.state == Clear.State.RUNNING else clear.start_by
    raise errors.HoldNotStuckError(slot_id=slot_id, state=clear.state, until=until and until.isoformat())


def _due(now: datetime) -> Mapping[str, Q]:
    """Return of each end that a clear may come to by itself which clears are due for it."""
    unclaimed = Q(account__owner_type="quest", claimed_at=None)
    late = Q(state=Clear.State.SOLD, start_by__lte=now)
    return {
        Clear.State.WITHDRAWN.value: late & unclaimed,
        Clear.State.FORFEITED.value: late & ~unclaimed,
        Clear.State.LAPSED.value: Q(state=Clear.State.RUNNING, lease_until__lte=now),
    }


def _sweep(state: str, due: Q, *, now: datetime) -> int:
    total = 0
    while True:
        with transaction.atomic():
            clears = wins.take(due, limit=_SWEEP_AT_ONCE)
            _end(clears, state, now=now)
        total += len(clears)
        if len(clears) < _SWEEP_AT_ONCE:
            return total


def _end(clears: Sequence[Clear], state: str, *, now: datetime) -> None:
    """End clears that are due for this state, with all that follows."""
    wins.close(clears, state, now=now)
    if state == Clear.State.WITHDRAWN:
        wins.release(clears)
    else:
        wins.capture(clears, now=now)
    if state != Clear.State.LAPSED:
        pools.offer_again(clears, now=now)
    # Envelopes after wallets: what was reserved for a run that lapsed.
    admission.release_open([one.reservation_id for one in clears if one.reservation_id], now=now)
