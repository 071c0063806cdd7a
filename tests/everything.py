"""A house in which everything has happened once that leaves a row."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group
from django_celery_beat import models as beat

from auction.models import (
    AuditRun,
    BidCycle,
    Fallback,
    FallbackShare,
    Member,
    Payout,
    Pool,
    QuestAllocation,
    StipendDay,
)
from config import keys
from config.models import Agent, FeedEntry, IdempotentRequest, User
from economics import (
    admission,
    envelopes,
    kept_figures,
    mint,
    rebalancing,
    revisions,
    safety,
    scores,
    stops,
    worth_policy,
)
from economics.models import Arrival, DefaultEnvelope, Envelope, Line, Reserve, Review, ReviewLine, ReviewPool
from governance import ballots, policy, proposals
from tests import factories
from tests.economics import exchanges
from tests.factories import NOON, after
from tests.governance import senate


def once() -> None:
    """Let everything happen once, at noon and soon after."""
    person = User.objects.create(username="person")
    worker, hand = factories.agent(), factories.agent(kind="provider")
    Agent.objects.filter(pk=worker.pk).update(sponsor=person)
    keys.issue(agent=hand, issued_by=person, now=NOON)
    IdempotentRequest.objects.create(principal="agent:a", key="k", fingerprint=b"\0" * 32, status=200)
    clear = factories.sale(100, owner=factories.wallet(1_000, owner=worker))
    factories.run(clear, 1_000, Decimal("0.02"), at=after(1))
    factories.slot(clear.pool, provider=hand)
    mint.issue_daily(now=NOON)
    Payout.objects.create(pool=clear.pool, cycle_at=NOON, swept_tokens=0, due_tokens=0, paid_tokens=0, created_at=NOON)
    AuditRun.objects.create(started_at=NOON, finished_at=NOON, passed=True)
    _books(worker)
    _quests(worker, clear.pool)
    Group.objects.create(name="group")
    every = beat.IntervalSchedule.objects.create(every=1, period="seconds")
    nightly = beat.CrontabSchedule.objects.create(minute="0", hour="0")
    beat.SolarSchedule.objects.create(event="sunset", latitude=0, longitude=0)
    beat.ClockedSchedule.objects.create(clocked_time=NOON)
    beat.PeriodicTask.objects.create(name="often", task="t", interval=every)
    beat.PeriodicTask.objects.create(name="nightly", task="t", crontab=nightly)
    kept_figures.make_due(now=NOON)
    Arrival.objects.create(created_at=NOON, entity_type="hypothesis", entity_id="entity", resource_type="api_calls")


def _quests(worker: Agent, pool: Pool) -> None:
    """Add a quest of which one task waits for another, and a row of all that is done for quests."""
    quest = factories.quest("quest", 100, programme=worker)
    entity = ("hypothesis", "entity")
    first = factories.quest_task(quest, value_if_works_usd=Decimal(2), chance=Decimal("0.5"), entity=entity)
    second = factories.quest_task(quest, "0.5", needs=[first])
    factories.quest_task(quest, needs=[second])
    Member.objects.create(quest=quest, agent=worker)
    day = NOON.date()
    StipendDay.objects.create(day=day, pot_tokens=100, paid_tokens=90, at=NOON)
    split = {"share": Decimal(1), "value_usd": Decimal(1), "reliability": Decimal(1), "created_at": NOON}
    QuestAllocation.objects.create(quest=quest, day=day, tokens=100, paid_tokens=90, **split)
    counts = {"tasks": 2, "placed": 1, "kept": 1, "withdrawn": 0, "placed_tokens": 10, "reasons": {"task_blocked": 1}}
    BidCycle.objects.create(pool=pool, cycle_at=NOON, at=NOON, **counts)
    Fallback.objects.create(pool=pool, why="failures", began_at=NOON)
    FallbackShare.objects.create(pool=pool, day=day, account=quest.account, share=Decimal("0.5"))
    FeedEntry.objects.create(kind="won", at=NOON, owner_type="quest", owner_id=quest.pk, data={"slot_id": "s"})


def _books(worker: Agent) -> None:
    """Add one row of each kind to the books."""
    factories.model("model", tier="tier")
    own = factories.envelope("entity")
    line = factories.line(own, 600, tier="tier")
    envelopes.grant(line.pk, amount=Decimal(50), author=revisions.Author("ada", "why"), now=NOON)
    factories.reserve(own, 50, by=worker, model="model")
    admission.reserve(factories.ask(own, 5_000, model="model"), agent_id=worker.pk, now=NOON)
    factories.record(own, 600, model="model")
    factories.outcome(own)
    exchanges.signal(exchanges.source("source"), own.entity_id, "0.9")
    _worth()
    _review(own, line)
    _senate(own)
    safety.check(now=NOON)
    stops.pause(author=revisions.Author("ada", "why"), now=NOON, agent=worker)
    DefaultEnvelope.objects.create(entity_type="type")


def _senate(own: Envelope) -> None:
    """Add a proposal that is enacted, one that is voted on, and a version of the rules of voting."""
    people = senate.reviewers(3)
    for quick in (True, False):
        asked = senate.draft(of=own)
        ballots.submit(asked.pk, by=proposals.Proposer(agent=senate.scout()), now=NOON)
        for voter in people[: 2 if quick else 1]:
            ballots.cast(asked.pk, voter=voter, choice="approve", reason="good", now=NOON)
    more = policy.get().most_requested - 1
    policy.change(author=revisions.Author("ada", "why"), now=NOON, most_requested=more)


def _worth() -> None:
    """Add a version of the policy of worth, an observation and a judgement, and the scores made of them."""
    gain = Decimal("0.999")
    worth_policy.change(author=revisions.Author("ada", "why"), now=NOON, gain=gain)
    factories.observation("entity")
    factories.assessment("entity")
    scores.recompute(now=NOON)


def _review(of: Envelope, line: Line) -> None:
    """Add a review that moves one line, and a reserve."""
    review = Review.objects.create(
        kind="weekly",
        period=NOON.date(),
        policy_id=1,
        drafted_at=NOON,
        figures=rebalancing.Counts(1, 0, 0, 1, 0, 0, 0, 0, 0)._asdict(),
    )
    own: dict[str, Any] = {"review": review, "before": 600, "after": 660}
    figures = dict.fromkeys(("floor", "edges", "tokens", "judged", "priority_score", "market_weight"), 0)
    states = {"state_before": "active", "state_after": "active", "is_low": False, "was_low": False}
    ReviewLine.objects.create(
        **own,
        line=line,
        envelope=of,
        rule="gain",
        because="good",
        step=Decimal("0.2"),
        **figures,
        **states,
    )
    kind = {"window_kind": "day", "qualifier": line.qualifier}
    ReviewPool.objects.create(**own, **kind, lines=1, gainers=1, reserve_before=60, freed=0, placed=60, reserve_after=0)
    Reserve.objects.create(**kind)
