"""The timetable names jobs that there are, and drops what nobody took in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django_celery_beat.schedulers import ModelEntry

from config.celery import app
from config.schedule import BEAT_SCHEDULE


@pytest.mark.django_db
@pytest.mark.parametrize("name", BEAT_SCHEDULE)
def test_every_entry_names_a_job_and_expires_as_beat_sends_it(name: str) -> None:
    app.loader.import_default_modules()
    entry = BEAT_SCHEDULE[name]
    assert entry["task"] in app.tasks
    sent = ModelEntry.from_entry(name, app=app, **entry)  # what the table keeps of it
    every = max(entry["schedule"], timedelta(seconds=2))
    assert timedelta(0) < timedelta(seconds=sent.options["expires"]) <= every
