"""What others make a browser send does nothing: no form without its token, no look that changes, no way out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.contrib import admin
from django.test import Client
from django.utils import timezone

from config.models import User
from tests import addresses, everything, written
from tests.factories import after
from tests.reviewers import page

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db
OUT: Final = "/admin/logout/"
ELSEWHERE: Final = "elsewhere.example"


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Let everything have happened just now; sign a superuser in at a browser that asks for the token of forms."""
    monkeypatch.setattr(timezone, "now", lambda: after(60))
    everything.once()
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    logging.disable(logging.CRITICAL)
    yield client
    logging.disable(logging.NOTSET)


def _every() -> list[str]:
    """Return every address, and the pages of a row of each model."""
    rows = []
    for model in admin.site._registry:  # noqa: SLF001 - public
        last = model._default_manager.order_by("pk").last()  # noqa: SLF001 - public
        rows += [] if last is None else [page(model, last.pk, kind=kind) for kind in ("", "history", "delete")]
    return [*(one.path for one in addresses.every() if one.path != OUT), *rows]


def test_no_form_is_taken_without_its_token(root: Client) -> None:
    asked = [*_every(), OUT]
    with written.tables() as tables:
        answers = {address: root.post(address, {"post": "yes", "confirmed": "yes"}).status_code for address in asked}
    assert tables == set()
    pages = {status for address, status in answers.items() if not address.startswith("/api/")}
    assert pages == {403}
    programs = {status for address, status in answers.items() if address.startswith("/api/")}
    assert programs <= {401, 403, 404, 405}  # agents bring keys, which no browser adds by itself
    assert len(asked) > 400


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "patch", "delete"])
def test_nothing_but_a_form_changes_anything(root: Client, method: str) -> None:
    root.handler.enforce_csrf_checks = False  # or the token would be all that protects
    plain = [one.path for one in addresses.every() if not one.is_made_up and one.path != OUT]
    asked = _every() if method == "get" else [one for one in plain if not one.startswith("/api/")]
    with written.tables() as tables:
        answers = {address: getattr(root, method)(address).status_code for address in asked}
    assert tables <= {"config_feed"}  # whose entries get their numbers when they are first read
    assert {address for address, status in answers.items() if status >= 500} == set()


def test_a_deed_in_an_address_is_not_done(root: Client) -> None:
    rows = [model._default_manager.order_by("pk").last() for model in admin.site._registry]  # noqa: SLF001 - public
    with written.tables() as tables:
        for row in filter(None, rows):
            of: Any = admin.site.get_model_admin(type(row))
            for deed in of.get_actions(root.get(page(type(row))).wsgi_request):
                root.get(
                    page(type(row)), {"action": deed, "_selected_action": row.pk, "confirmed": "yes", "post": "yes"}
                )
    assert tables == set()


@pytest.mark.parametrize("host", [ELSEWHERE, "testserver.elsewhere.example", "testserver@elsewhere.example", "a b"])
def test_a_name_that_is_not_ours_is_answered_nothing(root: Client, host: str) -> None:
    addresses_of_all = [one.path for one in addresses.every() if one.path != OUT]
    answers = {address: root.get(address, headers={"host": host}) for address in addresses_of_all}
    assert {address for address, answer in answers.items() if answer.status_code != 400} == set()
    assert {address for address, answer in answers.items() if ELSEWHERE in answer.content.decode()} == set()


@pytest.mark.parametrize("header", ["x-forwarded-host", "forwarded", "x-original-url", "x-rewrite-url", "referer"])
def test_no_header_leads_elsewhere(root: Client, header: str) -> None:
    for address in (
        "/",
        "/admin/",
        "/admin/login/",
        "/admin/config/agent/",
        "/resources/",
        "/api/schema/",
        "/api/docs/",
    ):
        answer = root.get(address, headers={header: f"https://{ELSEWHERE}/x"})
        assert ELSEWHERE not in f"{answer.headers} {answer.content.decode()}"


@pytest.mark.parametrize(
    "way", [f"//{ELSEWHERE}/", f"https://{ELSEWHERE}/", f"https:{ELSEWHERE}", f"/\\{ELSEWHERE}/", "javascript:alert(1)"]
)
def test_who_signs_in_or_out_is_led_nowhere_else(way: str) -> None:
    User.objects.create_superuser("root", password="long and plain enough")  # noqa: S106 - of a test
    client = Client()
    signed_in = client.post("/admin/login/", {"username": "root", "password": "long and plain enough", "next": way})
    assert (signed_in.status_code, signed_in["Location"]) == (302, "/admin/")
    assert client.get("/admin/login/", {"next": way})["Location"] == "/admin/"
    out = client.post(OUT, {"next": way})
    assert (out.status_code, "Location" in out.headers) == (200, False)
    for path in (f"//{ELSEWHERE}/admin", f"//{ELSEWHERE}/%2e%2e", f"/admin//{ELSEWHERE}", f"/resources//{ELSEWHERE}"):
        assert not client.get(path).headers.get("Location", "").startswith(("//", "http"))
