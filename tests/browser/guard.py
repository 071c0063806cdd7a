"""What no page of the house may do, watched on every page of every browser test."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from playwright.sync_api import Error

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import BrowserContext, ConsoleMessage, Request, Response, WebError

_INLINE: Final = ("data:", "blob:", "about:")  # nothing is asked of anybody for these
_SERVER_ERROR: Final = 500
# Chromium tells most breaches of a policy on the console, but not all those of a policy that only reports.
_TELL_BREACHES: Final = """
addEventListener("securitypolicyviolation", (breach) => console.error(
  `breach of ${breach.effectiveDirective} by ${breach.blockedURI} at ${breach.sourceFile}:${breach.lineNumber}`));
"""


def tell_breaches(context: BrowserContext) -> None:
    """Let every page of a context tell breaches of its policy, so that a guard hears of them."""
    context.add_init_script(_TELL_BREACHES)


class Guard:
    """Writes down every request to another origin, error of a script, breach of the CSP and answer of 500 or more."""

    def __init__(self, origin: str) -> None:
        """Guard the pages of one origin, named without a slash at the end."""
        self._origin = origin
        self._faults: list[str] = []
        self._expected: dict[int, int] = {}
        self._contexts: list[BrowserContext] = []

    def watch(self, context: BrowserContext) -> None:
        """Watch all that happens in a context from now on: each of its pages, frames and workers."""
        for event, seen in self._ears().items():
            context.on(event, seen)
        self._contexts.append(context)

    def leave(self, context: BrowserContext) -> None:
        """Hear what the pages of a context have said, and watch it no longer."""
        self.catch_up()
        for event, seen in self._ears().items():
            context.remove_listener(event, seen)
        self._contexts.remove(context)

    def _ears(self) -> dict[Any, Callable[[Any], None]]:
        return {
            "request": self._on_request,
            "response": self._on_response,
            "console": self._on_console,
            "weberror": self._on_exception,
        }

    def expect(self, status: int) -> None:
        """Allow answers of this status (400 to 499) in this test, and miss them if none comes."""
        self._expected.setdefault(status, 0)

    def faults(self) -> list[str]:
        """Return what was seen so far, and which expected answers were not."""
        self.catch_up()
        missing = [f"no answer of {status}, which was expected" for status, met in self._expected.items() if not met]
        return [*self._faults, *missing]

    def catch_up(self) -> None:
        """Hear what pages have said and nobody has listened to: a page answers after all it told before."""
        for context in self._contexts:
            with contextlib.suppress(Error):  # a page or a context that was closed says no more
                for page in context.pages:
                    page.evaluate("0")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self._origin}/", *_INLINE)):
            self._faults.append(f"request to another origin: {request.method} {request.url}")

    def _on_response(self, response: Response) -> None:
        if response.status in self._expected:
            self._expected[response.status] += 1
        elif response.status >= _SERVER_ERROR:
            self._faults.append(f"answer {response.status}: {response.request.method} {response.url}")

    def _on_console(self, message: ConsoleMessage) -> None:
        expected = any(f"responded with a status of {status} " in message.text for status in self._expected)
        if message.type == "error" and not expected:
            where = message.location
            self._faults.append(f"console error: {message.text} ({where['url']}:{where['lineNumber']})")

    def _on_exception(self, error: WebError) -> None:
        where = error.page.url if error.page else "a page that is closed"
        self._faults.append(f"uncaught exception: {error.error} ({where})")
