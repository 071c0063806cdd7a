"""Every race runs on a database of its own, ends without a deadlock and leaves books that balance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection, connections

from auction import audit

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def peace(committed_db: str) -> Iterator[None]:
    """Audit the books after the race and ask PostgreSQL whether it had to break a deadlock."""
    before = _deadlocks()
    yield
    assert audit.differences() == []
    assert _deadlocks() == before


def _deadlocks() -> int:
    connections.close_all()  # a session shows what it counted when it ends
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        number: int = cursor.fetchone()[0]
    return number
