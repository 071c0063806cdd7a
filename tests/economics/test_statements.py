"""Statements of wallets, in figures one can follow with a finger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from economics import ledger, statements
from tests import factories
from tests.factories import NOON, after

if TYPE_CHECKING:
    from economics.models import Account

pytestmark = pytest.mark.django_db


def _moved(sides: tuple[Account, Account], amount: int, *, at: float, key: str, memo: str = "") -> None:
    """Move tokens from the first wallet to the second."""
    debit, credit = (account.pk for account in sides)
    ledger.post(debit=debit, credit=credit, amount=amount, reason="capture", key=key, now=after(at), memo=memo)


def _worked() -> tuple[Account, Account]:
    """Return two wallets: a has 1,000 at noon, pays 100 and 200, gets 50 back, and pays 30 later."""
    a, b = factories.wallet(1_000), factories.wallet()
    _moved((a, b), 100, at=10, key="one")
    _moved((a, b), 200, at=20, key="two", memo="for the second")
    _moved((b, a), 50, at=20, key="three")
    _moved((a, b), 30, at=40, key="four")
    return a, b


def _of(wallet: Account, since: float, until: float) -> statements.Statement:
    found = statements.of(wallet.pk, since=after(since), until=after(until))
    assert found is not None
    return found


def test_a_statement_opens_adds_up_and_closes() -> None:
    a, b = _worked()
    found = _of(a, 10, 40)
    assert (found.opening, found.received, found.paid, found.closing, found.number) == (1_000, 50, 300, 750, 3)
    assert (found.owner, found.balance, found.held, found.available) == (str(a), 720, 0, 720)
    lines = [(one.key, one.amount, one.balance, one.other_owner) for one in statements.entries(found)]
    assert lines == [
        ("one", -100, 900, str(b)),
        ("two", -200, 700, str(b)),
        ("three", 50, 750, str(b)),
    ]
    assert statements.entries(found)[1].memo == "for the second"


def test_the_beginning_is_in_and_the_end_is_not() -> None:
    a, _b = _worked()
    assert [one.key for one in statements.entries(_of(a, 20, 40.001))] == ["two", "three", "four"]
    assert [one.key for one in statements.entries(_of(a, 20.001, 40))] == []
    whole = _of(a, -1, 41)
    assert (whole.opening, whole.closing, whole.number) == (0, 720, 5)


def test_what_comes_to_one_opens_another() -> None:
    a, b = _worked()
    for wallet in (a, b):
        assert _of(wallet, 0, 20).closing == _of(wallet, 20, 50).opening


def test_a_time_in_which_nothing_moved_opens_and_closes_alike() -> None:
    a, _b = _worked()
    found = _of(a, 25, 30)
    assert (found.opening, found.closing, found.number, statements.entries(found)) == (750, 750, 0, [])


def test_pages_go_on_with_the_balance_where_the_last_one_ended() -> None:
    a, _b = _worked()
    found = _of(a, -1, 41)
    whole = statements.entries(found)
    first = statements.entries(found, most=2)
    rest = statements.entries(found, after=statements.Place(first[-1].at, first[-1].id), most=10)
    assert first + rest == whole
    assert whole[-1].balance == found.closing


def test_all_lines_come_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    a, _b = _worked()
    found = _of(a, -1, 41)
    whole = statements.entries(found)
    monkeypatch.setattr(statements, "AT_ONCE", 2)
    assert list(statements.all_entries(found)) == whole


def test_there_is_no_statement_of_no_wallet() -> None:
    assert statements.of(0, since=NOON, until=after(1)) is None


def test_a_statement_takes_as_many_queries_for_many_lines(django_assert_num_queries: Any) -> None:
    a, b = _worked()
    for number in range(30):
        _moved((a, b), 1, at=41 + number, key=f"more {number}")
    with django_assert_num_queries(1):
        found = _of(a, 0, 100)
    with django_assert_num_queries(1):
        assert len(statements.entries(found)) == 35
    with django_assert_num_queries(2):
        statements.entries(found, after=statements.Place(after(20), 0))
