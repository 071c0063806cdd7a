"""What happened, in one order: what is public, an agent's own, and that of the quests it may read."""

from typing import Any, ClassVar

from django.urls import re_path
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from auction import quests
from config import feed
from config.api import fields, views
from config.models import Agent, FeedEntry


class EventsQuery(serializers.Serializer[object]):
    """From where on, how many, and which."""

    after = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=fields.LARGEST,
        help_text="The `after` of the last answer; left out: from the oldest entry that is kept.",
    )
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)
    kind = serializers.ListField(
        child=serializers.ChoiceField(choices=feed.KINDS), default=list, help_text="May be given several times."
    )
    pool = serializers.CharField(max_length=64, default="")


class EventShown(serializers.ModelSerializer[FeedEntry]):
    """One thing that happened; what `data` holds follows from its kind. Without an owner it is public."""

    class Meta:
        """What is shown."""

        model = FeedEntry
        fields = ("position", "kind", "at", "owner_type", "owner_id", "pool", "data")


class EventsShown(serializers.Serializer[Any]):
    """Entries in their order, from where to go on, and when."""

    results = EventShown(many=True)
    after = serializers.IntegerField(help_text="Send it with the next request: all up to it was told.")
    next_poll_after = serializers.DateTimeField(help_text="Not before.")


class Events(views.Reviewed):
    """The feed."""

    scopes = {"GET": "market:read"}
    rights: ClassVar[dict[str, str]] = {"GET": "config.view_feedentry"}

    @extend_schema(
        parameters=[
            EventsQuery,
            OpenApiParameter("kind", str, many=True, enum=feed.KINDS, description="May be given several times."),
        ],
        responses=EventsShown,
    )
    def get(self, request: Request) -> Response:
        """Read what happened after a position, oldest first. An agent sees its own, a person of the staff all."""
        query = request.query_params
        asked = fields.checked(EventsQuery, {**query.dict(), "kind": query.getlist("kind")})
        page = feed.read(
            asked.get("after"), asked["limit"], owners=self._owners(), kinds=asked["kind"], pool=asked["pool"]
        )
        shown: dict[str, Any] = {
            "results": page.entries,
            "after": page.after,
            "next_poll_after": feed.next_poll(page, timezone.now()),
        }
        return Response(EventsShown(shown).data)

    def _owners(self) -> list[tuple[str, str]] | None:
        """Return whose entries the caller may read beside those that are public; None: everybody's."""
        if not isinstance(self.request.user, Agent):
            return None
        names = quests.seen_by(self.agent).values_list("pk", flat=True)
        return [("agent", self.agent.pk), *(("quest", name) for name in names)]


urlpatterns = [re_path(r"^events/?\Z", Events.as_view())]
