"""The words of the demo: what is about to happen, and what happened, for somebody who has never seen it."""

import textwrap
from collections.abc import Mapping, Sequence
from statistics import median

from auction.demo import calls
from auction.demo.cast import Cast
from auction.demo.client import Tally
from auction.demo.figures import Figures, RoundLine, Story, WalletLine
from auction.demo.stage import Site
from auction.models import Pool

WIDTH = 100
MOST_FAULTS = 20
LONGEST_FAULT = 600
_BARS = "▁▂▃▄▅▆▇█"


def opening(data: calls.Dataset) -> str:
    """Return what is said before anything starts."""
    what = f"{len(data.calls):,} real LLM calls ({data.source})" if data.real else f"LLM calls that are {data.source}"
    return _paragraph(f"Demo: a compute auction on {what}. First, everything is started on a scratch folder:")


def playbill(site: Site, pool: Pool, players: Cast, seconds: float) -> str:
    """Return where to look while it runs, and who takes part."""
    purses = [player.purse for player in players.workers]
    who = (
        f"{len(purses)} agents with {min(purses):,} to {max(purses):,} wallet tokens bid over HTTP, each with its own "
        f"key, for {pool.capacity} slots of the house and a few of a provider; a grader says what the work was worth. "
        f"Beat wakes a worker, which clears a round every {pool.cycle_seconds} s."
    )
    running = [f"supervisor {site.supervisor}", *(f"{name} {pid}" for name, pid in site.children.items())]
    return "\n".join(
        (
            f"Running, as processes: {', '.join(running)}.",
            f"Open until the demo ends: {site.url}/admin/ (password above) and {site.url}/api/docs/",
            "",
            _paragraph(who),
            f"Trading for {seconds:.0f} s:",
        )
    )


def write(figures: Figures, data: calls.Dataset, tally: Tally, *, seed: int) -> str:
    """Return the report."""
    parts = (
        _what_is_real(data, seed),
        _rounds(figures),
        _ends(figures),
        *([_story(figures.story)] if figures.story else []),
        _wallets(figures.wallets),
        _house(figures),
        _tokens(figures, data),
        _http(tally),
        _proofs(figures),
    )
    return "\n" + "\n\n".join(parts)


def closing(faults: Sequence[str], *, seconds: float) -> str:
    """Return the last words."""
    if not faults:
        return f"\nAll is as it must be. The demo took {seconds:.0f} s."
    shown = [f"  - {textwrap.shorten(fault, LONGEST_FAULT)}" for fault in faults[:MOST_FAULTS]]
    return "\n".join((f"\nFAILED: {len(faults)} things are not as they must be:", *shown))


def share(part: int, whole: int) -> str:
    """Return a part as a percentage, or that there is none of nothing."""
    return f"{part / whole:.0%}" if whole else "none"


def sparkline(values: Sequence[int]) -> str:
    """Return one bar for each value, the lowest and the highest value at the ends of the scale."""
    low, high = min(values), max(values)
    top = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / (high - low) * top) if high > low else 0] for value in values)


def _section(title: str, *lines: str) -> str:
    return "\n".join((title, "─" * len(title), *lines))


def _paragraph(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _what_is_real(data: calls.Dataset, seed: int) -> str:
    real = "Real: each task is one LLM call of the file, settled with the tokens and the model of its own row."
    if not data.real:
        real = "Nothing is observed here: there was no file of real calls, so even the calls are made up."
    shares = ", ".join(f"{part:.0%}" for part in calls.BID_SHARES)
    derived = (
        "Derived, not observed: what a task is worth and what is bid for it. Expected value = the call's cost in USD "
        f"times 1 to 4 (drawn, seed {seed}); a call that cost nothing counts its tokens at the usual price of the "
        f"others. Bids are {shares} of that, attempt by attempt. What the grader finds = expected value times 0 to "
        "1.5. Who wins depends on timing as well, so no two runs are alike."
    )
    return _section("What is real here", _paragraph(real), _paragraph(derived))


def _rounds(figures: Figures) -> str:
    lines = figures.rounds
    offered, sold = sum(line.offered for line in lines), sum(line.sold for line in lines)
    prices = [line.price for line in lines if line.price is not None]
    twice = f"{figures.cycles_twice} CLEARED TWICE" if figures.cycles_twice else "none twice"
    summary = [
        f"Rounds      {len(lines)} in {figures.cycles} cycles, all cleared by beat and worker, {twice}",
        f"Fill rate   {share(sold, offered)}: {sold} of {offered} slots offered were sold",
    ]
    if prices:
        spread = f"min {min(prices):,}, median {median(prices):,.0f}, max {max(prices):,}"
        summary.append(f"Price       {spread} wallet tokens  {sparkline(prices)}")
    premium = sum(line.premium for line in lines)
    summary.append(f"Premiums    {premium:,} wallet tokens released to winners at once: what they bid beyond the price")
    rule = (
        "The highest bids win, and all winners of a round pay one price: the highest bid that lost, or what is asked "
        "for a slot if that is more. A slot whose provider asks for more than is bid stays unsold. None are offered "
        "while all are in use."
    )
    return _section("Rounds", _paragraph(rule), *summary, *_round_table(lines))


def _round_table(lines: Sequence[RoundLine]) -> list[str]:
    widths = (13, 9, 6, 8, 11, 18)
    rows = [_row(widths, "  cleared at", "offered", "sold", "price", "bids lost", "premium released")]
    for line in lines:
        when = f"  {line.cleared_at:%H:%M:%S.%f}"[:-5]
        price = "none" if line.price is None else f"{line.price:,}"
        rows.append(_row(widths, when, line.offered, line.sold, price, line.lost, f"{line.premium:,}"))
    return rows


def _row(widths: Sequence[int], first: str, *cells: object) -> str:
    """Lay out one line of a table: the first cell to the left, the others to the right."""
    rest = (str(cell).rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
    return first.ljust(widths[0]) + "".join(rest)


def _ends(figures: Figures) -> str:
    bids, tasks, clears = figures.bids, figures.tasks, figures.clears
    given_up = f"{tasks['cancelled']} given up after {len(calls.BID_SHARES)} bids"
    return _section(
        "What became of it",
        f"Tasks       {tasks.total():,}: {tasks['done']} done, {given_up}, {tasks['open']} still open at the end",
        f"Bids        {bids.total():,}: {_counted(bids, 'won', 'lost', 'cancelled', 'expired')}",
        f"            ({figures.resting:,} of them rested until their time was over, the others stood for one round)",
        f"Slots sold  {clears.total():,}: {_counted(clears, 'finished', 'forfeited', 'lapsed', 'withdrawn')}",
        "            forfeited: its winner never came; lapsed: its runner fell silent. Both pay all the same.",
        "            withdrawn: its provider took it back; the winner pays nothing.",
    )


def _counted(counter: Mapping[str, int], *states: str) -> str:
    return ", ".join(f"{counter.get(state, 0):,} {state}" for state in states)


def _story(story: Story) -> str:
    told = (
        f"{story.agent} expected it to be worth {story.expected_usd:.4f} USD and bid at most {story.bid:,} wallet "
        f"tokens, which were held. It won at {story.charge:,}, and {story.bid - story.charge:,} were released at once. "
        f"The run used {story.tokens:,} LLM tokens of {story.model or 'a model without a name'}; with that report the "
        f"charge of {story.charge:,} was taken. The grader found it worth {story.impact_usd:.4f} USD, which earned "
        f"{story.reward:,}."
    )
    return _section(f"One of them, {story.task_id}", _paragraph(told))


def _wallets(lines: Sequence[WalletLine]) -> str:
    widths = (11, 9, 10, 10, 9, 7, 10, 11, 8, 11)
    ends = ("finished", "forfeited", "lapsed", "withdrawn")
    rows = [_row(widths, "", "before", "charged", "rewards", "after", "won", *ends)]
    for line in lines:
        earned = f"{line.earned:+,}" if line.earned else "0"
        moved = (f"{line.before:,}", f"{-line.charged:,}", earned, f"{line.after:,}")
        rows.append(_row(widths, line.agent, *moved, line.ends.total(), *(line.ends[end] for end in ends)))
    before, charged, earned, after = (
        sum(column) for column in zip(*((w.before, w.charged, w.earned, w.after) for w in lines), strict=True)
    )
    total = (f"{before:,}", f"{-charged:,}", f"{earned:+,}", f"{after:,}")
    counts = (sum(line.ends.total() for line in lines), *(sum(line.ends[end] for line in lines) for end in ends))
    return _section("Wallets, in wallet tokens", *rows, _row(widths, "together", *total, *counts))


def _house(figures: Figures) -> str:
    money = figures.money
    house = f"{money.treasury:,} in the treasury + {money.revenue:,} of revenue not yet swept"
    return _section(
        "The house, in wallet tokens",
        f"Rewards     {figures.reward_paid:,} of {figures.reward_due:,} due were paid, in {figures.payouts} payouts",
        f"Supply      {money.supply:,} = {money.issued:,} issued for the day + {money.granted:,} granted to the agents",
        f"            {money.supply:,} = {money.wallets:,} in wallets + {house}",
    )


def _tokens(figures: Figures, data: calls.Dataset) -> str:
    rows = {call.task_id: call.tokens for call in data.calls}
    settled = sum(done.tokens for done in figures.settled)
    of_rows = sum(rows.get(done.task_id, 0) for done in figures.settled)
    verdict = "equal" if settled == of_rows == figures.usage_tokens else "NOT EQUAL"
    origin = "rows of the file" if data.real else "rows made up"
    models = len({done.model for done in figures.settled})
    return _section(
        "LLM tokens (a resource: no wallet is charged for them)",
        f"{settled:,} settled for {len(figures.settled)} calls of {models} models; {of_rows:,} in the {origin};",
        f"{figures.usage_tokens:,} booked as usage: {verdict}",
    )


def _http(tally: Tally) -> str:
    times = sorted(tally.seconds) or [0.0]
    half, most = (f"{seconds * 1000:.0f} ms" for seconds in (median(times), times[int(len(times) * 0.99)]))
    done = sum(count for (_status, code), count in tally.answers.items() if not code)
    lines = [
        f"Requests    {tally.answers.total():,}, half answered within {half}, 99 of 100 within {most}",
        f"Answers     {done:,} done",
    ]
    refused = sorted((status, code, count) for (status, code), count in tally.answers.items() if code)
    lines += [f"            {count:,} x {status or ''} {code}" for status, code, count in refused]
    in_batches = sorted(tally.batch_refusals.items())
    lines += [f"            {count:,} x {code} for one bid of a batch" for code, count in in_batches]
    lines.append(f"Unexpected  {len(tally.unexpected) or 'none'}")
    return _section("HTTP", *lines)


def _proofs(figures: Figures) -> str:
    rounds = f"all {figures.replayed} rounds, those without bids too, done again from what they stored"
    audit = f"{len(figures.differences)} DIFFERENCES" if figures.differences else "no difference"
    replay = f"{len(figures.replay_differences)} DIFFERENCES" if figures.replay_differences else "the same results"
    return _section(
        "Proofs",
        f"Audit       every balance and hold rebuilt from {figures.audited}:",
        f"            {audit}",
        f"Replay      {rounds}: {replay}",
    )
