"""Placement and reservation over HTTP, against a view that commits one row and an empty one."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING

from django.db import connection

from auction.models import Task
from config import keys, supervisor
from config.models import Agent
from economics.models import Reservation
from tests import cluster
from tests.benchmarks import books, processes, world
from tests.benchmarks.report import Report, middle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIENTS = 8
ONE_ROW = "CREATE TABLE one_row (id bigserial PRIMARY KEY, body text NOT NULL)"
ROUNDS = 3
ROOT = Path(__file__).resolve().parents[2]


def placement(report: Report, server: str, *, each: int) -> None:
    """Measure in turn: empty view, one row, placement."""
    with world.built(server, tasks=0, wallets=CLIENTS) as url, cluster.pointed_at(url):
        secrets = _prepare(each)
        with _served(url) as port:
            kinds = {"empty": "/bench/empty/", "one row": "/bench/one-row/", "placement": "/api/compute-auction/bids/"}
            rates: dict[str, list[float]] = {kind: [] for kind in kinds}
            for turn in range(-1, ROUNDS):  # the first turn warms up
                for kind, path in kinds.items():
                    rate = processes.rate(_clients(port, secrets, path, max(turn, -1) + 1, each), processes=CLIENTS)
                    if turn >= 0:
                        rates[kind].append(rate)
        _all_placed((ROUNDS + 1) * CLIENTS * each)
    empty, row, placed = (middle(rates[kind]) for kind in kinds)
    report.say(f"placement over HTTP, {CLIENTS} clients, {each} requests each, {ROUNDS} runs of each kind")
    report.say(f"  empty view {empty:,.0f}/s, view with one row {row:,.0f}/s, placement {placed:,.0f}/s")
    report.bound("placement / view that commits one row", placed / row, least=0.7)
    report.bound("placements per second", placed, least=400)
    report.say(f"  placement / empty view: {placed / empty:.2f}")


def reservation(report: Report, server: str, *, each: int) -> None:
    """Measure in turn, with one client and with eight: a view that commits one row, and the reservation."""
    with books.built(server, envelopes=1_000) as url, cluster.pointed_at(url):
        secrets = _keys(CLIENTS)
        with connection.cursor() as cursor:
            cursor.execute(ONE_ROW)
        with _served(url) as port:
            for clients in (1, CLIENTS):
                _reservations(report, port, secrets[:clients], each)
        if not Reservation.objects.exists():
            message = "nothing is reserved"
            raise AssertionError(message)


def _reservations(report: Report, port: int, secrets: list[str], each: int) -> None:
    kinds = {"one row": "/bench/one-reservation-row/", "reservation": "/api/economics/reservations/"}
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for turn in range(-1, ROUNDS):  # the first turn warms up
        for kind, path in kinds.items():
            mark = f"{path[1:6]}-{len(secrets)}-{turn}"
            found, _seconds = processes.results(_askers(port, secrets, path, mark, each), processes=len(secrets))
            if turn >= 0:
                times[kind] += [seconds for part in found for seconds in part]
    report.say(
        f"reservation over HTTP, clients at once: {len(secrets)}, {each} requests each, {ROUNDS} runs of each kind"
    )
    row, reserved = ([part * 1000 for part in quantiles(times[kind], n=20)] for kind in kinds)
    report.say(
        f"  one row p50 {row[9]:.1f} ms, p95 {row[18]:.1f}; reservation p50 {reserved[9]:.1f}, p95 {reserved[18]:.1f}"
    )
    report.say(
        f"  reservation / view that commits one row: p50 {reserved[9] / row[9]:.2f}, p95 {reserved[18] / row[18]:.2f}"
    )


def _askers(
    port: int, secrets: list[str], path: str, mark: str, each: int
) -> Callable[[int], Callable[[], list[float]]]:
    """Prepare a client as for placement; its work returns the seconds of every request."""

    def prepare(number: int) -> Callable[[], list[float]]:
        bodies = [_ask(number * each + n) for n in range(each)]
        requests = [_post(path, secrets[number], f"{mark}-{number}-{n}", body) for n, body in enumerate(bodies)]
        wire = _wire(port)
        return lambda: [_timed(wire, request) for request in requests]

    return prepare


def _ask(number: int) -> dict[str, object]:
    tokens = {"input_tokens": 400, "output_tokens": 100}
    entity = {"entity_type": "hypothesis", "entity_id": f"h{1 + number * 7919 % 1_000}"}
    return {**entity, "resource_type": "llm_tokens", "model": "model-1", "amount": 500, **tokens}


def _timed(wire: socket.socket, request: bytes) -> float:
    begun = time.perf_counter()
    _exchanged(wire, request)
    return time.perf_counter() - begun


def _prepare(each: int) -> list[str]:
    """Give every client a key and tasks, and the view its table."""
    secrets = _keys(CLIENTS)
    with connection.cursor() as cursor:
        cursor.execute(ONE_ROW)
        cursor.execute(
            """
            INSERT INTO auction_tasks (id, wallet_id)
            SELECT format('http-%%s-%%s', c, n), a.id
              FROM generate_series(0, %s) c, generate_series(0, %s) n,
                   LATERAL (SELECT id FROM token_accounts WHERE owner_type = 'agent'
                             ORDER BY owner_id OFFSET c LIMIT 1) a
            """,
            [CLIENTS - 1, (ROUNDS + 1) * each - 1],
        )
        cursor.execute("ANALYZE")
    return secrets


def _keys(clients: int) -> list[str]:
    """Return a key for each of so many agents."""
    now = datetime.now(UTC)
    return [keys.issue(agent=agent, now=now)[1] for agent in Agent.objects.order_by("pk")[:clients]]


def _all_placed(expected: int) -> None:
    placed = Task.objects.filter(bids__status="open").count()
    if placed != expected:
        message = f"{placed} of {expected} bids stand in the book"
        raise AssertionError(message)


@contextlib.contextmanager
def _served(url: str) -> Iterator[int]:
    """Run the web server as `make up` does, with the views to compare with."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings"}
    with tempfile.TemporaryFile() as log:
        web = subprocess.Popen(
            [sys.executable, "-m", *supervisor.web_server("127.0.0.1", port)],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            _wait(port, web)
            yield port
        finally:
            web.terminate()
            web.wait(timeout=30)


def _wait(port: int, web: subprocess.Popen[bytes]) -> None:
    for _attempt in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if web.poll() is not None:
            break
        time.sleep(0.1)
    message = "the web server did not answer"
    raise AssertionError(message)


def _clients(port: int, secrets: list[str], path: str, turn: int, each: int) -> Callable[[int], Callable[[], int]]:
    """Prepare a client: its requests are spelled before the clock runs, one kept-alive connection each."""

    def prepare(number: int) -> Callable[[], int]:
        requests = [_request(path, secrets[number], f"http-{number}-{turn * each + n}") for n in range(each)]
        wire = _wire(port)

        def run() -> int:
            for request in requests:
                _exchanged(wire, request)
            return each

        return run

    return prepare


def _wire(port: int) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port))
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return wire


def _exchanged(wire: socket.socket, request: bytes) -> None:
    """Send a request and take its answer, which must be a success."""
    wire.sendall(request)
    status = _answer(wire)
    if status not in {b"200", b"201"}:
        message = f"{request.splitlines()[0]!r} was answered {status!r}"
        raise AssertionError(message)


def _request(path: str, secret: str, task: str) -> bytes:
    ttl = datetime.now(UTC) + timedelta(hours=1)
    bid = {"task_id": task, "max_price_tokens": 1000, "ttl_at": ttl.isoformat(), "expected_value_usd": "1.5"}
    return _post(path, secret, task, bid)


def _post(path: str, secret: str, key: str, said: dict[str, object]) -> bytes:
    body = json.dumps(said).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _answer(wire: socket.socket) -> bytes:
    """Read one answer whole and return its status."""
    got = wire.recv(65536)
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    while len(body) < length:
        body += wire.recv(65536)
    return head.split(b" ", 2)[1]
