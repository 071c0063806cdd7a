"""Usage that waits to be counted, in the admin: for who wonders why a figure lags behind."""

from typing import ClassVar

from django.contrib import admin

from config.site import LargeTableAdmin, figure
from economics.models import Arrival


@admin.register(Arrival)
class ArrivalAdmin(LargeTableAdmin[Arrival]):
    """What was written by programs that do not wait for counters; a tick counts it, the oldest first."""

    list_display = (
        *("id", "created_at", "entity_type", "entity_id", "resource_type", "tier", "provider", "agent_id"),
        *(figure("amount"), figure("cost", "cost (USD)"), figure("unpriced_amount", "unpriced"), figure("events")),
    )
    ordering: ClassVar[tuple[str, ...]] = ("pk",)
