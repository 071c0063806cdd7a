"""A win that its envelope does not let start: nobody pays, the slot goes to the next, and the work is done later."""

from __future__ import annotations

from datetime import timedelta

from auction import clearing, errors, next_task, runs, settlement
from auction.models import Bid, Clear, Slot, Task
from economics import envelopes
from economics.errors import AdmissionRefusedError
from economics.models import Account, Refusal, Transfer
from tests import factories
from tests.factories import NOON, REVIEWER, after

PRICE = 10  # the reserve: each slot here is sold to an only bid of 50
TOMORROW = NOON + timedelta(days=1)


def test_a_win_is_blocked_its_slot_sold_again_and_the_work_done_when_there_is_room() -> None:
    market = factories.pool("market", reserve_tokens=PRICE, cycle_seconds=60)
    factories.model("deep-1")
    # The hypothesis may use 1,000 tokens a day. A quest means to spend 600 of them on a replication.
    hypothesis = factories.envelope("h1", tokens=1000)
    quest = factories.quest("replications", 500, into=market)
    work = factories.quest_task(
        quest, 5, name="replicate", entity=("hypothesis", "h1"), expected_cost_tokens=600, model="deep-1"
    )
    worker = factories.agent("ada-bot")

    # 12:00: there is room, it bids 50 and wins at the reserve.
    factories.slot(market)
    first = factories.bid(quest.account, 50, market, work=work)
    clearing.clear_round(NOON, market.name)
    clear = Clear.objects.get(bid=first.pk)
    assert next_task.next_task(worker, now=after(1), pool=market.name).clear == clear

    # 12:00:10: somebody else uses 500 tokens for the same hypothesis. The 600 do not fit in any more.
    factories.record(hypothesis, 500, at=after(10))
    refusal = runs.start(clear.slot_id, runner=worker, now=after(20))
    assert isinstance(refusal, AdmissionRefusedError)
    assert (refusal.code, refusal.figures["most"]) == ("budget_exhausted", 500)
    advice = str(refusal.figures["would_pass"])
    assert advice.startswith("ask for at most 500, or wait until 2026-03-03T00:00:00+00:00")

    # Nothing was paid, nothing is held; the refusal is on record, and the clear names it.
    clear.refresh_from_db()
    assert (clear.state, clear.refusal_id) == ("blocked", Refusal.objects.get().pk)
    wallet = Account.objects.get(pk=quest.account_id)
    assert (wallet.balance, wallet.held) == (500, 0)

    # The task is open, but may not bid for what it could not start.
    assert Task.objects.get(pk="replicate").state == "open"
    with factories.refused(errors.EnvelopeExhaustedError) as said:
        factories.bid(quest.account, 50, market, work=work, at=after(30))
    assert said.value.figures["until"] == TOMORROW.replace(hour=0)
    assert said.value.figures["room"] == 500

    # 12:01: the slot is offered again, and sold to somebody else.
    again = Slot.objects.get(offers_again=clear.slot_id)
    other = factories.bid(factories.wallet(100), 50, market, at=after(40))
    clearing.clear_round(after(60), market.name)
    assert Clear.objects.get(bid=other.pk).slot_id == again.pk

    # 12:02: a reviewer doubles the ceiling. Now it bids, wins, starts under a reservation of 600 and uses 550.
    envelopes.change(hypothesis.pk, author=REVIEWER, now=after(120), token_budget=2000)
    factories.slot(market, available_at=after(120))
    second = factories.bid(quest.account, 50, market, work=work, at=after(120))
    clearing.clear_round(after(121), market.name)
    win = Clear.objects.get(bid=second.pk)
    assert next_task.next_task(worker, now=after(125), pool=market.name).clear == win
    factories.started(win, by=worker, at=after(130))
    assert factories.figures(hypothesis, at=after(130)) == (2000, 500, 600, 900)
    settlement.settle(win.slot_id, 550, now=after(500), runner=worker)
    assert factories.figures(hypothesis, at=after(500)) == (2000, 1050, 0, 950)
    assert Task.objects.get(pk="replicate").state == "done"

    # In all the quest has paid for one slot.
    assert list(Transfer.objects.filter(debit_account=quest.account).values_list("amount", flat=True)) == [PRICE]
    assert sorted(Bid.objects.filter(task=work).values_list("status", flat=True)) == ["won", "won"]
