"""Bad input about proposals: each fault is a 4xx with a code and a pointer, and nothing is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from governance.models import Evidence, Proposal
from tests import callers, factories
from tests.callers import SENATE, Caller
from tests.governance import senate

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.django_db

PROPOSALS = f"{SENATE}/proposals"
GONE = object()  # the field is not sent
HUGE = 10**30
NOT_WHOLE: list[object] = [1.0, 1.5, "1", "", True, [], {}, None]
NOT_TEXT: list[object] = [1, 1.5, True, [], {}, None]
NOT_A_TIME: list[object] = [1, True, "", "now", "2030-13-01T00:00:00Z", "0001-01-01T00:00:00+23:00", [], {}]
NOT_EXACT: list[object] = ["", "x", "1e3", "NaN", "Infinity", " 1", True, [], {}]
NOT_A_MEASURE: list[object] = ["burn", "", 1, True, [], {}]
NOT_A_CLASS: list[object] = ["usd", "", 1, []]
NOT_A_WINDOW: list[object] = ["year", 1, []]
NOT_AN_OBJECT: list[object] = [1, "x", [], True]
NOT_A_LIST: list[object] = [1, "x", {}]
NOT_A_FLAG: list[object] = [1, "true", "", [], {}]
NOT_A_KIND: list[object] = ["rumour", "", 1, [], {}, True]
NOT_AN_ADDRESS: list[object] = [1, [], {}, True]
CONTROLS = ["nul\0", "\x1b[31m", "\x85", "\x7f"]
MARKED = '<script>alert(1)</script>\n=HYPERLINK("http://x","y")\t\u202e\N{GRINNING FACE}'


@pytest.fixture
def scout() -> Caller:
    """Return an agent that proposes, for an envelope of 1,000 tokens a day, before two reviewers."""
    factories.envelope("h1")
    senate.reviewers(2)
    return callers.caller(name="scout")


def _terms(name: str, value: object) -> dict[str, object]:
    body = {
        "entity_type": "hypothesis",
        "entity_id": "h1",
        "requested_tokens": 500,
        "justification": "dry",
        "gain_edges": 20,
        "gain_by": callers.ahead(days=28),
        "evidence": [senate.PAPERS],
        "submit": True,
        name: value,
    }
    return {key: one for key, one in body.items() if one is not GONE}


def _refusal(answer: Any) -> tuple[int, str, list[str]]:
    document = callers.problem(answer)
    return answer.status_code, document["code"], [fault["pointer"] for fault in document["errors"]]


CASES: list[tuple[str, object, int, str]] = [
    *(("requested_tokens", value, 400, "null" if value is None else "invalid") for value in NOT_WHOLE),
    *(("requested_tokens", value, 400, "max_value") for value in (10**15 + 1, 2**63, HUGE)),
    *(("requested_tokens", value, 400, "min_value") for value in (-(10**15) - 1, -HUGE)),
    *(("requested_tokens", value, 422, "invalid_proposal") for value in (10**12 + 1, -(10**12) - 1, 10**15)),
    *(("justification", value, 400, "null" if value is None else "invalid") for value in NOT_TEXT),
    *(("justification", value, 400, "control") for value in CONTROLS),
    *(("justification", value, 400, "max_length") for value in ("x" * 20_001, "x" * 100_000, "é" * 50_000)),
    *(("gain_edges", value, 400, "invalid") for value in NOT_EXACT),
    *(("gain_edges", value, 400, "min_value") for value in (-1, "-0.5")),
    *((("gain_edges", "0.0000001", 400, "max_decimal_places"), ("gain_edges", 10**12, 400, "max_whole_digits"))),
    *((name, value, 400, "invalid") for name in ("gain_by", "lasts_from", "lasts_until") for value in NOT_A_TIME),
    ("gain_by", "2030-01-01T00:00:00", 400, "zone_missing"),
    *((name, "9999-12-31T23:59:59Z", 422, "invalid_proposal") for name in ("gain_by", "lasts_from", "lasts_until")),
    *(("entity_type", value, 400, "null" if value is None else "invalid") for value in NOT_TEXT),
    *((("entity_type", GONE, 400, "required"), ("entity_type", "", 400, "blank"))),
    *((("entity_type", "x" * 65, 400, "max_length"), ("entity_id", "x" * 201, 400, "max_length"))),
    *((("entity_id", GONE, 400, "required"), ("entity_id", "a\nb", 400, "control"))),
    *(("measure", value, 400, "invalid_choice") for value in NOT_A_MEASURE),
    *(("resource_type", value, 400, "invalid_choice") for value in NOT_A_CLASS),
    *(("window_kind", value, 400, "invalid_choice") for value in NOT_A_WINDOW),
    *((("qualifier", "nothing-known", 422, "invalid_proposal"), ("qualifier", "x" * 101, 400, "max_length"))),
    ("measure", "freeze", 422, "invalid_proposal"),
    *(("terms", value, 400, "invalid") for value in NOT_AN_OBJECT),
    ("terms", {"quorum": 1}, 422, "invalid_proposal"),  # a line takes none
    *((("terms", {"a": "nul\0"}, 400, "control"), ("terms", {"nul\0": 1}, 400, "control"))),
    *((("terms", {"a": 1e300}, 400, "number"), ("terms", {"a": "x" * 20_001}, 400, "max_length"))),
    *(("evidence", value, 400, "not_a_list") for value in NOT_A_LIST),
    ("evidence", [senate.PAPERS] * 51, 400, "max_length"),
    *(("submit", value, 400, "invalid") for value in NOT_A_FLAG),
    *(
        (name, "x", 400, "unknown_field")
        for name in ("status", "votes", "granted_tokens", "proposer", "refusal_id", "")
    ),
]
ELSEWHERE = {"measure": "/requested_tokens"}  # freezing takes no amount


@pytest.mark.parametrize(("name", "value", "status", "code"), CASES)
def test_a_proposal_that_is_none_is_refused(scout: Caller, name: str, value: object, status: int, code: str) -> None:
    got, said, pointers = _refusal(scout.post(PROPOSALS, _terms(name, value)))
    pointer = ELSEWHERE.get(name, f"/{name}") if status == 422 else f"/{name}"
    assert (got, said) == (status, code)
    assert [one for one in pointers if one == pointer or one.startswith(f"{pointer}/")] == pointers != []
    assert Proposal.objects.count() == 0


PMIDS: list[object] = [
    *([], [0], ["0"], ["01"], ["x"], ["123456789"], [-5], [1.5], [True], [None], [[1]], ["1", "1"], [" 1"], "31452104"),
    *(31452104, {}, None, ["\u0661"], [HUGE], ["31452104"] * 101),
]
URLS = [
    *("javascript:alert(1)", "data:text/html,x", "ftp://example.org", "file:///etc/passwd", "//example.org", "example"),
    *("http://", "https://a b", "https://u:p@example.org", "http://[", "https://example.org\\x", "HTTPS:example.org"),
]
EVIDENCE: list[tuple[Mapping[str, object], int, str, str]] = [
    *(({"claim": {"pmids": value}}, 422, "invalid_evidence", "/claim/pmids") for value in PMIDS),
    *(({"url": value}, 422, "invalid_evidence", "/url") for value in URLS),
    *(({"url": value}, 400, "invalid", "/url") for value in NOT_AN_ADDRESS),
    *(
        (
            ({"url": "https://a\0"}, 400, "control", "/url"),
            ({"url": "https://" + "a" * 2000}, 400, "max_length", "/url"),
        )
    ),
    *(({"kind": value}, 400, "invalid_choice", "/kind") for value in NOT_A_KIND),
    *(({"claim": value}, 400, "invalid", "/claim") for value in NOT_AN_OBJECT),
    ({"claim": {}}, 422, "invalid_evidence", "/claim/pmids"),
    ({"claim": {"pmids": ["1"], "more": 1}}, 422, "invalid_evidence", "/claim/more"),
    ({"kind": "market_confidence", "claim": {"confidence": 1.01}}, 422, "invalid_evidence", "/claim/confidence"),
    ({"kind": "market_confidence", "claim": {"confidence": "NaN"}}, 422, "invalid_evidence", "/claim/confidence"),
    ({"kind": "market_confidence", "claim": {"confidence": True}}, 422, "invalid_evidence", "/claim/confidence"),
    ({"kind": "kg_yield", "claim": {"edges": 5, "tokens": 0, "days": 7}}, 422, "invalid_evidence", "/claim/tokens"),
    ({"kind": "kg_yield", "claim": {"edges": 1e300, "tokens": 1, "days": 7}}, 400, "number", "/claim"),
    ({"note": "x" * 2001}, 400, "max_length", "/note"),
    ({"note": "\x1b"}, 400, "control", "/note"),
    ({"kind": "note", "claim": {}}, 422, "invalid_evidence", "/note"),
    ({"check_state": "holds"}, 400, "unknown_field", "/check_state"),
]


@pytest.mark.parametrize(("changes", "status", "code", "pointer"), EVIDENCE)
def test_what_is_no_evidence_is_refused(
    scout: Caller, changes: Mapping[str, object], status: int, code: str, pointer: str
) -> None:
    given = {**senate.PAPERS, **changes}
    address = f"{PROPOSALS}/{scout.post(PROPOSALS, _terms('submit', GONE)).json()['id']}/evidence"
    answers = [
        ("", scout.post(address, given)),
        ("", scout.post(f"{SENATE}/evidence/check", {**given, "entity_type": "hypothesis", "entity_id": "h1"})),
        ("/evidence/1", scout.post(PROPOSALS, _terms("evidence", [senate.PAPERS, given]))),
    ]
    for before, answer in answers:
        got, said, pointers = _refusal(answer)
        assert (got, said, len(pointers)) == (status, code, 1)
        assert pointers[0] == f"{before}{pointer}" or pointers[0].startswith(f"{before}{pointer}/")
    assert (Proposal.objects.count(), Evidence.objects.count()) == (1, 1)


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"{", b'{"entity_id": NaN}', b'{"a": 1, "a": 2}', b"\xff", b"1"])
def test_a_body_that_is_no_object_is_refused(scout: Caller, body: bytes) -> None:
    answer = scout.send(PROPOSALS, body)
    assert answer.status_code == 400
    assert callers.problem(answer)["errors"]


def test_every_fault_is_named_at_once(scout: Caller) -> None:
    body = {"requested_tokens": "5", "justification": 1, "evidence": [{"kind": "x"}, 7], "mood": "good"}
    status, code, pointers = _refusal(scout.post(PROPOSALS, body))
    assert (status, code) == (400, "invalid")
    assert sorted(pointers) == [
        *("/entity_id", "/entity_type", "/evidence/0/kind", "/evidence/1", "/justification", "/mood"),
        "/requested_tokens",
    ]


def test_text_of_any_kind_comes_back_as_it_was(scout: Caller) -> None:
    given = {"kind": "note", "note": MARKED, "url": "https://example.org/?q=%3Cb%3E"}
    filed = scout.post(PROPOSALS, _terms("justification", MARKED)).json()
    assert filed["justification"] == MARKED
    draft = scout.post(PROPOSALS, _terms("submit", False)).json()  # noqa: FBT003 - a value of the body
    answer = scout.post(f"{PROPOSALS}/{draft['id']}/evidence", given)
    assert (answer.status_code, answer.json()["note"]) == (201, MARKED)
    assert scout.get(f"{PROPOSALS}/{filed['id']}").headers["Content-Type"] == "application/json"


def test_the_longest_justification_is_taken_and_line_breaks_are_of_one_kind(scout: Caller) -> None:
    answer = scout.post(PROPOSALS, _terms("justification", "é" * 19_998 + "\r\n"))
    assert answer.status_code == 201
    assert answer.json()["justification"] == "é" * 19_998 + "\n"


def test_exact_numbers_stay_exact(scout: Caller) -> None:
    filed = scout.send(PROPOSALS, json.dumps(_terms("gain_edges", GONE))[:-1].encode() + b', "gain_edges": 0.1000001}')
    assert callers.problem(filed)["code"] == "max_decimal_places"
    for sent, shown in ((0.1, "0.1"), ("20.50", "20.5"), (7, "7"), ("999999999999.999999", "999999999999.999999")):
        assert scout.post(PROPOSALS, _terms("gain_edges", sent)).json()["gain_edges"] == shown


def test_terms_of_a_policy_stay_exact(scout: Caller) -> None:
    weights = {"evidence_weight": 0.30, "novelty_weight": "0.3"}
    body = _terms("terms", weights) | {"entity_type": "policy", "entity_id": "worth", "measure": "policy"}
    filed = scout.post(PROPOSALS, {name: value for name, value in body.items() if name != "requested_tokens"})
    assert filed.status_code == 201, filed.content
    assert filed.json()["terms"] == {"evidence_weight": "0.3", "novelty_weight": "0.3"}
    assert {row["after"] for row in filed.json()["preview"]["rows"]} == {"0.3"}


@pytest.mark.parametrize(
    ("terms", "pointer"),
    [
        ({"mood": 1}, "/terms/mood"),
        ({"evidence_weight": "0.9"}, "/terms"),
        ({"evidence_weight": "a lot"}, "/terms"),
        ({"evidence_weight": {}}, "/terms"),
        ({"evidence_weight": [1]}, "/terms"),
        ({"roi_days": 10**20}, "/terms"),
        ({"auto_apply": "maybe"}, "/terms"),
    ],
)
def test_a_policy_that_may_not_be_is_refused(scout: Caller, terms: dict[str, object], pointer: str) -> None:
    body = _terms("terms", terms) | {"entity_type": "policy", "entity_id": "worth", "measure": "policy"}
    answer = scout.post(PROPOSALS, {name: value for name, value in body.items() if name != "requested_tokens"})
    status, code, pointers = _refusal(answer)
    assert (status, code) == (422, "invalid_proposal")
    assert pointers[0].startswith(pointer)


@pytest.mark.parametrize(
    ("terms", "pointer"),
    [
        ({"mode": "stopped"}, "/terms/mode"),
        ({"pricing_rule": "free"}, "/terms/pricing_rule"),
        ({"pricing_rule": {}}, "/terms/pricing_rule"),
        ({"reserve_tokens": -1}, "/terms/reserve_tokens"),
        ({"reserve_tokens": 1.5}, "/terms/reserve_tokens"),
        ({"reserve_tokens": True}, "/terms/reserve_tokens"),
        ({"reserve_tokens": 10**16}, "/terms/reserve_tokens"),
    ],
)
def test_a_pool_that_may_not_be_is_refused(scout: Caller, terms: dict[str, object], pointer: str) -> None:
    body = _terms("terms", terms) | {"entity_type": "pool", "entity_id": "scidex-agent", "measure": "pool"}
    answer = scout.post(PROPOSALS, {name: value for name, value in body.items() if name != "requested_tokens"})
    assert _refusal(answer) == (422, "invalid_proposal", [pointer])


@pytest.mark.parametrize("proposal_id", ["0", "999999", "999999999999999999"])
def test_a_number_that_names_nothing_is_404(scout: Caller, proposal_id: str) -> None:
    address = f"{PROPOSALS}/{proposal_id}"
    answers = [
        *(scout.get(address), scout.get(f"{address}/changes"), scout.delete(f"{address}/evidence/1")),
        *(scout.post(f"{address}/{deed}", {}) for deed in ("amend", "submit", "withdraw")),
        scout.post(f"{address}/evidence", senate.PAPERS),
    ]
    assert {(one.status_code, callers.problem(one)["code"]) for one in answers} == {(404, "unknown_proposal")}


@pytest.mark.parametrize("proposal_id", ["x", "-1", "1.5", "1" * 19, "%00", "1;2", "\u0661"])
def test_an_id_that_is_none_is_404(scout: Caller, proposal_id: str) -> None:
    answer = scout.get(f"{PROPOSALS}/{proposal_id}")
    assert (answer.status_code, callers.problem(answer)["code"]) == (404, "not_found")
