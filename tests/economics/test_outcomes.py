"""What came of work: recorded once per event, refused with every fault named, taken back by rows."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from economics import errors, outcomes
from economics.models import Outcome
from tests import factories
from tests.factories import NOON, after, refused

if TYPE_CHECKING:
    from economics.models import Envelope
    from economics.outcomes import Achieved

pytestmark = pytest.mark.django_db
SAID: dict[str, Any] = {"entity_type": "hypothesis", "entity_id": "h1", "kind": "papers", "amount": 2, "event_id": "e1"}


def _record(*rows: Achieved, namespace: str | None = None) -> list[tuple[str, str]]:
    return [(one.status, one.code) for one in _recorded(*rows, namespace=namespace)]


def _recorded(*rows: Achieved, namespace: str | None = None) -> list[outcomes.Recorded]:
    return outcomes.record_many(rows, agent_id="grader", now=after(9), namespace=namespace)


def _correct(of: Outcome, amount: str | None = None, *, key: str = "k") -> Outcome:
    taken = None if amount is None else Decimal(amount)
    return outcomes.correct(of.pk, key=key, note="counted twice", author="ada", now=after(60), amount=taken)


@pytest.fixture
def own() -> Envelope:
    """Open an envelope for hypothesis h1."""
    return factories.envelope("h1")


# What is an outcome


def test_an_outcome_is_what_its_object_says() -> None:
    said = SAID | {"artifact_type": "paper", "artifact_id": "7", "source": "kg", "at": "2026-03-01T12:00:00+01:00"}
    assert outcomes.native(said, now=NOON) == outcomes.Achieved(
        entity_type="hypothesis",
        entity_id="h1",
        kind="papers",
        amount=Decimal(2),
        artifact_type="paper",
        artifact_id="7",
        source="kg",
        event_id="e1",
        at=datetime(2026, 3, 1, 11, tzinfo=UTC),
    )
    assert outcomes.native(SAID | {"source": None, "at": None}, now=NOON) == outcomes.native(SAID, now=NOON)


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"kind": "fame"}, [("unknown_outcome", "/kind")]),
        ({"amount": 0}, [("not_positive", "/amount")]),
        ({"amount": -1}, [("negative", "/amount")]),
        ({"amount": None}, [("required", "/amount")]),
        ({"amount": Decimal("1.5")}, [("not_whole", "/amount")]),
        ({"amount": 10**12}, [("too_large", "/amount")]),
        ({"amount": True}, [("not_a_number", "/amount")]),
        ({"kind": "artifact_quality", "amount": "0.0000001"}, [("too_precise", "/amount")]),
        ({"at": "2026-03-02T12:05:01Z"}, [("from_the_future", "/at")]),
        ({"at": "2026-03-01"}, [("zone_missing", "/at")]),
        ({"event_id": None, "entity_id": ""}, [("blank", "/entity_id"), ("required", "/event_id")]),
        ({"edges": 5}, [("unknown_field", "/edges")]),
    ],
)
def test_every_fault_is_named(changes: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    found = outcomes.native({**SAID, **changes}, now=NOON)
    assert isinstance(found, list)
    assert [(fault.code, fault.pointer) for fault in found] == faults


# Recording


def test_an_outcome_is_a_row_with_all_it_says(own: Envelope) -> None:
    one = factories.achieved(
        own, "0.25", kind="artifact_quality", at=after(-60), artifact_type="paper", artifact_id="7", event_id="e1"
    )
    (result,) = _recorded(one, namespace="grader")
    row = Outcome.objects.values().get()
    assert (result.status, row) == (
        "recorded",
        {
            "id": result.outcome_id,
            "entity_type": "hypothesis",
            "entity_id": "h1",
            "kind": "artifact_quality",
            "amount": Decimal("0.25"),
            "artifact_type": "paper",
            "artifact_id": "7",
            "corrects_id": None,
            "source": "grader/test",
            "event_id": "e1",
            "agent_id": "grader",
            "note": "",
            "at": after(-60),
            "recorded_at": after(9),
        },
    )


def test_an_outcome_counts_once(own: Envelope) -> None:
    one = factories.achieved(own, 5, event_id="e1")
    assert _record(one, one) == [("recorded", ""), ("duplicate", "")]
    assert _record(one) == [("duplicate", "")]
    assert outcomes.record(one, agent_id="grader", now=after(99)) == Outcome.objects.get()


def test_the_same_identity_with_another_story_is_a_conflict(own: Envelope) -> None:
    conflict = ("conflict", "event_conflict")
    _record(factories.achieved(own, 5, event_id="e1"))
    assert _record(factories.achieved(own, 6, event_id="e1")) == [conflict]
    assert _record(factories.achieved(own, 5, event_id="e1", at=after(1))) == [conflict]
    assert _record(factories.achieved(own, 5, event_id="e1", kind="papers")) == [conflict]
    assert _record(factories.achieved(own, 5, event_id="e1", artifact_id="7")) == [conflict]
    assert _record(factories.achieved(own, 5, event_id="e1", at=None)) == [("duplicate", "")]
    assert _record(factories.achieved(own, 7, event_id="e2"), factories.achieved(own, 8, event_id="e2")) == [
        ("recorded", ""),
        conflict,
    ]
    with refused(errors.EventConflictError):
        outcomes.record(factories.achieved(own, 9, event_id="e1"), agent_id="grader", now=NOON)
    assert list(Outcome.objects.order_by("event_id").values_list("amount", flat=True)) == [5, 7]


def test_nobody_takes_the_identities_of_another_or_of_the_house(own: Envelope) -> None:
    one = factories.achieved(own, event_id="e1", source="correction")
    assert _record(one) == [("refused", "invalid_outcome")]
    with refused(errors.InvalidOutcomeError):
        outcomes.record(one, agent_id="grader", now=NOON)
    assert _record(one, namespace="grader") == [("recorded", "")]
    assert _record(one, namespace="other") == [("recorded", "")]


def test_a_batch_has_an_end(own: Envelope) -> None:
    with refused(errors.BatchTooLargeError):
        _record(*[factories.achieved(own)] * 10_001)
    assert _record() == []


# Taking back


def test_a_correction_names_its_row_and_counts_at_its_time(own: Envelope) -> None:
    row = factories.outcome(own, 10, at=after(-3600), artifact_id="7")
    contra = _correct(row, "4")
    told = ("entity_type", "entity_id", "kind", "artifact_id", "agent_id", "at")
    assert [getattr(contra, name) for name in told] == [getattr(row, name) for name in told]
    assert contra.amount == -4
    assert (contra.corrects_id, contra.note, contra.recorded_at) == (row.pk, "ada: counted twice", after(60))


def test_never_more_is_taken_back_than_is_left(own: Envelope) -> None:
    row = factories.outcome(own, 10)
    for asked in ("10.000001", "11", "0", "-1", "0.5", "NaN", "Infinity"):
        with refused(errors.CorrectionTooLargeError):
            _correct(row, asked)
    assert _correct(row, "4", key="one").amount == -4
    with refused(errors.CorrectionTooLargeError) as refusal:
        _correct(row, "7", key="two")
    assert refusal.value.figures == {"left": 6, "asked": 7}
    assert _correct(row, key="two").amount == -6
    with refused(errors.CorrectionTooLargeError):
        _correct(row, key="three")


def test_points_of_quality_are_taken_back_in_parts(own: Envelope) -> None:
    row = factories.outcome(own, "0.5", kind="artifact_quality")
    with refused(errors.CorrectionTooLargeError):
        _correct(row, "0.0000001")
    assert _correct(row, "0.25").amount == Decimal("-0.25")


def test_a_correction_counts_once_per_key_and_is_not_corrected(own: Envelope) -> None:
    row = factories.outcome(own, 10)
    first = _correct(row, "4")
    assert _correct(row, "4") == _correct(row) == first
    with refused(errors.EventConflictError):
        _correct(row, "5")
    with refused(errors.NotCorrectableError):
        _correct(first, "1")
    assert Outcome.objects.count() == 2


def test_only_its_reporter_finds_it_where_one_is_named(own: Envelope) -> None:
    row = factories.outcome(own, 10)
    terms: dict[str, Any] = {"key": "k", "note": "n", "author": "a", "now": NOON}
    with refused(errors.UnknownOutcomeError):
        outcomes.correct(row.pk, agent_id="somebody", **terms)
    with refused(errors.UnknownOutcomeError):
        outcomes.correct(row.pk + 1, **terms)
    assert outcomes.correct(row.pk, agent_id="grader", **terms).amount == -10


@given(asked=st.lists(st.integers(1, 12), max_size=8))
def test_whatever_is_taken_back_something_from_0_to_the_whole_is_left(asked: list[int]) -> None:
    row = factories.outcome(factories.envelope(), 20)
    for number, amount in enumerate(asked):
        left = 20 + sum(Outcome.objects.filter(corrects=row).values_list("amount", flat=True))
        if amount <= left:
            _correct(row, str(amount), key=str(number))
        else:
            with refused(errors.CorrectionTooLargeError):
                _correct(row, str(amount), key=str(number))
    assert 0 <= 20 + sum(Outcome.objects.filter(corrects=row).values_list("amount", flat=True)) <= 20
