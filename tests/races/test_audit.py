"""The audit never cries wolf: it finds nothing while others trade, pay out and grant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auction import audit, clearing, payouts, pools, settlement
from auction.models import Clear
from economics import ledger
from tests import factories
from tests.factories import after
from tests.races.crew import race

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 30
MARKET = pools.DEFAULT


def test_audit_of_a_busy_market_is_clean_and_sees_it_move() -> None:
    owners = [factories.wallet(10_000) for _ in range(2)]
    work = [factories.tasks(owner, ROUNDS) for owner in owners]

    def trader(place: int) -> Callable[[int], object]:
        owner = owners[place]

        def trade(number: int) -> None:
            start = 60 * number
            factories.bid(owner, 100 + number, pools.get(MARKET), work=work[place][number], at=after(start), gtd=True)
            pools.top_up(now=after(start))
            clearing.clear_round(after(start + 1))
            for clear in Clear.objects.filter(account=owner, state="sold"):
                factories.run(clear, 1_000, at=after(start + 2))
            payouts.pay_out(now=after(start + 3))
            ledger.grant(account=owner, amount=1, key=f"{place}:{number}", now=after(start), memo="race")
            settlement.sweep(now=after(start + 3))

        return trade

    def auditor(_number: int) -> tuple[list[str], int]:
        clears = Clear.objects.count()
        return [str(difference) for _ in range(3) for difference in audit.differences()], clears

    outcomes = race(trader(0), trader(1), auditor, auditor, rounds=ROUNDS)

    assert [audited.value[0] for *_traders, one, other in outcomes for audited in (one, other)] == [[]] * 2 * ROUNDS
    seen = [one.value[1] for *_traders, one, _other in outcomes]
    assert len(set(seen)) > ROUNDS // 3  # the books did move between the audits
