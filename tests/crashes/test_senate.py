"""A deed of the Senate that dies at any of its steps is done whole or not at all, and done again it is done once."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import transaction

from economics import envelopes
from economics.models import Revision
from governance import ballots, errors
from governance.models import Ballot, Elector, Enactment, Vote
from tests import factories
from tests.crashes import blows
from tests.factories import NOON
from tests.governance import senate

if TYPE_CHECKING:
    from collections.abc import Callable

    from governance.models import Proposal

pytestmark = pytest.mark.usefixtures("committed_db")

DEADLINE: Final = NOON + senate.VOTING


@transaction.atomic  # one commit instead of dozens
def _asked(**said: str | int) -> Proposal:
    """Put a proposal on an envelope of 1,000 before r1, r2 and r3, of whom these have voted: an amount approves it."""
    senate.reviewers(3)
    proposal = senate.put(of=factories.envelope())
    for name, vote in said.items():
        choice, amount = ("approve", vote) if isinstance(vote, int) else (vote, None)
        senate.cast(proposal, senate.reviewer(name), choice, amount)
    return proposal


def decide(proposal: Proposal) -> None:
    """Cast the vote that settles it; whoever tries again hears that it is done."""
    try:
        senate.cast(proposal, senate.reviewer("r2"), amount=300)
    except errors.VotingClosedError:
        return


def end_in_time(_proposal: Proposal) -> None:
    ballots.close_due(now=DEADLINE)


def bring_back(_proposal: Proposal) -> None:
    ballots.bring_back_due(now=NOON + timedelta(days=7))


# What was said before, the deed, and how many steps it has at least.
DEEDS: Final[dict[str, tuple[dict[str, str | int], Callable[[Proposal], None], int]]] = {
    "a vote that decides": ({"r1": 500, "r3": "reject"}, decide, 30),
    "a deadline": ({"r1": 500, "r2": 300}, end_in_time, 30),
    "a return": ({"r1": "defer", "r2": "defer", "r3": "defer"}, bring_back, 20),
}


def _picture(proposal: Proposal) -> list[Any]:
    proposal.refresh_from_db()
    assert senate.is_told(proposal)
    mine = {"cause_kind": "proposal", "cause_id": str(proposal.pk)}
    return [
        proposal.status,
        proposal.granted_tokens,
        envelopes.get(proposal.entity_type, proposal.entity_id).token_budget,
        *Ballot.objects.filter(proposal=proposal).order_by("pk").values_list("outcome", "granted"),
        *sorted(Elector.objects.filter(ballot__proposal=proposal).values_list("ballot__number", "name")),
        *Vote.objects.filter(ballot__proposal=proposal).order_by("pk").values_list("choice", "amount"),
        *Enactment.objects.filter(proposal=proposal).values_list("granted", "enacted_by"),
        *Revision.objects.filter(**mine).order_by("pk").values_list("changes__token_budget", flat=True),
    ]


@pytest.mark.parametrize("blow", [blows.kill_process, blows.end_session], ids=["process killed", "session ended"])
@pytest.mark.parametrize("name", DEEDS)
def test_a_deed_struck_down_at_any_step_is_done_once(name: str, blow: Callable[[], None]) -> None:
    said, deed, fewest = DEEDS[name]
    scene = _asked(**said)
    before = _picture(scene)
    deed(scene)
    done = _picture(scene)
    assert before != done

    for step in itertools.count():
        scene = _asked(**said)
        struck = blows.struck(lambda: deed(scene), blow=blow, step=step)  # noqa: B023 - done at once
        assert _picture(scene) in (before, done), step
        deed(scene)
        assert _picture(scene) == done, step
        if not struck:
            break

    assert step >= fewest
