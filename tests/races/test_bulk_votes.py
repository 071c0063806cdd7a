"""One vote on several proposals while others decide on some of them: each item has its own result, and none a half."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from economics import envelopes
from governance import bulk_votes, proposals, queue
from governance.models import Enactment, Proposal, Vote
from tests import factories
from tests.factories import NOON, after
from tests.governance import senate
from tests.races.crew import race

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.models import User
    from economics.models import Envelope

ROUNDS: Final = 8
EACH: Final = 3  # proposals that are voted on together
# Each asks for 100 on an envelope of 1,000, and two votes of three decide.
Items = list[tuple["Envelope", Proposal]]


def _put() -> list[Items]:
    """Put proposals of low risk before three reviewers, so many for each round."""
    senate.reviewers(3)
    found = []
    for number in range(ROUNDS * EACH):
        envelope = factories.envelope(f"h{number}")
        factories.observation(envelope.entity_id, reference="31452104")
        found.append((envelope, senate.put(of=envelope, requested_tokens=100)))
    return [found[start : start + EACH] for start in range(0, ROUNDS * EACH, EACH)]


def _together(voter: User, rounds: list[Items]) -> Callable[[int], list[str]]:
    """Return the deed that votes on all items of a round as they stood before, and tells what came of each."""
    seen = []
    for items in rounds:
        shown = queue.of([proposal.pk for _envelope, proposal in items], voter, now=NOON)
        assert [one.is_low_risk for one in shown] == [True] * EACH
        seen.append({one.proposal.pk: bulk_votes.Seen(one.ballot.pk, one.stands or {}) for one in shown})

    def deed(number: int) -> list[str]:
        results = bulk_votes.cast_each(seen[number], voter=voter, choice="approve", reason="small steps", now=after(1))
        return [one.code or str(one.proposal and one.proposal.status) for one in results]

    return deed


def _stands(envelope: Envelope, proposal: Proposal) -> tuple[str, int, int]:
    """Return where a proposal stands, what the base is and how many votes count; its rows say the same as itself."""
    assert senate.is_told(proposal)
    enacted = Enactment.objects.filter(proposal=proposal).count()
    assert enacted == (proposal.status == "enacted")
    base = envelopes.get(envelope.entity_type, envelope.entity_id).token_budget
    return proposal.status, base, Vote.objects.filter(ballot__proposal=proposal, superseded_at=None).count()


def test_of_three_who_vote_on_all_at_once_two_decide_each() -> None:
    rounds = _put()

    outcomes = race(*(_together(voter, rounds) for voter in senate.reviewers(3)), rounds=ROUNDS)

    for items, done in zip(rounds, outcomes, strict=True):
        for (envelope, proposal), told in zip(items, zip(*(one.value for one in done), strict=True), strict=True):
            assert sorted(told) == ["enacted", "submitted", "voting_closed"]
            assert _stands(envelope, proposal) == ("enacted", 1_100, 2)


def test_one_that_others_settle_meanwhile_is_told_and_keeps_no_other() -> None:
    rounds = _put()
    first, second, third = senate.reviewers(3)

    outcomes = race(
        _together(first, rounds),
        lambda number: senate.cast(rounds[number][1][1], second, at=after(1)).status,
        lambda number: senate.cast(rounds[number][1][1], third, at=after(1)).status,
        rounds=ROUNDS,
    )

    for items, (together, *others) in zip(rounds, outcomes, strict=True):
        before, settled, behind = together.value
        assert (before, behind) == ("submitted", "submitted")
        assert sorted([settled, *(one.value or one.refusal for one in others)]) == [
            "enacted",
            "submitted",
            "voting_closed",
        ]
        assert [_stands(*item) for item in items] == [
            ("submitted", 1_000, 1),
            ("enacted", 1_100, 2),
            ("submitted", 1_000, 1),
        ]


def test_what_is_withdrawn_or_moves_meanwhile_has_the_vote_or_is_told_not_to() -> None:
    rounds = _put()
    first, second, _third = senate.reviewers(3)
    scout = senate.proposer(senate.scout())

    def move(number: int) -> int:
        envelope, _proposal = rounds[number][1]
        return envelopes.change(envelope.pk, author=factories.REVIEWER, now=after(1), token_budget=1_010).token_budget

    outcomes = race(
        _together(first, rounds),
        lambda number: proposals.withdraw(rounds[number][0][1].pk, by=scout, now=after(1)).status,
        move,
        lambda number: senate.cast(rounds[number][2][1], second, at=after(1)).status,
        rounds=ROUNDS,
    )

    for items, (together, *_others, last) in zip(rounds, outcomes, strict=True):
        withdrawn, moved, decided = together.value
        assert withdrawn in {"submitted", "voting_closed"}
        assert _stands(*items[0]) == ("withdrawn", 1_000, int(withdrawn == "submitted"))
        assert moved in {"submitted", "not_as_seen"}
        assert _stands(*items[1]) == ("submitted", 1_010, int(moved == "submitted"))
        assert sorted([decided, last.value]) == ["enacted", "submitted"]
        assert _stands(*items[2]) == ("enacted", 1_100, 2)


def test_a_form_sent_twice_at_once_votes_once() -> None:
    rounds = _put()
    first, *_others = senate.reviewers(3)
    deed = _together(first, rounds)

    outcomes = race(deed, deed, rounds=ROUNDS)

    for items, done in zip(rounds, outcomes, strict=True):
        assert [one.value for one in done] == [["submitted"] * EACH] * 2
        assert [_stands(*item) for item in items] == [("submitted", 1_000, 1)] * EACH
        own = Vote.objects.filter(ballot__proposal__in=[proposal for _envelope, proposal in items])
        assert own.count() == EACH  # and none that was superseded
