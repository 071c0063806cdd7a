"""The timetable in the admin: what beat wakes is switched on and off, run by hand, and changed."""

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django_celery_beat import admin as beat_admin
from django_celery_beat import models as beat
from kombu.exceptions import OperationalError

from config import celery, dressed
from config.schedule import BEAT_SCHEDULE
from config.site import CONFIRMED, HouseAdmin

_OF_THE_HOUSE = (
    "This entry belongs to the house: its task and schedule are written anew whenever beat starts."
    " What lasts is whether it is switched on."
)


class PeriodicTaskForm(forms.ModelForm[beat.PeriodicTask]):
    """What to wake and when; the task is one that the workers know, the arguments are JSON."""

    task = forms.ChoiceField()

    class Meta:
        """What people decide."""

        model = beat.PeriodicTask
        fields: ClassVar[tuple[str, ...]] = (
            *("name", "task", "enabled", "description", "interval", "crontab", "solar", "clocked"),
            *("one_off", "start_time", "args", "kwargs", "expire_seconds", "expires"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the tasks that there are, and the one that is named now."""
        super().__init__(*args, **kwargs)
        if "task" in self.fields:  # not on a page that is only read
            names = {*_known(), self.instance.task} - {""}
            self.fields["task"].choices = [(name, name) for name in ["", *sorted(names)]]  # type: ignore[attr-defined]

    def clean_args(self) -> str:
        """Refuse what is no list."""
        return self._json("args", list, "a list, as [1, 2]")

    def clean_kwargs(self) -> str:
        """Refuse what is no object."""
        return self._json("kwargs", dict, 'an object, as {"name": 1}')

    def _json(self, field: str, kind: type, words: str) -> str:
        given: str = self.cleaned_data[field]
        try:
            is_fit = isinstance(json.loads(given), kind)
        except ValueError:
            is_fit = False
        if not is_fit:
            msg = f"Give {words}, in JSON."
            raise forms.ValidationError(msg)
        return given


def _known() -> list[str]:
    """Return the names of the tasks that workers know, without those of the machinery."""
    celery.app.loader.import_default_modules()
    return [name for name in celery.app.tasks if not name.startswith("celery.")]


class TasksOfASchedule(dressed.TabularInline[beat.PeriodicTask, beat.IntervalSchedule]):
    """What runs by a schedule, on its page."""

    model = beat.PeriodicTask
    fields = readonly_fields = ("name", "task", "args", "kwargs")
    verbose_name_plural = "tasks that run by this schedule"
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: a task is added on the timetable."""
        return False

    has_change_permission = has_delete_permission = has_add_permission


for model in (
    *(beat.PeriodicTask, beat.IntervalSchedule, beat.CrontabSchedule),
    *(beat.ClockedSchedule, beat.SolarSchedule),
):
    admin.site.unregister(model)


@admin.register(beat.PeriodicTask)
class PeriodicTaskAdmin(HouseAdmin[beat.PeriodicTask]):
    """The timetable. Beat reads it anew within seconds of a change."""

    form = PeriodicTaskForm
    list_display: tuple[str, ...] = ("name", "enabled", "when", "task", "last_run_at", "total_run_count")
    list_display_links = ("name",)
    list_filter = ("enabled", "one_off")
    list_select_related = ("interval", "crontab", "solar", "clocked")
    ordering: ClassVar[tuple[str, ...]] = ("name",)
    search_fields = ("name", "task")
    readonly_fields = ("last_run_at", "total_run_count", "date_changed")
    actions = ("enable_tasks", "disable_tasks", "run_tasks")
    fieldsets = (
        (None, {"fields": ("name", "task", "enabled", "description")}),
        (
            "When: just one of the first four",
            {"fields": ("interval", "crontab", "solar", "clocked", "one_off", "start_time")},
        ),
        ("What it is given", {"fields": ("args", "kwargs")}),
        ("When a message is too old to be run", {"fields": ("expire_seconds", "expires")}),
        ("So far", {"fields": ("last_run_at", "total_run_count", "date_changed")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[beat.PeriodicTask]:
        """Fetch the schedules along: the name of an entry tells its own."""
        rows: QuerySet[beat.PeriodicTask] = super().get_queryset(request)
        return rows.select_related(*self.list_select_related)

    @admin.display(description="when")
    def when(self, task: beat.PeriodicTask) -> str:
        """Return the schedule in words."""
        return str(task.scheduler)

    def beside(self, request: HttpRequest, row: beat.PeriodicTask, deeds: list[tuple[str, str]]) -> dict[str, Any]:  # noqa: ARG002
        """Say of the house's own entries what will last."""
        return {"banner": _OF_THE_HOUSE} if row.name in BEAT_SCHEDULE else {}

    @admin.action(description="Switch on…", permissions=["change"])
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[beat.PeriodicTask]) -> HttpResponse | None:
        """Ask, then let beat wake them again."""
        return self._switch(request, queryset, to=True, warning="")

    @admin.action(description="Switch off…", permissions=["change"])
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[beat.PeriodicTask]) -> HttpResponse | None:
        """Ask, then let beat wake them no more."""
        warning = "Beat wakes them no more until somebody switches them on: what they do for the house is left undone."
        return self._switch(request, queryset, to=False, warning=warning)

    @admin.action(description="Run now…", permissions=["change"])
    def run_tasks(self, request: HttpRequest, queryset: QuerySet[beat.PeriodicTask]) -> HttpResponse | None:
        """Ask, then send each to the workers once, beside its schedule."""
        warning = "Each is sent to the workers once, now, beside its schedule and whether or not it is switched on."
        if CONFIRMED not in request.POST:
            return self._asks(request, queryset, "run_tasks", "Run now", warning)
        known = set(_known())
        sent = [task for task in queryset if task.task in known]
        try:
            for task in sent:
                _send(task)
                self.log_change(request, task, "Run by hand.")
        except OperationalError:
            self.message_user(request, "The broker cannot be reached. Try again in a moment.", messages.ERROR)
            return None
        if sent:
            self.message_user(request, f"Sent to the workers: {_names(sent)}.")
        if unknown := [task for task in queryset if task.task not in known]:
            self.message_user(request, f"No worker knows what these name: {_names(unknown)}.", messages.ERROR)
        return None

    def _switch(
        self, request: HttpRequest, rows: QuerySet[beat.PeriodicTask], *, to: bool, warning: str
    ) -> HttpResponse | None:
        deed, word = ("enable_tasks", "on") if to else ("disable_tasks", "off")
        if CONFIRMED not in request.POST:
            return self._asks(request, rows, deed, f"Switch {word}", warning)
        changed = [task for task in rows if task.enabled is not to]
        beat.PeriodicTask.objects.filter(pk__in=[task.pk for task in changed]).update(enabled=to)
        beat.PeriodicTasks.update_changed()  # an update sends no signal, by which the package would learn of it
        for task in changed:
            self.log_change(request, task, f"Switched {word}.")
        self.message_user(request, f"Switched {word}: {_names(changed)}.")
        return None

    def _asks(
        self, request: HttpRequest, rows: QuerySet[beat.PeriodicTask], deed: str, what: str, warning: str
    ) -> HttpResponse | None:
        title = f"{what}: entries of the timetable"
        return self.ask(request, rows, deed=deed, title=title, button=what, form=forms.Form(), warning=warning)


def _names(tasks: Sequence[beat.PeriodicTask]) -> str:
    return ", ".join(task.name for task in tasks) or "none"


def _send(task: beat.PeriodicTask) -> None:
    """Send a task to the workers as beat would: with its arguments, and too old as soon."""
    celery.app.send_task(
        task.task,
        args=json.loads(task.args),
        kwargs=json.loads(task.kwargs),
        expires=task.expire_seconds,
        headers={"periodic_task_name": task.name},
    )


@admin.register(beat.IntervalSchedule, beat.SolarSchedule)
class ScheduleAdmin(HouseAdmin[Any]):
    """Schedules that a few fields tell."""

    inlines: ClassVar[tuple[Any, ...]] = (TasksOfASchedule,)


@admin.register(beat.ClockedSchedule)
class ClockedScheduleAdmin(ScheduleAdmin):
    """Moments at which something runs once."""

    fields = ("clocked_time",)
    list_display: tuple[str, ...] = ("clocked_time",)


@admin.register(beat.CrontabSchedule)
class CrontabScheduleAdmin(ScheduleAdmin):
    """Schedules as crontab writes them."""

    fields = beat_admin.CrontabScheduleAdmin.fields
    readonly_fields = ("human_readable",)
    list_display: tuple[str, ...] = ("__str__", "human_readable")
