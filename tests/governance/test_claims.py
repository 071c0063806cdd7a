"""Claims: what each kind of evidence may say, and what is refused with its pointer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import claims, errors
from governance.models import Evidence

WEB = "https://example.org/paper?id=1"
YIELD = {"edges": 40, "tokens": 2_000_000, "days": 28}
RESULT = {"benchmark": "tau-qa", "metric": "F1", "value": "0.81"}
GAP = {"gap": "g7", "before": "0.2", "after": "0.5"}


def _refused(kind: Any, claim: Any, *, note: Any = "", url: Any = "") -> str:
    with pytest.raises(errors.InvalidEvidenceError) as refusal:
        claims.checked(kind, claim, note=note, url=url)
    assert refusal.value.detail.endswith(".")
    return refusal.value.pointer


def test_every_kind_says_what_it_wants() -> None:
    assert list(claims.SHAPES) == Evidence.Kind.values
    assert all(shape.says.endswith(".") for shape in claims.SHAPES.values())
    assert all(part.says.endswith(".") for shape in claims.SHAPES.values() for part in shape.parts)


@pytest.mark.parametrize(
    ("kind", "claim", "kept"),
    [
        ("new_pmids", {"pmids": [31452104, "7"]}, {"pmids": ["31452104", "7"]}),
        ("market_confidence", {"confidence": Decimal("0.70")}, {"confidence": "0.7"}),
        ("market_confidence", {"confidence": 0.7, "source": " x "}, {"confidence": "0.7", "source": "x"}),
        ("market_confidence", {"confidence": 1, "source": None}, {"confidence": "1"}),
        ("kg_yield", YIELD, {"edges": "40", "tokens": 2_000_000, "days": 28}),
        (
            "kg_yield",
            {"edges": "0.5", "tokens": "1000", "days": Decimal(7)},
            {"edges": "0.5", "tokens": 1000, "days": 7},
        ),
        ("benchmark_result", RESULT, {**RESULT, "higher_is_better": True}),
        (
            "benchmark_result",
            {**RESULT, "baseline": 0.9, "higher_is_better": False},
            {**RESULT, "baseline": "0.9", "higher_is_better": False},
        ),
        ("gap_resolution", GAP, GAP),
        (
            "gap_resolution",
            {"gap": "g7", "before": 0, "after": Decimal("1.0")},
            {"gap": "g7", "before": "0", "after": "1"},
        ),
    ],
)
def test_a_claim_is_kept_exactly_and_without_floats(kind: str, claim: object, kept: object) -> None:
    assert claims.checked(kind, claim, url=WEB) == kept
    assert claims.checked(kind, kept, url=WEB) == kept  # what is kept is in form itself


@pytest.mark.parametrize(
    ("given_ones", "pointer"),
    [
        (None, "/claim/pmids"),
        ("31452104", "/claim/pmids"),
        ([], "/claim/pmids"),
        (list(range(1, 102)), "/claim/pmids"),
        ([1, 2, 0], "/claim/pmids/2"),
        ([-1], "/claim/pmids/0"),
        ([123456789], "/claim/pmids/0"),
        (["0123"], "/claim/pmids/0"),
        ([1, "PMID:2"], "/claim/pmids/1"),
        (["12a"], "/claim/pmids/0"),
        (["\N{FULLWIDTH DIGIT ONE}2"], "/claim/pmids/0"),  # digits, but not ours
        (["12\n"], "/claim/pmids/0"),
        ([True], "/claim/pmids/0"),
        ([1.0], "/claim/pmids/0"),
        ([Decimal(7)], "/claim/pmids/0"),
        ([None], "/claim/pmids/0"),
        ([[1]], "/claim/pmids/0"),
        ([5, 6, "5"], "/claim/pmids/2"),
    ],
)
def test_pmids_that_are_none_are_refused_where_they_stand(given_ones: object, pointer: str) -> None:
    assert _refused("new_pmids", {"pmids": given_ones}) == pointer


@pytest.mark.parametrize(
    "number",
    [
        *(
            True,
            "",
            "high",
            "1e-3",
            "NaN",
            "Infinity",
            "0,7",
            " 0.7",
            "\N{ARABIC-INDIC DIGIT ZERO}.7",
            [],
            {},
            "1" * 50,
        ),
        *(float("nan"), float("inf"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("1e400"), Decimal("1e-400")),
        *(-1, 1.0001, "0.1234567890123", pytest.param(10**5000, id="endless")),
    ],
)
def test_a_confidence_is_a_number_from_0_to_1(number: object) -> None:
    assert _refused("market_confidence", {"confidence": number}) == "/claim/confidence"


@pytest.mark.parametrize(
    ("kind", "claim", "pointer"),
    [
        ("kg_yield", {**YIELD, "tokens": 0}, "/claim/tokens"),
        ("kg_yield", {**YIELD, "tokens": "1.5"}, "/claim/tokens"),
        ("kg_yield", {**YIELD, "tokens": 10**15 + 1}, "/claim/tokens"),
        ("kg_yield", {**YIELD, "days": 367}, "/claim/days"),
        ("kg_yield", {**YIELD, "days": False}, "/claim/days"),
        ("kg_yield", {**YIELD, "edges": -1}, "/claim/edges"),
        ("kg_yield", {"edges": 1, "tokens": 1}, "/claim/days"),
        ("kg_yield", {**YIELD, "dollars": 3}, "/claim/dollars"),
        ("kg_yield", {**YIELD, "a/b~c": 3}, "/claim/a~1b~0c"),
        ("benchmark_result", {**RESULT, "benchmark": " "}, "/claim/benchmark"),
        ("benchmark_result", {**RESULT, "metric": "x" * 201}, "/claim/metric"),
        ("benchmark_result", {**RESULT, "metric": "a\nb"}, "/claim/metric"),
        ("benchmark_result", {**RESULT, "metric": "a\ud800"}, "/claim/metric"),
        ("benchmark_result", {**RESULT, "value": "NaN"}, "/claim/value"),
        ("benchmark_result", {**RESULT, "baseline": "0.81"}, "/claim/value"),
        ("benchmark_result", {**RESULT, "baseline": "0.9"}, "/claim/value"),
        ("benchmark_result", {**RESULT, "baseline": "0.8", "higher_is_better": False}, "/claim/value"),
        ("benchmark_result", {**RESULT, "higher_is_better": "yes"}, "/claim/higher_is_better"),
        ("gap_resolution", {**GAP, "gap": 7}, "/claim/gap"),
        ("gap_resolution", {**GAP, "after": "0.2"}, "/claim/after"),
        ("gap_resolution", {**GAP, "after": 2}, "/claim/after"),
        ("gap_resolution", [], "/claim"),
        ("gap_resolution", None, "/claim/gap"),
        ("note", {"text": "see"}, "/claim/text"),
        ("hearsay", {}, "/kind"),
        (7, {}, "/kind"),
        (["note"], {}, "/kind"),
    ],
)
def test_what_is_missing_unknown_or_unfit_is_refused_with_its_pointer(kind: Any, claim: Any, pointer: str) -> None:
    assert _refused(kind, claim, note="see", url=WEB) == pointer


@pytest.mark.parametrize(
    "url",
    [
        *("javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)"),
        *("data:text/html,<b>", "file:///etc/passwd", "ftp://example.org/x", "//example.org", "example.org", "http:x"),
        *("http://", "https:///path", "http://.", "http://:80/", "http://[::1", "http://example.org:99999/"),
        *("https://user:word@example.org/", "https://example.org/a b", "https://example.org/\x00", "https://e.org/\t"),
        *("https://exa\u202emple.org/", "https://e.org/\ufeff", "https://e.org/\u3000", 'https://e.org/"onclick="x'),
        *("https://e.org/<script>", "https://e.org\\@f.org/", "https://example.org/" + "x" * 2_000),
        *(7, None, ["https://example.org"]),
    ],
)
def test_an_address_is_one_of_the_web(url: object) -> None:
    assert _refused("note", None, note="see", url=url) == "/url"


@pytest.mark.parametrize(
    "url", ["http://a.org", "HTTPS://A.ORG:8443/x?y=%20#z", "http://[::1]/x", "https://bücher.example/"]
)
def test_an_address_of_the_web_is_taken(url: str) -> None:
    assert claims.checked("note", {}, url=url) == {}


def test_a_result_needs_an_address_and_a_note_says_something() -> None:
    assert _refused("benchmark_result", RESULT) == "/url"
    assert _refused("note", {}) == "/note"
    assert _refused("note", {}, note=" \n ") == "/note"
    assert _refused("note", {}, note="x" * 2_001) == "/note"
    assert _refused("note", {}, note="a\x00b") == "/note"
    assert _refused("note", {}, note=7) == "/note"
    assert claims.checked("note", None, note="=1+1 <b>said</b>\n\tby Ines") == {}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_NAMES = sorted({part.name for shape in claims.SHAPES.values() for part in shape.parts})


@given(
    kind=st.sampled_from(list(claims.SHAPES)) | _JSON,
    claim=_JSON | st.dictionaries(st.sampled_from(_NAMES) | st.text(), _JSON),
    note=_JSON,
    url=_JSON,
)
def test_whatever_is_given_it_is_kept_or_refused_with_a_pointer(kind: Any, claim: Any, note: Any, url: Any) -> None:
    try:
        kept = claims.checked(kind, claim, note=note, url=url)
    except errors.InvalidEvidenceError as refusal:
        kept, pointer = None, refusal.pointer
    if kept is None:
        assert pointer.startswith(("/kind", "/claim", "/note", "/url"))
    else:
        assert claims.checked(kind, kept, note=note, url=url) == kept
