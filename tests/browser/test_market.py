"""The market's pages in a browser: the book, a round done again, a wallet mended in a dialog, a slot taken back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from auction import clearing, runs, settlement
from auction.models import Clear, Pool, Round
from economics.models import Account
from tests import factories
from tests.browser import accessibility

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.browser import house
    from tests.browser.conftest import Visit
    from tests.browser.seating import Theme

    Shot = Callable[[house.Visitor, str], Path]

POOL = "gpu"
BOOK = f"/admin/auction/bid/book/?pool={POOL}"
PRICES = (4_200, 3_900, 3_500, 3_500, 2_800, 2_400, 2_100, 1_800, 1_500, 900, 600, 400)


class Market(NamedTuple):
    """A round that sold four slots, one of which has run, and a book with a dozen bids."""

    pool: Pool
    round: Round
    wallet: Account


@transaction.atomic
def _market() -> Market:
    now = timezone.now() - timedelta(minutes=2)
    pool = factories.pool(POOL, reserve_tokens=500, cycle_seconds=86_400, start_deadline_seconds=3_600)
    quest = factories.quest("map-the-kinases", 90_000, into=pool)
    for _ in range(4):
        factories.slot(pool, available_at=now)
    wallets = [factories.wallet(20_000, owner=factories.agent(f"worker-{number}")) for number in range(6)]
    for number, price in enumerate((3_100, 2_700, 2_500, 1_900, 1_700, 800)):
        factories.bid(wallets[number], price, pool, at=now)
    stored = clearing.clear_round(now, POOL)
    first = Clear.objects.filter(round=stored).order_by("-max_price_tokens")[0]
    worker = factories.runner(first)
    runs.start(first.slot_id, runner=worker, now=now)
    settlement.settle(first.slot_id, 42_000, Decimal("1.25"), now=now + timedelta(seconds=30), runner=worker)
    for number, price in enumerate(PRICES):
        if number % 3:
            factories.bid(wallets[number % 6], price, pool, at=now, gtd=True)
        else:
            factories.bid(quest.account, price, pool, work=factories.quest_task(quest, 9), at=now, gtd=True)
    factories.slot(pool, provider=factories.agent("labcloud", kind="provider"), reserve=2_000, available_at=now)
    for _ in range(4):
        factories.slot(pool, available_at=now)
    with connection.cursor() as cursor:  # what no rule does
        cursor.execute("UPDATE token_accounts SET held = held + 40 WHERE id = %s", [wallets[0].pk])
    return Market(pool, stored, wallets[0])


def test_an_operator_reads_the_market_and_mends_it(visit: Visit, theme: Theme, shot: Shot) -> None:
    market = _market()
    otto = visit("operator", theme=theme)
    otto.go(BOOK)
    otto.sees("Would be sold now")
    accessibility.axe(otto.page)
    shot(otto, "book")

    otto.go(f"/admin/auction/round/{market.round.pk}/change/")
    shot(otto, "round")
    otto.press("Replay")
    otto.sees("The replay gives the stored result exactly.")
    accessibility.axe(otto.page)
    shot(otto, "replay")

    otto.go(f"/admin/auction/bid/wallet/{market.wallet.pk}/")
    otto.sees("40 of")
    accessibility.axe(otto.page)
    shot(otto, "wallet")
    otto.press("Release what is held for nothing…")
    dialog = otto.page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("Left behind by a restore; the audit names it.")
    accessibility.axe(otto.page)
    shot(otto, "dialog")
    dialog.get_by_role("button", name="Release", exact=True).click()
    otto.sees("Released 40 wallet tokens")
    otto.page.wait_for_load_state()
    held = Account.objects.get(pk=market.wallet.pk).held
    assert held == Account.objects.get(pk=market.wallet.pk).balance - Account.objects.get(pk=market.wallet.pk).available

    sold = Clear.objects.filter(round=market.round, state="sold")[0]
    otto.go(f"/admin/auction/clear/{sold.pk}/change/")
    shot(otto, "clear")
    otto.press("Take back and offer again…")
    otto.field("Reason").fill("Its runner was lost.")
    shot(otto, "asked")
    otto.press("Take back and offer again")
    otto.sees("is taken back; released")
    otto.page.wait_for_load_state()
    sold.refresh_from_db()
    assert sold.state == "withdrawn"

    for name in ("slot", "bid", "clear", "round", "pool"):
        otto.go(f"/admin/auction/{name}/")
        shot(otto, f"{name}s")
    otto.go(f"/admin/auction/pool/{market.pool.pk}/change/")
    accessibility.axe(otto.page)
    shot(otto, "pool")


def test_a_reviewer_reads_the_market_on_a_telephone(visit: Visit, shot: Shot) -> None:
    market = _market()
    ada = visit("reviewer", phone=True)
    for name, address in (
        ("book", BOOK),
        ("replay", f"/admin/auction/round/{market.round.pk}/replay/"),
        ("wallet", f"/admin/auction/bid/wallet/{market.wallet.pk}/"),
        ("slots", "/admin/auction/slot/"),
        ("pool", f"/admin/auction/pool/{market.pool.pk}/change/"),
    ):
        ada.go(address)
        shot(ada, name)
        assert ada.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
    assert ada.button("Release what is held for nothing…").count() == 0
