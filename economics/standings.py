"""Where lines stand: base, grants, limit, settled, held and remaining, in the window of a moment."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection


class Standing(NamedTuple):
    """Where a line stands in the window of a moment. `limit` and `remaining` None: no ceiling. USD on the fleet's."""

    line_id: int
    envelope_id: int | None
    resource_type: str
    qualifier: str
    window_kind: str
    is_named: bool
    base: Decimal | None
    window_start: datetime
    window_end: datetime | None
    granted: Decimal
    limit: Decimal | None
    settled: Decimal
    held: Decimal
    remaining: Decimal | None

    @property
    def title(self) -> str:
        """Class, tier or provider, and window."""
        return " ".join(part for part in (self.resource_type, self.qualifier, "per", self.window_kind) if part)


_COLUMNS = ", ".join(f'"{name}"' for name in Standing._fields)
_STANDING = f"SELECT {_COLUMNS} FROM economics_standing(%s, %s)"  # noqa: S608 - names of columns
_OF_ENVELOPES = f"""
SELECT {_COLUMNS} FROM economics_standing(
    ARRAY(SELECT id FROM economics_lines WHERE envelope_id = ANY(%s::bigint[])), %s)
"""  # noqa: S608 - names of columns
_OF_FLEET = f"""
SELECT {_COLUMNS} FROM economics_standing(ARRAY(SELECT id FROM economics_lines WHERE envelope_id IS NULL), %s)
"""  # noqa: S608 - names of columns


def of_lines(line_ids: Sequence[int], *, at: datetime) -> list[Standing]:
    """Return where these lines stand in the windows of a moment, by envelope and line; the fleet's comes last.

    The same figures that admission goes by.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, [list(line_ids), at])
        return [Standing(*row) for row in cursor.fetchall()]


def of_envelopes(envelope_ids: Iterable[int], *, at: datetime) -> dict[int, list[Standing]]:
    """Return where the lines of these envelopes stand, by envelope; lines without a ceiling are among them."""
    ids = list(envelope_ids)
    found: dict[int, list[Standing]] = {pk: [] for pk in ids}
    with connection.cursor() as cursor:
        cursor.execute(_OF_ENVELOPES, [ids, at])
        for line in (Standing(*row) for row in cursor.fetchall()):
            if line.envelope_id is not None:
                found[line.envelope_id].append(line)
    return found


def of_fleet(*, at: datetime) -> Standing:
    """Return where the fleet stands today, in USD."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_FLEET, [at])
        (row,) = cursor.fetchall()
    return Standing(*row)
