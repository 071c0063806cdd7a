"""One tick of the market: what is due in each pool, each deed in a transaction of its own."""

from datetime import datetime
from functools import partial

from auction import clearing, order_book, payouts, pools, settlement
from auction.models import Pool
from config import due
from economics import mint


def run_due(*, now: datetime) -> None:
    """Do all that is due at `now`: the day's issue, sweeps, and each pool's top-up, round and payout.

    One deed that fails is logged and does not stop the others; the next tick tries it again. Two workers may run
    this at the same time: each deed is safe against its double.
    """
    due.attempt("daily issue", partial(mint.issue_daily, now=now))
    due.attempt("sweep of slots", partial(settlement.sweep, now=now))
    due.attempt("sweep of offers", partial(pools.expire_offers, now=now))
    due.attempt("sweep of bids", partial(order_book.refund_unfilled, now=now))
    for pool in Pool.objects.order_by("name"):
        due.attempt(f"top-up of {pool.name}", partial(pools.top_up, pool.name, now=now))
        if pool.mode != Pool.Mode.STOPPED and pools.is_due(pool, now):
            due.attempt(f"round of {pool.name}", partial(clearing.clear_round, now, pool.name))
        due.attempt(f"payout of {pool.name}", partial(payouts.pay_out, now=now, pool=pool.name))
