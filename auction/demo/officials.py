"""The provider, who offers slots at a reserve and takes some back, and the grader, who says what work was worth."""

import random
import time
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Event

from auction.demo.actors import Actor
from auction.demo.client import Client, Tally
from auction.demo.work import Report

OFFER_EVERY_SECONDS = 5.0
OFFER_SECONDS = 9
OFFER_COUNT = 2
RESERVES = (100, 500, 1_500)
LOOK_SECONDS = 0.15
TAKEN_BACK = 1  # sold slots the provider takes back from under their winners


class Provider(Actor):
    """Offers slots now and then, takes one back after it was sold, and what is unsold at the end."""

    def __init__(self, client: Client, tally: Tally, *, closing: Event, draw: random.Random) -> None:
        """Offer until `closing`."""
        super().__init__("provider", client, tally)
        self._closing = closing
        self._draw = draw
        self._taken_back = 0

    def play(self) -> None:
        """Offer and withdraw until the end."""
        next_offer = 0.0
        while not self._closing.wait(LOOK_SECONDS):
            if time.monotonic() >= next_offer:
                next_offer = time.monotonic() + OFFER_EVERY_SECONDS
                self._offer()
            if self._taken_back < TAKEN_BACK:
                self._take_back("sold", most=1)
        self._take_back("open")

    def _offer(self) -> None:
        until = datetime.now(UTC) + timedelta(seconds=OFFER_SECONDS)
        terms = {
            "count": OFFER_COUNT,
            "reserve_tokens": self._draw.choice(RESERVES),
            "offer_until": until.isoformat(),
        }
        self.client.post("slots", terms)

    def _take_back(self, state: str, most: int = 100) -> None:
        """Withdraw one's own slots in this state; one that is sold or started meanwhile stays."""
        for slot in self.client.rows("slots", own="true", state=state)[:most]:
            if self.client.post(f"slots/{slot['id']}/withdraw", expected={"slot_state"}).ok and state == "sold":
                self._taken_back += 1


class Grader(Actor):
    """Records the realised value of each finished slot. The work itself reaches it outside the market."""

    def __init__(self, client: Client, tally: Tally, *, finished: SimpleQueue[Report], closed: Event) -> None:
        """Grade what comes until nothing can come any more."""
        super().__init__("grader", client, tally)
        self._finished = finished
        self._closed = closed

    def play(self) -> None:
        """Grade as work comes in; once all traders are done, what is left."""
        while True:
            last = self._closed.is_set()
            try:
                done = self._finished.get(timeout=LOOK_SECONDS)
            except Empty:
                if last:
                    return
                continue
            self.client.post(f"slots/{done.slot_id}/impact", {"actual_impact": f"{done.worth.realised_usd:f}"})
