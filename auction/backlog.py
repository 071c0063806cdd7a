"""Tasks: filed for a wallet, taken when sold, done or cancelled."""

from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from auction import errors, order_book, pools
from auction.models import Bid, Task
from auction.models.market import new_id
from config.models import Agent
from economics import ledger
from economics.money import is_usd


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
) -> Task:
    """File a task owned by the agent's own wallet, which is opened when missing; `expected_value_usd` >= 0.

    Without `task_id` one is made. Refuses graders, an id that is taken, half an entity, a negative value.
    """
    if filed_by.kind == Agent.Kind.GRADER:
        raise errors.GradersDoNotTradeError
    if bool(entity_type) != bool(entity_id):
        msg = "entity_type and entity_id come together."
        raise errors.InvalidTaskError(msg, pointer="/entity_id" if entity_type else "/entity_type")
    if not is_usd(expected_value_usd):
        raise errors.InvalidValueError(pointer="/expected_value_usd")
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
