"""May it be spent? Reservations are admitted against every line they touch, then settled, released or expired."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import IntegrityError, connection, transaction

from config import laws
from economics import envelopes, errors, metering
from economics.models import Envelope, Reservation, Usage
from economics.models.ceilings import MOST_AMOUNT
from economics.money import is_usd

_EXPIRE_AT_ONCE = 1_000
_STEP = Decimal("0.000001")
MOST_SECONDS: Final = 31_536_000
WHOLE: Final = frozenset({"llm_tokens", "api_calls"})

REFUSALS: Final[dict[str, type[errors.AdmissionRefusedError]]] = {
    error.code: error for error in errors.AdmissionRefusedError.__subclasses__()
}

_RESERVE = """
SELECT * FROM economics_reserve(
    %(agent_id)s, %(entity_type)s, %(entity_id)s, %(resource_type)s, %(model)s, %(tier)s, %(provider)s, %(amount)s,
    %(input_tokens)s, %(output_tokens)s, %(artifact_type)s, %(artifact_id)s, %(slot_id)s, %(seconds)s, %(now)s,
    %(sweep)s)
"""
_SETTLE = """
SELECT refusal, usage_id, settled_amount FROM economics_settle(
    %(id)s, %(agent_id)s, %(amount)s, %(input_tokens)s, %(output_tokens)s, %(cache_read_tokens)s,
    %(cache_write_tokens)s, %(reported_cost)s, %(now)s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What somebody wants to use: `amount` in the unit of its class, for LLM tokens their split when it is known."""

    entity_type: str
    entity_id: str
    resource_type: str
    amount: Decimal
    input_tokens: int | None = None
    output_tokens: int | None = None
    model: str = ""
    tier: str = ""
    provider: str = ""
    artifact_type: str = ""
    artifact_id: str = ""
    slot_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was really used, in the unit of the reservation; `reported_cost` is the caller's own figure in USD."""

    amount: Decimal
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reported_cost: Decimal | None = None


def reserve(
    ask: Ask, *, agent_id: str, now: datetime, seconds: int | None = None, dry_run: bool = False
) -> Reservation | errors.AdmissionRefusedError:
    """Hold what is asked on every line of the envelope it touches and on the fleet's USD of the day, or on none.

    One statement, a function of the database. A refusal is *returned*, not raised: it is on record as a row and must
    be committed. It names the first line without room (total, then tier or provider, the fleet last) and the most
    that would pass. Nobody is refused for a hold whose time is over: it expires first. `seconds` is the life of the
    reservation, the policy's when not given. `dry_run` does all of it and takes it back. Raises InvalidAskError for
    what no envelope could admit.
    """
    _refuse(_faults(ask))
    if seconds is not None and not 1 <= seconds <= MOST_SECONDS:
        msg = "A reservation lasts a second or more, and no longer than policy allows."
        raise errors.InvalidAskError(msg, pointer="/seconds")
    terms = {**asdict(ask), "agent_id": agent_id, "seconds": seconds, "now": now}
    answer = _answer({**terms, "sweep": False}, dry_run=dry_run)
    if answer["refusal"] == "expiry_due":
        answer = _answer({**terms, "sweep": True}, dry_run=dry_run)
    return _refusal(answer) if answer["refusal"] else _reservation(terms, answer)


def _answer(terms: Mapping[str, Any], *, dry_run: bool) -> dict[str, Any]:
    """Ask once, and take it back, with its locks, when it was a dry run or holds are to go first.

    Where no transaction is open the statement is one by itself: nobody waits for a BEGIN and a COMMIT to and fro.
    """
    if not dry_run and not connection.in_atomic_block:
        answer = _asked(terms)
        if answer["refusal"] != "envelope_due":
            return answer
    with transaction.atomic():
        answer = _asked(terms)
        if answer["refusal"] == "envelope_due":
            envelopes.open_default(terms["entity_type"], terms["entity_id"], now=terms["now"])
            answer = _asked(terms)
        if dry_run:
            answer |= {"reservation_id": None, "refusal_id": None}  # gone with the rest
        transaction.set_rollback(dry_run or answer["refusal"] == "expiry_due")
    return answer


def _asked(terms: Mapping[str, Any]) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(_RESERVE, terms)
        names = [column.name for column in cursor.description]
        return dict(zip(names, cursor.fetchone(), strict=True))


def _faults(ask: Ask) -> Iterator[tuple[bool, str, str]]:
    """Say of each rule whether it is broken: a sentence, and the pointer of the field at fault."""
    amount, kind = ask.amount, ask.resource_type
    classes = Usage.Resource.values
    yield kind not in classes, f"resource_type is one of {', '.join(classes)}.", "/resource_type"
    yield not _within(amount) or not amount, f"amount is more than 0 and at most {MOST_AMOUNT:,}.", "/amount"
    yield kind in WHOLE and amount != amount.to_integral_value(), "Tokens and calls are whole numbers.", "/amount"
    yield amount != amount.quantize(_STEP), "amount has at most 6 decimals.", "/amount"
    yield kind == "llm_tokens" and not ask.model, "LLM tokens are of a model.", "/model"
    yield kind == "api_calls" and not ask.provider, "API calls go to a provider.", "/provider"
    of_models = bool(ask.model or ask.tier) or ask.input_tokens is not None
    yield kind != "llm_tokens" and of_models, "Only LLM tokens have a model, a tier and a split.", "/resource_type"
    yield from _split_faults(ask)


def _spent_faults(spent: Spent) -> Iterator[tuple[bool, str, str]]:
    yield not _within(spent.amount), f"amount is 0 or more and at most {MOST_AMOUNT:,}.", "/amount"
    yield spent.amount != spent.amount.quantize(_STEP), "amount has at most 6 decimals.", "/amount"
    cached = [tokens for tokens in (spent.cache_read_tokens, spent.cache_write_tokens) if tokens is not None]
    unsplit = bool(cached) and spent.input_tokens is None
    too_many = unsplit or min(cached, default=0) < 0 or sum(cached) > (spent.input_tokens or 0)
    yield too_many, "Cached tokens are a part of input_tokens.", "/cache_read_tokens"
    reported = spent.reported_cost
    yield reported is not None and not is_usd(reported), "reported_cost is in USD, 0 or more.", "/reported_cost"
    yield from _split_faults(spent)


def _split_faults(parts: Ask | Spent) -> Iterator[tuple[bool, str, str]]:
    tokens, output = parts.input_tokens, parts.output_tokens
    if tokens is None or output is None:
        yield tokens is not output, "input_tokens and output_tokens come together.", "/input_tokens"
        return
    wrong = min(tokens, output) < 0 or tokens + output != parts.amount
    yield wrong, "input_tokens and output_tokens are 0 or more and add up to amount.", "/input_tokens"


def _within(amount: Decimal) -> bool:
    return amount.is_finite() and 0 <= amount <= MOST_AMOUNT


def _refuse(faults: Iterator[tuple[bool, str, str]]) -> None:
    """Refuse what breaks a rule, in the name of the first."""
    for broken, sentence, pointer in faults:
        if broken:
            raise errors.InvalidAskError(sentence, pointer=pointer)


def _reservation(terms: Mapping[str, Any], answer: Mapping[str, Any]) -> Reservation:
    envelope = Envelope(pk=answer["envelope_id"], entity_type=terms["entity_type"], entity_id=terms["entity_id"])
    own = ("agent_id", "resource_type", "model", "provider", "amount", "input_tokens", "output_tokens")
    return Reservation(
        **{name: terms[name] for name in (*own, "artifact_type", "artifact_id", "slot_id")},
        pk=answer["reservation_id"],
        envelope=envelope,
        tier=answer["tier"] or "",
        usd=answer["usd"],
        price_id=answer["price_id"],
        reserved_at=terms["now"],
        expires_at=answer["expires_at"],
    )


def _refusal(answer: Mapping[str, Any]) -> errors.AdmissionRefusedError:
    """Return the refusal with its figures: line, limit, settled, held, asked, when it resets, what would pass."""
    kind = REFUSALS[answer["refusal"]]
    sentence = (kind.__doc__ or "").split("\n", maxsplit=1)[0]
    if answer["note"] and answer["refusal"] != "request_too_large":
        sentence = f"{sentence} ({answer['note']})"
    figures = {
        name: answer[name]
        for name in ("refusal_id", "line_id", "limit", "settled", "held", "asked", "resets_at")
        if answer[name] is not None
    }
    if answer["line_title"]:
        figures["line"] = answer["line_title"]
    if answer["most"] is not None:
        figures["most"] = answer["most"]
    if advice := _advice(answer):
        figures["would_pass"] = advice
    return kind(sentence, **figures)


def _advice(answer: Mapping[str, Any]) -> str:
    """Return what would make a refused reservation pass."""
    if answer["line_id"] is not None:
        short = answer["settled"] + answer["held"] + answer["asked"] - answer["limit"]
        ways = [f"raise {answer['line_title']} by {short.normalize():f}"]
        if answer["resets_at"] is not None and answer["asked"] <= answer["limit"]:
            ways.insert(0, f"wait until {answer['resets_at'].isoformat()}")
        if answer["most"]:
            ways.insert(0, f"ask for at most {answer['most'].normalize():f}")
        return ", or ".join(ways)
    lifts_at = answer["resets_at"]  # of the daily check's freeze; a person's is lifted by a person
    return {
        "fleet_paused": "wait until somebody resumes the fleet",
        "agent_paused": "wait until somebody resumes this agent",
        "no_envelope": "have an envelope opened for this entity",
        "envelope_frozen": f"{f'wait until {lifts_at.isoformat()}' if lifts_at else 'have the envelope unfrozen'}, or "
        "have the limit of each line raised that the reason names",
        "unknown_model": "have the model added to the catalogue, or name another",
        "model_disabled": "name another model",
        "wrong_tier": f"name the tier {answer['note']}, or none",
        "no_price": "have a price set, 0 if it is free",
        "request_too_large": f"ask for at most {answer['limit'] or 0:f} {answer['note'] or 'tokens'} at once",
        "lifetime_too_long": f"hold it for at most {answer['limit'] or 0:f} seconds",
    }.get(answer["refusal"], "")


def settle(reservation_id: int, spent: Spent, *, now: datetime, agent_id: str | None = None) -> Usage:
    """Record what was used under a reservation, release its hold, and return the usage row.

    It counts in the windows of the reservation. More than was reserved is recorded as well. A reservation that
    expired is settled late and flagged. The same figures again return the first row, others are a conflict; a
    released one is refused. `agent_id` None is the house.
    """
    _refuse(_spent_faults(spent))
    terms = {**asdict(spent), "id": reservation_id, "agent_id": agent_id, "now": now}
    # As above: by itself, or in a savepoint of the transaction that is open.
    alone = nullcontext() if not connection.in_atomic_block else transaction.atomic()
    with alone, connection.cursor() as cursor:
        with _identity_free(reservation_id):
            cursor.execute(_SETTLE, terms)
        refusal, usage_id, settled = cursor.fetchone()
        if refusal == "unknown_reservation":
            raise errors.UnknownReservationError(reservation_id=reservation_id)
        if refusal == "reservation_released":
            raise errors.ReservationReleasedError(reservation_id=reservation_id)
        if refusal == "settled_otherwise":
            raise errors.SettledOtherwiseError(reservation_id=reservation_id, settled=settled)
        if refusal:
            msg = "The figures do not fit the class that was reserved."
            raise errors.InvalidAskError(msg, pointer="/amount")
    return metering.row(usage_id)  # read when the counters' locks are gone


@contextmanager
def _identity_free(reservation_id: int) -> Iterator[None]:
    """Say so where another program has written usage under this reservation's identity."""
    try:
        yield
    except IntegrityError as error:
        if laws.broken(error) not in {"usage_settles_once", "usage_event_once"}:
            raise
        msg = "Usage stands under the identity of this reservation already, written by another program."
        raise errors.SettledOtherwiseError(msg, reservation_id=reservation_id) from error


@transaction.atomic
def release(reservation_id: int, *, now: datetime, agent_id: str | None = None) -> Reservation:
    """Give a reservation back unused. One that was released or has expired stays so; a settled one is refused."""
    own = Reservation.objects.select_related("envelope").filter(pk=reservation_id)
    if agent_id is not None:
        own = own.filter(agent_id=agent_id)
    own.filter(state=Reservation.State.OPEN).update(state=Reservation.State.RELEASED, closed_at=now)
    reservation = own.first()
    if reservation is None:
        raise errors.UnknownReservationError(reservation_id=reservation_id)
    if reservation.state == Reservation.State.SETTLED:
        raise errors.ReservationSettledError(reservation_id=reservation_id)
    return reservation


def prolong(reservation_id: int, *, until: datetime, now: datetime) -> bool:
    """Let an open reservation last until then, but no longer in all than policy allows; return whether it grew.

    It never becomes shorter, and one whose time is over is not called back.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE economics_reservations r
               SET expires_at = least(%(until)s, r.reserved_at + p.reservation_most_seconds * interval '1 second')
              FROM economics_policy p
             WHERE p.id = 1 AND r.id = %(id)s AND r.state = 'open' AND r.expires_at > %(now)s
               AND r.expires_at < least(%(until)s,
                                        r.reserved_at + p.reservation_most_seconds * interval '1 second')
            """,
            {"id": reservation_id, "until": until, "now": now},
        )
        return bool(cursor.rowcount)


def release_open(reservation_ids: Collection[int], *, now: datetime) -> int:
    """Give back those of these reservations that are still open, whoever made them; return how many."""
    if not reservation_ids:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        # In the order in which a reservation that finds no room lets go of what is over.
        cursor.execute(
            """
            UPDATE economics_reservations SET state = 'released', closed_at = %s WHERE id = ANY(ARRAY(
                SELECT id FROM economics_reservations WHERE id = ANY(%s) AND state = 'open'
                 ORDER BY expires_at, id FOR NO KEY UPDATE))
            """,
            [now, list(reservation_ids)],
        )
        released: int = cursor.rowcount
    return released


def expire(*, now: datetime) -> int:
    """Close every open reservation whose time is over and release its hold; return how many.

    A thousand at a time. One that somebody is just settling is left to them.
    """
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE economics_reservations SET state = 'expired', closed_at = %s WHERE id = ANY(ARRAY(
                    SELECT id FROM economics_reservations WHERE state = 'open' AND expires_at <= %s
                     ORDER BY expires_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED))
                """,
                [now, now, _EXPIRE_AT_ONCE],
            )
            gone: int = cursor.rowcount
        total += gone
        if gone < _EXPIRE_AT_ONCE:
            return total
