"""Worked rounds of the mechanism, read like a textbook."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from auction.mechanism import Ask, Award, Bid, Result, Rule, clear, frontier_is_complete
from tests.shared_files import shared_cases

A, B, C, D = 1, 2, 3, 4


def bids_of(*rows: tuple[int, int]) -> list[Bid]:
    """Make bids from (owner, price) in time order, numbered from 1."""
    return [Bid(number, owner, price, number) for number, (owner, price) in enumerate(rows, 1)]


def slots(*prices: int) -> list[Ask]:
    """Make slots s1, s2, … that become available one after the other."""
    return [Ask(f"s{number}", price, number) for number, price in enumerate(prices, 1)]


def charges(result: Result) -> dict[str, int]:
    """Return slot → charge."""
    return {award.slot_id: award.charge for award in result.awards}


def runners_up(result: Result) -> dict[int, int | None]:
    """Return winning bid → runner-up bid."""
    return {award.bid_id: award.runner_up_bid_id for award in result.awards}


def check_case(case: dict[str, Any], asks: list[Ask]) -> None:
    """Clear one handed-out case under both rules and compare every figure it names."""
    owners = {name: number for number, (name, _) in enumerate(case["bids"])}
    names = {number: name for name, number in owners.items()}
    bids = bids_of(*((owners[name], price) for name, price in case["bids"]))
    owner_of = {bid.id: names[bid.owner] for bid in bids}
    for rule in Rule:
        result = clear(bids, asks, rule)
        paid: Counter[str] = Counter()
        for award in result.awards:
            paid[owner_of[award.bid_id]] += award.charge
        assert sorted(owner_of[award.bid_id] for award in result.awards) == sorted(case["winners"]), case["why"]
        assert result.market_price == case["price"], case["why"]
        assert dict(paid) == case[rule], case["why"]


def test_cases_with_one_reserve() -> None:
    cases = json.loads(shared_cases("clearing.json").read_text())["one_sided"]
    for case in cases:
        check_case(case, slots(*[case["reserve"]] * case["k"]))


def test_cases_with_asks_of_operators() -> None:
    cases = json.loads(shared_cases("clearing.json").read_text())["operator_asks"]
    for case in cases:
        check_case(case, slots(*case["asks"]))


def test_ten_bids_for_five_slots_pay_the_sixth() -> None:
    bids = bids_of(*((owner, owner * 1_000) for owner in range(1, 11)))
    result = clear(bids, slots(0, 0, 0, 0, 0), Rule.UNIFORM)
    assert result == Result(5_000, tuple(Award(5 + n, f"s{n}", 5_000, 5) for n in range(1, 6)))


def test_slots_are_dealt_by_time_and_not_by_price() -> None:
    bids = [Bid(1, A, 50, 30), Bid(2, B, 90, 20), Bid(3, C, 70, 10)]
    asks = [Ask("late", 5, 9), Ask("b", 5, 3), Ask("a", 5, 3)]
    awards = clear(bids, asks, Rule.UNIFORM).awards
    assert [(award.bid_id, award.slot_id) for award in awards] == [(3, "a"), (2, "b"), (1, "late")]
    asks = [Ask("cheap", 2, 9), Ask("dear", 5, 3)]
    awards = clear(bids, asks, Rule.UNIFORM).awards
    assert [(award.bid_id, award.slot_id) for award in awards] == [(3, "dear"), (2, "cheap")]


def test_equal_bids_go_by_time_then_id() -> None:
    bids = [Bid(1, A, 70, 20), Bid(3, B, 70, 10), Bid(2, C, 70, 10)]
    assert [award.bid_id for award in clear(bids, slots(0), Rule.UNIFORM).awards] == [2]
    assert [award.bid_id for award in clear(bids, slots(0, 0), Rule.UNIFORM).awards] == [2, 3]


def test_equal_asks_are_sold_by_time_then_slot() -> None:
    asks = [Ask("c", 5, 20), Ask("b", 5, 10), Ask("a", 5, 10)]
    assert charges(clear(bids_of((A, 9)), asks, Rule.UNIFORM)) == {"a": 5}
    assert charges(clear(bids_of((A, 9), (B, 9)), asks, Rule.UNIFORM)) == {"a": 5, "b": 5}


def test_dearest_slots_are_kept() -> None:
    assert charges(clear(bids_of((A, 9), (B, 8)), slots(7, 2, 5), Rule.UNIFORM)) == {"s2": 5, "s3": 5}


def test_nothing_sold_has_no_price() -> None:
    assert clear(bids_of((A, 4)), slots(5), Rule.UNIFORM) == Result(None, ())


def test_bid_stands_before_an_equal_ask() -> None:
    assert clear(bids_of((A, 9), (B, 5)), slots(5, 5), Rule.UNIFORM).market_price == 5
    assert len(clear(bids_of((A, 9), (B, 5)), slots(5, 5), Rule.UNIFORM).awards) == 2


def test_runner_up_is_the_best_loser_of_another_owner() -> None:
    result = clear(bids_of((A, 90), (B, 80), (A, 70), (B, 60), (C, 50)), slots(0, 0), Rule.UNIFORM)
    assert runners_up(result) == {1: 4, 2: 3}


def test_runner_up_may_lie_below_the_reserve() -> None:
    assert runners_up(clear(bids_of((A, 90), (B, 3)), slots(40, 40), Rule.UNIFORM)) == {1: 2}


def test_no_other_owner_loses_and_there_is_no_runner_up() -> None:
    assert runners_up(clear(bids_of((A, 90), (A, 80)), slots(0), Rule.UNIFORM)) == {1: None}


def test_vickrey_puts_the_highest_charge_on_the_dearest_slot() -> None:
    result = clear(bids_of((A, 40), (A, 30), (B, 25), (C, 8)), slots(5, 12, 6), Rule.VICKREY)
    assert charges(result) == {"s1": 8, "s2": 12, "s3": 12}


def test_vickrey_charges_equal_slots_in_deal_order() -> None:
    result = clear(bids_of((A, 40), (A, 30), (B, 25), (C, 8)), slots(5, 5), Rule.VICKREY)
    assert charges(result) == {"s1": 25, "s2": 8}


def test_hiding_a_bid_pays_under_uniform_and_not_under_vickrey() -> None:
    asks, rivals = slots(0, 0), [(B, 90), (C, 20)]
    honest, hiding = bids_of((A, 100), (A, 70), *rivals), bids_of((A, 100), *rivals)
    assert charges(clear(honest, asks, Rule.UNIFORM))["s1"] == 70
    assert charges(clear(hiding, asks, Rule.UNIFORM))["s1"] == 20
    assert charges(clear(honest, asks, Rule.VICKREY))["s1"] == 20
    assert charges(clear(hiding, asks, Rule.VICKREY))["s1"] == 20


@pytest.mark.parametrize("rule", list(Rule))
def test_frontier_of_single_bids_is_the_winners_and_one_loser(rule: Rule) -> None:
    asks = slots(*[10] * 1_000)
    book = bids_of(*((owner, 5_000 - owner) for owner in range(1, 3_000)))
    told = [frontier_is_complete(book[:length], asks, rule) for length in (999, 1_000, 1_001, 1_002)]
    assert told == [False, False, True, True]


@pytest.mark.parametrize("rule", list(Rule))
def test_frontier_of_busy_wallets_is_little_longer(rule: Rule) -> None:
    asks = slots(*[10] * 1_000)
    book = bids_of(*((number % 97, 9_000 - number) for number in range(3_000)))
    needed = next(length for length in range(len(book)) if frontier_is_complete(book[:length], asks, rule))
    # Vickrey: thirty wallets win eleven slots each and must see eleven losing numbers.
    assert needed == {Rule.UNIFORM: 1_002, Rule.VICKREY: 1_011}[rule]


@pytest.mark.parametrize("rule", list(Rule))
def test_frontier_needs_a_loser_of_a_second_owner(rule: Rule) -> None:
    book = bids_of((A, 90), (A, 80), (A, 70), (B, 60), (C, 50))
    told = [frontier_is_complete(book[:length], slots(0), rule) for length in range(5)]
    assert told == [False, False, False, False, True]


def test_frontier_under_vickrey_reaches_down_to_the_last_charge() -> None:
    book, asks = bids_of((A, 90), (A, 80), (B, 70), (C, 60), (D, 50)), slots(0, 0)
    assert frontier_is_complete(book[:3], asks, Rule.UNIFORM)
    assert not frontier_is_complete(book[:3], asks, Rule.VICKREY)
    assert frontier_is_complete(book[:4], asks, Rule.VICKREY)


def test_frontier_under_vickrey_does_not_count_an_owners_own_loser() -> None:
    book = bids_of((A, 90), (A, 80), (A, 70), (B, 60), (C, 50))
    assert not frontier_is_complete(book[:4], slots(0, 0), Rule.VICKREY)
    assert frontier_is_complete(book, slots(0, 0), Rule.VICKREY)


def test_frontier_under_vickrey_counts_an_ask_that_nothing_below_can_displace() -> None:
    book = bids_of((A, 90), (A, 80), (B, 40))
    assert frontier_is_complete(book, slots(40, 40), Rule.VICKREY)
    assert not frontier_is_complete(book, slots(39, 39), Rule.VICKREY)


@pytest.mark.parametrize("rule", list(Rule))
def test_frontier_is_complete_where_nothing_can_be_sold(rule: Rule) -> None:
    assert frontier_is_complete([], [], rule)
    assert not frontier_is_complete([], slots(5), rule)
    assert frontier_is_complete(bids_of((A, 4)), slots(5), rule)
