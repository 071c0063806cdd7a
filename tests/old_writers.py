"""Programs that wrote usage before us: they put a row down, and beside it what is to be counted of it, and go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db import connection, transaction

from tests.factories import NOON

if TYPE_CHECKING:
    from economics.models import Envelope

_COLUMNS: Final = (
    *("entity_type", "entity_id", "resource_type", "amount", "cost", "tier", "provider", "model", "agent_id"),
    *("created_at", "corrects_id"),
)
_ARRIVALS: Final = """
INSERT INTO economics_arrivals (created_at, entity_type, entity_id, resource_type, tier, provider, agent_id,
                                amount, cost, unpriced_amount, events)
SELECT created_at, entity_type, entity_id, resource_type, coalesce(tier, ''), coalesce(provider, ''),
       coalesce(agent_id, ''),
"""
_WRITE: Final = f"""
WITH written AS (
    INSERT INTO resource_usage ({", ".join(_COLUMNS)}) VALUES ({", ".join(f"%({name})s" for name in _COLUMNS)})
    RETURNING *
), arrived AS (
    {_ARRIVALS} amount, coalesce(cost, 0), CASE WHEN cost IS NULL THEN amount ELSE 0 END, 1 FROM written
)
SELECT id FROM written
"""
_PRICE: Final = f"""
WITH priced AS (
    UPDATE resource_usage SET cost = amount * %(rate)s WHERE id = ANY(%(ids)s) AND cost IS NULL RETURNING *
)
{_ARRIVALS} 0, cost, -amount, 0 FROM priced
"""


def write(of: Envelope, amount: object = 10, **terms: Any) -> int:
    """Write a use of LLM tokens of the frontier tier without a price, if not said otherwise; return its id."""
    row = {
        "entity_type": of.entity_type,
        "entity_id": of.entity_id,
        "resource_type": "llm_tokens",
        "amount": amount,
        "tier": "frontier",
        "provider": "",
        "model": "deep-1",
        "agent_id": "old",
        "created_at": NOON,
    }
    return _do(_WRITE, {**dict.fromkeys(_COLUMNS), **row, **terms})[0]


def price(*ids: int, rate: str = "0.5") -> None:
    """Price rows of usage that have no price, in USD per unit."""
    _do(_PRICE, {"ids": list(ids), "rate": rate})


@transaction.atomic
def _do(statement: str, terms: dict[str, Any]) -> list[int]:
    """Run a statement as if the table had none of our triggers."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, terms)
        rows = [] if cursor.description is None else [pk for (pk,) in cursor.fetchall()]
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    return rows
