"""What to do next, over HTTP: the one address an idle agent asks."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from auction import next_task, pools
from auction.models import Clear, Task
from config.api import fields, idempotency, views


class AskNext(fields.Body):
    """The pool in which to look."""

    pool = fields.PlainText(max_length=64, default=pools.DEFAULT)


class SlotClaimed(serializers.ModelSerializer[Clear]):
    """The slot that is to be started, by when, and how long its lease then runs from heartbeat to heartbeat."""

    id = serializers.CharField(source="slot_id")
    pool = serializers.CharField(source="pool.name")
    lease_seconds = serializers.IntegerField(source="pool.lease_seconds")

    class Meta:
        """What is shown; what a quest pays for it is its own business."""

        model = Clear
        fields = ("id", "pool", "start_by", "lease_seconds")


class TaskToRun(serializers.ModelSerializer[Task]):
    """The work to be done in it, and what it is charged to."""

    quest_id = serializers.CharField(allow_null=True)
    expected_value_usd = fields.Usd()
    expected_cost_tokens = serializers.IntegerField(allow_null=True, help_text="LLM tokens (a resource, not money).")

    class Meta:
        """What is shown."""

        model = Task
        fields = (
            *("id", "quest_id", "title", "entity_type", "entity_id"),
            *("expected_value_usd", "expected_cost_tokens", "model"),
        )


class NextShown(serializers.Serializer[next_task.Next]):
    """The agent's next slot and the work for it; or neither, and when to ask again."""

    source = serializers.ChoiceField(  # type: ignore[assignment] # a field of this name, not an argument
        choices=[one.value for one in next_task.Source],
        help_text="own: won for a task of the agent; quest: won by a quest it runs for; fallback: given; empty: none.",
    )
    slot = SlotClaimed(source="clear", allow_null=True)
    task = TaskToRun(source="clear.winning_task", allow_null=True, default=None)
    claim_until = serializers.DateTimeField(
        source="clear.claim_until", allow_null=True, default=None, help_text="Not started by then, others may take it."
    )
    next_poll_after = serializers.DateTimeField()


class NextTask(views.Scoped):
    """Ask what to do next."""

    scopes = {"POST": "slots:run"}

    @extend_schema(request=AskNext, responses=NextShown)
    def post(self, request: Request) -> Response:
        """Claim the best slot there is for the caller and return it with its work, or say when to ask again.

        Repeatable: a claim that still stands is returned again.
        """
        asked: dict[str, Any] = fields.checked(AskNext, request.data)

        def ask() -> next_task.Next:
            return next_task.next_task(self.agent, now=timezone.now(), **asked)

        return Response(NextShown(idempotency.retried(ask, whole=False)).data)
