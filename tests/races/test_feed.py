"""Every reader of the feed sees every row once and in one order, however long writers take to commit."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from django.db import transaction

from auction import clearing
from config import feed, retention
from config.models import FeedEntry
from tests import factories
from tests.factories import NOON, after
from tests.races.crew import race

if TYPE_CHECKING:
    from collections.abc import Callable

WRITERS, READERS, ROUNDS = 8, 3, 25


def _writer(place: int) -> Callable[[int], int]:
    """Return a deed that tells one to four things in a transaction of random length, some of which it takes back."""
    lot = random.Random(place)  # noqa: S311 - a race, no secret

    def deed(number: int) -> int:
        told = 0
        with transaction.atomic():
            for _ in range(lot.randint(1, 4)):
                feed.publish([feed.Entry("won", after(number), {"by": place}, "agent", f"agent-{place}")])
                told += 1
                time.sleep(lot.random() * 0.02)
            if lot.random() < 0.1:
                transaction.set_rollback(True)
                return 0
        return told

    return deed


def _reader() -> Callable[[int], list[int]]:
    """Return a deed that reads on a while from where it stood, in pages of any size, and says which rows it met."""
    lot, stands = random.Random(0), {"after": 0}  # noqa: S311 - a race, no secret

    def deed(_number: int) -> list[int]:
        met: list[int] = []
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            page = feed.read(stands["after"], lot.choice((1, 3, 100)), owners=None)
            stands["after"] = page.after
            met += [entry.pk for entry in page.entries]
        return met

    return deed


def test_every_reader_sees_every_row_once_and_in_one_order() -> None:
    outcomes = race(*(_writer(n) for n in range(WRITERS)), *(_reader() for _ in range(READERS)), rounds=ROUNDS)

    told = sum(one.value for round_ in outcomes for one in round_[:WRITERS])
    order = [entry.pk for entry in feed.read(0, 10_000, owners=None).entries]
    assert len(order) == len(set(order)) == FeedEntry.objects.count() == told
    assert list(FeedEntry.objects.order_by("position").values_list("position", flat=True)) == list(range(1, told + 1))
    for place in range(WRITERS, WRITERS + READERS):
        met = [pk for round_ in outcomes for pk in round_[place].value]
        assert met == order[: len(met)]
        assert len(met) > told / 2
    assert order != sorted(order)  # rows did come late: who goes by ids would have missed them


def test_rounds_of_many_pools_are_told_while_they_are_read_and_forgotten() -> None:
    markets = [factories.pool() for _ in range(3)]
    owners = [factories.wallet(100_000) for _ in range(3)]
    for market, owner in zip(markets, owners, strict=True):
        factories.slots(market, ROUNDS)
        for work in factories.tasks(owner, 2 * ROUNDS):
            factories.bid(owner, 10, market, work=work, gtd=True)

    def clear(place: int) -> Callable[[int], int]:
        return lambda number: clearing.clear_round(after(60 * number), markets[place].name).slots_sold

    def forget(number: int) -> int:
        return retention.forget(feed.outdated(after(60 * number - 600)))

    outcomes = race(*(clear(place) for place in range(3)), _reader(), forget, rounds=10)

    met = [pk for round_ in outcomes for pk in round_[3].value]
    rest = feed.read(None, 10_000, owners=None).entries
    assert len(met) == len(set(met))
    # 25 wins and the round itself in each pool, and nine rounds that sold nothing.
    assert len(set(met) | {entry.pk for entry in rest}) == 3 * (ROUNDS + 1 + 9)
    assert {entry.at for entry in rest} >= {after(540)}
    assert min(entry.at for entry in rest) >= NOON
