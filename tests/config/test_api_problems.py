"""Whatever goes wrong under /api/ is problem+json with a stable code, and says nothing about the inside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client
from psycopg import errors as states

from auction import order_book, pools
from config import errors
from config.api import idempotency
from tests import callers
from tests.callers import MARKET

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/api/nothing", "/api/nothing/", f"{MARKET}/nothing", f"{MARKET}/bids/x/", "/api//"])
def test_an_unknown_address_is_a_problem_and_never_a_redirect(path: str) -> None:
    response = Client().get(path)
    document = callers.problem(response)
    assert (document["status"], document["code"], document["instance"]) == (404, "not_found", path)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace", "head"])
def test_no_method_makes_a_page_of_an_unknown_address(method: str) -> None:
    response = getattr(Client(enforce_csrf_checks=True), method)("/api/nothing")
    assert (response.status_code, response.headers["Content-Type"]) == (404, "application/problem+json")
    response = getattr(Client(enforce_csrf_checks=True), method)(f"{MARKET}/bids")
    assert (response.status_code, response.headers["Content-Type"]) == (401, "application/problem+json")


def test_outside_the_api_pages_stay_pages() -> None:
    assert Client().get("/nothing").headers["Content-Type"].startswith("text/html")


def test_a_number_beyond_every_id_is_an_unknown_address() -> None:
    assert callers.trader().get(f"{MARKET}/bids/{10**18}").status_code == 404


def test_a_wrong_method_names_the_right_ones() -> None:
    response = callers.caller().delete(f"{MARKET}/bids/")
    assert (callers.problem(response)["code"], response.status_code) == ("method_not_allowed", 405)
    assert response.headers["Allow"] == "GET, HEAD, POST"


def test_a_kind_of_answer_we_do_not_have_is_refused() -> None:
    worker = callers.caller()
    response = Client(headers={"authorization": f"Bearer {worker.secret}"}).get(
        f"{MARKET}/pools/", headers={"accept": "text/csv"}
    )
    assert (response.status_code, callers.problem(response)["code"]) == (406, "not_acceptable")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json"]
)
def test_a_body_that_is_not_json_by_name_is_refused(kind: str) -> None:
    response = callers.caller().send(f"{MARKET}/bids/", b"{}", kind=kind)
    assert (response.status_code, callers.problem(response)["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'\xef\xbb\xbf{"a": 1}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"1" * 5_000 + b"}",
        b'{"a": 1e99999999999999999999}',
        b"\0",
        b" ",
    ],
)
def test_a_body_that_is_not_plain_json_is_refused(body: bytes) -> None:
    response = callers.caller().send(f"{MARKET}/bids/", body)
    assert (response.status_code, callers.problem(response)["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"true", b"null", b"[{}]"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    response = callers.caller().send(f"{MARKET}/bids/", body)
    document = callers.problem(response)
    assert (document["status"], [fault["pointer"] for fault in document["errors"]]) == (400, [""])


def test_a_body_too_large_is_not_read() -> None:
    response = callers.caller().send(f"{MARKET}/bids/", b'{"a": "' + b"x" * 5 * 1024 * 1024 + b'"}')
    assert (response.status_code, callers.problem(response)["code"]) == (413, "body_too_large")


def test_a_foreign_host_is_refused() -> None:
    response = Client(headers={"host": "elsewhere.example"}).get("/api/")
    assert (response.status_code, callers.problem(response)["code"]) == (400, "bad_request")


def test_a_pointer_leads_into_the_body() -> None:
    body = {"bids": [callers.bid("a"), callers.bid("b", 0, ttl_at="tomorrow") | {"a/b~c": 1}]}
    document = callers.problem(callers.caller().post(f"{MARKET}/bids/batch", body))
    assert document["code"] == "invalid"
    assert {(fault["pointer"], fault["code"]) for fault in document["errors"]} == {
        ("/bids/1/max_price_tokens", "min_value"),
        ("/bids/1/ttl_at", "invalid"),
        ("/bids/1/a~1b~0c", "unknown_field"),
    }


def test_a_fault_of_the_address_names_its_parameter() -> None:
    document = callers.problem(callers.caller().get(f"{MARKET}/order-book/", limit="0"))
    assert document["code"] == "min_value"
    (fault,) = document["errors"]
    assert (fault["parameter"], fault["pointer"]) == ("limit", "")


def test_endless_faults_are_cut() -> None:
    body = {f"field-{number}": 1 for number in range(500)}
    document = callers.problem(callers.caller().post(f"{MARKET}/bids/", body))
    assert len(document["errors"]) == 100


def test_a_defect_is_a_500_without_a_word_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_terms: object) -> None:
        raise ZeroDivisionError("the secret of line 17")  # noqa: EM101, TRY003 - a defect is not well worded

    monkeypatch.setattr(order_book, "get_order_book", broken)
    response = callers.caller().get(f"{MARKET}/order-book/")
    assert (response.status_code, callers.problem(response)["code"]) == (500, "internal_error")
    assert b"secret" not in response.content
    assert b"Traceback" not in response.content


def _lock_error(state: type[psycopg.Error]) -> OperationalError:
    error = OperationalError("somebody else moved")
    error.__cause__ = state("somebody else moved")
    return error


LOCK_ERRORS = [
    lambda: _lock_error(states.SerializationFailure),
    lambda: _lock_error(states.DeadlockDetected),
    lambda: _lock_error(states.LockNotAvailable),
    errors.RetryableError,
]


@pytest.mark.parametrize("error", LOCK_ERRORS)
def test_a_lock_error_is_tried_again_once_and_then_said_to_be_one(
    error: Callable[[], Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def busy(**_terms: object) -> None:
        tries.append(1)
        raise error()

    monkeypatch.setattr(order_book, "place_bid", busy)
    response = callers.trader().post(f"{MARKET}/bids/", callers.bid("task"))
    assert (response.status_code, callers.problem(response)["code"]) == (503, "retryable")
    assert response.headers["Retry-After"] == "1"
    assert len(tries) == 2


@pytest.mark.parametrize("error", LOCK_ERRORS)
def test_a_deed_that_succeeds_at_the_second_try_succeeds(error: Callable[[], Exception]) -> None:
    tries: list[Exception] = [error()]

    def once_busy() -> str:
        if tries:
            raise tries.pop()
        return "done"

    assert idempotency.retried(once_busy) == "done"


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_does_not_answer_is_unavailable(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_args: object, **_terms: object) -> None:
        raise error

    monkeypatch.setattr(pools, "get", gone)
    response = callers.caller().get(f"{MARKET}/order-book/")
    assert (response.status_code, callers.problem(response)["code"]) == (503, "unavailable")
    assert response.headers["Retry-After"] == "1"


def test_every_refusal_is_listed_with_its_status() -> None:
    listed = json.loads(Client().get("/api/problems/").content)["results"]
    codes = [one["code"] for one in listed]
    assert codes == sorted(set(codes))
    assert {
        "code": "task_has_open_bid",
        "status": 409,
        "title": "A task has at most one open bid: cancel it first.",
    } in listed
    assert {"idempotency_key_reused", "insufficient_tokens", "unknown_account", "unknown_pool"} <= set(codes)
