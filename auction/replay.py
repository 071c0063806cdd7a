"""A stored round done again, and every disagreement with what is stored."""

from typing import NamedTuple

from auction import clearing, mechanism
from auction.models import Round

_CLEAR = ("bid_id", "slot_id", "account_id", "winning_task_id", "runner_up_task_id")
_PRICES = ("clearing_price_tokens", "charge_tokens", "max_price_tokens")


class Replay(NamedTuple):
    """A round done again: what came out, and every disagreement with what is stored."""

    result: mechanism.Result
    differences: list[str]


def replay_round(number: int) -> Replay:
    """Do a stored round again from its parameters and frontier and compare it with digest, round and clears."""
    stored = Round.objects.get(pk=number)
    try:
        return _done_again(stored)
    except (KeyError, TypeError, ValueError) as error:  # somebody has been at the frontier
        return Replay(mechanism.Result(None, ()), [f"frontier: cannot be read ({error!r})"])


def _done_again(stored: Round) -> Replay:
    columns = stored.frontier
    bids, asks = columns["bids"], columns["asks"]
    result = mechanism.clear(
        [mechanism.Bid(*row) for row in zip(*(bids[k] for k in ("id", "owner", "price", "placed_at")), strict=True)],
        [mechanism.Ask(*row) for row in zip(*(asks[k] for k in ("slot_id", "price", "available_at")), strict=True)],
        mechanism.Rule(stored.parameters["pricing_rule"]),
    )
    found = []
    if clearing.digest(stored.parameters, columns, result) != stored.digest:
        found.append("digest: the stored parameters and frontier do not give the stored digest")
    prices = dict(zip(bids["id"], bids["price"], strict=True))
    replayed = {
        "pricing_rule": stored.parameters["pricing_rule"],
        "market_price_tokens": result.market_price,
        "slots_offered": len(asks["slot_id"]),
        "slots_sold": len(result.awards),
        "charged_tokens": sum(award.charge for award in result.awards),
        "premium_tokens": sum(prices[award.bid_id] - award.charge for award in result.awards),
    }
    found += [
        f"{name}: stored {getattr(stored, name)}, replayed {value}"
        for name, value in replayed.items()
        if getattr(stored, name) != value
    ]
    return Replay(result, found + _other_clears(stored, result))


def _other_clears(stored: Round, result: mechanism.Result) -> list[str]:
    """Return the clears that stand only in the table or come only from the replay."""
    columns = stored.frontier["bids"]
    task = dict(zip(columns["id"], columns["task"], strict=True))
    bid = {row[0]: row for row in zip(*(columns[k] for k in ("id", "owner", "price")), strict=True)}
    replayed = set()
    for award in result.awards:
        _id, owner, most = bid[award.bid_id]
        parties = (award.bid_id, award.slot_id, owner, task[award.bid_id], task.get(award.runner_up_bid_id))
        replayed.add((*parties, result.market_price, award.charge, most))
    written = set(stored.clears.values_list(*_CLEAR, *_PRICES))
    return [f"clear only stored: {row}" for row in sorted(written - replayed, key=str)] + [
        f"clear only replayed: {row}" for row in sorted(replayed - written, key=str)
    ]
