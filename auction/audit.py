"""The audit of the whole: every balance, hold, transfer and state rebuilt from the rows that cannot change."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from auction.models import AuditRun
from economics import ledger, recount

RECENT: Final = timedelta(days=2)  # usage that is read where an audit must not take long: whole months are many rows

# Each query returns (what, stored, rebuilt) for every disagreement. None of them trusts a foreign key or a trigger:
# what a superuser did with those switched off is just what an audit is for.
_HOLDS = """
WITH promised AS (
    SELECT account_id, max_price_tokens AS amount FROM compute_auction_bids WHERE status = 'open'
    UNION ALL
    SELECT account_id, charge_tokens FROM compute_auction_clears WHERE state IN ('sold', 'running')
), rebuilt AS (SELECT account_id, sum(amount)::bigint AS held FROM promised GROUP BY account_id)
SELECT format('held on account %s (%s:%s)', a.id, a.owner_type, a.owner_id), a.held, coalesce(r.held, 0)
  FROM token_accounts a LEFT JOIN rebuilt r ON r.account_id = a.id
 WHERE a.held <> coalesce(r.held, 0) ORDER BY a.id
"""
# Transfers that follow from a row: the capture of a charge, the sweep of a payout, the issue of a day, a stipend.
_TRANSFERS = """
WITH house AS (
    SELECT min(id) FILTER (WHERE owner_id = 'mint') AS mint, min(id) FILTER (WHERE owner_id = 'treasury') AS treasury
      FROM token_accounts WHERE owner_type = 'house'
), due AS (
    SELECT 'capture:' || c.slot_id AS key, c.account_id AS debit, p.revenue_account_id AS credit,
           c.charge_tokens AS amount
      FROM compute_auction_clears c LEFT JOIN auction_pools p ON p.id = c.pool_id
     WHERE c.state IN ('finished', 'lapsed', 'forfeited') AND c.charge_tokens > 0
    UNION ALL
    SELECT format('sweep:%s:%s', p.name, to_char(o.cycle_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')),
           p.revenue_account_id, house.treasury, o.swept_tokens
      FROM house, auction_payouts o LEFT JOIN auction_pools p ON p.id = o.pool_id WHERE o.swept_tokens > 0
    UNION ALL
    SELECT 'issue:' || i.day, house.mint, house.treasury, i.amount
      FROM house, economics_dailyissue i WHERE i.amount > 0
    UNION ALL
    SELECT format('stipend:%s:%s', s.day, s.quest_id), house.treasury, q.account_id, s.paid_tokens
      FROM house, quest_budget_allocations s LEFT JOIN auction_quests q ON q.id = s.quest_id WHERE s.paid_tokens > 0
), posted AS (
    SELECT key, debit_account_id AS debit, credit_account_id AS credit, amount
      FROM token_ledger WHERE reason IN ('capture', 'sweep', 'issue', 'stipend')
)
SELECT v.part || ' of ' || key, v.stored, v.rebuilt
  FROM due FULL JOIN posted USING (key), LATERAL (VALUES
       ('amount', coalesce(posted.amount, 0), coalesce(due.amount, 0)),
       ('debit account', posted.debit, coalesce(due.debit, posted.debit)),
       ('credit account', posted.credit, coalesce(due.credit, posted.credit))) AS v(part, stored, rebuilt)
 WHERE (posted.debit, posted.credit, posted.amount) IS DISTINCT FROM (due.debit, due.credit, due.amount)
   AND v.stored <> v.rebuilt
 ORDER BY key, v.part
"""
_REWARDS = """
WITH posted AS (
    SELECT split_part(key, ':', 2) AS clear, sum(amount)::bigint AS amount
      FROM token_ledger WHERE reason = 'reward' GROUP BY 1
), paid AS (
    SELECT id::text AS clear, reward_paid_tokens AS amount FROM compute_auction_clears WHERE reward_paid_tokens > 0
)
SELECT 'rewards of clear ' || clear, coalesce(paid.amount, 0), coalesce(posted.amount, 0)
  FROM paid FULL JOIN posted USING (clear) WHERE paid.amount IS DISTINCT FROM posted.amount ORDER BY clear
"""
_REWARDED = """
SELECT v.part || ' of ' || l.key, v.stored, v.rebuilt
  FROM token_ledger l
  JOIN compute_auction_clears c ON c.id::text = split_part(l.key, ':', 2)
  JOIN token_accounts t ON t.owner_type = 'house' AND t.owner_id = 'treasury', LATERAL (VALUES
       ('debit account', l.debit_account_id, t.id),
       ('credit account', l.credit_account_id,
        CASE split_part(l.key, ':', 3) WHEN 'payer' THEN c.account_id ELSE c.runner_account_id END)
       ) AS v(part, stored, rebuilt)
 WHERE l.reason = 'reward' AND v.stored IS DISTINCT FROM v.rebuilt ORDER BY l.id
"""
_PAYOUTS = """
SELECT format('%s by payout %s', v.part, o.id), v.stored, v.rebuilt
  FROM auction_payouts o
  LEFT JOIN (SELECT payout_id, sum(reward_due_tokens)::bigint AS due, sum(reward_paid_tokens)::bigint AS paid
               FROM compute_auction_clears WHERE payout_id IS NOT NULL GROUP BY payout_id) c ON c.payout_id = o.id,
       LATERAL (VALUES ('rewards due', o.due_tokens, coalesce(c.due, 0)),
                       ('rewards paid', o.paid_tokens, coalesce(c.paid, 0))) AS v(part, stored, rebuilt)
 WHERE v.stored <> v.rebuilt ORDER BY o.id, v.part
"""
_STIPENDS = """
SELECT format('%s on %s', v.part, d.day), v.stored, v.rebuilt
  FROM auction_stipend_days d
  LEFT JOIN (SELECT day, sum(tokens)::bigint AS split, sum(paid_tokens)::bigint AS paid
               FROM quest_budget_allocations GROUP BY day) a ON a.day = d.day,
       LATERAL (VALUES ('stipends split', d.pot_tokens, coalesce(a.split, d.pot_tokens)),
                       ('stipends paid', d.paid_tokens, coalesce(a.paid, 0))) AS v(part, stored, rebuilt)
 WHERE v.stored <> v.rebuilt ORDER BY d.day, v.part
"""
_ROUNDS = """
SELECT format('%s in round %s', v.part, r.id), v.stored, v.rebuilt
  FROM compute_auction_rounds r
  LEFT JOIN (SELECT round_id, count(*) AS sold, sum(charge_tokens)::bigint AS charged,
                    sum(premium_tokens)::bigint AS premium, min(clearing_price_tokens) AS lowest,
                    max(clearing_price_tokens) AS highest
               FROM compute_auction_clears GROUP BY round_id) c ON c.round_id = r.id,
       LATERAL (VALUES ('slots sold', r.slots_sold, coalesce(c.sold, 0)),
                       ('tokens charged', r.charged_tokens, coalesce(c.charged, 0)),
                       ('premium released', r.premium_tokens, coalesce(c.premium, 0)),
                       ('lowest clearing price', coalesce(r.market_price_tokens, 0), coalesce(c.lowest, 0)),
                       ('highest clearing price', coalesce(r.market_price_tokens, 0), coalesce(c.highest, 0))
                ) AS v(part, stored, rebuilt)
 WHERE v.stored <> v.rebuilt ORDER BY r.id, v.part
"""
_LAST_ROUNDS = """
SELECT 'last round of pool ' || p.name, p.last_round_at::text, max(r.cleared_at)::text
  FROM auction_pools p LEFT JOIN compute_auction_rounds r ON r.pool_id = p.id
 GROUP BY p.id HAVING p.last_round_at IS DISTINCT FROM max(r.cleared_at) ORDER BY p.id
"""
_SOLD = """
SELECT format('%s of clear %s', v.part, c.id), v.stored, v.rebuilt
  FROM compute_auction_clears c
  LEFT JOIN compute_auction_rounds r ON r.id = c.round_id
  LEFT JOIN compute_auction_bids b ON b.id = c.bid_id
  LEFT JOIN auction_slots s ON s.id = c.slot_id, LATERAL (VALUES
       ('round', c.round_id::text, r.id::text),
       ('status of the bid', b.status, 'won'),
       ('account', c.account_id::text, b.account_id::text),
       ('task', c.winning_task_id, b.task_id),
       ('price bid', c.max_price_tokens::text, b.max_price_tokens::text),
       ('state of the slot', s.state, 'sold')) AS v(part, stored, rebuilt)
 WHERE NOT c.is_given
   AND (r.id, b.status, b.account_id, b.task_id, b.max_price_tokens, s.state) IS DISTINCT FROM
       (c.round_id, 'won', c.account_id, c.winning_task_id, c.max_price_tokens, 'sold')
   AND v.stored IS DISTINCT FROM v.rebuilt
 ORDER BY c.id
"""
_GIVEN = """
SELECT format('%s of gift %s', v.part, c.id), v.stored, v.rebuilt
  FROM compute_auction_clears c
  LEFT JOIN auction_tasks t ON t.id = c.winning_task_id
  LEFT JOIN auction_slots s ON s.id = c.slot_id, LATERAL (VALUES
       ('account', c.account_id::text, t.wallet_id::text),
       ('task', c.winning_task_id, t.id),
       ('round', c.round_id::text, NULL),
       ('bid', c.bid_id::text, NULL),
       ('price bid', c.max_price_tokens::text, '0'),
       ('price', c.clearing_price_tokens::text, '0'),
       ('charge', c.charge_tokens::text, '0'),
       ('state of the slot', s.state, 'given')) AS v(part, stored, rebuilt)
 WHERE c.is_given AND v.stored IS DISTINCT FROM v.rebuilt
 ORDER BY c.id
"""
# A hold on an envelope is of the slot it was made for, and ends with its run.
_RESERVED = """
SELECT format('%s of clear %s', v.part, c.id), v.stored, v.rebuilt
  FROM compute_auction_clears c
  LEFT JOIN economics_reservations r ON r.id = c.reservation_id, LATERAL (VALUES
       ('slot of the reservation', r.slot_id, c.slot_id),
       ('open reservation', CASE WHEN r.state = 'open' AND c.state <> 'running' THEN r.id::text END, NULL)
       ) AS v(part, stored, rebuilt)
 WHERE c.reservation_id IS NOT NULL AND v.stored IS DISTINCT FROM v.rebuilt
 ORDER BY c.id
"""
_UNSOLD = """
SELECT 'clears of won bid ' || b.id, 0, 1
  FROM compute_auction_bids b LEFT JOIN compute_auction_clears c ON c.bid_id = b.id
 WHERE b.status = 'won' AND c.id IS NULL
UNION ALL
SELECT format('clears of %s slot %s', s.state, s.id), 0, 1
  FROM auction_slots s LEFT JOIN compute_auction_clears c ON c.slot_id = s.id
 WHERE s.state IN ('sold', 'given') AND c.id IS NULL
"""
# A quest's programme may have done a task elsewhere: no clear tells of that.
_TASKS = """
WITH ends AS (
    SELECT winning_task_id AS id, bool_or(state IN ('sold', 'running')) AS live, bool_or(state = 'finished') AS done
      FROM compute_auction_clears GROUP BY 1
)
SELECT 'state of task ' || id, t.state, CASE WHEN live THEN 'taken' WHEN done THEN 'done' ELSE 'open' END
  FROM auction_tasks t FULL JOIN ends USING (id)
 WHERE t.state IS NULL OR CASE WHEN live THEN t.state <> 'taken' WHEN done THEN t.state <> 'done'
                               ELSE t.state NOT IN ('open', 'cancelled')
                                    AND (t.state <> 'done' OR t.quest_id IS NULL) END
 ORDER BY id
"""
_QUERIES = (
    *(_HOLDS, _TRANSFERS, _REWARDS, _REWARDED, _PAYOUTS, _STIPENDS),
    *(_ROUNDS, _LAST_ROUNDS, _SOLD, _GIVEN, _RESERVED, _UNSOLD, _TASKS),
)
_LAST = """
SELECT id, started_at, finished_at, passed, jsonb_array_length(differences)
  FROM auction_audit_runs ORDER BY started_at DESC, id DESC LIMIT 1
"""
_ROWS = """
SELECT (SELECT count(*) FROM token_accounts), (SELECT count(*) FROM token_ledger),
       (SELECT count(*) FROM compute_auction_bids), (SELECT count(*) FROM compute_auction_clears),
       (SELECT count(*) FROM resource_budgets), (SELECT count(*) FROM economics_usage_days)
"""


class Pass(NamedTuple):
    """A pass of the audit that is over, and how many differences it found."""

    number: int
    started_at: datetime
    finished_at: datetime
    passed: bool
    differences: int


@transaction.atomic(durable=True)
def differences(*, since: datetime | None = None) -> list[ledger.Difference]:
    """Return every disagreement between stored figures and the rows behind them, read in one snapshot.

    `since` bounds the usage that is read (see `economics.recount`); None reads all of it. REPEATABLE READ and
    read-only: writers go on meanwhile and none of their half-done work is ever seen.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    return differences_here(since=since)


def differences_here(*, since: datetime | None = None) -> list[ledger.Difference]:
    """Return the same as seen by the caller's own transaction, its uncommitted deeds included."""
    found = ledger.differences() + recount.differences(since=since)
    with connection.cursor() as cursor:
        for query in _QUERIES:
            cursor.execute(query)
            found += [ledger.Difference(*row) for row in cursor.fetchall()]
    return found


def scope() -> str:
    """Return in words how many rows an audit reads, as they are now."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS)
        counts = cursor.fetchone()
    things = ("accounts", "transfers", "bids", "clears", "envelopes", "days of usage")
    return ", ".join(f"{count:,} {thing}" for thing, count in zip(things, counts, strict=True))


def audit(*, now: datetime, since: datetime | None = None) -> AuditRun:
    """Audit the books and store the pass, started at `now`, with a line for each difference."""
    found = differences(since=since)
    return AuditRun.objects.create(
        started_at=now,
        finished_at=timezone.now(),
        passed=not found,
        differences=[difference._asdict() for difference in found],
    )


def last_pass() -> Pass | None:
    """Return the pass that was started last; None before there was one."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST)
        row = cursor.fetchone()
    return Pass(*row) if row else None
