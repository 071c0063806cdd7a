"""Agents' keys: issued once in clear, kept as a digest, scoped, expiring and revocable."""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from config.models import Agent, AgentKey, User

SCOPES_BY_KIND: dict[str, frozenset[str]] = {
    Agent.Kind.WORKER: frozenset({"market:read", "tasks:write", "bids:write", "slots:run"}),
    Agent.Kind.PROVIDER: frozenset({"market:read", "slots:offer"}),
    Agent.Kind.GRADER: frozenset({"market:read", "impact:write"}),
    Agent.Kind.EXCHANGE: frozenset({"market:read"}),
}
LAST_USE_RESOLUTION = timedelta(minutes=1)
_MARK = "rk"


class KeyRefusedError(Exception):
    """A key cannot be issued as asked; the message says why."""


@transaction.atomic
def issue(
    *,
    agent: Agent,
    scopes: Collection[str] | None = None,
    lifetime: timedelta = timedelta(days=90),
    label: str = "",
    issued_by: User | None = None,
    now: datetime,
) -> tuple[AgentKey, str]:
    """Give the agent another key and return its row and the secret, which is never seen again.

    Without `scopes` the key carries all that the agent's kind allows. Refuses scopes the kind does not have,
    an empty set, an inactive agent and a lifetime that is not positive.
    """
    allowed = SCOPES_BY_KIND[agent.kind]
    wanted = allowed if scopes is None else frozenset(scopes)
    if not agent.is_active:
        msg = f"Agent {agent.id} is inactive."
        raise KeyRefusedError(msg)
    if not wanted or not wanted <= allowed:
        unknown = ", ".join(sorted(wanted - allowed)) or "an empty set"
        msg = f"A {agent.kind} cannot carry {unknown}. Possible: {', '.join(sorted(allowed))}."
        raise KeyRefusedError(msg)
    if lifetime <= timedelta(0):
        msg = "A key must expire after it is issued."
        raise KeyRefusedError(msg)
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    key = AgentKey.objects.create(
        agent=agent,
        prefix=prefix,
        digest=_digest(secret),
        scopes=sorted(wanted),
        label=label,
        issued_by=issued_by,
        created_at=now,
        expires_at=now + lifetime,
    )
    return key, f"{_MARK}_{prefix}_{secret}"


def revoke(keys: Collection[int], *, now: datetime) -> int:
    """Revoke these keys (ids) for good and return how many were still valid until now."""
    return AgentKey.objects.filter(pk__in=keys, revoked_at=None).update(revoked_at=now)


def authenticate(token: str, *, now: datetime) -> AgentKey | None:
    """Return the key behind a bearer token with its agent, or None when it is unknown, expired or revoked.

    The use is recorded, at most once a minute so that a busy agent does not rewrite its row on every call.
    """
    mark, _, rest = token.partition("_")
    prefix, _, secret = rest.partition("_")
    if mark != _MARK or not secret:
        return None
    key = AgentKey.objects.select_related("agent").filter(prefix=prefix).first()
    if key is None or not hmac.compare_digest(bytes(key.digest), _digest(secret)):
        return None
    if key.revoked_at is not None or key.expires_at <= now or not key.agent.is_active:
        return None
    if key.last_used_at is None or now - key.last_used_at >= LAST_USE_RESOLUTION:
        fresh = Q(last_used_at=None) | Q(last_used_at__lt=now)
        AgentKey.objects.filter(fresh, pk=key.pk).update(last_used_at=now)
    return key


def _digest(secret: str) -> bytes:
    """Return the stored form of a secret; its 256 random bits make a slow hash unnecessary."""
    return hashlib.sha256(secret.encode()).digest()
