"""A day's stipends are paid once, whoever pays them at the same moment and whatever else moves the wallets."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from auction import order_book, pools, stipends
from auction.models import QuestAllocation, StipendDay
from economics import ledger, mint
from economics.models import Account, DailyIssue, MonetaryPolicy, Transfer
from tests import factories
from tests.factories import NOON
from tests.races.crew import race

if TYPE_CHECKING:
    from auction.models import Quest

DAYS = 20
MARKET = pools.DEFAULT


def _quests(number: int) -> list[Quest]:
    made = [factories.quest() for _ in range(number)]
    for value, quest in enumerate(made, start=1):
        factories.quest_task(quest, value)
    return made


def _issued() -> None:
    """Issue 1,000 tokens for each of so many days, of which 500 are stipends."""
    MonetaryPolicy.objects.update(daily_token_bucket=1_000)
    mint.issue_daily(now=NOON)
    mint.issue_daily(now=NOON + timedelta(days=DAYS - 1))
    assert DailyIssue.objects.count() == DAYS


def test_four_workers_pay_the_days_of_an_outage_once() -> None:
    quests = _quests(5)
    _issued()

    def worker(_number: int) -> list[str]:
        return [str(row) for row in stipends.pay_due(now=NOON + timedelta(days=DAYS))]

    outcomes = race(worker, worker, worker, worker, rounds=1)

    paid = [day for one in outcomes[0] for day in one.value]
    assert sorted(paid) == [str((NOON + timedelta(days=n)).date()) for n in range(DAYS)]
    assert set(StipendDay.objects.values_list("pot_tokens", "paid_tokens")) == {(500, 500)}
    assert QuestAllocation.objects.count() == Transfer.objects.filter(reason="stipend").count() == DAYS * len(quests)
    assert sum(Account.objects.filter(owner_type="quest").values_list("balance", flat=True)) == DAYS * 500


def test_workers_pay_each_day_once_while_wallets_bid_and_the_treasury_pays() -> None:
    quests = _quests(5)
    wallets = [quest.account for quest in reversed(quests)]
    for wallet in wallets:
        factories.wallet(10_000, quest=wallet.owner_id)
    treasury = ledger.house_account(ledger.TREASURY)
    ledger.grant(account=treasury, amount=10_000, key="fill", now=NOON, memo="opening balance")
    MonetaryPolicy.objects.update(daily_token_bucket=1_000)
    work = [[factories.tasks(wallet, 1)[0] for wallet in wallets] for _ in range(DAYS)]

    def worker(number: int) -> int:
        now = NOON + timedelta(days=number)
        mint.issue_daily(now=now)
        return len(stipends.pay_due(now=now))

    def bidder(number: int) -> None:
        now = NOON + timedelta(days=number)
        for task in work[number]:
            order_book.place_bid(
                wallet=task.wallet_id,
                task_id=task.pk,
                max_price_tokens=10,
                ttl_at=now + timedelta(seconds=60),
                now=now,
                pool=MARKET,
            )

    def payer(number: int) -> None:
        movements = [
            ledger.Movement(treasury.pk, wallet.pk, 1, "test", f"test:{number}:{wallet.pk}") for wallet in wallets
        ]
        ledger.post_many(movements, now=NOON)

    outcomes = race(worker, bidder, worker, payer, worker, rounds=DAYS)

    assert [sum(one.value for one in (deeds[0], deeds[2], deeds[4])) for deeds in outcomes] == [1] * DAYS
    assert StipendDay.objects.count() == DAYS
    balances = Account.objects.filter(owner_type="quest").values_list("balance", flat=True)
    assert sum(balances) == 5 * 10_000 + DAYS * 500 + DAYS * 5
