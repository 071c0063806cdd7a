"""Answers are kept under their key for as long as the policy of retention says, and then the key is free."""

from __future__ import annotations

from datetime import timedelta

import pytest

from config import answers, retention
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


def test_a_key_is_free_when_its_answer_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 2)
    now = callers.now()
    for number in range(5):
        answers.keep(CLAIM._replace(key=str(number)), 201, "old")
    IdempotentRequest.objects.update(created_at=now - timedelta(days=7))
    answers.keep(CLAIM, 201, "new")

    week = retention.ago(7, now)
    assert retention.count(answers.outdated(week)) == retention.forget(answers.outdated(week)) == 0
    later = retention.ago(7, now + timedelta(seconds=1))
    assert retention.count(answers.outdated(later)) == retention.forget(answers.outdated(later)) == 5
    assert list(IdempotentRequest.objects.values_list("body", flat=True)) == ["new"]
    assert answers.keep(CLAIM._replace(key="1"), 201, "again")
