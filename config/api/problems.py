"""Every error under /api/ as problem+json (RFC 9457): one shape, stable codes, pointers to what is wrong."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.settings import api_settings

from config.api.bodies import as_json
from config.errors import RefusedError, RetryableError

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
PREFIX = "/api/"
MOST_ERRORS = 100
# serialization failure, deadlock, lock not available: somebody else moved, nothing was written.
RETRYABLE_STATES = frozenset({"40001", "40P01", "55P03"})
RETRY_AFTER_SECONDS = "1"
_SHOWN_OF_A_NAME = 100


def is_retryable(error: BaseException) -> bool:
    """Tell whether the same request may simply be sent again: a lock or serialization error, nothing else."""
    if isinstance(error, OperationalError):
        return getattr(error.__cause__, "sqlstate", None) in RETRYABLE_STATES
    return isinstance(error, RetryableError)


def problem(  # noqa: PLR0913 - a problem has this many members
    status: int,
    code: str,
    detail: str,
    *,
    instance: str,
    title: str = "",
    errors: Iterable[Mapping[str, str]] = (),
    figures: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Return the members of a problem document; `figures` holds what a program may want to compute with."""
    return {
        "type": f"{PREFIX}problems/#{code}",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "instance": instance,
        "errors": list(errors),
        "figures": dict(figures or {}),
    }


def refusal(error: RefusedError, *, instance: str) -> dict[str, object]:
    """Return the problem document of a refused deed."""
    return problem(
        error.status,
        error.code,
        error.detail,
        instance=instance,
        title=title_of(type(error)),
        errors=error.faults(),
        figures=error.figures,
    )


def title_of(error: type[RefusedError]) -> str:
    """Return what a class of refusals means in one sentence."""
    return (error.__doc__ or "").split("\n", maxsplit=1)[0]


def answer(document: Mapping[str, object], headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return the response of a problem document."""
    return HttpResponse(
        as_json(document), status=int(str(document["status"])), content_type=PROBLEM_JSON, headers=dict(headers or {})
    )


def problem_response(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Turn what a view raised into problem+json (DRF's exception handler). Defects are left to `server_error`."""
    request = context["request"]
    instance = request.path
    if is_retryable(error):
        return _try_again("retryable", "Somebody else moved in between; nothing was written. Ask again.", instance)
    if isinstance(error, RefusedError):
        return answer(refusal(error, instance=instance))
    if isinstance(error, (OperationalError, InterfaceError)):
        log.error("The database did not answer", exc_info=error)
        return _try_again("unavailable", "The database cannot be reached at the moment.", instance)
    if isinstance(error, RequestDataTooBig):
        return answer(problem(413, "body_too_large", "The body is larger than is read here.", instance=instance))
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    if isinstance(error, exceptions.APIException):
        return _of_framework(error, context, instance)
    return None


def _try_again(code: str, detail: str, instance: str) -> HttpResponse:
    return answer(problem(503, code, detail, instance=instance), {"Retry-After": RETRY_AFTER_SECONDS})


def _of_framework(error: exceptions.APIException, context: Mapping[str, Any], instance: str) -> HttpResponse:
    headers = {}
    if isinstance(error, (exceptions.AuthenticationFailed, exceptions.NotAuthenticated)):
        error.status_code = 401
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, exceptions.MethodNotAllowed):
        headers["Allow"] = ", ".join(context["view"].allowed_methods)
    if not isinstance(error, exceptions.ValidationError):
        code, detail = str(error.get_codes()), str(error.detail)
        figures = getattr(error, "figures", None)
        unread = isinstance(error, (exceptions.ParseError, exceptions.UnsupportedMediaType))
        faults = [{"code": code, "detail": detail, "pointer": ""}] if unread else []
        document = problem(error.status_code, code, detail, instance=instance, errors=faults, figures=figures)
        return answer(document, headers)
    in_query = context["request"].method in {"GET", "HEAD"}
    faults = [_fault(path, one, in_query=in_query) for path, one in _leaves(error.detail)]
    codes = {fault["code"] for fault in faults}
    code = codes.pop() if len(codes) == 1 else "invalid"
    detail = faults[0]["detail"] if len(faults) == 1 else f"{len(faults)} things are wrong with the request."
    return answer(problem(error.status_code, code, detail, instance=instance, errors=faults[:MOST_ERRORS]))


def _leaves(detail: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], exceptions.ErrorDetail]]:
    """Walk DRF's nested error details: each leaf with the keys and indices that lead to it."""
    if isinstance(detail, exceptions.ErrorDetail):
        yield path, detail
    elif isinstance(detail, Mapping):
        for key, below in detail.items():
            yield from _leaves(below, path if key == api_settings.NON_FIELD_ERRORS_KEY else (*path, str(key)))
    else:
        for place, below in enumerate(detail):
            # A list of leaves is one field's errors; a list of anything else runs over a list in the body.
            leaf = isinstance(below, exceptions.ErrorDetail)
            yield from _leaves(below, path if leaf else (*path, str(place)))


def _fault(path: tuple[str, ...], error: exceptions.ErrorDetail, *, in_query: bool) -> dict[str, str]:
    names = [part[:_SHOWN_OF_A_NAME].replace("~", "~0").replace("/", "~1") for part in path]
    fault = {"code": str(error.code), "detail": str(error), "pointer": ""}
    if in_query:
        return fault | {"parameter": ".".join(names)}
    return fault | {"pointer": "".join(f"/{name}" for name in names)}


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that does not exist (handler404)."""
    if not request.path.startswith(PREFIX):
        return defaults.page_not_found(request, exception)
    return answer(problem(404, "not_found", "There is nothing at this address.", instance=request.path))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself refuses to read (handler400)."""
    if not request.path.startswith(PREFIX):
        return defaults.bad_request(request, exception)
    return answer(problem(400, "bad_request", "The request cannot be read.", instance=request.path))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a defect of ours, without a word about its inside (handler500)."""
    if not request.path.startswith(PREFIX):
        return defaults.server_error(request)
    return answer(problem(500, "internal_error", "Something went wrong here; it was logged.", instance=request.path))
