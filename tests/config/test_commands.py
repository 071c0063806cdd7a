"""`issue_key`: the secret alone on standard output, the rest beside it, refusals by code."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from config import keys
from config.models import Agent, AgentKey
from tests import factories

pytestmark = pytest.mark.django_db


def _issue(*words: str) -> tuple[str, str]:
    """Run the command; return what it printed on standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    call_command("issue_key", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_issue_key_prints_the_secret_alone() -> None:
    factories.agent("alice")
    out, err = _issue("alice", "--label", "night host")
    key = keys.authenticate(out.removesuffix("\n"), now=timezone.now())
    assert key is not None
    assert (key.agent_id, key.label, key.scopes) == ("alice", "night host", sorted(keys.SCOPES_BY_KIND["worker"]))
    until = f"{key.expires_at:%Y-%m-%d %H:%M} UTC"
    scopes = "bids:write, budgets:read, budgets:spend, market:read, proposals:read, proposals:write, "
    scopes += "quests:write, slots:run, tasks:write, usage:write"
    assert err == f"Issued key {key.prefix} to alice (worker) with {scopes}, until {until}.\n"
    assert out.strip() not in err


def test_issue_key_takes_scopes_and_a_lifetime() -> None:
    factories.agent("alice")
    _issue("alice", "--scope", "bids:write", "--scope", "market:read", "--days", "3")
    key = AgentKey.objects.get()
    assert (key.scopes, key.expires_at - key.created_at) == (["bids:write", "market:read"], timedelta(days=3))


@pytest.mark.parametrize(("words", "kind"), [([], "worker"), (["--kind", "grader"], "grader")])
def test_issue_key_makes_the_agent_when_told_to(words: list[str], kind: str) -> None:
    _issue("bob", "--create", *words)
    _issue("bob", "--create", *words)
    assert list(Agent.objects.values_list("id", "kind")) == [("bob", kind)]
    assert AgentKey.objects.filter(agent="bob").count() == 2


@pytest.mark.parametrize("words", [[], ["--create"]])
def test_issue_key_dry_run_writes_nothing_and_shows_no_secret(words: list[str]) -> None:
    if not words:
        factories.agent("alice")
    before = Agent.objects.count()
    out, err = _issue("alice", "--dry-run", *words)
    assert (out, err[:36]) == ("", "Would issue a key to alice (worker) ")
    assert (Agent.objects.count(), AgentKey.objects.count()) == (before, 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody"], "unknown_agent: There is no agent nobody; --create makes it."),
        (["alice", "--kind", "grader"], "kind_is_fixed: alice is a worker and stays one."),
        (["alice", "--scope", "impact:write"], "key_refused: A worker cannot carry impact:write."),
        (["alice", "--days", "0"], "key_refused: A key lives longer than no time and at most 3650 days."),
        (["alice", "--days", "99999999999"], "key_refused: A key lives longer than no time"),
        (["alice", "--label", "x" * 101], "key_refused: A label has at most 100 characters."),
        (["a b", "--create"], "invalid_agent: Enter a valid “slug”"),
        (["x" * 65, "--create"], "invalid_agent: Ensure this value has at most 64 characters"),
        (["", "--create"], "invalid_agent: This field cannot be blank."),
    ],
)
def test_issue_key_refuses_by_code_and_leaves_nothing_behind(words: list[str], message: str) -> None:
    factories.agent("alice")
    with pytest.raises(CommandError) as refusal:
        _issue(*words)
    assert (str(refusal.value)[: len(message)], refusal.value.returncode) == (message, 1)
    assert (Agent.objects.count(), AgentKey.objects.count()) == (1, 0)


def test_issue_key_makes_no_agent_for_a_key_that_is_refused() -> None:
    with pytest.raises(CommandError, match="key_refused"):
        _issue("bob", "--create", "--scope", "impact:write")
    assert Agent.objects.count() == 0


def test_issue_key_refuses_an_inactive_agent() -> None:
    factories.agent("alice")
    Agent.objects.update(is_active=False)
    with pytest.raises(CommandError, match="key_refused: Agent alice is inactive"):
        _issue("alice")
