"""Where tokens come from and where they go: issue, charges, the sweep, rewards, and a bidder priced out and back."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from auction import clearing, errors, payouts, settlement
from auction.models import Clear, Pool
from economics import ledger, mint
from economics.models import Account, DailyIssue, MonetaryPolicy, Transfer
from tests import factories
from tests.factories import NOON, after

if TYPE_CHECKING:
    from config.models import Agent


@pytest.fixture
def pool() -> Pool:
    """Return a pool where a token is worth a cent, half of the impact is paid back and a slot costs 40."""
    return factories.pool("market", reserve_tokens=40, usd_per_token=Decimal("0.01"), reward_rate=Decimal("0.5"))


def _treasury(tokens: int) -> Account:
    treasury = ledger.house_account(ledger.TREASURY)
    ledger.grant(account=treasury, amount=tokens, key="float", now=NOON, memo="opening balance")
    return treasury


def _balance(account: Account) -> int:
    return Account.objects.get(pk=account.pk).balance


def _run_for(clear: Clear, runner: Agent, impact: Decimal) -> None:
    """Let an agent run a quest's win, as `next-task` will hand them out, and record what came of it."""
    wallet = ledger.open_wallet(agent=runner)
    Clear.objects.filter(pk=clear.pk).update(
        state="running",
        claimed_at=clear.cleared_at,
        claim_until=clear.start_by,
        runner=runner,
        runner_kind=runner.kind,
        runner_account=wallet,
        slot_started_at=clear.cleared_at,
        lease_until=clear.cleared_at + timedelta(minutes=15),
    )
    settlement.settle(clear.slot_id, 1000, impact, now=clear.cleared_at)


def test_an_agent_is_priced_out_and_comes_back_by_good_work(pool: Pool) -> None:
    _treasury(1000)
    agent = factories.agent()
    wallet = factories.wallet(100, owner=agent)

    # Two slots at 40 each, and nothing came of either: 20 tokens are left, too few to bid 40 again.
    for minute in (0, 1):
        clear = factories.sale(40, into=pool, owner=wallet, at=after(60 * minute))
        factories.run(clear, 1000, Decimal(0), at=after(60 * minute + 1))
    assert _balance(wallet) == 20
    with factories.refused(errors.InsufficientTokensError):
        factories.bid(wallet, 40, pool, at=after(120))

    # The agent runs a slot that a quest has won and paid for. Its work is worth 4 USD, 400 tokens' worth; half of
    # that is due, and half of this goes to the runner, half to the quest that paid.
    quest = factories.wallet(500, quest="longevity")
    clear = factories.sale(50, into=pool, owner=quest, at=after(180))
    _run_for(clear, agent, Decimal(4))
    payout = payouts.pay_out(now=after(181), pool=pool.name)
    assert payout is not None
    assert (payout.swept_tokens, payout.due_tokens, payout.paid_tokens) == (3 * 40, 200, 200)
    assert (_balance(wallet), _balance(quest)) == (20 + 100, 500 - 40 + 100)

    # It is back in the market.
    factories.bid(wallet, 40, pool, at=after(182))


def test_who_runs_its_own_win_gets_the_whole_reward(pool: Pool) -> None:
    _treasury(1000)
    wallet = factories.wallet(100)
    factories.run(factories.sale(40, into=pool, owner=wallet), 1000, Decimal("1.999"), at=after(1))

    payouts.pay_out(now=after(2), pool=pool.name)

    # 1.999 USD are 199 whole tokens' worth, half of them are 99.5, and tokens are whole: 99.
    assert _balance(wallet) == 100 - 40 + 99
    (row,) = Transfer.objects.filter(reason="reward")
    assert (row.debit_account.owner_id, row.credit_account_id, row.amount) == ("treasury", wallet.pk, 99)


def test_a_short_treasury_pays_in_proportion_and_the_rest_lapses(pool: Pool) -> None:
    # Two winners of a cycle are due 300 and 100 tokens; all there is are the 80 they paid for their slots.
    wallets = [factories.wallet(100), factories.wallet(100)]
    factories.slots(pool, 2)
    for wallet in wallets:
        factories.bid(wallet, 40, pool)
    clearing.clear_round(NOON, pool.name)
    for wallet, usd in zip(wallets, (6, 2), strict=True):
        clear = Clear.objects.select_related("account").get(account=wallet)
        factories.run(clear, 1000, Decimal(usd), at=after(1))

    payout = payouts.pay_out(now=after(2), pool=pool.name)

    assert payout is not None
    assert (payout.swept_tokens, payout.due_tokens, payout.paid_tokens) == (80, 400, 80)
    assert [_balance(wallet) for wallet in wallets] == [60 + 60, 60 + 20]
    assert list(Clear.objects.order_by("pk").values_list("reward_due_tokens", "reward_paid_tokens")) == [
        (300, 60),
        (100, 20),
    ]
    # The next cycle owes nothing of it.
    _treasury(1000)
    assert payouts.pay_out(now=after(62), pool=pool.name) is None


def test_a_reward_stops_at_the_wallet_cap_and_at_the_cap_per_slot(pool: Pool) -> None:
    treasury = _treasury(1000)
    MonetaryPolicy.objects.update(wallet_cap=130)
    wallet = factories.wallet(100)
    factories.run(factories.sale(40, into=pool, owner=wallet), 1000, Decimal(4), at=after(1))

    payouts.pay_out(now=after(2), pool=pool.name)

    # 200 are due; the balance of 60 takes 70 of them, and 130 stay in the treasury with the 40 swept.
    assert (_balance(wallet), _balance(treasury)) == (130, 1000 + 40 - 70)

    # No slot earns more than the pool's cap, however great its impact.
    Pool.objects.filter(pk=pool.pk).update(reward_cap_tokens=25)
    clear = factories.sale(40, into=pool, owner=wallet, at=after(60))
    factories.run(clear, 1000, Decimal(1_000_000), at=after(61))
    assert Clear.objects.get(pk=clear.pk).reward_due_tokens == 25


def test_the_days_of_an_outage_are_issued_for_afterwards() -> None:
    before = ledger.supply()
    MonetaryPolicy.objects.update(daily_token_bucket=100, supply_cap=before + 350)

    assert _issued(NOON) == [(date(2026, 3, 2), 100)]
    assert _issued(NOON + timedelta(hours=11)) == []
    # Nobody was there on the 3rd and 4th. On the 5th all is made up, and the cap leaves 50 for the last day.
    assert _issued(NOON + timedelta(days=3)) == [
        (date(2026, 3, 3), 100),
        (date(2026, 3, 4), 100),
        (date(2026, 3, 5), 50),
    ]
    # A day of nothing is a day on record, without a transfer.
    assert _issued(NOON + timedelta(days=4)) == [(date(2026, 3, 6), 0)]
    assert DailyIssue.objects.get(day=date(2026, 3, 6)).transfer is None
    # A clock that is behind issues nothing.
    assert _issued(NOON - timedelta(days=9)) == []

    # 70 tokens are burnt: the next day has room for 70.
    treasury, house_mint = (ledger.house_account(name) for name in (ledger.TREASURY, ledger.MINT))
    ledger.post(debit=treasury.pk, credit=house_mint.pk, amount=70, reason="burn", key="burn", now=NOON)
    assert _issued(NOON + timedelta(days=5)) == [(date(2026, 3, 7), 70)]
    assert (ledger.supply() - before, _balance(treasury)) == (350, 350)


def _issued(now: datetime) -> list[tuple[date, int]]:
    return [(row.day, row.amount) for row in mint.issue_daily(now=now)]
