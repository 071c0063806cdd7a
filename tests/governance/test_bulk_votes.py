"""One vote on several proposals: each by itself, only what is low risk, and only as it was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from config.models import Agent
from economics import envelopes
from economics.models import Envelope
from governance import ballots, bulk_votes, errors, proposals, queue
from governance.models import Proposal, Vote
from tests import factories
from tests.factories import NOON, REVIEWER, refused
from tests.governance import senate

if TYPE_CHECKING:
    from config.models import User

pytestmark = pytest.mark.django_db


def _put(entity: str, **terms: Any) -> Proposal:
    """Return what asks for 100 LLM tokens a day more on an envelope of 1,000, on evidence that is partly on record."""
    factories.observation(entity, reference="31452104")
    return senate.put(of=factories.envelope(entity), **{"requested_tokens": 100, **terms})


def _seen(user: User, *asked: Proposal) -> dict[int, bulk_votes.Seen]:
    """Return these proposals as somebody sees them now."""
    shown = queue.of([one.pk for one in asked], user, now=NOON)
    return {one.proposal.pk: bulk_votes.Seen(one.ballot.pk, one.stands or {}) for one in shown}


def _cast(seen: dict[int, bulk_votes.Seen], voter: User, choice: str = "approve") -> list[bulk_votes.Result]:
    return bulk_votes.cast_each(seen, voter=voter, choice=choice, reason="small steps", now=NOON)


def _codes(results: list[bulk_votes.Result]) -> list[str]:
    return [one.code or str(one.proposal and one.proposal.status) for one in results]


def test_each_gets_its_vote_and_what_is_decided_takes_effect() -> None:
    ada, bob, _eve = senate.reviewers(3)
    first, second = _put("h1"), _put("h2")
    senate.cast(first, bob)
    assert _codes(_cast(_seen(ada, first, second), ada)) == ["enacted", "submitted"]
    said = Vote.objects.filter(voter=ada).order_by("pk").values_list("ballot__proposal", "choice", "amount", "reason")
    assert list(said) == [(first.pk, "approve", 100, "small steps"), (second.pk, "approve", 100, "small steps")]
    assert Envelope.objects.get(entity_id="h1").token_budget == 1_100


def test_one_that_is_refused_keeps_no_other() -> None:
    ada, *others = senate.reviewers(5)
    asked = [_put(f"h{number}") for number in range(5)]
    settled, _moved, withdrawn, reopened, good = asked
    seen = _seen(ada, *asked)
    for voter in others[:3]:  # nothing that ada says changes it any more
        senate.cast(settled, voter)
    envelopes.change(envelopes.get("hypothesis", "h1").pk, author=REVIEWER, now=NOON, token_budget=1_010)
    proposals.withdraw(withdrawn.pk, by=senate.proposer(senate.scout()), now=NOON)
    seen[reopened.pk] = bulk_votes.Seen(seen[reopened.pk].ballot_id + 1_000, seen[reopened.pk].stands)
    results = _cast(seen, ada)
    assert [one.proposal_id for one in results] == [one.pk for one in asked]
    assert _codes(results) == ["voting_closed", "not_as_seen", "voting_closed", "not_as_seen", "submitted"]
    assert [vote.ballot.proposal_id for vote in Vote.objects.filter(voter=ada)] == [good.pk]
    assert results[1].refused == "It has changed since you looked: read it once more, and vote on its card."


def test_a_page_left_open_does_not_undo_the_vote_cast_on_the_card_since() -> None:
    ada, *_others = senate.reviewers(5)
    first, second = _put("h1"), _put("h2")
    seen = _seen(ada, first, second)
    senate.cast(first, ada, "reject")
    assert _codes(_cast(seen, ada)) == ["not_as_seen", "submitted"]
    assert _codes(_cast(seen, ada)) == ["not_as_seen", "submitted"]  # sent twice: what is said already is said
    assert sorted(Vote.objects.filter(voter=ada).values_list("choice", "superseded_at")) == [
        ("approve", None),
        ("reject", None),
    ]


def test_nobody_votes_on_his_own_affair_among_others() -> None:
    ada, *_others = senate.reviewers(3)
    own, good = _put("h1"), _put("h2", by=senate.scout("other"))
    seen = _seen(ada, own, good)
    Agent.objects.filter(pk="scout").update(sponsor=ada)  # meanwhile
    assert _codes(_cast(seen, ada)) == ["no_elector", "submitted"]


def test_whoever_has_no_vote_casts_none() -> None:
    ada, _bob = senate.reviewers(2)
    seen = _seen(ada, _put("h1"))
    assert _codes(_cast(seen, senate.auditor())) == ["no_elector"]
    assert not Vote.objects.exists()


def test_what_is_more_than_low_risk_is_voted_on_by_itself() -> None:
    ada, _bob = senate.reviewers(2)
    small, large = _put("h1"), _put("h2", requested_tokens=500)
    first, second = _cast(_seen(ada, small, large), ada, "reject")
    assert first.proposal is not None
    assert (second.code, second.refused) == (
        "not_low_risk",
        "It asks for 50% of what stands; low risk is 10% at most.",
    )


def test_a_defect_in_one_keeps_no_other(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    ada, _bob = senate.reviewers(2)
    broken, good = _put("h1"), _put("h2")
    whole = ballots.cast

    def cast(proposal_id: int, **vote: Any) -> Proposal:
        done = whole(proposal_id, **vote)
        if proposal_id == broken.pk:
            message = "a defect"
            raise ZeroDivisionError(message)
        return done

    monkeypatch.setattr(ballots, "cast", cast)
    assert _codes(_cast(_seen(ada, broken, good), ada)) == ["failed", "submitted"]
    assert [vote.ballot.proposal_id for vote in Vote.objects.select_related("ballot")] == [good.pk]
    assert "a defect" in caplog.text


def test_what_is_no_vote_is_refused_for_each() -> None:
    ada, _bob = senate.reviewers(2)
    seen = _seen(ada, _put("h1"))
    (one,) = bulk_votes.cast_each(seen, voter=ada, choice="approve", reason=" ", now=NOON)
    assert one.code == "invalid_vote"


def test_nobody_votes_on_more_than_he_can_read() -> None:
    ada = senate.reviewer()
    seen = dict.fromkeys(range(bulk_votes.MOST + 1), bulk_votes.Seen(1, {}))
    with refused(errors.InvalidVoteError):
        _cast(seen, ada)
