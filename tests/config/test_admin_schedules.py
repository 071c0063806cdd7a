"""The timetable: switched on and off and run after a question, and changed by a form that knows the tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks
from kombu.exceptions import OperationalError

from config import celery
from tests import reviewers
from tests.reviewers import page, press, said

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


def _entry(name: str = "often", **given: object) -> PeriodicTask:
    every, _is_new = IntervalSchedule.objects.get_or_create(every=9, period="seconds")
    return PeriodicTask.objects.create(name=name, interval=every, **{"task": "auction.tasks.audit_books", **given})


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Keep what would go to the workers."""
    kept: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(celery.app, "send_task", lambda name, **given: kept.append((name, given)))
    return kept


@pytest.mark.parametrize(("deed", "before"), [("enable_tasks", False), ("disable_tasks", True)])
def test_an_entry_is_switched_after_a_question_and_beat_learns_of_it(root: Client, deed: str, *, before: bool) -> None:
    task, other = _entry(enabled=before), _entry("other", enabled=not before)
    told = PeriodicTasks.last_change()
    asked = press(root, deed, task, other)
    assert "often: every 9 seconds" in asked.content.decode()
    assert PeriodicTask.objects.get(pk=task.pk).enabled is before
    answer = press(root, deed, task, other, confirmed="yes")
    assert said(answer) == [f"Switched {'off' if before else 'on'}: often."]
    assert set(PeriodicTask.objects.filter(pk__in=[task.pk, other.pk]).values_list("enabled", flat=True)) == {
        not before
    }
    assert PeriodicTasks.last_change() > told


def test_an_entry_is_run_once_after_a_question(root: Client, sent: list[tuple[str, dict[str, Any]]]) -> None:
    task = _entry(args="[1]", kwargs='{"two": 2}', expire_seconds=30)
    assert press(root, "run_tasks", task).status_code == 200
    assert sent == []
    assert said(press(root, "run_tasks", task, confirmed="yes")) == ["Sent to the workers: often."]
    given = {"args": [1], "kwargs": {"two": 2}, "expires": 30, "headers": {"periodic_task_name": "often"}}
    assert sent == [("auction.tasks.audit_books", given)]


def test_what_no_worker_knows_is_not_sent(root: Client, sent: list[tuple[str, dict[str, Any]]]) -> None:
    answer = press(root, "run_tasks", _entry(task="long.gone"), confirmed="yes")
    assert said(answer) == ["No worker knows what these name: often."]
    assert sent == []


def test_a_broker_out_of_reach_is_told(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_given: object, **_named: object) -> None:
        raise OperationalError

    monkeypatch.setattr(celery.app, "send_task", fail)
    answer = press(root, "run_tasks", _entry(), confirmed="yes")
    assert said(answer) == ["The broker cannot be reached. Try again in a moment."]


def test_the_form_offers_the_tasks_and_asks_again_for_what_is_wrong(root: Client) -> None:
    task = _entry()
    form = root.get(page(PeriodicTask, task.pk)).context["adminform"].form
    offered = [name for name, _text in form.fields["task"].choices]
    assert {"auction.tasks.tick", "auction.tasks.audit_books", "governance.tasks.tick"} <= set(offered)
    assert not [name for name in offered if name.startswith("celery.")]
    filled = {name: form[name].value() for name in form.fields if form[name].value() not in {None, False}}
    dates = {"start_time_0": "", "start_time_1": "", "expires_0": "", "expires_1": ""}
    given = {**filled, **dates, "task": "nobody.knows", "args": "{}", "kwargs": "1", "name": "seldom"}
    errors = root.post(page(PeriodicTask, task.pk), given).context["adminform"].form.errors
    assert set(errors) == {"task", "args", "kwargs"}
    given |= {"task": "auction.tasks.tick", "args": "[]", "kwargs": "{}"}
    assert root.post(page(PeriodicTask, task.pk), given).status_code == 302
    task.refresh_from_db()
    assert (task.name, task.task) == ("seldom", "auction.tasks.tick")


def test_what_the_house_writes_anew_is_told_on_its_page(root: Client) -> None:
    own, ours = _entry(), _entry("auction: audit")
    told = ["written anew" in root.get(page(PeriodicTask, one.pk)).content.decode() for one in (own, ours)]
    assert told == [False, True]
