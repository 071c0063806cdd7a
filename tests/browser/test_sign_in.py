"""The door: people with a password come in, everybody else sees the login page and nothing more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import expect

from tests import addresses
from tests.browser import house, people

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import APIResponse

    from tests.browser.conftest import Visit
    from tests.browser.seating import Theme

OPEN: Final = re.compile(
    r"/(api/|healthz|favicon\.ico)"
)  # agents show keys; who watches the site and browsers show none
HTTP_OK, HTTP_FOUND = 200, 302


def test_a_person_signs_in_and_out(visit: Visit, theme: Theme, shot: Callable[[house.Visitor, str], Path]) -> None:
    people.person("reviewer", "ada")
    ada = visit(theme=theme)
    ada.go(house.QUEUE)
    shot(ada, "login")
    assert ada.is_in_the_dark() == (theme == "dark")
    ada.signs_in("ada", "not this one")
    ada.sees("Please enter the correct username and password")
    ada.signs_in("ada", people.PASSWORD)
    expect(ada.page).to_have_url(re.compile(re.escape(house.QUEUE)))  # where she was going
    shot(ada, "queue")
    ada.go(house.HOME)
    shot(ada, "home")
    ada.signs_out()
    ada.go(house.QUEUE)
    expect(ada.page).to_have_url(re.compile(house.LOGIN))


def test_a_theme_once_chosen_stays_whatever_the_system_likes(visit: Visit) -> None:
    ada = visit("reviewer", theme="light")
    ada.go(house.HOME)
    for chosen in ("Dark", "Light"):
        ada.chooses_theme(chosen)
        ada.go(house.PROPOSALS)
        assert ada.is_in_the_dark() == (chosen == "Dark")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stranger_reaches_the_login_page_only(visit: Visit, method: str) -> None:
    stranger = visit()
    stranger.go(house.LOGIN)
    token = {one["name"]: one["value"] for one in stranger.page.context.cookies()}["csrftoken"]
    asking = stranger.page.context.request

    def ask(address: str, most: int | None = None) -> APIResponse:
        headers = {"X-CSRFToken": token} if method == "POST" else {}
        return asking.fetch(address, method=method, headers=headers, max_redirects=most)

    closed = {one.path for one in addresses.every() if not OPEN.match(one.path)}
    assert len(closed) > 200
    elsewhere = []
    for address in sorted(closed):
        answer = ask(address, 0)
        if answer.headers.get("location", "").startswith(f"{house.LOGIN}?next=") and answer.status == HTTP_FOUND:
            continue
        answer = ask(address)  # it may be the login page, or lead to what leads there
        if house.LOGIN not in answer.url or answer.status != HTTP_OK:
            elsewhere.append(f"{address}: {answer.status} at {answer.url}")
    assert elsewhere == []
