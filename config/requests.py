"""Which request is being answered: an id that goes with it into every record it leaves, and back to the caller."""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db.models import Func, TextField, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
# What a row takes by default: a setting of the transaction, put there by whoever signs it.
_MISSING_IS_NULL = Value(True)  # noqa: FBT003 - by place, as migrations have it
_SETTING = Func(Value("economy.request"), _MISSING_IS_NULL, function="current_setting", output_field=TextField())
OF_TRANSACTION = Coalesce(_SETTING, Value(""))
_PLAIN = re.compile(r"[\x21-\x7e]{1,200}")  # visible, so that nobody forges a line of a log
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """Return the id of the request or run that this is part of; empty where there is none."""
    return _current.get()


@contextmanager
def known_as(request_id: str) -> Iterator[None]:
    """Let all that is done meanwhile be part of the request or run of this id."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give every request an id: the caller's own if it is 1 to 200 plain visible characters, else a new one."""

    def answer(request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        request_id = given if _PLAIN.fullmatch(given) else str(uuid.uuid4())
        with known_as(request_id):
            response = get_response(request)
        response[HEADER] = request_id
        return response

    return answer
