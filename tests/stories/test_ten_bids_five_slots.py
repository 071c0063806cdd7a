"""The source's own test, told to its end: ten bids for five slots, and what came of the five."""

from __future__ import annotations

from decimal import Decimal

from auction import clearing, replay, stats
from auction.models import Bid, Clear
from economics.models import Account, Transfer
from tests import factories
from tests.factories import NOON, after

BIDS = [1_000, 12_000, 23_000, 34_000, 45_000, 56_000, 67_000, 78_000, 89_000, 100_000]
PRICE = 45_000  # the sixth-highest


def test_ten_bids_five_slots() -> None:
    # Ten agents with 100,000 tokens each bid between 1,000 and 100,000 for five slots.
    pool = factories.pool("market")
    factories.slots(pool, 5)
    wallets = [factories.wallet(100_000) for _ in BIDS]
    bids = [factories.bid(wallet, price, pool) for wallet, price in zip(wallets, BIDS, strict=True)]
    assert _wallets(wallets) == [(100_000, price) for price in BIDS]

    # One round. The market price is the highest losing bid: 45,000, the sixth of ten.
    cleared = clearing.clear_round(after(1), pool.name)
    assert (cleared.market_price_tokens, cleared.slots_sold, cleared.bids_lost) == (PRICE, 5, 5)
    assert (cleared.charged_tokens, cleared.premium_tokens) == (5 * PRICE, 11_000 + 22_000 + 33_000 + 44_000 + 55_000)

    # The five highest have won, and of their bids only the price is still held: the premium is free again.
    assert [bid.status for bid in _again(bids)] == ["lost"] * 5 + ["won"] * 5
    assert _wallets(wallets) == [(100_000, 0)] * 5 + [(100_000, PRICE)] * 5
    clears = [Clear.objects.select_related("account").get(bid=bid.pk) for bid in bids[5:]]
    assert [clear.premium_tokens for clear in clears] == [11_000, 22_000, 33_000, 44_000, 55_000]
    assert {clear.clearing_price_tokens for clear in clears} == {PRICE}
    assert {clear.runner_up_task_id for clear in clears} == {bids[4].task_id}

    # The losers are whole: nothing was ever debited from them.
    assert not Transfer.objects.filter(debit_account__in=wallets[:5]).exists()

    # The winners run what they won. The n-th uses n thousand LLM tokens and its work is worth n² dollars.
    for n, clear in enumerate(clears, start=1):
        factories.run(clear, n * 1000, Decimal(n * n), at=after(60))

    # Each has paid the price, not its bid; impact and impact per LLM token stand on the clear.
    assert _wallets(wallets) == [(100_000, 0)] * 5 + [(100_000 - PRICE, 0)] * 5
    clears = list(Clear.objects.filter(round=cleared).order_by("max_price_tokens"))
    assert [clear.actual_impact for clear in clears] == [1, 4, 9, 16, 25]
    assert [clear.impact_roi for clear in clears] == [
        Decimal(roi) for roi in ("0.001", "0.002", "0.003", "0.004", "0.005")
    ]

    # The day's figures say the same, the highest winning bid first.
    day = stats.get_recent_stats(now=after(120), pool=pool.name)
    assert (day["fill_rate"], day["charged_tokens"], day["premium_released_tokens"]) == (1.0, 225_000, 165_000)
    assert [(win["max_price_tokens"], win["actual_impact"]) for win in day["top_wins"]] == [
        (100_000, 25),
        (89_000, 16),
        (78_000, 9),
        (67_000, 4),
        (56_000, 1),
    ]


def test_the_round_can_be_done_again_from_what_it_stored() -> None:
    pool = factories.pool("market")
    factories.slots(pool, 5)
    for price in BIDS:
        factories.bid(factories.wallet(100_000), price, pool, at=NOON)
    cleared = clearing.clear_round(after(1), pool.name)

    again = replay.replay_round(cleared.pk)

    assert again.differences == []
    assert (again.result.market_price, len(again.result.awards)) == (PRICE, 5)


def _again(bids: list[Bid]) -> list[Bid]:
    return [Bid.objects.get(pk=bid.pk) for bid in bids]


def _wallets(wallets: list[Account]) -> list[tuple[int, int]]:
    """Return balance and held of each wallet as they are now."""
    rows = Account.objects.in_bulk([wallet.pk for wallet in wallets])
    return [(rows[wallet.pk].balance, rows[wallet.pk].held) for wallet in wallets]
