"""Who takes part: the pool at a short cycle, and agents with a key and a wallet each."""

from datetime import datetime
from typing import NamedTuple

from auction import pools
from auction.models import Pool
from config import keys
from config.models import Agent
from economics import ledger, revisions

CYCLE_SECONDS = 2
CAPACITY = 6
START_DEADLINE_SECONDS = 5
LEASE_SECONDS = 3
# Purses differ, so that some agents run short: what they had is bid for again when rewards come in.
PURSES = (3_000, 6_000, 9_000, 12_000)


class Player(NamedTuple):
    """One agent of the demo, its key in clear, and what it was given to begin with (wallet tokens)."""

    agent: str
    key: str
    purse: int = 0


class Cast(NamedTuple):
    """Everybody who takes part."""

    workers: list[Player]
    provider: Player
    grader: Player


def set_up(workers: int, *, now: datetime) -> tuple[Pool, Cast]:
    """Give the default pool the demo's rules and create the agents, their keys and their wallets."""
    with revisions.signed(revisions.Author("demo", "the rules of the demo"), now=now):
        pool = pools.configure(
            pools.DEFAULT,
            cycle_seconds=CYCLE_SECONDS,
            capacity=CAPACITY,
            start_deadline_seconds=START_DEADLINE_SECONDS,
            lease_seconds=LEASE_SECONDS,
        )
    bidders = [_worker(f"agent-{number:02}", PURSES[number % len(PURSES)], now=now) for number in range(1, workers + 1)]
    provider = _player("provider", Agent.Kind.PROVIDER, now=now)
    grader = _player("grader", Agent.Kind.GRADER, now=now)
    return pool, Cast(bidders, provider, grader)


def _player(name: str, kind: str, *, now: datetime) -> Player:
    agent = Agent.objects.create(id=name, kind=kind, title="takes part in the demo")
    _key, secret = keys.issue(agent=agent, label="demo", now=now)
    return Player(name, secret)


def _worker(name: str, purse: int, *, now: datetime) -> Player:
    player = _player(name, Agent.Kind.WORKER, now=now)
    wallet = ledger.open_wallet(agent=Agent.objects.get(pk=name))
    ledger.grant(account=wallet, amount=purse, key=f"demo:{name}", now=now, memo="opening balance of the demo")
    return player._replace(purse=purse)
