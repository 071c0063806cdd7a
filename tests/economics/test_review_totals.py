"""What a review moves, by type of entity."""

from __future__ import annotations

import pytest

from economics import review_totals, reviews
from economics.review_totals import OfType
from tests.economics.fleets import MONDAY, gained, member, plain_policy, reserve, used
from tests.factories import REVIEWER

pytestmark = pytest.mark.django_db


def test_lines_are_told_by_type_and_window() -> None:
    plain_policy()
    good, idle = member("good"), member("idle", entity_type="analysis")
    month = member("slow", 500, entity_type="analysis", window="month")
    used(good, 1_000, 1_000)
    gained(good, 20)
    used(idle, 100, 100)
    used(month, 400, 400)
    review = reviews.draft_weekly(author=REVIEWER, now=MONDAY)
    assert review_totals.by_type(review) == [
        OfType("analysis", "month", "", 1, 0, 500, 0, 0, 500),  # type: ignore[arg-type] # whole numbers compare
        OfType("analysis", "week", "", 1, 1, 1_000, 200, 0, 800),  # type: ignore[arg-type]
        OfType("hypothesis", "week", "", 1, 1, 1_000, 0, 200, 1_200),  # type: ignore[arg-type]
    ]


def test_the_types_of_a_pool_add_up_to_it() -> None:
    plain_policy()
    reserve(0)
    for number in range(6):
        own = member(f"m{number}", entity_type=("hypothesis", "analysis")[number % 2])
        used(own, *((1_000, 1_000) if number < 3 else (50, 50)))
        gained(own, 10 * (number < 3))
    review = reviews.draft_weekly(author=REVIEWER, now=MONDAY)
    (pool,) = reviews.pools(review)
    told = review_totals.by_type(review)
    columns = ("lines", "before", "freed", "placed", "after")
    assert [sum(getattr(one, name) for one in told) for name in columns] == [getattr(pool, name) for name in columns]


def test_a_review_without_lines_has_no_types() -> None:
    plain_policy()
    assert review_totals.by_type(reviews.draft_weekly(author=REVIEWER, now=MONDAY)) == []
