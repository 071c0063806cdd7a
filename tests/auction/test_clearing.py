"""Rounds through the database: the worked cases under both rules, what a round sells, and its replay."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction

from auction import clearing, errors, mechanism, pools, replay
from auction.models import Bid, Clear, Pool, Round, Slot
from economics.models import Account, Transfer
from tests import factories, shared_files
from tests.factories import NOON, after

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.utils import CursorWrapper

pytestmark = pytest.mark.usefixtures("balanced_books")
ONE_SIDED, OPERATOR_ASKS = 13, 7  # worked cases of each kind


def _case(kind: str, number: int) -> dict[str, Any]:
    cases: dict[str, Any] = json.loads(shared_files.shared_cases("clearing.json").read_text())
    assert len(cases["one_sided"]) == ONE_SIDED
    assert len(cases["operator_asks"]) == OPERATOR_ASKS
    case: dict[str, Any] = cases[kind][number]
    return case


def _play(case: dict[str, Any], rule: str) -> tuple[Round, dict[str, Account]]:
    """Offer the case's slots, place its bids in time order and clear."""
    pool = factories.pool(pricing_rule=rule, reserve_tokens=case.get("reserve", 0), min_bid_tokens=1)
    for reserve in case.get("asks", [0] * case.get("k", 0)):
        factories.slot(pool, reserve=reserve)
    wallets = {owner: factories.wallet(1000) for owner in sorted({owner for owner, _price in case["bids"]})}
    for second, (owner, price) in enumerate(case["bids"]):
        factories.bid(wallets[owner], price, pool, at=after(second))
    return clearing.clear_round(after(59), pool.name), wallets


@pytest.mark.parametrize("rule", ["uniform", "vickrey"])
@pytest.mark.parametrize(
    ("kind", "number"),
    [("one_sided", n) for n in range(ONE_SIDED)] + [("operator_asks", n) for n in range(OPERATOR_ASKS)],
)
def test_every_worked_case_clears_as_it_says(kind: str, number: int, rule: str) -> None:
    case = _case(kind, number)
    cleared, wallets = _play(case, rule)
    clears = list(Clear.objects.filter(round=cleared).select_related("account"))
    owner_of = {wallet.pk: owner for owner, wallet in wallets.items()}

    assert sorted(owner_of[clear.account_id] for clear in clears) == sorted(case["winners"])
    assert cleared.market_price_tokens == case["price"]
    assert {clear.clearing_price_tokens for clear in clears} == ({case["price"]} if clears else set())
    charged = Counter[str]()
    for clear in clears:
        charged[owner_of[clear.account_id]] += clear.charge_tokens
    assert dict(charged) == case[rule]

    # Holds are the charges and no more, as long as a round sold anything; a round that sold none changes no bid.
    unsold = Counter[str]() if clears else Counter(dict.fromkeys(wallets, 0))
    for owner, price in [] if clears else case["bids"]:
        unsold[owner] += price
    for owner, wallet in wallets.items():
        wallet.refresh_from_db()
        assert (wallet.balance, wallet.held) == (1000, charged[owner] + unsold[owner])
    statuses = Counter(Bid.objects.filter(pool=cleared.pool).values_list("status", flat=True))
    lost = "lost" if clears else "open"
    assert statuses == +Counter({"won": len(clears), lost: len(case["bids"]) - len(clears)})
    assert replay.replay_round(cleared.pk).differences == []

    # Run to their end, the charges are what is debited.
    for clear in clears:
        factories.run(clear, 10, at=after(60))
    debited = Counter[str]()
    for transfer in Transfer.objects.filter(reason="capture"):
        debited[owner_of[transfer.debit_account_id]] += transfer.amount
    assert debited == +charged


def _names(pool: Pool, prices: list[int]) -> list[Bid]:
    return [factories.bid(factories.wallet(1000), price, pool, at=after(n)) for n, price in enumerate(prices)]


def _clear_of(bid: Bid) -> Clear:
    return Clear.objects.get(bid=bid.pk)


def test_slots_are_dealt_in_order_of_bid_time_and_never_by_price() -> None:
    pool = factories.pool()
    early, late = factories.slot(pool, available_at=after(-60)), factories.slot(pool, available_at=after(-30))
    low, high = _names(pool, [10, 99])

    clearing.clear_round(after(5), pool.name)

    assert (_clear_of(low).slot_id, _clear_of(high).slot_id) == (early.pk, late.pk)


def test_the_runner_up_is_the_highest_losing_bid_of_another_owner() -> None:
    pool = factories.pool()
    factories.slots(pool, 2)
    greedy, other = factories.wallet(1000), factories.wallet(1000)
    best, second = factories.bid(greedy, 90, pool), factories.bid(other, 80, pool)
    own_loser, last = factories.bid(greedy, 70, pool), factories.bid(factories.wallet(1000), 60, pool)

    clearing.clear_round(after(1), pool.name)

    assert _clear_of(best).runner_up_task_id == last.task_id
    assert _clear_of(second).runner_up_task_id == own_loser.task_id


def test_a_winner_without_a_rival_has_no_runner_up() -> None:
    clear = factories.sale()
    assert (clear.runner_up_task_id, clear.charge_tokens) == (None, 1)


def test_only_slots_on_offer_now_are_sold() -> None:
    pool = factories.pool()
    factories.slot(pool, available_at=after(61))  # not yet
    factories.slot(pool, provider=factories.agent(kind="provider"), offer_until=after(60))  # no longer
    gone = factories.slot(pool)
    Slot.objects.filter(pk=gone.pk).update(state="withdrawn")
    now = factories.slot(pool, available_at=after(60))
    bids = _names(pool, [10, 20, 30])

    cleared = clearing.clear_round(after(60), pool.name)

    assert (cleared.slots_offered, cleared.slots_sold) == (1, 1)
    assert _clear_of(bids[2]).slot_id == now.pk


def test_only_live_bids_for_open_tasks_are_eligible() -> None:
    pool = factories.pool()
    factories.slots(pool, 5)
    live = factories.bid(factories.wallet(1000), 10, pool)
    future = factories.bid(factories.wallet(1000), 99, pool, at=after(61))
    over = factories.bid(factories.wallet(1000), 98, pool, lives=60)

    cleared = clearing.clear_round(after(60), pool.name)

    assert cleared.frontier["bids"]["id"] == [live.pk]
    # Neither of the others has lost: one comes to the next round, one to the sweep.
    assert {Bid.objects.get(pk=bid.pk).status for bid in (future, over)} == {"open"}


def test_a_cycle_cleared_before_returns_its_first_result() -> None:
    pool = factories.pool()
    factories.slots(pool, 2)
    _names(pool, [10])
    first = clearing.clear_round(after(5), pool.name)
    late = factories.bid(factories.wallet(1000), 50, pool, at=after(6))

    assert clearing.clear_round(after(59.999), pool.name) == first
    assert Bid.objects.get(pk=late.pk).status == "open"
    assert clearing.clear_round(after(60), pool.name).slots_sold == 1


def test_a_clock_that_is_behind_clears_nothing() -> None:
    pool = factories.pool()
    clearing.clear_round(after(60), pool.name)

    with factories.refused(errors.CyclePassedError):
        clearing.clear_round(after(59), pool.name)
    # A bid placed by a clock that is behind takes its place after the round all the same.
    assert factories.bid(factories.wallet(10), 10, pool, at=after(59)).placed_at == after(60.000001)


def test_a_shorter_cycle_holds_from_the_next_round_on() -> None:
    pool = factories.pool(cycle_seconds=60)
    first = clearing.clear_round(after(50), pool.name)
    pools.configure(pool.name, cycle_seconds=7)
    # 12:00:50 lies in a cycle of seven seconds that began after noon, so there may be one more round.
    second = clearing.clear_round(after(50.5), pool.name)
    assert (first.cycle_at, second.cycle_at > first.cycle_at) == (NOON, True)
    pools.configure(pool.name, cycle_seconds=3600)
    # In the longer cycle that began at noon a round was held already: it is the first one's again.
    assert clearing.clear_round(after(70), pool.name) == first


def test_an_unknown_and_a_stopped_pool_are_refused() -> None:
    with factories.refused(errors.UnknownPoolError):
        clearing.clear_round(NOON, "nowhere")
    with factories.refused(errors.PoolStoppedError):
        clearing.clear_round(NOON, factories.pool(mode="stopped").name)


def test_a_round_without_bids_or_slots_is_a_round_without_a_price() -> None:
    empty = clearing.clear_round(NOON, factories.pool().name)
    assert (empty.market_price_tokens, empty.slots_offered, empty.slots_sold) == (None, 0, 0)
    assert replay.replay_round(empty.pk).differences == []


@pytest.mark.parametrize("rule", list(mechanism.Rule))
def test_a_round_reads_so_much_of_the_book_that_the_rest_changes_nothing(rule: mechanism.Rule) -> None:
    pool = factories.pool(pricing_rule=rule)
    factories.slots(pool, 3)
    # One owner fills the top of the book far beyond the margin: prices 500, 499, … 301; then come three others.
    crowd = factories.wallet(1_000_000)
    bids = [factories.bid(crowd, 500 - n, pool) for n in range(200)]
    bids += [factories.bid(factories.wallet(1000), price, pool) for price in (90, 80, 70)]
    whole = [mechanism.Bid(bid.pk, bid.account_id, bid.max_price_tokens, 0) for bid in bids]
    asks = [mechanism.Ask(slot.pk, 1, 0) for slot in Slot.objects.filter(pool=pool)]
    expected = mechanism.clear(whole, asks, rule)

    cleared = clearing.clear_round(after(1), pool.name)

    found = Clear.objects.filter(round=cleared)
    assert cleared.market_price_tokens == expected.market_price == 497
    assert sorted(found.values_list("charge_tokens", flat=True)) == sorted(a.charge for a in expected.awards)
    assert {clear.runner_up_task_id for clear in found} == {bids[200].task_id}
    assert cleared.bids_lost == 200


def test_a_round_keeps_its_parameters_and_names_odd_tasks_as_they_are() -> None:
    pool = factories.pool(reserve_tokens=7)
    factories.slot(pool)
    names = ["ü/☃ \"quoted\" \\ '%s' {}", "a\tb\nc", "task:1", "9" * 300]
    bids = []
    for price, name in enumerate(names, start=10):
        owner = factories.wallet(1000)
        bids.append(factories.bid(owner, price, pool, work=factories.task(owner, name)))

    cleared = clearing.clear_round(after(1), pool.name)

    assert cleared.parameters["reserve_tokens"] == 7
    assert _clear_of(bids[3]).winning_task_id == names[3]
    assert _clear_of(bids[3]).runner_up_task_id == names[2]
    assert replay.replay_round(cleared.pk).differences == []


def test_replay_tells_every_figure_that_was_tampered_with() -> None:
    pool = factories.pool()
    factories.slots(pool, 2)
    _names(pool, [30, 20, 10])
    cleared = clearing.clear_round(after(5), pool.name)

    with _laws_off() as cursor:
        cursor.execute("UPDATE compute_auction_rounds SET market_price_tokens = 11, charged_tokens = 22")
        cursor.execute("UPDATE compute_auction_clears SET clearing_price_tokens = 11, charge_tokens = 11")
        # Two figures of the round, and each of the two clears as stored and as replayed.
        assert len(replay.replay_round(cleared.pk).differences) == 2 + 2 * 2
        cursor.execute("UPDATE compute_auction_rounds SET frontier = jsonb_set(frontier, '{bids,price,2}', '11')")
        assert [line.partition(":")[0] for line in replay.replay_round(cleared.pk).differences] == [
            "digest",
            "premium_tokens",
        ]


@contextlib.contextmanager
def _laws_off() -> Iterator[CursorWrapper]:
    """Do what a superuser can, and take it back."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            yield cursor
        transaction.set_rollback(True)


def test_a_wallet_full_of_losing_bids_does_not_swell_the_round() -> None:
    pool = factories.pool()
    factories.slots(pool, 1)
    owner = factories.wallet(10_000)
    for price in range(100, 0, -1):
        factories.bid(owner, price, pool)
    cleared = clearing.clear_round(after(5), pool.name)
    assert cleared.frontier["bids"]["price"] == [100, 99]
    assert replay.replay_round(cleared.pk).differences == []
