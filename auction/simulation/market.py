"""The real market under a virtual clock: every deed is the rule's own, only time and tasks are made up."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection

from auction import cycle, fallback, next_task, pools, quests, runs, settlement
from auction.models import Bid, Clear, Pool, Round, Slot, Task
from auction.simulation.policies import Outcome, Service
from auction.simulation.presets import Preset
from auction.simulation.world import Job, World
from config.models import Agent
from economics import ledger, mint

BEGIN: Final = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
DAY: Final = timedelta(days=1)
MODEL: Final = "simulated"
RULES: Final = ("uniform", "vickrey", "fallback")
_MOMENT: Final = timedelta(seconds=1)

_IN_WALLETS = "SELECT coalesce(sum(balance), 0)::bigint FROM token_accounts WHERE owner_type = 'quest'"


class SimulationFailedError(Exception):
    """The market did not do what it must; the message says what."""


def play(world: World, rule: str, preset: Preset, *, tick: Callable[[int], None] = lambda _round: None) -> Outcome:
    """Let the market of this database, which must be fresh, run a world under a rule, and return what came of it.

    `uniform` and `vickrey` sell, `fallback` gives by the split. Each round's tasks are filed, one tick of the real
    timetable does all that is due, and then as many workers as there are slots ask for their next task, run it and
    settle it with the cost and the impact drawn for it. The same world gives the same outcome.
    """
    stage = _Stage(world, rule, preset)
    for number, jobs in enumerate(world.arriving()):
        stage.round(number, jobs)
        tick(number)
    return stage.outcome()


class _Stage:
    """One run: who takes part, and what has happened so far."""

    def __init__(self, world: World, rule: str, preset: Preset) -> None:
        self._size = world.size
        self._cycle = DAY / world.size.day
        self._gives = rule == "fallback"
        self._jobs = {_task_id(job): job for job in world.jobs}
        self._services: list[Service] = []
        self._prices: list[int | None] = []
        self._supply: list[int] = []
        self._wallets: list[int] = []
        policy = mint.policy()
        for name, value in preset.money.items():
            setattr(policy, name, value)
        policy.save()
        settings = {"cycle_seconds": int(self._cycle.total_seconds()), "capacity": world.size.slots, **preset.pool}
        if not self._gives:
            settings["pricing_rule"] = rule
        self._pool: Pool = pools.configure(pools.DEFAULT, **settings)
        self._quests = [
            quests.upsert(f"q{number:03}", by=None, now=BEGIN, **preset.quest) for number in range(world.size.quests)
        ]
        self._open_balances()
        self._workers = [
            Agent.objects.create(id=f"worker-{number:02}", kind=Agent.Kind.WORKER, created_at=BEGIN)
            for number in range(world.size.slots)
        ]
        if self._gives:
            fallback.begin(pools.DEFAULT, why="by hand", note="simulated", now=BEGIN)

    def _open_balances(self) -> None:
        """Give every quest a day's equal part of the bucket: a market with empty wallets shows its first day only."""
        wallets = [ledger.open_wallet(quest=quest.pk) for quest in self._quests]
        amount = mint.policy().daily_token_bucket // len(wallets)
        ledger.grant_all(accounts=wallets, amount=amount, key="opening", now=BEGIN, memo="opening balance")

    def round(self, number: int, jobs: Iterable[Job]) -> None:
        """Play one round: tasks come, the timetable does what is due, workers run what they get."""
        now = BEGIN + number * self._cycle
        self._file(jobs, now)
        self._offer(number, now)
        cycle.run_due(now=now)
        if not self._gives:
            self._prices.append(self._price(now))
        self._work(number, now)
        self._count()
        if (number + 1) % self._size.day == 0 and not connection.in_atomic_block:
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")

    def outcome(self) -> Outcome:
        """Return what came of it all."""
        return Outcome(
            tuple(self._services),
            tuple(self._prices),
            tuple(self._supply),
            tuple(self._wallets),
            Bid.objects.count(),
        )

    def _file(self, jobs: Iterable[Job], now: datetime) -> None:
        Task.objects.bulk_create(
            Task(
                pk=_task_id(job),
                wallet_id=self._quests[job.quest].account_id,
                quest=self._quests[job.quest],
                expected_value_usd=job.value_usd,
                created_at=now,
            )
            for job in jobs
        )

    def _offer(self, number: int, now: datetime) -> None:
        """Offer the house's slots under names of ours: made-up ones would let chance into rows of equal rank."""
        idle = Slot.objects.filter(pool=self._pool, state=Slot.State.OPEN).count()
        Slot.objects.bulk_create(
            Slot(pk=f"s{number:05}-{place:03}", pool=self._pool, available_at=now, created_at=now)
            for place in range(self._size.slots - idle)
        )

    def _price(self, now: datetime) -> int | None:
        done = Round.objects.filter(pool=self._pool, cleared_at=now).first()
        if done is None:
            message = f"no round was cleared at {now:%Y-%m-%d %H:%M}; the log says why"
            raise SimulationFailedError(message)
        return done.market_price_tokens

    def _work(self, number: int, now: datetime) -> None:
        """Let every worker ask once, run what it gets and settle it; one worker per slot, so nobody asks twice."""
        for place, worker in enumerate(self._workers, start=1):
            begun = now + place * _MOMENT
            got = next_task.next_task(worker, now=begun).clear
            if got is None:
                break
            job = self._jobs[got.winning_task_id]
            started = runs.start(got.slot_id, runner=worker, now=begun)
            if not isinstance(started, Clear):
                message = f"{got.slot_id} was blocked instead of started: {started}"
                raise SimulationFailedError(message)
            done = begun + _MOMENT
            settlement.settle(got.slot_id, job.cost_tokens, job.impact_usd, now=done, runner=worker, model=MODEL)
            self._services.append(Service(job, number))

    def _count(self) -> None:
        self._supply.append(ledger.supply())
        with connection.cursor() as cursor:
            cursor.execute(_IN_WALLETS)
            self._wallets.append(cursor.fetchone()[0])


def _task_id(job: Job) -> str:
    return f"t{job.number:06}"
