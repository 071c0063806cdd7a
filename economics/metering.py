"""What was used, as rows that stay."""

from datetime import datetime
from decimal import Decimal

from django.db.models import Sum

from economics.models import Usage


def record_slot_remainder(  # noqa: PLR0913 - a usage row has this many parts
    *, slot_id: str, remainder: int, entity_type: str, entity_id: str, agent_id: str, model: str, now: datetime
) -> Usage | None:
    """Book what a slot used beyond what was reported for it while it ran, in LLM tokens, as one unpriced row.

    The event id is the slot's, so a second settlement cannot count it twice. A remainder of 0 or less books nothing.
    """
    if remainder <= 0:
        return None
    return Usage.objects.create(
        entity_type=entity_type,
        entity_id=entity_id,
        resource_type=Usage.Resource.LLM_TOKENS,
        amount=Decimal(remainder),
        model=model,
        agent_id=agent_id,
        slot_id=slot_id,
        source="auction",
        event_id=f"slot:{slot_id}",
        created_at=now,
        recorded_at=now,
    )


def reported_for_slot(slot_id: str) -> int:
    """Return the LLM tokens reported with this slot's id so far."""
    rows = Usage.objects.filter(slot_id=slot_id, resource_type=Usage.Resource.LLM_TOKENS)
    return int(rows.aggregate(total=Sum("amount"))["total"] or 0)
