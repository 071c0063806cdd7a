"""The auction's worker is away for an hour around midnight: agents go on working, and nothing is done twice after."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from auction import cycle, next_task, pools, runs, settlement
from auction.models import Clear, Fallback, FallbackShare, Pool, QuestAllocation, Round, Slot, StipendDay
from economics.models import Transfer
from tests import factories
from tests.factories import NOON

if TYPE_CHECKING:
    from datetime import datetime

    from config.models import Agent

CAPACITY: Final = 4
LEAVES, RETURNS, ENDS = 10, 70, 80  # minutes after 23:20: the worker is away from 23:30 to 00:30
RUN: Final = 5  # minutes that a task takes


@pytest.fixture
def market() -> Pool:
    """Return a pool of four slots, with two quests of many tasks worth two to one."""
    pool = factories.pool("market", capacity=CAPACITY, start_deadline_seconds=300)
    for name, usd in (("large", 2), ("small", 1)):
        quest = factories.quest(name, into=pool)
        for number in range(60):
            factories.quest_task(quest, usd, name=f"{name}-{number:02}")
    return pool


def _at(minute: int) -> datetime:
    return NOON + timedelta(hours=11, minutes=20 + minute)


class _Crew:
    """Four agents that ask for work once a minute while they have none, and finish it in five."""

    def __init__(self) -> None:
        self.busy: dict[Agent, tuple[str, int] | None] = {factories.agent(): None for _ in range(CAPACITY)}
        self.sources: dict[int, Counter[str]] = {}

    def work(self, minute: int) -> None:
        """Finish what is done, and ask for more."""
        told = self.sources[minute] = Counter()
        for agent, job in self.busy.items():
            if job and minute - job[1] < RUN:
                continue
            if job:
                settlement.finish(job[0], actual_cost_tokens=10, now=_at(minute), runner=agent)
            got = next_task.next_task(agent, now=_at(minute), pool="market")
            told[got.source.value] += 1
            if got.clear:
                runs.start(got.clear.slot_id, runner=agent, now=_at(minute))
            self.busy[agent] = (got.clear.slot_id, minute) if got.clear else None


def test_fallback_serves_while_the_worker_is_away_and_all_is_caught_up_once(market: Pool) -> None:
    crew = _Crew()
    for minute in range(ENDS):
        if not LEAVES <= minute < RETURNS:
            cycle.run_due(now=_at(minute))
        crew.work(minute)
        assert Clear.objects.filter(pool=market, state__in=["sold", "running"]).count() <= CAPACITY

    # The last round was at 23:29. Four minutes later more than three cycles are missing: who asks then begins fallback.
    (away,) = Fallback.objects.filter(pool=market)
    assert (away.why, away.began_at) == ("stale", _at(LEAVES + 3))
    told: Counter[str] = Counter()
    for minute in range(LEAVES + 3, RETURNS):
        told += crew.sources[minute]
    assert set(told) == {"fallback"}
    assert told["fallback"] == sum(crew.sources[m]["fallback"] for m in crew.sources) >= 4 * 11

    # 00:30: the first round that comes to its end ends it; no slot was both sold and given.
    assert (away.ended_at, away.ended_by) == (_at(RETURNS), "a round")
    assert pools.get("market").mode == Pool.Mode.AUCTION
    assert not Round.objects.filter(pool=market, cleared_at__gte=_at(LEAVES), cleared_at__lt=_at(RETURNS)).exists()
    states = dict(Slot.objects.filter(pool=market).values_list("pk", "state"))
    clears = list(Clear.objects.filter(pool=market))
    assert len({clear.slot_id for clear in clears}) == len(clears)
    assert {states[clear.slot_id] for clear in clears if clear.is_given} == {"given"}
    assert {states[clear.slot_id] for clear in clears if not clear.is_given} == {"sold"}
    assert len({clear.winning_task_id for clear in clears}) == len(clears)
    assert not [clear for clear in clears if clear.is_given and clear.charge_tokens]
    assert any(clear.cleared_at >= _at(RETURNS) and not clear.is_given for clear in clears)

    # Gifts follow the split of each of the two days, to the slot.
    for day in {share.day for share in FallbackShare.objects.all()}:
        shares = list(FallbackShare.objects.filter(day=day))
        given = sum(share.given for share in shares)
        assert max(abs(share.given - share.share * given) for share in shares) < 1
    assert sum(FallbackShare.objects.values_list("given", flat=True)) == told["fallback"]

    # Midnight fell into the hour: the day's issue and its stipends came at 00:30, once, however often the clock ticks.
    days = list(StipendDay.objects.order_by("day"))
    assert [(day.day, day.at) for day in days] == [(_at(0).date(), _at(0)), (_at(RETURNS).date(), _at(RETURNS))]
    before = list(Transfer.objects.filter(reason="stipend").order_by("pk").values_list("key", "amount"))
    assert len(before) == QuestAllocation.objects.count() == 4
    for _again in range(2):
        cycle.run_due(now=_at(ENDS))
    assert list(Transfer.objects.filter(reason="stipend").order_by("pk").values_list("key", "amount")) == before
    assert StipendDay.objects.count() == 2
