"""The tick of the Senate, as beat wakes it: what is due is done by the clock, with nobody at the door."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.utils import timezone

from config.schedule import BEAT_SCHEDULE
from governance import cycle, proposals, tasks
from governance.models import Ballot, Proposal
from tests import callers, factories
from tests.governance import senate
from tests.reviewers import page

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def _put(at: datetime) -> Proposal:
    """Put a proposal to the vote at a moment of the real clock, which the tick goes by."""
    return senate.put(at=at, of=factories.envelope(at=at), gain_by=at + timedelta(days=60))


def test_beat_wakes_the_tick_each_second() -> None:
    assert BEAT_SCHEDULE["governance: tick"]["task"] == tasks.tick.name
    assert BEAT_SCHEDULE["governance: tick"]["schedule"] == timedelta(seconds=1)


def test_a_tick_ends_the_votes_that_are_due_and_no_others() -> None:
    first, second, *_others = senate.reviewers(5)
    now = timezone.now()
    agreed, silent, young = (_put(now - ago) for ago in (senate.VOTING, senate.VOTING + MINUTE, MINUTE))
    for voter in (first, second):
        senate.cast(agreed, voter, amount=300, at=now - MINUTE)
    tasks.tick()
    assert [proposals.get(one.pk).status for one in (agreed, silent, young)] == ["enacted", "expired", "submitted"]
    assert proposals.get(agreed.pk).granted_tokens == 300


def test_a_tick_brings_back_what_was_deferred() -> None:
    people, now = senate.reviewers(2), timezone.now()
    asked = _put(now - timedelta(days=8))
    for voter in people:
        senate.cast(asked, voter, "defer", at=now - timedelta(days=7, minutes=1))  # for a week
    assert proposals.get(asked.pk).status == "deferred"
    tasks.tick()
    assert proposals.get(asked.pk).status == "submitted"
    assert Ballot.objects.filter(proposal=asked).count() == 2


def test_the_admin_the_api_and_the_tick_tell_the_same_outcome() -> None:
    first, second, *_others = senate.reviewers(5)
    opened = timezone.now() - senate.VOTING + timedelta(seconds=30)
    asked = _put(opened)
    for voter, amount in ((first, 500), (second, 300)):  # both support 300; three more could change it
        senate.cast(asked, voter, amount=amount, at=opened + MINUTE)
    (ballot,) = callers.caller().get(f"{callers.SENATE}/proposals/{asked.pk}").json()["ballots"]
    assert ballot["as_it_stands"] == {"outcome": "approved", "granted": 300, "revisit_at": None}
    person = Client()
    person.force_login(first)
    shown = person.get(page(Proposal, asked.pk)).content.decode()
    assert "<dt>If it closed now</dt><dd>approved, +300 of the 500 <small>" in shown
    cycle.run_due(now=opened + senate.VOTING)
    done = Ballot.objects.get(proposal=asked)
    assert (done.outcome, done.granted, done.revisit_at) == ("approved", 300, None)
