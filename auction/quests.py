"""Quests: programmes with a wallet, opened and changed by their own agent or by people, and who runs what they win."""

import re
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Final, TypedDict, Unpack

from django.db import transaction
from django.db.models import Q, QuerySet

from auction import errors, pools
from auction.models import Bid, Member, Quest
from config.models import Agent
from economics import ledger

LONGEST_TITLE: Final = 300
MOST_MEMBERS: Final = 1_000
SHORTEST_HORIZON, LONGEST_HORIZON = 60, 2**31 - 1
_NAMED: Final = re.compile(r"(?!\.{1,2}\Z)[^/\x00-\x1f\x7f-\x9f\u2028\u2029]+")  # else no address leads there
_FOR_PEOPLE: Final = frozenset({"is_active", "programme"})


class Settings(TypedDict, total=False):
    """What may be said of a quest; what is not said stays, or is as the columns' defaults have it.

    `is_active` and `programme` (the agent that may change it) are for people to say.
    """

    title: str
    members_only: bool
    strategy: str
    bid_factor: Decimal
    horizon_seconds: int
    is_active: bool
    programme: Agent | None


@transaction.atomic
def upsert(
    quest_id: str,
    *,
    by: Agent | None,
    now: datetime,
    pool: str | None = None,
    members: Collection[str] | None = None,
    **settings: Unpack[Settings],
) -> Quest:
    """Open a quest with its wallet, or change the one that has this id; return it. The same again changes nothing.

    `by` is its programme's agent, or None for people; a worker that opens one is its programme, and it bids and is paid
    nothing until people make it active: else stipends were to be had by opening many. `members` (ids of
    agents) replace those there are. Refuses agents other than workers, another programme's quest, an id that is none
    or whose wallet was filled before, settings out of bounds, unknown members, and a move to another pool while it has
    open bids there.
    """
    _refuse_settings(quest_id, by, settings)
    quest = Quest.objects.select_for_update(no_key=True).filter(pk=quest_id).first()
    if quest is None:
        quest = _opened(quest_id, by, now, pool or pools.DEFAULT, settings)
    if by is not None and quest.programme_id != by.pk:
        raise errors.QuestIdTakenError(pointer="/quest_id", quest_id=quest_id)
    _change(quest, pools.get(pool).pk if pool else quest.pool_id, settings)
    if members is not None:
        _set_members(quest, members, now)
    return quest


def _refuse_settings(quest_id: str, by: Agent | None, settings: Settings) -> None:
    if by is not None and (by.kind != Agent.Kind.WORKER or settings.keys() & _FOR_PEOPLE):
        raise errors.NotYourQuestError
    if not 1 <= len(quest_id) <= ledger.LONGEST_OWNER:
        msg = f"A quest's id has 1 to {ledger.LONGEST_OWNER} characters."
        raise errors.InvalidQuestError(msg, pointer="/quest_id")
    factor = settings.get("bid_factor", Decimal(0))
    wrong = {
        "title": len(settings.get("title", "")) > LONGEST_TITLE and f"A title has at most {LONGEST_TITLE} characters.",
        "strategy": settings.get("strategy", Quest.Strategy.SOURCE) not in Quest.Strategy.values
        and f"A strategy is one of {', '.join(Quest.Strategy.values)}.",
        "bid_factor": not (factor.is_finite() and 0 <= factor <= 1) and "bid_factor is a share: 0 to 1.",
        "horizon_seconds": not SHORTEST_HORIZON <= settings.get("horizon_seconds", SHORTEST_HORIZON) <= LONGEST_HORIZON
        and "A wallet is to last a minute or more.",
    }
    for name, said in wrong.items():
        if said:
            raise errors.InvalidQuestError(said, pointer=f"/{name}")


def _opened(quest_id: str, by: Agent | None, now: datetime, pool: str, settings: Settings) -> Quest:
    if not _NAMED.fullmatch(quest_id):
        msg = "A quest's id is part of an address: no slash, no control characters, neither . nor .."
        raise errors.InvalidQuestError(msg, pointer="/quest_id")
    wallet = ledger.open_wallet(quest=quest_id)
    if by is not None and (wallet.balance or wallet.held):
        # People filled it before there was a quest: they say whose it is.
        raise errors.QuestIdTakenError(pointer="/quest_id", quest_id=quest_id)
    if by is not None:
        settings = {**settings, "programme": by, "is_active": False}
    columns = {**settings, "account": wallet, "pool": pools.get(pool), "created_at": now}
    quest, _ = Quest.objects.get_or_create(pk=quest_id, defaults=columns)
    return quest


def _change(quest: Quest, pool_id: int, settings: Settings) -> None:
    """Write what differs, and nothing when nothing does."""
    if pool_id != quest.pool_id and Bid.objects.filter(account=quest.account_id, status=Bid.Status.OPEN).exists():
        raise errors.QuestHasOpenBidsError(pointer="/pool", quest_id=quest.pk)
    wanted = {"pool_id": pool_id, **settings}
    changed = [name for name, value in wanted.items() if getattr(quest, name) != value]
    for name in changed:
        setattr(quest, name, wanted[name])
    if changed:
        quest.save(update_fields=[name.removesuffix("_id") for name in changed])


def _set_members(quest: Quest, members: Collection[str], now: datetime) -> None:
    if len(members) > MOST_MEMBERS:
        msg = f"A quest has at most {MOST_MEMBERS:,} members."
        raise errors.InvalidQuestError(msg, pointer="/members")
    wanted = set(members)
    known = set(Agent.objects.filter(pk__in=wanted, kind=Agent.Kind.WORKER).values_list("pk", flat=True))
    if unknown := sorted(wanted - known):
        msg = f"Not a worker: {unknown[0]}."
        raise errors.InvalidQuestError(msg, pointer="/members")
    quest.members.exclude(agent__in=wanted).delete()
    Member.objects.bulk_create(
        [Member(quest=quest, agent_id=name, created_at=now) for name in sorted(wanted)], ignore_conflicts=True
    )


def join(quest: Quest, agent: Agent, *, now: datetime) -> bool:
    """Let a worker run what a quest wins, whoever else may; tell whether it was no member yet. Refuses other kinds."""
    if agent.kind != Agent.Kind.WORKER:
        msg = "Only workers run what a quest wins."
        raise errors.InvalidQuestError(msg, pointer="/members")
    _, is_new = Member.objects.get_or_create(quest=quest, agent=agent, defaults={"created_at": now})
    return is_new


def leave(quest: Quest, agent: Agent) -> bool:
    """Take an agent out of a quest's members; tell whether it was one. What it has claimed it may still run."""
    gone, _ = quest.members.filter(agent=agent).delete()
    return bool(gone)


def get(quest_id: str) -> Quest:
    """Return the quest of this id; refuses unknown ids."""
    quest = Quest.objects.select_related("pool", "account").filter(pk=quest_id).first()
    if quest is None:
        raise errors.UnknownQuestError(quest_id=quest_id)
    return quest


def are_open() -> bool:
    """Tell whether there is any quest that may bid."""
    return Quest.objects.filter(is_active=True).exists()


def changeable(quest_id: str, *, by: Agent | None) -> Quest:
    """Return a quest that this agent (None: a person) may change; refuses its members, and to strangers there is none.

    To be called inside the deed that changes it.
    """
    quest = get(quest_id)
    if by is None or quest.programme_id == by.pk:
        return quest
    if quest.members.filter(agent=by).exists():
        raise errors.NotYourQuestError
    raise errors.UnknownQuestError(quest_id=quest_id)


def of_programme(agent: Agent) -> QuerySet[Quest]:
    """Return the quests whose backlog this agent may change."""
    return Quest.objects.filter(programme=agent)


def seen_by(agent: Agent) -> QuerySet[Quest]:
    """Return the quests this agent may read: those of its programme, and those it is a member of."""
    return Quest.objects.filter(Q(programme=agent) | Q(pk__in=_joined(agent)))


def may_run(agent: Agent) -> Q:
    """Return what is true of clears and tasks' wallets (rows with an `account`) whose quest lets this agent run.

    A worker runs for every quest that is open to all, and for those it is a member or the programme of.
    """
    if agent.kind != Agent.Kind.WORKER:
        return Q(pk__in=[])
    allowed = Q(members_only=False) | Q(programme=agent) | Q(pk__in=_joined(agent))
    return Q(account__in=Quest.objects.filter(allowed).values("account"))


def _joined(agent: Agent) -> QuerySet[Member, str]:
    return Member.objects.filter(agent=agent).values_list("quest_id", flat=True)
