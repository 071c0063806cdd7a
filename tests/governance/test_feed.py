"""What the Senate decided is told to everybody, whatever ended the vote."""

from __future__ import annotations

from datetime import timedelta

import pytest

from config import feed
from governance import ballots
from tests import factories
from tests.factories import NOON
from tests.governance import senate

pytestmark = pytest.mark.django_db


def test_an_outcome_is_told_to_everybody_once() -> None:
    voters = senate.reviewers(2)
    proposal = senate.put(of=factories.envelope("h1"))
    assert feed.read(None, 10, owners=[]).entries == []
    for voter in voters:
        senate.cast(proposal, voter, amount=400)

    (told,) = feed.read(None, 10, owners=[]).entries

    assert (told.kind, told.at, told.data) == (
        "decided",
        NOON,
        {
            "proposal_id": proposal.pk,
            "ballot": 1,
            "measure": "change_line",
            "entity_type": "hypothesis",
            "entity_id": "h1",
            "outcome": "approved",
            "requested": 500,
            "granted": 400,
            "revisit_at": None,
        },
    )


def test_a_vote_that_its_deadline_ended_is_told_as_it_ended() -> None:
    senate.reviewers(2)
    senate.put()
    ballots.close_due(now=NOON + senate.VOTING)
    (told,) = feed.read(None, 10, owners=[]).entries
    assert (told.at, told.data["outcome"], told.data["granted"]) == (NOON + timedelta(hours=72), "expired", 0)
