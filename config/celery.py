"""The Celery application: workers and beat find their tasks through it."""

import os
from typing import Any

from celery import Celery, Task

from config import requests

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class HouseTask(Task):  # type: ignore[misc] # comes without types
    """A task whose every run has an id, which stands in the records it leaves."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Run it under its own name and id; without an id it was called by hand."""
        with requests.known_as(f"{self.name}:{self.request.id}" if self.request.id else ""):
            return super().__call__(*given, **named)


app = Celery("config", task_cls=HouseTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
