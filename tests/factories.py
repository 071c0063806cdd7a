"""Things a test needs, made by the rules themselves with defaults that a reader can do sums with.

The clock of a test is virtual: it starts at `NOON` and `after(seconds)` names a later moment.
"""

from __future__ import annotations

import contextlib
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from django.db import transaction

from auction import backlog, clearing, order_book, payouts, pools, settlement
from auction.models import Bid, Clear, Payout, Pool, Round, Slot, Task
from config.models import Agent
from economics import ledger, mint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from config.errors import RefusedError
    from economics.models import Account, DailyIssue

NOON: Final = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


def after(seconds: float) -> datetime:
    """Return the moment so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


@contextlib.contextmanager
def refused(kind: type[RefusedError]) -> Iterator[pytest.ExceptionInfo[RefusedError]]:
    """Expect a deed to be refused, in a savepoint as interfaces have one: the test's transaction goes on."""
    with pytest.raises(kind) as refusal, transaction.atomic():
        yield refusal


def agent(name: str = "", *, kind: str = Agent.Kind.WORKER) -> Agent:
    """Return a new agent."""
    return Agent.objects.create(id=name or f"agent-{next(_numbers)}", kind=kind)


def wallet(tokens: int = 0, *, owner: Agent | None = None, quest: str = "") -> Account:
    """Return the wallet of an agent (a new one when not given) or of a quest, with so many tokens granted."""
    account = ledger.open_wallet(quest=quest) if quest else ledger.open_wallet(agent=owner or agent())
    if tokens:
        key = f"grant:{account.pk}:{next(_numbers)}"
        ledger.grant(account=account, amount=tokens, key=key, now=NOON, memo="opening balance")
    account.refresh_from_db()
    return account


def task(owner: Account, task_id: str = "", **terms: Any) -> Task:
    """Return a new open task owned by a wallet; a quest's is written as its programme will file it."""
    name = task_id or f"task-{next(_numbers)}"
    if owner.agent is None:
        return Task.objects.create(pk=name, wallet=owner, created_at=NOON, **terms)
    return backlog.file_task(filed_by=owner.agent, now=NOON, task_id=name, **terms)


def tasks(owner: Account, number: int) -> list[Task]:
    """Return so many new open tasks of a wallet, written at once."""
    names = [f"task-{next(_numbers)}" for _ in range(number)]
    return Task.objects.bulk_create([Task(pk=name, wallet=owner, created_at=NOON) for name in names])


def pool(name: str = "", **settings: object) -> Pool:
    """Return a pool with these settings; its cycle is a minute and its reserve 1 token when not said otherwise."""
    return pools.create(name or f"pool-{next(_numbers)}", **settings)


def slot(
    into: Pool,
    *,
    reserve: int = 0,
    provider: Agent | None = None,
    available_at: datetime = NOON,
    offer_until: datetime | None = None,
) -> Slot:
    """Return a new open slot: of the house, or of a provider, whose offer then ends in an hour if not said."""
    return Slot.objects.create(
        pool=into,
        reserve_tokens=reserve,
        provider=provider,
        provider_kind=provider.kind if provider else None,
        available_at=available_at,
        offer_until=offer_until or (available_at + timedelta(hours=1) if provider else None),
        created_at=available_at,
    )


def slots(into: Pool, number: int) -> list[Slot]:
    """Return so many new open slots of the house."""
    return [slot(into) for _ in range(number)]


def bid(  # noqa: PLR0913 - a bid has this many terms
    owner: Account,
    price: int,
    into: Pool,
    *,
    work: Task | None = None,
    at: datetime = NOON,
    lives: float = 3600,
    gtd: bool = False,
) -> Bid:
    """Return a bid placed at a moment for a task (a new one when not given); it lives so many seconds."""
    return order_book.place_bid(
        wallet=owner.pk,
        task_id=(work or task(owner)).pk,
        max_price_tokens=price,
        ttl_at=at + timedelta(seconds=lives),
        now=at,
        time_in_force=Bid.TimeInForce.GTD if gtd else Bid.TimeInForce.ROUND,
        pool=into.name,
    )


def sale(price: int = 100, *, into: Pool | None = None, owner: Account | None = None, at: datetime = NOON) -> Clear:
    """Return the clear of a slot sold at a moment to a wallet's only bid, at the pool's reserve."""
    book = into or pool()
    slot(book, available_at=at)
    placed = bid(owner or wallet(10 * price), price, book, at=at)
    clearing.clear_round(at, book.name)
    return Clear.objects.get(bid=placed.pk)


def runner(clear: Clear) -> Agent:
    """Return the agent that runs an agent's own win."""
    return Agent.objects.get(pk=clear.account.owner_id)


def run(clear: Clear, cost: int, impact: Decimal | None = None, *, at: datetime) -> Clear:
    """Start a sold slot, settle it with its cost in LLM tokens and its impact in USD, and return its clear."""
    worker = runner(clear)
    settlement.start(clear.slot_id, runner=worker, now=at)
    return settlement.settle(clear.slot_id, cost, impact, now=at, runner=worker, model="large-1")


class World(NamedTuple):
    """One row of every kind, as the deeds leave them."""

    worker: Agent
    provider: Agent
    grader: Agent
    pool: Pool
    rich: Account
    open_slot: Slot
    offered_slot: Slot
    open_task: Task
    open_bid: Bid
    lost_bid: Bid
    round: Round
    sold: Clear
    running: Clear
    finished: Clear
    paid: Clear
    payout: Payout
    issue: DailyIssue


def world(usd: Decimal) -> World:
    """Return a small market in which everything has happened once; `usd` is the impact of its graded slot."""
    worker, provider, grader = agent("worker"), agent("provider", kind="provider"), agent("grader", kind="grader")
    market = pool("market")
    rich = wallet(10_000, owner=worker)
    (issue,) = mint.issue_daily(now=NOON)
    slots(market, 4)
    placed = [bid(rich, price, market) for price in (500, 400, 300, 200)]
    loser = bid(rich, 100, market)
    cleared = clearing.clear_round(NOON, market.name)
    sold, running, finished, paid = (Clear.objects.get(bid=b.pk) for b in placed)
    settlement.start(running.slot_id, runner=worker, now=after(1))
    run(finished, 1000, at=after(1))
    run(paid, 2000, usd, at=after(1))
    payout = payouts.pay_out(now=after(2), pool=market.name)
    assert payout is not None
    for row in (sold, running, finished, paid, loser):
        row.refresh_from_db()
    work = task(rich)
    return World(
        worker=worker,
        provider=provider,
        grader=grader,
        pool=market,
        rich=rich,
        open_slot=slot(market),
        offered_slot=slot(market, provider=provider),
        open_task=task(rich),
        open_bid=bid(rich, 50, market, work=work, at=after(3)),
        lost_bid=loser,
        round=cleared,
        sold=sold,
        running=running,
        finished=finished,
        paid=paid,
        payout=payout,
        issue=issue,
    )
