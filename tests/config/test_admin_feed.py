"""The feed in the admin: read, narrowed to a kind, found by owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auction import clearing, settlement
from auction.models import Clear, Quest, Task
from config import feed
from config.models import Change, FeedEntry
from tests import factories, reviewers
from tests.factories import NOON, after
from tests.reviewers import page

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


def _kinds(client: Client, **terms: str) -> list[str]:
    """Return the kinds of the entries that the list shows, the oldest first."""
    rows = client.get(page(FeedEntry), terms).context["cl"].result_list
    return [entry.kind for entry in rows][::-1]


def test_what_the_market_tells_is_listed_and_narrowed(root: Client) -> None:
    """A round sells a slot, which nobody starts: its owner is told that it won and that it forfeited."""
    owner = factories.agent("bot")
    book = factories.pool("gpu")
    factories.slot(book)
    factories.bid(factories.wallet(1_000, owner=owner), 100, book)
    clearing.clear_round(NOON, "gpu")
    settlement.sweep(now=after(book.start_deadline_seconds))
    assert Clear.objects.get().state == "forfeited"
    told = ["won", "round_cleared", "forfeited"]
    assert sorted(_kinds(root)) == sorted(told)
    assert _kinds(root, kind="won") == ["won"]
    assert _kinds(root, kind="forfeited") == ["forfeited"]
    assert _kinds(root, q="bot") == ["won", "forfeited"]
    assert _kinds(root, q="nobody") == []


def test_every_kind_that_is_told_can_be_chosen(root: Client) -> None:
    (kinds,) = (
        [value for value, _text in spec.lookup_choices]
        for spec in root.get(page(FeedEntry)).context["cl"].filter_specs
        if spec.title == "kind"
    )
    ends = {state for state in Clear.State.values if state not in ("sold", "running", "finished")}
    assert set(kinds) == set(feed.KINDS) > ends


def test_an_entry_says_whom_it_is_for_and_what_happened(root: Client) -> None:
    feed.publish([feed.Entry("won", NOON, {"slot_id": "s"}, "quest", "tau"), feed.Entry("decided", NOON, {"n": 1})])
    shown = root.get(page(FeedEntry)).content.decode()
    assert [text in shown for text in ("quest tau", "slot_id s", "everybody", "n 1")] == [True] * 4
    assert root.get(page(FeedEntry, FeedEntry.objects.latest("pk").pk)).status_code == 200


def test_what_no_column_can_hold_narrows_no_list_and_names_no_row(root: Client) -> None:
    for model, term in ((FeedEntry, "kind"), (Change, "table_name"), (Task, "quest__exact"), (Task, "stands")):
        answer = root.get(page(model), {term: "\0"}, follow=True)
        assert (answer.status_code, answer.redirect_chain) == (200, [(f"{page(model)}?e=1", 302)])
    for named in (Quest, Task, FeedEntry):
        assert root.get(f"{page(named)}a%00b/change/").status_code == 302
