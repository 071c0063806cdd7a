"""How long rows are kept that no money rests on, and how those whose time is over are forgotten."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import connection, transaction

from config.models import RetentionPolicy

_AT_ONCE: Final = 10_000

# In one order, each batch beginning after the last row of the one before it: what was passed over is not read again.
_FORGET = """
WITH gone AS (
    DELETE FROM {table} WHERE id IN (
        SELECT id FROM {table} WHERE {by} > %(last)s AND ({where}) ORDER BY {by} LIMIT %(most)s FOR UPDATE SKIP LOCKED)
    RETURNING {by} AS place
) SELECT count(*), max(place) FROM gone
"""
_COUNT = "SELECT count(*) FROM {table} WHERE {where}"


class Outdated(NamedTuple):
    """Rows whose time is over: `where` is a condition on the rows of a table, in SQL that names its `terms`.

    They go in the order of the column `by`, whose numbers are unique.
    """

    what: str
    table: str
    where: str
    terms: Mapping[str, Any]
    by: str = "id"


def ensure() -> None:
    """Create the policy where it is missing."""
    RetentionPolicy.objects.get_or_create(pk=1)


def policy() -> RetentionPolicy:
    """Return how long rows are kept, in days."""
    return RetentionPolicy.objects.get(pk=1)


def ago(days: int, now: datetime) -> datetime:
    """Return the moment so many days before `now`."""
    return now - timedelta(days=days)


def count(rows: Outdated) -> int:
    """Return how many there are."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT.format(table=rows.table, where=rows.where), rows.terms)
        number: int = cursor.fetchone()[0]
    return number


def forget(rows: Outdated) -> int:
    """Delete them, 10,000 in a transaction; return how many. A row that somebody holds is left to the next time."""
    sql = _FORGET.format(table=rows.table, where=rows.where, by=rows.by)
    last, total, gone = 0, 0, _AT_ONCE
    while gone == _AT_ONCE:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, {**rows.terms, "last": last, "most": _AT_ONCE})
            gone, last = cursor.fetchone()
        total += gone
    return total


def swept(*, now: datetime) -> None:
    """Write down when rows were last forgotten."""
    RetentionPolicy.objects.filter(pk=1).update(swept_at=now)
