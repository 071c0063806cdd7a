"""The site over the database of the test that runs, served to browsers from threads of the worker itself.

One server and one address for all tests of a worker, so that browsers keep scripts and styles from test to test. A
test needs no start of programs then, sees what the server logs, and may hold the server's clock.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

from django.core.cache import cache
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST: Final = "127.0.0.1"
_PATIENCE: Final = 60  # seconds for answers that nobody waits for any more


class QuietHandler(WSGIRequestHandler):
    """Answers without a line of log for each; errors are logged by those who make them."""

    # Head and body are written apart: with Nagle's algorithm each answer waits 40 ms for a receipt of its head.
    disable_nagle_algorithm = True

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


class Server(ThreadedWSGIServer):
    """A server that can end its open connections, each with its thread's session in the database, and go on."""

    request_queue_size = 100  # browsers of several people begin at once, on a machine with other work

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__((HOST, 0), QuietHandler)
        self._open: set[socket.socket] = set()
        self._ended = threading.Condition()

    @property
    def url(self) -> str:
        """The site's address, without a slash at the end."""
        return f"http://{HOST}:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, and remember the connection."""
        with self._ended:
            self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        """Close the connection and the thread's session in the database."""
        super().close_request(request)
        with self._ended:
            self._open.discard(request)
            self._ended.notify_all()

    def hang_up(self) -> None:
        """End every connection; return when the last thread has let go of the database."""
        with self._ended:
            for connection in self._open:
                with contextlib.suppress(OSError):  # the browser was first
                    connection.shutdown(socket.SHUT_RD)
            self._ended.wait_for(lambda: not self._open, _PATIENCE)


@contextlib.contextmanager
def listening() -> Iterator[Server]:
    """Serve whatever database Django points at until the block ends."""
    server = Server()
    server.set_app(get_wsgi_application())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def serving(server: Server) -> Iterator[str]:
    """Serve the database that Django points at now; nothing of it is left when the block ends."""
    cache.clear()  # what was kept of another test's database
    try:
        yield server.url
    finally:
        server.hang_up()
