"""Answers are kept under their key for a week, and then the key is free."""

from __future__ import annotations

import pytest

from config import answers, tasks
from config.models import IdempotentRequest
from tests import callers

pytestmark = pytest.mark.django_db

CLAIM = answers.Claim("agent:ann", "k", b"x" * 32)


def test_the_first_answer_stays() -> None:
    assert answers.first(CLAIM) is None
    assert answers.keep(CLAIM, 201, "first")
    assert not answers.keep(CLAIM, 409, "second")
    assert answers.first(CLAIM) == answers.Answer(CLAIM.fingerprint, 201, "first")
    assert answers.keep(CLAIM._replace(principal="agent:ben"), 201, "his own")


def test_an_answer_is_forgotten_after_a_week(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_FORGOTTEN_AT_ONCE", 2)
    now = callers.now()
    for number in range(5):
        answers.keep(CLAIM._replace(key=str(number)), 201, "old")
    IdempotentRequest.objects.update(created_at=now - answers.KEPT_FOR)
    answers.keep(CLAIM, 201, "new")
    assert answers.forget(now=now) == 0
    IdempotentRequest.objects.filter(body="old").update(created_at=now - answers.KEPT_FOR * 1.001)
    assert answers.forget(now=now) == 5
    tasks.forget_answers()
    assert list(IdempotentRequest.objects.values_list("body", flat=True)) == ["new"]
