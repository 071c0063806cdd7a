"""What waits for a vote: whose, in which order, over what, and at which cost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.models import Agent
from economics import envelopes
from governance import measures, queue, risk
from tests import factories
from tests.factories import NOON, REVIEWER
from tests.governance import senate

if TYPE_CHECKING:
    from config.models import User
    from governance.models import Proposal

pytestmark = pytest.mark.django_db

POLICY: Final[dict[str, Any]] = {
    "entity_type": "policy",
    "entity_id": "senate",
    "measure": "policy",
    "requested_tokens": 0,
}


def _put(entity: str, *, hours: int = 0, sound: bool = True, **terms: Any) -> Proposal:
    """Return what was put to the vote so many hours ago, on evidence that is on record in part unless said otherwise.

    It asks for 100 LLM tokens a day more on an envelope of 1,000 unless other terms are given.
    """
    if sound:
        factories.observation(entity, reference="31452104")
    opened = NOON - timedelta(hours=hours)
    terms = {"requested_tokens": 100, **terms}
    return senate.put(at=opened, of=factories.envelope(entity), **terms)


def _waiting(user: User) -> list[int]:
    return [one.proposal.pk for one in queue.waiting(user, now=NOON).waiting]


def test_what_ends_first_comes_first_and_votes_and_electors_are_counted() -> None:
    ada, bob, _eve = senate.reviewers(3)
    late, soon, voted = _put("late"), _put("soon", hours=30), _put("voted")
    senate.cast(voted, ada)
    senate.cast(soon, bob, "reject")
    assert (_waiting(ada), _waiting(bob)) == ([soon.pk, late.pk], [late.pk, voted.pk])
    first = queue.waiting(ada, now=NOON).waiting[0]
    assert (first.votes, first.electors, first.ballot.quorum) == (1, 3, 2)
    assert first.rows[-1] == ("llm_tokens per day", "1000", "1100")
    assert [vote.choice for vote, _proposal in queue.voted(ada, now=NOON)] == ["approve"]


def test_nobody_is_asked_about_his_own_affairs() -> None:
    ada, *_others = senate.reviewers(3)
    filed = _put("filed", by=ada)
    became = _put("became")
    assert _waiting(ada) == [became.pk]
    Agent.objects.filter(pk=senate.scout().pk).update(sponsor=ada)
    assert _waiting(ada) == []
    assert {ballot.proposal_id for ballot in queue.affairs(ada, now=NOON)} == {filed.pk, became.pk}
    assert queue.of([filed.pk, became.pk], ada, now=NOON) == []


def test_whoever_has_no_vote_has_nothing_waiting() -> None:
    senate.reviewers(2)
    _put("h1")
    assert queue.waiting(senate.auditor(), now=NOON) == (0, [])


def test_a_base_that_moved_is_told() -> None:
    ada, _bob = senate.reviewers(2)
    _put("moved")
    own = envelopes.get("hypothesis", "moved")
    envelopes.change(own.pk, author=REVIEWER, now=NOON, token_budget=2_000)
    (one,) = queue.waiting(ada, now=NOON).waiting
    assert (one.is_stale, one.is_low_risk) == (True, False)
    assert one.rows[-1][1:] == ("2000", "2100")


@pytest.mark.parametrize(
    ("terms", "risks"),
    [
        ({}, []),
        ({"requested_tokens": -100}, []),
        ({"measure": "grant"}, []),
        ({"requested_tokens": 101}, ["It asks for 11% of what stands; low risk is 10% at most."]),
        ({"measure": "freeze", "requested_tokens": 0}, ["It stops or starts an envelope."]),
        ({"sound": False}, ["Nothing of its evidence could be confirmed."]),
        (
            {**POLICY, "terms": {"quorum": 3}},
            ["It touches everybody, and the chair enacts it."],
        ),
    ],
)
def test_low_risk_is_a_small_step_on_sound_grounds(terms: dict[str, Any], risks: list[str]) -> None:
    ada, _bob = senate.reviewers(2)
    _put("h1", **terms)
    (one,) = queue.waiting(ada, now=NOON).waiting
    assert one.risks == risks


def test_what_opens_an_envelope_or_could_not_take_effect_is_no_low_risk() -> None:
    ada, _bob = senate.reviewers(2)
    senate.put(entity_id="new")
    _put("small", requested_tokens=-90)
    envelopes.change(envelopes.get("hypothesis", "small").pk, author=REVIEWER, now=NOON, token_budget=50)
    new, small = queue.waiting(ada, now=NOON).waiting
    assert "Nothing stands yet that it could be compared with." in new.risks
    assert small.refused.startswith("The line stands at 50")
    assert small.risks == [
        "What would change has changed since voting opened.",
        "It asks for 180% of what stands; low risk is 10% at most.",
        f"It could not take effect as things stand: {small.refused}",
    ]


def test_contradicted_evidence_is_no_low_risk() -> None:
    senate.reviewers(2)
    proposal = _put("h1")
    proposal.evidence = [{"check": "holds"}, {"check": "contradicted"}, "text"]
    stands = measures.base(proposal, at=NOON)
    assert risk.reasons(proposal, seen=stands, stands=stands) == ["Some of its evidence is contradicted."]


def test_a_queue_costs_the_same_however_much_waits() -> None:
    ada, _bob = senate.reviewers(2)

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            queue.waiting(ada, now=NOON)
        return len(captured)

    _put("h0")
    senate.put(**POLICY, terms={"quorum": 3})
    before = cost()
    for number in range(1, 8):
        _put(f"h{number}")
    senate.put(**{**POLICY, "entity_id": "worth"}, terms={"gain": "0.5"})
    assert (cost(), before <= 6) == (before, True)


def test_a_queue_has_pages() -> None:
    ada, _bob = senate.reviewers(2)
    put = [_put(f"h{number}", hours=number) for number in range(3)]
    shown = queue.waiting(ada, now=NOON, most=1, start=1)
    assert (shown.total, [one.proposal.pk for one in shown.waiting]) == (3, [put[1].pk])
