"""What was used, told over HTTP: one use at a time, taken back where it was wrong, and read by who told it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.models import IdempotentRequest
from economics.models import Counter, Envelope, Usage, UsageDay
from tests import callers, factories
from tests.callers import BOOKS, Caller

pytestmark = pytest.mark.django_db

USAGE = f"{BOOKS}/usage"
GONE = object()  # the field is not sent


def _done(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.content
    return json.loads(answer.content)


def _refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, callers.problem(answer)["code"]


def _body(**terms: object) -> dict[str, object]:
    named = {"entity_type": "hypothesis", "entity_id": "h1", "resource_type": "llm_tokens", "model": "deep-1"}
    body: dict[str, object] = {**named, "amount": 100, **terms}
    return {name: value for name, value in body.items() if value is not GONE}


def _told(caller: Caller, **terms: object) -> Any:
    return _done(caller.post(USAGE, _body(**terms)), 201)


@pytest.fixture
def envelope() -> Envelope:
    """Open an envelope of 1,000 LLM tokens a day for hypothesis h1, and list the model deep-1."""
    factories.model()
    return factories.envelope("h1", at=callers.now())


def _settled(envelope: Envelope, at: datetime) -> list[tuple[datetime, str]]:
    """Return what is settled against the whole class, window by window."""
    counters = Counter.objects.filter(line__envelope=envelope, line__resource_type="llm_tokens")
    rows = counters.exclude(settled=0).order_by("window_start").values_list("window_start", "settled")
    return [(start, f"{settled.normalize():f}") for start, settled in rows]


# One use


def test_a_use_is_recorded_priced_and_shown_as_it_was_told(envelope: Envelope) -> None:
    worker = callers.caller(name="ann")
    used_at = callers.now() - timedelta(days=2)
    told = _told(
        worker,
        amount=GONE,
        input_tokens=100,
        output_tokens=100,
        cache_read_tokens=40,
        artifact_type="paper",
        artifact_id="p 1",
        slot_id="s-1",
        reported_cost="0.41",
        source="runner",
        event_id="e-1",
        created_at=used_at.isoformat(),
    )
    assert told == {
        "id": told["id"],
        "entity_type": "hypothesis",
        "entity_id": "h1",
        "resource_type": "llm_tokens",
        "amount": "200",
        "input_tokens": 100,
        "output_tokens": 100,
        "cache_read_tokens": 40,
        "cache_write_tokens": None,
        "cost": "0.4",
        "price_state": "priced",
        "reported_cost": "0.41",
        "price_id": told["price_id"],
        "rate": "0.001",
        "output_rate": "0.003",
        "is_first_list": False,
        "model": "deep-1",
        "tier": "frontier",
        "provider": "",
        "artifact_type": "paper",
        "artifact_id": "p 1",
        "slot_id": "s-1",
        "reservation_id": None,
        "corrects_id": None,
        "source": "runner",
        "event_id": "e-1",
        "note": "",
        "created_at": used_at.isoformat().replace("+00:00", "Z"),
        "recorded_at": told["recorded_at"],
    }
    assert _done(worker.get(f"{USAGE}/{told['id']}/")) == told
    assert _done(worker.get(USAGE))["results"] == [told]
    day = used_at.replace(hour=0, minute=0, second=0, microsecond=0)
    assert _settled(envelope, used_at) == [(day, "200")]


def test_a_use_is_recorded_whatever_the_envelope_and_the_catalogue_say(envelope: Envelope) -> None:
    worker = callers.caller()
    over = _told(worker, amount=5_000)
    nowhere = _told(worker, entity_type="wish", entity_id="none has an envelope")
    unheard = _told(worker, model="unheard-of")
    assert (over["cost"], nowhere["cost"]) == ("6.5", "0.13")
    assert (unheard["cost"], unheard["price_state"], unheard["tier"]) == (None, "unpriced", "")
    assert _done(worker.get(USAGE, price_state="unpriced"))["results"] == [unheard]
    (row,) = _done(worker.get(f"{BOOKS}/budgets/hypothesis/h1"))["lines"][:1]
    assert (row["settled"], row["remaining"]) == ("5100", "0")


def test_a_request_repeated_under_its_key_counts_once(envelope: Envelope) -> None:
    worker = callers.caller()
    first, again = (worker.post(USAGE, _body(), key="one") for _time in range(2))
    assert first.content == again.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Usage.objects.count() == 1
    assert _refused(worker.post(USAGE, _body(), key=None)) == (400, "idempotency_key_required")
    assert _refused(worker.post(USAGE, _body(amount=101), key="one")) == (422, "idempotency_key_reused")


def test_an_event_told_again_is_the_same_row_and_other_figures_are_a_conflict(envelope: Envelope) -> None:
    worker = callers.caller()
    first, again = (_told(worker, source="runner", event_id="e-1") for _time in range(2))
    assert first == again
    assert _refused(worker.post(USAGE, _body(amount=101, source="runner", event_id="e-1"))) == (409, "event_conflict")
    assert Usage.objects.count() == 1


def test_nobody_can_take_anothers_event_ids_nor_those_of_the_house(envelope: Envelope) -> None:
    one, other = callers.caller(name="ann"), callers.caller(name="ben")
    ids = {_told(caller, source=source, event_id="e-1")["id"] for caller in (one, other) for source in ("s", "ann/s")}
    assert len(ids) == 4
    held = factories.reserve(envelope, by=one.agent, at=callers.now())
    _told(other, source="reservation", event_id=f"reservation:{held.pk}")
    settled = one.post(f"{BOOKS}/reservations/{held.pk}/settle", {"amount": 1})
    assert _done(settled)["source"] == "reservation"


def test_the_usage_of_others_does_not_exist_for_one(envelope: Envelope) -> None:
    theirs = _told(callers.caller(name="ann"))
    mine = callers.caller()
    assert _done(mine.get(USAGE))["results"] == []
    for number in (theirs["id"], 10**17):
        assert _refused(mine.get(f"{USAGE}/{number}")) == (404, "unknown_usage")
        assert _refused(mine.post(f"{USAGE}/{number}/correct", {"note": "no"})) == (404, "unknown_usage")
    assert Usage.objects.count() == 1


# Corrections


def test_what_was_told_too_much_is_taken_back_in_its_own_window(envelope: Envelope) -> None:
    worker = callers.caller(name="ann")
    yesterday = callers.now() - timedelta(days=1)
    told = _told(worker, amount=GONE, input_tokens=100, output_tokens=100, created_at=yesterday.isoformat())
    body = {"amount": 50, "note": "counted twice"}
    first, again = (worker.post(f"{USAGE}/{told['id']}/correct", body, key="one") for _time in range(2))
    contra = _done(first, 201)
    assert first.content == again.content
    assert (contra["amount"], contra["cost"], contra["corrects_id"]) == ("-50", "-0.1", told["id"])
    assert (contra["input_tokens"], contra["output_tokens"]) == (-25, -25)
    assert (contra["note"], contra["created_at"]) == ("agent ann: counted twice", told["created_at"])
    day = yesterday.replace(hour=0, minute=0, second=0, microsecond=0)
    assert _settled(envelope, yesterday) == [(day, "150")]
    rest = _done(worker.post(f"{USAGE}/{told['id']}/correct", {"note": "all of it"}), 201)
    assert (rest["amount"], rest["cost"]) == ("-150", "-0.3")
    assert _settled(envelope, yesterday) == []
    assert [row["id"] for row in _done(worker.get(USAGE, corrects_id=told["id"]))["results"]] == [
        rest["id"],
        contra["id"],
    ]


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({}, 400, "required", "/note"),
        ({"note": ""}, 400, "blank", "/note"),
        ({"note": "a\nb"}, 400, "control", "/note"),
        ({"note": "x" * 501}, 400, "max_length", "/note"),
        ({"note": "n", "amount": -5}, 400, "min_value", "/amount"),
        ({"note": "n", "amount": "NaN"}, 400, "invalid", "/amount"),
        ({"note": "n", "amount": 0}, 400, "min_value", "/amount"),
        ({"note": "n", "amount": 1.5}, 409, "correction_too_large", "/amount"),
        ({"note": "n", "amount": 101}, 409, "correction_too_large", "/amount"),
        ({"note": "n", "cost": 1}, 400, "unknown_field", "/cost"),
    ],
)
def test_what_cannot_be_taken_back_is_refused(
    envelope: Envelope, body: dict[str, object], status: int, code: str, pointer: str
) -> None:
    worker = callers.caller()
    told = _told(worker)
    document = callers.problem(worker.post(f"{USAGE}/{told['id']}/correct", body))
    assert (document["status"], document["code"]) == (status, code)
    assert [fault["pointer"] for fault in document["errors"]] == [pointer]
    assert Usage.objects.count() == 1


def test_a_correction_is_not_corrected(envelope: Envelope) -> None:
    worker = callers.caller()
    contra = _done(worker.post(f"{USAGE}/{_told(worker)['id']}/correct", {"note": "n"}), 201)
    answer = worker.post(f"{USAGE}/{contra['id']}/correct", {"note": "n"})
    assert _refused(answer) == (409, "not_correctable")


# Bad input

NOT_A_NUMBER: list[object] = ["", "x", "1e3", "NaN", True, [], {}]
NOT_TEXT: list[object] = [1, 1.5, True, [], {}]
FUTURE = "2999-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("terms", "status", "code", "pointer"),
    [
        *(({"amount": value}, 400, "not_a_number", "/amount") for value in NOT_A_NUMBER),
        ({"amount": -1}, 400, "negative", "/amount"),
        ({"amount": 1.5}, 400, "not_whole", "/amount"),
        ({"amount": 10**15}, 400, "too_large", "/amount"),
        ({"amount": 10**40}, 400, "too_large", "/amount"),
        ({"amount": "0.0000001", "resource_type": "cpu_seconds"}, 400, "too_precise", "/amount"),
        ({"amount": GONE}, 400, "required", "/amount"),
        ({"amount": GONE, "input_tokens": 1}, 400, "required", "/output_tokens"),
        ({"input_tokens": 1, "output_tokens": 1}, 400, "sum_differs", "/amount"),
        ({"amount": GONE, "input_tokens": -1, "output_tokens": 1}, 400, "negative", "/input_tokens"),
        ({"amount": GONE, "input_tokens": 1.5, "output_tokens": 1}, 400, "not_whole", "/input_tokens"),
        ({"resource_type": "gold"}, 400, "unknown_resource_type", "/resource_type"),
        ({"resource_type": GONE}, 400, "required", "/resource_type"),
        ({"resource_type": "cpu_seconds", "cache_read_tokens": 1}, 400, "not_of_this_class", "/cache_read_tokens"),
        ({"entity_id": GONE}, 400, "required", "/entity_id"),
        ({"entity_id": ""}, 400, "blank", "/entity_id"),
        *(({"entity_id": value}, 400, "not_text", "/entity_id") for value in NOT_TEXT),
        *(({"entity_id": value}, 400, "control_character", "/entity_id") for value in ("a\0", "a\nb", "\x1b[2J")),
        ({"entity_id": "x" * 201}, 400, "too_long", "/entity_id"),
        ({"created_at": FUTURE}, 400, "from_the_future", "/created_at"),
        ({"created_at": "2026-01-01T00:00:00"}, 400, "zone_missing", "/created_at"),
        ({"created_at": "yesterday"}, 400, "not_a_time", "/created_at"),
        (
            {"started_at": "2026-01-02T00:00:00Z", "ended_at": "2026-01-01T00:00:00Z"},
            *(400, "end_before_start", "/ended_at"),
        ),
        ({"tier": "unheard-of"}, 422, "unknown_tier", "/tier"),
        ({"agent_id": "another"}, 400, "unknown_field", "/agent_id"),
        ({"a/b~c": 1}, 400, "unknown_field", "/a~1b~0c"),
        ({"cost": 1}, 400, "unknown_field", "/cost"),
    ],
)
def test_what_cannot_have_been_used_is_refused_and_nothing_written(
    envelope: Envelope, terms: dict[str, object], status: int, code: str, pointer: str
) -> None:
    document = callers.problem(callers.caller().post(USAGE, _body(**terms)))
    assert (document["status"], document["code"]) == (status, code)
    assert [fault["pointer"] for fault in document["errors"]] == [pointer]
    assert not Usage.objects.exists()
    assert not UsageDay.objects.exists()
    assert IdempotentRequest.objects.exists() == (status == 422)


def test_every_fault_is_named_at_once(envelope: Envelope) -> None:
    document = callers.problem(callers.caller().post(USAGE, {"resource_type": "gold", "amount": -1, "price": 3}))
    assert (document["status"], document["code"]) == (400, "invalid")
    faults = {(fault["pointer"], fault["code"]) for fault in document["errors"]}
    assert faults == {
        ("/entity_type", "required"),
        ("/entity_id", "required"),
        ("/resource_type", "unknown_resource_type"),
        ("/amount", "negative"),
        ("/price", "unknown_field"),
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "required"),
        (b"[]", "not_an_object"),
        (b"1", "not_an_object"),
        (b"null", "not_an_object"),
        (b"{", "malformed_json"),
        (b'{"amount": Infinity}', "malformed_json"),
        (b'{"amount": 1, "amount": 1}', "malformed_json"),
        (b'{"entity_id": "\\ud800"}', "malformed_json"),
    ],
)
def test_a_body_that_is_no_object_is_refused(body: bytes, code: str) -> None:
    answer = callers.caller().send(USAGE, body)
    assert _refused(answer) == (400, code)


def test_one_use_comes_as_json_only(envelope: Envelope) -> None:
    answer = callers.caller().send(USAGE, json.dumps(_body()).encode(), kind="application/x-ndjson")
    assert _refused(answer) == (415, "unsupported_media_type")


# Lists


def test_ones_usage_is_narrowed_by_what_it_was_for(envelope: Envelope) -> None:
    worker = callers.caller()
    factories.price("pubmed", resource_type="api_calls", rate="0.01")
    old = _told(worker, created_at="2026-02-01T00:00:00Z", slot_id="s-1")
    calls = _told(worker, resource_type="api_calls", model=GONE, provider="pubmed", amount=3)
    other = _told(worker, entity_id="h2", model="unheard-of")

    def ids(**query: object) -> list[int]:
        return [row["id"] for row in _done(worker.get(USAGE, **query))["results"]]

    assert ids() == [other["id"], calls["id"], old["id"]]
    assert ids(entity_type="hypothesis", entity_id="h2") == [other["id"]]
    assert ids(resource_type="api_calls") == ids(provider="pubmed") == [calls["id"]]
    assert ids(model="deep-1") == ids(tier="frontier") == ids(slot_id="s-1") == [old["id"]]
    assert ids(price_state="unpriced") == [other["id"]]
    assert ids(until="2026-03-01T00:00:00Z") == [old["id"]]
    assert ids(since="2026-03-01T00:00:00Z") == [other["id"], calls["id"]]
    assert ids(since="2026-02-01T00:00:00Z", until="2026-02-01T00:00:00Z") == []
    assert ids(reservation_id=1) == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"resource_type": "gold"}, "invalid_choice"),
        ({"price_state": "free"}, "invalid_choice"),
        ({"since": "yesterday"}, "invalid"),
        ({"until": "2026-03-01T00:00:00"}, "zone_missing"),
        ({"slot_id": "a\0"}, "null_characters_not_allowed"),
        ({"reservation_id": "one"}, "invalid"),
        ({"reservation_id": "1.5"}, "invalid"),
        ({"corrects_id": "9" * 30}, "max_value"),
        ({"cursor": "x"}, "bad_cursor"),
        ({"page_size": "201"}, "out_of_range"),
    ],
)
def test_a_query_that_means_nothing_is_refused(query: dict[str, object], code: str) -> None:
    document = callers.problem(callers.caller().get(USAGE, **query))
    assert (document["status"], document["code"]) == (400, code)
    assert [fault["parameter"] for fault in document["errors"]] == list(query)


def test_pages_are_complete_at_a_constant_cost(envelope: Envelope) -> None:
    worker = callers.caller()
    ids = [_told(worker, event_id=f"e-{number}")["id"] for number in range(7)]
    _told(callers.caller(), event_id="e-1")
    first = _done(worker.get(USAGE, page_size=4))
    with CaptureQueriesContext(connection) as queries:
        rest = _done(worker.get(first["next"]))
    assert [row["id"] for row in first["results"] + rest["results"]] == ids[::-1]
    assert (rest["next"], len(queries)) == (None, 2)


def test_an_agents_own_usage_is_found_by_an_index() -> None:
    """Say by a plan that an agent with little usage among that of many does not read the table."""
    query = Usage.objects.filter(agent_id="ann").order_by("-id")[:51]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        sql, terms = query.query.sql_with_params()
        cursor.execute(f"EXPLAIN {sql}", terms)
        plan = " ".join(row[0] for row in cursor.fetchall())
    assert "usage_by_agent" in plan


def test_a_time_of_any_zone_is_kept_in_utc(envelope: Envelope) -> None:
    told = _told(callers.caller(), created_at="2026-02-01T05:30:00+05:30")
    assert datetime.fromisoformat(told["created_at"]) == datetime(2026, 2, 1, tzinfo=UTC)
