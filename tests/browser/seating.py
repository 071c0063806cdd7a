"""Browsers that people sit down at, one after another: what one did nobody finds who comes later.

A new browser reads every script and style of the site before its first page stands. So one that a test leaves is kept
for the next: its pages, cookies and all that pages stored are gone, the files of the site are there.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from tests.browser import guard as guards

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

Theme = Literal["light", "dark"]
PATIENCE: Final = 60_000  # milliseconds in which a page does what a person waits for: machines of CI are slow

_DESK: Final[dict[str, Any]] = {"viewport": {"width": 1440, "height": 900}}
_PHONE: Final[dict[str, Any]] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
# All that Chromium stores for a site but its files; cleared while no page of the site is open that could store more.
_REMEMBERED: Final = "cookies,file_systems,indexeddb,local_storage,service_workers,cache_storage"


class Kind(NamedTuple):
    """What a browser is like: what the system prefers, how large the screen is, and whether scripts run."""

    theme: Theme
    phone: bool
    scripts: bool


class Seat(NamedTuple):
    """A browser of a kind, with a memory of its own, and the page before whoever sits there."""

    kind: Kind
    context: BrowserContext
    page: Page


class Seats:
    """The browsers of a worker; one that nobody sits at is taken before another is opened."""

    def __init__(self, browser: Browser, site: str) -> None:
        """Open browsers for one site, named without a slash at the end."""
        self._browser = browser
        self._site = site
        self._free: defaultdict[Kind, list[BrowserContext]] = defaultdict(list)

    def take(self, kind: Kind) -> Seat:
        """Return a browser of a kind, which remembers nobody, with an empty page before it."""
        free = self._free[kind]
        context = free.pop() if free else self._opened(kind)
        page = context.new_page()
        devices = context.new_cdp_session(page)
        devices.send("Storage.clearDataForOrigin", {"origin": self._site, "storageTypes": _REMEMBERED})
        devices.detach()
        return Seat(kind, context, page)

    def give_back(self, seat: Seat, *, is_sound: bool) -> None:
        """Keep a browser for the next, without its pages and cookies; one that may be in any state is closed."""
        if not is_sound:
            seat.context.close()
            return
        for page in seat.context.pages:
            page.close()
        seat.context.clear_cookies()
        self._free[seat.kind].append(seat.context)

    def close(self) -> None:
        """Close all browsers that are free."""
        for contexts in self._free.values():
            for context in contexts:
                context.close()

    def _opened(self, kind: Kind) -> BrowserContext:
        context = self._browser.new_context(
            base_url=self._site,
            color_scheme=kind.theme,
            java_script_enabled=kind.scripts,
            reduced_motion="reduce",
            **(_PHONE if kind.phone else _DESK),
        )
        context.set_default_timeout(PATIENCE)
        guards.tell_breaches(context)
        return context
