"""axe-core on the main pages, light and dark, on a desk and on a telephone: nothing critical, nothing serious."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.urls import reverse

from auction.models import Pool
from config.models import Agent
from economics.models import Envelope
from governance.models import Proposal
from tests import factories
from tests.browser import accessibility, house
from tests.browser.test_reviewing import asked
from tests.factories import NOON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import ViewportSize

    from tests.browser.conftest import Visit

    Shot = Callable[[house.Visitor, str], Path]

LISTS: Final = (
    *("economics_envelope", "economics_usageday", "economics_alert", "economics_review"),
    *("auction_bid", "auction_round", "auction_slot", "auction_pool", "governance_proposal"),
)
DESK: Final[ViewportSize] = {"width": 1440, "height": 900}
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}


def _world() -> None:
    """Let there be something on every page: a proposal to vote on, usage of its entity, and a round that sold."""
    proposal = asked("h1")
    own = Envelope.objects.get(entity_type=proposal.entity_type, entity_id=proposal.entity_id)
    factories.model("m")
    factories.record(own, 600, model="m")
    factories.sale(100, owner=factories.wallet(1_000, owner=Agent.objects.get(pk="scout")), at=NOON)


def _pages() -> dict[str, str]:
    """Return the addresses of the main pages by name."""
    proposal, envelope, pool = Proposal.objects.get(), Envelope.objects.get(entity_id="h1"), Pool.objects.first()
    assert pool is not None
    return {
        "home": house.HOME,
        "queue": house.QUEUE,
        "card": reverse("admin:governance_proposal_change", args=[proposal.pk]),
        "follow-up": reverse("admin:governance_proposal_follow_up"),
        "chain": reverse("admin:governance_chain", args=[envelope.entity_type, envelope.entity_id]),
        "envelope": reverse("admin:economics_envelope_change", args=[envelope.pk]),
        "pool": reverse("admin:auction_pool_change", args=[pool.pk]),
        "app": reverse("admin:app_list", args=["auction"]),
        **{name.partition("_")[2] + "-list": reverse(f"admin:{name}_changelist") for name in LISTS},
    }


def _looks(visitor: house.Visitor, of: str, shot: Shot) -> Iterator[str]:
    """Yield what is found on the page before somebody in each of its four looks; keep pictures of two of them."""
    for theme in ("light", "dark"):
        visitor.wears(theme)
        for kind, screen in (("desk", DESK), ("phone", PHONE)):
            visitor.page.set_viewport_size(screen)
            if (theme == "dark") == (kind == "phone"):
                shot(visitor, f"{of}-{theme}-{kind}")
            found = accessibility.findings(visitor.page, colours_only=theme == "dark")
            yield from (f"{of} {theme} {kind} {finding}" for finding in found)


def test_the_main_pages_keep_nobody_out(visit: Visit, shot: Shot) -> None:
    stranger, ada = visit(), visit("reviewer", "ada")
    visit("reviewer", "ben")
    _world()
    stranger.go(house.LOGIN)
    found = [*_looks(stranger, "login", shot)]
    for name, address in _pages().items():
        ada.go(address)
        found += _looks(ada, name, shot)
    ada.page.set_viewport_size(DESK)
    ada.go(_pages()["card"])
    ada.press("Vote…")
    found += _looks(ada, "vote", shot)
    assert not found, f"{len(found)} critical or serious findings\n" + "\n".join(found)
