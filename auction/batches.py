"""Many bids placed at once, each judged by itself."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction

from auction import errors, order_book, pools
from auction.models import Bid, Pool
from config.errors import RefusedError, RetryableError
from economics import ledger
from economics.money import is_usd

MOST_IN_A_BATCH = 1_000
_SOMEBODY_ELSE = "Somebody else bid for a task of the batch in between; nothing was written. Ask again."

_JUDGE_BATCH = f"""
WITH task AS MATERIALIZED (
    SELECT id, wallet_id, state, entity_type, entity_id, expected_cost_tokens, model
      FROM auction_tasks WHERE id = ANY(%(tasks)s::text[]) ORDER BY id FOR NO KEY UPDATE
), model AS MATERIALIZED (
    SELECT t.model, coalesce(m.tier_id, '') AS tier
      FROM (SELECT DISTINCT model FROM task WHERE model <> '') AS t LEFT JOIN LATERAL economics_model(t.model) m ON true
), charged AS MATERIALIZED (  -- what the work of a task is charged to: its entity, else the owner of its wallet
    SELECT t.id, coalesce(nullif(t.entity_type, ''), a.owner_type) AS entity_type,
           CASE t.entity_type WHEN '' THEN a.owner_id ELSE t.entity_id END AS entity_id, coalesce(m.tier, '') AS tier
      FROM task t JOIN token_accounts a ON a.id = t.wallet_id LEFT JOIN model m ON m.model = t.model
), gate AS MATERIALIZED (
    SELECT g.* FROM (SELECT array_agg(entity_type) AS types, array_agg(entity_id) AS ids, array_agg(tier) AS tiers
                       FROM charged) AS c, economics_gates(c.types, c.ids, %(at)s, c.tiers) AS g
)
SELECT CASE WHEN t.id IS NULL THEN 'unknown_task'
            WHEN t.wallet_id <> %(wallet)s::bigint THEN 'not_your_task'
            WHEN t.state <> 'open' THEN 'task_not_open'
            WHEN EXISTS (SELECT FROM compute_auction_bids b WHERE b.task_id = t.id AND b.status = 'open')
                 THEN 'task_has_open_bid'
            WHEN {pools.BLOCKED} THEN 'task_blocked'
            WHEN g.code = 'no_envelope' AND t.expected_cost_tokens IS NULL THEN NULL
            WHEN g.code = '' AND g.room < t.expected_cost_tokens THEN 'envelope_exhausted'
            WHEN g.code <> '' THEN g.code END,
       t.wallet_id
  FROM unnest(%(tasks)s::text[]) WITH ORDINALITY AS asked(id, place)
  LEFT JOIN task t ON t.id = asked.id
  LEFT JOIN charged c ON c.id = t.id
  LEFT JOIN gate g ON (g.entity_type, g.entity_id, g.tier) = (c.entity_type, c.entity_id, c.tier)
 ORDER BY place
"""  # noqa: S608 - made of constants

_PLACE_BATCH = """
WITH accepted AS (
    SELECT * FROM unnest(%(tasks)s::text[], %(wallets)s::bigint[], %(prices)s::bigint[], %(values)s::numeric[],
                         %(tifs)s::text[], %(ttls)s::timestamptz[])
             AS o(task_id, wallet_id, price, value, tif, ttl_at)
), hold AS (
    UPDATE token_accounts a SET held = a.held + due.total
      FROM (SELECT wallet_id, sum(price)::bigint AS total FROM accepted GROUP BY wallet_id) due
     WHERE a.id = due.wallet_id
    RETURNING a.id, a.owner_id
)
INSERT INTO compute_auction_bids (pool_id, task_id, account_id, bidder_id, max_price_tokens, expected_value_usd,
                                  time_in_force, placed_at, ttl_at)
SELECT %(pool)s, task_id, wallet_id, owner_id, price, value, tif, %(at)s, ttl_at
  FROM accepted JOIN hold ON hold.id = accepted.wallet_id
RETURNING task_id, id
"""


class Offer(NamedTuple):
    """One bid of a batch; `max_price_tokens` in wallet tokens."""

    task_id: str
    max_price_tokens: int
    ttl_at: datetime
    expected_value_usd: Decimal = Decimal(0)
    time_in_force: str = Bid.TimeInForce.ROUND


class Placed(NamedTuple):
    """What became of one bid of a batch: its id, or the code of the refusal."""

    task_id: str
    bid_id: int | None
    refusal: type[RefusedError] | None


@transaction.atomic(savepoint=False)
def place_bids(
    offers: Sequence[Offer], *, now: datetime, wallet: int | None = None, pool: str = pools.DEFAULT
) -> list[Placed]:
    """Place up to 1,000 bids in one statement and return what became of each, in the order given.

    With `wallet` only that wallet's tasks are taken; without, each bid is of its task's wallet. In the order given
    a bid that its wallet cannot cover is refused and later ones that fit are taken. Items are refused with the
    codes of `place_bid`; only the whole batch is refused for a stopped or unknown pool or a wrong size.
    """
    if not 1 <= len(offers) <= MOST_IN_A_BATCH:
        raise errors.BatchTooLargeError(size=len(offers), most=MOST_IN_A_BATCH)
    book = pools.lock_shared(pool)
    if book.mode == Pool.Mode.STOPPED:
        raise errors.PoolStoppedError(pool=pool)
    at = pools.moment(book, now)
    judged = _judged(offers, wallet, at)
    refusals = [_item_refusal(book, at, *pair) for pair in zip(offers, judged, strict=True)]
    for place in _repeated(offers):
        refusals[place] = refusals[place] or errors.TaskRepeatedError
    wallets = [owner for _code, owner in judged]
    paying = {owner for owner, no in zip(wallets, refusals, strict=True) if owner and not no}
    accounts = ledger.available(paying)
    accepted: list[int] = []
    for place, offer in enumerate(offers):
        owner = wallets[place]
        if refusals[place] or owner is None:
            continue
        if accounts[owner] < offer.max_price_tokens:
            refusals[place] = errors.InsufficientTokensError
        else:
            accounts[owner] -= offer.max_price_tokens
            accepted.append(place)
    ids = _insert([(offers[place], wallets[place]) for place in accepted], book, at)
    return [
        Placed(offer.task_id, None if no else ids[offer.task_id], no)
        for offer, no in zip(offers, refusals, strict=True)
    ]


def _judged(offers: Sequence[Offer], wallet: int | None, at: datetime) -> list[tuple[str | None, int | None]]:
    with connection.cursor() as cursor:
        cursor.execute(_JUDGE_BATCH, {"tasks": [o.task_id for o in offers], "wallet": wallet, "at": at})
        return list(cursor.fetchall())


def _item_refusal(
    pool: Pool, at: datetime, offer: Offer, judged: tuple[str | None, int | None]
) -> type[RefusedError] | None:
    code, _owner = judged
    if code:
        return order_book.BY_CODE[code]
    if not is_usd(offer.expected_value_usd):
        return errors.InvalidValueError
    refusal = order_book.out_of_bounds(pool, offer.max_price_tokens, offer.ttl_at, at)
    return type(refusal) if refusal else None


def _repeated(offers: Sequence[Offer]) -> list[int]:
    """Return the places of bids for a task that an earlier bid of the batch names."""
    first: dict[str, int] = {}
    return [place for place, offer in enumerate(offers) if first.setdefault(offer.task_id, place) != place]


def _insert(accepted: list[tuple[Offer, int | None]], pool: Pool, at: datetime) -> dict[str, int]:
    if not accepted:
        return {}
    bids = [offer for offer, _wallet in accepted]
    with connection.cursor() as cursor:
        try:
            cursor.execute(
                _PLACE_BATCH,
                {
                    "pool": pool.pk,
                    "at": at,
                    "tasks": [o.task_id for o in bids],
                    "wallets": [w for _offer, w in accepted],
                    "prices": [o.max_price_tokens for o in bids],
                    "values": [o.expected_value_usd for o in bids],
                    "tifs": [str(o.time_in_force) for o in bids],
                    "ttls": [o.ttl_at for o in bids],
                },
            )
        except IntegrityError as error:
            if "bid_one_open_per_task" not in str(error):
                raise
            raise RetryableError(_SOMEBODY_ELSE) from error
        return dict(cursor.fetchall())
