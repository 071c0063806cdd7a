"""One tick of the market: what is due in each pool, each deed in a transaction of its own."""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db import DatabaseError

from auction import clearing, order_book, payouts, pools, settlement
from auction.models import Pool
from config.errors import RefusedError
from economics import mint

log = logging.getLogger(__name__)


def run_due(*, now: datetime) -> None:
    """Do all that is due at `now`: the day's issue, sweeps, and each pool's top-up, round and payout.

    One deed that fails is logged and does not stop the others; the next tick tries it again. Two workers may run
    this at the same time: each deed is safe against its double.
    """
    _attempt("daily issue", partial(mint.issue_daily, now=now))
    _attempt("sweep of slots", partial(settlement.sweep, now=now))
    _attempt("sweep of offers", partial(pools.expire_offers, now=now))
    _attempt("sweep of bids", partial(order_book.refund_unfilled, now=now))
    for pool in Pool.objects.order_by("name"):
        _attempt(f"top-up of {pool.name}", partial(pools.top_up, pool.name, now=now))
        if pool.mode != Pool.Mode.STOPPED and pools.is_due(pool, now):
            _attempt(f"round of {pool.name}", partial(clearing.clear_round, now, pool.name))
        _attempt(f"payout of {pool.name}", partial(payouts.pay_out, now=now, pool=pool.name))


def _attempt(what: str, deed: Callable[[], object]) -> None:
    try:
        deed()
    except RefusedError as refusal:
        log.info("%s: %s (%s)", what, refusal.detail, refusal.code)
    except DatabaseError:
        log.exception("%s failed and is tried again at the next tick", what)
