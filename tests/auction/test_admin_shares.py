"""Splits, stipends, automatic bids and fallback in the admin: what the pages say, and the deeds on pools."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import pytest
from django.contrib.admin.models import LogEntry

from auction import fallback, gifts, pools, stipends
from auction.models import BidCycle, Clear, Fallback, FallbackShare, Pool, QuestAllocation, StipendDay
from config import history
from economics import mint
from tests import factories, reviewers
from tests.factories import NOON, after
from tests.reviewers import column, offered, page, press, said, staff

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
WHY = {"reason": "the worker is moved"}


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


# Splits and stipends


def test_the_split_of_a_day_is_told_with_what_it_follows_from(root: Client) -> None:
    """100,000 issued, half of it split 3 to 1 by the value of the tasks."""
    for name, value in (("tau", 3), ("rho", 1)):
        factories.quest_task(factories.quest(name), value)
    mint.issue_daily(now=NOON)
    (day,) = stipends.pay_due(now=NOON)
    shown = root.get(page(QuestAllocation))
    assert [column(shown, name) for name in ("quest", "figure_share", "figure_tokens", "figure_paid_tokens")] == [
        ["tau", "rho"],
        ["75 %", "25 %"],
        ["37,500", "12,500"],
        ["37,500", "12,500"],
    ]
    assert (column(shown, "figure_value_usd"), column(shown, "figure_reliability")) == (["3", "1"], ["1.000"] * 2)
    days = root.get(page(StipendDay))
    assert [column(days, f"figure_{name}") for name in ("pot_tokens", "paid_tokens", "left")] == [
        ["50,000"],
        ["50,000"],
        ["0"],
    ]
    card = root.get(page(StipendDay, day.day)).content.decode()
    (address,) = re.findall(r'href="([^"]+day__exact=[^"]+)"', card)
    assert len(root.get(address).context["cl"].result_list) == 2


def test_what_a_full_wallet_left_is_told(root: Client) -> None:
    StipendDay.objects.create(day=date(2026, 3, 2), pot_tokens=5_000, paid_tokens=3_500, at=NOON)
    assert column(root.get(page(StipendDay)), "figure_left") == ["1,500"]


# Automatic bids


def test_cycles_tell_why_tasks_did_not_bid(root: Client) -> None:
    counts = {"tasks": 9, "placed": 3, "kept": 1, "withdrawn": 2, "placed_tokens": 12_345}
    reasons = {"task_blocked": 2, "envelope_frozen": 1_200, "some_other": 1}
    book = pools.get(pools.DEFAULT)
    BidCycle.objects.create(pool=book, cycle_at=NOON, at=NOON, reasons=reasons, **counts)
    BidCycle.objects.create(pool=book, cycle_at=after(60), at=after(60), reasons={}, **counts)
    shown = root.get(page(BidCycle))
    assert column(shown, "why_not") == [
        "all did",
        "1,200 of a frozen envelope; 2 waiting for other tasks; 1 some other",
    ]
    assert column(shown, "figure_placed_tokens") == ["12,345"] * 2


# Fallback


def test_fallback_begins_after_a_question_and_a_reason(root: Client) -> None:
    book = factories.pool("gpu")
    asked = press(root, "begin_fallback", book)
    assert "Slots are given by the day&#x27;s split" in asked.content.decode()
    assert list(press(root, "begin_fallback", book, confirmed="yes", reason="").context["form"].errors) == ["reason"]
    assert Fallback.objects.count() == 0
    done = press(root, "begin_fallback", book, confirmed="yes", **WHY)
    assert said(done) == ["Pool gpu gives its slots from now on."]
    began = Fallback.objects.get()
    assert (began.why, began.note, began.ended_at) == ("by hand", "root: the worker is moved", None)
    assert Pool.objects.get(pk=book.pk).mode == "fallback"
    change = history.of(Pool, book.pk)[0]
    assert (change.who, change.why, change.changes["mode"]) == (
        "root",
        "the worker is moved",
        ["auction", "fallback"],
    )
    assert LogEntry.objects.get().object_id == str(book.pk)


def test_fallback_ends_after_a_question_and_a_reason(root: Client) -> None:
    book = factories.pool("gpu")
    fallback.begin("gpu", why="by hand", now=NOON)
    assert press(root, "end_fallback", book).status_code == 200
    assert Fallback.objects.get().ended_at is None
    assert said(press(root, "end_fallback", book, confirmed="yes", **WHY)) == ["Pool gpu sells again."]
    assert (Fallback.objects.get().ended_by, Pool.objects.get(pk=book.pk).mode) == ("root", "auction")


def test_only_pools_that_can_are_touched(root: Client) -> None:
    stopped, by_hand, by_itself, selling = (factories.pool(name, mode="auction") for name in ("s", "h", "i", "a"))
    Pool.objects.filter(pk=stopped.pk).update(mode="stopped")
    fallback.begin("h", why="by hand", note="before", now=NOON)
    fallback.begin("i", why="failures", now=NOON)
    pressed = press(root, "begin_fallback", stopped, by_hand, by_itself, selling, confirmed="yes", **WHY)
    assert sorted(said(pressed)) == [
        "Left as they were, because stopped or in fallback by hand already: 2.",
        "Pool a gives its slots from now on.",
        "Pool i gives its slots from now on.",
    ]
    standing = Fallback.objects.filter(ended_at=None).order_by("pool__name").values_list("pool__name", "why", "note")
    assert list(standing) == [
        ("a", "by hand", "root: the worker is moved"),
        ("h", "by hand", "before"),
        ("i", "by hand", "root: the worker is moved"),
    ]
    ended = press(root, "end_fallback", stopped, selling, confirmed="yes", **WHY)
    assert said(ended)[-2:] == ["Pool a sells again.", "Left as they were, because not in fallback: 1."]
    assert Pool.objects.get(pk=stopped.pk).mode == "stopped"


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("by hand", "by hand (2 of them). Slots are given"),
        ("failures", "because rounds failed again and again (2 of them). Slots are given"),
        ("stale", "because no round was completed for too long (2 of them). Slots are given"),
    ],
)
def test_a_pool_in_fallback_says_so_above_all_else(root: Client, why: str, told: str) -> None:
    book = factories.pool("gpu")
    assert 'class="warning"' not in root.get(page(Pool, book.pk)).content.decode()
    fallback.begin("gpu", why=why, note="2 of them", now=NOON)
    shown = root.get(page(Pool, book.pk)).content.decode()
    assert f"In fallback since 2026-03-02 12:00:00 UTC, {told}" in shown
    assert ("until somebody ends it here" in shown) == (why == "by hand")
    assert column(root.get(page(Pool)), "mode_now") == ["fallback", "Auction"]
    fallback.end("gpu", by="ada", now=after(60))
    assert "In fallback since" not in root.get(page(Pool, book.pk)).content.decode()


@pytest.mark.parametrize(
    ("mode", "deeds"),
    [
        ("auction", ["stop", "begin_fallback"]),
        ("fallback", ["stop", "begin_fallback", "end_fallback"]),
        ("stopped", ["resume"]),
    ],
)
def test_the_page_of_a_pool_offers_what_its_mode_allows(root: Client, mode: str, deeds: list[str]) -> None:
    book = factories.pool("gpu")
    Pool.objects.filter(pk=book.pk).update(mode=mode)
    shown = root.get(page(Pool, book.pk)).content.decode()
    assert re.findall(r'name="action" value="(\w+)"', shown) == deeds


def test_fallbacks_are_listed_with_their_end_and_lead_to_what_was_given(root: Client) -> None:
    book = factories.pool("gpu")
    quest = factories.quest("tau", into=book)
    factories.quest_task(quest, 1, name="t")
    fallback.begin("gpu", why="failures", note="3 rounds in a row", now=NOON)
    book.refresh_from_db()
    given = gifts.give(book, to=factories.agent(), now=after(5))
    assert given is not None
    assert column(root.get(page(Fallback)), "lasted") == ["still lasts"]
    began = fallback.end("gpu", by="a round", now=after(90))
    assert began is not None
    shown = root.get(page(Fallback))
    assert [column(shown, name) for name in ("pool", "why", "note", "lasted", "ended_by")] == [
        ["gpu"],
        ["rounds failed again and again"],
        ["3 rounds in a row"],
        ["0:01:30"],
        ["a round"],
    ]
    factories.sale(into=book, at=after(100))
    (address,) = re.findall(r'href="([^"]+is_given[^"]+)"', root.get(page(Fallback, began.pk)).content.decode())
    assert list(root.get(address.replace("&amp;", "&")).context["cl"].result_list) == [given]
    shares = root.get(page(FallbackShare))
    assert [column(shares, name) for name in ("account", "figure_share", "figure_given")] == [
        ["quest:tau"],
        ["100 %"],
        ["1"],
    ]
    assert Clear.objects.filter(is_given=True).count() == 1


def test_the_empty_pages_answer(root: Client) -> None:
    for model in (QuestAllocation, StipendDay, BidCycle, Fallback, FallbackShare):
        assert root.get(page(model)).status_code == 200


def test_only_those_who_may_change_pools_begin_and_end_fallback(client: Client) -> None:
    book = factories.pool("gpu")
    reader = staff(client, "auction.view_pool", "auction.view_fallback")
    assert offered(reader, Pool) == []
    press(reader, "begin_fallback", book, confirmed="yes", **WHY)
    assert Fallback.objects.count() == 0
    fallback.begin("gpu", why="by hand", now=NOON)
    press(reader, "end_fallback", book, confirmed="yes", **WHY)
    assert Fallback.objects.get().ended_at is None
    assert reader.get(page(Fallback)).status_code == 200
