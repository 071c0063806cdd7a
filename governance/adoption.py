"""How proposals that another service has already stand beside those of the Senate in one table."""

from typing import Final

from config.adoption.words import Adopted
from governance import contract

_STATES: Final = ("draft", "submitted", "approved", "enacted", "rejected", "deferred", "expired", "withdrawn")

# Theirs are never taken for ours: nobody voted on them here, by rules they did not know.
PROPOSALS: Final = Adopted(
    contract.ALLOCATION_PROPOSALS,
    needs=("entity_type", "entity_id", "requested_tokens"),
    fault=f"""CASE
    WHEN b.entity_type IS NULL OR b.entity_id IS NULL OR b.entity_type = '' OR b.entity_id = '' THEN 'no_entity'
    WHEN b.proposer_id IS NULL AND b.proposer_agent IS NULL THEN 'no_proposer'
    WHEN b.requested_tokens IS NULL THEN 'no_amount'
    WHEN b.requested_tokens < 0 THEN 'negative_amount'
    WHEN b.status IS NULL OR b.status NOT IN ({", ".join(f"'{state}'" for state in _STATES)}) THEN 'unknown_status'
    END""",
    filled=(("votes", "'[]'::jsonb"),),
    samples=tuple(
        {
            "entity_type": "'hypothesis'",
            "entity_id": "'rehearsal'",
            "proposer_id": "'somebody'",
            "requested_tokens": "1",
            "justification": "''",
            "evidence": "'[]'",
            "status": f"'{state}'",
        }
        for state in _STATES
    ),
)
ADOPTED_TABLES: Final[tuple[Adopted, ...]] = (PROPOSALS,)
