"""How backlogs stand: the tasks of all quests on a page, and which tasks of a page wait, each in one query."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from django.db.models import Case, CharField, Count, Exists, F, OuterRef, Sum, Value, When

from auction.models import Need, Quest, Task

BLOCKED: Final = "blocked"
STATES: Final = (Task.State.OPEN.value, BLOCKED, Task.State.TAKEN.value, Task.State.DONE.value)
WAITS: Final = Exists(Need.objects.filter(task=OuterRef("pk")).exclude(needs__state=Task.State.DONE))
_STANDS: Final = Case(
    When(WAITS, state=Task.State.OPEN, then=Value(BLOCKED)), default=F("state"), output_field=CharField()
)


class Standing(NamedTuple):
    """So many tasks, expected to be worth so much in USD."""

    tasks: int = 0
    value_usd: Decimal = Decimal(0)


def of_quests(quests: Collection[Quest]) -> Mapping[str, Mapping[str, Standing]]:
    """Return of each quest how many of its tasks are in which state; open ones that wait for others are blocked."""
    found: dict[str, dict[str, Standing]] = defaultdict(lambda: defaultdict(Standing))
    rows = (
        Task.objects.filter(wallet__in=[quest.account_id for quest in quests], quest__isnull=False)
        .annotate(stands=_STANDS)
        .values_list("quest_id", "stands")
        .annotate(tasks=Count("pk"), value_usd=Sum("expected_value_usd"))
        .order_by()
    )
    for quest, stands, tasks, value_usd in rows:
        found[quest][stands] = Standing(tasks, value_usd)
    return found


def blocked(tasks: Collection[Task]) -> frozenset[str]:
    """Return which of these tasks are open and wait for others."""
    waiting = Task.objects.filter(WAITS, pk__in=[task.pk for task in tasks], state=Task.State.OPEN)
    return frozenset(waiting.values_list("pk", flat=True))
