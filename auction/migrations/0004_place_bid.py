"""Placing a bid is a function of the database: one round trip, planned once per session."""

from django.db import migrations

PLACE_BID = """
CREATE FUNCTION auction_place_bid(
    in_pool text, in_wallet bigint, in_agent text, in_task text, in_price bigint, in_value numeric,
    in_time_in_force text, in_ttl timestamptz, in_now timestamptz,
    OUT bid_id bigint, OUT pool_id bigint, OUT account_id bigint, OUT bidder_id text, OUT placed_at timestamptz,
    OUT refusal text, OUT available bigint
) LANGUAGE plpgsql
-- Plans are kept for the session. One made while the book was known to be empty would read it whole ever after.
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    book_id bigint;
    book record;
    task record;
    owner text;
BEGIN
    SELECT id INTO book_id FROM auction_pools WHERE name = in_pool;
    IF NOT FOUND THEN
        refusal := 'unknown_pool'; RETURN;
    END IF;
    -- Whoever clears the pool holds this lock alone. Every statement below has a snapshot of its own, taken after
    -- the lock: it sees the last round, and the next round sees this bid.
    PERFORM pg_advisory_xact_lock_shared(7301, book_id::int);
    SELECT mode, min_bid_tokens, max_bid_tokens, max_ttl_seconds,
           greatest(in_now, last_round_at + interval '1 microsecond') AS moment
      INTO book FROM auction_pools WHERE id = book_id;
    SELECT wallet_id, state INTO task FROM auction_tasks WHERE id = in_task FOR NO KEY UPDATE;
    pool_id := book_id;
    account_id := task.wallet_id;
    placed_at := book.moment;
    refusal := CASE
        WHEN task.wallet_id IS NULL THEN 'unknown_task'
        WHEN task.wallet_id IS DISTINCT FROM in_wallet AND NOT EXISTS (
            SELECT FROM token_accounts
             WHERE id = task.wallet_id AND owner_type = 'agent' AND owner_id = in_agent) THEN 'not_your_task'
        WHEN book.mode = 'stopped' THEN 'pool_stopped'
        WHEN in_price NOT BETWEEN book.min_bid_tokens AND book.max_bid_tokens THEN 'price_out_of_bounds'
        WHEN in_ttl <= book.moment OR in_ttl > book.moment + book.max_ttl_seconds * interval '1 second'
            THEN 'ttl_out_of_bounds'
        WHEN task.state <> 'open' THEN 'task_not_open'
        WHEN EXISTS (SELECT FROM compute_auction_bids WHERE task_id = in_task AND status = 'open')
            THEN 'task_has_open_bid'
    END;
    IF refusal IS NOT NULL THEN
        RETURN;
    END IF;
    UPDATE token_accounts SET held = held + in_price
     WHERE id = task.wallet_id AND balance - held >= in_price
    RETURNING owner_id INTO owner;
    IF NOT FOUND THEN
        -- Tokens may have been released since that statement began: the wallet's lock makes the answer certain.
        SELECT balance - held INTO available FROM token_accounts WHERE id = task.wallet_id FOR NO KEY UPDATE;
        IF available < in_price THEN
            refusal := 'insufficient_tokens'; RETURN;
        END IF;
        UPDATE token_accounts SET held = held + in_price WHERE id = task.wallet_id RETURNING owner_id INTO owner;
    END IF;
    INSERT INTO compute_auction_bids (pool_id, task_id, account_id, bidder_id, max_price_tokens, expected_value_usd,
                                      time_in_force, placed_at, ttl_at)
    VALUES (book_id, in_task, task.wallet_id, owner, in_price, in_value, in_time_in_force, book.moment, in_ttl)
    RETURNING id, owner INTO bid_id, bidder_id;
END
$$
"""


class Migration(migrations.Migration):
    """The function behind `order_book.place_bid`."""

    dependencies = [("auction", "0003_graders_do_not_trade")]

    operations = [migrations.RunSQL(PLACE_BID, "DROP FUNCTION auction_place_bid")]
