"""What the market says: sources registered, what each said of an entity and when, and how sure that makes us."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import IntegrityError, connection, transaction
from pydantic import BaseModel, ConfigDict, ValidationError

from config.errors import RefusedError
from config.models import Agent
from economics import errors, events, revisions
from economics.faults import Faults, fault, faults_of
from economics.models import Signal, SignalSource

MOST_AT_ONCE: Final = 10_000
RECORDED, DUPLICATE, CONFLICT, REFUSED = "recorded", "duplicate", "conflict", "refused"
_PLACES: Final = Decimal("1e-12")  # of a value as it is kept

# What the signals on each entity come to at %(now)s, by %(half_life_days)s and %(gain)s of the policy. Of each source
# and local day the last signal counts. One older than ten half-lives would have less than a thousandth of a say: it is
# left out, so that old signals are never read. A price that is no probability counts by its mid-rank among the latest
# prices of its source and type, its own latest replaced by it. With twenty zeros behind it `power` is as exact as
# `scoring.confidence`, against which all this is held, to twenty places.
_SURE: Final = """
WITH said AS (
    SELECT g.*, row_number() OVER (of_day ORDER BY g.at DESC, g.id DESC) = 1 AS is_last_of_day,
           row_number() OVER (of_source ORDER BY g.at DESC, g.id DESC) = 1 AS is_latest,
           first_value(g.value) OVER (of_source ORDER BY g.at DESC, g.id DESC) AS latest
      FROM economics_signals g JOIN economics_signal_sources s ON s.name = g.source_id CROSS JOIN economics_policy p
     WHERE {counted} AND g.at <= %(now)s::timestamptz
       AND g.at >= %(now)s::timestamptz - 10 * %(half_life_days)s * interval '24 hours'
    WINDOW of_source AS (PARTITION BY g.source_id, g.entity_type, g.entity_id),
           of_day AS (PARTITION BY g.source_id, g.entity_type, g.entity_id, (g.at AT TIME ZONE p.zone)::date)),
placed AS (
    SELECT entity_type, entity_id, is_probability, value, latest,
           extract(epoch FROM %(now)s::timestamptz - at) / (86400 * %(half_life_days)s) AS half_lives,
           count(*) FILTER (WHERE is_latest) OVER (market) AS n,
           count(*) FILTER (WHERE is_latest) OVER (market ORDER BY value) AS upto,
           count(*) FILTER (WHERE is_latest) OVER (PARTITION BY source_id, entity_type, value) AS equal
      FROM said WHERE is_last_of_day
    WINDOW market AS (PARTITION BY source_id, entity_type)),
weighed AS (
    SELECT entity_type, entity_id, power(2.00000000000000000000, -half_lives) AS h,
           CASE WHEN is_probability THEN value
                ELSE (upto - equal - (latest < value)::int + (equal - (latest = value)::int + 1) / 2.0) / n END AS x
      FROM placed),
sure AS (
    SELECT entity_type, entity_id, count(*) AS signals, (0.5 + sum(h * x)) / (1 + sum(h)) AS c
      FROM weighed GROUP BY entity_type, entity_id)
SELECT entity_type, entity_id, signals, round(c, 12) AS confidence,
       round(least(greatest(%(gain)s * (2 * c - 1), -0.5), 1), 6) AS market_signal
  FROM sure
"""
CONFIDENCES: Final = _SURE.format(counted="s.is_active")
CONFIDENCES_OF_SOURCE: Final = _SURE.format(counted="s.name = %(source)s")  # of one alone, whether it counts or not

# Of one entity: its own signals, and where prices count by their rank those of all others of its type.
CONFIDENCE_OF_ENTITY: Final = (
    _SURE.format(
        counted="s.is_active AND g.entity_type = %(entity_type)s "
        "AND (g.entity_id = %(entity_id)s OR NOT g.is_probability)"
    )
    + " WHERE entity_type = %(entity_type)s AND entity_id = %(entity_id)s"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What a source says of an entity: a probability or a price. `at` None: when it arrived."""

    entity_type: str
    entity_id: str
    value: Decimal
    source: str
    event_id: str
    at: datetime | None = None


FIELDS: Final = tuple(field.name for field in fields(Posted))


class _Native(BaseModel):
    """Each field by itself; null is the same as not given."""

    model_config = ConfigDict(strict=True, extra="forbid")

    entity_type: events.Word
    entity_id: events.Name
    value: events.Figure
    source: events.Word
    event_id: events.Name
    at: events.Moment = None


def native(item: Mapping[str, Any], *, now: datetime) -> Posted | Faults:
    """Return the signal an object in our own names describes, or everything that is wrong with it.

    A value is kept with 12 decimals, half to even: programs write more digits than they mean. Nothing lies more than
    five minutes ahead of `now`.
    """
    try:
        given = _Native.model_validate(item if isinstance(item, dict) else dict(item))
    except ValidationError as error:
        return faults_of(error)
    found = [] if given.value is not None else [fault("required", "/value")]
    if given.at is not None and given.at > now + events.AHEAD:
        found.append(fault("from_the_future", "/at"))
    if found or given.value is None:
        return found
    return Posted(**{**given.model_dump(), "value": given.value.quantize(_PLACES)})


def register(  # noqa: PLR0913 - a source has this many terms
    name: str,
    *,
    kind: str,
    is_probability: bool = True,
    agent: Agent | None = None,
    title: str = "",
    author: revisions.Author,
    now: datetime,
) -> SignalSource:
    """Register a source and return it. Its values are probabilities, or prices that count by their rank.

    With an agent, which must be an exchange, that agent posts; without one the house does, from files. What a source
    is never changes. Refuses a name that is taken or no slug, an unknown kind, a confidence that is no probability,
    and an agent of another kind.
    """
    source = SignalSource(
        name=name,
        kind=kind,
        is_probability=is_probability,
        agent=agent,
        agent_kind=agent.kind if agent else None,
        title=title,
        registered_at=now,
        registered_by=author.who,
    )
    try:
        with transaction.atomic():
            source.save(force_insert=True)
    except IntegrityError as error:
        law = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""
        if law not in _SENTENCES:
            raise errors.SourceExistsError(source=name) from error
        raise errors.InvalidSourceError(_SENTENCES[law], law=law) from error
    return source


_SENTENCES: Final = {
    "signal_source_named": "A source has a name of letters, digits, - and _.",
    "signal_source_kind_known": "A source posts prices or confidences, and a confidence is a probability.",
    "signal_source_is_an_exchange": "Only an exchange posts signals.",
}


def set_active(names: Collection[str], *, is_active: bool) -> int:
    """Let these sources post and count, or neither; return how many had been otherwise."""
    return SignalSource.objects.filter(pk__in=names, is_active=not is_active).update(is_active=is_active)


class Recorded(NamedTuple):
    """What became of one signal: its row, new or from before."""

    status: str
    signal_id: int | None = None
    code: str = ""
    detail: str = ""


_INCOMING: Final = """
SELECT * FROM unnest(%(place)s::int[], %(source)s::text[], %(event_id)s::text[], %(entity_type)s::text[],
                     %(entity_id)s::text[], %(value)s::numeric[], %(at)s::timestamptz[])
    AS i(place, source_id, event_id, entity_type, entity_id, value, at)
"""

# In the order of the identity, so that two batches with the same events wait for each other in one order.
_RECORD: Final = f"""
INSERT INTO economics_signals (source_id, is_probability, entity_type, entity_id, value, event_id, at, recorded_at)
SELECT i.source_id, s.is_probability, i.entity_type, i.entity_id, i.value, i.event_id, coalesce(i.at, %(now)s), %(now)s
  FROM ({_INCOMING}) AS i JOIN economics_signal_sources s ON s.name = i.source_id
 ORDER BY i.source_id, i.event_id, i.place
    ON CONFLICT (source_id, event_id) DO NOTHING RETURNING id
"""  # noqa: S608 - made of constants, as is the next
_FOUND: Final = f"""
SELECT i.place, g.id, (g.entity_type, g.entity_id, g.value, g.at)
                    = (i.entity_type, i.entity_id, i.value, coalesce(i.at, g.at))
  FROM ({_INCOMING}) AS i JOIN economics_signals g USING (source_id, event_id) ORDER BY i.place
"""  # noqa: S608


@transaction.atomic
def post_many(rows: Sequence[Posted], *, agent: Agent | None, now: datetime) -> list[Recorded]:
    """Record up to 10,000 signals, each once per (source, event id); return what became of each, in order.

    One recorded before is a `duplicate`, or a `conflict` when it says something else, and is left as it is. Refused
    are those of a source that is unknown, inactive or not the agent's own, a value that is no probability where one
    belongs, and a signal on the source's own agent or on one its sponsor answers for, too. Without an agent the house
    posts, for any source.
    """
    if len(rows) > MOST_AT_ONCE:
        msg = f"At most {MOST_AT_ONCE:,} signals are posted at once."
        raise errors.BatchTooLargeError(msg, size=len(rows), most=MOST_AT_ONCE)
    results: dict[int, Recorded] = {}
    for place, refusal in _refusals(rows, agent).items():
        results[place] = Recorded(REFUSED, None, refusal.code, refusal.detail)
    good = [place for place in range(len(rows)) if place not in results]
    terms: dict[str, Any] = {name: [getattr(rows[place], name) for place in good] for name in FIELDS}
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, {**terms, "place": good, "now": now})
        new = {pk for (pk,) in cursor.fetchall()}
        cursor.execute(_FOUND, {**terms, "place": good})
        for place, pk, same in cursor.fetchall():
            if pk in new:
                new.discard(pk)  # the same again in this batch is not new
                results[place] = Recorded(RECORDED, pk)
            elif same:
                results[place] = Recorded(DUPLICATE, pk)
            else:
                conflict = errors.EventConflictError()
                results[place] = Recorded(CONFLICT, pk, conflict.code, conflict.detail)
    return [results[place] for place in range(len(rows))]


def _refusals(rows: Sequence[Posted], agent: Agent | None) -> dict[int, RefusedError]:
    sources = SignalSource.objects.select_related("agent").in_bulk({row.source for row in rows})
    named = {row.entity_id for row in rows if row.entity_type == _AGENT}
    sponsors = dict(Agent.objects.filter(pk__in=named).values_list("pk", "sponsor_id")) if named else {}
    refused: dict[int, RefusedError] = {}
    for place, row in enumerate(rows):
        source = sources.get(row.source)
        if source is None or (agent is not None and source.agent_id != agent.pk):
            refused[place] = errors.UnknownSourceError(source=row.source)
        elif not source.is_active:
            refused[place] = errors.SourceInactiveError(source=row.source)
        elif source.is_probability and row.value > 1:
            refused[place] = errors.InvalidSignalError("A probability is at most 1.", pointer="/value")
        elif source.agent and row.entity_type == _AGENT and _has_stake(source.agent, row.entity_id, sponsors):
            refused[place] = errors.SourceHasAStakeError(source=row.source)
    return refused


_AGENT: Final = "agent"  # the type of an envelope that is an agent's own


def _has_stake(exchange: Agent, entity_id: str, sponsors: Mapping[str, int | None]) -> bool:
    sponsor = sponsors.get(entity_id)
    return entity_id == exchange.pk or (sponsor is not None and sponsor == exchange.sponsor_id)


def post(row: Posted, *, agent: Agent | None, now: datetime) -> Signal:
    """Record one signal and return its row; the same again returns the first row. Refuses what `post_many` does."""
    refusal = _refusals([row], agent).get(0)
    if refusal is not None:
        raise refusal
    (result,) = post_many([row], agent=agent, now=now)
    if result.status == CONFLICT:
        raise errors.EventConflictError(signal_id=result.signal_id)
    return Signal.objects.get(source=row.source, event_id=row.event_id)
