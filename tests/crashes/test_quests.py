"""What is done for quests and agents survives a crash at any step: nothing is half done, and done again it is whole.

Where a deed has many steps, those next to a COMMIT are struck and an even sample of the others.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from django.db import transaction

from auction import (
    audit,
    backlog,
    bidder,
    clearing,
    cycle,
    errors,
    fallback,
    next_task,
    pools,
    runs,
    settlement,
    stipends,
)
from auction.given_tasks import GivenTask
from auction.models import (
    Bid,
    BidCycle,
    Clear,
    Fallback,
    FallbackShare,
    Pool,
    Quest,
    QuestAllocation,
    Slot,
    Task,
)
from config.models import FeedEntry
from economics import mint, stops
from economics.models import Account, DailyIssue, Envelope, MonetaryPolicy, Refusal, Transfer, Usage
from tests import factories
from tests.crashes import blows
from tests.factories import NOON, REVIEWER, after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.models import QuerySet

    from config.models import Agent

pytestmark = pytest.mark.usefixtures("committed_db")

DAY: Final = timedelta(days=1)
CYCLE: Final = timedelta(minutes=1)
SAMPLE: Final = 6  # of a deed's steps, for each kind of blow, beside those next to a COMMIT
WHOLE: Final = frozenset[str]()  # parts of the picture that change by themselves: none


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
    return Scene(pool, wallets, lambda: fallback.give(book, to=worker, now=after(1)), once=False)


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
    """All is due at once: a day's issue and stipends, each kind of sweep, a round for two bids of a quest, a payout."""
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
    pools.configure(pool.name, capacity=2, start_deadline_seconds=3600)
    return Scene(pool, [*owners, quest.account], lambda: cycle.run_due(now=at), at=at)


# Each deed, and the parts of its picture that it changes in transactions of their own.
DEEDS: Final[dict[str, tuple[Callable[[], Scene], frozenset[str]]]] = {
    "bid": (bid, frozenset({"tasks"})),  # scored first
    "give": (give, WHOLE),
    "claim its own win": (claim_own, WHOLE),
    "claim a quest's win": (claim_from_quest, WHOLE),
    "start": (start, WHOLE),
    "start without room": (start_without_room, WHOLE),
    "settle": (settle, WHOLE),
    "upsert": (upsert, WHOLE),
}
# Each deed of several transactions, which it does one after the other.
SERIES: Final[dict[str, Callable[[], Scene]]] = {
    "pay stipends": pay_stipends,
    "claim in fallback": claim_in_fallback,
}
KINDS: Final = {"process killed": (blows.kill_process, False), "session ended": (blows.end_session, True)}

Picture = dict[str, list[tuple[Any, ...]]]


def _picture(scene: Scene) -> Picture:
    """Return all that a deed may change, by what people see of it and not by ids, which differ between scenes."""
    mine, wallets = {"pool": scene.pool}, [wallet.pk for wallet in scene.wallets]
    owners = [wallet.owner_id for wallet in scene.wallets]
    own = scene.own or Envelope()
    entity = {"entity_type": own.entity_type, "entity_id": own.entity_id}
    sold = Clear.objects.filter(account__in=wallets)
    return {
        "wallets": list(Account.objects.filter(pk__in=wallets).order_by("pk").values_list("balance", "held")),
        "debits": _seen(scene, Transfer.objects.filter(debit_account__in=wallets), "amount", "reason"),
        "credits": _seen(scene, Transfer.objects.filter(credit_account__in=wallets), "amount", "reason"),
        "days": _seen(
            scene, QuestAllocation.objects.filter(quest__account__in=wallets), "day", "tokens", "share", "paid_tokens"
        ),
        "paces": _seen(scene, Quest.objects.filter(account__in=wallets), "pace"),
        "tasks": _seen(
            scene,
            Task.objects.filter(wallet__in=wallets),
            *("title", "state", "expected_value_usd", "value_if_works_usd", "scored_at", "closed_at"),
            "needs__needs__expected_value_usd",
        ),
        "bids": _seen(
            scene,
            Bid.objects.filter(account__in=wallets),
            *("max_price_tokens", "status", "is_automatic", "placed_at", "ttl_at", "closed_at"),
        ),
        "cycles": _seen(
            scene,
            BidCycle.objects.filter(**mine, at__gte=scene.at),
            *("at", "tasks", "placed", "kept", "withdrawn", "placed_tokens", "reasons"),
        ),
        "slots": _seen(
            scene, Slot.objects.filter(clear__in=sold), "state", "available_at", "offers_again__state", "closed_at"
        ),
        "clears": _seen(
            scene,
            sold,
            *("state", "is_given", "charge_tokens", "runner__id", "claimed_at", "claim_until", "slot_started_at"),
            *("lease_until", "slot_finished_at", "actual_cost_tokens", "reward_due_tokens", "reward_paid_tokens"),
            *("reservation__state", "reservation__amount", "winning_task__state"),
        ),
        "fallback": [
            *_seen(scene, Pool.objects.filter(pk=scene.pool.pk), "mode", "failures"),
            *_seen(scene, Fallback.objects.filter(**mine), "why", "began_at", "ended_at"),
        ],
        "shares": _seen(scene, FallbackShare.objects.filter(account__in=wallets), "day", "share", "given"),
        "envelope": [factories.figures(own)] if own.pk else [],
        "used": _seen(scene, Usage.objects.filter(**entity), "amount", "source", "model", "cost"),
        "refusals": _seen(scene, Refusal.objects.filter(**entity), "code", "asked", "times"),
        "told": _seen(scene, FeedEntry.objects.filter(owner_id__in=owners), "kind", "at", "owner_type"),
    }


def _seen(scene: Scene, rows: QuerySet[Any], *columns: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(_since(scene, value) for value in row) for row in rows.values_list(*columns)), key=repr)


def _since(scene: Scene, value: Any) -> Any:
    """Return a time as seen from a scene's own moment, and whom it is about as the place among its own."""
    if isinstance(value, datetime):
        return value - scene.at
    if isinstance(value, date):
        return value - scene.at.date()
    names = [wallet.owner_id for wallet in scene.wallets]
    return names.index(value) if value in names else value


def _timeless(picture: Picture) -> Picture:
    """Return what came about, whenever that was, without each cycle's counts."""
    return {
        name: sorted((tuple(value for value in row if not isinstance(value, timedelta)) for row in rows), key=repr)
        for name, rows in picture.items()
        if name != "cycles"
    }


def _whole(picture: Picture, apart: Iterable[str]) -> Picture:
    return {name: rows for name, rows in picture.items() if name not in apart}


@transaction.atomic  # one commit instead of dozens
def _stage(stage: Callable[[], Scene]) -> Scene:
    return stage()


def _undisturbed(stage: Callable[[], Scene]) -> tuple[Picture, Picture, blows.Walk]:
    """Return what a deed finds and what it leaves when nothing happens to it, and its steps."""
    scene = _stage(stage)
    before = _picture(scene)
    walk = blows.walked(scene.deed)
    done = _picture(scene)
    if scene.once:
        scene.deed()
        assert _picture(scene) == done
    assert before != done
    assert audit.differences() == []
    return before, done, walk


@pytest.fixture(autouse=True)
def _catalogue(committed_db: str) -> None:
    factories.model("deep-1")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DEEDS)
def test_a_deed_struck_down_at_any_step_is_done_once(name: str, kind: str) -> None:
    (stage, apart), (blow, half) = DEEDS[name], KINDS[kind]
    before, done, walk = _undisturbed(stage)
    for step in walk.sample(SAMPLE, half=half):
        scene = _stage(stage)
        blows.struck(scene.deed, blow=blow, step=step)
        assert audit.differences() == [], step
        found = _picture(scene)
        assert _whole(found, apart) in (_whole(before, apart), _whole(done, apart)), step
        if scene.once or found == before:
            scene.deed()  # by another worker, or the same one a second later
        assert _picture(scene) == done, step
        assert audit.differences() == [], step


def _is_done_the_next_time(stage: Callable[[], Scene], kind: str) -> None:
    """Check that whatever was the last to be done, the books hold, and doing all again comes to the same end."""
    blow, half = KINDS[kind]
    _before, done, walk = _undisturbed(stage)
    for step in walk.sample(SAMPLE, half=half):
        scene = _stage(stage)
        blows.struck(scene.deed, blow=blow, step=step)
        assert audit.differences() == [], step
        scene.deed()
        assert _picture(scene) == done, step
        assert audit.differences() == [], step


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SERIES)
def test_what_a_series_of_deeds_has_not_done_is_done_the_next_time(name: str, kind: str) -> None:
    _is_done_the_next_time(SERIES[name], kind)


def test_a_tick_whose_worker_is_killed_is_made_up_in_its_cycle() -> None:
    _is_done_the_next_time(tick, "process killed")


def test_a_tick_whose_session_ends_is_made_up_by_the_next_cycle() -> None:
    """It goes on with a new session, so that its round may find nothing to sell, and is not held again."""
    scene = _stage(tick)
    walk = blows.walked(scene.deed)
    cycle.run_due(now=scene.at + CYCLE)
    done = _timeless(_picture(scene))
    for step in walk.sample(SAMPLE, half=True):
        scene = _stage(tick)
        blows.struck(scene.deed, blow=blows.end_session, step=step)
        assert audit.differences() == [], step
        for now in (scene.at, scene.at + CYCLE):
            cycle.run_due(now=now)
        assert _timeless(_picture(scene)) == done, step
        assert audit.differences() == [], step
