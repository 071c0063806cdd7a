"""The daily review: what the day before came to, whatever was reported of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from economics import daily, metering
from economics.events import Event
from tests.economics.fleets import MONDAY, member, used

pytestmark = pytest.mark.django_db


def test_what_was_used_is_told_in_whole_tokens() -> None:
    used(member("good"), 1_000, before=MONDAY + timedelta(days=7))
    review = daily.review(now=MONDAY + timedelta(days=1))
    assert (review.figures["llm_tokens"], review.figures["unpriced_llm_tokens"]) == (1_000, 1_000)
    assert review.figures["spent_most"] == [{"entity": "hypothesis:good", "usd": "0", "llm_tokens": 1_000}]


def test_more_tokens_than_a_bigint_holds_are_told_all_the_same() -> None:
    most = Decimal(10**15 - 1)
    events = [
        Event(
            entity_type="hypothesis",
            entity_id="absurd",
            resource_type="llm_tokens",
            amount=most,
            event_id=f"{number}",
            created_at=MONDAY,
        )
        for number in range(9_300)
    ]
    metering.record_many(events, agent_id="reporter", now=MONDAY)
    review = daily.review(now=MONDAY + timedelta(days=1))
    assert review.figures["llm_tokens"] == review.figures["spent_most"][0]["llm_tokens"] == 9_300 * most > 2**63
