"""What tokens brought in: net edges per LLM token, shrunk towards the type, over whole local days, made once a day."""

from __future__ import annotations

import itertools
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from economics import budget_policy, metering, outcomes, returns, scoring, worth_policy
from economics.models import BudgetPolicy, Envelope, Revision
from tests import factories
from tests.factories import NOON, REVIEWER, after

pytestmark = pytest.mark.django_db

_numbers = itertools.count(1)
MIDNIGHT: Final = NOON.replace(hour=0)
YESTERDAY: Final = after(-86_400)


class Return(NamedTuple):
    """What an entity brought in."""

    edges: Any
    tokens: Any
    prior: Any
    roi: Any


def _returns(now: datetime = NOON, **changes: Any) -> dict[str, Return]:
    """Return what every entity brought in, under the policy in force or one that is varied."""
    policy = worth_policy.varied(worth_policy.get(), changes)
    with connection.cursor() as cursor:
        cursor.execute(returns.RETURNS, returns.terms(policy, now=now))
        return {entity_id: Return(*figures) for _type, entity_id, *figures in cursor.fetchall()}


def _roi(of: Envelope) -> Decimal | None:
    of.refresh_from_db()
    return of.roi_score


# The formula


def test_roi_is_net_edges_per_token_shrunk_towards_the_type() -> None:
    """Two hypotheses: 60 net edges on 2 M tokens, and none on 1 M. Together 20 edges per million tokens."""
    good, poor = factories.envelope("good"), factories.envelope("poor")
    factories.record(good, 2_000_000, at=YESTERDAY)
    factories.record(poor, 1_000_000, at=YESTERDAY)
    factories.outcome(good, 70, at=YESTERDAY)
    factories.outcome(good, 10, kind="edges_removed", at=YESTERDAY)
    mu = Decimal("0.00002")
    assert _returns() == {
        "good": (60, 2_000_000, mu, round((60 + 1_000_000 * mu) / 3_000_000, 15)),  # 26.67 per million
        "poor": (0, 1_000_000, mu, Decimal("0.00001")),  # 10 per million: half of it is believed to be like the type
    }


def test_without_a_prior_it_is_what_came_in() -> None:
    own = factories.envelope("h1")
    factories.record(own, 1_000_000, at=YESTERDAY)
    factories.outcome(own, 25, at=YESTERDAY)
    assert _returns(roi_prior_tokens=0)["h1"].roi == Decimal("0.000025")


def test_more_lost_than_gained_is_negative() -> None:
    own = factories.envelope("h1")
    factories.record(own, 1_000_000, at=YESTERDAY)
    factories.outcome(own, 5, at=YESTERDAY)
    factories.outcome(own, 30, kind="edges_removed", at=YESTERDAY)
    assert _returns()["h1"] == (-25, 1_000_000, Decimal("-0.000025"), Decimal("-0.000025"))


def test_too_few_tokens_prove_nothing_however_much_came_in() -> None:
    few, none, enough = (factories.envelope(name) for name in ("few", "none", "enough"))
    factories.record(few, 99_999, at=YESTERDAY)
    factories.record(enough, 100_000, at=YESTERDAY)
    for own in (few, none, enough):
        factories.outcome(own, 1_000, at=YESTERDAY)
    found = _returns()
    assert [found[name].roi is None for name in ("few", "none", "enough")] == [True, True, False]
    assert (found["none"].edges, found["none"].tokens) == (1_000, 0)


def test_a_type_that_used_nothing_has_no_prior() -> None:
    factories.outcome(factories.envelope("g1", entity_type="knowledge_gap"), 9, at=YESTERDAY)
    assert _returns() == {"g1": (9, 0, 0, None)}


def test_each_type_has_its_own_prior_and_other_resources_are_no_tokens() -> None:
    factories.price(resource_type="cpu_seconds", rate="0")
    one, other = factories.envelope("h1"), factories.envelope("a1", entity_type="analysis")
    for own, edges in ((one, 10), (other, 30)):
        factories.record(own, 1_000_000, at=YESTERDAY)
        factories.record(own, 5_000_000, resource_type="cpu_seconds", at=YESTERDAY)
        factories.outcome(own, edges, at=YESTERDAY)
    assert {name: found.prior for name, found in _returns().items()} == {
        "h1": Decimal("0.00001"),
        "a1": Decimal("0.00003"),
    }


def test_other_outcomes_count_as_the_policy_weighs_them() -> None:
    own = factories.envelope("h1")
    for kind, amount in (("papers", 3), ("hypotheses_improved", 2), ("artifact_quality", "0.5")):
        factories.outcome(own, amount, kind=kind, at=YESTERDAY)
    assert _returns()["h1"].edges == 0
    weights: dict[str, Any] = {
        "paper_edges": Decimal(10),
        "hypothesis_edges": Decimal("2.5"),
        "artifact_edges": Decimal(4),
    }
    assert _returns(**weights)["h1"].edges == 30 + 5 + 2


def test_what_was_taken_back_does_not_count() -> None:
    own = factories.envelope("h1")
    used = factories.record(own, 3_000_000, at=YESTERDAY)
    gained = factories.outcome(own, 40, at=YESTERDAY)
    lost = factories.outcome(own, 9, kind="edges_removed", at=YESTERDAY)
    said: dict[str, Any] = {"key": "k", "note": "wrong", "author": "ada", "now": NOON}
    metering.correct(used.pk, amount=Decimal(1_000_000), **said)
    outcomes.correct(gained.pk, amount=Decimal(10), **said)
    outcomes.correct(lost.pk, **said)
    assert _returns()["h1"][:2] == (30, 2_000_000)


# The window


def test_the_window_is_whole_days_that_ended_with_the_last_midnight() -> None:
    own = factories.envelope("h1")
    first = MIDNIGHT - timedelta(days=28)
    second = timedelta(seconds=1)
    for place, at in enumerate((first - second, first, MIDNIGHT - second, MIDNIGHT)):
        factories.record(own, 10**place, at=at)
        factories.outcome(own, 10**place, at=at)
    assert _returns()["h1"][:2] == (110, 110)
    assert _returns(MIDNIGHT)["h1"][:2] == (110, 110)
    assert _returns(MIDNIGHT - second)["h1"][:2] == (11, 11)
    assert _returns(roi_days=1)["h1"][:2] == (100, 100)


def test_days_are_those_of_the_policys_zone() -> None:
    """In Auckland, 13 hours ahead, noon in UTC is 1 o'clock of the next day: the day before ended at 11:00 UTC."""
    budget_policy.change(author=REVIEWER, now=NOON, zone="Pacific/Auckland")
    own = factories.envelope("h1")
    for place, at in enumerate((after(-3601), after(-3600))):
        factories.record(own, 10**place, at=at)
        factories.outcome(own, 10**place, at=at)
    assert _returns(roi_days=1)["h1"][:2] == (1, 1)


def test_the_day_the_clocks_change_is_a_whole_day() -> None:
    """In Berlin the 29th of March 2026 has 23 hours: from 23:00 UTC the day before to 22:00 UTC."""
    budget_policy.change(author=REVIEWER, now=NOON, zone="Europe/Berlin")
    own = factories.envelope("h1")
    moments = [datetime(2026, 3, 28, 22, 59, 59, tzinfo=UTC), datetime(2026, 3, 28, 23, tzinfo=UTC)]
    moments += [datetime(2026, 3, 29, 21, 59, 59, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)]
    for place, at in enumerate(moments):
        factories.record(own, 10**place, at=at)
        factories.outcome(own, 10**place, at=at)
    assert _returns(datetime(2026, 3, 30, 12, tzinfo=UTC), roi_days=1)["h1"][:2] == (110, 110)


# Against the formula in Python

_KINDS: Final = ("edges_gained", "edges_removed", "papers", "hypotheses_improved", "artifact_quality")
_SMALL: Final = st.decimals(0, 50, places=6)


@st.composite
def _worlds(draw: st.DrawFn) -> tuple[list[tuple[str, int, int]], list[tuple[str, str, Decimal, int]]]:
    """Return uses (entity, tokens, days ago) and outcomes (entity, kind, amount, days ago) of a small fleet."""
    who, ago = st.sampled_from("abcdef"), st.integers(0, 30)
    uses = draw(st.lists(st.tuples(who, st.integers(1, 10**7), ago), max_size=12))
    amounts = {kind: st.integers(1, 10**4).map(Decimal) for kind in _KINDS}
    amounts["artifact_quality"] = st.decimals("0.000001", 100, places=6)
    kind = st.sampled_from(_KINDS)
    came = draw(st.lists(kind.flatmap(lambda k: st.tuples(who, st.just(k), amounts[k], ago)), max_size=12))
    return uses, came


@given(
    world=_worlds(),
    weights=st.tuples(_SMALL, _SMALL, _SMALL),
    prior=st.integers(0, 10**7),
    fewest=st.integers(1, 10**7),
)
@settings(max_examples=60)
def test_it_is_the_formula_for_any_fleet(
    world: tuple[Any, Any], weights: tuple[Decimal, Decimal, Decimal], prior: int, fewest: int
) -> None:
    uses, came = world
    types = [f"type-{next(_numbers)}" for _ in range(2)]  # of this fleet alone
    own = {name: factories.envelope(entity_type=types[name > "c"]) for name in "abcdef"}
    metering.record_many(
        [factories.event(own[name], tokens, at=NOON - timedelta(days=ago)) for name, tokens, ago in uses],
        agent_id="a",
        now=NOON,
    )
    outcomes.record_many(
        [
            factories.achieved(own[name], amount, kind=kind, at=NOON - timedelta(days=ago))
            for name, kind, amount, ago in came
        ],
        agent_id="g",
        now=NOON,
    )
    worth = dict(zip(_KINDS, (Fraction(1), Fraction(-1), *map(Fraction, weights)), strict=True))
    edges: dict[str, Fraction] = defaultdict(Fraction)
    tokens: dict[str, Fraction] = defaultdict(Fraction)
    for name, count, ago in uses:
        tokens[own[name].entity_id] += count if 1 <= ago <= 28 else 0
    for name, kind, amount, ago in came:
        edges[own[name].entity_id] += worth[kind] * Fraction(amount) if 1 <= ago <= 28 else 0
    terms: dict[str, Any] = {"roi_prior_tokens": prior, "roi_fewest_tokens": fewest}
    terms |= dict(zip(("paper_edges", "hypothesis_edges", "artifact_edges"), weights, strict=True))
    found = _returns(**terms)
    for one in own.values():
        alike = [other.entity_id for other in own.values() if other.entity_type == one.entity_type]
        sums = [sum(figures[name] for name in alike) for figures in (edges, tokens)]
        came_in, used, all_edges, all_used = (
            _decimal(figure) for figure in (edges[one.entity_id], tokens[one.entity_id], *sums)
        )
        expected = scoring.roi(came_in, used, all_edges, all_used, Decimal(prior), Decimal(fewest))
        got = found.get(one.entity_id, Return(0, 0, 0, None))
        assert (got.edges, got.tokens, got.roi) == (came_in, used, expected)


def _decimal(number: Fraction | int) -> Decimal:
    """Return a fraction of at most twelve decimals exactly."""
    return Decimal(int(number * 10**12)).scaleb(-12)


def test_absurd_figures_of_one_keep_no_other_from_being_judged() -> None:
    wild, sane = factories.envelope("wild", entity_type="entity"), factories.envelope("sane")
    for own in (wild, sane):
        factories.record(own, 1_000_000, at=YESTERDAY)
    factories.outcome(sane, 5, at=YESTERDAY)
    edges = [factories.achieved(wild, 10**12 - 1, kind="papers", at=YESTERDAY) for _ in range(10)]
    outcomes.record_many(edges, agent_id="g", now=NOON)
    worth_policy.change(author=REVIEWER, now=NOON, paper_edges=Decimal(1000), roi_prior_tokens=0, roi_fewest_tokens=1)
    factories.outcome(factories.envelope("lone", entity_type="analysis"), 1, at=YESTERDAY)
    assert returns.refresh(now=NOON) == 2
    assert _roi(sane) == Decimal("0.000005")
    assert (_roi(wild) or 0) > 9 * 10**9


# The column


def test_a_refresh_sets_what_changed_and_only_that() -> None:
    good, unproven, idle = (factories.envelope(name) for name in ("good", "unproven", "idle"))
    factories.record(good, 1_000_000, at=YESTERDAY)
    factories.record(unproven, 100, at=YESTERDAY)
    factories.outcome(good, 20, at=YESTERDAY)
    Envelope.objects.filter(pk=idle.pk).update(roi_score=1)
    revisions = Revision.objects.count()
    assert returns.refresh(now=NOON) == 2
    assert [_roi(own) for own in (good, unproven, idle)] == [Decimal("0.000019999000100"), None, None]
    assert returns.refresh(now=NOON) == 0
    assert returns.refresh(now=NOON + timedelta(days=29)) == 1
    assert _roi(good) is None
    assert Revision.objects.count() == revisions


def test_it_is_due_once_a_local_day() -> None:
    own = factories.envelope("h1")
    factories.record(own, 1_000_000, at=YESTERDAY)
    assert returns.refresh_when_due(now=NOON) == 1
    factories.outcome(own, 20, at=YESTERDAY)
    assert returns.refresh_when_due(now=after(11 * 3600)) == 0
    assert BudgetPolicy.objects.get().last_returns_on == date(2026, 3, 2)
    assert returns.refresh_when_due(now=after(12 * 3600)) == 1
    assert returns.refresh_when_due(now=NOON) == 0
    assert _roi(own) == Decimal("0.00002")


def test_a_refresh_takes_as_many_statements_for_many_envelopes_as_for_one() -> None:
    counts = []
    for _ in range(2):
        for _ in range(20):
            own = factories.envelope()
            factories.record(own, 1_000_000, at=YESTERDAY)
            factories.outcome(own, 20, at=YESTERDAY)
        with CaptureQueriesContext(connection) as captured:
            assert returns.refresh(now=NOON) > 0
        counts.append(len(captured))
    assert counts[0] == counts[1]
