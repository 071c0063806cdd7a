"""Usage in bulk over HTTP: each item judged by itself, each event counted once, whatever form it comes in."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.models import IdempotentRequest
from economics.models import Counter, Envelope, Usage, UsageDay
from tests import callers, factories
from tests.callers import BOOKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.callers import Caller

pytestmark = pytest.mark.django_db

BATCH = f"{BOOKS}/usage/batch"
JSON, NDJSON = "application/json", "application/x-ndjson"
CLOUD_EVENT, CLOUD_EVENTS = "application/cloudevents+json", "application/cloudevents-batch+json"


def _item(event_id: object = "e-1", **terms: object) -> dict[str, object]:
    named = {"entity_type": "hypothesis", "entity_id": "h1", "resource_type": "llm_tokens", "model": "deep-1"}
    return {**named, "amount": 100, "event_id": event_id, **terms}


def _cloud(event_id: str = "e-1", **data: object) -> dict[str, object]:
    shape = {"specversion": "1.0", "id": event_id, "source": "runner", "type": "usage"}
    said = {name: value for name, value in _item(**data).items() if name != "event_id"}
    return {**shape, "time": "2026-02-01T00:00:00Z", "data": said}


def _lines(items: Sequence[object]) -> bytes:
    return b"\n".join(json.dumps(item).encode() for item in items)


def _done(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.content
    return json.loads(answer.content)


def _sent(caller: Caller, items: object, kind: str = JSON) -> Any:
    body = _lines(items) if kind.startswith(NDJSON) else json.dumps(items).encode()  # type: ignore[arg-type] # a list
    return _done(caller.send(BATCH, body, kind=kind, key=None))


def _statuses(answer: Any) -> list[str]:
    return [result["status"] for result in answer["results"]]


@pytest.fixture
def envelope() -> Envelope:
    """Open an envelope of 1,000 LLM tokens a day for hypothesis h1, and list the model deep-1."""
    factories.model()
    return factories.envelope("h1", at=callers.now())


def test_each_item_is_judged_by_itself_and_answered_in_its_place(envelope: Envelope) -> None:
    worker = callers.caller()
    _sent(worker, [_item("known"), _item("moved")])
    items: list[object] = [
        _item("new"),
        _item("known"),
        _item("moved", amount=101),
        _item("bad", amount=-1, entity_id=""),
        _item("tier", tier="unheard-of"),
        _item("unpriced", model="unheard-of"),
        {name: value for name, value in _item().items() if name != "event_id"},
        "no object",
        _item("new"),
    ]
    answer = _sent(worker, items)
    assert answer["counts"] == {"recorded": 2, "duplicate": 2, "conflict": 1, "refused": 4}
    assert [result["index"] for result in answer["results"]] == list(range(9))
    assert _statuses(answer) == [
        *("recorded", "duplicate", "conflict", "refused", "refused", "recorded", "refused", "refused", "duplicate"),
    ]
    new, known, moved, bad, tier, unpriced, nameless, text, again = answer["results"]
    row = Usage.objects.get(event_id="new")
    assert new == {
        "index": 0,
        "status": "recorded",
        "usage_id": row.pk,
        "cost": "0.13",
        "code": None,
        "errors": [],
    }
    assert known["usage_id"] == Usage.objects.get(event_id="known").pk
    assert (moved["usage_id"], moved["code"]) == (Usage.objects.get(event_id="moved").pk, "event_conflict")
    assert (bad["usage_id"], bad["code"]) == (None, "invalid")
    assert {(fault["pointer"], fault["code"]) for fault in bad["errors"]} == {
        ("/amount", "negative"),
        ("/entity_id", "blank"),
    }
    assert (tier["usage_id"], tier["code"]) == (None, "unknown_tier")
    assert (unpriced["cost"], unpriced["code"]) == (None, None)
    assert [(fault["pointer"], fault["code"]) for fault in nameless["errors"]] == [("/event_id", "required")]
    assert text["code"] == "not_an_object"
    assert (again["usage_id"], again["cost"]) == (row.pk, "0.13")
    assert Usage.objects.count() == 4


@pytest.mark.parametrize("kind", [JSON, NDJSON, CLOUD_EVENTS])
def test_a_batch_sent_again_counts_nothing_twice(envelope: Envelope, kind: str) -> None:
    worker = callers.caller()
    make = _cloud if kind == CLOUD_EVENTS else _item
    items = [make(f"e-{number}") for number in range(5)]
    first, again = (_sent(worker, items, kind) for _time in range(2))
    assert _statuses(first) == ["recorded"] * 5
    assert _statuses(again) == ["duplicate"] * 5
    pairs = zip(first["results"], again["results"], strict=True)
    assert all((one["usage_id"], one["cost"]) == (two["usage_id"], two["cost"]) for one, two in pairs)
    assert [int(day.amount) for day in UsageDay.objects.all()] == [500]
    assert Usage.objects.count() == 5
    assert not IdempotentRequest.objects.exists()


def test_the_forms_of_one_event_are_one_event(envelope: Envelope) -> None:
    worker = callers.caller()
    item = _item(source="runner", created_at="2026-02-01T00:00:00Z")
    assert _statuses(_sent(worker, [item])) == ["recorded"]
    assert _statuses(_sent(worker, {"events": [item]})) == ["duplicate"]
    assert _statuses(_sent(worker, [item], NDJSON)) == ["duplicate"]
    assert _statuses(_sent(worker, [_cloud()], CLOUD_EVENTS)) == ["duplicate"]
    assert _statuses(_sent(worker, _cloud(), CLOUD_EVENT)) == ["duplicate"]
    assert _statuses(_sent(worker, [item], f"{NDJSON}; charset=utf-8")) == ["duplicate"]
    assert callers.caller().send(f"{BATCH}/", json.dumps([item]).encode(), key=None).status_code == 200


def test_calls_in_the_names_of_opentelemetry_are_understood(envelope: Envelope) -> None:
    event = {
        "specversion": "1.0",
        "id": "span-1",
        "source": "collector",
        "type": "span",
        "subject": "hypothesis/h1",
        "data": {
            "gen_ai.request.model": "deep-1",
            "gen_ai.provider.name": "acme",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 50,
        },
    }
    worker = callers.caller()
    (result,) = _sent(worker, event, CLOUD_EVENT)["results"]
    usage = _done(worker.get(f"{BOOKS}/usage/{result['usage_id']}"))
    assert (usage["input_tokens"], usage["output_tokens"], usage["cost"]) == (100, 50, "0.25")
    assert (usage["source"], usage["event_id"], usage["provider"]) == ("collector", "span-1", "acme")


def test_back_dated_items_land_in_their_own_windows(envelope: Envelope) -> None:
    today = callers.now().replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=back) for back in (0, 1, 40)]
    items = [_item(f"e-{place}", created_at=day.isoformat()) for place, day in enumerate(days)]
    _sent(callers.caller(), items)
    counters = Counter.objects.filter(line__envelope=envelope, line__resource_type="llm_tokens")
    assert {counter.window_start: int(counter.settled) for counter in counters} == dict.fromkeys(days, 100)


def test_a_line_that_is_no_json_spoils_itself_only(envelope: Envelope) -> None:
    body = _lines([_item("a")]) + b'\n{"amount": NaN}\n\n{"a": 1, "a": 2}\n{\n' + _lines([_item("b")]) + b"\n"
    answer = _done(callers.caller().send(BATCH, body, kind=NDJSON, key=None))
    assert _statuses(answer) == ["recorded", "refused", "refused", "refused", "recorded"]
    assert [result["code"] for result in answer["results"][1:4]] == ["malformed_json"] * 3
    assert Usage.objects.count() == 2


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        (JSON, b"", 422, "malformed_batch"),
        (JSON, b"{", 422, "malformed_batch"),
        (JSON, b"{}", 422, "malformed_batch"),
        (JSON, b"1", 422, "malformed_batch"),
        (JSON, b'{"events": {}}', 422, "malformed_batch"),
        (JSON, b'[{"amount": NaN}]', 422, "malformed_batch"),
        (JSON, b'[{"a": 1, "a": 1}]', 422, "malformed_batch"),
        (JSON, b"[" * 100_000, 422, "malformed_batch"),
        (JSON, b"[" + b"1," * 10_000 + b"1]", 422, "batch_too_large"),
        (JSON, b"[" + b"1," * 2_000_000 + b"1]", 422, "batch_too_large"),
        (NDJSON, b"1\n" * 10_001, 422, "batch_too_large"),
        (NDJSON, b"1\n" * 2_500_000, 422, "batch_too_large"),
        (CLOUD_EVENTS, b'{"specversion": "1.0"}', 422, "malformed_batch"),
        (JSON, b"[" + b" " * 5_300_000 + b"]", 413, "body_too_large"),
        (NDJSON, b"1\n" * 10_000_000, 413, "body_too_large"),
        ("text/csv", b"[]", 415, "unsupported_media_type"),
        ("application/xml", b"[]", 415, "unsupported_media_type"),
        ("application/x-www-form-urlencoded", b"[]", 415, "unsupported_media_type"),
    ],
)
def test_a_body_that_is_no_batch_is_refused_as_a_whole(kind: str, body: bytes, status: int, code: str) -> None:
    document = callers.problem(callers.caller().send(BATCH, body, kind=kind, key=None))
    assert (document["status"], document["code"]) == (status, code)
    assert not Usage.objects.exists()


@pytest.mark.parametrize("kind", [JSON, NDJSON])
def test_ten_thousand_items_take_as_many_statements_as_one(envelope: Envelope, kind: str) -> None:
    worker = callers.caller()
    worker.get(BATCH)  # a key's use is written down once a minute
    with CaptureQueriesContext(connection) as few:
        _sent(worker, [_item("first", amount=1)], kind)
    items = [_item(f"e-{number}", amount=1) for number in range(10_000)]
    with CaptureQueriesContext(connection) as many:
        answer = _sent(worker, items, kind)
    assert answer["counts"] == {"recorded": 10_000, "duplicate": 0, "conflict": 0, "refused": 0}
    assert len(many) == len(few)
    assert UsageDay.objects.get().amount == 10_001


def test_nothing_is_a_batch_of_nothing() -> None:
    answer = _sent(callers.caller(), [])
    assert answer == {"counts": {"recorded": 0, "duplicate": 0, "conflict": 0, "refused": 0}, "results": []}


def test_an_agents_ids_are_its_own(envelope: Envelope) -> None:
    one, other = callers.caller(name="ann"), callers.caller(name="ben")
    assert _statuses(_sent(one, [_item("e-1", source="s")])) == ["recorded"]
    assert _statuses(_sent(other, [_item("e-1", source="s"), _item("e-1", source="ann/s")])) == ["recorded"] * 2
    assert [row["source"] for row in _done(other.get(f"{BOOKS}/usage"))["results"]] in (["s", "ann/s"], ["ann/s", "s"])


# One transaction for all examples: each has an agent of its own.
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_split_into_batches_in_any_order_gives_the_same_totals(db: None, data: st.DataObject) -> None:
    items = [
        _item(
            f"e-{number}",
            amount=number + 1,
            entity_id=f"h{number % 2}",
            created_at=f"2026-02-0{1 + number % 3}T00:00:00Z",
        )
        for number in range(8)
    ]
    worker = callers.caller()
    shuffled = data.draw(st.permutations(items + items[:3]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True):
        if start < end:
            _sent(worker, shuffled[start:end], data.draw(st.sampled_from([JSON, NDJSON])))
    totals = UsageDay.objects.filter(agent_id=worker.agent.pk).order_by("day", "entity_id")
    assert [(day.day.day, day.entity_id, int(day.amount), day.events) for day in totals] == [
        *((1, "h0", 8, 2), (1, "h1", 4, 1), (2, "h0", 5, 1), (2, "h1", 10, 2), (3, "h0", 3, 1), (3, "h1", 6, 1)),
    ]
