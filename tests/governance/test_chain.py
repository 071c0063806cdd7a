"""The chain of an entity: what the books tell, joined with its proposals, at the same cost however many there are."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config import site
from economics import admission, envelopes, errors, stops
from economics.models import Envelope, Refusal, Reservation, Usage
from governance import ballots, chain, proposals
from tests import callers, factories, reviewers
from tests.callers import BOOKS, problem
from tests.factories import NOON, REVIEWER, after, refused
from tests.governance import senate

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.models import Agent
    from economics import entities
    from governance.models import Proposal

pytestmark = pytest.mark.django_db
PAPERS = proposals.Given("new_pmids", {"pmids": ["31452104"]})


def _by(agent: Agent | None = None) -> proposals.Proposer:
    return proposals.Proposer(agent=agent or senate.scout())


def _refused(of: Envelope, by: Agent | None = None, *, tokens: int = 5_000, at: float = 0) -> Refusal:
    """Let an agent (scout) ask for more tokens than there are."""
    asked = factories.ask(of, tokens)
    assert not isinstance(admission.reserve(asked, agent_id=(by or senate.scout()).pk, now=after(at)), Reservation)
    return Refusal.objects.latest("pk")


def _asked(refusal: Refusal, *, at: float = 60, **terms: Any) -> Proposal:
    """Ask after a refusal: a complete draft."""
    return proposals.ask_after(
        refusal.pk,
        by=proposals.Proposer(agent=refusal.agent),
        now=after(at),
        **{
            "justification": "It finds edges and has run dry.",
            "gain_edges": Decimal(20),
            "gain_by": NOON + timedelta(days=28),
            "evidence": [PAPERS],
            **terms,
        },
    )


def _enacted(proposal: Proposal, *, at: float = 120) -> Proposal:
    """Put a draft to the vote of two reviewers, who approve."""
    voters = senate.reviewers(2)
    ballots.submit(proposal.pk, by=_by(proposal.agent), now=after(at))
    for voter in voters:
        done = ballots.cast(proposal.pk, voter=voter, choice="approve", reason="It earns it.", now=after(at + 60))
    assert done.status == "enacted"
    return done


def _chain(of: Envelope, *, by: Agent | None = None, at: float = 600) -> chain.Chain[entities.Story]:
    return chain.of(of.entity_type, of.entity_id, by=_by(by), at=after(at))


@pytest.fixture(autouse=True)
def _priced() -> None:
    factories.model("deep-1", rate="0")


def test_every_step_is_told_from_the_refused_call_to_the_change_of_the_envelope() -> None:
    own = factories.envelope("h1")
    refusal = _refused(own)
    proposal = _enacted(_asked(refusal))
    told = _chain(own)
    assert (told.total, [one.proposal for one in told.proposals]) == (1, [proposal])
    (one,) = told.proposals
    assert one.proposal.refusal == refusal
    assert [(piece.kind, piece.check_state) for piece in one.proposal.evidence_rows.all()] == [("new_pmids", "unknown")]
    (ballot,) = one.ballots
    assert [(vote.voter_name, vote.choice, vote.reason) for vote in ballot.votes.all()] == [
        ("r1", "approve", "It earns it."),
        ("r2", "approve", "It earns it."),
    ]
    assert one.enactment is not None
    assert (one.enactment.before["base"], one.enactment.after["base"]) == ("1000", "5000")
    changed = [name for change in reversed(one.changes) for name in change.revision.changes]
    assert changed == ["token_budget", "granted_at", "granted_by"]
    assert one.followed is not None
    assert (one.followed.promised, one.followed.realised) == (Decimal(20), Decimal(0))
    assert told.answering(refusal.pk) == [proposal]
    last = told.story.changes[0].revision
    assert told.behind(last.cause_kind, last.cause_id) == proposal


def test_a_grant_names_the_proposal_that_gave_it() -> None:
    own = factories.envelope("h1")
    proposal = _enacted(senate.draft(of=own, measure="grant", requested_tokens=50))
    told = _chain(own)
    (grant,) = told.story.grants
    assert (grant.amount, told.behind(grant.cause_kind, grant.cause_id)) == (Decimal(50), proposal)


def test_changes_of_other_causes_name_no_proposal() -> None:
    own = factories.envelope("h1")
    stops.freeze([own.pk], author=REVIEWER._replace(cause_id="1"), now=NOON)
    envelopes.change(
        own.pk, author=REVIEWER._replace(cause_kind="proposal", cause_id="x"), now=after(1), token_budget=2
    )
    envelopes.change(
        own.pk, author=REVIEWER._replace(cause_kind="proposal", cause_id="9" * 40), now=after(2), token_budget=3
    )
    senate.draft(of=own)
    told = _chain(own)
    assert {told.behind(one.revision.cause_kind, one.revision.cause_id) for one in told.story.changes} == {None}


def test_only_the_last_ten_are_told_and_all_are_counted() -> None:
    own = factories.envelope("h1")
    filed = [senate.draft(of=own) for _number in range(12)]
    told = _chain(own)
    assert (told.total, [one.proposal for one in told.proposals]) == (12, filed[:1:-1])


def test_an_old_proposal_is_named_by_the_change_that_it_made() -> None:
    own = factories.envelope("h1")
    first = _enacted(senate.draft(of=own))
    for _number in range(10):
        senate.draft(of=own)
    told = _chain(own)
    assert first not in [one.proposal for one in told.proposals]
    assert told.causes == {str(first.pk): first}


def test_drafts_of_others_are_told_to_people_only() -> None:
    own = factories.envelope("h1")
    refusal = _refused(own)
    draft = _asked(refusal)
    stranger = factories.agent("stranger")
    assert (_chain(own, by=stranger).total, _chain(own, by=stranger).answers) == (0, {})
    person = proposals.Proposer(user=senate.auditor())
    told = chain.of("hypothesis", "h1", by=person, at=after(600))
    assert (told.total, told.answering(refusal.pk)) == (1, [draft])


def test_an_entity_that_has_only_proposals_has_a_chain() -> None:
    nothing = Envelope(entity_type="hypothesis", entity_id="h9")
    draft = senate.draft(of=nothing)
    told = _chain(nothing)
    assert (told.story.envelope, told.story.changes, [one.proposal for one in told.proposals]) == (None, [], [draft])
    with refused(errors.UnknownEntityError):  # a draft of another is nothing that a stranger knows of
        _chain(nothing, by=factories.agent("stranger"))


def test_an_entity_without_anything_on_record_is_unknown() -> None:
    with refused(errors.UnknownEntityError) as refusal:
        chain.of("hypothesis", "h9", by=_by(), at=NOON)
    assert refusal.value.figures == {"entity_type": "hypothesis", "entity_id": "h9"}


def test_proposals_on_other_entities_are_no_part_of_it() -> None:
    own, other = factories.envelope("h1"), factories.envelope("h2")
    senate.draft(of=other)
    told = _chain(own)
    assert (told.total, told.proposals, told.causes, told.answers) == (0, [], {}, {})


# The same cost however many


def _happen(of: Envelope, times: int) -> None:
    """Let so many calls be refused, asked after, voted on and granted, and as many proposals wait."""
    for number in range(times):
        _enacted(_asked(_refused(of, tokens=10_000 * (number + 1), at=number * 60)))
        senate.submitted(of=of)


def _cost(deed: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        deed()
    return len(captured)


def _page(of: Envelope) -> str:
    return reverse("admin:governance_chain", args=[of.entity_type, of.entity_id])


def test_thirty_proposals_cost_as_many_queries_as_one() -> None:
    short, long = factories.envelope("short"), factories.envelope("long")
    _happen(short, 1)
    _happen(long, 15)
    assert _chain(long).total == 30
    assert _cost(lambda: _chain(short)) == _cost(lambda: _chain(long))
    reader, person = callers.caller(), Client()
    reviewers.staff(person, "economics.view_envelope")
    calls = [lambda of=of: reader.get(f"{BOOKS}/entities/hypothesis/{of.entity_id}") for of in (short, long)]
    pages = [lambda of=of: person.get(_page(of)) for of in (short, long)]
    for deeds, most in ((calls, 40), (pages, 15)):
        deeds[0]()
        costs = [_cost(deed) for deed in deeds]
        assert (costs[0] == costs[1], costs[0] <= most) == (True, True), costs


# Over HTTP


def test_one_call_tells_it_all() -> None:
    own = factories.envelope("a/b")
    refusal = _refused(own)
    proposal = _enacted(_asked(refusal))
    grant = _enacted(senate.draft(of=own, measure="grant", requested_tokens=50, lasts_until=callers.now()))
    reader = callers.caller()
    answer = reader.get(f"{BOOKS}/entities/hypothesis/a/b/")
    assert (answer.status_code, reader.get(f"{BOOKS}/entities/hypothesis/a/b").json().keys()) == (
        200,
        answer.json().keys(),
    )
    told = answer.json()
    named = {"id": proposal.pk, "status": "enacted", "link": f"/api/governance/proposals/{proposal.pk}/"}
    assert told["refusals"][0]["answered_by"] == [named]
    (marked, raised) = [one for one in told["revisions"] if one["cause"] and one["cause"]["id"] == str(proposal.pk)]
    assert raised["changes"] == {"token_budget": [1_000, 5_000]}
    assert raised["cause"] == {"kind": "proposal", "id": str(proposal.pk), "review": None, "proposal": named}
    assert [one["proposal"]["id"] for one in told["grants"]] == [grant.pk]
    assert ([one["id"] for one in told["proposals"]], told["proposals_in_all"]) == ([grant.pk, proposal.pk], 2)
    shown = told["proposals"][1]
    assert (shown["refusal"]["code"], shown["refusal"]["asked"]) == ("budget_exhausted", "5000")
    assert (shown["evidence"][0]["claim"], shown["evidence"][0]["check_state"]) == ({"pmids": ["31452104"]}, "unknown")
    assert [vote["reason"] for vote in shown["ballots"][0]["votes"]] == ["It earns it."] * 2
    assert shown["enactment"]["after"]["base"] == "5000"
    assert shown["revision_ids"] == [marked["id"], raised["id"]]
    assert (shown["gain"]["promised"], shown["gain"]["realised"]) == ("20", "0")
    assert (shown["link"], reader.get(shown["link"]).json()["id"]) == (named["link"], proposal.pk)


def test_agents_do_not_read_the_drafts_of_others_in_a_story() -> None:
    own = factories.envelope("h1")
    _asked(_refused(own))
    path = f"{BOOKS}/entities/hypothesis/h1"
    stranger = callers.caller().get(path).json()
    assert (stranger["proposals"], stranger["proposals_in_all"], stranger["refusals"][0]["answered_by"]) == ([], 0, [])
    scout = callers.Caller(senate.scout()).get(path).json()
    assert [one["status"] for one in scout["proposals"]] == ["draft"]
    person = Client()
    reviewers.staff(person, "economics.view_envelope", "governance.view_proposal")
    assert person.get(path).json()["proposals_in_all"] == 1


def test_a_story_tells_of_proposals_to_those_who_may_see_them(client: Client) -> None:
    own = factories.envelope("h1")
    proposal = _enacted(_asked(_refused(own)))
    path = f"{BOOKS}/entities/hypothesis/h1"
    reviewers.staff(client, "economics.view_envelope")
    for reader in (client, callers.caller(scopes=["budgets:read"])):
        told = reader.get(path).json()
        assert (told["hides_proposals"], told["proposals"], told["proposals_in_all"]) == (True, [], 0)
        assert told["refusals"][0]["answered_by"] == []
        assert {one["cause"] and one["cause"]["proposal"] for one in told["revisions"]} == {None}
    told = callers.caller(scopes=["budgets:read", "proposals:read"]).get(path).json()
    assert (told["hides_proposals"], told["proposals_in_all"]) == (False, 1)
    shown = _shown(client, own)
    assert "Proposals on it are not shown: your rights do not cover them." in shown
    assert reviewers.page(type(proposal), proposal.pk) not in shown
    assert "Refused, budget_exhausted: scout asked for 5,000 LLM tokens" in shown


def test_the_story_takes_the_scope_or_the_right() -> None:
    factories.envelope("h1")
    path = f"{BOOKS}/entities/hypothesis/h1"
    answer = callers.caller(scopes=["usage:write"]).get(path)
    assert (answer.status_code, problem(answer)["code"]) == (403, "scope_missing")
    person = Client()
    reviewers.staff(person)
    assert (person.get(path).status_code, Client().get(path).status_code) == (403, 401)


# The page


def _shown(client: Client, of: Envelope) -> str:
    answer = client.get(_page(of))
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_tells_the_chain_in_its_order(client: Client) -> None:
    reviewers.root(client)
    own = factories.envelope("a/b")
    proposal = _enacted(_asked(_refused(own)))
    shown = _shown(client, own)
    steps = (
        "Refused, budget_exhausted: scout asked for 5,000 LLM tokens of deep-1",
        "scout asked: +4,000 LLM tokens a day",
        "It finds edges and has run dry.",
        "1 piece of evidence",
        "New papers (PMIDs): PMIDs 31452104",
        "a quorum of 2",
        "r1 · 2026-03-02 12:03 · +4,000",
        "It earns it.",
        "Approved: +4,000",
        "Took effect by the Senate: base 1,000 → 5,000",
        "token budget 1,000 → 5,000",
        "0 of 20 net edges",
        "Where its lines stand now",
    )
    places = [shown.find(step) for step in steps]
    assert (min(places) > 0, places) == (True, sorted(places))
    assert f'href="{reviewers.page(type(proposal), proposal.pk)}"' in shown


def test_the_page_says_so_when_there_is_nothing(client: Client) -> None:
    reviewers.root(client)
    assert "Of this entity nothing is known here" in _shown(client, Envelope(entity_type="x", entity_id="y"))
    assert "Nothing has been proposed for it yet." in _shown(client, factories.envelope("h1"))
    nothing = Envelope(entity_type="hypothesis", entity_id="h9")
    senate.draft(of=nothing)
    assert "This entity has no envelope" in _shown(client, nothing)


def test_pools_and_policies_have_a_chain_and_no_envelope(client: Client) -> None:
    reviewers.root(client)
    pool = Envelope(entity_type="pool", entity_id="main")
    senate.draft(of=pool, measure="pool", requested_tokens=0, terms={"reserve_tokens": 7})
    shown = _shown(client, pool)
    assert ("set reserve tokens 7" in shown, "no envelope" in shown, "exact=pool" in shown) == (True, False, False)


def test_texts_are_shown_inert(client: Client) -> None:
    reviewers.root(client)
    own = factories.envelope("<b>h</b>")
    senate.submitted(of=own, justification="<script>alert(1)</script>", evidence=["<img src=x>", 7, {"url": "no"}])
    shown = _shown(client, own)
    assert ("<script>alert" in shown, "<img src=x>" in shown, "<b>h</b>" in shown) == (False, False, False)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown


def test_the_page_takes_the_right_to_read_envelopes(client: Client) -> None:
    own = factories.envelope("h1")
    reviewers.staff(client, "governance.view_proposal")
    assert client.get(_page(own)).status_code == 403


def test_envelopes_refusals_and_proposals_lead_to_the_chain(client: Client) -> None:
    reviewers.root(client)
    own = factories.envelope("a/b c")
    draft = _asked(_refused(own))
    for address in (
        reviewers.page(Envelope, own.pk),
        reviewers.page(Refusal),
        reviewers.page(type(draft), draft.pk),
    ):
        assert f'href="{_page(own)}"' in client.get(address).content.decode()
    assert (site.led_to_chain("odd/type", "x"), site.led_to_chain("t", "")) == ("odd/type:x", "t:")
    # A browser would go up a step at each pair of dots, to a page that has nothing to do with the entity.
    assert [site.led_to_chain(*name) for name in (("..", "x"), ("t", "a/../x"))] == ["..:x", "t:a/../x"]


def test_a_name_that_looks_like_a_query_leads_to_its_own_rows(client: Client) -> None:
    reviewers.root(client)
    own = factories.envelope("h1&entity_id__exact=h2#x")
    leads = "entity_type__exact=hypothesis&amp;entity_id__exact=h1%26entity_id__exact%3Dh2%23x"
    for address in (_page(own), reviewers.page(Envelope, own.pk)):
        assert f'{reviewers.page(Usage)}?{leads}"' in client.get(address).content.decode()
