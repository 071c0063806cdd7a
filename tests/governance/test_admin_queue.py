"""My queue in the admin: what it shows to whom, and one vote on several with a result for each."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from config.models import Agent, User
from economics import envelopes
from economics.models import Envelope
from governance import ballots
from governance.models import Ballot, Proposal, Vote
from tests import factories
from tests.factories import REVIEWER
from tests.governance import senate
from tests.reviewers import page, said

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = pytest.mark.django_db


def _now() -> datetime:
    return timezone.now()


def _signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def _put(entity: str, tokens: int = 100, *, hours: int = 0, by: Agent | User | None = None) -> Proposal:
    """Return what asks for so many LLM tokens a day more on an envelope of 1,000, put to the vote so long ago."""
    now = _now()
    factories.observation(entity, reference="31452104", at=now)
    terms: dict[str, Any] = {"gain_by": now + timedelta(days=28), "filed_at": now, "requested_tokens": tokens}
    return senate.put(of=factories.envelope(entity), by=by, at=now - timedelta(hours=hours), **terms)


def _queue(person: User, **asked: str) -> str:
    return " ".join(_signed_in(person).get(reverse("admin:governance_queue"), asked).content.decode().split())


def _chosen(client: Client, *asked: Proposal) -> Any:
    """Choose proposals of the queue, and look at them all once more."""
    return client.post(reverse("admin:governance_queue_vote"), {"proposal": [one.pk for one in asked]})


def _cast(client: Client, shown: Any, **vote: str) -> Any:
    """Cast a vote from the page on which all were looked at."""
    fields = {
        "confirmed": "yes",
        "proposal": [row.item.proposal.pk for row in shown.context["rows"]],
        "seen": shown.context["form"]["seen"].value(),
        "choice": "approve",
        "reason": "small steps",
        **vote,
    }
    if not isinstance(fields["seen"], str):
        fields["seen"] = shown.context["form"].fields["seen"].prepare_value(fields["seen"])
    return client.post(reverse("admin:governance_queue_vote"), fields)


def test_a_queue_tells_what_ends_first_what_would_change_and_why_it_is_no_low_risk() -> None:
    ada, _bob, _eve = senate.reviewers(3)
    _put("late")
    soon = _put("soon", 500, hours=60)
    shown = _queue(ada)
    assert re.findall(r"/proposal/(\d+)/change/\">Proposal", shown)[0] == str(soon.pk)
    assert "<dt>Wait for my vote</dt><dd>2</dd>" in shown
    assert "<dt>First to end</dt><dd>in 11 hours<small>" in shown
    assert "1,000 → <strong>1,500</strong>" in shown
    assert "It asks for 50% of what stands; low risk is 10% at most." in shown
    assert shown.count('type="checkbox" name="proposal"') == 1
    assert "Vote on all of low risk (1)…" in shown


def test_a_queue_leaves_out_what_is_voted_on_and_marks_ones_own_affairs() -> None:
    ada, *_others = senate.reviewers(3)
    voted, own = _put("voted"), _put("own", by=ada)
    senate.cast(voted, ada, at=_now())
    shown = _queue(ada)
    assert "Nothing waits for your vote." in shown
    assert f'Proposal {voted.pk}</a> hypothesis:voted: +100 LLM tokens a window <span class="quiet">until' in shown
    assert f"Proposal {own.pk}</a> hypothesis:own" in shown.split("My own affairs")[1]


def test_whoever_has_no_vote_is_told_so() -> None:
    senate.reviewers(2)
    _put("h1")
    assert "Reviewers and the chair vote in the Senate." in _queue(senate.auditor())
    bare = User.objects.create_user("bare", is_staff=True)
    assert "Reviewers and the chair vote in the Senate." in _queue(bare)
    assert Client().get(reverse("admin:governance_queue")).status_code == 302


@pytest.mark.parametrize("number", ["0", "-1", "x", "²", "99999999999999999999", "7", ""])
def test_a_queue_can_be_asked_for_any_page(number: str) -> None:
    ada, _bob = senate.reviewers(2)
    _put("h1")
    assert "My queue" in _queue(ada, page=number)


def test_a_queue_costs_the_same_however_much_waits() -> None:
    ada, _bob = senate.reviewers(2)
    client = _signed_in(ada)

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse("admin:governance_queue"))
        return len(captured)

    _put("h0")
    cost()
    before = cost()
    for number in range(1, 6):
        _put(f"h{number}")
    assert (cost(), before <= 12) == (before, True)


def test_several_are_seen_once_more_and_voted_on_with_a_result_for_each() -> None:
    ada, bob, _eve = senate.reviewers(3)
    client = _signed_in(ada)
    decided, open_still = _put("h1"), _put("h2")
    senate.cast(decided, bob, at=_now())
    asked = _chosen(client, decided, open_still)
    shown = asked.content.decode()
    assert shown.count("1,000 → <strong>1,100</strong>") == 2
    assert not Vote.objects.filter(voter=ada).exists()
    done = _cast(client, asked)
    assert done["Location"] == reverse("admin:governance_queue")
    told = client.get(done["Location"]).content.decode()
    assert "What became of your vote on 2 proposals" in told
    assert "hypothesis:h1: +100 LLM tokens a window. The proposal is enacted." in told
    assert "hypothesis:h2: +100 LLM tokens a window. The proposal is submitted." in told
    assert Envelope.objects.get(entity_id="h1").token_budget == 1_100
    assert LogEntry.objects.count() == 2
    assert "What became of your vote" not in client.get(done["Location"]).content.decode()


def test_one_that_is_settled_meanwhile_or_has_moved_keeps_no_other() -> None:
    ada, *others = senate.reviewers(5)
    client = _signed_in(ada)
    settled, moved, good = (_put(f"h{number}") for number in range(3))
    asked = _chosen(client, settled, moved, good)
    for voter in others[:3]:
        senate.cast(settled, voter, at=_now())
    envelopes.change(envelopes.get("hypothesis", "h1").pk, author=REVIEWER, now=_now(), token_budget=1_010)
    told = client.get(_cast(client, asked)["Location"]).content.decode()
    assert told.count("not cast</span>") == 2
    assert "Voting on this proposal is over." in told
    assert "It has changed since you looked" in told
    assert [vote.ballot.proposal_id for vote in Vote.objects.filter(voter=ada)] == [good.pk]


def test_what_is_more_than_low_risk_is_left_out_and_said() -> None:
    ada, _bob = senate.reviewers(2)
    client = _signed_in(ada)
    small, large = _put("h1"), _put("h2", 500)
    asked = _chosen(client, small, large)
    assert [row.item.proposal.pk for row in asked.context["rows"]] == [small.pk]
    assert "1 of those you chose is more than low risk and left out" in asked.content.decode()
    stands = '{"base": "1000", "envelope": "open", "window": "day"}'
    forged = {"seen": f'{{"{large.pk}": [{senate.ballot_of(large).pk}, {stands}]}}'}
    told = client.get(_cast(client, asked, **forged)["Location"]).content.decode()
    assert "It asks for 50% of what stands" in told
    assert not Vote.objects.exists()


def test_all_of_low_risk_are_chosen_at_once() -> None:
    ada, _bob = senate.reviewers(2)
    first, _large, second = _put("h1"), _put("h2", 500), _put("h3")
    asked = _signed_in(ada).post(reverse("admin:governance_queue_vote"), {"all": "yes"})
    assert [row.item.proposal.pk for row in asked.context["rows"]] == [first.pk, second.pk]


def test_a_vote_on_several_takes_a_reason_and_no_part() -> None:
    ada, _bob = senate.reviewers(2)
    client = _signed_in(ada)
    asked = _chosen(client, _put("h1"))
    again = _cast(client, asked, reason="", choice="less")
    assert sorted(again.context["form"].errors) == ["choice", "reason"]
    again = _cast(client, asked, seen='{"x": 5}')
    assert again.context["form"].errors == {"seen": ["Choose the proposals once more."]}
    assert not Vote.objects.exists()


@pytest.mark.parametrize("chosen", [{}, {"proposal": ["x", "-5", "9" * 30, "²"]}, {"proposal": "999999"}])
def test_nothing_chosen_is_said(chosen: dict[str, Any]) -> None:
    ada, _bob = senate.reviewers(2)
    answer = _signed_in(ada).post(reverse("admin:governance_queue_vote"), chosen)
    assert said(answer) == ["Choose at least one proposal that waits for your vote."]


def test_only_who_may_vote_votes_on_several_and_never_by_a_link() -> None:
    ada, _bob = senate.reviewers(2)
    proposal = _put("h1")
    address = reverse("admin:governance_queue_vote")
    for person in (senate.auditor(), User.objects.create_user("bare", is_staff=True)):
        assert _signed_in(person).post(address, {"proposal": proposal.pk}).status_code == 403
    assert _signed_in(ada).get(address).status_code == 302
    assert Client().post(address, {"proposal": proposal.pk}).status_code == 302
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)
    assert strict.post(address, {"proposal": proposal.pk}).status_code == 403


def test_nobody_votes_on_his_own_affair_among_others() -> None:
    ada, _bob, _eve = senate.reviewers(3)
    client = _signed_in(ada)
    own, good = _put("h1"), _put("h2", by=senate.scout("other"))
    asked = _chosen(client, own, good)
    Agent.objects.filter(pk="scout").update(sponsor=ada)
    assert [row.item.proposal.pk for row in _chosen(client, own, good).context["rows"]] == [good.pk]
    told = client.get(_cast(client, asked)["Location"]).content.decode()
    assert "the proposal is your own affair" in told
    assert [vote.ballot.proposal_id for vote in Vote.objects.all()] == [good.pk]


# The card beside it


def test_a_card_asks_for_the_vote_in_a_dialog_with_the_form_of_its_page() -> None:
    ada, _bob = senate.reviewers(2)
    proposal = _put("h1", 500)
    shown = _signed_in(ada).get(page(Proposal, proposal.pk))
    (vote,) = [tool.dialog for tool in shown.context["card_tools"] if tool.name == "vote"]
    assert (vote.id, vote.names) == (f"vote-{proposal.pk}", {"action": "vote", "_selected_action": str(proposal.pk)})
    assert list(vote.form.fields) == ["choice", "amount", "revisit_at", "wanted", "reason"]
    assert f'<dialog id="vote-{proposal.pk}"' in shown.content.decode()


def test_a_card_tells_what_the_entity_used_and_what_happened() -> None:
    ada, bob = senate.reviewers(2)
    factories.model()
    before = _put("h1")
    own = envelopes.get("hypothesis", "h1")
    factories.record(own, 750, at=_now() - timedelta(days=2))
    for voter in (ada, bob):
        senate.cast(before, voter, at=_now())
    now = _now()
    draft = senate.draft(of=own, gain_by=now + timedelta(days=28), filed_at=now)
    proposal = ballots.submit(draft.pk, by=senate.proposer(senate.scout()), now=now)
    shown = " ".join(_signed_in(ada).get(page(Proposal, proposal.pk)).content.decode().split())
    assert "<dt>LLM tokens used</dt><dd>750 <small>0 of them today</small>" in shown
    assert "LLM tokens by day" in shown
    assert "scout asked: +500 LLM tokens a window" in shown
    assert f'/proposal/{before.pk}/change/">Proposal {before.pk}</a>' in shown
    assert "0 of 20 net edges" in shown


def test_votes_are_rows_of_the_card_and_of_their_ballot() -> None:
    ada, bob, _eve = senate.reviewers(3)
    proposal = _put("h1")
    senate.cast(proposal, ada, "reject", at=_now())
    senate.cast(proposal, ada, at=_now())
    for address in (page(Proposal, proposal.pk), page(Ballot, senate.ballot_of(proposal).pk)):
        shown = _signed_in(bob).get(address).content.decode()
        rows = re.findall(r'field-reviewer"[^>]*>([^<]*)<.*?field-said"[^>]*>.*?badge is-(\w+)', shown, re.DOTALL)
        assert rows == [("r1", "approve"), ("r1", "reject")]
        assert 'name="governance-vote-0-reason"' not in shown
