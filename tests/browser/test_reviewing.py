"""A reviewer's day: the queue, the card, a vote with a reason, the quorum, and what became of the envelope."""

from __future__ import annotations

import csv
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from playwright.sync_api import expect

from economics.models import Envelope
from governance import ballots, proposals
from governance.models import Proposal, Vote
from tests import factories
from tests.browser import accessibility, house, people
from tests.governance import senate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.browser.conftest import Visit
    from tests.browser.seating import Theme

    Shot = Callable[[house.Visitor, str], Path]


def asked(entity: str = "h1", tokens: int = 500) -> Proposal:
    """Return what scout asks of all who have a vote by now: 500 LLM tokens a day more, on an envelope of 1,000."""
    now = timezone.now()
    terms: dict[str, Any] = {"filed_at": now, "gain_by": now + timedelta(days=28), "requested_tokens": tokens}
    draft = senate.draft(of=factories.envelope(entity), **terms)
    return ballots.submit(draft.pk, by=senate.proposer(senate.scout()), now=now)


def test_two_reviewers_decide_and_the_envelope_changes(visit: Visit, theme: Theme, shot: Shot) -> None:
    ada, ben = visit("reviewer", "ada", theme=theme), visit("reviewer", "ben", theme=theme, phone=True)
    proposal = asked()

    ada.go(house.QUEUE)
    ada.sees("hypothesis:h1")
    shot(ada, "queue")
    ada.opens_card(proposal.pk)
    for told in ("1,000", "1,500", "It finds edges and has run dry.", "expired for want of a quorum", "31452104"):
        ada.sees(told)
    ada.sees("May still vote: ada, ben.")
    shot(ada, "card")
    ada.votes("Approve", "Its last 500 found three edges.")
    ada.sees("Your vote is cast. The proposal is submitted.")
    ada.sees("May still vote: ben.")
    ada.go(house.QUEUE)
    ada.sees("Nothing waits for your vote.")
    ada.sees("Voted, and still open")

    ben.go(house.QUEUE)
    ben.opens_card(proposal.pk)
    ben.sees("Its last 500 found three edges.")
    ben.votes("Approve", "I see it the same way.")
    ben.sees("Your vote is cast. The proposal is enacted.")
    shot(ben, "decided")

    assert Envelope.objects.get(entity_id="h1").token_budget == 1_500
    said = Vote.objects.order_by("pk").values_list("voter_name", "choice", "amount", "reason")
    assert list(said) == [
        ("ada", "approve", 500, "Its last 500 found three edges."),
        ("ben", "approve", 500, "I see it the same way."),
    ]
    ben.go(f"/admin/governance/proposal/{proposal.pk}/change/")
    ben.follows("its story")
    ben.sees("1,000 → 1,500")
    shot(ben, "chain")


def test_a_vote_without_a_reason_is_asked_again(visit: Visit, shot: Shot) -> None:
    ada, _ben = visit("reviewer", "ada"), visit("reviewer", "ben")
    proposal = asked()
    ada.go(house.QUEUE)
    ada.opens_card(proposal.pk)
    ada.votes("Reject", "")
    expect(ada.dialog().get_by_label("Reason")).to_be_focused()
    shot(ada, "asked-again")
    assert not Vote.objects.exists()


def test_a_part_is_approved_in_the_dialog_and_nothing_is_kept_of_one_that_is_left(visit: Visit, shot: Shot) -> None:
    ada, _ben = visit("reviewer", "ada"), people.person("reviewer", "ben")
    proposal = asked()
    ada.go(house.QUEUE)
    ada.opens_card(proposal.pk)
    ada.press("Vote…")
    expect(ada.dialog().get_by_label("So much")).to_be_hidden()
    ada.dialog().get_by_label("Approve less", exact=True).check()
    ada.dialog().get_by_label("So much").fill("200")
    shot(ada, "dialog")
    accessibility.axe(ada.page)
    ada.hits("Escape")
    expect(ada.dialog()).to_have_count(0)
    expect(ada.button("Vote…")).to_be_focused()
    ada.hits("Enter")
    expect(ada.dialog().get_by_label("Approve less", exact=True)).not_to_be_checked()
    ada.dialog().get_by_label("Approve less", exact=True).check()
    expect(ada.dialog().get_by_label("So much")).to_have_value("")
    ada.dialog().get_by_label("So much").fill("300")
    ada.dialog().get_by_label("Reason").fill("It is enough for now.")
    ada.dialog().get_by_role("button", name="Cast this vote").click()
    ada.sees("Your vote is cast.")
    said = Vote.objects.get()
    assert (said.choice, said.amount) == ("approve", 300)


def test_without_a_script_a_vote_is_cast_from_a_page_of_its_own(visit: Visit, shot: Shot) -> None:
    ada, _ben = visit("reviewer", "ada", scripts=False), people.person("reviewer", "ben")
    proposal = asked()
    ada.go(house.QUEUE)
    ada.opens_card(proposal.pk)
    ada.press("Vote…")
    ada.sees("It finds edges and has run dry.")
    ada.page.get_by_label("Defer", exact=True).check()
    ada.press("Cast this vote")
    ada.sees("This field is required.")
    shot(ada, "asked-again")
    ada.page.get_by_label("Reject", exact=True).check()
    ada.field("Reason").fill("Too early.")
    ada.press("Cast this vote")
    ada.sees("Your vote is cast.")
    assert Vote.objects.get().choice == "reject"


def test_several_of_low_risk_are_voted_on_together(visit: Visit, theme: Theme, shot: Shot) -> None:
    ada, ben = visit("reviewer", "ada", theme=theme), people.person("reviewer", "ben")
    people.person("reviewer", "eve")
    now = timezone.now()
    small = []
    for entity in ("h1", "h2", "h3"):
        factories.observation(entity, reference="31452104", at=now)
        small.append(asked(entity, 50))
    large = asked("h4")
    ballots.cast(small[0].pk, voter=ben, choice="approve", reason="Yes.", now=timezone.now())
    ada.go(house.QUEUE)
    expect(ada.page.get_by_role("checkbox", name="Choose proposal")).to_have_count(3)
    accessibility.axe(ada.page)
    for one in small[:2]:
        ada.page.get_by_role("checkbox", name=f"Choose proposal {one.pk}").check()
    ada.press("Vote on the chosen ones…")
    ada.sees("2 proposals, and what each would change")
    shot(ada, "preview")
    accessibility.axe(ada.page)
    proposals.withdraw(small[1].pk, by=senate.proposer(senate.scout()), now=timezone.now())
    ada.page.get_by_label("Approve", exact=True).check()
    ada.field("Reason").fill("Small steps on sound grounds.")
    ada.press("Cast this vote on 2")
    ada.sees("What became of your vote on 2 proposals")
    ada.sees("The proposal is enacted.")
    ada.sees("Voting on this proposal is over.")
    shot(ada, "results")
    assert Envelope.objects.get(entity_id="h1").token_budget == 1_050
    assert Vote.objects.filter(voter_name="ada").count() == 1
    expect(ada.card(large.pk)).to_be_visible()


def test_a_vote_is_cast_on_a_phone(visit: Visit, theme: Theme, shot: Shot) -> None:
    ada, _ben = visit("reviewer", "ada", theme=theme, phone=True), people.person("reviewer", "ben")
    proposal = asked()
    ada.go(house.QUEUE)
    shot(ada, "queue")
    ada.opens_card(proposal.pk)
    shot(ada, "card")
    ada.votes("Reject", "Too early.")
    ada.sees("Your vote is cast.")
    shot(ada, "voted")
    assert Vote.objects.get().choice == "reject"


def test_a_vote_is_cast_with_the_keyboard_alone(visit: Visit) -> None:
    people.person("reviewer", "ada")
    people.person("reviewer", "ben")
    proposal = asked()
    ada = visit()
    ada.go(house.QUEUE)
    ada.tabs_to(ada.field("Username"))
    ada.types("ada")
    ada.tabs_to(ada.field("Password"))
    ada.types(people.PASSWORD)
    ada.hits("Enter")
    ada.tabs_to(ada.card(proposal.pk))
    ada.hits("Enter")
    ada.tabs_to(ada.button("Vote…"))
    ada.hits("Enter")
    expect(ada.dialog().get_by_role("radio").first).to_be_focused()
    ada.hits("Space")
    ada.hits("ArrowDown")
    ada.hits("ArrowDown")  # from the first choice, approve, over approving less to the third
    ada.tabs_to(ada.dialog().get_by_label("Reason"))
    ada.types("Not before the replication.")
    ada.tabs_to(ada.dialog().get_by_role("button", name="Cast this vote"))
    ada.hits("Enter")
    ada.sees("Your vote is cast.")
    said = Vote.objects.get()
    assert (said.voter_name, said.choice, said.reason) == ("ada", "reject", "Not before the replication.")


def test_a_list_is_saved_as_a_sheet_that_comes_row_by_row(
    visit: Visit, theme: Theme, tmp_path: Path, shot: Shot
) -> None:
    aulus = visit("auditor", theme=theme)
    for name in ("ada", "ben"):
        people.person("reviewer", name)
    filed = [asked(f"h{number}") for number in range(1, 4)]
    aulus.go(house.PROPOSALS)
    shot(aulus, "list")
    with aulus.page.expect_response(lambda answer: "/export/" in answer.url) as coming:
        sheet = aulus.saves_sheet(tmp_path)
    assert sheet.name == f"proposals-{timezone.now():%Y-%m-%d}.csv"
    rows = list(csv.DictReader(sheet.read_text("utf-8-sig").splitlines()))
    assert [(row["id"], row["entity_id"]) for row in rows] == [(str(one.pk), one.entity_id) for one in filed[::-1]]
    headers = coming.value.all_headers()
    assert headers["content-disposition"].startswith("attachment")
    assert "content-length" not in headers  # nobody knew how long it would be when it began
