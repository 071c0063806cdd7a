"""Figures that the clock keeps: true to the rows at their moment, made again in time, and made for whoever looks."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from economics import kept_figures, overview, standings, tasks, totals
from economics.models import KeptFigures
from tests import factories
from tests.factories import NOON, after

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = pytest.mark.django_db


def _moments() -> dict[str, datetime]:
    return dict(KeptFigures.objects.values_list("name", "as_of"))


def _queries(kind: kept_figures.Kind[Any], now: datetime) -> int:
    with CaptureQueriesContext(connection) as captured:
        kept_figures.kept(kind, now=now)
    return len(captured)


def test_the_totals_that_are_kept_are_the_sums_of_where_lines_stand() -> None:
    books = factories.books(factories.agent())
    factories.market(books.envelope, "-0.25")
    now = after(120)
    kept_figures.make_due(now=now)
    found, at = kept_figures.kept(kept_figures.BUDGETS, now=now + timedelta(seconds=30))
    assert (found, at) == (totals.by_class(now=now), now)
    lines = [line for of in standings.of_envelopes([books.envelope.pk, books.frozen.pk], at=at).values() for line in of]
    for total in found:
        kind = (total.resource_type, total.qualifier, total.window_kind)
        own = [line for line in lines if (line.resource_type, line.qualifier, line.window_kind) == kind]
        assert (total.settled, total.held) == (sum(line.settled for line in own), sum(line.held for line in own)), kind
        assert total.remaining == sum(line.remaining or 0 for line in own), kind


@pytest.mark.parametrize("days", kept_figures.USAGE)
def test_the_usage_that_is_kept_is_that_of_the_rows_to_the_last_digit(days: int) -> None:
    factories.model(rate="0.000000012345")
    own = factories.envelope("h1", tokens=10**9)
    for number in range(1, 5):
        factories.record(own, 10**7 + number, at=NOON - timedelta(days=number * number))
    factories.record(own, 7, model="unheard-of")
    last = NOON.date()
    kept_figures.make_due(now=NOON)
    found, at = kept_figures.kept(kept_figures.USAGE[days], now=NOON)
    assert at == NOON
    assert found.usage == totals.used(last=last, days=days)
    assert found.spending == overview.spending(last=last, days=days)
    assert found.spenders == overview.spenders(last=last, days=days)
    assert found.models == totals.by_model(last=last, days=days)
    assert sum(one.cost for one in found.models) == found.usage.cost


def test_the_clock_makes_what_is_due_and_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.clock.now", lambda: NOON)
    tasks.keep_figures()
    assert _moments() == {kind.name: NOON for kind in kept_figures.KINDS}
    KeptFigures.objects.update(seconds=0.001)
    kept_figures.make_due(now=after(59))
    assert set(_moments().values()) == {NOON}
    kept_figures.make_due(now=after(60))
    assert [name for name, at in _moments().items() if at > NOON] == ["usage of 7 days"]
    KeptFigures.objects.update(seconds=0.001)
    kept_figures.make_due(now=after(300))
    assert set(_moments().values()) == {after(300)}


def test_figures_that_take_long_are_made_less_often() -> None:
    kept_figures.make_due(now=NOON)
    KeptFigures.objects.update(seconds=10)
    kept_figures.make_due(now=after(999))
    assert set(_moments().values()) == {NOON}
    kept_figures.make_due(now=after(1_000))
    assert set(_moments().values()) == {after(1_000)}


def test_whoever_looks_first_makes_what_is_missing_for_all_others() -> None:
    factories.envelope("h1")
    found, at = kept_figures.kept(kept_figures.BUDGETS, now=NOON)
    assert ([total.lines for total in found], at) == ([1], NOON)
    factories.envelope("h2")
    assert kept_figures.kept(kept_figures.BUDGETS, now=after(120)) == (found, NOON)


def test_whoever_looks_makes_figures_that_the_clock_has_left_lying() -> None:
    kept_figures.make_due(now=NOON)
    KeptFigures.objects.update(seconds=0.001)
    factories.envelope("h1")
    assert kept_figures.kept(kept_figures.BUDGETS, now=after(360)) == ([], NOON)
    found, at = kept_figures.kept(kept_figures.BUDGETS, now=after(361))
    assert (len(found), at) == (1, after(361))
    assert kept_figures.kept(kept_figures.BUDGETS, now=after(362)) == (found, at)


def test_figures_of_a_later_moment_are_made_again() -> None:
    kept_figures.make_due(now=after(60))
    assert kept_figures.kept(kept_figures.BUDGETS, now=NOON) == ([], NOON)
    kept_figures.make_due(now=after(-60))
    assert set(_moments().values()) == {after(-60)}


@pytest.mark.parametrize("figures", ["", {}, [1], [["llm_tokens"]]])
def test_figures_of_another_version_are_made_again(figures: object) -> None:
    KeptFigures.objects.create(name=kept_figures.BUDGETS.name, as_of=NOON, seconds=0.1, figures=figures)
    assert kept_figures.kept(kept_figures.BUDGETS, now=after(1)) == ([], after(1))


def test_figures_that_fail_keep_no_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_terms: object) -> None:
        message = "no"
        raise RuntimeError(message)

    monkeypatch.setattr("economics.totals.by_class", fail)
    kept_figures.make_due(now=NOON)
    assert set(_moments()) == {kind.name for kind in kept_figures.USAGE.values()}


def test_what_is_kept_takes_one_query_however_much_it_sums_up() -> None:
    factories.model()
    for number in range(20):
        factories.record(factories.envelope(), 100 + number)
    kept_figures.make_due(now=NOON)
    assert [_queries(kind, NOON) for kind in kept_figures.KINDS] == [1] * len(kept_figures.KINDS)
