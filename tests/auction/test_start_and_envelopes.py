"""Where envelopes meet the market: who may bid, what a start reserves, what blocks it, and where work is booked."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from auction import batches, clearing, errors, order_book, payouts, runs, settlement
from auction.models import Bid, Clear, Pool, Slot, Task
from economics import admission, budget_policy, ledger, stops
from economics.errors import AdmissionRefusedError, BudgetExhaustedError, EnvelopeFrozenError
from economics.models import Account, Envelope, Refusal, Reservation, Transfer, Usage
from tests import callers, factories
from tests.factories import NOON, REVIEWER, after

if TYPE_CHECKING:
    from datetime import datetime

    from config.errors import RefusedError
    from config.models import Agent

pytestmark = pytest.mark.usefixtures("balanced_books")
PRICE = 50
MIDNIGHT = (NOON + timedelta(days=1)).replace(hour=0)


@pytest.fixture
def pool() -> Pool:
    return factories.pool("market", usd_per_token=Decimal("0.01"), reward_rate=Decimal(1), start_deadline_seconds=3600)


@pytest.fixture
def envelope() -> Envelope:
    """Return an envelope of 1,000 tokens a day, and a model to use them with."""
    factories.model("deep-1")
    return factories.envelope("h1", tokens=1000)


def _task(owner: Account, cost: int | None = None, *, of: Envelope | None = None, **terms: Any) -> Task:
    """Return an open task of a wallet that states what it will cost in tokens of the model deep-1."""
    if of is not None:
        terms |= {"entity_type": of.entity_type, "entity_id": of.entity_id}
    model = "" if cost is None else "deep-1"
    return Task.objects.create(
        pk=f"work-{Task.objects.count()}", wallet=owner, expected_cost_tokens=cost, model=model, **terms
    )


def _offer(work: Task) -> batches.Offer:
    return batches.Offer(work.pk, PRICE, after(600))


def _sold(into: Pool, cost: int | None, of: Envelope | None, *, at: datetime = NOON) -> Clear:
    """Return a slot sold for a task that states its cost, at the pool's reserve."""
    owner = factories.wallet(1000)
    factories.slot(into, available_at=at)
    bid = factories.bid(owner, PRICE, into, work=_task(owner, cost, of=of), at=at)
    clearing.clear_round(at, into.name)
    return Clear.objects.select_related("account", "pool", "winning_task").get(bid=bid.pk)


def _refused_start(clear: Clear, *, at: datetime) -> AdmissionRefusedError:
    got = runs.start(clear.slot_id, runner=factories.runner(clear), now=at)
    assert isinstance(got, AdmissionRefusedError)
    return got


def _state(clear: Clear) -> tuple[str, str, int]:
    """Return where a clear and its task are, and what its wallet has held."""
    held = Account.objects.get(pk=clear.account_id).held
    return Clear.objects.get(pk=clear.pk).state, Task.objects.get(pk=clear.winning_task_id).state, held


# Bidding


def _refusals(work: Task, into: Pool, expected: type[RefusedError]) -> RefusedError:
    """Check that a task may bid neither alone nor in a batch, and return what was said."""
    with factories.refused(expected) as refusal:
        factories.bid(work.wallet, PRICE, into, work=work)
    (placed,) = batches.place_bids([_offer(work)], now=NOON, pool=into.name)
    assert (placed.bid_id, placed.refusal) == (None, expected)
    assert Account.objects.get(pk=work.wallet_id).held == 0
    return refusal.value


def test_a_frozen_envelope_keeps_its_tasks_from_bidding_and_says_why(pool: Pool, envelope: Envelope) -> None:
    stops.freeze([envelope.pk], author=REVIEWER, now=NOON)
    for cost in (None, 100):
        said = _refusals(_task(factories.wallet(100), cost, of=envelope), pool, errors.EnvelopeFrozenError)
        assert said.detail.endswith("so nothing is bid for it. (as agreed.)")
    stops.unfreeze([envelope.pk], author=REVIEWER, now=NOON)
    owner = factories.wallet(100)
    assert factories.bid(owner, PRICE, pool, work=_task(owner, of=envelope)).status == "open"


def test_an_exhausted_envelope_says_until_when(pool: Pool, envelope: Envelope) -> None:
    factories.record(envelope, 1000)
    work = _task(factories.wallet(100), of=envelope)
    said = _refusals(work, pool, errors.EnvelopeExhaustedError)
    assert said.detail.endswith(f"(llm_tokens per day has no room, until {MIDNIGHT.isoformat()}.)")
    assert said.figures == {
        "task_id": work.pk,
        "entity_type": "hypothesis",
        "entity_id": "h1",
        "until": MIDNIGHT,
        "line": "llm_tokens per day",
        "room": 0,
    }
    # The next day there is room again.
    assert factories.bid(work.wallet, PRICE, pool, work=work, at=MIDNIGHT).status == "open"


def test_a_task_that_expects_more_than_is_left_does_not_bid_for_what_it_could_not_start(
    pool: Pool, envelope: Envelope
) -> None:
    owner = factories.wallet(1000)
    factories.record(envelope, 400)
    _refusals(_task(owner, 601, of=envelope), pool, errors.EnvelopeExhaustedError)
    assert factories.bid(owner, PRICE, pool, work=_task(owner, 600, of=envelope)).status == "open"


def test_a_tier_without_room_keeps_those_that_use_it(pool: Pool, envelope: Envelope) -> None:
    factories.line(envelope, 0, tier="frontier")
    factories.model("plain-1", tier="small")
    owner = factories.wallet(1000)
    _refusals(_task(owner, 100, of=envelope), pool, errors.EnvelopeExhaustedError)
    small = _task(owner, of=envelope)
    Task.objects.filter(pk=small.pk).update(expected_cost_tokens=100, model="plain-1")
    assert factories.bid(owner, PRICE, pool, work=small).status == "open"


def test_only_what_states_a_cost_needs_an_envelope(pool: Pool) -> None:
    owner = factories.wallet(1000)
    assert factories.bid(owner, PRICE, pool, work=_task(owner)).status == "open"
    said = _refusals(_task(factories.wallet(10), 100), pool, errors.NoEnvelopeError)
    assert said.detail.endswith("(It has no envelope, and none is given to its type by default.)")


def test_work_without_an_entity_is_its_owners(pool: Pool) -> None:
    quest = factories.quest("q1", 1000, into=pool)
    work = factories.quest_task(quest, 5, expected_cost_tokens=100, model="deep-1")
    said = _refusals(work, pool, errors.NoEnvelopeError)
    assert (said.figures["entity_type"], said.figures["entity_id"]) == ("quest", "q1")
    factories.envelope("q1", entity_type="quest", tokens=100)
    assert factories.bid(quest.account, PRICE, pool, work=work).status == "open"


def test_a_task_waits_for_what_it_needs(pool: Pool) -> None:
    quest = factories.quest("q1", 1000, into=pool)
    first, second = factories.quest_task(quest, 5, name="a"), factories.quest_task(quest, 5, name="b")
    work = factories.quest_task(quest, 5, needs=[first, second])
    said = _refusals(work, pool, errors.TaskBlockedError)
    assert (said.detail, said.figures["waits_for"]) == ("The task waits for a, b.", ["a", "b"])
    Task.objects.filter(pk__in=["a", "b"]).update(state="done")
    assert factories.bid(quest.account, PRICE, pool, work=work).status == "open"


def test_a_batch_takes_those_that_may(pool: Pool, envelope: Envelope) -> None:
    owner = factories.wallet(1000)
    frozen = factories.envelope("h2")
    stops.freeze([frozen.pk], author=REVIEWER, now=NOON)
    works = [_task(owner, 100, of=envelope), _task(owner, of=frozen), _task(owner), _task(owner, 100)]
    placed = batches.place_bids([_offer(work) for work in works], now=NOON, pool=pool.name)
    assert [one.refusal for one in placed] == [None, errors.EnvelopeFrozenError, None, errors.NoEnvelopeError]


def test_a_round_does_not_sell_to_a_task_that_came_to_wait(pool: Pool) -> None:
    quest = factories.quest("q1", 1000, into=pool)
    late, other = factories.quest_task(quest, 5), factories.quest_task(quest, 5)
    for work, price in ((late, 90), (other, 40)):
        factories.bid(quest.account, price, pool, work=work, gtd=True)
    late.needs.create(needs=factories.quest_task(quest, 5))
    factories.slots(pool, 2)
    assert clearing.clear_round(NOON, pool.name).slots_sold == 1
    assert Clear.objects.get().winning_task_id == other.pk
    assert Bid.objects.get(task=late).status == "open"


# Starting


def test_a_start_reserves_what_the_task_is_expected_to_use(pool: Pool, envelope: Envelope) -> None:
    clear = factories.started(_sold(pool, 300, envelope), at=after(10))
    held = Reservation.objects.get(pk=clear.reservation_id or 0)
    assert (held.state, int(held.amount), held.model, held.agent_id) == ("open", 300, "deep-1", clear.account.owner_id)
    assert (held.slot_id, held.expires_at) == (clear.slot_id, clear.lease_until)
    assert factories.figures(envelope, at=after(10)).held == 300
    # Starting again while it runs reserves nothing more.
    assert factories.started(clear, at=after(20)).reservation_id == held.pk
    assert Reservation.objects.count() == 1


def test_a_task_that_states_no_cost_reserves_nothing(pool: Pool, envelope: Envelope) -> None:
    assert factories.started(_sold(pool, None, envelope)).reservation_id is None
    assert factories.figures(envelope).held == 0


def test_heartbeats_prolong_the_reservation_as_long_as_policy_allows(pool: Pool, envelope: Envelope) -> None:
    budget_policy.change(author=REVIEWER, now=NOON, reservation_most_seconds=1200)
    clear = factories.started(_sold(pool, 300, envelope))
    held = Reservation.objects.get(pk=clear.reservation_id or 0)
    assert held.expires_at == after(900)
    runner = factories.runner(clear)
    runs.heartbeat(clear.slot_id, runner=runner, now=after(200))
    held.refresh_from_db()
    assert held.expires_at == after(1100)
    runs.heartbeat(clear.slot_id, runner=runner, now=after(800))
    held.refresh_from_db()
    assert held.expires_at == after(1200)
    # It expires before the run ends; what is used is booked late, and flagged.
    admission.expire(now=after(1300))
    settlement.finish(clear.slot_id, actual_cost_tokens=250, now=after(1400))
    held.refresh_from_db()
    assert (held.state, held.settled_late) == ("settled", True)
    assert (factories.figures(envelope).held, factories.figures(envelope).settled) == (0, 250)


def test_a_lease_longer_than_policy_allows_is_reserved_for_as_long_as_it_does(envelope: Envelope) -> None:
    budget_policy.change(author=REVIEWER, now=NOON, reservation_most_seconds=600)
    clear = factories.started(_sold(factories.pool(lease_seconds=900), 300, envelope))
    assert Reservation.objects.get(pk=clear.reservation_id or 0).expires_at == after(600)


def test_prolonging_never_shortens_nor_calls_back(envelope: Envelope) -> None:
    held = factories.reserve(envelope, 100, lives=60)
    assert admission.prolong(held.pk, until=after(90), now=after(30))
    assert not admission.prolong(held.pk, until=after(80), now=after(30))
    assert not admission.prolong(held.pk, until=after(200), now=after(90))
    admission.release(held.pk, now=after(40))
    assert not admission.prolong(held.pk, until=after(200), now=after(50))
    held.refresh_from_db()
    assert (held.state, held.expires_at) == ("released", after(90))


def test_an_envelope_that_refuses_blocks_the_clear(pool: Pool, envelope: Envelope) -> None:
    clear = _sold(pool, 300, envelope)
    factories.record(envelope, 800)
    refusal = _refused_start(clear, at=after(10))
    assert isinstance(refusal, BudgetExhaustedError)
    row = Refusal.objects.get()
    shown = {name: refusal.figures[name] for name in ("refusal_id", "slot_id", "state", "most")}
    assert shown == {"refusal_id": row.pk, "slot_id": clear.slot_id, "state": "blocked", "most": 200}

    assert _state(clear) == ("blocked", "open", 0)
    clear.refresh_from_db()
    assert (clear.refusal_id, clear.reservation_id, clear.slot_finished_at) == (row.pk, None, after(10))
    again = Slot.objects.get(offers_again=clear.slot_id)
    assert (again.state, again.available_at) == ("open", after(10))
    assert not Transfer.objects.filter(reason="capture").exists()
    assert (factories.figures(envelope).held, factories.figures(envelope).settled) == (0, 800)
    with factories.refused(errors.SlotNotSoldError) as said:
        runs.start(clear.slot_id, runner=factories.runner(clear), now=after(20))
    assert (said.value.figures["state"], said.value.figures["refusal_id"]) == ("blocked", row.pk)


def test_what_states_no_cost_does_not_start_on_a_frozen_envelope(pool: Pool, envelope: Envelope) -> None:
    clear = _sold(pool, None, envelope)
    stops.freeze([envelope.pk], author=REVIEWER, now=NOON)
    refusal = _refused_start(clear, at=after(10))
    assert (type(refusal), refusal.detail) == (EnvelopeFrozenError, "The entity's envelope is frozen. (as agreed)")
    assert _state(clear) == ("blocked", "open", 0)
    assert Clear.objects.get(pk=clear.pk).refusal_id is None


def test_what_states_no_cost_does_not_start_on_an_exhausted_envelope(pool: Pool, envelope: Envelope) -> None:
    clear = _sold(pool, None, envelope)
    factories.record(envelope, 1000)
    refusal = _refused_start(clear, at=after(10))
    assert (type(refusal), refusal.figures["resets_at"]) == (BudgetExhaustedError, MIDNIGHT)
    assert _state(clear) == ("blocked", "open", 0)


def test_a_stopped_pool_offers_no_blocked_slot_again(pool: Pool, envelope: Envelope) -> None:
    clear = _sold(pool, 300, envelope)
    factories.record(envelope, 1000)
    Pool.objects.filter(pk=pool.pk).update(mode="stopped")
    _refused_start(clear, at=after(10))
    assert not Slot.objects.filter(offers_again=clear.slot_id).exists()


# Settling


def _booked() -> list[tuple[str, int, str]]:
    return [(u.source, int(u.amount), u.model) for u in Usage.objects.order_by("pk")]


@pytest.mark.parametrize("model", ["", "deep-1"])
def test_what_was_used_is_booked_under_the_reservation_in_its_windows(
    pool: Pool, envelope: Envelope, model: str
) -> None:
    evening = MIDNIGHT - timedelta(minutes=5)
    clear = factories.started(_sold(pool, 300, envelope, at=evening), at=evening)
    settlement.finish(clear.slot_id, actual_cost_tokens=400, now=MIDNIGHT + timedelta(minutes=5), model=model)
    assert _booked() == [("reservation", 400, "deep-1")]
    assert (factories.figures(envelope, at=evening).settled, factories.figures(envelope, at=evening).held) == (400, 0)
    assert factories.figures(envelope, at=MIDNIGHT).settled == 0
    assert Usage.objects.get().slot_id == clear.slot_id


def test_another_model_is_booked_as_it_was(pool: Pool, envelope: Envelope) -> None:
    factories.model("plain-1", tier="small")
    clear = factories.started(_sold(pool, 300, envelope))
    settlement.finish(clear.slot_id, actual_cost_tokens=400, now=after(20), model="plain-1")
    assert _booked() == [("auction", 400, "plain-1")]
    assert Reservation.objects.get().state == "released"
    assert (factories.figures(envelope).settled, factories.figures(envelope).held) == (400, 0)


def test_only_what_was_not_reported_is_booked(pool: Pool, envelope: Envelope) -> None:
    clear = factories.started(_sold(pool, 300, envelope))
    factories.record(envelope, 100, slot_id=clear.slot_id, model="deep-1")
    done = settlement.finish(clear.slot_id, actual_cost_tokens=300, now=after(20))
    assert [amount for _source, amount, _model in _booked()] == [100, 200]
    assert (done.over_reported_tokens, factories.figures(envelope).settled) == (0, 300)


def test_with_nothing_left_to_book_the_reservation_is_given_back(pool: Pool, envelope: Envelope) -> None:
    clear = factories.started(_sold(pool, 300, envelope))
    factories.record(envelope, 350, slot_id=clear.slot_id, model="deep-1")
    done = settlement.finish(clear.slot_id, actual_cost_tokens=300, now=after(20))
    assert (done.over_reported_tokens, Reservation.objects.get().state) == (50, "released")
    assert (factories.figures(envelope).settled, factories.figures(envelope).held) == (350, 0)


def test_what_its_runner_settled_by_hand_is_not_counted_twice(pool: Pool, envelope: Envelope) -> None:
    clear = factories.started(_sold(pool, 300, envelope))
    admission.settle(clear.reservation_id or 0, admission.Spent(amount=Decimal(120)), now=after(10))
    settlement.finish(clear.slot_id, actual_cost_tokens=300, now=after(20), model="deep-1")
    assert _booked() == [("reservation", 120, "deep-1"), ("auction", 180, "deep-1")]
    assert factories.figures(envelope).settled == 300


def test_what_its_runner_gave_back_by_hand_stays_given_back(pool: Pool, envelope: Envelope) -> None:
    clear = factories.started(_sold(pool, 300, envelope))
    admission.release(clear.reservation_id or 0, now=after(10))
    settlement.finish(clear.slot_id, actual_cost_tokens=300, now=after(20), model="deep-1")
    assert _booked() == [("auction", 300, "deep-1")]


def test_a_run_that_lapses_gives_its_reservation_back(pool: Pool, envelope: Envelope) -> None:
    clear = factories.started(_sold(pool, 300, envelope))
    # Longer than its lease: only the end of the run ends it.
    admission.prolong(clear.reservation_id or 0, until=after(5000), now=after(1))
    assert settlement.sweep(now=after(900))["lapsed"] == 1
    assert Reservation.objects.get().state == "released"
    assert (factories.figures(envelope).held, _state(clear)) == (0, ("lapsed", "open", 0))


# Who runs what


def _claimed(clear: Clear, by: Agent) -> Clear:
    Clear.objects.filter(pk=clear.pk).update(runner=by, runner_kind=by.kind, claimed_at=NOON, claim_until=after(60))
    return Clear.objects.select_related("account", "pool", "winning_task").get(pk=clear.pk)


def _quests_win(pool: Pool) -> Clear:
    quest = factories.quest("q1", 1000, into=pool)
    factories.slot(pool)
    bid = factories.bid(quest.account, PRICE, pool, work=factories.quest_task(quest, 5))
    clearing.clear_round(NOON, pool.name)
    return Clear.objects.select_related("account").get(bid=bid.pk)


def test_a_quests_win_is_run_by_who_claimed_it_and_by_nobody_else(pool: Pool) -> None:
    win, worker, other = _quests_win(pool), factories.agent(), factories.agent()
    namesake = factories.agent("q1")
    for nobody in (worker, namesake):
        with factories.refused(errors.UnknownSlotError):
            runs.start(win.slot_id, runner=nobody, now=after(1))
    win = _claimed(win, worker)
    with factories.refused(errors.UnknownSlotError):
        runs.start(win.slot_id, runner=other, now=after(1))
    # Its claim is over, but nobody has taken it over.
    running = factories.started(win, at=after(100))
    assert running.runner_account == Account.objects.get(owner_type="agent", owner_id=worker.pk)
    for deed in (runs.heartbeat, settlement.finish):
        extra: dict[str, Any] = {"actual_cost_tokens": 10} if deed is settlement.finish else {}
        with factories.refused(errors.UnknownSlotError):
            deed(win.slot_id, runner=other, now=after(110), **extra)
    runs.heartbeat(win.slot_id, runner=worker, now=after(110))
    settlement.settle(win.slot_id, 10, Decimal(1), now=after(120), runner=worker)
    # The quest pays, and the reward is halved between it and its runner.
    _fill_treasury()
    payouts.pay_out(now=after(121), pool=pool.name)
    assert Account.objects.get(pk=win.account_id).balance == 1000 - 1 + 50
    assert Account.objects.get(owner_type="agent", owner_id=worker.pk).balance == 50


def _fill_treasury() -> None:
    treasury = ledger.house_account(ledger.TREASURY)
    ledger.grant(account=treasury, amount=1000, key="float", now=NOON, memo="float")


def _given(pool: Pool, to: Agent, cost: int | None = None, of: Envelope | None = None) -> Clear:
    """Return a slot given to a quest's task, claimed by an agent, as fallback writes it."""
    quest = factories.quest("q1", 100, into=pool)
    work = _task(quest.account, cost, of=of, quest=quest)
    slot = factories.slot(pool)
    Slot.objects.filter(pk=slot.pk).update(state="given", closed_at=NOON)
    Task.objects.filter(pk=work.pk).update(state="taken")
    clear = Clear.objects.create(
        slot=slot,
        pool=pool,
        account=quest.account,
        winning_task=work,
        is_given=True,
        **dict.fromkeys(("clearing_price_tokens", "charge_tokens", "max_price_tokens"), 0),
        cleared_at=NOON,
        start_by=after(300),
    )
    return _claimed(clear, to)


def test_a_given_slot_costs_nothing_and_pays_only_its_runner(pool: Pool) -> None:
    worker = factories.agent()
    clear = _given(pool, worker)
    with factories.refused(errors.UnknownSlotError):
        runs.start(clear.slot_id, runner=factories.agent(), now=after(1))
    factories.started(clear, at=after(1))
    _fill_treasury()
    done = settlement.settle(clear.slot_id, 10, Decimal(1), now=after(2), runner=worker)
    assert done.reward_due_tokens == 100
    payout = payouts.pay_out(now=after(3), pool=pool.name)
    assert payout is not None
    assert (payout.swept_tokens, payout.due_tokens, payout.paid_tokens) == (0, 100, 50)
    assert Account.objects.get(owner_type="agent", owner_id=worker.pk).balance == 50
    assert Account.objects.get(pk=clear.account_id).balance == 100
    assert not Transfer.objects.filter(reason="capture").exists()


def test_a_given_slot_that_nobody_starts_is_offered_again(pool: Pool) -> None:
    clear = _given(pool, factories.agent())
    assert settlement.sweep(now=after(300))["forfeited"] == 1
    assert _state(clear) == ("forfeited", "open", 0)
    assert Slot.objects.get(offers_again=clear.slot_id).state == "open"


def test_a_given_slot_is_blocked_by_its_envelope_like_a_sold_one(pool: Pool, envelope: Envelope) -> None:
    clear = _given(pool, factories.agent(), 300, envelope)
    factories.record(envelope, 800)
    _refused_start(clear, at=after(1))
    assert _state(clear) == ("blocked", "open", 0)
    assert Slot.objects.get(offers_again=clear.slot_id).state == "open"


def test_a_provider_takes_a_given_slot_back(pool: Pool) -> None:
    clear = _given(pool, factories.agent())
    provider = factories.agent(kind="provider")
    Slot.objects.filter(pk=clear.slot_id).update(provider=provider, provider_kind="provider")
    settlement.withdraw_slot(clear.slot_id, provider=provider, now=after(1))
    assert _state(clear) == ("withdrawn", "open", 0)


# Over HTTP


def test_a_refused_start_is_answered_with_the_refusal_which_stays_on_record() -> None:
    trader = callers.trader(1000)
    factories.model("deep-1")
    own = factories.envelope(trader.agent.pk, entity_type="agent", tokens=1000)
    book = factories.pool("market")
    clear = _sold_to(trader.agent, book, 300)
    factories.record(own, 900, at=callers.now())
    answer = trader.post(f"{callers.MARKET}/slots/{clear.slot_id}/start", key=None)
    problem = callers.problem(answer)
    assert (answer.status_code, problem["code"], problem["figures"]["state"]) == (409, "budget_exhausted", "blocked")
    assert problem["figures"]["refusal_id"] == Refusal.objects.get().pk
    assert _state(clear) == ("blocked", "open", 0)
    again = callers.problem(trader.post(f"{callers.MARKET}/slots/{clear.slot_id}/start", key=None))
    assert (again["code"], again["figures"]["state"]) == ("slot_state", "blocked")


def test_a_bid_that_its_envelope_bars_is_answered_with_why() -> None:
    trader = callers.trader(1000)
    own = factories.envelope(trader.agent.pk, entity_type="agent", tokens=1000)
    stops.freeze([own.pk], author=REVIEWER, now=NOON)
    work = _task(factories.wallet(owner=trader.agent))
    factories.pool("market")
    problem = callers.problem(trader.post(f"{callers.MARKET}/bids", callers.bid(work.pk, PRICE, pool="market")))
    assert (problem["status"], problem["code"]) == (409, "envelope_frozen")
    assert "as agreed" in problem["detail"]


def _sold_to(agent: Agent, into: Pool, cost: int) -> Clear:
    owner = factories.wallet(owner=agent)
    now = callers.now()
    factories.slot(into, available_at=now)
    bid = order_book.place_bid(
        wallet=owner.pk,
        task_id=_task(owner, cost).pk,
        max_price_tokens=PRICE,
        ttl_at=now + timedelta(hours=1),
        now=now,
        pool=into.name,
    )
    clearing.clear_round(now, into.name)
    return Clear.objects.get(bid=bid.pk)
