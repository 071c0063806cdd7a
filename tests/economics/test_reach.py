"""The same budget split in several ways, by hand: what reached the entities that later proved right."""

from __future__ import annotations

import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from economics import errors, market, outcomes, reach, signals
from economics.models import Outcome
from economics.reach import Split
from tests.economics import exchanges
from tests.factories import NOON, refused

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def _improved(entity_id: str, at: int, amount: int = 1) -> Outcome:
    one = outcomes.Achieved(
        entity_type="hypothesis",
        entity_id=entity_id,
        kind="hypotheses_improved",
        amount=Decimal(amount),
        source="test",
        event_id=f"{entity_id}-{at}",
        at=NOON + at * DAY,
    )
    return outcomes.record(one, agent_id="", now=NOON + at * DAY)


@pytest.fixture
def _two_right_of_three() -> None:
    """Three hypotheses: `a` and `b` prove right. The market gives 0.9, 0.5 and 0.1, the survey 0.5, 0.8 and 0.8."""
    futures, survey = exchanges.source("futures"), exchanges.source("survey", kind="confidence")
    for name, price, answer in (("a", "0.9", "0.5"), ("b", "0.5", "0.8"), ("c", "0.1", "0.8")):
        exchanges.granted(name)
        exchanges.signal(futures, name, price)
        exchanges.signal(survey, name, answer)
    exchanges.signal(futures, "unasked", "0.9")  # the survey says nothing of it
    signals.set_active(["survey"], is_active=False)
    market.weigh(now=NOON)  # a step: +0.1, 0, -0.1
    _improved("a", 5)
    _improved("b", 6, amount=3)


@pytest.mark.usefixtures("_two_right_of_three")
def test_a_budget_is_split_alike_by_weights_and_by_each_source() -> None:
    """As signals the prices ask for 0.4, 0 and -0.4, the answers for 0, 0.3 and 0.3.

    Applied: 3,000 · 2.1 / 3 = 2,100. By the market: 3,000 · 2.4 / 3. By the survey: 3,000 · 2.3 / 3.6 = 1,916.67, in
    which the remainders go to the first: 834 + 1,083. At their word: 3,000 · 1.4 / 1.5 and 3,000 · 1.3 / 2.1 =
    1,857.14 as 714 + 1,143.
    """
    found = reach.reach(entity_type="hypothesis", sources=["futures", "survey"], now=NOON, until=NOON + 10 * DAY)
    assert found == reach.Reach(
        entities=3,
        improved=2,
        total=3_000,
        splits=[
            Split("equal split", 2_000, Decimal("0.6667")),
            Split("market weights", 2_100, Decimal("0.7000")),
            Split("futures, as a signal", 2_400, Decimal("0.8000")),
            Split("survey, as a signal", 1_917, Decimal("0.6390")),
            Split("futures, latest value", 2_800, Decimal("0.9333")),
            Split("survey, latest value", 1_857, Decimal("0.6190")),
        ],
    )


@pytest.mark.usefixtures("_two_right_of_three")
def test_only_what_comes_afterwards_and_in_time_counts() -> None:
    def improved(now: int, until: int) -> int:
        return reach.reach(
            entity_type="hypothesis", sources=["futures"], now=NOON + now * DAY, until=NOON + until * DAY
        ).improved

    assert [improved(0, 4), improved(0, 5), improved(0, 6), improved(5, 6), improved(6, 9)] == [0, 1, 2, 1, 0]
    row = Outcome.objects.get(entity_id="a")
    outcomes.correct(row.pk, key="k", note="it did not hold", author="ada", now=NOON + 7 * DAY)
    assert improved(0, 6) == 1


def test_groups_are_added_each_with_its_own_total() -> None:
    one = reach.Reach(2, 1, 2_000, [Split("equal split", 1_000, Decimal("0.5"))])
    other = reach.Reach(1, 1, 1_000, [Split("equal split", 1_000, Decimal(1))])
    assert reach.together([one, other]) == reach.Reach(3, 2, 3_000, [Split("equal split", 2_000, Decimal("0.6667"))])


def test_where_nobody_speaks_there_is_nothing_to_split() -> None:
    exchanges.source("futures")
    found = reach.reach(entity_type="hypothesis", sources=["futures"], now=NOON, until=NOON)
    assert (found.entities, found.total, {one.share for one in found.splits}) == (0, 0, {Decimal(0)})


def test_sources_must_be_known_and_speak_in_probabilities() -> None:
    exchanges.source("shares", is_probability=False)
    for name, refusal in (("nobody", errors.UnknownSourceError), ("shares", errors.InvalidSourceError)):
        with refused(refusal):
            reach.reach(entity_type="hypothesis", sources=[name], now=NOON, until=NOON)


@pytest.mark.usefixtures("_two_right_of_three")
def test_the_command_prints_the_table() -> None:
    out = io.StringIO()
    call_command("reach", "--source", "futures", "--at", "2026-03-02T12:00:00Z", "--only", "a", stdout=out)
    assert out.getvalue() == (
        "                          hypothesis\n"
        "entities                           1\n"
        "of them improved                   1\n"
        "LLM tokens                     1,000\n"
        "equal split            1,000  1.0000\n"
        "market weights         1,000  1.0000\n"
        "futures, as a signal   1,000  1.0000\n"
        "futures, latest value  1,000  1.0000\n"
    )
    with pytest.raises(CommandError, match="unknown_source"):
        call_command("reach", "--source", "nobody", "--at", "2026-03-02T12:00:00Z")
    for time in ("yesterday", "2026-02-30T12:00:00Z"):
        with pytest.raises(CommandError, match=f"{time} is no time, as 2026-01-31T12:00:00Z is"):
            call_command("reach", "--source", "survey", "--at", time)
