"""A real Celery worker is killed in the middle of a round; another goes on, and each cycle is cleared once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import celery
import psycopg
from django.utils import timezone

from auction import audit, pools, replay
from auction.models import Bid, Pool, Round
from config import broker
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from economics.models import Account

_PATIENCE: Final = 30  # seconds for any one thing to happen; a worker boots in three
_BEAT: Final = 0.2  # seconds between ticks: more than one of them in each cycle


def test_a_killed_worker_leaves_each_cycle_cleared_once(committed_db: str, tmp_path: Path) -> None:
    pool = pools.create("market", cycle_seconds=1, capacity=2, start_deadline_seconds=1)
    owners = [factories.wallet(1_000_000) for _ in range(6)]
    broker.prepare(tmp_path)
    beat = celery.Celery(broker=broker.URL)
    beat.conf.broker_transport_options = broker.transport_options(broker.URL, tmp_path)

    def trade() -> None:
        """Be beat and bidders for a moment: six bids for what two slots there are, and a tick."""
        _bid(owners, pool)
        _tick(beat)

    with _worker(tmp_path) as first:
        _until(lambda: _sold(pool) >= 2, trade)
        # Whoever locks a bidder's wallet stops the round that pays or releases its hold, in mid-transaction.
        with psycopg.connect(committed_db) as hold:
            _until(lambda: _bid_and_lock(owners[0], pool, hold), hold.rollback)
            _until(lambda: _waits(committed_db), lambda: _tick(beat))
            os.killpg(first.pid, signal.SIGKILL)
            first.wait()
            hold.rollback()
    at_the_kill = _sold(pool)

    with _worker(tmp_path):
        _until(lambda: _sold(pool) >= at_the_kill + 2, trade)

    assert audit.differences() == []
    rounds = list(Round.objects.filter(pool=pool).order_by("cycle_at"))
    assert len({one.cycle_at for one in rounds}) == len(rounds)
    assert [one.pk for one in rounds] == sorted(one.pk for one in rounds)
    assert [difference for one in rounds for difference in replay.replay_round(one.pk).differences] == []
    # Every bid of a round that sold something has come to its end.
    last = Round.objects.filter(pool=pool, slots_sold__gt=0).latest("cycle_at")
    assert not Bid.objects.filter(pool=pool, status="open", placed_at__lte=last.cleared_at).exists()


def _bid(owners: list[Account], pool: Pool) -> None:
    now = timezone.now()
    for price, owner in enumerate(owners, start=10):
        factories.bid(owner, price, pool, at=now)


def _bid_and_lock(owner: Account, pool: Pool, hold: psycopg.Connection[Any]) -> bool:
    """Lock the wallet of a bidder whose bid is still open; return whether it is."""
    _bid([owner], pool)
    hold.execute("SELECT FROM token_accounts WHERE id = %s FOR UPDATE", [owner.pk])
    return Bid.objects.filter(account=owner, status="open").exists()


def _tick(beat: celery.Celery) -> None:
    beat.send_task("auction.tasks.tick", expires=2)
    time.sleep(_BEAT)


def _sold(pool: Pool) -> int:
    """Return in how many rounds something was sold."""
    return Round.objects.filter(pool=pool, slots_sold__gt=0).count()


def _waits(url: str) -> bool:
    with psycopg.connect(url) as watcher:
        waiting = watcher.execute(
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return waiting.rowcount > 0


def _until(happened: Callable[[], bool], meanwhile: Callable[[], None]) -> None:
    end = time.monotonic() + _PATIENCE
    while not happened():
        assert time.monotonic() < end, "nothing happened"
        meanwhile()


@contextlib.contextmanager
def _worker(data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker as `make up` does, in a process group of its own; it finds the database in DATABASE_URL."""
    command = [sys.executable, "-m", "celery", "--app", "config.celery", "worker", "--concurrency", "2"]
    environment = {**os.environ, "DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "config.settings"}
    environment.pop("CELERY_BROKER_URL", None)
    with (data / "worker.log").open("ab") as log:
        worker = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield worker
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
