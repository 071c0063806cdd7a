"""The site over a test's own database, served to browsers from threads of the test itself.

A test needs no start of programs then, sees what the server logs, and may hold the server's clock.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from django.core.cache import cache
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST: Final = "127.0.0.1"


class QuietHandler(WSGIRequestHandler):
    """Answers without a line of log for each; errors are logged by those who make them."""

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Serve the database that Django points at, on a free port, until the block ends; yields the site's address."""
    cache.clear()  # what was kept of another test's database
    server = ThreadedWSGIServer((HOST, 0), QuietHandler)
    server.set_app(get_wsgi_application())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
