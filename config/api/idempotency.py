"""Writes that a machine may retry: the same key with the same body gets the first answer again.

One transaction holds all of it: the key is claimed, the deed done behind a savepoint, the answer stored. A twin
that comes meanwhile waits on the key's unique index. A refused deed is an answer too; errors that may pass (lock
errors, defects) are not: they roll everything back and leave the key free.
"""

import hashlib
import re
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, connection, transaction
from django.http import HttpResponse
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import bodies, fields, problems
from config.errors import InvalidError, RefusedError, RetryableError

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_SUCCESS = 300
_T = TypeVar("_T")

# The savepoint rides in the same round trip.
_CLAIM = """
INSERT INTO config_idempotentrequest (principal, key, fingerprint) VALUES (%s, %s, %s)
ON CONFLICT (principal, key) DO NOTHING RETURNING id;
SAVEPOINT deed
"""
_STORE = "UPDATE config_idempotentrequest SET status = %s, body = %s WHERE id = %s"
_FIRST = "SELECT fingerprint, status, body FROM config_idempotentrequest WHERE principal = %s AND key = %s"


class KeyReusedError(InvalidError):
    """This Idempotency-Key was used before, for another request."""

    code = "idempotency_key_reused"


def answered_once(request: Request, status: int, deed: Callable[[], object]) -> HttpResponse:
    """Do the deed once per agent and Idempotency-Key and return its answer, with `status` when it is not refused.

    `deed` makes one call into a rule and returns what is to be shown. Refuses a request without a key (400) and a
    key that was used for another method, path or body (422).
    """
    key = request.headers.get(HEADER, "")
    if not _KEY.fullmatch(key):
        msg = f"This write needs a header {HEADER}: 1 to 200 visible ASCII characters, new for each new request."
        raise exceptions.ParseError(msg, code="idempotency_key_required")
    path = request.path.rstrip("/")
    fingerprint = hashlib.sha256(f"{request.method} {path}\n".encode() + request._request.body).digest()  # noqa: SLF001 - the body as it came
    claim = (f"agent:{request.user.pk}", key, fingerprint)
    return retried(lambda: _in_one_transaction(claim, status, deed, request.path))


def repeatable(request: Request, deed: Callable[[], object]) -> Response:
    """Do a deed that is the same done twice as done once; it takes no body and needs no key."""
    fields.checked(fields.Body, request.data)
    return Response(retried(deed))


def retried(attempt: Callable[[], _T]) -> _T:
    """Run a deed in its own transaction, and a second time when somebody else's lock was in the way."""
    try:
        return _atomic(attempt)
    except (OperationalError, RetryableError) as error:
        if not problems.is_retryable(error):
            raise
    return _atomic(attempt)


def _atomic(attempt: Callable[[], _T]) -> _T:
    with transaction.atomic():
        return attempt()


def _in_one_transaction(
    claim: tuple[str, str, bytes], status: int, deed: Callable[[], object], instance: str
) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, claim)
        claimed = cursor.fetchone()
        if claimed is None:
            cursor.execute(_FIRST, claim[:2])
            return _replay(cursor.fetchone(), claim[2])
        try:
            body = bodies.as_json(deed())
        except RefusedError as error:
            if error.retryable:
                raise
            transaction.set_rollback(False)  # the deed's own atomic block asked for it; the savepoint is enough
            cursor.execute("ROLLBACK TO SAVEPOINT deed")
            status, body = error.status, bodies.as_json(problems.refusal(error, instance=instance))
        cursor.execute(_STORE, [status, body, claimed[0]])
    return _response(status, body)


def _replay(first: tuple[bytes, int, str], fingerprint: bytes) -> HttpResponse:
    if bytes(first[0]) != fingerprint:
        raise KeyReusedError
    response = _response(first[1], first[2])
    response.headers[REPLAYED] = "true"
    return response


def _response(status: int, body: str) -> HttpResponse:
    kind = "application/json" if status < _SUCCESS else problems.PROBLEM_JSON
    return HttpResponse(body, status=status, content_type=kind)
