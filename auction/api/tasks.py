"""Tasks over HTTP: an agent files its own and bids for them."""

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from auction import backlog, errors
from auction.models import Task
from config.api import fields, idempotency, views
from economics import ledger


class FileTask(fields.Body):
    """A task to be filed. Without `task_id` one is made; entity type and id come together or not at all.

    `expected_cost_tokens` (LLM tokens, of a `model`) are reserved on the envelope of its entity when it starts.
    """

    task_id = fields.Name(required=False)
    title = fields.PlainText(max_length=300, required=False, allow_blank=True)
    entity_type = fields.PlainText(required=False)
    entity_id = fields.PlainText(required=False)
    expected_value_usd = fields.Usd(required=False)
    expected_cost_tokens = fields.WholeNumber(min_value=0, required=False)
    model = fields.PlainText(required=False)


class TaskShown(serializers.ModelSerializer[Task]):
    """A task as its owner sees it."""

    expected_value_usd = fields.Usd()

    class Meta:
        """What is shown."""

        model = Task
        fields = (
            *("id", "title", "entity_type", "entity_id", "expected_value_usd", "expected_cost_tokens", "model"),
            *("state", "created_at", "closed_at"),
        )


class TaskFilter(django_filters.FilterSet):
    """Which of one's tasks to list."""

    state = django_filters.ChoiceFilter(choices=Task.State.choices)


class Tasks(views.Listed[Task]):
    """List one's own tasks, newest first; file one."""

    scopes = {"GET": "market:read", "POST": "tasks:write"}
    keyed = frozenset({"POST"})
    queryset = Task.objects.all()
    serializer_class = TaskShown
    filterset_class = TaskFilter
    ordering = ("-created_at", "-id")

    def get_queryset(self) -> QuerySet[Task]:
        """Return the caller's tasks."""
        return super().get_queryset().filter(wallet_id=ledger.wallet_of(self.agent))

    @extend_schema(request=FileTask, responses={201: TaskShown})
    def post(self, request: Request) -> HttpResponse:
        """File a task for the caller's own wallet, which is opened when missing."""
        parts = fields.checked(FileTask, request.data)

        def deed() -> object:
            return fields.shown(TaskShown, backlog.file_task(filed_by=self.agent, now=timezone.now(), **parts))

        return idempotency.answered_once(request, 201, deed)


class OneTask(views.One[Task]):
    """Read one of one's tasks."""

    scopes = {"GET": "market:read"}
    queryset = Task.objects.all()
    serializer_class = TaskShown
    lookup_url_kwarg = "task_id"
    missing = errors.UnknownTaskError

    def get_queryset(self) -> QuerySet[Task]:
        """Return the caller's tasks."""
        return super().get_queryset().filter(wallet_id=ledger.wallet_of(self.agent))


class CancelTask(views.Scoped):
    """Give a task up."""

    scopes = {"POST": "tasks:write"}

    @extend_schema(request=None, responses=TaskShown)
    def post(self, request: Request, task_id: str) -> Response:
        """Cancel an open task, and its open bid with it. Repeatable."""

        def deed() -> object:
            wallet = ledger.wallet_of(self.agent)
            return fields.shown(TaskShown, backlog.cancel_task(task_id, wallet=wallet, now=timezone.now()))

        return idempotency.repeatable(request, deed)
