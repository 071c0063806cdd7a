"""A backlog is written by one at a time, and what is closed is not sold, whatever happens at the same moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auction import backlog, clearing
from auction.given_tasks import GivenTask
from auction.models import Bid, Need, Quest, Task
from config.api import idempotency
from tests import factories
from tests.factories import after
from tests.races.crew import race

if TYPE_CHECKING:
    from collections.abc import Sequence

    from economics.models import Account

ROUNDS = 20


def _given(name: str, *needs: str, **parts: Any) -> GivenTask:
    return GivenTask(task_id=name, needs=needs, **parts)


def _upsert(quest: Quest, given: Sequence[GivenTask]) -> list[str]:
    """Upsert as an interface does, which tries once more; return what became of each task: its status, or its code."""
    results = idempotency.retried(lambda: backlog.upsert_tasks(quest, given, now=after(1)))
    return [one.faults[0].code if one.faults else one.status for one in results]


def test_two_upserts_of_one_backlog_are_as_one_after_the_other() -> None:
    quest = factories.quest(into=factories.pool())

    def upsert(number: int) -> list[str]:
        """Upsert without trying again: who comes second has waited, and was not turned away."""
        given = [_given(f"{number}-b", f"{number}-a"), _given(f"{number}-a")]
        return [one.status for one in backlog.upsert_tasks(quest, given, now=after(1))]

    for outcomes in race(upsert, upsert, upsert, rounds=ROUNDS):
        assert sorted(one.value for one in outcomes) == [["created"] * 2, ["unchanged"] * 2, ["unchanged"] * 2]
    assert Task.objects.count() == 2 * ROUNDS
    assert Need.objects.count() == ROUNDS


def test_upserts_of_the_same_tasks_in_another_order_take_turns() -> None:
    quest = factories.quest(into=factories.pool())
    names = [f"t{n}" for n in range(50)]

    def said(title: str, order: Sequence[str]) -> Any:
        return lambda number: _upsert(quest, [GivenTask(task_id=name, title=f"{title} {number}") for name in order])

    race(said("there", names), said("back", names[::-1]), rounds=ROUNDS)
    assert len(set(Task.objects.values_list("title", flat=True))) == 1


def test_of_needs_that_close_a_circle_together_one_is_refused() -> None:
    quest = factories.quest(into=factories.pool())
    for number in range(ROUNDS):
        _upsert(quest, [_given(f"{number}-{name}") for name in "abc"])

    def needs(one: str, other: str) -> Any:
        return lambda number: _upsert(quest, [_given(f"{number}-{one}", f"{number}-{other}")])

    for outcomes in race(needs("a", "b"), needs("b", "c"), needs("c", "a"), rounds=ROUNDS):
        assert sorted(one.value[0] for one in outcomes) == ["changed", "changed", "needs_circle"]
    assert Need.objects.count() == 2 * ROUNDS


def test_of_needs_written_past_the_rule_that_close_a_circle_one_is_refused_by_the_database() -> None:
    quest = factories.quest(into=factories.pool())
    pairs = [(factories.quest_task(quest), factories.quest_task(quest)) for _ in range(ROUNDS)]

    def insert(turn: int) -> Any:
        def deed(number: int) -> str:
            one, other = pairs[number][::turn]
            try:
                Need.objects.create(task=one, needs=other)
            except Exception as error:
                if "need_closes_no_circle" not in str(error):
                    raise
                return "refused"
            return "written"

        return deed

    for outcomes in race(insert(1), insert(-1), rounds=ROUNDS):
        assert sorted(one.value for one in outcomes) == ["refused", "written"]


def test_two_programmes_that_file_the_same_ids_each_own_what_they_filed() -> None:
    market = factories.pool()
    quests = [factories.quest(into=market), factories.quest(into=market)]

    def file(quest: Quest, step: int) -> Any:
        return lambda number: _upsert(quest, [GivenTask(task_id=f"{number}-{n}") for n in range(20)][::step])

    for number, outcomes in enumerate(race(file(quests[0], 1), file(quests[1], -1), rounds=ROUNDS)):
        said = [outcomes[0].value, outcomes[1].value[::-1]]
        assert {tuple(sorted(pair)) for pair in zip(*said, strict=True)} == {("created", "task_id_taken")}
        owners = Task.objects.filter(pk__startswith=f"{number}-").values_list("quest_id", flat=True)
        assert sum(owner == quests[0].pk for owner in owners) == said[0].count("created")


def _for_sale(wallet: Account, quest: Quest) -> Task:
    work = factories.quest_task(quest)
    factories.slot(quest.pool)
    factories.bid(wallet, 100, quest.pool, work=work)
    return work


def test_a_task_cancelled_at_the_moment_of_the_round_is_sold_or_cancelled_and_never_both() -> None:
    tasks = []
    for _ in range(ROUNDS):
        quest = factories.quest(tokens=1_000, into=factories.pool())
        tasks.append(_for_sale(factories.wallet(quest=quest.pk), quest))

    def cancel(number: int) -> str:
        task = tasks[number]
        assert task.quest is not None
        return _upsert(task.quest, [GivenTask(task_id=task.pk, state="cancelled")])[0]

    def clear(number: int) -> int:
        quest = tasks[number].quest
        assert quest is not None
        return clearing.clear_round(after(2), quest.pool.name).slots_sold

    for task, (cancelled, cleared) in zip(tasks, race(cancel, clear, rounds=ROUNDS), strict=True):
        sold = cleared.value == 1
        assert cancelled.value == ("task_not_open" if sold else "changed")
        task.refresh_from_db()
        bid = Bid.objects.select_related("account").get(task=task)
        assert (task.state, bid.status) == (("taken", "won") if sold else ("cancelled", "cancelled"))
        assert bid.account.held == (1 if sold else 0)
