"""What happened is read in one order: nothing twice, nothing missed, and only by whom it concerns."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from config import feed, retention
from config.models import FeedEntry
from tests.factories import NOON, after, refused

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = pytest.mark.django_db

ANN, BEN = ("agent", "ann"), ("agent", "ben")
DEEP = ("quest", "deep")


def _told(number: int, owner: tuple[str, str] = ("", ""), *, at: datetime = NOON, **terms: Any) -> feed.Entry:
    return feed.Entry(terms.pop("kind", "won"), at, {"number": number}, *owner, **terms)


def _numbers(page: feed.Page) -> list[int]:
    return [entry.data["number"] for entry in page.entries]


def test_an_empty_feed_stands_at_0() -> None:
    feed.publish([])
    assert feed.last() == 0
    assert feed.read(None, 10, owners=None) == feed.Page([], 0, is_last=True)
    assert feed.read(0, 10, owners=None) == feed.Page([], 0, is_last=True)


def test_what_was_published_is_read_in_its_order_page_by_page() -> None:
    feed.publish([_told(number) for number in range(1, 6)])

    first = feed.read(None, 2, owners=None)
    second = feed.read(first.after, 2, owners=None)
    third = feed.read(second.after, 2, owners=None)

    assert [(_numbers(page), page.after, page.is_last) for page in (first, second, third)] == [
        ([1, 2], 2, False),
        ([3, 4], 4, False),
        ([5], 5, True),
    ]
    assert feed.read(third.after, 2, owners=None) == feed.Page([], 5, is_last=True)


def test_what_comes_later_stands_behind_all_that_was_read_though_its_id_is_smaller() -> None:
    """A row whose transaction is slow has an early id; it was not there when others got their positions."""
    feed.publish([_told(1), _told(2), _told(3)])
    slow = FeedEntry.objects.get(data__number=2)
    FeedEntry.objects.exclude(pk=slow.pk).update(position=None)
    for position, number in ((1, 1), (2, 3)):
        FeedEntry.objects.filter(data__number=number).update(position=position)

    assert _numbers(feed.read(2, 10, owners=None)) == [2]
    assert _numbers(feed.read(0, 10, owners=None)) == [1, 3, 2]


def test_positions_stay_as_they_are_and_new_ones_follow() -> None:
    feed.publish([_told(1), _told(2)])
    assert feed.last() == feed.last() == 2
    feed.publish([_told(3)])
    assert feed.last() == 3
    assert list(FeedEntry.objects.order_by("pk").values_list("position", flat=True)) == [1, 2, 3]


def test_each_reads_what_is_public_and_what_is_for_him() -> None:
    feed.publish([_told(1), _told(2, ANN), _told(3, BEN), _told(4, DEEP), _told(5)])

    assert _numbers(feed.read(0, 10, owners=[ANN])) == [1, 2, 5]
    assert _numbers(feed.read(0, 10, owners=[BEN, DEEP])) == [1, 3, 4, 5]
    assert _numbers(feed.read(0, 10, owners=[])) == [1, 5]
    assert _numbers(feed.read(0, 10, owners=None)) == [1, 2, 3, 4, 5]


def test_an_agent_of_the_name_of_a_quest_reads_nothing_of_it() -> None:
    feed.publish([_told(1, ("quest", "ann")), _told(2, ("agent", "deep"))])
    assert _numbers(feed.read(0, 10, owners=[ANN, DEEP])) == []


def test_a_reader_goes_on_behind_what_was_not_for_him() -> None:
    feed.publish([_told(1, ANN), _told(2, BEN), _told(3, BEN)])
    assert feed.read(0, 10, owners=[ANN]).after == 3
    assert feed.read(0, 1, owners=[ANN]).after == 1


def test_kinds_and_pool_narrow_it() -> None:
    feed.publish([_told(1, pool="a"), _told(2, pool="b"), _told(3, kind="lost", pool="a"), _told(4, kind="decided")])
    assert _numbers(feed.read(0, 10, owners=None, kinds=["won", "decided"])) == [1, 2, 4]
    assert _numbers(feed.read(0, 10, owners=None, pool="a")) == [1, 3]


def test_a_position_that_was_never_given_is_refused() -> None:
    feed.publish([_told(1)])
    with refused(feed.AheadError) as refusal:
        feed.read(2, 10, owners=None)
    assert refusal.value.figures == {"last": 1}


def test_the_feed_is_forgotten_from_its_beginning_and_says_so() -> None:
    feed.publish([_told(n, at=after(60 * n)) for n in range(1, 6)])
    assert retention.count(feed.outdated(after(180))) == 2
    assert retention.forget(feed.outdated(after(180))) == 2

    assert _numbers(feed.read(None, 10, owners=None)) == [3, 4, 5]
    assert _numbers(feed.read(2, 10, owners=None)) == [3, 4, 5]
    with refused(feed.ForgottenError) as refusal:
        feed.read(1, 10, owners=None)
    assert refusal.value.figures == {"oldest": 3, "go_on_after": 2}


def test_what_was_told_late_of_an_early_moment_leaves_no_gap() -> None:
    feed.publish([_told(1), _told(2, at=after(600)), _told(3)])
    assert retention.forget(feed.outdated(after(300))) == 1
    assert _numbers(feed.read(1, 10, owners=None)) == [2, 3]


def test_the_last_entry_stays_so_that_no_position_is_given_twice() -> None:
    feed.publish([_told(1), _told(2)])
    assert retention.forget(feed.outdated(NOON + timedelta(days=400))) == 1
    assert retention.forget(feed.outdated(NOON + timedelta(days=400))) == 0
    feed.publish([_told(3)])
    assert feed.last() == 3


def test_what_nobody_read_is_forgotten_too() -> None:
    feed.publish([_told(1), _told(2), _told(3, at=after(600))])
    assert retention.forget(feed.outdated(after(300))) == 2


def test_who_is_behind_reads_on_at_once() -> None:
    feed.publish([_told(1), _told(2)])
    pages = [feed.read(position, 1, owners=None) for position in (0, 1, 2)]
    assert [feed.next_poll(page, NOON) for page in pages] == [NOON, NOON, after(5)]
    assert feed.next_poll(feed.read(0, 10, owners=None), NOON) == after(1)
