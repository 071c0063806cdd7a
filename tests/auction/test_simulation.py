"""The simulator: drawn worlds, policies without a market, measures by their definitions, and what people see of it."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from auction import mechanism
from auction.simulation import manipulation, metrics, plot, policies, presets, report, run, world
from auction.simulation.policies import Outcome, Service
from auction.simulation.world import Job, Size, World

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Size(load=1.5, rounds=20, quests=4, slots=2)


def jobs(*given_: tuple[int, int, int], rounds: int = 3, slots: int = 1, quests: int = 2) -> World:
    """Return a world of jobs, each (quest, round before which it comes, value in USD)."""
    made = (Job(n, quest, at, Decimal(usd), Decimal(usd), 1_000_000) for n, (quest, at, usd) in enumerate(given_))
    return World(0, Size(rounds=rounds, slots=slots, quests=quests), tuple(made))


def numbers(outcome: Outcome) -> list[tuple[int, int]]:
    return [(served.job.number, served.round) for served in outcome.services]


def test_a_seed_draws_the_same_world_and_another_seed_another_one() -> None:
    assert world.draw(1, SMALL) == world.draw(1, SMALL)
    assert world.draw(1, SMALL).jobs != world.draw(2, SMALL).jobs


def test_tasks_come_at_the_load_and_are_worth_what_a_lognormal_says() -> None:
    drawn = world.draw(1, Size(load=1.5, rounds=2_000))
    logs = [math.log(job.value_usd / drawn.size.median_usd) for job in drawn.jobs]
    assert len(drawn.jobs) / (2_000 * 8) == pytest.approx(1.5, rel=0.02)
    assert sum(logs) / len(logs) == pytest.approx(0, abs=0.03)
    assert math.sqrt(sum(log * log for log in logs) / len(logs)) == pytest.approx(1.5, rel=0.02)


def test_quests_alike_have_as_many_tasks_and_unlike_ones_fewer_down_the_line() -> None:
    alike = metrics.slots_by_quest(drawn := world.draw(1, Size(rounds=500, skew=0)), every(drawn))
    unlike = metrics.slots_by_quest(drawn := world.draw(1, Size(rounds=500, skew=1)), every(drawn))
    assert min(alike) > 0.5 * max(alike)
    assert unlike[0] > 10 * unlike[-1]


def every(drawn: World) -> Outcome:
    return Outcome(tuple(Service(job, job.arrives) for job in drawn.jobs))


def test_fair_share_serves_the_quest_with_the_fewest_slots_and_its_best_task() -> None:
    drawn = jobs((0, 0, 9), (0, 0, 5), (1, 0, 1), (1, 1, 3))
    assert numbers(policies.fair(drawn)) == [(0, 0), (3, 1), (1, 2)]


def test_first_come_is_first_served_whatever_it_is_worth() -> None:
    drawn = jobs((0, 0, 1), (0, 0, 9), (1, 2, 5), rounds=3)
    assert numbers(policies.fifo(drawn)) == [(0, 0), (1, 1), (2, 2)]


def test_a_slot_nobody_waits_for_is_not_used_later() -> None:
    drawn = jobs((0, 2, 1), (0, 2, 2), rounds=3)
    assert numbers(policies.fifo(drawn)) == [(0, 2)]
    assert numbers(policies.fair(drawn)) == [(1, 2)]
    assert policies.best_possible(drawn) == 2


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(1, 20)), max_size=6),
    st.integers(1, 2),
)
def test_the_best_possible_is_the_best_of_all_that_fit(given_: list[tuple[int, int, int]], slots: int) -> None:
    drawn = jobs(*given_, rounds=4, slots=slots)

    def fits(chosen: tuple[Job, ...]) -> bool:
        return all(sum(job.arrives >= start for job in chosen) <= slots * (4 - start) for start in range(4))

    sets = itertools.chain.from_iterable(itertools.combinations(drawn.jobs, n) for n in range(len(drawn.jobs) + 1))
    assert policies.best_possible(drawn) == max(sum(job.value_usd for job in one) for one in sets if fits(one))


@pytest.mark.parametrize("seed", range(3))
def test_no_policy_runs_more_than_the_best_possible_or_a_task_twice(seed: int) -> None:
    drawn = world.draw(seed, SMALL)
    for play in policies.WITHOUT_A_MARKET.values():
        outcome = play(drawn)
        assert len({served.job.number for served in outcome.services}) == len(outcome.services)
        assert all(served.job.arrives <= served.round for served in outcome.services)
        assert 0 < metrics.efficiency(drawn, outcome) <= 1


def test_jain_and_gini_of_equal_shares_and_of_one_that_takes_all() -> None:
    assert (metrics.jain([3, 3, 3, 3]), metrics.gini([3, 3, 3, 3])) == (1, 0)
    assert (metrics.jain([8, 0, 0, 0]), metrics.gini([8, 0, 0, 0])) == (0.25, 0.75)
    assert metrics.gini([1, 3]) == pytest.approx(0.25)
    assert (metrics.jain([0, 0]), metrics.gini([0, 0])) == (1, 0)


def test_volatility_is_of_price_steps_between_rounds_that_sold() -> None:
    assert metrics.volatility([100, None, 100, 100]) == 0
    assert metrics.volatility([100, 200, 100]) == pytest.approx(math.log(2))
    assert metrics.volatility([None, 5]) is None


def test_half_the_tasks_wait_no_longer_than_the_median_of_kaplan_and_meier() -> None:
    assert metrics.median_wait([1, 2, 3, 4], []) == 2
    assert metrics.median_wait([1], [5, 5, 5]) == math.inf
    # At 1 a quarter is served; two leave unserved at 2; the one left at 3 stands for all that is left.
    assert metrics.median_wait([1, 3], [2, 2]) == 3
    assert metrics.median_wait([], []) == 0


def test_never_served_tasks_count_as_waiting_until_the_end() -> None:
    drawn = jobs((0, 0, 1), (0, 1, 1), rounds=3)
    outcome = Outcome((Service(drawn.jobs[0], 1),))
    assert metrics.waiting_times(drawn, outcome) == ([1], [2])
    assert metrics.measure(drawn, outcome).never == 0.5


def test_a_quest_starves_that_waits_for_ten_times_its_turn() -> None:
    # Two quests and one slot: its turn comes every 2 rounds, so after 20 rounds of waiting it starves.
    waiting = jobs((0, 0, 1), (1, 0, 1), rounds=21)
    assert metrics.starved(waiting, Outcome((Service(waiting.jobs[0], 0),))) == 1
    assert metrics.starved(waiting, Outcome((Service(waiting.jobs[0], 0), Service(waiting.jobs[1], 10)))) == 0


def test_impact_is_told_per_million_tokens() -> None:
    drawn = jobs((0, 0, 3), (0, 0, 5))
    assert metrics.impact_per_million(Outcome((Service(drawn.jobs[0], 0), Service(drawn.jobs[1], 1)))) == 4


@pytest.mark.parametrize("seed", range(40))
def test_hiding_bids_gains_nothing_in_a_round_under_vickrey(seed: int) -> None:
    assert manipulation.hide(seed, mechanism.Rule.VICKREY).gain == 0


def test_hiding_bids_gains_in_some_rounds_under_uniform() -> None:
    assert sum(manipulation.hide(seed, mechanism.Rule.UNIFORM).gain > 0 for seed in range(40)) > 0


def test_waiting_for_a_better_price_gains_across_rounds_even_under_vickrey() -> None:
    gains = dict(manipulation.patience(world.draw(1, Size(load=1.5, rounds=60)), mechanism.Rule.VICKREY))
    assert gains[0.75] > 1


def plan(**terms: object) -> run.Plan:
    given_ = {"policies": ["fair", "fifo"], "presets": [presets.SOURCE], "seeds": [1, 2], "loads": [0.9, 1.5]}
    return run.Plan(**{**given_, "size": SMALL, **terms})  # type: ignore[arg-type]


def test_presets_make_variants_of_policies_that_sell_only() -> None:
    both = plan(policies=["vickrey", "fallback", "fair"], presets=list(presets.BY_NAME.values()))
    names = [run.label(policy, preset.name) for policy, preset in both.variants()]
    assert names == [*(f"vickrey {name}" for name in presets.BY_NAME), "fallback", "fair"]


def test_the_same_runs_give_the_same_table_csv_and_picture() -> None:
    said: list[str] = []
    once, again = list(run.perform(plan(), say=said.append)), list(run.perform(plan(), say=said.append))
    assert len(said) == 16
    assert len(report.table(once).splitlines()) == 5
    assert report.table(once) == report.table(again)
    assert plot.draw(once) == plot.draw(again)
    files = StringIO(), StringIO()
    for rows, file in zip((once, again), files, strict=True):
        report.write_csv(rows, file)
    assert files[0].getvalue() == files[1].getvalue()
    assert len(files[0].getvalue().splitlines()) == 9


def test_the_command_writes_what_it_is_asked_for(tmp_path: Path) -> None:
    csv, svg = tmp_path / "runs.csv", tmp_path / "runs.svg"
    out, err = StringIO(), StringIO()
    small = ["--rounds=10", "--quests=4", "--slots=2", "--seeds=2", "--load=1.5", "--policies=fair,fifo"]
    call_command("simulate", *small, f"--csv={csv}", f"--plot={svg}", stdout=out, stderr=err)
    assert [line.split()[1] for line in out.getvalue().splitlines()] == ["policy", "fair", "fifo"]
    assert len(err.getvalue().splitlines()) == 4
    assert len(csv.read_text().splitlines()) == 5
    assert svg.read_text().startswith("<svg ")


def test_the_command_says_what_it_would_run() -> None:
    out = StringIO()
    call_command("simulate", "--dry-run", "--policies=uniform,fair", "--seeds=3", "--preset=source,paced", stdout=out)
    assert out.getvalue() == "27 runs of 48 rounds: uniform source, uniform paced, fair\n"


@pytest.mark.parametrize(
    "wrong",
    [
        *("--policies=best", "--load=-1", "--seeds=0", "--plot=x.png", "--value=0"),
        *("--csv=/nowhere/runs.csv", "--csv=/", "--plot=/nowhere/runs.svg"),
        *("--hiding --dry-run", "--hiding --csv=runs.csv", "--stored-days=1 --dry-run"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(wrong: str) -> None:
    with pytest.raises(CommandError):
        call_command("simulate", "--rounds=1", *wrong.split())


def test_the_command_tells_what_hiding_and_waiting_gain() -> None:
    out = StringIO()
    call_command("simulate", "--hiding", "--seeds=5", "--rounds=20", "--load=1.5", stdout=out)
    assert [line.split()[0] for line in out.getvalue().splitlines()] == ["uniform:", "waiting", "vickrey:", "waiting"]
