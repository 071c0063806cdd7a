"""Which tables a transaction has written to so far, whatever becomes of it after."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Iterator

# Every request may leave them: that somebody is signed in, and sums that are kept for the next one who looks.
OWN_TRACES: Final = {"django_session", "economics_kept_figures"}


@contextmanager
def tables() -> Iterator[set[str]]:
    """Fill the set that is yielded, at the end of the block, with the tables that were written to inside."""
    before, found = _counts(), set[str]()
    yield found
    found |= {table for table, rows in _counts().items() if rows != before[table]} - OWN_TRACES


def _counts() -> Counter[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables")
        return Counter(dict(cursor.fetchall()))
