"""What was seen of an entity (papers, debates, votes, bounties): recorded once per event, counted until withdrawn."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple

from django.db import connection, transaction
from pydantic import BaseModel, ConfigDict, ValidationError

from economics import errors, events, scoring
from economics.faults import Faults, fault, faults_of
from economics.models import Observation

MOST_AT_ONCE: Final = 10_000
RECORDED, DUPLICATE, CONFLICT, REFUSED = "recorded", "duplicate", "conflict", "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Something seen about an entity. `at` None: when it arrived."""

    entity_type: str
    entity_id: str
    kind: str
    reference: str = ""
    principal: str = ""
    source: str = ""
    event_id: str
    at: datetime | None = None


FIELDS: Final = tuple(field.name for field in fields(Observed))


class _Native(BaseModel):
    """Each field by itself; null is the same as not given."""

    model_config = ConfigDict(strict=True, extra="forbid")

    entity_type: events.Word
    entity_id: events.Name
    kind: Literal["paper", "debate", "replication", "kg_link", "vote", "comment", "bounty"]
    reference: events.Name | None = None
    principal: events.Name | None = None
    source: events.Name | None = None
    event_id: events.Name
    at: events.Moment = None


def native(item: Mapping[str, Any], *, now: datetime) -> Observed | Faults:
    """Return the observation an object in our own names describes, or everything that is wrong with it.

    Evidence needs a `reference` (what it is), interest a `principal` (whose it is); nothing lies more than five
    minutes ahead of `now`.
    """
    try:
        given = _Native.model_validate(item if isinstance(item, dict) else dict(item))
    except ValidationError as error:
        return faults_of(error, kind="unknown_kind")
    found = []
    named = "reference" if given.kind in scoring.EVIDENCE else "principal"
    if getattr(given, named) is None:
        found.append(fault("required", f"/{named}"))
    if given.at is not None and given.at > now + events.AHEAD:
        found.append(fault("from_the_future", "/at"))
    said = {name: value for name, value in given.model_dump().items() if value is not None}
    return found or Observed(**said)


_INCOMING: Final = f"""
SELECT * FROM unnest({", ".join(f"%({name})s::{'timestamptz' if name == 'at' else 'text'}[]" for name in FIELDS)})
  WITH ORDINALITY AS i({", ".join(FIELDS)}, place)
"""  # noqa: S608 - made of constants, as are those below

# In the order of the identity, so that two batches with the same events wait for each other in one order.
_RECORD: Final = f"""
INSERT INTO economics_observations (entity_type, entity_id, kind, reference, principal, source, event_id, at,
                                    recorded_at)
SELECT entity_type, entity_id, kind, reference, principal, source, event_id, coalesce(at, %(now)s), %(now)s
  FROM ({_INCOMING}) AS i ORDER BY source, event_id, place
    ON CONFLICT (source, event_id) DO NOTHING RETURNING id
"""  # noqa: S608
_FOUND: Final = f"""
SELECT o.id, (o.entity_type, o.entity_id, o.kind, o.reference, o.principal, o.at)
           = (i.entity_type, i.entity_id, i.kind, i.reference, i.principal, coalesce(i.at, o.at))
  FROM ({_INCOMING}) AS i JOIN economics_observations o USING (source, event_id) ORDER BY i.place
"""  # noqa: S608


class Recorded(NamedTuple):
    """What became of one observation: its row, new or from before."""

    status: str
    observation_id: int | None = None
    code: str = ""


@transaction.atomic
def observe_many(rows: Sequence[Observed], *, now: datetime, namespace: str | None = None) -> list[Recorded]:
    """Record up to 10,000 observations, each once per (source, event id); return what became of each, in order.

    One recorded before is a `duplicate`, or a `conflict` when it says something else, and is left as it is, withdrawn
    or not. `namespace` stands before every source, so that nobody can take another's identities.
    """
    if len(rows) > MOST_AT_ONCE:
        msg = f"At most {MOST_AT_ONCE:,} observations are recorded at once."
        raise errors.BatchTooLargeError(msg, size=len(rows), most=MOST_AT_ONCE)
    terms: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in FIELDS}
    terms["source"] = [_source(row, namespace) for row in rows]
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, {**terms, "now": now})
        new = {pk for (pk,) in cursor.fetchall()}
        cursor.execute(_FOUND, terms)
        found = cursor.fetchall()
    results = []
    for pk, same in found:
        if pk in new:
            new.discard(pk)  # the same again in this batch is not new
            results.append(Recorded(RECORDED, pk))
        else:
            results.append(Recorded(DUPLICATE, pk) if same else Recorded(CONFLICT, pk, errors.EventConflictError.code))
    return results


def _source(one: Observed, namespace: str | None) -> str:
    return one.source if namespace is None else f"{namespace}/{one.source}"


def observe(one: Observed, *, now: datetime, namespace: str | None = None) -> Observation:
    """Record one observation and return its row; the same again returns the first row.

    Refuses one that was recorded before and said something else.
    """
    (result,) = observe_many([one], now=now, namespace=namespace)
    if result.status == CONFLICT:
        raise errors.EventConflictError(observation_id=result.observation_id)
    return Observation.objects.get(source=_source(one, namespace), event_id=one.event_id)


@transaction.atomic
def withdraw(observation_ids: Collection[int], *, who: str, now: datetime) -> int:
    """Let these observations count for nothing from now on, for good; return how many had still counted."""
    alive = Observation.objects.filter(pk__in=observation_ids, withdrawn_at=None).order_by("pk")
    locked = list(alive.select_for_update(no_key=True).values_list("pk", flat=True))
    return Observation.objects.filter(pk__in=locked).update(withdrawn_at=now, withdrawn_by=who)


class Known(StrEnum):
    """What is on record of a paper: it stands, was withdrawn, or stands on the record of another entity only."""

    STANDS = "stands"
    WITHDRAWN = "withdrawn"
    ELSEWHERE = "elsewhere"


# As sources spell a PMID. Whole references are compared, so that an index finds them.
_SPELLINGS: Final = ("{}", "PMID:{}", "pmid:{}", "PMID: {}", "pmid: {}", "PMID {}", "pmid {}")

# Of each paper the row that says most: it stands here before all else; a withdrawal elsewhere says nothing.
_PAPERS: Final = """
SELECT DISTINCT ON (p.pmid) p.pmid, CASE WHEN NOT p.is_own THEN 'elsewhere' WHEN p.stands THEN 'stands'
                                         ELSE 'withdrawn' END
  FROM (SELECT i.pmid, o.withdrawn_at IS NULL AS stands,
               (o.entity_type, o.entity_id) = (%(entity_type)s, %(entity_id)s) AS is_own
          FROM unnest(%(spelled)s::text[], %(pmids)s::text[]) AS i(reference, pmid)
          JOIN economics_observations o ON o.kind = 'paper' AND o.reference = i.reference) AS p
 WHERE p.is_own OR p.stands
 ORDER BY p.pmid, p.is_own AND p.stands DESC, p.is_own DESC
"""


def papers(entity_type: str, entity_id: str, pmids: Collection[str]) -> dict[str, Known]:
    """Return what is on record of these papers, by PMID in digits; one that nobody observed is left out.

    An observation names its paper as 123, PMID:123 or in a spelling between.
    """
    pairs = [(spelling.format(pmid), pmid) for pmid in pmids for spelling in _SPELLINGS]
    terms: dict[str, Any] = {
        "entity_type": entity_type,
        "entity_id": entity_id,
        "spelled": [spelled for spelled, _pmid in pairs],
        "pmids": [pmid for _spelled, pmid in pairs],
    }
    with connection.cursor() as cursor:
        cursor.execute(_PAPERS, terms)
        return {pmid: Known(known) for pmid, known in cursor.fetchall()}
