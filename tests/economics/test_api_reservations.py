"""May it be spent? Asked over HTTP: what is held, what a refusal says, and that asking again changes nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.models import IdempotentRequest
from economics import admission, budget_policy, envelopes, stops
from economics.models import Counter, DefaultEnvelope, Envelope, LanguageModel, Refusal, Reservation, Usage
from tests import callers, factories
from tests.callers import BOOKS

if TYPE_CHECKING:
    from tests.callers import Caller

pytestmark = pytest.mark.django_db

RESERVATIONS = f"{BOOKS}/reservations"
GONE = object()  # the field is not sent


def _done(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.content
    return json.loads(answer.content)


def _refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, callers.problem(answer)["code"]


@pytest.fixture
def envelope() -> Envelope:
    """Open an envelope of 1,000 LLM tokens a day for hypothesis h1, and list the model deep-1."""
    factories.model()
    return factories.envelope("h1", at=callers.now())


def _body(tokens: object = 100, **terms: object) -> dict[str, object]:
    named = {"entity_type": "hypothesis", "entity_id": "h1", "resource_type": "llm_tokens", "model": "deep-1"}
    body = {**named, "amount": tokens, **terms}
    return {name: value for name, value in body.items() if value is not GONE}


def _reserved(caller: Caller, tokens: object = 100, **terms: object) -> Any:
    return _done(caller.post(RESERVATIONS, _body(tokens, **terms)), 201)


def _line(caller: Caller) -> tuple[str, str, str]:
    """Return what is settled, held and remaining of the envelope's LLM tokens."""
    lines = _done(caller.get(f"{BOOKS}/budgets/hypothesis/h1"))["lines"]
    (line,) = [one for one in lines if one["title"] == "llm_tokens per day"]
    return line["settled"], line["held"], line["remaining"]


def _written() -> list[object]:
    """Return everything a request might have written."""
    models = (Reservation, Refusal, Usage, Counter, Envelope, IdempotentRequest)
    return [sorted(map(str, model.objects.values_list())) for model in models]


# The way of a reservation


def test_tokens_are_reserved_settled_and_counted(envelope: Envelope) -> None:
    worker = callers.caller()
    body = _body(GONE, input_tokens=100, output_tokens=100, artifact_type="paper", artifact_id="p 1", slot_id="s-1")
    held = _done(worker.post(RESERVATIONS, body), 201)
    assert held == {
        "id": held["id"],
        "entity_type": "hypothesis",
        "entity_id": "h1",
        "resource_type": "llm_tokens",
        "model": "deep-1",
        "tier": "frontier",
        "provider": "",
        "amount": "200",
        "input_tokens": 100,
        "output_tokens": 100,
        "usd": "0.4",
        "price_id": held["price_id"],
        "artifact_type": "paper",
        "artifact_id": "p 1",
        "slot_id": "s-1",
        "state": "open",
        "reserved_at": held["reserved_at"],
        "expires_at": held["expires_at"],
        "closed_at": None,
        "settled_late": False,
    }
    assert _done(worker.get(f"{RESERVATIONS}/{held['id']}/")) == held
    assert _done(worker.get(RESERVATIONS))["results"] == [held]
    assert _line(worker) == ("0", "200", "800")
    spent = {"input_tokens": 80, "output_tokens": 40, "cache_read_tokens": 30, "reported_cost": "0.20"}
    usage = _done(worker.post(f"{RESERVATIONS}/{held['id']}/settle", spent, key=None))
    assert (usage["amount"], usage["cost"], usage["reported_cost"]) == ("120", "0.2", "0.2")
    assert (usage["reservation_id"], usage["created_at"]) == (held["id"], held["reserved_at"])
    assert (usage["artifact_id"], usage["slot_id"], usage["source"]) == ("p 1", "s-1", "reservation")
    assert _done(worker.get(f"{BOOKS}/usage/{usage['id']}")) == usage
    assert _line(worker) == ("120", "0", "880")
    closed = _done(worker.get(f"{RESERVATIONS}/{held['id']}"))
    assert (closed["state"], closed["settled_late"]) == ("settled", False)


def test_an_amount_without_a_split_is_expected_to_have_some_output(envelope: Envelope) -> None:
    held = _reserved(callers.caller(), 100)
    assert (held["amount"], held["input_tokens"], held["usd"]) == ("100", None, "0.13")


def test_every_class_of_resource_is_reserved_in_its_unit() -> None:
    factories.envelope("h1", cpu_budget=Decimal(60), storage_budget_gb=Decimal(2), api_call_budget=5, at=callers.now())
    factories.price(resource_type="cpu_seconds", rate="0.5")
    factories.price(resource_type="storage_gb_hours", rate="0")
    factories.price("pubmed", resource_type="api_calls", rate="0.01")
    worker = callers.caller()
    for kind, amount, usd, terms in (
        ("cpu_seconds", "1.5", "0.75", {}),
        ("storage_gb_hours", "48", "0", {}),
        ("api_calls", "5", "0.05", {"provider": "pubmed"}),
    ):
        held = _reserved(worker, amount, resource_type=kind, model=GONE, **terms)
        assert (held["resource_type"], held["amount"], held["usd"]) == (kind, amount, usd)
    over = worker.post(RESERVATIONS, _body(1, resource_type="api_calls", model=GONE, provider="pubmed"))
    assert _refused(over) == (409, "budget_exhausted")


def test_settling_twice_is_settling_once(envelope: Envelope) -> None:
    worker = callers.caller()
    address = f"{RESERVATIONS}/{_reserved(worker)['id']}/settle"
    first, again = (worker.post(address, {"amount": 90}, key=None) for _time in range(2))
    assert _done(first) == _done(again)
    assert _refused(worker.post(address, {"amount": 91})) == (409, "reservation_settled_otherwise")
    assert _refused(worker.post(address.replace("settle", "release"))) == (409, "reservation_settled")
    assert _line(worker) == ("90", "0", "910")


def test_what_is_released_is_free_again(envelope: Envelope) -> None:
    worker = callers.caller()
    address = f"{RESERVATIONS}/{_reserved(worker, 1000)['id']}"
    assert _refused(worker.post(RESERVATIONS, _body(1))) == (409, "budget_exhausted")
    for _time in range(2):
        assert _done(worker.post(f"{address}/release", key=None))["state"] == "released"
    assert _line(worker) == ("0", "0", "1000")
    assert _refused(worker.post(f"{address}/settle", {"amount": 1})) == (409, "reservation_released")


def test_more_than_was_reserved_is_recorded_all_the_same(envelope: Envelope) -> None:
    worker = callers.caller()
    address = f"{RESERVATIONS}/{_reserved(worker)['id']}/settle"
    assert _done(worker.post(address, {"amount": 1500}))["amount"] == "1500"
    assert _line(worker) == ("1500", "0", "0")


def test_one_that_has_expired_is_settled_late(envelope: Envelope) -> None:
    worker = callers.caller()
    held = _reserved(worker, seconds=1)
    admission.expire(now=callers.now() + timedelta(seconds=2))
    assert _done(worker.get(f"{RESERVATIONS}/{held['id']}"))["state"] == "expired"
    _done(worker.post(f"{RESERVATIONS}/{held['id']}/settle", {"amount": 7}))
    shown = _done(worker.get(f"{RESERVATIONS}/{held['id']}"))
    assert (shown["state"], shown["settled_late"]) == ("settled", True)


def test_the_reservations_of_others_do_not_exist_for_one(envelope: Envelope) -> None:
    theirs, mine = _reserved(callers.caller()), callers.caller()
    assert _done(mine.get(RESERVATIONS))["results"] == []
    for number in (theirs["id"], 10**17):
        address = f"{RESERVATIONS}/{number}"
        assert _refused(mine.get(address)) == (404, "unknown_reservation")
        assert _refused(mine.post(f"{address}/settle", {"amount": 1})) == (404, "unknown_reservation")
        assert _refused(mine.post(f"{address}/release")) == (404, "unknown_reservation")
    assert Reservation.objects.get().state == "open"


def test_the_same_request_is_admitted_once(envelope: Envelope) -> None:
    worker = callers.caller()
    first, again = (worker.post(RESERVATIONS, _body(), key="one") for _time in range(2))
    assert first.content == again.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert _line(worker) == ("0", "100", "900")
    assert _refused(worker.post(RESERVATIONS, _body(101), key="one")) == (422, "idempotency_key_reused")
    assert _refused(worker.post(RESERVATIONS, _body(), key=None)) == (400, "idempotency_key_required")


# Refusals


def test_a_refusal_names_the_line_its_figures_and_a_way_out(envelope: Envelope) -> None:
    worker = callers.caller()
    factories.record(envelope, 600, at=callers.now())
    _reserved(worker, 150)
    answer = worker.post(RESERVATIONS, _body(300))
    document = callers.problem(answer)
    refusal = Refusal.objects.get()
    midnight = callers.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert (document["status"], document["code"], document["title"]) == (
        409,
        "budget_exhausted",
        "A line of the envelope has no room for this.",
    )
    assert document["figures"] == {
        "refusal_id": refusal.pk,
        "line_id": refusal.line_id,
        "line": "llm_tokens per day",
        "limit": "1000",
        "settled": "600",
        "held": "150",
        "asked": "300",
        "resets_at": midnight.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "most": "250",
        "would_pass": f"ask for at most 250, or wait until {midnight.isoformat()}, or raise llm_tokens per day by 50",
    }
    (row,) = _done(worker.get(f"{BOOKS}/refusals"))["results"]
    assert {name: row[name] for name in ("id", "code", "line", "limit", "settled", "held", "asked", "times")} == {
        "id": refusal.pk,
        "code": "budget_exhausted",
        "line": "llm_tokens per day",
        "limit": "1000",
        "settled": "600",
        "held": "150",
        "asked": "300",
        "times": 1,
    }
    assert (row["entity_type"], row["entity_id"], row["qualifier"], row["asked_usd"]) == (
        *("hypothesis", "h1", "frontier"),
        "0.39",
    )
    assert _line(worker) == ("600", "150", "250")


def test_a_refusal_repeated_under_its_key_is_the_same_and_counted_once(envelope: Envelope) -> None:
    worker = callers.caller()
    first, again = (worker.post(RESERVATIONS, _body(2000), key="one") for _time in range(2))
    assert (first.status_code, first.content) == (409, again.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Content-Type"] == "application/problem+json"
    assert Refusal.objects.get().times == 1
    worker.post(RESERVATIONS, _body(2000), key="two")
    assert sum(Refusal.objects.values_list("times", flat=True)) == 2


def test_the_tier_may_be_full_where_the_total_is_not(envelope: Envelope) -> None:
    factories.line(envelope, 50, at=callers.now())
    answer = callers.caller().post(RESERVATIONS, _body(100))
    assert callers.problem(answer)["figures"]["line"] == "llm_tokens frontier per day"
    assert not Reservation.objects.exists()


def test_the_fleets_day_in_usd_may_be_full(envelope: Envelope) -> None:
    budget_policy.change(author=factories.REVIEWER, now=callers.now(), fleet_daily_usd=Decimal("0.2"))
    worker = callers.caller()
    _reserved(worker, 100)
    document = callers.problem(worker.post(RESERVATIONS, _body(100)))
    assert (document["code"], document["figures"]["line"]) == ("fleet_budget_exhausted", "usd per day")
    figures = [document["figures"][name] for name in ("limit", "held", "asked", "most")]
    assert figures == ["0.2", "0.13", "0.13", "53"]  # 0.07 USD are left, 0.0013 USD are a token


def _disable(envelope: Envelope) -> None:
    LanguageModel.objects.update(is_enabled=False)


def _freeze(envelope: Envelope) -> None:
    stops.freeze([envelope.pk], author=factories.REVIEWER, now=callers.now())


def _pause(envelope: Envelope) -> None:
    stops.pause(author=factories.REVIEWER, now=callers.now())


def _nothing(envelope: Envelope) -> None:
    """Leave everything as it is."""


def _cap(envelope: Envelope) -> None:
    envelopes.change(envelope.pk, author=factories.REVIEWER, now=callers.now(), request_token_cap=99)


@pytest.mark.parametrize(
    ("before", "terms", "code"),
    [
        (_nothing, {"entity_id": "h2"}, "no_envelope"),
        (_nothing, {"entity_type": "wish"}, "no_envelope"),
        (_nothing, {"model": "unheard-of"}, "unknown_model"),
        (_nothing, {"tier": "small"}, "wrong_tier"),
        (_nothing, {"tier": "unheard-of"}, "wrong_tier"),
        (_nothing, {"resource_type": "cpu_seconds", "model": GONE}, "no_price"),
        (_nothing, {"seconds": 86_401}, "lifetime_too_long"),
        (_disable, {}, "model_disabled"),
        (_freeze, {}, "envelope_frozen"),
        (_pause, {}, "fleet_paused"),
        (_cap, {}, "request_too_large"),
    ],
)
def test_each_reason_has_its_code_and_leaves_a_row(
    envelope: Envelope, before: Any, terms: dict[str, object], code: str
) -> None:
    before(envelope)
    worker = callers.caller()
    document = callers.problem(worker.post(RESERVATIONS, _body(**terms)))
    assert (document["status"], document["code"]) == (409, code)
    assert document["figures"]["refusal_id"] == Refusal.objects.get(code=code).pk
    assert document["figures"]["would_pass"]
    (row,) = _done(worker.get(f"{BOOKS}/refusals", code=code))["results"]
    assert (row["code"], row["line"], row["line_id"]) == (code, None, None)
    assert not Reservation.objects.exists()


def test_a_pause_of_one_agent_stops_that_one_from_its_next_call_on(envelope: Envelope) -> None:
    one, other = callers.caller(), callers.caller()
    _reserved(one)
    stops.pause(author=factories.REVIEWER, now=callers.now(), agent=one.agent)
    assert _refused(one.post(RESERVATIONS, _body())) == (409, "agent_paused")
    _reserved(other)
    stops.resume(author=factories.REVIEWER, now=callers.now(), agent=one.agent)
    _reserved(one)


def test_a_type_with_a_default_gets_its_envelope_on_first_use() -> None:
    factories.model()
    DefaultEnvelope.objects.create(pk="analysis", token_budget=150)
    worker = callers.caller()
    _reserved(worker, 100, entity_type="analysis", entity_id="a/1")
    assert _refused(worker.post(RESERVATIONS, _body(entity_type="analysis", entity_id="a/1"))) == (
        409,
        "budget_exhausted",
    )
    opened = _done(worker.get(f"{BOOKS}/budgets/analysis/a/1"))
    assert (opened["token_budget"], opened["granted_at"]) == (150, None)


def test_a_refusal_on_first_use_leaves_the_envelope_that_was_opened() -> None:
    factories.model()
    DefaultEnvelope.objects.create(pk="analysis", token_budget=50)
    answer = callers.caller().post(RESERVATIONS, _body(entity_type="analysis", entity_id="a"))
    assert _refused(answer) == (409, "budget_exhausted")
    assert Envelope.objects.get().entity_id == "a"


# Dry runs


def test_a_dry_run_says_yes_and_leaves_nothing_behind(envelope: Envelope) -> None:
    worker = callers.caller()
    _done(worker.get(RESERVATIONS))
    before = _written()
    for key in (None, "one"):
        answer = worker.post(RESERVATIONS, _body(1000, dry_run=True), key=key)
        assert _done(answer) == {"would_pass": True, "tier": "frontier", "usd": "1.3"}
    assert _written() == before
    _reserved(worker, 1000, dry_run=False)


def test_a_dry_run_says_no_as_the_real_thing_would_and_leaves_nothing_behind(envelope: Envelope) -> None:
    worker = callers.caller()
    before = _written()
    dry = callers.problem(worker.post(RESERVATIONS, _body(1001, dry_run=True), key=None))
    assert _written() == before
    real = callers.problem(worker.post(RESERVATIONS, _body(1001)))
    assert real["figures"].pop("refusal_id") == Refusal.objects.get().pk
    assert dry == real


def test_a_dry_run_opens_no_envelope() -> None:
    factories.model()
    DefaultEnvelope.objects.create(pk="analysis", token_budget=150)
    before = _written()
    body = _body(entity_type="analysis", entity_id="a", dry_run=True)
    assert _done(callers.caller().post(RESERVATIONS, body, key=None))["would_pass"] is True
    assert _written() == before


# Bad input

NOT_WHOLE: list[object] = [1.0, 1.5, "1", "", True, [], {}, None]
NOT_A_CLASS: list[object] = ["gold", "", 1, []]
NOT_SECONDS: list[object] = [1.5, "60", True]
NOT_A_FLAG: list[object] = ["true", 1, 0, "", [], {}]
NOT_A_NUMBER: list[object] = ["", "x", "1e3", "NaN", "Infinity", " 1", "1_000", True, [], {}]
NOT_TEXT: list[object] = [1, 1.5, True, [], {}]


@pytest.mark.parametrize(
    ("terms", "status", "code", "pointer"),
    [
        *(({"amount": value}, 400, "invalid", "/amount") for value in NOT_A_NUMBER),
        *(({"amount": value}, 400, "min_value", "/amount") for value in (-1, "-0.5")),
        *(({"amount": value}, 400, "max_digits", "/amount") for value in (10**40, 1e300)),
        ({"amount": 10**15 + 1}, 400, "max_value", "/amount"),
        ({"amount": "0.0000001"}, 400, "max_decimal_places", "/amount"),
        ({"amount": None}, 400, "null", "/amount"),
        ({"amount": GONE}, 400, "required", "/amount"),
        ({"amount": GONE, "input_tokens": 1}, 400, "required", "/output_tokens"),
        ({"amount": GONE, "output_tokens": 1}, 400, "required", "/input_tokens"),
        ({"amount": 0}, 422, "invalid_ask", "/amount"),
        ({"amount": 1.5}, 422, "invalid_ask", "/amount"),
        ({"amount": GONE, "input_tokens": 2**62, "output_tokens": 2**62}, 422, "invalid_ask", "/amount"),
        ({"input_tokens": 1}, 422, "invalid_ask", "/input_tokens"),
        ({"input_tokens": 1, "output_tokens": 1}, 422, "invalid_ask", "/input_tokens"),
        *(({"input_tokens": value}, 400, "invalid", "/input_tokens") for value in NOT_WHOLE if value is not None),
        ({"input_tokens": -1}, 400, "min_value", "/input_tokens"),
        ({"output_tokens": 2**63}, 400, "max_value", "/output_tokens"),
        *(({"resource_type": value}, 400, "invalid_choice", "/resource_type") for value in NOT_A_CLASS),
        ({"resource_type": GONE}, 400, "required", "/resource_type"),
        ({"resource_type": "cpu_seconds"}, 422, "invalid_ask", "/resource_type"),
        ({"resource_type": "api_calls", "model": GONE}, 422, "invalid_ask", "/provider"),
        ({"model": GONE}, 422, "invalid_ask", "/model"),
        *(({"model": value}, 400, "invalid", "/model") for value in NOT_TEXT),
        *(({"entity_type": value}, 400, "invalid", "/entity_type") for value in NOT_TEXT),
        ({"entity_type": "x" * 65}, 400, "max_length", "/entity_type"),
        ({"entity_id": GONE}, 400, "required", "/entity_id"),
        ({"entity_id": ""}, 400, "blank", "/entity_id"),
        ({"entity_id": "x" * 201}, 400, "max_length", "/entity_id"),
        *(({"entity_id": value}, 400, "control", "/entity_id") for value in ("a\0", "a\nb", "\x1b[2J", "\u2028")),
        *(({"seconds": value}, 400, "invalid", "/seconds") for value in NOT_SECONDS),
        *(({"seconds": value}, 400, "min_value", "/seconds") for value in (0, -1)),
        ({"seconds": 31_536_001}, 400, "max_value", "/seconds"),
        *(({"dry_run": value}, 400, "invalid", "/dry_run") for value in NOT_A_FLAG),
        ({"dry_run": None}, 400, "null", "/dry_run"),
        ({"agent_id": "another"}, 400, "unknown_field", "/agent_id"),
        ({"state": "settled"}, 400, "unknown_field", "/state"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_nothing_written(
    envelope: Envelope, terms: dict[str, object], status: int, code: str, pointer: str
) -> None:
    before = _written()[:-1]
    for dry_run in (False, True):
        body = _body(**{"dry_run": dry_run, **terms})
        document = callers.problem(callers.caller().post(RESERVATIONS, body))
        found = (document["status"], document["code"], [fault["pointer"] for fault in document["errors"]])
        assert found == (status, code, [pointer])
    assert _written()[:-1] == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "required"),
        (b"{", "malformed_json"),
        (b'{"amount": NaN}', "malformed_json"),
        (b'{"amount": 1, "amount": 2}', "malformed_json"),
        (b"[]", "invalid"),
    ],
)
def test_a_body_that_is_no_request_is_refused(envelope: Envelope, body: bytes, code: str) -> None:
    document = callers.problem(callers.caller().send(RESERVATIONS, body))
    assert (document["status"], document["code"], document["errors"] != []) == (400, code, True)
    assert not Reservation.objects.exists()


def test_a_body_of_another_kind_is_not_read(envelope: Envelope) -> None:
    answer = callers.caller().send(RESERVATIONS, json.dumps(_body()).encode(), kind="application/x-ndjson")
    assert _refused(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("terms", "status", "code", "pointer"),
    [
        ({}, 400, "required", "/amount"),
        ({"amount": -1}, 400, "min_value", "/amount"),
        ({"amount": "NaN"}, 400, "invalid", "/amount"),
        ({"amount": 1.5}, 422, "invalid_ask", "/amount"),
        ({"input_tokens": 5}, 400, "required", "/output_tokens"),
        ({"amount": 5, "input_tokens": 5}, 422, "invalid_ask", "/input_tokens"),
        ({"amount": 5, "cache_read_tokens": 0}, 422, "invalid_ask", "/cache_read_tokens"),
        ({"amount": 5, "cache_write_tokens": 1}, 422, "invalid_ask", "/cache_read_tokens"),
        ({"input_tokens": 5, "output_tokens": 0, "cache_read_tokens": 6}, 422, "invalid_ask", "/cache_read_tokens"),
        ({"amount": 5, "reported_cost": -1}, 400, "min_value", "/reported_cost"),
        ({"amount": 5, "reported_cost": "1e3"}, 400, "invalid", "/reported_cost"),
        ({"amount": 5, "model": "deep-1"}, 400, "unknown_field", "/model"),
    ],
)
def test_what_cannot_have_been_used_is_refused(
    envelope: Envelope, terms: dict[str, object], status: int, code: str, pointer: str
) -> None:
    worker = callers.caller()
    held = _reserved(worker)
    document = callers.problem(worker.post(f"{RESERVATIONS}/{held['id']}/settle", terms))
    assert (document["status"], document["code"]) == (status, code)
    assert [fault["pointer"] for fault in document["errors"]] == [pointer]
    assert _line(worker) == ("0", "100", "900")


def test_nothing_used_is_settled_as_nothing(envelope: Envelope) -> None:
    worker = callers.caller()
    usage = _done(worker.post(f"{RESERVATIONS}/{_reserved(worker)['id']}/settle", {"amount": 0}))
    assert (usage["amount"], usage["cost"]) == ("0", "0")
    assert _line(worker) == ("0", "0", "1000")


def test_a_split_does_not_fit_seconds() -> None:
    factories.envelope("h1", cpu_budget=Decimal(60), at=callers.now())
    factories.price(resource_type="cpu_seconds", rate="0")
    worker = callers.caller()
    held = _reserved(worker, 10, resource_type="cpu_seconds", model=GONE)
    answer = worker.post(f"{RESERVATIONS}/{held['id']}/settle", {"input_tokens": 1, "output_tokens": 1})
    assert _refused(answer) == (422, "invalid_ask")


# Lists


def test_lists_are_narrowed_and_cost_the_same_however_long(envelope: Envelope) -> None:
    worker = callers.caller()
    other = factories.envelope("h2", at=callers.now())
    kept = _reserved(worker)
    released = _done(worker.post(f"{RESERVATIONS}/{_reserved(worker)['id']}/release"))

    def ids(**query: object) -> list[int]:
        return [row["id"] for row in _done(worker.get(RESERVATIONS, **query))["results"]]

    with CaptureQueriesContext(connection) as few:
        assert ids() == [released["id"], kept["id"]]
    assert (ids(state="open"), ids(state="released"), ids(state="expired")) == ([kept["id"]], [released["id"]], [])
    assert (len(ids(entity_type="hypothesis", entity_id="h1")), ids(entity_id="h2")) == (2, [])
    assert (len(ids(resource_type="llm_tokens")), ids(resource_type="api_calls")) == (2, [])
    for number in range(5):
        factories.reserve(other, 10, by=worker.agent, at=callers.now())
        worker.post(RESERVATIONS, _body(2_000 + number))
    for address in (RESERVATIONS, f"{BOOKS}/refusals"):
        with CaptureQueriesContext(connection) as many:
            assert len(_done(worker.get(address))["results"]) >= 5
        assert len(many) == len(few) == 2
    page = _done(worker.get(RESERVATIONS, page_size=4))
    rest = _done(worker.get(page["next"]))
    assert len({row["id"] for row in page["results"] + rest["results"]}) == 7


def test_the_refusals_of_others_are_not_shown(envelope: Envelope) -> None:
    callers.caller().post(RESERVATIONS, _body(2000))
    assert _done(callers.caller().get(f"{BOOKS}/refusals")) == {"results": [], "next": None}
