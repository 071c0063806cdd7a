"""Envelopes: what an entity may spend, line by line, and what is granted on top for a time."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection, transaction

from economics import errors, revisions, standings
from economics.models import DefaultEnvelope, Envelope, Grant, Line, Tier, Usage, Window
from economics.models.ceilings import MOST_AMOUNT

CEILINGS: Final = ("token_budget", "cpu_budget", "storage_budget_gb", "api_call_budget")
_CHANGEABLE: Final = frozenset({*CEILINGS, "window_kind", "request_token_cap"})
LONGEST_TYPE, LONGEST_ID = 64, 200
# The priority of every entity whose envelope has one: a SELECT of (entity_type, entity_id, priority), 0 to 1, that
# other apps may join. A program that writes with SQL may have set one beyond; it counts as the nearer end. A new
# envelope says 0, which means nothing before its entity was scored.
PRIORITIES: Final = """
SELECT b.entity_type, b.entity_id, least(1, greatest(0, b.priority_score)) AS priority FROM resource_budgets b
 WHERE b.priority_score <> 0 OR EXISTS (
     SELECT FROM economics_scores s WHERE s.entity_type = b.entity_type AND s.entity_id = b.entity_id)"""


def open_envelope(
    entity_type: str, entity_id: str, *, author: revisions.Author, now: datetime, granted: bool = False, **ceilings: Any
) -> Envelope:
    """Open the envelope of an entity: `window_kind` and base ceilings as of the columns; not named means 0 or none.

    `granted` records a reviewer's named act of granting it. What the entity used before counts in its windows.
    Refuses an entity that has one, names too long, and ceilings that are negative or above 10^15.
    """
    _check_entity(entity_type, entity_id)
    _check(ceilings)
    if Envelope.objects.filter(entity_type=entity_type, entity_id=entity_id).exists():
        raise errors.EnvelopeExistsError(entity_type=entity_type, entity_id=entity_id)
    grant = {"granted_at": now, "granted_by": author.who} if granted else {}
    with revisions.signed(author, now=now), revisions.lawful("/"):
        envelope = Envelope.objects.create(
            entity_type=entity_type, entity_id=entity_id, created_at=now, **ceilings, **grant
        )
    envelope.refresh_from_db()
    return envelope


def open_default(entity_type: str, entity_id: str, *, now: datetime) -> Envelope:
    """Return the entity's envelope, opened with its type's default when missing: once, whoever comes first."""
    default = DefaultEnvelope.objects.get(pk=entity_type)
    terms = {name: getattr(default, name) for name in ("window_kind", *CEILINGS)}
    author = revisions.Author("policy", f"default of the type {entity_type}", "default", entity_type)
    try:
        with transaction.atomic():
            return open_envelope(entity_type, entity_id, author=author, now=now, **terms)
    except (errors.EnvelopeExistsError, errors.BudgetInvalidError):
        existing = Envelope.objects.filter(entity_type=entity_type, entity_id=entity_id).first()
        if existing is None:
            raise
        return existing


class Put(NamedTuple):
    """What became of many envelopes."""

    opened: int
    changed: int
    untouched: int


def put_many(
    rows: Sequence[Mapping[str, Any]], *, author: revisions.Author, now: datetime, granted: bool = False
) -> Put:
    """Open or change the envelopes of many entities, all or none; each row holds its entity and any ceilings.

    In a few statements however many rows there are. A ceiling a row does not name stays as it is. Refuses what
    `open_envelope` and `change` refuse, and an entity that is named twice.
    """
    keys = [(row["entity_type"], row["entity_id"]) for row in rows]
    (twice, times), *_others = Counter(keys).most_common(1) or [(("", ""), 0)]
    if times > 1:
        msg = f"{twice[0]}:{twice[1]} is named twice."
        raise errors.BudgetInvalidError(msg, pointer="/entity_id")
    for entity_type, entity_id in keys:
        _check_entity(entity_type, entity_id)
    terms = [{name: value for name, value in row.items() if name not in {"entity_type", "entity_id"}} for row in rows]
    for (entity_type, entity_id), one in zip(keys, terms, strict=True):
        try:
            _check(one)
        except errors.BudgetInvalidError as error:
            msg = f"{entity_type}:{entity_id}: {error.detail}"
            raise errors.BudgetInvalidError(msg, pointer=error.pointer) from error
    with revisions.signed(author, now=now), revisions.lawful("/"):
        found = Envelope.objects.filter(
            entity_type__in={kind for kind, _ in keys}, entity_id__in={pk for _, pk in keys}
        )
        existing = {(e.entity_type, e.entity_id): e for e in found.order_by("pk").select_for_update(no_key=True)}
        grant = {"granted_at": now, "granted_by": author.who} if granted else {}
        new = [
            Envelope(entity_type=kind, entity_id=pk, created_at=now, **one, **grant)
            for (kind, pk), one in zip(keys, terms, strict=True)
            if (kind, pk) not in existing
        ]
        changed = [
            _changed(existing[key], one)
            for key, one in zip(keys, terms, strict=True)
            if key in existing and any(getattr(existing[key], name) != value for name, value in one.items())
        ]
        Envelope.objects.bulk_create(new, batch_size=5_000)
        _write(changed)
    return Put(len(new), len(changed), len(rows) - len(new) - len(changed))


def _write(changed: Sequence[Envelope]) -> None:
    """Write what may be changed of these envelopes, in one statement."""
    columns = ("id", *sorted(_CHANGEABLE))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE resource_budgets b
               SET (api_call_budget, cpu_budget, request_token_cap, storage_budget_gb, token_budget, window_kind)
                 = (d.api_call_budget, d.cpu_budget, d.request_token_cap, d.storage_budget_gb, d.token_budget,
                    d.window_kind)
              FROM unnest(%s::bigint[], %s::bigint[], %s::numeric[], %s::bigint[], %s::numeric[], %s::bigint[],
                          %s::text[])
                AS d(id, api_call_budget, cpu_budget, request_token_cap, storage_budget_gb, token_budget, window_kind)
             WHERE b.id = d.id
            """,
            [[getattr(envelope, name) for envelope in changed] for name in columns],
        )


def _changed(envelope: Envelope, terms: Mapping[str, Any]) -> Envelope:
    for name, value in terms.items():
        setattr(envelope, name, value)
    return envelope


def get(entity_type: str, entity_id: str) -> Envelope:
    """Return the envelope of an entity; refuses one that has none."""
    envelope = Envelope.objects.filter(entity_type=entity_type, entity_id=entity_id).first()
    if envelope is None:
        raise errors.UnknownEnvelopeError(entity_type=entity_type, entity_id=entity_id)
    return envelope


def of_entities(entities: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Envelope]:
    """Return the envelopes of these entities, type and id, in one query; left out is who has none."""
    wanted = set(entities)
    types, ids = {entity_type for entity_type, _id in wanted}, {entity_id for _type, entity_id in wanted}
    found = Envelope.objects.filter(entity_type__in=types, entity_id__in=ids) if wanted else ()
    by_name = {(envelope.entity_type, envelope.entity_id): envelope for envelope in found}
    return {named: by_name[named] for named in by_name if named in wanted}


def lock(entity_type: str, entity_id: str) -> None:
    """Keep the envelope of an entity, if it has one, from changing until the transaction ends."""
    own = Envelope.objects.filter(entity_type=entity_type, entity_id=entity_id)
    list(own.select_for_update(no_key=True).values_list("pk", flat=True))


def _locked(envelope_id: int) -> Envelope:
    envelope = Envelope.objects.select_for_update(no_key=True).filter(pk=envelope_id).first()
    if envelope is None:
        raise errors.UnknownEnvelopeError(envelope_id=envelope_id)
    return envelope


def _check_entity(entity_type: str, entity_id: str) -> None:
    if not 0 < len(entity_type) <= LONGEST_TYPE or not 0 < len(entity_id) <= LONGEST_ID:
        msg = f"An entity has a type of 1 to {LONGEST_TYPE} characters and an id of 1 to {LONGEST_ID}."
        raise errors.BudgetInvalidError(msg, pointer="/entity_type", entity=f"{entity_type}:{entity_id}"[:100])


def _check(changes: Mapping[str, Any]) -> None:
    """Refuse columns that are no ceilings and values that are none."""
    for name, value in changes.items():
        if name not in _CHANGEABLE:
            msg = f"{name} is not a ceiling."
            raise errors.BudgetInvalidError(msg, pointer=f"/{name}")
        if name == "window_kind":
            if value not in Window.values:
                msg = f"A window is one of {', '.join(Window.values)}."
                raise errors.BudgetInvalidError(msg, pointer="/window_kind")
        elif value is None:
            if name in {"token_budget", "cpu_budget"}:
                msg = f"{name} always has a ceiling; 0 allows nothing."
                raise errors.BudgetInvalidError(msg, pointer=f"/{name}")
        else:
            _check_amount(value, name)


def _check_amount(value: Decimal | int, name: str) -> None:
    if not Decimal(value).is_finite() or not 0 <= value <= MOST_AMOUNT:
        msg = f"{name} is 0 or more and at most {MOST_AMOUNT:,}."
        raise errors.BudgetInvalidError(msg, pointer=f"/{name}")


def change(
    envelope_id: int,
    *,
    author: revisions.Author,
    now: datetime,
    expected: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Envelope:
    """Change base ceilings or the window of an envelope; it takes effect on the next call.

    `expected` maps columns to the values the author saw: when one has moved since, the change is refused as stale.
    """
    _check(changes)
    with revisions.signed(author, now=now):
        envelope = _locked(envelope_id)
        for name, value in (expected or {}).items():
            if getattr(envelope, name) != value:
                raise errors.StaleEnvelopeError(**{name: getattr(envelope, name)})
        with revisions.lawful("/"):
            Envelope.objects.filter(pk=envelope_id).update(**changes)
        envelope.refresh_from_db()
    return envelope


def mark_granted(envelope_id: int, *, author: revisions.Author, now: datetime) -> Envelope:
    """Record that the Senate granted this envelope, by a reviewer's named act; only then may the market lift it."""
    with revisions.signed(author, now=now):
        _locked(envelope_id)
        Envelope.objects.filter(pk=envelope_id).update(granted_at=now, granted_by=author.who)
        return Envelope.objects.get(pk=envelope_id)


def set_line(  # noqa: PLR0913 - a line has this many terms
    envelope_id: int,
    *,
    resource_type: str,
    window_kind: str,
    base: Decimal | None,
    author: revisions.Author,
    now: datetime,
    qualifier: str = "",
) -> Line:
    """Set the base ceiling of a further line: a tier, a provider, or another window; None takes the ceiling away.

    Refuses a line that is kept by a column of the envelope (change that column), an unknown class, window or tier, a
    qualifier on CPU or storage, and a ceiling that is negative.
    """
    if resource_type not in Usage.Resource.values or window_kind not in Window.values:
        msg = f"Classes: {', '.join(Usage.Resource.values)}. Windows: {', '.join(Window.values)}."
        raise errors.BudgetInvalidError(msg, pointer="/resource_type")
    if resource_type == Usage.Resource.LLM_TOKENS and qualifier and not Tier.objects.filter(pk=qualifier).exists():
        raise errors.UnknownTierError(pointer="/qualifier", tier=qualifier)
    if base is not None:
        _check_amount(base, "base")
    with revisions.signed(author, now=now):
        envelope = _locked(envelope_id)
        own = {"envelope": envelope, "resource_type": resource_type, "qualifier": qualifier, "window_kind": window_kind}
        line = Line.objects.filter(**own).first()
        if line is not None and line.is_named:
            msg = "This line is kept by a column of the envelope: change that."
            raise errors.BudgetInvalidError(msg, pointer="/window_kind")
        with revisions.lawful("/qualifier"):
            if line is None:
                return Line.objects.create(base=base, **own)
            line.base = base
            line.save(update_fields=["base"])
            return line


def grant(  # noqa: PLR0913 - a grant has this many terms
    line_id: int,
    *,
    amount: Decimal,
    author: revisions.Author,
    now: datetime,
    first: datetime | None = None,
    last: datetime | None = None,
    seen: int | None = None,
) -> Grant:
    """Add `amount` to a line in each of its windows from that of `first` (now) to that of `last` (`first`).

    It lapses by itself, is not lifted by the market and not carried over. `seen` is the last grant there was when the
    author decided (0: none). Refuses an amount of 0 or less, an end before the start, a line that does not exist, and
    one that was given another grant than those `seen`: what is sent twice is granted once.
    """
    if not amount.is_finite() or not 0 < amount <= MOST_AMOUNT:
        msg = f"amount is more than 0 and at most {MOST_AMOUNT:,}."
        raise errors.BudgetInvalidError(msg, pointer="/amount")
    begin = first or now
    end = last or begin
    if end < begin:
        msg = "A grant ends after it begins."
        raise errors.BudgetInvalidError(msg, pointer="/last")
    if not Line.objects.filter(pk=line_id).exists():
        raise errors.UnknownEnvelopeError(line_id=line_id)
    with revisions.signed(author, now=now):
        if seen is not None:
            Line.objects.select_for_update(no_key=True).get(pk=line_id)  # who sends it again waits, then finds it done
            if Grant.objects.filter(line_id=line_id, pk__gt=seen).exists():
                raise errors.StaleEnvelopeError(line_id=line_id)
        (opening,), (closing,) = standings.of_lines([line_id], at=begin), standings.of_lines([line_id], at=end)
        return Grant.objects.create(
            line_id=line_id,
            amount=amount,
            first_window=opening.window_start,
            last_window=closing.window_start,
            reason=author.why,
            granted_by=author.who,
            cause_kind=author.cause_kind,
            cause_id=author.cause_id,
            created_at=now,
        )


def end_grant(grant_id: int, *, author: revisions.Author, now: datetime) -> bool:
    """End a grant early; return whether it had not been ended before."""
    with revisions.signed(author, now=now):
        return bool(Grant.objects.filter(pk=grant_id, ended_at=None).update(ended_at=now))
