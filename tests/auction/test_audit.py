"""The audit: silent after every deed of the market, and naming whatever somebody broke behind the laws' back."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from auction import audit, backlog, batches, clearing, order_book, payouts, pools, runs, settlement
from auction.models import AuditRun, Bid, Clear, Slot, Task
from economics import ledger, mint
from tests import factories
from tests.factories import NOON, after

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from auction.models import Pool
    from config.models import Agent
    from economics.models import Account

pytestmark = pytest.mark.usefixtures("committed_db")
USD = Decimal("0.02")  # earns 100 tokens


def _break(statement: str, *values: int | str) -> None:
    """Run a statement as a superuser who has switched triggers and foreign keys off; it must hit one row."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement, values)
        hit = cursor.rowcount
        cursor.execute("SET session_replication_role = DEFAULT")
    assert hit == 1


def _found() -> list[str]:
    return [str(difference) for difference in audit.differences()]


def _place(pool: Pool, wallet: Account, task: int, price: int, at: float) -> Bid:
    """Return a bid for the task of this number, good for 200 seconds."""
    work = factories.task(wallet, f"t{task}")
    return factories.bid(wallet, price, pool, work=work, at=after(at), gtd=True, lives=200)


def _trading(pool: Pool, wallet: Account, hand: Agent) -> Iterator[str]:
    """Do every deed up to a sale; yields what was just done."""
    mint.issue_daily(now=NOON)
    yield "issue"
    pools.top_up(pool.name, now=after(1))
    yield "top-up"
    pools.offer(provider=hand, pool=pool.name, count=2, available_at=NOON, offer_until=after(500), now=after(1))
    yield "offer"
    for n in range(5):
        _place(pool, wallet, n, 100 + n, 2)
    yield "bids"
    work = factories.tasks(wallet, 3)
    offers = [batches.Offer(t.pk, price, after(100)) for t, price in zip(work, (50, 60, 99_999), strict=True)]
    batches.place_bids(offers, now=after(2), wallet=wallet.pk, pool=pool.name)
    yield "batch"
    order_book.cancel_bid(_place(pool, wallet, 5, 10, 2).pk, wallet=wallet.pk, now=after(3))
    yield "cancelled bid"
    backlog.cancel_task(work[1].pk, wallet=wallet.pk, now=after(3))
    yield "cancelled task"
    clearing.clear_round(after(5), pool.name)
    yield "round"


def _working(pool: Pool, wallet: Account, hand: Agent) -> Iterator[str]:
    """Do every deed after a sale; yields what was just done."""
    worker = wallet.agent
    assert worker is not None
    offered = Clear.objects.filter(slot__provider=hand)[0]
    settlement.withdraw_slot(offered.slot_id, provider=hand, now=after(6))
    yield "withdrawn slot"
    one, two, three, *_late = Clear.objects.filter(state="sold")
    for clear in (one, two, three):
        runs.start(clear.slot_id, runner=worker, now=after(7))
    yield "start"
    runs.heartbeat(one.slot_id, runner=worker, now=after(8))
    yield "heartbeat"
    settlement.settle(one.slot_id, 10, USD, now=after(9))
    yield "settlement"
    settlement.finish(two.slot_id, actual_cost_tokens=0, now=after(10))
    yield "finish"
    payouts.pay_out(now=after(11), pool=pool.name)
    yield "payout"
    settlement.record_impact(two.slot_id, actual_impact=USD, now=after(12))
    yield "impact"
    settlement.sweep(now=after(400))
    yield "forfeits"
    settlement.sweep(now=after(2_000))
    yield "lapse"
    payouts.pay_out(now=after(2_000), pool=pool.name)
    yield "second payout"
    _place(pool, wallet, 6, 100, 2_000)
    order_book.refund_unfilled(now=after(3_000))
    yield "expiry"
    pools.expire_offers(now=after(3_000))
    yield "ended offers"
    _place(pool, wallet, 7, 100, 3_000)
    clearing.clear_round(after(3_001), pool.name)
    yield "second round"
    settlement.stop_pool(pool.name, now=after(3_002))
    yield "stop"
    pools.resume(pool.name, now=after(3_003))
    yield "resumption"
    gift = ledger.grant(account=wallet, amount=7, key="gift", now=after(3_004), memo="by mistake")
    ledger.reverse(gift, now=after(3_005), memo="by mistake")
    yield "reversal"
    mint.issue_daily(now=after(86_400))
    yield "second issue"


def test_audit_is_clean_after_every_deed() -> None:
    pool, wallet = factories.pool("market", capacity=4), factories.wallet(10_000)
    hand = factories.agent(kind="provider")
    deeds = itertools.chain(_trading(pool, wallet, hand), _working(pool, wallet, hand))
    assert [(deed, found) for deed in deeds if (found := _found())] == []
    ends = sorted(set(Clear.objects.values_list("state", flat=True)))
    assert ends == ["finished", "forfeited", "lapsed", "withdrawn"]


def test_audit_stores_its_pass() -> None:
    factories.world(USD)
    run = audit.audit(now=after(9))
    assert (run.passed, run.differences, run.started_at) == (True, [], after(9))
    assert list(AuditRun.objects.values_list("pk", "passed")) == [(run.pk, True)]


def test_audit_stores_what_it_found() -> None:
    rich = factories.world(USD).rich
    _break("UPDATE token_accounts SET held = held + 7 WHERE id = %s", rich.pk)
    rich.refresh_from_db()
    run = audit.audit(now=after(9))
    what = f"held on account {rich.pk} (agent:worker)"
    assert (run.passed, run.differences) == (False, [{"what": what, "stored": rich.held, "rebuilt": rich.held - 7}])


def test_scope_counts_what_was_read() -> None:
    factories.world(USD)
    assert audit.scope() == "5 accounts, 6 transfers, 6 bids, 4 clears, 2 envelopes, 5 days of usage"


# What a corruption looks like. The world: four slots sold at 100 to one worker, one of them graded and paid 100.


def test_a_changed_balance_is_found() -> None:
    rich = factories.world(USD).rich
    rich.refresh_from_db()
    _break("UPDATE token_accounts SET balance = balance + 5 WHERE id = %s", rich.pk)
    assert _found() == [
        "sum of all balances: stored 5, rebuilt 0",
        f"balance of account {rich.pk} (agent:worker): stored {rich.balance + 5}, rebuilt {rich.balance}",
    ]


def test_two_changed_balances_that_cancel_out_are_found() -> None:
    rich = factories.world(USD).rich
    treasury = ledger.house_account("treasury")
    rich.refresh_from_db()
    _break("UPDATE token_accounts SET balance = balance + 5 WHERE id = %s", rich.pk)
    _break("UPDATE token_accounts SET balance = balance - 5 WHERE id = %s", treasury.pk)
    assert _found() == [
        f"balance of account {treasury.pk} (house:treasury): stored {treasury.balance - 5}, rebuilt {treasury.balance}",
        f"balance of account {rich.pk} (agent:worker): stored {rich.balance + 5}, rebuilt {rich.balance}",
    ]


def test_a_vanished_account_is_found() -> None:
    lone = factories.wallet(30)
    _break("DELETE FROM token_accounts WHERE id = %s", lone.pk)
    assert _found() == [
        "sum of all balances: stored -30, rebuilt 0",
        f"balance of account {lone.pk} (vanished): stored 0, rebuilt 30",
    ]


def test_a_vanished_grant_is_found() -> None:
    lone = factories.wallet(30)
    mint_account = ledger.house_account("mint")
    _break("DELETE FROM token_ledger WHERE credit_account_id = %s", lone.pk)
    assert _found() == [
        f"balance of account {mint_account.pk} (house:mint): stored -30, rebuilt 0",
        f"balance of account {lone.pk} (agent:{lone.owner_id}): stored 30, rebuilt 0",
    ]


def _market() -> factories.World:
    """Return the world with tokens in the pool's revenue account, out of which a balance can be mended."""
    world = factories.world(USD)
    ledger.grant(account=world.pool.revenue_account, amount=1_000, key="revenue", now=after(5), memo="test")
    return world


def _move(account: int, amount: int) -> None:
    """Make a balance fit a ledger that was tampered with, so that only the market's own rows can tell."""
    _break("UPDATE token_accounts SET balance = balance + %s WHERE id = %s", amount, account)


def test_a_vanished_capture_is_found_though_the_balances_were_mended() -> None:
    world = _market()
    key = f"capture:{world.finished.slot_id}"
    _break("DELETE FROM token_ledger WHERE key = %s", key)
    _move(world.rich.pk, 100)
    _move(world.pool.revenue_account_id, -100)
    assert _found() == [f"amount of {key}: stored 0, rebuilt 100"]


def test_a_capture_of_the_wrong_amount_is_found_though_the_balances_were_mended() -> None:
    world = _market()
    key = f"capture:{world.finished.slot_id}"
    _break("UPDATE token_ledger SET amount = 60 WHERE key = %s", key)
    _move(world.rich.pk, 40)
    _move(world.pool.revenue_account_id, -40)
    assert _found() == [f"amount of {key}: stored 60, rebuilt 100"]


def test_a_capture_paid_to_somebody_else_is_found() -> None:
    world, thief = _market(), factories.wallet()
    key = f"capture:{world.finished.slot_id}"
    _break("UPDATE token_ledger SET credit_account_id = %s WHERE key = %s", thief.pk, key)
    _move(thief.pk, 100)
    _move(world.pool.revenue_account_id, -100)
    assert _found() == [f"credit account of {key}: stored {thief.pk}, rebuilt {world.pool.revenue_account_id}"]


def test_a_capture_taken_from_somebody_else_is_found() -> None:
    world, victim = factories.world(USD), factories.wallet(500)
    key = f"capture:{world.finished.slot_id}"
    _break("UPDATE token_ledger SET debit_account_id = %s WHERE key = %s", victim.pk, key)
    _move(victim.pk, -100)
    _move(world.rich.pk, 100)
    assert _found() == [f"debit account of {key}: stored {victim.pk}, rebuilt {world.rich.pk}"]


def test_a_transfer_under_another_reason_is_found() -> None:
    world = factories.world(USD)
    key = f"capture:{world.finished.slot_id}"
    _break("UPDATE token_ledger SET reason = 'grant' WHERE key = %s", key)
    assert _found() == [f"amount of {key}: stored 0, rebuilt 100"]


def test_a_hold_released_too_early_is_found() -> None:
    world = factories.world(USD)
    world.rich.refresh_from_db()
    ledger.release_holds({world.rich.pk: 100})
    assert _found() == [
        f"held on account {world.rich.pk} (agent:worker): stored {world.rich.held - 100}, rebuilt {world.rich.held}"
    ]


def test_a_lost_open_bid_is_found() -> None:
    world = factories.world(USD)
    world.rich.refresh_from_db()
    _break("DELETE FROM compute_auction_bids WHERE id = %s", world.open_bid.pk)
    assert _found() == [
        f"held on account {world.rich.pk} (agent:worker): stored {world.rich.held}, rebuilt {world.rich.held - 50}"
    ]


def test_a_lost_live_clear_is_found() -> None:
    world = factories.world(USD)
    world.rich.refresh_from_db()
    clear = world.sold
    _break("DELETE FROM compute_auction_clears WHERE id = %s", clear.pk)
    assert _found() == [
        f"held on account {world.rich.pk} (agent:worker): stored {world.rich.held}, rebuilt {world.rich.held - 100}",
        f"premium released in round {world.round.pk}: stored 1000, rebuilt {1000 - clear.premium_tokens}",
        f"slots sold in round {world.round.pk}: stored 4, rebuilt 3",
        f"tokens charged in round {world.round.pk}: stored 400, rebuilt 300",
        f"clears of won bid {clear.bid_id}: stored 0, rebuilt 1",
        f"clears of sold slot {clear.slot_id}: stored 0, rebuilt 1",
        f"state of task {clear.winning_task_id}: stored taken, rebuilt open",
    ]


def test_a_lost_paid_clear_is_found() -> None:
    world = factories.world(USD)
    clear = world.paid
    _break("DELETE FROM compute_auction_clears WHERE id = %s", clear.pk)
    assert _found() == [
        f"amount of capture:{clear.slot_id}: stored 100, rebuilt 0",
        f"rewards of clear {clear.pk}: stored 0, rebuilt 100",
        f"rewards due by payout {world.payout.pk}: stored 100, rebuilt 0",
        f"rewards paid by payout {world.payout.pk}: stored 100, rebuilt 0",
        f"premium released in round {world.round.pk}: stored 1000, rebuilt {1000 - clear.premium_tokens}",
        f"slots sold in round {world.round.pk}: stored 4, rebuilt 3",
        f"tokens charged in round {world.round.pk}: stored 400, rebuilt 300",
        f"clears of won bid {clear.bid_id}: stored 0, rebuilt 1",
        f"clears of sold slot {clear.slot_id}: stored 0, rebuilt 1",
        f"state of task {clear.winning_task_id}: stored done, rebuilt open",
    ]


def _run() -> Clear:
    """Return a slot that runs under a reservation."""
    factories.model()
    own = factories.envelope("h1")
    work = factories.task(factories.wallet(100), entity_type="hypothesis", entity_id="h1")
    Task.objects.filter(pk=work.pk).update(expected_cost_tokens=300, model="deep-1")
    market = factories.pool()
    factories.slot(market)
    bid = factories.bid(work.wallet, 10, market, work=work)
    clearing.clear_round(NOON, market.name)
    clear = factories.started(Clear.objects.get(bid=bid.pk))
    assert (_found(), factories.figures(own).held) == ([], 300)
    return clear


def test_a_reservation_that_outlives_its_run_is_found() -> None:
    clear = _run()
    settlement.finish(clear.slot_id, actual_cost_tokens=0, now=after(1))
    reservation = clear.reservation_id or 0
    _break("UPDATE economics_reservations SET state = 'open', closed_at = NULL WHERE id = %s", reservation)
    assert f"open reservation of clear {clear.pk}: stored {reservation}, rebuilt None" in _found()


def test_a_reservation_of_another_slot_is_found() -> None:
    clear = _run()
    _break("UPDATE economics_reservations SET slot_id = 'another' WHERE id = %s", clear.reservation_id or 0)
    assert _found() == [f"slot of the reservation of clear {clear.pk}: stored another, rebuilt {clear.slot_id}"]


def _gift() -> Clear:
    """Return a slot given to a quest's task, as fallback writes it, claimed by a worker."""
    quest, worker, market = factories.quest("q1", 100), factories.agent(), factories.pool()
    work, slot = factories.quest_task(quest, 5), factories.slot(market)
    Slot.objects.filter(pk=slot.pk).update(state="given", closed_at=NOON)
    Task.objects.filter(pk=work.pk).update(state="taken")
    clear = Clear.objects.create(
        slot=slot,
        pool=market,
        account=quest.account,
        winning_task=work,
        is_given=True,
        **dict.fromkeys(("clearing_price_tokens", "charge_tokens", "max_price_tokens"), 0),
        cleared_at=NOON,
        start_by=after(300),
        claimed_at=NOON,
        claim_until=after(60),
        runner=worker,
        runner_kind=worker.kind,
    )
    assert _found() == []
    return clear


@pytest.mark.parametrize(
    ("table", "change", "found"),
    [
        ("auction_slots", "state = 'sold'", "state of the slot of gift {0}: stored sold, rebuilt given"),
        ("auction_tasks", "state = 'open'", "state of task {2}: stored open, rebuilt taken"),
        ("compute_auction_clears", "clearing_price_tokens = 7", "price of gift {0}: stored 7, rebuilt 0"),
    ],
)
def test_a_gift_that_was_tampered_with_is_found(table: str, change: str, found: str) -> None:
    clear = _gift()
    key = {"auction_slots": clear.slot_id, "auction_tasks": clear.winning_task_id}.get(table, clear.pk)
    if table == "compute_auction_clears":
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT clear_sold_by_a_round_or_given")
    _break(f"UPDATE {table} SET {change} WHERE id = %s", key)
    assert _found() == [found.format(clear.pk, clear.slot_id, clear.winning_task_id)]


def test_a_lost_gift_is_found() -> None:
    clear = _gift()
    _break("DELETE FROM compute_auction_clears WHERE id = %s", clear.pk)
    assert _found() == [
        f"clears of given slot {clear.slot_id}: stored 0, rebuilt 1",
        f"state of task {clear.winning_task_id}: stored taken, rebuilt open",
    ]


def test_a_reward_of_the_wrong_amount_is_found_though_the_balances_were_mended() -> None:
    world = factories.world(USD)
    _break("UPDATE token_ledger SET amount = 130 WHERE key = %s", f"reward:{world.paid.pk}:payer")
    _move(world.rich.pk, 30)
    _move(ledger.house_account("treasury").pk, -30)
    assert _found() == [f"rewards of clear {world.paid.pk}: stored 100, rebuilt 130"]


def test_a_reward_written_larger_than_paid_is_found() -> None:
    world = factories.world(USD)
    _break("UPDATE compute_auction_clears SET reward_paid_tokens = 99 WHERE id = %s", world.paid.pk)
    assert _found() == [
        f"rewards of clear {world.paid.pk}: stored 99, rebuilt 100",
        f"rewards paid by payout {world.payout.pk}: stored 100, rebuilt 99",
    ]


def test_a_reward_paid_to_somebody_else_is_found() -> None:
    world, thief = factories.world(USD), factories.wallet()
    key = f"reward:{world.paid.pk}:payer"
    _break("UPDATE token_ledger SET credit_account_id = %s WHERE key = %s", thief.pk, key)
    _move(thief.pk, 100)
    _move(world.rich.pk, -100)
    assert _found() == [f"credit account of {key}: stored {thief.pk}, rebuilt {world.rich.pk}"]


def test_a_vanished_sweep_is_found_though_the_balances_were_mended() -> None:
    world = factories.world(USD)
    key = "sweep:market:2026-03-02T12:00:00+00:00"
    _break("DELETE FROM token_ledger WHERE key = %s", key)
    _move(world.pool.revenue_account_id, 200)
    _move(ledger.house_account("treasury").pk, -200)
    assert _found() == [f"amount of {key}: stored 0, rebuilt 200"]


def test_a_vanished_payout_is_found() -> None:
    world = factories.world(USD)
    _break("DELETE FROM auction_payouts WHERE id = %s", world.payout.pk)
    assert _found() == ["amount of sweep:market:2026-03-02T12:00:00+00:00: stored 200, rebuilt 0"]


def test_a_larger_issue_is_found_though_the_balances_were_mended() -> None:
    factories.world(USD)
    _break("UPDATE token_ledger SET amount = 100001 WHERE key = 'issue:2026-03-02'")
    _move(ledger.house_account("treasury").pk, 1)
    _move(ledger.house_account("mint").pk, -1)
    assert _found() == ["amount of issue:2026-03-02: stored 100001, rebuilt 100000"]


def test_a_vanished_issue_is_found() -> None:
    factories.world(USD)
    _break("DELETE FROM economics_dailyissue WHERE day = '2026-03-02'")
    assert _found() == ["amount of issue:2026-03-02: stored 100000, rebuilt 0"]


def test_a_vanished_round_is_found() -> None:
    world = factories.world(USD)
    _break("DELETE FROM compute_auction_rounds WHERE id = %s", world.round.pk)
    ids = sorted(c.pk for c in (world.sold, world.running, world.finished, world.paid))
    assert _found() == [
        "last round of pool market: stored 2026-03-02 12:00:00+00, rebuilt None",
        *(f"round of clear {pk}: stored {world.round.pk}, rebuilt None" for pk in ids),
    ]


def test_a_changed_price_is_found() -> None:
    world = factories.world(USD)
    _break("UPDATE compute_auction_clears SET clearing_price_tokens = 90 WHERE id = %s", world.sold.pk)
    assert _found() == [f"lowest clearing price in round {world.round.pk}: stored 100, rebuilt 90"]


def test_a_changed_charge_is_found() -> None:
    world = factories.world(USD)
    _break("UPDATE compute_auction_clears SET charge_tokens = 90 WHERE id = %s", world.finished.pk)
    assert _found() == [
        f"amount of capture:{world.finished.slot_id}: stored 100, rebuilt 90",
        f"premium released in round {world.round.pk}: stored 1000, rebuilt 1010",
        f"tokens charged in round {world.round.pk}: stored 400, rebuilt 390",
    ]


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("{bids} SET status = 'lost' WHERE id = {bid}", "status of the bid of clear {pk}: stored lost, rebuilt won"),
        ("{bids} SET max_price_tokens = 600 WHERE id = {bid}", "price bid of clear {pk}: stored 500, rebuilt 600"),
        ("{bids} SET task_id = 'x' WHERE id = {bid}", "task of clear {pk}: stored {task}, rebuilt x"),
        (
            "{slots} SET state = 'open' WHERE id = '{slot}'",
            "state of the slot of clear {pk}: stored open, rebuilt sold",
        ),
        ("DELETE FROM auction_slots WHERE id = '{slot}'", "state of the slot of clear {pk}: stored None, rebuilt sold"),
        ("{tasks} SET state = 'open' WHERE id = '{task}'", "state of task {task}: stored open, rebuilt taken"),
        ("DELETE FROM auction_tasks WHERE id = '{task}'", "state of task {task}: stored None, rebuilt taken"),
    ],
)
def test_a_sale_whose_parts_disagree_is_found(statement: str, line: str) -> None:
    clear = factories.world(USD).sold
    parts = {"pk": clear.pk, "bid": clear.bid_id, "slot": clear.slot_id, "task": clear.winning_task_id}
    tables = {"bids": "UPDATE compute_auction_bids", "slots": "UPDATE auction_slots", "tasks": "UPDATE auction_tasks"}
    _break(statement.format(**parts, **tables))
    assert _found() == [line.format(**parts)]


def test_a_vanished_winning_bid_is_found() -> None:
    clear = factories.world(USD).sold
    _break("DELETE FROM compute_auction_bids WHERE id = %s", clear.bid_id or 0)
    assert _found() == [
        f"{part} of clear {clear.pk}: stored {stored}, rebuilt {rebuilt}"
        for part, stored, rebuilt in (
            ("status of the bid", None, "won"),
            ("account", clear.account_id, None),
            ("task", clear.winning_task_id, None),
            ("price bid", 500, None),
        )
    ]


@pytest.mark.parametrize("since", [None, NOON - audit.RECENT])
def test_the_books_of_budgets_are_counted_again(since: datetime | None) -> None:
    line = factories.world(USD).books.tier_line
    _break("UPDATE economics_counters SET settled = 0 WHERE line_id = %s", line.pk)
    assert [str(difference) for difference in audit.differences(since=since)] == [
        f"settled on line {line.pk} (hypothesis:h1 {line}) from 2026-03-02 00:00:00+00: stored 0, rebuilt 200"
    ]
    assert audit.audit(now=NOON, since=since).passed is False


def test_the_last_pass_is_told_with_the_number_of_its_differences() -> None:
    assert audit.last_pass() is None
    AuditRun.objects.create(started_at=NOON, finished_at=after(2), passed=False, differences=[{}, {}])
    assert audit.last_pass() == (AuditRun.objects.get().pk, NOON, after(2), False, 2)
    newer = AuditRun.objects.create(started_at=after(60), finished_at=after(61), passed=True)
    AuditRun.objects.create(started_at=after(30), finished_at=after(90), passed=True)
    assert audit.last_pass() == (newer.pk, after(60), after(61), True, 0)
