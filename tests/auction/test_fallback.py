"""Fallback: when it begins and ends, and whose turn it is when slots are given instead of sold."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from auction import clearing, errors, fallback, gifts, order_book, pools, runs, settlement
from auction.models import Bid, Clear, Fallback, FallbackShare, Member, Pool, Slot, Task
from config.models import FeedEntry
from economics import stops
from economics.errors import AdmissionRefusedError
from economics.models import Transfer
from tests import factories
from tests.factories import NOON, after, refused

if TYPE_CHECKING:
    from auction.models import Quest
    from config.models import Agent

pytestmark = pytest.mark.usefixtures("balanced_books")

HAND: Final = Fallback.Why.HAND


@pytest.fixture
def pool() -> Pool:
    """Return a pool of four slots and a cycle of a minute, made at noon."""
    made = factories.pool("market")
    Pool.objects.filter(pk=made.pk).update(created_at=NOON)
    return pools.get("market")


@pytest.fixture
def worker() -> Agent:
    return factories.agent("worker")


def _giving(pool: Pool) -> Pool:
    fallback.begin(pool.name, why=HAND, now=NOON)
    return pools.get(pool.name)


def _times(pool: Pool) -> list[tuple[Any, ...]]:
    return list(
        Fallback.objects.filter(pool=pool).order_by("pk").values_list("why", "began_at", "ended_at", "ended_by")
    )


def _state(pool: Pool) -> tuple[str, int]:
    now = pools.get(pool.name)
    return now.mode, now.failures


# When it begins and ends


def test_failures_in_a_row_begin_it_and_one_success_ends_it(pool: Pool) -> None:
    states = []
    for second in (1, 2, 3, 4):
        fallback.failed(pool.name, now=after(second))
        states.append(_state(pool))
    assert states == [("auction", 1), ("auction", 2), ("fallback", 3), ("fallback", 4)]
    assert _times(pool) == [("failures", after(3), None, "")]
    fallback.succeeded(pool.name, now=after(60))
    assert _state(pool) == ("auction", 0)
    assert _times(pool) == [("failures", after(3), after(60), "a round")]


def test_a_success_between_two_failures_starts_the_count_anew(pool: Pool) -> None:
    for deed in (fallback.failed, fallback.failed, fallback.succeeded, fallback.failed, fallback.failed):
        deed(pool.name, now=NOON)
    assert _state(pool) == ("auction", 2)
    assert _times(pool) == []


def test_a_success_without_failures_locks_nothing(pool: Pool) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        fallback.succeeded(pool.name, now=NOON)
    assert not [q for q in queries if "advisory" in q["sql"] or "UPDATE" in q["sql"]]


def test_a_pool_is_stale_when_no_round_was_completed_for_so_many_cycles(pool: Pool) -> None:
    assert not fallback.is_stale(pool, after(180))
    assert fallback.is_stale(pool, after(181))
    clearing.clear_round(after(181), pool.name)
    assert not fallback.is_stale(pools.get(pool.name), after(181 + 180))
    assert fallback.is_stale(pools.get(pool.name), after(181 + 181))


def test_what_is_stale_falls_back_once_and_says_since_when(pool: Pool) -> None:
    assert not fallback.begin_if_stale(pool.name, now=after(180))
    assert fallback.begin_if_stale(pool.name, now=after(181))
    assert fallback.begin_if_stale(pool.name, now=after(182))
    assert _times(pool) == [("stale", after(181), None, "")]
    assert Fallback.objects.get().note == "last round: never"


def test_one_by_hand_stays_until_a_person_ends_it(pool: Pool) -> None:
    fallback.begin(pool.name, why=HAND, note="ada: the scorer is broken", now=NOON)
    assert not fallback.tries_rounds(pools.get(pool.name))
    assert fallback.succeeded(pool.name, now=after(60)) is None
    assert _state(pool) == ("fallback", 0)
    fallback.end(pool.name, by="ada", now=after(120))
    assert fallback.end(pool.name, by="ada", now=after(121)) is None
    assert _times(pool) == [("by hand", NOON, after(120), "ada")]
    assert fallback.tries_rounds(pools.get(pool.name))


def test_one_that_began_by_itself_tries_rounds_and_by_hand_takes_its_place(pool: Pool) -> None:
    first = fallback.begin(pool.name, why=Fallback.Why.FAILURES, now=NOON)
    assert fallback.tries_rounds(pools.get(pool.name))
    assert fallback.begin(pool.name, why=Fallback.Why.STALE, now=after(1)) == first
    second = fallback.begin(pool.name, why=HAND, now=after(2))
    assert fallback.begin(pool.name, why=Fallback.Why.FAILURES, now=after(3)) == second
    assert _times(pool) == [("failures", NOON, after(2), "by hand"), ("by hand", after(2), None, "")]
    assert not fallback.tries_rounds(pools.get(pool.name))


def test_everybody_is_told_when_it_begins_and_ends_and_nobody_by_whom(pool: Pool) -> None:
    for _ in range(3):
        fallback.failed(pool.name, now=after(60))
    fallback.begin(pool.name, why=HAND, note="ada's reasons", now=after(120))
    fallback.end(pool.name, by="ada", now=after(180))
    told = FeedEntry.objects.filter(kind__startswith="fallback", owner_type="", pool=pool.name).order_by("pk")
    assert [(entry.kind, entry.at, entry.data) for entry in told] == [
        ("fallback_began", after(60), {"why": "failures", "note": "3 rounds in a row"}),
        ("fallback_ended", after(120), {"why": "failures", "began_at": after(60).isoformat(), "ended_by": "a person"}),
        ("fallback_began", after(120), {"why": "by hand", "note": ""}),
        ("fallback_ended", after(180), {"why": "by hand", "began_at": after(120).isoformat(), "ended_by": "a person"}),
    ]


def test_a_pool_that_sells_again_is_not_stale_at_once(pool: Pool) -> None:
    fallback.begin(pool.name, why=HAND, now=after(1))
    fallback.end(pool.name, by="ada", now=after(3600))
    assert not fallback.is_stale(pools.get(pool.name), after(3600 + 180))
    settlement.stop_pool(pool.name, now=after(4000))
    assert not fallback.is_stale(pools.get(pool.name), after(9000))
    pools.resume(pool.name, now=after(9000))
    assert not fallback.is_stale(pools.get(pool.name), after(9180))
    assert fallback.is_stale(pools.get(pool.name), after(9181))


def test_a_stopped_pool_neither_sells_nor_gives(pool: Pool, worker: Agent) -> None:
    quest = factories.quest(into=pool)
    factories.quest_task(quest, 5)
    _giving(pool)
    settlement.stop_pool(pool.name, now=after(1))
    assert _times(pool) == [("by hand", NOON, after(1), "the pool was stopped")]
    told = FeedEntry.objects.get(kind="fallback_ended")
    assert told.data == {"why": "by hand", "began_at": NOON.isoformat(), "ended_by": "the pool was stopped"}
    assert gifts.give(pools.get(pool.name), to=worker, now=after(2)) is None
    assert not fallback.tries_rounds(pools.get(pool.name))
    with refused(errors.PoolStoppedError):
        fallback.begin(pool.name, why=HAND, now=after(3))


# What is given, and to whom


def _given(pool: Pool, worker: Agent, number: int, *, start: float = 1) -> list[str]:
    """Return the tasks of so many gifts, a second apart."""
    given = [gifts.give(pool, to=worker, now=after(start + second)) for second in range(number)]
    return [gift.winning_task_id if gift else "-" for gift in given]


def test_a_gift_is_claimed_costs_nothing_and_takes_slot_and_task(pool: Pool, worker: Agent) -> None:
    quest = factories.quest("q", into=pool)
    work = factories.quest_task(quest, 5)
    gift = gifts.give(_giving(pool), to=worker, now=after(1))
    assert gift is not None
    assert (gift.is_given, gift.state, gift.round, gift.bid) == (True, "sold", None, None)
    assert (gift.account_id, gift.winning_task_id) == (quest.account_id, work.pk)
    assert (gift.clearing_price_tokens, gift.charge_tokens, gift.max_price_tokens) == (0, 0, 0)
    assert (gift.runner, gift.runner_kind, gift.runner_account_id) == (worker, "worker", None)
    assert (gift.claimed_at, gift.claim_until, gift.start_by) == (after(1), after(61), after(301))
    assert (Slot.objects.get(pk=gift.slot_id).state, Task.objects.get(pk=work.pk).state) == ("given", "taken")
    told = FeedEntry.objects.get(kind="given")
    assert (told.owner_type, told.owner_id, told.pool, told.at) == ("quest", "q", pool.name, after(1))
    assert told.data == {"slot_id": gift.slot_id, "task_id": work.pk, "charge_tokens": 0}


def test_a_pool_that_sells_gives_nothing(pool: Pool, worker: Agent) -> None:
    factories.quest_task(factories.quest(into=pool), 5)
    factories.slots(pool, 1)
    assert gifts.give(pool, to=worker, now=after(1)) is None


def test_the_best_task_is_given_first_ties_by_id(pool: Pool, worker: Agent) -> None:
    quest = factories.quest(into=pool)
    for name, value in (("b", 7), ("a", 7), ("c", 9), ("d", 1)):
        factories.quest_task(quest, value, name=name)
    assert _given(_giving(pool), worker, 4) == ["c", "a", "b", "d"]


def test_owners_take_turns_by_their_part_of_the_days_split(pool: Pool, worker: Agent) -> None:
    pools.configure(pool.name, capacity=8)
    for name, value in (("large", 6), ("middle", 3), ("small", 1)):
        quest = factories.quest(name, into=pool)
        for number in range(5):
            factories.quest_task(quest, value, name=f"{name}-{number}")
    # Of ten slots six, three and one. Before each gift: share * (given + 1) - own.
    turns = [task.split("-")[0] for task in _given(_giving(pool), worker, 8)]
    assert turns == ["large", "middle", "large", "large", "middle", "large", "small", "large"]
    shares = FallbackShare.objects.order_by("-share").values_list("share", "given")
    assert [(float(share), given) for share, given in shares] == [(0.6, 5), (0.3, 2), (0.1, 1)]


def test_the_split_is_made_once_a_day(pool: Pool, worker: Agent) -> None:
    quest = factories.quest("old", into=pool)
    for number in range(4):
        factories.quest_task(quest, 1, name=f"old-{number}")
    giving = _giving(pool)
    assert _given(giving, worker, 1) == ["old-0"]
    factories.quest_task(factories.quest("new", into=pool), 100, name="new-0")
    # Who came later has no share in today's split and waits till the others have nothing; tomorrow it has.
    assert _given(giving, worker, 1, start=5) == ["old-1"]
    assert _given(giving, worker, 1, start=86_400) == ["new-0"]
    assert FallbackShare.objects.values("day").distinct().count() == 2


def test_who_has_no_share_gets_what_the_others_leave(pool: Pool, worker: Agent) -> None:
    factories.quest_task(factories.quest("old", into=pool), 1, name="old-0")
    giving = _giving(pool)
    assert _given(giving, worker, 1) == ["old-0"]
    new = factories.quest("new", into=pool)
    factories.quest_task(new, 1, name="new-0")
    assert _given(giving, worker, 1, start=5) == ["new-0"]
    assert FallbackShare.objects.get(account=new.account).given == 1


def test_an_agents_own_tasks_count_as_one_quest_and_go_to_itself_only(pool: Pool, worker: Agent) -> None:
    other = factories.agent("other")
    for owner in (worker, other):
        for number in range(2):
            factories.task(factories.wallet(owner=owner), f"{owner.pk}-{number}", expected_value_usd=Decimal(5))
    factories.quest_task(factories.quest(into=pool), 10, name="of the quest")
    giving = _giving(pool)
    # One of three owners each, worth 10 by 10 by 10: the lower account first.
    assert _given(giving, worker, 4) == ["worker-0", "of the quest", "worker-1", "-"]
    assert _given(giving, other, 1, start=9) == ["other-0"]


@pytest.fixture
def quest(pool: Pool) -> Quest:
    return factories.quest("q", into=pool)


def test_a_blocked_task_is_not_given(pool: Pool, quest: Quest, worker: Agent) -> None:
    first = factories.quest_task(quest, 1, name="first")
    factories.quest_task(quest, 9, name="second", needs=[first])
    assert _given(_giving(pool), worker, 2) == ["first", "-"]


def test_a_task_whose_envelope_is_closed_is_not_given(pool: Pool, quest: Quest, worker: Agent) -> None:
    frozen, empty, open_ = (factories.envelope(tokens=tokens) for tokens in (100, 0, 100))
    stops.freeze([frozen.pk], author=factories.REVIEWER, now=NOON)
    for value, name, of in ((9, "frozen", frozen), (8, "empty", empty), (1, "open", open_)):
        factories.quest_task(quest, value, name=name, entity=(of.entity_type, of.entity_id))
    factories.quest_task(quest, 7, name="no envelope for its cost", expected_cost_tokens=10, model="deep-1")
    factories.quest_task(quest, 0, name="no envelope and no cost")
    assert _given(_giving(pool), worker, 3) == ["open", "no envelope and no cost", "-"]


def test_the_tasks_of_a_quest_that_is_closed_to_the_agent_or_inactive_are_not_given(pool: Pool, worker: Agent) -> None:
    closed = factories.quest("closed", into=pool, members_only=True)
    factories.quest_task(closed, 9, name="for members")
    factories.quest_task(factories.quest("asleep", into=pool, is_active=False), 9)
    factories.quest_task(factories.quest("elsewhere", into=factories.pool()), 9)
    assert _given(_giving(pool), worker, 1) == ["-"]
    Member.objects.create(quest=closed, agent=worker)
    assert _given(pools.get(pool.name), worker, 1) == ["for members"]


def test_the_open_bid_of_a_task_that_is_given_is_closed_and_its_hold_released(pool: Pool, worker: Agent) -> None:
    quest = factories.quest("q", 1000, into=pool)
    first, second = (factories.quest_task(quest, value) for value in (9, 8))
    standing = factories.bid(quest.account, 300, pool, work=first)
    over = factories.bid(quest.account, 200, pool, work=second, lives=1)
    _given(_giving(pool), worker, 2, start=5)
    states = Bid.objects.in_bulk([standing.pk, over.pk])
    assert [states[bid.pk].status for bid in (standing, over)] == ["cancelled", "expired"]
    quest.account.refresh_from_db()
    assert (quest.account.held, quest.account.balance) == (0, 1000)


def test_a_bid_that_had_expired_when_its_task_is_given_is_told_of(pool: Pool, worker: Agent) -> None:
    quest = factories.quest("q", 1000, into=pool)
    task = factories.quest_task(quest, 5, name="t")
    factories.bid(quest.account, 50, pool, work=task, lives=30)
    clear = gifts.give(_giving(pool), to=worker, now=after(60))
    assert clear is not None
    told = FeedEntry.objects.filter(owner_id=quest.pk).order_by("pk").values_list("kind", "data__task_ids")
    assert list(told) == [("expired", ["t"]), ("given", None)]


def test_a_task_that_was_refused_at_its_start_lets_others_go_first(pool: Pool, quest: Quest, worker: Agent) -> None:
    factories.envelope("h1")
    entity = ("hypothesis", "h1")
    factories.quest_task(quest, 9, name="a", entity=entity, model="unheard-of", expected_cost_tokens=5)
    factories.quest_task(quest, 1, name="b")
    first = gifts.give(_giving(pool), to=worker, now=after(1))
    assert first is not None
    assert isinstance(runs.start(first.slot_id, runner=worker, now=after(2)), AdmissionRefusedError)
    second = gifts.give(pool, to=worker, now=after(3))
    assert second is not None
    assert [first.winning_task_id, second.winning_task_id] == ["a", "b"]
    assert gifts.give(pool, to=worker, now=after(4)) is None
    third = gifts.give(pool, to=worker, now=after(601))
    assert third is not None
    assert third.winning_task_id == "a"


def test_a_task_that_bids_in_another_pool_waits_for_that_pool(pool: Pool, worker: Agent) -> None:
    wallet = factories.wallet(1000, owner=worker)
    work = factories.task(wallet)
    bid = factories.bid(wallet, 100, factories.pool("other"), work=work)
    assert _given(_giving(pool), worker, 1) == ["-"]
    order_book.cancel_bid(bid.pk, wallet=wallet.pk, now=after(5))
    assert _given(pools.get(pool.name), worker, 1, start=6) == [work.pk]


def test_fallback_tops_the_pool_up_and_gives_no_more_than_its_capacity(pool: Pool, quest: Quest, worker: Agent) -> None:
    for number in range(6):
        factories.quest_task(quest, 1, name=f"t{number}")
    assert _given(_giving(pool), worker, 6) == ["t0", "t1", "t2", "t3", "-", "-"]
    assert Slot.objects.filter(pool=pool).count() == pool.capacity


def test_a_slot_offered_for_a_price_of_its_own_or_for_later_is_not_given(
    pool: Pool, quest: Quest, worker: Agent
) -> None:
    pools.configure(pool.name, capacity=0)
    provider = factories.agent("provider", kind="provider")
    for number in range(3):
        factories.quest_task(quest, 1, name=f"t{number}")
    factories.slot(pool, provider=provider, reserve=5)
    factories.slot(pool, provider=provider, available_at=after(600))
    factories.slot(pool, provider=provider, offer_until=after(1))
    free = factories.slot(pool, provider=provider)
    assert _given(_giving(pool), worker, 2) == ["t0", "-"]
    assert Clear.objects.get().slot == free


def test_a_gift_runs_and_settles_without_a_charge(pool: Pool, quest: Quest, worker: Agent) -> None:
    work = factories.quest_task(quest, 1)
    gift = gifts.give(_giving(pool), to=worker, now=after(1))
    assert gift is not None
    runs.start(gift.slot_id, runner=worker, now=after(2))
    done = settlement.finish(gift.slot_id, actual_cost_tokens=50, now=after(3), runner=worker)
    assert (done.state, Task.objects.get(pk=work.pk).state) == ("finished", "done")
    assert not Transfer.objects.filter(reason="capture").exists()


def test_a_gift_nobody_starts_is_given_again(pool: Pool, quest: Quest, worker: Agent) -> None:
    pools.configure(pool.name, capacity=1)
    factories.quest_task(quest, 1, name="only")
    giving = _giving(pool)
    assert _given(giving, worker, 2) == ["only", "-"]
    settlement.sweep(now=after(301))
    assert _given(giving, worker, 1, start=302) == ["only"]


def test_giving_asks_as_often_with_many_tasks_as_with_few(pool: Pool, worker: Agent) -> None:
    pools.configure(pool.name, capacity=10)
    counts = []
    giving = _giving(pool)
    for size in (1, 30):
        for _ in range(size):
            quest = factories.quest(into=pool)
            factories.quest_task(quest, 1)
            factories.quest_task(quest, 1)
        gifts.give(giving, to=worker, now=NOON + timedelta(days=size))
        with CaptureQueriesContext(connection) as queries:
            assert gifts.give(giving, to=worker, now=NOON + timedelta(days=size, seconds=1))
        counts.append(len(queries))
    assert counts[0] == counts[1]
