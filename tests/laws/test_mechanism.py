"""The mechanism's laws, on small rounds, against a definition by brute force."""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auction.mechanism import Ask, Award, Bid, Result, Rule, clear, decisive, frontier_is_complete

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Few prices, moments and owners, so that ties and owners of several bids are the rule.
HIGHEST = 6
PRICES = st.integers(1, HIGHEST)
RESERVES = st.integers(0, HIGHEST + 1)
LOW_RESERVES = st.integers(0, 3)  # sells several slots as a rule
MOMENTS = st.integers(0, 2)
OWNERS = st.integers(1, 3)
NEWCOMER = 99

both_rules = pytest.mark.parametrize("rule", list(Rule))


@st.composite
def books(draw: st.DrawFn, owners: st.SearchStrategy[int] = OWNERS, most: int = 6) -> list[Bid]:
    """Draw bids whose ids do not follow their times."""
    rows = draw(st.lists(st.tuples(owners, PRICES, MOMENTS), max_size=most))
    ids = draw(st.permutations(range(1, len(rows) + 1)))
    return [Bid(number, *row) for number, row in zip(ids, rows, strict=True)]


@st.composite
def offers(draw: st.DrawFn, reserves: st.SearchStrategy[int] = RESERVES) -> list[Ask]:
    """Draw up to four slots, each with a reserve of its own."""
    rows = draw(st.lists(st.tuples(reserves, MOMENTS), max_size=4))
    names = draw(st.permutations("abcd"[: len(rows)]))
    return [Ask(name, *row) for name, row in zip(names, rows, strict=True)]


def by_book(bid: Bid) -> tuple[int, int, int]:
    return (-bid.price, bid.placed_at, bid.id)


def by_price(ask: Ask) -> tuple[int, int, str]:
    return (ask.price, ask.available_at, ask.slot_id)


def gain(buying: Iterable[Bid], sold: Iterable[Ask]) -> int:
    """Return what a trade is worth: what buyers would pay less what the house would keep for."""
    return sum(bid.price for bid in buying) - sum(ask.price for ask in sold)


def best_trade(bids: Sequence[Bid], asks: Sequence[Ask]) -> tuple[list[Bid], list[Ask]]:
    """Try every trade: the most worth, of these the largest, of these the first in order."""
    trades = [
        (sorted(buying, key=by_book), sorted(sold, key=by_price))
        for size in range(min(len(bids), len(asks)) + 1)
        for buying in combinations(bids, size)
        for sold in combinations(asks, size)
    ]
    return min(
        trades,
        key=lambda trade: (-gain(*trade), -len(trade[0]), [*map(by_book, trade[0])], [*map(by_price, trade[1])]),
    )


def losing_numbers(bids: Sequence[Bid], trade: tuple[list[Bid], list[Ask]], but: int | None = None) -> list[int]:
    """List the losing bids (without one owner's) and the sold asks, highest first."""
    buying, sold = trade
    losing = [bid.price for bid in bids if bid not in buying and bid.owner != but]
    return sorted(losing + [ask.price for ask in sold], reverse=True)


def define(bids: Sequence[Bid], asks: Sequence[Ask], rule: Rule) -> Result:
    """Clear a round by the words of the rule alone."""
    trade = best_trade(bids, asks)
    market_price = losing_numbers(bids, trade)[0] if trade[0] else None
    buying = sorted(trade[0], key=lambda bid: (bid.placed_at, bid.id))
    dealt = sorted(trade[1], key=lambda ask: (ask.available_at, ask.slot_id))
    deal = list(zip(buying, dealt, strict=True))
    awards = []
    for bid, ask in deal:
        own = [other for buyer, other in deal if buyer.owner == bid.owner]
        dearest_first = sorted(own, key=lambda ask: (-ask.price, own.index(ask)))
        charges = losing_numbers(bids, trade, but=bid.owner)
        charge = charges[dearest_first.index(ask)] if rule is Rule.VICKREY else market_price
        others = [loser for loser in bids if loser not in buying and loser.owner != bid.owner]
        runner_up = min(others, key=by_book, default=None)
        assert charge is not None
        awards.append(Award(bid.id, ask.slot_id, charge, runner_up.id if runner_up else None))
    return Result(market_price, tuple(awards))


def charges_of(owner: int, bids: Sequence[Bid], asks: Sequence[Ask], rule: Rule) -> list[int]:
    """List what one owner is charged."""
    mine = {bid.id for bid in bids if bid.owner == owner}
    return [award.charge for award in clear(bids, asks, rule).awards if award.bid_id in mine]


def surplus(values: Sequence[int], charges: Sequence[int]) -> int:
    """Return what as many slots as were charged are worth to their owner, less the charges."""
    return sum(sorted(values, reverse=True)[: len(charges)]) - sum(charges)


@both_rules
@settings(max_examples=500)
@given(bids=books(), asks=offers())
def test_result_is_the_one_the_rule_defines(rule: Rule, bids: list[Bid], asks: list[Ask]) -> None:
    assert clear(bids, asks, rule) == define(bids, asks, rule)


@given(bids=books(), asks=offers())
def test_vickrey_charges_the_gain_an_owner_takes_from_all_others(bids: list[Bid], asks: list[Ask]) -> None:
    buying, sold = best_trade(bids, asks)
    for owner in {bid.owner for bid in buying}:
        without = [bid for bid in bids if bid.owner != owner]
        left_to_others = gain([bid for bid in buying if bid.owner != owner], sold)
        harm = gain(*best_trade(without, asks)) - left_to_others
        assert sum(charges_of(owner, bids, asks, Rule.VICKREY)) == harm


@both_rules
@given(bids=books(), asks=offers())
def test_charge_lies_between_ask_and_own_price(rule: Rule, bids: list[Bid], asks: list[Ask]) -> None:
    offered = {ask.slot_id: ask.price for ask in asks}
    prices = {bid.id: bid.price for bid in bids}
    for award in clear(bids, asks, rule).awards:
        assert offered[award.slot_id] <= award.charge <= prices[award.bid_id]


@given(bids=books(), asks=offers())
def test_uniform_collects_no_less_than_vickrey_from_any_owner(bids: list[Bid], asks: list[Ask]) -> None:
    for owner in {bid.owner for bid in bids}:
        uniform = sum(charges_of(owner, bids, asks, Rule.UNIFORM))
        assert uniform >= sum(charges_of(owner, bids, asks, Rule.VICKREY))


@given(bids=books(owners=st.integers(1, 6)), asks=offers())
def test_rules_agree_for_owners_of_one_bid(bids: list[Bid], asks: list[Ask]) -> None:
    owners = [bid.owner for bid in bids]
    for owner in owners:
        if owners.count(owner) == 1:
            uniform = charges_of(owner, bids, asks, Rule.UNIFORM)
            assert uniform == charges_of(owner, bids, asks, Rule.VICKREY)


@both_rules
@given(rivals=books(), asks=offers(), value=PRICES, moment=MOMENTS)
def test_owner_of_one_bid_gains_nothing_by_another_price_or_time(
    rule: Rule, rivals: list[Bid], asks: list[Ask], value: int, moment: int
) -> None:
    def worth(price: int, placed_at: int) -> int:
        bids = [*rivals, Bid(0, NEWCOMER, price, placed_at)]
        return surplus([value], charges_of(NEWCOMER, bids, asks, rule))

    honest = worth(value, moment)
    assert honest >= 0
    assert honest >= max(worth(price, placed_at) for price in range(HIGHEST + 3) for placed_at in (moment, 9))


@given(rivals=books(most=5), asks=offers(), values=st.lists(PRICES, max_size=3))
def test_owner_of_several_bids_gains_nothing_by_other_prices_under_vickrey(
    rivals: list[Bid], asks: list[Ask], values: list[int]
) -> None:
    def worth(prices: Iterable[int]) -> int:
        own = [Bid(-number, NEWCOMER, price, 1) for number, price in enumerate(prices)]
        return surplus(values, charges_of(NEWCOMER, [*rivals, *own], asks, Rule.VICKREY))

    # One bid more than there are values stands for wanting a slot that is worth nothing.
    other_reports = (
        prices for size in range(len(values) + 2) for prices in combinations_with_replacement(range(HIGHEST + 2), size)
    )
    assert worth(values) >= max(map(worth, other_reports))


@both_rules
@given(bids=books(), asks=offers(), data=st.data())
def test_losing_bid_below_every_charge_changes_runners_up_at_most(
    rule: Rule, bids: list[Bid], asks: list[Ask], data: st.DataObject
) -> None:
    before = clear(bids, asks, rule)
    lowest = min((award.charge for award in before.awards), default=0)
    price = data.draw(st.integers(-1, lowest - 1))
    after = clear([*bids, Bid(0, data.draw(OWNERS), price, data.draw(MOMENTS))], asks, rule)
    assert after.market_price == before.market_price
    assert [award[:3] for award in after.awards] == [award[:3] for award in before.awards]


@both_rules
@given(bids=books(), asks=offers(), moment=MOMENTS, data=st.data())
def test_one_more_slot_never_raises_the_price_nor_sells_fewer(
    rule: Rule, bids: list[Bid], asks: list[Ask], moment: int, data: st.DataObject
) -> None:
    same_reserve = data.draw(st.booleans())
    if same_reserve:
        asks = [ask._replace(price=asks[0].price) for ask in asks]
    reserve = asks[0].price if same_reserve and asks else data.draw(RESERVES)
    before = clear(bids, asks, rule)
    after = clear(bids, [*asks, Ask("e", reserve, moment)], rule)
    assert len(after.awards) >= len(before.awards)
    if before.market_price is not None:
        assert after.market_price is not None
        assert after.market_price <= before.market_price


@both_rules
@given(bids=books(), asks=offers(), data=st.data())
def test_order_of_input_changes_nothing(rule: Rule, bids: list[Bid], asks: list[Ask], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(bids)), data.draw(st.permutations(asks))
    assert clear(*shuffled, rule) == clear(bids, asks, rule)


@both_rules
@settings(max_examples=500)
@given(bids=books(most=9), asks=offers(LOW_RESERVES))
def test_complete_frontier_gives_the_result_of_the_whole_book(rule: Rule, bids: list[Bid], asks: list[Ask]) -> None:
    book = sorted(bids, key=by_book)
    whole = clear(book, asks, rule)
    complete = [frontier_is_complete(book[:length], asks, rule) for length in range(len(book) + 1)]
    assert complete == sorted(complete), "once complete, more bids leave it complete"
    for length, told in enumerate(complete):
        if told:
            assert clear(book[:length], asks, rule) == whole


@both_rules
@settings(max_examples=500)
@given(bids=books(most=9), asks=offers(LOW_RESERVES))
def test_decisive_bids_give_the_result_of_the_whole_book(rule: Rule, bids: list[Bid], asks: list[Ask]) -> None:
    book = sorted(bids, key=by_book)
    whole = clear(book, asks, rule)
    kept = decisive(book, whole, rule)
    assert clear(kept, asks, rule) == whole
    assert [bid for bid in book if bid in kept] == kept


@both_rules
@settings(max_examples=500)
@given(bids=books(most=9), asks=offers(LOW_RESERVES))
def test_frontier_asks_for_no_more_than_it_needs(rule: Rule, bids: list[Bid], asks: list[Ask]) -> None:
    book = sorted(bids, key=by_book)
    for length in range(len(book) + 1):
        prefix = book[:length]
        last_price = prefix[-1].price if prefix else HIGHEST + 1
        next_in_book = Bid(len(book) + 1, NEWCOMER, last_price, 9)
        unchanged = clear([*prefix, next_in_book], asks, rule) == clear(prefix, asks, rule)
        assert frontier_is_complete(prefix, asks, rule) == unchanged


@both_rules
@given(bids=books(most=9), asks=offers(), chunk=st.integers(1, 4))
def test_reading_in_chunks_until_complete_or_exhausted_loses_nothing(
    rule: Rule, bids: list[Bid], asks: list[Ask], chunk: int
) -> None:
    book = sorted(bids, key=by_book)
    read = chunk
    while read < len(book) and not frontier_is_complete(book[:read], asks, rule):
        read += chunk
    assert clear(book[:read], asks, rule) == clear(book, asks, rule)
