"""One tick of the books: what is due, each deed in a transaction of its own."""

from datetime import datetime
from functools import partial

from config import due
from economics import admission, arrivals, daily, market, returns, reviews, safety, scores, unpriced


def run_due(*, now: datetime) -> None:
    """Do all that is due at `now`: arrivals, holds, prices, the daily check, what deserves compute, and the reviews.

    A week's review is drafted last, so that it finds the scores, market weights and ROI of its first morning.

    One deed that fails is logged and does not stop the others; the next tick tries it again. Two workers may run
    this at the same time: each deed is safe against its double.
    """
    due.attempt("counting of arrivals", arrivals.catch_up)
    due.attempt("sweep of reservations", partial(admission.expire, now=now))
    due.attempt("prices of usage", partial(unpriced.price_unpriced, now=now))
    due.attempt("daily check", partial(safety.check_when_due, now=now))
    due.attempt("scores", partial(scores.recompute_when_due, now=now))
    due.attempt("market weights", partial(market.weigh_when_due, now=now))
    due.attempt("returns", partial(returns.refresh_when_due, now=now))
    due.attempt("daily review", partial(daily.review, now=now))
    due.attempt("weekly review", partial(reviews.draft_when_due, now=now))
