"""Markets with quests and agents, each with a deed about to be done in it that a crash is to strike down."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from auction import (
    backlog,
    bidder,
    clearing,
    cycle,
    errors,
    fallback,
    gifts,
    next_task,
    pools,
    runs,
    settlement,
    stipends,
)
from auction.given_tasks import GivenTask
from auction.models import Clear, Fallback, Pool, Quest, Task
from economics import mint, stops
from economics.models import Account, DailyIssue, Envelope, MonetaryPolicy, Refusal
from tests import factories
from tests.factories import NOON, REVIEWER, after

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.models import Agent

DAY: Final = timedelta(days=1)
CYCLE: Final = timedelta(minutes=1)


class Scene(NamedTuple):
    """A market at a moment, and a deed about to be done in it; whether doing it again changes nothing more."""

    pool: Pool
    wallets: list[Account]
    deed: Callable[[], object]
    at: datetime = NOON
    own: Envelope | None = None
    once: bool = True


def _retire() -> None:
    """Let no quest of another scene take part in anything from now on."""
    Quest.objects.update(is_active=False, pool=pools.create("retired", capacity=0))


def _pool(**settings: Any) -> Pool:
    """Open a pool made at noon, in which nobody's quests are."""
    _retire()
    made = factories.pool(usd_per_token=Decimal("0.01"), **settings)
    Pool.objects.filter(pk=made.pk).update(created_at=NOON)
    return pools.get(made.name)


def _worker() -> tuple[Agent, Account]:
    worker = factories.agent()
    return worker, factories.wallet(100, owner=worker)


def _own(tokens: int = 1_000) -> tuple[Envelope, tuple[str, str]]:
    own = factories.envelope(tokens=tokens)
    return own, (own.entity_type, own.entity_id)


def bid() -> Scene:
    """One bid stands, one is replaced, one is withdrawn, two are new, and a paced quest's pace rises."""
    pool, (frozen, entity) = _pool(), _own()
    own, paced = (factories.quest("", 20_000, into=pool, strategy=name) for name in ("source", "paced"))
    Quest.objects.filter(pk=paced.pk).update(pace=Decimal("0.5"))
    _kept, moved, _held = (factories.quest_task(own, 5, entity=e) for e in (("", ""), ("", ""), entity))
    factories.quest_task(paced, 3)
    bidder.submit_bids_for_tasks(now=after(-60), pool=pool.name)
    Task.objects.filter(pk=moved.pk).update(expected_value_usd=Decimal(8))
    stops.freeze([frozen.pk], author=REVIEWER, now=NOON)
    for chance in ("0.5", "0.25"):
        factories.quest_task(own, value_if_works_usd=Decimal(10), chance=Decimal(chance))
    return Scene(
        pool, [own.account, paced.account], lambda: bidder.submit_bids_for_tasks(now=NOON, pool=pool.name), own=frozen
    )


def pay_stipends() -> Scene:
    """Three days were issued for and not paid; the wallet of the second quest takes less than its part."""
    MonetaryPolicy.objects.update(daily_token_bucket=1_000, wallet_cap=3_000)
    pool = _pool()
    small, full = (factories.quest("", tokens, into=pool) for tokens in (0, 2_600))
    for quest, value in ((small, 1), (full, 3)):
        factories.quest_task(quest, value)
    now = NOON + DAY * (DailyIssue.objects.count() + 2)
    if not DailyIssue.objects.exists():
        mint.issue_daily(now=NOON)
    mint.issue_daily(now=now)
    return Scene(pool, [small.account, full.account], lambda: stipends.pay_due(now=now), at=now)


def give() -> Scene:
    """Give where the pool has no slot yet and the best task has a bid in the book."""
    pool = _pool(capacity=1)
    worker, wallet = _worker()
    quest, other = (factories.quest("", 1_000, into=pool) for _ in range(2))
    factories.bid(quest.account, 40, pool, work=factories.quest_task(quest, 5), gtd=True)
    factories.quest_task(other, 3)
    fallback.begin(pool.name, why=Fallback.Why.HAND, now=NOON)
    book = pools.get(pool.name)
    wallets = [quest.account, other.account, wallet]
    return Scene(pool, wallets, lambda: gifts.give(book, to=worker, now=after(1)), once=False)


def claim_own() -> Scene:
    pool = _pool()
    worker, wallet = _worker()
    factories.sale(40, into=pool, owner=wallet)
    return Scene(pool, [wallet], lambda: next_task.next_task(worker, now=after(1), pool=pool.name))


def _won(pool: Pool, **work: Any) -> Quest:
    """Let a quest win a slot for a task, at noon."""
    quest = factories.quest("", 1_000, into=pool)
    factories.slot(pool)
    factories.bid(quest.account, 40, pool, work=factories.quest_task(quest, 5, **work))
    clearing.clear_round(NOON, pool.name)
    return quest


def claim_from_quest() -> Scene:
    pool = _pool()
    worker, wallet = _worker()
    quest = _won(pool)
    return Scene(pool, [quest.account, wallet], lambda: next_task.next_task(worker, now=after(1), pool=pool.name))


def claim_in_fallback() -> Scene:
    """No round for five minutes: fallback begins, the only slot comes back from a win nobody ran, and is given."""
    pool = _pool(capacity=1, start_deadline_seconds=10)
    worker, wallet = _worker()
    quest = _won(pool)
    return Scene(pool, [quest.account, wallet], lambda: next_task.next_task(worker, now=after(300), pool=pool.name))


def _claimed(pool: Pool, entity: tuple[str, str]) -> tuple[Clear, Agent, list[Account]]:
    """Let a worker claim what a quest has won for a task that expects to use 300 tokens."""
    worker, wallet = _worker()
    quest = _won(pool, entity=entity, expected_cost_tokens=300, model="deep-1")
    clear = next_task.next_task(worker, now=after(1), pool=pool.name).clear
    assert clear is not None
    return clear, worker, [quest.account, wallet]


def start() -> Scene:
    pool, (own, entity) = _pool(), _own()
    clear, worker, wallets = _claimed(pool, entity)
    return Scene(pool, wallets, lambda: runs.start(clear.slot_id, runner=worker, now=after(2)), own=own)


def start_without_room() -> Scene:
    """Start where the envelope refuses; whoever starts again hears what became of it, and of which refusal."""
    pool, (own, entity) = _pool(), _own()
    clear, worker, wallets = _claimed(pool, entity)
    factories.record(own, 800)

    def deed() -> None:
        known = None
        try:
            runs.start(clear.slot_id, runner=worker, now=after(2))
        except errors.SlotNotSoldError as error:
            known = error.figures
        refused = Refusal.objects.get(entity_id=own.entity_id)
        assert known is None or (known["state"], known["refusal_id"]) == ("blocked", refused.pk)

    return Scene(pool, wallets, deed, own=own)


def settle() -> Scene:
    """Of 250 tokens used 100 were reported while the slot ran; the other 150 are booked under its reservation."""
    pool, (own, entity) = _pool(), _own()
    clear, worker, wallets = _claimed(pool, entity)
    factories.started(clear, at=after(2), by=worker)
    factories.record(own, 100, at=after(3), slot_id=clear.slot_id)
    impact = Decimal("0.5")
    return Scene(
        pool, wallets, lambda: settlement.settle(clear.slot_id, 250, impact, now=after(4), runner=worker), own=own
    )


def upsert() -> Scene:
    """Of a backlog one task stays, one changes, two are closed, one of them with a bid; two come, one is refused."""
    pool = _pool()
    quest = factories.quest("", 1_000, into=pool)
    stays, changes, done, cancelled = (factories.quest_task(quest, value) for value in (1, 2, 3, 4))
    for work in (changes, done):
        factories.bid(quest.account, 40, pool, work=work, gtd=True)
    names = {name: f"{quest.pk}-{name}" for name in ("first", "second", "wrong")}
    given = [
        GivenTask(task_id=stays.pk, expected_value_usd=Decimal(1)),
        GivenTask(task_id=changes.pk, title="anew", value_if_works_usd=Decimal(5), needs=(names["second"],)),
        GivenTask(task_id=done.pk, state="done"),
        GivenTask(task_id=cancelled.pk, state="cancelled"),
        GivenTask(task_id=names["first"], expected_value_usd=Decimal(6), needs=()),
        GivenTask(task_id=names["second"], expected_value_usd=Decimal(7), needs=(names["first"], stays.pk)),
        GivenTask(task_id=names["wrong"], needs=("unheard-of",)),
    ]
    return Scene(pool, [quest.account], lambda: backlog.upsert_tasks(quest, given, now=after(1)))


def tick() -> Scene:
    """All is due at once: a day's issue and stipends, each kind of sweep, a round for two bids of a quest, a payout.

    There are slots for both, whatever sweeps and top-up have not brought yet.
    """
    MonetaryPolicy.objects.update(daily_token_bucket=1_000)
    _retire()
    at = NOON + DAY * (DailyIssue.objects.count() + 1)
    cycle.run_due(now=at - DAY)  # brings to an end what another scene left
    pool = pools.configure(pools.DEFAULT, capacity=0, usd_per_token=Decimal("0.01"), start_deadline_seconds=10)
    pools.top_up(pool.name, now=at)
    owners = [factories.wallet(1_000) for _ in range(4)]
    earlier = at - timedelta(minutes=30)
    for owner in owners[:3]:
        factories.slot(pool, available_at=earlier)
        factories.bid(owner, 40, pool, at=earlier)
    clearing.clear_round(earlier, pool.name)
    lapsed, paid, _forfeited = Clear.objects.filter(pool=pool, cleared_at__gte=earlier).order_by("pk")
    factories.started(lapsed, at=earlier)
    factories.run(paid, 100, Decimal("0.5"), at=earlier)
    factories.bid(owners[3], 30, pool, at=earlier, lives=60, gtd=True)
    factories.slot(pool, provider=factories.agent(kind="provider"), available_at=earlier, offer_until=at)
    quest = factories.quest("", 10_000, into=pool)
    for chance in ("0.5", "0.25"):
        factories.quest_task(quest, value_if_works_usd=Decimal(10), chance=Decimal(chance))
    for _ in range(2):
        factories.slot(pool, available_at=at)
    pools.configure(pool.name, capacity=4, start_deadline_seconds=3600)
    return Scene(pool, [*owners, quest.account], lambda: cycle.run_due(now=at), at=at)
