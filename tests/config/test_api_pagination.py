"""Pages neither lose nor repeat a row, whatever ties there are and whatever arrives meanwhile."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from auction.models import Bid, Task
from tests import callers, factories
from tests.callers import MARKET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.callers import Caller

pytestmark = pytest.mark.django_db


def _pages(caller: Caller, path: str, **query: object) -> Iterator[list[dict[str, Any]]]:
    """Follow `next` to the end."""
    answer = json.loads(caller.get(path, **query).content)
    yield answer["results"]
    while answer["next"]:
        answer = json.loads(caller.get(answer["next"]).content)
        yield answer["results"]


def _bids(trader: Caller, number: int) -> list[int]:
    wallet, pool = factories.wallet(owner=trader.agent), factories.pool()
    return [factories.bid(wallet, 1, pool, at=callers.now()).pk for _ in range(number)]


def test_pages_of_bids_are_newest_first_and_complete() -> None:
    trader = callers.trader()
    ids = _bids(trader, 7)
    pages = [[row["id"] for row in page] for page in _pages(trader, f"{MARKET}/bids/", page_size=3)]
    newest = ids[::-1]
    assert pages == [newest[:3], newest[3:6], newest[6:]]


def test_a_full_last_page_has_nothing_after_it() -> None:
    trader = callers.trader()
    _bids(trader, 6)
    assert [len(page) for page in _pages(trader, f"{MARKET}/bids/", page_size=3)] == [3, 3]


def test_rows_at_the_same_instant_are_each_shown_once() -> None:
    trader = callers.trader()
    wallet = factories.wallet(owner=trader.agent)
    noon = factories.NOON
    names = [f"tied-{number:02}" for number in range(11)]
    Task.objects.bulk_create([Task(pk=name, wallet=wallet, created_at=noon) for name in names])
    Task.objects.create(pk="earlier", wallet=wallet, created_at=noon - timedelta(microseconds=1))
    Task.objects.create(pk="later", wallet=wallet, created_at=noon + timedelta(microseconds=1))
    for size in (1, 2, 3, 5, 13):
        shown = [row["id"] for page in _pages(trader, f"{MARKET}/tasks/", page_size=size) for row in page]
        assert shown == ["later", *names[::-1], "earlier"]


def test_rows_that_arrive_meanwhile_push_none_out() -> None:
    trader = callers.trader()
    ids = _bids(trader, 4)
    pages = _pages(trader, f"{MARKET}/bids/", page_size=2)
    seen = [row["id"] for row in next(pages)]
    _bids(trader, 3)
    seen += [row["id"] for page in pages for row in page]
    assert seen == ids[::-1]


def test_a_filter_holds_on_every_page() -> None:
    trader = callers.trader()
    ids = _bids(trader, 6)
    Bid.objects.filter(pk__in=ids[::2]).update(status="cancelled", closed_at=callers.now())
    pages = _pages(trader, f"{MARKET}/bids/", page_size=1, status="open")
    assert [row["id"] for page in pages for row in page] == ids[1::2][::-1]


def _cursor(key: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        *("x", "äö", "====", "bm90IGpzb24", "\0"),
        *map(_cursor, (1, "1", [], [1, 2], ["x"], [None], [1.5], [True], [[1]], {"id": 1}, [10**30], ["1\0"])),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    response = callers.trader().get(f"{MARKET}/bids/", cursor=cursor)
    document = callers.problem(response)
    assert (document["status"], document["code"]) == (400, "bad_cursor")
    assert document["errors"][0]["parameter"] == "cursor"


def test_a_cursor_of_another_list_is_refused() -> None:
    trader = callers.trader()
    for number in range(2):
        factories.task(factories.wallet(owner=trader.agent), f"task-of-the-list-{number}")
    following = json.loads(trader.get(f"{MARKET}/tasks/", page_size=1).content)["next"]
    cursor = following.partition("cursor=")[2].partition("&")[0]
    assert callers.problem(trader.get(f"{MARKET}/bids/", cursor=cursor))["code"] == "bad_cursor"


@pytest.mark.parametrize("size", ["0", "-1", "201", "1.5", "x", "", "²", "9" * 50])
def test_a_page_has_1_to_200_rows(size: str) -> None:
    document = callers.problem(callers.caller().get(f"{MARKET}/pools/", page_size=size))
    assert (document["status"], document["code"]) == (400, "out_of_range")


def test_pages_of_200_rows_are_allowed() -> None:
    assert callers.caller().get(f"{MARKET}/pools/", page_size=200).status_code == 200


@pytest.mark.parametrize("key", [[5, "x"], ["2030-01-01", "\ud800"], ["2030-01-01T00:00:00Z"], {}, [[], "x"]])
def test_a_cursor_of_another_shape_is_refused(key: object) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")
    response = callers.trader().get(f"{MARKET}/slots", cursor=cursor)
    assert (response.status_code, callers.problem(response)["code"]) == (400, "bad_cursor")
