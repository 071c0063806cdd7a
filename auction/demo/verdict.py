"""What must be true after the demo, whatever the agents did."""

from collections.abc import Iterator, Sequence

from auction.demo.calls import Call
from auction.demo.client import Tally
from auction.demo.figures import Figures

CLEARED_SHARE = 0.75  # of the cycles: a machine under load may skip one, beat that stands still skips them all


def faults(figures: Figures, calls: Sequence[Call], tally: Tally) -> list[str]:
    """Return a line for everything that is not as it must be; none when the demo succeeded."""
    return [*_of_the_market(figures), *_of_the_books(figures), *_of_the_tokens(figures, calls), *tally.unexpected]


def _of_the_market(figures: Figures) -> Iterator[str]:
    if not sum(line.sold for line in figures.rounds):
        yield "nothing was sold"
    if not figures.settled:
        yield "no slot was run to its end"
    if figures.cycles_twice:
        yield f"{figures.cycles_twice} cycles were cleared twice"
    if len(figures.rounds) < CLEARED_SHARE * figures.cycles:
        yield f"only {len(figures.rounds)} of {figures.cycles} cycles were cleared"
    if left := [state for state in ("sold", "running") if figures.clears[state]]:
        yield f"some slots are still {' and '.join(left)}"


def _of_the_books(figures: Figures) -> Iterator[str]:
    yield from (f"audit: {line}" for line in figures.differences)
    yield from (f"replay: {line}" for line in figures.replay_differences)
    money = figures.money
    if money.supply != money.issued + money.granted:
        yield f"supply {money.supply} is not issue {money.issued} + grants {money.granted}"
    if money.supply != money.wallets + money.treasury + money.revenue:
        yield f"supply {money.supply} is not wallets {money.wallets} + house {money.treasury + money.revenue}"
    for line in figures.wallets:
        if line.held or line.after != line.before - line.charged + line.earned:
            moved = f"{line.before} - {line.charged} + {line.earned}"
            yield f"wallet of {line.agent}: {moved} should leave {line.after} with nothing held, not {line.held}"


def _of_the_tokens(figures: Figures, calls: Sequence[Call]) -> Iterator[str]:
    """Compare every finished slot with the row of the file it stands for."""
    real = {call.task_id: call for call in calls}
    for done in figures.settled:
        call = real[done.task_id]
        if (done.tokens, done.model) != (call.tokens, call.model):
            row = f"its row says {call.tokens} of {call.model!r}"
            yield f"{done.task_id} was settled with {done.tokens} tokens of {done.model!r}, {row}"
    total = sum(done.tokens for done in figures.settled)
    if figures.usage_tokens != total:
        yield f"usage holds {figures.usage_tokens} LLM tokens, slots were settled with {total}"
    if len({done.task_id for done in figures.settled}) != len(figures.settled):
        yield "a task was settled twice"
