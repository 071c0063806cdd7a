"""Expected values: made by the formula from stated parts, written only where they changed, and explained."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from auction import valuation
from auction.models import Task
from economics import scores
from economics.models import Envelope
from economics.money import MOST_USD
from tests import factories
from tests.factories import NOON, after

pytestmark = pytest.mark.django_db
USD = st.decimals(0, MOST_USD - 1, places=12)


def _scored(task: Task) -> tuple[Any, ...]:
    task.refresh_from_db()
    return task.expected_value_usd, task.priority_used


def _priority(entity_id: str, priority: str) -> tuple[str, str]:
    """Return an entity with an envelope of this priority."""
    of = factories.envelope(entity_id)
    Envelope.objects.filter(pk=of.pk).update(priority_score=Decimal(priority))
    return of.entity_type, of.entity_id


def test_value_is_made_from_the_parts() -> None:
    quest = factories.quest()
    task = factories.quest_task(
        quest,
        entity=_priority("h1", "0.8"),
        value_if_works_usd=Decimal(20),
        chance=Decimal("0.5"),
        cost_usd=Decimal(3),
    )
    assert valuation.score_all(now=NOON) == 1
    # 20 · 0.5 · (0.5 + 0.8) - 3
    assert _scored(task) == (Decimal(10), Decimal("0.8"))
    assert task.scored_at == NOON


def test_without_chance_and_cost_it_is_certain_and_free() -> None:
    task = factories.quest_task(factories.quest(), value_if_works_usd=Decimal(7))
    valuation.score_all(now=NOON)
    assert _scored(task) == (7, Decimal("0.5"))


def test_an_entity_without_an_envelope_changes_nothing() -> None:
    task = factories.quest_task(factories.quest(), entity=("hypothesis", "unknown"), value_if_works_usd=Decimal(7))
    valuation.score_all(now=NOON)
    assert _scored(task) == (7, Decimal("0.5"))


def test_a_priority_of_nothing_counts_once_the_entity_was_scored() -> None:
    entity = _priority("h1", "0")
    task = factories.quest_task(factories.quest(), entity=entity, value_if_works_usd=Decimal(10))
    valuation.score_all(now=NOON)
    assert _scored(task) == (10, Decimal("0.5"))
    factories.assessment("h1", value="0")
    scores.recompute(now=after(1))
    valuation.score_all(now=after(2))
    assert _scored(task) == (5, 0)


@pytest.mark.parametrize(("priority", "value"), [("0.1", "6"), ("1", "15"), ("7", "15"), ("-1", "5")])
def test_priority_counts_from_half_to_one_and_a_half(priority: str, value: str) -> None:
    task = factories.quest_task(factories.quest(), entity=_priority("h1", priority), value_if_works_usd=Decimal(10))
    valuation.score_all(now=NOON)
    assert _scored(task)[0] == Decimal(value)


def test_a_task_that_costs_more_than_it_brings_is_worth_nothing() -> None:
    task = factories.quest_task(factories.quest(), value_if_works_usd=Decimal(7), cost_usd=Decimal(8))
    valuation.score_all(now=NOON)
    assert _scored(task) == (0, Decimal("0.5"))


def test_the_greatest_value_stays_within_the_column() -> None:
    most = MOST_USD - Decimal("1e-12")
    task = factories.quest_task(factories.quest(), entity=_priority("h1", "1"), value_if_works_usd=most)
    valuation.score_all(now=NOON)
    assert _scored(task)[0] == most


def test_a_value_as_stated_stays_as_stated() -> None:
    task = factories.quest_task(factories.quest(), 9, chance=Decimal("0.1"), cost_usd=Decimal(3))
    assert valuation.score_all(now=NOON) == 0
    assert _scored(task) == (9, None)
    assert task.scored_at is None


def test_only_open_tasks_are_scored() -> None:
    quest = factories.quest()
    for state in ("done", "cancelled", "taken"):
        factories.quest_task(quest, value_if_works_usd=Decimal(7), state=state)
    waiting = factories.quest_task(quest, value_if_works_usd=Decimal(5), needs=[factories.quest_task(quest)])
    assert valuation.score_all(now=NOON) == 1
    assert _scored(waiting)[0] == 5  # it is known what it is worth when nothing blocks it any more


def test_what_did_not_change_is_not_written() -> None:
    task = factories.quest_task(
        factories.quest(), entity=_priority("h1", "0.5"), value_if_works_usd=Decimal(7), cost_usd=Decimal(7)
    )
    still = factories.quest_task(factories.quest(), value_if_works_usd=Decimal(7))
    assert valuation.score_all(now=NOON) == 2
    assert valuation.score_all(now=after(60)) == 0
    # Another priority is written even where the value is the same, as is the score of a task that was changed.
    Envelope.objects.update(priority_score=Decimal("0.4"))
    assert valuation.score_all(now=after(120)) == 1
    assert (*_scored(task), task.scored_at) == (0, Decimal("0.4"), after(120))
    Task.objects.filter(pk=still.pk).update(scored_at=None)
    assert valuation.score_all(now=after(180)) == 1
    assert (*_scored(still), still.scored_at) == (7, Decimal("0.5"), after(180))


def test_one_pool_scores_the_tasks_of_its_quests_only() -> None:
    here, there = factories.pool(), factories.pool()
    task = factories.quest_task(factories.quest(into=here), value_if_works_usd=Decimal(7))
    factories.quest_task(factories.quest(into=there), value_if_works_usd=Decimal(7))
    own = factories.task(factories.wallet())
    Task.objects.filter(pk=own.pk).update(value_if_works_usd=3)
    assert valuation.score_all(now=NOON, pool=here.name) == 1
    assert _scored(task)[0] == 7
    assert valuation.score_all(now=NOON) == 2
    assert _scored(own)[0] == 3


def test_scoring_is_one_statement_however_many_tasks() -> None:
    quest = factories.quest()
    for _ in range(30):
        factories.quest_task(quest, value_if_works_usd=Decimal(7))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert valuation.score_all(now=NOON) == 30
    assert len(queries) == 1


@given(
    value=USD,
    chance=st.none() | st.decimals(0, 1, places=6),
    cost=st.none() | USD,
    priority=st.decimals(0, 1, places=6),
)
def test_database_and_formula_agree(
    value: Decimal, chance: Decimal | None, cost: Decimal | None, priority: Decimal
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT least(%s::numeric, greatest(0, round(%s::numeric * coalesce(%s::numeric, 1)
                      * (0.5 + %s::numeric) - coalesce(%s::numeric, 0), 12)))""",
            [MOST_USD - Decimal("1e-12"), value, chance, priority, cost],
        )
        made = cursor.fetchone()[0]
    assert valuation.worth(value, chance=chance, cost_usd=cost, priority=priority) == made


def test_explanation_gives_parts_formula_and_sentence() -> None:
    task = factories.quest_task(
        factories.quest(),
        entity=_priority("h1", "0.8"),
        value_if_works_usd=Decimal(20),
        chance=Decimal("0.5"),
        cost_usd=Decimal(3),
    )
    valuation.score_all(now=NOON)
    task.refresh_from_db()
    told = valuation.explain(task)
    assert told.value_usd == 10
    assert told.parts == {
        "value_if_works_usd": 20,
        "chance": Decimal("0.5"),
        "priority": Decimal("0.8"),
        "cost_usd": 3,
    }
    assert told.formula == "max(0, 20 · 0.5 · (0.5 + 0.8) - 3) = 10"
    assert told.sentence == (
        "Worth 10 USD: 20 USD with a chance of 0.5, times 1.3 for the priority 0.8 of hypothesis h1, "
        "less 3 USD of cost."
    )


def test_explanation_of_a_certain_and_free_task_without_an_entity() -> None:
    task = factories.quest_task(factories.quest(), value_if_works_usd=Decimal("0.25"))
    valuation.score_all(now=NOON)
    task.refresh_from_db()
    assert valuation.explain(task).sentence == (
        "Worth 0.25 USD: 0.25 USD for certain, times 1 for the priority 0.5 of a task without an entity."
    )


def test_explanation_of_a_stated_value() -> None:
    task = factories.quest_task(factories.quest(), 100)
    told = valuation.explain(task)
    assert told == valuation.Explanation(Decimal(100), {}, "", "Worth 100 USD, as stated.")


def test_explanation_says_when_it_is_not_scored_yet() -> None:
    task = factories.quest_task(factories.quest(), 1, value_if_works_usd=Decimal(7))
    told = valuation.explain(task)
    assert (told.value_usd, told.sentence) == (Decimal(1), "Counts as 1 USD until it is scored anew.")
    assert told.formula == "max(0, 7 · 1 · (0.5 + 0.5) - 0) = 7"
