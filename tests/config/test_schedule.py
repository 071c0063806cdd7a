"""The timetable names jobs that there are, and drops what nobody took in time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from config.celery import app
from config.schedule import BEAT_SCHEDULE


@pytest.mark.parametrize("name", BEAT_SCHEDULE)
def test_every_entry_names_a_job_and_expires(name: str) -> None:
    app.loader.import_default_modules()
    entry = BEAT_SCHEDULE[name]
    assert entry["task"] in app.tasks
    assert timedelta(0) < timedelta(seconds=entry["options"]["expires"]) <= max(entry["schedule"], timedelta(seconds=2))
