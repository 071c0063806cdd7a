"""Browser tests: the site over a database of the test's own, people at it, and a guard on every page.

`visit("reviewer", theme="dark", phone=True)` opens a browser for somebody; `shot(person, "card")` keeps a picture
in the folder `SHOTS` (default .shots); `accessibility.axe(page)` runs axe-core. Pages are opened by `visit` only:
what is opened otherwise nobody guards.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest
from playwright.sync_api import expect, sync_playwright

from config import supervisor
from tests.browser import guard as guards
from tests.browser import house, people, seating, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from playwright.sync_api import Browser

    from tests.browser.seating import Theme

_ENDED: Final = pytest.StashKey[pytest.CallInfo[None]]()
# Whatever a page asks for by name is not found; the guard has written the request down by then.
_OFFLINE: Final = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


class Visit(Protocol):
    """Opens a browser."""

    def __call__(
        self, role: str = "", name: str = "", *, theme: Theme = "light", phone: bool = False, scripts: bool = True
    ) -> house.Visitor:
        """Return somebody of this role who is signed in, or a stranger; whoever has a vote exists from then on."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Remember how the test itself ended, for the picture of a failure."""
    if call.when == "call":
        item.stash[_ENDED] = call
    return (yield)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Debian's chromium, once per worker."""
    program = shutil.which("chromium")
    if program is None:
        pytest.exit("chromium not found: apt-get install chromium", returncode=4)
    # Playwright's loop runs in this thread; tests are plain code beside it and may ask the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as driver:
        expect.set_options(timeout=seating.PATIENCE)
        browser = driver.chromium.launch(executable_path=program, args=[_OFFLINE])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server() -> Iterator[serving.Server]:
    """Listen on one address, once per worker."""
    with serving.listening() as listening:
        yield listening


@pytest.fixture(scope="session")
def seats(browser: Browser, server: serving.Server) -> Iterator[seating.Seats]:
    """Keep browsers that tests have left, for the next to take."""
    kept = seating.Seats(browser, server.url)
    yield kept
    kept.close()


@pytest.fixture
def site(committed_db: str, server: serving.Server) -> Iterator[str]:
    """Serve the test's own database; yields the site's address, without a slash at the end."""
    with serving.serving(server) as url:
        yield url


@pytest.fixture
def guard(site: str) -> Iterator[guards.Guard]:
    """Watch every page of the test; nothing that no page may do has been done when it ends."""
    watching = guards.Guard(site)
    yield watching
    faults = watching.faults()
    assert not faults, "\n".join(faults)


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> Theme:
    """Run the test twice."""
    return "dark" if request.param == "dark" else "light"


@pytest.fixture
def shot(request: pytest.FixtureRequest) -> Callable[[house.Visitor, str], Path]:
    """Keep a picture of the whole page, named after the test and what it shows."""

    def keep(visitor: house.Visitor, of: str) -> Path:
        test = re.sub(r"[^a-z0-9_]+", "-", request.node.name.removeprefix("test_")).strip("-")
        path = Path(os.environ.get("SHOTS") or supervisor.PROJECT / ".shots") / f"{test}-{of}.png"
        visitor.page.screenshot(path=path, full_page=True, scale="css")
        return path

    return keep


@pytest.fixture
def visit(
    request: pytest.FixtureRequest,
    seats: seating.Seats,
    site: str,
    guard: guards.Guard,
    shot: Callable[[house.Visitor, str], Path],
) -> Iterator[Visit]:
    """Seat people before browsers that remember nothing of anybody, guarded; a failed test leaves a picture of each."""
    taken: list[tuple[seating.Seat, house.Visitor]] = []

    def open_for(
        role: str = "", name: str = "", *, theme: Theme = "light", phone: bool = False, scripts: bool = True
    ) -> house.Visitor:
        seat = seats.take(seating.Kind(theme, phone=phone, scripts=scripts))
        guard.watch(seat.context)
        if role:
            people.sign_in(people.person(role, name), seat.context, site)
        visitor = house.Visitor(seat.page, name or people.NAMES.get(role, ""))
        taken.append((seat, visitor))
        return visitor

    yield open_for
    ended = request.node.stash.get(_ENDED, None)
    has_failed = ended is not None and ended.excinfo is not None
    for number, (_seat, visitor) in enumerate(taken, 1):
        if has_failed:
            shot(visitor, f"failed-{number}")
    for seat, _visitor in taken:
        guard.leave(seat.context)
        seats.give_back(seat, is_sound=not has_failed)
