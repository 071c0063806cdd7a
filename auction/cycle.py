"""One tick of the market: what is due in each pool, each deed in a transaction of its own."""

from datetime import datetime
from functools import partial

from auction import bidder, clearing, fallback, order_book, payouts, pools, settlement, stipends
from auction.models import Pool
from config import due, feed
from config.errors import RefusedError
from economics import mint


def run_due(*, now: datetime) -> None:
    """Do all that is due at `now`: the day's issue and stipends, sweeps, and each pool's slots, bids, round and payout.

    One deed that fails is logged and does not stop the others; the next tick tries it again. Two workers may run
    this at the same time: each deed is safe against its double.
    """
    due.attempt("daily issue", partial(mint.issue_daily, now=now))
    due.attempt("stipends", partial(stipends.pay_due, now=now))
    due.attempt("sweep of slots", partial(settlement.sweep, now=now))
    due.attempt("sweep of offers", partial(pools.expire_offers, now=now))
    due.attempt("sweep of bids", partial(order_book.refund_unfilled, now=now))
    due.attempt("places in the feed", feed.last)
    for pool in Pool.objects.order_by("name"):
        due.attempt(f"top-up of {pool.name}", partial(pools.top_up, pool.name, now=now))
        if fallback.tries_rounds(pool) and pools.is_due(pool, now):
            due.attempt(
                f"automatic bids of {pool.name}", partial(bidder.submit_bids_for_tasks, now=now, pool=pool.name)
            )
            due.attempt(f"round of {pool.name}", partial(_round, pool.name, now))
        due.attempt(f"payout of {pool.name}", partial(payouts.pay_out, now=now, pool=pool.name))


def _round(pool: str, now: datetime) -> None:
    """Try a round, also in fallback: one that comes to its end ends that, and failures in a row begin it."""
    try:
        clearing.clear_round(now, pool)
    except RefusedError:  # another worker was faster, or somebody stopped the pool: nothing failed
        raise
    except Exception:
        due.attempt(f"failed round of {pool}", partial(fallback.failed, pool, now=now))
        raise
    fallback.succeeded(pool, now=now)
