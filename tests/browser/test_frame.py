"""What every page of the house stands in: dialogs, the menu on a telephone, and the pages of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from django import forms
from django.template.loader import render_to_string
from playwright.sync_api import expect

from config import content_policy
from tests import factories
from tests.browser import accessibility, house, people

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Route

    from tests.browser.conftest import Visit
    from tests.browser.guard import Guard
    from tests.browser.seating import Theme

    Shot = Callable[[house.Visitor, str], Path]

TRIAL: Final = "/admin/trial/"
FOCUSED: Final = "() => document.activeElement.closest('dialog') ? document.activeElement.name || 'close' : 'outside'"


class _Form(forms.Form):
    choice = forms.ChoiceField(choices=[("yes", "Yes"), ("no", "No")])
    reason = forms.CharField(label="Why")


def _asks(visitor: house.Visitor) -> None:
    """Show the person a page that is nothing but a deed in a dialog, served beside the site's own."""
    context = {"id": "trial", "action": TRIAL, "names": {"action": "try"}, "text": "Try…", "title": "Try it"}
    dialog = render_to_string("house/dialog.html", {**context, "form": _Form(), "button": "Do it", "warning": "Mind."})
    head = "<meta charset='utf-8'><title>t</title><link rel='stylesheet' href='/static/config/house.css'>"
    body = f"<main id='content'><h1>A row</h1><a href='/'>Before</a>{dialog}<a href='/'>After</a></main>"
    page = f"<!DOCTYPE html><html lang='en'>{head}<script src='/static/config/house.js' defer></script>{body}</html>"
    headers = {"Content-Type": "text/html", content_policy.HEADER: content_policy.STRICT}

    def respond(route: Route) -> None:
        route.fulfill(body=route.request.post_data or "" if route.request.method == "POST" else page, headers=headers)

    visitor.page.route(f"**{TRIAL}", respond)
    visitor.go(TRIAL)


def test_a_dialog_keeps_the_focus_and_gives_it_back(visit: Visit) -> None:
    ada = visit()
    _asks(ada)
    opener, dialog = ada.button("Try…"), ada.page.get_by_role("dialog")
    ada.tabs_to(opener)
    ada.hits("Enter")
    expect(dialog).to_be_visible()
    expect(dialog).to_have_accessible_name("Try it")
    expect(dialog).to_have_accessible_description("Mind.")
    accessibility.axe(ada.page)
    ways = {
        "Tab": ["choice", "reason", "close", "close", "choice"],
        "Shift+Tab": ["close", "close", "reason", "choice"],
    }
    assert ada.page.evaluate(FOCUSED) == "choice"
    for key, stops in ways.items():
        for stop in stops[1:] if key == "Tab" else stops:
            ada.hits(key)
            assert ada.page.evaluate(FOCUSED) == stop
    dialog.get_by_label("Why").fill("for nothing")
    ada.hits("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    ada.hits("Enter")
    expect(dialog.get_by_label("Why")).to_have_value("")  # what was typed and not sent is gone
    ada.button("Cancel").click()
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()


def test_a_dialog_is_sent_as_its_page_of_confirmation_would_be(visit: Visit) -> None:
    ada = visit()
    _asks(ada)
    ada.press("Try…")
    ada.page.get_by_label("Why").fill("good")
    with ada.page.expect_request(lambda request: request.method == "POST") as coming:
        ada.press("Do it")
    sent = coming.value.post_data or ""
    assert "action=try&confirmed=yes&choice=yes&reason=good" in sent


def test_the_menu_of_a_telephone_takes_the_focus_and_gives_it_back(visit: Visit, theme: Theme, shot: Shot) -> None:
    ada = visit("reviewer", theme=theme, phone=True)
    ada.go(house.HOME)
    opener, menu = ada.button("Menu"), ada.button("Close the menu")
    expect(menu).to_be_hidden()
    opener.focus()
    ada.hits("Enter")
    expect(menu).to_be_focused()
    shot(ada, "open")
    accessibility.axe(ada.page)
    assert ada.page.locator("#main").evaluate("page => page.inert")
    ada.hits("Escape")
    expect(menu).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    ada.press("Close the menu")
    expect(opener).to_be_focused()
    opener.click()
    expect(menu).to_be_focused()  # a click with the mouse waits for nothing
    ada.page.mouse.click(380, 400)  # beside the menu
    expect(menu).to_be_hidden()


def test_the_filters_of_a_telephone_leave_the_room_to_the_list(visit: Visit) -> None:
    at_desk, on_phone = visit("reviewer"), visit("reviewer", phone=True)
    for person, is_open in ((at_desk, True), (on_phone, False)):
        person.go(f"{house.POOLS}?mode__exact=auction")
        person.sees("Filters")
        assert person.page.locator("details.filters").evaluate("box => box.open") is is_open


def test_what_is_wrong_is_told_in_the_look_of_the_house(visit: Visit, guard: Guard, theme: Theme, shot: Shot) -> None:
    ada = visit("reviewer", theme=theme)
    for status, address, words in (
        (404, "/admin/nothing/here/", "There is nothing at this address"),
        (403, "/admin/config/user/", "You may not do this"),
    ):
        guard.expect(status)
        ada.go(address)
        ada.sees(words)
        assert ada.is_in_the_dark() == (theme == "dark")
        shot(ada, str(status))
        accessibility.axe(ada.page)
    ada.follows("Home")
    expect(ada.page).to_have_url(f"{ada.page.url.split('/admin/')[0]}{house.HOME}")


def test_what_is_wrong_wears_what_was_chosen_in_the_menu(visit: Visit, guard: Guard) -> None:
    ada = visit("reviewer", theme="light")
    ada.go(house.HOME)
    for chosen, is_dark in (("Dark", True), ("System", False), ("Light", False)):
        ada.chooses_theme(chosen)
        guard.expect(404)
        ada.go("/admin/nothing/here/")
        assert ada.is_in_the_dark() == is_dark
        ada.follows("Home")
    in_the_dark = visit("reviewer", theme="dark")
    in_the_dark.go(house.HOME)
    in_the_dark.chooses_theme("Light")
    in_the_dark.go("/admin/nothing/here/")
    assert not in_the_dark.is_in_the_dark()


def test_a_table_of_many_columns_stands_row_by_row_on_a_telephone(visit: Visit, shot: Shot) -> None:
    own = factories.envelope("h1", tokens=1_000_000)
    on_phone, at_desk = visit("reviewer", phone=True), visit("reviewer")
    for person, is_beside in ((on_phone, False), (at_desk, True)):
        person.go(f"/admin/economics/envelope/{own.pk}/change/")
        table = person.page.locator("table.standing")
        expect(table.get_by_text("LLM tokens per day")).to_be_visible()
        assert table.evaluate("table => table.scrollWidth <= table.closest('.readonly').clientWidth")
        heads = table.locator("thead th").first
        expect(heads).to_be_visible() if is_beside else expect(heads).to_be_hidden()
    shot(on_phone, "rows")


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_a_password_is_changed(visit: Visit, shot: Shot, *, phone: bool) -> None:
    otto = visit("operator", phone=phone)
    otto.go("/admin/password_change/")
    shot(otto, "asked")
    accessibility.axe(otto.page)
    otto.field("Old password").fill(people.PASSWORD)
    otto.field("New password").fill("quite another phrase")
    otto.field("New password confirmation").fill("quite another phrase")
    otto.press("Change the password")
    otto.sees("Your password was changed")
    assert people.person("operator").check_password("quite another phrase")
