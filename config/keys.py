"""Agents' keys: issued once in clear, kept as a digest, scoped, expiring and revocable."""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Q

from config.errors import InvalidError
from config.models import Agent, AgentKey, User

SCOPES_BY_KIND: dict[str, frozenset[str]] = {
    Agent.Kind.WORKER: frozenset(
        {
            *("market:read", "tasks:write", "bids:write", "slots:run", "budgets:read", "budgets:spend", "usage:write"),
            *("quests:write", "proposals:read", "proposals:write"),
        }
    ),
    Agent.Kind.PROVIDER: frozenset(
        {"market:read", "slots:offer", "budgets:read", "usage:write", "proposals:read", "proposals:write"}
    ),
    Agent.Kind.GRADER: frozenset(
        {
            *("market:read", "impact:write", "budgets:read", "scores:write", "observations:write", "outcomes:write"),
            "proposals:read",
        }
    ),
    Agent.Kind.EXCHANGE: frozenset(
        {"market:read", "budgets:read", "signals:write", "observations:write", "proposals:read"}
    ),
}
LIFETIME = timedelta(days=90)
LONGEST = timedelta(days=3650)
LONGEST_LABEL = 100
LAST_USE_RESOLUTION = timedelta(minutes=1)
_MARK = "rk"


class KeyRefusedError(InvalidError):
    """A key cannot be issued as asked; the message says why."""

    code = "key_refused"


@transaction.atomic
def issue(  # noqa: PLR0913 - a key has this many terms
    *,
    agent: Agent,
    scopes: Collection[str] | None = None,
    lifetime: timedelta = LIFETIME,
    label: str = "",
    prefix: str = "",
    issued_by: User | None = None,
    now: datetime,
) -> tuple[AgentKey, str]:
    """Give the agent another key and return its row and the secret, which is never seen again.

    Without `scopes` the key carries all that the agent's kind allows. `prefix`, the key's public name, may be chosen
    beforehand, so that a form sent twice issues one key. Refuses scopes the kind does not have, an empty set, an
    inactive agent, a lifetime that is not positive or longer than `LONGEST`, a label too long, and a prefix taken.
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
    if not timedelta(0) < lifetime <= LONGEST:
        msg = f"A key lives longer than no time and at most {LONGEST.days} days."
        raise KeyRefusedError(msg)
    if len(label) > LONGEST_LABEL:
        msg = f"A label has at most {LONGEST_LABEL} characters."
        raise KeyRefusedError(msg)
    secret = secrets.token_urlsafe(32)
    key = AgentKey(
        agent=agent,
        prefix=prefix or secrets.token_hex(6),
        digest=_digest(secret),
        scopes=sorted(wanted),
        label=label,
        issued_by=issued_by,
        created_at=now,
        expires_at=now + lifetime,
    )
    try:
        with transaction.atomic():
            key.save(force_insert=True)
    except IntegrityError as error:
        if "prefix" not in str(error):
            raise
        msg = "This key was issued already; its secret was shown that one time."
        raise KeyRefusedError(msg) from error
    return key, f"{_MARK}_{key.prefix}_{secret}"


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
    key = _by_prefix(prefix)
    if key is None or not hmac.compare_digest(bytes(key.digest), _digest(secret)):
        return None
    if key.revoked_at is not None or key.expires_at <= now or not key.agent.is_active:
        return None
    if key.last_used_at is None or now - key.last_used_at >= LAST_USE_RESOLUTION:
        fresh = Q(last_used_at=None) | Q(last_used_at__lt=now)
        AgentKey.objects.filter(fresh, pk=key.pk).update(last_used_at=now)
    return key


_KEY_COLUMNS = [field.attname for field in AgentKey._meta.concrete_fields]  # noqa: SLF001 - Django's public name for it
_AGENT_COLUMNS = [field.attname for field in Agent._meta.concrete_fields]  # noqa: SLF001 - as above
# Written out because every request of every agent asks it: composing it by the ORM costs three times the query.
_BY_PREFIX = f"""
SELECT {", ".join(f"k.{name}" for name in _KEY_COLUMNS)}, {", ".join(f"a.{name}" for name in _AGENT_COLUMNS)}
  FROM config_agentkey k JOIN config_agent a ON a.id = k.agent_id WHERE k.prefix = %s
"""  # noqa: S608 - names of columns


def _by_prefix(prefix: str) -> AgentKey | None:
    """Return the key of this public name with its agent, in one query."""
    row = _asked_first(_BY_PREFIX, prefix)
    if row is None:
        return None
    key = AgentKey.from_db(connection.alias, _KEY_COLUMNS, row[: len(_KEY_COLUMNS)])
    key.agent = Agent.from_db(connection.alias, _AGENT_COLUMNS, row[len(_KEY_COLUMNS) :])
    return key


def _asked_first(query: str, prefix: str) -> tuple[Any, ...] | None:
    """Return the row that a request asks for first, over a new connection where the one kept has ended.

    Django would ask `SELECT 1` before it, to learn whether that connection still stands: a round trip in every request,
    for what this query shows as well. It only reads, so that asking it again does no harm.
    """
    is_kept = connection.connection is not None and not connection.in_atomic_block
    connection.health_check_done = True  # type: ignore[attr-defined] # missing in the stubs
    try:
        return _row(query, prefix)
    except (InterfaceError, OperationalError):
        if not is_kept:
            raise
    connection.close()
    return _row(query, prefix)


def _row(query: str, prefix: str) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(query, [prefix])
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def _digest(secret: str) -> bytes:
    """Return the stored form of a secret; its 256 random bits make a slow hash unnecessary."""
    return hashlib.sha256(secret.encode()).digest()
