"""One clock for all that beat wakes: the database's, whatever the time of the worker's host."""

from datetime import datetime

from django.db import connection


def now() -> datetime:
    """Return the database's time of this moment, in UTC."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
