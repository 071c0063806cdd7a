"""The Content-Security-Policy of every answer: nothing from elsewhere, nothing inline; unfold's pages may evaluate."""

from collections.abc import Callable
from typing import Final, TypeVar

from django.http import HttpRequest, HttpResponse

ViewT = TypeVar("ViewT", bound=Callable[..., HttpResponse])

HEADER: Final = "Content-Security-Policy"
STRICT: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Alpine, with which unfold draws menus and filters, turns the expressions it finds in a page into functions.
EVALUATED: Final = STRICT.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'")
_MARK = "is_drawn_by_unfold"


def drawn_by_unfold(view: ViewT) -> ViewT:
    """Mark a view outside the admin whose page stands in the admin's frame."""
    setattr(view, _MARK, True)
    return view


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give every answer its policy; one that a view set itself stays."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault(HEADER, EVALUATED if _is_drawn_by_unfold(request) else STRICT)
        return response

    return answer


def _is_drawn_by_unfold(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and ("admin" in match.app_names or getattr(match.func, _MARK, False))
