"""Reviews beside each other and beside people: one draft a week, one decision, and no change of an envelope lost."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from django.db.models import Sum

from config.errors import RefusedError
from economics import daily, envelopes, errors, reviews, safety, stops
from economics.models import Envelope, Reserve, Review, ReviewLine, Revision
from tests.economics.fleets import MONDAY, gained, member, plain_policy, used
from tests.factories import REVIEWER
from tests.races.crew import race

if TYPE_CHECKING:
    from datetime import datetime

ROUNDS: Final = 8
ALL: Final = 40_000


def _fleet() -> None:
    """Open a fleet in which every week something moves: half of it never works, the other half does well."""
    plain_policy()
    for number in range(20):
        member(f"idle{number}")
        good = member(f"good{number}")
        for week in range(ROUNDS + 1):
            used(good, 5_000, before=_week(week))
            gained(good, number + 1, at=_week(week) - timedelta(days=1))


def _week(number: int) -> datetime:
    return MONDAY + timedelta(days=7 * number)


def _total() -> int:
    reserve = Reserve.objects.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)
    return int((Envelope.objects.aggregate(sum=Sum("token_budget"))["sum"] or 0) + reserve)


def _unbroken(envelope: Envelope) -> bool:
    """Tell whether each revision of the base begins where the one before ended."""
    steps = [
        revision.changes["token_budget"]
        for revision in Revision.objects.filter(envelope=envelope, changes__has_key="token_budget").order_by("pk")
    ]
    return all(new == old for (_old, new), (old, _new) in pairwise(steps)) and (steps[-1][1] == envelope.token_budget)


def test_one_draft_a_week_and_one_decision() -> None:
    _fleet()

    def draft_and_apply(number: int) -> tuple[int, str]:
        review = reviews.draft_weekly(author=REVIEWER, now=_week(number))
        applied = reviews.apply(review.pk, author=REVIEWER, now=_week(number))
        return applied.pk, applied.state

    def draft_and_discard(number: int) -> tuple[int, str]:
        review = reviews.draft_weekly(author=REVIEWER, now=_week(number))
        return review.pk, reviews.discard(review.pk, author=REVIEWER, now=_week(number)).state

    outcomes = race(draft_and_apply, draft_and_apply, draft_and_apply, draft_and_discard, rounds=ROUNDS)

    for done in outcomes:
        states: dict[int, set[str]] = {}
        for outcome in done:
            assert outcome.value or outcome.refusal == "review_decided"
            if outcome.value:
                states.setdefault(outcome.value[0], set()).add(outcome.value[1])
        assert all(len(seen) == 1 for seen in states.values())  # whoever came first decided for all
    applied = Review.objects.filter(state="applied")
    assert applied.count() == applied.values("period").distinct().count()
    moving = ReviewLine.objects.filter(review__state="applied").exclude(rule="keep")
    written = Revision.objects.filter(cause_kind="review")
    assert written.count() == moving.count() > 0  # each move once
    assert _total() == ALL
    assert all(_unbroken(own) for own in Envelope.objects.all())


def test_one_looks_ahead_at_a_time(committed_db: str) -> None:
    _fleet()
    with psycopg.connect(committed_db) as other:
        other.execute("SELECT pg_advisory_xact_lock(7304, 0)")
        with pytest.raises(errors.WhatIfBusyError):
            reviews.what_if(now=MONDAY)
    assert reviews.what_if(now=MONDAY).plan.counts.envelopes == len(Envelope.objects.all())


def test_reviews_beside_people_lose_no_change() -> None:
    """Whatever somebody changes while a review is applied, either the review finds it or it finds the review's."""
    _fleet()
    own = list(Envelope.objects.order_by("pk"))

    def review(number: int) -> str:
        drafted = reviews.draft_weekly(author=REVIEWER, now=_week(number))
        return reviews.apply(drafted.pk, author=REVIEWER, now=_week(number)).state

    def change(number: int) -> int:
        raised = own[number % len(own)]
        seen = envelopes.get(raised.entity_type, raised.entity_id).token_budget
        terms = {"token_budget": seen + 7}
        expected = {"token_budget": seen}
        try:
            envelopes.change(raised.pk, author=REVIEWER, now=_week(number), expected=expected, **terms)
        except RefusedError:
            return 0
        return 7

    def stop(number: int) -> None:
        names = [envelope.pk for envelope in reversed(own[number % 5 :: 7])]
        stops.freeze(names, author=REVIEWER, now=_week(number))
        stops.unfreeze(names, author=REVIEWER, now=_week(number))
        safety.check(now=_week(number))

    outcomes = race(review, change, stop, rounds=ROUNDS)

    raised = sum(changed.value for _review, changed, _stopped in outcomes)
    assert {reviewed.refusal for reviewed, *_others in outcomes} <= {"", "stale_review"}
    assert _total() == ALL + raised
    assert all(_unbroken(envelope) for envelope in Envelope.objects.all())


def test_a_day_is_put_on_record_once_with_its_check() -> None:
    over = member("over", 10, window="day")
    for day in range(ROUNDS):
        used(over, 100, before=MONDAY + timedelta(days=day + 7))  # on the first hour of that day

    def record(number: int) -> int:
        return daily.review(now=MONDAY + timedelta(days=number, hours=2)).pk

    outcomes = race(record, record, record, rounds=ROUNDS)

    for done in outcomes:
        assert {outcome.refusal for outcome in done} == {""}
        assert len({outcome.value for outcome in done}) == 1
    checks = [one.figures["check"]["raised"] for one in Review.objects.filter(kind="daily")]
    assert checks == [3] * ROUNDS  # at 50, 80 and 100 %
