"""Outcomes in the admin: read by those who may, taken back once by a deed that asks."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.contrib.admin.models import LogEntry

from economics.models import Outcome
from tests import factories, reviewers
from tests.reviewers import offered, page, press, said, staff

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
KEY = "0123456789abcdef" * 2


def test_an_outcome_is_taken_back_once(client: Client) -> None:
    root = reviewers.root(client)
    row = factories.outcome(factories.envelope("h1"), 10)
    asked = press(root, "correct", row)
    assert "10 edges gained were recorded for hypothesis:h1." in asked.content.decode()
    chosen = {"key": KEY, "amount": "4", "reason": "merged twice", "confirmed": "yes"}
    for _ in range(2):
        assert said(press(root, "correct", row, **chosen))[-1] == f"Outcome {row.pk} is corrected."
    assert list(Outcome.objects.filter(corrects=row).values_list("amount", "note")) == [
        (Decimal(-4), "root: merged twice")
    ]
    assert LogEntry.objects.filter(object_id=str(row.pk), change_message="Corrected: merged twice").count() == 1
    refusal = said(press(root, "correct", row, **{**chosen, "key": KEY[::-1], "amount": "7"}))[-1]
    assert refusal.endswith("[correction_too_large: left 6.000000, asked 7]")


def test_only_who_may_add_outcomes_may_correct_them(client: Client) -> None:
    factories.outcome(factories.envelope("h1"), 10)
    staff(client, "economics.view_outcome")
    assert "correct" not in offered(client, Outcome)
    shown = client.get(page(Outcome)).content.decode()
    assert "hypothesis:h1" in shown
