"""Allocations over HTTP: one's own quests, by day and quest, and nobody else's."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from auction import stipends
from economics import mint
from economics.models import MonetaryPolicy
from tests import callers, factories
from tests.callers import MARKET
from tests.factories import NOON

if TYPE_CHECKING:
    from tests.callers import Caller

pytestmark = pytest.mark.django_db
PATH = f"{MARKET}/allocations/"


@pytest.fixture
def ann() -> Caller:
    """Return the programme of the quests a and b, which were paid two days of 500 tokens beside somebody else's."""
    MonetaryPolicy.objects.update(daily_token_bucket=1_000)
    ann, ben = callers.trader(name="ann"), callers.trader(name="ben")
    for name, value, programme in (("a", 10, ann), ("b", 10, ann), ("c", 20, ben)):
        factories.quest_task(factories.quest(name, programme=programme.agent), value)
    for day in (0, 1):
        mint.issue_daily(now=NOON + timedelta(days=day))
        stipends.pay_due(now=NOON + timedelta(days=day))
    return ann


def _read(reader: Caller, **query: object) -> list[dict[str, Any]]:
    answer = reader.get(PATH, **query)
    assert answer.status_code == 200, answer.content
    rows: list[dict[str, Any]] = json.loads(answer.content)["results"]
    return rows


def test_one_reads_what_ones_own_quests_were_allotted(ann: Caller) -> None:
    rows = _read(ann)
    assert [(row["quest_id"], row["day"]) for row in rows] == [
        ("b", "2026-03-03"),
        ("a", "2026-03-03"),
        ("b", "2026-03-02"),
        ("a", "2026-03-02"),
    ]
    last = rows[-1]
    del last["id"]
    assert last == {
        "quest_id": "a",
        "day": "2026-03-02",
        "tokens": 125,
        "paid_tokens": 125,
        "share": "0.25",
        "value_usd": "10",
        "reliability": "1",
        "created_at": "2026-03-02T12:00:00Z",
    }


def test_a_day_is_told_in_one_way(ann: Caller) -> None:
    for day in ("03/02/2026", "March 2, 2026", "2026-3-2T00:00"):
        assert callers.problem(ann.get(PATH, day=day))["errors"][0]["parameter"] == "day"


def test_a_day_and_a_quest_narrow_the_list(ann: Caller) -> None:
    assert [row["quest_id"] for row in _read(ann, day="2026-03-02")] == ["b", "a"]
    assert [row["day"] for row in _read(ann, quest="a")] == ["2026-03-03", "2026-03-02"]
    assert len(_read(ann, quest="b", day="2026-03-03")) == 1
    assert _read(ann, quest="c") == []
    assert ann.get(PATH, day="soon").status_code == 400


def test_who_has_no_quest_reads_nothing(ann: Caller) -> None:
    del ann
    assert _read(callers.trader(name="cem")) == []


def test_a_page_costs_the_same_queries_however_many_rows(ann: Caller) -> None:
    def counted() -> int:
        with CaptureQueriesContext(connection) as queries:
            _read(ann)
        return len(queries)

    _read(ann)
    few = counted()
    mint.issue_daily(now=NOON + timedelta(days=20))
    stipends.pay_due(now=NOON + timedelta(days=20))
    assert counted() == few == 2
