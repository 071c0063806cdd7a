"""What is old and no money rests on is forgotten, as the policy says; all else stays, whatever its age."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from django.core.management import call_command
from django.db import Error, connection, transaction

from auction import audit, bidder, clearing, order_book, replay, retention, tasks
from auction.models import Bid, BidCycle, Clear, Round
from config import answers, feed
from config import retention as policies
from config.models import FeedEntry, IdempotentRequest, RetentionPolicy
from economics import admission
from economics.models import Refusal, Transfer
from tests import factories
from tests.factories import NOON
from tests.governance import senate

pytestmark = pytest.mark.django_db

OLD: Final = datetime(2020, 3, 2, 12, 0, tzinfo=UTC)  # long ago by any clock, the database's too
LATER: Final = OLD + timedelta(days=90)
NOTHING: Final = {
    "bids that won nothing": 0,
    "rounds that sold nothing": 0,
    "cycles of automatic bids": 0,
    "refused reservations": 0,
    "answers": 0,
    "entries of the feed": 0,
}


def _at(seconds: float) -> datetime:
    return OLD + timedelta(seconds=seconds)


def _shown(**gone: int) -> dict[str, int]:
    return {**NOTHING, **{name.replace("_", " "): number for name, number in gone.items()}}


def test_an_empty_house_forgets_nothing() -> None:
    assert retention.would_forget(now=LATER) == retention.forget(now=LATER) == NOTHING
    assert RetentionPolicy.objects.get().swept_at == LATER


def test_closed_bids_that_won_nothing_go_and_what_won_or_is_open_stays() -> None:
    market, owner = factories.pool("market"), factories.wallet(10_000)
    won, lost, cancelled, expired, rests = (
        factories.bid(owner, price, market, at=OLD, lives=lives, gtd=gtd)
        for price, lives, gtd in ((50, 60, False), (40, 60, False), (30, 60, True), (20, 30, True), (10, 604_800, True))
    )
    factories.slot(market, available_at=OLD)
    clearing.clear_round(OLD, "market")
    order_book.cancel_bid(cancelled.pk, wallet=owner.pk, now=_at(1))
    order_book.refund_unfilled(now=_at(31))
    transfers = Transfer.objects.count()

    next_second = LATER + timedelta(seconds=1)  # one closed at noon, the others a little later
    assert retention.would_forget(now=next_second)["bids that won nothing"] == 1
    assert retention.forget(now=LATER + timedelta(minutes=1))["bids that won nothing"] == 3

    assert set(Bid.objects.values_list("pk", flat=True)) == {won.pk, rests.pk}
    assert not Bid.objects.filter(pk__in=[lost.pk, expired.pk]).exists()
    assert (Clear.objects.get().bid_id, Transfer.objects.count()) == (won.pk, transfers)


def test_a_round_that_sold_is_kept_and_done_again_without_the_bids_it_refused() -> None:
    market = factories.pool("market")
    factories.slot(market, available_at=OLD)
    for price in (50, 40, 30):
        factories.bid(factories.wallet(100), price, market, at=OLD)
    round_ = clearing.clear_round(OLD, "market")

    assert retention.forget(now=LATER + timedelta(seconds=1))["bids that won nothing"] == 2

    assert replay.replay_round(round_.pk).differences == []
    assert audit.differences_here() == []


def test_rounds_that_sold_nothing_go_but_for_the_last_of_a_pool() -> None:
    factories.pool("market")
    first, last = (clearing.clear_round(_at(60 * cycle), "market") for cycle in range(2))

    assert retention.forget(now=LATER)["rounds that sold nothing"] == 0
    assert retention.forget(now=LATER + timedelta(days=1))["rounds that sold nothing"] == 1

    assert list(Round.objects.values_list("pk", flat=True)) == [last.pk]
    assert first.pk != last.pk
    assert audit.differences_here() == []


def test_a_young_round_stays_whatever_a_program_asks_for() -> None:
    market = factories.pool("market")
    for at in (datetime.now(UTC) - timedelta(days=89), datetime.now(UTC) - timedelta(days=1)):
        clearing.clear_round(at, market.name)
    with pytest.raises(Error, match="a round stays as long"), transaction.atomic():
        Round.objects.order_by("pk")[:1].get().delete()
    RetentionPolicy.objects.update(rounds_days=88)
    Round.objects.order_by("pk")[:1].get().delete()


def test_cycles_of_automatic_bids_go_with_the_rounds() -> None:
    factories.pool("market")
    bidder.submit_bids_for_tasks(now=OLD, pool="market")
    assert retention.forget(now=LATER)["cycles of automatic bids"] == 0
    assert retention.forget(now=LATER + timedelta(seconds=1))["cycles of automatic bids"] == 1
    assert not BidCycle.objects.exists()


def test_refusals_go_but_for_those_a_proposal_answers() -> None:
    factories.model()
    of, scout = factories.envelope(tokens=10, at=OLD), senate.scout()
    for tokens in (100, 200):
        admission.reserve(factories.ask(of, tokens), agent_id=scout.pk, now=OLD)
    asked, other = Refusal.objects.order_by("pk")
    senate.draft(of=of, by=scout, refusal=asked)

    assert retention.forget(now=LATER + timedelta(seconds=1))["refused reservations"] == 1

    assert Refusal.objects.get() == asked != other


def test_answers_and_the_feed_have_times_of_their_own() -> None:
    answers.keep(answers.Claim("agent:ann", "k", b"x" * 32), 201, "{}")
    IdempotentRequest.objects.update(created_at=OLD)
    feed.publish([feed.Entry("won", _at(seconds), {}) for seconds in range(3)])

    assert retention.forget(now=OLD + timedelta(days=7, seconds=1)) == _shown(answers=1)
    assert retention.forget(now=OLD + timedelta(days=30, seconds=2)) == _shown(entries_of_the_feed=2)
    assert FeedEntry.objects.count() == 1


def test_the_policy_says_how_long() -> None:
    factories.pool("market")
    for cycle in range(3):
        clearing.clear_round(_at(60 * cycle), "market")
    RetentionPolicy.objects.update(rounds_days=1)
    assert retention.would_forget(now=OLD + timedelta(days=1, seconds=61))["rounds that sold nothing"] == 2


def test_many_rows_go_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "_AT_ONCE", 3)
    feed.publish([feed.Entry("won", OLD, {}) for _ in range(8)])
    assert retention.forget(now=NOON) == _shown(entries_of_the_feed=7)


def test_the_feed_goes_from_its_beginning_whatever_ids_its_entries_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads between two batches finds no gap: what it asks for is whole, or it is told that it came too late."""
    monkeypatch.setattr(policies, "_AT_ONCE", 1)
    for number in (3_000, 1_000, 4_000, 2_000, 5_000):  # a row may be written before others and committed after them
        FeedEntry.objects.create(pk=number, kind="won", at=OLD)
        feed.last()
    left: list[list[int | None]] = []

    def watched(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        done = execute(sql, params, many, context)
        if "DELETE FROM config_feed" in sql:
            left.append(list(FeedEntry.objects.order_by("position").values_list("position", flat=True)))
        return done

    with connection.execute_wrapper(watched):
        retention.forget(now=NOON)
    assert left == [[2, 3, 4, 5], [3, 4, 5], [4, 5], [5], [5]]


def test_a_kind_that_fails_keeps_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    feed.publish([feed.Entry("won", OLD, {}) for _ in range(2)])
    monkeypatch.setattr(retention, "_BIDS", "no_such_column < %(before)s")
    gone = retention.forget(now=NOON)
    assert gone == {what: int(what == "entries of the feed") for what in NOTHING if what != "bids that won nothing"}


def test_the_command_says_what_would_go_and_does_it() -> None:
    feed.publish([feed.Entry("won", OLD, {}) for _ in range(3)])
    assert _printed("--dry-run").splitlines()[-1].split(maxsplit=1) == ["2", "entries of the feed would go"]
    assert FeedEntry.objects.count() == 3
    assert _printed().splitlines()[-1].split(maxsplit=1) == ["2", "entries of the feed gone"]
    assert FeedEntry.objects.count() == 1


def _printed(*options: str) -> str:
    out = io.StringIO()
    call_command("forget", *options, stdout=out)
    return out.getvalue()


def test_beat_forgets() -> None:
    feed.publish([feed.Entry("won", OLD, {}) for _ in range(3)])
    tasks.forget()
    assert FeedEntry.objects.count() == 1
