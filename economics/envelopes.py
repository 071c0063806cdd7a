"""Envelopes: what an entity may spend, line by line; who may stop it; and where each line stands."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from config.models import Agent
from economics import errors
from economics.models import BudgetPolicy, DefaultEnvelope, Envelope, Grant, Line, Pause, Tier, Usage, Window
from economics.models.budgets import MOST_AMOUNT

_SETTINGS = ("who", "why", "cause_kind", "cause_id", "now")
_SET = ", ".join(f"set_config('economy.{name}', %s, true)" for name in _SETTINGS)
_GOT = ", ".join(f"coalesce(current_setting('economy.{name}', true), '')" for name in _SETTINGS)
_SIGN = f"WITH before AS MATERIALIZED (SELECT {_GOT}) SELECT before.*, {_SET} FROM before"  # noqa: S608 - constants
CEILINGS: Final = ("token_budget", "cpu_budget", "storage_budget_gb", "api_call_budget")
_CHANGEABLE: Final = frozenset({*CEILINGS, "window_kind", "request_token_cap"})
LONGEST_TYPE, LONGEST_ID = 64, 200


class Author(NamedTuple):
    """Who changes an envelope, why, and for what cause (a proposal, a review, a freeze): it goes into the revision."""

    who: str
    why: str = ""
    cause_kind: str = ""
    cause_id: str = ""


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


@contextmanager
def signed(author: Author, *, now: datetime) -> Iterator[None]:
    """Put an author's name on every revision written meanwhile, in one transaction; then the one before signs again."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_SIGN, [*author, now.isoformat()])
        before = cursor.fetchone()[: len(_SETTINGS)]
        yield
        cursor.execute(_SIGN, before)


def ensure_policy() -> None:
    """Create the budget policy, and with it the fleet's line, where they are missing."""
    BudgetPolicy.objects.get_or_create(pk=1)


def policy() -> BudgetPolicy:
    """Return the budget policy."""
    return BudgetPolicy.objects.get(pk=1)


def change_policy(*, author: Author, now: datetime, **changes: Any) -> BudgetPolicy:
    """Change the budget policy. A new zone or week start counts all windows that are live anew, under it."""
    if "zone" in changes and not is_zone(changes["zone"]):
        msg = "There is no such time zone."
        raise errors.BudgetInvalidError(msg, pointer="/zone")
    with signed(author, now=now), _sane("/"):
        BudgetPolicy.objects.filter(pk=1).update(**changes)
    return policy()


def is_zone(name: str) -> bool:
    """Tell whether PostgreSQL knows a time zone of this name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = %s)", [name])
        known: bool = cursor.fetchone()[0]
    return known


@contextmanager
def _sane(pointer: str) -> Iterator[None]:
    """Turn a broken law about ceilings, windows and shares into a refusal."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        law = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
        if law == "envelope_once_per_entity":  # somebody was faster
            raise errors.EnvelopeExistsError from error
        msg = f"This breaks the law {law}."
        raise errors.BudgetInvalidError(msg, pointer=pointer, law=law) from error


def open_envelope(
    entity_type: str, entity_id: str, *, author: Author, now: datetime, granted: bool = False, **ceilings: Any
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
    with signed(author, now=now), _sane("/"):
        envelope = Envelope.objects.create(
            entity_type=entity_type, entity_id=entity_id, created_at=now, **ceilings, **grant
        )
    envelope.refresh_from_db()
    return envelope


def open_default(entity_type: str, entity_id: str, *, now: datetime) -> Envelope:
    """Return the entity's envelope, opened with its type's default when missing: once, whoever comes first."""
    default = DefaultEnvelope.objects.get(pk=entity_type)
    terms = {name: getattr(default, name) for name in ("window_kind", *CEILINGS)}
    author = Author("policy", f"default of the type {entity_type}", "default", entity_type)
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


def put_many(rows: Sequence[Mapping[str, Any]], *, author: Author, now: datetime, granted: bool = False) -> Put:
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
    for one in terms:
        _check(one)
    with signed(author, now=now), _sane("/"):
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
    envelope_id: int, *, author: Author, now: datetime, expected: Mapping[str, Any] | None = None, **changes: Any
) -> Envelope:
    """Change base ceilings or the window of an envelope; it takes effect on the next call.

    `expected` maps columns to the values the author saw: when one has moved since, the change is refused as stale.
    """
    _check(changes)
    with signed(author, now=now):
        envelope = _locked(envelope_id)
        for name, value in (expected or {}).items():
            if getattr(envelope, name) != value:
                raise errors.StaleEnvelopeError(**{name: getattr(envelope, name)})
        with _sane("/"):
            Envelope.objects.filter(pk=envelope_id).update(**changes)
        envelope.refresh_from_db()
    return envelope


def mark_granted(envelope_id: int, *, author: Author, now: datetime) -> Envelope:
    """Record that the Senate granted this envelope, by a reviewer's named act; only then may the market lift it."""
    with signed(author, now=now):
        _locked(envelope_id)
        Envelope.objects.filter(pk=envelope_id).update(granted_at=now, granted_by=author.who)
        return Envelope.objects.get(pk=envelope_id)


def set_line(  # noqa: PLR0913 - a line has this many terms
    envelope_id: int,
    *,
    resource_type: str,
    window_kind: str,
    base: Decimal | None,
    author: Author,
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
    with signed(author, now=now):
        envelope = _locked(envelope_id)
        own = {"envelope": envelope, "resource_type": resource_type, "qualifier": qualifier, "window_kind": window_kind}
        line = Line.objects.filter(**own).first()
        if line is not None and line.is_named:
            msg = "This line is kept by a column of the envelope: change that."
            raise errors.BudgetInvalidError(msg, pointer="/window_kind")
        with _sane("/qualifier"):
            if line is None:
                return Line.objects.create(base=base, **own)
            line.base = base
            line.save(update_fields=["base"])
            return line


def grant(  # noqa: PLR0913 - a grant has this many terms
    line_id: int,
    *,
    amount: Decimal,
    author: Author,
    now: datetime,
    first: datetime | None = None,
    last: datetime | None = None,
) -> Grant:
    """Add `amount` to a line in each of its windows from that of `first` (now) to that of `last` (`first`).

    It lapses by itself, is not lifted by the market and not carried over. Refuses an amount of 0 or less, an end
    before the start, and a line that does not exist.
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
    with signed(author, now=now):
        (opening,), (closing,) = standing([line_id], at=begin), standing([line_id], at=end)
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


def end_grant(grant_id: int, *, author: Author, now: datetime) -> bool:
    """End a grant early; return whether it had not been ended before."""
    with signed(author, now=now):
        return bool(Grant.objects.filter(pk=grant_id, ended_at=None).update(ended_at=now))


def freeze(envelope_ids: Iterable[int], *, author: Author, now: datetime) -> int:
    """Freeze envelopes by a person's word: nothing is reserved on them until a person lifts it. Return how many.

    One that the daily check froze is a person's from now on. Refuses a freeze without a reason.
    """
    if not author.why:
        msg = "Say why."
        raise errors.BudgetInvalidError(msg, pointer="/why")
    with signed(author._replace(cause_kind=author.cause_kind or "freeze"), now=now):
        ids = _in_order(Envelope.objects.filter(pk__in=set(envelope_ids)))
        return Envelope.objects.filter(pk__in=ids).update(
            state=Envelope.State.FROZEN, state_reason=author.why, frozen_by_check=False, frozen_until=None
        )


def unfreeze(envelope_ids: Iterable[int], *, author: Author, now: datetime) -> int:
    """Lift a freeze, whoever set it; return how many envelopes were frozen. Each is again what it was before."""
    with signed(author._replace(cause_kind=author.cause_kind or "freeze"), now=now):
        return lift(_in_order(Envelope.objects.filter(pk__in=set(envelope_ids), state=Envelope.State.FROZEN)))


def lift(locked: Sequence[int]) -> int:
    """Give frozen envelopes, locked by the caller, the state and reason they had before; return how many.

    The revision of the freeze tells what that was. One that is capped again is not lifted by any market weight it
    was given meanwhile.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE resource_budgets b
               SET state = coalesce(r.state, 'active'), state_reason = coalesce(r.reason, ''),
                   frozen_by_check = false, frozen_until = NULL,
                   market_weight = CASE r.state WHEN 'capped' THEN least(b.market_weight, 0) ELSE b.market_weight END
              FROM unnest(%s::bigint[]) AS f(id) LEFT JOIN LATERAL (
                   SELECT changes->'state'->>0 AS state, changes->'state_reason'->>0 AS reason
                     FROM economics_revisions WHERE envelope_id = f.id AND changes->'state'->>1 = 'frozen'
                    ORDER BY id DESC LIMIT 1) AS r ON true
             WHERE b.id = f.id AND b.state = 'frozen'
            """,
            [list(locked)],
        )
        lifted: int = cursor.rowcount
    return lifted


def _in_order(envelopes: QuerySet[Envelope]) -> list[int]:
    """Lock these envelopes in the order of their ids."""
    return list(envelopes.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))


def pause(*, author: Author, now: datetime, agent: Agent | None = None) -> Pause:
    """Stop the fleet, or one agent, from reserving anything from the next call on, for the reason the author gives.

    Refuses a pause without a reason and a second one.
    """
    if not author.why:
        msg = "Say why."
        raise errors.BudgetInvalidError(msg, pointer="/why")
    try:
        with transaction.atomic():
            return Pause.objects.create(agent=agent, reason=author.why, began_at=now, began_by=author.who)
    except IntegrityError as error:
        raise errors.AlreadyPausedError(agent_id=agent.pk if agent else None) from error


def resume(*, author: Author, now: datetime, agent: Agent | None = None) -> bool:
    """End the pause of the fleet, or of one agent; return whether there was one."""
    live = Pause.objects.filter(agent=agent, ended_at=None)
    return bool(live.update(ended_at=now, ended_by=author.who))


_COLUMNS = ", ".join(f'"{name}"' for name in Standing._fields)
_STANDING = f"SELECT {_COLUMNS} FROM economics_standing(%s, %s)"  # noqa: S608 - names of columns


def standing(line_ids: Sequence[int], *, at: datetime) -> list[Standing]:
    """Return where these lines stand in the windows of a moment, by envelope and line; the fleet's comes last.

    The same figures that admission goes by.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, [list(line_ids), at])
        return [Standing(*row) for row in cursor.fetchall()]


def standing_of(envelope_ids: Iterable[int], *, at: datetime) -> dict[int, list[Standing]]:
    """Return where the lines of these envelopes stand, by envelope; lines without a ceiling are among them."""
    ids = list(envelope_ids)
    lines = Line.objects.filter(envelope_id__in=ids).order_by("envelope_id", "pk").values_list("pk", flat=True)
    found: dict[int, list[Standing]] = {pk: [] for pk in ids}
    for line in standing(list(lines), at=at):
        if line.envelope_id is not None:
            found[line.envelope_id].append(line)
    return found


def standing_of_fleet(*, at: datetime) -> Standing:
    """Return where the fleet stands today, in USD."""
    (line,) = standing(list(Line.objects.filter(envelope=None).values_list("pk", flat=True)), at=at)
    return line
