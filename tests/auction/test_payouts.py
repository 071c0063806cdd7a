"""The payout: revenue swept, rewards split, cut and shared out, on worked numbers.

A pool pays half a token per token's worth of impact at 0.0001 USD a token: 0.02 USD earns 100 tokens. A slot sold to
the only bidder brings the pool's reserve, 1 token.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from auction import payouts, settlement
from auction.models import Clear, Payout, Pool
from economics import ledger
from economics.models import Account, MonetaryPolicy, Transfer
from tests import factories
from tests.factories import after

pytestmark = pytest.mark.django_db
USD_FOR_100 = Decimal("0.02")
CYCLE = 60


def _treasury(tokens: int) -> None:
    ledger.grant(
        account=ledger.house_account(ledger.TREASURY), amount=tokens, key="fill", now=factories.NOON, memo="test"
    )


def _earned(into: Pool, usd: str, *, owner: Account | None = None, at: float = 0) -> Clear:
    """Return a slot sold at a moment to a wallet of 1,000 tokens, run and graded at once."""
    sold = factories.sale(100, into=into, owner=owner or factories.wallet(1_000), at=after(at))
    return factories.run(sold, 1_000, Decimal(usd), at=after(at))


def _run_by_another(into: Pool, usd: str, *, at: float = 0) -> tuple[Clear, Account]:
    """Return a quest's slot, sold at a moment, that an agent ran, and the agent's wallet."""
    sold = factories.sale(100, into=into, owner=factories.wallet(1_000, quest="cure"), at=after(at))
    hand = factories.agent()
    theirs = ledger.open_wallet(agent=hand)
    Clear.objects.filter(pk=sold.pk).update(
        state=Clear.State.RUNNING,
        runner=hand,
        runner_kind=hand.kind,
        runner_account=theirs,
        slot_started_at=after(at + 1),
        lease_until=after(900),
    )
    return settlement.settle(sold.slot_id, 1_000, Decimal(usd), now=after(at + 2)), theirs


def _balance(account: Account | None) -> int:
    assert account is not None
    account.refresh_from_db()
    return account.balance


def _house(pool: Pool) -> tuple[int, int]:
    return _balance(pool.revenue_account), _balance(ledger.house_account(ledger.TREASURY))


def _paid(*clears: Clear) -> list[int | None]:
    for clear in clears:
        clear.refresh_from_db()
    return [clear.reward_paid_tokens for clear in clears]


def _pay(pool: Pool, cycles: int = 0) -> tuple[int, int, int] | None:
    """Pay out so many cycles after noon; return what was swept, due and paid."""
    payout = payouts.pay_out(now=after(50 + cycles * CYCLE), pool=pool.name)
    return None if payout is None else (payout.swept_tokens, payout.due_tokens, payout.paid_tokens)


def test_payout_sweeps_revenue_and_pays_the_reward() -> None:
    pool = factories.pool()
    _treasury(1_000)
    clear = _earned(pool, "0.02")
    assert _house(pool) == (1, 1_000)
    assert _pay(pool) == (1, 100, 100)
    assert _house(pool) == (0, 901)
    assert (_balance(clear.account), _paid(clear)) == (1_000 - 1 + 100, [100])
    keys = list(
        Transfer.objects.filter(reason__in=["sweep", "reward"]).order_by("reason").values_list("key", flat=True)
    )
    assert keys == [f"reward:{clear.pk}:payer", f"sweep:{pool.name}:2026-03-02T12:00:00+00:00"]


def test_payout_of_a_pool_without_revenue_or_rewards_is_none() -> None:
    pool = factories.pool()
    assert _pay(pool) is None
    assert Payout.objects.count() == 0


def test_payout_sweeps_revenue_when_no_reward_is_due() -> None:
    pool = factories.pool()
    factories.run(factories.sale(100, into=pool), 1_000, at=after(1))
    assert _pay(pool) == (1, 0, 0)
    assert _house(pool) == (0, 1)


def test_rewards_come_out_of_revenue_too() -> None:
    pool = factories.pool(reserve_tokens=100)
    clear = _earned(pool, "0.02")
    assert _pay(pool) == (100, 100, 100)
    assert (_house(pool), _paid(clear)) == ((0, 0), [100])


def test_payout_is_pro_rata_when_the_treasury_is_short() -> None:
    pool = factories.pool()
    _treasury(89)  # with the sweep of 2: 91 for 150 due
    large, small = _earned(pool, "0.02"), _earned(pool, "0.01", at=60)
    assert _pay(pool, cycles=1) == (2, 150, 91)
    assert (_paid(large, small), _house(pool)) == ([61, 30], (0, 0))  # 60.67 and 30.33


def test_what_stays_unpaid_lapses() -> None:
    pool = factories.pool(reserve_tokens=0)
    clear = _earned(pool, "0.02")
    assert _pay(pool) == (0, 100, 0)
    _treasury(1_000)
    assert _pay(pool, cycles=1) is None
    assert (_paid(clear), _house(pool)) == ([0], (0, 1_000))


def test_reward_is_split_between_payer_and_runner() -> None:
    pool = factories.pool()
    _treasury(1_000)
    clear, runner = _run_by_another(pool, "0.0202")  # 202 tokens' worth: 101 due
    assert clear.reward_due_tokens == 101
    assert _pay(pool) == (1, 101, 101)
    assert (_balance(clear.account), _balance(runner), _paid(clear)) == (999 + 51, 50, [101])


@pytest.mark.parametrize(("share", "payer", "runner"), [("0", 101, 0), ("1", 0, 101), ("0.25", 76, 25)])
def test_reward_is_split_as_the_pool_says(share: str, payer: int, runner: int) -> None:
    pool = factories.pool(runner_share=Decimal(share))
    _treasury(1_000)
    clear, wallet = _run_by_another(pool, "0.0202")
    assert _pay(pool) == (1, 101, 101)
    assert (_balance(clear.account) - 999, _balance(wallet)) == (payer, runner)


def test_reward_is_whole_when_payer_and_runner_are_one_wallet() -> None:
    pool = factories.pool(runner_share=Decimal("0.1"))
    _treasury(1_000)
    clear = _earned(pool, "0.02")
    _pay(pool)
    assert list(Transfer.objects.filter(reason="reward").values_list("credit_account", "amount")) == [
        (clear.account_id, 100)
    ]


def test_reward_never_lifts_a_balance_above_the_wallet_cap() -> None:
    MonetaryPolicy.objects.update(wallet_cap=1_030)
    pool = factories.pool()
    _treasury(1_000)
    clear = _earned(pool, "0.02")  # the wallet has 999 now
    assert _pay(pool) == (1, 100, 31)
    assert (_balance(clear.account), _house(pool), _paid(clear)) == (1_030, (0, 970), [31])


def test_wallet_cap_counts_holds_and_serves_the_earlier_clear_first() -> None:
    MonetaryPolicy.objects.update(wallet_cap=1_100)
    pool, owner = factories.pool(), factories.wallet(1_000)
    _treasury(1_000)
    first, second = _earned(pool, "0.02", owner=owner), _earned(pool, "0.02", owner=owner, at=60)
    factories.bid(owner, 500, pool, at=after(70))
    assert _pay(pool, cycles=1) == (2, 200, 102)
    assert (_balance(owner), _paid(first, second)) == (1_100, [100, 2])


def test_a_wallet_above_the_cap_gets_nothing_and_loses_nothing() -> None:
    MonetaryPolicy.objects.update(wallet_cap=10)
    pool = factories.pool()
    _treasury(1_000)
    clear = _earned(pool, "0.02")
    assert _pay(pool) == (1, 100, 0)
    assert (_balance(clear.account), _paid(clear)) == (999, [0])


def test_payout_happens_once_per_cycle() -> None:
    pool = factories.pool()
    _treasury(1_000)
    _earned(pool, "0.02")
    first = payouts.pay_out(now=after(50), pool=pool.name)
    late = factories.run(factories.sale(100, into=pool, at=after(60)), 1_000, USD_FOR_100, at=after(60))
    assert payouts.pay_out(now=after(59), pool=pool.name) == first
    assert _paid(late) == [None]
    assert _pay(pool, cycles=1) == (1, 100, 100)
    assert (_paid(late), Payout.objects.count()) == ([100], 2)


def test_a_reward_is_paid_once_however_many_cycles_pass() -> None:
    pool = factories.pool()
    _treasury(1_000)
    clear = _earned(pool, "0.02")
    assert [_pay(pool, cycles=n) for n in range(3)] == [(1, 100, 100), None, None]
    assert (_paid(clear), Transfer.objects.filter(reason="reward").count()) == ([100], 1)


def test_each_pool_pays_its_own() -> None:
    one, other = factories.pool(), factories.pool()
    _treasury(1_000)
    mine, theirs = _earned(one, "0.02"), _earned(other, "0.02")
    assert _pay(one) == (1, 100, 100)
    assert (_paid(mine, theirs), _house(other)) == ([100, None], (1, 901))
    assert _pay(other) == (1, 100, 100)


def test_reward_is_capped_per_slot() -> None:
    pool = factories.pool(reward_cap_tokens=40)
    _treasury(1_000)
    clear = _earned(pool, "0.02")
    assert (_pay(pool), _paid(clear)) == ((1, 40, 40), [40])


def test_payout_leaves_the_books_sound() -> None:
    pool = factories.pool()
    _treasury(89)
    _earned(pool, "0.02")
    _run_by_another(pool, "0.01", at=60)
    assert _pay(pool, cycles=1) == (2, 150, 91)
    assert ledger.differences() == []
