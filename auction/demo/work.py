"""A piece of work in an agent's hands: from a call to a bid, a run, and a report for the grader."""

from dataclasses import dataclass
from typing import NamedTuple

from auction.demo.calls import Call, Worth


@dataclass
class Work:
    """One task: its call, its worth, and how often and with which bid it has been bid for."""

    call: Call
    worth: Worth
    filed: bool = False
    attempts: int = 0
    bid: int | None = None


@dataclass
class Run:
    """One slot won for a task: when to start it, when it is done, when the next sign of life is due (monotonic)."""

    work: Work
    start_at: float
    done_at: float = 0.0
    beat_at: float = 0.0
    silent: bool = False


class Report(NamedTuple):
    """A finished piece of work, on its way from the agent that did it to the grader."""

    slot_id: str
    worth: Worth


def seconds_of(call: Call) -> float:
    """Return how long a call's run lasts in the demo: 0.2 s and a second for every 25,000 tokens, 4 s at most."""
    return min(4.0, 0.2 + call.tokens / 25_000)
