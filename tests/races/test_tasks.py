"""Tasks are locked in one order, whoever comes from which side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from auction import backlog, batches, clearing, runs, settlement
from tests import factories
from tests.factories import after
from tests.races.crew import race, stuck

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auction.models import Pool, Task

ROUNDS = 20


def _batch(tasks: Sequence[Task], into: Pool) -> list[str]:
    """Bid for all of these tasks at once, whoever owns them; return what was said of each."""
    offers = [batches.Offer(task.pk, 20, after(3600)) for task in tasks]
    placed = batches.place_bids(offers, now=after(1), pool=into.name)
    return [one.refusal.code if one.refusal else "placed" for one in placed]


def test_cancelling_a_task_and_a_batch_that_names_it_take_turns() -> None:
    market = factories.pool()
    owner = factories.wallet(1_000_000)
    pairs = [(factories.task(owner), factories.task(owner)) for _ in range(ROUNDS)]
    for bidden, _free in pairs:
        factories.bid(owner, 10, market, work=bidden)

    def cancel(number: int) -> str:
        return backlog.cancel_task(pairs[number][0].pk, wallet=owner.pk, now=after(1)).state

    def batch(number: int) -> list[str]:
        return _batch(pairs[number], market)

    for cancelled, *placed in race(cancel, batch, batch, batch, rounds=ROUNDS):
        assert cancelled.value == "cancelled"
        # Whether the task is still bidden, gone, or was never seen free: the other task is bid for once.
        said = [place for outcome in placed if outcome.value for place in outcome.value]
        assert said.count("placed") == 1


def _clears(market: Pool) -> list[str]:
    """Sell 20 slots and start them; return the ids of their tasks, sorted."""
    factories.slots(market, 20)
    owners = [factories.wallet(1000) for _ in range(20)]
    for owner in owners:
        factories.bid(owner, 100, market)
    cleared = clearing.clear_round(after(1), market.name)
    for clear in cleared.clears.select_related("account"):
        runs.start(clear.slot_id, runner=factories.runner(clear), now=after(1))
    return sorted(cleared.clears.values_list("winning_task_id", flat=True))


def _lock(hold: psycopg.Connection[Any], tasks: Sequence[str]) -> None:
    """Lock these tasks as a batch of bids does, if nobody is in the way."""
    hold.execute("SELECT FROM auction_tasks WHERE id = ANY(%s) ORDER BY id FOR SHARE NOWAIT", [list(tasks)])


def test_a_round_waits_for_its_first_task_before_it_locks_the_others(committed_db: str) -> None:
    market = factories.pool()
    factories.slots(market, 20)
    bids = [factories.bid(factories.wallet(1000), 100 + n * 7 % 20, market) for n in range(20)]
    first, *others = sorted(bid.task_id for bid in bids)

    with psycopg.connect(committed_db) as hold:
        _lock(hold, [first])
        with stuck(lambda: clearing.clear_round(after(1), market.name).pk, committed_db):
            _lock(hold, others)
            hold.commit()


def test_a_sweep_waits_for_its_first_task_before_it_locks_the_others(committed_db: str) -> None:
    first, *others = _clears(factories.pool(lease_seconds=10))

    with psycopg.connect(committed_db) as hold:
        _lock(hold, [first])
        with stuck(lambda: settlement.sweep(now=after(11)), committed_db):
            _lock(hold, others)
            hold.commit()


def test_cancelling_a_task_waits_for_it_before_it_locks_the_wallet(committed_db: str) -> None:
    owner, market = factories.wallet(1000), factories.pool()
    bid = factories.bid(owner, 100, market)

    with psycopg.connect(committed_db) as hold:
        _lock(hold, [bid.task_id])
        with stuck(lambda: backlog.cancel_task(bid.task_id, wallet=owner.pk, now=after(1)).pk, committed_db):
            hold.execute("SELECT FROM token_accounts WHERE id = %s FOR NO KEY UPDATE NOWAIT", [owner.pk])
            hold.commit()
