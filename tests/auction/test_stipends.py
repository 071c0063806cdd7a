"""Stipends: a share of each day's issue, split, cut, paid once, and caught up after an outage."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from auction import audit, stipends
from auction.models import Quest, QuestAllocation, StipendDay
from economics import ledger, mint
from economics.models import Account, MonetaryPolicy, Transfer
from tests import factories
from tests.auction import wins
from tests.factories import NOON, after

pytestmark = pytest.mark.django_db
TODAY = date(2026, 3, 2)


@pytest.fixture(autouse=True)
def policy() -> None:
    """Issue 1,000 tokens a day, half of which are stipends; a wallet takes no stipend beyond 2,000."""
    MonetaryPolicy.objects.update(daily_token_bucket=1_000, wallet_cap=2_000)


def _quest(name: str, value: int, tokens: int = 0) -> Quest:
    quest = factories.quest(name, tokens)
    factories.quest_task(quest, value)
    return quest


def _balance(of: Quest) -> int:
    return Account.objects.get(pk=of.account_id).balance


def _treasury() -> int:
    return ledger.house_account(ledger.TREASURY).balance


def _paid(days: float = 0) -> list[tuple[date, int, int]]:
    """Issue and pay so many days after noon; return each day with its pot and what was paid of it."""
    now = NOON + timedelta(days=days)
    mint.issue_daily(now=now)
    return [(row.day, row.pot_tokens, row.paid_tokens) for row in stipends.pay_due(now=now)]


def test_stipends_are_a_share_of_the_issue_split_between_the_quests() -> None:
    small, large = _quest("a", 10), _quest("b", 30)
    assert _paid() == [(TODAY, 500, 500)]
    assert (_balance(small), _balance(large), _treasury()) == (125, 375, 500)
    rows = Transfer.objects.filter(reason="stipend").order_by("key").values_list("key", "amount", "created_at")
    assert list(rows) == [("stipend:2026-03-02:a", 125, NOON), ("stipend:2026-03-02:b", 375, NOON)]


def test_allocations_keep_what_they_follow_from() -> None:
    quest = _quest("a", 10)
    _quest("b", 30)
    wins.graded(quest.account, 10, 5, into=factories.pool(), number=5, at=after(-60))
    _paid()
    kept = QuestAllocation.objects.order_by("quest_id").values_list(
        "quest_id", "day", "tokens", "paid_tokens", "share", "value_usd", "reliability", "created_at"
    )
    share = Decimal("0.142857142857142857")  # 10 · 0.5 of 35
    assert list(kept) == [
        ("a", TODAY, 71, 71, share, Decimal(10), Decimal("0.5"), NOON),
        ("b", TODAY, 429, 429, Decimal("0.857142857142857142"), Decimal(30), Decimal(1), NOON),
    ]


def test_a_day_is_paid_once() -> None:
    quest = _quest("a", 10)
    _paid()
    assert _paid() == []
    assert _paid(days=0.4) == []
    assert (_balance(quest), Transfer.objects.filter(reason="stipend").count()) == (500, 1)


def test_no_day_is_paid_before_it_is_issued() -> None:
    _quest("a", 10)
    assert stipends.pay_due(now=NOON) == []
    assert StipendDay.objects.count() == 0


def test_the_days_of_an_outage_are_paid_afterwards_each_once() -> None:
    quest = _quest("a", 10)
    _paid()
    assert _paid(days=3) == [(TODAY + timedelta(days=n), 500, 500) for n in (1, 2, 3)]
    assert (_balance(quest), QuestAllocation.objects.count()) == (2_000, 4)
    assert set(StipendDay.objects.values_list("at", flat=True)) == {NOON, NOON + timedelta(days=3)}


def test_no_stipend_lifts_a_wallet_above_the_cap_held_tokens_included() -> None:
    full, empty, above = _quest("a", 10, 1_950), _quest("b", 10), _quest("c", 30, 2_500)
    factories.bid(full.account, 1_000, factories.pool(), work=factories.quest_task(full))
    assert _paid() == [(TODAY, 500, 150)]
    assert [_balance(quest) for quest in (full, empty, above)] == [2_000, 100, 2_500]
    assert _treasury() == 850  # the rest stays
    kept = QuestAllocation.objects.order_by("quest_id").values_list("tokens", "paid_tokens")
    assert list(kept) == [(100, 50), (100, 100), (300, 0)]


def test_a_short_treasury_pays_in_proportion() -> None:
    _quest("a", 10)
    _quest("b", 30)
    mint.issue_daily(now=NOON)
    treasury, house_mint = (ledger.house_account(name).pk for name in (ledger.TREASURY, ledger.MINT))
    ledger.post(debit=treasury, credit=house_mint, amount=990, reason="burn", key="burn", now=NOON)
    assert _paid() == [(TODAY, 500, 10)]
    assert list(QuestAllocation.objects.order_by("quest_id").values_list("paid_tokens", flat=True)) == [3, 7]
    assert _treasury() == 0
    assert _paid(days=1) == [(TODAY + timedelta(days=1), 500, 500)]


def test_a_pot_is_whole_tokens() -> None:
    MonetaryPolicy.objects.update(daily_token_bucket=999, stipend_share=Decimal("0.3333"))
    _quest("a", 10)
    assert _paid() == [(TODAY, 332, 332)]


def test_a_day_without_an_issue_or_without_quests_is_a_day_on_record() -> None:
    assert _paid() == [(TODAY, 500, 0)]
    MonetaryPolicy.objects.update(daily_token_bucket=0)
    quest = _quest("a", 10)
    assert _paid(days=1) == [(TODAY + timedelta(days=1), 0, 0)]
    assert (_balance(quest), Transfer.objects.filter(reason="stipend").count()) == (0, 0)
    assert QuestAllocation.objects.get().tokens == 0


def test_inactive_quests_get_no_stipend() -> None:
    quest, idle = _quest("a", 10), _quest("b", 1_000)
    Quest.objects.filter(pk=idle.pk).update(is_active=False)
    _paid()
    assert (_balance(quest), _balance(idle)) == (500, 0)
    assert QuestAllocation.objects.filter(quest=idle).count() == 0


def test_queries_do_not_grow_with_the_quests() -> None:
    def counted(days: int) -> int:
        mint.issue_daily(now=NOON + timedelta(days=days))
        with CaptureQueriesContext(connection) as queries:
            stipends.pay_due(now=NOON + timedelta(days=days))
        return len(queries)

    _quest("a", 10)
    few = counted(0)
    for number in range(20):
        _quest(f"q{number}", 10)
    assert counted(1) == few


def test_books_balance_and_the_audit_sees_a_stipend_that_differs() -> None:
    quest = _quest("a", 10)
    _paid()
    assert audit.differences_here() == []
    treasury = ledger.house_account(ledger.TREASURY)
    ledger.post(
        debit=treasury.pk,
        credit=quest.account_id,
        amount=7,
        reason="stipend",
        key="stipend:2026-03-03:a",
        now=NOON,
    )
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE quest_budget_allocations SET paid_tokens = 400")
        cursor.execute("SET session_replication_role = DEFAULT")
    assert [str(found) for found in audit.differences_here()] == [
        "amount of stipend:2026-03-02:a: stored 500, rebuilt 400",
        "amount of stipend:2026-03-03:a: stored 7, rebuilt 0",
        "stipends paid on 2026-03-02: stored 500, rebuilt 400",
    ]
