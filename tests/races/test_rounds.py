"""A cycle is cleared once, and no bid is lost unseen or counted twice, whatever happens at the same moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from auction import batches, clearing, cycle, order_book, pools, replay, settlement
from auction.models import Bid, Clear, Round, Slot
from tests import factories
from tests.factories import NOON, after
from tests.races.crew import race

if TYPE_CHECKING:
    from collections.abc import Callable

    from auction.models import Pool

ROUNDS = 20


@transaction.atomic  # one commit instead of hundreds
def _markets(*, bidders: int, slots: int, lives: float = 3600, gtd: bool = False) -> list[tuple[Pool, list[Bid]]]:
    """Return a pool for each round with its bids of 100, 101, … tokens, all from wallets of their own."""
    owners = [factories.wallet(1_000_000) for _ in range(bidders)]
    markets = []
    for _ in range(ROUNDS):
        into = factories.pool()
        factories.slots(into, slots)
        bids = [factories.bid(owner, 100 + n, into, lives=lives, gtd=gtd) for n, owner in enumerate(owners)]
        markets.append((into, bids))
    return markets


def test_three_clearers_clear_a_cycle_once() -> None:
    markets = _markets(bidders=5, slots=3)

    def clear_at(second: float) -> Callable[[int], int]:
        return lambda number: clearing.clear_round(after(second), markets[number][0].name).pk

    outcomes = race(clear_at(1), clear_at(1), clear_at(2), rounds=ROUNDS)

    for (market, _bids), clearers in zip(markets, outcomes, strict=True):
        (only,) = Round.objects.filter(pool=market)
        assert [one.value for one in clearers] == [only.pk] * 3
        assert (only.slots_sold, only.bids_lost, only.clears.count()) == (3, 2, 3)


def test_two_workers_run_the_same_tick_as_one() -> None:
    names = [factories.pool(capacity=2, cycle_seconds=10).name for _ in range(4)]
    owners = [factories.wallet(1_000_000) for _ in range(4)]
    for name in names:
        pools.top_up(name, now=after(-1000))
        for owner in owners:
            factories.bid(owner, 100, pools.get(name), at=after(-1), gtd=True)

    def tick(number: int) -> None:
        cycle.run_due(now=after(number * 10))

    race(tick, tick, tick, rounds=8)

    for name in names:
        rounds = Round.objects.filter(pool__name=name).order_by("cycle_at")
        assert [one.cycle_at for one in rounds] == [after(number * 10) for number in range(8)]
        # Two slots at first; each forfeited one is offered again and sold to whoever is left.
        assert Slot.objects.filter(pool__name=name, state=Slot.State.OPEN).count() <= 2


def test_a_bid_cancelled_at_the_moment_of_the_round_is_sold_or_cancelled_and_never_both() -> None:
    markets = _markets(bidders=3, slots=2)

    def clear(number: int) -> int:
        return clearing.clear_round(after(1), markets[number][0].name).slots_sold

    def cancel(number: int) -> str:
        best = markets[number][1][2]
        return order_book.cancel_bid(best.pk, wallet=best.account_id, now=after(1)).status

    for (market, bids), (cleared, cancelled) in zip(markets, race(clear, cancel, rounds=ROUNDS), strict=True):
        statuses = [Bid.objects.get(pk=bid.pk).status for bid in bids]
        assert cleared.value == 2
        if cancelled.refusal:
            assert (cancelled.refusal, statuses) == ("bid_not_open", ["lost", "won", "won"])
        else:
            assert statuses == ["won", "won", "cancelled"]
        assert replay.replay_round(Round.objects.get(pool=market).pk).differences == []


def test_a_bid_expiring_at_the_moment_of_the_round_is_sold_or_expired_and_never_both() -> None:
    markets = _markets(bidders=3, slots=2, lives=2)

    def clear(number: int) -> int:
        return clearing.clear_round(after(1.999), markets[number][0].name).slots_sold

    def expire(number: int) -> int:  # by a clock that is a little ahead
        return order_book.refund_unfilled(now=after(2), pool=markets[number][0].name)

    for (_market, bids), (cleared, expired) in zip(markets, race(clear, expire, rounds=ROUNDS), strict=True):
        statuses = [Bid.objects.get(pk=bid.pk).status for bid in bids]
        assert (cleared.value, expired.value, statuses) in [
            (2, 0, ["lost", "won", "won"]),
            (0, 3, ["expired", "expired", "expired"]),
        ]


def test_a_bid_placed_in_the_middle_of_a_round_is_in_it_or_after_it() -> None:
    markets = _markets(bidders=3, slots=2)
    late = [factories.wallet(10_000) for _ in range(4)]
    work = [[factories.task(owner) for owner in late] for _ in range(ROUNDS)]

    def clear(number: int) -> str:
        return clearing.clear_round(after(1), markets[number][0].name).cleared_at.isoformat()

    def place(bidder: int) -> Callable[[int], int]:
        return lambda number: (
            factories.bid(late[bidder], 200 + bidder, markets[number][0], work=work[number][bidder], at=after(0.5)).pk
        )

    def batch(bidder: int) -> Callable[[int], int | None]:
        def deed(number: int) -> int | None:
            offers = [batches.Offer(work[number][bidder].pk, 200 + bidder, after(60))]
            return batches.place_bids(offers, now=after(0.5), pool=markets[number][0].name)[0].bid_id

        return deed

    for (market, _bids), (_cleared, *placed) in zip(
        markets, race(clear, place(0), place(1), batch(2), batch(3), rounds=ROUNDS), strict=True
    ):
        cleared = Round.objects.get(pool=market)
        seen = set(cleared.frontier["bids"]["id"])
        for bid in Bid.objects.filter(pk__in=[one.value for one in placed]):
            if bid.pk in seen:
                assert (bid.placed_at, bid.closed_at) == (after(0.5), cleared.cleared_at)
            else:
                assert (bid.placed_at > cleared.cleared_at, bid.status) == (True, "open")
        assert replay.replay_round(cleared.pk).differences == []


def test_a_pool_stopped_at_the_moment_of_its_round_sells_nothing_that_stays_sold() -> None:
    markets = _markets(bidders=3, slots=2)

    def clear(number: int) -> int:
        return clearing.clear_round(after(1), markets[number][0].name).slots_sold

    def stop(number: int) -> int:
        return settlement.stop_pool(markets[number][0].name, now=after(1))

    def start(number: int) -> str:
        best = markets[number][1][2]
        for _ in range(50):  # as soon as it is sold
            if sold := Clear.objects.filter(bid=best.pk).first():
                return factories.started(sold, at=after(1)).state
        return "never sold"

    for (market, _bids), (_cleared, _stopped, started) in zip(
        markets, race(clear, stop, start, rounds=ROUNDS), strict=True
    ):
        states = set(Clear.objects.filter(pool=market).values_list("state", flat=True))
        assert states <= ({"withdrawn", "running"} if started.value == "running" else {"withdrawn"})


def test_a_slot_taken_back_at_the_moment_of_the_round_is_sold_and_withdrawn_or_never_sold() -> None:
    provider = factories.agent(kind="provider")
    markets = []
    for _ in range(ROUNDS):
        into = factories.pool()
        offered = factories.slot(into, provider=provider)
        markets.append((into, offered, factories.bid(factories.wallet(1000), 100, into)))

    def clear(number: int) -> int:
        return clearing.clear_round(after(1), markets[number][0].name).slots_sold

    def withdraw(number: int) -> str:
        return settlement.withdraw_slot(markets[number][1].pk, provider=provider, now=after(1)).state

    for (_market, offered, bid), (cleared, withdrawn) in zip(
        markets, race(clear, withdraw, rounds=ROUNDS), strict=True
    ):
        bid.refresh_from_db()
        assert cleared.refusal == ""
        if cleared.value:
            assert (withdrawn.value, Clear.objects.get(slot=offered).state, bid.status) == ("sold", "withdrawn", "won")
        else:
            assert (withdrawn.value, bid.status) == ("withdrawn", "open")


def test_offers_that_end_at_one_moment_expire_once() -> None:
    provider = factories.agent(kind="provider")
    market = factories.pool()
    for number in range(ROUNDS):
        end = after(60 * (number + 1))
        pools.offer(
            provider=provider,
            pool=market.name,
            count=20,
            available_at=NOON,
            offer_until=end,
            reserve_tokens=1,
            now=NOON,
        )

    def expire(number: int) -> int:
        return pools.expire_offers(now=after(60 * (number + 1)))

    for outcomes in race(expire, expire, expire, rounds=ROUNDS):
        assert sum(one.value for one in outcomes) == 20


def test_top_ups_at_one_moment_offer_the_capacity_once() -> None:
    names = [factories.pool(capacity=3).name for _ in range(ROUNDS)]

    def top_up(number: int) -> int:
        return pools.top_up(names[number], now=NOON)

    for name, changes in zip(names, race(top_up, top_up, top_up, rounds=ROUNDS), strict=True):
        assert sorted(one.value for one in changes) == [0, 0, 3]
        assert Slot.objects.filter(pool__name=name).count() == 3
