"""The Senate beside itself: votes, deadlines and people at once. What is decided takes effect once; nothing is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg

from config.errors import RefusedError
from economics import admission, envelopes, revisions
from economics.models import Refusal, Revision
from governance import ballots, enactment, measures, policy, proposals
from governance.models import Ballot, Elector, Enactment, Evidence, Proposal, Vote
from tests import factories
from tests.factories import NOON, after
from tests.governance import senate
from tests.races.crew import race

if TYPE_CHECKING:
    from datetime import datetime

    from config.models import User
    from economics.models import Envelope

ROUNDS: Final = 8
WEEK: Final = timedelta(days=7)
SENATE: Final = revisions.Author("the Senate")


def _put(number: int = ROUNDS) -> tuple[list[Envelope], list[Proposal]]:
    """Open envelopes of 1,000; on each 500 more are asked for, and three reviewers may vote."""
    senate.reviewers(3)
    own = [factories.envelope() for _ in range(number)]
    return own, [senate.put(of=envelope) for envelope in own]


def _scout() -> proposals.Proposer:
    return senate.proposer(senate.scout())


def _fresh(proposal: Proposal) -> Proposal:
    return proposals.get(proposal.pk)


def _base(envelope: Envelope) -> int:
    return envelopes.get(envelope.entity_type, envelope.entity_id).token_budget


def _raised(proposal: Proposal) -> int:
    """Return how many revisions say that this proposal changed the base; each has its enactment."""
    written = Revision.objects.filter(cause_kind="proposal", cause_id=str(proposal.pk), changes__has_key="token_budget")
    assert written.count() == Enactment.objects.filter(proposal=proposal).count()
    return written.count()


def _follows(proposal: Proposal) -> bool:
    """Tell whether rows, state and enactment of a proposal say the same."""
    status = _fresh(proposal).status
    last = senate.ballot_of(proposal)
    decided = {
        "approved": {"approved", "enacted", "withdrawn"},
        "": {"submitted"},
        "deferred": {"deferred", "withdrawn"},
    }
    assert status in decided.get(last.outcome, {last.outcome})
    assert (status == "enacted") == Enactment.objects.filter(proposal=proposal).exists()
    return senate.is_told(proposal)


def test_of_three_votes_at_once_the_one_that_settles_it_enacts_it() -> None:
    own, asked = _put()
    people = senate.reviewers(3)

    outcomes = race(*(lambda number, who=who: senate.cast(asked[number], who).status for who in people), rounds=ROUNDS)

    for envelope, proposal, done in zip(own, asked, outcomes, strict=True):
        # Two settle it; the third counts if it came before, and else comes too late.
        assert sorted(outcome.refusal for outcome in done) == ["", "", "voting_closed"]
        assert sorted(outcome.value for outcome in done if outcome.value) == ["enacted", "submitted"]
        assert _base(envelope) == 1_500
        assert _raised(proposal) == 1
        assert _follows(proposal)


def test_a_vote_at_the_deadline_counts_or_is_refused() -> None:
    first, second, _third = senate.reviewers(3)
    own = [factories.envelope() for _ in range(ROUNDS)]
    opened = [NOON + timedelta(days=10 * number) for number in range(ROUNDS)]
    ends = [moment + senate.VOTING for moment in opened]
    asked = [
        senate.put(of=envelope, at=at, gain_by=at + timedelta(days=400))
        for envelope, at in zip(own, opened, strict=True)
    ]
    for proposal, at in zip(asked, opened, strict=True):
        senate.cast(proposal, first, at=at)

    outcomes = race(
        lambda number: senate.cast(asked[number], second, at=ends[number] - timedelta(microseconds=1)).status,
        lambda number: ballots.close_due(now=ends[number]),
        lambda number: ballots.close_due(now=ends[number]),
        rounds=ROUNDS,
    )

    for envelope, proposal, (vote, one, other) in zip(own, asked, outcomes, strict=True):
        counted = not vote.refusal
        assert vote.refusal in {"", "voting_closed"}
        assert one.value + other.value == (not counted)  # closed by one of the three
        assert _fresh(proposal).status == ("enacted" if counted else "expired")
        assert _base(envelope) == (1_500 if counted else 1_000)
        assert _follows(proposal)


def _approved(number: int = ROUNDS) -> tuple[list[Envelope], list[Proposal]]:
    """Put proposals and approve them while the base stands elsewhere; then it stands again as the reviewers saw it."""
    own, asked = _put(number)
    first, second, _third = senate.reviewers(3)
    for envelope, proposal in zip(own, asked, strict=True):
        envelopes.change(envelope.pk, author=factories.REVIEWER, now=NOON, token_budget=999)
        senate.cast(proposal, first)
        senate.cast(proposal, second)
        envelopes.change(envelope.pk, author=factories.REVIEWER, now=NOON, token_budget=1_000)
        assert _fresh(proposal).status == "approved"
    return own, asked


def test_enacted_by_two_at_once_it_takes_effect_once() -> None:
    own, asked = _approved()

    def enact(number: int) -> str:
        return enactment.enact(asked[number].pk, author=SENATE, now=after(1)).status

    outcomes = race(enact, enact, enact, rounds=ROUNDS)

    assert {outcome.value for done in outcomes for outcome in done} == {"enacted"}
    for envelope, proposal in zip(own, asked, strict=True):
        assert _base(envelope) == 1_500
        assert _raised(proposal) == 1
        assert _follows(proposal)


def test_withdrawn_or_enacted_never_both() -> None:
    own, asked = _put()
    first, second, _third = senate.reviewers(3)
    for proposal in asked:
        senate.cast(proposal, first)

    outcomes = race(
        lambda number: proposals.withdraw(asked[number].pk, by=_scout(), now=after(1)).status,
        lambda number: senate.cast(asked[number], second, at=after(1)).status,
        rounds=ROUNDS,
    )

    for envelope, proposal, (withdrawn, decided) in zip(own, asked, outcomes, strict=True):
        assert (withdrawn, decided) in {
            ((None, "proposal_state"), ("enacted", "")),
            (("withdrawn", ""), (None, "voting_closed")),
        }
        assert _fresh(proposal).status == (withdrawn.value or decided.value)
        assert _base(envelope) == (1_500 if decided.value else 1_000)
        assert _raised(proposal) == (1 if decided.value else 0)
        assert _follows(proposal)


def test_what_is_approved_is_withdrawn_or_enacted_never_both() -> None:
    own, asked = _approved()

    outcomes = race(
        lambda number: proposals.withdraw(asked[number].pk, by=_scout(), now=after(1)).status,
        lambda number: enactment.enact(asked[number].pk, author=SENATE, now=after(1)).status,
        rounds=ROUNDS,
    )

    for envelope, proposal, done in zip(own, asked, outcomes, strict=True):
        assert sorted(outcome.refusal for outcome in done) == ["", "proposal_state"]
        status = _fresh(proposal).status
        assert [status] == [outcome.value for outcome in done if outcome.value]
        assert _base(envelope) == (1_500 if status == "enacted" else 1_000)
        assert _follows(proposal)


def test_confirmed_by_two_at_once_it_takes_effect_once() -> None:
    own, asked = _approved()
    first, second, _third = senate.reviewers(3)
    for envelope in own:
        envelopes.change(envelope.pk, author=factories.REVIEWER, now=NOON, token_budget=2_000)
    seen = [measures.base(proposal, at=NOON) for proposal in asked]

    def confirm(number: int, user: User = first) -> str:
        return enactment.confirm(
            asked[number].pk, user=user, reason="it still holds", seen=seen[number], now=after(1)
        ).status

    outcomes = race(
        confirm,
        lambda number: confirm(number, second),
        lambda number: enactment.enact(asked[number].pk, author=SENATE, now=after(1)).status,
        rounds=ROUNDS,
    )

    for envelope, proposal, (one, other, unseen) in zip(own, asked, outcomes, strict=True):
        assert (one.value, other.value) == ("enacted", "enacted")
        assert unseen in {("enacted", ""), (None, "stale_base")}  # after them it is done, before them it is stale
        assert _base(envelope) == 2_500
        assert _raised(proposal) == 1
        assert _follows(proposal)


def test_a_confirmation_over_what_moves_again_is_refused_or_loses_nothing() -> None:
    own, asked = _approved()
    first, *_others = senate.reviewers(3)
    for envelope in own:
        envelopes.change(envelope.pk, author=factories.REVIEWER, now=NOON, token_budget=2_000)
    seen = [measures.base(proposal, at=NOON) for proposal in asked]

    def confirm(number: int) -> str:
        return enactment.confirm(
            asked[number].pk, user=first, reason="it still holds", seen=seen[number], now=after(1)
        ).status

    outcomes = race(confirm, lambda number: _plus(own[number], 7), rounds=ROUNDS)

    for envelope, proposal, (confirmed, changed) in zip(own, asked, outcomes, strict=True):
        assert confirmed.refusal in {"", "stale_base"}
        assert _base(envelope) == 2_000 + (500 if confirmed.value else 0) + changed.value
        assert _follows(proposal)


def _plus(envelope: Envelope, more: int) -> int:
    """Change a base by `more` over what one sees, unless it moves meanwhile; return by how much it was changed."""
    seen = _base(envelope)
    try:
        envelopes.change(
            envelope.pk,
            author=factories.REVIEWER,
            now=after(1),
            expected={"token_budget": seen},
            token_budget=seen + more,
        )
    except RefusedError:
        return 0
    return more


def test_a_decision_beside_a_change_is_stale_or_loses_nothing() -> None:
    own, asked = _put()
    first, second, _third = senate.reviewers(3)
    for proposal in asked:
        senate.cast(proposal, first)

    outcomes = race(
        lambda number: senate.cast(asked[number], second).status,
        lambda number: _plus(own[number], 7),
        rounds=ROUNDS,
    )

    for envelope, proposal, (decided, changed) in zip(own, asked, outcomes, strict=True):
        assert decided.value in {"enacted", "approved"}
        enacted = decided.value == "enacted"
        assert enacted or changed.value == 7  # stale only where something moved
        assert bool(_fresh(proposal).waits_because) != enacted
        assert _base(envelope) == 1_000 + 500 * enacted + changed.value
        assert _follows(proposal)


def test_of_two_proposals_on_one_line_one_is_enacted_and_the_other_waits() -> None:
    first, second, _third = senate.reviewers(3)
    own = [factories.envelope() for _ in range(ROUNDS)]
    pairs = [(senate.put(of=envelope), senate.put(of=envelope, requested_tokens=200)) for envelope in own]
    for pair in pairs:
        for proposal in pair:
            senate.cast(proposal, first)

    outcomes = race(
        lambda number: senate.cast(pairs[number][0], second).status,
        lambda number: senate.cast(pairs[number][1], second).status,
        rounds=ROUNDS,
    )

    for envelope, pair, done in zip(own, pairs, outcomes, strict=True):
        assert sorted(outcome.value for outcome in done) == ["approved", "enacted"]
        assert _base(envelope) == (1_500 if done[0].value == "enacted" else 1_200)
        late = next(proposal for proposal in pair if _fresh(proposal).status == "approved")
        seen = measures.base(late, at=after(1))
        enactment.confirm(late.pk, user=first, reason="on top of the other", seen=seen, now=after(1))
        assert _base(envelope) == 1_700
        assert all(_raised(proposal) == 1 and _follows(proposal) for proposal in pair)


def test_two_first_proposals_of_an_entity_open_one_envelope() -> None:
    first, second, _third = senate.reviewers(3)
    names = [f"new{number}" for number in range(ROUNDS)]
    pairs = [tuple(senate.put(entity_id=name, window_kind="day") for _ in range(2)) for name in names]
    for pair in pairs:
        for proposal in pair:
            senate.cast(proposal, first)

    outcomes = race(
        lambda number: senate.cast(pairs[number][0], second).status,
        lambda number: senate.cast(pairs[number][1], second).status,
        rounds=ROUNDS,
    )

    for name, pair, done in zip(names, pairs, outcomes, strict=True):
        assert sorted(outcome.value for outcome in done) == ["approved", "enacted"]
        assert envelopes.get("hypothesis", name).token_budget == 500
        assert all(_follows(proposal) for proposal in pair)


def test_a_vote_changed_at_the_close_counts_as_it_was_or_as_it_is() -> None:
    own, asked = _put()
    first, second, _third = senate.reviewers(3)
    chair = senate.chair()
    for proposal in asked:
        senate.cast(proposal, first, "reject")
        senate.cast(proposal, second)

    outcomes = race(
        lambda number: senate.cast(asked[number], first).status,
        lambda number: ballots.close(asked[number].pk, chair=chair, reason="it is urgent", now=after(1)).status,
        rounds=ROUNDS,
    )

    for envelope, proposal, (changed, closed) in zip(own, asked, outcomes, strict=True):
        # Reject against approve is a rejection; twice approve is settled, and there is nothing left to close.
        assert (changed, closed) in {
            (("enacted", ""), (None, "voting_closed")),
            ((None, "voting_closed"), ("rejected", "")),
        }
        assert _base(envelope) == (1_500 if changed.value else 1_000)
        assert Vote.objects.filter(ballot__proposal=proposal, superseded_at=None).count() == 2
        assert _follows(proposal)


def test_one_reviewer_voting_twice_at_once_has_one_live_vote() -> None:
    _own, asked = _put()
    first, *_others = senate.reviewers(3)

    outcomes = race(
        lambda number: senate.cast(asked[number], first, amount=100).status,
        lambda number: senate.cast(asked[number], first, "reject").status,
        lambda number: senate.cast(asked[number], first, "defer").status,
        rounds=ROUNDS,
    )

    assert {outcome.refusal for done in outcomes for outcome in done} == {""}
    for proposal in asked:
        said = Vote.objects.filter(ballot__proposal=proposal).order_by("pk")
        assert [vote.superseded_at is None for vote in said] == [False, False, True]
        assert _follows(proposal)


def test_votes_written_by_hand_at_once_are_all_told(committed_db: str) -> None:
    """Another program may insert votes with SQL; what the proposal tells of them loses none."""
    _own, asked = _put()
    opened = [senate.ballot_of(proposal).pk for proposal in asked]
    people = senate.reviewers(3)

    def write(number: int, who: int) -> None:
        with psycopg.connect(committed_db) as session:
            session.execute(
                "INSERT INTO governance_votes (ballot_id, voter_id, voter_name, choice, reason, cast_at)"
                " VALUES (%s, %s, %s, 'reject', 'by hand', %s)",
                [opened[number], people[who].pk, people[who].username, NOON],
            )

    race(*(lambda number, who=who: write(number, who) for who in range(3)), rounds=ROUNDS)

    for proposal in asked:
        assert len(_fresh(proposal).votes) == 3
        assert _follows(proposal)


def test_evidence_written_by_hand_at_once_is_all_told(committed_db: str) -> None:
    drafts = [senate.draft() for _ in range(ROUNDS)]

    def write(number: int, note: str) -> None:
        with psycopg.connect(committed_db) as session:
            session.execute(
                "INSERT INTO governance_evidence (proposal_id, kind, claim, note) VALUES (%s, 'note', '{}', %s)",
                [drafts[number].pk, note],
            )

    race(*(lambda number, note=note: write(number, note) for note in ("one", "two", "three")), rounds=ROUNDS)

    for draft in drafts:
        assert len(_fresh(draft).evidence) == 4
        assert senate.is_told(draft)


def test_submitted_twice_it_is_voted_on_once() -> None:
    senate.reviewers(3)
    drafts = [senate.draft() for _ in range(ROUNDS)]

    def submit(number: int) -> str:
        return ballots.submit(drafts[number].pk, by=_scout(), now=NOON).status

    outcomes = race(submit, submit, submit, rounds=ROUNDS)

    assert {outcome.value for done in outcomes for outcome in done} == {"submitted"}
    for draft in drafts:
        assert Ballot.objects.filter(proposal=draft).count() == 1
        assert Elector.objects.filter(ballot__proposal=draft).count() == 3


def test_evidence_beside_a_submission_is_in_or_refused() -> None:
    senate.reviewers(3)
    drafts = [senate.draft() for _ in range(ROUNDS)]
    given = proposals.Given("new_pmids", {"pmids": ["7"]})

    outcomes = race(
        lambda number: proposals.attach(drafts[number].pk, by=_scout(), now=NOON, given=given).pk,
        lambda number: ballots.submit(drafts[number].pk, by=_scout(), now=NOON).status,
        lambda number: proposals.amend(drafts[number].pk, by=_scout(), now=NOON, requested_tokens=100).status,
        rounds=ROUNDS,
    )

    for draft, (attached, submitted, amended) in zip(drafts, outcomes, strict=True):
        assert submitted.value == "submitted"
        assert attached.refusal in {"", "proposal_state"}
        assert Evidence.objects.filter(proposal=draft).count() == (2 if attached.value else 1)
        assert amended.refusal in {"", "proposal_state"}
        assert senate.ballot_of(draft).requested == _fresh(draft).requested_tokens == (100 if amended.value else 500)
        assert _follows(draft)


def test_evidence_taken_back_beside_a_submission_leaves_nothing_unfounded() -> None:
    senate.reviewers(3)
    drafts = [senate.draft() for _ in range(ROUNDS)]
    pieces = [Evidence.objects.get(proposal=draft).pk for draft in drafts]

    outcomes = race(
        lambda number: proposals.detach(drafts[number].pk, pieces[number], by=_scout(), now=NOON).status,
        lambda number: ballots.submit(drafts[number].pk, by=_scout(), now=NOON).status,
        rounds=ROUNDS,
    )

    for draft, (taken, submitted) in zip(drafts, outcomes, strict=True):
        assert (taken.refusal, submitted.refusal) in {("", "incomplete_proposal"), ("proposal_state", "")}
        assert _fresh(draft).status == ("draft" if taken.value else "submitted")


def _deferred(at: datetime) -> tuple[list[Envelope], list[Proposal]]:
    own, asked = _put()
    people = senate.reviewers(3)
    for proposal in asked:
        for one in people:
            if _fresh(proposal).status == "submitted":
                senate.cast(proposal, one, "defer", at=at)
        assert _fresh(proposal).status == "deferred"
    return own, asked


def test_what_comes_back_comes_back_once() -> None:
    _own, asked = _deferred(NOON)

    def return_due(_number: int) -> int:
        return ballots.bring_back_due(now=NOON + WEEK)

    outcomes = race(return_due, return_due, rounds=1)

    assert sum(outcome.value for outcome in outcomes[0]) == ROUNDS
    for proposal in asked:
        assert Ballot.objects.filter(proposal=proposal).count() == 2
        assert _fresh(proposal).status == "submitted"
        assert _follows(proposal)


def test_what_comes_back_may_be_withdrawn_and_given_evidence_meanwhile() -> None:
    _own, asked = _deferred(NOON)
    given = proposals.Given("new_pmids", {"pmids": ["7"]})

    outcomes = race(
        lambda number: proposals.attach(asked[number].pk, by=_scout(), now=NOON + WEEK, given=given).pk,
        lambda _number: ballots.bring_back_due(now=NOON + WEEK),
        lambda number: proposals.withdraw(asked[number].pk, by=_scout(), now=NOON + WEEK).status,
        rounds=ROUNDS,
    )

    for proposal, (attached, _returned, withdrawn) in zip(asked, outcomes, strict=True):
        assert attached.refusal in {"", "proposal_state"}
        assert withdrawn.value == _fresh(proposal).status == "withdrawn"
        assert not Ballot.objects.filter(proposal=proposal, closed_at=None).exists()
        assert senate.is_told(proposal)


def test_asked_after_twice_a_refusal_is_one_proposal() -> None:
    factories.model()
    scout = senate.scout()
    for _ in range(ROUNDS):
        admission.reserve(factories.ask(factories.envelope(tokens=10), 100), agent_id=scout.pk, now=NOON)
    refused = list(Refusal.objects.values_list("pk", flat=True))
    assert len(refused) == ROUNDS

    def ask(number: int) -> int:
        return proposals.ask_after(refused[number], by=_scout(), now=after(1)).pk

    outcomes = race(ask, ask, ask, rounds=ROUNDS)

    for done in outcomes:
        assert len({outcome.value for outcome in done}) == 1
    assert Proposal.objects.count() == ROUNDS
    assert set(Proposal.objects.values_list("requested_tokens", flat=True)) == {90}


def test_a_pool_is_changed_once_by_two_chairs_at_once() -> None:
    first, second, _third = senate.reviewers(3)
    pools = [factories.pool() for _ in range(ROUNDS)]
    terms: dict[str, Any] = {
        "measure": "pool", "entity_type": "pool", "requested_tokens": 0, "terms": {"reserve_tokens": 5}
    }  # fmt: skip
    asked = [senate.put(entity_id=pool.name, **terms) for pool in pools]
    for proposal in asked:
        for one in (first, second):
            senate.cast(proposal, one)
        assert _fresh(proposal).status == "approved"

    def enact(number: int) -> str:
        return enactment.enact(asked[number].pk, author=revisions.Author("cato"), now=after(1), as_chair=True).status

    outcomes = race(enact, enact, rounds=ROUNDS)

    assert {outcome.value for done in outcomes for outcome in done} == {"enacted"}
    for pool, proposal in zip(pools, asked, strict=True):
        pool.refresh_from_db()
        assert pool.reserve_tokens == 5
        assert Enactment.objects.filter(proposal=proposal).count() == 1
        assert _follows(proposal)


def test_of_two_proposals_on_one_policy_one_is_enacted_and_no_version_is_lost() -> None:
    people = senate.reviewers(3)
    asks: dict[str, Any] = {
        "measure": "policy", "entity_type": "policy", "entity_id": "senate", "requested_tokens": 0
    }  # fmt: skip
    hours = 72
    for number in range(3):
        pair = [senate.put(terms={"voting_hours": hours + more}, **asks) for more in (1, 2)]
        for proposal in pair:
            for one in people[:2]:
                senate.cast(proposal, one)
            assert _fresh(proposal).status == "approved"
        before, another = policy.get().version, senate.draft()

        def enact(proposal: Proposal) -> str:
            author = revisions.Author("cato")
            return enactment.enact(proposal.pk, author=author, now=after(1), as_chair=True).status

        outcomes = race(
            lambda _: enact(pair[0]),  # noqa: B023 - done at once
            lambda _: enact(pair[1]),  # noqa: B023
            lambda _: policy.change(author=factories.REVIEWER, now=after(1), most_requested=10**9 + number).version,  # noqa: B023
            lambda _: ballots.submit(another.pk, by=_scout(), now=after(1)).status,  # noqa: B023
            rounds=1,
        )[0]

        *enacted, changed, put = outcomes
        assert sorted(outcome.refusal for outcome in enacted) in (["", "measure_refused"], ["", "stale_base"])
        assert changed.refusal in {"", "stale_senate_policy"}
        assert put.value == "submitted"
        assert policy.get().version == before + 1 + (not changed.refusal)
        hours = policy.get().voting_hours
        assert hours in {proposal.terms["voting_hours"] for proposal in pair if _fresh(proposal).status == "enacted"}
        assert all(_follows(proposal) for proposal in pair)
