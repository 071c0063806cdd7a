"""The timetable in the admin: django-celery-beat's pages, dressed like those of the house."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django_celery_beat import admin as beat_admin
from django_celery_beat import models as beat
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from config import dressed


class TaskSelect(UnfoldAdminSelectWidget, beat_admin.TaskSelectWidget):  # type: ignore[misc] # come without types
    """The choice of a task that the workers know."""


class PeriodicTaskForm(beat_admin.PeriodicTaskForm):  # type: ignore[misc] # comes without types
    """The package's form, with the house's fields."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Dress what the package declares."""
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskSelect()


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
class PeriodicTaskAdmin(beat_admin.PeriodicTaskAdmin, dressed.ModelAdmin[Any]):  # type: ignore[misc] # no types
    """The timetable; its actions, open to every reader in the package, ask for the right to change it."""

    form = PeriodicTaskForm
    date_hierarchy = None
    list_filter = ("enabled", "one_off")
    list_fullwidth = True
    fieldsets = tuple((title, {"fields": told["fields"]}) for title, told in beat_admin.PeriodicTaskAdmin.fieldsets)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions, to those who may change schedules."""
        return super().get_actions(request) if self.has_change_permission(request) else {}


@admin.register(beat.IntervalSchedule, beat.SolarSchedule)
class ScheduleAdmin(dressed.ModelAdmin[Any]):
    """Schedules that a few fields tell."""

    inlines: ClassVar[tuple[Any, ...]] = (TasksOfASchedule,)


@admin.register(beat.ClockedSchedule)
class ClockedScheduleAdmin(ScheduleAdmin):
    """Moments at which something runs once."""

    fields = ("clocked_time",)
    list_display = ("clocked_time",)


@admin.register(beat.CrontabSchedule)
class CrontabScheduleAdmin(beat_admin.CrontabScheduleAdmin, dressed.ModelAdmin[Any]):  # type: ignore[misc] # no types
    """Schedules as crontab writes them."""

    inlines = (TasksOfASchedule,)
