"""Keys: what is issued opens what it says, for as long as it says, and nothing else does."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from config import keys
from config.models import Agent, AgentKey
from tests.factories import NOON, after, agent

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def _issued(owner: Agent | None = None, **terms: object) -> tuple[AgentKey, str]:
    return keys.issue(agent=owner or agent(), now=NOON, **terms)  # type: ignore[arg-type] # terms of a key


@pytest.mark.parametrize(
    ("kind", "scopes"),
    [
        (
            "worker",
            [
                *("bids:write", "budgets:read", "budgets:spend", "market:read", "proposals:read", "proposals:write"),
                *("quests:write", "slots:run", "tasks:write", "usage:write"),
            ],
        ),
        (
            "provider",
            ["budgets:read", "market:read", "proposals:read", "proposals:write", "slots:offer", "usage:write"],
        ),
        (
            "grader",
            [
                *("budgets:read", "impact:write", "market:read", "observations:write", "outcomes:write"),
                *("proposals:read", "scores:write"),
            ],
        ),
        ("exchange", ["budgets:read", "market:read", "observations:write", "proposals:read", "signals:write"]),
    ],
)
def test_issue_carries_all_that_the_kind_allows(kind: str, scopes: list[str]) -> None:
    key, _secret = _issued(agent(kind=kind))
    assert key.scopes == scopes


def test_issue_carries_the_scopes_asked_for_and_lives_as_long_as_asked() -> None:
    key, _secret = _issued(scopes=["market:read", "bids:write"], lifetime=7 * DAY, label="night host")
    key.refresh_from_db()
    assert (key.scopes, key.label) == (["bids:write", "market:read"], "night host")
    assert (key.created_at, key.expires_at, key.revoked_at) == (NOON, NOON + 7 * DAY, None)


def test_issue_lasts_ninety_days_when_not_said() -> None:
    key, _secret = _issued()
    assert key.expires_at == NOON + 90 * DAY


def test_issue_stores_a_digest_and_never_the_secret() -> None:
    key, secret = _issued()
    mark, prefix, random = secret.split("_", 2)
    key.refresh_from_db()
    assert (mark, prefix) == ("rk", key.prefix)
    assert bytes(key.digest) == hashlib.sha256(random.encode()).digest()
    stored = [str(value) for value in AgentKey.objects.filter(pk=key.pk).values_list()[0]]
    assert [value for value in stored if random in value] == []


def test_issue_gives_an_agent_several_keys() -> None:
    owner = agent()
    secrets = [_issued(owner)[1] for _ in range(3)]
    assert [str(_agent_behind(secret)) for secret in secrets] == [str(owner)] * 3


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"scopes": ["impact:write"]}, "A worker cannot carry impact:write."),
        ({"scopes": ["bids:write", "root"]}, "A worker cannot carry root."),
        ({"scopes": []}, "A worker cannot carry an empty set."),
        ({"lifetime": timedelta(0)}, "A key lives longer than no time"),
        ({"lifetime": -DAY}, "A key lives longer than no time"),
        ({"lifetime": 3651 * DAY}, "A key lives longer than no time and at most 3650 days."),
        ({"label": "x" * 101}, "A label has at most 100 characters."),
    ],
)
def test_issue_refuses_what_a_key_cannot_be(terms: dict[str, object], says: str) -> None:
    owner = agent()
    with pytest.raises(keys.KeyRefusedError) as refusal:
        _issued(owner, **terms)
    assert (refusal.value.code, refusal.value.detail[: len(says)]) == ("key_refused", says)
    assert owner.keys.count() == 0


def test_issue_refuses_an_inactive_agent() -> None:
    owner = agent()
    owner.is_active = False
    with pytest.raises(keys.KeyRefusedError, match="inactive"):
        _issued(owner)


def test_issue_under_a_name_given_before_happens_once() -> None:
    owner = agent()
    key, _secret = _issued(owner, prefix="0123456789ab")
    with pytest.raises(keys.KeyRefusedError, match="issued already"):
        _issued(owner, prefix="0123456789ab")
    assert list(owner.keys.values_list("prefix", flat=True)) == [key.prefix] == ["0123456789ab"]


def _agent_behind(secret: str, seconds: float = 1) -> Agent | None:
    key = keys.authenticate(secret, now=after(seconds))
    return None if key is None else key.agent


def test_authenticate_returns_the_key_with_its_agent_in_one_query_and_one_note(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    key, secret = _issued()
    with django_assert_num_queries(2):  # the key with its agent; its first use
        found = keys.authenticate(secret, now=after(1))
        assert found is not None
        assert (found.pk, found.agent.pk) == (key.pk, key.agent_id)
    with django_assert_num_queries(1):
        keys.authenticate(secret, now=after(2))


def test_authenticate_refuses_what_is_no_key() -> None:
    key, secret = _issued()
    random = secret.split("_", 2)[2]
    wrong = [
        "",
        "rk",
        "rk_",
        f"rk_{key.prefix}",
        f"rk_{key.prefix}_",
        f"rk_{key.prefix}_{random[:-1]}",
        f"rk_{key.prefix}_{random}x",
        f"rk_000000000000_{random}",
        f"RK_{key.prefix}_{random}",
        f"{key.prefix}_{random}",
        f" {secret}",
        f"Bearer {secret}",
        _issued()[1].replace("rk_", f"rk_{key.prefix}_"),
    ]
    assert [_agent_behind(token) for token in wrong] == [None] * len(wrong)


def test_authenticate_refuses_a_key_from_the_moment_it_expires() -> None:
    _key, secret = _issued(lifetime=timedelta(seconds=60))
    assert _agent_behind(secret, 59.999) is not None
    assert _agent_behind(secret, 60) is None


def test_authenticate_refuses_a_revoked_key_and_leaves_the_others() -> None:
    owner = agent()
    (lost, lost_secret), (_kept, kept_secret) = _issued(owner), _issued(owner)
    assert keys.revoke([lost.pk], now=after(5)) == 1
    assert (_agent_behind(lost_secret), _agent_behind(kept_secret)) == (None, owner)


def test_authenticate_refuses_every_key_of_an_inactive_agent_until_it_is_active_again() -> None:
    owner = agent()
    _key, secret = _issued(owner)
    Agent.objects.filter(pk=owner.pk).update(is_active=False)
    assert _agent_behind(secret) is None
    Agent.objects.filter(pk=owner.pk).update(is_active=True)
    assert _agent_behind(secret) == owner


def test_last_use_is_noted_at_most_once_a_minute() -> None:
    key, secret = _issued()
    noted = []
    for seconds in (0, 1, 59.9, 60, 100, 121):
        keys.authenticate(secret, now=after(seconds))
        key.refresh_from_db()
        noted.append(key.last_used_at)
    assert noted == [after(0)] * 3 + [after(60)] * 2 + [after(121)]


def test_a_refused_use_is_not_noted() -> None:
    key, secret = _issued(lifetime=timedelta(seconds=1))
    keys.authenticate(secret, now=after(1))
    keys.authenticate(f"rk_{key.prefix}_guess", now=NOON)
    key.refresh_from_db()
    assert key.last_used_at is None


def test_revoke_is_for_good_and_counts_what_was_valid() -> None:
    first, second = (_issued()[0] for _ in range(2))
    assert keys.revoke([first.pk], now=after(1)) == 1
    assert keys.revoke([first.pk, second.pk], now=after(2)) == 1
    assert keys.revoke([], now=after(3)) == 0
    revoked = AgentKey.objects.filter(pk__in=[first.pk, second.pk]).order_by("pk").values_list("revoked_at", flat=True)
    assert list(revoked) == [after(1), after(2)]
