"""A programme over HTTP: it opens its quest, keeps its backlog there and reads what each task is worth and why."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from auction import pools, quests, valuation
from auction.models import Quest, Task
from tests import callers, factories
from tests.callers import MARKET

if TYPE_CHECKING:
    from tests.callers import Caller

pytestmark = pytest.mark.django_db
QUESTS: Final = f"{MARKET}/quests"
TASKS: Final = f"{QUESTS}/tau/tasks"


def _done(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.content
    return json.loads(answer.content)


def _refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, callers.problem(answer)["code"]


@pytest.fixture
def ada() -> Caller:
    """Return an agent that has opened the quest tau."""
    pools.create(pools.DEFAULT)
    worker = callers.caller(name="ada")
    _done(worker.post(QUESTS, {"quest_id": "tau", "title": "Tau and sleep"}, key=None))
    return worker


def _batch(caller: Caller, *tasks: dict[str, Any]) -> Any:
    return _done(caller.post(TASKS, {"tasks": list(tasks)}, key=None))


def test_a_quest_is_opened_changed_and_read(ada: Caller) -> None:
    member = factories.agent("eve")
    body = {
        "quest_id": "tau",
        "members_only": True,
        "members": ["eve"],
        "strategy": "paced",
        "bid_factor": "0.5",
        "horizon_seconds": 3600,
    }
    quest = _done(ada.post(QUESTS, body, key=None))
    assert quest == {
        "id": "tau",
        "title": "Tau and sleep",
        "pool": "scidex-agent",
        "programme": "ada",
        "members_only": True,
        "is_active": False,
        "strategy": "paced",
        "bid_factor": "0.5",
        "horizon_seconds": 3600,
        "pace": "1",
        "wallet": {"balance": 0, "held": 0, "available": 0},
        "created_at": quest["created_at"],
        "members": ["eve"],
        "tasks": {"open": 0, "blocked": 0, "taken": 0, "done": 0, "cancelled": 0},
    }
    assert _done(ada.post(QUESTS, body, key=None)) == quest
    assert _done(ada.get(f"{QUESTS}/tau")) == quest
    listed = {name: value for name, value in quest.items() if name not in {"members", "tasks"}}
    assert _done(ada.get(QUESTS, pool=pools.DEFAULT, active="false"))["results"] == [listed]
    assert _done(ada.get(QUESTS, active="true"))["results"] == []
    assert _done(callers.Caller(member).get(QUESTS))["results"] == [listed]


def test_another_programmes_quest_does_not_exist_for_one(ada: Caller) -> None:
    stranger = callers.caller()
    assert _done(stranger.get(QUESTS))["results"] == []
    for answer in (stranger.get(f"{QUESTS}/tau"), stranger.get(TASKS), stranger.post(TASKS, [], key=None)):
        assert _refused(answer) == (404, "unknown_quest")
    assert _refused(stranger.post(QUESTS, {"quest_id": "tau"}, key=None)) == (409, "quest_id_taken")
    assert Quest.objects.get().programme_id == ada.agent.pk


def test_a_member_reads_a_quest_and_changes_nothing(ada: Caller) -> None:
    member = callers.caller()
    quests.join(quests.get("tau"), member.agent, now=callers.now())
    _batch(ada, {"task_id": "t1"})
    assert [task["id"] for task in _done(member.get(TASKS))["results"]] == ["t1"]
    assert _refused(member.post(TASKS, [{"task_id": "t2"}], key=None)) == (403, "not_your_quest")


def test_a_key_without_the_scope_writes_nothing(ada: Caller) -> None:
    reader = callers.Caller(ada.agent, scopes=["market:read"])
    assert _done(reader.get(f"{QUESTS}/tau"))["id"] == "tau"
    for address, body in ((QUESTS, {"quest_id": "tau"}), (TASKS, [])):
        assert _refused(reader.post(address, body, key=None)) == (403, "scope_missing")


WRONG: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "no id": ({}, "/quest_id"),
    "an id that fits no address": ({"quest_id": "a/b"}, "/quest_id"),
    "a long id": ({"quest_id": "q" * 65}, "/quest_id"),
    "a factor above one": ({"quest_id": "tau", "bid_factor": "1.1"}, "/bid_factor"),
    "too fine a factor": ({"quest_id": "tau", "bid_factor": "0.12345"}, "/bid_factor"),
    "a short horizon": ({"quest_id": "tau", "horizon_seconds": 59}, "/horizon_seconds"),
    "an unknown strategy": ({"quest_id": "tau", "strategy": "greedy"}, "/strategy"),
    "what people decide": ({"quest_id": "tau", "is_active": False}, "/is_active"),
    "a flag that is none": ({"quest_id": "tau", "members_only": "yes"}, "/members_only"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_quest_is_named(what: str, ada: Caller) -> None:
    body, pointer = WRONG[what]
    answer = ada.post(QUESTS, body, key=None)
    assert answer.status_code == 400
    assert [fault["pointer"] for fault in callers.problem(answer)["errors"]] == [pointer]


def test_a_batch_answers_item_by_item(ada: Caller) -> None:
    _batch(ada, {"task_id": "old", "title": "as it was"})
    batch = [
        {"task_id": "a", "value_if_works_usd": "12.5", "chance": 0.25, "cost_usd": 1, "needs": ["old"]},
        {"task_id": "old", "title": "as it was"},
        {"task_id": "b", "needs": ["c"]},
        {"task_id": "c", "needs": ["b"]},
        {"task_id": "d", "expected_value_usd": "-1", "colour": "red"},
        7,
    ]
    answer = _batch(ada, *batch)  # type: ignore[arg-type] # the last is what is wrong
    assert answer["counts"] == {"created": 1, "changed": 0, "unchanged": 1, "refused": 4}
    first, same, *refused = answer["results"]
    assert first == {"index": 0, "task_id": "a", "status": "created", "state": "open", "code": None, "errors": []}
    assert same == {"index": 1, "task_id": "old", "status": "unchanged", "state": "open", "code": None, "errors": []}
    assert [one["code"] for one in refused] == ["needs_circle", "needs_circle", "invalid", "not_an_object"]
    assert refused[0]["errors"] == [
        {"code": "needs_circle", "detail": "It would wait for itself: b needs c needs b.", "pointer": "/needs/0"}
    ]
    assert {fault["code"] for fault in refused[2]["errors"]} == {"negative", "unknown_field"}
    assert set(Task.objects.values_list("pk", flat=True)) == {"old", "a"}


def test_lines_of_json_are_taken_as_well(ada: Caller) -> None:
    body = b'{"task_id": "a"}\n\n{"task_id": "b", "needs": ["a"]}\nnonsense\n'
    answer = _done(ada.send(TASKS, body, key=None, kind="application/x-ndjson"))
    assert [one["status"] for one in answer["results"]] == ["created", "created", "refused"]
    assert _done(ada.get(f"{QUESTS}/tau"))["tasks"] == {
        "open": 2,
        "blocked": 1,
        "taken": 0,
        "done": 0,
        "cancelled": 0,
    }


def test_a_batch_has_at_most_a_thousand_tasks(ada: Caller) -> None:
    answer = ada.post(TASKS, [{"task_id": f"t{n}"} for n in range(1_001)], key=None)
    assert _refused(answer) == (422, "batch_too_large")
    assert not Task.objects.exists()


def test_a_task_is_shown_with_what_it_waits_for_and_why_it_is_worth_what_it_is(ada: Caller) -> None:
    parts = {"value_if_works_usd": "12.5", "chance": "0.25", "cost_usd": "1"}
    _batch(ada, {"task_id": "a"}, {"task_id": "b", "state": "done"}, {"task_id": "c", "needs": ["b", "a"], **parts})
    valuation.score_all(now=callers.now())
    shown = {task["id"]: task for task in _done(ada.get(TASKS))["results"]}
    task = shown["c"]
    assert task == {
        "id": "c",
        "title": "",
        "entity_type": "",
        "entity_id": "",
        "state": "open",
        "is_blocked": True,
        "needs": ["a", "b"],
        "waits_for": ["a"],
        "expected_value_usd": "2.125",
        **parts,
        "expected_cost_tokens": None,
        "model": "",
        "explanation": task["explanation"],
        "scored_at": task["scored_at"],
        "created_at": task["created_at"],
        "closed_at": None,
    }
    why = task["explanation"]
    assert (why["value_usd"], why["parts"]) == ("2.125", {**parts, "priority": "0.5"})
    assert why["formula"] == "max(0, 12.5 · 0.25 · (0.5 + 0.5) - 1) = 2.125"
    assert why["sentence"].startswith("Worth 2.125 USD: 12.5 USD with a chance of 0.25")
    assert shown["a"]["explanation"] == {
        "value_usd": "0",
        "parts": {},
        "formula": "",
        "sentence": "Worth 0 USD, as stated.",
    }


def test_a_backlog_is_narrowed(ada: Caller) -> None:
    entity = {"entity_type": "hypothesis", "entity_id": "h1"}
    _batch(ada, {"task_id": "a", **entity}, {"task_id": "b", "needs": ["a"]}, {"task_id": "c", "state": "done"})

    def named(**query: str) -> list[str]:
        return sorted(task["id"] for task in _done(ada.get(TASKS, **query))["results"])

    assert named() == ["a", "b", "c"]
    assert named(state="open") == ["a", "b"]
    assert named(blocked="true") == ["b"]
    assert named(blocked="false") == ["a", "c"]
    assert named(entity_type="hypothesis", entity_id="h1") == ["a"]
    assert named(entity_type="analysis") == []


def test_a_backlog_comes_in_pages_of_a_fixed_number_of_queries(ada: Caller) -> None:
    def queries(**query: object) -> tuple[int, int]:
        with CaptureQueriesContext(connection) as seen:
            page = _done(ada.get(TASKS, **query))
        return len(page["results"]), len(seen)

    quest = Quest.objects.get()
    first = factories.quest_task(quest, Decimal(1))
    for _ in range(4):
        factories.quest_task(quest, needs=[first])
    few = queries(page_size=2)
    for _ in range(30):
        factories.quest_task(quest, needs=[first])
    assert few[0] == 2
    many = queries(page_size=30)
    assert many == (30, few[1])
    assert many[1] <= 8


def test_what_is_no_batch_of_tasks_is_told_how_one_looks(ada: Caller) -> None:
    said = callers.problem(ada.post(TASKS, {"events": []}, key=None))
    assert (said["code"], said["detail"]) == (
        "malformed_batch",
        'A batch is lines of JSON, an array, or an object {"tasks": array}.',
    )
