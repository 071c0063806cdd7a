"""Usage written by those who do not wait for counters: counted piece by piece, in the order in which it arrived."""

import logging
from typing import Final

from django.db import DataError, IntegrityError, connection, transaction

log = logging.getLogger(__name__)

_AT_ONCE: Final = 5_000
_DRAINS_OF_A_TICK: Final = 4  # about a second: what else is due must not wait for long

# Two that count at once would delete the same rows, one after the other.
_TRY: Final = "SELECT pg_try_advisory_xact_lock(7310, 0)"
_WAIT: Final = "SELECT pg_advisory_xact_lock(7310, 0) IS NOT NULL"
_OLDEST: Final = "SELECT id FROM economics_arrivals WHERE id > %s ORDER BY id LIMIT %s"
_COUNT: Final = "DELETE FROM economics_arrivals WHERE id = ANY(%s)"  # the database counts what it deletes
_WAITING: Final = "SELECT count(*) FROM (SELECT FROM economics_arrivals LIMIT %s) AS a"


class _AtWorkError(Exception):
    """Another process counts at this moment."""


def drain(limit: int = _AT_ONCE) -> int:
    """Count the oldest `limit` arrivals in one transaction and return how many; 0 while another process counts.

    A row that cannot be counted (a sum that no column holds, a correction that arrived before its row) goes on
    waiting and is logged; those beside it are counted in smaller pieces, each in a transaction of its own.
    """
    return _drain(limit, _TRY)


def drain_all() -> int:
    """Count until nothing is left that can be counted, waiting for others who count; return how many."""
    total = 0
    while counted := _drain(_AT_ONCE, _WAIT):
        total += counted
    return total


def catch_up() -> int:
    """Count what one tick has time for and return how many rows. One cheap question when nothing waits."""
    total = 0
    for _turn in range(_DRAINS_OF_A_TICK):
        counted = drain()
        total += counted
        if counted < _AT_ONCE:
            break
    return total


def waiting(*, most: int = 100_000) -> int:
    """Return how many arrivals are still to be counted; `most` stands for that many or more."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [most])
        number: int = cursor.fetchone()[0]
    return number


def _drain(limit: int, lock: str) -> int:
    last = 0
    try:
        while ids := _oldest(last, limit):
            if counted := _count(ids, lock):
                return counted
            last = ids[-1]  # none of these can be counted now: those behind them need not wait
    except _AtWorkError:
        pass
    return 0


def _oldest(after: int, limit: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST, [after, limit])
        return [pk for (pk,) in cursor.fetchall()]


def _count(ids: list[int], lock: str) -> int:
    """Count these, or as many of them as can be.

    After a failure no lock is kept: counters are locked in their order, and those of one half may come before those
    of the other.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(lock)
            if not cursor.fetchone()[0]:
                raise _AtWorkError
            cursor.execute(_COUNT, [ids])
            counted: int = cursor.rowcount
            return counted
    except (DataError, IntegrityError) as error:
        if len(ids) == 1:
            log.error("arrival %s of usage cannot be counted and goes on waiting: %s", ids[0], error)  # noqa: TRY400
            return 0
    middle = len(ids) // 2
    return _count(ids[:middle], lock) + _count(ids[middle:], lock)
