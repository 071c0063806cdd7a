"""The built-in message broker: a folder of files, one per message, each seen whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps, loads

SCHEME: Final = "folder"
URL: Final = f"{SCHEME}://localhost"  # a host that means nothing, or kombu warns that it is missing
POLLING_SECONDS: Final = 0.2
LONGEST_WAIT_SECONDS: Final = 0.5
TRANSPORT_ALIASES[SCHEME] = "config.broker:Transport"


class Channel(filesystem.Channel):
    """A channel whose writers and readers never meet over a half-written file.

    kombu's own opens a message under its final name and then fills it, and two readers may both
    believe to have moved it. Here a message gets its name when it is complete, and a reader owns it
    by a rename, which only one of several can win.
    """

    def _put(self, queue: str, payload: object, **_: object) -> None:  # type: ignore[override] # as kombu's own
        """Write a message under a hidden name, then show it."""
        folder = Path(self.data_folder_out)
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}.{queue}.msg"
        hidden = folder / f".{name}"
        hidden.write_text(dumps(payload))
        hidden.rename(folder / name)

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ARG002 - kombu's signature
        """Take the oldest message of a queue; raise `Empty` when there is none."""
        for name in sorted(path.name for path in Path(self.data_folder_in).iterdir()):
            if not self._is_of(queue, name):
                continue
            taken = Path(self.processed_folder) / name
            try:
                (Path(self.data_folder_in) / name).rename(taken)
            except FileNotFoundError:  # another reader was first
                continue
            payload = loads(taken.read_text())
            taken.unlink()
            return payload
        raise Empty

    @staticmethod
    def _is_of(queue: str, name: str) -> bool:
        """Whether a file is a complete message of this queue."""
        return not name.startswith(".") and name.partition(".")[2] == f"{queue}.msg"

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        """Note that an exchange feeds a queue, replacing the table whole.

        kombu's own creates the file empty and fills it, so that another process reads nothing.
        """
        entry = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with (Path(self.control_folder) / "lock").open("w") as guard:
            filesystem.lock(guard, filesystem.LOCK_EX)
            table = self.get_table(exchange)
            if entry in table:
                return
            handle, name = tempfile.mkstemp(dir=self.control_folder)
            with os.fdopen(handle, "w") as file:
                file.write(dumps([entry, *table]))
            Path(name).rename(self._exchange_file(exchange))


class Transport(filesystem.Transport):
    """The transport behind `folder://`; its folders come with the transport options."""

    Channel = Channel
    driver_type = driver_name = SCHEME

    def drain_events(self, connection: object, timeout: float | None = None, **_: object) -> None:
        """Wait for a message, but not long: a worker sees between two waits that it should stop."""
        shorter = timeout and min(timeout, LONGEST_WAIT_SECONDS)
        super().drain_events(connection, timeout=shorter)  # type: ignore[no-untyped-call] # kombu has no types


def transport_options(url: str, data_dir: Path) -> dict[str, Any]:
    """Return Celery's transport options for a broker address.

    For the built-in broker they name its folders, all in the data folder; other brokers need none.
    """
    if not url.startswith(f"{SCHEME}:"):
        return {}
    spool = _folders(data_dir)
    return {
        "data_folder_in": str(spool["messages"]),
        "data_folder_out": str(spool["messages"]),
        "processed_folder": str(spool["taken"]),
        "control_folder": str(spool["control"]),
        "polling_interval": POLLING_SECONDS,
    }


def prepare(data_dir: Path) -> None:
    """Make the broker's folders, empty: a message lost is a beat missed, the database remembers."""
    shutil.rmtree(data_dir / "broker", ignore_errors=True)
    for folder in _folders(data_dir).values():
        folder.mkdir(parents=True)


def _folders(data_dir: Path) -> dict[str, Path]:
    """Name the broker's folders; they share a file system, or a rename would not be one step."""
    return {name: data_dir / "broker" / name for name in ("messages", "taken", "control")}
