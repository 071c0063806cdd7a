"""The audit of the whole: every balance, hold and price rebuilt from the rows that cannot change."""

from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from auction.models import AuditRun
from economics import ledger

# Each query returns (what, stored, rebuilt) for every disagreement.
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
_CAPTURES = """
SELECT format('capture of slot %s (%s)', c.slot_id, c.state), coalesce(l.amount, 0),
       CASE WHEN c.state IN ('finished', 'lapsed', 'forfeited') THEN c.charge_tokens ELSE 0 END
  FROM compute_auction_clears c LEFT JOIN token_ledger l ON l.key = 'capture:' || c.slot_id
 WHERE coalesce(l.amount, 0) <> CASE WHEN c.state IN ('finished', 'lapsed', 'forfeited') THEN c.charge_tokens
                                     ELSE 0 END
    OR (l.id IS NOT NULL AND l.debit_account_id <> c.account_id)
 ORDER BY c.id
"""
_ROUNDS = """
SELECT format('slots sold in round %s', r.id), r.slots_sold, count(c.id)
  FROM compute_auction_rounds r LEFT JOIN compute_auction_clears c ON c.round_id = r.id
 GROUP BY r.id HAVING r.slots_sold <> count(c.id) OR r.charged_tokens <> coalesce(sum(c.charge_tokens), 0)
 ORDER BY r.id
"""
_WON = """
SELECT format('clears of won bid %s', b.id), count(c.id), 1
  FROM compute_auction_bids b LEFT JOIN compute_auction_clears c ON c.bid_id = b.id
 WHERE b.status = 'won' GROUP BY b.id HAVING count(c.id) <> 1
UNION ALL
SELECT format('bid %s of a clear is %s', b.id, b.status), 1, 0
  FROM compute_auction_clears c JOIN compute_auction_bids b ON b.id = c.bid_id
 WHERE b.status <> 'won' OR b.account_id <> c.account_id OR b.task_id <> c.winning_task_id
"""
_TASKS = """
SELECT format('live clears of task %s (%s)', t.id, t.state), count(c.id), (t.state = 'taken')::int
  FROM auction_tasks t LEFT JOIN compute_auction_clears c ON c.winning_task_id = t.id AND c.state IN ('sold', 'running')
 GROUP BY t.id HAVING count(c.id) <> (t.state = 'taken')::int ORDER BY t.id
"""
_REWARDS = """
SELECT format('rewards of clear %s', c.id), coalesce(c.reward_paid_tokens, 0), coalesce(sum(l.amount), 0)::bigint
  FROM compute_auction_clears c
  LEFT JOIN token_ledger l ON l.key IN ('reward:' || c.id || ':payer', 'reward:' || c.id || ':runner')
 WHERE c.reward_due_tokens IS NOT NULL
 GROUP BY c.id HAVING coalesce(c.reward_paid_tokens, 0) <> coalesce(sum(l.amount), 0) ORDER BY c.id
"""
_SWEEPS = """
SELECT format('sweep of payout %s', p.id), p.swept_tokens, coalesce(l.amount, 0)
  FROM auction_payouts p JOIN auction_pools o ON o.id = p.pool_id
  LEFT JOIN token_ledger l ON l.reason = 'sweep' AND l.debit_account_id = o.revenue_account_id
        AND l.created_at = p.created_at
 WHERE p.swept_tokens <> coalesce(l.amount, 0)
"""


@transaction.atomic(durable=True)
def differences() -> list[ledger.Difference]:
    """Return every disagreement between stored figures and the rows behind them, read in one snapshot.

    REPEATABLE READ and read-only: writers go on meanwhile and none of their half-done work is ever seen.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        found = ledger.differences()
        for query in (_HOLDS, _CAPTURES, _ROUNDS, _WON, _TASKS, _REWARDS, _SWEEPS):
            cursor.execute(query)
            found += [ledger.Difference(*row) for row in cursor.fetchall()]
    return found


def audit(*, now: datetime) -> AuditRun:
    """Audit the books and store the pass, started at `now`, with a line for each difference."""
    found = differences()
    return AuditRun.objects.create(
        started_at=now,
        finished_at=timezone.now(),
        passed=not found,
        differences=[difference._asdict() for difference in found],
    )
