"""What the house forgets once an hour: rows whose time is over by the policy and that no money rests on."""

from datetime import datetime
from functools import partial

from config import answers, due, feed, retention
from economics import refusals

# Whatever a bid won stays, with the bid. Of the rest no clear and no round needs the row: a round keeps a copy of the
# bids that decided it.
_BIDS = "status IN ('lost', 'expired', 'cancelled') AND closed_at < %(before)s"
# The audit compares a pool's last round with what the pool says of it.
_ROUNDS = """
slots_sold = 0 AND cleared_at < %(before)s
AND cleared_at < (SELECT last_round_at FROM auction_pools p WHERE p.id = compute_auction_rounds.pool_id)
"""


def outdated(*, now: datetime) -> list[retention.Outdated]:
    """Return all that the policy lets go at `now`. Money, usage and what was decided are not among it, at any age."""
    policy = retention.policy()
    bids, rounds = ({"before": retention.ago(days, now)} for days in (policy.bids_days, policy.rounds_days))
    return [
        retention.Outdated("bids that won nothing", "compute_auction_bids", _BIDS, bids),
        retention.Outdated("rounds that sold nothing", "compute_auction_rounds", _ROUNDS, rounds),
        retention.Outdated("cycles of automatic bids", "auction_bid_cycles", "at < %(before)s", rounds),
        refusals.outdated(retention.ago(policy.refusals_days, now)),
        answers.outdated(retention.ago(policy.answers_days, now)),
        feed.outdated(retention.ago(policy.feed_days, now)),
    ]


def would_forget(*, now: datetime) -> dict[str, int]:
    """Return how many rows of each kind would go at `now`."""
    return {rows.what: retention.count(rows) for rows in outdated(now=now)}


def forget(*, now: datetime) -> dict[str, int]:
    """Delete what the policy lets go at `now`, 10,000 rows in a transaction; return how many of each kind.

    A kind that fails is logged, left to the next time and not in the answer; the others go.
    """
    gone: dict[str, int] = {}

    def forget_one(rows: retention.Outdated) -> None:
        gone[rows.what] = retention.forget(rows)

    for rows in outdated(now=now):
        due.attempt(f"forgetting {rows.what}", partial(forget_one, rows))
    retention.swept(now=now)
    return gone
