"""Tasks in the admin: what they are worth and why, what they wait for, and what became of them on the market."""

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from auction import valuation
from auction.admin import standing
from auction.models import Bid, Clear, Need, Task
from config import lists, site
from config.site import LargeTableAdmin, figure

_SHOWN: Final = 50
NONE: Final = site.HouseAdminSite.empty_value_display


def badge(state: str) -> SafeString:
    """Return a state as a badge."""
    return format_html('<span class="badge is-{}">{}</span>', state.replace(" ", "-"), state)


class TaskList(lists.KeyedList):
    """A page of tasks that knows which of them wait, in one query for all."""

    def get_results(self, request: HttpRequest) -> None:
        """Add to the rows of this page whether they wait."""
        super().get_results(request)
        rows = list(self.result_list)
        waiting = standing.blocked(rows)
        for row in rows:
            row.waits = row.pk in waiting
        self.result_list = rows


class StandsFilter(admin.SimpleListFilter):
    """Where a task stands; an open one that waits for others is blocked."""

    title = "state"
    parameter_name = "stands"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the states."""
        return [(state, state) for state in (*standing.STATES, Task.State.CANCELLED.value)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:  # noqa: ARG002
        """Keep the tasks that stand so."""
        match self.value():
            case None | "":
                return queryset
            case standing.BLOCKED:
                return queryset.filter(standing.WAITS, state=Task.State.OPEN)
            case Task.State.OPEN:
                return queryset.filter(~standing.WAITS, state=Task.State.OPEN)
            case state:
                return queryset.filter(state=state)


class OwnerFilter(admin.SimpleListFilter):
    """Whether a quest or an agent owns a task."""

    title = "owner"
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Offer both."""
        return [("quest", "quests"), ("agent", "agents")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:  # noqa: ARG002
        """Keep one of them."""
        chosen = self.value()
        return queryset.filter(quest__isnull=chosen == "agent") if chosen in ("quest", "agent") else queryset


@admin.register(Task)
class TaskAdmin(LargeTableAdmin[Task]):
    """Work to be run in slots. Quests and agents file it; here it is read."""

    list_display = ("id", "title", "owner", "entity", "stands", figure("expected_value_usd", "EV (USD)"), "created_at")
    list_filter = (StandsFilter, OwnerFilter, "created_at")
    list_select_related = ("wallet",)
    ordering: ClassVar[tuple[str, ...]] = ("-created_at",)
    search_fields = ("id__exact",)
    search_help_text = "A task's id, whole; or its owner, or its entity as type:id."
    fieldsets = (
        (None, {"fields": ("id", "title", "owner", "entity", "filed_by", "stands", "created_at", "closed_at")}),
        ("What it is expected to be worth", {"fields": ("worth", "parts"), "classes": ("told",)}),
        ("What it is expected to use", {"fields": ("expected_cost_tokens", "model")}),
        ("What it waits for, and what waits for it", {"fields": ("waits_for", "waited_for_by")}),
        ("On the market", {"fields": ("bid_now", "runs"), "classes": ("told",)}),
    )

    def get_fields(self, request: HttpRequest, obj: Task | None = None) -> Any:  # noqa: ARG002
        """Return all that the card shows."""
        return [name for _title, options in self.fieldsets for name in options["fields"]]

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:  # noqa: ARG002
        """Use the list that knows which tasks wait."""
        return TaskList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Task], search_term: str
    ) -> tuple[QuerySet[Task], bool]:
        """Find one task; else the tasks of an owner, or of an entity named type:id. None of them looks twice."""
        words = search_term.strip()
        if not words:
            return queryset, False
        found, may_repeat = super().get_search_results(request, queryset, f'"{words}"')
        if Task.objects.filter(pk=words).exists():
            return found, may_repeat
        kind, colon, name = words.partition(":")
        if colon:
            return queryset.filter(entity_type=kind, entity_id=name), False
        return queryset.filter(wallet__owner_id=words), False

    @admin.display(description="owner")
    def owner(self, task: Task) -> str | SafeString:
        """Return the quest or the agent whose task it is, leading there."""
        if task.quest_id is None:
            address = reverse("admin:config_agent_change", args=[task.wallet.owner_id])
        else:
            address = reverse("admin:auction_quest_change", args=[admin.utils.quote(task.quest_id)])
        return format_html('<a href="{}">{}</a>', address, task.wallet)

    @admin.display(description="entity")
    def entity(self, task: Task) -> str | SafeString:
        """Return the entity whose envelope pays for what it uses, leading to its story."""
        if not task.entity_type:
            return NONE
        return site.led_to_chain(task.entity_type, task.entity_id)

    @admin.display(description="state", ordering="state")
    def stands(self, task: Any) -> SafeString:
        """Return where it stands; an open one that waits for others is blocked."""
        waits = task.waits if hasattr(task, "waits") else bool(standing.blocked([task]))
        return badge(standing.BLOCKED if waits else task.state)

    # One task

    @admin.display(description="worth")
    def worth(self, task: Task) -> str:
        """Return its expected value in a sentence."""
        return valuation.explain(task).sentence

    @admin.display(description="parts")
    def parts(self, task: Task) -> str | SafeString:
        """Return what its value is made of, as a table, and the formula."""
        told = valuation.explain(task)
        if not told.parts:
            return format_html('<p class="quiet">{}</p>', "No parts were stated: the value is taken as it was given.")
        names = {
            "value_if_works_usd": "Value if it works (USD)",
            "chance": "Chance that it works",
            "priority": "Priority of its entity",
            "cost_usd": "Expected cost (USD)",
        }
        rows = [(names.get(name, name), f"{part.normalize():,f}") for name, part in told.parts.items()]
        scored = "never" if task.scored_at is None else f"{task.scored_at:%Y-%m-%d %H:%M:%S} UTC"
        table = site.table(("Part", "Figure"), rows)
        return format_html('{}<p class="quiet">{} · scored {}</p>', table, told.formula, scored)

    @admin.display(description="waits for")
    def waits_for(self, task: Task) -> str | SafeString:
        """Return the tasks that must be done first."""
        needed = (need.needs for need in Need.objects.filter(task=task).select_related("needs")[: _SHOWN + 1])
        return _named(needed) or "nothing"

    @admin.display(description="waited for by")
    def waited_for_by(self, task: Task) -> str | SafeString:
        """Return the tasks that wait for this one."""
        waiting = (need.task for need in Need.objects.filter(needs=task).select_related("task")[: _SHOWN + 1])
        return _named(waiting) or "no task"

    @admin.display(description="open bid")
    def bid_now(self, task: Task) -> str | SafeString:
        """Return its open bid."""
        bid = Bid.objects.filter(task=task, status=Bid.Status.OPEN).select_related("pool").first()
        if bid is None:
            return "No open bid."
        return format_html(
            '<a href="{}">Bids up to {} wallet tokens</a> in {}, {}, until {} UTC.',
            reverse("admin:auction_bid_change", args=[bid.pk]),
            f"{bid.max_price_tokens:,}",
            bid.pool,
            "by its quest's strategy" if bid.is_automatic else "by hand",
            f"{bid.ttl_at:%Y-%m-%d %H:%M}",
        )

    @admin.display(description="slots")
    def runs(self, task: Task) -> str | SafeString:
        """Return the slots it was sold or given, the newest first."""
        clears = list(Clear.objects.filter(winning_task=task).order_by("-pk")[:_SHOWN])
        if not clears:
            return "It was never sold or given a slot."
        heads = ("Slot", "When (UTC)", "State", "Charge", "LLM tokens", "Impact (USD)", "Runner")
        return site.table(heads, [_run(clear) for clear in clears], words=frozenset({1, 2, 6}))


def _run(clear: Clear) -> tuple[object, ...]:
    impact = NONE if clear.actual_impact is None else f"{clear.actual_impact.normalize():,f}"
    return (
        format_html(
            '<a href="{}">{}</a>',
            reverse("admin:auction_clear_change", args=[clear.pk]),
            "given" if clear.is_given else "sold",
        ),
        f"{clear.cleared_at:%Y-%m-%d %H:%M:%S}",
        badge(clear.state),
        f"{clear.charge_tokens:,}",
        NONE if clear.actual_cost_tokens is None else f"{clear.actual_cost_tokens:,}",
        impact,
        clear.runner_id or NONE,
    )


def _named(tasks: Iterable[Task]) -> SafeString | str:
    """Return tasks by name and state, each leading to its card, and whether there are more."""
    found = list(tasks)
    rows = (
        (reverse("admin:auction_task_change", args=[admin.utils.quote(one.pk)]), one.pk, badge(one.state), one.title)
        for one in found[:_SHOWN]
    )
    listed = format_html_join("", '<li><a href="{}">{}</a> {} {}</li>', rows)
    more = format_html("<li>{}</li>", "and more") if len(found) > _SHOWN else ""
    return format_html('<ul class="rows">{}{}</ul>', listed, more) if found else ""


@admin.register(Need)
class NeedAdmin(LargeTableAdmin[Need]):
    """What waits for what. A programme says so when it files a task; a need never changes."""

    list_display = ("id", "waiting", "stands", "needed", "needed_stands")
    list_select_related = ("task", "needs")
    search_fields = ("task_id__exact", "needs_id__exact")
    search_help_text = "The id of a task, whole: of one that waits or of one that is waited for."

    @admin.display(description="task")
    def waiting(self, need: Need) -> SafeString:
        """Return the task that waits."""
        return _led(need.task_id)

    @admin.display(description="it is")
    def stands(self, need: Need) -> SafeString:
        """Return its state."""
        return badge(need.task.state)

    @admin.display(description="waits for")
    def needed(self, need: Need) -> SafeString:
        """Return the task that must be done first."""
        return _led(need.needs_id)

    @admin.display(description="which is")
    def needed_stands(self, need: Need) -> SafeString:
        """Return its state."""
        return badge(need.needs.state)


def _led(task_id: str) -> SafeString:
    return format_html(
        '<a href="{}">{}</a>', reverse("admin:auction_task_change", args=[admin.utils.quote(task_id)]), task_id
    )
