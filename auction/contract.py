"""What other services rely on in the tables of the market."""

from config.contract import Column, Index, Need, Table, Type

BIDS = Table(
    "compute_auction_bids",
    columns=(
        Column("id", Type.KEY, Need.DEFAULTED),
        Column("bidder_id", Type.TEXT, Need.GIVEN),
        Column("task_id", Type.TEXT, Need.GIVEN),
        Column("max_price_tokens", Type.BIGINT, Need.GIVEN),
        Column("expected_value_usd", Type.NUMERIC, Need.DEFAULTED),
        Column("ttl_at", Type.TIMESTAMPTZ, Need.GIVEN),
        Column("status", Type.TEXT, Need.DEFAULTED),
    ),
    indexes=(Index(("id",), unique=True), Index(("status", "max_price_tokens DESC"))),
    # A bid belongs to a book and to the wallet that holds its tokens; no default could know them.
    also_given=("pool_id", "account_id"),
)
CLEARS = Table(
    "compute_auction_clears",
    columns=(
        Column("slot_id", Type.TEXT, Need.GIVEN),
        Column("clearing_price_tokens", Type.BIGINT, Need.GIVEN),
        Column("winning_task_id", Type.TEXT, Need.GIVEN),
        Column("runner_up_task_id", Type.TEXT, Need.NULLABLE),  # no other owner bid
        Column("slot_started_at", Type.TIMESTAMPTZ, Need.NULLABLE),
        Column("slot_finished_at", Type.TIMESTAMPTZ, Need.NULLABLE),
        Column("actual_cost_tokens", Type.BIGINT, Need.NULLABLE),  # not finished
        Column("actual_impact", Type.NUMERIC, Need.NULLABLE),  # not graded
    ),
    indexes=(Index(("slot_id",), unique=True),),
    # What a round decided about this sale, or fallback about this gift; nothing else writes clears.
    also_given=(
        *("pool_id", "account_id", "charge_tokens", "max_price_tokens"),
        *("cleared_at", "start_by"),
    ),
)
ALLOCATIONS = Table(
    "quest_budget_allocations",
    columns=(
        Column("quest_id", Type.TEXT, Need.GIVEN),
        Column("day", Type.DATE, Need.GIVEN),
        Column("tokens", Type.BIGINT, Need.GIVEN),
        Column("share", Type.NUMERIC, Need.GIVEN),
    ),
    indexes=(Index(("quest_id", "day"), unique=True),),
)
TABLES = (BIDS, CLEARS, ALLOCATIONS)
