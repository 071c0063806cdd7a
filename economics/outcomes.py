"""What came of work (edges gained and lost, papers, better hypotheses): recorded once per event, corrected by rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from django.db import connection, transaction
from django.db.models import Sum
from pydantic import BaseModel, ConfigDict, ValidationError

from economics import errors, events
from economics.faults import Fault, Faults, fault, faults_of
from economics.models import Outcome

MOST_AT_ONCE: Final = 10_000
OWN_SOURCE: Final = "correction"  # of the events the house itself records
RECORDED, DUPLICATE, CONFLICT, REFUSED = "recorded", "duplicate", "conflict", "refused"
_BOUND: Final = 10**12
_PARTED: Final = "artifact_quality"  # points; all the others are counted whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Achieved:
    """Something achieved for an entity, or lost again; `amount` counts what `kind` says. `at` None: when it arrived.

    Edges removed are a positive amount of their own kind, not a negative one of edges gained.
    """

    entity_type: str
    entity_id: str
    kind: str
    amount: Decimal
    artifact_type: str = ""
    artifact_id: str = ""
    source: str = ""
    event_id: str
    at: datetime | None = None


FIELDS: Final = tuple(field.name for field in fields(Achieved))


class _Native(BaseModel):
    """Each field by itself; null is the same as not given."""

    model_config = ConfigDict(strict=True, extra="forbid")

    entity_type: events.Word
    entity_id: events.Name
    kind: Literal["edges_gained", "edges_removed", "papers", "hypotheses_improved", "artifact_quality"]
    amount: events.Amount
    artifact_type: events.Word | None = None
    artifact_id: events.Name | None = None
    source: events.Name | None = None
    event_id: events.Name
    at: events.Moment = None


def native(item: Mapping[str, Any], *, now: datetime) -> Achieved | Faults:
    """Return the outcome an object in our own names describes, or everything that is wrong with it.

    An amount lies above 0 and below 10^12 and is whole, but for points of artifact quality, which have at most 6
    decimals; nothing lies more than five minutes ahead of `now`.
    """
    try:
        given = _Native.model_validate(item if isinstance(item, dict) else dict(item))
    except ValidationError as error:
        return faults_of(error, kind="unknown_outcome")
    said = {name: value for name, value in given.model_dump().items() if value is not None}
    found = _faults_of_amount(given.kind, said.get("amount"))
    if given.at is not None and given.at > now + events.AHEAD:
        found.append(fault("from_the_future", "/at"))
    return found or Achieved(**said)


def _faults_of_amount(kind: str, amount: Decimal | None) -> Faults:
    if amount is None:
        return [fault("required", "/amount")]
    if amount <= 0:
        return [fault("not_positive", "/amount")]
    if amount >= _BOUND:
        return [Fault("too_large", "A number below 10^12 is expected.", "/amount")]
    if kind != _PARTED and amount % 1:
        return [fault("not_whole", "/amount")]
    return []


_TYPES: Final = {"amount": "numeric", "at": "timestamptz"}
_INCOMING: Final = f"""
SELECT * FROM unnest({", ".join(f"%({name})s::{_TYPES.get(name, 'text')}[]" for name in FIELDS)})
  WITH ORDINALITY AS i({", ".join(FIELDS)}, place)
"""  # noqa: S608 - made of constants, as are those below

# In the order of the identity, so that two batches with the same events wait for each other in one order.
_RECORD: Final = f"""
INSERT INTO economics_outcomes (entity_type, entity_id, kind, amount, artifact_type, artifact_id, source, event_id, at,
                                agent_id, recorded_at)
SELECT entity_type, entity_id, kind, amount, artifact_type, artifact_id, source, event_id, coalesce(at, %(now)s),
       %(agent_id)s, %(now)s
  FROM ({_INCOMING}) AS i WHERE source <> %(own)s ORDER BY source, event_id, place
    ON CONFLICT (source, event_id) DO NOTHING RETURNING id
"""  # noqa: S608
_FOUND: Final = f"""
SELECT o.id, (o.entity_type, o.entity_id, o.kind, o.amount, o.artifact_type, o.artifact_id, o.at)
           = (i.entity_type, i.entity_id, i.kind, i.amount, i.artifact_type, i.artifact_id, coalesce(i.at, o.at))
  FROM ({_INCOMING}) AS i
  LEFT JOIN economics_outcomes o ON o.source = i.source AND o.event_id = i.event_id AND i.source <> %(own)s
 ORDER BY i.place
"""  # noqa: S608


class Recorded(NamedTuple):
    """What became of one outcome: its row, new or from before."""

    status: str
    outcome_id: int | None = None
    code: str = ""


@transaction.atomic
def record_many(
    rows: Sequence[Achieved], *, agent_id: str, now: datetime, namespace: str | None = None
) -> list[Recorded]:
    """Record up to 10,000 outcomes, each once per (source, event id), and return what became of each, in order.

    One recorded before is a `duplicate`, or a `conflict` when it says something else, and is left as it is; one under
    the house's own source is `refused`. `namespace` stands before every source, so that nobody can take another's
    identities. `agent_id` is who reports.
    """
    if len(rows) > MOST_AT_ONCE:
        msg = f"At most {MOST_AT_ONCE:,} outcomes are recorded at once."
        raise errors.BatchTooLargeError(msg, size=len(rows), most=MOST_AT_ONCE)
    terms: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in FIELDS}
    if namespace is not None:
        terms["source"] = [f"{namespace}/{source}" for source in terms["source"]]
    terms |= {"agent_id": agent_id, "now": now, "own": OWN_SOURCE}
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, terms)
        new = {pk for (pk,) in cursor.fetchall()}
        cursor.execute(_FOUND, terms)
        return [_became(pk, new, same=same) for pk, same in cursor.fetchall()]


def _became(pk: int | None, new: set[int], *, same: bool) -> Recorded:
    if pk is None:
        return Recorded(REFUSED, code=errors.InvalidOutcomeError.code)
    if pk in new:
        new.discard(pk)  # the same again in this batch is not new
        return Recorded(RECORDED, pk)
    return Recorded(DUPLICATE, pk) if same else Recorded(CONFLICT, pk, errors.EventConflictError.code)


def record(one: Achieved, *, agent_id: str, now: datetime, namespace: str | None = None) -> Outcome:
    """Record one outcome and return its row; the same again returns the first row.

    Refuses one that was recorded before and said something else, and the house's own source.
    """
    (result,) = record_many([one], agent_id=agent_id, now=now, namespace=namespace)
    if result.status == CONFLICT:
        raise errors.EventConflictError(outcome_id=result.outcome_id)
    if result.outcome_id is None:
        msg = "This source is the house's own; name another."
        raise errors.InvalidOutcomeError(msg, pointer="/source")
    return Outcome.objects.get(pk=result.outcome_id)


_SAME: Final = ("entity_type", "entity_id", "kind", "artifact_type", "artifact_id", "agent_id", "at")


@transaction.atomic
def correct(  # noqa: PLR0913 - a correction has this many parts
    outcome_id: int,
    *,
    key: str,
    note: str,
    author: str,
    now: datetime,
    amount: Decimal | None = None,
    agent_id: str | None = None,
) -> Outcome:
    """Take back `amount` of an outcome (all that is left of it when not given) by a negative row that names it.

    It counts at the time of the outcome it corrects, once per `key`. With `agent_id` only that agent's outcomes are
    found. Refuses more than is left, a correction of a correction, an amount of 0 or less or in parts where the
    outcome is counted whole, and a key that took back another amount.
    """
    # Locked, so that corrections of one outcome see each other and together never take back more than it had.
    outcome = Outcome.objects.select_for_update(no_key=True).filter(pk=outcome_id).first()
    if outcome is None or (agent_id is not None and outcome.agent_id != agent_id):
        raise errors.UnknownOutcomeError(outcome_id=outcome_id)
    if outcome.corrects_id is not None:
        msg = "A correction cannot itself be corrected; record the outcome again."
        raise errors.NotCorrectableError(msg, outcome_id=outcome_id)
    event_id = f"{outcome_id}:{key}"
    if before := Outcome.objects.filter(source=OWN_SOURCE, event_id=event_id).first():
        if amount not in {None, -before.amount}:
            raise errors.EventConflictError(outcome_id=before.pk)
        return before
    taken = Outcome.objects.filter(corrects_id=outcome_id).aggregate(total=Sum("amount"))["total"] or 0
    left = outcome.amount + taken
    asked = left if amount is None else amount
    step = Decimal("1e-6") if outcome.kind == _PARTED else Decimal(1)
    if not asked.is_finite() or not 0 < asked <= left or asked % step:
        raise errors.CorrectionTooLargeError(pointer="/amount", left=left, asked=asked)
    return Outcome.objects.create(
        **{name: getattr(outcome, name) for name in _SAME},
        amount=-asked,
        corrects=outcome,
        source=OWN_SOURCE,
        event_id=event_id,
        note=f"{author}: {note}",
        recorded_at=now,
    )


# What one outcome counts in net edges, nothing else counted; `o` is its row. No policy goes into it, so what a period
# brought in stays the same whatever is decided later.
NET_EDGES: Final = "o.amount * CASE o.kind WHEN 'edges_gained' THEN 1 WHEN 'edges_removed' THEN -1 ELSE 0 END"

# Net edges of the entity of a `span`: a row with entity_type, entity_id and the moments starts <= at <= ends, which a
# statement joins it to by LATERAL.
GAINED: Final = f"""
SELECT coalesce(sum({NET_EDGES}), 0) AS edges FROM economics_outcomes o
 WHERE o.entity_type = span.entity_type AND o.entity_id = span.entity_id AND o.at >= span.starts AND o.at <= span.ends
"""  # noqa: S608 - made of constants, as are those below

_TOTALS: Final = f"""
SELECT count(*), coalesce(sum({NET_EDGES}), 0), coalesce(sum(o.amount) FILTER (WHERE o.kind = 'hypotheses_improved'), 0)
  FROM economics_outcomes o
 WHERE o.entity_type = %(entity_type)s AND o.entity_id = %(entity_id)s AND o.at <= %(until)s
"""  # noqa: S608
_POINTS: Final = """
SELECT sum(o.amount) FROM economics_outcomes o
 WHERE o.entity_type = %(entity_type)s AND o.entity_id = %(entity_id)s AND o.kind = 'artifact_quality'
   AND o.artifact_id = ANY(%(artifacts)s)
 GROUP BY coalesce(o.corrects_id, o.id) ORDER BY coalesce(o.corrects_id, o.id)
"""


class Totals(NamedTuple):
    """What an entity has on record: how many outcomes, net edges, and hypotheses improved, corrections included."""

    outcomes: int
    edges: Decimal
    hypotheses: Decimal


def totals(entity_type: str, entity_id: str, *, until: datetime) -> Totals:
    """Return what was achieved for an entity up to a moment."""
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS, {"entity_type": entity_type, "entity_id": entity_id, "until": until})
        return Totals(*cursor.fetchone())


def points(entity_type: str, entity_id: str, artifacts: Collection[str]) -> list[Decimal]:
    """Return the points of quality recorded for an entity's artifacts of these ids, oldest first, as corrected."""
    with connection.cursor() as cursor:
        cursor.execute(
            _POINTS, {"entity_type": entity_type, "entity_id": entity_id, "artifacts": [a for a in artifacts if a]}
        )
        return [number for (number,) in cursor.fetchall()]
