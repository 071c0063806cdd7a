"""Events: what is taken from a report of usage, and the code of everything that is not."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from economics import events, intake
from economics.events import Event
from economics.faults import SENTENCES, Fault, Faults

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
CALL = {"entity_type": "hypothesis", "entity_id": "h-1", "resource_type": "llm_tokens", "model": "deep-1"}
SPLIT = {**CALL, "input_tokens": 100, "output_tokens": 20}
CPU = {"entity_type": "analysis", "entity_id": "a/1", "resource_type": "cpu_seconds", "amount": 5}
WHERE_FROM = {"source": "runner-1", "event_id": "evt-1"}


def taken(item: Mapping[str, Any], **changes: Any) -> Event:
    """Return the event an item is."""
    found = events.native({**item, **changes}, now=NOW)
    assert isinstance(found, Event), found
    return found


def refused(item: Mapping[str, Any], **changes: Any) -> Faults:
    """Return what is wrong with an item."""
    found = events.native({**item, **changes}, now=NOW)
    assert isinstance(found, list), found
    return found


def test_a_call_in_full() -> None:
    assert taken(
        {
            **SPLIT,
            **WHERE_FROM,
            "amount": 120,
            "cache_read_tokens": 60,
            "cache_write_tokens": 40,
            "tier": "deep",
            "provider": "openai",
            "artifact_type": "notebook",
            "artifact_id": "n-1",
            "slot_id": "s-1",
            "reported_cost": "0.000000000001",
            "created_at": "2030-01-31T13:00:00+02:00",
        }
    ) == Event(
        entity_type="hypothesis",
        entity_id="h-1",
        resource_type="llm_tokens",
        amount=Decimal(120),
        input_tokens=100,
        output_tokens=20,
        cache_read_tokens=60,
        cache_write_tokens=40,
        model="deep-1",
        tier="deep",
        provider="openai",
        artifact_type="notebook",
        artifact_id="n-1",
        slot_id="s-1",
        reported_cost=Decimal("0.000000000001"),
        source="runner-1",
        event_id="evt-1",
        created_at=datetime(2030, 1, 31, 11, tzinfo=UTC),
    )


def test_what_is_not_given_is_empty_and_null_is_not_given() -> None:
    bare = Event(entity_type="analysis", entity_id="a/1", resource_type="cpu_seconds", amount=Decimal(5))
    assert taken(CPU) == bare
    optional = {field.name for field in fields(Event)} - CPU.keys() | {"started_at", "ended_at"}
    assert taken(CPU, **dict.fromkeys(optional)) == bare


def test_the_amount_of_tokens_is_their_sum_or_stands_alone() -> None:
    assert taken(SPLIT).amount == 120
    assert (taken(CALL, amount=7).amount, taken(CALL, amount=7).input_tokens) == (Decimal(7), None)
    assert taken(CALL, input_tokens=0, output_tokens=0).amount == 0


@pytest.mark.parametrize(
    ("given_amount", "amount"),
    [
        (5, "5"),
        (0, "0"),
        (Decimal("0.000001"), "0.000001"),
        ("12.50", "12.50"),
        ("999999999999999.999999", "999999999999999.999999"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0E+999999999"), "0"),
    ],
)
def test_seconds_are_exact(given_amount: object, amount: str) -> None:
    assert str(taken(CPU, amount=given_amount).amount) == amount


def test_the_time_of_use_is_the_start_when_nothing_else_says() -> None:
    start, end = "2030-01-31T10:00:00Z", "2030-01-31T10:30:00Z"
    assert taken(CPU, started_at=start, ended_at=end).created_at == NOW - timedelta(hours=2)
    assert taken(CPU, started_at=start, created_at=end).created_at == NOW - timedelta(minutes=90)
    assert taken(CPU, ended_at=end).created_at is None
    assert taken(CPU, started_at=end, ended_at=end).created_at == NOW - timedelta(minutes=90)


def test_a_clock_may_be_five_minutes_ahead() -> None:
    assert taken(CPU, created_at="2030-01-31T12:05:00Z").created_at == NOW + timedelta(minutes=5)
    assert taken(CPU, created_at="2000-01-01T00:00:00Z").created_at == datetime(2000, 1, 1, tzinfo=UTC)


_NO_NUMBERS: list[object] = [True, 0.5, [], Decimal("NaN"), Decimal("Infinity")]
REFUSALS: list[tuple[str, str, dict[str, Any]]] = [
    ("required", "/entity_type", {**CPU, "entity_type": None}),
    ("required", "/entity_id", {name: CPU[name] for name in CPU if name != "entity_id"}),
    ("required", "/resource_type", {**CPU, "resource_type": None}),
    ("required", "/amount", {**CPU, "amount": None}),
    ("required", "/amount", CALL),
    ("required", "/output_tokens", {**CALL, "input_tokens": 1}),
    ("required", "/input_tokens", {**CALL, "output_tokens": 1, "amount": 1}),
    ("unknown_field", "/tokens", {**CPU, "tokens": 5}),
    ("unknown_field", "/a~1b~0c", {**CPU, "a/b~c": None}),
    ("unknown_field", "/cost", {**CPU, "cost": 5}),
    ("not_text", "/entity_id", {**CPU, "entity_id": 5}),
    ("not_text", "/model", {**SPLIT, "model": ["deep-1"]}),
    ("blank", "/entity_type", {**CPU, "entity_type": ""}),
    ("blank", "/event_id", {**CPU, "event_id": ""}),
    *(("too_long", f"/{name}", {**CPU, name: "x" * 65}) for name in ("entity_type", "tier", "provider")),
    ("too_long", "/artifact_type", {**CPU, "artifact_type": "x" * 65}),
    *(("too_long", f"/{name}", {**CPU, name: "x" * 201}) for name in ("entity_id", "model", "artifact_id")),
    *(("too_long", f"/{name}", {**CPU, name: "x" * 201}) for name in ("slot_id", "source", "event_id")),
    *(("control_character", "/entity_id", {**CPU, "entity_id": f"h{c}"}) for c in "\0\n\x7f\x85\u2028\ud800"),
    ("unknown_resource_type", "/resource_type", {**CPU, "resource_type": "gpu_seconds"}),
    ("unknown_resource_type", "/resource_type", {**CPU, "resource_type": ["cpu_seconds"]}),
    *(("not_a_number", "/amount", {**CPU, "amount": n}) for n in ("", "NaN", "1e3", "1_0", " 1", "٣", "+1", ".5")),
    *(("not_a_number", "/amount", {**CPU, "amount": n}) for n in _NO_NUMBERS),
    ("not_a_number", "/reported_cost", {**CPU, "reported_cost": "$1"}),
    *(("not_a_number", "/input_tokens", {**SPLIT, "input_tokens": n}) for n in ("100", True, 100.0)),
    ("not_whole", "/input_tokens", {**SPLIT, "input_tokens": Decimal("100.5")}),
    ("not_whole", "/amount", {**CALL, "amount": Decimal("0.5")}),
    ("not_whole", "/amount", {**CPU, "resource_type": "api_calls", "amount": "1.5"}),
    ("negative", "/amount", {**CPU, "amount": -1}),
    ("negative", "/amount", {**CPU, "amount": "-0.000001"}),
    ("negative", "/output_tokens", {**SPLIT, "output_tokens": -1}),
    ("negative", "/reported_cost", {**CPU, "reported_cost": Decimal(-1)}),
    ("too_large", "/amount", {**CPU, "amount": 10**15}),
    ("too_large", "/amount", {**CPU, "amount": Decimal("1E+999999999")}),
    ("too_large", "/input_tokens", {**SPLIT, "input_tokens": 10**15}),
    ("too_large", "/input_tokens", {**SPLIT, "input_tokens": 10**15 - 1, "output_tokens": 1}),
    ("too_precise", "/amount", {**CPU, "amount": Decimal("0.0000001")}),
    ("too_precise", "/amount", {**CPU, "amount": Decimal("0E-999999999")}),
    ("too_precise", "/reported_cost", {**CPU, "reported_cost": "0.0000000000001"}),
    ("sum_differs", "/amount", {**SPLIT, "amount": 119}),
    ("cache_exceeds_input", "/cache_read_tokens", {**SPLIT, "cache_read_tokens": 61, "cache_write_tokens": 40}),
    ("cache_exceeds_input", "/cache_write_tokens", {**SPLIT, "cache_write_tokens": 101}),
    ("not_of_this_class", "/output_tokens", {**CPU, "output_tokens": 0}),
    *(
        ("not_a_time", "/created_at", {**CPU, "created_at": t})
        for t in ("", "noon", 1738324800, "2030-02-30T00:00:00Z")
    ),
    ("not_a_time", "/started_at", {**CPU, "started_at": "0001-01-01T00:00:00+01:00"}),
    ("zone_missing", "/created_at", {**CPU, "created_at": "2030-01-31T12:00:00"}),
    ("too_old", "/ended_at", {**CPU, "ended_at": "1999-12-31T23:59:59Z"}),
    ("from_the_future", "/created_at", {**CPU, "created_at": "2030-01-31T12:05:01Z"}),
    ("end_before_start", "/ended_at", {**CPU, "started_at": "2030-01-31T11:00Z", "ended_at": "2030-01-31T12:59+02:00"}),
]


@pytest.mark.parametrize(("code", "pointer", "item"), REFUSALS)
def test_a_fault_has_its_code_and_place(code: str, pointer: str, item: dict[str, Any]) -> None:
    found = events.native(item, now=NOW)
    assert isinstance(found, list)
    assert [(one.code, one.pointer) for one in found] == [(code, pointer)]
    assert "{" not in found[0].detail


def test_every_code_has_a_test() -> None:
    of_other_forms = {"malformed_json", "not_an_object", "unknown_version", "sums_other_calls"}  # see test_intake
    of_other_things = {"unknown_kind", "unknown_outcome", "not_positive"}  # see the tests of observations and outcomes
    of_tasks = {
        "half_an_entity",
        "cost_without_model",
        "not_a_share",
        "not_a_name",
        *("too_many", "needs_itself", "value_and_parts", "unknown_state", "parts_without_value", "not_names"),
    }  # see those of backlogs
    assert {code for code, _, _ in REFUSALS} == SENTENCES.keys() - of_other_forms - of_other_things - of_tasks


def test_every_fault_is_named_at_once() -> None:
    assert [(one.code, one.pointer) for one in refused(SPLIT, entity_id="", input_tokens=-1, tokens=3)] == [
        ("blank", "/entity_id"),
        ("negative", "/input_tokens"),
        ("unknown_field", "/tokens"),
    ]
    assert refused(CPU, entity_id="x" * 201) == [Fault("too_long", "At most 200 characters are taken.", "/entity_id")]
    assert len(refused(CPU, **{f"field_{n}": n for n in range(1_000)})) == 20


# -- properties

_TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=64)
_COUNTS = st.integers(0, 10**14)
_TIMES = st.datetimes(datetime(2000, 1, 2), datetime(2030, 1, 30), timezones=st.sampled_from([UTC]))  # noqa: DTZ001
_OPTIONAL = {
    **dict.fromkeys(("model", "tier", "provider", "artifact_type", "artifact_id", "slot_id"), _TEXT),
    **dict.fromkeys(("source", "event_id"), _TEXT),
    "reported_cost": st.decimals(0, 10**9, places=12),
    "created_at": _TIMES,
}
_NAMED = {"entity_type": _TEXT, "entity_id": _TEXT}


@st.composite
def _tokens(draw: st.DrawFn) -> dict[str, Any]:
    read, write, fresh, output = (draw(_COUNTS) for _ in range(4))
    split = {"input_tokens": read + write + fresh, "output_tokens": output}
    cached = {"cache_read_tokens": read, "cache_write_tokens": write} if draw(st.booleans()) else {}
    return {"resource_type": "llm_tokens", "amount": Decimal(read + write + fresh + output), **split, **cached}


_AMOUNTS = st.one_of(
    _tokens(),
    st.fixed_dictionaries(
        {"resource_type": st.sampled_from(["llm_tokens", "api_calls"]), "amount": _COUNTS.map(Decimal)}
    ),
    st.fixed_dictionaries(
        {
            "resource_type": st.sampled_from(["cpu_seconds", "storage_gb_hours"]),
            "amount": st.decimals(0, 10**14, places=6),
        }
    ),
)
EVENTS = st.builds(
    lambda named, amounts, rest: Event(**named, **amounts, **rest),
    st.fixed_dictionaries(_NAMED),
    _AMOUNTS,
    st.fixed_dictionaries({}, optional=_OPTIONAL),
)


def written(event: Event, *, numbers: bool, zone: timezone = UTC) -> str:
    """Return an event as a line of JSON, its amounts as numbers or as text."""
    given_fields = {field.name: getattr(event, field.name) for field in fields(event)}
    line = {name: value for name, value in given_fields.items() if value not in (None, "")}
    for name in ("amount", "reported_cost"):
        if name in line:
            line[name] = f"\0{line[name]:f}\0" if numbers else format(line[name], "f")
    if event.created_at:
        line["created_at"] = event.created_at.astimezone(zone).isoformat()
    return json.dumps(line).replace('"\\u0000', "").replace('\\u0000"', "")


@given(EVENTS, st.booleans(), st.integers(-840, 840))
def test_an_event_written_as_a_line_is_read_as_the_same(event: Event, numbers: bool, minutes: int) -> None:  # noqa: FBT001
    line = written(event, numbers=numbers, zone=timezone(timedelta(minutes=minutes)))
    assert intake.batch(line.encode(), intake.NDJSON, now=NOW, most=1) == [event]


_NASTY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(),
    st.floats(),
    st.text(),
    st.sampled_from(["llm_tokens", "cpu_seconds", "2030-01-31T12:00:00Z", "2031-01-01", "5", "-5", "1e5", "0.0000001"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(), st.integers(), max_size=2),
)
_FIELDS = st.sampled_from([field.name for field in fields(Event)] + ["started_at", "ended_at", "x"])


@given(st.sampled_from([CALL, SPLIT, CPU]), st.dictionaries(_FIELDS, _NASTY, max_size=6))
def test_whatever_is_sent_is_an_event_the_tables_take_or_faults(item: dict[str, Any], changes: dict[str, Any]) -> None:
    found = events.native({**item, **changes}, now=NOW)
    if isinstance(found, list):
        assert found
        assert {one.code for one in found} <= SENTENCES.keys()
        return
    assert 0 <= found.amount < 10**15
    assert found.amount == round(found.amount, 6)
    parts = (found.input_tokens, found.output_tokens, found.cache_read_tokens, found.cache_write_tokens)
    if found.resource_type == "llm_tokens" and any(part is not None for part in parts):
        assert found.input_tokens is not None
        assert found.output_tokens is not None
        assert found.amount == found.input_tokens + found.output_tokens
    else:
        assert parts == (None,) * 4
    assert found.created_at is None or found.created_at.utcoffset() == timedelta(0)
