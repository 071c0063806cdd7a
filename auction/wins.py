"""A slot that was sold or given: who may run it, and what its end does to its hold and its task."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from auction import errors, pools
from auction.models import Clear, Task
from auction.models.results import CAPTURED
from config import feed
from config.models import Agent
from economics import ledger


def locked(slot_id: str) -> Clear:
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


def refuse_stranger(clear: Clear, runner: Agent) -> None:
    """Only who claimed a slot, or won it for its own task, runs it; to others it does not exist."""
    by = clear.runner_id
    if by is None and clear.account.owner_type == "agent":
        by = clear.account.owner_id
    if by != runner.pk:
        raise errors.UnknownSlotError(slot_id=clear.slot_id)


def entity(clear: Clear) -> tuple[str, str]:
    """Return what the work is charged to: the task's entity, else the owner of its wallet."""
    task = clear.winning_task
    if task.entity_type:
        return task.entity_type, task.entity_id
    return clear.account.owner_type, clear.account.owner_id


def take(due: Q, *, limit: int | None) -> list[Clear]:
    """Lock the clears that are due, leaving those that somebody else is just settling to them."""
    rows: QuerySet[Clear] = Clear.objects.select_related("pool", "account").filter(due).order_by("pk")
    return list(rows.select_for_update(of=("self",), no_key=True, skip_locked=limit is not None)[:limit])


def close(clears: Sequence[Clear], state: str, *, now: datetime) -> None:
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


def capture(clears: Sequence[Clear], *, now: datetime) -> None:
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


def release(clears: Sequence[Clear]) -> None:
    """Give winners whose slot came to nothing through no fault of theirs their whole hold back."""
    holds: Counter[int] = Counter()
    for clear in clears:
        holds[clear.account_id] += clear.charge_tokens
    ledger.release_holds(holds)
