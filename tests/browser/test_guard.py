"""What is not allowed on a page is seen, whatever page it is; else all other tests here would prove nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.browser import accessibility
from tests.browser import guard as guards

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

ORIGIN: Final = "http://127.0.0.1:9"  # nobody listens there: the tests answer
STRICT: Final = "default-src 'self'"
CASES: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "another origin": ({"body": "<img src='http://elsewhere.example/a.png'>"}, "request to another origin: GET"),
    "an error told": ({"body": "<script>console.error('oh')</script>"}, "console error: oh"),
    "an exception": ({"body": "<script>throw new Error('ah')</script>"}, "uncaught exception: ah"),
    "a promise broken": ({"body": "<script>Promise.reject(Error('ah'))</script>"}, "uncaught exception: ah"),
    "a breach": (
        {"body": "<script>1</script>", "headers": {"Content-Security-Policy": STRICT}},
        "console error: breach of script-src-elem by inline",
    ),
    "a breach only told": (
        {"body": "<script>1</script>", "headers": {"Content-Security-Policy-Report-Only": STRICT}},
        "console error: breach of script-src-elem by inline",
    ),
    "a server error": ({"body": "oh", "status": 503}, "answer 503: GET"),
    "a missing file": ({"body": "<script src='none.js'></script>"}, "console error: Failed to load resource"),
}


def _faults(browser: Browser, answer: dict[str, Any], *expected: int) -> list[str]:
    """Return what a guard sees when a page like this is opened."""

    def respond(route: Route) -> None:
        if route.request.url.endswith("none.js"):
            route.fulfill(status=404)
        else:
            headers = {"Content-Type": "text/html", **answer.get("headers", {})}
            route.fulfill(**{**answer, "headers": headers})

    guard = guards.Guard(ORIGIN)
    for status in expected:
        guard.expect(status)
    with browser.new_context() as context:
        guards.tell_breaches(context)
        guard.watch(context)
        context.route(f"{ORIGIN}/**", respond)
        page = context.new_page()
        page.goto(f"{ORIGIN}/page")
        return guard.faults()


@pytest.mark.parametrize("case", CASES)
def test_a_fault_of_a_page_is_seen(case: str, browser: Browser) -> None:
    answer, seen = CASES[case]
    assert [fault for fault in _faults(browser, answer) if fault.startswith(seen)]


def test_a_decent_page_is_not_reported(browser: Browser) -> None:
    assert _faults(browser, {"body": "<title>Home</title><img src='data:,'><script>console.log('well')</script>"}) == []


def test_an_expected_refusal_is_no_fault_and_missed_when_it_does_not_come(browser: Browser) -> None:
    assert _faults(browser, {"body": "no", "status": 403}, 403) == []
    assert _faults(browser, {"body": "well"}, 403) == ["no answer of 403, which was expected"]


def test_what_axe_finds_is_told_with_its_place(browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content("<html lang='en'><title>t</title><main><h1>h</h1><input id='lonely'></main></html>")
        with pytest.raises(AssertionError, match=r"(?s)1 critical or serious .* label \(critical\).*#lonely"):
            accessibility.axe(page)
        page.set_content("<html lang='en'><title>t</title><main><h1>h</h1><p>Read on.</p></main></html>")
        accessibility.axe(page)
