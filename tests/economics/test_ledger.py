"""The ledger: transfers, holds, grants and reversals, on worked numbers."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from config.errors import RefusedError
from economics import errors, ledger
from economics.models import Account, Transfer
from tests.factories import NOON, after, agent, wallet

pytestmark = pytest.mark.django_db


def _figures(account: Account) -> tuple[int, int, int]:
    account.refresh_from_db()
    return account.balance, account.held, account.available


def _hold(account: Account, amount: int) -> None:
    Account.objects.filter(pk=account.pk).update(held=amount)


def _post(debit: Account, credit: Account, amount: int, key: str = "k") -> Transfer:
    return ledger.post(debit=debit.pk, credit=credit.pk, amount=amount, reason="test", key=key, now=NOON)


def _sum() -> int:
    return sum(Account.objects.values_list("balance", flat=True))


# Accounts


def test_house_accounts_exist_from_the_start() -> None:
    names = Account.objects.filter(owner_type="house").order_by("owner_id").values_list("owner_id", flat=True)
    assert list(names) == ["mint", "revenue:scidex-agent", "treasury"]


def test_open_wallet_opens_once() -> None:
    owner = agent()
    first = ledger.open_wallet(agent=owner)
    assert ledger.open_wallet(agent=owner).pk == first.pk
    assert (str(first), first.agent_kind, _figures(first)) == (f"agent:{owner}", "worker", (0, 0, 0))


def test_open_wallet_of_a_quest() -> None:
    quest = ledger.open_wallet(quest="cure")
    assert (str(quest), quest.agent, ledger.open_wallet(quest="cure").pk) == ("quest:cure", None, quest.pk)


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [("grader", errors.GradersOwnNoWalletError), ("exchange", errors.ExchangesOwnNoWalletError)],
)
def test_open_wallet_refuses_who_must_have_no_stake(kind: str, refusal: type[RefusedError]) -> None:
    with pytest.raises(refusal):
        ledger.open_wallet(agent=agent(kind=kind))
    assert not Account.objects.filter(owner_type="agent").exists()


@pytest.mark.parametrize("quest", [None, "", "q" * 65])
def test_open_wallet_refuses_nobody_and_names_too_long(quest: str | None) -> None:
    with pytest.raises(errors.InvalidTransferError):
        ledger.open_wallet(quest=quest)


# Transfers


def test_post_moves_tokens_and_conserves_their_sum() -> None:
    payer, payee = wallet(100), wallet()
    transfer = _post(payer, payee, 30)
    assert (transfer.debit_account_id, transfer.credit_account_id, transfer.amount) == (payer.pk, payee.pk, 30)
    assert (_figures(payer), _figures(payee), _sum()) == ((70, 0, 70), (30, 0, 30), 0)


def test_post_may_empty_an_account_but_not_overdraw_it() -> None:
    payer, payee = wallet(100), wallet()
    with pytest.raises(errors.InsufficientTokensError) as refusal:
        _post(payer, payee, 101)
    assert refusal.value.figures == {"available": 100, "asked": 101}
    _post(payer, payee, 100)
    assert _figures(payer) == (0, 0, 0)


def test_post_does_not_spend_what_is_held() -> None:
    payer, payee = wallet(100), wallet()
    _hold(payer, 60)
    with pytest.raises(errors.InsufficientTokensError):
        _post(payer, payee, 41)
    _post(payer, payee, 40)
    assert _figures(payer) == (60, 60, 0)


def test_post_again_with_the_same_key_returns_the_first_transfer() -> None:
    payer, payee = wallet(100), wallet()
    first = _post(payer, payee, 80, key="same")
    assert _post(payer, payee, 80, key="same").pk == first.pk
    assert _figures(payer) == (20, 0, 20)


def test_post_again_with_the_same_key_and_other_parts_is_refused() -> None:
    payer, payee, third = wallet(100), wallet(), wallet()
    _post(payer, payee, 30, key="same")
    for credit, amount in ((payee, 31), (third, 30)):
        with pytest.raises(errors.TransferKeyReusedError) as refusal:
            _post(payer, credit, amount, key="same")
        assert refusal.value.figures == {"key": "same"}
    assert _figures(payer) == (70, 0, 70)


@pytest.mark.parametrize(
    ("amount", "key"), [(0, "k"), (-1, "k"), (10**15 + 1, "k"), (2**63, "k"), (1, ""), (1, "k" * 201)]
)
def test_post_refuses_what_is_no_transfer(amount: int, key: str) -> None:
    payer, payee = wallet(100), wallet()
    before = Transfer.objects.count()
    with pytest.raises(errors.InvalidTransferError):
        _post(payer, payee, amount, key=key)
    assert Transfer.objects.count() == before


def test_post_refuses_one_account_on_both_sides_and_unknown_ones() -> None:
    payer = wallet(100)
    with pytest.raises(errors.InvalidTransferError):
        _post(payer, payer, 1)
    with pytest.raises(errors.InvalidTransferError):
        ledger.post(debit=payer.pk, credit=10**9, amount=1, reason="test", key="k", now=NOON)


def test_post_refuses_a_memo_too_long() -> None:
    payer, payee = wallet(100), wallet()
    with pytest.raises(errors.InvalidTransferError):
        ledger.post(debit=payer.pk, credit=payee.pk, amount=1, reason="test", key="k", now=NOON, memo="m" * 501)


def test_post_many_posts_each_key_once_and_no_zeros() -> None:
    payer, payee = wallet(100), wallet()
    first = ledger.Movement(payer.pk, payee.pk, 10, "test", "a")
    assert ledger.post_many([first], now=NOON) == 1
    more = [first, ledger.Movement(payer.pk, payee.pk, 0, "test", "zero"), first._replace(amount=5, key="b")]
    assert ledger.post_many(more, now=NOON) == 1
    assert ledger.post_many([], now=NOON) == 0
    assert (_figures(payer), _figures(payee)) == ((85, 0, 85), (15, 0, 15))
    assert list(Transfer.objects.filter(reason="test").order_by("key").values_list("key", "amount")) == [
        ("a", 10),
        ("b", 5),
    ]


def test_post_many_is_refused_whole_where_one_overdraws() -> None:
    payer, payee = wallet(100), wallet()
    moves = [ledger.Movement(payer.pk, payee.pk, amount, "test", str(amount)) for amount in (60, 50)]
    with pytest.raises(IntegrityError, match="account_never_overdrawn"), transaction.atomic():
        ledger.post_many(moves, now=NOON)
    assert _figures(payer) == (100, 0, 100)


# Reversals


def test_reverse_moves_the_tokens_back_once() -> None:
    payer, payee = wallet(100), wallet()
    transfer = _post(payer, payee, 30)
    back = ledger.reverse(transfer, now=after(1), memo="by mistake")
    assert (back.debit_account_id, back.credit_account_id, back.amount) == (payee.pk, payer.pk, 30)
    assert (back.reverses_id, back.reason, back.memo) == (transfer.pk, "reversal", "by mistake")
    with pytest.raises(errors.AlreadyReversedError):
        ledger.reverse(transfer, now=after(2), memo="again")
    assert (_figures(payer), _figures(payee)) == ((100, 0, 100), (0, 0, 0))


def test_reverse_is_refused_when_the_receiver_has_spent_it() -> None:
    payer, payee, third = wallet(100), wallet(), wallet()
    transfer = _post(payer, payee, 30)
    _post(payee, third, 1, key="spent")
    with pytest.raises(errors.InsufficientTokensError):
        ledger.reverse(transfer, now=NOON, memo="too late")


# Grants


def test_grant_mints_tokens_with_a_reason() -> None:
    account = wallet()
    transfer = ledger.grant(account=account, amount=500, key="spring", now=NOON, memo="good work")
    assert (transfer.key, transfer.reason, transfer.memo) == ("grant:spring", "grant", "good work")
    assert (_figures(account), ledger.supply(), _sum()) == ((500, 0, 500), 500, 0)


def test_grant_all_grants_each_account_once() -> None:
    accounts = [wallet(), wallet()]
    for _ in range(2):
        posted = ledger.grant_all(accounts=accounts, amount=70, key="both", now=NOON, memo="start")
        assert [t.key for t in posted] == [f"grant:both:{account.pk}" for account in accounts]
    assert [_figures(account) for account in accounts] == [(70, 0, 70)] * 2
    assert ledger.supply() == 140


def test_grant_all_grants_all_or_none() -> None:
    account, mint = wallet(), ledger.house_account(ledger.MINT)
    with pytest.raises(errors.InvalidTransferError):
        ledger.grant_all(accounts=[account, mint], amount=70, key="both", now=NOON, memo="start")
    assert _figures(account) == (0, 0, 0)


def test_a_grant_cannot_take_the_key_of_another_transfer() -> None:
    account = wallet()
    ledger.grant(account=account, amount=1, key="capture:some-slot", now=NOON, memo="mischief")
    assert not Transfer.objects.filter(key="capture:some-slot").exists()


# Holds and locks


def test_release_holds_makes_tokens_available() -> None:
    one, other = wallet(100), wallet(100)
    _hold(one, 60)
    _hold(other, 50)
    ledger.release_holds({one.pk: 25, other.pk: 50})
    assert (_figures(one), _figures(other)) == ((100, 35, 65), (100, 0, 100))


def test_release_holds_skips_zeros_and_refuses_strangers() -> None:
    ledger.release_holds({})
    ledger.release_holds({10**9: 0})
    with pytest.raises(errors.InvalidTransferError):
        ledger.release_holds({10**9: 1})


def test_release_holds_cannot_release_more_than_is_held() -> None:
    account = wallet(100)
    _hold(account, 10)
    with pytest.raises(IntegrityError, match="account_held_not_negative"), transaction.atomic():
        ledger.release_holds({account.pk: 11})
    assert _figures(account) == (100, 10, 90)


def test_locked_goes_wallets_by_id_then_revenue_treasury_mint() -> None:
    one, other = wallet(), wallet()
    house = [ledger.house_account(name) for name in ("mint", "treasury", "revenue:scidex-agent")]
    order = [str(a) for a in ledger.locked([a.pk for a in (*house, other, one)])]
    assert order == [str(one), str(other), "house:revenue:scidex-agent", "house:treasury", "house:mint"]


def test_supply_is_what_lies_outside_the_mint() -> None:
    assert ledger.supply() == 0
    wallet(40)
    wallet(2)
    assert ledger.supply() == 42


def test_differences_of_sound_books_are_none() -> None:
    _post(wallet(100), wallet(), 30)
    assert ledger.differences() == []


def test_every_refusal_has_a_code_of_its_own() -> None:
    refusals = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, RefusedError)]
    codes = [e.code for e in refusals if e.__module__ == errors.__name__]
    assert sorted(codes) == sorted(set(codes))
