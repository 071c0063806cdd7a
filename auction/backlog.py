"""Tasks: filed for a wallet or as a quest's backlog, taken when sold, done or cancelled."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import IntegrityError, connection, transaction

from auction import errors, given_tasks, needs, order_book, pools
from auction.given_tasks import GivenTask
from auction.models import Bid, Pool, Quest, Task
from auction.models.market import new_id
from config.errors import RefusedError
from config.models import Agent
from economics import ledger
from economics.faults import Fault, Faults
from economics.money import is_usd

MOST_AT_ONCE: Final = 10_000
CREATED, CHANGED, UNCHANGED, REFUSED = "created", "changed", "unchanged", "refused"
LOCK_CLASS: Final = 7309  # of those who write one backlog, among themselves

_CHANGE: Final = """
UPDATE auction_tasks t
   SET title = i.title, entity_type = i.entity_type, entity_id = i.entity_id, model = i.model,
       expected_value_usd = CASE WHEN i.works IS NULL THEN coalesce(i.value, 0) ELSE t.expected_value_usd END,
       value_if_works_usd = i.works, chance = i.chance, cost_usd = i.cost, expected_cost_tokens = i.tokens,
       priority_used = CASE WHEN i.works IS NOT NULL THEN t.priority_used END,
       scored_at = CASE WHEN i.works IS NOT NULL THEN t.scored_at END
  FROM unnest(%(task_id)s::text[], %(title)s::text[], %(entity_type)s::text[], %(entity_id)s::text[],
              %(model)s::text[], %(expected_value_usd)s::numeric[], %(value_if_works_usd)s::numeric[],
              %(chance)s::numeric[], %(cost_usd)s::numeric[], %(expected_cost_tokens)s::bigint[])
    AS i(id, title, entity_type, entity_id, model, value, works, chance, cost, tokens)
 WHERE t.id = i.id
"""
_STATED: Final = (
    *("title", "entity_type", "entity_id", "model", "value_if_works_usd", "chance", "cost_usd"),
    "expected_cost_tokens",
)


@transaction.atomic
def file_task(  # noqa: PLR0913 - a task has this many parts
    *,
    filed_by: Agent,
    now: datetime,
    task_id: str = "",
    title: str = "",
    entity_type: str = "",
    entity_id: str = "",
    expected_value_usd: Decimal = Decimal(0),
    expected_cost_tokens: int | None = None,
    model: str = "",
) -> Task:
    """File a task owned by the agent's own wallet, which is opened when missing; `expected_value_usd` >= 0.

    `expected_cost_tokens` of a `model` are reserved on the entity's envelope when it starts. Without `task_id` one is
    made. Refuses graders, an id that is taken, half an entity, a negative value, and a cost without a model.
    """
    if filed_by.kind == Agent.Kind.GRADER:
        raise errors.GradersDoNotTradeError
    if bool(entity_type) != bool(entity_id):
        msg = "entity_type and entity_id come together."
        raise errors.InvalidTaskError(msg, pointer="/entity_id" if entity_type else "/entity_type")
    if not is_usd(expected_value_usd):
        raise errors.InvalidValueError(pointer="/expected_value_usd")
    if expected_cost_tokens is not None and (expected_cost_tokens < 0 or not model):
        msg = "expected_cost_tokens is 0 or more, of a model."
        raise errors.InvalidTaskError(msg, pointer="/model" if expected_cost_tokens >= 0 else "/expected_cost_tokens")
    wallet = ledger.open_wallet(agent=filed_by)
    task = Task(
        pk=task_id or new_id(),
        wallet=wallet,
        filed_by=filed_by,
        filed_by_kind=filed_by.kind,
        title=title,
        entity_type=entity_type,
        entity_id=entity_id,
        expected_value_usd=expected_value_usd,
        expected_cost_tokens=expected_cost_tokens,
        model=model,
        created_at=now,
    )
    try:
        with transaction.atomic():
            task.save(force_insert=True)
    except IntegrityError as error:
        if "auction_tasks_pkey" not in str(error):
            raise
        raise errors.TaskIdTakenError(pointer="/task_id", task_id=task_id) from error
    return task


@transaction.atomic
def cancel_task(task_id: str, *, wallet: int, now: datetime) -> Task:
    """Cancel an open task of this wallet and its open bid with it. Cancelling twice is the same as once.

    Refuses another wallet's task and one that is taken or done.
    """
    bid = Bid.objects.select_related("pool").filter(task_id=task_id, account_id=wallet, status=Bid.Status.OPEN).first()
    if bid is not None:
        pools.lock_shared(bid.pool.name)
    # The task before its bid and its wallet: a batch that names it comes in that order too.
    task = Task.objects.select_for_update(no_key=True).filter(pk=task_id, wallet_id=wallet).first()
    if task is None:
        raise errors.UnknownTaskError(task_id=task_id)
    if task.state == Task.State.CANCELLED:
        return task
    if task.state != Task.State.OPEN:
        raise errors.TaskNotOpenError(task_id=task_id, state=task.state)
    if bid is not None:
        order_book.withdraw_bid(bid, now=now)
    if Bid.objects.filter(task=task, status=Bid.Status.OPEN).exists():
        raise errors.BookMovedError
    task.state, task.closed_at = Task.State.CANCELLED, now
    task.save(update_fields=["state", "closed_at"])
    return task


class Upserted(NamedTuple):
    """What became of one task of a batch, the state it is in now ("": it is not there), and what is wrong with it."""

    task_id: str
    status: str
    state: str
    faults: Faults


@transaction.atomic
def upsert_tasks(quest: Quest, given: Sequence[GivenTask], *, by: Agent | None = None, now: datetime) -> list[Upserted]:
    """Let a quest's backlog hold these tasks as they are given, up to 10,000; return what became of each, in order.

    The same again changes nothing. One that is closed (done elsewhere, or cancelled) loses its open bid, whose hold is
    released. What is wrong with one keeps no other out but those that need it: a fault of its own, an id given twice
    or another owner's, unknown needs, a circle, any change of one that is taken or closed. The whole is refused of an
    agent (`by`; None: a person) that is not the quest's programme, and above 10,000.
    """
    if by is not None and quest.programme_id != by.pk:
        raise errors.NotYourQuestError
    if len(given) > MOST_AT_ONCE:
        msg = f"At most {MOST_AT_ONCE:,} tasks are taken at once."
        raise errors.BatchTooLargeError(msg, size=len(given), most=MOST_AT_ONCE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK_CLASS, quest.pk])
    # A task that is closed waits for nothing.
    told = [one if one.state == given_tasks.OPEN else replace(one, needs=None) for one in given]
    books = _locked_books(told, quest)
    stored = _locked_tasks(told)
    alone = _faults_alone(told, stored, quest)
    fit = {one.task_id: one for place, one in enumerate(told) if place not in alone}
    before = needs.of([task for task, one in fit.items() if one.needs is not None])
    moved = {task: one for task, one in fit.items() if _differs(one, stored.get(task), before.get(task, {}))}
    wrong = _faults_together(moved, stored, quest)
    good = {task: one for task, one in moved.items() if task not in wrong}
    _write(quest, good, stored, before, by=by, now=now)
    _close([one for task, one in good.items() if task in stored], books, now=now)
    results = []
    for place, one in enumerate(told):
        found = alone.get(place) or wrong.get(one.task_id, [])
        results.append(_result(one, found, stored.get(one.task_id), quest, is_written=one.task_id in good))
    return results


def _locked_books(told: Sequence[GivenTask], quest: Quest) -> list[Pool]:
    """Lock, shared, the pools in which a task that is to be closed has an open bid: pools before tasks."""
    closing = [one.task_id for one in told if one.state != given_tasks.OPEN]
    bids = Bid.objects.filter(task__in=closing, account=quest.account_id, status=Bid.Status.OPEN)
    names = set(bids.values_list("pool__name", flat=True)) if closing else set()
    return [pools.lock_shared(name) for name in sorted(names)]


def _locked_tasks(told: Sequence[GivenTask]) -> dict[str, Task]:
    ids = {one.task_id for one in told}
    return {task.pk: task for task in Task.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")}


def _faults_alone(told: Sequence[GivenTask], stored: Mapping[str, Task], quest: Quest) -> dict[int, Faults]:
    """Return what is wrong with each task by itself, by its place: also an id twice, or of another owner."""
    found: dict[int, Faults] = {}
    seen: set[str] = set()
    for place, one in enumerate(told):
        task = stored.get(one.task_id)
        faults = given_tasks.faults_in(one)
        if one.task_id in seen:
            faults = [_fault(errors.TaskRepeatedError, "/task_id")]
        elif task is not None and task.quest_id != quest.pk:
            faults = [_fault(errors.TaskIdTakenError, "/task_id")]
        seen.add(one.task_id)
        if faults:
            found[place] = faults
    return found


def _differs(one: GivenTask, task: Task | None, before: Collection[str]) -> bool:
    """Tell whether a task is not as it is given. Neither taken nor closed by the market is a difference from open."""
    if task is None:
        return True
    if one.state != given_tasks.OPEN:
        return task.state != one.state
    return (
        any(getattr(task, name) != getattr(one, name) for name in _STATED)
        or (one.value_if_works_usd is None and task.expected_value_usd != (one.expected_value_usd or 0))
        or (one.needs is not None and set(one.needs) != set(before))
    )


def _faults_together(moved: Mapping[str, GivenTask], stored: Mapping[str, Task], quest: Quest) -> dict[str, Faults]:
    """Return what is wrong with tasks that are to change: they are not open, or it is what they need."""
    stuck = {task for task in moved if task in stored and stored[task].state != Task.State.OPEN}
    wrong = {task: [_fault(errors.TaskNotOpenError, "/state", f"It is {stored[task].state}.")] for task in stuck}
    free = {task: one for task, one in moved.items() if task not in stuck}
    needed = {name for one in free.values() for name in one.needs or ()}
    known = set(Task.objects.filter(pk__in=needed, quest=quest).values_list("pk", flat=True)) if needed else set()
    return wrong | {task: [fault] for task, fault in needs.faults(free, known=known).items()}


def _write(  # noqa: PLR0913 - it takes all that is known
    quest: Quest,
    good: Mapping[str, GivenTask],
    stored: Mapping[str, Task],
    before: Mapping[str, Mapping[str, int]],
    *,
    by: Agent | None,
    now: datetime,
) -> None:
    """File the new tasks, change those that stay open, and let each need what it is to need."""
    new = [_filed(quest, one, by, now) for task, one in sorted(good.items()) if task not in stored]
    try:
        with transaction.atomic():
            Task.objects.bulk_create(new)
    except IntegrityError as error:
        if "auction_tasks_pkey" not in str(error):
            raise
        raise errors.BookMovedError from error  # another owner was just filing a task of this id
    changed = [one for task, one in good.items() if task in stored and one.state == given_tasks.OPEN]
    if changed:
        with connection.cursor() as cursor:
            names = ("task_id", "expected_value_usd", *_STATED)
            cursor.execute(_CHANGE, {name: [getattr(one, name) for one in changed] for name in names})
    needs.write({task: one.needs for task, one in good.items() if one.needs is not None}, before=before)


def _filed(quest: Quest, one: GivenTask, by: Agent | None, now: datetime) -> Task:
    stated: dict[str, Any] = {name: getattr(one, name) for name in _STATED}
    return Task(
        pk=one.task_id,
        quest=quest,
        wallet_id=quest.account_id,
        filed_by=by,
        filed_by_kind=by.kind if by else None,
        expected_value_usd=one.expected_value_usd or Decimal(0),
        state=one.state,
        created_at=now,
        closed_at=None if one.state == given_tasks.OPEN else now,
        **stated,
    )


def _close(good: Sequence[GivenTask], books: Sequence[Pool], *, now: datetime) -> None:
    """Close tasks that were open, and withdraw their bids."""
    for state in (given_tasks.DONE, given_tasks.CANCELLED):
        Task.objects.filter(pk__in=[one.task_id for one in good if one.state == state]).update(
            state=state, closed_at=now
        )
    closing = [one.task_id for one in good if one.state != given_tasks.OPEN]
    if not closing:
        return
    order_book.withdraw_bids_of(closing, books, now=now)
    if Bid.objects.filter(task__in=closing, status=Bid.Status.OPEN).exists():
        raise errors.BookMovedError


def _result(one: GivenTask, found: Faults, task: Task | None, quest: Quest, *, is_written: bool) -> Upserted:
    if found:
        is_own = task is not None and task.quest_id == quest.pk
        return Upserted(one.task_id, REFUSED, task.state if task and is_own else "", found)
    if not is_written:
        return Upserted(one.task_id, UNCHANGED, task.state if task else one.state, [])
    return Upserted(one.task_id, CHANGED if task else CREATED, one.state, [])


def _fault(kind: type[RefusedError], pointer: str, more: str = "") -> Fault:
    return Fault(kind.code, f"{kind().detail} {more}".rstrip(), pointer)
