"""Every address of the site, read from its routes: what is new is among them by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

_GIVEN: Final = {"int": "1", "str": "x", "path": "x", "slug": "x", "uuid": "0b7f3d2e-5a1c-4b8e-9d6f-3c2a1e0f4b5d"}


class Address(NamedTuple):
    """An address that a route answers, and whether parts of it had to be made up."""

    path: str
    name: str
    is_made_up: bool


def every() -> Iterator[Address]:
    """Yield an address for each route, and for each of the words that it names."""
    for route, pattern in _patterns(get_resolver()):
        for spelled in _spelled_out(route):
            address = Address("/" + _filled(spelled), str(pattern.name or ""), is_made_up="<" in spelled)
            if resolve(address.path).func is not pattern.callback:
                message = f"{address.path} leads elsewhere than to {route}"
                raise AssertionError(message)
            yield address


def _spelled_out(route: str) -> Iterator[str]:
    """Yield a route once for each word where it takes one of several: `(?P<tab>budgets|usage)`."""
    several = re.search(r"\(\?P<\w+>([\w-]+(?:\|[\w-]+)+)\)", route)
    if several is None:
        yield route
        return
    for word in several[1].split("|"):
        yield from _spelled_out(route[: several.start()] + word + route[several.end() :])


def _patterns(under: URLResolver, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for one in under.url_patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _patterns(one, route)
        else:
            yield route, one


def _filled(route: str) -> str:
    """Return an address that fits a route: plain parts by kind, those of an expression by what it allows."""
    plain = re.sub(r"<(?:(\w+):)?\w+>", lambda part: _GIVEN[part[1] or "str"], route) if "(?P" not in route else route
    chosen = re.sub(r"\(\?P<\w+>([^)]*)\)", lambda part: _first(part[1]), plain)
    open_end = "^" in route and not route.endswith(("\\Z", "$"))  # then it fits whatever follows
    return re.sub(r"\\Z|[\^$?\\]", "", chosen) + ("nowhere" if open_end else "")


def _first(allowed: str) -> str:
    return "1" if allowed.startswith("[") else allowed.replace(".*", "nowhere")
