"""Whatever happens in whatever order, the books balance, and every round can be done again from its whole book."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeVar

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from auction import (
    audit,
    backlog,
    batches,
    clearing,
    mechanism,
    order_book,
    payouts,
    pools,
    replay,
    runs,
    settlement,
    stipends,
)
from auction.models import Bid, Clear, Round, Slot, Task
from config.errors import RefusedError
from config.models import Agent
from economics import admission, mint
from economics.models import Account, MonetaryPolicy
from tests import factories
from tests.factories import NOON

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model, QuerySet

    ModelT = TypeVar("ModelT", bound=Model)

CYCLE: Final = 10  # seconds
PRICES: Final = st.integers(1, 40)
UNLIKELY: Final = 40
PICK: Final = st.integers(0, UNLIKELY + 5)
SKEW: Final = st.sampled_from([0, 0, 0, -3, 3])  # seconds by which a worker's clock is off


class Market(RuleBasedStateMachine):
    """Two pools, three agents and two quests with little money, an envelope, and a clock that only goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.rounds_seen: set[int] = set()
        self.everything = transaction.atomic()
        self.everything.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.everything.__exit__(None, None, None)

    @initialize()
    def open_market(self) -> None:
        rules = {"cycle_seconds": CYCLE, "start_deadline_seconds": 15, "lease_seconds": 20, "capacity": 2}
        money = {"usd_per_token": Decimal("0.01"), "reward_cap_tokens": 30}
        self.pools = [
            factories.pool("uniform", pricing_rule="uniform", reserve_tokens=3, **rules, **money),
            factories.pool("vickrey", pricing_rule="vickrey", reserve_tokens=0, **rules, **money),
        ]
        self.provider = factories.agent(kind="provider")
        agents = [factories.wallet(100) for _ in range(3)]
        self.wallets = [*agents, factories.quest("longevity", 100, into=self.pools[0]).account]
        factories.quest("cure", into=self.pools[1])
        factories.model(rate="0", output_rate="0")
        self.envelope = factories.envelope("h1", tokens=20)
        for wallet in self.wallets:
            costly = [task.pk for task in factories.tasks(wallet, 6)[:3]]
            Task.objects.filter(pk__in=costly).update(
                entity_type="hypothesis", entity_id="h1", expected_cost_tokens=3, model="deep-1"
            )
        MonetaryPolicy.objects.update(daily_token_bucket=50, supply_cap=500, wallet_cap=150)
        mint.issue_daily(now=self.now)

    def attempt(self, deed: Callable[[], object]) -> None:
        """Do a deed as interfaces do, in a savepoint; it may be refused, but by name."""
        try:
            with transaction.atomic():
                deed()
        except RefusedError:
            pass

    def at(self, skew: int) -> datetime:
        return self.now + timedelta(seconds=skew)

    @rule(seconds=st.integers(1, 25))
    def time_goes_on(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(task=PICK, price=PRICES, pool=PICK, lives=st.integers(-1, 60), gtd=st.booleans(), skew=SKEW)
    def place(  # noqa: PLR0913 - a bid has this many terms
        self, *, task: int, price: int, pool: int, lives: int, gtd: bool, skew: int
    ) -> None:
        free = _pick(Task.objects.filter(state="open").exclude(bids__status="open"), Task.objects.all(), task)
        if free is None:
            return
        self.attempt(
            lambda: order_book.place_bid(
                wallet=free.wallet_id,
                task_id=free.pk,
                max_price_tokens=price,
                now=self.at(skew),
                ttl_at=self.at(skew + lives),
                time_in_force="gtd" if gtd else "round",
                pool=self.pools[pool % 2].name,
            )
        )

    @rule(wallet=PICK, prices=st.lists(PRICES, min_size=1, max_size=6), pool=PICK)
    def place_batch(self, wallet: int, prices: list[int], pool: int) -> None:
        owner = self.wallets[wallet % 4]
        work = Task.objects.filter(wallet=owner).order_by("-created_at", "pk")
        offers = [batches.Offer(one.pk, price, self.at(30)) for one, price in zip(work, prices, strict=False)]
        self.attempt(lambda: batches.place_bids(offers, now=self.now, wallet=owner.pk, pool=self.pools[pool % 2].name))

    @rule(bid=PICK)
    def cancel(self, bid: int) -> None:
        if one := _pick(Bid.objects.filter(status="open"), Bid.objects.all(), bid):
            self.attempt(lambda: order_book.cancel_bid(one.pk, wallet=one.account_id, now=self.now))

    @rule(task=PICK)
    def cancel_task(self, task: int) -> None:
        if one := _pick(Task.objects.filter(state="open"), Task.objects.all(), task):
            self.attempt(lambda: backlog.cancel_task(one.pk, wallet=one.wallet_id, now=self.now))
            factories.tasks(one.wallet, 1)

    @rule(pool=PICK, skew=SKEW)
    def clear(self, pool: int, skew: int) -> None:
        self.attempt(lambda: clearing.clear_round(self.at(skew), self.pools[pool % 2].name))

    @rule(prices=st.lists(PRICES, min_size=6, max_size=6), skew=SKEW)
    def trade(self, prices: list[int], skew: int) -> None:
        """Bid from every wallet for the next round of both pools, and hold it; others bid by clocks that are off."""
        for number, price in enumerate(prices):
            self.place(task=number * 5, price=price, pool=number, lives=30, gtd=number == 0, skew=0)
        self.place(task=1, price=prices[0], pool=prices[1], lives=30, gtd=False, skew=CYCLE + skew)
        self.now += timedelta(seconds=CYCLE)
        for number, pool in enumerate(self.pools):
            self.attempt(lambda name=pool.name: pools.top_up(name, now=self.now))  # type: ignore[misc]
            self.clear(number, 0)
        self.place(task=2, price=prices[0], pool=prices[1], lives=30, gtd=False, skew=skew)

    @rule(cost=st.integers(0, 3), impact=st.integers(0, 100), quest=st.booleans(), paid=st.booleans())
    def work(self, *, cost: int, impact: int, quest: bool, paid: bool) -> None:
        """Start and settle the newest win of an agent or the quest, and perhaps pay the rewards."""
        if quest:
            self.run_for_a_quest(0)
        else:
            self.start(0, 0)
        self.settle(0, cost, impact)
        if paid:
            self.now += timedelta(seconds=CYCLE)
            self.pay_out(0, 0)
            self.pay_out(1, 0)

    @rule(clear=PICK, skew=SKEW)
    def start(self, clear: int, skew: int) -> None:
        wins = Clear.objects.filter(account__owner_type="agent")
        if one := _pick(wins.filter(state="sold"), wins, clear):
            self.attempt(lambda: runs.start(one.slot_id, runner=factories.runner(one), now=self.at(skew)))

    @rule(clear=PICK)
    def run_for_a_quest(self, clear: int) -> None:
        """Let an agent claim and start a quest's win."""
        wins = Clear.objects.filter(account__owner_type="quest", state="sold", claimed_at=None)
        if one := _pick(wins, wins, clear):
            runner = Agent.objects.get(pk=self.wallets[clear % 3].owner_id)
            Clear.objects.filter(pk=one.pk).update(
                claimed_at=self.now, claim_until=self.at(5), runner=runner, runner_kind=runner.kind
            )
            self.attempt(lambda: runs.start(one.slot_id, runner=runner, now=self.now))

    @rule(clear=PICK)
    def heartbeat(self, clear: int) -> None:
        one = _pick(Clear.objects.filter(state="running"), Clear.objects.all(), clear)
        if one and (one.runner_id or one.account.owner_type == "agent"):
            self.attempt(lambda: runs.heartbeat(one.slot_id, runner=factories.runner(one), now=self.now))

    @rule(clear=PICK, cost=st.integers(0, 3), impact=st.none() | st.integers(0, 100))
    def settle(self, clear: int, cost: int, impact: int | None) -> None:
        if one := _pick(Clear.objects.filter(state="running"), Clear.objects.all(), clear):
            usd = None if impact is None else Decimal(impact) / 100
            self.attempt(lambda: settlement.settle(one.slot_id, cost, usd, now=self.now))

    @rule(clear=PICK, impact=st.integers(0, 100))
    def grade(self, clear: int, impact: int) -> None:
        finished = Clear.objects.filter(state="finished")
        if one := _pick(finished.filter(actual_impact=None), finished, clear):
            usd = Decimal(impact) / 100
            self.attempt(lambda: settlement.record_impact(one.slot_id, actual_impact=usd, now=self.now))

    @rule(pool=PICK, count=st.integers(1, 2), reserve=st.integers(0, 30), lives=st.integers(1, 40))
    def offer(self, pool: int, count: int, reserve: int, lives: int) -> None:
        self.attempt(
            lambda: pools.offer(
                provider=self.provider,
                pool=self.pools[pool % 2].name,
                count=count,
                available_at=self.now,
                offer_until=self.at(lives),
                reserve_tokens=reserve,
                now=self.now,
            )
        )

    @rule(slot=PICK)
    def withdraw(self, slot: int) -> None:
        mine = Slot.objects.filter(provider=self.provider)
        if one := _pick(mine.filter(state__in=["open", "sold"]), mine, slot):
            self.attempt(lambda: settlement.withdraw_slot(one.pk, provider=self.provider, now=self.now))

    @rule(skew=SKEW)
    def sweep(self, skew: int) -> None:
        self.attempt(lambda: settlement.sweep(now=self.at(skew)))
        self.attempt(lambda: pools.expire_offers(now=self.at(skew)))
        self.attempt(lambda: order_book.refund_unfilled(now=self.at(skew)))

    @rule(tokens=st.integers(0, 8))
    def spend(self, tokens: int) -> None:
        """Use some of the envelope outside the market; what nobody prolongs expires."""
        if tokens:
            factories.record(self.envelope, tokens, at=self.now)
        self.attempt(lambda: admission.expire(now=self.now))

    @rule(pool=PICK, skew=SKEW)
    def pay_out(self, pool: int, skew: int) -> None:
        self.attempt(lambda: payouts.pay_out(now=self.at(skew), pool=self.pools[pool % 2].name))

    @rule(days=st.integers(0, 3))
    def issue(self, days: int) -> None:
        self.attempt(lambda: mint.issue_daily(now=self.now + timedelta(days=days)))
        self.attempt(lambda: stipends.pay_due(now=self.now))

    @rule(pool=PICK, stop=st.integers(0, 5))
    def stop_or_resume(self, pool: int, stop: int) -> None:
        name = self.pools[pool % 2].name
        deed = settlement.stop_pool if stop == 1 else pools.resume
        self.attempt(lambda: deed(name, now=self.now))

    @rule(pool=PICK, reserve=st.integers(0, 20), capacity=st.integers(0, 3))
    def configure(self, pool: int, reserve: int, capacity: int) -> None:
        name = self.pools[pool % 2].name
        self.attempt(lambda: pools.configure(name, reserve_tokens=reserve, capacity=capacity))
        self.attempt(lambda: pools.top_up(name, now=self.now))

    @invariant()
    def the_books_balance(self) -> None:
        assert audit.differences_here() == []
        assert not Account.objects.filter(available__lt=0).exclude(owner_type="house").exists()

    @invariant()
    def every_round_can_be_done_again(self) -> None:
        for one in Round.objects.exclude(pk__in=self.rounds_seen):
            assert replay.replay_round(one.pk).differences == []
            assert _rebuilt(one) == _stored(one)
            live = {"placed_at__lte": one.cleared_at, "ttl_at__gt": one.cleared_at}
            ended = Bid.objects.filter(round_id=one.pk)
            assert not ended.exclude(**live).exists()
            assert ended.filter(status="lost").count() == one.bids_lost
            left = Bid.objects.filter(pool=one.pool, status="open", time_in_force="round", **live)
            assert not (one.slots_sold and left.exists())
            self.rounds_seen.add(one.pk)


def _pick(likely: QuerySet[ModelT], possible: QuerySet[ModelT], number: int) -> ModelT | None:
    """Return a row with which something can happen, or now and then any row, with which it should be refused."""
    rows = list((possible if number > UNLIKELY else likely).order_by("-pk")[:UNLIKELY])
    return rows[number % len(rows)] if rows else None


def _rebuilt(one: Round) -> tuple[int | None, set[tuple[int, str, int]]]:
    """Clear the round's whole book, rebuilt from the bids and their times, instead of its stored frontier."""
    at = one.cleared_at
    book = Bid.objects.filter(pool=one.pool, placed_at__lte=at, ttl_at__gt=at)
    live = book.filter(round_id=one.pk) | book.filter(closed_at=None) | book.filter(closed_at__gt=at)
    bids = [mechanism.Bid(b.pk, b.account_id, b.max_price_tokens, _micro(b.placed_at)) for b in live]
    asks = one.frontier["asks"]
    offers = [mechanism.Ask(*row) for row in zip(asks["slot_id"], asks["price"], asks["available_at"], strict=True)]
    result = mechanism.clear(bids, offers, mechanism.Rule(one.pricing_rule))
    return result.market_price, {(award.bid_id, award.slot_id, award.charge) for award in result.awards}


def _stored(one: Round) -> tuple[int | None, set[tuple[int, str, int]]]:
    return one.market_price_tokens, set(one.clears.values_list("bid_id", "slot_id", "charge_tokens"))


def _micro(at: datetime) -> int:
    return (at - datetime.fromtimestamp(0, tz=at.tzinfo)) // timedelta(microseconds=1)


@pytest.mark.django_db
def test_the_laws_hold_whatever_happens() -> None:
    run_state_machine_as_test(
        Market,
        settings=settings(
            max_examples=40,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
