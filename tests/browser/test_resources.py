"""The Resources page before people: its tabs, a round that clears while they look, a pause, and no script at all."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import expect

from auction import clearing, next_task, order_book, pools, runs, settlement
from tests import factories
from tests.browser import accessibility

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from auction.models import Quest
    from tests.browser import house
    from tests.browser.conftest import Visit
    from tests.browser.seating import Theme

    Shot = Callable[[house.Visitor, str], Path]

AUCTION: Final = "/resources/auction"
LIVE: Final = re.compile("/resources/auction/live")
TABLES: Final = {  # of each tab, one that stands behind a chart
    "Budgets": "How full the envelopes are",
    "Usage": "Spend by day",
    "Quests": "Who spends",
    "Auction": "Clearing prices of the last 24 hours",
}


@pytest.fixture
def quest(site: str) -> Quest:
    """Return a quest with tokens, and a pool of 2 slots that sells none for less than 100."""
    pools.configure(pools.DEFAULT, capacity=2, reserve_tokens=100, usd_per_token=Decimal("0.001"))
    return factories.quest("alzheimer-map", 100_000)


def _bids(quest: Quest, *prices: int) -> None:
    now = datetime.now(UTC)
    for price in prices:
        task = factories.quest_task(quest, Decimal(price) / 500, title=f"Read cohort {price}")
        order_book.place_bid(
            wallet=quest.account_id,
            task_id=task.pk,
            max_price_tokens=price,
            ttl_at=now + timedelta(hours=1),
            now=now,
            time_in_force="gtd",
        )


def _clears() -> None:
    now = datetime.now(UTC)
    pools.top_up(now=now)
    clearing.clear_round(now, pools.DEFAULT)


def test_a_round_is_watched_as_it_clears(visit: Visit, quest: Quest, theme: Theme, shot: Shot) -> None:
    _bids(quest, 900, 700)
    ada, ben = visit("reviewer", theme=theme), visit("reviewer", "ben", theme=theme, phone=True)
    for one in (ada, ben):
        one.go(AUCTION)
        one.sees("No round yet.")
    assert "Best bid / lowest ask 900 / —" in ada.reads()
    shot(ada, "before")

    _bids(quest, 400)
    _clears()
    ada.sees("sold 2 of 2 slots at 400 tokens.")  # without a hand on anything
    seen = ada.reads()
    assert "Last price 400" in seen
    assert "100 % 2 of 2 slots offered" in seen
    assert "Best bid / lowest ask 400 / —" in seen
    assert "Read cohort 900 quest:alzheimer-map 900 400 sold 0.90 1.80 not graded" in seen
    expect(ada.page.get_by_role("status").filter(has_text="sold 2 of 2 slots")).to_be_visible()
    shot(ada, "after")
    ben.sees("sold 2 of 2 slots at 400 tokens.")
    shot(ben, "after-on-a-phone")


def test_updates_are_paused_and_resumed(visit: Visit, quest: Quest) -> None:
    _bids(quest, 900)
    ada = visit("reviewer")
    ada.page.clock.install()
    ada.go(AUCTION)
    with ada.page.expect_response(LIVE):
        pass
    ada.press("Pause updates")
    _clears()
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))
    ada.page.clock.run_for(60_000)  # a minute of the page's own time, in which it would have asked again and again
    assert asked == []
    assert "No round yet." in ada.reads()
    ada.press("Resume updates")
    ada.sees("sold 1 of 2 slots at 100 tokens.")


def test_the_focus_stays_while_figures_change_around_it(visit: Visit, quest: Quest) -> None:
    _bids(quest, 900)
    _clears()
    ada = visit("reviewer")
    ada.go(AUCTION)
    link = ada.page.get_by_role("link", name="Read cohort 900")
    link.focus()
    _bids(quest, 800)
    ada.sees("800 / ")
    expect(ada.page.get_by_role("link", name="Read cohort 900")).to_be_focused()


def _something_on_each_tab(quest: Quest) -> None:
    factories.model()
    own = factories.envelope("microglia-clearance", tokens=10_000)
    factories.record(own, 9_000, at=datetime.now(UTC))
    _bids(quest, 900, 700, 400)
    _clears()
    worker, now = factories.agent("worker"), datetime.now(UTC)
    won = next_task.next_task(worker, now=now).clear
    assert won is not None
    runs.start(won.slot_id, runner=worker, now=now)
    settlement.settle(won.slot_id, 42_000, Decimal("1.25"), now=now, runner=worker)


def test_every_tab_is_sound_in_light_and_dark_and_on_a_phone(
    visit: Visit, quest: Quest, theme: Theme, shot: Shot
) -> None:
    _something_on_each_tab(quest)
    desk, phone = visit("reviewer", theme=theme), visit("reviewer", theme=theme, phone=True)
    for who, kind in ((desk, "desk"), (phone, "phone")):
        who.go("/resources")
        for tab in TABLES:
            who.follows(tab)
            expect(who.page.get_by_role("link", name=tab, exact=True)).to_have_attribute("aria-current", "page")
            accessibility.axe(who.page)
            width = who.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert width[0] <= width[1], f"{tab} on a {kind} is wider than its screen"
            shot(who, f"{tab.lower()}-{kind}")


def test_without_javascript_everything_stands_in_tables(visit: Visit, quest: Quest, shot: Shot) -> None:
    _something_on_each_tab(quest)
    ada = visit("reviewer", scripts=False)
    ada.go("/resources")
    for tab, table in TABLES.items():
        ada.follows(tab)
        ada.page.locator("summary", has_text=f"Table of {table}").click()
        expect(ada.page.locator("details[open] table")).to_be_visible()
        shot(ada, tab.lower())
    expect(ada.page.get_by_role("heading", name="Last rounds")).to_be_visible()
    expect(ada.page.get_by_role("row", name="Read cohort 900")).to_be_visible()
    expect(ada.page.get_by_role("columnheader", name="Mean price")).to_be_visible()
    expect(ada.button("Pause updates")).to_have_count(0)
    expect(ada.page.locator("noscript p").filter(has_text="Load the page again")).to_be_visible()
