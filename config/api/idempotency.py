"""Writes that a machine may retry: the same key with the same body gets the first answer again.

The answer is written last, in the deed's own transaction, under a key that is unique per caller. Whoever finds it
taken was not the first: its deed is rolled back and the first answer returned. A twin that comes meanwhile waits on
that unique index until the other has committed. So a first request, nearly all of them, pays for one insert and nothing
else. A refusal is an answer too and is kept; errors that may pass (lock errors, defects) are not: the key stays free.
"""

import hashlib
import re
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, transaction
from django.http import HttpResponse
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from config import answers
from config.api import bodies, fields, problems
from config.errors import InvalidError, RefusedError, RetryableError
from config.models import User

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_SUCCESS = 300
_NEVER_KEPT = frozenset({401, 403})  # who may do it can change: the key stays free
_T = TypeVar("_T")


class KeyReusedError(InvalidError):
    """This Idempotency-Key was used before, for another request."""

    code = "idempotency_key_reused"


class _AnsweredBeforeError(Exception):
    """Somebody else's answer stands under this key: what was done in vain must not stay."""


def answered_once(request: Request, status: int, deed: Callable[[], object]) -> HttpResponse:
    """Do the deed once per caller and Idempotency-Key and return its answer, with `status` when it is not refused.

    `deed` makes one call into a rule and returns what is to be shown. A refusal it *returns* is answered as one it
    raises, but what the deed wrote stays: the refusal is on record. Refuses a request without a key (400) and a
    key that was used for another method, path or body (422).
    """
    claim = _claim(request)
    failure: Exception
    try:
        return retried(lambda: _done(claim, status, deed, request.path))
    except _AnsweredBeforeError as error:
        failure = error
    except (RefusedError, OperationalError) as error:
        failure = error
        if isinstance(error, RefusedError) and not error.retryable and error.status not in _NEVER_KEPT:
            body = bodies.as_json(problems.refusal(error, instance=request.path))
            if answers.keep(claim, error.status, body):
                return _response(error.status, body)
    first = _first(claim)
    if first is None:
        raise failure
    return first


def _claim(request: Request) -> answers.Claim:
    key = request.headers.get(HEADER, "")
    if not _KEY.fullmatch(key):
        msg = f"This write needs a header {HEADER}: 1 to 200 visible ASCII characters, new for each new request."
        raise exceptions.ParseError(msg, code="idempotency_key_required")
    address = f"{request.method} {request.path.rstrip('/')}\n".encode()
    fingerprint = hashlib.sha256(address + request._request.body).digest()  # noqa: SLF001 - the body as it came
    kind = "user" if isinstance(request.user, User) else "agent"
    return answers.Claim(f"{kind}:{request.user.pk}", key, fingerprint)


def _done(claim: answers.Claim, status: int, deed: Callable[[], object], instance: str) -> HttpResponse:
    outcome = deed()
    if isinstance(outcome, RefusedError):
        status, outcome = outcome.status, problems.refusal(outcome, instance=instance)
    body = bodies.as_json(outcome)
    if not answers.keep(claim, status, body):
        raise _AnsweredBeforeError
    return _response(status, body)


def _first(claim: answers.Claim) -> HttpResponse | None:
    """Return the answer that stands under this key; refuse when it is that of another request."""
    first = answers.first(claim)
    if first is None:
        return None
    if first.fingerprint != claim.fingerprint:
        raise KeyReusedError
    response = _response(first.status, first.body)
    response.headers[REPLAYED] = "true"
    return response


def _response(status: int, body: str) -> HttpResponse:
    kind = "application/json" if status < _SUCCESS else problems.PROBLEM_JSON
    return HttpResponse(body, status=status, content_type=kind)


def repeatable(request: Request, deed: Callable[[], object]) -> Response:
    """Do a deed that is the same done twice as done once; it takes no body and needs no key.

    A refusal it *returns* is on record: what the deed wrote stays, and it is answered as one it raises.
    """
    fields.checked(fields.Body, request.data)
    outcome = retried(deed)
    if isinstance(outcome, RefusedError):
        raise outcome
    return Response(outcome)


def retried(attempt: Callable[[], _T], *, whole: bool = True) -> _T:
    """Run a deed in its own transaction, and a second time when somebody else's lock was in the way.

    One that is not `whole` is made of steps, each a transaction of its own that may be done again.
    """
    run = _atomic if whole else _in_steps
    try:
        return run(attempt)
    except (OperationalError, RetryableError) as error:
        if not problems.is_retryable(error):
            raise
    return run(attempt)


def _atomic(attempt: Callable[[], _T]) -> _T:
    with transaction.atomic():
        return attempt()


def _in_steps(attempt: Callable[[], _T]) -> _T:
    return attempt()
