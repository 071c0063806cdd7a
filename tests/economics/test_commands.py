"""`grant`: tokens to an agent or a quest, once per key, with a reason."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from economics.models import Account, Transfer
from tests import factories

pytestmark = pytest.mark.django_db


def _grant(*words: str) -> str:
    """Run the command; return what it printed."""
    out = io.StringIO()
    call_command("grant", *words, stdout=out)
    return out.getvalue()


def _balances() -> dict[str, int]:
    return {str(account): account.balance for account in Account.objects.exclude(owner_type="house")}


def test_grant_gives_an_agent_tokens_and_opens_its_wallet() -> None:
    factories.agent("alice")
    said = _grant("alice", "10000", "--reason", "first tokens", "--key", "spring")
    assert said == "Granted 10,000 wallet tokens as grant:spring: agent:alice (balance 10,000, available 10,000).\n"
    assert _balances() == {"agent:alice": 10_000}
    assert list(Transfer.objects.values_list("reason", "key", "memo")) == [("grant", "grant:spring", "first tokens")]


def test_grant_gives_a_quest_tokens() -> None:
    _grant("cure", "7", "--reason", "r", "--quest")
    assert _balances() == {"quest:cure": 7}


def test_grant_happens_once_per_key() -> None:
    factories.agent("alice")
    _grant("alice", "5", "--reason", "r", "--key", "k")
    again = _grant("alice", "5", "--reason", "r", "--key", "k")
    assert again.startswith("Granted before, at ")
    assert again.endswith(" UTC; nothing moved: agent:alice (balance 5, available 5).\n")
    assert _balances() == {"agent:alice": 5}


def test_grants_without_a_key_are_each_their_own() -> None:
    factories.agent("alice")
    for _ in range(2):
        _grant("alice", "5", "--reason", "r")
    assert _balances() == {"agent:alice": 10}


def test_grant_dry_run_writes_nothing() -> None:
    factories.agent("alice")
    said = _grant("alice", "5000", "--reason", "r", "--dry-run")
    assert said == "Would grant 5,000 wallet tokens, making agent:alice (balance 5,000, available 5,000).\n"
    assert (_balances(), Transfer.objects.count()) == ({}, 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody", "5"], "unknown_agent: There is no agent nobody; is it a quest (--quest)?"),
        (["judge", "5"], "grader_may_not_trade: A grader owns no wallet"),
        (["alice", "0"], "invalid_transfer: A transfer moves a positive whole number"),
        (["alice", "-5"], "invalid_transfer: A transfer moves a positive whole number"),
        (["alice", str(10**15 + 1)], "invalid_transfer: A transfer moves a positive whole number"),
        (["alice", str(10**30)], "invalid_transfer: A transfer moves a positive whole number"),
        (["alice", "5", "--key", "k" * 200], "invalid_transfer: A key has 1 to 200 characters"),
        (["q" * 65, "5", "--quest"], "invalid_transfer: A wallet belongs to an agent or to a quest"),
    ],
)
def test_grant_refuses_by_code_and_leaves_nothing_behind(words: list[str], message: str) -> None:
    factories.agent("alice")
    factories.agent("judge", kind="grader")
    with pytest.raises(CommandError) as refusal:
        _grant(*words, "--reason", "r")
    assert (str(refusal.value)[: len(message)], refusal.value.returncode) == (message, 1)
    assert Transfer.objects.count() == 0


def test_grant_with_a_key_of_another_grant_is_refused() -> None:
    factories.agent("alice")
    factories.agent("bob")
    _grant("alice", "5", "--reason", "r", "--key", "k")
    for words in (["alice", "6"], ["bob", "5"]):
        with pytest.raises(CommandError, match="transfer_key_reused"):
            _grant(*words, "--reason", "r", "--key", "k")
    assert Transfer.objects.count() == 1


@pytest.mark.parametrize("words", [["alice", "5"], ["alice", "1.5", "--reason", "r"], ["alice", "--reason", "r"]])
def test_grant_needs_an_owner_a_whole_amount_and_a_reason(words: list[str]) -> None:
    with pytest.raises(CommandError):
        _grant(*words)
