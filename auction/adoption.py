"""How the daily split that another service keeps stands beside ours in one table."""

from typing import Final

from auction import contract
from config.adoption.words import Adopted

ALLOCATIONS: Final = Adopted(
    contract.ALLOCATIONS,
    needs=("quest_id",),
    fault="""CASE
    WHEN b.quest_id IS NULL OR b.quest_id = '' THEN 'no_quest'
    WHEN b.day IS NULL THEN 'no_day'
    WHEN b.tokens IS NULL THEN 'no_tokens'
    WHEN b.tokens < 0 THEN 'negative_tokens'
    WHEN EXISTS (SELECT FROM {table} o WHERE o.quest_id = b.quest_id AND o.day = b.day AND o.id <> b.id)
        THEN 'day_twice'
    WHEN NOT EXISTS (SELECT FROM {schema}.auction_quests q WHERE q.id = b.quest_id) THEN 'unknown_quest'
    END""",
    samples=({"quest_id": "'rehearsal'", "day": "current_date", "tokens": "0", "share": "0"},),
)
ADOPTED_TABLES: Final[tuple[Adopted, ...]] = (ALLOCATIONS,)
