"""Evidence held against the record: what the system finds of each claim, by worked examples."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from economics import observations, outcomes
from governance import evidence
from governance.models import Evidence
from tests import factories
from tests.economics import exchanges
from tests.factories import NOON
from tests.governance import senate

if TYPE_CHECKING:
    from datetime import datetime

    from economics.models import Envelope

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def _look(kind: str, claim: dict[str, Any], *, of: str = "h1", url: str = "") -> evidence.Found:
    return evidence.look("hypothesis", of, kind, claim, now=NOON, url=url)


def _pmids(*pmids: str) -> evidence.Found:
    return _look("new_pmids", {"pmids": list(pmids)})


@pytest.fixture
def own() -> Envelope:
    """Open an envelope for hypothesis h1."""
    return factories.envelope("h1", at=NOON - 40 * DAY)


# Papers


def test_papers_on_record_hold_however_their_reference_is_spelled() -> None:
    for reference in ("11", "PMID:12", "pmid: 13"):
        factories.observation("h1", reference=reference)
    found = _pmids("11", "12", "13")
    assert found == ("holds", "3 of 3 on record as papers of this entity.", found.figures)
    assert found.figures == {"found": ["11", "12", "13"], "withdrawn": [], "elsewhere": [], "missing": []}


def test_some_papers_hold_partly_and_those_of_another_entity_are_named() -> None:
    factories.observation("h1", reference="11")
    factories.observation("h2", reference="PMID:12")
    factories.observation("h1", reference="13", kind="debate")  # no paper
    assert _pmids("11", "12", "13")[:2] == (
        "partly",
        "1 of 3 on record as papers of this entity. On record for another entity only: 12. Not on record here: 13.",
    )


def test_papers_nobody_observed_are_unknown() -> None:
    state, says, _figures = _pmids(*map(str, range(21, 29)))
    assert state == "unknown"
    assert says == ("0 of 8 on record as papers of this entity. Not on record here: 21, 22, 23, 24, 25 and 3 more.")


def test_a_withdrawn_paper_contradicts_unless_it_was_observed_again() -> None:
    for reference in ("11", "12"):
        factories.observation("h1", reference=reference)
    twice = factories.observation("h1", reference="PMID:11")
    assert _pmids("11", "12").state == "holds"
    observations.withdraw([twice.pk], who="ada", now=NOON)
    assert _pmids("11", "12").state == "holds"
    observations.withdraw([twice.pk - 1], who="ada", now=NOON)
    state, says, figures = _pmids("11", "12")
    assert (state, figures["withdrawn"]) == ("contradicted", ["12"])
    assert says == "1 of 2 on record as papers of this entity. Withdrawn: 12."


def test_a_paper_withdrawn_elsewhere_says_nothing() -> None:
    observations.withdraw([factories.observation("h2", reference="11").pk], who="ada", now=NOON)
    assert _pmids("11").figures["missing"] == ["11"]


# The market


def test_without_signals_a_confidence_is_unknown() -> None:
    assert _look("market_confidence", {"confidence": "0.5"})[:2] == (
        "unknown",
        "No signals on this entity are on record.",
    )


@pytest.mark.parametrize(
    ("claimed", "state"), [("0.7", "holds"), ("0.1", "holds"), ("0.72", "holds"), ("0.7201", "contradicted")]
)
def test_a_confidence_holds_up_to_two_hundredths_above_the_market(claimed: str, state: str) -> None:
    exchanges.signal(exchanges.source(), "h1", "0.9")  # one fresh signal: c = (0.5 + 0.9) / 2 = 0.7
    assert _look("market_confidence", {"confidence": claimed}) == (
        state,
        f"The market says 0.7 by 1 signal; claimed {claimed}.",
        {"signals": 1, "confidence": "0.7", "claimed": claimed},
    )


# Yield


def _claimed(edges: int | str, *, days: int = 7) -> evidence.Found:
    return _look("kg_yield", {"edges": edges, "tokens": 1_000, "days": days})


def test_a_yield_is_compared_over_whole_days_with_corrections(own: Envelope) -> None:
    yesterday = NOON - DAY
    factories.record(own, 2_000, at=yesterday)
    gained = factories.outcome(own, 30, at=yesterday)
    factories.outcome(own, 8, kind="edges_removed", at=yesterday)
    factories.outcome(own, 5, kind="papers", at=yesterday)  # counts nothing here
    outcomes.correct(gained.pk, key="k", note="twice", author="ada", now=NOON, amount=Decimal(4))
    factories.outcome(own, 1_000, at=NOON)  # today is not over
    factories.record(own, 5_000, at=NOON)
    # (30 - 8 - 4) / 2,000 = 9 per 1,000, which is 90 % of 10 and less than 90 % of 10.1
    found = _claimed(10)
    assert found[:2] == (
        "holds",
        "18 net edges by 2,000 LLM tokens from 2026-02-23 to 2026-03-01 (whole days): 9000 per million; claimed 10000.",
    )
    assert found.figures == {
        "edges": "18",
        "tokens": "2000",
        "first_day": "2026-02-23",
        "last_day": "2026-03-01",
        "edges_per_million": "9000",
        "claimed_per_million": "10000",
    }
    assert _claimed("10.1").state == "contradicted"


def test_a_yield_counts_nothing_before_its_days(own: Envelope) -> None:
    factories.record(own, 1_000, at=NOON - 9 * DAY)
    factories.outcome(own, 10, at=NOON - 9 * DAY)
    assert _claimed(10).state == "unknown"
    assert _claimed(10, days=9).state == "holds"


def test_tokens_without_edges_contradict_and_edges_without_tokens_are_unknown(own: Envelope) -> None:
    factories.record(own, 1_000, at=NOON - DAY)
    assert _claimed(1).state == "contradicted"
    assert _claimed(0).state == "holds"
    other = factories.envelope("h2")
    factories.outcome(other, 10, at=NOON - DAY)
    found = _look("kg_yield", {"edges": 1, "tokens": 1_000, "days": 7}, of="h2")
    assert (found.state, found.figures["edges"]) == ("unknown", "10")


# Benchmarks and gaps


def _benchmark(value: str) -> evidence.Found:
    claim = {"benchmark": "tau-qa", "metric": "F1", "value": value}
    return _look("benchmark_result", claim, url="https://bench.example/tau-qa")


def test_a_result_is_looked_up_among_graded_artifacts(own: Envelope) -> None:
    assert _benchmark("0.8")[:2] == ("unknown", "No artifact of this name or address is graded here: tau-qa.")
    factories.outcome(own, "0.8", kind="artifact_quality", artifact_id="https://bench.example/tau-qa")
    factories.outcome(own, 40, artifact_id="tau-qa")  # edges are no grade
    assert _benchmark("0.80")[:2] == ("holds", "Graded here with 0.8; claimed 0.8.")
    assert _benchmark("0.9")[:2] == ("partly", "Graded here with 0.8; claimed 0.9.")


def test_a_grade_that_was_taken_back_contradicts(own: Envelope) -> None:
    graded = factories.outcome(own, "0.8", kind="artifact_quality", artifact_id="tau-qa")
    outcomes.correct(graded.pk, key="k", note="wrong split", author="ada", now=NOON)
    assert _benchmark("0.8")[:2] == ("contradicted", "What graders recorded of it was taken back.")


def test_progress_on_a_gap_is_what_came_of_the_gap() -> None:
    claim = {"gap": "g7", "before": "0.2", "after": "0.5"}
    assert _look("gap_resolution", claim)[:2] == ("unknown", "Nothing came of the gap g7 on record.")
    gap = factories.envelope("g7", entity_type="knowledge_gap")
    factories.outcome(gap, 5, kind="edges_removed")
    assert _look("gap_resolution", claim).state == "contradicted"
    factories.outcome(gap, 2, kind="hypotheses_improved")
    assert _look("gap_resolution", claim) == (
        "partly",
        "On record of the gap: -5 net edges, 2 improved hypotheses. How far it is resolved nobody measures here.",
        {"outcomes": 2, "edges": "-5", "hypotheses": "2"},
    )


# Proposals


def _found_on(proposal_id: int) -> list[tuple[str, str, datetime | None]]:
    rows = Evidence.objects.filter(proposal=proposal_id).order_by("pk")
    return [(row.kind, row.check_state, row.checked_at) for row in rows]


def test_check_writes_down_what_it_found_and_the_proposal_tells_it() -> None:
    factories.observation("h1", reference="31452104")
    on = factories.envelope("h1")
    confident = {"kind": "market_confidence", "claim": {"confidence": "0.9"}}
    proposal = senate.draft(of=on, evidence=[senate.PAPERS, confident, {"note": "see there"}, {"kind": "kg_yield"}])
    evidence.check(proposal.pk, now=NOON)
    assert _found_on(proposal.pk) == [
        ("new_pmids", "partly", NOON),
        ("market_confidence", "unknown", NOON),
        ("note", "unknown", NOON),
        ("note", "unknown", NOON),  # of a kind that claims nothing
    ]
    proposal.refresh_from_db()
    assert proposal.evidence[0]["check"] == "partly"
    assert proposal.evidence[0]["found"].startswith("1 of 2 on record")


def test_what_another_program_wrote_out_of_form_is_unknown_and_no_reason_to_submit() -> None:
    wrong = {"kind": "new_pmids", "claim": {"pmids": ["not a number"]}}
    proposal = senate.draft(evidence=[wrong])
    evidence.check(proposal.pk, now=NOON)
    (row,) = Evidence.objects.filter(proposal=proposal)
    assert not evidence.is_in_form(row)
    assert (row.check_state, row.check_says) == (
        "unknown",
        "Not in the form of its kind: A PMID is a number of 1 to 8 digits that does not begin with 0.",
    )


def test_evidence_taken_back_is_not_looked_at_again() -> None:
    proposal = senate.draft(evidence=[senate.PAPERS])
    Evidence.objects.filter(proposal=proposal).update(withdrawn_at=NOON)
    evidence.check(proposal.pk, now=NOON)
    assert _found_on(proposal.pk) == [("new_pmids", "unchecked", None)]


def test_a_check_takes_at_most_two_looks_for_each_piece_and_one_to_write() -> None:
    given = [{"kind": "market_confidence", "claim": {"confidence": "0.9"}}] * 10
    proposal = senate.draft(evidence=given)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        evidence.check(proposal.pk, now=NOON)
    assert len(queries) <= 4 + 2 * 10
