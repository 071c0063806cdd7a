"""The forms events come in: lines of JSON, arrays, and CloudEvents with our own names or OpenTelemetry's inside."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from io import BytesIO
from itertools import islice
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from config import strict_json
from economics import errors, events, telemetry
from economics.faults import Faults, fault, faults_of

NDJSON: Final = "application/x-ndjson"
CLOUD_EVENTS: Final = "application/cloudevents-batch+json"
CLOUD_EVENT: Final = "application/cloudevents+json"
JSON: Final = "application/json"
_T = TypeVar("_T")
_ENVELOPE: Final = {"source": "source", "event_id": "id", "created_at": "time"}  # ours, and CloudEvents'


class _CloudEvent(BaseModel):
    """The attributes of CloudEvents 1.0 that matter here; extensions are somebody else's."""

    model_config = ConfigDict(strict=True, extra="ignore")

    specversion: Literal["1.0"]
    id: events.Name
    source: events.Name
    type: events.Name
    subject: Annotated[str, StringConstraints(min_length=1)] | None = None
    time: Any = None
    data: dict[str, Any]


def cloud_event(item: Mapping[str, Any], *, now: datetime) -> events.Event | Faults:
    """Return the event a CloudEvents 1.0 object in JSON carries, or everything that is wrong with it.

    Its source and id are the event's identity, its time is `created_at`. `data` is our own shape without these
    three, or OpenTelemetry's attributes of a call, flat or under `attributes`. An entity that data does not name is
    read from a subject of the form "type/id".
    """
    try:
        given = _CloudEvent.model_validate(item if isinstance(item, dict) else dict(item))
    except ValidationError as error:
        return faults_of(error, specversion="unknown_version")
    values, origins, faults = _inside(given.data)
    if faults:
        return faults
    entity_type, slash, entity_id = (given.subject or "").partition("/")
    if slash and values.get("entity_type") is None and values.get("entity_id") is None:
        values |= {"entity_type": entity_type, "entity_id": entity_id}
        origins |= dict.fromkeys(("entity_type", "entity_id"), "/subject")
    values |= {"source": given.source, "event_id": given.id, "created_at": given.time}
    origins |= {ours: f"/{theirs}" for ours, theirs in _ENVELOPE.items()}
    found = events.native(values, now=now)
    if isinstance(found, events.Event):
        return found
    return [one._replace(pointer=origins.get(one.pointer[1:], f"/data{one.pointer}")) for one in found]


def _inside(data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str], Faults]:
    """Return what data says in our names, where else than under that name it is said, and what may not stand there."""
    if not telemetry.speaks(data):
        doubled = [name for name in _ENVELOPE if name in data]
        return dict(data), {}, [fault("unknown_field", f"/data/{name}") for name in doubled]
    attributes, prefix = data.get("attributes", data), "/data/attributes" if "attributes" in data else "/data"
    if not isinstance(attributes, dict):
        return {}, {}, [fault("not_an_object", prefix)]
    if attributes.get(telemetry.OPERATION) in telemetry.SUMS:
        return {}, {}, [fault("sums_other_calls", f"{prefix}/{telemetry.OPERATION}")]
    values, origins = telemetry.translated(data, attributes)
    return values, {ours: f"{prefix}/{theirs}" for ours, theirs in origins.items()}, []


def batch(body: bytes, content_type: str, *, now: datetime, most: int) -> list[events.Event | Faults]:
    """Return what each item of a body is, in its order: an event, or everything that is wrong with it.

    Lines of JSON (blank ones are skipped), an array or {"events": array} in our own names, an array of CloudEvents, or
    one CloudEvent.
    Refuses any other body, and more than `most` items before looking at one of them.
    """
    media_type = _media_type(content_type)
    if media_type in {NDJSON, JSON}:
        return objects(body, content_type, read=partial(events.native, now=now), most=most, named="events")
    if media_type not in {CLOUD_EVENTS, CLOUD_EVENT}:
        msg = f"A batch comes as {NDJSON}, {CLOUD_EVENTS}, {CLOUD_EVENT} or {JSON}."
        raise errors.MalformedBatchError(msg)
    items = [_parsed(body)] if media_type == CLOUD_EVENT else _array(body)
    _refuse_more(len(items), most)
    return [_item(item, partial(cloud_event, now=now)) for item in items]


def objects(
    body: bytes, content_type: str, *, read: Callable[[dict[str, Any]], _T | Faults], most: int, named: str
) -> list[_T | Faults]:
    """Return what `read` makes of each object of a body, in its order, or everything that is wrong with it.

    Lines of JSON (blank ones are skipped), an array, or an object of one array that is `named` so. Refuses any other
    body, and more than `most` items before looking at one of them.
    """
    if _media_type(content_type) == NDJSON:
        _refuse_more(sum(1 for _ in islice(_lines(body), most + 1)), most)
        return [_line(line, read) for line in _lines(body)]
    if _media_type(content_type) != JSON:
        msg = f"A batch comes as {NDJSON} or {JSON}."
        raise errors.MalformedBatchError(msg)
    items = _array(body, named=named)
    _refuse_more(len(items), most)
    return [_item(item, read) for item in items]


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _refuse_more(size: int, most: int) -> None:
    if size > most:
        msg = f"A batch has at most {most:,} items."
        raise errors.BatchTooLargeError(msg, most=most)


def _lines(body: bytes) -> Iterator[bytes]:
    return (line for line in BytesIO(body) if not line.isspace())


def _line(line: bytes, read: Callable[[dict[str, Any]], _T | Faults]) -> _T | Faults:
    try:
        item = strict_json.parse(line)
    except strict_json.NotJSONError as error:
        return [fault("malformed_json", "", reason=error)]
    return _item(item, read)


def _item(item: object, read: Callable[[dict[str, Any]], _T | Faults]) -> _T | Faults:
    return read(item) if isinstance(item, dict) else [fault("not_an_object", "")]


def _array(body: bytes, *, named: str = "") -> list[Any]:
    """Return the items of a body that is an array, or, where it may be `named`, an object of one such array."""
    data = _parsed(body)
    if named and isinstance(data, dict) and data.keys() == {named}:
        data = data[named]
    if not isinstance(data, list):
        msg = f'A batch is lines of JSON, an array, or an object {{"{named}": array}}.' if named else ""
        raise errors.MalformedBatchError(msg)
    return data


def _parsed(body: bytes) -> Any:
    try:
        return strict_json.parse(body)
    except strict_json.NotJSONError as error:
        msg = f"The body is not JSON that is taken here: {error}"
        raise errors.MalformedBatchError(msg) from error
