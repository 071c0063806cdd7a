"""Whoever takes part: a thread with a client of its own."""

import threading
import traceback

from auction.demo.client import Client, Tally


class Actor(threading.Thread):
    """One participant; what goes wrong with it is a complaint, never silence."""

    def __init__(self, name: str, client: Client, tally: Tally) -> None:
        """Take a name and a way to the API. A daemon: Ctrl-C does not wait for it."""
        super().__init__(name=name, daemon=True)
        self.client = client
        self.tally = tally

    def play(self) -> None:
        """Do one's part, to the end."""
        raise NotImplementedError

    def run(self) -> None:
        """Play, and hang up."""
        try:
            self.play()
        except Exception:  # noqa: BLE001 - a defect of the demo or of an answer's shape: told in the report
            self.tally.complain(f"{self.name} stopped: {traceback.format_exc(limit=3)}")
        finally:
            self.client.close()
