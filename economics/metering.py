"""What was used, as rows that stay: recorded once per event, priced when they arrive, corrected by further rows."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_DOWN, Decimal, localcontext
from itertools import repeat
from typing import Any, Final, NamedTuple

from django.db import connection, transaction
from django.db.models import Sum

from economics import errors
from economics.events import Event
from economics.models import Tier, Usage

MOST_AT_ONCE: Final = 10_000
OWN_SOURCES: Final = frozenset({"auction", "correction", "reservation"})  # of the events the house itself records
RECORDED, DUPLICATE, CONFLICT, REFUSED = "recorded", "duplicate", "conflict", "refused"

# One per connection; its rows are gone when the transaction ends. Behind PgBouncer a connection outlives a release, so
# the name tells the columns: what a release before left there is not taken for this.
_COLUMNS = """
    place integer, source text, event_id text, entity_type text, entity_id text, resource_type text,
    amount numeric(30, 6), input_tokens bigint, output_tokens bigint, cache_read_tokens bigint,
    cache_write_tokens bigint, model text, tier text, provider text, artifact_type text, artifact_id text,
    slot_id text, reported_cost numeric, created_at timestamptz, is_timed boolean, agent_id text
"""
_TABLE = f"economics_incoming_{hashlib.sha256(_COLUMNS.encode()).hexdigest()[:8]}"
_INCOMING = f"CREATE TEMPORARY TABLE IF NOT EXISTS {_TABLE} ({_COLUMNS}) ON COMMIT DELETE ROWS"
_COPY = f"COPY {_TABLE} FROM STDIN"

# Each kind of thing is looked up once, then every row finds its list by time. In the order of the identity that must
# be unique, so that two batches with the same events wait for each other in one order.
_RECORD = f"""
WITH kind AS MATERIALIZED (
    SELECT row_number() OVER () AS kind, k.*, m.tier_id,
           CASE k.resource_type WHEN 'llm_tokens' THEN m.name WHEN 'api_calls' THEN k.provider ELSE '' END AS priced_as
      FROM (SELECT DISTINCT resource_type, model, provider FROM {_TABLE}) AS k
      LEFT JOIN LATERAL economics_model(k.model) m ON k.resource_type = 'llm_tokens'
), list AS MATERIALIZED (
    SELECT k.kind, p.*, row_number() OVER w = 1 AS is_first, lead(effective_from) OVER w AS until
      FROM kind k JOIN economics_prices p
        ON p.resource_type = k.resource_type AND p.name = k.priced_as AND p.withdrawn_at IS NULL
    WINDOW w AS (PARTITION BY k.kind ORDER BY p.effective_from)
), new AS (
    INSERT INTO resource_usage (
        entity_type, entity_id, resource_type, amount, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, cost, price_id, rate, output_rate, is_first_list, reported_cost, model, tier, provider,
        artifact_type, artifact_id, agent_id, slot_id, source, event_id, created_at, recorded_at)
    SELECT i.entity_type, i.entity_id, i.resource_type, i.amount, i.input_tokens, i.output_tokens, i.cache_read_tokens,
           i.cache_write_tokens,
           economics_cost(i.amount, i.input_tokens, i.output_tokens, i.cache_read_tokens, i.cache_write_tokens,
                          l.rate, l.output_rate, l.cache_read_rate, l.cache_write_rate, p.unsplit_output_share),
           l.id, l.rate, l.output_rate, coalesce(i.created_at < l.effective_from, false), i.reported_cost, i.model,
           coalesce(k.tier_id, i.tier), i.provider, i.artifact_type, i.artifact_id, i.agent_id, i.slot_id, i.source,
           i.event_id, i.created_at, %(now)s
      FROM {_TABLE} i
      JOIN kind k ON (k.resource_type, k.model, k.provider) = (i.resource_type, i.model, i.provider)
      JOIN economics_policy p ON p.id = 1
      LEFT JOIN list l ON l.kind = k.kind AND (i.created_at >= l.effective_from OR l.is_first)
       AND (i.created_at < l.until OR l.until IS NULL)
     ORDER BY i.source, i.event_id, i.place
    ON CONFLICT (source, event_id) WHERE event_id IS NOT NULL DO NOTHING
    RETURNING id, source, event_id, cost, is_first_list
)
SELECT i.place, n.id, n.cost, n.is_first_list, min(i.place) OVER (PARTITION BY n.id) = i.place AS is_first
  FROM {_TABLE} i JOIN new n USING (source, event_id) ORDER BY i.place
"""  # noqa: S608 - made of constants, as is the next

# Events that were there before: the same again, or another under the same identity?
_KNOWN = f"""
SELECT i.place, u.id, u.cost,
       (u.entity_type, u.entity_id, u.resource_type, u.amount, u.input_tokens, u.output_tokens, u.cache_read_tokens,
        u.cache_write_tokens, u.model, u.provider) IS NOT DISTINCT FROM
       (i.entity_type, i.entity_id, i.resource_type, i.amount, i.input_tokens, i.output_tokens, i.cache_read_tokens,
        i.cache_write_tokens, i.model, i.provider)
       AND (u.created_at = i.created_at OR NOT i.is_timed)
  FROM {_TABLE} i JOIN resource_usage u ON u.source = i.source AND u.event_id = i.event_id
 WHERE i.place = ANY(%s)
"""  # noqa: S608


class Recorded(NamedTuple):
    """What became of one event: its row, new or from before, and its cost in USD (None: not priced yet).

    `is_first_list` is said of new rows: used before the first list of its model, and priced with that.
    """

    status: str
    usage_id: int | None = None
    cost: Decimal | None = None
    code: str = ""
    is_first_list: bool = False


@transaction.atomic
def record_many(
    events: Sequence[Event], *, agent_id: str | Sequence[str], now: datetime, namespace: str | None = None
) -> list[Recorded]:
    """Record up to 10,000 events, each once per (source, event id), and return what became of each, in order.

    One COPY and one INSERT. Tier and price are those of the catalogue at the time of use; what it does not know stays
    unpriced. An event recorded before is a `duplicate`, or a `conflict` when its figures differ, and is left as it
    is; one that names a tier nobody knows is `refused`. An event without an id gets one of its own; without a time it
    is of `now`. `namespace` stands before every event's own source, so that nobody can take another's identities.
    `agent_id` is who used it, for all events or one for each.
    """
    if len(events) > MOST_AT_ONCE:
        raise errors.BatchTooLargeError(size=len(events), most=MOST_AT_ONCE)
    agents = repeat(agent_id, len(events)) if isinstance(agent_id, str) else agent_id
    results: list[Recorded | None] = [None] * len(events)
    for place in _of_unknown_tiers(events):
        results[place] = Recorded(REFUSED, code=errors.UnknownTierError.code)
    with connection.cursor() as cursor:
        cursor.execute(_INCOMING)
        with cursor.copy(_COPY) as copy:
            for place, (event, agent) in enumerate(zip(events, agents, strict=True)):
                if results[place] is None:
                    copy.write_row(_row(place, event, agent, now, namespace))
        cursor.execute(_RECORD, {"now": now})
        for place, usage_id, cost, is_first_list, is_first in cursor.fetchall():
            if is_first:
                results[place] = Recorded(RECORDED, usage_id, cost, is_first_list=is_first_list)
        known = [place for place, result in enumerate(results) if result is None]
        if known:
            cursor.execute(_KNOWN, [known])
            for place, usage_id, cost, same in cursor.fetchall():
                code = "" if same else errors.EventConflictError.code
                results[place] = Recorded(DUPLICATE if same else CONFLICT, usage_id, cost, code)
        cursor.execute(f"DELETE FROM {_TABLE}")  # noqa: S608 - a constant
    return [result or Recorded(REFUSED) for result in results]


def _of_unknown_tiers(events: Sequence[Event]) -> list[int]:
    named = {event.tier for event in events} - {""}
    if not named:
        return []
    unknown = named - set(Tier.objects.filter(pk__in=named).values_list("pk", flat=True))
    return [place for place, event in enumerate(events) if event.tier in unknown]


def _row(place: int, e: Event, agent: str, now: datetime, namespace: str | None) -> tuple[Any, ...]:
    source = e.source if namespace is None else f"{namespace}/{e.source}"
    return (
        *(place, source, e.event_id or f"given:{uuid.uuid4()}", e.entity_type, e.entity_id),
        *(e.resource_type, e.amount, e.input_tokens, e.output_tokens, e.cache_read_tokens, e.cache_write_tokens),
        *(e.model, e.tier, e.provider, e.artifact_type, e.artifact_id, e.slot_id, e.reported_cost),
        *(e.created_at or now, e.created_at is not None, agent),
    )


def record(event: Event, *, agent_id: str, now: datetime, namespace: str | None = None) -> Usage:
    """Record one event and return its row; the same event again returns the first row.

    Refuses an event that was recorded with other figures and a tier nobody knows.
    """
    (result,) = record_many([event], agent_id=agent_id, now=now, namespace=namespace)
    if result.status == CONFLICT:
        raise errors.EventConflictError(usage_id=result.usage_id)
    if result.usage_id is None:
        raise errors.UnknownTierError(pointer="/tier", tier=event.tier)
    return row(result.usage_id)


_STORED: Final = [field.attname for field in Usage._meta.concrete_fields]  # noqa: SLF001 - Django documents it
_ROW: Final = f"SELECT {', '.join(_STORED)} FROM resource_usage WHERE id = %s"  # noqa: S608 - names of columns


def row(usage_id: int) -> Usage:
    """Return a usage row. It is on every hot path, and the ORM takes five times as long to write this statement."""
    with connection.cursor() as cursor:
        cursor.execute(_ROW, [usage_id])
        return Usage.from_db(connection.alias, _STORED, cursor.fetchone())


_STEP: Final = Decimal("1e-12")  # parts are rounded down: all of them together never take back more than was charged
_PARTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


@transaction.atomic
def correct(  # noqa: PLR0913 - a correction has this many parts
    usage_id: int,
    *,
    key: str,
    note: str,
    author: str,
    now: datetime,
    amount: Decimal | None = None,
    agent_id: str | None = None,
) -> Usage:
    """Take back `amount` of a usage row (all that is left of it when not given) by a negative row that names it.

    It counts in the window of the row it corrects, at that row's rates, once per `key`. A part of LLM tokens has the
    split of the whole. With `agent_id` only that agent's rows are found. Refuses more than is left, a correction of
    a correction, an amount of 0 or less, and a key that took back another amount.
    """
    usage = Usage.objects.select_for_update(no_key=True).filter(pk=usage_id).first()
    if usage is None or (agent_id is not None and usage.agent_id != agent_id):
        raise errors.UnknownUsageError(usage_id=usage_id)
    if usage.corrects_id is not None:
        raise errors.NotCorrectableError(usage_id=usage_id)
    event_id = f"{usage_id}:{key}"
    if before := Usage.objects.filter(source="correction", event_id=event_id).first():
        if amount not in {None, -before.amount}:
            raise errors.EventConflictError(usage_id=before.pk)
        return before
    taken = Usage.objects.filter(corrects_id=usage_id).aggregate(*(Sum(name) for name in ("amount", "cost", *_PARTS)))
    left = usage.amount + (taken["amount__sum"] or 0)
    asked = left if amount is None else amount
    whole = usage.resource_type in {"llm_tokens", "api_calls"}
    if not asked.is_finite() or asked <= 0 or (whole and asked != asked.to_integral_value()) or asked > left:
        raise errors.CorrectionTooLargeError(pointer="/amount", left=left, asked=asked)
    parts = _parts_taken(usage, taken, asked, left)
    cost = _cost_taken(usage, taken, asked, left)
    same = ("entity_type", "entity_id", "resource_type", "model", "tier", "provider", "artifact_type", "artifact_id")
    priced = ("price_id", "rate", "output_rate", "is_first_list") if cost is not None else ()
    contra = Usage(
        **{name: getattr(usage, name) or "" for name in (*same, "agent_id")},  # others say nothing by a NULL
        **{name: getattr(usage, name) for name in (*priced, "slot_id", "created_at")},
        **parts,
        amount=-asked,
        cost=cost,
        corrects_id=usage_id,
        source="correction",
        event_id=event_id,
        note=f"{author}: {note}",
        recorded_at=now,
    )
    contra.save(force_insert=True)
    return contra


def _cost_taken(usage: Usage, taken: dict[str, Any], asked: Decimal, left: Decimal) -> Decimal | None:
    """Return the negative cost of a correction: all that is left of it, or in proportion."""
    if usage.cost is None:
        return None
    with localcontext(prec=60):  # the dearest cost has thirty digits
        remaining = usage.cost + (taken["cost__sum"] or 0)
        return -(remaining if asked == left else (usage.cost * asked / usage.amount).quantize(_STEP, ROUND_DOWN))


def _parts_taken(usage: Usage, taken: dict[str, Any], asked: Decimal, left: Decimal) -> dict[str, int | None]:
    """Return the negative split of a correction: all that is left, or in proportion with the rest as output."""
    if usage.input_tokens is None:
        return dict.fromkeys(_PARTS)
    rest = {name: (getattr(usage, name) or 0) + (taken[f"{name}__sum"] or 0) for name in _PARTS}
    parts = {name: int(count * asked / left) for name, count in rest.items()}
    parts["output_tokens"] = int(asked) - parts["input_tokens"]
    if parts["output_tokens"] > rest["output_tokens"]:
        parts["output_tokens"] = rest["output_tokens"]
        parts["input_tokens"] = int(asked) - rest["output_tokens"]
    return {name: -count for name, count in parts.items()}


def record_slot_remainder(  # noqa: PLR0913 - a usage row has this many parts
    *, slot_id: str, remainder: int, entity_type: str, entity_id: str, agent_id: str, model: str, now: datetime
) -> Usage | None:
    """Book what a slot used beyond what was reported for it while it ran, in LLM tokens, as one row without a split.

    The event id is the slot's, so a second settlement cannot count it twice. A remainder of 0 or less books nothing.
    """
    if remainder <= 0:
        return None
    event = Event(
        entity_type=entity_type,
        entity_id=entity_id,
        resource_type=Usage.Resource.LLM_TOKENS,
        amount=Decimal(remainder),
        model=model,
        slot_id=slot_id,
        source="auction",
        event_id=f"slot:{slot_id}",
        created_at=now,
    )
    return record(event, agent_id=agent_id, now=now)


def reported_for_slot(slot_id: str) -> int:
    """Return the LLM tokens reported with this slot's id so far."""
    rows = Usage.objects.filter(slot_id=slot_id, resource_type=Usage.Resource.LLM_TOKENS)
    return int(rows.aggregate(total=Sum("amount"))["total"] or 0)
