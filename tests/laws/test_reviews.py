"""Whatever the fleet: a review conserves every unit, keeps to step and floor, and never prefers the worse."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from django.db import connection, transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from economics import reviews
from economics.models import Envelope, Line, Reserve, Review, ReviewLine
from tests.economics import fleets
from tests.economics.fleets import LONG_AGO, MONDAY, gained, plain_policy, used
from tests.factories import REVIEWER

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.django_db

BEFORE: Final = MONDAY - timedelta(days=7)
WEIGHTS: Final = ("-0.5", "0", "0.000001", "0.1", "1")


class Member(NamedTuple):
    """An envelope as drawn: what it may spend, what it used in each of the last weeks and the edges it gained."""

    kind: str
    window: str
    base: int
    tier_base: int | None
    priority: int
    weight: str
    state: str
    used: tuple[int, ...]
    edges: int


MEMBERS: Final = st.builds(
    Member,
    kind=st.sampled_from(["hypothesis", "hypothesis", "analysis"]),
    window=st.sampled_from(["day", "week", "week", "month", "lifetime"]),
    base=st.one_of(st.integers(0, 40), st.integers(0, 10**6), st.just(10**15)),
    tier_base=st.one_of(st.none(), st.integers(0, 10_000)),
    priority=st.integers(500_000, 500_004) | st.integers(500_000, 1_000_000),
    weight=st.sampled_from(WEIGHTS),
    state=st.sampled_from(["active", "active", "active", "capped", "frozen"]),
    used=st.tuples(*[st.sampled_from([0, 1, 7, 10, 1_000]) for _ in range(5)]),
    edges=st.integers(-3, 12),
)
POLICIES: Final = st.fixed_dictionaries({
    "review_step": st.sampled_from(["0", "0.01", "0.2", "0.5"]).map(Decimal),
    "floor_tokens": st.sampled_from([0, 5, 1_000]),
    "fewest_judged": st.sampled_from([1, 3]),
    "low_quantile": st.sampled_from(["0.25", "0.5"]).map(Decimal),
    "idle_share": st.sampled_from(["0", "0.25", "1"]).map(Decimal),
})  # fmt: skip


def _open(fleet: list[Member]) -> None:
    """Write the fleet as it was drawn, in a few statements, and what it used and gained."""
    with connection.cursor() as cursor:
        for number, one in enumerate(fleet):
            capped = one.state == "capped" and Decimal(one.weight) > 0
            cursor.execute(
                """
                INSERT INTO resource_budgets (entity_type, entity_id, window_kind, token_budget, priority_score,
                    market_weight, state, state_reason, granted_at, granted_by, created_at)
                VALUES (%s, %s, %s, %s, %s, %s, %s, 'drawn', %s, 'ada', %s)
                """,
                [one.kind, f"m{number}", one.window, one.base, Decimal(one.priority) / 10**6,
                 "0" if capped else one.weight, one.state, LONG_AGO, LONG_AGO],
            )  # fmt: skip
        cursor.execute("INSERT INTO economics_tiers (name, rank) VALUES ('deep', 99)")
    for number, (own, one) in enumerate(zip(Envelope.objects.order_by("pk"), fleet, strict=True)):
        if one.tier_base is not None:
            Line.objects.create(
                envelope=own, resource_type="llm_tokens", qualifier="deep", window_kind="week", base=one.tier_base
            )
        used(own, *one.used, tier="deep" if number % 2 else "")
        gained(own, one.edges, at=BEFORE - timedelta(days=1))


def _sums() -> dict[tuple[str, str], Decimal]:
    """Return base plus reserve of every pool, as the tables hold it."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in Line.objects.filter(resource_type="llm_tokens", base__isnull=False):
        sums[line.window_kind, line.qualifier] += line.base or 0
    for reserve in Reserve.objects.all():
        sums[reserve.window_kind, reserve.qualifier] += reserve.amount
    return dict(sums)


def _shares(pot: int, gainers: Iterable[ReviewLine]) -> dict[int, int]:
    """Return who gets what of a pot by the words of the rule, in exact fractions and without a closed form."""
    most = {
        one.pk: min(math.floor(Fraction(one.before) * Fraction(one.step)), math.floor(10**15 - one.before))
        for one in gainers
    }
    priority = {one.pk: Fraction(one.priority_score) for one in gainers}
    full: set[int] = set()
    while True:
        left = pot - sum(most[pk] for pk in full)
        open_ = [pk for pk in most if pk not in full]
        total = sum(priority[pk] for pk in open_)
        share = {pk: left * priority[pk] / total for pk in open_}
        above = {pk for pk in open_ if share[pk] >= most[pk]}
        if not above:
            break
        full |= above
    given = {pk: most[pk] for pk in full} | {pk: math.floor(share[pk]) for pk in share}
    rest = pot - sum(given.values())
    for one in sorted((one for one in gainers if one.pk not in full), key=lambda one: (-(one.roi or 0), one.line_id))[
        :rest
    ]:
        given[one.pk] += 1
    return given


def _check_pool(lines: list[ReviewLine], pool: Any) -> None:
    """Hold the lines of a pool against the rules, one by one."""
    floor = pool_floor = lines[0].floor
    taken = {"reduce": 0, "reclaim": 0}
    for one in lines:
        step = math.floor(one.before * one.step)
        assert abs(one.after - one.before) <= step
        assert one.after >= min(one.before, floor)
        assert one.after == one.before or (one.after - one.before) % 1 == 0
        if one.rule in taken:
            assert one.before - one.after == max(0, min(step, math.floor(one.before - pool_floor)))
        if one.rule == "gain":
            assert one.state_before == "active"
            assert one.roi is not None
            assert one.good_from is not None
            assert one.roi >= one.good_from
            assert one.market_weight > 0
    candidates = [one for one in lines if one.because.startswith("good")]
    pot = int(sum(max(one.before - one.after, Decimal(0)) for one in lines) + pool.reserve_before)
    expected = _shares(pot, candidates) if candidates else {}
    assert {one.pk: int(one.after - one.before) for one in candidates} == expected
    assert bool(candidates) == bool(pool.gainers)
    if not candidates:
        assert all(one.after == one.before for one in lines)


def _no_better_yields_less(lines: list[ReviewLine]) -> None:
    """Of two lines alike in all but ROI the better never comes off worse by more than the last unit, never below."""
    alike = defaultdict(list)
    for one in lines:
        terms = (one.before, one.priority_score, one.market_weight, one.state_before, one.envelope.entity_type)
        alike[terms, one.used_last, one.used_before, one.was_low].append(one)
    for group in alike.values():
        for one, other in combinations([line for line in group if line.roi is not None], 2):
            worse, better = sorted((one, other), key=lambda line: line.roi or 0)
            if worse.roi != better.roi:
                assert better.after >= worse.after


FIVE = (10, 10, 10, 10, 10)


@settings(max_examples=60)
@given(
    fleet=st.lists(MEMBERS, min_size=1, max_size=12),
    policy=POLICIES,
    reserve=st.sampled_from([0, 1, 17, 10**9]),
)
@example(
    fleet=[Member("hypothesis", "week", 10**15, None, 500_000 + n, "0.1", "active", FIVE, n) for n in range(6)],
    policy={"review_step": Decimal("0.5")},
    reserve=10**9,
)
def test_a_review_conserves_every_unit_and_keeps_its_rules(
    fleet: list[Member], policy: dict[str, Any], reserve: int
) -> None:
    with transaction.atomic():
        plain_policy(**policy)
        _open(fleet)
        fleets.reserve(reserve)
        before = _sums()
        first = reviews.draft_weekly(author=REVIEWER, now=BEFORE)
        review = reviews.draft_weekly(author=REVIEWER, now=MONDAY)
        assert first.pk != review.pk
        # Three that saw the same were low if the review before found so, whatever became of it.
        low = {one.envelope_id for one in ReviewLine.objects.filter(review=first, is_low=True)}
        lines = list(review.lines.select_related("envelope", "line"))
        assert {one.envelope_id for one in lines if one.was_low} == {
            one.envelope_id for one in lines if one.envelope_id in low
        }

        for pool in review.pools.all():
            own = [
                one for one in lines if (one.line.window_kind, one.line.qualifier) == (pool.window_kind, pool.qualifier)
            ]
            assert pool.lines == len(own)
            _check_pool(own, pool)
            _no_better_yields_less(own)

        reviews.apply(review.pk, author=REVIEWER, now=MONDAY)
        assert _sums() == before
        for one in lines:
            one.line.refresh_from_db()
            assert one.line.base == one.after
        _applied_again_changes_nothing(review)
        transaction.set_rollback(True)


def _applied_again_changes_nothing(review: Review) -> None:
    rows = list(Envelope.objects.order_by("pk").values())
    reviews.apply(review.pk, author=REVIEWER, now=MONDAY)
    assert list(Envelope.objects.order_by("pk").values()) == rows
