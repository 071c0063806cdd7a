"""The rules of the fleet's budgets: its calendar, its caps, the life of reservations."""

from datetime import datetime
from typing import Any

from django.db import connection

from economics import errors, revisions
from economics.models import BudgetPolicy


def ensure() -> None:
    """Create the budget policy, and with it the fleet's line, where they are missing."""
    BudgetPolicy.objects.get_or_create(pk=1)


def get() -> BudgetPolicy:
    """Return the budget policy."""
    return BudgetPolicy.objects.get(pk=1)


def change(*, author: revisions.Author, now: datetime, **changes: Any) -> BudgetPolicy:
    """Change the budget policy. A new zone or week start counts all windows that are live anew, under it."""
    if "zone" in changes and not is_zone(changes["zone"]):
        msg = "There is no such time zone."
        raise errors.BudgetInvalidError(msg, pointer="/zone")
    with revisions.signed(author, now=now), revisions.lawful("/"):
        BudgetPolicy.objects.filter(pk=1).update(**changes)
    return get()


def is_zone(name: str) -> bool:
    """Tell whether PostgreSQL knows a time zone of this name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = %s)", [name])
        known: bool = cursor.fetchone()[0]
    return known
