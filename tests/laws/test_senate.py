"""Whatever is done to the Senate in whatever order, its rows tell one story, and the budgets are what it enacted."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from config.errors import RefusedError
from config.models import Agent
from economics import envelopes, revisions
from economics.models import Envelope, Revision
from governance import ballots, enactment, measures, proposals, tally
from governance.models import Ballot, Elector, Enactment, Evidence, Proposal, Vote
from tests import factories
from tests.factories import NOON, REVIEWER
from tests.governance import senate

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.models import User

PICK: Final = st.integers(0, 11)
AMOUNTS: Final = st.sampled_from([-1_500, -400, 1, 200, 500])
MEASURES: Final = st.sampled_from(["change_line", "change_line", "change_line", "grant", "freeze"])
PIECES: Final = st.sampled_from(
    [
        proposals.Given("new_pmids", {"pmids": ["31452104"]}),
        proposals.Given("gap_resolution", {"gap": "g1", "before": "0.2", "after": "0.5"}),
        proposals.Given("note", {}, note="see there"),
    ]
)
CHOICES: Final = st.sampled_from(["approve", "approve", "approve", "reject", "defer"])
# Which states of a proposal go with the outcome of its last ballot; none is that voting never opened.
STATES: Final[dict[str | None, set[str]]] = {
    None: {"draft", "withdrawn"},
    "": {"submitted"},
    "approved": {"approved", "enacted", "withdrawn"},
    "deferred": {"deferred", "withdrawn"},
    **{outcome: {outcome} for outcome in ("rejected", "expired", "withdrawn")},
}
FORM: Final = ("proposer", "agent_id", *proposals.TERMS, "submitted_at")


class Senate(RuleBasedStateMachine):
    """Two agents, one of them sponsored by a reviewer, three reviewers and a chair, and a clock that only goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.others: dict[str, int] = {}  # what others added to a base, by entity
        self.asked: dict[int, tuple[Any, ...]] = {}  # what the Senate was asked, as it was first submitted
        self.held: dict[int, tuple[object, ...]] = {}  # ballots with their votes, as they were when last counted
        self.everything = transaction.atomic()
        self.everything.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.everything.__exit__(None, None, None)

    @initialize()
    def convene(self) -> None:
        self.people: list[User] = [*senate.reviewers(3), senate.chair()]
        self.agents = [senate.scout(), senate.scout("other")]
        Agent.objects.filter(pk="other").update(sponsor=self.people[0])
        own = {name: factories.envelope(name) for name in ("h1", "h2")}
        self.others = dict.fromkeys(own, 1_000)
        longs: dict[str, Any] = {"gain_by": NOON + timedelta(days=900)}
        senate.put(of=own["h1"], **longs)
        senate.put(of=own["h1"], by=self.agents[1], requested_tokens=200, **longs)
        senate.put(of=own["h2"], requested_tokens=-400, **longs)
        senate.put(of=own["h2"], measure="grant", **longs)
        senate.put(entity_id="new", **longs)

    # Help

    def attempt(self, deed: Callable[[], Any]) -> Any:
        """Do a deed as interfaces do, in a savepoint; it may be refused, but by name."""
        try:
            with transaction.atomic():
                return deed()
        except RefusedError:
            return None

    def one(self, pick: int, *states: str) -> Proposal | None:
        """Return one of the proposals, of those in a state if there are any."""
        rows = list(Proposal.objects.filter(status__in=states).order_by("pk") or Proposal.objects.order_by("pk"))
        return rows[pick % len(rows)] if rows else None

    def by(self, proposal: Proposal) -> proposals.Proposer:
        return senate.proposer(next(agent for agent in self.agents if agent.pk == proposal.agent_id))

    # What agents do

    @rule(pick=PICK, amount=AMOUNTS, measure=MEASURES, lacks=st.sampled_from(["", "", "", "why", "evidence", "gain"]))
    def file(self, pick: int, amount: int, measure: str, lacks: str) -> None:
        self.attempt(
            lambda: proposals.file(
                by=senate.proposer(self.agents[pick % 2]),
                now=self.now,
                entity_type="hypothesis",
                entity_id=("h1", "h1", "h2", "new")[pick % 4],
                measure=measure,
                requested_tokens=amount if measure in measures.AMOUNTS else 0,
                justification="" if lacks == "why" else "it has run dry",
                gain_edges=None if lacks == "gain" else Decimal(20),
                gain_by=self.now + timedelta(days=900),
                evidence=[] if lacks == "evidence" else [proposals.Given("new_pmids", {"pmids": ["7"]})],
            )
        )

    @rule(pick=PICK, amount=AMOUNTS)
    def amend(self, pick: int, amount: int) -> None:
        if draft := self.one(pick, "draft"):
            terms = {"requested_tokens": amount, "justification": "it has run dry"}
            self.attempt(lambda: proposals.amend(draft.pk, by=self.by(draft), now=self.now, **terms))

    @rule(pick=PICK, given=PIECES)
    def attach(self, pick: int, given: proposals.Given) -> None:
        if draft := self.one(pick, "draft", "deferred"):
            self.attempt(lambda: proposals.attach(draft.pk, by=self.by(draft), now=self.now, given=given))

    @rule(pick=PICK)
    def detach(self, pick: int) -> None:
        rows = list(Evidence.objects.order_by("pk"))
        if rows:
            one = rows[pick % len(rows)]
            by = self.by(one.proposal)
            self.attempt(lambda: proposals.detach(one.proposal_id, one.pk, by=by, now=self.now))

    @rule(pick=PICK, amount=AMOUNTS)
    def put(self, pick: int, amount: int) -> None:
        """File a complete draft and submit it at once."""
        asked = {"entity_id": ("h1", "h2", "new")[pick % 3], "requested_tokens": amount}
        by, gain_by = self.agents[pick % 2], self.now + timedelta(days=900)
        self.attempt(lambda: senate.put(by=by, at=self.now, gain_by=gain_by, **asked))

    @rule(pick=PICK)
    def submit(self, pick: int) -> None:
        if draft := self.one(pick, "draft"):
            self.attempt(lambda: ballots.submit(draft.pk, by=self.by(draft), now=self.now))

    @rule(pick=PICK, state=st.sampled_from(["draft", "submitted", "deferred", "approved"]))
    def withdraw(self, pick: int, state: str) -> None:
        rows = Proposal.objects.filter(status=state).order_by("pk")
        if proposal := rows.first() if pick % 4 == 0 else None:
            self.attempt(lambda: proposals.withdraw(proposal.pk, by=self.by(proposal), now=self.now))

    # What reviewers do

    @rule(pick=PICK, who=st.integers(0, 3), choice=CHOICES, amount=st.sampled_from([None, None, 1, 100, 200]))
    def cast(self, pick: int, who: int, choice: str, amount: int | None) -> None:
        """Vote, for the first time or anew."""
        if proposal := self.one(pick, "submitted"):
            some = amount if choice == "approve" else None
            self.attempt(lambda: senate.cast(proposal, self.people[who], choice, some, at=self.now))

    @rule(pick=PICK, choice=st.sampled_from(["approve", "approve", "reject", "defer"]))
    def agree(self, pick: int, choice: str) -> None:
        """All say the same, one after the other, until it is settled."""
        if proposal := self.one(pick, "submitted"):
            for voter in self.people:
                self.attempt(partial(senate.cast, proposal, voter, choice, at=self.now))

    @rule(pick=PICK)
    def close(self, pick: int) -> None:
        if proposal := self.one(pick, "submitted"):
            chair = self.people[-1]
            self.attempt(lambda: ballots.close(proposal.pk, chair=chair, reason="it is urgent", now=self.now))

    @rule(pick=PICK, who=st.integers(0, 3), has_looked=st.booleans())
    def confirm(self, pick: int, who: int, has_looked: bool) -> None:  # noqa: FBT001 - drawn
        if proposal := self.one(pick, "approved"):
            ballot = Ballot.objects.filter(proposal=proposal).last()
            stands = self.attempt(lambda: measures.base(proposal, at=self.now))
            seen = stands if has_looked or ballot is None else ballot.base
            terms: dict[str, Any] = {"user": self.people[who], "reason": "it still holds", "seen": seen or {}}
            self.attempt(lambda: enactment.confirm(proposal.pk, now=self.now, **terms))

    @rule(pick=PICK)
    def enact(self, pick: int) -> None:
        if proposal := self.one(pick, "approved", "enacted"):
            author = revisions.Author("the Senate")
            self.attempt(lambda: enactment.enact(proposal.pk, author=author, now=self.now))

    # What happens meanwhile

    @rule(hours=st.sampled_from([0, 1, 30, 73, 200]))
    def time_goes_on(self, hours: int) -> None:
        self.now += timedelta(hours=hours, seconds=1)

    @rule()
    def tick(self) -> None:
        ballots.close_due(now=self.now)
        ballots.bring_back_due(now=self.now)
        assert not Ballot.objects.filter(closed_at=None, closes_at__lte=self.now).exists()
        waiting = Proposal.objects.filter(status="deferred", revisit_at__lte=self.now)
        assert all(proposal.waits_because for proposal in waiting)

    @rule(name=st.sampled_from(["h1", "h2", "new"]), more=st.sampled_from([-100, 7, 50]))
    def others_change_the_base(self, name: str, more: int) -> None:
        own = Envelope.objects.filter(entity_id=name).first()
        if own is not None and own.token_budget + more >= 0:
            envelopes.change(own.pk, author=REVIEWER, now=self.now, token_budget=own.token_budget + more)
            self.others[name] = self.others.get(name, 0) + more

    # What always holds

    @invariant()
    def what_a_proposal_tells_are_its_rows(self) -> None:
        assert senate.are_told()

    @invariant()
    def a_state_is_that_of_the_last_ballot(self) -> None:
        for proposal in Proposal.objects.prefetch_related("ballots"):
            rows = sorted(proposal.ballots.all(), key=lambda ballot: ballot.number)
            assert [ballot.number for ballot in rows] == list(range(1, len(rows) + 1))
            assert all(ballot.outcome == "deferred" for ballot in rows[:-1])
            assert proposal.status in STATES[rows[-1].outcome if rows else None]
            assert proposal.status != "approved" or proposal.waits_because
            assert (proposal.submitted_at is not None) == bool(rows)

    @invariant()
    def what_was_asked_stays(self) -> None:
        for proposal in Proposal.objects.filter(submitted_at__isnull=False):
            form = tuple(getattr(proposal, name) for name in FORM)
            assert self.asked.setdefault(proposal.pk, form) == form

    @invariant()
    def an_outcome_is_what_the_live_votes_say(self) -> None:
        rows: dict[int, list[object]] = defaultdict(list)
        for kind in (Vote.objects.filter(superseded_at=None), Elector.objects.all()):
            for row in kind.order_by("pk").values():
                rows[row["ballot_id"]].append(row)
        for ballot in Ballot.objects.exclude(outcome="withdrawn"):
            own = (ballot.closed_at, ballot.outcome, ballot.granted, ballot.revisit_at, ballot.quorum, ballot.requested)
            if self.held.get(ballot.pk) == (own, rows[ballot.pk]):
                continue  # it held for these very rows one step ago
            self.held[ballot.pk] = (own, rows[ballot.pk])
            stands = ballots.standing(ballot)
            if ballot.closed_at is None:
                assert stands.settled is None
            else:
                verdict = stands.as_it_stands
                assert (ballot.outcome, ballot.granted, ballot.revisit_at) == tuple(verdict)
                assert ballot.outcome in set(tally.Outcome)

    @invariant()
    def each_votes_once_and_on_nothing_of_his_own(self) -> None:
        live = Vote.objects.filter(superseded_at=None).values_list("ballot", "voter")
        assert len(live) == len(set(live))
        electors = set(Elector.objects.values_list("ballot", "user"))
        assert set(Vote.objects.values_list("ballot", "voter")) <= electors
        assert not Elector.objects.filter(ballot__proposal__agent="other", user=self.people[0]).exists()

    @invariant()
    def budgets_are_what_was_enacted_and_what_others_did(self) -> None:
        done = Enactment.objects.select_related("proposal", "ballot")
        explained = dict(self.others)
        for row in done:
            assert row.proposal.status == "enacted"
            assert row.granted == row.ballot.granted
            if row.proposal.measure == "change_line":
                changed = row.proposal.granted_tokens
                assert changed is not None
                assert abs(changed) == row.granted
                assert (changed > 0) == (row.proposal.requested_tokens > 0)
                explained[row.proposal.entity_id] = explained.get(row.proposal.entity_id, 0) + changed
        assert Proposal.objects.filter(status="enacted").count() == len(done)
        assert dict(Envelope.objects.values_list("entity_id", "token_budget")) == explained

    @invariant()
    def every_change_of_a_base_says_its_cause(self) -> None:
        enacted = Enactment.objects.filter(proposal__measure="change_line")
        changed = Revision.objects.filter(cause_kind="proposal", changes__has_key="token_budget")
        causes = sorted(str(pk) for pk in enacted.values_list("proposal", flat=True))
        assert sorted(changed.values_list("cause_id", flat=True)) == causes


@pytest.mark.django_db
def test_the_senate_tells_one_story_whatever_happens() -> None:
    run_state_machine_as_test(
        Senate,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
