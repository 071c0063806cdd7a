"""The example of docs/framework.md: four hypotheses, what a review takes and gives, to the token."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from economics import reviews
from economics.models import Envelope, Reserve, Review
from tests.economics import fleets
from tests.economics.fleets import MONDAY
from tests.factories import REVIEWER

pytestmark = pytest.mark.django_db

EDGES = {"A": 40, "B": 30, "C": 20, "D": 5}
PRIORITIES = {"A": "0.9", "B": "0.6", "C": "0.8", "D": "0.5"}


def _review(reserve: int) -> Review:
    """Return the second of two weekly reviews, the first of which nobody wanted."""
    fleets.plain_policy(fewest_judged=4)
    fleets.reserve(reserve)
    for name, edges in EDGES.items():
        own = fleets.member(name, 1_000_000, priority=PRIORITIES[name])
        fleets.used(own, 400_000, 300_000, 300_000)
        fleets.gained(own, edges, at=MONDAY - timedelta(days=10))
    first = reviews.draft_weekly(author=REVIEWER, now=MONDAY - timedelta(weeks=1))
    reviews.discard(first.pk, author=REVIEWER, now=MONDAY)
    return reviews.draft_weekly(author=REVIEWER, now=MONDAY)


def test_the_example_comes_out_as_the_page_says() -> None:
    review = _review(50_000)
    lines = {line.envelope.entity_id: line for line in review.lines.select_related("envelope")}
    told = {name: (line.rule, int(line.after), line.state_after) for name, line in lines.items()}
    assert told == {
        "A": ("gain", 1_150_000, "active"),
        "B": ("gain", 1_100_000, "active"),
        "C": ("keep", 1_000_000, "active"),
        "D": ("reduce", 800_000, "capped"),
    }
    million = 1_000_000
    assert {name: line.roi * million for name, line in lines.items() if line.roi is not None} == EDGES
    low, good = lines["A"].low_below, lines["A"].good_from
    assert (low, good) == (Decimal("0.00001625"), Decimal("0.000025"))
    reviews.apply(review.pk, author=REVIEWER, now=MONDAY)
    assert sum(Envelope.objects.values_list("token_budget", flat=True)) == 4_050_000
    assert Reserve.objects.get().amount == 0


def test_whoever_is_due_more_than_its_step_gets_its_step() -> None:
    review = _review(150_000)
    gains = review.lines.filter(rule="gain").values_list("envelope__entity_id", "after")
    assert dict(gains) == {"A": 1_200_000, "B": 1_150_000}
