"""The daily issue: what the mint gives the treasury, on worked numbers."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from economics import ledger, mint
from economics.models import DailyIssue, MonetaryPolicy
from tests.factories import NOON, wallet

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def _policy(**rules: object) -> None:
    MonetaryPolicy.objects.update(**rules)


def _treasury() -> int:
    return ledger.house_account(ledger.TREASURY).balance


def _issued() -> list[tuple[date, int, int]]:
    return list(DailyIssue.objects.order_by("day").values_list("day", "amount", "supply_before"))


@pytest.mark.parametrize(
    ("bucket", "cap", "supply", "amount"),
    [
        (100, 3_000, 0, 100),
        (100, 3_000, 2_900, 100),
        (100, 3_000, 2_950, 50),
        (100, 3_000, 3_000, 0),
        (100, 3_000, 5_000, 0),
        (0, 3_000, 0, 0),
        (100, 0, 0, 0),
    ],
)
def test_issue_is_the_bucket_or_what_the_cap_leaves(bucket: int, cap: int, supply: int, amount: int) -> None:
    assert mint.issue(bucket=bucket, supply_cap=cap, supply=supply) == amount


def test_first_issue_is_for_today_alone() -> None:
    (issued,) = mint.issue_daily(now=NOON)
    assert (issued.day, issued.amount, issued.supply_before) == (date(2026, 3, 2), 100_000, 0)
    assert issued.transfer is not None
    assert issued.transfer.key == "issue:2026-03-02"
    assert (_treasury(), ledger.supply()) == (100_000, 100_000)


def test_issue_again_on_the_same_day_does_nothing() -> None:
    mint.issue_daily(now=NOON)
    assert mint.issue_daily(now=NOON + timedelta(hours=11, minutes=59)) == []
    assert _treasury() == 100_000


def test_issue_follows_the_utc_day() -> None:
    mint.issue_daily(now=NOON)
    assert [i.day for i in mint.issue_daily(now=NOON + timedelta(hours=12))] == [date(2026, 3, 3)]


def test_issue_catches_up_on_the_days_missed() -> None:
    mint.issue_daily(now=NOON)
    mint.issue_daily(now=NOON + 3 * DAY)
    assert _issued() == [
        (date(2026, 3, 2), 100_000, 0),
        (date(2026, 3, 3), 100_000, 100_000),
        (date(2026, 3, 4), 100_000, 200_000),
        (date(2026, 3, 5), 100_000, 300_000),
    ]
    assert _treasury() == 400_000


def test_issue_stops_at_the_cap_and_still_writes_the_day() -> None:
    _policy(supply_cap=250_000)
    mint.issue_daily(now=NOON)
    mint.issue_daily(now=NOON + 3 * DAY)
    assert [amount for _day, amount, _supply in _issued()] == [100_000, 100_000, 50_000, 0]
    assert DailyIssue.objects.filter(transfer=None).count() == 1
    assert ledger.supply() == 250_000


def test_issue_counts_grants_towards_the_cap() -> None:
    wallet(2_950_000)
    (issued,) = mint.issue_daily(now=NOON)
    assert (issued.amount, issued.supply_before) == (50_000, 2_950_000)


def test_burning_makes_room_under_the_cap() -> None:
    owner = wallet(3_000_000)
    to = ledger.house_account(ledger.MINT)
    ledger.post(debit=owner.pk, credit=to.pk, amount=30_000, reason="burn", key="burn:1", now=NOON)
    (issued,) = mint.issue_daily(now=NOON)
    assert (issued.amount, issued.supply_before) == (30_000, 2_970_000)


def test_a_clock_that_goes_back_issues_nothing() -> None:
    mint.issue_daily(now=NOON)
    assert mint.issue_daily(now=NOON - 5 * DAY) == []
    assert _issued() == [(date(2026, 3, 2), 100_000, 0)]


def test_policy_is_one_row_however_often_it_is_ensured() -> None:
    _policy(daily_token_bucket=7)
    mint.ensure_policy()
    assert list(MonetaryPolicy.objects.values_list("pk", "daily_token_bucket")) == [(1, 7)]
    assert mint.policy().daily_token_bucket == 7
