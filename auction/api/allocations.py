"""The proportional split over HTTP: what the quests of a programme were allotted and paid, day by day."""

import django_filters
from django.db.models import QuerySet

from auction import quests
from auction.models import QuestAllocation
from config.api import fields, filters, views


class AllocationShown(fields.Row[QuestAllocation]):
    """A quest's part of a day's stipends, in wallet tokens, and what it follows from.

    `paid_tokens` is less than `tokens` where the wallet was full or the treasury short.
    """

    class Meta:
        """What is shown."""

        model = QuestAllocation
        fields = ("id", "quest_id", "day", "tokens", "paid_tokens", "share", "value_usd", "reliability", "created_at")


class AllocationFilter(django_filters.FilterSet):
    """Which allocations to list."""

    quest = django_filters.CharFilter(field_name="quest_id")
    day = filters.DayFilter()


class Allocations(views.Listed[QuestAllocation]):
    """List what one's own quests were allotted, the newest first."""

    scopes = {"GET": "market:read"}
    queryset = QuestAllocation.objects.all()
    serializer_class = AllocationShown
    filterset_class = AllocationFilter

    def get_queryset(self) -> QuerySet[QuestAllocation]:
        """Return those of the quests whose programme the caller is."""
        return super().get_queryset().filter(quest__in=quests.of_programme(self.agent))
