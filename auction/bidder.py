"""Automatic bids: what each quest's strategy offers for its tasks, once per cycle."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from auction import errors, pools, valuation
from auction.models import BidCycle, Pool

LOCK_CLASS: Final = 7307  # of bidders among themselves: clearing and placement do not take it
TOLERANCE: Final = "0.1"  # a bid no further off its target stands, and keeps its place in time
SLOWEST: Final = "0.001"
STEP: Final = "0.1"
MOST_AT_ONCE: Final = 1_000

# Adaptive pacing: the share of its value that a quest bids falls while it spends faster than its wallet can last, and
# rises while it spends slower, by STEP for each part of what is due in a cycle. It is dual mirror descent on the
# budget's multiplier, with the entropy as its mirror, which makes the step a factor (Balseiro and Gur 2019, "Learning
# in repeated auctions with budgets"). One dear slot counts for all the cycles it is paid from: a bound on the way down
# as there is on the way up would let it be bought again long before. MOST_AT_ONCE only keeps the arithmetic finite.
_PACE = f"""
UPDATE auction_quests q SET pace = new.pace FROM (
    SELECT q.id, round(least(1, greatest({SLOWEST}, q.pace * exp(
               {STEP} * greatest(-{MOST_AT_ONCE}, (due.rate - spent.tokens) / greatest(due.rate, 1))))), 9) AS pace
      FROM auction_quests q JOIN token_accounts a ON a.id = q.account_id
     CROSS JOIN LATERAL (SELECT a.balance::numeric * %(cycle)s / q.horizon_seconds) AS due(rate)
     CROSS JOIN LATERAL (
        SELECT coalesce(sum(c.charge_tokens), 0)::numeric FROM compute_auction_clears c
         WHERE c.account_id = q.account_id AND c.pool_id = q.pool_id AND c.cleared_at >= %(since)s
           AND c.state NOT IN ('withdrawn', 'blocked')) AS spent(tokens)
     WHERE q.pool_id = %(pool)s AND q.is_active AND q.strategy = 'paced'
) AS new WHERE new.id = q.id AND new.pace <> q.pace
"""  # noqa: S608 - made of constants

# Whoever moves a quest or makes it inactive just now waits, or has done so before its tasks are read: it never bids
# where it has left.
_LOCK_QUESTS = """
SELECT count(*) FROM (SELECT FROM auction_quests WHERE pool_id = %s ORDER BY id FOR NO KEY UPDATE) AS locked
"""

# What each quest would have for each of its tasks, beside what stands. The clamp of the source: bid_factor of the
# value, no more than the wallet's share per task. Every figure is read once; only what is to change is locked later.
_PLAN = f"""
CREATE TEMPORARY TABLE auction_plan ON COMMIT DROP AS
WITH task AS MATERIALIZED (
    SELECT t.id, q.id AS quest_id, q.account_id, q.strategy, q.bid_factor, q.pace, q.is_active,
           t.expected_value_usd AS value, t.expected_cost_tokens AS cost, t.model,
           coalesce(nullif(t.entity_type, ''), 'quest') AS entity_type,
           coalesce(nullif(t.entity_id, ''), q.id) AS entity_id, {pools.BLOCKED} AS blocked,
           {pools.REFUSED_LATELY} AS refused
      FROM auction_quests q JOIN auction_tasks t ON t.quest_id = q.id AND t.state = 'open'
     WHERE q.pool_id = %(pool)s
), model AS MATERIALIZED (
    SELECT m.name, coalesce((SELECT tier_id FROM economics_model(m.name)), '') AS tier
      FROM (SELECT DISTINCT model AS name FROM task) AS m
), asked AS (
    SELECT array_agg(entity_type) AS types, array_agg(entity_id) AS ids, array_agg(tier) AS tiers
      FROM (SELECT DISTINCT t.entity_type, t.entity_id, m.tier FROM task t JOIN model m ON m.name = t.model
             WHERE t.is_active AND NOT t.blocked) AS e
), gate AS MATERIALIZED (
    SELECT g.* FROM asked, economics_gates(asked.types, asked.ids, %(now)s, asked.tiers) AS g
), bid AS MATERIALIZED (
    SELECT b.id, b.task_id, b.account_id, b.pool_id, b.max_price_tokens AS price, b.is_automatic, b.ttl_at
      FROM auction_quests q JOIN compute_auction_bids b ON b.account_id = q.account_id AND b.status = 'open'
     WHERE q.pool_id = %(pool)s
), wallet AS (
    SELECT q.account_id, a.available + coalesce(b.held, 0) AS tokens, t.unblocked
      FROM auction_quests q JOIN token_accounts a ON a.id = q.account_id
      LEFT JOIN (SELECT account_id, sum(price) FILTER (WHERE is_automatic) AS held FROM bid GROUP BY 1) AS b
             ON b.account_id = q.account_id
      LEFT JOIN (SELECT account_id, count(*) AS unblocked FROM task WHERE NOT blocked GROUP BY 1) AS t
             ON t.account_id = q.account_id
     WHERE q.pool_id = %(pool)s
), target AS (
    SELECT t.*, b.id AS bid_id, b.price, b.is_automatic, b.ttl_at, w.tokens,
           CASE WHEN NOT t.is_active THEN 'quest_inactive'
                WHEN t.blocked THEN 'task_blocked'
                WHEN g.code = 'no_envelope' AND t.cost IS NULL
                     THEN CASE WHEN t.refused THEN 'refused_lately' END
                WHEN g.code <> '' THEN g.code
                WHEN g.room < t.cost THEN 'envelope_exhausted'
                WHEN t.refused THEN 'refused_lately' END AS closed,
           w.tokens / greatest(w.unblocked, 1) AS each,
           least(%(most)s, floor(CASE t.strategy
               WHEN 'paced' THEN least(t.pace * t.value / %(usd)s, w.tokens)
               ELSE least(t.bid_factor * t.value / %(usd)s, floor(w.tokens / greatest(w.unblocked, 1)))
           END))::bigint AS target
      FROM task t JOIN wallet w ON w.account_id = t.account_id
      JOIN model m ON m.name = t.model
      LEFT JOIN gate g ON (g.entity_type, g.entity_id, g.tier) = (t.entity_type, t.entity_id, m.tier)
      LEFT JOIN bid b ON b.task_id = t.id
)
SELECT id AS task_id, account_id, value, bid_id, price, target, tokens,
       CASE WHEN bid_id IS NOT NULL AND NOT is_automatic THEN 'bid_by_hand'
            WHEN closed IS NOT NULL THEN closed
            WHEN target >= %(least)s THEN
                CASE WHEN bid_id IS NULL THEN 'place'
                     WHEN abs(price - target) <= {TOLERANCE} * target AND ttl_at > %(now)s THEN 'keep'
                     ELSE 'replace' END
            WHEN value / %(usd)s >= %(least)s AND (strategy = 'paced' OR each < %(least)s) THEN 'wallet_too_small'
            ELSE 'value_below_reserve' END AS what,
       bid_id IS NOT NULL AND is_automatic AS stands
  FROM target
"""  # noqa: S608 - made of constants

# Bids that stand may be a tenth above their targets, and then hold what a better task is to bid with. What is best
# takes its room first; of what is left, a bid that stands may keep its own.
_MAKE_ROOM = """
WITH live AS NOT MATERIALIZED (
    SELECT *, CASE what WHEN 'keep' THEN price ELSE target END AS amount
      FROM auction_plan WHERE what IN ('keep', 'place', 'replace')
), crowded AS (
    SELECT account_id FROM live GROUP BY account_id HAVING sum(amount) > min(tokens) AND bool_or(what = 'keep')
), counted AS (
    SELECT *, sum(amount) OVER best_first AS running FROM live JOIN crowded USING (account_id)
    WINDOW best_first AS (PARTITION BY account_id ORDER BY value DESC, task_id)
), fitted AS (
    SELECT *, coalesce(max(running) FILTER (WHERE running <= tokens) OVER (PARTITION BY account_id), 0)
              + sum(amount) FILTER (WHERE what = 'keep' AND running > tokens) OVER best_first > tokens AS is_too_much
      FROM counted WINDOW best_first AS (PARTITION BY account_id ORDER BY value DESC, task_id)
)
UPDATE auction_plan p SET what = 'wallet_too_small' FROM fitted f
 WHERE f.task_id = p.task_id AND f.what = 'keep' AND f.running > f.tokens AND f.is_too_much
"""

_LOCK_TASKS = """
SELECT count(*) FROM (
    SELECT FROM auction_tasks t JOIN auction_plan p ON p.task_id = t.id
     WHERE t.state = 'open' AND (p.what IN ('place', 'replace') OR (p.stands AND p.what <> 'keep'))
     ORDER BY t.id FOR NO KEY UPDATE OF t) AS locked
"""

_WITHDRAW = """
WITH gone AS (
    UPDATE compute_auction_bids b SET status = 'cancelled', closed_at = %(at)s
      FROM auction_plan p WHERE b.id = p.bid_id AND p.stands AND p.what <> 'keep' AND b.status = 'open'
    RETURNING b.account_id, b.max_price_tokens, b.task_id, p.what = 'replace' AS is_replaced
)
SELECT account_id, sum(max_price_tokens)::bigint, count(*) FILTER (WHERE NOT is_replaced) FROM gone GROUP BY account_id
"""

_LOCK_WALLETS = """
SELECT count(*) FROM (
    SELECT FROM token_accounts WHERE id IN (SELECT account_id FROM auction_plan WHERE what IN ('place', 'replace'))
        OR id = ANY(%(released)s) ORDER BY id FOR NO KEY UPDATE) AS locked
"""

_RELEASE = """
UPDATE token_accounts a SET held = a.held - due.amount
  FROM unnest(%(released)s::bigint[], %(amounts)s::bigint[]) AS due(id, amount) WHERE a.id = due.id
"""

# In the order of value while they fit; what is not open any more, or has a bid by now, is left out.
_PLACE = """
WITH fresh AS (
    SELECT p.*, sum(p.target) OVER (PARTITION BY p.account_id ORDER BY p.value DESC, p.task_id) AS running
      FROM auction_plan p JOIN auction_tasks t ON t.id = p.task_id AND t.state = 'open'
     WHERE p.what IN ('place', 'replace')
       AND NOT EXISTS (SELECT FROM compute_auction_bids b WHERE b.task_id = p.task_id AND b.status = 'open')
), fits AS (
    SELECT f.*, a.owner_id FROM fresh f JOIN token_accounts a ON a.id = f.account_id AND f.running <= a.available
), hold AS (
    UPDATE token_accounts a SET held = a.held + due.total
      FROM (SELECT account_id, sum(target)::bigint AS total FROM fits GROUP BY account_id) due
     WHERE a.id = due.account_id
), placed AS (
    INSERT INTO compute_auction_bids (pool_id, task_id, account_id, bidder_id, max_price_tokens, expected_value_usd,
                                      time_in_force, placed_at, ttl_at, is_automatic)
    SELECT %(pool)s, task_id, account_id, owner_id, target, value, 'gtd', %(at)s, %(ttl)s, true
      FROM fits ORDER BY account_id, value DESC, task_id
    RETURNING max_price_tokens
)
SELECT (SELECT count(*) FROM fresh), count(*), coalesce(sum(max_price_tokens), 0)::bigint FROM placed
"""


def submit_bids_for_tasks(*, now: datetime, pool: str = pools.DEFAULT) -> BidCycle:
    """Score a pool's tasks, then place, keep and withdraw its quests' bids, once per cycle; return the record.

    For each unblocked open task of an active quest whose envelope has room: `floor(clamp(bid_factor * EV, 0, cap))`
    wallet tokens, EV the task's value over `usd_per_token`, cap the wallet (its automatic holds included) shared by
    the quest's unblocked tasks; under `paced` `floor(min(pace * EV, wallet))`. In order of value while they fit, never
    below the reserve, good till the pool's longest. A task that was refused when it was to start rests for
    `pools.REST_CYCLES` cycles, counted from its win. A bid stands until it is more than a tenth off its target, its
    task may not bid any more, or a task that is worth more needs its tokens. A cycle done before returns its record; a
    stopped pool is refused.
    """
    book = pools.get(pool)
    if done := _done(book, now):
        return done
    # By itself, before any task is locked in order: it takes the rows it changes as they come.
    valuation.score_all(now=now, pool=pool)
    return _submit(pool, now)


def _done(pool: Pool, now: datetime) -> BidCycle | None:
    return BidCycle.objects.filter(pool=pool, cycle_at=pools.cycle_start(pool, now)).first()


@transaction.atomic
def _submit(pool: str, now: datetime) -> BidCycle:
    book = pools.lock_shared(pool)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_CLASS, book.pk])
    if done := _done(book, now):
        return done
    if book.mode == Pool.Mode.STOPPED:
        raise errors.PoolStoppedError(pool=pool)
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_QUESTS, [book.pk])
    at = pools.moment(book, now)
    last = BidCycle.objects.filter(pool=book).order_by("-cycle_at").values_list("at", flat=True).first()
    _pace(book, since=last or at - timedelta(seconds=book.cycle_seconds))
    counts = _plan(book, at)
    withdrawn = _withdraw(at)
    fresh, placed, tokens = _place(book, at)
    kept, unblocked = counts.pop("keep", 0), sum(counts.values()) - counts.get("task_blocked", 0)
    unblocked += kept - counts.get("quest_inactive", 0)
    for what in ("place", "replace"):
        counts.pop(what, None)
    if fresh > placed:
        counts["wallet_too_small"] = counts.get("wallet_too_small", 0) + fresh - placed
    return BidCycle.objects.create(
        pool=book,
        cycle_at=pools.cycle_start(book, now),
        at=at,
        tasks=unblocked,
        placed=placed,
        kept=kept,
        withdrawn=withdrawn,
        placed_tokens=tokens,
        reasons=dict(sorted(counts.items())),
    )


def _pace(pool: Pool, *, since: datetime) -> None:
    """Move the pace of every paced quest by what it spent since the last cycle."""
    with connection.cursor() as cursor:
        cursor.execute(_PACE, {"pool": pool.pk, "cycle": pool.cycle_seconds, "since": since})


def _plan(pool: Pool, at: datetime) -> dict[str, int]:
    """Write down what is to become of every task's bid, and return how many tasks each word is said of."""
    terms: dict[str, Any] = {
        "pool": pool.pk,
        "usd": pool.usd_per_token,
        "least": max(pool.reserve_tokens, pool.min_bid_tokens),
        "most": pool.max_bid_tokens,
        "now": at,
        "rested": pools.rested_since(pool, at),
    }
    with connection.cursor() as cursor:
        cursor.execute(_PLAN, terms)
        cursor.execute(_MAKE_ROOM)
        cursor.execute("ANALYZE auction_plan")
        cursor.execute("SELECT what, count(*) FROM auction_plan GROUP BY what")
        return dict(cursor.fetchall())


def _withdraw(at: datetime) -> int:
    """Lock in the house's order, take back what does not stand, and return how many bids get none in their place."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_TASKS)
        cursor.execute(_WITHDRAW, {"at": at})
        rows = cursor.fetchall()
        released: dict[str, Any] = {"released": [row[0] for row in rows], "amounts": [row[1] for row in rows]}
        cursor.execute(_LOCK_WALLETS, released)
        cursor.execute(_RELEASE, released)
    return sum(count for *_, count in rows)


def _place(pool: Pool, at: datetime) -> tuple[int, int, int]:
    """Place the bids that fit; return how many were to be placed, how many were, and for how many tokens."""
    terms: dict[str, Any] = {"pool": pool.pk, "at": at, "ttl": at + timedelta(seconds=pool.max_ttl_seconds)}
    with connection.cursor() as cursor:
        cursor.execute(_PLACE, terms)
        fresh, placed, tokens = cursor.fetchone()
        cursor.execute("DROP TABLE auction_plan")
    return fresh, placed, tokens
