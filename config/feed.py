"""The feed: what happened, in one order in which no reader misses a row, however many write at once."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import Min, Q

from config import retention
from config.errors import InvalidError
from config.models import FeedEntry

# All that is told, by whoever does it.
KINDS: Final = (
    *("round_cleared", "won", "lost", "expired", "given", "forfeited", "withdrawn", "lapsed", "blocked"),
    *("fallback_began", "fallback_ended", "refused", "decided"),
)
_LOCK: Final = 7306
_SOON, _LATER = timedelta(seconds=1), timedelta(seconds=5)

# What happens in a statement is told by that statement: `INTO` and then a SELECT of the six columns.
INTO: Final = "INSERT INTO config_feed (kind, at, owner_type, owner_id, pool, data)"

_PUBLISH = f"""
{INTO} SELECT * FROM unnest(%s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::jsonb[])
"""  # noqa: S608 - of constants

_WAITING = "SELECT EXISTS (SELECT FROM config_feed WHERE position IS NULL)"
# Ids are given when a row is written, positions only when it was committed: a row may come late, but never before
# one that somebody has read.
_PLACE = """
UPDATE config_feed f SET position = placed.last + waiting.number
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM config_feed WHERE position IS NULL) waiting,
       (SELECT coalesce(max(position), 0) AS last FROM config_feed) placed
 WHERE f.id = waiting.id
"""
_LAST = "SELECT coalesce(max(position), 0) FROM config_feed"

# A feed is forgotten from its beginning, so that what is left has no gap. Its last entry stays: positions go on from
# there, and none is ever given twice.
_KEPT_FROM = """
SELECT least((SELECT position FROM config_feed WHERE position IS NOT NULL AND at >= %s ORDER BY position LIMIT 1),
             (SELECT max(position) FROM config_feed))
"""


class ForgottenError(InvalidError):
    """Entries that follow this position are no longer kept. Go on from the oldest that is."""

    code = "feed_forgotten"
    status = 410


class AheadError(InvalidError):
    """The feed has not come so far: this position was never given, or not by this database."""

    code = "feed_ahead"


class Entry(NamedTuple):
    """What happened, in public or, with an owner (`agent` or `quest`, and its id), for that one alone."""

    kind: str
    at: datetime
    data: Mapping[str, Any]
    owner_type: str = ""
    owner_id: str = ""
    pool: str = ""


def publish(entries: Sequence[Entry]) -> None:
    """Tell what happened, in the transaction of the deed: readers see it when that is committed, or never."""
    if not entries:
        return
    columns = zip(*((e.kind, e.at, e.owner_type, e.owner_id, e.pool, _spelled(e.data)) for e in entries), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_PUBLISH, [list(column) for column in columns])


def last() -> int:
    """Give every entry that was committed its position, commit that, and return the last position (0: none yet).

    Whoever reads then up to this position has all there is up to it: positions are given one after the other under
    a lock, so a reader that sees one sees all before it. The lock is held to the end of the transaction: call it in
    none of your own that goes on.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_WAITING)
        if cursor.fetchone()[0]:
            # A statement of its own: what the next one sees was committed after the lock was had.
            cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [_LOCK])
            cursor.execute(_PLACE)
    with connection.cursor() as cursor:
        cursor.execute(_LAST)
        position: int = cursor.fetchone()[0]
    return position


def _spelled(data: Mapping[str, Any]) -> str:
    return json.dumps(data, cls=DjangoJSONEncoder, ensure_ascii=False)


class Page(NamedTuple):
    """Entries in their order. `after` is the position to go on from: all up to it was told, or is not for this reader.

    `is_last`: there was nothing more to tell.
    """

    entries: list[FeedEntry]
    after: int
    is_last: bool


def read(
    after: int | None,
    limit: int,
    *,
    owners: Collection[tuple[str, str]] | None,
    kinds: Collection[str] = (),
    pool: str = "",
) -> Page:
    """Return what happened after a position, at most `limit` entries: what is public and what is for these owners.

    `after` None begins at the oldest entry that is kept, `owners` None reads everybody's. Refuses a position that was
    never given, and one whose followers are no longer all kept.
    """
    upto = last()
    if after is not None and after > upto:
        raise AheadError(last=upto)
    mine = Q(owner_type="")
    for owner_type in sorted({kind for kind, _name in owners or ()}):
        names = [name for kind, name in owners or () if kind == owner_type]
        mine |= Q(owner_type=owner_type, owner_id__in=names)
    found = FeedEntry.objects.filter(position__gt=after or 0, position__lte=upto)
    if owners is not None:
        found = found.filter(mine)
    if kinds:
        found = found.filter(kind__in=list(kinds))
    if pool:
        found = found.filter(pool=pool)
    entries = list(found.order_by("position")[:limit])
    if after is not None:
        _refuse_forgotten(after)  # asked afterwards: what was forgotten meanwhile was missed
    full = len(entries) == limit
    return Page(entries, entries[-1].position or 0 if full else upto, not full)


def _refuse_forgotten(after: int) -> None:
    oldest = FeedEntry.objects.aggregate(oldest=Min("position"))["oldest"]
    if oldest is not None and after < oldest - 1:
        raise ForgottenError(oldest=oldest, go_on_after=oldest - 1)


def next_poll(page: Page, now: datetime) -> datetime:
    """Return when to read on: at once while there is more, in a second where things happen, else in five."""
    return now if not page.is_last else now + (_SOON if page.entries else _LATER)


def outdated(before: datetime) -> retention.Outdated:
    """Return the entries that came before the first one of this moment or later; they go from the beginning on."""
    last()
    with connection.cursor() as cursor:
        cursor.execute(_KEPT_FROM, [before])
        terms = {"kept_from": cursor.fetchone()[0]}
    return retention.Outdated("entries of the feed", "config_feed", "position < %(kept_from)s", terms, by="position")
