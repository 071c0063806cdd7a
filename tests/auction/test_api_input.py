"""Bad input: each fault is a 4xx with a code and a pointer, and nothing is written."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from auction import runs
from auction.models import Bid, Clear, Slot, Task
from config.models import IdempotentRequest
from economics.models import Account, Transfer, Usage
from tests import callers, cluster, factories
from tests.callers import MARKET, Caller

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoDbBlocker

pytestmark = pytest.mark.django_db

GONE = object()  # the field is not sent
HUGE = 10**30
FUTURE = "2999-01-01T00:00:00Z"


class Scene(NamedTuple):
    """A trader with an open task and a running slot, a provider, a grader."""

    trader: Caller
    provider: Caller
    grader: Caller
    running: Clear
    finished: Clear


@pytest.fixture(scope="module")
def scene(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    """Set the scene once, in a database of this module's own; what a test does to it is rolled back."""
    with (
        django_db_blocker.unblock(),
        cluster.clone(os.environ["DATABASE_URL"]) as url,
        cluster.pointed_at(url),
    ):
        yield _scene()


def _scene() -> Scene:
    trader, provider, grader = callers.trader(), callers.caller("provider"), callers.caller("grader")
    wallet = factories.wallet(owner=trader.agent)
    factories.task(wallet, "open-task")
    running, finished = (factories.sale(owner=wallet, at=callers.now()) for _ in range(2))
    runs.start(running.slot_id, runner=trader.agent, now=callers.now())
    factories.run(finished, 10, at=callers.now())
    return Scene(trader, provider, grader, running, finished)


def _books() -> list[Any]:
    """Return everything a request might have written."""
    return [
        *(sorted(model.objects.values_list(), key=str) for model in (Bid, Task, Slot, Clear, Account)),
        *(model.objects.count() for model in (Transfer, Usage)),
    ]


def _refuses(answer: Any, before: list[Any]) -> tuple[int, str, list[str]]:
    document = callers.problem(answer)
    assert _books() == before
    # What cannot be understood leaves the key free; what a rule refuses is an answer and is kept.
    assert IdempotentRequest.objects.count() == (0 if answer.status_code == 400 else 1)
    return answer.status_code, document["code"], [fault["pointer"] for fault in document["errors"]]


def _with(body: dict[str, object], name: str, value: object) -> dict[str, object]:
    return {key: one for key, one in (body | {name: value}).items() if one is not GONE}


NOT_WHOLE = [1.0, 1.5, "1", "", True, False, [], {}, [1], 1e3]
NOT_TEXT = [1, 1.5, True, [], {}, ["a"]]
NOT_A_TIME = [1, True, "", "now", "2030-13-01T00:00:00Z", "2030-01-01T25:00:00Z", "0001-01-01T00:00:00+23:00", [], {}]

PRICES: list[tuple[object, int, str]] = [
    *((value, 400, "invalid") for value in NOT_WHOLE),
    *((value, 400, "min_value") for value in (0, -1, -HUGE)),
    *((value, 400, "max_value") for value in (2**63, HUGE)),
    *(((GONE, 400, "required"), (None, 400, "null"), (10**9 + 1, 422, "price_out_of_bounds"))),
]
TIMES: list[tuple[object, int, str]] = [
    *((value, 400, "invalid") for value in NOT_A_TIME),
    *((value, 400, "zone_missing") for value in ("2030-01-01T00:00:00", "2030-01-01")),
    *(((GONE, 400, "required"), (None, 400, "null"))),
    *((value, 422, "ttl_out_of_bounds") for value in ("2020-01-01T00:00:00Z", FUTURE, "9999-12-31T23:59:59Z")),
]
TASKS: list[tuple[object, int, str]] = [
    *((value, 400, "invalid") for value in NOT_TEXT),
    *(((GONE, 400, "required"), (None, 400, "null"), ("", 400, "blank"), ("x" * 201, 400, "max_length"))),
    *((value, 400, "control") for value in ("nul\0", "line\n", "\x1b[31m", "\x85", "\u2028")),
    ("nobody-knows", 404, "unknown_task"),
]
NOT_USD: list[object] = ["", "x", "1e3", "0x1", "NaN", "Infinity", " 1", "1_000", "\u0661", True, [], {}]
BELOW: list[object] = [-1, "-0.01", -0.5]
VALUES: list[tuple[object, int, str]] = [
    *((value, 400, "invalid") for value in NOT_USD),
    *((value, 400, "min_value") for value in BELOW),
    *((value, 400, "max_decimal_places") for value in ("0.0000000000001", 1e-13)),
    *((value, 400, "max_whole_digits") for value in (10**18, "1000000000000000000")),
    *((value, 400, "max_value") for value in (10**15, "999999999999999999.9", 1e17)),
    *(((HUGE, 400, "max_digits"), (1e300, 400, "max_digits"), (None, 400, "null"))),
]
NOT_A_CHOICE: list[object] = ["forever", "", 1, True, [], {}]
OTHERS: list[tuple[str, object, int, str]] = [
    *(("time_in_force", value, 400, "invalid_choice") for value in NOT_A_CHOICE),
    ("time_in_force", None, 400, "null"),
    *(("pool", value, 400, "invalid") for value in NOT_TEXT),
    *((("pool", "nowhere", 404, "unknown_pool"), ("pool", "", 400, "blank"), ("pool", "x" * 65, 400, "max_length"))),
    *((("status", "won", 400, "unknown_field"), ("wallet", 1, 400, "unknown_field"), ("", 1, 400, "unknown_field"))),
]
BID_CASES = [
    *(("max_price_tokens", *case) for case in PRICES),
    *(("ttl_at", *case) for case in TIMES),
    *(("task_id", *case) for case in TASKS),
    *(("expected_value_usd", *case) for case in VALUES),
    *OTHERS,
]
WITHOUT_POINTER = {"unknown_pool"}


@pytest.mark.parametrize(("name", "value", "status", "code"), BID_CASES)
def test_a_bad_bid_is_refused(scene: Scene, name: str, value: object, status: int, code: str) -> None:
    before = _books()
    answer = scene.trader.post(f"{MARKET}/bids", _with(callers.bid("open-task"), name, value))
    pointers = [] if code in WITHOUT_POINTER else [f"/{name}"]
    assert _refuses(answer, before) == (status, code, pointers)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [(name, value, code) for name, value, status, code in BID_CASES if status == 400 and name != "pool"],
)
def test_a_bad_bid_spoils_its_batch_before_anything_is_placed(
    scene: Scene, name: str, value: object, code: str
) -> None:
    before = _books()
    bids = [callers.bid("open-task"), _with(callers.bid("open-task"), name, value)]
    assert _refuses(scene.trader.post(f"{MARKET}/bids/batch", {"bids": bids}), before) == (
        400,
        code,
        [f"/bids/1/{name}"],
    )


@pytest.mark.parametrize(
    ("bids", "code"),
    [
        *(
            ([], "empty"),
            (GONE, "required"),
            (None, "null"),
            ({}, "not_a_list"),
            ("x", "not_a_list"),
            (1, "not_a_list"),
        ),
        *(([1], "invalid"), ([None], "null"), ([[]], "invalid"), (["x"], "invalid")),
        ([callers.bid("open-task")] * 1001, "max_length"),
    ],
)
def test_a_bad_batch_is_refused(scene: Scene, bids: object, code: str) -> None:
    before = _books()
    answer = scene.trader.post(f"{MARKET}/bids/batch", _with({}, "bids", bids))
    pointer = "/bids/0" if isinstance(bids, list) and len(bids) == 1 else "/bids"
    assert _refuses(answer, before) == (400, code, [pointer])


TASK_CASES = [
    *(("task_id", value, 400, "invalid") for value in NOT_TEXT),
    *(("task_id", value, 400, "name") for value in ("a b", "a/b", "a?b", "ä", "a#b", "%41")),
    *((("task_id", "", 400, "blank"), ("task_id", "x" * 201, 400, "max_length"), ("task_id", "a\0", 400, "control"))),
    *(("title", value, 400, "invalid") for value in NOT_TEXT),
    *((("title", "x" * 301, 400, "max_length"), ("title", "a\nb", 400, "control"))),
    *((("entity_type", "hypothesis", 422, "invalid_task"), ("entity_id", "h-1", 422, "invalid_task"))),
    *(("expected_value_usd", *case) for case in VALUES),
    *((("wallet", 1, 400, "unknown_field"), ("state", "done", 400, "unknown_field"))),
]


@pytest.mark.parametrize(("name", "value", "status", "code"), TASK_CASES)
def test_a_bad_task_is_refused(scene: Scene, name: str, value: object, status: int, code: str) -> None:
    before = _books()
    pointer = {"entity_type": "/entity_id", "entity_id": "/entity_type"}.get(name, f"/{name}")
    assert _refuses(scene.trader.post(f"{MARKET}/tasks", {name: value}), before) == (status, code, [pointer])


SLOT_CASES = [
    *(("count", value, 400, "invalid") for value in NOT_WHOLE),
    *((("count", 0, 400, "min_value"), ("count", -1, 400, "min_value"), ("count", 101, 400, "max_value"))),
    *(("reserve_tokens", value, 400, "invalid") for value in NOT_WHOLE),
    *((("reserve_tokens", -1, 400, "min_value"), ("reserve_tokens", 2**63, 400, "max_value"))),
    *(("available_at", value, 400, "invalid") for value in NOT_A_TIME),
    *(("offer_until", value, 400, "invalid") for value in NOT_A_TIME),
    *((("offer_until", GONE, 400, "required"), ("offer_until", "2020-01-01T00:00:00Z", 422, "invalid_offer"))),
    *((("provider", "another", 400, "unknown_field"), ("state", "sold", 400, "unknown_field"))),
]


@pytest.mark.parametrize(("name", "value", "status", "code"), SLOT_CASES)
def test_a_bad_offer_is_refused(scene: Scene, name: str, value: object, status: int, code: str) -> None:
    before = _books()
    answer = scene.provider.post(f"{MARKET}/slots", _with({"offer_until": callers.ahead(hours=1)}, name, value))
    assert _refuses(answer, before) == (status, code, [f"/{name}"])


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        *(("actual_cost_tokens", value, "invalid") for value in NOT_WHOLE),
        *((("actual_cost_tokens", -1, "min_value"), ("actual_cost_tokens", 2**63, "max_value"))),
        *((("actual_cost_tokens", GONE, "required"), ("actual_cost_tokens", None, "null"))),
        *(("model", value, "invalid") for value in NOT_TEXT),
        *((("model", "a\0", "control"), ("model", "x" * 201, "max_length"), ("actual_impact", 1, "unknown_field"))),
    ],
)
def test_a_bad_cost_is_refused(scene: Scene, name: str, value: object, code: str) -> None:
    before = _books()
    address = f"{MARKET}/slots/{scene.running.slot_id}/settle"
    answer = scene.trader.post(address, _with({"actual_cost_tokens": 1}, name, value))
    assert _refuses(answer, before) == (400, code, [f"/{name}"])


@pytest.mark.parametrize(("value", "status", "code"), [*VALUES, (GONE, 400, "required")])
def test_a_bad_impact_is_refused(scene: Scene, value: object, status: int, code: str) -> None:
    before = _books()
    address = f"{MARKET}/slots/{scene.finished.slot_id}/impact"
    answer = scene.grader.post(address, _with({}, "actual_impact", value))
    assert _refuses(answer, before) == (status, code, ["/actual_impact"])


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_an_empty_body_names_what_is_missing(scene: Scene, body: bytes) -> None:
    before = _books()
    answer = scene.trader.send(f"{MARKET}/bids", body)
    assert _refuses(answer, before) == (400, "required", ["/task_id", "/max_price_tokens", "/ttl_at"])


def test_every_fault_of_a_body_is_named_at_once(scene: Scene) -> None:
    before = _books()
    answer = scene.trader.post(f"{MARKET}/bids", {"task_id": 1, "max_price_tokens": 0, "price": 5})
    status, code, pointers = _refuses(answer, before)
    assert (status, code) == (400, "invalid")
    assert pointers == ["/task_id", "/max_price_tokens", "/ttl_at", "/price"]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        *(("0.000000000001", "0.000000000001"), ("999999999999999.999999999999", "999999999999999.999999999999")),
        *((5, "5"), ("5.00", "5"), (0, "0"), ("0.10", "0.1"), (0.1, "0.1"), (1e3, "1000"), ("007", "7")),
    ],
)
def test_an_exact_amount_stays_exact(scene: Scene, value: object, stored: str) -> None:
    answer = scene.trader.post(f"{MARKET}/tasks", {"task_id": "exact", "expected_value_usd": value})
    assert (answer.status_code, json.loads(answer.content).get("expected_value_usd")) == (201, stored), answer.content
    assert json.loads(scene.trader.get(f"{MARKET}/tasks/exact").content)["expected_value_usd"] == stored


def test_a_time_of_any_zone_is_kept_in_utc(scene: Scene) -> None:
    local = callers.now().replace(microsecond=123456).isoformat().replace("+00:00", "-05:30")
    answer = scene.trader.post(f"{MARKET}/bids", callers.bid("open-task") | {"ttl_at": local})
    assert answer.status_code == 201
    assert json.loads(answer.content)["ttl_at"].endswith("123456Z")
