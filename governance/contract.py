"""What other services rely on in the tables of the Senate."""

from config.contract import Column, Index, Need, Table, Type

ALLOCATION_PROPOSALS = Table(
    "allocation_proposals",
    columns=(
        Column("id", Type.KEY, Need.DEFAULTED),
        Column("proposer", Type.TEXT, of=("proposer_id", "proposer_agent")),
        Column("proposer_id", Type.TEXT, Need.NULLABLE),
        Column("proposer_agent", Type.TEXT, Need.NULLABLE),
        Column("entity_type", Type.TEXT, Need.GIVEN),
        Column("entity_id", Type.TEXT, Need.GIVEN),
        Column("requested_tokens", Type.BIGINT, Need.DEFAULTED),
        Column("requested_amount", Type.BIGINT, of=("requested_tokens",)),
        Column("justification", Type.TEXT, Need.DEFAULTED),
        Column("evidence", Type.JSONB, Need.DEFAULTED),
        Column("votes", Type.JSONB, Need.DEFAULTED),
        Column("status", Type.TEXT, Need.DEFAULTED),
    ),
    indexes=(Index(("id",), unique=True),),
)
TABLES = (ALLOCATION_PROPOSALS,)
