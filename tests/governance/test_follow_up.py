"""Promised and realised side by side: what became of enacted proposals, by worked examples."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from economics import outcomes
from governance import follow_up
from tests import factories
from tests.factories import NOON
from tests.governance import decisions, senate
from tests.governance.decisions import DAY

if TYPE_CHECKING:
    from datetime import datetime

    from economics.models import Envelope
    from governance.models import Proposal

pytestmark = pytest.mark.django_db
NOTHING = follow_up.Sums(0, 0, 0, *[Decimal(0)] * 4)


@pytest.fixture
def own() -> Envelope:
    """Open an envelope for hypothesis h1."""
    return factories.envelope("h1")


def _of(proposal: Proposal, at: datetime) -> follow_up.Followed:
    return follow_up.of([proposal.pk], at)[proposal.pk]


# One proposal


def test_realised_is_what_the_entity_gained_from_enactment_until_the_day_named(own: Envelope) -> None:
    proposal = decisions.enacted(20, of=own)  # within 10 days of noon
    for amount, day, kind in [
        (100, -1, "edges_gained"),  # before
        (8, 0, "edges_gained"),  # the moment it took effect
        (3, 5, "edges_removed"),
        (50, 6, "papers"),  # no edges
        (10, 10, "edges_gained"),  # the last moment
        (100, 11, "edges_gained"),  # after
    ]:
        factories.outcome(own, amount, kind=kind, at=NOON + day * DAY)
    factories.outcome(factories.envelope("h2"), 100, at=NOON + DAY)  # of another
    found = _of(proposal, NOON + 30 * DAY)
    assert found == follow_up.Followed(
        proposal_id=proposal.pk,
        proposer="scout",
        by_agent=True,
        entity_type="hypothesis",
        entity_id="h1",
        measure="change_line",
        resource_type="llm_tokens",
        granted=500,
        enacted_at=NOON,
        gain_by=NOON + 10 * DAY,
        promised=Decimal(20),
        realised=Decimal(15),  # 8 - 3 + 10
        is_due=True,
        alongside=0,
    )
    assert (found.share, found.is_kept) == (Decimal("0.75"), False)


def test_before_its_day_it_counts_what_has_come_and_says_not_yet(own: Envelope) -> None:
    proposal = decisions.enacted(20, of=own)
    factories.outcome(own, 30, at=NOON + 2 * DAY)
    assert _of(proposal, NOON + DAY).realised == 0
    early = _of(proposal, NOON + 9 * DAY)
    assert (early.realised, early.share) == (Decimal(30), Decimal("1.5"))
    assert (early.is_due, early.is_kept) == (False, None)
    due = _of(proposal, NOON + 10 * DAY)
    assert (due.realised, due.is_due, due.is_kept) == (Decimal(30), True, True)


def test_a_correction_counts_at_the_time_of_what_it_corrects(own: Envelope) -> None:
    proposal = decisions.enacted(20, of=own)
    gained = factories.outcome(own, 20, at=NOON + DAY)
    assert _of(proposal, NOON + 10 * DAY).is_kept is True
    outcomes.correct(gained.pk, key="k", note="twice", author="ada", now=NOON + 40 * DAY, amount=Decimal(5))
    assert _of(proposal, NOON + 41 * DAY).realised == 15


def test_nothing_promised_has_no_share_and_more_lost_than_gained_is_negative(own: Envelope) -> None:
    lowered = decisions.enacted(0, of=own, requested_tokens=-500)
    factories.outcome(own, 2, kind="edges_removed", at=NOON + DAY)
    found = _of(lowered, NOON + 20 * DAY)
    assert (found.granted, found.promised, found.realised) == (-500, Decimal(0), Decimal(-2))
    assert (found.share, found.is_kept) == (None, False)


def test_what_was_not_enacted_yet_is_not_followed(own: Envelope) -> None:
    approved = decisions.decided({"r1": "approve", "r2": "approve"}, of=own)
    rejected = decisions.decided({"r1": "reject", "r2": "reject"}, "rejected", of=own)
    later = decisions.enacted(20, of=own, at=NOON + DAY)
    assert follow_up.of([approved.pk, rejected.pk, later.pk, 0], NOON) == {}


def test_two_proposals_on_an_entity_share_its_edges_and_say_so(own: Envelope) -> None:
    first = decisions.enacted(10, of=own)
    second = decisions.enacted(10, of=own, at=NOON + 8 * DAY)
    third = decisions.enacted(10, of=own, at=NOON + 30 * DAY)  # when the others are over
    factories.outcome(own, 12, at=NOON + 9 * DAY)
    found = follow_up.of([first.pk, second.pk, third.pk], NOON + 60 * DAY)
    assert [(found[one.pk].realised, found[one.pk].alongside) for one in (first, second, third)] == [
        (Decimal(12), 1),
        (Decimal(12), 1),
        (Decimal(0), 0),
    ]
    assert _of(first, NOON + DAY).alongside == 0  # the second was not there yet


# Lists


def test_what_came_of_a_pools_settings_is_not_told_apart() -> None:
    pool = factories.envelope("gpu", entity_type="pool")
    asked = decisions.enacted(50, of=pool, days=1, measure="pool", requested_tokens=0, terms={"reserve_tokens": 5})
    found = _of(asked, NOON + 9 * DAY)
    assert (found.promised, found.realised, found.share, found.is_kept, found.promise) == (
        *(Decimal(50), None, None, None, "not told apart"),
    )
    (proposer,) = follow_up.by_proposer(at=NOON + 9 * DAY)
    assert proposer.sums == NOTHING._replace(enacted=1)  # and in no sum of promises


def test_the_list_begins_with_the_last_and_is_narrowed_by_time_and_type(own: Envelope) -> None:
    first, second = decisions.enacted(10, of=own), decisions.enacted(10, of=own, at=NOON + DAY)
    gap = decisions.enacted(5, of=factories.envelope("g1", entity_type="knowledge_gap"), at=NOON + 2 * DAY)
    at = NOON + 9 * DAY

    def ids(**terms: Any) -> list[int]:
        return [one.proposal_id for one in follow_up.enacted(at=at, **terms)]

    assert ids() == [gap.pk, second.pk, first.pk]
    assert ids(since=NOON + DAY) == [gap.pk, second.pk]
    assert ids(entity_type="hypothesis") == [second.pk, first.pk]
    assert ids(limit=1) == [gap.pk]


def test_a_proposer_is_told_by_what_was_decided_and_what_his_promises_came_to(own: Envelope) -> None:
    kept = decisions.enacted(10, of=own)  # 10 edges by day 10: 12 came
    decisions.enacted(30, of=own, days=20)  # 30 by day 20: 12 so far at day 15
    decisions.enacted(40, of=factories.envelope("h2"))  # 40 by day 10: none came
    decisions.decided({"r1": "reject", "r2": "reject"}, "rejected", of=own)
    decisions.decided({"r1": "defer", "r2": "defer"}, "deferred", of=own)
    decisions.decided({"r1": "approve"}, "expired", of=own)  # one vote of two
    decisions.decided({"r1": "approve", "r2": "approve"}, of=own)  # waits for enactment
    senate.submitted(of=own)  # not decided
    decisions.enacted(7, of=own, by=senate.reviewer("zoe"))
    factories.outcome(own, 12, at=kept.enacted_at or NOON)
    scout, zoe = follow_up.by_proposer(at=NOON + 15 * DAY)
    due_and_open = follow_up.Sums(
        enacted=3,
        due=2,
        kept=1,
        promised=Decimal(50),
        realised=Decimal(12),
        open_promised=Decimal(30),
        open_realised=Decimal(12),
    )
    assert scout == ("scout", True, 7, 4, 1, 1, 1, due_and_open)
    assert scout.sums.share == Decimal("0.24")
    assert (zoe.proposer, zoe.by_agent, zoe.decided, zoe.sums.kept) == ("zoe", False, 1, 1)
    assert follow_up.by_proposer(at=NOON + 15 * DAY, since=NOON + DAY) == []
    assert follow_up.by_proposer(at=NOON + 15 * DAY, entity_type="analysis") == []
    assert follow_up.by_proposer(at=NOON - DAY) == []


def test_a_reviewer_is_credited_with_what_he_helped_to_approve(own: Envelope) -> None:
    split = {"r1": "approve", "r2": "reject", "r3": "approve"}
    decisions.enacted(10, of=own)  # both approve; 12 come: kept
    decisions.enacted(40, of=factories.envelope("h2"), votes=split)  # missed
    decisions.decided({"r1": "approve", "r2": "reject"}, "rejected", of=own)
    factories.outcome(own, 12, at=NOON + DAY)
    r1, r2, r3 = follow_up.by_reviewer(at=NOON + 15 * DAY)
    assert r1 == ("r1", 3, 3, 0, 0, 2, follow_up.Sums(2, 2, 1, Decimal(50), Decimal(12), Decimal(0), Decimal(0)))
    assert r2 == ("r2", 3, 1, 2, 0, 1, follow_up.Sums(1, 1, 1, Decimal(10), Decimal(12), Decimal(0), Decimal(0)))
    assert r3 == ("r3", 1, 1, 0, 0, 1, follow_up.Sums(1, 1, 0, Decimal(40), Decimal(0), Decimal(0), Decimal(0)))
    assert (r1.sums.share, r2.sums.share, r3.sums.share) == (Decimal("0.24"), Decimal("1.2"), Decimal(0))


def test_only_the_vote_that_stands_counts_and_a_deferral_is_a_ballot_of_its_own(
    own: Envelope,
) -> None:
    proposal = decisions.decided({"r1": "defer", "r2": "defer"}, "deferred", of=own, gain_by=NOON + 60 * DAY)
    back = senate.open_ballot(proposal, *senate.reviewers(3), at=NOON + 7 * DAY)
    senate.vote(back, senate.reviewer("r1"), "reject", at=NOON + 7 * DAY)  # superseded by the next
    decisions.end(proposal, {"r1": "approve", "r2": "reject", "r3": "approve"}, "approved", at=NOON + 8 * DAY)
    r1, r2, _r3 = follow_up.by_reviewer(at=NOON + 9 * DAY)
    assert r1 == ("r1", 2, 1, 0, 1, 1, NOTHING)  # approved, and not enacted yet
    assert r2 == ("r2", 2, 0, 1, 1, 0, NOTHING)
    (again, _r2, _r3) = follow_up.by_reviewer(at=NOON + 9 * DAY, since=NOON + DAY)
    assert (again.voted, again.deferrals) == (1, 0)
    assert [one.voted for one in follow_up.by_reviewer(at=NOON + DAY)] == [1, 1]


def test_each_report_is_one_statement_whatever_the_number(own: Envelope) -> None:
    ids = [decisions.enacted(10, of=own, at=NOON + day * DAY).pk for day in range(5)]
    at = NOON + 99 * DAY
    for report in (
        lambda: follow_up.of(ids, at),
        lambda: follow_up.enacted(at=at),
        lambda: follow_up.by_proposer(at=at),
        lambda: follow_up.by_reviewer(at=at),
    ):
        with CaptureQueriesContext(connection) as queries:
            report()
        assert len(queries) == 1
