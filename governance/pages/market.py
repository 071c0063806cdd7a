"""The Auction tab: prices of the last day, how much was sold, the highest winning bids, and the book as it stands."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from auction import overview, pools, spending
from config import charts, site
from governance.pages import figures, kept

HOURS: Final = 24
SECONDS: Final = 2  # what stands in the book and the last rounds
SLOWER: Final = 15  # sums of a day
_ROUNDS: Final = 10
_LEVELS: Final = 12
_DEPTH: Final = 60
_ROUND_HEADS: Final = ("Round", "Cleared", "Price", "Sold", "Charged", "Bids lost")
_WIN_HEADS: Final = (
    *("Task", "Owner", "Bid", "Charged", "State", "Bid (USD)", "Promised (USD)", "Realised (USD)"),
    "USD a 1,000 LLM tokens",
)
_MODES: Final = {
    "auction": ("is-done", "sells"),
    "fallback": ("is-fallback", "gives"),
    "stopped": ("is-stopped", "stopped"),
}


class Now(NamedTuple):
    """What changes by the second: the pool's figures, its last rounds, and its book."""

    pool: overview.PoolFigures
    rounds: list[overview.RoundFigures]
    depth: overview.Depth


class Day(NamedTuple):
    """What a day comes to: prices in steps of a quarter of an hour, and the highest winning bids."""

    prices: list[overview.PriceStep]
    wins: list[spending.Win]


def context(request: HttpRequest, *, now: datetime) -> dict[str, Any]:
    """Return what the tab shows of the pool that the address names (or the default one), to this person."""
    names, _at = kept.kept(
        "pools", lambda of: [pool.name for pool in overview.pool_figures(now=of)], now=now, seconds=5
    )
    asked = request.GET.get("pool", "")
    name = asked if asked in names else pools.DEFAULT if pools.DEFAULT in names else names[0]
    links = figures.Links(request)
    return {
        "pools": names,
        "chosen": name,
        "unknown": asked if asked and asked not in names else "",
        **live(name, links, now=now),
        "leads": [
            links.rows("auction.pool", "Pools"),
            links.rows("auction.round", "Rounds", pool__name=name),
            links.rows("auction.bid", "Bids and order book"),
            links.rows("auction.clear", "Clears"),
            links.rows("auction.slot", "Slots"),
        ],
    }


def live(name: str, links: figures.Links, *, now: datetime) -> dict[str, Any]:
    """Return the part of the tab that is fetched again and again."""
    book, at = kept.kept(f"book:{name}", lambda of: _now(of, name), now=now, seconds=SECONDS)
    # A round that has just cleared is in the sums of the day at once.
    last = book.rounds[0].number if book.rounds else 0
    day, _at = kept.kept(f"day:{name}:{last}", lambda of: _day(of, name), now=now, seconds=SLOWER)
    pool = book.pool
    badge, mode = _MODES.get(pool.mode, ("", pool.mode))
    return {
        "at": at,
        "clock": figures.clock(at, now),
        "pool": links.row("auction.pool", pool.id, pool.name),
        "mode": format_html('<span class="badge {}">{}</span>', badge, mode),
        "cycle": pool.cycle_seconds,
        "rule": pool.pricing_rule,
        "price": figures.number(pool.last_price),
        "price_range": _range(pool),
        "fill": "—" if pool.fill_rate is None else figures.percent(pool.fill_rate),
        "fill_of": f"{figures.number(pool.sold)} of {figures.number(pool.offered)} slots offered",
        "charged": figures.number(pool.charged_tokens),
        "rounds_of_day": figures.number(pool.rounds),
        "best_bid": figures.number(book.depth.best_bid),
        "lowest_ask": figures.number(book.depth.lowest_ask),
        "crossing": figures.number(book.depth.crossing),
        "says": _says(book.rounds),
        "rounds": _rounds(book.rounds, links, now),
        "bids": _bids(book.depth),
        "asks": _asks(book.depth),
        "depth": charts.render(_depth_chart(book.depth)),
        "prices": charts.render(_prices_chart(day.prices)),
        "wins": _wins(day.wins, links),
        "wins_chart": charts.render(_wins_chart(day.wins)),
    }


def _now(at: datetime, name: str) -> Now:
    (pool,) = (one for one in overview.pool_figures(now=at, hours=HOURS) if one.name == name)
    return Now(
        pool, overview.last_rounds(now=at, pool=name, most=_ROUNDS), overview.depth(now=at, pool=name, most=_DEPTH)
    )


def _day(at: datetime, name: str) -> Day:
    return Day(overview.prices(now=at, pool=name, hours=HOURS), spending.top_wins(pool=name, now=at, hours=HOURS))


def _range(pool: overview.PoolFigures) -> str:
    if pool.mean is None:
        return "nothing sold in 24 hours"
    return (
        f"{figures.number(pool.lowest)} to {figures.number(pool.highest)} in 24 hours, mean {figures.number(pool.mean)}"
    )


def _says(rounds: Sequence[overview.RoundFigures]) -> str:
    """Return the last round in a sentence, to be read out when there is a new one."""
    if not rounds:
        return "No round yet."
    last = rounds[0]
    if not last.sold:
        return f"Round {last.number} sold none of {last.offered} slots."
    return f"Round {last.number} sold {last.sold} of {last.offered} slots at {figures.number(last.price)} tokens."


def _rounds(rounds: Sequence[overview.RoundFigures], links: figures.Links, now: datetime) -> SafeString | str:
    if not rounds:
        return ""
    rows = [
        (
            links.row("auction.round", one.number, f"{one.number}"),
            figures.clock(one.cleared_at, now),
            figures.number(one.price, "nothing sold"),
            f"{one.sold:,} of {one.offered:,}",
            figures.number(one.charged_tokens),
            figures.number(one.bids_lost),
        )
        for one in rounds
    ]
    return site.table(_ROUND_HEADS, rows)


def _bids(depth: overview.Depth) -> SafeString | str:
    """Return the best bids, the highest first, with how many there are at a price or above."""
    levels = [level for level in reversed(depth.levels) if level.bids]
    return _side("Price", "Bids", "At it or above", [(one.price, one.bids, one.demand) for one in levels[:_LEVELS]])


def _asks(depth: overview.Depth) -> SafeString | str:
    """Return the cheapest asks with how many there are at a price or below."""
    levels = [level for level in depth.levels if level.asks]
    return _side("Price", "Slots", "At it or below", [(one.price, one.asks, one.supply) for one in levels[:_LEVELS]])


def _side(price: str, number: str, heap: str, levels: Sequence[tuple[int, int, int]]) -> SafeString | str:
    if not levels:
        return ""
    most = levels[-1][2]
    rows = (
        (
            figures.number(at),
            figures.number(count),
            figures.number(together),
            format_html('<meter min="0" max="{}" value="{}"></meter>', most, together),
        )
        for at, count, together in levels
    )
    return site.table((price, number, heap, ""), rows)


def _depth_chart(depth: overview.Depth) -> charts.Chart:
    return charts.Chart(
        charts.Kind.STEPS,
        "Depth",
        [figures.number(level.price) for level in depth.levels],
        [
            charts.Series("Bids at the price or above", [level.demand for level in depth.levels]),
            charts.Series("Slots at the price or below", [level.supply for level in depth.levels]),
        ]
        if depth.levels
        else [],
        heads=("Price", "Bids at it or above", "Slots at it or below"),
        unit="bids and slots by price in wallet tokens",
        note="The best of it only." if depth.is_cut else "",
        empty="The book is empty.",
    )


def _prices_chart(steps: Sequence[overview.PriceStep]) -> charts.Chart:
    sold = [step for step in steps if step.mean is not None]
    return charts.Chart(
        charts.Kind.STEPS,
        "Clearing prices of the last 24 hours",
        [f"{step.begins:%H:%M}" for step in steps],
        [charts.Series("Mean price", _held(step.mean for step in steps))] if sold else [],
        heads=("Quarter of an hour from (UTC)", "Mean price", "Lowest", "Highest", "Sold", "Offered"),
        words=[
            [
                *(figures.number(price) for price in (step.mean, step.lowest, step.highest)),
                figures.number(step.sold),
                figures.number(step.offered),
            ]
            for step in steps
        ],
        unit="wallet tokens, mean of each quarter of an hour (UTC)",
        note="Where nothing was sold the last price is drawn on.",
        empty="Nothing was sold in the last 24 hours.",
    )


def _held(prices: Iterable[charts.Number]) -> list[charts.Number]:
    """Return prices each of which holds until the next."""
    held: list[charts.Number] = []
    for price in prices:
        held.append(price if price is not None or not held else held[-1])
    return held


def _wins(wins: Sequence[spending.Win], links: figures.Links) -> SafeString | str:
    if not wins:
        return ""
    rows = [
        (
            links.row("auction.clear", win.clear_id, win.title or win.task_id),
            win.owner,
            figures.number(win.max_price),
            figures.number(win.charge),
            format_html('<span class="badge is-{0}">{0}</span>', win.state),
            figures.usd(win.bid_usd),
            figures.usd(win.promised),
            figures.usd(win.impact, "not graded"),
            figures.NONE if win.impact_roi is None else figures.usd(win.impact_roi * 1000),
        )
        for win in wins
    ]
    return site.table(_WIN_HEADS, rows, frozenset({1, 4}))


def _wins_chart(wins: Sequence[spending.Win]) -> charts.Chart:
    return charts.Chart(
        charts.Kind.BARS,
        "The 10 highest winning bids and what came of them",
        [win.title or win.task_id for win in wins],
        [
            charts.Series("Bid", [win.bid_usd for win in wins]),
            charts.Series("Realised impact", [win.impact for win in wins]),
        ]
        if wins
        else [],
        heads=("Task", "Bid", "Realised impact"),
        words=[[figures.usd(win.bid_usd), figures.usd(win.impact, "not graded")] for win in wins],
        unit="USD, at the pool's value of a wallet token",
        empty="Nobody won a slot in the last 24 hours.",
    )
