"""The worker agents: each files tasks, bids, runs what it wins and reports what that cost, over HTTP alone."""

import random
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from queue import SimpleQueue
from threading import Event
from typing import NamedTuple

from auction.demo.actors import Actor
from auction.demo.calls import Call, Worth
from auction.demo.client import Client, Tally
from auction.demo.work import Report, Run, Work, seconds_of

IN_PLAY = 3
ATTEMPTS = 3
STEP_SECONDS = 0.4
WIND_UP_SECONDS = 12.0
TTL_SECONDS = 20
RESTING_TTL_SECONDS = 12  # of a `gtd` bid: some are to expire
POOR_PAUSE_SECONDS = 3.0
MISDEED = 2  # the win (counted from 1) with which a misbehaving agent misbehaves
_GONE = frozenset({"forfeited", "lapsed", "withdrawn"})
_TOO_LATE = frozenset({"slot_state", "start_deadline_passed", "lease_ended"})


class Habits(NamedTuple):
    """What an agent does that others do not: whole batches, a win never started, a run without a sign of life."""

    batches: bool
    no_show: bool
    falls_silent: bool


def habits(number: int) -> Habits:
    """Return the habits of the agent of this number: every second sends batches, one in four errs in each way."""
    return Habits(number % 2 == 0, number % 4 == 1, number % 4 == 2)  # noqa: PLR2004 - see the sentence above


class Trader(Actor):
    """One worker agent."""

    def __init__(  # noqa: PLR0913 - all that an agent starts with
        self,
        client: Client,
        tally: Tally,
        *,
        name: str,
        habits: Habits,
        hand: Iterable[tuple[Call, Worth]],
        finished: SimpleQueue[Report],
        closing: Event,
        draw: random.Random,
    ) -> None:
        """Take a hand of calls to make tasks of; trade until `closing`, then wind up."""
        super().__init__(name, client, tally)
        self._hand = deque(Work(*pair) for pair in hand)
        self._habits = habits
        self._finished = finished
        self._closing = closing
        self._draw = draw
        self._bidding: dict[str, Work] = {}
        self._runs: dict[str, Run] = {}
        self._lost_slots: dict[str, Work] = {}
        self._wins = 0
        self._poor_until = 0.0
        self._pool = ""
        self._usd_per_token = Decimal(1)
        self._lease_seconds = 1

    def play(self) -> None:
        """Trade until the end or until nothing is left to do, then wind up."""
        self._read_rules()
        while not self._closing.wait(STEP_SECONDS * self._draw.uniform(0.5, 1.5)):
            self._look_at_bids()
            self._work()
            self._bid()
            if not (self._hand or self._bidding or self._runs or self._lost_slots):
                return
        for work in list(self._bidding.values()):
            self._cancel(work)
        self._take_wins()
        deadline = time.monotonic() + WIND_UP_SECONDS
        while self._runs and time.monotonic() < deadline:
            self._work()
            time.sleep(STEP_SECONDS / 2)

    def _read_rules(self) -> None:
        """Ask the market for its rules."""
        (rules,) = self.client.rows("pools")
        self._pool = rules["name"]
        self._usd_per_token = Decimal(rules["usd_per_token"])
        self._lease_seconds = int(rules["lease_seconds"])

    def _look_at_bids(self) -> None:
        """Find out which bids are no longer open: won, or lost and to be tried again, or given up."""
        still_open = {row["task_id"] for row in self.client.rows("bids", status="open")}
        self._take_wins()
        for task_id, work in list(self._bidding.items()):
            if task_id in still_open:
                continue
            del self._bidding[task_id]
            if work.attempts < ATTEMPTS:
                self._hand.appendleft(work)
            else:
                self.client.post(f"tasks/{task_id}/cancel")
        if self._bidding and self._draw.random() < 0.02:  # noqa: PLR2004 - now and then a mind changes
            self._cancel(self._draw.choice(list(self._bidding.values())))

    def _cancel(self, work: Work) -> None:
        """Take a bid back; if it has just been won or lost, the next look tells."""
        if self.client.post(f"bids/{work.bid}/cancel", expected={"bid_not_open"}).ok:
            del self._bidding[work.call.task_id]
            self._hand.append(work)

    def _take_wins(self) -> None:
        """Take note of slots won and plan their start; the no-show does nothing with one of them."""
        for win in self.client.rows("wins", state="sold"):
            if win["slot_id"] in self._runs or win["slot_id"] in self._lost_slots:
                continue
            work = self._bidding.pop(win["task_id"], None)
            if work is None:
                continue
            self._wins += 1
            misdeed = self._wins == MISDEED
            if misdeed and self._habits.no_show:
                self._lost_slots[win["slot_id"]] = work
                continue
            start_at = time.monotonic() + self._draw.uniform(0, 1)
            self._runs[win["slot_id"]] = Run(work, start_at, silent=misdeed and self._habits.falls_silent)

    def _work(self) -> None:
        """Start, keep alive and settle what is due; take back the tasks of slots that came to nothing."""
        now = time.monotonic()
        for slot_id, run in list(self._runs.items()):
            if not run.done_at:
                if now >= run.start_at:
                    self._start(slot_id, run)
            elif now >= run.done_at:
                self._settle(slot_id, run)
            elif now >= run.beat_at and not run.silent:
                run.beat_at = now + self._lease_seconds / 3
                self._try(slot_id, "heartbeat")
        for slot_id, work in list(self._lost_slots.items()):
            win = self.client.get(f"wins/{slot_id}")
            if win.ok and win.body["state"] in _GONE:
                del self._lost_slots[slot_id]
                self._hand.append(work)

    def _start(self, slot_id: str, run: Run) -> None:
        """Begin a run. It lasts as long as its tokens say, or without a sign of life until after the lease."""
        if self._try(slot_id, "start"):
            now = time.monotonic()
            lasts = self._lease_seconds + 1.5 if run.silent else seconds_of(run.work.call)
            run.done_at = now + lasts
            run.beat_at = now + self._lease_seconds / 3

    def _settle(self, slot_id: str, run: Run) -> None:
        """Report the real call's tokens and model, and hand the work to the grader."""
        call = run.work.call
        body = {"actual_cost_tokens": call.tokens} | ({"model": call.model} if call.model else {})
        if self._try(slot_id, "settle", body):
            del self._runs[slot_id]
            self._finished.put(Report(slot_id, run.work.worth))

    def _try(self, slot_id: str, deed: str, body: Mapping[str, object] | None = None) -> bool:
        """Do something with a slot; one that is no longer ours to run is put aside."""
        answer = self.client.post(f"slots/{slot_id}/{deed}", body, expected=_TOO_LATE)
        if not answer.ok:
            self._lost_slots[slot_id] = self._runs.pop(slot_id).work
        return answer.ok

    def _bid(self) -> None:
        """Bring as many tasks into play as fit, in one batch or one by one."""
        if time.monotonic() < self._poor_until:
            return
        chosen: list[Work] = []
        while self._hand and len(self._bidding) + len(self._runs) + len(chosen) < IN_PLAY:
            work = self._hand.popleft()
            if work.filed or self._file(work):
                work.filed = True
                chosen.append(work)
        if not chosen:
            return
        if self._habits.batches and len(chosen) > 1:
            self._place_batch(chosen)
        else:
            for work in chosen:
                self._place(work)

    def _file(self, work: Work) -> bool:
        """File the task of a call."""
        call = work.call
        body = {
            "task_id": call.task_id,
            "title": f"LLM call {call.seq}, {call.tokens} tokens",
            "entity_type": "analysis",
            "entity_id": call.task_id,
            "expected_value_usd": f"{work.worth.expected_usd:f}",
        }
        return self.client.post("tasks", body).ok

    def _terms(self, work: Work) -> dict[str, object]:
        """Return a bid for a task; every third rests until its time is over, the others stand for one round."""
        rests = work.call.seq % 3 == 0
        seconds = RESTING_TTL_SECONDS if rests else TTL_SECONDS
        return {
            "task_id": work.call.task_id,
            "max_price_tokens": work.worth.bid_tokens(work.attempts, self._usd_per_token),
            "expected_value_usd": f"{work.worth.expected_usd:f}",
            "time_in_force": "gtd" if rests else "round",
            "ttl_at": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(),
        }

    def _place(self, work: Work) -> None:
        answer = self.client.post("bids", self._terms(work) | {"pool": self._pool}, expected={"insufficient_tokens"})
        self._placed(work, answer.body["id"] if answer.ok else None)

    def _place_batch(self, chosen: Sequence[Work]) -> None:
        answer = self.client.post("bids/batch", {"pool": self._pool, "bids": [self._terms(work) for work in chosen]})
        results = answer.body["results"] if answer.ok else [{"bid_id": None, "code": None}] * len(chosen)
        for work, result in zip(chosen, results, strict=True):
            if result["code"]:
                self.tally.refused_in_batch(self.name, result["code"], expected={"insufficient_tokens"})
            self._placed(work, result["bid_id"])

    def _placed(self, work: Work, bid: int | None) -> None:
        """Note the bid; a task the wallet cannot pay for waits, and so does the agent."""
        work.bid = bid
        if bid is None:
            self._hand.append(work)
            self._poor_until = time.monotonic() + POOR_PAUSE_SECONDS
        else:
            work.attempts += 1
            self._bidding[work.call.task_id] = work
