"""Enactment: what was compared is what is changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from economics import envelopes, revisions
from governance import enactment, errors, measures
from tests.factories import NOON, REVIEWER
from tests.governance import senate

if TYPE_CHECKING:
    from governance.models import Proposal

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("base", ["x", 5, []])
def test_a_base_that_another_program_wrote_is_no_base(base: object) -> None:
    voters = senate.reviewers(2)
    proposal = senate.draft()
    by_hand = senate.open_ballot(proposal, *voters, base=base)
    senate.vote(by_hand, voters[0])
    decided = senate.cast(proposal, voters[1])
    assert (decided.status, decided.waits_because) == ("approved", errors.StaleBaseError().detail)
    assert enactment.stale(decided, now=NOON)


def test_an_envelope_opened_after_the_base_was_read_is_not_changed_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = senate.reviewers(2)
    proposal = senate.put(entity_id="new")
    senate.cast(proposal, first)
    read = measures.base

    def read_and_overtaken(of: Proposal, **at: Any) -> dict[str, Any]:
        stands = read(of, **at)
        if not stands["base"]:
            envelopes.open_envelope("hypothesis", "new", author=REVIEWER, now=NOON, token_budget=1_000)
        return stands

    monkeypatch.setattr(measures, "base", read_and_overtaken)
    decided = senate.cast(proposal, second)

    assert (decided.status, decided.waits_because) == ("approved", "This entity has an envelope already.")
    monkeypatch.undo()
    # A refused deed leaves nothing, here not even the envelope that somebody else would have opened.
    assert enactment.enact(proposal.pk, author=revisions.Author("the Senate"), now=NOON).status == "enacted"
    assert envelopes.get("hypothesis", "new").token_budget == 500


@pytest.mark.parametrize(("days", "status"), [(1, "enacted"), (2, "approved")])
def test_a_grant_for_one_window_is_not_one_for_another(days: int, status: str) -> None:
    first, second = senate.reviewers(2)
    proposal = senate.put(measure="grant", lasts_from=NOON + timedelta(days=1))
    senate.cast(proposal, first)
    decided = senate.cast(proposal, second, at=NOON + timedelta(days=days, hours=1))
    waits = "" if status == "enacted" else "The time it was asked for is over."
    assert (decided.status, decided.waits_because) == (status, waits)
