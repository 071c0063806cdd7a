"""The API says what it is: a valid description, docs that work offline, both spellings of every address."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from drf_spectacular.validation import validate_schema

from tests import callers
from tests.callers import BOOKS, MARKET, SENATE

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    out = StringIO()
    call_command("spectacular", "--format", "openapi-json", "--fail-on-warn", stdout=out)
    described: dict[str, Any] = json.loads(out.getvalue())
    return described


def _operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, called) for path, calls in schema["paths"].items() for method, called in calls.items()]


def test_the_description_is_valid_openapi_without_a_warning(schema: dict[str, Any]) -> None:
    validate_schema(schema)  # type: ignore[no-untyped-call] # it has no types
    assert len(_operations(schema)) == 108
    names = [called["operationId"] for _path, _method, called in _operations(schema)]
    assert len(set(names)) == len(names)


def test_every_call_names_the_key_its_scope_and_its_errors(schema: dict[str, Any]) -> None:
    scheme = schema["components"]["securitySchemes"]["bearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for path, _method, called in _operations(schema):
        error = called["responses"]["default"]["content"]
        assert error == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        if path not in {"/api/", "/api/problems/"}:
            for_people = "Right of a person: `" in called["description"]
            assert called["security"] == [{"bearer": []}, *([{"session": []}] if for_people else [])]
            assert for_people or "Scope: `" in called["description"]
            assert {"401", "403"} <= called["responses"].keys()


def test_the_calls_that_need_a_key_of_their_own_say_so(schema: dict[str, Any]) -> None:
    keyed = {
        path.removeprefix(f"{MARKET}/")
        for path, method, called in _operations(schema)
        for parameter in called.get("parameters", [])
        if (parameter["name"], parameter["in"], parameter.get("required")) == ("Idempotency-Key", "header", True)
        and method == "post"
    }
    assert keyed == {
        *("bids/", "bids/batch/", "tasks/", "slots/", "slots/{slot_id}/settle/", "slots/{slot_id}/impact/"),
        *(f"{BOOKS}/{name}/" for name in ("reservations", "usage", "usage/{usage_id}/correct")),
        *(f"{BOOKS}/{name}/" for name in ("outcomes", "outcomes/{outcome_id}/correct")),
        *(f"{BOOKS}/{name}/" for name in ("scores", "observations", "signals")),
        *(f"{BOOKS}/reviews/{name}" for name in ("", "{review_id}/apply/", "{review_id}/discard/")),
        *(f"{SENATE}/{name}/" for name in ("policy", "proposals", "refusals/{refusal_id}/ask")),
        *(f"{SENATE}/proposals/{{proposal_id}}/{name}/" for name in ("amend", "evidence", "submit", "withdraw")),
        *(f"{SENATE}/proposals/{{proposal_id}}/{name}/" for name in ("close", "confirm", "enact", "votes")),
    }


def test_what_became_of_the_items_of_a_batch_is_said_alike(schema: dict[str, Any]) -> None:
    shapes = schema["components"]["schemas"]
    batches = {name: own for name, shape in shapes.items() if {"counts", "results"} <= (own := _own(shape)).keys()}
    recorded, upserted = (f"#/components/schemas/{name}" for name in ("RecordedCounts", "UpsertedCounts"))
    taken = ("BatchTaken", "ObservationsTaken", "OutcomesTaken", "SignalsTaken")
    counts = {name: own["counts"]["$ref"] for name, own in batches.items()}
    assert counts == {**dict.fromkeys(taken, recorded), "TasksUpserted": upserted}
    for own in batches.values():
        item = shapes[own["results"]["items"]["$ref"].rpartition("/")[2]]
        assert item["properties"]["errors"]["items"] == {"$ref": "#/components/schemas/ItemFault"}


def _own(shape: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = shape.get("properties", {})
    return properties


def test_a_share_is_text_or_a_number_and_a_task_may_be_told_as_it_is_taken(schema: dict[str, Any]) -> None:
    shapes = schema["components"]["schemas"]
    text = {"type": "string", "format": "decimal", "pattern": r"^\d{1,2}(\.\d{1,4})?$"}
    share = shapes["UpsertQuestRequest"]["properties"]["bid_factor"]
    assert share == {"oneOf": [text, {"type": "number", "minimum": 0, "maximum": 1}]}
    task = shapes["GiveTaskRequest"]["properties"]
    assert "minLength" not in task["title"]
    assert task["task_id"]["pattern"] == task["needs"]["items"]["pattern"] == "^[A-Za-z0-9._:@+=~-]+$"


def test_both_spellings_of_every_address_are_the_same(schema: dict[str, Any]) -> None:
    provider = callers.caller("provider")
    for path, method, _called in _operations(schema):
        address = re.sub(r"\{(\w+)\}", lambda name: "1" if name[1].endswith("_id") else "nothing", path)
        answers = []
        for spelled in (address, address.rstrip("/")):
            client = Client(headers={"authorization": f"Bearer {provider.secret}"})
            answer = client.generic(method.upper(), spelled)
            assert answer.status_code not in {301, 302, 405}, spelled
            answers.append((answer.status_code, answer.content.replace(spelled.encode(), b"")))
        assert answers[0][0] == answers[1][0]


def test_the_description_is_served_to_anybody() -> None:
    answer = Client().get("/api/schema/", headers={"accept": "application/json"})
    assert answer.status_code == 200
    assert json.loads(answer.content)["openapi"].startswith("3.")
    assert Client().get("/api/schema").status_code == 200


def test_the_docs_load_nothing_from_elsewhere() -> None:
    page = Client().get("/api/docs/").content.decode()
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(addresses) >= 4
    own = "/api/docs/?script="  # a page's script is a file of its own: the policy of content allows none inside
    for address in addresses:
        assert address.startswith(("/static/", own)), address
        assert Client().get(address).status_code == 200
    script = Client().get(next(address for address in addresses if address.startswith(own))).content.decode()
    assert not re.search(r"https?://(?!testserver)", page + script)
    assert '"validatorUrl": null' in script


def test_the_root_leads_on() -> None:
    doors = json.loads(Client().get("/api/").content)
    assert doors == json.loads(Client().get("/api").content)
    assert doors["docs"] == "http://testserver/api/docs/"
    for door in ("docs", "schema", "problems"):
        assert Client().get(doors[door]).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/healthz/"])
def test_the_health_page_asks_the_database(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alive = Client().get(path)
    assert (alive.status_code, json.loads(alive.content)) == (200, {"status": "ok"})

    def gone() -> None:
        raise OperationalError

    monkeypatch.setattr(connection, "cursor", gone)
    dead = Client().get(path)
    assert (dead.status_code, json.loads(dead.content)) == (503, {"status": "database_unavailable"})


@pytest.mark.parametrize("address", ["/api/", "/api/compute-auction/", "/api/economics/", "/api/governance/"])
def test_every_address_an_index_names_is_there(client: Client, address: str) -> None:
    named = client.get(address).json()
    assert named
    assert {client.get(where).status_code for where in named.values()} <= {200, 401}


def test_the_bare_address_leads_to_the_admin(client: Client) -> None:
    assert client.get("/").headers["Location"] == "/admin/"
