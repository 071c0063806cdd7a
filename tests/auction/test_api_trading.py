"""An agent's way through the market over HTTP, call by call: task, bid, win, run, grade; and a provider's."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from auction import clearing, pools
from auction.models import Bid, Clear, Slot, Task
from economics.models import Account, Transfer
from tests import callers, factories
from tests.callers import MARKET

if TYPE_CHECKING:
    from tests.callers import Caller

pytestmark = pytest.mark.django_db


def _done(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.content
    return json.loads(answer.content)


def _refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, callers.problem(answer)["code"]


def _wallet(caller: Caller) -> Account:
    return factories.wallet(owner=caller.agent)


def _won(trader: Caller, price: int = 100) -> Clear:
    """Sell a slot of the default pool to a trader's bid placed over HTTP."""
    pools.create(pools.DEFAULT)
    factories.slot(pools.get(pools.DEFAULT), available_at=callers.now())
    work = factories.task(_wallet(trader))
    placed = _done(trader.post(f"{MARKET}/bids", callers.bid(work.pk, price)), 201)
    book = pools.get(pools.DEFAULT)
    cycle = 0 if book.last_cycle_at is None else book.cycle_seconds
    clearing.clear_round(callers.now() + timedelta(seconds=cycle), book.name)
    return Clear.objects.get(bid_id=placed["id"])


def test_a_task_is_filed_read_and_cancelled() -> None:
    worker = callers.caller()
    body = {
        "task_id": "t-1",
        "title": "Read",
        "entity_type": "hypothesis",
        "entity_id": "h 1",
        "expected_value_usd": "12.50",
        "expected_cost_tokens": 600,
        "model": "deep-1",
    }
    task = _done(worker.post(f"{MARKET}/tasks", body), 201)
    assert task == {
        "id": "t-1",
        "title": "Read",
        "entity_type": "hypothesis",
        "entity_id": "h 1",
        "expected_value_usd": "12.5",
        "expected_cost_tokens": 600,
        "model": "deep-1",
        "state": "open",
        "created_at": task["created_at"],
        "closed_at": None,
    }
    assert _done(worker.get(f"{MARKET}/tasks/t-1")) == task
    assert _done(worker.get(f"{MARKET}/tasks", state="open"))["results"] == [task]
    assert _done(worker.get(f"{MARKET}/tasks", state="done"))["results"] == []
    for _time in range(2):
        assert _done(worker.post(f"{MARKET}/tasks/t-1/cancel", key=None))["state"] == "cancelled"
    assert _refused(worker.post(f"{MARKET}/tasks", {"task_id": "t-1"})) == (409, "task_id_taken")
    assert _refused(worker.post(f"{MARKET}/tasks", {"expected_cost_tokens": 5})) == (422, "invalid_task")


def test_a_task_without_a_name_gets_one() -> None:
    task = _done(callers.caller().post(f"{MARKET}/tasks", {}), 201)
    assert task["id"]
    assert task["expected_value_usd"] == "0"


def test_another_agents_task_does_not_exist_for_one() -> None:
    mine, other = callers.trader(), callers.trader()
    task = factories.task(_wallet(other)).pk
    assert _refused(mine.get(f"{MARKET}/tasks/{task}")) == (404, "unknown_task")
    assert _refused(mine.post(f"{MARKET}/tasks/{task}/cancel")) == (404, "unknown_task")
    assert _refused(mine.post(f"{MARKET}/bids", callers.bid(task))) == (403, "not_your_task")
    assert Task.objects.get(pk=task).state == "open"


def test_a_bid_is_placed_and_shown_as_placed() -> None:
    trader = callers.trader(1000)
    task = factories.task(_wallet(trader)).pk
    body = callers.bid(task, 300, expected_value_usd="1.25", time_in_force="gtd", pool=pools.DEFAULT)
    bid = _done(trader.post(f"{MARKET}/bids", body), 201)
    assert bid == {
        "id": bid["id"],
        "pool": "scidex-agent",
        "task_id": task,
        "max_price_tokens": 300,
        "expected_value_usd": "1.25",
        "time_in_force": "gtd",
        "placed_at": bid["placed_at"],
        "ttl_at": body["ttl_at"].replace("+00:00", "Z"),  # type: ignore[attr-defined] # a text
        "status": "open",
        "closed_at": None,
        "round_id": None,
    }
    assert _done(trader.get(f"{MARKET}/bids/{bid['id']}")) == bid
    assert _done(trader.get(f"{MARKET}/bids", task_id=task, status="open", pool=pools.DEFAULT))["results"] == [bid]
    assert (_wallet(trader).held, _wallet(trader).available) == (300, 700)


@pytest.mark.parametrize("spelling", ["post", "delete"])
def test_a_bid_is_taken_back_by_either_spelling(spelling: str) -> None:
    trader = callers.trader(1000)
    bid = factories.bid(_wallet(trader), 300, factories.pool(), at=callers.now())
    for _time in range(2):
        answer = (
            trader.delete(f"{MARKET}/bids/{bid.pk}")
            if spelling == "delete"
            else trader.post(f"{MARKET}/bids/{bid.pk}/cancel", key=None)
        )
        assert _done(answer)["status"] == "cancelled"
    assert _wallet(trader).held == 0


def test_another_agents_bid_does_not_exist_for_one() -> None:
    mine, other = callers.trader(), callers.trader()
    bid = factories.bid(_wallet(other), 300, factories.pool(), at=callers.now()).pk
    for answer in (
        mine.get(f"{MARKET}/bids/{bid}"),
        mine.delete(f"{MARKET}/bids/{bid}"),
        mine.post(f"{MARKET}/bids/{bid}/cancel"),
    ):
        assert _refused(answer) == (404, "unknown_bid")
    assert _done(mine.get(f"{MARKET}/bids"))["results"] == []
    assert Bid.objects.get(pk=bid).status == "open"


def test_an_agent_named_like_a_quest_sees_nothing_of_it() -> None:
    namesake = callers.trader(name="shared-name")
    bid = factories.bid(factories.wallet(1000, quest="shared-name"), 300, factories.pool(), at=callers.now())
    assert bid.bidder_id == "shared-name"
    assert _done(namesake.get(f"{MARKET}/bids"))["results"] == []
    assert _refused(namesake.post(f"{MARKET}/bids/{bid.pk}/cancel")) == (404, "unknown_bid")


def test_an_agent_without_a_wallet_reads_empty_lists_and_opens_none() -> None:
    worker = callers.caller()
    for path in ("bids", "tasks", "wins"):
        assert _done(worker.get(f"{MARKET}/{path}")) == {"results": [], "next": None}
    assert _refused(worker.post(f"{MARKET}/bids", callers.bid("nothing"))) == (404, "unknown_task")
    assert not Account.objects.filter(owner_type="agent").exists()


def test_a_batch_answers_for_each_bid_in_order() -> None:
    trader, other = callers.trader(250), callers.trader()
    first, second, third = (factories.task(_wallet(trader)).pk for _ in range(3))
    foreign = factories.task(_wallet(other)).pk
    bids = [
        callers.bid(first, 100),
        callers.bid(foreign, 10),
        callers.bid("nothing", 10),
        callers.bid(second, 200),
        callers.bid(third, 150),
        callers.bid(first, 1),
    ]
    answer = _done(trader.post(f"{MARKET}/bids/batch", {"bids": bids}))
    assert list(answer) == ["results"]
    assert [(one["task_id"], one["status"], one["code"]) for one in answer["results"]] == [
        (first, "open", None),
        (foreign, "refused", "not_your_task"),
        ("nothing", "refused", "unknown_task"),
        (second, "refused", "insufficient_tokens"),
        (third, "open", None),
        (first, "refused", "task_repeated_in_batch"),
    ]
    placed = [one["bid_id"] for one in answer["results"] if one["bid_id"]]
    assert list(Bid.objects.order_by("pk").values_list("pk", flat=True)) == sorted(placed)
    assert all((one["detail"] is None) == (one["code"] is None) for one in answer["results"])
    assert _wallet(trader).available == 0


def test_a_batch_of_a_thousand_costs_as_many_queries_as_a_batch_of_two() -> None:
    trader = callers.trader()
    wallet = _wallet(trader)
    counts = []
    for size in (2, 1000):
        tasks = Task.objects.bulk_create([Task(pk=f"batch-{size}-{n}", wallet=wallet) for n in range(size)])
        body = {"bids": [callers.bid(task.pk, 1) for task in tasks]}
        with CaptureQueriesContext(connection) as queries:
            answer = _done(trader.post(f"{MARKET}/bids/batch", body))
        assert [one["status"] for one in answer["results"]] == ["open"] * size
        counts.append(len([query for query in queries if "SAVEPOINT" not in query["sql"]]))
    assert counts[1] <= counts[0]


def test_a_placement_asks_three_things_of_the_database() -> None:
    trader = callers.trader()
    tasks = [factories.task(_wallet(trader)).pk for _ in range(2)]
    _done(trader.post(f"{MARKET}/bids", callers.bid(tasks[0])), 201)
    with CaptureQueriesContext(connection) as queries:
        _done(trader.post(f"{MARKET}/bids", callers.bid(tasks[1])), 201)
    statements = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(statements) == 3, statements  # the key, the bid, the answer; BEGIN and COMMIT around the last two


def test_a_win_is_run_settled_and_graded() -> None:
    trader, grader = callers.trader(1000), callers.caller("grader")
    clear = _won(trader, 400)
    (win,) = _done(trader.get(f"{MARKET}/wins", state="sold"))["results"]
    slot = f"{MARKET}/slots/{win['slot_id']}"
    assert (win["slot_id"], win["bid_id"], win["charge_tokens"]) == (clear.slot_id, clear.bid_id, 1)
    for _time in range(2):
        started = _done(trader.post(f"{slot}/start", key=None))
        assert started["state"] == "running"
    beaten = _done(trader.post(f"{slot}/heartbeat", key=None))
    assert beaten["lease_until"] > started["lease_until"]
    settled = _done(trader.post(f"{slot}/settle", {"actual_cost_tokens": 2000, "model": "large-1"}))
    assert (settled["state"], settled["actual_cost_tokens"], settled["cost_model"]) == ("finished", 2000, "large-1")
    assert _wallet(trader).balance == 999
    graded = _done(grader.post(f"{slot}/impact", {"actual_impact": 12.5}))
    assert (graded["actual_impact"], graded["impact_roi"]) == ("12.5", "0.00625")
    assert trader.agent.pk.encode() not in grader.post(f"{slot}/impact", {"actual_impact": "12.5"}).content
    shown = _done(trader.get(f"{MARKET}/wins/{win['slot_id']}"))
    assert (shown["reward_due_tokens"], shown["reward_paid_tokens"]) == (62_500, None)
    assert _refused(grader.post(f"{slot}/impact", {"actual_impact": "13"})) == (409, "settled_otherwise")
    assert _refused(trader.post(f"{slot}/settle", {"actual_cost_tokens": 1})) == (409, "settled_otherwise")


def test_a_slot_is_run_by_its_winner_only() -> None:
    stranger = callers.trader()
    slot = f"{MARKET}/slots/{_won(callers.trader()).slot_id}"
    for deed, body in (("start", None), ("heartbeat", None), ("settle", {"actual_cost_tokens": 1})):
        assert _refused(stranger.post(f"{slot}/{deed}", body)) == (404, "unknown_slot")


def test_nobody_grades_a_slot_that_has_not_finished() -> None:
    clear = _won(callers.trader())
    answer = callers.caller("grader").post(f"{MARKET}/slots/{clear.slot_id}/impact", {"actual_impact": 1})
    assert _refused(answer) == (409, "slot_state")


def test_a_provider_offers_slots_and_takes_them_back() -> None:
    provider, other = callers.caller("provider"), callers.caller("provider")
    body = {"count": 2, "reserve_tokens": 7, "offer_until": callers.ahead(hours=1)}
    offers = _done(provider.post(f"{MARKET}/slots", body), 201)["results"]
    assert [(one["state"], one["own"], one["reserve_tokens"]) for one in offers] == [("open", True, 7)] * 2
    address = f"{MARKET}/slots/{offers[0]['id']}"
    assert _refused(other.post(f"{address}/withdraw", key=None)) == (404, "unknown_slot")
    for _time in range(2):
        assert _done(provider.post(f"{address}/withdraw", key=None))["state"] == "withdrawn"
    assert _done(other.get(address)) == _done(provider.get(address)) | {"own": False}
    assert Slot.objects.filter(state="open").count() == 1


@pytest.mark.parametrize("deed", ["start", "heartbeat", "withdraw"])
def test_a_deed_without_a_body_takes_none(deed: str) -> None:
    caller = callers.caller("provider" if deed == "withdraw" else "worker")
    address = f"{MARKET}/slots/nothing/{deed}"
    assert _refused(caller.post(address, {"force": True}, key=None)) == (400, "unknown_field")
    assert _refused(caller.post(address, {}, key=None)) == (404, "unknown_slot")
    assert _refused(caller.send(address, b"", key=None)) == (404, "unknown_slot")


def test_losers_and_winners_books_agree_with_the_ledger() -> None:
    trader = callers.trader(1000)
    clear = _won(trader, 400)
    account = Account.objects.get(pk=clear.account_id)
    assert (account.balance, account.held) == (1000, 1)
    assert Transfer.objects.filter(debit_account=account).count() == 0
