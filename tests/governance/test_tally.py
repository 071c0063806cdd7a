"""The tally of votes: worked examples, then the words of the rule over all electorates small enough to try out."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from governance import tally
from governance.tally import Choice, Outcome, Verdict, Vote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARCH, APRIL, MAY = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5))
REJECT: Final = Vote(Choice.REJECT)
EXPIRED: Final = Verdict(Outcome.EXPIRED)
REJECTED: Final = Verdict(Outcome.REJECTED)


def approve(amount: int) -> Vote:
    return Vote(Choice.APPROVE, amount)


def defer(until: datetime) -> Vote:
    return Vote(Choice.DEFER, revisit_at=until)


def granted(amount: int) -> Verdict:
    return Verdict(Outcome.APPROVED, amount)


def deferred(until: datetime) -> Verdict:
    return Verdict(Outcome.DEFERRED, revisit_at=until)


def over(*votes: Vote, requested: int = 500, quorum: int = 2) -> Verdict | None:
    """Return the verdict when the time for voting is over; nobody's silence counts."""
    return tally.tally(votes, requested=requested, quorum=quorum, electors=len(votes) + 9, over=True)


def early(*votes: Vote, electors: int, requested: int = 500, quorum: int = 2) -> Verdict | None:
    """Return the verdict while there is time."""
    return tally.tally(votes, requested=requested, quorum=quorum, electors=electors, over=False)


# What a reader can check by hand: 500 is asked for, the quorum is 2.


@pytest.mark.parametrize(
    ("votes", "verdict"),
    [
        ([], EXPIRED),
        ([approve(500)], EXPIRED),
        ([approve(500), approve(500)], granted(500)),
        ([approve(500), approve(300)], granted(300)),  # 300 is what both support
        ([approve(500), REJECT], REJECTED),  # one of two is half, not more
        ([approve(500), approve(500), REJECT], granted(500)),
        ([approve(500), approve(300), REJECT], granted(300)),
        ([approve(500), approve(300), approve(100)], granted(300)),  # two of three support 300
        ([approve(500), REJECT, REJECT], REJECTED),
        ([approve(500), approve(400), REJECT, REJECT], REJECTED),
        ([approve(500), approve(400), approve(1), REJECT, REJECT], granted(1)),
        ([approve(900), approve(900)], granted(500)),  # never more than was asked for
        ([REJECT, REJECT], REJECTED),
    ],
)
def test_the_largest_amount_that_more_than_half_support(votes: list[Vote], verdict: Verdict) -> None:
    assert over(*votes) == verdict


@pytest.mark.parametrize(
    ("votes", "verdict"),
    [
        ([defer(APRIL), defer(MAY)], deferred(APRIL)),
        ([defer(MAY), approve(500)], deferred(MAY)),  # half of two
        ([defer(MAY), defer(APRIL), REJECT, REJECT], deferred(APRIL)),  # half of four
        ([defer(APRIL), approve(500), approve(300)], granted(300)),  # a third: the other two decide
        ([defer(APRIL), approve(500), REJECT], REJECTED),
        ([defer(APRIL), defer(APRIL), approve(500), approve(500), approve(500)], granted(500)),
        ([defer(APRIL)], EXPIRED),  # a deferral counts for the quorum and does not replace it
    ],
)
def test_deferred_by_half_to_the_earliest_date(votes: list[Vote], verdict: Verdict) -> None:
    assert over(*votes) == verdict


@pytest.mark.parametrize("quorum", range(1, 6))
def test_at_the_quorum_it_is_decided_and_below_it_expires(quorum: int) -> None:
    assert over(*[approve(500)] * quorum, quorum=quorum) == granted(500)
    assert over(*[approve(500)] * (quorum - 1), quorum=quorum) == EXPIRED
    assert over(*[REJECT] * quorum, quorum=quorum) == REJECTED
    assert over(*[REJECT] * (quorum - 1), quorum=quorum) == EXPIRED


@pytest.mark.parametrize(
    ("votes", "electors", "verdict"),
    [
        ([approve(500)] * 2, 2, granted(500)),  # all have voted
        ([approve(500)] * 2, 3, granted(500)),  # the third alone neither defers nor rejects it
        ([approve(500), approve(300)], 3, None),  # the third could raise it to 500
        ([approve(500)] * 2, 4, None),  # two more could defer it
        ([approve(500)] * 3, 5, granted(500)),
        ([approve(500)] * 3 + [REJECT], 5, granted(500)),
        ([approve(500)] * 3 + [REJECT], 6, None),
        ([REJECT] * 2, 3, REJECTED),
        ([REJECT] * 2, 4, None),
        ([REJECT] * 3, 5, REJECTED),
        ([defer(APRIL)] * 2, 3, None),  # the third could name an earlier date
        ([defer(APRIL)] * 3, 3, deferred(APRIL)),
        ([], 3, None),
        ([approve(500)], 2, None),  # silence of the other would let it expire
    ],
)
def test_early_only_when_no_vote_to_come_changes_it(votes: list[Vote], electors: int, verdict: Verdict | None) -> None:
    assert early(*votes, electors=electors) == verdict


# Whatever the votes

_MOST: Final = 4  # requested; every amount up to it is tried
_VOTES: Final = st.one_of(
    st.builds(approve, st.integers(1, _MOST)), st.just(REJECT), st.sampled_from([defer(APRIL), defer(MAY)])
)
_BALLOTS: Final = st.lists(_VOTES, max_size=7)
_LARGE: Final = st.one_of(
    st.builds(approve, st.integers(1, 10**15)), st.just(REJECT), st.builds(defer, st.datetimes(timezones=st.just(UTC)))
)


@given(votes=st.lists(_LARGE, max_size=12), quorum=st.integers(1, 6), data=st.data(), is_over=st.booleans())
def test_the_order_of_votes_does_not_matter(votes: list[Vote], quorum: int, data: Any, is_over: bool) -> None:  # noqa: FBT001 - drawn
    shuffled = data.draw(st.permutations(votes))
    terms: dict[str, Any] = {"requested": 10**12, "quorum": quorum, "electors": 12, "over": is_over}
    assert tally.tally(shuffled, **terms) == tally.tally(votes, **terms)


def _by_the_words(votes: list[Vote], requested: int, quorum: int) -> Verdict:
    """Return what design, section 8, says in words: every amount is asked about in turn."""
    if len(votes) < quorum:
        return EXPIRED
    defers = [vote for vote in votes if vote.choice == Choice.DEFER]
    if len(defers) >= len(votes) / 2:
        return deferred(min(vote.revisit_at for vote in defers if vote.revisit_at))
    others = [vote for vote in votes if vote.choice != Choice.DEFER]
    supported = [
        amount
        for amount in range(1, requested + 1)
        if sum(vote.choice == Choice.APPROVE and vote.amount >= amount for vote in others) > len(others) / 2
    ]
    return granted(max(supported)) if supported else REJECTED


@given(votes=_BALLOTS, quorum=st.integers(1, 4))
def test_over_it_is_as_the_words_say(votes: list[Vote], quorum: int) -> None:
    assert over(*votes, requested=_MOST, quorum=quorum) == _by_the_words(votes, _MOST, quorum)


@given(votes=st.lists(_LARGE, max_size=12), requested=st.integers(1, 10**15))
def test_never_more_than_requested_or_anybody_approved(votes: list[Vote], requested: int) -> None:
    verdict = over(*votes, requested=requested, quorum=1)
    assert verdict is not None
    assert verdict.granted <= min(requested, max((vote.amount for vote in votes), default=0))
    assert (verdict.granted > 0) == (verdict.outcome == Outcome.APPROVED)
    assert (verdict.revisit_at is not None) == (verdict.outcome == Outcome.DEFERRED)


@given(votes=st.lists(_LARGE, min_size=1, max_size=12), data=st.data(), more=st.integers(0, 10**12))
def test_who_approves_more_never_lowers_the_grant(votes: list[Vote], data: Any, more: int) -> None:
    place = data.draw(st.integers(0, len(votes) - 1))
    assume(votes[place].choice != Choice.DEFER)
    raised = [*votes[:place], approve(votes[place].amount + more + 1), *votes[place + 1 :]]
    before, after = over(*votes, requested=10**15, quorum=1), over(*raised, requested=10**15, quorum=1)
    assert before is not None
    assert after is not None
    assert after.granted >= before.granted
    assert (after.outcome == Outcome.DEFERRED) == (before.outcome == Outcome.DEFERRED)


# Early verdicts, by trying out all that may come

_EVERY_VOTE: Final = (*map(approve, range(1, _MOST + 1)), REJECT, *map(defer, (MARCH, APRIL, MAY)))


def _completions(votes: Iterable[Vote], silent: int) -> Iterator[list[Vote]]:
    """Yield all ways in which voting may end: each of the silent votes, or stays silent."""
    for coming in itertools.combinations_with_replacement((None, *_EVERY_VOTE), silent):
        yield [*votes, *(vote for vote in coming if vote is not None)]


@settings(max_examples=300)
@given(votes=_BALLOTS, quorum=st.integers(1, 5), silent=st.integers(0, 4))
def test_an_early_verdict_is_there_exactly_when_nothing_can_change_it(
    votes: list[Vote], quorum: int, silent: int
) -> None:
    assume(quorum <= len(votes) + silent)  # no ballot is opened otherwise
    ends = {_by_the_words(end, _MOST, quorum) for end in _completions(votes, silent)}
    verdict = early(*votes, electors=len(votes) + silent, requested=_MOST, quorum=quorum)
    assert verdict == (ends.pop() if len(ends) == 1 else None)


def test_an_early_verdict_is_that_of_the_votes_that_are_there() -> None:
    """Whoever closes a ballot early, the votes cast give the same outcome: the database can check it."""
    for size, silent, quorum in itertools.product(range(5), range(4), range(1, 4)):
        for votes in itertools.combinations_with_replacement(_EVERY_VOTE, size):
            verdict = early(*votes, electors=size + silent, requested=_MOST, quorum=quorum)
            assert verdict in {None, over(*votes, requested=_MOST, quorum=quorum)}


@given(votes=_BALLOTS, quorum=st.integers(1, 5), silent=st.integers(0, 3), coming=st.data())
def test_once_there_it_stays_vote_after_vote(votes: list[Vote], quorum: int, silent: int, coming: Any) -> None:
    electors = len(votes) + silent
    verdict = early(*votes, electors=electors, requested=_MOST, quorum=quorum)
    assume(verdict is not None)
    for _ in range(silent):
        votes = [*votes, coming.draw(_VOTES)]
        assert early(*votes, electors=electors, requested=_MOST, quorum=quorum) == verdict
    assert over(*votes, requested=_MOST, quorum=quorum) == verdict


@given(votes=_BALLOTS, quorum=st.integers(1, 3), silent=st.integers(0, 3))
def test_whole_or_not_at_all(votes: list[Vote], quorum: int, silent: int) -> None:
    """A measure without an amount asks for 1: it is granted or it is not."""
    assume(quorum <= len(votes) + silent)
    verdict = over(*votes, requested=1, quorum=quorum)
    assert verdict is not None
    assert verdict.granted in {0, 1}
    ends = {_by_the_words(end, 1, quorum) for end in _completions(votes, silent)}
    found = early(*votes, electors=len(votes) + silent, requested=1, quorum=quorum)
    assert found == (ends.pop() if len(ends) == 1 else None)
