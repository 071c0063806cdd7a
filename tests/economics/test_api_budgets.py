"""Envelopes over HTTP: the figures admission goes by, for every entity, and the fleet's."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from economics import admission, budget_policy, envelopes, revisions, stops
from economics.models import Envelope
from tests import callers, factories
from tests.callers import BOOKS

if TYPE_CHECKING:
    from datetime import datetime

    from tests.callers import Caller

pytestmark = pytest.mark.django_db

BUDGETS = f"{BOOKS}/budgets"


def _read(path: str = "", caller: Caller | None = None, /, **query: object) -> Any:
    answer = (caller or callers.caller("exchange")).get(f"{BUDGETS}{path}", **query)
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def test_an_envelope_shows_its_ceilings_and_where_each_line_stands() -> None:
    factories.model()
    now = callers.now()
    envelope = factories.envelope(
        "h1", at=now, cpu_budget=Decimal("1.5"), storage_budget_gb=Decimal(2), window_kind="day", granted=True
    )
    tier = factories.line(envelope, 600, at=now)
    Envelope.objects.filter(pk=envelope.pk).update(priority_score=Decimal("0.7"), market_weight=Decimal("0.25"))
    total = envelope.lines.get(resource_type="llm_tokens", qualifier="")
    envelopes.grant(total.pk, amount=Decimal(50), author=factories.REVIEWER, now=now)
    factories.record(envelope, 150, at=now)
    factories.reserve(envelope, 100, at=now)
    shown = _read("/hypothesis/h1/")
    lines = {line["title"]: line for line in shown.pop("lines")}
    assert shown == {
        "id": envelope.pk,
        "entity_type": "hypothesis",
        "entity_id": "h1",
        "state": "active",
        "state_reason": "",
        "frozen_until": None,
        "window_kind": "day",
        "token_budget": 1000,
        "effective_token_budget": 1250,
        "cpu_budget": "1.5",
        "effective_cpu_budget": "1",
        "storage_budget_gb": "2",
        "api_call_budget": None,
        "request_token_cap": None,
        "priority_score": "0.7",
        "market_weight": "0.25",
        "roi_score": None,
        "granted_at": _written(now),
        "created_at": _written(now),
    }
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert list(lines) == [
        *("llm_tokens per day", "cpu_seconds per day", "storage_gb_hours per day", "api_calls per day"),
        "llm_tokens frontier per day",
    ]
    assert lines["llm_tokens per day"] == {
        "line_id": total.pk,
        "title": "llm_tokens per day",
        "resource_type": "llm_tokens",
        "qualifier": "",
        "window_kind": "day",
        "base": "1000",
        "granted": "50",
        "limit": "1300",
        "settled": "150",
        "held": "100",
        "remaining": "1050",
        "window_start": _written(today),
        "resets_at": _written(today + timedelta(days=1)),
    }
    frontier = lines["llm_tokens frontier per day"]
    assert (frontier["line_id"], frontier["qualifier"]) == (tier.pk, "frontier")
    assert [frontier[name] for name in ("base", "limit", "remaining")] == ["600", "750", "500"]
    assert lines["storage_gb_hours per day"]["limit"] == "60"  # 2 GB for 24 hours, and a quarter more
    assert [lines["api_calls per day"][name] for name in ("base", "limit", "remaining")] == [None, None, None]
    assert _read(entity_type="hypothesis")["results"] == [{**shown, "lines": list(lines.values())}]


def test_what_remains_is_what_is_admitted_and_not_one_more() -> None:
    factories.model()
    envelope = factories.envelope("h1", at=callers.now())
    factories.record(envelope, 333, at=callers.now())
    line = _read("/hypothesis/h1")["lines"][0]
    for tokens, passes in ((int(line["remaining"]) + 1, False), (int(line["remaining"]), True)):
        ask = factories.ask(envelope, tokens)
        got = admission.reserve(ask, agent_id=factories.agent().pk, now=callers.now(), dry_run=True)
        assert (getattr(got, "code", None) is None) is passes


def test_a_lifetime_has_no_reset() -> None:
    factories.envelope("h1", at=callers.now(), window_kind="lifetime")
    assert _read("/hypothesis/h1")["lines"][0]["resets_at"] is None


def test_last_windows_spend_is_not_todays() -> None:
    factories.model()
    envelope = factories.envelope("h1", at=callers.now())
    factories.record(envelope, 900, at=callers.now() - timedelta(days=1))
    line = _read("/hypothesis/h1")["lines"][0]
    assert (line["settled"], line["remaining"]) == ("0", "1000")


@pytest.mark.parametrize("entity_id", ["10.1000/xyz", "a b", "ä+%?#", "x" * 200, "..", "fleet", "a//b"])
def test_any_id_can_be_written_into_an_address(entity_id: str) -> None:
    factories.envelope(entity_id, at=callers.now())
    quoted = "".join(f"%{byte:02X}" for byte in entity_id.encode())
    for address in (f"/hypothesis/{quoted}", f"/hypothesis/{quoted}/"):
        assert _read(address)["entity_id"] == entity_id
    assert [one["entity_id"] for one in _read(entity_id=entity_id)["results"]] == [entity_id]


@pytest.mark.parametrize("path", ["/hypothesis/h9", "/wish/h1", "/fleet/h1", "/hypothesis/h1/lines"])
def test_an_entity_without_an_envelope_is_said_to_have_none(path: str) -> None:
    factories.envelope("h1", at=callers.now())
    answer = callers.caller().get(f"{BUDGETS}{path}")
    assert (answer.status_code, callers.problem(answer)["code"]) == (404, "unknown_envelope")


def test_envelopes_are_narrowed() -> None:
    now = callers.now()
    plain = factories.envelope("h1", at=now)
    frozen = factories.envelope("h2", at=now, window_kind="month")
    granted = factories.envelope("a1", entity_type="analysis", at=now, granted=True)
    stops.freeze([frozen.pk], author=factories.REVIEWER, now=now)

    def ids(**query: object) -> list[int]:
        return [one["id"] for one in _read("", None, **query)["results"]]

    assert ids() == [granted.pk, frozen.pk, plain.pk]
    assert ids(entity_type="analysis") == ids(entity_id="a1") == ids(granted="true") == [granted.pk]
    assert ids(state="frozen") == ids(frozen="true") == ids(window_kind="month") == [frozen.pk]
    assert ids(frozen="false") == [granted.pk, plain.pk]
    assert ids(granted="false") == [frozen.pk, plain.pk]
    (shown,) = _read(state="frozen")["results"]
    assert (shown["state_reason"], shown["frozen_until"]) == ("as agreed", None)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"state": "cold"}, "invalid_choice"),
        ({"window_kind": "year"}, "invalid_choice"),
        ({"granted": "maybe"}, "invalid_choice"),
        ({"frozen": "1"}, "invalid_choice"),
        ({"entity_id": "a\0"}, "null_characters_not_allowed"),
    ],
)
def test_a_query_that_means_nothing_is_refused(query: dict[str, object], code: str) -> None:
    document = callers.problem(callers.caller().get(BUDGETS, **query))
    assert (document["status"], document["code"]) == (400, code)


def test_pages_are_complete_and_cost_the_same_however_long() -> None:
    reader = callers.caller()
    made = [factories.envelope(at=callers.now()).pk for _number in range(2)]
    _read("", reader)
    with CaptureQueriesContext(connection) as few:
        _read("", reader)
    made += [factories.envelope(at=callers.now()).pk for _number in range(7)]
    with CaptureQueriesContext(connection) as many:
        assert len(_read("", reader)["results"]) == 9
    assert (len(few), len(many)) == (3, 3)
    first = _read("", reader, page_size=5)
    rest = json.loads(reader.get(first["next"]).content)
    assert [one["id"] for one in first["results"] + rest["results"]] == made[::-1]
    with CaptureQueriesContext(connection) as one:
        _read(f"/hypothesis/{first['results'][0]['entity_id']}", reader)
    assert len(one) == 3


# The fleet


def test_the_fleet_shows_its_day_in_usd() -> None:
    factories.model()
    now = callers.now()
    budget_policy.change(author=factories.REVIEWER, now=now, fleet_daily_usd=Decimal(2))
    for name in ("h1", "h2"):
        envelope = factories.envelope(name, at=now)
        factories.record(envelope, 200, at=now, input_tokens=100, output_tokens=100)
        factories.reserve(envelope, 200, at=now, input_tokens=100, output_tokens=100)
    shown = _read("/fleet")
    line = shown["line"]
    assert (line["title"], line["resource_type"], line["base"]) == ("usd per day", "usd", "2")
    assert [line[name] for name in ("limit", "settled", "held", "remaining")] == ["2", "0.8", "0.8", "0.4"]
    assert (shown["paused"], shown["agent_paused"]) == (None, None)
    assert _read("/fleet/") == shown


def test_the_fleet_says_who_is_paused_to_whom_it_concerns() -> None:
    one, other = callers.caller(), callers.caller()
    stops.pause(author=revisions.Author("ada", "all rest"), now=callers.now())
    stops.pause(author=revisions.Author("ada", "you rest"), now=callers.now(), agent=one.agent)
    mine, theirs = (_read("/fleet", caller) for caller in (one, other))
    assert (mine["paused"]["reason"], theirs["paused"]["reason"]) == ("all rest", "all rest")
    assert (mine["agent_paused"]["reason"], theirs["agent_paused"]) == ("you rest", None)
    assert mine["paused"].keys() == {"reason", "began_at"}
    for agent in (None, one.agent):
        stops.resume(author=factories.REVIEWER, now=callers.now(), agent=agent)
    after = _read("/fleet", one)
    assert (after["paused"], after["agent_paused"]) == (None, None)


def test_no_page_of_the_books_names_anybody_else() -> None:
    """Law of the public pages: whose usage, reservation or grant something was is nobody else's business."""
    worker = factories.agent("named-worker")
    books = factories.books(worker)
    stops.pause(author=revisions.Author("named-reviewer", "rest"), now=callers.now())
    envelope = books.envelope
    outsider = callers.caller(name="outsider")
    for path in (
        *("budgets", "budgets/fleet", f"budgets/{envelope.entity_type}/{envelope.entity_id}", "alerts", "prices"),
        *(f"prices/{books.price.pk}", "models", f"models/{books.model.pk}", "tiers", "usage-days"),
        *("usage", "reservations", "refusals", "usage-days?own=true"),
    ):
        answer = outsider.get(f"{BOOKS}/{path}")
        assert answer.status_code == 200, path
        shown = json.loads(answer.content)
        own = path in {"usage", "reservations", "refusals", "usage-days?own=true"}
        assert (shown["results"] == []) if own else shown.get("results", shown), path
        for name in (b"named-", b"reporter", b"ada"):
            assert name not in answer.content, path
