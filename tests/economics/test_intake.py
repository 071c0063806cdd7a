"""Intake: lines, arrays, CloudEvents and OpenTelemetry's names."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from economics import errors, intake
from economics.events import Event
from economics.faults import Fault, Faults
from tests.economics.test_events import EVENTS, written

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
CPU = {"entity_type": "analysis", "entity_id": "a-1", "resource_type": "cpu_seconds", "amount": 5}
EVENT = Event(entity_type="analysis", entity_id="a-1", resource_type="cpu_seconds", amount=Decimal(5))
ENVELOPE = {"specversion": "1.0", "id": "evt-1", "source": "//runner/1", "type": "org.example.usage"}
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "fast",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.cache_creation.input_tokens": 10,
    "gen_ai.usage.reasoning.output_tokens": 5,
    "gen_ai.response.finish_reasons": ["stop"],
    "server.address": "models.example",
}


def read(body: object, content_type: str = intake.NDJSON, most: int = 100) -> list[Event | Faults]:
    """Return what the items of a body are."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return intake.batch(raw, content_type, now=NOW, most=most)


def places(found: Event | Faults) -> list[tuple[str, str]]:
    """Return the code and place of each fault."""
    assert isinstance(found, list), found
    return [(fault.code, fault.pointer) for fault in found]


def carried(data: Any, **attributes: Any) -> Event | Faults:
    """Return what a CloudEvent with this data is."""
    return intake.cloud_event({**ENVELOPE, "data": data, **attributes}, now=NOW)


# -- lines


def test_each_line_is_an_item_of_its_own() -> None:
    line = json.dumps(CPU).encode()
    body = b"\n".join(
        [line, b"", b"{", line + b"\r", b" \t", b"[1]", b'{"amount": NaN}', b"\xff", b'{"a":1,"a":2}', line]
    )
    found = read(body)
    assert [found[0], found[2], found[7]] == [EVENT] * 3
    assert [places(one) for one in (found[1], *found[3:7])] == [
        [("malformed_json", "")],
        [("not_an_object", "")],
        [("malformed_json", "")],
        [("malformed_json", "")],
        [("malformed_json", "")],
    ]
    assert found[4] == [Fault("malformed_json", "This is not JSON that is taken here: NaN is not a number.", "")]
    assert len(found) == 8


def test_fractions_in_lines_stay_exact() -> None:
    (found,) = read(json.dumps(CPU).replace("5}", "123456789012345.123456}").encode())
    assert isinstance(found, Event)
    assert found.amount == Decimal("123456789012345.123456")


def test_blank_lines_are_not_counted() -> None:
    line = json.dumps(CPU).encode()
    assert read(b"\n\n" + line + b"\n\n \n" + line + b"\n\n", most=2) == [EVENT, EVENT]
    assert read(b"") == []
    assert read(b"\n") == []


# -- arrays


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_an_array_may_have_a_name(content_type: str) -> None:
    assert read([CPU, 5], content_type)[0] == EVENT
    assert places(read([CPU, 5], content_type)[1]) == [("not_an_object", "")]
    assert read({"events": [CPU]}, content_type) == [EVENT]
    assert read([], content_type) == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", intake.JSON),
        (b"[1, 2", intake.CLOUD_EVENTS),
        (b'{"events": [], "more": 1}', intake.JSON),
        (b'{"events": {}}', intake.JSON),
        (b'{"events": []}', intake.CLOUD_EVENTS),
        (b"5", intake.JSON),
        (b"[]", "text/csv"),
        (b"[]", ""),
    ],
)
def test_a_body_that_is_no_batch_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(errors.MalformedBatchError) as refusal:
        read(body, content_type)
    assert refusal.value.code == "malformed_batch"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"x\n" * 101, intake.NDJSON), ([1] * 101, intake.JSON), ([1] * 101, intake.CLOUD_EVENTS)],
)
def test_too_many_items_are_refused_as_a_whole(body: object, content_type: str) -> None:
    with pytest.raises(errors.BatchTooLargeError) as refusal:
        read(body, content_type)
    assert (refusal.value.code, refusal.value.figures) == ("batch_too_large", {"most": 100})


# -- CloudEvents


def test_a_cloud_event_carries_our_own_shape() -> None:
    found = carried(CPU, time="2030-01-31T11:00:00Z", traceparent="00-ab-cd-01", datacontenttype="application/json")
    assert found == Event(
        entity_type="analysis",
        entity_id="a-1",
        resource_type="cpu_seconds",
        amount=Decimal(5),
        source="//runner/1",
        event_id="evt-1",
        created_at=NOW - timedelta(hours=1),
    )
    assert read([{**ENVELOPE, "data": CPU, "time": "2030-01-31T11:00:00Z"}], intake.CLOUD_EVENTS) == [found]
    assert places(read([CPU, 1], intake.CLOUD_EVENTS)[1]) == [("not_an_object", "")]


def test_the_subject_names_the_entity_data_does_not() -> None:
    unnamed = {"resource_type": "cpu_seconds", "amount": 5}
    found = carried(unnamed, subject="analysis/a/1")
    assert isinstance(found, Event)
    assert (found.entity_type, found.entity_id) == ("analysis", "a/1")
    named = carried(CPU, subject="hypothesis/h-1")
    assert isinstance(named, Event)
    assert named.entity_id == "a-1"
    assert places(carried(unnamed, subject="analysis/")) == [("blank", "/subject")]
    assert places(carried(unnamed, subject="analysis")) == [
        ("required", "/data/entity_type"),
        ("required", "/data/entity_id"),
    ]


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"specversion": "0.3"}, [("unknown_version", "/specversion")]),
        ({"specversion": None}, [("required", "/specversion")]),
        ({"id": ""}, [("blank", "/id")]),
        ({"id": 5, "source": None}, [("not_text", "/id"), ("required", "/source")]),
        ({"type": ""}, [("blank", "/type")]),
        ({"subject": 5}, [("not_text", "/subject")]),
        ({"time": "2030-01-31"}, [("zone_missing", "/time")]),
        ({"time": "2030-02-01T00:00:00Z"}, [("from_the_future", "/time")]),
        ({"data": None}, [("required", "/data")]),
        ({"data": "text"}, [("not_an_object", "/data")]),
        ({"data": {**CPU, "amount": -1}}, [("negative", "/data/amount")]),
        ({"data": {**CPU, "a/b": 1}}, [("unknown_field", "/data/a~1b")]),
        (
            {"data": {**CPU, "source": "x", "created_at": None}},
            [("unknown_field", f"/data/{n}") for n in ("source", "created_at")],
        ),
    ],
)
def test_a_fault_of_a_cloud_event_has_its_place(changes: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    assert places(carried(**{"data": CPU, **changes})) == faults


# -- OpenTelemetry


@pytest.mark.parametrize("nested", [True, False])
def test_a_call_in_telemetry_is_mapped(nested: bool) -> None:  # noqa: FBT001
    beside = {"tier": "deep", "slot_id": "s-1", "reported_cost": Decimal("0.01"), "started_at": "2030-01-31T11:00:00Z"}
    found = carried({**beside, "attributes": CHAT} if nested else {**beside, **CHAT}, subject="hypothesis/h-1")
    assert found == Event(
        entity_type="hypothesis",
        entity_id="h-1",
        resource_type="llm_tokens",
        amount=Decimal(120),
        input_tokens=100,
        output_tokens=20,
        cache_read_tokens=60,
        cache_write_tokens=10,
        model="gpt-4o-2024-08-06",
        tier="deep",
        provider="openai",
        slot_id="s-1",
        reported_cost=Decimal("0.01"),
        source="//runner/1",
        event_id="evt-1",
        created_at=NOW - timedelta(hours=1),
    )


def test_older_names_are_understood() -> None:
    found = carried(
        {
            "entity_type": "hypothesis",
            "entity_id": "h-1",
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "claude-3-opus",
            "gen_ai.response.model": "",
            "gen_ai.usage.prompt_tokens": 100,
            "gen_ai.usage.completion_tokens": 20,
            "gen_ai.usage.cache_read_input_tokens": 1,
            "gen_ai.usage.cache_creation_input_tokens": 2,
        }
    )
    assert isinstance(found, Event)
    assert (found.provider, found.model) == ("anthropic", "claude-3-opus")
    parts = (found.input_tokens, found.output_tokens, found.cache_read_tokens, found.cache_write_tokens)
    assert parts == (100, 20, 1, 2)


def test_a_call_without_output_counts_its_input() -> None:
    found = carried({"gen_ai.operation.name": "embeddings", "gen_ai.usage.input_tokens": 8}, subject="analysis/a-1")
    assert isinstance(found, Event)
    assert (found.amount, found.output_tokens) == (Decimal(8), 0)


@pytest.mark.parametrize("operation", ["invoke_agent", "invoke_workflow"])
def test_sums_of_calls_are_refused(operation: str) -> None:
    found = carried({"attributes": {**CHAT, "gen_ai.operation.name": operation}}, subject="hypothesis/h-1")
    assert places(found) == [("sums_other_calls", "/data/attributes/gen_ai.operation.name")]


@pytest.mark.parametrize(
    ("changes", "code", "name"),
    [
        ({"gen_ai.usage.output_tokens": -1}, "negative", "gen_ai.usage.output_tokens"),
        ({"gen_ai.usage.input_tokens": Decimal("1.5")}, "not_whole", "gen_ai.usage.input_tokens"),
        ({"gen_ai.usage.input_tokens": 50}, "cache_exceeds_input", "gen_ai.usage.cache_read.input_tokens"),
        ({"gen_ai.operation.name": [], "gen_ai.response.model": 5}, "not_text", "gen_ai.response.model"),
    ],
)
def test_a_fault_of_a_call_names_the_attribute(changes: dict[str, Any], code: str, name: str) -> None:
    found = carried({"attributes": {**CHAT, **changes}}, subject="hypothesis/h-1")
    assert places(found) == [(code, f"/data/attributes/{name}")]
    assert places(carried({**CHAT, **changes}, subject="hypothesis/h-1")) == [(code, f"/data/{name}")]


def test_telemetry_without_usage_is_refused() -> None:
    found = carried({"attributes": {"gen_ai.operation.name": "chat"}}, subject="hypothesis/h-1")
    assert places(found) == [("required", "/data/attributes/gen_ai.usage.input_tokens")]
    assert places(carried({"attributes": [CHAT]})) == [("not_an_object", "/data/attributes")]


# -- properties


@given(st.lists(EVENTS, max_size=6), st.booleans())
def test_lines_and_arrays_say_the_same(given_events: list[Event], numbers: bool) -> None:  # noqa: FBT001
    lines = [written(event, numbers=numbers) for event in given_events]
    assert read("\n".join(lines).encode()) == given_events
    assert read(f"[{','.join(lines)}]".encode(), intake.JSON) == given_events


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*ENVELOPE, "data", "subject", "time", "attributes", *CPU, *CHAT]) | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from([*ENVELOPE, "data", "subject", "time"]), _JSON), st.booleans())
def test_whatever_a_cloud_event_holds_is_answered(item: dict[str, Any], whole: bool) -> None:  # noqa: FBT001
    found = intake.cloud_event({**ENVELOPE, **item} if whole else item, now=NOW)
    assert isinstance(found, Event) or (found and all(isinstance(fault, Fault) for fault in found))
