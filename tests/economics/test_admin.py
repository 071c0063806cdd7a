"""The books in the admin: wallets opened, tokens granted, policy changed, all by deeds that happen once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from config.models import Agent
from economics import ledger
from economics.models import Account, MonetaryPolicy, Transfer, Usage
from tests import factories, reviewers
from tests.factories import NOON
from tests.reviewers import listed, offered, page, press, said, staff

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
KEY = "0123456789abcdef" * 2


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


def _grant(client: Client, *accounts: Account, **fields: object) -> Any:
    chosen = {"key": KEY, "amount": 500, "reason": "spring", **fields}
    return press(client, "grant", *accounts, confirmed="yes", **chosen)


def _balances(*accounts: Account) -> list[int]:
    return [Account.objects.get(pk=account.pk).balance for account in accounts]


# Wallets


def test_open_wallets_opens_each_once(root: Client) -> None:
    agents = [factories.agent(), factories.agent()]
    for _ in range(2):
        response = press(root, "open_wallets", *agents)
    assert sorted(said(response)[-2:]) == sorted(f"Agent {agent} has a wallet." for agent in agents)
    assert Account.objects.filter(owner_type="agent").count() == 2


def test_open_wallets_refuses_graders_and_serves_the_others(root: Client) -> None:
    grader, worker = factories.agent(kind="grader"), factories.agent()
    response = press(root, "open_wallets", grader, worker)
    refused = "A grader owns no wallet, runs no slot and files no task. [grader_may_not_trade]"
    assert sorted(said(response)) == sorted([refused, f"Agent {worker} has a wallet."])
    assert list(Account.objects.filter(owner_type="agent").values_list("owner_id", flat=True)) == [worker.pk]


def test_agents_show_their_wallets_available_tokens(root: Client) -> None:
    account = factories.wallet(1_500)
    factories.agent("poor")
    shown = listed(root.get(page(Agent)))
    assert f'<td class="field-wallet"><a href="{page(Account, account.pk)}">1,500</a></td>' in shown
    assert shown.count('<td class="field-wallet">') == 2


# Grants


def test_grant_asks_first_with_a_fresh_key(root: Client) -> None:
    account = factories.wallet()
    forms = [press(root, "grant", account).context["form"] for _ in range(2)]
    names = [form.initial["key"] for form in forms]
    assert [len(name) for name in names] == [32, 32]
    assert names[0] != names[1]
    assert _balances(account) == [0]


def test_grant_gives_each_account_the_amount_and_the_reason(root: Client) -> None:
    one, other = factories.wallet(), factories.wallet(7)
    response = _grant(root, one, other)
    assert said(response) == ["Granted 500 wallet tokens each; accounts: 2."]
    assert _balances(one, other) == [500, 507]
    assert list(Transfer.objects.filter(memo="spring").order_by("pk").values_list("reason", "key")) == [
        ("grant", f"grant:{KEY}:{account.pk}") for account in sorted((one, other), key=lambda a: -a.pk)
    ]
    assert set(LogEntry.objects.values_list("object_id", "change_message")) == {
        (str(account.pk), "Granted 500: spring") for account in (one, other)
    }


def test_grant_sent_twice_grants_once(root: Client) -> None:
    account = factories.wallet()
    _grant(root, account)
    assert said(_grant(root, account))[-1] == "This form was sent before: nothing more is granted."
    assert _balances(account) == [500]
    assert LogEntry.objects.filter(change_message="Granted 500: spring").count() == 1


def test_grant_sent_again_with_another_amount_is_refused(root: Client) -> None:
    account = factories.wallet()
    _grant(root, account)
    response = _grant(root, account, amount=501)
    assert said(response)[-1].startswith("This key already names another transfer. [transfer_key_reused: key grant:")
    assert _balances(account) == [500]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("amount", amount) for amount in (0, -5, "1.5", "", "1e3", 10**15 + 1, 2**70)),
        ("reason", ""),
        ("reason", "x" * 501),
        ("key", "capture:x"),
    ],
)
def test_grant_asks_again_where_the_form_is_wrong(root: Client, field: str, value: object) -> None:
    account = factories.wallet()
    response = _grant(root, account, **{field: value})
    assert (response.status_code, list(response.context["form"].errors)) == (200, [field])
    assert _balances(account) == [0]


def test_grant_to_the_mint_is_refused_whole(root: Client) -> None:
    account = factories.wallet()
    response = _grant(root, account, ledger.house_account(ledger.MINT))
    assert [message[-18:] for message in said(response)] == ["[invalid_transfer]"]
    assert (_balances(account), LogEntry.objects.count()) == ([0], 0)


def test_grant_needs_the_right_to_add_transfers(client: Client) -> None:
    account = factories.wallet()
    reader = staff(client, "economics.view_account")
    assert offered(reader, Account) == []
    _grant(reader, account)
    assert _balances(account) == [0]


def test_grant_is_offered_to_those_who_may(client: Client) -> None:
    account = factories.wallet()
    minter = staff(client, "economics.view_account", "economics.add_transfer")
    assert offered(minter, Account) == ["grant"]
    _grant(minter, account)
    assert _balances(account) == [500]


# Pages


def test_an_account_leads_to_its_transfers(root: Client) -> None:
    account = factories.wallet(30)
    factories.wallet(40)
    shown = root.get(page(Account, account.pk)).content.decode()
    address = f"{page(Transfer)}?credit_account__exact={account.pk}"
    assert f'<a href="{address}">in</a>' in shown
    assert [t.amount for t in root.get(address).context["cl"].result_list] == [30]


def test_transfers_are_found_by_reason_and_by_the_beginning_of_their_key(root: Client) -> None:
    account = factories.wallet(30)
    burn = {"debit": account.pk, "credit": ledger.house_account("mint").pk, "reason": "burn", "now": NOON}
    ledger.post(amount=1, key="burn:1", **burn)  # type: ignore[arg-type] # parts of a transfer
    ledger.post(amount=2, key="ash:1", **burn)  # type: ignore[arg-type]
    queries: list[tuple[dict[str, str], list[int]]] = [
        ({"reason": "grant"}, [30]),
        ({"q": "burn:"}, [1]),
        ({}, [2, 1, 30]),
    ]
    for query, amounts in queries:
        assert [t.amount for t in root.get(page(Transfer), query).context["cl"].result_list] == amounts


def test_usage_is_found_by_slot_and_shown_without_idle_zeros(root: Client) -> None:
    for slot, amount in (("s1", "1234.500000"), ("s2", "2000")):
        Usage.objects.create(
            entity_type="gap", entity_id="g", resource_type="cpu_seconds", amount=amount, slot_id=slot, created_at=NOON
        )
    response = root.get(page(Usage), {"q": "s1"})
    assert [u.slot_id for u in response.context["cl"].result_list] == ["s1"]
    assert '<td class="field-figure_amount">1,234.5</td>' in listed(response)


def test_the_policy_is_changed_and_neither_added_nor_deleted(root: Client) -> None:
    fields = {"daily_token_bucket": 5, "supply_cap": 50, "stipend_share": "0.25", "wallet_cap": 10}
    assert root.post(page(MonetaryPolicy, 1), fields).status_code == 302
    assert list(MonetaryPolicy.objects.values("daily_token_bucket", "supply_cap", "stipend_share", "wallet_cap")) == [
        {**fields, "stipend_share": MonetaryPolicy.objects.get().stipend_share}
    ]
    assert str(MonetaryPolicy.objects.get().stipend_share) == "0.2500"
    assert root.get(page(MonetaryPolicy, kind="add")).status_code == 403
    assert root.get(page(MonetaryPolicy, 1, kind="delete")).status_code == 403


@pytest.mark.parametrize(("field", "value"), [("supply_cap", -1), ("stipend_share", "1.1"), ("wallet_cap", "")])
def test_the_policy_refuses_what_its_law_would(root: Client, field: str, value: object) -> None:
    fields = {"daily_token_bucket": 5, "supply_cap": 50, "stipend_share": "0.25", "wallet_cap": 10, field: value}
    response = root.post(page(MonetaryPolicy, 1), fields)
    assert (response.status_code, list(response.context["adminform"].form.errors)) == (200, [field])


def test_grants_happen_at_the_present_moment(root: Client) -> None:
    account, before = factories.wallet(), timezone.now()
    _grant(root, account)
    assert before <= Transfer.objects.latest("pk").created_at <= timezone.now()
