"""Observations: what is one, counted once per event, withdrawn for good."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from economics import errors, observations
from economics.models import Observation
from economics.observations import Observed
from tests import factories
from tests.factories import NOON, after, refused

pytestmark = pytest.mark.django_db
PAPER = {"entity_type": "hypothesis", "entity_id": "h1", "kind": "paper", "reference": "pmid:1", "event_id": "e1"}


def _seen(**terms: Any) -> Observed:
    found = observations.native({**PAPER, **terms}, now=NOON)
    assert isinstance(found, Observed), found
    return found


def test_an_object_in_our_names_is_an_observation() -> None:
    assert _seen(source="pubmed", at="2026-03-01T12:00:00+01:00") == Observed(
        **PAPER,
        source="pubmed",
        at=NOON - timedelta(hours=25),
    )


def test_a_source_whose_clock_is_a_little_ahead_is_believed() -> None:
    assert _seen(at=after(300).isoformat()).at == after(300)
    found = observations.native({**PAPER, "at": after(301).isoformat()}, now=NOON)
    assert [(one.code, one.pointer) for one in found] == [("from_the_future", "/at")]  # type: ignore[union-attr] # a list


def test_what_has_no_time_is_of_its_arrival() -> None:
    assert observations.observe(_seen(), now=after(5)).at == after(5)
    assert observations.observe(_seen(), now=after(9)).at == after(5)  # the same again


def test_each_event_counts_once() -> None:
    rows = [_seen(), _seen(), _seen(event_id="e2"), _seen(kind="debate")]
    results = observations.observe_many(rows, now=NOON)
    first, _second = Observation.objects.order_by("pk")
    assert [(one.status, one.observation_id == first.pk) for one in results] == [
        ("recorded", True),
        ("duplicate", True),
        ("recorded", False),
        ("conflict", True),
    ]
    assert [one.status for one in observations.observe_many(rows, now=after(1))] == [
        *("duplicate", "duplicate", "duplicate", "conflict"),
    ]
    with refused(errors.EventConflictError):
        observations.observe(_seen(kind="debate"), now=NOON)


def test_nobody_takes_anothers_identities() -> None:
    for agent in ("one", "two"):
        assert observations.observe(_seen(), now=NOON, namespace=agent).source == f"{agent}/"
    assert Observation.objects.count() == 2


def test_what_was_withdrawn_stays_so_when_it_is_sent_again() -> None:
    row = observations.observe(_seen(), now=NOON)
    assert observations.withdraw([row.pk, row.pk + 1], who="ada", now=after(1)) == 1
    (again,) = observations.observe_many([_seen()], now=after(2))
    row.refresh_from_db()
    assert (again.status, row.withdrawn_at, row.withdrawn_by) == ("duplicate", after(1), "ada")


def test_at_most_ten_thousand_at_once() -> None:
    with refused(errors.BatchTooLargeError):
        observations.observe_many([_seen()] * 10_001, now=NOON)
    assert observations.observe_many([], now=NOON) == []


_NASTY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(),
    st.sampled_from(["paper", "vote", "2026-03-01T12:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"]),
    st.lists(st.integers(), max_size=2),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([*observations.FIELDS, "x"]), _NASTY, max_size=5))
def test_whatever_is_sent_is_an_observation_the_tables_take_or_faults(changes: dict[str, Any]) -> None:
    found = observations.native({**PAPER, **changes}, now=NOON)
    if isinstance(found, list):
        assert found
        return
    (result,) = observations.observe_many([found], now=NOON, namespace=f"n{next(factories._numbers)}")  # noqa: SLF001 - a name of its own
    assert result.status == "recorded"
