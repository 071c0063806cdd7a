"""What a pool's settings do, each in a sentence with figures of this pool worked out."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from auction.models import Pool
from economics.money import reward

_DAY: Final = 86_400
_FACTOR: Final = Decimal("0.6")  # of a quest's bids, if its settings say nothing else
_RULES: Final = (
    "An example, two slots and bids of 90 and 80 by one owner, 50 and 30 by others. Uniform: the two pay 50 each, the "
    "highest losing number. Vickrey: they pay what they displace, 50 and 30. Under uniform an owner of several bids "
    "may gain by hiding one; under vickrey it cannot, and no charge is ever higher."
)


NAMES: Final[Mapping[str, str]] = {
    "pricing_rule": "Pricing rule",
    "capacity": "Slots of the house",
    "cycle_seconds": "Cycle, in seconds",
    "claim_seconds": "Time to start a claim, in seconds",
    "start_deadline_seconds": "Time to start a win, in seconds",
    "lease_seconds": "Lease, in seconds",
    "max_ttl_seconds": "Longest life of a bid, in seconds",
    "reserve_tokens": "Reserve",
    "min_bid_tokens": "Smallest bid",
    "max_bid_tokens": "Largest bid",
    "usd_per_token": "USD per wallet token",
    "reward_rate": "Reward rate",
    "reward_cap_tokens": "Largest reward, in wallet tokens",
    "runner_share": "Runner's share",
    "breaker_failures": "Failed rounds that begin it",
    "stale_cycles": "Cycles without a round that begin it",
}


def of(pool: Pool) -> Mapping[str, str]:
    """Return of each setting what it does, with the figures that follow from the pool as it is now."""
    return {**_times(pool), **_prices(pool), **_rewards(pool), "pricing_rule": _RULES}


def lasting(seconds: int) -> str:
    """Return a time in words, as 1 day 2 h."""
    parts = (
        (seconds // _DAY, "day"),
        (seconds % _DAY // 3600, "h"),
        (seconds % 3600 // 60, "min"),
        (seconds % 60, "s"),
    )
    told = [f"{number:,} {unit}{'s' if unit == 'day' and number > 1 else ''}" for number, unit in parts if number]
    return " ".join(told) or "0 s"


def usd(amount: Decimal) -> str:
    """Return an amount of USD with as many decimals as it has."""
    return f"{amount.normalize():,f} USD"


def _times(pool: Pool) -> dict[str, str]:
    late = timedelta(seconds=pool.cycle_seconds * pool.stale_cycles)
    rounds = max(1, _DAY // pool.cycle_seconds)
    start, claim = lasting(pool.start_deadline_seconds), lasting(pool.claim_seconds)
    return {
        "capacity": f"At most {pool.capacity:,} of the house's slots run at one moment. The pool tops itself up to "
        "that and withdraws open slots above it; providers' slots come on top.",
        "cycle_seconds": f"A round each {lasting(pool.cycle_seconds)}: {rounds:,} a day. Shorter: work starts sooner. "
        "Longer: more bids meet in a round, and prices are steadier.",
        "claim_seconds": f"A runner that takes a quest's win has {claim} to start it; then another may.",
        "start_deadline_seconds": f"An agent's win not started after {start} is forfeited and charged; a quest's that "
        "no runner claimed by then is withdrawn for nothing.",
        "lease_seconds": f"A run without a heartbeat for {lasting(pool.lease_seconds)} lapses: charged, its task open "
        "again.",
        "max_ttl_seconds": f"A bid may rest for up to {lasting(pool.max_ttl_seconds)}, its tokens held all that time.",
        "breaker_failures": f"The pool gives slots instead of selling them after {pool.breaker_failures:,} failed "
        "rounds in a row.",
        "stale_cycles": f"And when the last round is more than {lasting(int(late.total_seconds()))} old.",
    }


def _prices(pool: Pool) -> dict[str, str]:
    rate = Decimal(pool.usd_per_token)  # of a new pool the defaults stand as texts
    worth = int(Decimal(10) / rate * _FACTOR) if rate > 0 else 0
    least = "token" if pool.min_bid_tokens == 1 else "tokens"
    return {
        "reserve_tokens": f"The least a slot is sold for: {pool.reserve_tokens:,} tokens, worth "
        f"{usd(pool.reserve_tokens * rate)}. Bids below it stay in the book and never win.",
        "min_bid_tokens": f"A bid under {pool.min_bid_tokens:,} {least} is refused. Above the reserve it takes the "
        "reserve's place.",
        "max_bid_tokens": f"A bid over {pool.max_bid_tokens:,} tokens ({usd(pool.max_bid_tokens * rate)}) is refused: "
        "it guards against typing errors.",
        "usd_per_token": f"A task expected to be worth 10 USD bids up to {worth:,} tokens by itself (factor {_FACTOR})."
        " Halve the rate, and automatic bids and rewards double in tokens; wallets do not.",
    }


def _rewards(pool: Pool) -> dict[str, str]:
    rate, share = Decimal(pool.usd_per_token), Decimal(pool.reward_rate)
    most = pool.reward_cap_tokens
    one = reward(Decimal(1), usd_per_token=rate, reward_rate=share, most=most) if rate > 0 else 0
    runner = int(one * Decimal(pool.runner_share))
    reached = f", reached at an impact of {usd((most * rate / share).quantize(Decimal('0.01')))}" if share else ""
    return {
        "reward_rate": f"An impact of 1 USD earns {one:,} tokens. 0 pays no rewards.",
        "reward_cap_tokens": f"No slot earns more than {most:,} tokens{reached}.",
        "runner_share": f"Of those {one:,} the runner gets about {runner:,}, the wallet that paid for the slot the "
        f"other {one - runner:,}.",
    }
