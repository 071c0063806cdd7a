"""What other services rely on in the tables of the books."""

from config.contract import Column, Index, Need, Table, Type

RESOURCE_BUDGETS = Table(
    "resource_budgets",
    columns=(
        Column("entity_type", Type.TEXT, Need.GIVEN),
        Column("entity_id", Type.TEXT, Need.GIVEN),
        Column("token_budget", Type.BIGINT, Need.DEFAULTED),
        Column("cpu_budget", Type.NUMERIC, Need.DEFAULTED),
        Column("storage_budget_gb", Type.NUMERIC, Need.NULLABLE),  # no ceiling
        Column("api_call_budget", Type.BIGINT, Need.NULLABLE),  # no ceiling
        Column("priority_score", Type.NUMERIC),
        Column("market_weight", Type.NUMERIC, Need.DEFAULTED),  # it multiplies
        Column("roi_score", Type.NUMERIC, Need.NULLABLE),  # unproven
    ),
    indexes=(
        Index(("entity_type", "entity_id"), unique=True),
        Index(("priority_score DESC",)),
        Index(("market_weight DESC",)),
        Index(("roi_score DESC",)),
    ),
)
RESOURCE_USAGE = Table(
    "resource_usage",
    columns=(
        Column("entity_type", Type.TEXT, Need.GIVEN),
        Column("entity_id", Type.TEXT, Need.GIVEN),
        Column("resource_type", Type.TEXT, Need.GIVEN),
        Column("amount", Type.NUMERIC, Need.GIVEN),
        Column("amount_used", Type.NUMERIC, of=("amount",)),
        Column("cost", Type.NUMERIC, Need.NULLABLE),  # not priced yet
        Column("model", Type.TEXT),
        Column("tier", Type.TEXT),
        Column("provider", Type.TEXT),
        Column("artifact_type", Type.TEXT),
        Column("artifact_id", Type.TEXT),
        Column("slot_id", Type.TEXT, Need.NULLABLE),  # used outside any slot
        Column("created_at", Type.TIMESTAMPTZ, Need.DEFAULTED),
        Column("timestamp", Type.TIMESTAMPTZ, of=("created_at",)),
    ),
)
TOKEN_ACCOUNTS = Table(
    "token_accounts",
    columns=(
        Column("id", Type.KEY, Need.DEFAULTED),
        Column("owner_type", Type.TEXT, Need.GIVEN),
        Column("owner_id", Type.TEXT, Need.GIVEN),
        Column("balance", Type.BIGINT, Need.DEFAULTED),
        Column("held", Type.BIGINT, Need.DEFAULTED),
    ),
    indexes=(Index(("id",), unique=True), Index(("owner_type", "owner_id"), unique=True)),
)
TOKEN_LEDGER = Table(
    "token_ledger",
    columns=(
        Column("id", Type.KEY, Need.DEFAULTED),
        Column("debit_account_id", Type.KEY, Need.GIVEN),
        Column("credit_account_id", Type.KEY, Need.GIVEN),
        Column("amount", Type.BIGINT, Need.GIVEN),
        Column("reason", Type.TEXT, Need.GIVEN),
        Column("key", Type.TEXT, Need.GIVEN),
        Column("created_at", Type.TIMESTAMPTZ, Need.DEFAULTED),
    ),
    indexes=(Index(("id",), unique=True), Index(("key",), unique=True)),
)
TABLES = (RESOURCE_BUDGETS, RESOURCE_USAGE, TOKEN_ACCOUNTS, TOKEN_LEDGER)
