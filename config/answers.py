"""Answers kept under the key of their request, so that asking again is answered again and not done again."""

from datetime import datetime
from typing import NamedTuple

from django.db import connection

from config import retention

_KEEP = """
INSERT INTO config_idempotentrequest (principal, key, fingerprint, status, body) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (principal, key) DO NOTHING
"""
_FIRST = "SELECT fingerprint, status, body FROM config_idempotentrequest WHERE principal = %s AND key = %s"


class Claim(NamedTuple):
    """Who asks what under which key; the fingerprint is a SHA-256 of the request."""

    principal: str
    key: str
    fingerprint: bytes


class Answer(NamedTuple):
    """What was answered, and to which request."""

    fingerprint: bytes
    status: int
    body: str


def keep(claim: Claim, status: int, body: str) -> bool:
    """Write an answer down and return True, unless there is one under this key already.

    Whoever is just writing one under the same key is waited for.
    """
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [*claim, status, body])
        return bool(cursor.rowcount)


def first(claim: Claim) -> Answer | None:
    """Return the answer that stands under this key."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST, claim[:2])
        row = cursor.fetchone()
    return Answer(bytes(row[0]), row[1], row[2]) if row else None


def outdated(before: datetime) -> retention.Outdated:
    """Return the answers given before a moment. With them their keys are free again."""
    return retention.Outdated("answers", "config_idempotentrequest", "created_at < %(before)s", {"before": before})
