"""Measures: every class of a line in its own unit, lines beside the envelope's own, and what each leaves on record."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from auction.models import Pool
from config import history, requests
from economics import revisions
from economics.models import Revision
from governance import enactment
from tests import factories
from tests.factories import after
from tests.governance import senate

if TYPE_CHECKING:
    from governance.models import Proposal

pytestmark = pytest.mark.django_db


def _approved(**terms: Any) -> Proposal:
    """Return what scout asked for and two reviewers approved whole."""
    voters = senate.reviewers(2)
    proposal = senate.put(**terms)
    for voter in voters:
        proposal = senate.cast(proposal, voter)
    return proposal


@pytest.mark.parametrize(
    ("resource_type", "column", "stood", "stands"),
    [
        ("cpu_seconds", "cpu_budget", Decimal(3_600), Decimal(4_100)),
        ("storage_gb_hours", "storage_budget_gb", Decimal("2.5"), Decimal("502.5")),
        ("api_calls", "api_call_budget", 10, 510),
    ],
)
def test_every_class_is_raised_in_its_own_unit(
    resource_type: str, column: str, stood: Decimal | int, stands: Decimal | int
) -> None:
    given: dict[str, Any] = {column: stood}
    own = factories.envelope(tokens=1_000, **given)
    done = _approved(of=own, resource_type=resource_type)
    assert (done.status, done.granted_tokens) == ("enacted", 500)
    own.refresh_from_db()
    assert (getattr(own, column), own.token_budget) == (stands, 1_000)


def test_a_line_of_another_window_is_raised_and_the_envelopes_own_stays() -> None:
    own = factories.envelope(tokens=1_000)
    factories.line(own, 5_000, tier="", window="month")
    _approved(of=own, window_kind="month")
    assert [factories.figures(own, window=window).limit for window in ("day", "month")] == [1_000, 5_500]


def test_a_freeze_is_on_record_with_its_proposal_and_the_request() -> None:
    own = factories.envelope()
    with requests.known_as("r-1"):
        frozen = _approved(of=own, measure="freeze", requested_tokens=0)
    revision = Revision.objects.filter(envelope=own, cause_kind="proposal").latest("pk")
    assert (revision.cause_id, revision.request_id, revision.who) == (str(frozen.pk), "r-1", "the Senate")
    assert revision.changes["state"] == ["active", "frozen"]


def test_a_pools_new_settings_are_on_record_with_their_proposal_and_the_request() -> None:
    pool = factories.pool("gpu", reserve_tokens=5)
    asked = _approved(
        entity_type="pool", entity_id="gpu", measure="pool", requested_tokens=0, terms={"reserve_tokens": 20}
    )
    with requests.known_as("r-1"):
        author = revisions.Author("cato", "as voted")
        enactment.enact(asked.pk, author=author, now=after(2), as_chair=True)
    change = history.of(Pool, pool.pk)[0]
    assert (change.at, change.who, change.why, change.request_id) == (after(2), "cato", "as voted", "r-1")
    assert (change.cause_kind, change.cause_id, change.changes) == (
        "proposal",
        str(asked.pk),
        {"reserve_tokens": [5, 20]},
    )
