"""What an idle agent does next: a slot it won, one a quest won, one given in fallback, or when to ask again."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from django.db import connection, transaction
from django.db.models import Case, IntegerField, Q, Value, When

from auction import fallback, gifts, pools, quests, settlement
from auction.models import Clear, Pool
from config.models import Agent
from economics import admission, ledger

LOCK_CLASS: Final = 7308  # of one agent's askings among themselves
_AFTER: Final = timedelta(seconds=1)  # a tick runs each second


class Source(StrEnum):
    """Where an agent's next slot comes from."""

    OWN = "own"
    QUEST = "quest"
    FALLBACK = "fallback"
    NONE = ""


class Next(NamedTuple):
    """An agent's next slot, claimed; or none, and when to ask again."""

    clear: Clear | None
    source: Source
    next_poll_after: datetime


def next_task(agent: Agent, *, now: datetime, pool: str = pools.DEFAULT) -> Next:
    """Claim the agent's next slot in a pool and return it: its own best win, its quests', or else one in fallback.

    Best is what is worth most, then what must start first. A claim that still stands is returned again, so asking
    twice is asking once. Whoever does not start by `claim_until` may lose the slot to another of the quest's agents.
    Each step is a transaction of its own, as in a tick: while the worker is away, what ended must come back first, and
    that locks what a gift locks in another order. Refuses an unknown pool.
    """
    book = pools.get(pool)
    clear = _claim(agent, book, now)
    if clear is None and _is_in_fallback(book, now):
        clear = _given(agent, book, now)
        if clear is None and _swept(now):
            clear = _given(agent, book, now)
    return Next(clear, source(clear), next_poll(book, now))


def source(clear: Clear | None) -> Source:
    """Return where a slot comes from."""
    if clear is None:
        return Source.NONE
    if clear.is_given:
        return Source.FALLBACK
    return Source.OWN if clear.account.owner_type == "agent" else Source.QUEST


def next_poll(pool: Pool, now: datetime) -> datetime:
    """Return when the next round will have been: a second after the next cycle begins, or this one if it is to come."""
    begun = pools.cycle_start(pool, now)
    if pools.is_due(pool, now) and now < begun + _AFTER:
        return begun + _AFTER
    return begun + timedelta(seconds=pool.cycle_seconds) + _AFTER


def _swept(now: datetime) -> bool:
    """End what is over, as a tick does: slots, and what is held on envelopes. Return whether there was anything."""
    slots, holds = settlement.sweep(now=now), admission.expire(now=now)
    return any(slots.values()) or holds > 0


def _is_in_fallback(pool: Pool, now: datetime) -> bool:
    if fallback.is_stale(pool, now):
        return fallback.begin_if_stale(pool.name, now=now)
    return pool.mode == Pool.Mode.FALLBACK


@transaction.atomic
def _claim(agent: Agent, pool: Pool, now: datetime) -> Clear | None:
    _one_asking_at_a_time(agent)
    return _standing(agent, pool, now) or _taken(agent, pool, now)


@transaction.atomic
def _given(agent: Agent, pool: Pool, now: datetime) -> Clear | None:
    _one_asking_at_a_time(agent)
    return _standing(agent, pool, now) or gifts.give(pool, to=agent, now=now)


def _one_asking_at_a_time(agent: Agent) -> None:
    """Keep an agent that asks twice at once from getting two slots."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK_CLASS, agent.pk])


def _standing(agent: Agent, pool: Pool, now: datetime) -> Clear | None:
    """Return what the agent has claimed and may still start."""
    claimed = Clear.objects.filter(pool=pool, state=Clear.State.SOLD, runner=agent, claim_until__gt=now)
    return claimed.select_related("pool", "winning_task", "account").order_by("pk").first()


def _taken(agent: Agent, pool: Pool, now: datetime) -> Clear | None:
    """Claim the best slot nobody has claimed, or whose claim has ended; those that others just take are passed over."""
    own = Q(account_id=ledger.wallet_of(agent))
    free = Q(claim_until=None) | Q(claim_until__lte=now)
    clear = (
        Clear.objects.select_related("pool", "winning_task", "account")
        .select_for_update(of=("self",), no_key=True, skip_locked=True)
        .filter(own | quests.may_run(agent), free, pool=pool, state=Clear.State.SOLD, start_by__gt=now)
        .order_by(
            Case(When(own, then=Value(0)), default=Value(1), output_field=IntegerField()),
            "-winning_task__expected_value_usd",
            "start_by",
            "pk",
        )
        .first()
    )
    if clear is None:
        return None
    clear.runner, clear.runner_kind, clear.claimed_at = agent, agent.kind, now
    clear.claim_until = min(clear.start_by, now + timedelta(seconds=pool.claim_seconds))
    clear.save(update_fields=["runner", "runner_kind", "claimed_at", "claim_until"])
    return clear
