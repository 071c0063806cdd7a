"""The simulated market is the real one: its books balance, its rounds replay, and the same world gives the same."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from auction import replay
from auction.models import Bid, Clear, QuestAllocation, Round
from auction.simulation import market, metrics, presets, world
from config import scratch
from economics import ledger, mint
from tests import cluster

if TYPE_CHECKING:
    from auction.simulation.policies import Outcome

TINY = world.Size(load=1.5, rounds=4, quests=4, slots=2, median_usd=Decimal("0.5"), day=2)
PLACES = {"uniform": ("uniform", presets.SOURCE), "vickrey": ("vickrey", presets.PACED)}


def played(rule: str, preset: presets.Preset = presets.SOURCE) -> tuple[world.World, Outcome]:
    drawn = world.draw(7, TINY)
    return drawn, market.play(drawn, rule, preset)


@pytest.mark.parametrize("case", PLACES)
def test_a_market_that_sells_is_the_real_one(case: str, balanced_books: None) -> None:
    rule, preset = PLACES[case]
    drawn, outcome = played(rule, preset)
    assert Round.objects.count() == TINY.rounds
    assert {one.pricing_rule for one in Round.objects.all()} == {rule}
    again = [replay.replay_round(pk) for pk in Round.objects.values_list("pk", flat=True)]
    assert [one.differences for one in again] == [[]] * TINY.rounds
    finished = Clear.objects.filter(state="finished").order_by("slot_finished_at")
    assert [f"t{one.job.number:06}" for one in outcome.services] == [one.winning_task_id for one in finished]
    assert [one.job.impact_usd for one in outcome.services] == [one.actual_impact for one in finished]
    assert outcome.bids == Bid.objects.count() > 0
    assert outcome.supply[-1] == ledger.supply() <= mint.policy().supply_cap
    assert len(outcome.supply) == len(outcome.prices) == TINY.rounds
    assert QuestAllocation.objects.values("day").distinct().count() == 2  # one stipend a day of two rounds
    assert 0 < metrics.measure(drawn, outcome).efficiency <= 1


def test_fallback_gives_without_a_price(balanced_books: None) -> None:
    _drawn, outcome = played("fallback")
    assert outcome.prices == ()
    assert outcome.bids == 0
    assert Clear.objects.filter(is_given=True, state="finished").count() == len(outcome.services) > 0


def test_the_same_world_gives_the_same_outcome(committed_db: str) -> None:
    first = played("uniform")[1]
    with cluster.clone(committed_db) as url, cluster.pointed_at(url):
        assert played("uniform")[1] == first


def test_a_preset_changes_what_it_names(db: None) -> None:
    changed = presets.Preset("rich", "", money={"daily_token_bucket": 400}, pool={"reward_rate": Decimal(0)})
    _drawn, outcome = played("uniform", changed)
    assert outcome.supply[:2] == (800, 800)  # opening balances and the first issue
    assert outcome.supply[-1] == 1_200


def test_scratch_databases_are_others_and_go(committed_db: str) -> None:
    def here() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_database()")
            return str(cursor.fetchone()[0])

    mine = here()
    places = scratch.Databases(committed_db, template=cluster.TEMPLATE)
    with places.fresh():
        assert here() not in {mine, cluster.TEMPLATE}
        assert mint.policy().daily_token_bucket == 100_000
        other = here()
    assert here() == mine
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [other])
        assert cursor.fetchone() == (0,)
