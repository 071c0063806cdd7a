"""The id of a request: the caller's if it is plain, kept while it is answered, and answered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from auction import tasks
from config import celery, requests
from economics import revisions
from tests.factories import NOON, REVIEWER

if TYPE_CHECKING:
    from django.test import Client

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _answered(**headers: str) -> tuple[str, str]:
    """Return the id under which a request was answered, and the one that came back."""
    inside: list[str] = []

    def view(_request: HttpRequest) -> HttpResponse:
        inside.append(requests.current())
        return HttpResponse()

    response = requests.middleware(view)(RequestFactory().get("/", headers=headers))
    return inside[0], response["X-Request-ID"]


@pytest.mark.parametrize("given", ["a", "7f3b-1", "x" * 200, "!~{}<&>"])
def test_a_plain_id_is_taken(given: str) -> None:
    assert _answered(**{"X-Request-ID": given}) == (given, given)


@pytest.mark.parametrize("given", ["", "x" * 201, "a b", "a\tb", "a\nlevel=ERROR", "ä", "\x7f", "\x00"])
def test_any_other_is_replaced(given: str) -> None:
    inside, back = _answered(**{"X-Request-ID": given})
    assert inside == back
    assert UUID.fullmatch(back)


def test_two_requests_without_an_id_get_two() -> None:
    assert _answered()[0] != _answered()[0]


def test_an_id_is_forgotten_when_the_request_is_answered() -> None:
    with requests.known_as("outer"):
        with requests.known_as("inner"):
            assert requests.current() == "inner"
        assert requests.current() == "outer"
    assert requests.current() == ""


def test_every_answer_carries_its_id(db: None, client: Client) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": "ask-1"})["X-Request-ID"] == "ask-1"
    assert client.get("/api/nowhere", headers={"X-Request-ID": "ask-2"})["X-Request-ID"] == "ask-2"
    assert UUID.fullmatch(client.get("/admin/")["X-Request-ID"])


def _setting() -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('economy.request', true)")
        told: str | None = cursor.fetchone()[0]
        return told


def test_signing_puts_the_id_into_the_transaction_and_takes_it_back(db: None) -> None:
    with requests.known_as("r-1"), revisions.signed(REVIEWER, now=NOON):
        assert _setting() == "r-1"
        with requests.known_as("r-2"), revisions.signed(REVIEWER, now=NOON):
            assert _setting() == "r-2"
        assert _setting() == "r-1"
    assert not _setting()


def test_every_run_of_a_task_has_an_id_of_its_own() -> None:
    seen: list[str] = []

    def look() -> None:
        seen.append(requests.current())

    task = celery.app.task(name="tests.look")(look)
    task.apply(task_id="run-1")
    task.apply()
    task()
    first, second, by_hand = seen
    assert (first, by_hand) == ("tests.look:run-1", "")
    assert re.fullmatch(rf"tests\.look:{UUID.pattern}", second)
    assert isinstance(tasks.forget, celery.HouseTask)
