"""Quests over HTTP: a programme opens its own, keeps its backlog here, and reads what each task is worth and why."""

from typing import Any

import django_filters
from django.db.models import Count, Exists, OuterRef, Prefetch, QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from auction import backlog, errors, given_tasks, quests, valuation
from auction.given_tasks import GivenTask
from auction.models import Need, Quest, Task
from config.api import batches, bodies, fields, filters, idempotency, views
from economics import faults, intake

MOST_IN_A_BATCH = 1_000
_FORMS = (intake.JSON, intake.NDJSON)
_STATUSES = (backlog.CREATED, backlog.CHANGED, backlog.UNCHANGED, backlog.REFUSED)
_WAITING = Need.objects.exclude(needs__state=Task.State.DONE)


class UpsertQuest(fields.Body):
    """A quest to be opened or changed. What is left out stays as it is; `members` replaces all there are."""

    quest_id = fields.Name(max_length=64)
    title = fields.PlainText(max_length=quests.LONGEST_TITLE, required=False, allow_blank=True)
    pool = fields.PlainText(max_length=64, required=False)
    members_only = fields.Flag(required=False)
    members = serializers.ListField(child=fields.PlainText(), required=False, max_length=quests.MOST_MEMBERS)
    strategy = fields.Choice(choices=Quest.Strategy.choices, required=False)
    bid_factor = fields.PlainNumber(max_digits=6, decimal_places=4, min_value=0, max_value=1, required=False)
    horizon_seconds = fields.WholeNumber(
        min_value=quests.SHORTEST_HORIZON, max_value=quests.LONGEST_HORIZON, required=False
    )


class Wallet(serializers.Serializer[object]):
    """A quest's wallet, in wallet tokens: `available` is what may still be bid, `held` what open bids and wins hold."""

    balance = serializers.IntegerField()
    held = serializers.IntegerField()
    available = serializers.IntegerField()


class QuestShown(fields.Row[Quest]):
    """A quest, its wallet and how it bids. `pace` is the share of a task's value that a paced quest bids now."""

    pool = serializers.CharField(source="pool.name")
    programme = serializers.CharField(source="programme_id", allow_null=True)
    wallet = Wallet(source="account")

    class Meta:
        """What is shown."""

        model = Quest
        fields = (
            *("id", "title", "pool", "programme", "members_only", "is_active"),
            *("strategy", "bid_factor", "horizon_seconds", "pace", "wallet", "created_at"),
        )


class TaskCounts(serializers.Serializer[object]):
    """How many of a quest's tasks are where. `blocked` are those of the open ones that wait for others."""

    open = serializers.IntegerField()
    blocked = serializers.IntegerField()
    taken = serializers.IntegerField()
    done = serializers.IntegerField()
    cancelled = serializers.IntegerField()


class QuestInFull(QuestShown):
    """A quest with its members and a count of its tasks."""

    members = serializers.SerializerMethodField()
    tasks = serializers.SerializerMethodField()

    class Meta:
        """What is shown."""

        model = Quest
        fields = (*QuestShown.Meta.fields, "members", "tasks")

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_members(self, quest: Quest) -> list[str]:
        """Return the ids of its members."""
        return list(quest.members.order_by("agent_id").values_list("agent_id", flat=True))

    @extend_schema_field(TaskCounts)
    def get_tasks(self, quest: Quest) -> dict[str, int]:
        """Return how many tasks are where."""
        states = quest.tasks.values_list("state").annotate(Count("pk"))
        found = {**dict.fromkeys(Task.State.values, 0), **dict(states)}
        blocked = quest.tasks.filter(Exists(_WAITING.filter(task=OuterRef("pk"))), state=Task.State.OPEN)
        return {**found, "blocked": blocked.count()}


class QuestFilter(django_filters.FilterSet):
    """Which of one's quests to list."""

    pool = django_filters.CharFilter(field_name="pool__name")
    active = filters.FlagFilter(field_name="is_active")


class Quests(views.Listed[Quest]):
    """List one's own quests; open or change one."""

    scopes = {"GET": "market:read", "POST": "quests:write"}
    queryset = Quest.objects.select_related("pool", "account")
    serializer_class = QuestShown
    filterset_class = QuestFilter
    ordering = ("id",)

    def get_queryset(self) -> QuerySet[Quest]:
        """Return the quests that the caller is the programme or a member of."""
        return super().get_queryset().filter(pk__in=quests.seen_by(self.agent))

    @extend_schema(request=UpsertQuest, responses=QuestInFull)
    def post(self, request: Request) -> Response:
        """Open a quest with an empty wallet, or change one's own. Repeatable: the same again changes nothing."""
        said = fields.checked(UpsertQuest, request.data)

        def deed() -> object:
            return fields.shown(QuestInFull, quests.upsert(by=self.agent, now=timezone.now(), **said))

        return Response(idempotency.retried(deed))


class OneQuest(views.One[Quest]):
    """Read one of one's quests, with its members and a count of its tasks."""

    scopes = {"GET": "market:read"}
    queryset = Quest.objects.select_related("pool", "account")
    serializer_class = QuestInFull
    lookup_url_kwarg = "quest_id"
    missing = errors.UnknownQuestError

    def get_queryset(self) -> QuerySet[Quest]:
        """Return the quests that the caller is the programme or a member of."""
        return super().get_queryset().filter(pk__in=quests.seen_by(self.agent))


class Explanation(serializers.Serializer[object]):
    """What a task is worth in USD, made of which parts (none: as stated), by which sum, and in a sentence."""

    value_usd = fields.Usd()
    parts = serializers.DictField(child=serializers.CharField())
    formula = serializers.CharField()
    sentence = serializers.CharField()


class QuestTaskShown(fields.Row[Task]):
    """A task of a backlog: what it waits for, and what it is worth and why."""

    is_blocked = serializers.BooleanField(help_text="It waits for a task that is not done.")
    needs = serializers.SerializerMethodField()
    waits_for = serializers.SerializerMethodField()
    explanation = serializers.SerializerMethodField()

    class Meta:
        """What is shown."""

        model = Task
        fields = (
            *("id", "title", "entity_type", "entity_id", "state", "is_blocked", "needs", "waits_for"),
            *("expected_value_usd", "value_if_works_usd", "chance", "cost_usd", "expected_cost_tokens", "model"),
            *("explanation", "scored_at", "created_at", "closed_at"),
        )

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_needs(self, task: Task) -> list[str]:
        """Return the ids of the tasks it needs."""
        return sorted(need.needs_id for need in task.needs.all())

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_waits_for(self, task: Task) -> list[str]:
        """Return the ids of those of them that are not done."""
        return sorted(need.needs_id for need in task.needs.all() if need.needs.state != Task.State.DONE)

    @extend_schema_field(Explanation)
    def get_explanation(self, task: Task) -> dict[str, Any]:
        """Return what it is worth and why."""
        return valuation.explain(task)._asdict()


class QuestTaskFilter(django_filters.FilterSet):
    """Which tasks to list."""

    state = django_filters.ChoiceFilter(choices=Task.State.choices)
    blocked = filters.FlagFilter(field_name="is_blocked")
    entity_type = django_filters.CharFilter()
    entity_id = django_filters.CharFilter()


class GiveTask(serializers.Serializer[object]):
    """A task as it is to be, whole, described for the schema; `given_tasks.native` takes it.

    What is left out is none, but for `needs`, which then stay. The expected value is stated, or made of the value if
    it works, the chance (left out: certain) and the cost. Expected LLM tokens name a model. `state` done or cancelled
    closes the task and changes nothing else.
    """

    task_id = fields.Name()
    title = serializers.CharField(max_length=300, required=False, allow_null=True, allow_blank=True)
    entity_type = serializers.CharField(max_length=64, required=False, allow_null=True)
    entity_id = serializers.CharField(max_length=200, required=False, allow_null=True)
    expected_value_usd = fields.Usd(required=False, allow_null=True)
    value_if_works_usd = fields.Usd(required=False, allow_null=True)
    chance = fields.PlainNumber(
        max_digits=7, decimal_places=6, min_value=0, max_value=1, required=False, allow_null=True
    )
    cost_usd = fields.Usd(required=False, allow_null=True)
    expected_cost_tokens = serializers.IntegerField(min_value=0, max_value=10**15 - 1, required=False, allow_null=True)
    model = serializers.CharField(max_length=200, required=False, allow_null=True)
    needs = serializers.ListField(
        child=fields.Name(), max_length=given_tasks.MOST_NEEDS, required=False, allow_null=True
    )
    state = serializers.ChoiceField(choices=given_tasks.STATES, required=False, allow_null=True)


class TaskUpserted(serializers.Serializer[object]):
    """What became of one task, and the state it is in now."""

    index = serializers.IntegerField()
    task_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=_STATUSES)
    state = serializers.ChoiceField(choices=Task.State.choices, allow_null=True)
    code = serializers.CharField(allow_null=True)
    errors = batches.ItemFault(many=True)  # type: ignore[assignment] # a serializer of its own has errors, too


class TasksUpserted(serializers.Serializer[object]):
    """What became of each task of a batch, in the order given."""

    counts = batches.UpsertedCounts()
    results = TaskUpserted(many=True)


class QuestTasks(views.Listed[Task]):
    """List a quest's tasks, newest first; upsert up to 1,000."""

    scopes = {"GET": "market:read", "POST": "quests:write"}
    parser_classes = [bodies.as_it_came(form) for form in _FORMS]
    queryset = Task.objects.all()
    serializer_class = QuestTaskShown
    filterset_class = QuestTaskFilter
    ordering = ("-created_at", "-id")

    def get_queryset(self) -> QuerySet[Task]:
        """Return the tasks of the quest, with what they wait for."""
        quest = quests.seen_by(self.agent).filter(pk=self.kwargs["quest_id"])
        if not quest.exists():
            raise errors.UnknownQuestError(quest_id=self.kwargs["quest_id"])
        waits = Prefetch("needs", Need.objects.select_related("needs").only("task_id", "needs_id", "needs__state"))
        tasks = super().get_queryset().filter(quest=self.kwargs["quest_id"]).prefetch_related(waits)
        return tasks.annotate(is_blocked=Exists(_WAITING.filter(task=OuterRef("pk"))))

    @extend_schema(request={intake.JSON: GiveTask(many=True), intake.NDJSON: OpenApiTypes.STR}, responses=TasksUpserted)
    def post(self, request: Request, quest_id: str) -> Response:
        """Upsert up to 1,000 tasks by their own ids; one that is refused stops no other but those that need it.

        The same again changes nothing, so a batch may simply be sent again and no Idempotency-Key is needed. Tasks
        that a batch does not name stay as they are.
        """
        body: Any = request.data or b""  # DRF asks no parser about an empty body
        read = intake.objects(body, request.content_type, read=given_tasks.native, most=MOST_IN_A_BATCH, named="tasks")
        good = [item for item in read if isinstance(item, GivenTask)]

        def deed() -> list[backlog.Upserted]:
            quest = quests.changeable(quest_id, by=self.agent)
            return backlog.upsert_tasks(quest, good, by=self.agent, now=timezone.now())

        written = iter(idempotency.retried(deed))
        results = [
            _shown(place, next(written) if isinstance(item, GivenTask) else item) for place, item in enumerate(read)
        ]
        return Response(batches.answer(results, _STATUSES))


def _shown(place: int, one: backlog.Upserted | faults.Faults) -> dict[str, Any]:
    return {
        "index": place,
        "task_id": None if isinstance(one, list) else one.task_id,
        "status": backlog.REFUSED if isinstance(one, list) else one.status,
        "state": None if isinstance(one, list) else one.state or None,
        **batches.why(one if isinstance(one, list) else one.faults),
    }
