"""What quests bid by themselves: how much, for which tasks, and what becomes of a bid that no longer fits."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from auction import bidder, clearing, errors, next_task, pools, runs
from auction.models import Bid, BidCycle, Clear, Need, Pool, Quest, Task
from economics import envelopes, stops
from economics.errors import AdmissionRefusedError
from tests import factories
from tests.factories import NOON, REVIEWER, after, refused

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = pytest.mark.django_db

A_TOKEN = Decimal("0.0001")  # USD of a wallet token, in every pool of a test


@pytest.fixture
def pool() -> Pool:
    """Return a pool whose cycle is a minute and whose reserve is 10 tokens."""
    return factories.pool(reserve_tokens=10)


def work(quest: Quest, tokens: int, name: str = "", **terms: Any) -> Task:
    """Return a task worth so many wallet tokens."""
    return factories.task(quest.account, name, quest=quest, expected_value_usd=tokens * A_TOKEN, **terms)


def cycle(pool: Pool, at: datetime = NOON) -> BidCycle:
    """Let the quests bid."""
    return bidder.submit_bids_for_tasks(now=at, pool=pool.name)


def standing(quest: Quest) -> dict[str, int]:
    """Return the open bids of a quest: price by task."""
    mine = Bid.objects.filter(account=quest.account, status="open")
    return dict(mine.values_list("task_id", "max_price_tokens"))


def test_a_quest_bids_six_tenths_of_each_value(pool: Pool) -> None:
    quest = factories.quest(tokens=10_000, into=pool)
    work(quest, 1_000, "a")
    work(quest, 333, "b")
    done = cycle(pool)
    assert standing(quest) == {"a": 600, "b": 199}
    assert (done.tasks, done.placed, done.kept, done.withdrawn, done.placed_tokens) == (2, 2, 0, 0, 799)
    assert done.reasons == {}
    bids = Bid.objects.filter(account=quest.account)
    assert {bid.time_in_force for bid in bids} == {"gtd"}
    assert all(bid.is_automatic and bid.bidder_id == quest.pk for bid in bids)
    quest.account.refresh_from_db()
    assert quest.account.held == 799


def test_no_bid_is_above_the_wallets_share_per_task(pool: Pool) -> None:
    quest = factories.quest(tokens=1_000, into=pool)
    for name in ("a", "b", "c"):
        work(quest, 10_000, name)
    cycle(pool)
    assert standing(quest) == {"a": 333, "b": 333, "c": 333}


def test_what_is_held_for_automatic_bids_counts_as_the_wallets(pool: Pool) -> None:
    quest = factories.quest(tokens=900, into=pool)
    for name in ("a", "b", "c"):
        work(quest, 10_000, name)
    cycle(pool)
    assert cycle(pool, after(60)).kept == 3
    assert standing(quest) == {"a": 300, "b": 300, "c": 300}


def test_a_cycle_bids_once(pool: Pool) -> None:
    quest = factories.quest(tokens=1_000, into=pool)
    work(quest, 500, "a")
    first = cycle(pool)
    work(quest, 500, "b")
    assert cycle(pool, after(59)) == first
    assert standing(quest) == {"a": 300}
    assert cycle(pool, after(60)).placed == 1


def test_a_bid_stands_until_it_is_more_than_a_tenth_off(pool: Pool) -> None:
    quest = factories.quest(tokens=10_000, into=pool)
    task = work(quest, 1_000, "a")
    cycle(pool)
    first = Bid.objects.get(task=task)
    Task.objects.filter(pk="a").update(expected_value_usd=1_100 * A_TOKEN)  # 660: 60 is within 66
    assert cycle(pool, after(60)).kept == 1
    Task.objects.filter(pk="a").update(expected_value_usd=1_120 * A_TOKEN)  # 672: 72 is beyond 67.2
    done = cycle(pool, after(120))
    assert (done.placed, done.kept, done.withdrawn) == (1, 0, 0)
    first.refresh_from_db()
    assert first.status == "cancelled"
    assert standing(quest) == {"a": 672}


def test_a_bid_just_a_tenth_off_stands(pool: Pool) -> None:
    quest = factories.quest(tokens=10_000, into=pool)
    work(quest, 1_100, "a")
    cycle(pool)
    Task.objects.filter(pk="a").update(expected_value_usd=1_000 * A_TOKEN)  # 600: 60 below
    assert (cycle(pool, after(60)).kept, standing(quest)) == (1, {"a": 660})


def test_a_bid_of_a_task_that_got_blocked_is_withdrawn(pool: Pool) -> None:
    quest = factories.quest(tokens=1_000, into=pool)
    first, second = work(quest, 500, "a"), work(quest, 500, "b")
    cycle(pool)
    Need.objects.create(task=second, needs=first)
    done = cycle(pool, after(60))
    assert (done.tasks, done.withdrawn, done.reasons) == (1, 1, {"task_blocked": 1})
    assert standing(quest) == {"a": 300}
    quest.account.refresh_from_db()
    assert quest.account.held == 300


def test_an_inactive_quest_takes_its_bids_back(pool: Pool) -> None:
    quest = factories.quest(tokens=1_000, into=pool)
    work(quest, 500, "a")
    cycle(pool)
    Quest.objects.filter(pk=quest.pk).update(is_active=False)
    assert cycle(pool, after(60)).withdrawn == 1
    assert standing(quest) == {}


def test_what_is_worth_less_than_the_reserve_is_not_bid_for(pool: Pool) -> None:
    quest = factories.quest(tokens=1_000, into=pool)
    work(quest, 16, "a")  # 9 of a reserve of 10
    work(quest, 17, "b")
    done = cycle(pool)
    assert standing(quest) == {"b": 10}
    assert done.reasons == {"value_below_reserve": 1}


def test_a_wallet_too_small_for_its_backlog_says_so(pool: Pool) -> None:
    quest = factories.quest(tokens=19, into=pool)
    work(quest, 500, "a")
    work(quest, 400, "b")
    done = cycle(pool)
    assert (standing(quest), done.reasons) == ({}, {"wallet_too_small": 2})


def test_the_best_tasks_bid_while_they_fit(pool: Pool) -> None:
    """What stands a tenth above its target leaves less than the targets of the rest."""
    quest = factories.quest(tokens=300, into=pool, strategy="paced")
    work(quest, 200, "b")
    work(quest, 90, "c")
    work(quest, 300, "a")
    work(quest, 90, "d")
    done = cycle(pool)
    assert standing(quest) == {"a": 300}
    assert done.reasons == {"wallet_too_small": 3}


def test_a_bid_that_stands_does_not_keep_a_better_task_out(pool: Pool) -> None:
    """Each of twenty holds a twentieth, which is no more than a tenth above a share of 21."""
    quest = factories.quest(tokens=1_000, into=pool)
    for number in range(20):
        work(quest, 100 + number, f"old-{number:02}")
    cycle(pool)
    assert sum(standing(quest).values()) == 1_000
    work(quest, 5_000, "best")
    done = cycle(pool, after(60))
    assert (done.placed, done.kept, done.withdrawn) == (1, 19, 1)
    assert done.reasons == {"wallet_too_small": 1}
    held = standing(quest)
    assert held.pop("best") == 1_000 // 21
    assert set(held) == {f"old-{number:02}" for number in range(1, 20)}
    again = cycle(pool, after(120))
    assert (again.placed, again.kept, again.withdrawn) == (0, 20, 0)


def test_a_bid_that_stands_gives_no_room_to_a_better_one_that_does_not_fit_either(pool: Pool) -> None:
    quest = factories.quest(tokens=300, into=pool, strategy="paced")
    for tokens, name in ((160, "a"), (60, "c")):
        work(quest, tokens, name)
    cycle(pool)
    work(quest, 150, "b")
    done = cycle(pool, after(60))
    assert standing(quest) == {"a": 160, "c": 60}
    assert done.reasons == {"wallet_too_small": 1}


def test_a_task_whose_envelope_is_closed_does_not_bid(pool: Pool) -> None:
    quest = factories.quest(tokens=1_000, into=pool)
    frozen, spent = factories.envelope("frozen"), factories.envelope("spent", tokens=0)
    stops.freeze([frozen.pk], author=REVIEWER, now=NOON)
    work(quest, 500, "a", entity_type="hypothesis", entity_id=frozen.entity_id)
    work(quest, 500, "b", entity_type="hypothesis", entity_id=spent.entity_id)
    work(quest, 500, "c", entity_type="hypothesis", entity_id="unheard-of", expected_cost_tokens=5, model="m")
    work(quest, 500, "d", entity_type="hypothesis", entity_id="unheard-of")
    done = cycle(pool)
    assert done.reasons == {"envelope_exhausted": 1, "envelope_frozen": 1, "no_envelope": 1}
    assert standing(quest) == {"d": 250}


def test_a_task_whose_expected_cost_does_not_fit_does_not_bid(pool: Pool) -> None:
    """Its envelope would refuse it when it starts, as a whole or in the tier of its model."""
    factories.model()
    quest = factories.quest(tokens=10_000, into=pool)
    own = factories.envelope("h-narrow", tokens=1_000)
    factories.line(own, 100)
    entity = {"entity_type": own.entity_type, "entity_id": own.entity_id}
    work(quest, 500, "a", **entity, model="deep-1", expected_cost_tokens=100)
    work(quest, 500, "b", **entity, model="deep-1", expected_cost_tokens=101)
    work(quest, 500, "c", **entity, model="another", expected_cost_tokens=1_000)
    work(quest, 500, "d", **entity, model="another", expected_cost_tokens=1_001)
    assert cycle(pool).reasons == {"envelope_exhausted": 2}
    assert set(standing(quest)) == {"a", "c"}


def test_a_task_that_was_refused_at_its_start_rests_for_ten_cycles(pool: Pool) -> None:
    """The gate before the market does not see every reason: without a rest it would win each round, for nothing."""
    quest = factories.quest(tokens=1_000, into=pool)
    own = factories.envelope("h-1")
    work(quest, 500, "a", entity_type="hypothesis", entity_id="h-1", model="unheard-of", expected_cost_tokens=5)
    factories.slot(pool)
    cycle(pool)
    clearing.clear_round(NOON, pool.name)
    win, worker = Clear.objects.get(), factories.agent()
    assert next_task.next_task(worker, now=after(1), pool=pool.name).clear == win
    assert isinstance(runs.start(win.slot_id, runner=worker, now=after(30)), AdmissionRefusedError)
    assert factories.figures(own, at=after(30))[1:3] == (0, 0)

    for minute in (1, 9):
        assert cycle(pool, after(60 * minute)).reasons == {"refused_lately": 1}
    assert standing(quest) == {}
    assert cycle(pool, after(60 * 10)).placed == 1
    assert standing(quest) == {"a": 300}


def test_a_task_that_its_envelope_refused_bids_as_soon_as_there_is_room(pool: Pool) -> None:
    quest = factories.quest(tokens=1_000, into=pool)
    own = factories.envelope("h-1", tokens=100)
    factories.model()
    entity = {"entity_type": "hypothesis", "entity_id": "h-1"}
    work(quest, 500, "a", **entity, model="deep-1", expected_cost_tokens=80)
    factories.slot(pool)
    cycle(pool)
    clearing.clear_round(NOON, pool.name)
    win, worker = Clear.objects.get(), factories.agent()
    assert next_task.next_task(worker, now=after(1), pool=pool.name).clear == win
    factories.record(own, 50, at=after(10))
    assert isinstance(runs.start(win.slot_id, runner=worker, now=after(30)), AdmissionRefusedError)
    assert cycle(pool, after(60)).reasons == {"envelope_exhausted": 1}
    envelopes.change(own.pk, author=REVIEWER, now=after(90), token_budget=200)
    assert cycle(pool, after(120)).placed == 1


def test_a_bid_by_hand_is_left_alone(pool: Pool) -> None:
    quest = factories.quest(tokens=1_000, into=pool)
    task = work(quest, 500, "a")
    factories.bid(quest.account, 7 + 10, pool, work=task, lives=86_400)
    done = cycle(pool, after(60))
    assert standing(quest) == {"a": 17}
    assert done.reasons == {"bid_by_hand": 1}


def test_an_expired_bid_is_placed_anew(pool: Pool) -> None:
    quest = factories.quest(tokens=1_000, into=pool)
    work(quest, 500, "a")
    cycle(pool)
    week = NOON + timedelta(seconds=pool.max_ttl_seconds)
    assert cycle(pool, week).placed == 1
    (bid,) = Bid.objects.filter(account=quest.account, status="open")
    assert bid.placed_at == week


def test_a_stopped_pool_takes_no_bids(pool: Pool) -> None:
    pools.configure(pool.name, mode="stopped")
    with refused(errors.PoolStoppedError):
        cycle(pool)


def test_quests_of_another_pool_are_not_touched(pool: Pool) -> None:
    other = factories.quest(tokens=1_000, into=factories.pool())
    work(other, 500, "a")
    assert cycle(pool).tasks == 0
    assert standing(other) == {}


def test_a_paced_quest_bids_less_while_it_spends_too_fast(pool: Pool) -> None:
    quest = factories.quest(tokens=86_400, into=pool, strategy="paced")  # 60 tokens a cycle for a day
    for number in range(4):
        work(quest, 1_000, f"t{number}")
    factories.slots(pool, 1)
    other = factories.wallet(10_000)
    factories.bid(other, 500, pool)
    cycle(pool)
    assert set(standing(quest).values()) == {1_000}
    clearing.clear_round(NOON, pool.name)
    cycle(pool, after(60))
    quest.refresh_from_db()
    assert quest.pace == Decimal("0.208739823")  # e^(0.1 · (60 - 1,000) / 60): 1,000 were spent, 60 would have lasted
    cycle(pool, after(120))
    quest.refresh_from_db()
    assert round(quest.pace, 6) == Decimal("0.230693")  # e^0.1 times that: nothing was spent in that cycle


def test_a_paced_quest_spends_as_its_wallet_lasts_where_one_slot_costs_many_cycles(pool: Pool) -> None:
    quest = factories.quest(tokens=86_400, into=pool, strategy="paced")  # 60 tokens a cycle for a day
    for number in range(40):
        work(quest, 1_000, f"t{number:02}")
    other = factories.wallet(100_000)
    for minute in range(40):
        at = after(60 * minute)
        factories.slot(pool, available_at=at)
        factories.bid(other, 500, pool, at=at)
        cycle(pool, at)
        clearing.clear_round(at, pool.name)
    spent = sum(Clear.objects.filter(account=quest.account).values_list("charge_tokens", flat=True))
    assert 1_500 <= spent <= 3_500  # 2,400 are due in 40 cycles; a slot costs 500


def test_as_many_statements_for_fifty_tasks_as_for_one(pool: Pool, django_assert_num_queries: Any) -> None:
    quest = factories.quest(tokens=100_000, into=pool)
    work(quest, 500, "a")
    with django_assert_num_queries(23):
        cycle(pool)
    for number in range(50):
        work(quest, 500, f"t{number}")
    with django_assert_num_queries(23):
        cycle(pool, after(60))
