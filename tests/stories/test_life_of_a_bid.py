"""What can become of a bid: it wins, loses, rests, expires or is cancelled, and its hold follows."""

from __future__ import annotations

from auction import clearing, errors, order_book, pools
from auction.models import Bid
from economics.models import Account
from tests import factories
from tests.factories import NOON, after


def _status(bid: Bid) -> str:
    return Bid.objects.get(pk=bid.pk).status


def _held(wallet: Account) -> int:
    return Account.objects.get(pk=wallet.pk).held


def test_a_bid_expires_at_its_time_and_frees_its_tokens() -> None:
    pool, wallet = factories.pool(), factories.wallet(100)
    bid = factories.bid(wallet, 60, pool, lives=90)
    assert _held(wallet) == 60

    # A second before its time it still stands.
    assert order_book.refund_unfilled(now=after(89)) == 0
    # At its time it does not win any more, swept or not ...
    factories.slot(pool)
    assert clearing.clear_round(after(90), pool.name).slots_sold == 0
    assert _status(bid) == "open"
    # ... and the sweep gives the tokens back, once.
    assert order_book.refund_unfilled(now=after(90)) == 1
    assert order_book.refund_unfilled(now=after(91)) == 0
    assert (_status(bid), _held(wallet)) == ("expired", 0)


def test_a_bid_good_till_its_date_rests_over_rounds_until_it_is_high_enough() -> None:
    pool = factories.pool(reserve_tokens=50)
    factories.slots(pool, 2)
    patient, hasty, rich = factories.wallet(100), factories.wallet(100), factories.wallet(100)
    resting = factories.bid(patient, 30, pool, gtd=True)
    once = factories.bid(hasty, 40, pool)

    # 12:00. Both are below the reserve of 50: nothing is sold, so no bid changes.
    assert clearing.clear_round(NOON, pool.name).slots_sold == 0
    assert (_status(resting), _status(once)) == ("open", "open")

    # 12:01. Somebody bids 80: a slot is sold at the reserve. The `round` bid has lost, the other rests.
    factories.bid(rich, 80, pool, at=after(30))
    assert clearing.clear_round(after(60), pool.name).market_price_tokens == 50
    assert (_status(resting), _status(once)) == ("open", "lost")
    assert (_held(patient), _held(hasty)) == (30, 0)

    # 12:02. The house lowers its reserve to 10: the resting bid buys the second slot, and pays 10.
    pools.configure(pool.name, reserve_tokens=10)
    assert clearing.clear_round(after(120), pool.name).market_price_tokens == 10
    assert (_status(resting), _held(patient)) == ("won", 10)


def test_a_higher_bid_is_a_new_bid_with_a_new_place_in_time() -> None:
    pool = factories.pool()
    factories.slot(pool)
    first, second = factories.wallet(100), factories.wallet(100)
    old = factories.bid(first, 50, pool, at=NOON)
    rival = factories.bid(second, 60, pool, at=after(1))

    # The first bidder raises to 60: the old bid is cancelled, the new one stands behind the rival.
    order_book.cancel_bid(old.pk, wallet=first.pk, now=after(2))
    new = factories.bid(first, 60, pool, work=old.task, at=after(2))
    clearing.clear_round(after(3), pool.name)

    assert [_status(bid) for bid in (old, rival, new)] == ["cancelled", "won", "lost"]
    # The price is the highest losing bid: 60, so the rival pays all it has offered.
    assert (_held(first), _held(second)) == (0, 60)


def test_a_wallet_bids_no_more_than_it_has_over_all_its_tasks() -> None:
    pool, wallet = factories.pool(), factories.wallet(100)
    factories.bid(wallet, 60, pool)

    with factories.refused(errors.InsufficientTokensError) as refused:
        factories.bid(wallet, 41, pool)
    assert refused.value.figures == {"available": 40, "asked": 41}

    factories.bid(wallet, 40, pool)
    assert _held(wallet) == 100


def test_a_quest_with_two_bids_gains_by_hiding_one_under_the_uniform_price_only() -> None:
    """A quest values one slot at 100 tokens and a second at 30; another bidder offers 25; two slots, no reserve."""
    gain = {}
    for rule in ("uniform", "vickrey"):
        for values in ((100, 30), (100,)):
            pool = factories.pool(pricing_rule=rule, reserve_tokens=0)
            factories.slots(pool, 2)
            quest, other = factories.wallet(1000, quest=f"{rule}-{len(values)}"), factories.wallet(1000)
            for value in values:
                factories.bid(quest, value, pool)
            factories.bid(other, 25, pool)
            clearing.clear_round(NOON, pool.name)
            gain[rule, len(values)] = sum(values) - _held(quest)

    # Uniform: with both bids the highest losing number is 25, paid twice: 130 - 50 = 80. With one hidden the other
    # bidder buys the second slot and nobody pays anything: 100 - 0 = 100.
    assert (gain["uniform", 2], gain["uniform", 1]) == (80, 100)
    # Vickrey: the two wins displace 25 and an ask of 0: 130 - 25 = 105. Hiding one leaves 100.
    assert (gain["vickrey", 2], gain["vickrey", 1]) == (105, 100)
