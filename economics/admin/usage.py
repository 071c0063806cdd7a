"""Usage in the admin, to be read."""

from django.contrib import admin

from config.site import LargeTableAdmin, figure
from economics.models import Usage


@admin.register(Usage)
class UsageAdmin(LargeTableAdmin[Usage]):
    """What was used, one row per call or job. LLM tokens here are a resource, never money."""

    hidden = ("amount_used", "timestamp")
    list_display = (
        "id",
        "created_at",
        "entity",
        "resource_type",
        figure("amount"),
        figure("cost", "cost (USD)"),
        "model",
        "agent_id",
        "slot_id",
    )
    list_filter = ("resource_type", "price_state", "created_at")
    search_fields = ("slot_id__exact", "entity_id__exact")
    search_help_text = "The id of a slot or an entity, whole."

    @admin.display(description="entity")
    def entity(self, usage: Usage) -> str:
        """Return type and id of the entity."""
        return f"{usage.entity_type}:{usage.entity_id}"
