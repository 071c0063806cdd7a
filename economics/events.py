"""What was used, as the world reports it: one shape for every way in."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A use of a resource; `amount` in the unit of its class. `created_at` None: the time of its arrival."""

    entity_type: str
    entity_id: str
    resource_type: str
    amount: Decimal
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    model: str = ""
    tier: str = ""
    provider: str = ""
    artifact_type: str = ""
    artifact_id: str = ""
    slot_id: str | None = None
    reported_cost: Decimal | None = None
    source: str = ""
    event_id: str | None = None
    created_at: datetime | None = None
