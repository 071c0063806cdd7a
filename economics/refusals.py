"""Refused reservations as rows: what was asked, which line refused it, and by how much its ceiling fell short."""

import math
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from django.db import connection

from config import retention
from economics import standings
from economics.models import Refusal, Usage

_HOUR: Final = timedelta(hours=1)

# Who names a refusal by a foreign key is the catalogue's to say: this app knows nobody above it.
_NAMING = """
SELECT format('AND NOT EXISTS (SELECT FROM %s t WHERE t.%I = economics_refusals.id)', conrelid::regclass, attname)
  FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
 WHERE confrelid = 'economics_refusals'::regclass AND contype = 'f' ORDER BY 1
"""


class Refused(NamedTuple):
    """A refusal, with the line that would have to give way.

    `lacks` is what that line's base ceiling fell short by when it was refused, in the unit of the base (GB for storage)
    and under the market weight of now; where there was no envelope, all that was asked. None: no ceiling cures it.
    """

    refusal_id: int
    agent_id: str
    code: str
    entity_type: str
    entity_id: str
    resource_type: str
    qualifier: str
    window_kind: str
    lacks: int | None
    at: datetime


def locked(refusal_id: int) -> Refused | None:
    """Return a refusal, locked until the transaction ends; None when there is no such row."""
    rows = Refusal.objects.select_related("line__envelope").select_for_update(no_key=True, of=("self",))
    row = rows.filter(pk=refusal_id).first()
    if row is None:
        return None
    line = row.line if row.line is not None and row.line.envelope is not None else None
    return Refused(
        row.pk,
        row.agent_id,
        row.code,
        row.entity_type,
        row.entity_id,
        line.resource_type if line else row.resource_type,
        line.qualifier if line else "",
        line.window_kind if line else "",
        _lacks(row),
        row.last_at,
    )


def _lacks(row: Refusal) -> int | None:
    if row.code == "no_envelope":
        return math.ceil(row.asked)
    if row.code != "budget_exhausted" or row.line is None or row.line.envelope is None:
        return None
    room = (row.limit or Decimal(0)) - (row.settled or Decimal(0)) - (row.held or Decimal(0))
    short = (row.asked - room) / (1 + row.line.envelope.market_weight)
    if row.resource_type == Usage.Resource.STORAGE_GB_HOURS:
        (standing,) = standings.of_lines([row.line.pk], at=row.last_at)
        if standing.window_end is None:
            return None
        short /= Decimal((standing.window_end - standing.window_start) / _HOUR)
    return max(1, math.ceil(short))


def outdated(before: datetime) -> retention.Outdated:
    """Return the refusals last met before a moment that no row of any table names, as a proposal does."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMING)
        unnamed = " ".join(condition for (condition,) in cursor.fetchall())
    return retention.Outdated(
        "refused reservations", "economics_refusals", f"last_at < %(before)s {unnamed}", {"before": before}
    )
