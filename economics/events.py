"""What was used, as the world reports it: one shape for every way in."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, ValidationError

from economics.faults import Fault, Faults, fault, faults_of, refuse

_BOUND: Final = 10**15
AHEAD: Final = timedelta(minutes=5)  # a source's clock may be ahead of ours
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_PLAIN_NUMBER: Final = re.compile(r"-?\d{1,40}(\.\d{1,40})?", re.ASCII)
_LINE: Final = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A use of a resource; `amount` in the unit of its class. `created_at` None: the time of its arrival."""

    entity_type: str
    entity_id: str
    resource_type: str
    amount: Decimal
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    model: str = ""
    tier: str = ""
    provider: str = ""
    artifact_type: str = ""
    artifact_id: str = ""
    slot_id: str | None = None
    reported_cost: Decimal | None = None
    source: str = ""
    event_id: str | None = None
    created_at: datetime | None = None


def _exact(value: object, *, places: int) -> Decimal | None:
    """Return a JSON number or plain decimal text, as exactly as it is written."""
    if value is None:
        return None
    if type(value) not in (int, Decimal) and not (isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value)):
        refuse("not_a_number")
    number = Decimal(value)  # type: ignore[arg-type]  # one of these three
    exponent = number.as_tuple().exponent
    if isinstance(exponent, str):  # it is infinite or no number
        refuse("not_a_number")
    if number.is_signed():
        refuse("negative")
    if number >= _BOUND:
        refuse("too_large")
    if exponent < -places:
        refuse("too_precise", places=places)
    return number.quantize(Decimal(1)) if exponent > 0 else number


def _moment(value: object) -> datetime | None:
    """Return an ISO 8601 time that names its zone, in UTC."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type]  # TypeError for what is no text
        local = moment.tzinfo is None
        moment = moment.replace(tzinfo=UTC) if local else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        refuse("not_a_time")
    if local:
        refuse("zone_missing")
    if moment < _EARLIEST:
        refuse("too_old")
    return moment


Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_LINE)]
Word: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_LINE)]
_Count: TypeAlias = Annotated[int, Field(ge=0, lt=_BOUND)]
Amount: TypeAlias = Annotated[Decimal | None, PlainValidator(partial(_exact, places=6))]
Usd: TypeAlias = Annotated[Decimal | None, PlainValidator(partial(_exact, places=12))]
Figure: TypeAlias = Annotated[Decimal | None, PlainValidator(partial(_exact, places=40))]  # rounded by whoever takes it
Moment: TypeAlias = Annotated[datetime | None, PlainValidator(_moment)]
_PARTS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_TIMES: Final = ("created_at", "started_at", "ended_at")


class _Native(BaseModel):
    """Each field by itself; null is the same as not given."""

    model_config = ConfigDict(strict=True, extra="forbid")

    entity_type: Word
    entity_id: Name
    resource_type: Literal["llm_tokens", "cpu_seconds", "storage_gb_hours", "api_calls"]
    amount: Amount = None
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cache_read_tokens: _Count | None = None
    cache_write_tokens: _Count | None = None
    model: Name | None = None
    tier: Word | None = None
    provider: Word | None = None
    artifact_type: Word | None = None
    artifact_id: Name | None = None
    slot_id: Name | None = None
    reported_cost: Usd = None
    source: Name | None = None
    event_id: Name | None = None
    created_at: Moment = None
    started_at: Moment = None
    ended_at: Moment = None


def native(item: Mapping[str, Any], *, now: datetime) -> Event | Faults:
    """Return the event an object in our own names describes, or everything that is wrong with it.

    LLM tokens come as `input_tokens` and `output_tokens`, whose sum `amount` must be if it is given, or as `amount`
    alone, which leaves them unsplit; cached tokens are part of the input. Tokens and calls are whole, seconds and
    GB-hours have at most 6 decimals, `reported_cost` (USD) 12. A time ends by being `created_at`, else `started_at`.
    """
    try:
        given = _Native.model_validate(item if isinstance(item, dict) else dict(item))
    except ValidationError as error:
        return faults_of(error, resource_type="unknown_resource_type")
    return [*_faults_of_amount(given), *_faults_of_times(given, now)] or _event(given)


def _faults_of_amount(given: _Native) -> Iterator[Fault]:
    parts = {name: count for name in _PARTS if (count := getattr(given, name)) is not None}
    if given.resource_type != "llm_tokens":
        yield from (fault("not_of_this_class", f"/{name}") for name in parts)
    elif parts:
        yield from (fault("required", f"/{name}") for name in _PARTS[:2] if name not in parts)
        yield from _faults_of_split(given)
        return
    if given.amount is None:
        yield fault("required", "/amount")
    elif given.resource_type in {"llm_tokens", "api_calls"} and given.amount % 1:
        yield fault("not_whole", "/amount")


def _faults_of_split(given: _Native) -> Iterator[Fault]:
    if given.input_tokens is None or given.output_tokens is None:
        return
    total = given.input_tokens + given.output_tokens
    if given.amount not in (None, total):
        yield fault("sum_differs", "/amount")
    if total >= _BOUND:
        yield fault("too_large", "/input_tokens")
    if (given.cache_read_tokens or 0) + (given.cache_write_tokens or 0) > given.input_tokens:
        yield fault("cache_exceeds_input", "/cache_read_tokens" if given.cache_read_tokens else "/cache_write_tokens")


def _faults_of_times(given: _Native, now: datetime) -> Iterator[Fault]:
    for name in _TIMES:
        moment = getattr(given, name)
        if moment is not None and moment > now + AHEAD:
            yield fault("from_the_future", f"/{name}")
    if given.started_at and given.ended_at and given.ended_at < given.started_at:
        yield fault("end_before_start", "/ended_at")


def _event(given: _Native) -> Event:
    amount = given.amount
    if given.input_tokens is not None and given.output_tokens is not None:
        amount = Decimal(given.input_tokens + given.output_tokens)
    return Event(
        entity_type=given.entity_type,
        entity_id=given.entity_id,
        resource_type=given.resource_type,
        amount=amount or Decimal(0),
        input_tokens=given.input_tokens,
        output_tokens=given.output_tokens,
        cache_read_tokens=given.cache_read_tokens,
        cache_write_tokens=given.cache_write_tokens,
        model=given.model or "",
        tier=given.tier or "",
        provider=given.provider or "",
        artifact_type=given.artifact_type or "",
        artifact_id=given.artifact_id or "",
        slot_id=given.slot_id,
        reported_cost=given.reported_cost,
        source=given.source or "",
        event_id=given.event_id,
        created_at=given.created_at or given.started_at,
    )
