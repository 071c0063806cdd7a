"""The same key with the same body gets the first answer again, whatever happens in between or at the same time."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from auction import order_book
from auction.models import Bid, Slot, Task
from config import errors
from config.models import IdempotentRequest
from economics.models import Account
from tests import callers, factories
from tests.callers import MARKET

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test.client import _MonkeyPatchedWSGIResponse as Response

BIDS = f"{MARKET}/bids/"


def _same(first: Response, again: Response) -> bool:
    """Tell whether the second answer is the first, said to be so."""
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert first.headers["Content-Type"] == again.headers["Content-Type"]
    return (first.status_code, first.content) == (again.status_code, again.content)


@pytest.mark.django_db
def test_the_same_request_again_gets_the_first_answer_byte_for_byte() -> None:
    trader = callers.trader()
    body = callers.bid(factories.task(factories.wallet(owner=trader.agent)).pk)
    first = trader.post(BIDS, body, key="k")
    again = trader.post(BIDS.rstrip("/"), body, key="k")
    assert first.status_code == 201
    assert _same(first, again)
    assert Bid.objects.count() == 1
    assert factories.wallet(owner=trader.agent).held == 100


@pytest.mark.django_db
def test_the_first_answer_stands_even_when_things_have_moved_on() -> None:
    trader = callers.trader()
    body = callers.bid(factories.task(factories.wallet(owner=trader.agent)).pk)
    first = trader.post(BIDS, body, key="k")
    trader.post(f"{BIDS}{json.loads(first.content)['id']}/cancel/")
    assert _same(first, trader.post(BIDS, body, key="k"))
    assert Bid.objects.filter(status="open").count() == 0


@pytest.mark.django_db
def test_a_refusal_is_an_answer_too_and_is_kept() -> None:
    trader = callers.trader(50)
    body = callers.bid(factories.task(factories.wallet(owner=trader.agent)).pk)
    first = trader.post(BIDS, body, key="k")
    assert callers.problem(first)["figures"] == {"available": 50, "asked": 100}
    factories.wallet(1000, owner=trader.agent)
    assert _same(first, trader.post(BIDS, body, key="k"))
    assert trader.post(BIDS, body, key="another").status_code == 201


@pytest.mark.django_db
def test_a_key_is_not_for_two_requests() -> None:
    trader = callers.trader()
    wallet = factories.wallet(owner=trader.agent)
    body = callers.bid(factories.task(wallet).pk)
    trader.post(BIDS, body, key="k")
    for path, other in (
        (BIDS, body | {"max_price_tokens": 101}),
        (f"{BIDS}batch/", {"bids": [callers.bid(factories.task(wallet).pk)]}),
        (f"{MARKET}/tasks/", {}),
    ):
        refused = trader.post(path, other, key="k")
        assert (refused.status_code, callers.problem(refused)["code"]) == (422, "idempotency_key_reused")
    assert Bid.objects.count() == 1
    assert Task.objects.count() == 2


@pytest.mark.django_db
def test_a_key_belongs_to_its_agent() -> None:
    one, other = callers.caller(), callers.caller()
    assert one.post(f"{MARKET}/tasks/", {"task_id": "one"}, key="k").status_code == 201
    assert other.post(f"{MARKET}/tasks/", {"task_id": "other"}, key="k").status_code == 201


@pytest.mark.django_db
@pytest.mark.parametrize("key", [None, "", "x" * 201, "two words", "tab\tkey", "ümlaut", "nul\0"])
def test_a_write_of_money_needs_a_key(key: str | None) -> None:
    trader = callers.trader()
    body = callers.bid(factories.task(factories.wallet(owner=trader.agent)).pk)
    refused = trader.post(BIDS, body, key=key)
    assert (refused.status_code, callers.problem(refused)["code"]) == (400, "idempotency_key_required")
    assert not Bid.objects.exists()
    assert trader.post(BIDS, body, key="x" * 200).status_code == 201


@pytest.mark.django_db
def test_a_body_that_is_wrong_leaves_its_key_free() -> None:
    trader = callers.trader()
    body = callers.bid(factories.task(factories.wallet(owner=trader.agent)).pk)
    assert trader.post(BIDS, body | {"max_price_tokens": 0}, key="k").status_code == 400
    assert trader.post(BIDS, body, key="k").status_code == 201


@pytest.mark.django_db
@pytest.mark.parametrize(("error", "status"), [(errors.RetryableError, 503), (ZeroDivisionError, 500)])
def test_what_may_pass_is_not_kept(error: type[Exception], status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    trader = callers.trader()
    body = callers.bid(factories.task(factories.wallet(owner=trader.agent)).pk)

    def broken(**_terms: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(order_book, "place_bid", broken)
        assert trader.post(BIDS, body, key="k").status_code == status
    assert not IdempotentRequest.objects.exists()
    first = trader.post(BIDS, body, key="k")
    assert first.status_code == 201
    with monkeypatch.context() as patched:
        patched.setattr(order_book, "place_bid", broken)
        if issubclass(error, errors.RetryableError):
            assert _same(first, trader.post(BIDS, body, key="k"))


@pytest.mark.django_db
def test_repeatable_deeds_ask_for_no_key() -> None:
    trader = callers.trader()
    placed = factories.bid(factories.wallet(owner=trader.agent), 100, factories.pool(), at=callers.now())
    for _time in range(2):
        cancelled = trader.post(f"{BIDS}{placed.pk}/cancel/", key=None)
        assert (cancelled.status_code, json.loads(cancelled.content)["status"]) == (200, "cancelled")
    assert not IdempotentRequest.objects.exists()


def _at_once(calls: list[Callable[[], Response]]) -> list[Response]:
    """Make these calls from threads that start together, each with a connection of its own."""
    barrier = threading.Barrier(len(calls))
    answers: list[Response] = []

    def run(call: Callable[[], Response]) -> None:
        barrier.wait()
        try:
            answers.append(call())
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return answers


@pytest.mark.usefixtures("committed_db")
def test_twins_place_one_bid_and_get_one_answer() -> None:
    trader = callers.trader(100)
    wallet = factories.wallet(owner=trader.agent)
    for turn in range(10):
        body = callers.bid(factories.task(wallet).pk, 10)
        answers = _at_once([lambda: trader.post(BIDS, body, key=f"twin-{turn}")] * 6)  # noqa: B023 - done in this turn
        assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
        assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    wallet.refresh_from_db()
    assert (Bid.objects.count(), wallet.held) == (10, 100)


@pytest.mark.usefixtures("committed_db")
def test_twins_of_a_deed_without_a_law_of_its_own_do_it_once_too() -> None:
    provider = callers.caller("provider")
    for turn in range(10):
        body = {"count": 3, "offer_until": callers.ahead(hours=1)}
        answers = _at_once([lambda: provider.post(f"{MARKET}/slots/", body, key=f"twin-{turn}")] * 6)  # noqa: B023 - as above
        assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
        assert Slot.objects.count() == 3 * (turn + 1)


@pytest.mark.usefixtures("committed_db")
def test_twins_that_are_refused_are_refused_in_the_same_words() -> None:
    trader = callers.trader(5)
    body = callers.bid(factories.task(factories.wallet(owner=trader.agent)).pk, 10)
    answers = _at_once([lambda: trader.post(BIDS, body, key="twin")] * 6)
    assert {(answer.status_code, answer.content) for answer in answers} == {(409, answers[0].content)}
    assert IdempotentRequest.objects.count() == 1
    assert not Bid.objects.exists()


@pytest.mark.usefixtures("committed_db")
def test_different_bids_at_once_neither_overdraw_nor_refuse_who_has_room() -> None:
    trader = callers.trader(100)
    wallet = factories.wallet(owner=trader.agent)
    bodies = [callers.bid(factories.task(wallet).pk, 10) for _ in range(12)]
    answers = _at_once([lambda body=body: trader.post(BIDS, body) for body in bodies])  # type: ignore[misc] # a default that binds
    assert sorted(answer.status_code for answer in answers) == [201] * 10 + [409] * 2
    assert Account.objects.get(pk=wallet.pk).available == 0
