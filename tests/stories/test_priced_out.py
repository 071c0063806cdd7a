"""A quest that does bad work is priced out within a few rounds, and good work keeps it in when it has come back.

Two quests want the one slot of a minute. Each has two tasks at a time, worth 1 USD each as promised; a token is worth
a cent, so it bids 0.6 of 100 tokens for each while its wallet lasts: 60. Work that comes to 2.40 USD is worth 240
tokens, half of which is paid: 60 to the runner and 60 to the quest, which is just what its slot cost. Every tick of
this story is the real one: issue, stipends, scores, automatic bids, round, payout.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from auction import cycle, next_task, pools, runs, settlement
from auction.models import Bid, Clear, Quest, QuestAllocation
from economics import ledger
from economics.models import Account, MonetaryPolicy
from tests import factories
from tests.factories import NOON

if TYPE_CHECKING:
    from datetime import datetime

    from config.models import Agent

GOOD, BAD = Decimal("2.40"), Decimal(0)
PRICE: Final = 60
TOMORROW: Final = 24 * 60


class World(NamedTuple):
    """Two quests and the agent that runs what they win."""

    steady: Quest
    shaky: Quest
    worker: Agent


@pytest.fixture
def world() -> World:
    """Return two quests with 140 tokens each; the first tick pays each half of the day's 120 tokens of stipends."""
    pools.configure(pools.DEFAULT, capacity=1, usd_per_token=Decimal("0.01"), reserve_tokens=10)
    MonetaryPolicy.objects.update(daily_token_bucket=240, stipend_share=Decimal("0.5"))
    treasury = ledger.house_account(ledger.TREASURY)
    ledger.grant(account=treasury, amount=10_000, key="float", now=NOON, memo="opening balance")
    steady, shaky = (factories.quest(name, 140) for name in ("steady", "shaky"))
    for quest in (steady, shaky):
        for _ in range(2):
            factories.quest_task(quest, 1)
    return World(steady, shaky, factories.agent("worker"))


def _balance(quest: Quest) -> int:
    return Account.objects.get(pk=quest.account_id).balance


def _bids(quest: Quest) -> list[int]:
    """Return the prices of a quest's open bids."""
    return list(Bid.objects.filter(account=quest.account_id, status="open").values_list("max_price_tokens", flat=True))


def _minute(world: World, minute: int, shaky: Decimal) -> str:
    """Let a cycle pass: tick, run and grade what was won, file the next task. Return which quest won, "" for none."""
    now = NOON + timedelta(minutes=minute)
    cycle.run_due(now=now)
    claimed = next_task.next_task(world.worker, now=now).clear
    if claimed is None:
        return ""
    quest = Quest.objects.get(account=claimed.account_id)
    _work(world, claimed, shaky if quest == world.shaky else GOOD, now=now + timedelta(seconds=1))
    factories.quest_task(quest, 1)
    return quest.pk


def _work(world: World, claimed: Clear, impact: Decimal, *, now: datetime) -> None:
    assert runs.start(claimed.slot_id, runner=world.worker, now=now) == claimed
    settlement.settle(claimed.slot_id, 1_000, impact, now=now, runner=world.worker)


def _play(world: World, minutes: range, *, shaky: Decimal) -> list[str]:
    return [_minute(world, minute, shaky) for minute in minutes]


def _stipends(day: int) -> dict[str, tuple[int, Decimal]]:
    """Return each quest's part of a day's stipends, and the reliability it followed from."""
    rows = QuestAllocation.objects.filter(day=(NOON + timedelta(days=day)).date())
    return {row.quest_id: (row.paid_tokens, round(row.reliability, 4)) for row in rows}


def test_bad_work_is_priced_out_in_four_rounds(world: World) -> None:
    # All bid 60, and the quest that bid first wins first. The shaky one wins twice, and nothing comes of it.
    assert _play(world, range(4), shaky=BAD) == ["steady", "steady", "shaky", "shaky"]
    assert (_balance(world.steady), _balance(world.shaky)) == (200, 200 - 2 * PRICE)

    # 80 tokens for two tasks are 40 for each: no bid of that wins against 60, in the next round and all that follow.
    assert _play(world, range(4, 14), shaky=BAD) == ["steady"] * 10
    assert _bids(world.shaky) == [40, 40]
    assert _balance(world.shaky) == 80  # losing costs nothing
    # The steady one has bought 12 slots with 200 tokens: each earned the next one, and the last is not paid for yet.
    assert _balance(world.steady) == 200 - PRICE


@pytest.mark.parametrize(
    ("work", "won", "left", "next_day"),
    [
        # It wins, works well and has its charge back two minutes later, in time to bid 60 again; and so on.
        (GOOD, ["steady", "steady", "shaky", "steady"] * 3, 125, (60, "1")),
        # It wins once, and with 65 tokens for two tasks it is out.
        (BAD, ["steady", "steady", "shaky"] + ["steady"] * 9, 65, (34, "0.4")),
    ],
)
def test_a_stipend_lets_it_come_back_and_its_work_decides_whether_it_stays(
    world: World, work: Decimal, won: list[str], left: int, next_day: tuple[int, str]
) -> None:
    _play(world, range(4), shaky=BAD)

    # The next day's 120 tokens go by what was promised and what was kept of it: 2 · 3/5 against 2 · 1. With 45 more the
    # shaky quest can bid 60 for each of its tasks again.
    assert _play(world, range(TOMORROW, TOMORROW + 12), shaky=work) == won
    assert _stipends(1) == {"shaky": (45, Decimal("0.6")), "steady": (75, Decimal(1))}
    assert _balance(world.shaky) == left

    # The day after, good work has made up for the two that came to nothing; bad work costs it stipends, too.
    cycle.run_due(now=NOON + timedelta(minutes=2 * TOMORROW))
    stipend, kept = next_day
    assert _stipends(2) == {"shaky": (stipend, Decimal(kept)), "steady": (120 - stipend, Decimal(1))}
