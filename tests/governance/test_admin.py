"""The Senate in the admin: what a reviewer reads, what each deed does, and what a rule's refusal looks like."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from config import history
from config.models import Agent
from economics import admission, envelopes
from economics.models import Envelope, Refusal
from governance import ballots, claims, policy, proposals
from governance.admin import forms, words
from governance.models import Ballot, Enactment, Evidence, Proposal, SenatePolicy, Vote
from tests import factories, reviewers
from tests.factories import REVIEWER
from tests.governance import senate
from tests.reviewers import listed, page, press, said

if TYPE_CHECKING:
    from datetime import datetime

    from config.models import User

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>\nsecond line"


def _signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def _now() -> datetime:
    return timezone.now()


def _draft(**terms: Any) -> Proposal:
    """Return scout's complete draft, by the clock, which the admin goes by."""
    return senate.draft(**{"gain_by": _now() + timedelta(days=28), "filed_at": _now(), **terms})


def _asked(**terms: Any) -> Proposal:
    """Return what scout asks, or who is named, put to the vote of all reviewers."""
    proposal = _draft(**terms)
    return ballots.submit(proposal.pk, by=proposals.Proposer(proposal.user, proposal.agent), now=_now())


def _vote(proposal: Proposal, voter: User, choice: str = "approve", **terms: Any) -> Proposal:
    reason = terms.pop("reason", "as I see it")
    return ballots.cast(proposal.pk, voter=voter, choice=choice, reason=reason, now=_now(), **terms)


def _card(person: User, proposal: Proposal) -> str:
    return _signed_in(person).get(page(Proposal, proposal.pk)).content.decode()


def _deeds(person: User, proposal: Proposal) -> list[str]:
    """Return the deeds that the card offers a person."""
    return [name for name, _text in _signed_in(person).get(page(Proposal, proposal.pk)).context["deeds"]]


def _again(proposal: Proposal) -> Proposal:
    return Proposal.objects.get(pk=proposal.pk)


# The list


def test_the_list_tells_what_is_asked_where_it_stands_and_until_when() -> None:
    ada, _bob, _eve = senate.reviewers(3)
    proposal = _asked(requested_tokens=1_500, window_kind="day")
    _vote(proposal, ada)
    shown = listed(_signed_in(ada).get(page(Proposal)))
    until = senate.ballot_of(proposal).closes_at
    assert "+1,500 LLM tokens a day" in shown
    assert '<td class="field-voted">1 of 2</td>' in shown
    assert f"{until:%Y-%m-%d %H:%M}" in shown


def test_the_list_narrows_to_what_waits_for_my_vote() -> None:
    ada, bob, _eve = senate.reviewers(3)
    voted, open_still = _asked(), _asked()
    _vote(voted, ada)
    own = _asked(by=ada)
    assert own.user == ada

    def waiting(person: User) -> list[int]:
        shown = _signed_in(person).get(page(Proposal), {"waits": "vote"})
        return [row.pk for row in shown.context["cl"].result_list]

    assert waiting(ada) == [open_still.pk]
    assert waiting(bob) == [own.pk, open_still.pk, voted.pk]
    Agent.objects.filter(pk="scout").update(sponsor=bob)  # whose affair the others become
    assert waiting(bob) == [own.pk]
    assert waiting(senate.auditor()) == []


def test_the_list_narrows_to_what_waits_for_a_person() -> None:
    people = senate.reviewers(2)
    stuck = _asked(entity_type="policy", entity_id="worth", measure="policy", requested_tokens=0, terms={"gain": "0.5"})
    _asked()
    for voter in people:
        _vote(stuck, voter)
    shown = _signed_in(people[0]).get(page(Proposal), {"waits": "person"})
    assert [row.pk for row in shown.context["cl"].result_list] == [stuck.pk]
    assert "A measure of policy is enacted by the chair." in shown.content.decode()


@pytest.mark.parametrize("asked", [{"q": "no number"}, {"q": "12"}, {"entity_type__exact": "hypothesis"}, {"x": "y"}])
def test_a_list_of_the_senate_can_be_asked_anything(asked: dict[str, str]) -> None:
    client = reviewers.root(Client())
    for model in (Proposal, Evidence, Ballot, Vote, Enactment):
        assert client.get(page(model), asked).status_code in {200, 302}


# The card


def test_a_card_shows_what_changes_on_what_grounds_and_who_said_what() -> None:
    ada, bob, _eve = senate.reviewers(3)
    proposal = _asked()
    _vote(proposal, ada, "reject", reason="too early")
    _vote(proposal, ada, "approve", amount=200, reason="enough for now")
    shown = _card(bob, proposal)
    assert '<td class="number">1,000</td><td class="number"><strong>1,500</strong></td>' in shown
    assert "20 net edges by" in shown
    assert "PMIDs 31452104, 33268465" in shown
    assert shown.count("superseded</span>") == 1
    assert "+200 of the 500" in shown
    assert "<dt>Votes</dt><dd>1 of 2 <meter" in shown
    assert "<dt>If it closed now</dt><dd>expired for want of a quorum <small>votes may still change it</small>" in shown
    assert "May still vote: r2, r3." in shown


def test_a_card_says_what_the_system_itself_found_of_each_claim() -> None:
    own = factories.envelope("h1")
    factories.observation("h1", reference="31452104", at=_now())
    confident = {"kind": "market_confidence", "claim": {"confidence": "0.9"}}
    senate.reviewers(2)
    proposal = _asked(of=own, evidence=[senate.PAPERS, confident])
    for shown in (_card(senate.reviewer("r1"), proposal), _summary(senate.reviewer("r1"), proposal)):
        assert (
            '<span class="badge is-partly">holds in part</span> '
            "1 of 2 on record as papers of this entity. Not on record here: 33268465." in shown
        )
        assert '<span class="badge is-unknown">not known here</span> No signals on this entity are on record.' in shown


def _summary(person: User, proposal: Proposal) -> str:
    """Return the page on which a person votes."""
    return str(press(_signed_in(person), "vote", proposal).content.decode())


def test_the_history_of_a_proposal_tells_who_changed_what_when_and_in_which_request() -> None:
    ada = senate.reviewer("ada")
    proposal, client = _draft(by=ada), _signed_in(ada)
    press(client, "withdraw", proposal, confirmed="yes", reason="answered")
    shown = client.get(page(Proposal, proposal.pk, kind="history")).content.decode()
    change = history.of(Proposal, proposal.pk)[0]
    assert (change.who, change.why, change.changes["status"]) == ("ada", "answered", ["draft", "withdrawn"])
    assert change.request_id
    for told in ("draft → withdrawn", "answered", change.request_id, f"{change.at:%Y-%m-%d %H:%M:%S} UTC"):
        assert told in " ".join(re.sub(r"<[^>]+>", " ", shown).split())


def test_everybodys_text_is_inert_and_keeps_its_lines() -> None:
    ada, bob, _eve = senate.reviewers(3)
    given = {"kind": "note", "claim": {}, "note": SCRIPT, "url": "https://x.example/?a=%3Cb%3E"}
    proposal = _asked(justification=SCRIPT, evidence=[senate.PAPERS, given])
    _vote(proposal, ada, reason=SCRIPT)
    for address in (page(Proposal, proposal.pk), page(Evidence), page(Vote)):
        shown = _signed_in(bob).get(address).content.decode()
        assert "<script>alert" not in shown
    shown = _card(bob, proposal)
    assert shown.count("&lt;script&gt;alert(1)&lt;/script&gt;\nsecond line</div>") == 2
    assert 'href="https://x.example' not in shown


def test_a_card_of_a_refused_call_shows_the_refusal() -> None:
    senate.reviewers(2)
    own, scout = factories.envelope("dry"), senate.scout()
    factories.model("m")
    admission.reserve(factories.ask(own, 5_000, model="m"), agent_id=scout.pk, now=_now())
    row = Refusal.objects.latest("pk")
    proposal = proposals.ask_after(row.pk, by=proposals.Proposer(agent=scout), now=_now())
    shown = _card(senate.reviewer(), proposal)
    assert page(Refusal, row.pk) in shown
    assert "It lacks" not in shown
    assert "Say why." in shown


def test_a_decided_card_shows_what_became_of_it_and_leads_to_the_revision() -> None:
    people = senate.reviewers(2)
    proposal = _asked()
    for voter in people:
        _vote(proposal, voter, amount=300)
    shown = _card(people[0], proposal)
    assert '<td class="number">1,000</td><td class="number"><strong>1,300</strong></td>' in shown
    assert "+300 of the 500" in shown
    assert f"cause_kind__exact=proposal&amp;cause_id__exact={proposal.pk}" in shown


def test_a_card_says_when_it_could_not_take_effect() -> None:
    senate.reviewers(2)
    own = factories.envelope("low")
    proposal = _draft(of=own, requested_tokens=-5_000)
    assert "It could not take effect as things stand" in _card(senate.reviewer(), proposal)


def test_a_card_costs_the_same_for_many_votes_ballots_and_evidence() -> None:
    people = senate.reviewers(9)
    proposal = _asked()
    _vote(proposal, people[0])
    client = _signed_in(people[8])

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(page(Proposal, proposal.pk))
        return len(captured)

    cost()
    before = cost()
    for voter in people[:4]:
        _vote(proposal, voter, "reject", reason="no")
        _vote(proposal, voter, reason="yes, after all")
    assert (before <= 17, cost()) == (True, before)


@pytest.mark.parametrize(
    "terms",
    [
        {"measure": "policy", "entity_type": "policy", "entity_id": "nowhere"},
        {"measure": "policy", "entity_type": "policy", "entity_id": "worth", "terms": {"no_such": [1]}},
        {"measure": "pool", "entity_type": "pool", "entity_id": "nowhere", "terms": {"reserve_tokens": None}},
        {"measure": "pool", "entity_type": "pool", "entity_id": "scidex-agent", "terms": {"no_such": {}}},
        {"measure": "grant", "qualifier": "nowhere", "requested_tokens": -5},
        {"measure": "unfreeze", "entity_id": "nowhere"},
        {"evidence": ["text", 7, None, {"kind": "new_pmids", "claim": {"pmids": 3}}, {"kind": ["x"]}, [1]]},
        {"proposer_id": "somebody", "proposer_agent": None, "agent": None},
    ],
)
def test_whatever_another_program_files_by_sql_has_a_card(terms: dict[str, Any]) -> None:
    ada = senate.reviewer()
    proposal = _draft(**terms)
    for address in (page(Proposal), page(Evidence)):
        assert _signed_in(ada).get(address).status_code == 200
    changes = re.search(r'class="form-row field-change">(.*?)</fieldset>', _card(ada, proposal), re.DOTALL)
    assert changes is not None
    assert re.search("could not take effect as things stand: [A-Z]|<td|<p>Nothing", changes[1])


# Who may do what on a card


def test_a_card_offers_the_deeds_that_fit() -> None:
    ada, bob, cato = senate.reviewer("ada"), senate.reviewer("bob"), senate.chair()
    own = _draft(by=ada)
    mine = ["amend", "attach", "detach", "submit", "withdraw"]
    assert (_deeds(ada, own), _deeds(bob, own)) == (mine, [])
    ballots.submit(own.pk, by=proposals.Proposer(user=ada), now=_now())
    assert (_deeds(ada, own), _deeds(bob, own)) == (["withdraw"], ["vote"])
    assert _deeds(cato, own) == ["vote", "close_early"]
    assert _deeds(senate.auditor(), own) == []
    for voter in (bob, cato):
        _vote(own, voter)
    assert [_deeds(one, own) for one in (ada, bob, cato)] == [[], [], []]


def test_a_card_offers_nobody_to_judge_his_own_affair() -> None:
    senate.reviewers(2)
    ada, cato = senate.reviewer("ada"), senate.chair()
    own, sponsored = _asked(by=cato), _asked()
    assert (_deeds(cato, own), _deeds(cato, sponsored)) == (["withdraw"], ["vote", "close_early"])
    Agent.objects.filter(pk=senate.scout().pk).update(sponsor=cato)
    assert (_deeds(cato, sponsored), _deeds(ada, sponsored)) == (["close_early"], ["vote"])  # which the rule refuses
    answer = press(_signed_in(cato), "close_early", sponsored, confirmed="yes", reason="now")
    assert "The proposal is your own affair" in answer.content.decode()


# Votes


def test_a_vote_shows_the_card_asks_for_a_reason_and_counts() -> None:
    ada, *_others = senate.reviewers(3)
    proposal, client = _asked(), _signed_in(senate.reviewer("r1"))
    asked = press(client, "vote", proposal)
    assert "It finds edges and has run dry." in asked.content.decode()
    assert press(client, "vote", proposal, confirmed="yes", choice="approve").context["form"].errors == {
        "reason": ["This field is required."]
    }
    done = press(client, "vote", proposal, confirmed="yes", choice="less", amount=200, reason="half")
    assert said(done) == ["Your vote is cast. The proposal is submitted."]
    vote = Vote.objects.get()
    assert (vote.voter, vote.choice, vote.amount, vote.reason) == (ada, "approve", 200, "half")
    assert LogEntry.objects.get().get_change_message() == "Your vote is cast. half"


def test_a_vote_that_decides_says_what_became_of_it() -> None:
    ada, bob = senate.reviewers(2)
    proposal = _asked()
    _vote(proposal, ada)
    done = press(_signed_in(bob), "vote", proposal, confirmed="yes", choice="approve", reason="good")
    assert said(done) == ["Your vote is cast. The proposal is enacted."]
    assert done["Location"] == page(Proposal, proposal.pk)
    assert Envelope.objects.get().token_budget == 1_500


def test_a_deferral_names_day_and_evidence_and_nothing_of_another_choice() -> None:
    senate.reviewers(2)
    proposal, client = _asked(), _signed_in(senate.reviewer("r1"))
    day = (_now() + timedelta(days=9)).date()
    told = {"choice": "defer", "reason": "not yet", "amount": 7, "revisit_at": f"{day}", "wanted": "a replication"}
    press(client, "vote", proposal, confirmed="yes", **told)
    vote = Vote.objects.get()
    assert vote.revisit_at is not None
    assert (vote.choice, vote.amount, vote.revisit_at.date(), vote.wanted) == ("defer", None, day, "a replication")


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"choice": "less", "amount": 501}, "amount"),
        ({"choice": "less", "amount": 0}, "amount"),
        ({"choice": "less"}, "amount"),
        ({"choice": "less", "amount": "half"}, "amount"),
        ({"choice": "approve", "amount": 200}, "amount"),
        ({"choice": "defer", "wanted": "x"}, "revisit_at"),
        ({"choice": "defer", "revisit_at": "2020-01-01", "wanted": "x"}, "revisit_at"),
        ({"choice": "abstain"}, "choice"),
    ],
)
def test_a_vote_that_is_none_is_said_at_its_field(told: dict[str, Any], field: str) -> None:
    senate.reviewers(2)
    answer = press(_signed_in(senate.reviewer("r1")), "vote", _asked(), confirmed="yes", reason="why", **told)
    assert (answer.status_code, list(answer.context["form"].errors)) == (200, [field])
    assert not Vote.objects.exists()


def test_whoever_is_no_elector_is_told_so() -> None:
    senate.reviewers(2)
    proposal = _asked()
    late = senate.reviewer("late")
    answer = press(_signed_in(late), "vote", proposal, confirmed="yes", choice="reject", reason="why")
    assert "you were no reviewer when voting opened" in answer.content.decode()
    assert _deeds(late, proposal) == []


def test_what_is_granted_whole_or_not_at_all_asks_for_no_amount() -> None:
    senate.reviewers(2)
    proposal = _asked(measure="freeze", requested_tokens=0)
    asked = press(_signed_in(senate.reviewer("r1")), "vote", proposal)
    assert list(asked.context["form"].fields) == ["choice", "revisit_at", "wanted", "reason"]
    assert [value for value, _text in asked.context["form"].fields["choice"].choices] == ["approve", "reject", "defer"]


# The chair


def test_the_chair_ends_voting_by_the_votes_that_are_cast() -> None:
    ada, bob, _eve = senate.reviewers(3)
    cato = senate.chair()
    proposal = _asked()
    _vote(proposal, ada, amount=100)
    _vote(proposal, bob)
    done = press(_signed_in(cato), "close_early", proposal, confirmed="yes", reason="the run begins tonight")
    assert said(done) == ["The vote is closed. The proposal is enacted."]
    ballot = Ballot.objects.get()
    assert (ballot.closed_by, ballot.reason, ballot.granted) == ("cato", "the run begins tonight", 100)


def test_the_chair_enacts_measures_of_policy() -> None:
    people, cato = senate.reviewers(2), senate.chair()
    proposal = _asked(
        entity_type="policy", entity_id="senate", measure="policy", requested_tokens=0, terms={"quorum": 3}
    )
    for voter in (*people, cato):
        if _again(proposal).status == "submitted":
            _vote(proposal, voter)
    assert (_again(proposal).status, policy.get().quorum) == ("approved", 2)
    assert _deeds(cato, proposal) == ["enact"]
    press(_signed_in(cato), "enact", proposal, confirmed="yes", reason="as voted")
    assert (_again(proposal).status, policy.get().quorum) == ("enacted", 3)
    assert SenatePolicy.objects.latest("version").cause_id == str(proposal.pk)


# A base that moved


def _moved() -> tuple[Proposal, Envelope]:
    """Return what was approved over 1,000 tokens, which are 2,000 meanwhile."""
    people = senate.reviewers(2)
    own = factories.envelope("moved")
    proposal = _asked(of=own)
    envelopes.change(own.pk, author=REVIEWER, now=_now(), token_budget=2_000)
    for voter in people:
        _vote(proposal, voter)
    return _again(proposal), own


def test_a_base_that_moved_is_shown_and_confirmed_by_a_reviewer() -> None:
    proposal, own = _moved()
    ada = senate.reviewer("r1")
    assert _deeds(ada, proposal) == ["confirm"]
    shown = _card(ada, proposal)
    assert "What would change has changed since voting opened: a reviewer confirms it." in shown
    assert '<td class="number">1,000</td><td class="number"><strong>2,000</strong></td>' in shown
    asked = press(_signed_in(ada), "confirm", proposal)
    seen = asked.context["form"]["seen"].value()
    done = press(_signed_in(ada), "confirm", proposal, confirmed="yes", seen=seen, reason="it still pays")
    assert said(done) == ["Confirmed. The proposal is enacted."]
    assert Envelope.objects.get(pk=own.pk).token_budget == 2_500
    assert Enactment.objects.get().confirmed_because == "it still pays"


def test_a_base_that_moves_while_one_reads_is_read_again() -> None:
    proposal, own = _moved()
    client = _signed_in(senate.reviewer("r1"))
    seen = press(client, "confirm", proposal).context["form"]["seen"].value()
    envelopes.change(own.pk, author=REVIEWER, now=_now(), token_budget=3_000)
    again = press(client, "confirm", proposal, confirmed="yes", seen=seen, reason="it still pays")
    assert said(again) == ["It has changed again while you looked; read it once more."]
    assert (_again(proposal).status, again.context["form"]["reason"].value()) == ("approved", "it still pays")
    newer = again.context["form"]["seen"].value()
    assert (json.loads(seen)["base"], json.loads(newer)["base"]) == ("2000", "3000")
    press(client, "confirm", proposal, confirmed="yes", seen=newer, reason="it still pays")
    assert Envelope.objects.get(pk=own.pk).token_budget == 3_500


# Filing


def test_a_person_files_gives_evidence_submits_and_withdraws() -> None:
    senate.reviewers(2)
    ada = senate.reviewer("ada")
    client = _signed_in(ada)
    factories.envelope("h-1")
    told = {"measure": "change_line", "entity_type": "hypothesis", "entity_id": "h-1", "requested_tokens": 700}
    made = client.post(page(Proposal, kind="add"), {**told, "resource_type": "llm_tokens", "terms": "{}"})
    proposal = Proposal.objects.get()
    assert made["Location"] == page(Proposal, proposal.pk)
    assert (proposal.user, proposal.proposer, proposal.status) == (ada, "ada", "draft")
    lacking = press(client, "submit", proposal, confirmed="yes")
    assert [str(one) for one in lacking.context["form"].non_field_errors()] == [
        one.sentence for one in proposals.missing(proposal, now=_now())
    ]
    more = {"justification": "why not", "gain_edges": "3.5", "gain_by": f"{_now() + timedelta(days=9):%Y-%m-%dT%H:%M}"}
    client.post(
        reverse("admin:governance_proposal_amend", args=[proposal.pk]), {**told, "resource_type": "llm_tokens", **more}
    )
    assert (_again(proposal).justification, _again(proposal).gain_edges) == ("why not", Decimal("3.5"))
    piece = {"kind": "new_pmids", "new_pmids__pmids": "31452104, 33268465\n9", "url": "", "note": ""}
    press(client, "attach", proposal, confirmed="yes", **piece)
    assert Evidence.objects.get().claim == {"pmids": ["31452104", "33268465", "9"]}
    press(client, "submit", proposal, confirmed="yes")
    assert _again(proposal).status == "submitted"
    press(client, "withdraw", proposal, confirmed="yes", reason="answered")
    assert (_again(proposal).status, _again(proposal).withdrawn_because) == ("withdrawn", "answered")


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"entity_id": ""}, "entity_id"),
        ({"resource_type": "llm_tokens", "requested_tokens": 10**13}, "requested_tokens"),
        ({"resource_type": "llm_tokens", "qualifier": "nowhere"}, "qualifier"),
        ({"resource_type": "llm_tokens", "justification": "x" * 100_000}, "justification"),
        ({"measure": "freeze", "entity_id": "unknown"}, "entity_id"),
        ({"measure": "pool", "entity_type": "pool", "entity_id": "scidex-agent", "terms": '{"mode": "x"}'}, "terms"),
        ({"measure": "policy", "entity_type": "policy", "entity_id": "worth", "terms": "[1"}, "terms"),
    ],
)
def test_what_could_never_be_proposed_is_said_at_its_field(told: dict[str, Any], field: str) -> None:
    filed = {"measure": "change_line", "entity_type": "hypothesis", "entity_id": "h", **told}
    answer = _signed_in(senate.reviewer()).post(page(Proposal, kind="add"), filed)
    assert (answer.status_code, list(answer.context["form"].errors)) == (200, [field])
    assert not Proposal.objects.exists()


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"kind": "new_pmids", "new_pmids__pmids": "31452104 <b>"}, "new_pmids__pmids"),
        ({"kind": "new_pmids"}, "new_pmids__pmids"),
        ({"kind": "market_confidence", "market_confidence__confidence": "1.5"}, "market_confidence__confidence"),
        ({"kind": "note", "url": "javascript:alert(1)"}, "url"),
        ({"kind": "note"}, "note"),
        (
            {
                "kind": "gap_resolution",
                "gap_resolution__gap": "g",
                "gap_resolution__before": "0.5",
                "gap_resolution__after": "0.4",
            },
            "gap_resolution__after",
        ),
        (
            {
                "kind": "benchmark_result",
                "benchmark_result__benchmark": "b",
                "benchmark_result__metric": "m",
                "benchmark_result__value": "1",
            },
            "url",
        ),
    ],
)
def test_evidence_that_is_none_is_said_at_its_field(told: dict[str, Any], field: str) -> None:
    ada = senate.reviewer()
    proposal = _draft(by=ada)
    answer = press(_signed_in(ada), "attach", proposal, confirmed="yes", **told)
    assert (answer.status_code, list(answer.context["form"].errors)) == (200, [field])
    assert Evidence.objects.count() == 1


def test_evidence_is_taken_back_from_a_draft_and_stays_on_record() -> None:
    ada = senate.reviewer()
    proposal = _draft(by=ada)
    press(_signed_in(ada), "detach", proposal, confirmed="yes", piece=Evidence.objects.get().pk)
    assert (_again(proposal).evidence, Evidence.objects.get().withdrawn_at is None) == ([], False)
    assert '<li class="gone">' in _card(ada, proposal)


def test_anothers_draft_is_not_changed() -> None:
    proposal, bob = _draft(by=senate.reviewer("ada")), senate.reviewer("bob")
    client = _signed_in(bob)
    assert client.get(reverse("admin:governance_proposal_amend", args=[proposal.pk])).status_code == 403
    assert "Only its proposer does this." in press(client, "submit", proposal, confirmed="yes").content.decode()
    assert _again(proposal).status == "draft"


def test_the_form_of_evidence_shows_the_parts_of_each_kind() -> None:
    parts = {f"{kind}__{part.name}" for kind, shape in claims.SHAPES.items() for part in shape.parts}
    assert {name for name in forms.EvidenceForm().fields if "__" in name} == parts
    with open("config/static/config/house.css") as sheet:  # noqa: PTH123 - the page hides all but the kind chosen
        style = sheet.read()
    for kind in {name.partition("__")[0] for name in parts}:
        assert style.count(f'[class*="field-{kind}__"]') == 2, kind


def test_what_a_measure_does_not_take_is_not_sent() -> None:
    form = forms.ProposalForm(
        {"measure": "freeze", "entity_type": "hypothesis", "entity_id": "h", "requested_tokens": 5, "terms": '{"a": 1}'}
    )
    assert form.is_valid()
    assert (form.asked()["requested_tokens"], form.asked()["terms"]) == (0, {})


# Words


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"requested_tokens": 1_500}, "+1,500 LLM tokens a window"),
        ({"requested_tokens": -20, "window_kind": "week", "qualifier": "frontier"}, "-20 frontier LLM tokens a week"),
        (
            {"requested_tokens": 5, "resource_type": "storage_gb_hours", "window_kind": "lifetime"},
            "+5 GB of storage for its lifetime",
        ),
        (
            {"measure": "grant", "requested_tokens": 9, "lasts_until": factories.NOON},
            "grant of 9 LLM tokens a window until 2026-03-02",
        ),
        ({"measure": "grant", "requested_tokens": 9}, "grant of 9 LLM tokens a window, for one window"),
        ({"measure": "freeze"}, "freeze the envelope"),
        (
            {"measure": "pool", "terms": {"reserve_tokens": 1200, "pricing_rule": "vickrey"}},
            "set reserve tokens 1,200, pricing rule vickrey",
        ),
    ],
)
def test_what_is_asked_is_told_in_words(terms: dict[str, Any], told: str) -> None:
    assert words.asked(Proposal(entity_type="hypothesis", entity_id="h", **terms)) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        *(("1200000", "1,200,000"), ("0.50", "0.5"), ("007", "007"), ("1e9", "1e9"), ("12345678901234567890",) * 2),
        *((None, "none"), (True, "yes"), (["a", "b"], "a, b"), ({"a_b": 1}, "a b 1"), (-1000, "-1,000"), ("x", "x")),
    ],
)
def test_values_of_documents_are_told_as_people_read_them(value: object, told: str) -> None:
    assert words.value(value) == told


# Export


def _exported(asked: dict[str, str]) -> list[dict[str, str]]:
    response: Any = _signed_in(senate.auditor()).get(reverse("admin:governance_proposal_export"), asked)
    text = b"".join(response.streaming_content).decode().removeprefix("\ufeff")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_export_holds_what_the_filters_leave_and_no_formulas() -> None:
    one = _draft(justification='=HYPERLINK("http://evil.example")', requested_tokens=-500, qualifier="")
    _draft(entity_type="analysis", entity_id="@SUM(1)")
    rows = _exported({})
    assert [row["id"] for row in rows] == [str(one.pk + 1), str(one.pk)]
    assert (rows[0]["entity_id"], rows[1]["requested_tokens"]) == ("'@SUM(1)", "-500")
    assert rows[1]["justification"] == '\'=HYPERLINK("http://evil.example")'
    assert json.loads(rows[1]["evidence"])[0]["kind"] == "new_pmids"
    assert [row["id"] for row in _exported({"entity_type__exact": "analysis"})] == [str(one.pk + 1)]
    assert _exported({"status__exact": "enacted"}) == []


def test_the_list_leads_to_the_export_of_what_it_shows() -> None:
    _draft()
    shown = _signed_in(senate.auditor()).get(page(Proposal), {"status__exact": "draft"}).content.decode()
    assert f"{reverse('admin:governance_proposal_export')}?status__exact=draft" in shown


# The rules of voting


def test_the_chair_changes_the_rules_of_voting_with_a_reason() -> None:
    client = _signed_in(senate.chair())
    told = {"quorum": 3, "voting_hours": 72, "most_requested": 10**12, "saw": 1, "reason": "more eyes"}
    assert client.post(page(SenatePolicy, kind="add"), told).status_code == 302
    assert (policy.get().quorum, policy.get().made_by, policy.get().reason) == (3, "cato", "more eyes")
    assert "quorum 2 → 3" in client.get(page(SenatePolicy)).content.decode()


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"quorum": 0}, "greater than or equal to 1"),
        ({"voting_hours": 9_000}, "less than or equal to 8760"),
        ({"saw": 7}, "Somebody changed the policy while you looked"),
        ({}, "Nothing was changed."),
        ({"quorum": 3, "reason": ""}, "This field is required."),
    ],
)
def test_rules_of_voting_that_cannot_be_are_said_on_the_page(told: dict[str, Any], sentence: str) -> None:
    present = {"quorum": 2, "voting_hours": 72, "most_requested": 10**12, "saw": 1, "reason": "why", **told}
    answer = _signed_in(senate.chair()).post(page(SenatePolicy, kind="add"), present)
    assert (answer.status_code, policy.get().version) == (200, 1)
    assert sentence in answer.content.decode()


@pytest.mark.parametrize("base", ["x", 5, []])
def test_a_base_that_another_program_wrote_stops_no_page(base: object) -> None:
    ada, _other = senate.reviewer("ada"), senate.reviewer("bob")
    proposal = _draft()
    senate.open_ballot(proposal, at=_now(), base=base)
    address = reverse("admin:governance_proposal_change", args=[proposal.pk])
    assert "has changed since voting opened" in _signed_in(ada).get(address).content.decode()
