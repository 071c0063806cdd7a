"""The weekly review: which rule fires on a line, what moves, and that it is decided once."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from economics import budget_policy, envelopes, errors, review_words, reviews, revisions, stops, worth_policy
from economics.models import Envelope, Line, Reserve, Review, ReviewLine, Revision, Tier
from tests.economics import exchanges, fleets
from tests.economics.fleets import LONG_AGO, MONDAY, gained, member, plain_policy, used
from tests.factories import REVIEWER, refused

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = pytest.mark.django_db

NEXT = MONDAY + timedelta(days=7)
REASON = revisions.Author("ada", "read and agreed")


def _fleet() -> dict[str, Envelope]:
    """Return five hypotheses that all used 1,000 tokens a week; their ROI rises from 1 to 5 edges per 1,000 tokens."""
    fleet = {name: member(name) for name in ("a", "b", "c", "d", "e")}
    for number, own in enumerate(fleet.values(), 1):
        used(own, 1_000, 1_000, 1_000, 1_000)
        gained(own, 4 * number)
    return fleet


def _draft(now: datetime = MONDAY) -> Review:
    return reviews.draft_weekly(author=REVIEWER, now=now)


def _applied(now: datetime = MONDAY) -> Review:
    return reviews.apply(_draft(now).pk, author=REASON, now=now)


def _verdicts(review: Review) -> dict[str, tuple[str, str, int]]:
    """Return, by entity, the rule, its reason and the step of the lines of the totals."""
    lines = review.lines.filter(line__is_named=True).select_related("envelope")
    return {one.envelope.entity_id: (one.rule, one.because, int(one.after - one.before)) for one in lines}


def _whole(*figures: Decimal) -> tuple[int, ...]:
    return tuple(int(figure) for figure in figures)


def _bases() -> dict[str, int]:
    return {own.entity_id: own.token_budget for own in Envelope.objects.all()}


# Rules


def test_a_first_review_reduces_nobody() -> None:
    plain_policy()
    _fleet()

    review = _draft()

    assert _verdicts(review) == {
        "a": ("keep", "low_once", 0),
        "b": ("keep", "not_good_enough", 0),
        "c": ("keep", "good_but_nothing_to_give", 0),
        "d": ("keep", "good_but_nothing_to_give", 0),
        "e": ("keep", "good_but_nothing_to_give", 0),
    }
    assert (review.state, review.decision_reason) == ("applied", "Nothing to move.")


def test_who_is_low_twice_is_reduced_by_a_fifth_and_capped_and_the_good_gain_it() -> None:
    plain_policy()
    fleet = _fleet()
    _draft()
    for own in fleet.values():
        used(own, 1_000, before=NEXT)

    review = _applied(NEXT)

    # 200 tokens among three of one priority: 66 each, and the two with the best ROI take the two that remain.
    assert _verdicts(review) == {
        "a": ("reduce", "low_twice", -200),
        "b": ("keep", "not_good_enough", 0),
        "c": ("gain", "good", 66),
        "d": ("gain", "good", 67),
        "e": ("gain", "good", 67),
    }
    assert _bases() == {"a": 800, "b": 1_000, "c": 1_066, "d": 1_067, "e": 1_067}
    low = Envelope.objects.get(entity_id="a")
    assert (low.state, low.market_weight) == ("capped", Decimal(0))
    assert low.state_reason == "ROI below the low quantile of its type in two reviews running"


def test_quantiles_are_interpolated_between_neighbours() -> None:
    plain_policy()
    _fleet()
    line = ReviewLine.objects.filter(review=_draft())[0]
    # 0.001, 0.002, 0.003, 0.004, 0.005: place 0.25 * 4 = 1 and 0.5 * 4 = 2
    assert (line.low_below, line.good_from, line.judged) == (Decimal("0.002"), Decimal("0.003"), 5)

    plain_policy(low_quantile=Decimal("0.1"), good_quantile=Decimal("0.9"))
    used(member("f"), 1_000)
    varied = reviews.what_if(now=MONDAY, limit=1).lines[0]
    # 0, 0.001, … 0.005: place 0.1 * 5 = 0.5 and 0.9 * 5 = 4.5
    assert (varied.low_below, varied.good_from) == (Decimal("0.0005"), Decimal("0.0045"))


def test_who_is_frozen_stays_so_however_low() -> None:
    plain_policy()
    fleet = _fleet()
    stops.freeze([fleet["a"].pk], author=REASON, now=MONDAY)
    _draft()
    for own in fleet.values():
        used(own, 1_000, before=NEXT)
    assert _verdicts(_applied(NEXT))["a"] == ("reduce", "low_twice", -200)
    low = Envelope.objects.get(entity_id="a")
    assert (low.state, low.state_reason) == ("frozen", "read and agreed")


def test_fewer_than_enough_with_a_proven_roi_are_not_judged_low() -> None:
    plain_policy(fewest_judged=6)
    _fleet()
    assert _verdicts(_draft())["a"] == ("keep", "not_good_enough", 0)


def test_types_are_judged_apart() -> None:
    plain_policy()
    _fleet()
    for number in range(5):
        own = member(f"gap{number}", entity_type="knowledge_gap")
        used(own, 1_000, 1_000)
        gained(own, 1 + number)
    verdicts = _verdicts(_draft())
    assert [name for name, verdict in verdicts.items() if verdict[1] == "low_once"] == ["a", "gap0"]


def test_an_idle_line_is_reclaimed_whatever_its_roi() -> None:
    plain_policy()
    fleet = _fleet()
    idle = member("idle")
    used(idle, 249, 249, 1_000, 1_000)
    gained(idle, 100)
    for name, last, before in (("busy", 250, 249), ("was busy", 249, 250)):  # a quarter in one of the two is enough
        used(member(name), last, before, 1_000, 1_000)

    verdicts = _verdicts(_draft())

    assert verdicts["idle"] == ("reclaim", "idle", -200)
    assert verdicts["busy"][1] != "idle"
    assert verdicts["was busy"][1] != "idle"
    line = ReviewLine.objects.get(envelope=idle)
    assert (line.used_last, line.used_before) == (Decimal("0.249"), Decimal("0.249"))
    assert review_words.reason(line) == "Used 24% of its base in the last window and 24% in the one before."
    assert len(fleet) == 5


def test_a_line_younger_than_two_windows_is_not_idle() -> None:
    plain_policy()
    _fleet()
    young = envelopes.open_envelope(
        "hypothesis", "young", author=REVIEWER, now=MONDAY - timedelta(days=13), token_budget=1_000, window_kind="week"
    )
    review = _draft()
    line = ReviewLine.objects.get(review=review, envelope=young)
    assert (line.rule, line.because, line.used_last, line.used_before) == ("keep", "unproven", Decimal(0), None)


def test_who_was_raised_is_not_idle_before_two_windows_of_it() -> None:
    plain_policy(fewest_judged=100)
    fleet = [*_fleet().values(), raised := member("raised")]
    used(raised, 1_000, 1_000, 1_000, 1_000)
    _draft()
    envelopes.change(raised.pk, author=REVIEWER, now=MONDAY + timedelta(days=4), token_budget=5_000)
    found = []
    for weeks in (1, 2, 3):
        now = MONDAY + timedelta(weeks=weeks)
        for own in fleet:
            used(own, 1_000, before=now)
            gained(own, own.pk, at=now - timedelta(days=3))
        found.append(_verdicts(_draft(now))["raised"][0])
    assert found == ["keep", "keep", "reclaim"]


def test_totals_of_further_windows_and_lines_without_a_ceiling_are_left_alone() -> None:
    plain_policy()
    own = member("own")
    for terms in ({"window_kind": "day"}, {"window_kind": "week", "qualifier": "frontier"}):
        base = Decimal(500) if terms["window_kind"] == "day" else None
        envelopes.set_line(own.pk, resource_type="llm_tokens", base=base, author=REVIEWER, now=LONG_AGO, **terms)
    review = _draft()
    assert [one.line.is_named for one in review.lines.all()] == [True]


def test_no_line_gains_beyond_the_largest_ceiling() -> None:
    plain_policy()
    most = 10**15
    for name, base in (("near", most - 50), ("at it", most)):
        own = member(name, base)
        used(own, most - 51, most - 51)
        gained(own, 10**9)
    member("idle")
    verdicts = _verdicts(_draft())
    assert verdicts["near"] == ("gain", "good", 50)
    assert verdicts["at it"] == ("keep", "at_the_most", 0)


def test_nobody_to_gain_and_nothing_moves() -> None:
    plain_policy()
    fleet = _fleet()
    member("idle")
    Envelope.objects.filter(entity_id__in=["c", "d", "e"]).update(market_weight=0)
    _draft()
    for own in fleet.values():
        used(own, 1_000, before=NEXT)

    review = _draft(NEXT)

    verdicts = _verdicts(review)
    assert verdicts["a"] == ("keep", "low_but_nobody_gains", 0)
    assert verdicts["idle"] == ("keep", "idle_but_nobody_gains", 0)
    assert verdicts["e"] == ("keep", "no_market", 0)
    assert review.state == "applied"
    assert Envelope.objects.get(entity_id="a").state == "active"


def test_the_floor_holds() -> None:
    plain_policy(floor_tokens=900)
    _fleet()
    member("idle", 1_000)
    member("low", 900)
    member("under", 500)
    verdicts = _verdicts(_draft())
    assert verdicts["idle"] == ("reclaim", "idle", -100)
    assert verdicts["low"] == verdicts["under"] == ("keep", "idle_at_the_floor", 0)


def test_what_nobody_can_take_is_kept_in_reserve_and_given_first() -> None:
    plain_policy()
    best = member("best", 100)
    used(best, 100, 100)
    gained(best, 10)
    member("idle", 1_000)

    first = _applied()
    assert _verdicts(first) == {"best": ("gain", "good_to_the_step", 20), "idle": ("reclaim", "idle", -200)}
    (pool,) = first.pools.all()
    assert _whole(pool.before, pool.after, pool.freed, pool.placed) == (1_100, 920, 200, 20)
    assert _whole(pool.reserve_before, pool.reserve_after) == (0, 180)
    assert Reserve.objects.get(window_kind="week", qualifier="").amount == 180

    used(best, 100, before=NEXT)
    used(Envelope.objects.get(entity_id="idle"), 800, before=NEXT)
    second = _applied(NEXT)
    (pool,) = second.pools.all()
    assert _verdicts(second) == {"best": ("gain", "good_to_the_step", 24), "idle": ("keep", "low_once", 0)}
    assert _whole(pool.reserve_before, pool.freed, pool.placed, pool.reserve_after) == (180, 0, 24, 156)


def test_shares_follow_priority_and_what_is_above_a_step_goes_to_the_others() -> None:
    plain_policy()
    for name, base, priority in (("half", 1_000, "0.5"), ("most", 1_000, "0.75"), ("small", 100, "0.9")):
        own = member(name, base, priority=priority)
        used(own, base, base)
        gained(own, base)
    member("idle", 1_000)

    # 200 tokens: small may take 20 (its share by priority would be 83); 180 go 0.5 : 0.75, 72 and 108.
    assert _verdicts(_draft()) == {
        "small": ("gain", "good_to_the_step", 20),
        "half": ("gain", "good", 72),
        "most": ("gain", "good", 108),
        "idle": ("reclaim", "idle", -200),
    }


def test_only_the_active_that_the_market_lifts_gain() -> None:
    plain_policy()
    names = ("gains", "frozen", "capped", "flat", "fallen")
    for name in names:
        own = member(name)
        used(own, 1_000, 1_000)
        gained(own, 10)
    stops.freeze([Envelope.objects.get(entity_id="frozen").pk], author=REASON, now=MONDAY)
    Envelope.objects.filter(entity_id="capped").update(state="capped")
    Envelope.objects.filter(entity_id="flat").update(market_weight=0)
    Envelope.objects.filter(entity_id="fallen").update(market_weight=Decimal("-0.1"))
    member("idle")

    verdicts = _verdicts(_draft())

    assert {name: verdicts[name][:2] for name in names} == {
        "gains": ("gain", "good_to_the_step"),
        "frozen": ("keep", "frozen"),
        "capped": ("keep", "capped"),
        "flat": ("keep", "no_market"),
        "fallen": ("keep", "no_market"),
    }


def test_what_keeps_a_good_line_from_gaining_is_said() -> None:
    plain_policy(score_threshold=Decimal(0))
    for name, base, priority in (("gains", 1_000, "0.5"), ("unranked", 1_000, "0"), ("tiny", 4, "0.5")):
        own = member(name, base, priority=priority)
        used(own, base, base)
        gained(own, base)
    member("idle")
    verdicts = _verdicts(_draft())
    assert verdicts["unranked"] == ("keep", "no_priority", 0)
    assert verdicts["tiny"] == ("keep", "too_small", 0)
    said = {line.because: review_words.reason(line) for line in ReviewLine.objects.filter(rule="keep")}
    assert said == {
        "no_priority": "ROI 500,000.00 is at least 500,000.00, but it has no priority to share by.",
        "too_small": "ROI 500,000.00 is at least 500,000.00, but 20% of its base is less than a token.",
    }


@pytest.mark.parametrize("changes", [{"roi_fewest_tokens": 10**6}, {"fewest_judged": 6}])
def test_a_cap_stays_where_nothing_is_proven(changes: dict[str, Any]) -> None:
    plain_policy(**changes)
    _fleet()
    Envelope.objects.filter(entity_id="e").update(market_weight=0, state="capped")
    _applied()
    assert Envelope.objects.get(entity_id="e").state == "capped"


def test_a_cap_is_lifted_when_roi_is_not_low_any_more() -> None:
    plain_policy()
    _fleet()
    Envelope.objects.filter(entity_id__in=["a", "b"]).update(state="capped")

    review = _draft()
    assert review.state == "draft"
    reviews.apply(review.pk, author=REASON, now=MONDAY)

    assert Envelope.objects.get(entity_id="a").state == "capped"  # still low
    assert Envelope.objects.get(entity_id="b").state == "active"


def test_tiers_and_windows_are_pools_of_their_own_and_a_lifetime_is_left_alone() -> None:
    plain_policy()
    Tier.objects.get_or_create(pk="frontier")
    good, idle = member("good"), member("idle")
    used(good, 600, 600, tier="frontier")
    gained(good, 10)
    monthly, forever = member("monthly", window="month"), member("forever", window="lifetime")
    for own in (good, idle, forever):
        envelopes.set_line(
            own.pk,
            resource_type="llm_tokens",
            qualifier="frontier",
            window_kind="week",
            base=Decimal(600),
            author=REVIEWER,
            now=LONG_AGO,
        )
    Line.objects.filter(envelope=idle, resource_type="cpu_seconds").update()

    review = _applied()

    moved = {
        (one.envelope.entity_id, one.line.qualifier, one.line.window_kind): int(one.after - one.before)
        for one in review.lines.select_related("envelope", "line")
    }
    assert moved == {
        ("good", "", "week"): 200,
        ("idle", "", "week"): -200,
        ("good", "frontier", "week"): 120,
        ("idle", "frontier", "week"): -120,
        ("forever", "frontier", "week"): -120,
        ("monthly", "", "month"): 0,
    }
    pools = {
        (pool.window_kind, pool.qualifier): _whole(pool.freed, pool.placed, pool.reserve_after)
        for pool in review.pools.all()
    }
    assert pools == {("week", ""): (200, 200, 0), ("week", "frontier"): (240, 120, 120), ("month", ""): (0, 0, 0)}
    assert Line.objects.get(envelope=good, qualifier="frontier").base == 720
    assert (monthly.pk, forever.pk) == tuple(
        Envelope.objects.filter(entity_id__in=["monthly", "forever"], token_budget=1_000)
        .order_by("pk")
        .values_list("pk", flat=True)
    )


# Deciding


def _moving() -> Review:
    """Return a draft that takes 200 from `idle` and gives it to `good`."""
    plain_policy()
    good = member("good")
    used(good, 1_000, 1_000)
    gained(good, 10)
    member("idle")
    return _draft()


def test_a_draft_moves_nothing_and_applying_moves_all_of_it_with_the_review_as_cause() -> None:
    review = _moving()
    assert (review.state, review.period, review.drafted_by) == ("draft", date(2026, 3, 2), "ada")
    assert _bases() == {"good": 1_000, "idle": 1_000}

    reviews.apply(review.pk, author=REASON, now=MONDAY)

    assert _bases() == {"good": 1_200, "idle": 800}
    written = Revision.objects.filter(cause_kind="review").order_by("envelope_id")
    assert [(r.who, r.why, r.cause_id, r.changes) for r in written] == [
        ("ada", "read and agreed", str(review.pk), {"token_budget": [1_000, 1_200]}),
        ("ada", "read and agreed", str(review.pk), {"token_budget": [1_000, 800]}),
    ]


def test_a_review_is_drafted_once_a_week() -> None:
    review = _moving()
    assert _draft(MONDAY + timedelta(days=6)).pk == review.pk
    assert reviews.draft_when_due(now=MONDAY + timedelta(days=3)) is None
    following = reviews.draft_when_due(now=NEXT)
    assert following is not None
    review.refresh_from_db()
    assert (review.state, review.decided_by) == ("discarded", "policy")
    assert review.decision_reason == "Nobody decided before the week of 2026-03-09."


def test_a_week_begins_where_the_policy_says() -> None:
    budget_policy.change(author=REVIEWER, now=LONG_AGO, zone="Pacific/Auckland", week_starts_on=7)
    assert _draft(MONDAY - timedelta(hours=37, minutes=30)).period == date(2026, 2, 22)
    assert _draft(MONDAY - timedelta(hours=36, minutes=30)).period == date(2026, 3, 1)  # Sunday, 00:30 there


@pytest.mark.parametrize("first_day", [3, 7])  # Wednesday and Sunday: on Tuesday the week is set back
def test_a_week_that_is_set_back_is_not_reviewed_twice(first_day: int) -> None:
    review = _moving()
    tuesday = MONDAY + timedelta(days=1)
    budget_policy.change(author=REVIEWER, now=tuesday, week_starts_on=first_day)
    assert reviews.draft_when_due(now=tuesday) is None
    assert _draft(tuesday).pk == review.pk
    following = reviews.draft_when_due(now=MONDAY + timedelta(days=first_day - 1))
    assert following is not None
    assert (following.period, following.figures["previous_review"]) == (
        MONDAY.date() + timedelta(days=first_day - 1),
        review.pk,
    )


def test_a_review_of_a_far_week_keeps_no_other_from_being_drafted() -> None:
    _draft(MONDAY + timedelta(days=364))  # by a worker whose clock was wrong
    assert (found := reviews.draft_when_due(now=MONDAY)) is not None
    assert found.period == MONDAY.date()


def test_a_discarded_review_moves_nothing_and_another_may_be_drafted() -> None:
    review = _moving()
    discarded = reviews.discard(review.pk, author=REASON, now=MONDAY)
    assert (discarded.state, discarded.decision_reason) == ("discarded", "read and agreed")
    assert reviews.discard(review.pk, author=REASON, now=MONDAY).decided_at == MONDAY
    with refused(errors.ReviewDecidedError):
        reviews.apply(review.pk, author=REASON, now=MONDAY)
    assert reviews.draft_when_due(now=MONDAY) is None  # not by itself
    again = _draft()
    assert again.pk != review.pk
    reviews.apply(again.pk, author=REASON, now=MONDAY)
    assert _bases() == {"good": 1_200, "idle": 800}


def test_a_discard_says_why_and_an_applied_review_stays() -> None:
    review = _moving()
    with refused(errors.BudgetInvalidError):
        reviews.discard(review.pk, author=revisions.Author("ada"), now=MONDAY)
    reviews.apply(review.pk, author=REASON, now=MONDAY)
    with refused(errors.ReviewDecidedError):
        reviews.discard(review.pk, author=REASON, now=MONDAY)
    with refused(errors.UnknownReviewError):
        reviews.apply(10**6, author=REASON, now=MONDAY)


def test_applying_twice_changes_nothing() -> None:
    review = _moving()
    first = reviews.apply(review.pk, author=REASON, now=MONDAY)
    count = Revision.objects.count()
    second = reviews.apply(review.pk, author=revisions.Author("bob", "again"), now=NEXT)
    assert (second.decided_by, second.decided_at) == (first.decided_by, first.decided_at) == ("ada", MONDAY)
    assert Revision.objects.count() == count
    assert _bases() == {"good": 1_200, "idle": 800}


@pytest.mark.parametrize("moved", ["good", "idle"])
@pytest.mark.parametrize("how", ["base", "frozen", "window"])
def test_a_draft_over_an_envelope_that_has_moved_is_stale(moved: str, how: str) -> None:
    review = _moving()
    own = Envelope.objects.get(entity_id=moved)
    if how == "base":
        envelopes.change(own.pk, author=REVIEWER, now=MONDAY, token_budget=1_001)
    elif how == "window":
        envelopes.change(own.pk, author=REVIEWER, now=MONDAY, window_kind="month")
    else:
        stops.freeze([own.pk], author=REASON, now=MONDAY)
    before = _bases()
    with refused(errors.StaleReviewError) as refusal:
        reviews.apply(review.pk, author=REASON, now=MONDAY)
    assert refusal.value.figures == {"moved": f"hypothesis:{moved}"}
    assert _bases() == before
    review.refresh_from_db()
    assert review.state == "draft"


def test_what_a_draft_leaves_alone_may_move() -> None:
    review = _moving()
    member("other")
    Envelope.objects.filter(entity_id="good").update(market_weight=Decimal("0.2"))
    reviews.apply(review.pk, author=REASON, now=MONDAY)
    assert _bases() == {"good": 1_200, "idle": 800, "other": 1_000}


def test_a_draft_that_only_caps_an_envelope_is_stale_once_it_is_frozen() -> None:
    plain_policy(floor_tokens=1_000)
    fleet = _fleet()
    _draft()
    for own in fleet.values():
        used(own, 1_000, before=NEXT)
    review = _draft(NEXT)
    assert _verdicts(review)["a"] == ("reduce", "low_at_the_floor", 0)
    stops.freeze([fleet["a"].pk], author=REASON, now=NEXT)
    with refused(errors.StaleReviewError):
        reviews.apply(review.pk, author=REASON, now=NEXT)


def test_a_line_that_a_draft_keeps_may_move() -> None:
    kept = member("kept")
    used(kept, 500, 500)
    review = _moving()
    envelopes.change(kept.pk, author=REVIEWER, now=MONDAY, token_budget=2_000)
    reviews.apply(review.pk, author=REASON, now=MONDAY)
    assert _bases() == {"good": 1_200, "idle": 800, "kept": 2_000}


def test_a_reserve_that_has_moved_makes_a_draft_stale() -> None:
    plain_policy()
    best = member("best", 100)
    used(best, 100, 100)
    gained(best, 10)
    member("idle", 1_000)
    review = _draft()
    fleets.reserve(5)
    with refused(errors.StaleReviewError) as refusal:
        reviews.apply(review.pk, author=REASON, now=MONDAY)
    assert refusal.value.figures == {"moved": "reserve per week"}


def test_absurd_usage_of_one_stops_no_review() -> None:
    plain_policy()
    fleet = _fleet()
    used(member("absurd", 1), 10**15 - 1)
    review = _draft()
    assert ReviewLine.objects.get(review=review, envelope__entity_id="absurd").used_last == 10**14 - 1
    assert review.lines.count() == len(fleet) + 1


# By itself


def test_policy_applies_a_review_inside_its_bounds() -> None:
    plain_policy(auto_apply=True, auto_most_step=Decimal("0.2"), auto_most_share=Decimal("0.1"))
    review = _moving_under_the_present_policy()
    assert (review.state, review.decided_by) == ("applied", "policy")
    assert _bases() == {"good": 1_200, "idle": 800}


@pytest.mark.parametrize(
    ("bounds", "waits"),
    [
        ({}, "The policy leaves reviews to reviewers."),
        ({"auto_apply": True, "auto_most_step": Decimal("0.19")}, "A line moves by 20.0%, more than 19.0%."),
        (
            {"auto_apply": True, "auto_most_step": Decimal("0.2"), "auto_most_share": Decimal("0.09")},
            "More than 9.0% of the budgets per week move.",
        ),
    ],
)
def test_a_review_outside_the_bounds_waits_for_a_reviewer(bounds: dict[str, Any], waits: str) -> None:
    plain_policy(**bounds)
    review = _moving_under_the_present_policy()
    assert (review.state, review.figures["waits_because"]) == ("draft", waits)


def test_what_a_cap_takes_back_counts_against_the_bounds() -> None:
    """A tenth on top of the base is an eleventh of the effective budget."""
    plain_policy(auto_apply=True, auto_most_step=Decimal("0.05"), floor_tokens=1_000)
    fleet = _fleet()
    _draft()
    for own in fleet.values():
        used(own, 1_000, before=NEXT)
    review = _draft(NEXT)
    assert _verdicts(review)["a"] == ("reduce", "low_at_the_floor", 0)
    assert review.waits_because == "A cap takes 9.1% of an effective budget, more than 5.0%."


def test_what_a_reserve_gives_counts_against_the_bounds() -> None:
    plain_policy(auto_apply=True, auto_most_step=Decimal(1))
    fleets.reserve(1_000)
    best = member("best")
    used(best, 1_000, 1_000)
    gained(best, 10)
    review = _draft()
    (pool,) = review.pools.all()
    assert (pool.freed, pool.placed) == (Decimal(0), Decimal(200))
    assert review.state == "draft"
    assert review.waits_because == "More than 5.0% of the budgets per week move."


def _moving_under_the_present_policy() -> Review:
    good = member("good")
    used(good, 1_000, 1_000)
    gained(good, 10)
    member("idle")
    return _draft()


# What if


def test_a_what_if_shows_another_policy_and_writes_nothing() -> None:
    _moving()
    rows = Review.objects.count(), ReviewLine.objects.count(), Revision.objects.count()

    shown = reviews.what_if(now=MONDAY)
    assert [(one.rule, int(one.after - one.before)) for one in shown.lines] == [("gain", 200), ("reclaim", -200)]

    # Under a changed policy the market counts as after the next weighing: without signals the weight falls to 0.
    varied = reviews.what_if(now=MONDAY, review_step=Decimal("0.1"), most_daily_step=Decimal("0.05"))
    assert [(one.rule, int(one.after - one.before)) for one in varied.lines] == [("gain", 100), ("reclaim", -100)]
    assert varied.plan.pools[0].freed == 100
    assert [one.because for one in reviews.what_if(now=MONDAY, gain=Decimal(0)).lines] == [
        "no_market",
        "idle_but_nobody_gains",
    ]
    assert rows == (Review.objects.count(), ReviewLine.objects.count(), Revision.objects.count())
    assert worth_policy.get().version == 2


def test_a_what_if_lifts_nobody_behind_the_gate() -> None:
    plain_policy()
    source = exchanges.source("manifold")
    shut: dict[str, dict[str, Any]] = {
        "not granted": {"granted_at": None},
        "by nobody": {"granted_by": ""},
        "capped": {"state": "capped"},
        "low": {"priority_score": Decimal("0.4")},
    }
    for name in ("open", *shut):
        member(name)
        exchanges.signal(source, name, "1", at=MONDAY - timedelta(hours=1))
    for name, columns in shut.items():
        Envelope.objects.filter(entity_id=name).update(market_weight=0, **columns)
    looked = reviews.what_if(now=MONDAY, half_life_days=Decimal(8)).lines
    weights = {line.envelope.entity_id: line.market_weight for line in looked}
    assert weights == {"open": Decimal("0.2"), **dict.fromkeys(shut, 0)}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"version": 7}, "/version"),
        ({"colour": 7}, "/colour"),
        ({"review_step": Decimal("0.6")}, "/"),
        ({"novelty_weight": Decimal("0.3")}, "/"),
    ],
)
def test_a_what_if_refuses_a_policy_that_could_not_be(changes: dict[str, Any], pointer: str) -> None:
    with refused(errors.PolicyInvalidError) as refusal:
        reviews.what_if(now=MONDAY, **changes)
    assert refusal.value.pointer == pointer


# Words and empty houses


def test_every_reason_reads_as_a_sentence() -> None:
    _moving()
    said = {line.because: review_words.reason(line) for line in ReviewLine.objects.all()}
    assert said == {
        "good_to_the_step": "ROI 5,000.00 is at least 5,000.00, the good quantile of its type; market weight +0.1. "
        "It gains the most that a review gives, 20% of its base.",
        "idle": "Used 0% of its base in the last window and 0% in the one before.",
    }


def test_an_empty_house_has_nothing_to_review() -> None:
    review = _draft()
    assert (review.state, review.decision_reason, review.figures["envelopes"]) == ("applied", "Nothing to move.", 0)


def test_a_review_takes_a_fixed_number_of_statements(django_assert_max_num_queries: Any) -> None:
    plain_policy()
    for number in range(30):
        own = member(f"h{number}")
        used(own, 1_000 * (number % 2), 1_000 * (number % 2))
        gained(own, number)
    with django_assert_max_num_queries(30):
        review = _draft()
    with django_assert_max_num_queries(20):
        reviews.apply(review.pk, author=REASON, now=MONDAY)
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(token_budget) FROM resource_budgets")
        assert cursor.fetchone()[0] + Reserve.objects.get().amount == 30_000
