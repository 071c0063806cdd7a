"""The proportional split on worked numbers, and its laws on random ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from auction import clearing, order_book, split
from auction.models import Clear, Quest
from economics.money import largest_remainder
from tests import factories
from tests.auction import wins
from tests.factories import NOON, after

pytestmark = pytest.mark.django_db
USD = st.decimals(0, 10**6, places=12)


def _quest(name: str, *values: int | str, **terms: Any) -> Quest:
    """Return a quest whose tasks are worth so much."""
    quest = factories.quest(name, **terms)
    for value in values:
        factories.quest_task(quest, value)
    return quest


def _split(total: int = 100, *, pool: str | None = None) -> dict[str, int]:
    return {one.quest_id: one.tokens for one in split.get_quest_budget_allocation(total, now=after(3600), pool=pool)}


def _reliability(quest: Quest) -> Decimal:
    found = {one.quest_id: one for one in split.get_quest_budget_allocation(1, now=after(3600))}
    return found[quest.pk].reliability


def test_quests_get_by_the_value_of_their_tasks() -> None:
    _quest("a", 10, 20)
    _quest("b", 30)
    _quest("c", 40)
    assert _split(1_000) == {"a": 300, "b": 300, "c": 400}


def test_the_example_of_the_framework_page() -> None:
    made = {name: _quest(name, value) for name, value in (("A", 30), ("B", 30), ("C", 25))}
    pool = factories.pool()
    wins.graded(made["B"].account, 30, 15, into=pool, number=10)
    wins.graded(made["C"].account, 10, 0, into=pool, number=4)
    assert _split(50_000) == {"A": 30_000, "B": 15_000, "C": 5_000}


def test_an_allocation_says_what_it_follows_from() -> None:
    quest = _quest("a", 10, "0.5")
    _quest("b", "31.5")
    first, _ = split.get_quest_budget_allocation(7, now=NOON)
    assert first == split.Allocation("a", quest.account_id, 2, Decimal("0.25"), Decimal("10.5"), Decimal(1))


def test_tokens_left_over_go_to_the_largest_remainders_then_to_the_lower_id() -> None:
    for name in ("c", "B", "a"):
        _quest(name, 1)
    assert _split(100) == {"B": 34, "a": 33, "c": 33}  # by the order of the code points, whatever the database's
    assert _split(101) == {"B": 34, "a": 34, "c": 33}


def test_where_nobody_expects_anything_all_get_alike() -> None:
    _quest("a")
    _quest("b", 0)
    assert _split(11) == {"a": 6, "b": 5}
    assert [one.share for one in split.get_quest_budget_allocation(11, now=NOON)] == [Decimal("0.5")] * 2


def test_no_quests_get_nothing() -> None:
    assert _split() == {}


def test_inactive_quests_get_nothing() -> None:
    _quest("a", 10, is_active=False)
    _quest("b", 1)
    assert _split() == {"b": 100}


def test_only_open_tasks_that_nothing_blocks_count() -> None:
    quest = _quest("a", 10)
    factories.quest_task(quest, 100, needs=[factories.quest_task(quest, 5)])
    for state in ("taken", "done", "cancelled"):
        factories.quest_task(quest, 1_000, state=state)
    _quest("b", 15)
    assert _split() == {"a": 50, "b": 50}


def test_no_more_tasks_count_than_the_pool_has_slots_a_day() -> None:
    # Two slots at a time, each for a third of a day: six a day.
    small = factories.pool(capacity=2, cycle_seconds=8 * 3600)
    _quest("a", *[10] * 6, *[9] * 50, into=small)
    _quest("b", 60, into=small)
    assert _split() == {"a": 50, "b": 50}


def test_a_pool_of_providers_slots_alone_counts_the_best_task() -> None:
    theirs = factories.pool(capacity=0)
    _quest("a", 10, 10, 10, into=theirs)
    _quest("b", 30, into=theirs)
    assert _split() == {"a": 25, "b": 75}


def test_one_pool_splits_between_its_own_quests() -> None:
    here = factories.pool()
    _quest("a", 1, into=here)
    _quest("b", 1)
    assert _split(pool=here.name) == {"a": 100}
    assert _split() == {"a": 50, "b": 50}


def test_reliability_starts_at_one_and_each_of_five_graded_wins_takes_the_place_of_a_fifth() -> None:
    quest, pool = _quest("a", 10), factories.pool()
    _quest("b", 30)
    assert _reliability(quest) == 1
    wins.graded(quest.account, 10, 5, into=pool)
    assert _reliability(quest) == Decimal("0.9")  # 1 - 0.5 · 1 / 5
    wins.graded(quest.account, 10, 5, into=pool, number=3)
    assert _reliability(quest) == Decimal("0.6")
    wins.graded(quest.account, 10, 5, into=pool, number=6)
    assert _reliability(quest) == Decimal("0.5")


def test_reliability_looks_at_the_last_twenty_graded_wins() -> None:
    quest, pool = _quest("a", 10), factories.pool()
    wins.graded(quest.account, 10, 2, into=pool, number=100)
    assert _reliability(quest) == Decimal("0.2")
    wins.graded(quest.account, 10, 10, into=pool, number=10)
    assert _reliability(quest) == Decimal("0.6")  # (10 · 2 + 10 · 10) / (20 · 10)
    wins.graded(quest.account, 10, 10, into=pool, number=10)
    assert _reliability(quest) == 1


def test_reliability_does_not_exceed_one() -> None:
    quest = _quest("a", 10)
    wins.graded(quest.account, 10, 1_000, into=factories.pool())
    assert _reliability(quest) == 1


def test_sums_are_compared_so_that_a_trifle_does_not_make_up_for_a_large_promise() -> None:
    quest, pool = _quest("a", 1_000), factories.pool()
    wins.graded(quest.account, 1_000, 0, into=pool)
    wins.graded(quest.account, "0.01", 10, into=pool, number=19)
    assert round(_reliability(quest), 4) == Decimal("0.19")  # 190 / 1,000.19; the mean of the ratios is 950


def test_a_win_of_which_nothing_was_expected_breaks_no_promise() -> None:
    quest = _quest("a", 10)
    wins.graded(quest.account, 0, 0, into=factories.pool(), number=5)
    assert _reliability(quest) == 1


def test_what_is_not_graded_yet_is_not_judged() -> None:
    quest = _quest("a", 10)
    wins.graded(quest.account, 10, 0, into=factories.pool(), number=5, at=after(3_601))
    assert _reliability(quest) == 1


def test_reliability_multiplies_the_value() -> None:
    quest = _quest("a", 10)
    _quest("b", 10)
    wins.graded(quest.account, 8, 2, into=factories.pool(), number=15)
    assert _split(125) == {"a": 25, "b": 100}


@pytest.mark.parametrize("promise", [10, 10**3, 10**9])
def test_who_keeps_nothing_counts_a_tenth_of_the_average_whatever_it_promises(promise: int) -> None:
    quest = _quest("a", promise)
    _quest("b", 20)
    wins.graded(quest.account, promise, 0, into=factories.pool(), number=5)
    assert _split(105) == {"a": 5, "b": 100}  # on average they weigh (0 + 20) / 2; a tenth of that is 1


def test_what_is_left_to_who_keeps_nothing_is_no_more_than_it_promises() -> None:
    quest = _quest("a", 1)
    _quest("b", 999)
    wins.graded(quest.account, 10, 0, into=factories.pool(), number=5)
    assert _split(1_000) == {"a": 1, "b": 999}


def test_where_nobody_kept_anything_all_get_alike() -> None:
    pool = factories.pool()
    for name, value in (("a", 1), ("b", 100)):
        wins.graded(_quest(name, value).account, 10, 0, into=pool, number=5)
    assert _split() == {"a": 50, "b": 50}


def test_what_the_bid_promised_is_not_taken_back_by_the_task() -> None:
    pool = factories.pool()
    worker = factories.agent()
    wallet = factories.wallet(1_000, owner=worker)
    task = factories.task(wallet, expected_value_usd=Decimal(10))
    factories.slot(pool)
    order_book.place_bid(
        wallet=wallet.pk,
        task_id=task.pk,
        max_price_tokens=5,
        ttl_at=after(60),
        now=NOON,
        pool=pool.name,
        expected_value_usd=Decimal(40),
    )
    clearing.clear_round(NOON, pool.name)
    factories.run(Clear.objects.get(), 100, Decimal(20), at=after(1))
    factories.task(wallet, expected_value_usd=Decimal(1))
    (owner,) = split.owners(pool, now=after(60))
    assert owner.reliability == Decimal("0.9")  # 1 - (1 - 20 / 40) · 1 / 5


def test_agents_with_tasks_of_their_own_are_owners_of_slots_but_not_of_stipends() -> None:
    pool = factories.pool()
    quest = _quest("a", 10, into=pool)
    wallet = factories.wallet()
    factories.task(wallet, expected_value_usd=Decimal(5))
    factories.wallet()  # has no task
    found = split.owners(pool, now=NOON)
    assert found == [
        split.Owner(wallet.pk, "", Decimal(5), Decimal(1)),
        split.Owner(quest.account_id, "a", Decimal(10), Decimal(1)),
    ]
    assert split.shares(found) == [Decimal("0.333333333333333333"), Decimal("0.666666666666666666")]
    assert _split() == {"a": 100}


def test_the_split_is_one_statement_however_many_quests() -> None:
    for number in range(12):
        _quest(f"q{number}", 1, 2, 3)
    with CaptureQueriesContext(connection) as queries:
        assert len(_split()) == 12
    assert len(queries) == 1


@pytest.mark.parametrize("boast", [1, 2, 10, 100, 10**6])
def test_boasting_brings_nothing_once_five_wins_are_graded(boast: int) -> None:
    _quest("honest", 10)
    boaster = _quest("boaster", 10 * boast)
    wins.graded(boaster.account, 10 * boast, 10, into=factories.pool(), number=5)
    assert _split() == {"boaster": 50, "honest": 50}


@pytest.mark.parametrize(("graded", "times"), [(0, "10"), (1, "8.2"), (2, "6.4"), (3, "4.6"), (4, "2.8"), (5, "1")])
def test_each_graded_win_takes_a_fifth_of_a_boast(graded: int, times: str) -> None:
    boaster = _quest("boaster", 100)
    wins.graded(boaster.account, 100, 10, into=factories.pool(), number=graded)
    (found,) = split.get_quest_budget_allocation(1, now=after(3600))
    assert found.value_usd * found.reliability == 10 * Decimal(times)


@given(
    total=st.integers(0, 10**15),
    owners=st.lists(st.tuples(USD, st.decimals("0.1", 1, places=18)), min_size=1, max_size=20),
)
def test_parts_and_shares_sum_up(total: int, owners: list[tuple[Decimal, Decimal]]) -> None:
    made = [split.Owner(number, f"q{number}", value, r) for number, (value, r) in enumerate(owners)]
    parts = largest_remainder(total, [owner.weight for owner in made])
    shares = split.shares(made)
    assert sum(parts) == total
    assert 1 - len(made) * Decimal("1e-18") < sum(shares) <= 1
    for part, share in zip(parts, shares, strict=True):
        assert abs(part - total * share) <= 1 + total * Decimal("1e-18")


@given(
    total=st.integers(0, 10**9),
    values=st.lists(USD, min_size=2, max_size=8),
    more=USD,
    r=st.decimals("0.1", 1, places=18),
)
def test_more_value_or_reliability_never_gets_less(
    total: int, values: list[Decimal], more: Decimal, r: Decimal
) -> None:
    def first(value: Decimal, reliability: Decimal) -> int:
        made = [split.Owner(0, "q0", value, reliability)]
        made += [split.Owner(n, f"q{n}", v, Decimal(1)) for n, v in enumerate(values[1:], start=1)]
        if not any(owner.weight for owner in made):
            return 0  # all alike: whoever then is worth something gets all
        return largest_remainder(total, [owner.weight for owner in made])[0]

    before = first(values[0], r)
    assert first(values[0] + more, r) >= before
    assert first(values[0], Decimal(1)) >= before


def test_weight_is_exact() -> None:
    owner = split.Owner(1, "q", Decimal("999999999999999999.999999999999"), Decimal("0.999999999999999999"))
    assert owner.weight == 999999999999999999999999999999 * 999999999999999999
