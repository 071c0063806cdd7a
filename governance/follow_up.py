"""What became of it: promised and realised gain of enacted proposals side by side, by proposer and by reviewer."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection

from economics import outcomes

MOST: Final = 1_000  # proposals told at once

# Each enacted proposal with the span in which its gain counts: from the moment it took effect to the one by which it
# was promised, or to now. Net edges are those of its entity, whatever brought them about; a pool and a policy have
# none of their own. `alongside`: how many other enacted proposals on the entity have a span that overlaps, with which
# it shares them.
_FOLLOWED: Final = f"""
SELECT span.*, CASE WHEN span.measure NOT IN ('pool', 'policy') THEN g.edges END AS realised,
       span.gain_by <= %(at)s AS is_due,
       (SELECT count(*) FROM allocation_proposals other
         WHERE other.entity_type = span.entity_type AND other.entity_id = span.entity_id AND other.status = 'enacted'
           AND other.id <> span.id AND other.enacted_at <= span.ends AND other.gain_by >= span.starts
           AND other.enacted_at <= %(at)s) AS alongside
  FROM (SELECT p.id, p.proposer, p.proposer_id IS NULL AS by_agent, p.entity_type, p.entity_id, p.measure,
               p.resource_type, p.granted_tokens, p.decided_at, p.gain_by, p.gain_edges AS promised,
               p.enacted_at AS starts, least(p.gain_by, %(at)s) AS ends
          FROM allocation_proposals p
         WHERE p.status = 'enacted' AND p.enacted_at <= %(at)s AND {{which}}) AS span
 CROSS JOIN LATERAL ({outcomes.GAINED}) AS g
"""  # noqa: S608 - made of constants, as are those below
_COLUMNS: Final = """
id, proposer, by_agent, entity_type, entity_id, measure, resource_type, granted_tokens, starts, gain_by, promised,
realised, is_due, alongside
"""
_NAMED: Final = f"SELECT {_COLUMNS} FROM ({_FOLLOWED.format(which='p.id = ANY(%(ids)s)')}) AS f"  # noqa: S608
_SINCE: Final = """
(%(since)s::timestamptz IS NULL OR {moment} >= %(since)s) AND %(entity_type)s IN ('', p.entity_type)
"""
_LAST: Final = f"""
p.id = ANY(ARRAY(
    SELECT p.id FROM allocation_proposals p
     WHERE p.status = 'enacted' AND p.enacted_at <= %(at)s AND {_SINCE.format(moment="p.decided_at")}
     ORDER BY p.enacted_at DESC, p.id DESC LIMIT %(limit)s))
"""  # noqa: S608
_NEWEST: Final = f"SELECT {_COLUMNS} FROM ({_FOLLOWED.format(which=_LAST)}) AS f ORDER BY starts DESC, id DESC"  # noqa: S608

# What promises came to: of those due, then of those that are not.
_SUMS: Final = """
count(f.id), count(f.realised) FILTER (WHERE f.is_due),
count(f.id) FILTER (WHERE f.is_due AND f.realised >= f.promised),
coalesce(sum(f.promised) FILTER (WHERE f.is_due AND f.realised IS NOT NULL), 0),
coalesce(sum(f.realised) FILTER (WHERE f.is_due), 0),
coalesce(sum(f.promised) FILTER (WHERE NOT f.is_due AND f.realised IS NOT NULL), 0),
coalesce(sum(f.realised) FILTER (WHERE NOT f.is_due), 0)
"""
_BY_PROPOSER: Final = f"""
WITH f AS ({_FOLLOWED.format(which=_SINCE.format(moment="p.decided_at"))})
SELECT p.proposer, p.proposer_id IS NULL, count(*), count(*) FILTER (WHERE p.status IN ('approved', 'enacted')),
       count(*) FILTER (WHERE p.status = 'rejected'), count(*) FILTER (WHERE p.status = 'deferred'),
       count(*) FILTER (WHERE p.status = 'expired'), {_SUMS}
  FROM allocation_proposals p LEFT JOIN f ON f.id = p.id
 WHERE p.decided_at <= %(at)s AND {_SINCE.format(moment="p.decided_at")}
 GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608
# A proposal is approved by one ballot at most, so none is counted twice for a reviewer.
_BY_REVIEWER: Final = f"""
WITH f AS ({_FOLLOWED.format(which=_SINCE.format(moment="p.decided_at"))})
SELECT (array_agg(v.voter_name ORDER BY v.id DESC))[1], count(*), count(*) FILTER (WHERE v.choice = 'approve'),
       count(*) FILTER (WHERE v.choice = 'reject'), count(*) FILTER (WHERE v.choice = 'defer'),
       count(*) FILTER (WHERE v.choice = 'approve' AND b.outcome = 'approved'), {_SUMS}
  FROM governance_votes v JOIN governance_ballots b ON b.id = v.ballot_id
  JOIN allocation_proposals p ON p.id = b.proposal_id
  LEFT JOIN f ON f.id = p.id AND v.choice = 'approve' AND b.outcome = 'approved'
 WHERE v.superseded_at IS NULL AND b.closed_at <= %(at)s AND b.outcome <> 'withdrawn'
   AND {_SINCE.format(moment="b.closed_at")}
 GROUP BY v.voter_id ORDER BY 1, v.voter_id
"""  # noqa: S608


class Followed(NamedTuple):
    """An enacted proposal: net edges promised by a day, and those its entity gained since it took effect until then.

    `realised` None: a pool or a policy touches everybody, and what came of it is not told apart. `granted` is the
    change of its line, in that line's unit; None: a measure without an amount. `alongside`: how many
    other enacted proposals share the gain, for their spans on the entity overlap.
    """

    proposal_id: int
    proposer: str
    by_agent: bool
    entity_type: str
    entity_id: str
    measure: str
    resource_type: str
    granted: int | None
    enacted_at: datetime
    gain_by: datetime
    promised: Decimal
    realised: Decimal | None
    is_due: bool
    alongside: int

    @property
    def share(self) -> Decimal | None:
        """What was realised of what was promised; None where nothing was."""
        return _share(self.realised, self.promised)

    @property
    def promise(self) -> str:
        """What became of the promise, in a word or two."""
        if self.realised is None:
            return "not told apart"
        return {None: "not due", True: "kept", False: "not kept"}[self.is_kept]

    @property
    def is_kept(self) -> bool | None:
        """Whether the promise was kept; None: its day has not come, or nobody could tell."""
        return self.realised >= self.promised if self.is_due and self.realised is not None else None


class Sums(NamedTuple):
    """What the promises of enacted proposals came to, in net edges.

    Those of pools and policies are in `enacted` only. `promised` and `realised` are of those whose day has come (`due`,
    of which some were `kept`); `open_…` of the others, whose gain is still coming in.
    """

    enacted: int
    due: int
    kept: int
    promised: Decimal
    realised: Decimal
    open_promised: Decimal
    open_realised: Decimal

    @property
    def share(self) -> Decimal | None:
        """What was realised of what was promised by now; None where nothing was."""
        return _share(self.realised, self.promised)


class OfProposer(NamedTuple):
    """What was decided of somebody's proposals, by where they stand now, and what his promises came to."""

    proposer: str
    by_agent: bool
    decided: int
    approved: int
    rejected: int
    deferred: int
    expired: int
    sums: Sums


class OfReviewer(NamedTuple):
    """How a reviewer voted in ballots that ended, and what became of the proposals he helped to approve.

    `carried`: his approvals in ballots that approved; the sums are of those of them that were enacted.
    """

    reviewer: str
    voted: int
    approvals: int
    rejections: int
    deferrals: int
    carried: int
    sums: Sums


def _share(realised: Decimal | None, promised: Decimal) -> Decimal | None:
    return None if realised is None or not promised else round(realised / promised, 4)


def of(proposal_ids: Collection[int], at: datetime) -> dict[int, Followed]:
    """Return promised and realised gain of those of these proposals that were enacted, by id, in one statement.

    Realised are the net edges of the entity achieved from enactment to `gain_by`, or to `at` while that has not come:
    gained less removed, corrections counting at the time of what they correct. It is what the entity gained, not what
    the proposal caused: two proposals on one entity share the edges of the days that they have in common.
    """
    return {row.proposal_id: row for row in _followed(_NAMED, {"ids": list(proposal_ids), "at": at})}


def enacted(*, at: datetime, since: datetime | None = None, entity_type: str = "", limit: int = MOST) -> list[Followed]:
    """Return the same of what was decided since a moment and enacted, the last to take effect first."""
    return _followed(_NEWEST, {"at": at, "since": since, "entity_type": entity_type, "limit": min(limit, MOST)})


def by_proposer(*, at: datetime, since: datetime | None = None, entity_type: str = "") -> list[OfProposer]:
    """Return what became of each proposer's proposals that were decided since a moment, by name, in one statement.

    One that is voted on again after a deferral, or was withdrawn after approval, is decided and in no other column.
    """
    rows = _rows(_BY_PROPOSER, {"at": at, "since": since, "entity_type": entity_type})
    return [OfProposer._make((*row[:7], Sums._make(row[7:]))) for row in rows]


def by_reviewer(*, at: datetime, since: datetime | None = None, entity_type: str = "") -> list[OfReviewer]:
    """Return whose approvals paid off: by name, each reviewer's standing votes in ballots that ended since a moment.

    An approval is credited with the promise and the gain of its proposal when the ballot approved it and it was
    enacted, all of them to each approver. In one statement.
    """
    rows = _rows(_BY_REVIEWER, {"at": at, "since": since, "entity_type": entity_type})
    return [OfReviewer._make((*row[:6], Sums._make(row[6:]))) for row in rows]


def _followed(statement: str, terms: dict[str, Any]) -> list[Followed]:
    return [Followed._make(row) for row in _rows(statement, terms)]


def _rows(statement: str, terms: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, terms)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
