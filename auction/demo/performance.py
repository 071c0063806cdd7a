"""The demo from curtain to curtain: start, trade, come to rest, report."""

import random
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Event
from typing import NamedTuple

from django.utils import timezone

from auction.demo import calls, cast, figures, report, stage, verdict
from auction.demo.actors import Actor
from auction.demo.client import Client, Tally
from auction.demo.officials import Grader, Provider
from auction.demo.traders import WIND_UP_SECONDS, Trader, habits
from auction.demo.work import Report
from auction.models import Pool

NEWS_SECONDS = 5.0
REST_SECONDS = 20.0
PATIENCE_SECONDS = WIND_UP_SECONDS + 20.0
Say = Callable[[str], None]


class Options(NamedTuple):
    """What the demo was asked to do."""

    data: calls.Dataset
    seconds: float
    agents: int
    seed: int
    keep: bool


def perform(options: Options, *, say: Say) -> bool:
    """Run the demo, print its report and return whether everything was as it must be. From the main thread only."""
    began = time.monotonic()
    say(report.opening(options.data))
    with stage.scratch(keep=options.keep, say=say) as data_dir:
        with stage.running(data_dir, say=say) as site:
            pool, players = cast.set_up(options.agents, now=timezone.now())
            say(report.playbill(site, pool, players, options.seconds))
            tally = Tally()
            _trade(options, site, pool, players, tally, say=say)
            found = figures.collect(pool, players.workers, now=timezone.now())
        faults = verdict.faults(found, options.data.calls, tally)
        say(report.write(found, options.data, tally, seed=options.seed))
        say(report.closing(faults, seconds=time.monotonic() - began))
    return not faults


def _trade(  # noqa: PLR0913 - everything there is
    options: Options, site: stage.Site, pool: Pool, players: cast.Cast, tally: Tally, *, say: Say
) -> None:
    """Let everybody play for as long as was asked, then wait until every slot has ended and every reward is paid."""
    closing, closed = Event(), Event()
    finished: SimpleQueue[Report] = SimpleQueue()
    traders = _traders(options, site, players.workers, tally, finished=finished, closing=closing)
    provider = Provider(_client(site, players.provider, tally), tally, closing=closing, draw=_draw(options, "provider"))
    grader = Grader(_client(site, players.grader, tally), tally, finished=finished, closed=closed)
    for actor in (grader, provider, *traders):
        actor.start()
    _watch(options.seconds, pool, traders, say=say)
    closing.set()
    _join([*traders, provider], tally)
    closed.set()
    _join([grader], tally)
    deadline = time.monotonic() + REST_SECONDS
    while not figures.at_rest(pool):
        if time.monotonic() > deadline:
            tally.complain(f"{REST_SECONDS:.0f} s after the last deed slots had not ended or rewards were not paid")
            return
        time.sleep(0.2)


def _traders(  # noqa: PLR0913 - everything there is
    options: Options,
    site: stage.Site,
    players: Sequence[cast.Player],
    tally: Tally,
    *,
    finished: SimpleQueue[Report],
    closing: Event,
) -> list[Trader]:
    """Deal the calls out and make the agents."""
    deck = list(options.data.calls)
    _draw(options, "deck").shuffle(deck)
    free_price = calls.usual_price(deck)
    return [
        Trader(
            _client(site, player, tally),
            tally,
            name=player.agent,
            habits=habits(number),
            hand=[
                (call, calls.appraise(call, free_price=free_price, seed=options.seed))
                for call in deck[number :: len(players)]
            ],
            finished=finished,
            closing=closing,
            draw=_draw(options, player.agent),
        )
        for number, player in enumerate(players)
    ]


def _draw(options: Options, what: str) -> random.Random:
    return random.Random(f"{what}:{options.seed}")  # noqa: S311 - a draw, no secret


def _client(site: stage.Site, player: cast.Player, tally: Tally) -> Client:
    return Client(*site.address, agent=player.agent, key=player.key, tally=tally)


def _watch(seconds: float, pool: Pool, traders: Sequence[Actor], *, say: Say) -> None:
    """Tell how the market does until the time is over or nobody trades any more."""
    began = time.monotonic()
    news = NEWS_SECONDS
    while (passed := time.monotonic() - began) < seconds and any(trader.is_alive() for trader in traders):
        if passed >= news:
            say(f"  {passed:3.0f} s  {figures.so_far(pool)}")
            news += NEWS_SECONDS
        time.sleep(0.1)


def _join(actors: Sequence[Actor], tally: Tally) -> None:
    """Wait for these to end; one that does not is a complaint."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    for actor in actors:
        actor.join(max(0.0, deadline - time.monotonic()))
        if actor.is_alive():
            tally.complain(f"{actor.name} did not come to an end")
