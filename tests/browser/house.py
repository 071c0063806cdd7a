"""The pages of the house as people find their way through them: by address, role and visible text, nothing else.

What a page is made of is known here and nowhere else among the browser tests.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from playwright.sync_api import Error, expect

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page

HOME: Final = "/admin/"
LOGIN: Final = "/admin/login/"
QUEUE: Final = "/admin/governance/proposal/queue/"
PROPOSALS: Final = "/admin/governance/proposal/"
POOLS: Final = "/admin/auction/pool/"

_FURTHEST: Final = 200  # presses of Tab: a page that takes more is not for keyboards
_AROUND: Final = 6  # pixels
_FOCUSED: Final = "elements => elements.indexOf(document.activeElement)"
_BACKGROUND: Final = """() => {
  const shades = getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number);
  return shades.reduce((sum, shade) => sum + shade, 0);
}"""


class Visitor:
    """Somebody at a browser. `page` is the page before them, `name` theirs, empty for a stranger."""

    def __init__(self, page: Page, name: str = "") -> None:
        """Sit down before a page."""
        self.page = page
        self.name = name

    # Finding the way

    def go(self, address: str) -> None:
        """Open an address of the house."""
        self.page.goto(address)

    def sees(self, text: str) -> None:
        """Wait until the page shows this text."""
        expect(self.page.get_by_text(text).first).to_be_visible()

    def reads(self) -> str:
        """Return the text of the page's main part, its blanks made one."""
        return " ".join(self.page.get_by_role("main").inner_text().split())

    def button(self, name: str) -> Locator:
        """Return the button of this name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def field(self, label: str) -> Locator:
        """Return the field with this label."""
        return self.page.get_by_label(re.compile(rf"^\s*{re.escape(label)}\s*[:*]*\s*$"))

    def press(self, name: str) -> None:
        """Press the button of this name."""
        self.button(name).click()

    def follows(self, name: str) -> None:
        """Follow the link of this name."""
        self.page.get_by_role("link", name=name, exact=True).click()

    # Signing in and out

    def signs_in(self, name: str, password: str) -> None:
        """Fill in the form of the login page and send it."""
        self.field("Username").fill(name)
        self.field("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        self.name = name

    def signs_out(self) -> None:
        """Leave by the menu under one's name, which every page has."""
        self._opens_own_menu()
        self.press("Log out")

    # The Senate

    def card(self, number: int) -> Locator:
        """Return what leads from the queue to the card of a proposal."""
        return self.page.get_by_role("link", name=f"Proposal {number}", exact=True)

    def opens_card(self, number: int) -> None:
        """Open the card of a proposal from the queue before them."""
        self.card(number).click()

    def dialog(self) -> Locator:
        """Return the dialog that is open."""
        return self.page.get_by_role("dialog")

    def votes(self, choice: str, reason: str) -> None:
        """Vote from the card before them, in its dialog."""
        self.press("Vote…")
        asked = self.dialog()
        asked.get_by_label(choice, exact=True).check()
        asked.get_by_label("Reason").fill(reason)
        asked.get_by_role("button", name="Cast this vote").click()

    # Lists

    def saves_sheet(self, folder: Path) -> Path:
        """Save the list before them as a sheet; return the file, under the name that it came with."""
        with self.page.expect_download() as coming:
            self.follows("Export CSV")
        download = coming.value
        path = folder / download.suggested_filename
        download.save_as(path)
        return path

    # Keys

    def tabs_to(self, wanted: Locator) -> None:
        """Press Tab until the wanted element (or the first of several, as of radio buttons) has the focus, seen."""
        for _ in range(_FURTHEST):
            self.page.keyboard.press("Tab")
            try:
                place = wanted.evaluate_all(_FOCUSED)
            except Error:  # the page was being left for another, to which Enter led
                continue
            if place >= 0:
                self._sees_focus(wanted.nth(place))
                return
        message = f"{_FURTHEST} presses of Tab did not lead to {wanted}"
        raise AssertionError(message)

    def _sees_focus(self, on: Locator) -> None:
        """Check that what has the focus looks other than without it."""
        with_it = self._picture(on)
        on.evaluate("element => element.blur()")
        without_it = self._picture(on)
        on.evaluate("element => element.focus()")
        assert with_it != without_it, f"nobody sees the focus on {on}"

    def _picture(self, of: Locator) -> bytes:
        """Return a picture of an element and a little around it, where outlines are."""
        box = of.bounding_box()
        assert box is not None, f"{of} is not to be seen"
        left, top = max(0, box["x"] - _AROUND), max(0, box["y"] - _AROUND)
        width, height = box["width"] + 2 * _AROUND, box["height"] + 2 * _AROUND
        return self.page.screenshot(clip={"x": left, "y": top, "width": width, "height": height})

    def types(self, text: str) -> None:
        """Type where the focus is."""
        self.page.keyboard.type(text)

    def hits(self, key: str) -> None:
        """Press a key: Enter, Space, ArrowDown."""
        self.page.keyboard.press(key)

    # Looks

    def chooses_theme(self, theme: str) -> None:
        """Choose Light, Dark or System by the switch that every page has; under one's name, once signed in."""
        switch = self.button(theme)
        if not switch.is_visible():
            self._opens_own_menu()
        switch.click()
        expect(switch).to_have_attribute("aria-pressed", "true")

    def wears(self, theme: str) -> None:
        """Switch the page to light or dark by its keys, wherever it stands."""
        top = self.page.locator("html")
        for _ in range(2):  # whoever went by the system until now comes to light first
            if top.get_attribute("class") != theme:
                self.page.keyboard.press("Control+e")
        expect(top).to_have_class(theme)

    def _opens_own_menu(self) -> None:
        """Open the menu under one's name, unless it is open."""
        if not self.button("Dark").is_visible():
            self.page.get_by_role("navigation").locator("summary").last.click()

    def is_in_the_dark(self) -> bool:
        """Tell whether the page is darker than half grey."""
        return bool(self.page.evaluate(_BACKGROUND) < 3 * 128)
