"""A quest's backlog, upserted by external ids: what it holds, what waits for what, and what is refused item by item."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from auction import backlog, clearing, errors, pools
from auction.given_tasks import GivenTask
from auction.models import Bid, Clear, Need, Quest, Task
from tests import factories
from tests.factories import NOON, after

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("balanced_books")


@pytest.fixture
def quest(db: None) -> Quest:
    pools.create(pools.DEFAULT)
    return factories.quest("tau", 1_000)


def _given(name: str, *needs: str, **parts: Any) -> GivenTask:
    """Return a task as given; one with needs, or with `clears`, says what it waits for."""
    if needs or parts.pop("clears", False):
        parts["needs"] = needs
    return GivenTask(task_id=name, **parts)


def _upsert(quest: Quest, *given: GivenTask, at: float = 0) -> list[str]:
    """Upsert tasks; return what became of each: the status, or the codes of its faults with their pointers."""
    results = backlog.upsert_tasks(quest, given, now=after(at))
    assert [one.task_id for one in results] == [one.task_id for one in given]
    return [" ".join(f"{fault.code}{fault.pointer}" for fault in one.faults) or one.status for one in results]


def _needs() -> set[tuple[str, str]]:
    return set(Need.objects.values_list("task_id", "needs_id"))


def _states() -> dict[str, str]:
    return dict(Task.objects.values_list("pk", "state"))


FULL: dict[str, Any] = {
    "title": "Read ten papers",
    "entity_type": "hypothesis",
    "entity_id": "h1",
    "value_if_works_usd": Decimal("12.5"),
    "chance": Decimal("0.25"),
    "cost_usd": Decimal(1),
    "expected_cost_tokens": 5_000,
    "model": "deep-1",
}


def test_tasks_are_filed_for_the_quests_wallet_with_all_their_parts(quest: Quest) -> None:
    by = factories.agent("ada")
    Quest.objects.filter(pk="tau").update(programme=by)
    quest.refresh_from_db()
    (result,) = backlog.upsert_tasks(quest, [_given("t1", **FULL)], by=by, now=NOON)
    assert result == ("t1", "created", "open", [])
    task = Task.objects.get(pk="t1")
    assert {name: getattr(task, name) for name in FULL} == FULL
    assert (task.quest, task.wallet_id, task.filed_by, task.state) == (quest, quest.account_id, by, "open")
    assert (task.created_at, task.expected_value_usd, task.scored_at) == (NOON, Decimal(0), None)


def test_the_same_again_changes_nothing(quest: Quest) -> None:
    batch = [_given("a", **FULL), _given("b", "a", expected_value_usd=Decimal("2.50")), _given("c", state="done")]
    assert _upsert(quest, *batch) == ["created"] * 3
    before, needs = list(Task.objects.order_by("pk").values()), _needs()
    assert _upsert(quest, *batch, at=60) == ["unchanged"] * 3
    assert (list(Task.objects.order_by("pk").values()), _needs()) == (before, needs)


def test_a_task_that_was_scored_since_is_unchanged(quest: Quest) -> None:
    _upsert(quest, _given("a", **FULL))
    Task.objects.filter(pk="a").update(expected_value_usd=3, scored_at=NOON)
    assert _upsert(quest, _given("a", **FULL)) == ["unchanged"]
    assert Task.objects.get(pk="a").expected_value_usd == 3


def test_what_differs_is_changed_and_what_is_left_out_is_none(quest: Quest) -> None:
    _upsert(quest, _given("a", **FULL))
    assert _upsert(quest, _given("a", title="Read", expected_value_usd=Decimal(7))) == ["changed"]
    task = Task.objects.get(pk="a")
    assert (task.title, task.expected_value_usd, task.entity_type, task.model) == ("Read", Decimal(7), "", "")
    assert (task.value_if_works_usd, task.chance, task.cost_usd, task.expected_cost_tokens) == (None,) * 4


def test_needs_not_given_stay_and_none_given_are_cleared(quest: Quest) -> None:
    _upsert(quest, _given("a"), _given("b"), _given("c", "a", "b"))
    assert _upsert(quest, _given("c", title="later")) == ["changed"]
    assert _needs() == {("c", "a"), ("c", "b")}
    assert _upsert(quest, _given("c", "b", title="later")) == ["changed"]
    assert _needs() == {("c", "b")}
    assert _upsert(quest, _given("c", clears=True, title="later")) == ["changed"]
    assert _needs() == set()


def test_a_batch_may_need_what_stands_later_in_it(quest: Quest) -> None:
    assert _upsert(quest, _given("c", "b"), _given("b", "a"), _given("a")) == ["created"] * 3
    assert _needs() == {("c", "b"), ("b", "a")}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no id": ({"task_id": ""}, "not_a_name/task_id"),
    "an id with a slash": ({"task_id": "a/b"}, "not_a_name/task_id"),
    "an id that no address leads to": ({"task_id": ".."}, "not_a_name/task_id"),
    "half an entity": ({"entity_type": "hypothesis"}, "half_an_entity/entity_id"),
    "the other half": ({"entity_id": "h1"}, "half_an_entity/entity_type"),
    "negative value": ({"expected_value_usd": Decimal(-1)}, "negative/expected_value_usd"),
    "value that is none": ({"expected_value_usd": Decimal("NaN")}, "not_a_number/expected_value_usd"),
    "too much": ({"value_if_works_usd": Decimal("1e15")}, "too_large/value_if_works_usd"),
    "too fine": ({"expected_value_usd": Decimal("1e-13")}, "too_precise/expected_value_usd"),
    "negative cost": ({"value_if_works_usd": Decimal(1), "cost_usd": Decimal(-1)}, "negative/cost_usd"),
    "more than certain": ({"value_if_works_usd": Decimal(1), "chance": Decimal("1.1")}, "not_a_share/chance"),
    "too fine a chance": ({"value_if_works_usd": Decimal(1), "chance": Decimal("1e-7")}, "too_precise/chance"),
    "chance of nothing": ({"chance": Decimal("0.5")}, "parts_without_value/value_if_works_usd"),
    "value and parts": (
        {"expected_value_usd": Decimal(1), "value_if_works_usd": Decimal(1)},
        "value_and_parts/expected_value_usd",
    ),
    "negative tokens": ({"expected_cost_tokens": -1, "model": "deep-1"}, "negative/expected_cost_tokens"),
    "tokens of no model": ({"expected_cost_tokens": 1}, "cost_without_model/model"),
    "itself": ({"needs": ("a",)}, "needs_itself/needs"),
    "too many needs": ({"needs": tuple(f"n{n}" for n in range(101))}, "too_many/needs"),
    "unknown need": ({"needs": ("nothing",)}, "unknown_need/needs/0"),
    "unknown state": ({"state": "taken"}, "unknown_state/state"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_one_task_keeps_the_others_not_out(what: str, quest: Quest) -> None:
    terms, code = WRONG[what]
    wrong = GivenTask(**{"task_id": "a", **terms})
    assert _upsert(quest, _given("before"), wrong, _given("after", "before")) == ["created", code, "created"]
    assert set(_states()) == {"before", "after"}


def test_another_owners_task_is_refused_and_stays_as_it_is(quest: Quest) -> None:
    other = factories.quest_task(factories.quest(), 5, name="theirs")
    assert _upsert(quest, _given("theirs", title="mine"), _given("theirs-2")) == ["task_id_taken/task_id", "created"]
    other.refresh_from_db()
    assert (other.title, other.expected_value_usd) == ("", Decimal(5))
    (result,) = backlog.upsert_tasks(quest, [_given("theirs", state="cancelled")], now=NOON)
    assert result.state == ""  # what state it is in is theirs to know
    assert _upsert(quest, _given("mine", "theirs")) == ["unknown_need/needs/0"]


def test_the_database_lets_no_task_need_another_owners(quest: Quest) -> None:
    mine, theirs = factories.quest_task(quest), factories.quest_task(factories.quest())
    with pytest.raises(IntegrityError, match="need_within_one_backlog"), transaction.atomic():
        Need.objects.create(task=mine, needs=theirs)


def test_a_task_named_twice_is_taken_once(quest: Quest) -> None:
    assert _upsert(quest, _given("a", title="first"), _given("a", title="second")) == [
        "created",
        "task_repeated_in_batch/task_id",
    ]
    assert Task.objects.get(pk="a").title == "first"


def test_only_the_programme_or_a_person_changes_a_backlog(quest: Quest) -> None:
    with factories.refused(errors.NotYourQuestError):
        backlog.upsert_tasks(quest, [_given("a")], by=factories.agent(), now=NOON)
    assert _states() == {}


def test_more_than_ten_thousand_tasks_are_refused_as_a_whole(quest: Quest) -> None:
    with factories.refused(errors.BatchTooLargeError):
        backlog.upsert_tasks(quest, [_given("a")] * 10_001, now=NOON)


def test_a_circle_is_refused_by_name_and_keeps_the_others_not_out(quest: Quest) -> None:
    batch = [_given("a", "b"), _given("b", "c"), _given("c", "a"), _given("d"), _given("e", "d")]
    results = backlog.upsert_tasks(quest, batch, now=NOON)
    assert [one.status for one in results] == ["refused"] * 3 + ["created"] * 2
    said = [fault.detail for one in results[:3] for fault in one.faults]
    assert {(fault.code, fault.pointer) for one in results for fault in one.faults} == {("needs_circle", "/needs/0")}
    assert said[:2] == [f"It would wait for itself: {' needs '.join(ring)}." for ring in ("abca", "bcab")]
    assert _needs() == {("e", "d")}


def test_a_large_circle_is_told_in_short(quest: Quest) -> None:
    results = backlog.upsert_tasks(quest, [_given(f"t{n}", f"t{(n + 1) % 40}") for n in range(40)], now=NOON)
    assert results[38].faults[0].detail == (
        "It would wait for itself: t38 needs t39 needs t0 needs t1 needs t2 needs t3 needs t4 needs t5 needs t6 "
        "needs t7 needs … needs t38."
    )


def test_a_circle_with_what_is_on_record_is_refused(quest: Quest) -> None:
    _upsert(quest, _given("a"), _given("b", "a"), _given("c", "b"))
    (result,) = backlog.upsert_tasks(quest, [_given("a", "c", title="new")], now=NOON)
    assert [fault.detail for fault in result.faults] == ["It would wait for itself: a needs c needs b needs a."]
    assert Task.objects.get(pk="a").title == ""


def test_a_need_that_is_taken_away_in_the_same_batch_closes_no_circle(quest: Quest) -> None:
    _upsert(quest, _given("a"), _given("b", "a"))
    assert _upsert(quest, _given("a", "b"), _given("b", clears=True)) == ["changed", "changed"]
    assert _needs() == {("a", "b")}


def test_a_need_that_stays_because_its_task_was_refused_may_close_one(quest: Quest) -> None:
    _upsert(quest, _given("a"), _given("b", "a"))
    assert _upsert(quest, _given("a", "b"), _given("b", "nothing")) == ["needs_circle/needs/0", "unknown_need/needs/0"]
    assert _needs() == {("b", "a")}


def test_who_needs_what_was_refused_and_is_not_there_is_refused_with_it(quest: Quest) -> None:
    _upsert(quest, _given("old"))
    batch = [_given("new", entity_id="h1"), _given("x", "new"), _given("y", "x"), _given("z", "old")]
    assert _upsert(quest, *batch, _given("old", entity_id="h1")) == [
        "half_an_entity/entity_type",
        *["unknown_need/needs/0"] * 2,
        "created",
        "half_an_entity/entity_type",
    ]


@pytest.mark.parametrize("state", ["done", "cancelled"])
def test_closing_a_task_withdraws_its_bid_and_changes_nothing_else(state: str, quest: Quest) -> None:
    _upsert(quest, _given("a", title="Read ten papers"), _given("b"))
    bid = factories.bid(factories.wallet(quest="tau"), 60, quest.pool, work=Task.objects.get(pk="a"))
    other = factories.bid(factories.wallet(quest="tau"), 40, quest.pool, work=Task.objects.get(pk="b"))
    for status in ("changed", "unchanged"):
        assert _upsert(quest, _given("a", state=state), at=1) == [status]
    task = Task.objects.get(pk="a")
    assert (task.state, task.closed_at, task.title) == (state, after(1), "Read ten papers")
    assert Bid.objects.get(pk=bid.pk).status == "cancelled"
    assert Bid.objects.get(pk=other.pk).status == "open"
    assert factories.wallet(quest="tau").held == 40


@pytest.mark.parametrize(("state", "count"), [("done", 0), ("cancelled", 1)])
def test_what_waits_for_a_task_is_free_when_it_is_done_and_never_when_it_is_cancelled(
    state: str, count: int, quest: Quest
) -> None:
    _upsert(quest, _given("a"), _given("b", "a"))
    _upsert(quest, _given("a", state=state))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM auction_tasks t WHERE {pools.BLOCKED}")
        assert cursor.fetchall() == [("b",)] * count


def _sold(quest: Quest, *, at: float = 0) -> Clear:
    """Sell a slot to the bid for task a."""
    factories.slot(quest.pool)
    bid = factories.bid(factories.wallet(quest="tau"), 60, quest.pool, work=Task.objects.get(pk="a"), at=after(at))
    clearing.clear_round(after(at), quest.pool.name)
    return Clear.objects.get(bid=bid.pk)


def test_a_task_that_is_taken_is_neither_closed_nor_changed(quest: Quest) -> None:
    _upsert(quest, _given("a"))
    _sold(quest)
    for given in (_given("a", state="done"), _given("a", state="cancelled"), _given("a", title="x")):
        assert _upsert(quest, given) == ["task_not_open/state"]
    (result,) = backlog.upsert_tasks(quest, [_given("a")], now=NOON)
    assert result == ("a", "unchanged", "taken", [])
    assert Task.objects.get(pk="a").state == "taken"


def test_what_is_closed_stays_as_it_is(quest: Quest) -> None:
    _upsert(quest, _given("a", state="done"), _given("b", state="cancelled"))
    assert _upsert(quest, _given("a"), _given("b")) == ["unchanged"] * 2
    assert _upsert(quest, _given("a", title="x"), _given("b", state="done")) == ["task_not_open/state"] * 2
    assert _states() == {"a": "done", "b": "cancelled"}


def _statements(deed: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as seen:
        deed()
    return len(seen)


def test_a_thousand_tasks_take_as_many_statements_as_five(quest: Quest) -> None:
    def batch(kind: str, number: int, **parts: Any) -> list[GivenTask]:
        others = [_given(f"{kind}-{n}", f"{kind}-{n - 1}", f"{kind}-0", **parts) for n in range(2, number)]
        return [_given(f"{kind}-0"), _given(f"{kind}-1"), *others]

    def closed(kind: str, number: int) -> list[GivenTask]:
        return [_given(f"{kind}-{n}", state="done" if n % 2 else "cancelled") for n in range(number)]

    few, many = (
        [
            _statements(lambda: _upsert(quest, *batch(kind, number))),  # noqa: B023 - called at once
            _statements(lambda: _upsert(quest, *batch(kind, number, title="other"))),  # noqa: B023
            _statements(lambda: _upsert(quest, *closed(kind, number))),  # noqa: B023
        ]
        for kind, number in (("few", 5), ("many", 1_000))
    )
    assert few == many
    assert max(many) <= 25
