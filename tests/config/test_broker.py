"""The folder broker delivers every message once, to any number of readers."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kombu.connection import Connection

from config import broker

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.queues import Queue
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Barrier

    Left = Synchronized[int]

MESSAGES_EACH = 1_000
PATIENCE = 120  # seconds, for a machine that does much else; it takes two or three
PROCESSES = multiprocessing.get_context("fork")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    broker.prepare(tmp_path)
    return tmp_path


def _connect(data_dir: Path) -> Connection:
    return Connection(broker.URL, transport_options=broker.transport_options(broker.URL, data_dir))


def _write(data_dir: Path, writer: int, start: Barrier) -> None:
    with _connect(data_dir) as connection:
        queue = connection.SimpleQueue("jobs")
        start.wait()
        for number in range(MESSAGES_EACH):
            queue.put({"writer": writer, "number": number, "ballast": "x" * 2_000})


def _read(data_dir: Path, start: Barrier, both: Barrier, left: Left, seen: Queue[list[tuple[int, int]]]) -> None:
    """Read until no message is left; whoever has its first waits until the other has one, too."""
    found: list[tuple[int, int]] = []
    end = time.monotonic() + PATIENCE
    with _connect(data_dir) as connection:
        queue = connection.SimpleQueue("jobs", no_ack=True)
        start.wait()
        while left.value > 0 and time.monotonic() < end:
            try:
                message = queue.get(block=False)
            except queue.Empty:
                time.sleep(0.01)
                continue
            with left.get_lock():
                left.value -= 1
            found.append((message.payload["writer"], message.payload["number"]))
            if len(found) == 1:
                both.wait(PATIENCE)
    seen.put(found)


def _together(data_dir: Path) -> list[list[tuple[int, int]]]:
    """Run two writers and two readers at once; return what each reader got."""
    start, both = PROCESSES.Barrier(4), PROCESSES.Barrier(2)
    left = PROCESSES.Value("i", 2 * MESSAGES_EACH)
    seen: Queue[list[tuple[int, int]]] = PROCESSES.Queue()
    roles: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
        *((_write, (data_dir, writer, start)) for writer in (1, 2)),
        *((_read, (data_dir, start, both, left, seen)) for _ in range(2)),
    ]
    workers = [PROCESSES.Process(target=role, args=arguments) for role, arguments in roles]
    for worker in workers:
        worker.start()
    got = [seen.get(timeout=2 * PATIENCE) for _ in range(2)]
    for worker in workers:
        worker.join(timeout=PATIENCE)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    return got


def test_two_readers_get_each_message_once(data_dir: Path) -> None:
    first, second = _together(data_dir)
    expected = {(writer, number) for writer in (1, 2) for number in range(MESSAGES_EACH)}
    assert Counter(first + second) == dict.fromkeys(expected, 1)
    assert first
    assert second
    assert [path.name for path in (data_dir / "broker" / "taken").iterdir()] == []


def test_one_reader_sees_one_writers_order(data_dir: Path) -> None:
    with _connect(data_dir) as connection:
        queue = connection.SimpleQueue("jobs", no_ack=True)
        for number in range(20):
            queue.put(number)
        assert [queue.get(block=False).payload for _ in range(20)] == list(range(20))


def test_preparing_empties_the_spool(data_dir: Path) -> None:
    with _connect(data_dir) as connection:
        connection.SimpleQueue("jobs").put("stale")
    broker.prepare(data_dir)
    with _connect(data_dir) as connection, pytest.raises(connection.SimpleQueue("jobs").Empty):
        connection.SimpleQueue("jobs").get(block=False)


def test_other_brokers_get_no_options(tmp_path: Path) -> None:
    assert broker.transport_options("redis://localhost", tmp_path) == {}


def test_every_folder_lies_in_the_data_folder(tmp_path: Path) -> None:
    options = broker.transport_options(broker.URL, tmp_path)
    folders = {Path(value) for name, value in options.items() if name != "polling_interval"}
    assert {folder.parent for folder in folders} == {tmp_path / "broker"}
